"""The extension scripts: what pgspot says of them, and what the catalog says of what they made.

EXPSTAT_PGSPOT is a Python that has pgspot.  What it warns of is either repaired or listed here, with the reason; a finding of another
kind, or of a listed kind in another kind of statement, fails.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ["expstat", "expstat_registry"]

MADE_HERE = ("names what the script makes or has made: it goes to the first schema of the path, which CREATE EXTENSION sets to the "
             "extension's, and CREATE without OR REPLACE or IF NOT EXISTS fails if it is there")
BOUND = ("an expression that is bound when it is created; CREATE EXTENSION ends with a look at what it was bound to "
         "(sql/99-bound.sql), and refuses what is neither PostgreSQL's nor the extension's")
# (kind of statement, code): reason
ACCEPTED = {
    ("DefineStmt", "PS017"): MADE_HERE,             # CREATE TYPE, AGGREGATE, OPERATOR
    ("CompositeTypeStmt", "PS017"): MADE_HERE,
    ("CreateStmt", "PS017"): MADE_HERE,             # tables, and those that they refer to
    ("AlterTableStmt", "PS017"): MADE_HERE,
    ("GrantStmt", "PS017"): MADE_HERE,
    ("IndexStmt", "PS017"): MADE_HERE,
    ("ViewStmt", "PS017"): MADE_HERE,
    ("CreatePolicyStmt", "PS017"): MADE_HERE,
    ("CreateFunctionStmt", "PS016"): BOUND,         # defaults of arguments
    ("CreateStmt", "PS001"): BOUND,                 # constraints
    ("CreateStmt", "PS016"): BOUND,                 # defaults
    ("IndexStmt", "PS001"): BOUND,                  # WHERE
    ("CreatePolicyStmt", "PS001"): BOUND,
    ("CreatePolicyStmt", "PS016"): BOUND,
    ("ViewStmt", "PS001"): BOUND,
    ("ViewStmt", "PS009"): BOUND,
    ("ViewStmt", "PS016"): BOUND,
}
# PS016 in CREATE FUNCTION is of defaults only where these are; in a body it would be an error of ours.
DEFAULTS = {"exposure_cells", "extschema.analyze"}


def script(name):
    """The present version's, as make has built it."""
    version = re.search(r"^default_version = '(.*)'", (ROOT / (name + ".control")).read_text(), re.M)[1]
    return ROOT / ("%s--%s.sql" % (name, version))


def spot(script):
    done = subprocess.run([os.environ["EXPSTAT_PGSPOT"], str(ROOT / "test/security/spot.py")], input=script, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def spotted():
    return {name: spot(script(name).read_text()) for name in SCRIPTS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_pgspot_finds_nothing_else(spotted, name):
    found = spotted[name]
    assert found["statements"] > 400
    other = [f for f in found["findings"] if f[2] != "bound" and ((f[0], f[2]) not in ACCEPTED
                                                                  or (f[0] == "CreateFunctionStmt" and f[1] not in DEFAULTS))]
    assert other == []


def test_what_is_accepted_occurs(spotted):
    """Nothing is on the list that could be taken off."""
    found = {(f[0], f[2]) for name in SCRIPTS for f in spotted[name]["findings"]}
    assert found - {("CreateFunctionStmt", "bound")} == set(ACCEPTED)


PLANTED = [
    ("SELECT 1 = 1;", "PS001"),
    ("DO $$ BEGIN PERFORM now(); END $$;", "PS016"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;", "PS005"),
    ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;", "PS002"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT 1; END;", "PS003"),
    ("CREATE SCHEMA IF NOT EXISTS s;", "PS010"),
    ("CREATE TABLE IF NOT EXISTS t (i int);", "PS012"),
    ("CREATE OR REPLACE VIEW v AS TABLE pg_catalog.pg_class;", "PS015"),
]


@pytest.mark.parametrize("statement, code", PLANTED)
def test_pgspot_would_find_it(statement, code):
    assert code in {f[2] for f in spot(statement)["findings"]}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_adopt_nothing(name):
    text = script(name).read_text()
    assert re.findall(r"(?i)OR\s+REPLACE|SECURITY\s+DEFINER|CREATE\s[^;(]*IF\s+NOT\s+EXISTS", text) == []


# --- what the catalog says ----------------------------------------------------------------------

@pytest.fixture
def catalog(db):
    """With a view of what belongs to the extensions."""
    db.run("CREATE TEMP VIEW ours AS SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid "
           "WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname LIKE 'expstat%'")
    return db


def test_no_function_looks_names_up_in_the_callers_path(catalog, spotted):
    """SQL: bound when it was created.  PL/pgSQL: with a path of its own.  C looks up no names."""
    rows = catalog.rows("SELECT p.proname, l.lanname, p.prosecdef, p.proconfig, p.prosqlbody IS NOT NULL AS bound "
                        "FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang "
                        "JOIN ours ON ours.classid = 'pg_proc'::regclass AND ours.objid = p.oid WHERE p.prokind = 'f'")
    assert len(rows) > 300 and not any(r.prosecdef for r in rows)
    assert {r.lanname for r in rows} == {"c", "sql", "plpgsql"}
    assert [r.proname for r in rows if r.lanname == "sql" and not r.bound] == []
    assert [r.proname for r in rows if r.lanname == "plpgsql"
            and "search_path=pg_catalog, pg_temp" not in (r.proconfig or [])] == []
    # Those that pgspot could not read are those that are bound; the report's two are made by a DO.
    listed = [f[3] for name in SCRIPTS for f in spotted[name]["findings"] if f[2] == "bound"]
    assert len(listed) + 2 == sum(r.bound for r in rows)


def test_bodies_and_views_are_bound_to_our_own_and_to_postgresql(catalog):
    """By the OIDs in the parse trees, which are written down in the catalog (sql/99-bound.sql goes by dependencies)."""
    trees = [r[0] for r in catalog.rows(
        "SELECT p.prosqlbody::text FROM pg_proc AS p JOIN ours ON ours.objid = p.oid WHERE p.prosqlbody IS NOT NULL "
        "UNION ALL SELECT p.proargdefaults::text FROM pg_proc AS p JOIN ours ON ours.objid = p.oid WHERE p.proargdefaults IS NOT NULL "
        "UNION ALL SELECT r.ev_action::text FROM pg_rewrite AS r JOIN ours ON ours.objid = r.ev_class "
        "UNION ALL SELECT p.polqual::text FROM pg_policy AS p JOIN ours ON ours.objid = p.polrelid WHERE p.polqual IS NOT NULL "
        "UNION ALL SELECT c.conbin::text FROM pg_constraint AS c JOIN ours ON ours.objid = c.conrelid WHERE c.conbin IS NOT NULL "
        "UNION ALL SELECT a.adbin::text FROM pg_attrdef AS a JOIN ours ON ours.objid = a.adrelid")]
    assert len(trees) > 200
    used = {kind: set() for kind in ("funcid", "opno", "aggfnoid", "winfnoid", "opfuncid")}
    for tree in trees:
        words = tree.replace("{", " ").replace("}", " ").replace(")", " ").split()
        for word, value in zip(words, words[1:]):
            if word[1:] in used and word[0] == ":":
                used[word[1:]].add(int(value))
    functions = set.union(*(used[k] for k in used if k != "opno")) - {0}
    assert len(functions) > 100 and len(used["opno"]) > 20
    foreign = catalog.rows(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.oid = ANY (%s) AND p.pronamespace <> 'pg_catalog'::regnamespace "
        "AND NOT EXISTS (SELECT FROM ours WHERE ours.objid = p.oid) UNION ALL "
        "SELECT o.oid::regoperator::text FROM pg_operator AS o WHERE o.oid = ANY (%s) AND o.oprnamespace <> 'pg_catalog'::regnamespace "
        "AND NOT EXISTS (SELECT FROM ours WHERE ours.objid = o.oid)", list(functions), list(used["opno"]))
    assert foreign == []
