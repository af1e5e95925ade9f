"""Analysis of variance against scipy, statsmodels and exact tails; NIST's certified values are in test_nist.py."""

import mpmath as mp
import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.oneway import anova_oneway


# --- random data -----------------------------------------------------------------------------------

def groups(seed, k, spread=1.0, location=0.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(location + rng.normal(0, 0.3), spread * rng.uniform(0.2, 3), rng.integers(3, 80))
            for _ in range(k)]


def ask(db, function, gs):
    db.run("DROP TABLE IF EXISTS anova_rows")
    db.run("CREATE TEMP TABLE anova_rows (g text, y float8)")
    db.copy_rows("anova_rows", [("g%03d" % i, float(y)) for i, ys in enumerate(gs) for y in ys])
    return db.one("SELECT (%s(moments_agg(y, g))).* FROM anova_rows" % function)


CASES = [(1, 2, 1.0, 0.0), (2, 3, 1.0, 0.0), (3, 5, 10.0, -3.0), (4, 20, 0.01, 5.0), (5, 300, 1.0, 1.0)]


@pytest.mark.parametrize("case", CASES)
def test_anova_is_scipys(db, case):
    gs = groups(*case)
    a = ask(db, "anova", gs)
    expected = scipy.stats.f_oneway(*gs)
    assert a.f == pytest.approx(expected.statistic, rel=1e-10)
    assert a.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (a.k, a.n, a.method) == (len(gs), sum(map(len, gs)), "anova")
    assert (a.df1, a.df2) == (a.k - 1, a.n - a.k)


@pytest.mark.parametrize("case", CASES)
def test_welch_anova_is_statsmodels(db, case):
    gs = groups(*case)
    a = ask(db, "welch_anova", gs)
    expected = anova_oneway(gs, use_var="unequal", welch_correction=True)
    assert a.f == pytest.approx(expected.statistic, rel=1e-10)
    assert a.df1 == expected.df_num and a.df2 == pytest.approx(expected.df_denom, rel=1e-10)
    assert a.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (a.k, a.n, a.method) == (len(gs), sum(map(len, gs)), "welch_anova")


def test_far_tail(db):
    gs = [np.arange(1000) % 7 + 1.6 * i for i in range(3)]
    for function in ("anova", "welch_anova"):
        a = ask(db, function, gs)
        with mp.workdps(40):
            exact = mp.betainc(mp.mpf(a.df2) / 2, mp.mpf(a.df1) / 2, 0, a.df2 / (a.df2 + a.df1 * mp.mpf(a.f)),
                               regularized=True)
            assert mp.mpf(10) ** -300 < exact < mp.mpf(10) ** -100
            assert abs(a.p_value / exact - 1) < 1e-11


def test_shift_and_scale(db):
    gs = groups(7, 4)
    for function in ("anova", "welch_anova"):
        plain = ask(db, function, gs)
        moved = ask(db, function, [np.round(g, 3) for g in gs])
        shifted = ask(db, function, [np.round(g, 3) + 1e6 for g in gs])
        scaled = ask(db, function, [g * 2.0 ** -300 for g in gs])
        assert shifted.f == pytest.approx(moved.f, rel=1e-6) and plain.f != moved.f
        assert scaled.f == pytest.approx(plain.f, rel=1e-12)
        assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-10)


def test_merged_and_reordered(db):
    """From states of parts, and under other labels, that is, in another order of the variants."""
    ask(db, "anova", groups(8, 6))
    for function in ("anova", "welch_anova"):
        whole, merged, renamed = (db.one(sql % function) for sql in (
            "SELECT (%s(moments_agg(y, g))).* FROM anova_rows",
            "SELECT (%s(moments_agg(m))).* FROM (SELECT moments_agg(y, g) AS m FROM anova_rows GROUP BY y > 0) s",
            "SELECT (%s(moments_agg(y, reverse(g)))).* FROM anova_rows"))
        for other in (merged, renamed):
            assert other.k == whole.k and other.n == whole.n
            assert other.f == pytest.approx(whole.f, rel=1e-11)
            assert other.df2 == pytest.approx(whole.df2, rel=1e-11)


def test_size_under_unequal_variances(db):
    """5 % of the tests are significant when nothing differs but the variances; plain anova errs more often."""
    db.run("SELECT setseed(0.5)")
    row = db.one("""
        WITH r AS MATERIALIZED (
            SELECT t, g, (random() + random() + random() + random() - 2) * (ARRAY[1, 1, 8])[g] AS y
            FROM generate_series(1, 2000) t, generate_series(1, 3) g, generate_series(1, (ARRAY[40, 40, 10])[g])),
        a AS (SELECT (welch_anova(m)).p_value AS welch, (anova(m)).p_value AS plain
              FROM (SELECT moments_agg(y, g::text) AS m FROM r GROUP BY t) s)
        SELECT avg((welch < 0.05)::int)::float8 AS welch, avg((plain < 0.05)::int)::float8 AS plain FROM a""")
    # three standard errors of a share of 5 % in 2000 are 0.0146
    assert 0.035 < row.welch < 0.065 and row.plain > 0.15
