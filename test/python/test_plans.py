"""Every aggregate of the extension in every plan of one machine: parallel, partition-wise, compiled (JIT); what a
state takes, and that it takes no more with more rows.

The aggregates are those of the catalogue: one that is added must be added here, with a call or with the reason why it
cannot be computed in parts.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# What cannot be computed in parts: these need all values in order, or all rows at once. docs/performance.md says why.
WHOLE = ("aipw", "mann_whitney", "quantile_compare", "srm_sequential_agg", "trimmed_t", "winsor_bounds")

SPLIT = "'{\"control\": 2, \"treatment\": 1}'"
STATES = "plan_states"
CALLS = {
    "bootstrap_agg(bootstrap)": (STATES, "bootstrap_agg(b)"),
    "bootstrap_agg(double precision,text)": "bootstrap_agg(y, v)",
    "bootstrap_agg(double precision,text,integer,bigint)": "bootstrap_agg(y, v, 100, 3)",
    "bootstrap_agg(text,double precision,double precision,text)": "bootstrap_agg(u, y, x, v)",
    "bootstrap_agg(text,double precision,double precision,text,integer,bigint)": "bootstrap_agg(u, y, x, v, 100, 3)",
    "bootstrap_agg(text,double precision,text)": "bootstrap_agg(u, y, v)",
    "bootstrap_agg(text,double precision,text,integer,bigint)": "bootstrap_agg(u, y, v, 100, 3)",
    "bootstrap_mean(text,double precision,text)": "bootstrap_mean(u, y, v)",
    "bootstrap_mean(text,double precision,text,text)": "bootstrap_mean(u, y, v, 'treatment')",
    "bootstrap_quantile(double precision,text,double precision)": "bootstrap_quantile(y, v, 0.9)",
    "bootstrap_quantile(double precision,text,double precision,text)": "bootstrap_quantile(y, v, 0.9, 'treatment')",
    "bootstrap_ratio(text,double precision,double precision,text)": "bootstrap_ratio(u, y, x, v)",
    "bootstrap_ratio(text,double precision,double precision,text,text)": "bootstrap_ratio(u, y, x, v, 'treatment')",
    "chi_square(text,text)": "chi_square(v, c)",
    "cuped_adjust(double precision,double precision)": "cuped_adjust(y, x)",
    "cuped_adjust(double precision,double precision,text)": "cuped_adjust(y, x, v)",
    "cuped_adjust(double precision,double precision,text,text)": "cuped_adjust(y, x, v, 'treatment')",
    "delta_ratio(double precision,double precision,text)": "delta_ratio(y, x, v)",
    "delta_ratio(double precision,double precision,text,text)": "delta_ratio(y, x, v, 'treatment')",
    "first_exposure(text,timestamp with time zone)": "first_exposure(v, seen)",
    "first_exposure(text,timestamp with time zone,text[])": "first_exposure(v, seen, '{control,treatment}')",
    "heterogeneity(moments)": (STATES, "heterogeneity(m)"),
    "heterogeneity(moments,text)": (STATES, "heterogeneity(m, 'treatment')"),
    "moments_agg(double precision,double precision,text)": "moments_agg(y, x, v)",
    "moments_agg(double precision,text)": "moments_agg(y, v)",
    "moments_agg(double precision[],text)": "moments_agg(ARRAY[y, x, y - x], v)",
    "moments_agg(moments)": (STATES, "moments_agg(m)"),
    "moments_diagonal_agg(double precision[],text)": "moments_diagonal_agg(metric_array(y, x, y - x, b), v)",
    "novelty(double precision,double precision,double precision)": "novelty(x, y, 1 + x)",
    "proportion_z(boolean,text)": "proportion_z(b, v)",
    "proportion_z(boolean,text,text)": "proportion_z(b, v, 'treatment')",
    "srm(text,jsonb)": "srm(v, %s)" % SPLIT,
    "srm_sequential(text,jsonb)": "srm_sequential(v, %s)" % SPLIT,
    "stratified_t(moments)": (STATES, "stratified_t(m)"),
    "stratified_t(moments,text)": (STATES, "stratified_t(m, 'treatment')"),
    "welch_t(double precision,text)": "welch_t(y, v)",
    "welch_t(double precision,text,text)": "welch_t(y, v, 'treatment')",
}
CALLS = {name: call if isinstance(call, tuple) else ("plan_units", call) for name, call in CALLS.items()}


@pytest.fixture(scope="module")
def tables(db):
    """Units, and states of segments of them; both also in partitions."""
    db.run("""CREATE TABLE plan_units AS
              SELECT i AS id, 'u' || i AS u, (i * 7919 % 1000) / 10.0 AS y, 1 + (i * 104729 % 997) / 7.0 AS x, i * 31 % 7 < 2 AS b,
                     CASE WHEN i % 3 = 0 THEN 'treatment' ELSE 'control' END AS v, 'c' || i % 4 AS c,
                     '2026-01-01'::timestamptz + i * interval '1 minute' AS seen
              FROM generate_series(1, 4000) i;
              ALTER TABLE plan_units ALTER y TYPE float8, ALTER x TYPE float8;
              CREATE TABLE plan_states AS
              SELECT id % 40 AS id, moments_agg(y, v) AS m, bootstrap_agg(u, y, v, 100, 3) AS b FROM plan_units GROUP BY 1""")
    for table in ("plan_units", STATES):
        db.run("CREATE TABLE {0}_split (LIKE {0}) PARTITION BY HASH (id)".format(table))
        for part in range(3):
            db.run("CREATE TABLE {0}_{1} PARTITION OF {0}_split FOR VALUES WITH (MODULUS 3, REMAINDER {1})".format(table, part))
        db.run("INSERT INTO {0}_split SELECT * FROM {0}; ALTER TABLE {0} SET (parallel_workers = 2); "
               "ANALYZE {0}; ANALYZE {0}_split".format(table))
    yield
    db.run("DROP TABLE plan_units, plan_units_split, plan_states, plan_states_split")


def plan(db, sql):
    return "\n".join(r[0] for r in db.rows("EXPLAIN (COSTS OFF) " + sql))


def queries(suffix=""):
    """All calls over a table, in one SELECT each."""
    for table in ("plan_units", STATES):
        yield "SELECT %s FROM %s" % (", ".join("(%s)::text" % call for t, call in CALLS.values() if t == table), table + suffix)


def answers(db, suffix=""):
    return [value for sql in queries(suffix) for value in db.one(sql)]


NUMBER = re.compile(r"-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b")


def same(a, b, rel=1e-9):
    """The same texts but for the last digits of numbers; what is zero but for rounding may be rounded otherwise."""
    assert NUMBER.sub("#", a) == NUMBER.sub("#", b), (a, b)
    for x, y in zip(NUMBER.findall(a), NUMBER.findall(b)):
        if x != y:
            assert "." in x + y or "e" in x + y, ("counts", x, y)
            assert abs(float(x) - float(y)) <= rel * max(abs(float(x)), abs(float(y))) + 1e-10, (x, y, a, b)


def all_same(got, expected):
    assert len(got) == len(expected) == len(CALLS)
    for a, b in zip(got, expected):
        same(a, b)


@pytest.fixture(scope="module")
def serial(db, tables):
    db.run("SET max_parallel_workers_per_gather = 0; SET jit = off")
    return answers(db)


def test_no_aggregate_is_forgotten(db):
    rows = db.rows("""SELECT p.oid::regprocedure::text AS name, p.proname, a.aggcombinefn <> 0 AS parts, p.proparallel AS parallel
        FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
        JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'expstat')""")
    assert {r.name for r in rows if r.parts} == set(CALLS)
    assert {r.proname for r in rows if not r.parts} == set(WHOLE)
    assert {r.parallel for r in rows} == {"s"}
    section = (ROOT / "docs" / "performance.md").read_text().split("## One machine")[1].split("\n## ")[0]
    for name in WHOLE:
        assert "`%s`" % name in section, "docs/performance.md does not say why %s cannot be computed in parts" % name


@pytest.mark.parametrize("name", CALLS)
def test_parallel_plan(fresh, tables, name):
    table, call = CALLS[name]
    fresh.want_parallel(table)
    shown = plan(fresh, "SELECT %s FROM %s" % (call, table))
    assert re.search(r"Finalize Aggregate\n.*Gather\n.*\n.*Partial Aggregate\n.*Parallel Seq Scan", shown), shown


def test_parallel_answers(fresh, serial):
    for table in ("plan_units", STATES):
        fresh.want_parallel(table)
    fresh.run("SET jit = off")
    for sql in queries():
        assert re.search(r"Workers Launched: [1-9]", "\n".join(r[0] for r in fresh.rows("EXPLAIN ANALYZE " + sql)))
    all_same(answers(fresh), serial)


def test_partition_wise(fresh, serial):
    fresh.run("SET enable_partitionwise_aggregate = on; SET max_parallel_workers_per_gather = 0; SET jit = off")
    for sql in queries("_split"):
        shown = plan(fresh, sql)
        assert shown.startswith("Finalize Aggregate") and shown.count("Partial Aggregate") == 3, shown
    all_same(answers(fresh, "_split"), serial)
    # grouped by the partition key each partition is whole
    shown = plan(fresh, "SELECT id, moments_agg(y, v) FROM plan_units_split GROUP BY id")
    assert shown.startswith("Append") and shown.count("HashAggregate") == 3 and "Partial" not in shown, shown


def test_jit(fresh, serial):
    """The same answers to the last digit, compiled or not."""
    if not fresh.one("SELECT pg_jit_available()"):
        pytest.skip("this PostgreSQL is built without JIT")
    fresh.run("SET max_parallel_workers_per_gather = 0; SET jit = on; SET jit_above_cost = 0; "
              "SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0")
    shown = "\n".join(r[0] for r in fresh.rows("EXPLAIN ANALYZE " + next(queries())))
    assert "JIT:" in shown, shown
    assert answers(fresh) == serial


# --- What a state takes ----------------------------------------------------------------------------

@pytest.mark.parametrize("arms", [1, 2, 5])
@pytest.mark.parametrize("k", [1, 2, 3, 10, 64])
def test_size_of_a_state(db, k, arms):
    """24 bytes, and per variant 40 and 8 for each of 3 k + k (k + 1) / 2 numbers (without covariances 4 k)."""
    sql = "SELECT pg_column_size(%s(array_fill(i::float8, ARRAY[%d]), 'v' || i %% %d)) FROM generate_series(1, 1000) i"
    assert db.one(sql % ("moments_agg", k, arms)) == 24 + arms * (40 + 8 * (3 * k + k * (k + 1) // 2))
    assert db.one(sql % ("moments_diagonal_agg", k, arms)) == 24 + arms * (40 + 8 * 4 * k)


def peak_memory(db):
    """The most that the connection's process has ever had in memory, kB."""
    pid = db.one("SELECT pg_backend_pid()")
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/%d/status" % pid).read_text()).group(1))


def test_memory_does_not_grow_with_rows(fresh):
    """Ten times the rows in the same memory: a byte a row would be 540 kB."""
    calls = ", ".join(call for table, call in CALLS.values() if table == "plan_units" and "bootstrap" not in call)
    sql = """SELECT {calls} FROM (
        SELECT (i % 1000)::float8 AS y, 1 + (i % 37)::float8 AS x, i % 7 < 2 AS b, 'c' || i % 4 AS c, now() AS seen,
               CASE WHEN i % 3 = 0 THEN 'treatment' ELSE 'control' END AS v
        FROM (SELECT generate_series(1, {rows}) AS i OFFSET 0) g OFFSET 0) r"""
    fresh.run("SET max_parallel_workers_per_gather = 0; SET jit = off")
    fresh.rows(sql.format(calls=calls, rows=60000))
    before = peak_memory(fresh)
    fresh.rows(sql.format(calls=calls, rows=600000))
    assert peak_memory(fresh) - before < 400
