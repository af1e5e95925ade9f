"""winsorize, winsor_bounds and trimmed_t, against numpy and scipy."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import mstats


def close(a, b, rel=1e-10):
    return a == b or (a is not None and abs(a - b) <= rel * max(abs(a), abs(b)))


def load(db, **samples):
    db.run("DROP TABLE IF EXISTS o")
    db.run("CREATE TEMP TABLE o (y float8, v text)")
    rows = [(float(y), v) for v, ys in samples.items() for y in ys]
    db.copy_rows("o", [rows[i] for i in np.random.default_rng(0).permutation(len(rows))])


def cases():
    rng = np.random.default_rng(11)
    for n, m in [(3, 4), (10, 7), (99, 250), (2000, 1500)]:
        yield rng.lognormal(1, 2, n), rng.lognormal(1.1, 1.5, m)
        yield rng.standard_t(2, n), rng.standard_t(2, m) + 0.1
        yield 1e9 + rng.normal(0, 1, n), 1e9 + rng.normal(0.1, 1, m)
        yield rng.poisson(3, n).astype(float), rng.poisson(4, m).astype(float)


@pytest.mark.filterwarnings("ignore:Precision loss")      # samples of equal counts, which have no test
@pytest.mark.parametrize("trim", [0, 0.05, 0.1, 0.2, 0.29, 0.3, 0.45])
def test_yuen_against_scipy(db, trim):
    seen = 0
    for control, treatment in cases():
        load(db, control=control, treatment=treatment)
        r = db.one("SELECT (trimmed_t(y, v, %s)).* FROM o", trim)
        # A common offset is taken off for scipy: it loses digits to it, exactly representable here.
        offset = 1e9 if control.mean() > 1e8 else 0.0
        t, c = treatment - offset, control - offset
        assert (r.n, r.n_control, r.method) == (len(t), len(c), "trimmed_t")
        assert close(r.diff, stats.trim_mean(t, trim) - stats.trim_mean(c, trim), 1e-9)
        if min(len(x) - 2 * math.floor(trim * len(x)) for x in (t, c)) < 2:
            assert r.p_value is None
            continue
        expected = stats.ttest_ind(t, c, equal_var=False, trim=trim)
        if math.isnan(expected.pvalue) or math.isinf(expected.statistic):
            assert r.p_value is None
            continue
        seen += 1
        assert close(r.statistic, expected.statistic, 1e-9), (len(t), len(c), r, expected)
        assert close(r.p_value, expected.pvalue, 1e-9)
    assert seen >= 7


def test_no_trimming_is_welch(db):
    for control, treatment in cases():
        load(db, a=control, b=treatment)
        trimmed = db.one("SELECT (trimmed_t(y, v, 0)).* FROM o")
        welch = db.one("SELECT (welch_t(y, v)).* FROM o")
        for a, b in zip(trimmed[:-1], welch[:-1]):
            assert a == b if isinstance(a, str) else close(a, b, 1e-9), (trimmed, welch)


def test_trimmed_control_and_thin(db):
    load(db, a=[1.0, 2, 3, 90], b=[3.0, 4, 5, 6], c=[7.0])
    straight = db.one("SELECT (trimmed_t(y, v, 0.25)).* FROM o WHERE v <> 'c'")
    swapped = db.one("SELECT (trimmed_t(y, v, 0.25, 'b')).* FROM o WHERE v <> 'c'")
    assert (straight.estimate, straight.estimate_control) == (4.5, 2.5)
    assert (swapped.variant, swapped.control, swapped.diff) == ("a", "b", -straight.diff)
    assert db.one("SELECT (trimmed_t(y, v, 0.1)).* FROM o WHERE false")[:5] == (None, None, 0, 0, None)
    single = db.one("SELECT (trimmed_t(y, v, 0.1)).* FROM o WHERE v <> 'b'")
    assert (single.variant, single.n, single.estimate, single.p_value) == ("c", 1, 7, None)
    none = db.one("SELECT (trimmed_t(y, v, 0.1, 'x')).* FROM o WHERE v = 'a'")
    assert (none.variant, none.control, none.n_control, none.diff) == ("a", "x", 0, None)


@pytest.mark.parametrize("lower, upper", [(0, 1), (0.01, 0.99), (0.5, 0.5), (None, 0.95), (0.05, None), (None, None)])
def test_bounds(db, lower, upper):
    rng = np.random.default_rng(1)
    values = rng.lognormal(0, 2, 777)
    load(db, control=values[:300], treatment=values[300:])
    r = db.one("SELECT (winsor_bounds(%s, %s) WITHIN GROUP (ORDER BY y)).* FROM o", lower, upper)
    sql = [None if p is None else db.one("SELECT percentile_cont(%s) WITHIN GROUP (ORDER BY y) FROM o", p)
           for p in (lower, upper)]
    assert r == (sql[0], sql[1], 777)
    for bound, p in zip(r, (lower, upper)):
        assert p is None or close(bound, np.quantile(values, p))


@pytest.mark.parametrize("values", [[7.0], [1.0, 2], [1.0, 5, 5, 9], [-1.7e308, 1.7e308]])
def test_bounds_close_together(db, values):
    """Neighbouring percentiles share the values they lie between."""
    load(db, a=values)
    for lower, upper in [(0.5, 0.5), (0.5, 0.5001), (0.3, 0.4), (0, 0), (1, 1), (0.99, 1)]:
        r = db.one("SELECT (winsor_bounds(%s, %s) WITHIN GROUP (ORDER BY y)).* FROM o", lower, upper)
        x = np.array(values) / 4
        expected = [4 * np.quantile(x, p) for p in (lower, upper)]
        assert all(close(a, b, 1e-12) for a, b in zip(r, expected)), (r, expected)


def test_recipe_is_scipys_winsorising(db):
    """Bounds from all arms together, then any test: the recipe of docs/outliers.md."""
    rng = np.random.default_rng(2)
    control, treatment = rng.lognormal(0, 2, 400), rng.lognormal(0.1, 2, 401)
    load(db, control=control, treatment=treatment)
    r = db.one("SELECT (welch_t(winsorize(y, (b).low, (b).high), v)).* FROM o, "
               "(SELECT winsor_bounds(0.05, 0.95) WITHIN GROUP (ORDER BY y) AS b FROM o) s")
    both = np.sort(np.concatenate([control, treatment]))
    # 801 values: the 5th percentile is the 41st value, so that scipy's winsorising replaces 40 on either side
    everything = np.asarray(mstats.winsorize(np.concatenate([control, treatment]), limits=(40 / 801, 40 / 801)))
    assert everything.min() == both[40] and everything.max() == both[760]
    expected = stats.ttest_ind(everything[400:], everything[:400], equal_var=False)
    assert close(r.statistic, expected.statistic) and close(r.p_value, expected.pvalue)


def test_bounds_of_nonzero_units(db):
    load(db, a=[0] * 50 + [1, 2, 3], b=[0] * 50 + [4, 5])
    r = db.one("SELECT (winsor_bounds(NULL, 0.75) WITHIN GROUP (ORDER BY y) FILTER (WHERE y <> 0)).* FROM o")
    assert r == (None, 4, 5)
    assert db.one("SELECT (winsor_bounds(0.1, 0.9) WITHIN GROUP (ORDER BY y)).* FROM o WHERE false") == (None, None, 0)


def test_winsorize(db):
    rows = db.rows("SELECT winsorize(y, 2, 5), winsorize(y, NULL, 5), winsorize(y, 2, NULL), winsorize(y, NULL, NULL), "
                   "winsorize(y, '-inf', 3), winsorize(y, 4, 4) "
                   "FROM unnest('{-1,2,3.5,5,9,NULL}'::float8[]) y")
    assert rows == [(2, -1, 2, -1, -1, 4), (2, 2, 2, 2, 2, 4), (3.5, 3.5, 3.5, 3.5, 3, 4), (5, 5, 5, 5, 3, 4),
                    (5, 5, 9, 9, 3, 4), (None,) * 6]


@pytest.mark.parametrize("sql, code, message", [
    ("winsorize(1, 3, 2)", "22023", "3 is above 2"),
    ("winsorize(1, 'NaN', 2)", "22023", "low must not be NaN"),
    ("winsorize(1, 0, 'NaN')", "22023", "high must not be NaN"),
    ("winsorize('NaN', 0, 1)", "22003", "NaN"),
    ("winsorize('inf', 0, 1)", "22003", "Infinity"),
    ("winsor_bounds(1, 99) WITHIN GROUP (ORDER BY y)", "22023", "not 99"),
    ("winsor_bounds(-0.1, 1) WITHIN GROUP (ORDER BY y)", "22023", "not -0.1"),
    ("winsor_bounds('NaN', 1) WITHIN GROUP (ORDER BY y)", "22023", "lower"),
    ("winsor_bounds(0.9, 0.1) WITHIN GROUP (ORDER BY y)", "22023", "0.9 is above 0.1"),
    ("winsor_bounds(0, 1) WITHIN GROUP (ORDER BY 'inf'::float8)", "22003", "Infinity"),
    ("trimmed_t(y, v, 0.5)", "22023", "not 0.5"),
    ("trimmed_t(y, v, -0.1)", "22023", "not -0.1"),
    ("trimmed_t(y, v, 20)", "22023", "not 20"),
    ("trimmed_t(y, v, NULL)", "22004", "trim"),
    ("trimmed_t(y, v, y / 100)", "22023", "changes from row to row"),
    ("trimmed_t('NaN'::float8, v, 0.1)", "22003", "NaN"),
    ("trimmed_t(y * 1e200, v, 0.1)", "22003", "out of range"),
    ("trimmed_t(CASE WHEN y > 2 THEN -1.7e308 ELSE 1.7e308 END, v, 0)", "22003", "out of range"),
])
def test_errors(db, sql, code, message):
    load(db, a=[1.0, 2, 3, 4], b=[2.0, 3, 4, 5])
    error = db.error("SELECT %s FROM o" % sql)
    assert error.pgcode == code, error
    assert message in error.diag.message_primary
