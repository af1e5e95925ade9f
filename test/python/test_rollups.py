"""Rollups: states kept in a table.  However the units are loaded, in whatever order and batches, by
however many loaders, the table's states merge to what a SELECT over all units gives; and units that
would count twice are found.
"""

import math
import random
import threading
import time
from collections import defaultdict

import pytest
from conftest import Db
from scipy import stats

TABLES = """
CREATE TABLE units (experiment text, user_id int, variant text, segment text, cohort timestamptz,
    y float8, x float8, batch int, rolled_up boolean NOT NULL DEFAULT false, PRIMARY KEY (experiment, user_id));
CREATE TABLE loads (experiment text, batch int, PRIMARY KEY (experiment, batch));
CREATE TABLE rollups (experiment text, cohort timestamptz, segment text, m moments NOT NULL,
    PRIMARY KEY (experiment, cohort, segment));
"""

# The patterns of docs/rollups.md.
MERGE = """
INSERT INTO rollups AS r
SELECT experiment, cohort, segment, moments_agg(y, x, variant) FROM fresh GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (experiment, cohort, segment) DO UPDATE SET m = moments_merge(r.m, excluded.m)
"""
MARK = "WITH fresh AS (UPDATE units SET rolled_up = true WHERE NOT rolled_up AND batch <= %s RETURNING *)" + MERGE
LEDGER = """
WITH load AS (INSERT INTO loads VALUES ('e', %s) ON CONFLICT DO NOTHING RETURNING *),
     fresh AS (SELECT u.* FROM load JOIN units AS u USING (experiment, batch))""" + MERGE
LOCK = "SELECT pg_advisory_xact_lock(hashtext('rollups'), hashtext('e'))"
REPLACE = ["DELETE FROM rollups WHERE experiment = 'e' AND cohort >= %s", """
INSERT INTO rollups SELECT experiment, cohort, segment, moments_agg(y, x, variant) FROM units
WHERE experiment = 'e' AND cohort >= %s GROUP BY 1, 2, 3"""]

STORED = """
SELECT segment, variant, metric, n, mean, variance
FROM (SELECT segment, moments_agg(m) AS m FROM rollups GROUP BY GROUPING SETS ((segment), ())) AS r, moments_summary(m)
ORDER BY 1, 2, 3"""
SCRATCH = STORED.replace("moments_agg(m) AS m FROM rollups", "moments_agg(y, x, variant) AS m FROM units")


def random_units(seed, count, batches):
    rng = random.Random(seed)
    return [("e", i, rng.choice(["control", "bold", "short"]), rng.choice(["ios", "web", "android"]),
             "2026-03-%02d %02d:00+00" % (rng.randint(1, 3), rng.randint(0, 23)),
             1e6 + rng.gauss(0, 1), rng.expovariate(1), rng.randint(1, batches)) for i in range(count)]


def reset(db, rows):
    db.run("DROP TABLE IF EXISTS units, loads, rollups")
    db.run(TABLES)
    db.copy_rows("units (experiment, user_id, variant, segment, cohort, y, x, batch)", rows)


@pytest.fixture
def loaded(db):
    reset(db, random_units(1, 3000, 8))
    yield db
    db.run("DROP TABLE IF EXISTS units, loads, rollups")


def replace(db, since="2026-03-01"):
    db.run("BEGIN")
    db.run(LOCK)
    for statement in REPLACE:
        db.run(statement, since)
    db.run("COMMIT")


def assert_same(db):
    """The stored states are those of the units: counts exactly, numbers up to the order of merging."""
    stored, scratch = db.rows(STORED), db.rows(SCRATCH)
    assert len(scratch) == 4 * 3 * 2
    assert [r[:4] for r in stored] == [r[:4] for r in scratch]
    for ours, expected in zip(stored, scratch):
        assert ours.mean == pytest.approx(expected.mean, rel=1e-14)
        assert ours.variance == pytest.approx(expected.variance, rel=1e-12)


def stored_text(db):
    return db.rows("SELECT experiment, cohort, segment, m::text FROM rollups ORDER BY 1, 2, 3")


# ---- one state into another ----

def test_merge_is_moments_agg_of_two(db):
    rng = random.Random(2)
    for _ in range(20):
        db.run("DROP TABLE IF EXISTS two")
        db.run("CREATE TEMP TABLE two (part int, variant text, y float8, x float8)")
        db.copy_rows("two", [(rng.randint(0, 1), rng.choice("abcd"), 10 ** rng.randint(-9, 9) * rng.gauss(5, 1),
                              rng.gauss(0, 1)) for _ in range(rng.randint(2, 30))])
        row = db.one("SELECT moments_merge(a, b) = together, b IS NULL OR a IS NULL OR moments_merge(b, a) = swapped, "
                     "moments_merge(a, NULL) IS NOT DISTINCT FROM a, moments_merge(NULL, b) IS NOT DISTINCT FROM b "
                     "FROM (SELECT moments_agg(y, x, variant) FILTER (WHERE part = 0) AS a, "
                     "             moments_agg(y, x, variant) FILTER (WHERE part = 1) AS b FROM two) AS s, "
                     "LATERAL (SELECT moments_agg(m ORDER BY i) AS together, moments_agg(m ORDER BY -i) AS swapped "
                     "         FROM (VALUES (1, a), (2, b)) AS v (i, m)) AS merged")
        assert row == (True, True, True, True)


def test_merge_leaves_its_arguments_alone(db):
    row = db.one("WITH s AS MATERIALIZED (SELECT moments_agg(i, 'a') AS a, moments_agg(-i, 'a') AS b "
                 "FROM generate_series(1, 9) AS i) "
                 "SELECT a::text, b::text, moments_merge(a, b)::text, moments_merge(a, b)::text, a::text, b::text FROM s")
    assert row[0] == row[4] and row[1] == row[5] and row[2] == row[3] != row[0]


def test_merge_finishes_the_state_of_a_combine_function(db):
    mean, residual = db.one("SELECT m #>> '{mean,0}', m #>> '{residual,0}' FROM (SELECT moments_merge(moments_combine("
                            "moments_agg(1, 'a'), moments_agg(2, 'a')), moments_agg(6, 'a'))::jsonb #> '{variants,a}') AS s (m)")
    assert (float(mean), float(residual)) == (3, 0)


def test_merge_of_different_metrics_is_an_error(db):
    error = db.error("SELECT moments_merge(moments_agg(1, 'a'), moments_agg(1, 2, 'a'))")
    assert error.pgcode == "22023" and "moments_select" in error.diag.message_hint


# ---- loading ----

@pytest.mark.parametrize("seed", range(4))
def test_any_batches_in_any_order(db, seed):
    batches = random.Random(seed).choice([1, 3, 17, 60])
    reset(db, random_units(seed, 1500, batches))
    order = list(range(1, batches + 1)) * 2  # every batch is tried twice
    random.Random(seed).shuffle(order)
    for batch in order:
        db.run(LEDGER, batch)
    assert_same(db)


def test_units_that_arrive_late_or_after_a_crash(loaded):
    loaded.run(MARK, 3)
    loaded.run("BEGIN")
    loaded.run(MARK, 5)
    loaded.run("ROLLBACK")  # the marks are gone with the states
    before = stored_text(loaded)
    loaded.run(MARK, 3)
    assert stored_text(loaded) == before
    loaded.run(MARK, 8)
    loaded.copy_rows("units (experiment, user_id, variant, segment, cohort, y, x, batch)",
                     [("e", 5000 + u[1], *u[2:7], 2) for u in random_units(7, 200, 1)])
    loaded.run(MARK, 8)
    assert_same(loaded)


def test_replacing_twice_is_replacing_once(loaded):
    replace(loaded)
    once = stored_text(loaded)
    replace(loaded)
    assert len(once) > 100 and stored_text(loaded) == once
    replace(loaded, "2026-03-03")
    assert_same(loaded)


def test_a_cohort_that_loses_its_units_is_gone(loaded):
    replace(loaded)
    loaded.run("UPDATE units SET cohort = '2026-03-01 05:00+00', y = y + 1 WHERE cohort >= '2026-03-02'")
    replace(loaded)
    assert loaded.one("SELECT max(cohort) < '2026-03-02' FROM rollups")
    assert_same(loaded)


def test_hours_to_days_to_total(loaded):
    loaded.run(MARK, 8)
    loaded.run("CREATE TEMP TABLE days AS SELECT date_trunc('day', cohort) AS cohort, segment, moments_agg(m) AS m "
               "FROM rollups GROUP BY 1, 2")
    loaded.run("TRUNCATE rollups")
    loaded.run("INSERT INTO rollups SELECT 'e', cohort, segment, m FROM days")
    loaded.run("DROP TABLE days")
    assert loaded.one("SELECT count(*) FROM rollups") == 9
    assert_same(loaded)
    # What is final becomes one row, in one statement; later that row and what is final then.
    for day, cells in ("02", 9), ("03", 6), ("03", 6), ("04", 3):
        loaded.run("WITH final AS (DELETE FROM rollups WHERE cohort < '2026-03-%s' RETURNING *) "
                   "INSERT INTO rollups SELECT experiment, '-infinity', segment, moments_agg(m) FROM final GROUP BY 1, 3" % day)
        assert loaded.one("SELECT count(*) FROM rollups") == cells
        assert_same(loaded)


def test_totals_per_unit_rebuild_only_the_cohorts_they_touch(db):
    rng = random.Random(5)
    reset(db, [u[:5] + (0.0, u[6], 0) for u in random_units(5, 400, 1)])
    db.run("ALTER TABLE units ADD changed_at timestamptz")
    db.run("DROP TABLE IF EXISTS orders")
    db.run("CREATE TEMP TABLE orders (user_id int, batch int, amount float8)")
    db.copy_rows("orders", [(rng.randrange(400), rng.randint(1, 40), rng.expovariate(0.1)) for _ in range(300)])
    replace(db)
    for batch in [b for b in range(1, 41) for _ in range(2)]:  # each is tried twice
        before = {r[:3]: r.xmin for r in db.rows("SELECT experiment, cohort, segment, xmin::text FROM rollups")}
        db.run("BEGIN")
        db.run(LOCK)
        db.run("WITH load AS (INSERT INTO loads VALUES ('e', %s) ON CONFLICT DO NOTHING RETURNING *), "
               "delta AS (SELECT experiment, user_id, sum(amount) AS amount FROM load JOIN orders USING (batch) GROUP BY 1, 2) "
               "UPDATE units AS u SET y = u.y + d.amount, changed_at = now() FROM delta AS d "
               "WHERE u.experiment = d.experiment AND u.user_id = d.user_id", batch)
        touched = {r[0] for r in db.rows("SELECT DISTINCT cohort FROM units WHERE changed_at = now()")}
        db.run("DELETE FROM rollups WHERE cohort IN (SELECT cohort FROM units WHERE changed_at = now())")
        db.run("INSERT INTO rollups SELECT experiment, cohort, segment, moments_agg(y, x, variant) FROM units "
               "WHERE cohort IN (SELECT cohort FROM units WHERE changed_at = now()) GROUP BY 1, 2, 3")
        db.run("COMMIT")
        after = {r[:3]: r.xmin for r in db.rows("SELECT experiment, cohort, segment, xmin::text FROM rollups")}
        assert {key[1] for key in after if after[key] != before[key]} == touched
    for ours, by_hand in zip(db.rows("SELECT variant, n, mean FROM (SELECT moments_agg(m) AS m FROM rollups) AS r, "
                                     "moments_summary(m) WHERE metric = 1"),
                             db.rows("SELECT variant, count(*), avg(coalesce(amount, 0)) FROM units LEFT JOIN (SELECT user_id, "
                                     "sum(amount) AS amount FROM orders GROUP BY 1) AS o USING (user_id) GROUP BY 1 "
                                     'ORDER BY variant COLLATE "C"')):
        assert ours[:2] == by_hand[:2] and ours.mean == pytest.approx(by_hand[2], rel=1e-12)


# ---- two loaders at once ----

def beside(database, waits_for, statements):
    """Run statements on a second connection; assert that they wait for the first connection's transaction."""
    other = Db(database)
    pid = other.one("SELECT pg_backend_pid()")
    errors = []

    def work():
        try:
            for statement, *args in statements:
                other.run(statement, *args)
        except Exception as e:  # reported by the caller
            errors.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(500):
        if waits_for.one("SELECT cardinality(pg_blocking_pids(%s)) > 0", pid):
            break
        time.sleep(0.01)
    else:
        errors.append(AssertionError("the second loader did not wait"))
    waits_for.run("COMMIT")
    thread.join(60)
    other.close()
    assert not thread.is_alive() and errors == []


@pytest.mark.parametrize("first, second", [((MARK, 8), (MARK, 8)), ((MARK, 4), (MARK, 8)), ((LEDGER, 1), (LEDGER, 1)),
                                           ((LEDGER, 1), (LEDGER, 2))])
def test_two_loaders(loaded, database, first, second):
    loaded.run("BEGIN")
    loaded.run(*first)
    beside(database, loaded, [second])
    for batch in range(1, 9):
        loaded.run(first[0], batch)
    assert_same(loaded)


def test_two_that_replace(loaded, database):
    replace(loaded)
    loaded.run("BEGIN")
    loaded.run(LOCK)
    for statement in REPLACE:
        loaded.run(statement, "2026-03-01")
    # What comes in meanwhile is what the second one finds.
    loaded.run("UPDATE units SET y = y + 1, segment = 'web' WHERE user_id < 100")
    beside(database, loaded, [("BEGIN",), (LOCK,)] + [(s, "2026-03-01") for s in REPLACE] + [("COMMIT",)])
    assert_same(loaded)


# ---- units that would count twice ----

def overlaps_by_hand(rows, key, sets):
    """rows: (unit, columns...); how many cohorts each unit is in."""
    for columns in sets:
        cohorts = defaultdict(list)
        for row in rows:
            if row[0] is not None:
                cohorts[tuple(row[i] for i in [0] + key)].append(tuple(row[i] for i in columns))
        counts = {u: len(set(c)) if columns else len(c) for u, c in cohorts.items()}
        several = sorted({str(u[0]) for u, n in counts.items() if n > 1})
        yield (len(several) == 0, len(counts), sum(n > 1 for n in counts.values()), sum(counts.values()), several[:5] or None)


@pytest.mark.parametrize("within", [[], [3]])
def test_overlaps_against_counting_by_hand(db, within):
    rng = random.Random(11)
    for _ in range(8):
        rows = [(rng.choice([None] + list(range(rng.randint(5, 60)))), rng.choice(["a", "b", None]),
                 rng.choice([True, False]), rng.choice(["x", "y", None])) for _ in range(rng.randint(0, 80))]
        db.run('DROP TABLE IF EXISTS "odd Table"')
        db.run('CREATE TEMP TABLE "odd Table" ("unit""" int, "the Cohort" text, "n" boolean, "unit" text)')
        db.copy_rows('"odd Table"', rows)
        names = [None, "the Cohort", "n", "unit"]
        found = db.rows("""SELECT * FROM cohort_overlaps('"odd Table"', 'unit"', %s, within => %s::text[])""",
                        [names[1], names[2]], [names[i] for i in within])
        assert [r.cohorts for r in found] == [[], names[1:2], names[2:3], names[1:3]]
        assert [r[1:] for r in found] == list(overlaps_by_hand(rows, within, [[], [1], [2], [1, 2]]))


def test_overlaps_reads_with_the_rights_of_its_caller(fresh):
    fresh.run("CREATE TABLE secret_units (user_id int, day date)")
    fresh.run("CREATE ROLE rollups_nobody")
    try:
        fresh.run("SET ROLE rollups_nobody")
        assert fresh.error("SELECT * FROM cohort_overlaps('secret_units', 'user_id', '{day}')").pgcode == "42501"
        # A search_path of the caller's changes nothing.
        fresh.run("SET search_path = pg_temp")
        fresh.run("CREATE TEMP TABLE own (user_id int, day date)")
        fresh.run("CREATE FUNCTION pg_temp.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 666'")
        assert len(fresh.rows("SELECT * FROM public.cohort_overlaps('own', 'user_id', '{day}')")) == 2
    finally:
        fresh.run("RESET ROLE")
        fresh.run("RESET search_path")
        fresh.run("DROP TABLE secret_units")
        fresh.run("DROP OWNED BY rollups_nobody")
        fresh.run("DROP ROLE rollups_nobody")


def test_days_of_activity_are_not_disjoint_and_how_wrong_they_are(fresh):
    """Days of the same users merged: as many false positives as the design effect says."""
    days, rho, users, experiments = 7, 0.5, 40, 800
    fresh.run("SET jit = off")
    fresh.run("SELECT setseed(0.25)")
    fresh.run("""
        CREATE TEMP TABLE user_days AS
        SELECT experiment, user_id, CASE WHEN user_id %% 2 = 0 THEN 'a' ELSE 'b' END AS variant, day,
               sqrt(%s) * taste + sqrt(1 - %s) * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS y
        FROM (SELECT experiment, user_id, sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS taste
              FROM generate_series(1, %s) AS experiment, generate_series(1, %s) AS user_id) AS u,
             generate_series(1, %s) AS day""", rho, rho, experiments, users, days)
    rate = "SELECT avg((p_value < 0.05)::int)::float8 FROM (%s) AS s, welch_t(m)"
    wrong = fresh.one(rate % "SELECT moments_agg(m) AS m FROM (SELECT experiment, moments_agg(y, variant) AS m "
                             "FROM user_days GROUP BY experiment, day) AS d GROUP BY experiment")
    right = fresh.one(rate % "SELECT moments_agg(y, variant) AS m FROM (SELECT experiment, user_id, variant, sum(y) AS y "
                             "FROM user_days GROUP BY 1, 2, 3) AS u GROUP BY experiment")

    def standard_errors(found, expected):
        return abs(found - expected) / math.sqrt(expected * (1 - expected) / experiments)

    design_effect = 1 + (days - 1) * rho
    assert standard_errors(wrong, 2 * stats.norm.sf(1.96 / math.sqrt(design_effect))) < 4
    assert standard_errors(right, 0.05) < 4
    # Both checks say so: one from the rows, one from the states.
    assert fresh.rows("SELECT cohorts, disjoint, units, overlapping, counted "
                      "FROM cohort_overlaps('user_days', 'user_id', '{day,variant}', within => '{experiment}')")[1:3] == [
        (["day"], False, users * experiments, users * experiments, days * users * experiments),
        (["variant"], True, users * experiments, 0, users * experiments)]
    assert fresh.one("SELECT min(s.n) FROM (SELECT moments_agg(y, variant) AS m FROM user_days WHERE experiment = 1) AS r, "
                     "moments_summary(m) AS s") == days * users / 2


# ---- reading ----

def test_a_scorecard_takes_milliseconds(fresh):
    """50 metrics, 3 variants, 20 segments, 30 days: some 10 to 20 ms; the bound is for busy machines."""
    fresh.run("SET jit = off")
    fresh.run("""
        CREATE TEMP TABLE one AS
        SELECT moments_agg(ARRAY(SELECT ln(1 + (i * k) %% 101) FROM generate_series(1, 50) AS k), 'v' || i %% 3) AS m
        FROM generate_series(1, 300) AS i""".replace("%%", "%"))
    fresh.run("CREATE TEMP TABLE wide AS SELECT day, segment, m FROM one, generate_series(1, 30) AS day, "
              "generate_series(1, 20) AS segment")
    fresh.run("CREATE TEMP TABLE narrow AS SELECT day, segment, k AS metric, moments_select(m, ARRAY[k]) AS m "
              "FROM wide, generate_series(1, 50) AS k")
    fresh.run("ANALYZE wide, narrow")
    for query in [
        "SELECT segment, k, c.* FROM (SELECT segment, moments_agg(m) AS m FROM wide GROUP BY segment) AS s, "
        "generate_series(1, 50) AS k, welch_t(m, metric => k) AS c",
        "SELECT segment, metric, c.* FROM (SELECT segment, metric, moments_agg(m) AS m FROM narrow GROUP BY 1, 2) AS s, "
        "welch_t(m) AS c",
    ]:
        counting = "SELECT count(p_value) FROM (%s) AS q" % query
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            assert fresh.one(counting) == 2 * 20 * 50
            seconds.append(time.perf_counter() - start)
        assert min(seconds) < 0.25
