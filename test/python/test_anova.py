"""Analysis of variance against NIST's certified values, exact arithmetic, scipy and statsmodels.

As in test_nist.py, a certified value belongs to the decimal data, while the server sees float8: in SmLs07 to
SmLs09 (1000000000000.4 and the like) that rounding alone leaves three digits of F. So every set is held to 11
digits of the exact answer for the rounded data, and to the certified value as far as the rounding allows.
"""

import csv
import gzip
import json
import math
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.oneway import anova_oneway

NIST = Path(__file__).resolve().parent.parent / "data" / "nist"
CERTIFIED = json.loads((NIST / "certified.json").read_text())["anova"]


def digits(got, exact):
    error = abs((got - exact) / exact)
    return min(17.0, -math.log10(error)) if error else 17.0


def read(name):
    plain = NIST / (name + ".csv")
    opener = open if plain.exists() else gzip.open
    with opener(plain if plain.exists() else NIST / (name + ".csv.gz"), "rt", newline="") as f:
        return [(row["treatment"], row["response"]) for row in csv.DictReader(f)]


def exact_anova(rows):
    """F and both sums of squares, of (group, Fraction) in rational arithmetic."""
    groups = {}
    for group, y in rows:
        groups.setdefault(group, []).append(y)
    n, k = len(rows), len(groups)
    mean = sum(y for _, y in rows) / n
    between = within = Fraction(0)
    for ys in groups.values():
        own = sum(ys) / len(ys)
        between += len(ys) * (own - mean) ** 2
        within += sum(y * y for y in ys) - len(ys) * own * own
    return between / (k - 1) / (within / (n - k)), between, within


@pytest.mark.parametrize("name", sorted(CERTIFIED))
def test_nist(db, name):
    rows = read(name)
    certified = CERTIFIED[name]
    assert len(rows) == certified["n"]
    db.run("CREATE TEMP TABLE nist_anova (treatment text, y float8)")
    db.copy_rows("nist_anova", rows)
    a = db.one("SELECT (anova(moments_agg(y, treatment))).* FROM nist_anova")
    db.run("DROP TABLE nist_anova")
    f, between, within = exact_anova([(t, Fraction(float(y))) for t, y in rows])

    assert (a.k, a.n) == (certified["groups"], certified["n"])
    assert (a.df1, a.df2) == (certified["df_between"], certified["df_within"])
    for got, exact in [(a.f, f), (a.ss_between, between), (a.ss_within, within)]:
        assert digits(got, float(exact)) >= 11, (name, got, float(exact))
    assert digits(a.eta_squared, float(between / (between + within))) >= 11
    # what the rounding of the data leaves of the certified value, and how much of that we have
    limit = digits(float(f), float(certified["F"]))
    found = digits(a.f, float(certified["F"]))
    assert found >= min(limit, 11) - 0.01, (name, found, limit)
    assert limit > (11 if name in ("SiRstv", "SmLs01", "SmLs02", "SmLs03") else 2)


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
