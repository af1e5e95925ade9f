"""Every function and aggregate of both extensions, from the catalog, with awkward arguments.

NULL, extreme, mismatched, huge and hostile arguments, seeded.  A call may give an error, but its SQLSTATE is not
XX000 (PostgreSQL's "this should not happen"), it does not last, it leaves the server up and, all together, they leave
no memory behind.

Functions with an internal state or a pseudo-type as argument cannot be called from SQL; they are counted.
"""

import random

import psycopg2
import pytest

from conftest import Db

CALLS = 20      # of each function
SEED = 21
TIMEOUT = "10s"
LEAK = 4096     # kB that the memory of a backend may grow by

MOMENTS = """(SELECT moments_agg(%s) FROM generate_series(1, 40) i)"""
NUMBERS = ["0", "1", "-1", "0.5", "0.05", "1e308", "-1e308", "5e-324", "1e-300", "2", "3", "100", "1e15", "0.999999",
           "'NaN'", "'Infinity'", "'-Infinity'"]
TEXTS = ["''", "'a'", "'control'", "'t'", "'two-sided'", "'greater'", "'percentile'", "'bca'", "'bh'", "'holm'",
         "'obrien-fleming'", "'pocock'", "'fieller'", "'log'", "'farm'", "repeat('x', 255)", "repeat('x', 256)",
         "repeat('é', 100000)", "E'\\n\"\\\\'", "'''; DROP TABLE victim; --'", "'%s%n%d'", "'🦊'", "'pg_class'",
         "'NaN'", "'1e999'", "'public.nothing'", "'SELECT 1/0'"]
ARRAY_SHAPES = ["'{}'::%s", "'{NULL}'::%s", "array_fill(NULL::text, ARRAY[65])::%s"]
VALUES = {
    "double precision": NUMBERS,
    "numeric": NUMBERS[:14] + ["'NaN'"],
    "integer": ["0", "1", "-1", "2", "3", "64", "65", "100", "1000", "10000", "2147483647", "-2147483648"],
    "bigint": ["0", "1", "-1", "2", "10", "1000", "4294967296", "9007199254740993", "9223372036854775807",
               "-9223372036854775808"],
    "smallint": ["0", "1", "-1", "32767"],
    "boolean": ["true", "false"],
    "text": TEXTS,
    "name": ["''", "'a'", "'pg_class'"],
    "jsonb": ["'{}'", "'[]'", "'1'", "'null'", "'\"x\"'", "'{\"a\": 1}'", "'{\"control\": 1, \"t\": 1}'",
              "'{\"control\": -1}'", "'{\"control\": 1e400}'", "'{\"a\": \"b\"}'", "'{\"a\": null, \"b\": []}'",
              "'[{\"name\": 1}]'", "(repeat('[', 200) || repeat(']', 200))", "'{\"control\": {\"t\": 1}}'"],
    "bytea": ["''", "'\\x00'", "decode(repeat('ff', 100000), 'hex')"],
    "cstring": ["''", "'{'", "'\\x0100'", "'{\"version\": 1}'"],
    "regclass": ["'pg_class'", "0", "4294967295"],
    "timestamp with time zone": ["'epoch'", "'infinity'", "'-infinity'", "'2025-01-01'"],
    "timestamp without time zone": ["'epoch'", "'infinity'", "'-infinity'"],
    "date": ["'epoch'", "'infinity'", "'0044-03-15 BC'"],
    "interval": ["'0'", "'1 day'", "'-1 month'", "'178000000 years'"],
    "tstzrange": ["'empty'", "'(,)'", "'[2025-01-01,2025-02-01)'"],
    "moments": [MOMENTS % a for a in (
        "i, CASE i % 2 WHEN 0 THEN 'control' ELSE 't' END", "i, (i % 3)::text", "0, (i % 2)::text", "i, 'only'",
        "i, sqrt(i), (i % 2)::text", "ARRAY[i, i % 5, i % 7, sin(i)], CASE i % 2 WHEN 0 THEN 'control' ELSE 't' END",
        "(i % 2)::float8, (i % 3)::text", "i, i::text", "1e150 * i, (i % 2)::text", "ARRAY[]::float8[], (i % 2)::text")]
    + ["""'{"version": 1, "metrics": 1, "variants": {}}'""",
       """'{"version": 1, "metrics": 1, "variants": {"a": {"n": 9007199254740992, "mean": [1e308], "comoments": [1e308]},
            "b": {"n": 1, "mean": [-1e308], "comoments": [0]}}}'""",
       """'{"version": 1, "metrics": 2, "variants": {"a": {"n": 5, "mean": [1, 1], "comoments": [1, -1e300, 1]},
            "b": {"n": 5, "mean": [0, 0], "comoments": [0, 1, 0]}}}'"""],
    "bootstrap": ["(SELECT bootstrap_agg(%s, 100, 1) FROM generate_series(1, 20) i)" % a for a in (
        "i::text, i, (i % 2)::text", "i::text, i, i % 3, (i % 3)::text", "i, (i % 2)::text", "i::text, 0, 'a'")],
}


def literals(kind, rng):
    """An argument of a type, as SQL."""
    if rng.random() < 0.15:
        return "NULL::%s" % kind
    if kind.endswith("[]"):
        element = kind[:-2]
        if rng.random() < 0.2:
            return rng.choice(ARRAY_SHAPES) % kind
        length = rng.choice([1, 1, 2, 2, 3, 4, 10])
        if element not in VALUES:
            return "ARRAY[NULL]::%s" % kind
        row = ["(%s)::%s" % (rng.choice(VALUES[element]), element) for _ in range(length)]
        array = "ARRAY[%s]" % ", ".join(row)
        if rng.random() < 0.1:
            array = "ARRAY[%s, %s]" % (array, array)
        return "%s::%s" % (array, kind)
    if kind not in VALUES:
        return "NULL::%s" % kind
    return "(%s)::%s" % (rng.choice(VALUES[kind]), kind)


FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS signature, quote_ident(n.nspname) || '.' || quote_ident(proname) AS name, prokind,
           coalesce(aggkind, '') AS aggkind, coalesce(aggnumdirectargs, 0) AS direct, pronargdefaults AS defaults,
           ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) WITH ORDINALITY u (t, o) ORDER BY o) AS types,
           provariadic <> 0 AS variadic
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace LEFT JOIN pg_aggregate ON aggfnoid = p.oid
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE extname IN ('expstat', 'expstat_registry') AND p.prorettype <> 'trigger'::regtype ORDER BY 1"""


def call(f, rng):
    """A SELECT that calls a function, an aggregate or a window function once."""
    count = len(f.types) - (rng.randint(0, f.defaults) if f.defaults else 0)
    arguments = [literals(t, rng) for t in f.types[:count]]
    if f.variadic and count == len(f.types):
        arguments[-1] = "VARIADIC " + arguments[-1]
    if f.prokind == "f":
        return "SELECT * FROM %s(%s) LIMIT 1000" % (f.name, ", ".join(arguments))

    # rows of arguments, of one mind about direct arguments, which must not vary
    rows = rng.choice([0, 1, 2, 5, 20])
    constant = f.direct if f.aggkind != "n" else 0
    columns = ["c%d" % i for i in range(count)]
    body = " UNION ALL ".join("SELECT " + ", ".join(
        "%s AS %s" % (literals(t, rng), c) for t, c in zip(f.types, columns)) for _ in range(max(rows, 1)))
    source = "FROM (%s) q%s" % (body, " LIMIT 0" if rows == 0 else "")
    if f.prokind == "w":
        return "SELECT %s(%s) OVER (ORDER BY 1) %s" % (f.name, ", ".join(columns), source)
    if f.aggkind == "n":
        return "SELECT %s(%s) %s" % (f.name, ", ".join(columns), source)
    return "SELECT %s(%s) WITHIN GROUP (ORDER BY %s) %s" % (
        f.name, ", ".join(arguments[:constant]), ", ".join(columns[constant:]), source)


def callable_from_sql(f):
    return not set(f.types) & {"internal", "cstring[]", "trigger", "event_trigger"}


@pytest.fixture(scope="module")
def smoke(database):
    """A connection to a database of its own, for the registry writes and some calls may."""
    name = database + "_smoke"
    admin = psycopg2.connect("", dbname=database)
    admin.autocommit = True
    cursor = admin.cursor()
    cursor.execute("CREATE DATABASE %s TEMPLATE %s" % (name, "template0"))
    try:
        db = Db(name)
        db.run("CREATE EXTENSION expstat")
        db.run("CREATE EXTENSION expstat_registry")
        db.run("CREATE TABLE victim (a int)")
        db.run("SET statement_timeout = '%s'; SET log_min_messages = panic; SET log_min_error_statement = panic" % TIMEOUT)
        yield db
        db.close()
    finally:
        cursor.execute("DROP DATABASE IF EXISTS %s WITH (FORCE)" % name)
        admin.close()


@pytest.fixture(scope="module")
def functions(smoke):
    return [f for f in smoke.rows(FUNCTIONS) if callable_from_sql(f)]


def try_call(db, sql):
    """The SQLSTATE of a call that is rolled back, or None."""
    with db.connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute(sql)
            cursor.fetchall()
            return None
        except psycopg2.Error as e:
            return e.pgcode or "lost connection: %s" % e
        finally:
            if not db.connection.closed:
                cursor.execute("ROLLBACK")


def test_what_cannot_be_called(smoke, functions):
    everything = smoke.rows(FUNCTIONS)
    internal = [f.signature for f in everything if not callable_from_sql(f)]
    print("\n%d functions, %d of them with internal arguments" % (len(everything), len(internal)))
    assert len(functions) > 150 and all("internal" in s for s in internal), internal


def test_awkward_arguments(smoke, functions):
    rng = random.Random(SEED)
    started = smoke.one("SELECT pg_postmaster_start_time()::text, pg_backend_pid()")
    outcomes, bad = {}, []
    for f in functions:
        for _ in range(CALLS):
            sql = call(f, rng)
            outcome = try_call(smoke, sql)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if outcome is not None and (len(outcome) != 5 or outcome[:2] in ("XX", "57", "53", "08")
                                        and outcome != "08P01"):
                bad.append((outcome, sql[:600]))
    print("\n%d calls: %s" % (sum(outcomes.values()), sorted(outcomes.items(), key=lambda x: -x[1])))
    assert not bad, "%d, such as %s" % (len(bad), "\n".join(map(str, bad[:20])))
    assert smoke.one("SELECT pg_postmaster_start_time()::text, pg_backend_pid()") == started
    assert smoke.one("SELECT count(*) FROM victim") == 0
    assert outcomes[None] > 200      # not all of it errors


# a call until it was made 100 times or took 10 ms, errors and all
REPEAT = """
CREATE FUNCTION pg_temp.repeat_call(sql text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    calls int := 0;
BEGIN
    WHILE calls < 100 AND clock_timestamp() < started + interval '10 ms' LOOP
        BEGIN
            EXECUTE sql;
        EXCEPTION WHEN others THEN
            NULL;
        END;
        calls := calls + 1;
    END LOOP;
    RETURN calls;
END $$"""


def memory(db):
    """kB of a backend: in memory contexts, and its own pages."""
    contexts = db.one("SELECT sum(total_bytes)::bigint / 1024 FROM pg_backend_memory_contexts")
    with open("/proc/%d/status" % db.one("SELECT pg_backend_pid()")) as status:
        pages = [int(line.split()[1]) for line in status if line.startswith("RssAnon")]
    return contexts, pages[0]


def test_no_leak(smoke, functions):
    """The second time over, the same calls take no memory that they do not give back."""
    db = smoke
    db.run(REPEAT)
    db.run("SET client_min_messages = error; SET plan_cache_mode = force_custom_plan")
    rng = random.Random(SEED)
    calls = [call(f, rng) for f in functions if not f.name.startswith("expstat.") for _ in range(2)]
    used, made = [], 0
    for _ in range(3):
        for sql in calls:
            db.run("BEGIN")
            made += db.one("SELECT pg_temp.repeat_call(%s)", sql)
            db.run("ROLLBACK")
        used.append(memory(db))
    print("\n%d calls; kB in memory contexts and pages after each round: %s" % (made, used))
    assert made > 10000
    assert used[2][0] - used[1][0] < LEAK and used[2][1] - used[1][1] < LEAK, used
