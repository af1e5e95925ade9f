"""From one version to the next: updates of the extension, dump and restore, states that older versions stored."""

import csv
import gzip
import json
import math
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from connection import Db

ROOT = Path(__file__).parents[2]
EXTENSIONS = ["expstat", "expstat_registry"]
RELEASES = {extension: sorted(p.stem.split("--")[1] for p in (ROOT / "sql" / "releases").glob(extension + "--*.sql")
                              if p.stem.count("--") == 1) for extension in EXTENSIONS}
RELEASED = RELEASES["expstat"]
UPDATES = [(extension, version) for extension in EXTENSIONS for version in RELEASES[extension]]
CURRENT = re.search(r"default_version = '(.*)'", (ROOT / "expstat.control").read_text()).group(1)

csv.field_size_limit(10**8)


@pytest.fixture
def databases(db):
    """Makes databases, which are dropped at the end of the test."""
    made = []

    def make(name):
        name = "%s_%s" % (db.connection.info.dbname, name)
        db.run("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'" % name)
        made.append(Db(name))
        return made[-1]

    yield make
    for other in made:
        name = other.connection.info.dbname
        other.close()
        db.run("DROP DATABASE %s WITH (FORCE)" % name)


def test_one_version_everywhere(db):
    """Control files, PGXN's metadata, the changelog and what is installed agree."""
    meta = json.loads((ROOT / "META.json").read_text())
    assert {meta["version"]} | {e["version"] for e in meta["provides"].values()} == {CURRENT}
    assert set(meta["provides"]) == {p.stem for p in ROOT.glob("*.control")}
    for control in ROOT.glob("*.control"):
        assert "default_version = '%s'" % CURRENT in control.read_text(), control
    assert db.one("SELECT extversion FROM pg_extension WHERE extname = 'expstat'") == CURRENT
    changelog = (ROOT / "CHANGELOG.md").read_text()
    for version in RELEASED + [CURRENT]:
        assert "## [%s]" % version in changelog
    for extension in EXTENSIONS:
        available = {r.version for r in db.rows("SELECT version FROM pg_available_extension_versions WHERE name = %s", extension)}
        assert available == set(RELEASES[extension]) | {CURRENT}


# --- updates --------------------------------------------------------------------------------------

# What there is to know of an extension's objects, without OIDs: text that identifies an object, and its facts.  The
# columns of a catalog that hold OIDs or expression trees are taken out of the row, and come back as text.
MEMBERS = """(SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
			  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = '%s')"""

FACTS = {
    "member": """
        SELECT pg_describe_object(m.classid, m.objid, 0), jsonb_build_object(
            'comment', obj_description(m.objid, (SELECT relname FROM pg_class WHERE oid = m.classid)),
            'initial privileges', (SELECT initprivs::text FROM pg_init_privs AS i WHERE i.classoid = m.classid AND i.objoid = m.objid
                                   AND i.objsubid = 0))
        FROM %(members)s AS m""",
    "function": """
        SELECT p.oid::regprocedure::text, to_jsonb(p) - '{oid,pronamespace,proowner,prolang,prorettype,proargtypes,proallargtypes,
                provariadic,proargdefaults,protrftypes,prosqlbody,prosupport}'::text[]
            || jsonb_build_object('language', (SELECT lanname FROM pg_language AS l WHERE l.oid = p.prolang),
                'result', pg_get_function_result(p.oid), 'arguments', pg_get_function_arguments(p.oid),
                'body', pg_get_function_sqlbody(p.oid), 'support', p.prosupport::text, 'own schema', p.pronamespace::regnamespace)
        FROM %(members)s AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid""",
    "aggregate": """
        SELECT a.aggfnoid::regprocedure::text, to_jsonb(a) - '{aggfnoid,aggtranstype,aggmtranstype,aggsortop}'::text[]
            || jsonb_build_object('state', a.aggtranstype::regtype, 'moving', a.aggmtranstype::regtype, 'sort', a.aggsortop::regoperator,
                'transition', a.aggtransfn::regprocedure, 'final', a.aggfinalfn::regprocedure)
        FROM %(members)s AS m JOIN pg_aggregate AS a ON m.classid = 'pg_proc'::regclass AND a.aggfnoid = m.objid""",
    "type": """
        SELECT t.oid::regtype::text, to_jsonb(t) - '{oid,typnamespace,typowner,typrelid,typelem,typarray,typbasetype,typcollation,
                typdefaultbin}'::text[]
            || jsonb_build_object('element', t.typelem::regtype, 'array', t.typarray::regtype, 'base', t.typbasetype::regtype,
                'own schema', t.typnamespace::regnamespace, 'collation', t.typcollation::regcollation)
        FROM %(members)s AS m JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid""",
    "column": """
        SELECT format('%%s.%%s', c.oid::regclass, a.attname), to_jsonb(a) - '{attrelid,atttypid,attcollation,attmissingval,attoptions}'::text[]
            || jsonb_build_object('type', format_type(a.atttypid, a.atttypmod), 'collation', a.attcollation::regcollation,
                'default', (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef AS d WHERE d.adrelid = c.oid AND d.adnum = a.attnum),
                'comment', col_description(c.oid, a.attnum))
        FROM (SELECT t.typrelid AS oid FROM %(members)s AS m JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
              UNION SELECT objid FROM %(members)s AS m WHERE m.classid = 'pg_class'::regclass) AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE a.attnum > 0""",
    "relation": """
        SELECT c.oid::regclass::text, jsonb_build_object('kind', c.relkind, 'acl', c.relacl, 'options', c.reloptions,
            'row security', c.relrowsecurity, 'forced', c.relforcerowsecurity,
            'view', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
            'constraints', (SELECT jsonb_object_agg(conname, pg_get_constraintdef(k.oid)) FROM pg_constraint AS k WHERE k.conrelid = c.oid),
            'indexes', (SELECT jsonb_object_agg(indexrelid::regclass, pg_get_indexdef(indexrelid)) FROM pg_index AS i WHERE i.indrelid = c.oid),
            'triggers', (SELECT jsonb_object_agg(tgname, pg_get_triggerdef(t.oid)) FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT tgisinternal),
            'policies', (SELECT jsonb_object_agg(polname, jsonb_build_array(polcmd, polpermissive, polroles::regrole[],
                         pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))) FROM pg_policy AS p WHERE p.polrelid = c.oid))
        FROM %(members)s AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid""",
    "cast": """
        SELECT pg_describe_object(m.classid, m.objid, 0), jsonb_build_array(c.castfunc::regprocedure, c.castcontext, c.castmethod)
        FROM %(members)s AS m JOIN pg_cast AS c ON m.classid = 'pg_cast'::regclass AND c.oid = m.objid""",
    "operator": """
        SELECT o.oid::regoperator::text, to_jsonb(o) - '{oid,oprnamespace,oprowner,oprleft,oprright,oprresult,oprcom,oprnegate}'::text[]
            || jsonb_build_object('result', o.oprresult::regtype, 'commutator', o.oprcom::regoperator, 'negator', o.oprnegate::regoperator)
        FROM %(members)s AS m JOIN pg_operator AS o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid""",
    "operator class": """
        SELECT pg_describe_object(m.classid, m.objid, 0), jsonb_build_object('default', c.opcdefault, 'type', c.opcintype::regtype,
            'operators', (SELECT jsonb_agg(jsonb_build_array(amopstrategy, amoppurpose, amopopr::regoperator) ORDER BY 1)
                          FROM pg_amop AS a WHERE a.amopfamily = c.opcfamily),
            'functions', (SELECT jsonb_agg(jsonb_build_array(amprocnum, amproc::regprocedure) ORDER BY 1)
                          FROM pg_amproc AS a WHERE a.amprocfamily = c.opcfamily))
        FROM %(members)s AS m JOIN pg_opclass AS c ON m.classid = 'pg_opclass'::regclass AND c.oid = m.objid""",
    "extension": """
        SELECT extname, to_jsonb(e) - '{oid,extowner,extnamespace,extconfig}'::text[]
            || jsonb_build_object('tables', extconfig::regclass[], 'own schema', extnamespace::regnamespace)
        FROM pg_extension AS e WHERE extname = '%(extension)s'""",
}


def facts(db, extension):
    """Everything the catalogs say of an extension: {(kind, object): facts}."""
    db.run("SET search_path = pg_catalog")  # so that every name has its schema
    found = {}
    for kind, query in FACTS.items():
        for name, fact in db.rows(query % {"members": MEMBERS % extension, "extension": extension}):
            assert (kind, name) not in found
            found[kind, name] = fact
    db.run("RESET search_path")
    return found


def differences(fresh, updated):
    """What the upgrade script lacks, has too much or has otherwise, a line each."""
    lines = ["missing after the update: %s %s" % key for key in fresh.keys() - updated.keys()]
    lines += ["only after the update: %s %s" % key for key in updated.keys() - fresh.keys()]
    for key in fresh.keys() & updated.keys():
        a, b = fresh[key], updated[key]
        if isinstance(a, dict):
            lines += ["%s %s: %s is %r in a fresh installation, %r after the update" % (*key, fact, a.get(fact), b.get(fact))
                      for fact in a.keys() | b.keys() if a.get(fact) != b.get(fact)]
        elif a != b:
            lines.append("%s %s is %r in a fresh installation, %r after the update" % (*key, a, b))
    return sorted(lines)


def install(db, extension, version):
    """Outside of the search path, so that a script which relies on the user's would fail."""
    db.run('CREATE SCHEMA "Our stats"')
    db.run("CREATE EXTENSION expstat SCHEMA \"Our stats\" VERSION '%s'" % version)
    if extension != "expstat":
        db.run("CREATE EXTENSION %s VERSION '%s'" % (extension, version))


def update(db, extension):
    """In the order of docs/versions.md."""
    db.run("ALTER EXTENSION expstat UPDATE")
    if extension != "expstat":
        db.run("ALTER EXTENSION %s UPDATE" % extension)


KINDS = {"expstat": {"member", "function", "aggregate", "type", "column", "cast", "operator", "operator class", "extension"},
         "expstat_registry": {"member", "function", "type", "column", "relation", "extension"}}


@pytest.mark.parametrize("extension, version", UPDATES)
def test_an_update_gives_what_a_fresh_installation_gives(databases, extension, version):
    fresh, updated = databases("fresh"), databases("updated")
    install(fresh, extension, CURRENT)
    install(updated, extension, version)
    before = facts(updated, extension)
    update(updated, extension)
    after, expected = facts(updated, extension), facts(fresh, extension)
    assert not differences(expected, after), "\n".join(differences(expected, after))
    # The comparison sees something.
    assert differences(expected, before)


CHANGES = {
    "expstat": [
        ('ALTER FUNCTION "Our stats".moments_summary("Our stats".moments) COST 7', "procost"),
        ('COMMENT ON TYPE "Our stats".comparison IS \'x\'', "comment"),
        ('COMMENT ON COLUMN "Our stats".comparison.n IS \'x\'', "comment"),
        ('GRANT EXECUTE ON FUNCTION "Our stats".welch_t_final("Our stats".moments) TO postgres', "proacl"),
        ('ALTER FUNCTION "Our stats".exposure_relation(regclass, text) SET work_mem = 64', "proconfig"),
        ('ALTER EXTENSION expstat DROP FUNCTION "Our stats".farm_fingerprint(bytea)', "missing"),
        ('ALTER TYPE "Our stats".decision ADD ATTRIBUTE x int', "only after")],
    "expstat_registry": [
        ("ALTER TABLE expstat.metrics ADD COLUMN x int", "only after"),
        ("ALTER TABLE expstat.metrics ALTER role SET DEFAULT 'guardrail'", "default"),
        ("ALTER TABLE expstat.metrics DROP CONSTRAINT metrics_role_check", "constraints"),
        ("CREATE INDEX x ON expstat.states (cohort)", "indexes"),
        ("ALTER TABLE expstat.metrics DISABLE ROW LEVEL SECURITY", "row security"),
        ("ALTER POLICY metrics_read ON expstat.metrics USING (false)", "policies"),
        ("REVOKE SELECT ON expstat.states FROM PUBLIC", "acl"),
        ("ALTER VIEW expstat.experiment_results SET (security_barrier)", "options"),
        ("ALTER VIEW expstat.experiment_health RENAME value TO x", "view"),
        ("UPDATE pg_extension SET extcondition[1] = 'WHERE true' WHERE extname = 'expstat_registry'", "extcondition"),
        ("CREATE OR REPLACE FUNCTION expstat.better_sign(better text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE "
         "BEGIN ATOMIC SELECT 1; END", "body")]}


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_comparison_sees_changes(databases, extension):
    fresh, changed = databases("fresh"), databases("changed")
    install(fresh, extension, CURRENT)
    install(changed, extension, CURRENT)
    expected = facts(fresh, extension)
    assert differences(expected, facts(changed, extension)) == []
    assert {kind for kind, _ in expected} == KINDS[extension]
    assert len(expected) > 300
    for change, sees in CHANGES[extension]:
        changed.run("BEGIN")
        changed.run(change)
        assert any(sees in line for line in differences(expected, facts(changed, extension))), change
        changed.run("ROLLBACK")


# What a next version of the registry may do to tables with rows, and to views and functions that others stand on.
# metric_parts() gives rows of a table that gets a column, so it must be made anew.
METRIC_PARTS = re.search(r"^CREATE (FUNCTION metric_parts.*?^END;)$", (ROOT / "registry" / "50-queries.sql").read_text(), re.M | re.S).group(1)
REHEARSAL = """
ALTER TABLE metrics ADD COLUMN words text[];
CREATE OR REPLACE %s
COMMENT ON COLUMN metrics.words IS 'to find it by';
CREATE TABLE notes (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	note text NOT NULL
);
COMMENT ON TABLE notes IS 'what was noted of an experiment';
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY notes_of_owner ON notes
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = notes.experiment));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.notes', '');
CREATE OR REPLACE VIEW experiment_health WITH (security_invoker) AS
SELECT h.experiment, h.check_name, h.status, h.value, h.threshold, h.detail, h.place, a.as_of, a.analyzed_at, a.units
FROM health AS h JOIN analyses AS a ON a.experiment = h.experiment;
CREATE OR REPLACE FUNCTION better_sign(better text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN better = 'lower' THEN -1 ELSE 1 END;
END;
""" % METRIC_PARTS


@pytest.fixture
def next_registry(db, tmp_path):
    """The name of a version for which make has a script to update the registry to."""
    for name in ("Makefile", "sql", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    scripts = tmp_path / "registry" / "upgrade"
    scripts.mkdir(parents=True)
    (scripts / ("%s--rehearsal.sql" % CURRENT)).write_text(REHEARSAL)
    script = "expstat_registry--%s--rehearsal.sql" % CURRENT
    subprocess.run(["make", "-s", script], cwd=tmp_path, check=True)
    installed = Path(db.one("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'")) / "extension" / script
    shutil.copy(tmp_path / script, installed)
    installed.chmod(0o644)
    yield "rehearsal"
    installed.unlink()


def test_the_registry_can_be_updated_and_keeps_its_rows(databases, next_registry):
    """By its owner, who is no superuser and whom row-level security would hold back."""
    registry = databases("registry")
    owner = registry.connection.info.dbname + "_owner"
    registry.run("CREATE ROLE %s" % owner)
    try:
        registry.run("ALTER DATABASE %s OWNER TO %s" % (registry.connection.info.dbname, owner))
        registry.run("ALTER SCHEMA public OWNER TO %s" % owner)
        registry.run("SET SESSION AUTHORIZATION %s" % owner)
        registry.run("CREATE EXTENSION expstat_registry CASCADE")
        for file in ("data.sql", "registry.sql"):
            registry.run((ROOT / "test" / "upgrade" / file).read_text())
        first = registry.dicts("SELECT * FROM expstat.analyze('checkout', as_of => '2026-03-01')")
        views = ["SELECT * FROM expstat.%s AS t ORDER BY t::text" % name for name in
                 ("metrics", "experiments", "variants", "experiment_metrics", "states", "timeline", "health", "analyses", "decisions",
                  "experiment_results", "experiment_timeseries", "experiment_summary")]
        # The rows, whatever columns there are now.
        columns = {view: registry.rows(view)[0]._fields for view in views}
        before = {view: registry.dicts(view) for view in views}
        registry.run("ALTER EXTENSION expstat_registry UPDATE TO '%s'" % next_registry)
        after = {view: [{c: row[c] for c in columns[view]} for row in registry.dicts(view)] for view in views}
        assert after == before and all(before.values())
        assert registry.one("SELECT bool_and(words IS NULL) FROM expstat.metrics")
        assert registry.one("SELECT min(units) FROM expstat.experiment_health") == 500

        # A dump has the rows of the new table and of the new column.
        registry.run("INSERT INTO expstat.notes SELECT experiment, 'all is there' FROM expstat.experiments")
        registry.run("UPDATE expstat.metrics SET words = '{found}'")
        dump = subprocess.run(["pg_dump", "--data-only", registry.connection.info.dbname], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert dump.count("all is there") == 1 and dump.count("{found}") == 3
        for table in ("metrics", "experiments", "variants", "experiment_metrics", "states", "timeline", "quantiles", "health",
                      "analyses", "decisions", "notes"):
            assert "COPY expstat.%s (" % table in dump

        # The next analysis, after a change.
        registry.run("SELECT expstat.register_metric('turnover', relation => 'orders', unit_column => 'unit', "
                     "value_column => 'amount', time_column => 'ordered_at')")
        again = registry.dicts("SELECT * FROM expstat.analyze('checkout', as_of => '2026-03-01', refresh => true)")
        assert [row["p_value"] for row in again] == [row["p_value"] for row in first] and again
    finally:
        registry.run("RESET SESSION AUTHORIZATION")
        registry.run("ALTER DATABASE %s OWNER TO postgres" % registry.connection.info.dbname)
        registry.run("DROP OWNED BY %s CASCADE" % owner)
        registry.run("DROP ROLE %s" % owner)


# Calls through what version 0.1.0 declared, of every part of the library.
CALLS = """
SELECT welch_t(y, variant) FROM units
SELECT welch_t(y, variant, 'treatment') FROM units
SELECT moments_agg(y, variant)::text FROM units
SELECT moments_agg(y, x, variant)::jsonb FROM units
SELECT moments_agg(ARRAY[y, x, 1], variant) = moments_agg(ARRAY[y, x, 1], variant) FROM units
SELECT moments_agg(m)::text FROM (SELECT moments_agg(y, variant) AS m FROM units GROUP BY i % 7) AS s
SELECT count(*) FROM (SELECT DISTINCT m FROM states) AS d
SELECT w.* FROM states, welch_t(m, alpha => 0.1, lift_method => 'fieller') AS w ORDER BY 1
SELECT moments_summary(m) FROM states
SELECT moments_covariance(m, 'control') FROM states
SELECT moments_project(m, '{1,-1}'), moments_select(m, '{2}'), moments_filter(m, '{control}') FROM states
SELECT moments_relabel(m, '{"treatment": "b"}') FROM states
SELECT proportion_z(y > 60, variant) FROM units
SELECT proportion_z(moments_agg((y > 60)::int, variant)) FROM units
SELECT delta_ratio(y, x + 1, variant) FROM units
SELECT delta_ratio(m) FROM states
SELECT cuped_adjust(y, x) FROM units
SELECT cuped_adjust(y, x, variant) FROM units
SELECT cuped_adjust(m) FROM states
SELECT cuped_ratio(moments_agg(ARRAY[y, x + 1, y + x, x + 2], variant)) FROM units
SELECT stratified_t(m) FROM (SELECT moments_agg(y, variant) AS m FROM units GROUP BY i % 3) AS s
SELECT bayes_normal(m, prior_mean => 0, prior_sd => 1) FROM states
SELECT chi_square(variant, (i % 3)::text) FROM units
SELECT anova(m), welch_anova(m) FROM states
SELECT heterogeneity(m) FROM (SELECT moments_agg(y, variant) AS m FROM units GROUP BY i % 3) AS s
SELECT novelty(i, y, 1) FROM units WHERE i < 20
SELECT aipw(y, variant = 'treatment', ARRAY[x]) FROM units
SELECT srm(variant, '{"control": 1, "treatment": 1}') FROM units
SELECT srm('{10,20}'::bigint[], '{1,1}'), srm_sequential('{10,20}'::bigint[], '{1,1}'::float8[])
SELECT srm_sequential(variant, '{"control": 1, "treatment": 1}') FROM units
SELECT confidence_sequence(m), msprt(m) FROM states
SELECT group_sequential_bounds('{0.5,1}', 0.05)
SELECT p_adjust(ARRAY[0.01, 0.02, 0.3], 'holm')
SELECT p_adjust(y / 200, 'bh') OVER () FROM units WHERE i < 10
SELECT sample_size_mean(0.1, 1), power_mean(0.1, 1, 1000)
SELECT mann_whitney(y, variant) FROM units
SELECT mann_whitney('control') WITHIN GROUP (ORDER BY y, variant) FROM units
SELECT quantile_compare(y, variant, 0.9) FROM units
SELECT quantile_compare(0.5) WITHIN GROUP (ORDER BY y, variant) FROM units
SELECT trimmed_t(y, variant, 0.1), winsorize(5, 0, 3) FROM units
SELECT winsor_bounds(0.05, 0.95) WITHIN GROUP (ORDER BY y) FROM units
SELECT bootstrap_mean(unit, y, variant) FROM units
SELECT bootstrap_ratio(unit, y, x + 1, variant) FROM units
SELECT bootstrap_quantile(y, variant, 0.5) FROM units
SELECT md5(bootstrap_agg(unit, y, variant, 100, 1)::text) FROM units
SELECT bootstrap_mean(bootstrap_agg(unit, y, variant, 100, 1), method => 'bca') FROM units
SELECT assign_variant(unit, 'salt', '{a,b}'), assign_bucket(unit, 'salt') FROM units WHERE i < 20
SELECT assign_layer(unit, 'layer', '{a,b}', ARRAY[[0, 0.5], [0.5, 1]]) FROM units WHERE i < 20
SELECT farm_fingerprint('x'), farm_fingerprint('x'::bytea), murmur3_32('x', 1), fnv1a_32('x'), sha1_60('x')
SELECT (first_exposure(variant, '2026-01-01'::timestamptz + i * interval '1 s')).* FROM units
SELECT * FROM exposure_health('log', 'unit', 'variant', 'exposed_at', '{control,treatment}')
SELECT * FROM srm_by_day('log', 'unit', 'variant', 'exposed_at', '{control,treatment}')
""".strip().splitlines()

DATA = """
CREATE TABLE units AS
SELECT i, i::text AS unit, (hashint4(i) & 1023) / 8.0::float8 AS y, (hashint4(-i) & 255)::float8 AS x,
       CASE WHEN hashint4(i + 1000000) & 1 = 0 THEN 'control' ELSE 'treatment' END AS variant
FROM generate_series(1, 300) AS i;
CREATE TABLE states AS SELECT moments_agg(y, x, variant) AS m FROM units;
CREATE TABLE log AS SELECT unit, variant, '2026-01-01'::timestamptz + i * interval '10 min' AS exposed_at FROM units;
CREATE TABLE bootstraps AS SELECT bootstrap_agg(unit, y, variant, 100, 7) AS b FROM units;
CREATE VIEW results AS SELECT w.* FROM states, welch_t(m) AS w;
CREATE VIEW days AS SELECT exposed_at::date AS day, (srm(variant, '{"control": 1, "treatment": 1}')).p_value FROM log GROUP BY 1;
CREATE MATERIALIZED VIEW segments AS SELECT i % 3 AS segment, moments_agg(y, variant) AS m FROM units GROUP BY 1;
CREATE INDEX states_hash ON states USING hash (m);
CREATE FUNCTION latest() RETURNS SETOF comparison LANGUAGE sql BEGIN ATOMIC SELECT w.* FROM states, welch_t(m, alpha => 0.01) AS w; END;
"""

QUESTIONS = ["SELECT m::text FROM states", "SELECT b::text FROM bootstraps", "SELECT segment, m::text FROM segments ORDER BY 1",
             "SELECT * FROM results", "SELECT * FROM days ORDER BY 1", "SELECT * FROM latest()"]


def answers(db, calls):
    result = {}
    for call in calls:
        rows = db.rows(call)
        assert rows and any(value is not None for value in rows[0]), call
        result[call] = [str(row) for row in rows]
    return result


@pytest.mark.parametrize("version", RELEASED)
def test_what_an_older_version_declared_works_before_and_after_the_update(databases, version):
    """Between the installation of the new files and the update, the old declarations call the new library."""
    old, fresh = databases("old"), databases("fresh")
    for db, installed in ((old, version), (fresh, CURRENT)):
        db.run("SET timezone = 'UTC'")
        install(db, "expstat", installed)
        db.run('SET search_path = public, "Our stats"')
        db.run(DATA)
    before = answers(old, CALLS + QUESTIONS)
    old.run("ALTER EXTENSION expstat UPDATE")
    assert answers(old, CALLS + QUESTIONS) == before == answers(fresh, CALLS + QUESTIONS)


# --- dump and restore -----------------------------------------------------------------------------

def test_dump_and_restore_keep_states_views_and_functions(databases, tmp_path):
    """The extension in a schema of its own, which is not in the search path of the restoring session."""
    db, copy = databases("dumped"), databases("restored")
    install(db, "expstat", CURRENT)
    db.run('SET search_path = public, "Our stats"')
    db.run(DATA)
    db.run("CREATE TABLE odd (id int, m moments CHECK (m IS NULL OR m <> '{\"version\": 1, \"metrics\": 9, \"variants\": {}}'), b bootstrap)")
    for i, state in enumerate(stored_states()):
        db.run("INSERT INTO odd (id, %s) VALUES (%%s, %%s)" % {"moments": "m", "bootstrap": "b"}[state["type"]], i, state["text"])
    dump = str(tmp_path / "dump")
    subprocess.run(["pg_dump", "-Fc", "-f", dump, db.connection.info.dbname], check=True)
    done = subprocess.run(["pg_restore", "--exit-on-error", "-d", copy.connection.info.dbname, dump], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    copy.run('SET search_path = public, "Our stats"')
    questions = QUESTIONS + ["SELECT id, m::text, b::text FROM odd ORDER BY id"]
    assert answers(copy, questions) == answers(db, questions)


# --- stored states --------------------------------------------------------------------------------

def stored_states():
    """What all released versions wrote: see test/data/README.md."""
    states = []
    for file in sorted((ROOT / "test" / "data" / "states").glob("*/states.csv.gz")):
        with gzip.open(file, "rt", newline="", encoding="utf-8") as f:
            states += [dict(row, version=file.parent.name) for row in csv.DictReader(f)]
    return states


STATES = stored_states()
IDS = ["%(version)s %(type)s %(name)s" % s for s in STATES]


def test_there_are_states_of_every_release():
    assert sorted({s["version"] for s in STATES}) == sorted(RELEASED)


def copy_stream(value):
    """One row of one column in COPY's binary format."""
    return b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0) + struct.pack("!hi", 1, len(value)) + value + struct.pack("!h", -1)


@pytest.fixture(scope="module")
def forms(database):
    """A connection where the bytes of a value on the disk can be written."""
    db = Db(database)
    db.run((ROOT / "test" / "disk.sql").read_text())
    for kind in ("moments", "bootstrap"):
        db.run("CREATE TABLE read_%s (form text, v %s)" % (kind, kind))
    yield db
    db.run("DROP TABLE read_moments, read_bootstrap")
    db.run("DROP TYPE disk CASCADE")
    db.close()


def same(a, b):
    """Equal, but for the last digits of numbers."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12 if abs(a) < 1 and a != 0 and abs(a) > 1e-12 else 0)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


@pytest.mark.parametrize("state", STATES, ids=IDS)
def test_states_of_every_release_are_read(forms, state):
    """From text, from binary and from the disk comes the same value, which says what it said when it was written."""
    kind = state["type"]
    table = "read_" + kind
    forms.run("TRUNCATE %s" % table)
    forms.run("INSERT INTO %s VALUES ('text', %%s)" % table, state["text"])
    forms.copy_binary("%s (v)" % table, copy_stream(bytes.fromhex(state["binary"][2:])))
    forms.run("INSERT INTO %s VALUES ('disk', %%s::disk::%s)" % (table, kind), state["disk"])

    if kind == "moments":
        # By its own equality, for which -0 is 0, as the readers have it.
        assert forms.one("SELECT array_agg(n) FROM (SELECT count(*) AS n FROM %s GROUP BY v) AS s" % table) == [3]
        summary = "(SELECT jsonb_agg(s) FROM moments_summary(v) AS s)"
        question = "welch_t(v)"
        assert same(summary_of(json.loads(state["text"])), json.loads(state["summary"] or "null"))
    else:
        assert forms.one("SELECT count(*), count(DISTINCT v::text), min(v::text) FROM %s" % table) == (3, 1, state["text"])
        summary = "NULL::jsonb"
        question = {"mean": "bootstrap_mean(v)", "ratio": "bootstrap_ratio(v)", "quantile": "bootstrap_quantile(v, p => 0.75)"}[
            json.loads(state["summary"])]
    for got in forms.rows("SELECT %s AS summary, %s AS answer FROM %s" % (
            summary, "(SELECT jsonb_agg(c) FROM %s AS c)" % question if state["answer"] else "NULL::jsonb", table)):
        if kind == "moments":
            assert same(got.summary, json.loads(state["summary"] or "null"))
        assert same(got.answer, json.loads(state["answer"] or "null"))


def summary_of(state):
    """moments_summary(), computed from the text."""
    rows = []
    for label, arm in sorted(state["variants"].items(), key=lambda item: item[0].encode()):
        for i in range(state["metrics"]):
            squares = arm["squares"][i] if "squares" in arm else arm["comoments"][(i + 1) * (i + 2) // 2 - 1]
            rows.append({"variant": label, "n": arm["n"], "metric": i + 1, "mean": arm["mean"][i],
                         "variance": squares / (arm["n"] - 1) if arm["n"] > 1 else None})
    return rows or None


# --- the binary form is the same on every machine -------------------------------------------------

def test_the_binary_form_byte_by_byte(db):
    """Numbers in network order, whatever the machine's is."""
    label = "ü".encode()
    expected = (struct.pack("!BBiHi", 1, 0, 0, 2, 1) + struct.pack("!i", len(label)) + label + struct.pack("!q", 3)
                + struct.pack("!2d", 2.5, -1.0) + struct.pack("!2d", 0, 0) + struct.pack("!3d", 4.5, 1.5, 2.0))
    text = json.dumps({"version": 1, "metrics": 2, "variants": {"ü": {"n": 3, "mean": [2.5, -1], "comoments": [4.5, 1.5, 2]}}})
    assert bytes(db.one("SELECT moments_send(%s)", text)) == expected


def test_the_binary_form_of_bootstrap_byte_by_byte(db):
    """A table of the values 1 (twice) and -2: keys that ascend as the values do."""
    got = bytes(db.one("SELECT bootstrap_send(bootstrap_agg(y, 'a', 100, -2)) FROM (VALUES (1::float8), (1), (-2)) AS t (y)"))
    assert got.startswith(struct.pack("!BBHqdBii", 1, 0, 100, -2, 0.0, 0, 0, 1) + struct.pack("!i", 1) + b"a" + struct.pack("!q", 3))
    tail = got[-40:]
    bits, values = struct.unpack("!ii", tail[:8])
    (low, once), (high, twice) = struct.iter_unpack("!Qq", tail[8:])
    assert (bits, values, once, twice) == (0, 2, 1, 2) and low < high
