"""The scan of expstat's own against PostgreSQL's: random tables to the last bit, and beside other sessions."""

import os
import pathlib
import random
import re
import subprocess
import tempfile
import threading
import time

import psycopg2
import pytest

from conftest import Db

# Column types around those that are read: fixed and variable width, every alignment.
FILLERS = {
    "boolean": lambda r: r.random() < 0.5,
    "smallint": lambda r: r.randrange(-99, 99),
    "int": lambda r: r.randrange(-(10**9), 10**9),
    "bigint": lambda r: r.randrange(-(10**18), 10**18),
    "real": lambda r: r.randrange(1000) / 8,
    "float8": lambda r: r.gauss(0, 1e6),
    "numeric": lambda r: r.randrange(10**12),
    "text": lambda r: "é" * r.randrange(60) + "x" * r.choice([0, 1, 200]),
    '"char"': lambda r: r.choice("abc"),
    "uuid": lambda r: "%032x" % r.getrandbits(128),
    "char(5)": lambda r: r.choice(["a", "abcde"]),
    "int[]": lambda r: "{%s}" % ",".join(str(i) for i in range(r.randrange(4))),
    "name": lambda r: "n" * r.randrange(60),
}


@pytest.fixture
def scan(db):
    """Connections of their own to the test database, with the scan enabled."""
    name = db.one("SELECT current_database()")
    opened = []

    def connect(enabled=True):
        other = Db(name)
        opened.append(other)
        other.run("LOAD 'expstat'")
        other.run("SET max_parallel_workers_per_gather = 0")
        other.run("SET expstat.enable_moments_scan = %s" % ("on" if enabled else "off"))
        return other

    yield connect
    for other in opened:
        other.connection.close()


def uses_scan(db, query):
    return any("MomentsScan" in row[0] for row in db.rows("EXPLAIN " + query))


@pytest.fixture
def experiment(db):
    """A table of 2000 units in two arms, y from 1 to 2000."""
    db.run("DROP TABLE IF EXISTS scan_units")
    db.run(
        "CREATE TABLE scan_units AS SELECT i AS unit, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END AS variant,"
        " i::float8 AS y FROM generate_series(1, 2000) i"
    )
    db.run("ANALYZE scan_units")
    yield "scan_units"
    db.run("DROP TABLE IF EXISTS scan_units")


WELCH = "SELECT (c).n, (c).n_control, (c).estimate FROM (SELECT welch_t(y, variant) AS c FROM scan_units) t"


@pytest.mark.parametrize("seed", range(12))
def test_random_tables(db, scan, seed):
    r = random.Random(seed)
    columns = [("f%d" % i, r.choice(list(FILLERS))) for i in range(r.randrange(1, 9))]
    columns += [("y", "float8"), ("x", r.choice(["real", "int", "bigint", "smallint"]))]
    columns += [("variant", r.choice(["text", "varchar(9)"])), ("arm", r.choice(["smallint", "int", "bigint"]))]
    r.shuffle(columns)
    null_share = r.choice([0, 0, 0.02, 0.5])

    def value(name, kind):
        if r.random() < null_share:
            return None
        if name == "variant":
            return r.choice(["control", "treatment", "t3", ""])
        if name == "arm":
            return r.randrange(12)
        return FILLERS[kind](r)

    db.run("DROP TABLE IF EXISTS scan_random")
    db.run("CREATE TABLE scan_random (%s)" % ", ".join("%s %s" % c for c in columns))
    names = [name for name, _ in columns]
    rows = [[value(*c) for c in columns] for _ in range(1500)]
    db.copy_rows("scan_random (%s)" % ", ".join(names), rows)
    if r.random() < 0.5:
        dropped = r.choice([name for name in names if name[0] == "f"])
        db.run("ALTER TABLE scan_random DROP COLUMN %s" % dropped)
    if r.random() < 0.5:
        db.run("ALTER TABLE scan_random ADD COLUMN z float8 DEFAULT 1.5")
    else:
        db.run("ALTER TABLE scan_random ADD COLUMN z float8")
    db.run("UPDATE scan_random SET z = y WHERE arm % 3 = 0")
    db.run("DELETE FROM scan_random WHERE arm = 5")
    if r.random() < 0.3:
        db.run("VACUUM scan_random")
    db.run("ANALYZE scan_random")

    ours, theirs = scan(), scan(enabled=False)
    for aggregates in (
        "moments_agg(y, variant), moments_agg(x, arm::text)",
        "moments_agg(y, x, variant), moments_agg(ARRAY[x, y, z], arm::text)",
        "moments_agg(z, variant)",
    ):
        for condition in ("true", "y > 0", "x <= 50 AND variant = 'control'", "arm >= 3 AND length(variant) > 2"):
            query = "SELECT %s FROM scan_random WHERE %s" % (aggregates, condition)
            assert uses_scan(ours, query) and not uses_scan(theirs, query)
            assert ours.copy_out(query) == theirs.copy_out(query), query
    db.run("DROP TABLE scan_random")


def test_unusual_types_and_values_in_conditions(db, scan):
    """NaN and infinities compare as numbers do in a btree; domains and collations keep their meaning."""
    if not db.one("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("a PostgreSQL without ICU has no collation that ignores case")
    db.run("DROP TABLE IF EXISTS scan_values")
    db.run("DROP DOMAIN IF EXISTS scan_share")
    db.run("DROP COLLATION IF EXISTS scan_ignore_case")
    db.run("CREATE DOMAIN scan_share AS float8 CHECK (value >= 0)")
    db.run("CREATE COLLATION scan_ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    db.run(
        "CREATE TABLE scan_values (share scan_share, f float8, r real, d date, t timestamptz,"
        " variant text, country text COLLATE scan_ignore_case, y float8)"
    )
    db.run(
        "INSERT INTO scan_values SELECT i % 3, (ARRAY['NaN', 'Infinity', '-Infinity', '0', '-0', '1', NULL])[1 + i % 7]::float8,"
        " (ARRAY['NaN', '0.1', 'Infinity'])[1 + i % 3]::real,"
        " (ARRAY['infinity', '-infinity', '2026-01-01'])[1 + i % 3]::date,"
        " (ARRAY['infinity', '-infinity', '2026-01-01'])[1 + i % 3]::timestamptz,"
        " CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END, CASE WHEN i % 5 = 0 THEN 'NO' ELSE 'no' END, i FROM generate_series(1, 2000) i"
    )
    db.run("ANALYZE scan_values")
    ours, theirs = scan(), scan(enabled=False)
    conditions = ["country = 'no'", "country = 'NO' AND y > 10", "country COLLATE \"C\" = 'NO'", "share > 1", "share = 1"]
    for operator in ("<", "<=", "=", ">=", ">", "<>"):
        conditions += ["f %s '%s'" % (operator, value) for value in ("NaN", "Infinity", "-Infinity", "0")]
        conditions += ["r %s 0.1" % operator, "r %s 0.1::real" % operator, "r %s 'NaN'" % operator]
        conditions += ["d %s '2026-01-01'" % operator, "d %s 'infinity'" % operator, "t %s '-infinity'" % operator]
    for condition in conditions:
        query = "SELECT moments_agg(y, variant) FROM scan_values WHERE " + condition
        assert uses_scan(ours, query), query
        assert ours.copy_out(query) == theirs.copy_out(query), query
    assert ours.one("SELECT (welch_t(y, variant)).n FROM scan_values WHERE country = 'NO'") == 1000
    assert not uses_scan(ours, "SELECT moments_agg(share, variant) FROM scan_values")
    db.run("DROP TABLE scan_values")
    db.run("DROP DOMAIN scan_share")
    db.run("DROP COLLATION scan_ignore_case")


@pytest.mark.parametrize("metrics", [62, 63, 64])
def test_many_columns(db, scan, metrics):
    """64 columns are read, the variant's included; conditions on others are left to the executor, larger queries to PostgreSQL."""
    db.run("DROP TABLE IF EXISTS scan_many")
    columns = ", ".join("(i %% %d)::float8 AS m%d" % (k + 1, k) for k in range(1, 67))
    db.run(
        "CREATE TABLE scan_many AS SELECT %s, CASE WHEN i %% 2 = 0 THEN 'a' ELSE 'b' END AS variant"
        " FROM generate_series(1, 3000) i" % columns
    )
    db.run("ANALYZE scan_many")
    query = "SELECT moments_agg(ARRAY[%s], variant) FROM scan_many WHERE m65 > 1 AND m66 > 0" % ", ".join(
        "m%d" % k for k in range(1, metrics + 1)
    )
    ours, theirs = scan(), scan(enabled=False)
    assert uses_scan(ours, query) == (metrics < 64)
    assert ours.copy_out(query) == theirs.copy_out(query)
    db.run("DROP TABLE scan_many")


def test_scroll_cursor(scan, experiment):
    session = scan()
    session.run("BEGIN")
    session.run("DECLARE units SCROLL CURSOR FOR " + WELCH)
    first = session.rows("FETCH units")
    assert session.rows("FETCH units") == []
    assert session.rows("FETCH BACKWARD units") == first
    session.run("COMMIT")


def test_sees_what_its_snapshot_sees(db, scan, experiment):
    reader, writer = scan(), scan()
    assert uses_scan(reader, "SELECT welch_t(y, variant) FROM scan_units")
    before = reader.one(WELCH)
    assert tuple(before) == (1000, 1000, 1000)

    writer.run("BEGIN")
    writer.run("DELETE FROM scan_units WHERE unit <= 1000")
    writer.run("UPDATE scan_units SET y = 0 WHERE unit > 1500")
    assert reader.one(WELCH) == before  # not committed
    changed = writer.one(WELCH)
    assert changed.n == 500 and changed.estimate < before.estimate

    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert reader.one(WELCH) == before
    writer.run("COMMIT")
    assert reader.one(WELCH) == before  # committed after the snapshot
    reader.run("COMMIT")
    assert reader.one(WELCH) == changed

    writer.run("BEGIN")
    writer.run("DELETE FROM scan_units")
    writer.run("ROLLBACK")
    assert reader.one(WELCH) == changed


def test_vacuum_and_page_pruning_beside_an_old_snapshot(db, scan, experiment):
    reader, writer = scan(), scan()
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    before = reader.one(WELCH)
    for step in range(5):
        writer.run("UPDATE scan_units SET y = y + 1 WHERE unit %% 5 = %s", step)
        writer.run("VACUUM scan_units")
        writer.one(WELCH)
        assert reader.one(WELCH) == before
    reader.run("COMMIT")
    assert reader.one(WELCH).estimate == before.estimate + 1
    db.run("VACUUM FREEZE scan_units")
    assert reader.one(WELCH).estimate == before.estimate + 1


@pytest.mark.parametrize("enabled", [True, False])
def test_serializable(scan, experiment, enabled):
    """Two transactions that each read all and add a unit: one must fail, as with a sequential scan."""
    one, two = scan(enabled), scan(enabled)
    for session in (one, two):
        session.run("BEGIN ISOLATION LEVEL SERIALIZABLE")
        session.one(WELCH)
    for session in (one, two):
        session.run("INSERT INTO scan_units VALUES (0, 'a', 1)")
    one.run("COMMIT")
    with pytest.raises(psycopg2.errors.SerializationFailure):
        two.run("COMMIT")


def test_locks(scan, experiment):
    """The table is locked until the transaction ends, against others' DROP, not against their writing."""
    reader, writer = scan(), scan()
    reader.run("BEGIN")
    reader.one(WELCH)
    assert reader.one(
        "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'scan_units'::regclass"
    ) == "AccessShareLock"
    writer.run("UPDATE scan_units SET y = y")
    writer.run("SET lock_timeout = '50ms'")
    assert writer.error("DROP TABLE scan_units").pgcode == "55P03"
    reader.run("COMMIT")
    writer.run("BEGIN")
    writer.run("LOCK TABLE scan_units IN ACCESS EXCLUSIVE MODE")
    reader.run("SET lock_timeout = '50ms'")
    assert reader.error(WELCH).pgcode == "55P03"
    writer.run("ROLLBACK")


def test_while_others_write(scan, experiment):
    """Every answer counts each unit once, whatever is being moved about on its pages."""
    stop = threading.Event()
    failures = []

    def shuffle():
        try:
            writer = scan()
            step = 0
            while not stop.is_set():
                writer.run("UPDATE scan_units SET y = y + 1 WHERE unit %% 7 = %s", step % 7)
                if step % 10 == 0:
                    writer.run("VACUUM scan_units")
                step += 1
        except Exception as e:  # for the main thread to report
            failures.append(e)

    thread = threading.Thread(target=shuffle)
    thread.start()
    try:
        reader = scan()
        for _ in range(150):
            answer = reader.one(WELCH)
            assert (answer.n, answer.n_control) == (1000, 1000)
    finally:
        stop.set()
        thread.join()
    assert not failures


def test_cancel(scan, experiment):
    session = scan()
    session.run("INSERT INTO scan_units SELECT 0, 'a', i FROM generate_series(1, 300000) i")
    session.run("ANALYZE scan_units")
    assert uses_scan(session, WELCH)
    session.run("SET statement_timeout = '2ms'")
    assert session.error(WELCH).pgcode == "57014"
    session.run("RESET statement_timeout")
    assert session.one(WELCH).n_control == 301000


def test_statistics_count_rows(scan, experiment):
    session = scan()
    session.run("SELECT pg_stat_reset_single_table_counters('scan_units'::regclass)")
    session.one(WELCH)
    session.run("SELECT pg_stat_force_next_flush()")
    assert tuple(session.one("SELECT seq_scan, seq_tup_read FROM pg_stat_user_tables WHERE relname = 'scan_units'")) == (1, 2000)


def test_buffers_and_pins_are_given_back(scan, experiment):
    """A scan that an error ends leaves no page pinned: VACUUM FREEZE, which needs every page for itself, goes through."""
    session = scan()
    session.run("INSERT INTO scan_units VALUES (0, 'a', 'NaN')")
    assert session.error(WELCH).pgcode == "22003"
    session.run("DELETE FROM scan_units WHERE y = 'NaN'")
    session.run("VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) scan_units")
    assert session.one(WELCH).n == 1000


# --- the row that an UPDATE finds changed under it: EvalPlanQual ---------------------------------

@pytest.fixture
def targets(db):
    """Rows to write results to, with a bound for the units that count."""
    db.run("DROP TABLE IF EXISTS scan_targets")
    db.run("CREATE TABLE scan_targets (id int PRIMARY KEY, bound float8, n bigint, estimate float8)")
    db.run("INSERT INTO scan_targets VALUES (1, 1000, NULL, NULL), (2, 500, NULL, NULL)")
    yield "scan_targets"
    db.run("DROP TABLE IF EXISTS scan_targets")


STATE = "(SELECT (c).n, (c).estimate FROM (SELECT welch_t(y, variant) AS c FROM scan_units%s) AS w)"
RECHECKED = {
    # a state beside the row: it is that of the statement's snapshot, computed once
    "from": "UPDATE scan_targets AS t SET n = s.n, estimate = s.estimate FROM " + STATE % "" + " AS s WHERE t.bound < 1e6 RETURNING t.*",
    # a state of the row, for the bound that it has now
    "subquery": "UPDATE scan_targets AS t SET (n, estimate) = " + STATE % " WHERE y <= t.bound" + " WHERE t.bound < 1e6 RETURNING t.*",
    # a state that decides whether the row is still one of those to be changed
    "condition": "UPDATE scan_targets AS t SET n = 7 WHERE (SELECT ((welch_t(y, variant)).n) FROM scan_units WHERE y <= t.bound) > 300"
                 " RETURNING t.*",
    "lateral": "UPDATE scan_targets AS t SET n = s.n FROM scan_targets AS o, LATERAL " + STATE % " WHERE y <= o.bound" +
               " AS s WHERE t.id = o.id RETURNING t.*",
    "delete": "DELETE FROM scan_targets AS t USING " + STATE % "" + " AS s WHERE t.bound < s.n + 1 RETURNING t.*, s.n, s.estimate",
    "lock": "SELECT t.*, s.n, s.estimate FROM scan_targets AS t, " + STATE % "" + " AS s WHERE t.bound < 1e6 FOR UPDATE OF t",
    "merge": "MERGE INTO scan_targets AS t USING (SELECT 1 AS id, s.* FROM " + STATE % "" + " AS s) AS s ON t.id = s.id"
             " WHEN MATCHED AND t.bound > 1500 THEN UPDATE SET n = s.n, estimate = s.estimate WHEN MATCHED THEN UPDATE SET n = 0",
}


def result_beside_a_change(db, waiter, writer, query):
    """Of a query that waits for a row which is changed, as all units are, and committed meanwhile: its rows, and the table's."""
    db.run("UPDATE scan_units SET y = unit")
    db.run("DELETE FROM scan_targets")
    db.run("INSERT INTO scan_targets VALUES (1, 1000, NULL, NULL), (2, 500, NULL, NULL)")
    got = []

    def wait():
        try:
            with waiter.connection.cursor() as cursor:
                cursor.execute(query)
                got.append(sorted(cursor.fetchall(), key=str) if cursor.description else None)
        except psycopg2.Error as e:  # for the main thread
            got.append(e)

    thread = threading.Thread(target=wait)
    writer.run("BEGIN")
    try:
        writer.run("UPDATE scan_targets SET bound = bound + 600 WHERE id = 1")
        writer.run("UPDATE scan_units SET y = y + 100000")
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s"
        while thread.is_alive() and not db.one(waiting, waiter.connection.info.backend_pid):
            time.sleep(0.01)
        assert thread.is_alive(), ("it did not wait", got)
    finally:
        writer.run("COMMIT")
        thread.join()
    return got[0], db.rows("SELECT * FROM scan_targets ORDER BY id")


# The units are those of the statement's snapshot, the row's bound is what was committed meanwhile.
@pytest.mark.parametrize("statement, first", [
    ("from", (1, 1600, 1000, 1000)), ("subquery", (1, 1600, 800, 800)), ("condition", (1, 1600, 7, None)), ("lateral", (1, 1600, 500, None)),
    ("delete", (1, 1600, None, None)), ("lock", (1, 1600, None, None)), ("merge", (1, 1600, 1000, 1000))])
def test_a_row_that_changed_meanwhile(db, scan, experiment, targets, statement, first):
    """It is checked again, and states that depend on it are computed again, as by a sequential scan."""
    query = RECHECKED[statement]
    writer = scan()
    ours, theirs = scan(), scan(enabled=False)
    assert uses_scan(ours, query) and not uses_scan(theirs, query)
    answer = result_beside_a_change(db, ours, writer, query)
    assert answer == result_beside_a_change(db, theirs, writer, query)
    assert tuple(answer[1][0]) == first, answer


# --- beside other extensions -------------------------------------------------------------------

HOOK = r"""
#include "postgres.h"

#include "fmgr.h"
#include "optimizer/planner.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static create_upper_paths_hook_type next_hook = NULL;

static void
hook(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
    if (next_hook)
        next_hook(root, stage, input, output, extra);
    if (stage == UPPERREL_GROUP_AGG)
        ereport(NOTICE, (errmsg("the other hook was called")));
}

void
_PG_init(void)
{
    next_hook = create_upper_paths_hook;
    create_upper_paths_hook = hook;
}
"""


@pytest.fixture(scope="module")
def other_module():
    """The path of a library with a hook in the same place, which the server can read."""
    with tempfile.TemporaryDirectory(prefix="expstat_hook_") as directory:
        os.chmod(directory, 0o755)
        source, library = pathlib.Path(directory, "hook.c"), pathlib.Path(directory, "hook.so")
        source.write_text(HOOK)
        include = subprocess.run([os.environ.get("PG_CONFIG", "pg_config"), "--includedir-server"], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.strip()
        subprocess.run(["gcc", "-shared", "-fPIC", "-I", include, "-o", library, source], check=True)
        library.chmod(0o755)
        yield library


@pytest.mark.parametrize("order", ["ours first", "ours last"])
def test_a_hook_of_another_extension_is_called_too(fresh, experiment, other_module, order):
    for library in ["expstat", str(other_module)][:: 1 if order == "ours first" else -1]:
        fresh.run("LOAD '%s'" % library)
    answers = []
    for enabled in ("on", "off"):
        fresh.run("SET expstat.enable_moments_scan = %s" % enabled)
        del fresh.connection.notices[:]
        assert uses_scan(fresh, WELCH) == (enabled == "on")
        assert [n for n in fresh.connection.notices if "the other hook was called" in n]
        answers.append(fresh.one(WELCH))
    assert answers[0] == answers[1]


def test_auto_explain(fresh, experiment):
    """Hooks of the executor, with instrumentation."""
    for statement in ("LOAD 'expstat'", "LOAD 'auto_explain'", "SET expstat.enable_moments_scan = on", "SET max_parallel_workers_per_gather = 0",
                      "SET auto_explain.log_min_duration = 0", "SET auto_explain.log_analyze = on", "SET auto_explain.log_buffers = on",
                      "SET auto_explain.log_nested_statements = on", "SET client_min_messages = log"):
        fresh.run(statement)
    del fresh.connection.notices[:]
    fresh.one(WELCH)
    plan = "".join(fresh.connection.notices)
    assert re.search(r"Custom Scan \(MomentsScan\).* rows=1(\.00)? loops=1", plan)
    assert re.search(r"Seq Scan on scan_units .* rows=2000(\.00)? loops=1", plan)


# --- a prepared statement, and what happens to what it calls --------------------------------------

@pytest.fixture
def prepared(db):
    """In a database of its own, with the scan in the cached plan of the statement `answer`."""
    name = db.one("SELECT current_database()") + "_prepared"
    db.run("CREATE DATABASE %s TEMPLATE template0" % name)
    session = Db(name)
    for statement in ("CREATE EXTENSION expstat", "LOAD 'expstat'", "SET expstat.enable_moments_scan = on",
                      "SET plan_cache_mode = force_generic_plan",
                      "CREATE TABLE units AS SELECT i::float8 AS y, (i % 2)::text AS variant FROM generate_series(1, 3000) AS i", "ANALYZE units",
                      "PREPARE answer AS SELECT (c).n, (c).estimate FROM (SELECT welch_t(y, variant) AS c FROM units) AS w"):
        session.run(statement)
    assert tuple(session.one("EXECUTE answer")) == (1500, 1500) and uses_scan(session, "EXECUTE answer")
    yield session
    session.close()
    db.run("DROP DATABASE %s WITH (FORCE)" % name)


WELCH_AGGREGATE = ("CREATE OR REPLACE AGGREGATE welch_t(metric float8, variant text) (SFUNC = %s, STYPE = moments,"
                   " COMBINEFUNC = %s, FINALFUNC = welch_t_final, PARALLEL = SAFE)")


def test_an_aggregate_is_replaced_under_a_cached_plan(prepared):
    prepared.run("CREATE FUNCTION doubled(moments, float8, text) RETURNS moments LANGUAGE sql AS 'SELECT moments_accum($1, 2 * $2, $3)'")
    prepared.run(WELCH_AGGREGATE % ("doubled", "moments_combine"))
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 3000) and not uses_scan(prepared, "EXECUTE answer")
    prepared.run(WELCH_AGGREGATE % ("moments_accum", "moments_combine"))
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500) and uses_scan(prepared, "EXECUTE answer")


@pytest.mark.parametrize("signature, body, expected", [
    ("moments_accum(moments, float8, text)", "SELECT moments_accum($1, 2 * $2, $3, NULL::text)", (1500, 3000)),
    ("moments_combine(moments, moments)", "SELECT $1", (1500, 1500))])
def test_its_functions_are_replaced_under_a_cached_plan(prepared, signature, body, expected):
    prepared.run("CREATE OR REPLACE FUNCTION %s RETURNS moments LANGUAGE sql AS '%s'" % (signature, body))
    assert tuple(prepared.one("EXECUTE answer")) == expected and not uses_scan(prepared, "EXECUTE answer")


def test_the_extension_goes_and_comes_under_a_cached_plan(prepared):
    prepared.run("DROP EXTENSION expstat")
    assert prepared.error("EXECUTE answer").pgcode == "42883"
    prepared.run("CREATE EXTENSION expstat")
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500) and uses_scan(prepared, "EXECUTE answer")
    prepared.run("CREATE SCHEMA elsewhere")
    prepared.run("ALTER EXTENSION expstat SET SCHEMA elsewhere")
    assert prepared.error("EXECUTE answer").pgcode == "42883"    # not in the path, as without a plan
    prepared.run("SET search_path = public, elsewhere")
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500) and uses_scan(prepared, "EXECUTE answer")


def test_an_update_of_the_extension_under_a_cached_plan(prepared):
    prepared.run("DROP EXTENSION expstat")
    prepared.run("CREATE EXTENSION expstat VERSION '0.1.0'")
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500) and uses_scan(prepared, "EXECUTE answer")
    prepared.run("ALTER EXTENSION expstat UPDATE")
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500) and uses_scan(prepared, "EXECUTE answer")


def test_the_table_changes_under_a_cached_plan(prepared):
    for change in ("ALTER TABLE units ADD COLUMN z int", "ALTER TABLE units ALTER variant TYPE varchar(5)", "ALTER TABLE units ALTER y TYPE real",
                   "ALTER TABLE units ALTER y TYPE numeric"):
        prepared.run(change)
        assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500)
        assert uses_scan(prepared, "EXECUTE answer") == ("numeric" not in change)
    prepared.run("DROP TABLE units")
    assert prepared.error("EXECUTE answer").pgcode == "42P01"
    prepared.run("CREATE TABLE units AS SELECT 'x' AS filler, (i % 2)::text AS variant, i::real AS y FROM generate_series(1, 3000) AS i")
    assert tuple(prepared.one("EXECUTE answer")) == (1500, 1500)
