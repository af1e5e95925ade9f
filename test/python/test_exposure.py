"""Exposure logs: the faults that are planted are found, clean logs raise no alarm, and names of any kind work.

The first exposure, the crossovers and the counts are held against a plain Python reading of the same rows, the
sequential test against its definition (Lindon and Malek 2022) in mpmath with 50 digits.
"""

import random
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import numpy as np
import psycopg2
import pytest
from mpmath import loggamma, log, mp, mpf

mp.dps = 50
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


# --- srm_sequential -----------------------------------------------------------------------------

def log_bayes_factor(observed, weights, concentration):
    """ln of the Dirichlet-multinomial marginal likelihood over the multinomial's, from the definition."""
    shares = [mpf(w) / sum(map(mpf, weights)) for w in weights]
    a = [mpf(concentration) * s for s in shares]
    n = sum(observed)
    return (loggamma(sum(a)) - loggamma(sum(a) + n)
            + sum(loggamma(ai + x) - loggamma(ai) - x * log(s) for ai, x, s in zip(a, observed, shares)))


def sequential(db, observed, weights, concentration=10000.0):
    return db.one("SELECT log_bayes_factor AS b, p_value AS p, n, observed AS o, expected AS e "
                  "FROM srm_sequential(%s::bigint[], %s::float8[], %s)", observed, weights, concentration)


def test_sequential_is_the_definition(db):
    rng = random.Random(4)
    for _ in range(300):
        k = rng.choice([2, 2, 3, 5])
        weights = [rng.choice([1.0, 1.0, rng.uniform(0.01, 10)]) for _ in range(k)]
        n = 10 ** rng.uniform(0, 12)
        tilt = [w * rng.choice([1, 1, 1 + rng.gauss(0, 1) / n ** 0.5 * 3, rng.uniform(0.5, 1.5)]) for w in weights]
        observed = [max(0, int(n * t / sum(tilt))) for t in tilt]
        if rng.random() < 0.1:
            observed[0] = 0
        concentration = rng.choice([0.5, 1.0, 100.0, 10000.0, 1e6])
        expected = log_bayes_factor(observed, weights, concentration)
        got = sequential(db, observed, weights, concentration)
        assert got.n == sum(observed) and got.o == observed
        assert got.e == pytest.approx([sum(observed) * w / sum(weights) for w in weights], rel=1e-12)
        # The counts less their expectation have the rounding of the expectation, 1e-16 n.
        assert abs(got.b - expected) <= 1e-11 * max(1, abs(expected)) + 1e-14 * sum(observed) ** 0.5, (observed, weights)
        assert got.p == pytest.approx(min(1.0, float(mp.exp(-expected))), rel=1e-6, abs=1e-300)


def test_sequential_tail_is_exact(db):
    """A p-value near 1e-290 keeps its digits."""
    observed, weights = [520000, 480000 + 2900], [1.0, 1.0]
    expected = log_bayes_factor(observed, weights, 10000)
    got = sequential(db, observed, weights)
    assert 1e-300 < got.p < 1e-200
    assert got.p == pytest.approx(float(mp.exp(-expected)), rel=1e-9)


def test_sequential_is_a_martingale(db):
    """Whatever was seen, the next unit leaves the Bayes factor as it is on average: sum_i r_i B(x + e_i) = B(x)."""
    for observed, shares in [([0, 0], [.5, .5]), ([7, 19], [.3, .7]), ([30, 1, 12], [.2, .5, .3])]:
        now = np.exp(sequential(db, observed, shares, 20.0).b)
        after = 0.0
        for i, share in enumerate(shares):
            after += share * np.exp(sequential(db, [x + (i == j) for j, x in enumerate(observed)], shares, 20.0).b)
        assert after == pytest.approx(now, rel=1e-12)


def test_sequential_looks(db):
    """The aggregate adds the looks up and keeps the smallest p-value; the order of arms does not matter."""
    rng = np.random.default_rng(8)
    looks = rng.multinomial(4000, [.27, .23, .5], size=30)
    db.run("CREATE TEMP TABLE looks (look int, observed bigint[])")
    db.copy_rows("looks", [(i, "{%s}" % ",".join(map(str, x))) for i, x in enumerate(looks)])
    rows = db.rows("SELECT look, (srm_sequential_agg(observed, '{1,1,2}') OVER (ORDER BY look)).* FROM looks ORDER BY 1")
    smallest, so_far = 1.0, np.zeros(3, int)
    for row, look in zip(rows, looks):
        so_far = so_far + look
        smallest = min(smallest, float(mp.exp(-log_bayes_factor([int(x) for x in so_far], [1, 1, 2], 10000))))
        assert row.observed == so_far.tolist()
        assert row.p_value == pytest.approx(smallest, rel=1e-8)
    assert rows[-1].p_value < 1e-6
    whole = db.one("SELECT (srm_sequential_agg(observed, '{1,1,2}' ORDER BY look)).p_value FROM looks")
    assert whole == rows[-1].p_value
    turned = db.one("SELECT (srm_sequential_agg(ARRAY[observed[3], observed[1], observed[2]], '{2,1,1}' ORDER BY look)).p_value FROM looks")
    assert turned == pytest.approx(whole, rel=1e-12)


def test_sequential_over_rows(db):
    """As an aggregate over units it is the function of their counts, in the order of the labels; NULL is not counted."""
    row = db.one("""SELECT (s).observed AS o, (s).p_value AS p FROM (
        SELECT srm_sequential(v, '{"b": 1, "a": 3}') AS s
        FROM (SELECT (ARRAY['b', 'a', 'a', 'a', NULL])[1 + mod(i, 5)] AS v FROM generate_series(1, 9000) i) r) x""")
    assert row.o == [5400, 1800]
    assert row.p == sequential(db, row.o, [3.0, 1.0]).p
    assert db.one("SELECT (srm_sequential(NULL::text, '{\"a\": 1}')).n") == 0


def test_peeking_does_not_raise_false_alarms(db):
    """2,000 experiments of 1:1, looked at 100 times each: at most alpha ever alarm; a daily chi-square alarms far more."""
    rng = np.random.default_rng(17)
    experiments, looks, per_look = 2000, 100, 50
    control = rng.binomial(per_look, 0.5, size=(experiments, looks)).cumsum(axis=1)
    total = per_look * np.arange(1, looks + 1)
    db.run("CREATE TEMP TABLE peeks (experiment int, observed bigint[])")
    db.copy_rows("peeks", [(e, "{%d,%d}" % (c, n - c)) for e in range(experiments) for c, n in zip(control[e], total)])
    ever = db.one("SELECT avg((sequential < 0.05)::int)::float8 AS sequential, avg((chi2 < 0.05)::int)::float8 AS chi2 FROM ("
                  "SELECT min(s.p_value) AS sequential, min(c.p_value) AS chi2 FROM peeks, "
                  "srm_sequential(peeks.observed, '{1,1}', 100) s, srm(peeks.observed, '{1,1}'::float8[]) c GROUP BY experiment) x")
    assert 0.005 < ever.sequential <= 0.05 + 3 * (0.05 * 0.95 / experiments) ** 0.5
    assert ever.chi2 > 0.3


# --- the log, read in Python ---------------------------------------------------------------------

def python_units(rows):
    """unit -> (first variant, its time, exposures, variants) of the rows with unit, variant and time."""
    found = defaultdict(list)
    for unit, variant, at in rows:
        if unit is not None and variant is not None and at is not None:
            found[unit].append((at, variant.encode()))
    return {u: (min(e)[1].decode(), min(e)[0], len(e), len({v for _, v in e})) for u, e in found.items()}


@pytest.fixture(scope="module")
def messy(db):
    """A log with ties, NULLs, crossovers and labels that are hard to sort."""
    rng = random.Random(31)
    labels = ["control", "A", "a", "é", "", "Z z", None]
    rows = [(rng.choice(["u%d" % rng.randrange(400), None] + ["u%d" % rng.randrange(400)] * 20),
             rng.choice(labels[:2] * 5 + labels),
             rng.choice([None] + [START + timedelta(hours=rng.randrange(200))] * 20)) for _ in range(5000)]
    db.run("CREATE TABLE messy (unit text, variant text, at timestamptz)")
    db.copy_rows("messy", rows)
    yield rows
    db.run("DROP TABLE messy CASCADE")


def test_first_exposures(db, messy):
    units = python_units(messy)
    got = {r.unit: r for r in db.rows("SELECT * FROM first_exposures('messy', 'unit', 'variant', 'at', 'keep_first')")}
    assert got.keys() == units.keys()
    for unit, (variant, at, exposures, variants) in units.items():
        r = got[unit]
        assert (r.variant, r.exposed_at, r.exposures, r.crossover) == (variant, at, exposures, variants > 1)
    dropped = {r.unit for r in db.rows("SELECT * FROM first_exposures('messy', 'unit', 'variant', 'at')")}
    assert dropped == {u for u, x in units.items() if x[3] == 1}
    crossovers = {r.unit: r for r in db.rows("SELECT * FROM exposure_crossovers('messy', 'unit', 'variant', 'at')")}
    assert crossovers.keys() == units.keys() - dropped
    for unit, r in crossovers.items():
        assert r.variants[0] == units[unit][0] and r.exposed_at[0] == units[unit][1]
        assert sum(r.exposures) == units[unit][2] and len(set(r.variants)) == units[unit][3]
    error = db.error("SELECT * FROM first_exposures('messy', 'unit', 'variant', 'at', 'fail')")
    assert error.pgcode == "22000" and "keep_first" in error.diag.message_hint
    db.run("CREATE TEMP VIEW pure AS SELECT * FROM messy WHERE unit IN (SELECT unit FROM first_exposures('messy', 'unit', 'variant', 'at'))")
    assert len(db.rows("SELECT * FROM first_exposures('pure', 'unit', 'variant', 'at', 'fail')")) == len(dropped)


def test_nothing_is_dropped_in_silence(db, messy):
    """Every row is in a check: without unit, variant or time, or in a unit's exposures."""
    checks = {r.check_name: r for r in db.rows(
        "SELECT * FROM exposure_health('messy', 'unit', 'variant', 'at', '{control,A,a,é,\"\",Z z}')")}
    n = len(messy)
    assert checks["null_unit"].value == pytest.approx(sum(r[0] is None for r in messy) / n, rel=1e-12)
    assert checks["null_variant"].value == pytest.approx(sum(r[1] is None for r in messy) / n, rel=1e-12)
    assert checks["null_time"].value == pytest.approx(sum(r[2] is None for r in messy) / n, rel=1e-12)
    assert {checks[c].status for c in ("null_unit", "null_variant", "null_time")} == {"fail"}
    units = python_units(messy)
    assert checks["exposures"].value == len(units)
    assert checks["crossovers"].value == pytest.approx(sum(u[3] > 1 for u in units.values()) / len(units), rel=1e-12)
    assert "%d exposures" % sum(u[2] for u in units.values()) in checks["exposures"].detail


def test_dates(db, messy):
    starts, ends = START + timedelta(hours=50), START + timedelta(hours=150)
    inside = [r for r in messy if r[2] is not None and starts <= r[2] < ends]
    units = python_units(inside)
    got = db.rows("SELECT * FROM first_exposures('messy', 'unit', 'variant', 'at', 'keep_first', %s, %s)", starts, ends)
    assert {r.unit: (r.variant, r.exposed_at, r.exposures) for r in got} == {u: x[:3] for u, x in units.items()}
    outside = db.rows("SELECT * FROM exposures_outside('messy', 'unit', 'variant', 'at', %s, %s)", starts, ends)
    assert len(outside) == sum(r[2] is not None and not starts <= r[2] < ends for r in messy)
    assert all((r.exposed_at < starts) == (r.side == "before") for r in outside)
    check = db.one("SELECT value FROM exposure_health('messy', 'unit', 'variant', 'at', '{control,A}', starts => %s, ends => %s) "
                   "WHERE check_name = 'outside_dates'", starts, ends)
    assert check == pytest.approx(len(outside) / len(messy), rel=1e-12)


def test_first_exposure_in_every_plan(db, fresh, messy):
    """Parallel, in any order of the rows, with and without segments, hashed and sorted: the same answer."""
    query = ("SELECT unit, (f).* FROM (SELECT unit, first_exposure(variant, at, ARRAY[variant || extract(hour FROM at), NULL]) AS f "
             "FROM %s GROUP BY unit) x ORDER BY unit")
    fresh.run("CREATE TABLE turned AS SELECT * FROM messy ORDER BY md5(messy::text)")
    fresh.run("ALTER TABLE turned SET (parallel_workers = 4)")
    try:
        expected = fresh.rows(query % "messy")
        assert fresh.rows(query % "turned") == expected
        fresh.run("SET enable_hashagg = off")
        assert fresh.rows(query % "turned") == expected
        fresh.run("RESET enable_hashagg; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0")
        plan = "\n".join(r[0] for r in fresh.rows("EXPLAIN " + query % "turned"))
        assert "Partial" in plan, plan
        assert fresh.rows(query % "turned") == expected
        health = "SELECT * FROM exposure_health('%s', 'unit', 'variant', 'at', '{control,A}', segments => '{variant}')"
        fresh.run("SET max_parallel_workers_per_gather = 0")
        serial = fresh.rows(health % "messy")
        fresh.run("RESET max_parallel_workers_per_gather")
        for a, b in zip(serial, fresh.rows(health % "turned"), strict=True):
            assert a[:2] == b[:2] and a.value == pytest.approx(b.value, rel=1e-9) and a.detail == b.detail
    finally:
        fresh.run("DROP TABLE turned")


def test_first_exposure_as_a_window(db):
    rows = db.rows("SELECT t, (first_exposure(v, t::timestamptz) OVER (ORDER BY t DESC)).* FROM (VALUES "
                   "('2026-01-03', 'a'), ('2026-01-02', 'a'), ('2026-01-01', 'b')) x (t, v) ORDER BY t DESC")
    assert [(r.exposures, r.crossover, r.variant) for r in rows] == [(1, False, "a"), (2, False, "a"), (3, True, "b")]


def test_a_state_reads_alike_on_every_node(fresh):
    """Citus sends states as text, and the nodes may differ in style and zone: written under one, read under another."""
    times = ("2026-03-02 01:02:03.456789+00", "0044-03-15 12:00:00+00 BC", "infinity", "-infinity")
    state = "first_exposure_accum(NULL, 'it''s \\ \"a\", (b)', %s::timestamptz, ARRAY['x', NULL, '{,}'])"
    written = []
    for style, zone in (("SQL, DMY", "Asia/Kolkata"), ("ISO, MDY", "UTC"), ("Postgres, MDY", "America/New_York")):
        fresh.run("SET datestyle = '%s'; SET timezone = '%s'" % (style, zone))
        written.append([fresh.one("SELECT (%s)::text" % state, at) for at in times])
        for at, text in zip(times, written[0]):
            assert fresh.one("SELECT (f).exposed_at = %s AND (f).exposures = 1 FROM (SELECT first_exposure_final(%s::first_exposure_state) AS f) AS x",
                             at, text), (style, at)
    assert written[0] == written[1] == written[2]


def test_a_label_that_is_a_document(db):
    error = db.error("SELECT first_exposure(repeat('x', 300), now())")
    assert error.pgcode == "22001"
    assert db.one("SELECT (first_exposure_accum(ROW(1, 0, false, 'a', NULL)::first_exposure_state, 'b', now())).exposures") == 2
    assert db.error("SELECT first_exposure_accum(ROW(1, NULL, false, 'a', NULL)::first_exposure_state, 'b', now())").pgcode == "22004"
    assert db.error("SELECT first_exposure_final(ROW(1, NULL, false, 'a', NULL)::first_exposure_state)").pgcode == "22004"
    assert db.error("SELECT first_exposure_accum(ROW(1, 0, NULL, NULL, '{a}')::first_exposure_state, 'b', now())").pgcode == "22004"


# --- planted faults, and none ---------------------------------------------------------------------

HEALTH = ("SELECT * FROM exposure_health('faulty', 'user_id', 'variant', 'exposed_at', '{control,treatment}', salt => 'checkout', "
          "starts => '2026-01-01', ends => '2026-01-15', segments => '{platform,version}')")


@pytest.fixture
def faulty(db):
    """20,000 users who come back, assigned by the salt, without a fault."""
    db.run("SELECT setseed(0.2)")
    db.run("""CREATE TABLE faulty AS
        SELECT 'user-' || i AS user_id, assign_variant('user-' || i, 'checkout', '{control,treatment}') AS variant,
               '2026-01-01'::timestamptz + (0.6 * first + 0.4 * first ^ visit) * interval '14 days' AS exposed_at,
               (ARRAY['ios', 'android', 'web'])[1 + i % 3] AS platform, 'v' || i % 4 AS version
        FROM (SELECT i, random() AS first, 1 + floor(-2 * ln(random()))::int AS visits FROM generate_series(1, 20000) i) u,
             generate_series(1, visits) AS visit""")
    yield
    db.run("DROP TABLE faulty")


def raised(db):
    return {r.check_name: r for r in db.rows(HEALTH) if r.status != "ok"}


def test_no_fault(db, faulty):
    assert raised(db) == {}


def test_broken_salt(db, faulty):
    """A client that hashes with another salt."""
    db.run("UPDATE faulty SET variant = assign_variant(user_id, 'chekout', '{control,treatment}')")
    found = raised(db)
    assert found.keys() == {"assignment_mismatch"} and found["assignment_mismatch"].status == "fail"
    assert found["assignment_mismatch"].value == pytest.approx(0.5, abs=0.02)
    assert "wrong salt it would be about 50.0 %" in found["assignment_mismatch"].detail
    listed = db.rows("SELECT * FROM assignment_mismatches('faulty', 'user_id', 'variant', 'exposed_at', 'checkout', '{control,treatment}')")
    assert len(listed) == round(found["assignment_mismatch"].value * 20000)
    assert all(r.variant != r.assigned for r in listed)


def test_crossovers(db, faulty):
    """2 % of the users see the other variant once."""
    db.run("""INSERT INTO faulty SELECT DISTINCT ON (user_id) user_id, CASE variant WHEN 'control' THEN 'treatment' ELSE 'control' END,
        exposed_at + interval '1 second', platform, version FROM faulty WHERE assign_bucket(user_id, 'cross') < 0.02 ORDER BY user_id, exposed_at""")
    found = raised(db)
    assert found.keys() == {"crossovers"} and found["crossovers"].status == "fail"
    assert found["crossovers"].value == pytest.approx(0.02, abs=0.004)
    tolerated = {r.check_name: r.status for r in db.rows(HEALTH.replace("segments", "max_share => 0.05, segments"))}
    assert tolerated["crossovers"] == "warn"


def test_srm_on_one_platform(db, faulty):
    """A seventh of iOS's treatment is never logged."""
    db.run("DELETE FROM faulty WHERE platform = 'ios' AND variant = 'treatment' AND assign_bucket(user_id, 'lost') < 0.15")
    found = raised(db)
    assert {"srm_by_segment", "srm"} <= found.keys() <= {"srm", "srm_sequential", "srm_by_day", "srm_by_segment"}
    assert "worst: platform = ios" in found["srm_by_segment"].detail and "it drives the mismatch" in found["srm_by_segment"].detail
    segments = db.rows("SELECT * FROM srm_by_segment('faulty', 'user_id', 'variant', 'exposed_at', '{platform,version}', '{control,treatment}')")
    assert [(r.segment, r.value) for r in segments if r.driver] == [("platform", "ios")]
    # The last look of the days is the whole log.
    days = db.rows("SELECT * FROM srm_by_day('faulty', 'user_id', 'variant', 'exposed_at', '{control,treatment}')")
    assert days[-1].n_so_far == sum(r.n for r in segments if r.segment == "platform") == sum(d.n for d in days)
    assert days[-1].p_sequential == db.one("SELECT value FROM (%s) h WHERE check_name = 'srm_sequential'" % HEALTH)


def test_always_fire_on_one_version(db, faulty):
    db.run("INSERT INTO faulty SELECT user_id, variant, exposed_at + n * interval '1 second', platform, version FROM faulty, generate_series(1, 9) n WHERE version = 'v2'")
    db.run("DELETE FROM faulty WHERE exposed_at >= '2026-01-15'")
    found = raised(db)
    assert found.keys() == {"duplicates_by_segment"} and found["duplicates_by_segment"].detail.startswith("version = v2:")
    rates = db.rows("SELECT * FROM exposure_duplicates('faulty', 'user_id', 'variant', 'exposed_at', '{platform,version}')")
    assert [(r.segment, r.value) for r in rates if r.always_fire] == [("version", "v2")]
    assert rates[0].ratio == pytest.approx(10, rel=0.1)


def test_assigned_but_not_exposed(db, faulty):
    db.run("CREATE TEMP TABLE assigned AS SELECT 'user-' || i AS id, assign_variant('user-' || i, 'checkout', '{control,treatment}') AS arm FROM generate_series(101, 22000) i")
    db.run("UPDATE assigned SET arm = 'treatment' WHERE id = 'user-500' AND arm = 'control' OR id = 'user-501'")
    found = {r.check_name: r for r in db.rows(HEALTH.replace("segments", "assignments => 'assigned', assigned_unit => 'id', assigned_variant => 'arm', segments"))}
    assert found["assigned_not_exposed"].value == pytest.approx(2000 / 21900) and found["assigned_not_exposed"].status == "warn"
    assert found["exposed_not_assigned"].value == pytest.approx(100 / 20000) and found["exposed_not_assigned"].status == "warn"
    moved = db.one("SELECT count(*) FROM assigned WHERE arm <> assign_variant(id, 'checkout', '{control,treatment}')")
    assert found["assigned_variant_mismatch"].value == moved / 20000
    listed = db.rows("SELECT * FROM assigned_not_exposed('assigned', 'id', 'arm', 'faulty', 'user_id')")
    assert {r.unit for r in listed} == {"user-%d" % i for i in range(20001, 22001)}


def test_keys_of_other_types(db):
    """A bigint in one relation, text in the other; date and timestamp as times; an enum as variant."""
    db.run("CREATE TYPE arm AS ENUM ('control', 'treatment')")
    db.run("CREATE TABLE typed AS SELECT i::bigint AS id, assign_variant(i::text, 's', '{control,treatment}')::arm AS v, '2026-01-01'::date + i % 7 AS day, "
           "'2026-01-01'::timestamp AS ts FROM generate_series(1, 1000) i")
    db.run("CREATE TEMP TABLE typed_text AS SELECT id::text, v::text FROM typed WHERE id <= 900")
    rows = {r.check_name: r for r in db.rows("SELECT * FROM exposure_health('typed', 'id', 'v', 'day', '{control,treatment}', salt => 's', "
                                            "assignments => 'typed_text', ends => '2027-01-01')")}
    assert rows["exposed_not_assigned"].value == 0.1 and rows["assignment_mismatch"].value == 0
    assert db.one("SELECT count(*) FROM first_exposures('typed', 'id', 'v', 'ts')") == 1000
    db.run("DROP TABLE typed; DROP TYPE arm")


def test_clean_logs_keep_the_stated_rate(fresh):
    """1,000 clean experiments. Each of the four tests alarms in at most alpha of them, the other checks never."""
    experiments, alpha = 1000, 0.05
    fresh.run("SET jit = off; SET timezone = 'UTC'; SELECT setseed(0.7)")
    fresh.run("CREATE TEMP TABLE clean AS SELECT e AS experiment, u AS unit, CASE WHEN random() < 1 / 3.0 THEN 'control' ELSE 'treatment' END AS variant, "
              "'2026-01-01'::timestamptz + 6 * random() * interval '1 day' AS at, floor(3 * random())::int AS platform, 1 + floor(-ln(random()))::int AS visits "
              "FROM generate_series(1, %s) e, generate_series(1, 500 + e %% 300) u", experiments)
    fresh.run("CREATE INDEX ON clean (experiment); ANALYZE clean")
    fresh.run("CREATE TEMP VIEW one AS SELECT unit, variant, at + visit * interval '1 minute' AS at, platform FROM clean, generate_series(1, visits) AS visit "
              "WHERE experiment = current_setting('exposure.experiment')::int")
    fresh.run("CREATE TEMP TABLE raised (experiment int, check_name text, status text, value float8)")
    fresh.run("""DO $$ BEGIN FOR e IN 1..1000 LOOP
        PERFORM set_config('exposure.experiment', e::text, false);
        INSERT INTO raised SELECT e, check_name, status, value FROM exposure_health('one', 'unit', 'variant', 'at', '{control,treatment}', '{1,2}',
            starts => '2026-01-01', ends => '2026-01-08', segments => '{platform}', alpha => 0.05);
        END LOOP; END $$""")
    bad = dict(fresh.rows("SELECT check_name, count(*) FROM raised WHERE status <> 'ok' GROUP BY 1"))
    tests = {"srm", "srm_sequential", "srm_by_day", "srm_by_segment"}
    assert bad.keys() <= tests
    assert fresh.one("SELECT count(*) FROM raised") == 14 * experiments
    bound = alpha + 3.5 * (alpha * (1 - alpha) / experiments) ** 0.5
    for name in tests:
        assert bad.get(name, 0) / experiments <= bound, (name, bad)
    assert bad["srm"] / experiments >= 0.02 and bad["srm_by_day"] / experiments >= 0.02     # the tests are tests
    # At the default level, 0.001: at most 4 expected of 1,000.
    assert fresh.one("SELECT count(DISTINCT experiment) FROM raised WHERE check_name LIKE 'srm%' AND value < 0.001") <= 13


# --- names, rights, plans -------------------------------------------------------------------------

HARD_NAMES = ['plain', 'With Space', 'quo"te', "apos'trophe", 'semi;colon', '"; DROP TABLE victim; --', "'); DROP TABLE victim; --",
              '%1$s', '%I %L', 'back\\slash', 'ünï', 'select', '$1', '$$', ' lead', 'e.f', 'Ωmega']


def quoted(name):
    return '"%s"' % name.replace('"', '""')


@pytest.mark.parametrize("name", HARD_NAMES)
def test_names_of_any_kind(db, name):
    db.run("CREATE TABLE victim ()")
    names = [name, name + "_v", name + "_t", name + "_s"]
    table = quoted("tab " + name)
    db.run("CREATE TABLE %s AS SELECT i AS %s, assign_variant(i::text, 's', '{a,b}') AS %s, '2026-01-01'::timestamptz + i * interval '1 hour' AS %s, i %% 2 AS %s FROM generate_series(1, 100) i"
           % ((table,) + tuple(map(quoted, names))))
    try:
        at = (table,) + tuple(names[:3])
        assert len(db.rows("SELECT * FROM first_exposures(%s, %s, %s, %s, starts => '2026-01-01')", *at)) == 100
        assert db.rows("SELECT * FROM exposure_crossovers(%s, %s, %s, %s)", *at) == []
        assert len(db.rows("SELECT * FROM exposures_outside(%s, %s, %s, %s, ends => '2026-01-02')", *at)) == 77
        assert db.rows("SELECT * FROM assignment_mismatches(%s, %s, %s, %s, 's', '{a,b}')", *at) == []
        assert db.rows("SELECT * FROM assigned_not_exposed(%s, %s, %s, %s, %s)", table, names[0], names[1], table, names[0]) == []
        assert len(db.rows("SELECT * FROM srm_by_day(%s, %s, %s, %s, '{a,b}')", *at)) == 5
        assert {r.segment for r in db.rows("SELECT * FROM srm_by_segment(%s, %s, %s, %s, %s, '{a,b}')", *at, [names[3]])} == {names[3]}
        assert len(db.rows("SELECT * FROM exposure_duplicates(%s, %s, %s, %s, %s)", *at, [names[3]])) == 2
        assert len(db.rows("SELECT * FROM person_exposures(%s, %s, %s, %s, %s, %s, %s, %s)", *at, table, names[0], names[1], names[2])) == 2
        health = db.rows("SELECT * FROM exposure_health(%s, %s, %s, %s, '{a,b}', salt => 's', segments => %s, assignments => %s)", *at, [names[3]], table)
        assert [r for r in health if r.status != "ok"] == []
    finally:
        db.run("DROP TABLE %s" % table)
        db.run("DROP TABLE victim")


def test_values_of_any_kind(fresh):
    """Salts and variants are values, not code, however strings are read."""
    salt, variants = "o'; DROP TABLE pg_class; --\\", ["it's", 'quo"te, {x}', "%s", "back\\"]
    fresh.run("CREATE TEMP TABLE asked AS SELECT %s AS salt, %s AS variants", salt, variants)
    fresh.run("CREATE TEMP TABLE valued AS SELECT i AS id, assign_variant(i::text, salt, variants) AS v, now() AS at FROM asked, generate_series(1, 300) i")
    for setting in ("on", "off"):
        fresh.run("SET standard_conforming_strings = " + setting)
        assert fresh.one("SELECT h.value FROM asked a, exposure_health('valued', 'id', 'v', 'at', a.variants, salt => a.salt) h "
                         "WHERE h.check_name = 'assignment_mismatch'") == 0


ERRORS = [
    ("first_exposures('log1', 'usr', 'v', 'at')", "42703", 'column "usr"', "The columns are: id, v, at"),
    ("first_exposures('log1', 'ctid', 'v', 'at')", "42703", 'column "ctid"', "id, v, at"),
    ("first_exposures('log1', 'id', NULL, 'at')", "22004", "variant must not be null", "column"),
    ("first_exposures(NULL, 'id', 'v', 'at')", "22004", "exposures must not be null", "table or a view"),
    ("first_exposures(999999999, 'id', 'v', 'at')", "42P01", "999999999", "by its name"),
    ("first_exposures('log1_id_idx', 'id', 'v', 'at')", "42809", "log1_id_idx", "view"),
    ("first_exposures('log1', 'id', 'v', 'id')", "42804", "integer", "to_timestamp"),
    ("first_exposures('log1', 'id', 'v', 'at', 'keep')", "22023", '"keep"', "'keep_first'"),
    ("first_exposures('log1', 'id', 'v', 'at', starts => '2026-01-02', ends => '2026-01-02')", "22023", "after starts", "before ends"),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,a}')", "22023", "listed twice", "weight"),
    ("exposure_health('log1', 'id', 'v', 'at', NULL)", "22004", "variants must not be null", None),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', '{1}')", "22023", "weights has 1 elements", "one weight per variant"),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', coverage => 1.5)", "22023", "coverage", "share"),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', alpha => 0)", "22023", "alpha must be between 0 and 1", None),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', alpha => 'NaN')", "22023", "NaN", None),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', max_share => -1)", "22023", "max_share", "share"),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', crossovers => 'fail')", "22023", '"fail"', "'drop'"),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', segments => '{platform}')", "42703", 'column "platform"', "The columns are"),
    ("exposure_health('log1', 'id', 'v', 'at', '{a,b}', assignments => 'log1', assigned_variant => 'arm')", "42703", 'column "arm"', "The columns are"),
    ("person_exposures('log1', 'id', 'v', 'at', 'log1', 'id', 'who', 'at')", "42703", 'column "who"', "The columns are"),
    ("srm_sequential('{1,2}', '{1,1}', 0)", "22023", "concentration", "10000"),
    ("srm_sequential('{1,2}', '{1,1}', 1e-320)", "22023", "concentration", "10000"),
    ("srm_sequential('{1,2}', '{1,1}', 1e101)", "22023", "concentration", "10000"),
    ("srm_sequential('{1,2}', '{1,1}', 'NaN')", "22023", "concentration", "10000"),
    ("srm_sequential('{1,-2}', '{1,1}', 1)", "22023", "observed[2]", "counts"),
    ("srm_sequential('{1,2,3}', '{1,1}', 1)", "22023", "observed has 3 elements", "one weight per count"),
]


@pytest.mark.parametrize("call,code,message,hint", ERRORS, ids=[e[0][:60] for e in ERRORS])
def test_errors(db, call, code, message, hint):
    db.run("CREATE TEMP TABLE IF NOT EXISTS log1 (id int, v text, at timestamptz)")
    db.run("CREATE INDEX IF NOT EXISTS log1_id_idx ON log1 (id)")
    error = db.error("SELECT * FROM " + call)
    assert error.pgcode == code, error
    assert message in error.diag.message_primary
    assert hint is None or hint in error.diag.message_hint


def test_looks_of_other_weights(db):
    error = db.error("SELECT srm_sequential_agg(o, w ORDER BY i) FROM (VALUES (1, '{50,50}'::bigint[], '{1,1}'::float8[]), (2, '{90,10}', '{9,1}')) x (i, o, w)")
    assert error.pgcode == "22023" and "weights change" in error.diag.message_primary and "anew" in error.diag.message_hint
    assert db.one("SELECT (srm_sequential_agg(o, w ORDER BY i)).observed FROM (VALUES (1, '{50,50}'::bigint[], '{1,1}'::float8[]), (2, NULL, '{1,1}'), (3, '{10,20}', '{2,2}')) x (i, o, w)") == [60, 70]
    for crafted in ("ROW(0, 1, 3, '{3}', '{1,2}')", "ROW(0, 1, 3, '{1,2}', '{3}')"):
        assert db.error("SELECT srm_sequential_accum(%s::srm_sequential_result, '{1,2}', '{1,1}')" % crafted).pgcode == "22023"
    assert db.error("SELECT srm_sequential_accum(ROW(0, 1, 3, NULL, '{3}')::srm_sequential_result, '{1,2}', '{1,1}')").pgcode == "22004"
    assert db.error("SELECT srm_sequential_agg('{9000000000000000000,1}'::bigint[], '{1,1}'::float8[]) FROM generate_series(1, 2)").pgcode == "22003"


def test_empty_log(db):
    db.run("CREATE TEMP TABLE nothing (id int, v text, at timestamptz)")
    rows = db.rows("SELECT * FROM exposure_health('nothing', 'id', 'v', 'at', '{a,b}', salt => 's', segments => '{id}')")
    assert [r.check_name for r in rows if r.status != "ok"] == ["exposures"]
    assert [r.status for r in rows if r.check_name == "exposures"] == ["fail"]
    assert db.rows("SELECT * FROM srm_by_day('nothing', 'id', 'v', 'at', '{a,b}')") == []


def test_rights_of_the_caller(fresh):
    """Nobody reads through these functions what he may not read."""
    fresh.run("CREATE TABLE secret (id int, v text, at timestamptz); DROP ROLE IF EXISTS expstat_reader; CREATE ROLE expstat_reader")
    try:
        fresh.run("SET ROLE expstat_reader")
        for call in ("first_exposures('secret', 'id', 'v', 'at')", "exposure_health('secret', 'id', 'v', 'at', '{a,b}')"):
            assert fresh.error("SELECT * FROM " + call).pgcode == "42501"
        fresh.run("RESET ROLE; GRANT SELECT ON secret TO expstat_reader; SET ROLE expstat_reader")
        fresh.run("SET default_transaction_read_only = on")
        assert len(fresh.rows("SELECT * FROM exposure_health('secret', 'id', 'v', 'at', '{a,b}')")) == 11
        fresh.run("RESET default_transaction_read_only")
        fresh.run("RESET ROLE; ALTER TABLE secret ENABLE ROW LEVEL SECURITY; INSERT INTO secret VALUES (1, 'a', now()); SET ROLE expstat_reader")
        assert fresh.rows("SELECT * FROM first_exposures('secret', 'id', 'v', 'at')") == []
    finally:
        fresh.run("RESET default_transaction_read_only")
        fresh.run("RESET ROLE; DROP TABLE secret; DROP ROLE expstat_reader")


def test_a_hostile_search_path(fresh):
    """Functions and operators of the same name elsewhere are not called; the extension may move."""
    fresh.run("CREATE TABLE public.moved AS SELECT i AS id, assign_variant(i::text, 's', '{a,b}') AS v, '2026-01-01'::timestamptz AS at FROM generate_series(1, 500) i")
    fresh.run("CREATE SCHEMA trap; CREATE SCHEMA \"Stat's\"")
    for name, arguments in [("assign_variant", "unit text, salt text, variants text[], weights float8[], coverage float8"), ("format", "text, VARIADIC text[]"),
                            ("exposure_schema", ""), ("quote_ident", "text"), ("exposure_rows", "text"), ("exposure_crossover", "text, text")]:
        fresh.run("CREATE FUNCTION trap.%s(%s) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$" % (name, arguments))
    query = "SELECT value FROM %sexposure_health('public.moved', 'id', 'v', 'at', '{a,b}', salt => 's') WHERE check_name = 'assignment_mismatch'"
    try:
        fresh.run("SET search_path = trap, pg_catalog, public")
        assert fresh.one(query % "public.") == 0
        fresh.run("BEGIN; ALTER EXTENSION expstat SET SCHEMA \"Stat's\"")
        assert fresh.one(query % "\"Stat's\".") == 0
        assert fresh.one("SELECT count(*) FROM \"Stat's\".first_exposures('public.moved', 'id', 'v', 'at', 'fail')") == 500
        fresh.run("ROLLBACK")
    finally:
        fresh.run("ROLLBACK; RESET search_path; DROP TABLE public.moved; DROP SCHEMA trap CASCADE; DROP SCHEMA \"Stat's\"")


# --- identities -----------------------------------------------------------------------------------

def test_identities(db):
    """First touch: the first login of a device is whose it is; people whose ids saw different variants are told."""
    db.run("CREATE TEMP TABLE seen (id text, v text, at timestamptz); CREATE TEMP TABLE logins (device text, person text, at timestamptz)")
    db.copy_rows("seen", [("d1", "A", "2026-01-02"), ("d2", "A", "2026-01-01"), ("d1", "A", "2026-01-05"),      # Ann, on two devices
                          ("d3", "A", "2026-01-01"), ("d4", "B", "2026-01-02"),                                # Bob, in conflict
                          ("d5", "B", "2026-01-01"),                                                          # shared: Cid was first
                          ("cid", "B", "2026-01-03"), ("d6", "A", "2026-01-01"),                              # never logged in
                          ("d7", "A", "2026-01-01"), ("d7", "B", "2026-01-02"), (None, "A", "2026-01-01")])
    db.copy_rows("logins", [("d1", "ann", "2026-01-03"), ("d2", "ann", "2026-01-04"), ("d3", "bob", "2026-01-01"), ("d4", "bob", "2026-01-01"),
                            ("d5", "dee", "2026-01-09"), ("d5", "cid", "2026-01-08"), ("d5", None, "2026-01-01"), (None, "eve", "2026-01-01")])
    rows = {r.unit: r for r in db.rows("SELECT * FROM person_exposures('seen', 'id', 'v', 'at', 'logins', 'device', 'person', 'at')")}
    assert {u: (r.variant, r.ids, r.exposures, r.conflict) for u, r in rows.items()} == {
        "ann": ("A", 2, 3, False), "bob": (None, 2, 2, True), "cid": ("B", 2, 2, False), "d6": ("A", 1, 1, False), "d7": (None, 1, 2, True)}
    assert rows["ann"].exposed_at.day == 1


def test_tables_of_likely_names(db):
    """A row type takes a name that a table could have: those that a user's tables are likely to have are left to them."""
    names = ["exposures", "exposure", "exposure_log", "first_exposure", "first_exposures", "unit_exposure", "crossovers", "assignments", "assigned_unit"]
    for name in names:
        db.run("CREATE TABLE public.%s (id int); DROP TABLE public.%s" % (name, name))


def test_dates_in_every_style(fresh):
    """SQL's and Postgres's styles write zones such as IST, which is read as Israel's: the dates must not move."""
    fresh.run("SET timezone = 'Asia/Kolkata'")
    fresh.run("CREATE TEMP TABLE hourly AS SELECT i AS id, 'a' AS v, '2026-01-01 00:00+05:30'::timestamptz + i * interval '1 hour' AS at FROM generate_series(-50, 49) i")
    call = "('hourly', 'id', 'v', 'at', starts => '2026-01-01 00:00+05:30', ends => '2026-01-02 00:00+05:30')"
    for style in ("ISO", "SQL, DMY", "SQL, MDY", "Postgres", "German"):
        fresh.run("SET datestyle = '%s'" % style)
        assert fresh.one("SELECT min(unit::int), max(unit::int) FROM first_exposures%s" % call) == (0, 23), style
        assert dict(fresh.rows("SELECT side, count(*) FROM exposures_outside%s GROUP BY 1" % call)) == {"before": 50, "after": 26}, style


def test_a_limit_that_is_not_given_is_none(db):
    db.run("CREATE TEMP TABLE endless AS SELECT 1 AS id, 'a' AS v, 'infinity'::timestamptz AS at UNION ALL SELECT 2, 'a', '-infinity'")
    assert db.one("SELECT unit FROM first_exposures('endless', 'id', 'v', 'at', starts => '2026-01-01')") == "1"
    assert db.one("SELECT unit FROM first_exposures('endless', 'id', 'v', 'at', ends => '2026-01-01')") == "2"


def test_weights_keep_their_digits(fresh):
    """However few digits the session prints; and weights of any scale."""
    fresh.run("CREATE TEMP TABLE weighted AS SELECT i AS id, assign_variant(i::text, 's', '{a,b}', '{0.3456,0.6544}', 0.5678) AS v, now() AS at FROM generate_series(1, 5000) i")
    query = "SELECT count(*) FROM assignment_mismatches('weighted', 'id', 'v', 'at', 's', '{a,b}', '{0.3456,0.6544}', 0.5678)"
    assert fresh.one(query) == 0
    fresh.run("SET extra_float_digits = -14")
    assert fresh.one(query) == 0
    assert "about 50.0 %" in fresh.one("SELECT detail FROM exposure_health('weighted', 'id', 'v', 'at', '{a,b}', '{1e200,1e200}', salt => 's') WHERE check_name = 'assignment_mismatch'")


def test_keys_of_types_elsewhere(db):
    """The equality of a type that is not PostgreSQL's own is not in the search_path; such units are compared as text."""
    db.run("CREATE EXTENSION IF NOT EXISTS citext")
    db.run("CREATE TABLE elsewhere AS SELECT i::text::citext AS id, 'a' AS v, now() AS at FROM generate_series(1, 10) i")
    try:
        assert db.one("SELECT count(*) FROM assigned_not_exposed('elsewhere', 'id', 'v', 'elsewhere', 'id')") == 0
        assert "::text" == db.one("SELECT exposure_key_cast('elsewhere', 'id', 'elsewhere', 'id')")
    finally:
        db.run("DROP TABLE elsewhere")


def test_segments_of_many_values(fresh):
    """A segment of 20,000 values takes seconds, not the square of their number."""
    fresh.run("CREATE TEMP TABLE finely AS SELECT i AS id, 'a' AS v, now() AS at FROM generate_series(1, 20000) i")
    fresh.run("SET statement_timeout = '20s'")
    assert fresh.one("SELECT count(*) FROM srm_by_segment('finely', 'id', 'v', 'at', '{id}', '{a,b}')") == 20000


def test_sequential_of_a_share_next_to_nothing(db):
    """Units where next to none may be are evidence, not p = 1 for an overflow."""
    for share in (1e-290, 1e-305, 1e-320):
        got = sequential(db, [10, 20], [1.0, share])
        assert got.b > 1000 and got.p == 0
        assert sequential(db, [10, 0], [1.0, share]).p == 1
