"""An ordinary user can use everything, and sees nothing that is not theirs."""

import difflib
import os
import pathlib
import subprocess

import pytest

from roles import MALLORY, OWNER, USER

ROOT = pathlib.Path(__file__).resolve().parents[2]
# install makes the extension; the registry's and the report's are below, and in test/python; moments_scan makes roles and has LOAD.
TOPICS = sorted(p.stem for p in (ROOT / "test/sql").glob("*.sql")
                if p.stem not in ("install", "registry", "report", "moments_scan"))


@pytest.fixture(scope="module")
def topics(server):
    """A database with expstat, by an owner who is no superuser, as pg_regress sets one up; with a schema of the user's."""
    name = server.database()
    server.connect(name, OWNER).run("CREATE EXTENSION expstat")
    root = server.connect(name)
    root.run("CREATE SCHEMA work AUTHORIZATION %s" % USER)
    for setting in ("lc_messages = 'C'", "lc_monetary = 'C'", "lc_numeric = 'C'", "lc_time = 'C'", "bytea_output = 'hex'",
                    "timezone_abbreviations = 'Default'", "search_path = work, public"):
        root.run("ALTER DATABASE %s SET %s" % (name, setting))
    return name


@pytest.mark.parametrize("topic", TOPICS)
def test_the_regression_tests_run_as_an_ordinary_user(topics, topic):
    """Every documented call of expstat, with the output that a superuser gets."""
    environment = dict(os.environ, PGDATABASE=topics, PGUSER=USER, PGTZ="PST8PDT", PGDATESTYLE="Postgres, MDY",
                       PGOPTIONS="-c intervalstyle=postgres_verbose")
    done = subprocess.run(["psql", "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on",
                           "-f", str(ROOT / "test/sql" / (topic + ".sql"))], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    here = str(ROOT / "test/sql" / (topic + ".sql"))
    found = [" ".join(line.split()) for line in done.stdout.splitlines()]
    found = [line.split(": ", 1)[1] if line.startswith("psql:" + here) else line for line in found]
    expected = [" ".join(line.split()) for line in (ROOT / "test/expected" / (topic + ".out")).read_text().splitlines()]
    assert list(difflib.unified_diff(expected, found, lineterm="", n=0)) == []


@pytest.fixture
def people(server, installed):
    """(owner of the database, an ordinary user, one who may do nothing but connect)"""
    owner, user, mallory = (server.connect(installed, role) for role in (OWNER, USER, MALLORY))
    owner.run("CREATE SCHEMA common")
    owner.run("GRANT ALL ON SCHEMA common TO %s" % USER)
    owner.run("GRANT USAGE ON SCHEMA common TO %s" % MALLORY)
    yield owner, user, mallory
    root = server.connect(installed)
    root.run("DROP SCHEMA common CASCADE")
    root.run("DELETE FROM expstat.decisions; DELETE FROM expstat.experiments; DELETE FROM expstat.metrics")


AGGREGATES = """
SELECT (welch_t(y, variant)).* FROM common.seen
SELECT (proportion_z(y > 1, variant)).* FROM common.seen
SELECT (delta_ratio(y, x, variant)).* FROM common.seen
SELECT (cuped_adjust(y, x, variant)).* FROM common.seen
SELECT s.* FROM (SELECT moments_agg(ARRAY[y, x], variant) AS m FROM common.seen) AS q, moments_summary(m) AS s
SELECT (srm(variant, '{"a": 1, "b": 1}')).* FROM common.seen
SELECT (first_exposure(variant, at)).* FROM common.seen
""".strip().split("\n")


def test_row_security_holds_in_parallel_plans(people):
    """A worker sees of a table what its leader may see: the numbers are those of the rows that are one's own."""
    owner, user, mallory = people
    owner.run("CREATE TABLE common.rows AS SELECT i, (ARRAY['a', 'b'])[1 + i % 2] AS variant, (i % 7)::float8 AS y, (1 + i % 3)::float8 AS x, "
              "timestamptz '2026-03-01' + i * interval '1 second' AS at, CASE i % 10 WHEN 0 THEN '{0}' WHEN 1 THEN '{0}' ELSE '{1}' END AS whose "
              "FROM generate_series(1, 20000) AS i".format(USER, OWNER))
    owner.run("ALTER TABLE common.rows SET (parallel_workers = 2); ANALYZE common.rows")
    owner.run("ALTER TABLE common.rows ENABLE ROW LEVEL SECURITY; GRANT SELECT ON common.rows TO PUBLIC")
    owner.run("CREATE POLICY own ON common.rows USING (whose = current_user)")
    merged = 0
    for db, condition in ((user, "i % 10 < 2"), (mallory, "false")):
        for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"):
            db.run("SET " + setting)
        for query in AGGREGATES:
            query = query.replace("common.seen", "common.rows")
            plan = "\n".join(r[0] for r in db.rows("EXPLAIN (COSTS OFF) " + query))
            assert "Parallel Seq Scan" in plan and "Filter: (whose = CURRENT_USER)" in plan, plan
            merged += "Partial Aggregate" in plan
            found = db.rows(query)
            owner.run("SET max_parallel_workers_per_gather = 0")
            wanted = owner.rows(query + " WHERE " + condition if "AS q" not in query else query.replace("common.rows", "common.rows WHERE " + condition))
            for f, w in zip(found, wanted, strict=True):
                for a, b in zip(f, w, strict=True):
                    assert a == pytest.approx(b) if isinstance(b, (float, list)) else a == b, query
    assert merged >= len(AGGREGATES)      # half of the plans, or more, merge states
    found = {r.check_name: r.detail for r in user.rows("SELECT * FROM exposure_health('common.rows', 'i', 'variant', 'at', '{a,b}')")}
    assert found["exposures"].startswith("4000 units with 4000 exposures, of 4000 rows")


DENIED = """
SELECT * FROM exposure_health('common.secret', 'user_id', 'variant', 'exposed_at', '{a,b}')
SELECT * FROM first_exposures('common.secret', 'user_id', 'variant', 'exposed_at')
SELECT * FROM exposure_crossovers('common.secret', 'user_id', 'variant', 'exposed_at')
SELECT * FROM exposures_outside('common.secret', 'user_id', 'variant', 'exposed_at', '2026-01-01', '2026-03-01')
SELECT * FROM exposure_duplicates('common.secret', 'user_id', 'variant', 'exposed_at', '{variant}')
SELECT * FROM assigned_not_exposed('common.secret', 'user_id', 'variant', 'common.secret', 'user_id')
SELECT * FROM srm_by_day('common.secret', 'user_id', 'variant', 'exposed_at', '{a,b}')
SELECT * FROM srm_by_segment('common.secret', 'user_id', 'variant', 'exposed_at', '{variant}', '{a,b}')
SELECT * FROM expstat.analyze('peek')
""".strip().split("\n")


def test_who_may_not_read_a_table_learns_nothing_of_its_rows(people):
    _, user, mallory = people
    user.run("CREATE TABLE common.secret AS SELECT i AS user_id, (ARRAY['a', 'b'])[1 + i % 2] AS variant, timestamptz '2026-03-01' AS exposed_at, "
             "'xyzzy' AS words FROM generate_series(1, 100) AS i")
    mallory.run("SELECT expstat.register_metric('peek', relation => 'common.secret', unit_column => 'user_id')")
    mallory.run("SELECT expstat.register_experiment('peek', 'common.secret', '{a,b}', 'peek', segments => '{words}')")
    for query in DENIED:
        error = mallory.error(query)
        assert error.pgcode == "42501" and "permission denied for table secret" in str(error) and "xyzzy" not in str(error), query
        if "peek" not in query:
            assert user.rows(query) is not None


REGISTRY = ["metrics", "experiments", "variants", "experiment_metrics", "decisions", "states", "timeline", "quantiles", "health", "analyses", "comparisons",
            "experiment_results", "experiment_results_by_segment", "experiment_timeseries", "experiment_health", "experiment_summary"]


def test_a_leaky_function_is_shown_nothing(people):
    """A cheap function of the reader's own, which tells what it is given, is given no row that the reader may not see."""
    owner, user, mallory = people
    user.run("CREATE TABLE common.log AS SELECT i AS user_id, (ARRAY['a', 'b'])[1 + i % 2] AS variant, timestamptz '2026-03-01' AS exposed_at, "
             "'side' AS side FROM generate_series(1, 300) AS i")
    user.run("SELECT expstat.register_metric('xyzzy', relation => 'common.log', unit_column => 'user_id')")
    user.run("SELECT expstat.register_experiment('xyzzy', 'common.log', '{a,b}', 'xyzzy', segments => '{side}')")
    assert user.rows("SELECT * FROM expstat.analyze('xyzzy')")
    user.run("SELECT expstat.decide_experiment('xyzzy', 'keep running')")
    mallory.run("CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
                "$$ BEGIN RAISE EXCEPTION 'seen: %', t; END $$")
    for name in REGISTRY:
        query = "SELECT * FROM expstat.%s AS t WHERE pg_temp.tell(t::text)" % name
        if name == "metrics":       # everybody reads these
            assert "xyzzy" in str(mallory.error(query))
        else:
            assert mallory.rows(query) == [], name
    for call in ("analyze('xyzzy')", "recommend('xyzzy')", "experiment_moments('xyzzy', 'xyzzy')", "decide_experiment('xyzzy', 'ship', 'b')"):
        try:
            assert all(r[0] is None for r in mallory.rows("SELECT * FROM expstat.%s" % call))
        except Exception as error:
            assert error.pgcode == "42704" and "There is none that you may see" in error.diag.message_hint, error
    for call in ("expstat_report('xyzzy')", "expstat_report_text('xyzzy')"):
        error = mallory.error("SELECT * FROM " + call)
        assert error.pgcode == "42704" and "There is none that you may see" in error.diag.message_hint


def test_who_may_do_nothing_can_compute(people):
    """Functions need no rights but to connect: the numbers of one's own rows."""
    mallory = people[2]
    rows = mallory.rows("SELECT c.n, c.n_control FROM (SELECT welch_t(y, v) AS c FROM (VALUES (1, 'a'), (2, 'a'), (3, 'b'), (5, 'b')) AS t (y, v)) AS q, "
                        "LATERAL (SELECT (c).n, (c).n_control) AS c")
    assert [tuple(r) for r in rows] == [(2, 2)]
    assert mallory.error("CREATE TABLE public.mine (x int)").pgcode == "42501"


def test_the_registry_needs_temporary_tables_and_says_so(people, server, installed):
    _, user, _ = people
    user.run("CREATE TABLE common.log AS SELECT i AS user_id, (ARRAY['a', 'b'])[1 + i % 2] AS variant, timestamptz '2026-03-01' AS exposed_at "
             "FROM generate_series(1, 30) AS i")
    user.run("SELECT expstat.register_metric('m', relation => 'common.log', unit_column => 'user_id')")
    user.run("SELECT expstat.register_experiment('e', 'common.log', '{a,b}', 'm')")
    root = server.connect(installed)
    root.run("REVOKE TEMPORARY ON DATABASE %s FROM PUBLIC" % installed)
    try:
        error = user.error("SELECT * FROM expstat.analyze('e')")
        assert error.pgcode == "42501" and "temporary" in str(error)
    finally:
        root.run("GRANT TEMPORARY ON DATABASE %s TO PUBLIC" % installed)
    assert user.rows("SELECT * FROM expstat.analyze('e')")
