"""mann_whitney against scipy and exact arithmetic, and the state that all sorting aggregates share:
spilling, cancelling, many groups, several questions to one sort.
"""

import itertools
import math
import time
from fractions import Fraction

import numpy as np
import psycopg2
import pytest
from mpmath import mp, mpf
from scipy import optimize, special, stats

import reference as ref


def close(a, b, rel=1e-10, absolute=0.0):
    return a == b or abs(a - b) <= rel * max(abs(a), abs(b)) + absolute


def load(db, samples, name="r"):
    """A temporary table of (y, v) with the samples, a dictionary by label, in random order."""
    rows = [(float(y), v) for v, ys in samples.items() for y in ys]
    np.random.default_rng(1).shuffle(rows := np.array(rows, dtype=object))
    db.run("DROP TABLE IF EXISTS %s" % name)
    db.run("CREATE TEMP TABLE %s (y float8, v text)" % name)
    db.copy_rows(name, [tuple(r) for r in rows])


def mann_whitney(db, control, treatment, arguments="y, v"):
    load(db, {"control": control, "treatment": treatment})
    return db.one("SELECT (mann_whitney(%s)).* FROM r" % arguments)


def cases():
    rng = np.random.default_rng(20260301)
    for n, m in [(2, 3), (8, 5), (49, 49), (50, 12), (60, 70), (500, 400), (3000, 2000)]:
        yield rng.normal(0, 1, n), rng.normal(0.3, 2, m)
        yield rng.poisson(2, n), rng.poisson(2.2, m)
        yield np.where(rng.random(n) < 0.9, 0, rng.exponential(5, n)), np.where(rng.random(m) < 0.8, 0,
                                                                               rng.exponential(5, m))
    yield rng.normal(0, 1, 2000), rng.normal(1.5, 1, 2000)      # p far below 1e-100
    yield -rng.lognormal(0, 3, 90), rng.lognormal(0, 3, 80)


def tied(*samples):
    everything = np.concatenate(samples)
    return len(np.unique(everything)) < len(everything)


# --- The test ------------------------------------------------------------------------------------

@pytest.mark.parametrize("continuity", [False, True])
def test_normal_against_scipy(db, continuity):
    seen = 0
    for control, treatment in cases():
        r = mann_whitney(db, control, treatment, "y, v, NULL, %s" % continuity)
        expected = stats.mannwhitneyu(treatment, control, method="asymptotic", use_continuity=continuity)
        assert r.u == expected.statistic
        if r.method == "mann_whitney, exact":
            continue
        if r.p_value is None:       # all values are equal
            assert r.method == "mann_whitney" and len(set(control) | set(treatment)) == 1
            continue
        seen += 1
        assert r.method == "mann_whitney, normal" + (", continuity correction" if continuity else "")
        assert close(r.p_value, expected.pvalue), (len(control), len(treatment), r, expected)
        assert close(2 * float(ref.normal_sf(mpf(abs(r.z)))), r.p_value)
        assert r.z == 0 or (r.z > 0) == (r.u > len(control) * len(treatment) / 2)
    assert seen > 15


def test_exact_against_scipy(db):
    rng = np.random.default_rng(3)
    for n, m in itertools.chain(itertools.product(range(1, 9), repeat=2), [(20, 30), (49, 1), (49, 49), (3, 48)]):
        for shift in (0, 0.8):
            control, treatment = rng.normal(0, 1, n), rng.normal(shift, 1, m)
            r = mann_whitney(db, control, treatment)
            expected = stats.mannwhitneyu(treatment, control, method="exact")
            assert r.method == "mann_whitney, exact"
            assert r.u == expected.statistic and close(r.p_value, expected.pvalue, 1e-12), (n, m, r, expected)


def test_exact_only_below_50_and_without_ties(db):
    line = np.arange(49.0)
    assert mann_whitney(db, line, line + 0.5).method == "mann_whitney, exact"
    assert mann_whitney(db, line, line).method == "mann_whitney, normal"
    assert mann_whitney(db, np.arange(50.0), line + 0.5).method == "mann_whitney, normal"


def gaussian_binomial(n, m):
    """Number of orders of n and m units by their U: integers."""
    count = [1]
    for i in range(1, n + 1):
        longer = count + [0] * (m + i)
        for k in range(len(count)):
            longer[k + m + i] -= count[k]
        for k in range(i, len(longer)):
            longer[k] += longer[k - i]
        count = longer[:i * m + 1]
    return count


def test_exact_tail_in_all_its_length(db):
    """The largest case, from the smallest p to 1, against integer arithmetic."""
    count = gaussian_binomial(49, 49)
    orders = math.comb(98, 49)
    assert sum(count) == orders
    for shift in range(0, 49, 3):
        # control 0..48, treatment shifted: U = number of pairs in order
        control, treatment = np.arange(49.0), np.arange(49.0) - 48.5 + shift
        u = sum(int(c < t) for c in control for t in treatment)
        r = mann_whitney(db, control, treatment)
        tail = Fraction(2 * sum(count[:min(u, 49 * 49 - u) + 1]), orders)
        assert r.u == u and close(r.p_value, float(min(tail, 1)), 1e-12), (shift, r.p_value, float(tail))


def test_nothing_cancels_where_nearly_all_are_equal(db):
    """400,000 zeros and a few others: the variance by rational arithmetic."""
    db.run("DROP TABLE IF EXISTS zeros")
    db.run("CREATE TEMP TABLE zeros AS SELECT CASE WHEN i <= 3 THEN i ELSE 0 END::float8 AS y, 'control' AS v "
           "FROM generate_series(1, 250000) i UNION ALL SELECT CASE WHEN i <= 9 THEN i ELSE 0 END, 't' "
           "FROM generate_series(1, 150000) i")
    r = db.one("SELECT (mann_whitney(y, v)).* FROM zeros")
    m, n = 250000, 150000
    total = n + m
    # values 1..3 twice, 4..9 once, zeros the rest
    ties = sum(t ** 3 - t for t in [2] * 3 + [1] * 6 + [total - 12])
    variance = Fraction(n * m, 12) * (total + 1 - Fraction(ties, total * (total - 1)))
    zeros_t, zeros_c = n - 9, m - 3
    u = Fraction(zeros_t * zeros_c, 2) + sum(zeros_c + min(v - 1, 3) + Fraction(int(v <= 3), 2) for v in range(1, 10))
    z = (mpf(u.numerator) / u.denominator - mpf(n) * m / 2) / mp.sqrt(mpf(variance.numerator) / variance.denominator)
    assert r.u == float(u)
    assert close(r.z, float(z), 1e-12), (r.z, z)


# --- Superiority ---------------------------------------------------------------------------------

def superiority(control, treatment, alpha=0.05):
    """Estimate and interval from the whole matrix of pairs."""
    wins = np.sign(np.subtract.outer(treatment, control)) / 2 + 0.5
    s = wins.mean()
    n, m = wins.shape
    parts = [wins.mean(axis=1).var(ddof=1) / n, wins.mean(axis=0).var(ddof=1) / m]
    if sum(parts) < 1e-24:
        return s, None, None
    df = sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1))
    half = float(ref.t_isf(mpf(alpha) / 2, mpf(df))) * math.sqrt(sum(parts)) / s / (1 - s)
    return s, special.expit(special.logit(s) - half), special.expit(special.logit(s) + half)


def test_superiority(db):
    seen = 0
    for control, treatment in cases():
        r = mann_whitney(db, control, treatment)
        s, low, high = superiority(np.asarray(control, float), np.asarray(treatment, float))
        assert close(r.superiority, s)
        if low is None:     # all values are equal; or one sample is above the other, see below
            assert s in (0, 1) or (s, r.superiority_low, r.superiority_high) == (0.5, None, None)
            continue
        seen += 1
        assert close(r.superiority_low, low) and close(r.superiority_high, high), (r, low, high)
    assert seen > 15


@pytest.mark.parametrize("n, m", [(3, 4), (40, 60), (1000, 20)])
def test_complete_separation(db, n, m):
    """Newcombe's method 5, solved another way."""
    z = stats.norm.isf(0.025)

    def excess(s):
        star = (n + m) / 2 - 1
        v = s * (1 - s) * (1 + star * (1 - s) / (2 - s) + star * s / (1 + s)) / (n * m)
        return (1 - s) - z * math.sqrt(v)

    low = optimize.brentq(excess, 1e-6, 1 - 1e-13, xtol=1e-15)
    r = mann_whitney(db, np.arange(m), 1e6 + np.arange(n))
    assert (r.superiority, r.superiority_high) == (1, 1) and close(r.superiority_low, low, 1e-9)
    r = mann_whitney(db, np.arange(m), -1e6 + np.arange(n))
    assert (r.superiority, r.superiority_low) == (0, 0) and close(r.superiority_high, 1 - low, 1e-9)


def test_superiority_error_is_brunner_munzel(db):
    """scipy has no interval, but the statistic of the same error: (s - 1/2) / error."""
    rng = np.random.default_rng(12)
    control, treatment = rng.normal(0, 1, 300), rng.normal(0.1, 3, 500)
    r = mann_whitney(db, control, treatment)
    half = (special.logit(r.superiority_high) - special.logit(r.superiority_low)) / 2
    bm = stats.brunnermunzel(control, treatment)
    error = (r.superiority - 0.5) / bm.statistic
    df = optimize.brentq(lambda df: 2 * stats.t.sf(abs(bm.statistic), df) - bm.pvalue, 50, 5000)
    assert close(half * r.superiority * (1 - r.superiority), stats.t.isf(0.025, df) * error, 1e-7)


# --- Laws ----------------------------------------------------------------------------------------

def test_swap_and_monotone_transformation(db):
    rng = np.random.default_rng(8)
    control, treatment = rng.poisson(3, 120), rng.poisson(3.3, 90)
    r = mann_whitney(db, control, treatment)
    swapped = db.one("SELECT (mann_whitney(y, v, 'treatment')).* FROM r")
    assert (swapped.variant, swapped.control, swapped.n) == ("control", "treatment", 120)
    assert swapped.u == 120 * 90 - r.u and close(swapped.z, -r.z) and close(swapped.p_value, r.p_value)
    assert close(swapped.superiority, 1 - r.superiority)
    assert close(swapped.superiority_low, 1 - r.superiority_high)
    assert db.one("SELECT mann_whitney(exp(y), v) = mann_whitney(y, v) FROM r")
    assert db.one("SELECT mann_whitney(-y, v, 'treatment') FROM r").split(",")[4:] == \
        db.one("SELECT mann_whitney(y, v) FROM r").split(",")[4:]


def test_order_and_form_do_not_matter(db):
    rng = np.random.default_rng(9)
    load(db, {"control": rng.poisson(3, 300), "t": rng.poisson(3, 200)})
    first = db.one("SELECT mann_whitney(y, v) FROM r")
    for call in ("mann_whitney(y, v ORDER BY y DESC)", "mann_whitney(NULL) WITHIN GROUP (ORDER BY y, v)",
                 "mann_whitney('control') WITHIN GROUP (ORDER BY y DESC, v)", "mann_whitney(y, v, 'control')",
                 "mann_whitney(y, v, NULL, false)", "mann_whitney(NULL, false) WITHIN GROUP (ORDER BY y, v)",
                 "mann_whitney(y, v) FILTER (WHERE y >= 0)"):
        assert db.one("SELECT %s FROM r" % call) == first, call
    assert db.one("SELECT mann_whitney(NULL, true) WITHIN GROUP (ORDER BY y, v) = mann_whitney(y, v, NULL, true) FROM r")


def test_zero_is_zero_and_extremes_sort(db):
    """-0 ties with 0; the largest and smallest float8 keep their places."""
    r = mann_whitney(db, [0.0, -1.7e308, 5e-324], [-0.0, 1.7e308, -5e-324])
    pairs = [(t > c) + 0.5 * (t == c) for t in (0, 1.7e308, -5e-324) for c in (0, -1.7e308, 5e-324)]
    assert r.u == sum(pairs)


# --- Thin segments and errors --------------------------------------------------------------------

def test_thin_segments(db):
    load(db, {"a": [1.0, 2, 2], "b": [5.0, 6], "c": [7.0]})
    none = db.one("SELECT (mann_whitney(y, v)).* FROM r WHERE false")
    assert none == (None, None, 0, 0, None, None, None, None, None, None, 0.05, "mann_whitney")
    one = db.one("SELECT (mann_whitney(y, v)).* FROM r WHERE v = 'a'")
    assert one[:5] == (None, "a", 0, 3, None)
    unknown = db.one("SELECT (mann_whitney(y, v, 'x')).* FROM r WHERE v <> 'c'")
    assert unknown[:5] == ("a", "x", 3, 0, None) and unknown.p_value is None
    assert db.one("SELECT (mann_whitney('x') WITHIN GROUP (ORDER BY y, v)).* FROM r WHERE v <> 'c'") == unknown
    single = db.one("SELECT (mann_whitney(y, v)).* FROM r WHERE v IN ('b', 'c')")
    assert (single.u, single.p_value, single.superiority_low) == (2, 2 / 3, None)
    equal = db.one("SELECT (mann_whitney(1, v)).* FROM r WHERE v <> 'c'")
    assert (equal.u, equal.z, equal.p_value, equal.superiority, equal.superiority_low) == (3, None, None, 0.5, None)
    nulls = db.one("SELECT (mann_whitney(y, v)).* FROM (SELECT y, v FROM r WHERE v <> 'c' UNION ALL "
                   "VALUES (NULL, 'a'), (3, NULL), (NULL, 'new')) s")
    assert nulls[:5] == ("b", "a", 2, 3, 6)


@pytest.mark.parametrize("call, code, message, hint", [
    ("mann_whitney('NaN'::float8, v)", "22003", "NaN", "FILTER"),
    ("mann_whitney('inf'::float8, v)", "22003", "Infinity", "FILTER"),
    ("mann_whitney(y, v)", "22023", '"c" is a third', "FILTER"),
    ("mann_whitney('a') WITHIN GROUP (ORDER BY y, v)", "22023", '"c" is a third', "FILTER"),
    ("mann_whitney(y, repeat(v, 300))", "22001", "300 bytes", "unit"),
    ("mann_whitney(y, v, v) FILTER (WHERE v <> 'c')", "22023", "changes from row to row", "constant"),
    ("mann_whitney(y, v, NULLIF(v, 'b')) FILTER (WHERE v <> 'c')", "22023", "changes from row to row", "constant"),
    ("mann_whitney(y, v, repeat('x', 256)) FILTER (WHERE v <> 'c')", "22001", "256 bytes", "arm"),
    ("mann_whitney(v) WITHIN GROUP (ORDER BY y, v)", "42803", "GROUP BY", None),
    ("mann_whitney(y, v) OVER ()", "0A000", "window", None),
])
def test_errors(db, call, code, message, hint):
    load(db, {"a": [1.0, 2, 2], "b": [5.0, 6], "c": [7.0]})
    error = db.error("SELECT %s FROM (SELECT * FROM r ORDER BY v) r" % call)
    assert error.pgcode == code, error
    assert message in error.diag.message_primary
    assert hint is None or hint in (error.diag.message_hint or ""), error.diag.message_hint
    assert db.one("SELECT 1") == 1


# --- The state: memory, files, plans ---------------------------------------------------------------

@pytest.fixture(scope="module")
def many(db):
    """200,000 rows in 5,000 groups."""
    db.run("CREATE TABLE many AS SELECT i % 5000 AS g, (hashint4(i) % 1000)::float8 AS y, "
           "hashint4(i * 7)::float8 AS fine, CASE WHEN hashint4(i + 1) % 2 = 0 THEN 'control' ELSE 't' END AS v, "
           "(hashint4(i + 1) % 5000)::text AS u FROM generate_series(1, 200000) i")
    yield
    db.run("DROP TABLE many")


def peak_memory(connection):
    """The most resident memory that the backend ever had, in bytes."""
    with open("/proc/%d/status" % connection.one("SELECT pg_backend_pid()")) as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def without_noise(connection, work_mem):
    """The server that memory is measured in: compiled code and workers would count."""
    connection.run("SET jit = off")
    connection.run("SET max_parallel_workers_per_gather = 0")
    connection.run("SET work_mem = '%s'" % work_mem)


def temporary_blocks(connection, query):
    plan = connection.one("EXPLAIN (ANALYZE, BUFFERS, FORMAT json) %s" % query)[0]["Plan"]
    return plan["Temp Written Blocks"]


CALLS = ["mann_whitney(fine, v)", "quantile_compare(fine, v, 0.9)", "trimmed_t(fine, v, 0.1)",
         "quantile_compare('{0.1,0.5}'::float8[]) WITHIN GROUP (ORDER BY fine, v, u)",
         "winsor_bounds(0.01, 0.99) WITHIN GROUP (ORDER BY fine)"]


@pytest.mark.parametrize("call", CALLS)
def test_spilling_changes_nothing(many, fresh, call):
    query = "SELECT %s::text FROM many" % call
    fresh.run("SET work_mem = '1GB'")
    assert temporary_blocks(fresh, query) == 0
    in_memory = fresh.one(query)
    fresh.run("SET work_mem = '64kB'")
    assert temporary_blocks(fresh, query) > 200
    assert fresh.one(query) == in_memory
    assert fresh.one("SELECT count(*) FROM pg_ls_tmpdir()") == 0


@pytest.mark.parametrize("call", CALLS)
def test_memory_does_not_grow_with_the_rows(many, fresh, call):
    without_noise(fresh, "1MB")
    query = "SELECT %s::text FROM (SELECT m.* FROM many m, generate_series(1, %%s) i) s" % call
    fresh.one(query % 1)
    before = peak_memory(fresh)
    fresh.one(query % 6)
    assert peak_memory(fresh) - before < 2 << 20      # in memory, a million rows more would be 24 MB


def test_one_sort_for_several_questions(many, fresh):
    """The questions share a state, in memory and in files; each has the answer it has alone."""
    calls = ["mann_whitney(NULL) WITHIN GROUP (ORDER BY fine, v)",
             "quantile_compare(0.5) WITHIN GROUP (ORDER BY fine, v)",
             "quantile_compare('{0.9,0.1}'::float8[], 't') WITHIN GROUP (ORDER BY fine, v)",
             "mann_whitney('t', true) WITHIN GROUP (ORDER BY fine, v)"]
    alone = [fresh.one("SELECT (%s)::text FROM many" % c) for c in calls]
    fresh.run("SET work_mem = '64kB'")
    separately = sum(temporary_blocks(fresh, "SELECT %s FROM many" % c) for c in calls)
    query = "SELECT %s FROM many" % ", ".join("(%s)::text" % c for c in calls)
    assert list(fresh.one(query)) == alone
    assert temporary_blocks(fresh, query) < 0.75 * separately


def test_group_by_many_groups(many, fresh):
    """Sorted groups, hashed groups within a bounded memory, a group alone: the same."""
    without_noise(fresh, "4MB")
    query = "SELECT g, mann_whitney(y, v)::text FROM many GROUP BY g ORDER BY g"
    fresh.run("SET enable_hashagg = off")
    by_sort = fresh.rows(query)
    before = peak_memory(fresh)
    fresh.run("SET enable_hashagg = on")
    fresh.run("SET enable_sort = off")
    assert "HashAggregate" in "".join(r[0] for r in fresh.rows("EXPLAIN " + query))
    assert fresh.rows(query) == by_sort
    assert peak_memory(fresh) - before < 40 << 20
    assert len(by_sort) == 5000
    for g in (0, 7, 4999):
        assert by_sort[g][1] == fresh.one("SELECT mann_whitney(y, v)::text FROM many WHERE g = %s", g)


def test_few_large_hashed_groups(many, fresh):
    without_noise(fresh, "4MB")
    query = "SELECT g % 20 AS h, mann_whitney(fine, v)::text FROM many GROUP BY 1 ORDER BY 1"
    fresh.run("SET enable_hashagg = off")
    by_sort = fresh.rows(query)
    before = peak_memory(fresh)
    fresh.run("SET enable_hashagg = on")
    fresh.run("SET enable_sort = off")
    assert fresh.rows(query) == by_sort
    assert peak_memory(fresh) - before < 20 << 20


def test_grouping_sets_and_rescans(many, fresh):
    whole = fresh.one("SELECT mann_whitney(y, v)::text FROM many WHERE g < 50")
    sets = fresh.rows("SELECT g % 5, mann_whitney(y, v)::text FROM many WHERE g < 50 GROUP BY ROLLUP (1) ORDER BY 1")
    assert len(sets) == 6 and sets[5] == (None, whole)
    for k, answer in sets[:5]:
        assert answer == fresh.one("SELECT mann_whitney(y, v)::text FROM many WHERE g < 50 AND g %% 5 = %s", k)
    lateral = fresh.rows("SELECT k, a FROM generate_series(0, 4) k, LATERAL (SELECT mann_whitney(y, v)::text AS a "
                         "FROM many WHERE g < 50 AND g % 5 = k) s ORDER BY k")
    assert lateral == sets[:5]


@pytest.mark.parametrize("call", CALLS)
def test_above_a_parallel_scan(many, fresh, call):
    query = "SELECT %s::text FROM many" % call
    fresh.run("SET max_parallel_workers_per_gather = 0")
    serial = fresh.one(query)
    for setting in ("max_parallel_workers_per_gather = 2", "parallel_setup_cost = 0", "parallel_tuple_cost = 0",
                    "min_parallel_table_scan_size = 0"):
        fresh.run("SET " + setting)
    assert "Parallel Seq Scan" in "".join(r[0] for r in fresh.rows("EXPLAIN " + query))
    assert fresh.one(query) == serial


@pytest.mark.parametrize("work_mem", ["64kB", "1GB"])
@pytest.mark.parametrize("call", [CALLS[0], CALLS[3]])
def test_cancel(many, fresh, call, work_mem):
    """Whenever it comes, a cancel is obeyed soon and leaves no file."""
    fresh.run("SET work_mem = '%s'" % work_mem)
    query = "SELECT %s FROM (SELECT m.* FROM many m, generate_series(1, 24) i) s" % call
    for timeout in (40, 200, 500, 1100):
        fresh.run("SET statement_timeout = %d" % timeout)
        start = time.monotonic()
        try:
            fresh.run(query)
        except psycopg2.errors.QueryCanceled:
            assert time.monotonic() - start < timeout / 1000 + 1
        else:
            assert timeout > 500, "finished too early to tell"
    fresh.run("SET statement_timeout = 0")
    assert fresh.one("SELECT count(*) FROM pg_ls_tmpdir()") == 0
    assert fresh.one("SELECT 1") == 1


def test_error_in_a_late_row_leaves_no_file(many, fresh):
    fresh.run("SET work_mem = '64kB'")
    error = fresh.error("SELECT mann_whitney(y, v) FROM (SELECT y, v FROM many UNION ALL SELECT 'NaN', 't') s")
    assert error.pgcode == "22003"
    assert fresh.one("SELECT count(*) FROM pg_ls_tmpdir()") == 0
