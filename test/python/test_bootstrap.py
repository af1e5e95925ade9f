"""The Poisson bootstrap against a second implementation: weights and sums bit for bit, intervals against scipy.

The second implementation follows docs/bootstrap.md, in numpy and Python's integers and fractions.
"""

import itertools
import math
import random
import struct
from fractions import Fraction

import numpy as np
import psycopg2
import pytest
from scipy import stats

REPLICATES = 1000
BLOCK = 64
# 65536 P(W >= k), k = 1 .. 8
TAILS = [41427, 17317, 5262, 1245, 240, 39, 5, 1]
GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


# ---- the second implementation ----

def key(unit_hash, seed):
    z = (unit_hash + (seed + 1) * GOLDEN) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def weights_of(keys, replicates):
    """Weights, a row per key, a column per replicate."""
    keys = np.array(keys, dtype=np.uint64)
    r = np.arange(replicates, dtype=np.uint64)
    word = (r // BLOCK * (BLOCK // 2) + r % (BLOCK // 2)).astype(np.uint32)
    second_half = r % BLOCK >= BLOCK // 2
    low = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)[:, None]
    high = (keys >> np.uint64(32)).astype(np.uint32)[:, None]
    with np.errstate(over="ignore"):
        x = low + word * np.uint32(0x9E3779B9)
        x = (x ^ x >> np.uint32(16)) * np.uint32(0x21F0AAAD)
        x = (x ^ x >> np.uint32(15) ^ high) * np.uint32(0x735A2D97)
        x ^= x >> np.uint32(15)
    u = np.where(second_half, x >> np.uint32(16), x & np.uint32(0xFFFF))
    return sum((u < t).astype(np.int64) for t in TAILS)


class State:
    """The binary form, parsed."""

    def __init__(self, data):
        self.data, self.at = data, 0
        self.version, self.metrics, self.replicates, self.seed, self.quantile = self.take("!BBHqd")
        given, length = self.take("!bi")
        self.control = self.bytes(length).decode() if given else None
        self.arms = {}
        for _ in range(self.take("!i")[0]):
            label = self.bytes(self.take("!i")[0]).decode()
            n = self.take("!q")[0]
            if self.metrics == 0:
                dropped, distinct = self.take("!2i")
                self.arms[label] = (n, dropped, [self.take("!Qq") for _ in range(distinct)])
                continue
            weights = self.take("!%dq" % self.replicates)
            metrics, scales = [], []
            for _ in range(self.metrics):
                top = self.take("!i")[0]
                sample = self.take("!3q")
                digits = [self.take("!%dq" % self.replicates) for _ in range(3)]
                scale = Fraction(2) ** (32 * (top - 2))
                join = [sum(d << 32 * i for i, d in enumerate(ds)) * scale for ds in [sample] + list(zip(*digits))]
                metrics.append(join)
                scales.append(scale)
            self.arms[label] = (n, weights, metrics, scales)
        assert self.at == len(data)

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def bytes(self, length):
        self.at += length
        return self.data[self.at - length:self.at]


def state(db, sql, *args):
    return State(bytes.fromhex(db.one(sql, *args)[2:]))


def unit_hashes(db, units):
    return [h & MASK for h in db.one("SELECT array_agg(farm_fingerprint(u) ORDER BY i) FROM unnest(%s::text[]) "
                                     "WITH ORDINALITY q (u, i)", units)]


def fill(db, table, rows):
    db.run("DROP TABLE IF EXISTS %s; CREATE TEMP TABLE %s (unit text, num float8, den float8, variant text)" % (table, table))
    db.copy_rows(table, rows)


def skewed(n, seed, lift=0.0):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        variant = "treatment" if i % 2 else "control"
        rows.append(("u%d" % i, float(rng.lognormal(0, 1.2) * (1 + lift * (i % 2))), float(rng.integers(1, 6)), variant))
    return rows


# ---- weights ----

def test_weights_and_sums_are_the_published_ones(db):
    """Every weight and every weighted sum, as exact integers, of two seeds and a number of replicates that ends in a block."""
    values = [0.0, -0.0, 1.0, -1.0, 0.1, -0.1, 255.0, 256.0, 2.0 ** 31, 2.0 ** 31 - 1, -2.0 ** 31, 2.0 ** 32 - 1,
              1e6 / 3, -1e6 / 7, 3.0 ** 12, 65535.5]
    rows = [("unit %d" % i, values[i % len(values)], float(i % 4), "abc"[i % 3]) for i in range(300)]
    fill(db, "exact", rows)
    for replicates, seed in ((1000, 0), (130, -7), (100, 2 ** 63 - 1)):
        s = state(db, "SELECT bootstrap_agg(unit, num, den, variant, %s, %s)::text FROM exact", replicates, seed)
        assert (s.version, s.metrics, s.replicates, s.seed, s.control) == (1, 2, replicates, seed, None)
        assert list(s.arms) == ["a", "b", "c"]
        for label, (n, weights, metrics, scales) in s.arms.items():
            own = [r for r in rows if r[3] == label]
            w = weights_of([key(h, seed) for h in unit_hashes(db, [r[0] for r in own])], replicates)
            assert n == len(own) and list(weights) == w.sum(axis=0).tolist()
            for k in (0, 1):
                # rounded to the digits that are kept, 2^-62 of the largest value or finer
                scale = scales[k]
                assert scale <= Fraction(max(abs(r[1 + k]) for r in own)) / 2 ** 62
                y = [math.floor(Fraction(r[1 + k]) / scale + Fraction(1, 2)) * scale for r in own]
                assert metrics[k][0] == sum(y)
                assert metrics[k][1:] == [sum(int(a) * b for a, b in zip(column, y)) for column in w.T]


def test_one_unit_shows_its_weights(db):
    s = state(db, "SELECT bootstrap_agg('fox 🦊', 1, 'a')::text")
    assert list(s.arms["a"][1]) == weights_of([key(unit_hashes(db, ["fox 🦊"])[0], 0)], REPLICATES)[0].tolist()


@pytest.fixture(scope="module")
def many_weights(db):
    """Weights of 10,000 consecutive ids (test_weights_and_sums... says that they are the extension's)."""
    hashes = unit_hashes(db, [str(i) for i in range(10000)])
    return weights_of([key(h, 0) for h in hashes], REPLICATES)


def test_distribution_is_poisson(many_weights):
    p = -np.diff([65536] + TAILS + [0]) / 65536
    assert abs(p - stats.poisson.pmf(np.arange(9), 1)).max() < 1.9e-5    # as documented
    counts = np.bincount(many_weights.ravel(), minlength=9)
    assert stats.chisquare(counts, p * many_weights.size).pvalue > 1e-3
    # 2 million draws do not tell it from Poisson
    counts = np.bincount(many_weights[:2000].ravel(), minlength=9)
    exact = np.append(stats.poisson.pmf(np.arange(7), 1), stats.poisson.sf(6, 1))
    assert stats.chisquare(np.append(counts[:7], counts[7:].sum()), exact * counts.sum()).pvalue > 1e-3
    n = many_weights.size
    assert abs(many_weights.mean() - 1) < 4 / math.sqrt(n)
    assert abs(many_weights.var() - 1) < 4 * math.sqrt(3 / n)            # fourth central moment 4, less 1
    # as documented: mean and variance are 1 to the last bit, the third factorial moment to 3e-5
    assert sum(TAILS) == 65536 and 2 * sum(k * t for k, t in enumerate(TAILS)) == 65536
    assert abs(3 * sum(k * (k - 1) * t for k, t in enumerate(TAILS)) / 65536 - 1) < 3.1e-5


def test_independence(many_weights):
    """Sums over units and over replicates have the variance of independent weights; neighbours do not know of each other."""
    w = many_weights
    n, b = w.shape
    for sums, size in ((w.sum(axis=0), n), (w.sum(axis=1), b)):
        z = (len(sums) - 1) * sums.var(ddof=1) / size                     # chi-square
        assert 1e-4 < stats.chi2.cdf(z, len(sums) - 1) < 1 - 1e-4
    centred = w - 1.0
    for shift in (1, 2, 3, 31, 32, 33, 63, 64, 128, 500):                 # replicates: lanes, halves of words, blocks
        r = (centred[:, shift:] * centred[:, :-shift]).mean()
        assert abs(r) < 4.5 / math.sqrt(n * (b - shift)), shift
    for shift in (1, 2, 10, 1000):                                        # units: consecutive ids
        r = (centred[shift:] * centred[:-shift]).mean()
        assert abs(r) < 4.5 / math.sqrt((n - shift) * b), shift
    # joint distribution of the two weights that share a word
    table = np.histogram2d(np.minimum(w[:, 0:32], 4).ravel(), np.minimum(w[:, 32:64], 4).ravel(), bins=np.arange(6))[0]
    assert stats.chi2_contingency(table)[1] > 1e-3
    # all pairs of replicates: correlations have the spread of chance
    c = np.corrcoef(centred.T)[np.triu_indices(b, 1)]
    assert abs(c.mean()) < 4.5 / math.sqrt(len(c) * n) and abs(c.std() * math.sqrt(n) - 1) < 0.01


def test_seeds_are_independent(db):
    hashes = unit_hashes(db, [str(i) for i in range(2000)])
    a, b = (weights_of([key(h, seed) for h in hashes], 200) - 1.0 for seed in (0, 1))
    assert abs((a * b).mean()) < 4.5 / math.sqrt(a.size)


# ---- the same in any order ----

def wild(n, seed):
    """Values over the whole range of float8."""
    rng = random.Random(seed)
    return [("u%d" % i, rng.choice([-1, 1]) * rng.random() * 10.0 ** rng.choice([-307, -100, -20, -3, 0, 0, 3, 20, 100, 300]),
             float(rng.randrange(3)), rng.choice("ab")) for i in range(n)]


@pytest.mark.parametrize("rows", [skewed(3001, 1), wild(700, 2)], ids=["skewed", "wild"])
def test_any_order_gives_the_same_bits(db, rows):
    rng = random.Random(3)
    texts = set()
    for order in range(6):
        if order == 1:
            rows = sorted(rows, key=lambda r: abs(r[1]))
        elif order == 2:
            rows = rows[::-1]
        elif order > 2:
            rows = rng.sample(rows, len(rows))
        fill(db, "ordered", rows)
        texts.add(db.one("SELECT bootstrap_agg(unit, num, den, variant)::text FROM ordered"))
        # in parts of random sizes, merged in a random order
        db.run("SELECT setseed(%s)", order / 10)
        texts.add(db.one("SELECT bootstrap_agg(b ORDER BY random())::text FROM (SELECT bootstrap_agg(unit, num, den, variant) AS b "
                         "FROM (SELECT *, floor(40 * random() ^ 3) AS part FROM ordered) q GROUP BY part) p"))
    assert len(texts) == 1


def test_any_plan_gives_the_same_bits(fresh):
    db = fresh
    db.run("""CREATE TABLE spread (unit text, num float8, den float8, variant text) PARTITION BY HASH (unit);
        CREATE TABLE spread_0 PARTITION OF spread FOR VALUES WITH (MODULUS 3, REMAINDER 0);
        CREATE TABLE spread_1 PARTITION OF spread FOR VALUES WITH (MODULUS 3, REMAINDER 1);
        CREATE TABLE spread_2 PARTITION OF spread FOR VALUES WITH (MODULUS 3, REMAINDER 2)""")
    try:
        db.copy_rows("spread", skewed(20000, 4))
        db.run("ANALYZE spread; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0")
        query = "SELECT bootstrap_agg(unit, num, den, variant)::text, bootstrap_mean(unit, num, variant, 'treatment')::text, " \
                "bootstrap_agg(num, variant)::text, bootstrap_quantile(num, variant, 0.9, 'treatment')::text FROM spread"
        answers, plans = set(), []
        for workers, partitionwise in ((0, "off"), (0, "on"), (2, "off"), (2, "on"), (4, "off")):
            db.run("SET max_parallel_workers_per_gather = %d; SET enable_partitionwise_aggregate = %s" % (workers, partitionwise))
            answers.add(db.one(query))
            plans.append("\n".join(r[0] for r in db.rows("EXPLAIN (COSTS OFF) " + query)))
        assert len(answers) == 1
        assert "Partial Aggregate" in plans[1] and "Gather" not in plans[1] and "Gather" in plans[2]
        assert "Partial" not in plans[0]
    finally:
        db.run("DROP TABLE spread")


def test_groups_windows_and_io(db):
    fill(db, "small", skewed(400, 5))
    db.run("CREATE TEMP TABLE kept AS SELECT length(unit) AS g, bootstrap_agg(unit, num, variant) AS b FROM small GROUP BY 1")
    assert db.one("SELECT bool_and(b::text = (b::text)::bootstrap::text) FROM kept")
    sent = db.copy_out("SELECT b FROM kept ORDER BY g")
    db.run("CREATE TEMP TABLE again (b bootstrap)")
    db.copy_binary("again", sent)
    assert db.one("SELECT count(*) FROM again a JOIN kept k ON a.b::text = k.b::text") == 3
    whole = db.one("SELECT bootstrap_agg(unit, num, variant)::text FROM small")
    assert db.one("SELECT bootstrap_agg(b)::text FROM kept") == whole
    # a running window, and grouping sets: no result shares memory with the live state
    running = db.rows("SELECT i, bootstrap_agg(unit, num, variant) OVER (ORDER BY i)::text AS b FROM (SELECT *, row_number() OVER () AS i "
                      "FROM small LIMIT 70) q ORDER BY i")
    for r in running[::23]:
        assert r.b == db.one("SELECT bootstrap_agg(unit, num, variant)::text FROM (SELECT * FROM small LIMIT %s) q", r.i)
    assert db.one("SELECT bootstrap_agg(unit, num, variant)::text FROM small GROUP BY GROUPING SETS ((), (unit)) "
                  "ORDER BY count(*) DESC LIMIT 1") == whole
    # FILTER may leave a group with nothing
    assert db.one("SELECT bootstrap_agg(unit, num, variant) FILTER (WHERE false) FROM small") is None


# ---- intervals ----

def replicates_of(db, table, ratio=False):
    """Replicates of (estimate_t, estimate_c), their linear parts, and the estimates, in floating point."""
    out = []
    for label in ("treatment", "control"):
        rows = db.rows("SELECT unit, num, den FROM %s WHERE variant = %%s" % table, label)
        w = weights_of([key(h, 0) for h in unit_hashes(db, [r.unit for r in rows])], REPLICATES).T.astype(float)
        y, x = np.array([r.num for r in rows]), np.array([r.den if ratio else 1.0 for r in rows])
        estimate = y.sum() / x.sum()
        out.append((estimate, (w @ y) / (w @ x), w @ (y - estimate * x) / x.sum()))
    return out


def expected_interval(centre, replicates, linear, alpha, method):
    levels = np.array([alpha / 2, 1 - alpha / 2])
    if method == "bca":
        z0 = stats.norm.ppf(((replicates < centre).sum() + (replicates == centre).sum() / 2) / len(replicates))
        a = stats.skew(linear) / 6
        z = z0 + stats.norm.ppf(levels)
        levels = stats.norm.cdf(z0 + z / (1 - a * z))
    return np.quantile(replicates, levels)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("ratio", [False, True], ids=["mean", "ratio"])
def test_intervals_by_the_formulas(db, method, ratio):
    fill(db, "formulas", skewed(500, 6, 0.3))
    (t, ts, tl), (c, cs, cl) = replicates_of(db, "formulas", ratio)
    function = "bootstrap_ratio" if ratio else "bootstrap_mean"
    for alpha in (0.05, 0.2):
        r = db.one("SELECT c.* FROM (SELECT bootstrap_agg(unit, num, den, variant) AS b FROM formulas) s, "
                   "%s(b, alpha => %s, method => '%s') c" % (function, alpha, method))
        diffs, lifts = ts - cs, (ts - cs) / abs(cs)
        assert (r.n, r.n_control, r.df, r.method) == (250, 250, None, "%s, %s" % (function, method))
        assert r.estimate == pytest.approx(t, rel=1e-14) and r.estimate_control == pytest.approx(c, rel=1e-14)
        assert r.std_error == pytest.approx(diffs.std(ddof=1), rel=1e-11)
        assert r.statistic == pytest.approx((t - c) / diffs.std(ddof=1), rel=1e-11)
        assert [r.diff_low, r.diff_high] == pytest.approx(expected_interval(t - c, diffs, tl - cl, alpha, method), rel=1e-10)
        assert [r.lift_low, r.lift_high] == pytest.approx(
            expected_interval(t / c - 1, lifts, tl - t / c * cl, alpha, method), rel=1e-10)
        low = db.one("SELECT c.* FROM (SELECT bootstrap_agg(unit, num, den, variant) AS b FROM formulas) s, "
                     "%s(b, alpha => %s, method => '%s', alternative => 'greater') c" % (function, alpha / 2, method))
        assert low.diff_low == pytest.approx(r.diff_low, rel=1e-12) and low.diff_high == math.inf and low.lift_high == math.inf


def test_acceleration_agrees_with_the_jackknife(db):
    """A sixth of the skewness over the replicates estimates sum l^3 / (6 (sum l^2)^1.5), with an error of about sqrt(6 / B) / 6."""
    fill(db, "accelerated", skewed(400, 12))
    (_, _, tl), (_, _, cl) = replicates_of(db, "accelerated")
    influence = []
    for sign, label in ((1, "treatment"), (-1, "control")):
        y = np.array([r[0] for r in db.rows("SELECT num FROM accelerated WHERE variant = %s", label)])
        influence.append(sign * (y - y.mean()) / len(y))
    l = np.concatenate(influence)
    jackknife = (l ** 3).sum() / (6 * (l ** 2).sum() ** 1.5)
    assert abs(stats.skew(tl - cl) / 6 - jackknife) < 3 * math.sqrt(6 / REPLICATES) / 6


def test_intervals_agree_with_scipy(db):
    """scipy resamples with replacement and takes the jackknife's acceleration: they agree up to Monte Carlo error and O(1/n)."""
    rows = skewed(600, 7, 0.5)
    fill(db, "against_scipy", rows)
    t, c = (np.array([r[1] for r in rows if r[3] == v]) for v in ("treatment", "control"))
    for method, name in (("percentile", "percentile"), ("bca", "BCa")):
        ours = db.one("SELECT c.* FROM (SELECT bootstrap_agg(unit, num, variant, 10000, 1) AS b FROM against_scipy) s, "
                      "bootstrap_mean(b, method => '%s') c" % method)
        theirs = stats.bootstrap((t, c), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), n_resamples=9999,
                                 method=name, vectorized=True, random_state=np.random.default_rng(8), batch=500)
        se = theirs.standard_error
        assert abs(ours.std_error / se - 1) < 0.04
        assert abs(ours.diff_low - theirs.confidence_interval.low) < 0.15 * se
        assert abs(ours.diff_high - theirs.confidence_interval.high) < 0.15 * se


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_p_value_is_the_level_at_which_the_interval_leaves_out_the_null(db, method):
    fill(db, "inverted", skewed(300, 9, 0.4))
    ask = ("SELECT c.* FROM (SELECT bootstrap_agg(unit, num, variant, 10000, 0) AS b FROM inverted) s, "
           "bootstrap_mean(b, method => '%s', null_diff => %%s, alpha => %%s) c" % method)
    plain = db.one(ask, 0, 0.05)
    for errors in (-2.2, -1, 0.5, 1.8):
        null = plain.diff + errors * plain.std_error
        p = db.one(ask, null, 0.05).p_value
        assert 0.001 < p < 1
        wide, narrow = db.one(ask, null, p * 0.98 - 0.0005), db.one(ask, null, p * 1.02 + 0.0005)
        assert wide.diff_low <= null <= wide.diff_high
        assert not narrow.diff_low < null < narrow.diff_high
    # greater and less share their mass, up to the replicates in between
    g, l = (db.one("SELECT c.p_value FROM (SELECT bootstrap_agg(unit, num, variant) AS b FROM inverted) s, bootstrap_mean(b, "
                   "method => '%s', alternative => '%s') c" % (method, a)) for a in ("greater", "less"))
    assert 1 <= g + l < 1 + 3 / REPLICATES
    # an effect beyond all replicates
    assert db.one("SELECT c.p_value FROM (SELECT bootstrap_agg(unit, num, variant) AS b FROM inverted) s, "
                  "bootstrap_mean(b, null_diff => -1000) c") == pytest.approx(2 / (REPLICATES + 1), rel=1e-12)


def test_swapped_arms_flip_signs(db):
    fill(db, "swapped", skewed(300, 10, 0.4))
    a, b = (db.one("SELECT (bootstrap_ratio(unit, num, den, variant, %s)).* FROM swapped", c) for c in ("control", "treatment"))
    assert a.diff == -b.diff and a.std_error == pytest.approx(b.std_error, rel=1e-12)
    assert [a.diff_low, a.diff_high] == pytest.approx([-b.diff_high, -b.diff_low], rel=1e-12)
    one_step = db.one("SELECT (bootstrap_ratio(unit, num, den, variant)).* FROM swapped")
    two_steps = db.one("SELECT c.* FROM (SELECT bootstrap_agg(unit, num, den, variant) AS b FROM swapped) s, bootstrap_ratio(b) c")
    assert a == one_step == two_steps


def test_many_rows_of_a_unit_have_one_weight(db):
    """Sessions of users: the state of the sessions has the weights of the users, so that a ratio comes out as over users."""
    users = skewed(300, 11)
    fill(db, "users", users)
    sessions = [(u, y * 0.25, 1.0, v) for u, y, _, v in users for _ in range(4)]
    fill(db, "sessions", sessions)
    db.run("UPDATE users SET den = 4")
    by_user = db.one("SELECT (bootstrap_ratio(unit, num, den, variant)).* FROM users")
    by_session = db.one("SELECT (bootstrap_mean(unit, num, variant)).* FROM sessions")
    assert by_session.n == 4 * by_user.n
    assert [by_session.diff_low, by_session.diff_high] == pytest.approx([by_user.diff_low, by_user.diff_high], rel=1e-12)


def test_large_offsets_keep_their_digits(db):
    """A mean of 1e12 and a variance of 1: the same replicates as without the offset."""
    rng = np.random.default_rng(13)
    plain = [("u%d" % i, float(round(rng.normal() * 1024)) / 1024, 1.0, "ab"[i % 2]) for i in range(500)]
    fill(db, "plain", plain)
    fill(db, "shifted", [(u, y + 2.0 ** 40, x, v) for u, y, x, v in plain])
    a, b = (db.one("SELECT (bootstrap_mean(unit, num, variant)).* FROM %s" % t) for t in ("plain", "shifted"))
    for column in ("diff", "std_error", "diff_low", "diff_high", "p_value"):
        assert getattr(a, column) == pytest.approx(getattr(b, column), rel=1e-12)


def test_coverage(db):
    """1,000 experiments of 2 x 60 units, a skewed metric, no effect: a 95 % interval covers 0 in 95 % of them, roughly."""
    db.run("CREATE TEMP TABLE simulated AS SELECT e, 'e' || e || ' u' || u AS unit, -ln(1 - assign_bucket(u::text, 'y' || e)) AS y, "
           "CASE WHEN u % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant FROM generate_series(1, 1000) e, generate_series(1, 120) u")
    for method in ("percentile", "bca"):
        covered = db.one("SELECT count(*) FILTER (WHERE c.diff_low <= 0 AND 0 <= c.diff_high) FROM (SELECT bootstrap_agg(unit, y, variant, "
                         "500, 0) AS b FROM simulated GROUP BY e) s, bootstrap_mean(b, method => '%s') c" % method)
        assert stats.binomtest(covered, 1000, 0.94).pvalue > 1e-3, (method, covered)


# ---- quantiles ----

def key_of(value):
    bits = struct.unpack("!Q", struct.pack("!d", value + 0.0))[0]
    return bits ^ (MASK if bits >> 63 else 1 << 63)


def value_of(key):
    return struct.unpack("!d", struct.pack("!Q", key ^ (1 << 63 if key >> 63 else MASK)))[0]


def expected_table(values):
    """The finest rounding that leaves at most 4096 values, and their counts."""
    keys = sorted(map(key_of, values))
    for dropped in range(53):
        counts = {}
        for k in keys:
            counts[k >> dropped << dropped] = counts.get(k >> dropped << dropped, 0) + 1
        if len(counts) <= 4096:
            return dropped, sorted(counts.items())


@pytest.mark.parametrize("kind", ["few values", "4096 values", "4097 values", "continuous", "wild", "both signs"])
def test_tables_of_values(db, kind):
    rng = random.Random(16)
    values = {"few values": lambda: [float(rng.randrange(-20, 300)) for _ in range(5000)],
              "4096 values": lambda: [float(i % 4096) for i in range(9000)],
              "4097 values": lambda: [float(i % 4097) for i in range(9000)],
              "continuous": lambda: [rng.lognormvariate(0, 1) for _ in range(9000)],
              "wild": lambda: [r[1] for r in wild(9000, 17)],
              "both signs": lambda: [rng.choice([-1.0, -0.0, 0.0, 1.0]) * rng.random() for _ in range(9000)]}[kind]()
    texts = set()
    for order in (values, sorted(values), sorted(values, key=abs, reverse=True), values[::-1]):
        fill(db, "listed", [("", v, 0.0, "a") for v in order])
        db.run("SELECT setseed(0.3)")
        texts.add(db.one("SELECT bootstrap_agg(num, variant)::text FROM listed"))
        texts.add(db.one("SELECT bootstrap_agg(b ORDER BY random())::text FROM (SELECT bootstrap_agg(num, variant) AS b "
                         "FROM (SELECT *, floor(40 * random() ^ 3) AS part FROM listed) q GROUP BY part) p"))
    assert len(texts) == 1
    text = texts.pop()
    assert db.one("SELECT %s::bootstrap::text", text) == text
    n, dropped, table = State(bytes.fromhex(text[2:])).arms["a"]
    assert (n, (dropped, table)) == (len(values), expected_table(values))


def quantile_replicates(db, label, values, p, replicates, seed):
    """Ranks by scipy's binomial distribution, values by the table."""
    dropped, table = expected_table(values)
    k = key(unit_hashes(db, [label])[0], seed)
    u = np.array([(key(k, r) >> 11) / 2.0 ** 53 for r in range(replicates)])
    ranks = np.clip(stats.binom.ppf(u, len(values) + 1, p), 1, len(values))
    at, before = [], 0
    for bucket, count in table:
        low, high = value_of(bucket), value_of(bucket + (1 << dropped))
        at += [low + (high - low) * (i + 0.5) / count if dropped else low for i in range(count)]
    replicates = np.array(at)[ranks.astype(int) - 1]
    linear = ((len(values) + 1) * p - ranks) * replicates.std() / math.sqrt((len(values) + 1) * p * (1 - p))
    return replicates, at, linear


@pytest.mark.parametrize("p", [0.5, 0.9, 0.01])
@pytest.mark.parametrize("n", [5, 400, 20000])
def test_quantiles_by_the_formulas(db, n, p):
    rng = random.Random(n)
    arms = {label: [rng.lognormvariate(shift, 1) for _ in range(n + extra)] for label, shift, extra in (("control", 0, 0), ("t", 0.2, 3))}
    fill(db, "timed", [("", v, 0.0, label) for label, values in arms.items() for v in values])
    r = db.one("SELECT c.* FROM (SELECT bootstrap_agg(num, variant, 500, 3) AS b FROM timed) s, bootstrap_quantile(b, p => %s) c", p)
    (t, at_t, linear_t), (c, at_c, linear_c) = (quantile_replicates(db, label, arms[label], p, 500, 3) for label in ("t", "control"))
    assert (r.n, r.n_control, r.method) == (n + 3, n, "bootstrap_quantile, percentile")
    assert r.estimate == pytest.approx(np.quantile(at_t, p), rel=1e-13)
    assert r.estimate == pytest.approx(np.quantile(arms["t"], p), rel=1e-13 if n <= 4000 else 1e-3)
    assert r.std_error == pytest.approx((t - c).std(ddof=1), rel=1e-10)
    assert [r.diff_low, r.diff_high] == pytest.approx(np.quantile(t - c, [0.025, 0.975]), rel=1e-9)
    assert [r.lift_low, r.lift_high] == pytest.approx(np.quantile((t - c) / c, [0.025, 0.975]), rel=1e-9)
    bca = db.one("SELECT c.* FROM (SELECT bootstrap_agg(num, variant, 500, 3) AS b FROM timed) s, bootstrap_quantile(b, p => %s, method => 'bca') c", p)
    assert bca.method == "bootstrap_quantile, bca" and bca.diff == r.diff and bca.std_error == r.std_error
    if ((t - c) < r.diff).all() or ((t - c) > r.diff).all():
        assert n == 5 and bca.diff_low is bca.diff_high is None
    else:
        assert [bca.diff_low, bca.diff_high] == pytest.approx(expected_interval(r.diff, t - c, linear_t - linear_c, 0.05, "bca"), rel=1e-9)
    one_step = db.one("SELECT (bootstrap_quantile(num, variant, %s)).* FROM timed", p)
    assert one_step == db.one("SELECT c.* FROM (SELECT bootstrap_agg(num, variant) AS b FROM timed) s, bootstrap_quantile(b, p => %s) c", p)
    swapped = db.one("SELECT (bootstrap_quantile(num, variant, %s, 't')).* FROM timed", p)
    assert swapped.diff == -one_step.diff and swapped.diff_low == pytest.approx(-one_step.diff_high, rel=1e-12)


def test_the_rank_of_a_poisson_bootstrapped_quantile_is_binomial(db):
    """The claim behind it, with the extension's own Poisson weights: the ranks of weighted medians of 200 values."""
    n, p = 200, 0.5
    w = weights_of([key(h, 7) for h in unit_hashes(db, ["r%d" % i for i in range(n)])], 10000)
    cumulated = w.cumsum(axis=0)
    ranks = (cumulated < np.ceil(p * cumulated[-1])).sum(axis=0) + 1
    assert abs(ranks.mean() - (n + 1) * p) < 0.5
    assert ranks.std() == pytest.approx(math.sqrt((n + 1) * p * (1 - p)), rel=0.03)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_linear_part_of_a_quantile_has_the_skewness_of_its_influences(db, p):
    """Efron and Tibshirani (1993), eq. 14.15, of the influences p - 1{x <= q}, which is what (n + 1) p - rank is drawn with."""
    n = 300
    influences = p - (np.arange(1, n + 1) <= n * p)
    expected = (influences ** 3).sum() / (influences ** 2).sum() ** 1.5
    values = list(np.random.default_rng(2).normal(size=n))
    _, _, linear = quantile_replicates(db, "t", values, p, 20000, 3)
    assert stats.skew(linear) == pytest.approx(expected, abs=4 * math.sqrt(6 / 20000))


def test_coverage_of_quantiles(db):
    db.run("CREATE TEMP TABLE simulated_times AS SELECT e, -ln(1 - assign_bucket(u::text, 'y' || e)) AS y, "
           "CASE WHEN u % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant FROM generate_series(1, 1000) e, generate_series(1, 200) u")
    for p in (0.5, 0.9):
        # a seed per experiment: the draws of ranks depend on it and the label alone
        covered = db.one("SELECT count(*) FILTER (WHERE c.diff_low <= 0 AND 0 <= c.diff_high) FROM (SELECT bootstrap_agg(y, variant, 500, e) "
                         "AS b FROM simulated_times GROUP BY e) s, bootstrap_quantile(b, p => %s) c", p)
        assert 0.93 < covered / 1000 < 0.985, (p, covered)


def test_thin_quantiles(db):
    r = db.one("SELECT (bootstrap_quantile(num, variant, 0.5)).* FROM plain WHERE false")
    assert (r.n, r.n_control, r.diff, r.diff_low) == (0, 0, None, None)
    r = db.one("SELECT (bootstrap_quantile(y, v, 0.9)).* FROM (VALUES (1::float8, 'a'), (3, 'b')) t (y, v)")
    assert (r.n, r.diff, r.std_error, r.diff_low, r.lift) == (1, 2, None, None, 2)
    r = db.one("SELECT (bootstrap_quantile(7, 'v' || i % 2, 0.9)).* FROM generate_series(1, 50) i")
    assert (r.n, r.estimate, r.diff, r.std_error, r.diff_low) == (25, 7, 0, None, None)


# ---- nothing to say, and bad input ----

def test_thin_segments(db):
    undefined = ("std_error", "statistic", "df", "p_value", "diff_low", "diff_high", "lift_low", "lift_high")

    def ask(values, function="bootstrap_mean(unit, num, variant)"):
        rows = "(VALUES %s) t (unit, num, den, variant)" % values
        return db.one("SELECT (%s).* FROM %s" % (function, rows))

    def is_undefined(r):
        return all(getattr(r, c) is None for c in undefined)

    r = db.one("SELECT (bootstrap_mean(unit, num, variant)).* FROM plain WHERE false")
    assert r.variant is None and r.control is None and (r.n, r.n_control) == (0, 0) and r.diff is None and is_undefined(r)
    r = ask("('a', 1::float8, 1::float8, 'control'), ('b', 2, 1, 'control')")
    assert r.control == "control" and r.n_control == 2 and r.n == 0 and r.variant is None and r.estimate_control == 1.5 and is_undefined(r)
    r = ask("('a', 1::float8, 1::float8, 'control'), ('b', 2, 1, 't')")
    assert r.diff == 1 and r.lift == 1 and is_undefined(r)
    same = ", ".join("('%d', 0.1::float8, 0.3::float8, '%s')" % (i, "ab"[i % 2]) for i in range(10))
    for function in ("bootstrap_mean(unit, num, variant)", "bootstrap_ratio(unit, num, den, variant)"):
        r = ask(same, function)
        assert r.diff == 0 and r.lift == 0 and is_undefined(r)
    assert ask(same).estimate == 0.1
    # no denominator; a control mean of 0
    assert ask(same.replace("0.3", "0"), "bootstrap_ratio(unit, num, den, variant)").estimate is None
    zero = ", ".join("('%d', %s::float8, 1::float8, '%s')" % (i, (-1) ** (i // 2), "ab"[i % 2]) for i in range(40))
    r = ask(zero)
    assert r.estimate_control == 0 and r.lift is None and r.lift_low is None and r.diff_low is not None
    # two units in each: an eighth of the replicates have no weight in an arm, and do not count
    r = ask("('a', 1::float8, 1::float8, 'c'), ('b', 2, 1, 'c'), ('x', 3, 1, 't'), ('y', 4, 1, 't')")
    assert r.diff == 2 and 1 <= r.diff_low <= 2 <= r.diff_high <= 3
    # a label that does not occur, NULLs
    r = db.one("SELECT (bootstrap_mean(unit, num, variant, 'nobody')).* FROM plain WHERE variant = 'a'")
    assert (r.variant, r.control, r.n_control) == ("a", "nobody", 0) and is_undefined(r)
    rows = "(VALUES ('a', 1::float8, 'a'), (NULL, 1, 'a'), ('c', NULL, 'a'), ('d', 1, NULL)) t (unit, y, variant)"
    assert db.one("SELECT (bootstrap_mean(unit, y, variant)).n_control FROM " + rows) == 1
    assert db.rows("SELECT * FROM bootstrap_mean(NULL)") == [] and db.rows("SELECT * FROM bootstrap_ratio(NULL)") == []
    three = "(VALUES ('a', 1::float8, 'a'), ('b', 1, 'b'), ('c', 1, 'c')) t (unit, y, variant)"
    assert [r.variant for r in db.rows("SELECT c.* FROM (SELECT bootstrap_agg(unit, y, variant) AS b FROM %s) s, "
                                       "bootstrap_mean(b, 'b') c" % three)] == ["a", "c"]


S = "(SELECT bootstrap_agg(unit, num, variant) AS b FROM plain) s, "
P = "(SELECT bootstrap_agg(unit, num, den, variant) AS b FROM plain) s, "


@pytest.mark.parametrize("query, state, words", [
    ("SELECT bootstrap_mean(unit, 'NaN', variant) FROM plain", "22003", "NaN"),
    ("SELECT bootstrap_ratio(unit, 1, '-Infinity', variant) FROM plain", "22003", "den is -Infinity"),
    ("SELECT bootstrap_agg(unit, num, variant, 99, 0) FROM plain", "22023", "100 to 10000, not 99"),
    ("SELECT bootstrap_agg(unit, num, variant, 10001, 0) FROM plain", "22023", "not 10001"),
    ("SELECT bootstrap_agg(unit, num, variant, NULL, 0) FROM plain", "22004", "replicates"),
    ("SELECT bootstrap_agg(unit, num, variant, 100, NULL) FROM plain", "22004", "seed"),
    ("SELECT bootstrap_agg(unit, num, variant, 100, length(unit)) FROM plain", "22023", "changes from row to row"),
    ("SELECT bootstrap_mean(unit, num, variant, variant) FROM plain", "22023", "control argument changes"),
    ("SELECT bootstrap_mean(unit, num, repeat('x', 256)) FROM plain", "22001", "too long"),
    ("SELECT bootstrap_agg(unit, num, unit, 100, 0) FROM (SELECT i::text AS unit, 1 AS num FROM generate_series(1, 1001) i) q",
     "54000", "1000 variants"),
    ("SELECT bootstrap_mean(unit, num, unit) FROM plain", "22023", "two variants, but there are 500"),
    ("SELECT bootstrap_agg(b) FROM (SELECT bootstrap_agg(unit, num, variant) AS b FROM plain UNION ALL "
     "SELECT bootstrap_agg(unit, num, den, variant) FROM plain) q", "22023", "1 and of 2 metrics"),
    ("SELECT bootstrap_agg(b) FROM (SELECT bootstrap_agg(unit, num, variant) AS b FROM plain UNION ALL "
     "SELECT bootstrap_agg(unit, num, variant, 1000, 1) FROM plain) q", "22023", "seed 0"),
    ("SELECT c FROM " + S + "bootstrap_mean(b, alpha => 1) c", "22023", "alpha"),
    ("SELECT c FROM " + S + "bootstrap_mean(b, alternative => 'both') c", "22023", "both"),
    ("SELECT c FROM " + S + "bootstrap_mean(b, null_diff => 'NaN') c", "22023", "null_diff"),
    ("SELECT c FROM " + S + "bootstrap_mean(b, method => 'BCA') c", "22023", "'percentile' and 'bca'"),
    ("SELECT c FROM " + S + "bootstrap_mean(b, method => NULL) c", "22004", "method"),
    ("SELECT c FROM " + S + "bootstrap_mean(b, metric => 2) c", "22023", "metric is 2"),
    ("SELECT c FROM " + S + "bootstrap_ratio(b) c", "22023", "den is 2"),
    ("SELECT c FROM " + P + "bootstrap_ratio(b, num => 0) c", "22023", "num is 0"),
    ("SELECT c FROM " + S + "bootstrap_quantile(b) c", "22023", "no quantiles"),
    ("SELECT c FROM (SELECT bootstrap_agg(num, variant) AS b FROM plain) s, bootstrap_mean(b) c", "22023", "no sums"),
    ("SELECT c FROM (SELECT bootstrap_agg(num, variant) AS b FROM plain) s, bootstrap_quantile(b, p => 1) c", "22023", "not 1"),
    ("SELECT c FROM (SELECT bootstrap_agg(num, variant) AS b FROM plain) s, bootstrap_quantile(b, p => NULL) c", "22004", "p must"),
    ("SELECT bootstrap_quantile(num, variant, 90) FROM plain", "22023", "not 90"),
    ("SELECT bootstrap_quantile(num, variant, random()) FROM plain", "22023", "p argument changes"),
    ("SELECT bootstrap_quantile('Infinity'::float8, variant, 0.5) FROM plain", "22003", "Infinity"),
    ("SELECT bootstrap_agg(b) FROM (SELECT bootstrap_agg(unit, num, variant) AS b FROM plain UNION ALL "
     "SELECT bootstrap_agg(num, variant) FROM plain) q", "22023", "counts as none"),
    # anybody can call a transition or final function with any state
    ("SELECT bootstrap_mean_final(bootstrap_agg(num, variant)) FROM plain", "22023", "not a state of this aggregate"),
    ("SELECT bootstrap_ratio_final(bootstrap_agg(unit, num, variant)) FROM plain", "22023", "not a state of this aggregate"),
    ("SELECT bootstrap_quantile_final(bootstrap_agg(unit, num, variant)) FROM plain", "22023", "not a state of this aggregate"),
    ("SELECT bootstrap_accum(bootstrap_agg(unit, num, den, variant), 'u', 1, 'a') FROM plain", "22023", "not a state of this aggregate"),
    ("SELECT bootstrap_accum(bootstrap_agg(unit, num, variant), 1, 'a') FROM plain", "22023", "not a state of this aggregate"),
    ("SELECT bootstrap_accum(bootstrap_agg(num, variant), 'u', 1, 'a') FROM plain", "22023", "not a state of this aggregate"),
    ("SELECT ''::bootstrap", "22P02", "\\x"),
    ("SELECT '\\x'::bootstrap", "08P01", ""),
    ("SELECT '\\x0'::bootstrap", "22023", ""),
    ("SELECT '\\x02'::bootstrap", "22P03", "version"),
])
def test_bad_input(db, query, state, words):
    e = db.error(query)
    assert e.pgcode == state and words in str(e), str(e)


def test_hostile_states(db):
    """Mutations of good states, in binary: refused with an error of the right class, or usable."""
    rng = random.Random(14)
    fill(db, "few", skewed(20, 15))
    db.run("CREATE TEMP TABLE hostile (b bootstrap)")
    good = [bytes.fromhex(db.one("SELECT %s::text FROM few" % a)[2:]) for a in
            ("bootstrap_agg(unit, num, variant, 100, 5)", "bootstrap_agg(unit, num, den, variant, 101, -1)",
             "bootstrap_agg(unit, num, 'é', 100, 0)", "bootstrap_agg(num, variant, 100, 0)")]
    header = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!iih", 0, 0, 1)
    special = [struct.pack(f, v) for f, v in itertools.chain(
        (("!q", v) for v in (0, 1, -1, 2 ** 63 - 1, -2 ** 63, 2 ** 29, 2 ** 29 - 1, 2 ** 53)),
        (("!i", v) for v in (0, -1, 2 ** 31 - 1, -2 ** 31, 1000, 1001, 256, -35, 33)), (("!H", v) for v in (0, 99, 10000, 10001, 65535)))]
    accepted = 0
    for i in range(4000):
        data = bytearray(rng.choice(good))
        for _ in range(rng.choice([1, 1, 2])):
            # mostly where the lengths and counts are
            at = rng.randrange(len(data) if rng.random() < 0.4 else min(len(data), 60))
            kind = rng.randrange(5)
            if kind == 0:
                data = data[:at] or data[:1]
            elif kind == 1:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 2:
                piece = rng.choice(special)
                data[at:at + len(piece)] = piece
            elif kind == 3:
                data[at:at] = rng.randbytes(rng.choice([1, 4, 8]))
            else:
                del data[at:at + rng.choice([1, 4, 8])]
        try:
            db.copy_binary("hostile", header + struct.pack("!i", len(data)) + bytes(data) + b"\xff\xff")
            accepted += 1
        except psycopg2.Error as e:
            assert e.pgcode and (e.pgcode[:2] in ("22", "54") or e.pgcode == "08P01"), e
            assert not db.connection.closed
    assert 100 < accepted < 2000
    assert db.one("SELECT count(*) FROM hostile WHERE b::text <> b::text::bootstrap::text") == 0
    nan = db.one("SELECT count(*) FROM (SELECT (substr(b::text, 5, 2) = '00') AS is_values, b FROM hostile) h, LATERAL ("
                 "SELECT * FROM bootstrap_mean(CASE WHEN NOT is_values THEN b END, method => 'bca') UNION ALL "
                 "SELECT * FROM bootstrap_mean(CASE WHEN NOT is_values THEN b END, alternative => 'less') UNION ALL "
                 "SELECT * FROM bootstrap_quantile(CASE WHEN is_values THEN b END, p => 0.999)) c WHERE 'NaN' IN (estimate, estimate_control, diff, std_error, "
                 "statistic, p_value, diff_low, diff_high, lift, lift_low, lift_high)")
    assert nan == 0
    # each merges with itself, unless that is too many rows
    for (text,) in db.rows("SELECT b::text FROM hostile"):
        try:
            db.run("SELECT bootstrap_agg(b) FROM (VALUES (%s::bootstrap), (%s)) q (b)", text, text)
        except psycopg2.Error as e:
            assert e.pgcode == "54000" and "rows in variant" in str(e)
