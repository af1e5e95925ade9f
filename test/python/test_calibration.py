"""Every function that tests, estimates with an interval, plans or decides is in docs/calibration.md, and script/calibrate runs."""

import re
import shlex
import subprocess
from pathlib import Path

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "calibration.md"
SIMULATED = ROOT / "test" / "calibration"

# A result with one of these columns says how likely something is, and can be wrong too often.
STATISTICAL = {"p_value", "p_adjusted", "p_sequential", "power", "power_now", "diff_low", "posterior_low", "slope_low",
               "superiority_low", "z_upper", "decision", "status"}
# These return no columns.
PLAIN = {"p_adjust", "group_sequential_inflation"}


def public_tests(db):
    """Names of the extension's functions and aggregates with a statistical result; what aggregates are made of is left out."""
    rows = db.rows("""
        SELECT DISTINCT p.proname, obj_description(p.oid, 'pg_proc') AS comment,
            coalesce(p.proargnames[array_position(p.proargmodes, 't'):], '{}')
                || ARRAY(SELECT attname::text FROM pg_attribute
                         WHERE attrelid IN (t.typrelid, e.typrelid) AND attnum > 0 AND NOT attisdropped) AS columns
        FROM pg_depend d
            JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'expstat'
            JOIN pg_proc p ON p.oid = d.objid
            JOIN pg_type t ON t.oid = p.prorettype
            LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typelem <> 0
        WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'""")
    return {r.proname for r in rows if r.proname in PLAIN or STATISTICAL & set(r.columns)
            and not re.match(r"aggregate (transition|combine|final) function$", r.comment)
            and (r.proname == "exposure_health" or not r.proname.startswith("exposure_"))}     # its parts


def test_every_test_is_on_the_page(db):
    named = set(re.findall(r"`(\w+)[`(]", PAGE.read_text()))
    tests = public_tests(db)
    assert {"welch_t", "anova", "srm_by_day", "quantile_compare", "group_sequential_bounds", "mde_ratio", "exposure_health"} <= tests
    assert tests - named == set()


def test_every_test_is_simulated(db):
    """… in a file of test/calibration, but for those that the page says are another's answer."""
    simulated = set(re.findall(r"\b(\w+)\(", "".join(f.read_text() for f in SIMULATED.glob("*.sql"))))
    as_others = set(re.findall(r"^\| `(\w+)` \|.*\bby `", PAGE.read_text(), re.M))
    assert public_tests(db) - simulated == as_others


# --- does it still run? ------------------------------------------------------------------------------

@pytest.fixture
def empty_database(database):
    """A database of its own, for tables.sql creates the extension."""
    admin = psycopg2.connect("", dbname=database)
    admin.autocommit = True
    name = database + "_calibration"
    with admin.cursor() as cursor:
        cursor.execute("CREATE DATABASE %s TEMPLATE template0" % name)
        yield name
        cursor.execute("DROP DATABASE %s" % name)
    admin.close()


def test_simulations_run(empty_database):
    """All of script/calibrate's files with a few experiments, to the report: a figure per estimator and question."""
    def psql(arguments):
        done = subprocess.run(["psql", "-X", "-q", "-d", empty_database, "-v", "ON_ERROR_STOP=1", *shlex.split(arguments)],
                              cwd=SIMULATED, capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    script = (ROOT / "script" / "calibrate").read_text()
    others = re.findall(r"^([a-z]+) \d+$", script, re.M)
    # days_merged stands by itself: it simulates what docs/rollups.md warns of.
    assert {f.stem for f in SIMULATED.glob("*.sql")} == set(others) | {"tables", "answers", "report", "simulate", "peeking",
                                                                       "sorted", "days_merged"}
    psql("-f tables.sql")
    psql("-v metric=normal -v control=20 -v treatment=20 -v first=1 -v last=3 -v seed=0.1 -f simulate.sql")
    psql("-v metric=normal -v first=1 -v last=2 -v seed=0.2 -f peeking.sql")
    psql("-v control=60 -v treatment=60 -v experiments=2 -v seed=0.3 -f sorted.sql")
    for name in others:
        psql("-v experiments=2 -v seed=0.4 -f %s.sql" % name)
    report = psql("-f report.sql")
    for name in ("welch_t", "mann_whitney", "confidence_sequence, tuning_n 1000", "aipw", "power_ratio", "exposure_health"):
        assert re.search(r"^\|( [\w-]+ \|)? %s" % name, report, re.M), name
