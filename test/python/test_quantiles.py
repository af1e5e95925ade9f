"""quantile_compare against numpy and a second implementation of the outer interval, post-adjusted.

The second implementation follows Deng, Knoblich and Lu (2018), section 4, with arrays in memory and a covariance
matrix per unit, where the extension streams.
"""

import math

import numpy as np
import pytest
from scipy import stats

Z = stats.norm.isf(0.025)
COMPARISON = ("variant control n n_control estimate estimate_control diff std_error statistic df p_value "
              "diff_low diff_high lift lift_low lift_high alpha method").split()


def close(a, b, rel=1e-10):
    return a == b or (a is not None and b is not None and abs(a - b) <= rel * max(abs(a), abs(b)))


def quantile(values, p):
    """Estimate and outer interval of independent values."""
    x, n = np.sort(values), len(values)
    w = Z * math.sqrt(n * p * (1 - p))
    low, high = math.floor(n * p - w), math.floor(n * p + w) + 1
    error = (x[high - 1] - x[low - 1]) / (2 * Z) if low >= 1 and high <= n else None
    return np.quantile(x, p), error


def clustered(values, units, p):
    estimate, error = quantile(values, p)
    values, units = np.asarray(values), np.asarray(units)
    names = np.unique(units)
    counts = np.array([[(values[units == u] <= estimate).sum(), (units == u).sum()] for u in names], float)
    mean, cov, k = counts.mean(axis=0), np.cov(counts.T), len(names)
    ratio = mean[0] / mean[1]
    variance = (cov[0, 0] - 2 * ratio * cov[0, 1] + ratio ** 2 * cov[1, 1]) / mean[1] ** 2 / k
    return estimate, None if error is None else error * math.sqrt(variance / (p * (1 - p) / len(values)))


def expected(t, c):
    """The columns that follow from the two estimates."""
    (mt, et), (mc, ec) = t, c
    row = dict(estimate=mt, estimate_control=mc, diff=mt - mc, lift=(mt - mc) / abs(mc) if mc else None)
    if et is None or ec is None or et == ec == 0:
        return dict(row, std_error=row.get("none"), p_value=None, diff_low=None, lift_low=None)
    error = math.hypot(et, ec)
    lift_error = math.sqrt(et ** 2 + (mt / mc) ** 2 * ec ** 2) / abs(mc) if mc else None
    return dict(row, std_error=error, statistic=row["diff"] / error, df=None,
                p_value=2 * stats.norm.sf(abs(row["diff"]) / error),
                diff_low=row["diff"] - Z * error, diff_high=row["diff"] + Z * error,
                lift_low=row["lift"] - Z * lift_error if mc else None,
                lift_high=row["lift"] + Z * lift_error if mc else None)


def check(row, t, c, **others):
    for column, value in dict(expected(t, c), **others).items():
        got = getattr(row, column)
        assert close(got, value, 1e-9) if isinstance(value, float) else got == value, (column, got, value)


def load(db, rows):
    db.run("DROP TABLE IF EXISTS q")
    db.run("CREATE TEMP TABLE q (y float8, v text, u text)")
    db.copy_rows("q", rows)


def page_loads(seed, units):
    """Values of units of different size and speed: far from independent."""
    rng = np.random.default_rng(seed)
    rows = []
    for v, shift in (("control", 1.0), ("t", 1.1)):
        for i in range(units):
            speed = rng.normal(0, 0.8)
            rows += [(float(shift * np.exp(speed + rng.normal(0, 0.5))), v, "u%d" % i)
                     for _ in range(1 + rng.geometric(0.2))]
    rng.shuffle(rows := np.array(rows, dtype=object))
    return [tuple(r) for r in rows]


def arm(rows, v):
    return [r[0] for r in rows if r[1] == v], [r[2] for r in rows if r[1] == v]


PS = [0.5, 0.9, 0.1, 0.95, 0.25, 0.5]


def test_independent_values(db):
    rows = page_loads(1, 150)
    load(db, rows)
    got = db.rows("SELECT c.* FROM (SELECT quantile_compare(%s::float8[]) WITHIN GROUP (ORDER BY y, v) AS a FROM q) s, "
                  "unnest(a) WITH ORDINALITY c ORDER BY ordinality", PS)
    assert len(got) == len(PS) and tuple(COMPARISON) == got[0]._fields[:18]
    for p, row in zip(PS, got):
        (t, _), (c, _) = arm(rows, "t"), arm(rows, "control")
        check(row, quantile(t, p), quantile(c, p), n=len(t), n_control=len(c), method="quantile_compare, %g" % p)


def test_clustered_values(db):
    rows = page_loads(2, 120)
    load(db, rows)
    got = db.rows("SELECT c.* FROM (SELECT quantile_compare(%s::float8[], 'control') WITHIN GROUP (ORDER BY y, v, u) "
                  "AS a FROM q) s, unnest(a) WITH ORDINALITY c ORDER BY ordinality", PS)
    wider = 0
    for p, row in zip(PS, got):
        t, c = clustered(*arm(rows, "t"), p), clustered(*arm(rows, "control"), p)
        check(row, t, c, n=120, n_control=120, method="quantile_compare, %g, clustered" % p)
        wider += row.std_error > 1.3 * math.hypot(quantile(arm(rows, "t")[0], p)[1],
                                                  quantile(arm(rows, "control")[0], p)[1])
    assert wider >= 4       # the clusters matter in these data


def test_units_of_one_value_are_independent_values(db):
    """Then the adjustment is that of n - 1 for n, and F for p."""
    rows = [(y, v, "u%d" % i) for i, (y, v, _) in enumerate(page_loads(3, 300))]
    load(db, rows)
    plain = db.one("SELECT (quantile_compare(y, v, 0.5)).* FROM q")
    by_unit = db.one("SELECT (quantile_compare(0.5) WITHIN GROUP (ORDER BY y, v, u)).* FROM q")
    assert by_unit.n == plain.n and close(by_unit.std_error, plain.std_error, 2e-3)


def test_all_forms_agree(db):
    load(db, page_loads(4, 100))
    first = db.one("SELECT quantile_compare(0.9) WITHIN GROUP (ORDER BY y, v) FROM q")
    for call in ("quantile_compare(y, v, 0.9)", "quantile_compare(0.9, NULL) WITHIN GROUP (ORDER BY y DESC, v)",
                 "(quantile_compare(y, v, ARRAY[0.9, 0.1]))[1]",
                 "(quantile_compare(ARRAY[0.1, 0.9], 'control') WITHIN GROUP (ORDER BY y, v))[2]"):
        assert db.one("SELECT %s FROM q" % call) == first, call
    units = db.one("SELECT quantile_compare(0.9) WITHIN GROUP (ORDER BY y, v, u) FROM q")
    assert units != first
    for call in ("quantile_compare(0.9, 'control') WITHIN GROUP (ORDER BY y, v, u)",
                 "(quantile_compare(ARRAY[0.1, 0.9], NULL) WITHIN GROUP (ORDER BY y, v, u))[2]"):
        assert db.one("SELECT %s FROM q" % call) == units, call
    swapped = db.one("SELECT (quantile_compare(0.9, 't') WITHIN GROUP (ORDER BY y, v, u)).* FROM q")
    straight = db.one("SELECT (quantile_compare(0.9) WITHIN GROUP (ORDER BY y, v, u)).* FROM q")
    assert (swapped.variant, swapped.diff, swapped.diff_low) == ("control", -straight.diff, -straight.diff_high)
    assert (swapped.p_value, swapped.std_error) == (straight.p_value, straight.std_error)


def test_estimate_is_percentile_cont(db):
    rng = np.random.default_rng(5)
    for n in (1, 2, 3, 10, 101):
        load(db, [(float(y), "control" if i % 2 else "t", "u") for i, y in enumerate(rng.normal(0, 1e3, 2 * n))])
        for p in (0.001, 0.3, 0.5, 2 / 3, 0.999):
            got = db.one("SELECT (quantile_compare(y, v, %s)).* FROM q", p)
            sql = [db.one("SELECT percentile_cont(%s) WITHIN GROUP (ORDER BY y) FROM q WHERE v = %s", p, v)
                   for v in ("t", "control")]
            assert [got.estimate, got.estimate_control] == sql


def test_thin_segments(db):
    load(db, page_loads(6, 3) + [(1.0, "x", "u")])
    none = "(variant, control, n, n_control, estimate, diff, p_value, method)"
    assert db.one("SELECT (q.c).* FROM (SELECT quantile_compare(y, v, 0.5) AS c FROM q WHERE false) q")[:5] == \
        (None, None, 0, 0, None), none
    assert db.one("SELECT quantile_compare(y, v, '{0.5}'::float8[]) FROM q WHERE false") is None
    empty = db.rows("SELECT c.* FROM (SELECT quantile_compare('{0.5,0.9}'::float8[], 'a') WITHIN GROUP (ORDER BY y, v) AS a "
                    "FROM q WHERE false) s, unnest(a) c")
    assert [r[:5] for r in empty] == 2 * [(None, "a", 0, 0, None)]
    alone = db.one("SELECT (quantile_compare(y, v, 0.5)).* FROM q WHERE v = 't'")
    assert (alone.variant, alone.control, alone.n, alone.p_value) == (None, "t", 0, None)
    assert alone.estimate_control is not None
    few = db.one("SELECT (quantile_compare(y, v, 0.99)).* FROM q WHERE v <> 'x'")      # no rank high enough
    assert few.estimate is not None and few.diff is not None and few.std_error is None and few.p_value is None
    same = db.one("SELECT (quantile_compare(5, v, 0.5)).* FROM q WHERE v <> 'x'")
    assert (same.estimate, same.diff, same.std_error, same.p_value) == (5, 0, 0, None) or same.std_error is None
    one_unit = db.one("SELECT (quantile_compare(0.5) WITHIN GROUP (ORDER BY y, v, 'u'::text)).* FROM q WHERE v <> 'x'")
    assert (one_unit.n, one_unit.n_control, one_unit.std_error) == (1, 1, None)


def test_actors_only(db):
    """A NULL value, metric or unit, is no observation."""
    rows = page_loads(7, 40)
    load(db, rows)
    for form in ("ORDER BY y, v", "ORDER BY y, v, u"):
        query = "SELECT quantile_compare(0.5) WITHIN GROUP (%s) FROM q" % form
        alone = db.one(query)
        db.run("INSERT INTO q VALUES (NULL, 't', 'idle'), (NULL, 'control', 'idle'), (3, NULL, 'u1')")
        assert db.one(query) == alone
    db.run("INSERT INTO q VALUES (1e6, 't', NULL)")
    assert db.one(query) == alone


@pytest.mark.parametrize("call, code, message", [
    ("quantile_compare(y, v, 0)", "22023", "not 0"),
    ("quantile_compare(y, v, 1)", "22023", "not 1"),
    ("quantile_compare(y, v, 95)", "22023", "not 95"),
    ("quantile_compare(y, v, 'NaN'::float8)", "22023", "nan"),
    ("quantile_compare(y, v, NULL::float8)", "22004", "p must not be null"),
    ("quantile_compare(NULL::float8) WITHIN GROUP (ORDER BY y, v)", "22004", "p must not be null"),
    ("quantile_compare('{0.5,NULL}'::float8[]) WITHIN GROUP (ORDER BY y, v)", "22004", "p must not contain nulls"),
    ("quantile_compare('{}'::float8[]) WITHIN GROUP (ORDER BY y, v)", "22023", "at least one"),
    ("quantile_compare('{{0.5}}'::float8[]) WITHIN GROUP (ORDER BY y, v)", "22023", "one-dimensional"),
    ("quantile_compare(array_fill(0.5::float8, '{1001}')) WITHIN GROUP (ORDER BY y, v)", "22023", "1000"),
    ("quantile_compare('{0.5,1.5}'::float8[]) WITHIN GROUP (ORDER BY y, v, u)", "22023", "not 1.5"),
    ("quantile_compare(y, v, y / 100)", "22023", "changes from row to row"),
    ("quantile_compare(0.5) WITHIN GROUP (ORDER BY 'NaN'::float8, v, u)", "22003", "NaN"),
    ("quantile_compare(0.5) WITHIN GROUP (ORDER BY y, u)", "22023", "is a third"),
    ("quantile_compare(0.5) WITHIN GROUP (ORDER BY y, u, v)", "22023", "is a third"),
    ("quantile_compare(y * 1e200, v, 0.5)", "22003", "out of range"),
    ("quantile_compare(y, v, 0.5, 'control')", "42809", "WITHIN GROUP is required"),
])
def test_errors(db, call, code, message):
    load(db, page_loads(8, 30))
    error = db.error("SELECT %s FROM q" % call)
    assert error.pgcode == code, error
    assert message.lower() in error.diag.message_primary.lower()
    assert db.one("SELECT 1") == 1
