"""Planning: the noncentral t against another formula in 60 digits, the SQL functions against
statsmodels, and the laws between them: power, sample size and effect are each other's inverses.
"""

import ctypes
import functools
import itertools
import math
import operator
import pathlib
import subprocess

import mpmath as mp
import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats import power as sm
from statsmodels.stats import proportion as smp

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"
# ours, statsmodels'
ALTERNATIVES = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


def close(a, b, tolerance):
    assert math.isclose(a, b, rel_tol=tolerance), (a, b, a / b - 1)


# ---- the noncentral t distribution ----

@pytest.fixture(scope="module")
def errors():
    return []


@pytest.fixture(scope="module")
def library(tmp_path_factory, errors):
    path = tmp_path_factory.mktemp("noncentral") / "noncentral.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror",
                    "-o", path, SRC / "noncentral.c", SRC / "stats.c", "-lgsl", "-lgslcblas", "-lm"], check=True)
    lib = ctypes.CDLL(str(path))
    for function in (lib.noncentral_t_sf, lib.noncentral_t_cdf):
        function.restype = ctypes.c_double
        function.argtypes = [ctypes.c_double] * 3
    lib.on_error = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int)(
        lambda reason, code: errors.append(code))
    lib.stats_init(lib.on_error)
    return lib


def nct_cdf(t, df, ncp):
    """Lenth (1989, AS 243): a Poisson mixture of incomplete beta functions, which go from one term to
    the next by I_y(a + 1, b) = I_y(a, b) - y^a (1 - y)^b / (a B(a, b)). For t >= 0; nothing in common
    with the integral that the extension computes. The digits that it loses are there: 420 of them."""
    with mp.workdps(420):
        t, df, ncp = mp.mpf(t), mp.mpf(df), mp.mpf(ncp)
        y, b, half = t * t / (t * t + df), df / 2, ncp * ncp / 2
        beta = [mp.betainc(mp.mpf(1) / 2, b, 0, y, regularized=True), 1 - (1 - y) ** b]
        step = [y ** (a0 := mp.mpf(1) / 2) * (1 - y) ** b / (a0 * mp.beta(a0, b)), y * (1 - y) ** b * b]
        weight = [mp.exp(-half), ncp * mp.exp(-half) / (mp.sqrt(2) * mp.gamma(mp.mpf(3) / 2))]
        total, j = mp.mpf(0), 0
        while True:
            term = weight[0] * beta[0] + weight[1] * beta[1]
            total += term
            if j > half and abs(term) < mp.mpf(10) ** -400:
                return mp.ncdf(-ncp) + total / 2
            for i, a in enumerate((j + mp.mpf(1) / 2, mp.mpf(j + 1))):
                beta[i] -= step[i]
                step[i] *= y * (a + b) / (a + 1)
                weight[i] *= half / (j + (1 if i == 0 else mp.mpf(3) / 2))
            j += 1


def check_tails(library, t, df, ncp):
    upper = library.noncentral_t_sf(t, df, ncp), library.noncentral_t_cdf(t, df, ncp)
    lower = nct_cdf(t, df, ncp)
    with mp.workdps(420):
        for value, reference in zip(upper, (1 - lower, lower)):
            if reference > 1e-290:
                assert abs(value / reference - 1) < 1e-11, (t, df, ncp, value, mp.nstr(reference, 17))


# critical values, far tails on both sides, large and negative noncentralities
POINTS = [(0, 0.3), (0.5, 0), (1.96, 2.8), (1.96, -2.8), (2.2, 6), (2, -12), (10, 12), (12.7, 3), (30, 28), (4, 20)]


@pytest.mark.parametrize("df", [0.5, 1, 2, 3.7, 10, 30.5, 198, 1e4])
def test_noncentral_t(library, errors, df):
    for t, ncp in POINTS:
        check_tails(library, t, df, ncp)
    assert errors == []


def test_noncentral_t_is_t_without_ncp(library):
    for t, df in itertools.product((0.1, 2, 15, 40), (1.5, 12, 500, 1e6)):
        close(library.noncentral_t_sf(t, df, 0), stats.t.sf(t, df), 1e-9 if df > 1e5 else 1e-11)


def test_noncentral_t_of_many_degrees_is_normal(library):
    for t, ncp in ((1.96, 2.8), (1.96, -3), (8, 2), (2, 9), (-1, -4)):
        for df in (1e13, 1e16, math.inf):
            close(library.noncentral_t_sf(t, df, ncp), stats.norm.sf(t - ncp), 1e-10)
            close(library.noncentral_t_cdf(t, df, ncp), stats.norm.cdf(t - ncp), 1e-10)


def test_noncentral_t_reflects(library):
    for t, df, ncp in ((-2, 10, 1), (-0.5, 3, -2), (2, 40, 5)):
        close(library.noncentral_t_sf(t, df, ncp), library.noncentral_t_cdf(-t, df, -ncp), 1e-15)
        close(library.noncentral_t_sf(t, df, ncp) + library.noncentral_t_cdf(t, df, ncp), 1, 1e-13)


def test_noncentral_t_ends_and_errors(library, errors):
    assert library.noncentral_t_sf(math.inf, 5, 1) == 0 and library.noncentral_t_sf(-math.inf, 5, 1) == 1
    assert library.noncentral_t_sf(2, 5, -1e6) == 0 and library.noncentral_t_sf(2, 5, 1e6) > 1 - 1e-13
    assert errors == []
    for arguments in ((1, 0, 1), (1, -1, 1), (1, math.nan, 1), (math.nan, 5, 1), (1, 5, math.nan), (1, 5, math.inf)):
        assert math.isnan(library.noncentral_t_sf(*arguments))
        assert errors == [1]    # GSL_EDOM
        errors.clear()


# ---- means ----

def call(db, function, **arguments):
    """The row of a function, its arguments by name."""
    names = ", ".join("%s => %%s" % name for name in arguments)
    return db.one("SELECT * FROM %s(%s)" % (function, names), *arguments.values())


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("ratio", [1, 0.5, 3])
def test_means_against_statsmodels(db, alternative, ratio):
    sign = -1 if alternative == "less" else 1
    for effect, power, alpha in itertools.product((0.02, 0.3, 1.1), (0.5, 0.8, 0.95), (0.05, 0.01)):
        plan = call(db, "sample_size_mean", effect=sign * effect * 7, sd=7, power=power, alpha=alpha, ratio=ratio,
                    alternative=alternative)
        arguments = dict(effect_size=sign * effect, alpha=alpha, ratio=ratio, alternative=ALTERNATIVES[alternative])
        reference = sm.tt_ind_solve_power(power=power, **arguments)
        n = plan.n_control_exact
        close(n, reference, 1e-6)
        # statsmodels' root is good to seven digits, its power to more
        close(sm.TTestIndPower().power(nobs1=n, **arguments), power, 1e-9)
        assert plan.n_control == math.ceil(n) and plan.n == math.ceil(n * ratio)
        assert plan.n_total == plan.n + plan.n_control and plan.effect == sign * effect * 7


def welch_power(n, ratio, effect, sd, sd_treatment, alpha, alternative):
    """Welch's degrees of freedom, the noncentral t of 420 digits."""
    m, c, t = n * ratio, sd ** 2 / n, sd_treatment ** 2 / (n * ratio)
    df = (c + t) ** 2 / (c ** 2 / (n - 1) + t ** 2 / (m - 1))
    ncp = effect / math.sqrt(c + t)
    if alternative == "less":
        ncp = -ncp
    tail = alpha / 2 if alternative == "two-sided" else alpha
    # scipy's quantile has nine digits
    q = mp.findroot(lambda t: mp.betainc(mp.mpf(df) / 2, 0.5, 0, df / (df + t * t), regularized=True) / 2 - tail,
                    stats.t.isf(tail, df))
    power = 1 - nct_cdf(q, df, ncp)
    return float(power + 1 - nct_cdf(q, df, -ncp) if alternative == "two-sided" else power)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_unequal_variances(db, alternative):
    sign = -1 if alternative == "less" else 1
    for n, ratio, effect, sd, sd_treatment in ((20, 1, 0.8, 1, 2), (12.5, 4, 3, 2, 5), (400, 0.25, 0.2, 1, 1.3)):
        got = call(db, "power_mean", n_control=n, effect=sign * effect, sd=sd, sd_treatment=sd_treatment, ratio=ratio,
                   alternative=alternative)
        close(got.power, welch_power(n, ratio, sign * effect, sd, sd_treatment, 0.05, alternative), 1e-10)


def test_power_is_how_often_welch_t_finds_it(db):
    rng = np.random.default_rng(20240501)
    runs, n, m = 40000, 15, 45
    found = stats.ttest_ind(rng.normal(1.2, 2.5, (m, runs)), rng.normal(0, 1, (n, runs)), equal_var=False).pvalue < 0.05
    power = call(db, "power_mean", n_control=n, effect=1.2, sd=1, sd_treatment=2.5, ratio=m / n).power
    assert abs(found.mean() - power) < 4 * math.sqrt(power * (1 - power) / runs)


# ---- proportions ----

def proportion_power(n, p, effect, ratio, alpha, alternative):
    return smp.power_proportions_2indep(-effect, p + effect, n, ratio=ratio, alpha=alpha, return_results=False,
                                        alternative={"greater": "smaller", "less": "larger"}.get(alternative, alternative))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("ratio", [1, 0.5, 3])
def test_proportions_against_statsmodels(db, alternative, ratio):
    # in statsmodels' difference the control is the first sample
    sign = -1 if alternative == "less" else 1
    for p, share, power, alpha in itertools.product((0.02, 0.3, 0.9), (0.02, 0.4), (0.5, 0.9), (0.05, 0.001)):
        effect = sign * share * min(p, 1 - p)
        n = call(db, "sample_size_proportion", effect=effect, proportion=p, power=power, alpha=alpha, ratio=ratio,
                 alternative=alternative).n_control_exact
        close(proportion_power(n, p, effect, ratio, alpha, alternative), power, 1e-11)
        reference = optimize.brentq(
            lambda x: proportion_power(x, p, effect, ratio, alpha, alternative) - power, 1, 1e9, xtol=1e-8, rtol=1e-13)
        close(n, reference, 1e-6)
        if alternative != "two-sided":
            close(n, smp.samplesize_proportions_2indep_onetail(-effect, p + effect, power, ratio=ratio, alpha=alpha,
                                                              alternative="larger"), 1e-9)


# ---- laws ----

KINDS = {"mean": dict(sd=12.5), "proportion": dict(proportion=0.07),
         "ratio": dict(num_mean=10, den_mean=-4, num_sd=6, den_sd=2, correlation=-0.3)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_inverses(db, kind, alternative):
    sign = -1 if alternative == "less" else 1
    for ratio, power, inflation, alpha in itertools.product((1, 0.3), (0.2, 0.8, 0.999), (1, 1.3), (0.05, 1e-4)):
        common = dict(ratio=ratio, alternative=alternative, inflation=inflation, alpha=alpha, **KINDS[kind])
        size = call(db, "sample_size_" + kind, effect=sign * 0.03, power=power, **common)
        n = size.n_control_exact
        close(call(db, "power_" + kind, n_control=n, effect=sign * 0.03, **common).power, power, 1e-9)
        close(call(db, "mde_" + kind, n_control=n, power=power, **common).effect, sign * 0.03, 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_laws(db, kind):
    base = KINDS[kind]
    one = call(db, "sample_size_" + kind, effect=0.02, **base)
    # a design of many looks needs its factor more; corrections are an alpha
    close(call(db, "sample_size_" + kind, effect=0.02, inflation=1.21, **base).n_control_exact, 1.21 * one.n_control_exact, 1e-12)
    both = call(db, "sample_size_" + kind, effect=0.02, variants=4, metrics=2, **base)
    close(both.n_control_exact, call(db, "sample_size_" + kind, effect=0.02, alpha=0.05 / 6, **base).n_control_exact, 1e-12)
    assert both.n_total == both.n_control + 3 * both.n and both.alpha == pytest.approx(0.05 / 6)
    # more units find more
    effects = [call(db, "mde_" + kind, n_control=n, **base).effect for n in (200, 1000, 10000, 1e8)]
    assert all(a > b > 0 for a, b in zip(effects, effects[1:]))
    # swapping the arms of a mean changes nothing
    if kind == "mean":
        swapped = call(db, "sample_size_mean", effect=-0.5, sd=3, sd_treatment=2, ratio=2)
        back = call(db, "sample_size_mean", effect=0.5, sd=2, sd_treatment=3, ratio=0.5)
        close(swapped.n_control_exact, back.n_control_exact / 2, 1e-10)


def test_relative_effects(db):
    for mean in (8, -8):
        plan = call(db, "sample_size_mean", effect=0.05, sd=2, mean=mean, relative=True)
        assert plan.effect == pytest.approx(0.4) and plan.lift == pytest.approx(0.05)
    plan = call(db, "sample_size_proportion", effect=-0.1, proportion=0.2, relative=True)
    assert plan.effect == pytest.approx(-0.02) and plan.lift == pytest.approx(-0.1)


def test_fewest_units(db):
    # an effect of ten standard deviations: no arm has fewer than two units
    plan = call(db, "sample_size_mean", effect=1000, sd=1, ratio=0.5)
    assert (plan.n, plan.n_control) == (2, 4)


# ---- from the past ----

@pytest.fixture(scope="module")
def past(db):
    rng = np.random.default_rng(7)
    rows = []
    for label, size, shift in (("a", 300, 0.0), ("b", 200, 5.0)):
        x, z = rng.gamma(2, 3, size), rng.normal(0, 1, size)
        den = 1 + rng.poisson(3, size)
        y = 10 + shift + 0.8 * x + z + rng.normal(0, 2, size)
        rows += [(float(y[i]), float(x[i]), float(z[i]), float(den[i]), label) for i in range(size)]
    db.run("CREATE TEMP TABLE past_rows (y float8, x float8, z float8, den float8, v text)")
    db.copy_rows("past_rows", rows)
    db.run("CREATE TEMP TABLE past AS SELECT moments_agg(ARRAY[y, x, z, den], v) AS m, "
           "moments_agg((y > 20)::int, v) AS p FROM past_rows")
    return rows


def within(rows, column):
    """A column as deviations from the mean of its arm."""
    values = np.array([r[column] for r in rows])
    labels = np.array([r[4] for r in rows])
    return values - np.array([values[labels == v].mean() for v in labels])


def from_past(db, function, state, **arguments):
    names = "".join(", %s => %%s" % name for name in arguments)
    return db.one("SELECT q.* FROM past, %s(%s%s) AS q" % (function, state, names), *arguments.values())


def test_history_of_a_mean(db, past):
    y = within(past, 0)
    sd = math.sqrt((y @ y) / (len(y) - 2))
    mean = np.mean([r[0] for r in past])
    plan = from_past(db, "sample_size_mean", "m", effect=0.03, relative=True)
    close(plan.sd, sd, 1e-12)
    close(plan.mean, mean, 1e-12)
    close(plan.n_control_exact, call(db, "sample_size_mean", effect=0.03 * mean, sd=sd).n_control_exact, 1e-9)


def test_history_with_covariates(db, past):
    y, design = within(past, 0), np.column_stack([within(past, 1), within(past, 2)])
    for covariates, columns in (([2], [0]), ([2, 3], [0, 1])):
        used = design[:, columns]
        residual = y - used @ np.linalg.lstsq(used, y, rcond=None)[0]
        plan = from_past(db, "mde_mean", "m", n_control=5000, covariates=covariates)
        close(plan.sd, math.sqrt(residual @ residual / (len(y) - 2)), 1e-10)
        close(plan.effect, call(db, "mde_mean", n_control=5000, sd=plan.sd).effect, 1e-10)


def test_history_of_a_ratio(db, past):
    plan = from_past(db, "mde_ratio", "moments_filter(m, '{a}')", n_control=2000, num=1, den=4)
    y, d = (np.array([r[i] for r in past if r[4] == "a"]) for i in (0, 3))
    numbers = call(db, "mde_ratio", n_control=2000, num_mean=y.mean(), den_mean=d.mean(), num_sd=y.std(ddof=1),
                   den_sd=d.std(ddof=1), correlation=np.corrcoef(y, d)[0, 1])
    for column in ("effect", "lift", "sd", "mean"):
        close(getattr(plan, column), getattr(numbers, column), 1e-10)
    # one unit has no power, but the ratio is that of all arms
    both = from_past(db, "mde_ratio", "m", n_control=1, num=1, den=4)
    assert both.effect is None and both.mean == pytest.approx(sum(r[0] for r in past) / sum(r[3] for r in past))


def test_history_of_a_proportion(db, past):
    share = np.mean([r[0] > 20 for r in past])
    plan = from_past(db, "sample_size_proportion", "p", effect=0.1, relative=True)
    close(plan.n_control_exact, call(db, "sample_size_proportion", effect=0.1 * share, proportion=share).n_control_exact, 1e-9)


# ---- days ----

def test_duration_against_counting(db):
    rng = np.random.default_rng(3)
    for _ in range(60):
        arrivals = [int(a) for a in rng.integers(0, 50, rng.integers(1, 20))]
        needed, share = int(rng.integers(0, 1500)), float(rng.choice([1, 0.5, 0.25]))
        row = db.one("SELECT * FROM duration(%s, %s::float8[], share => %s, whole_weeks => false)", needed, arrivals, share)
        week = arrivals[-7:]
        if sum(arrivals) * share < needed and sum(week) == 0:
            assert row.days is None
            continue
        total, days = 0.0, 0
        while total < needed:
            total += share * (arrivals[days] if days < len(arrivals) else week[(days - len(arrivals)) % len(week)])
            days += 1
        assert (row.days, row.n) == (days, math.floor(total))
        weeks = db.one("SELECT days FROM duration(%s, %s::float8[], share => %s)", needed, arrivals, share)
        assert weeks == 7 * math.ceil(days / 7)


def test_shares_that_are_not_binary_fractions(db):
    """Ten days of 1 unit, a tenth of which enters, are one unit, though 0.1 added ten times is less."""
    assert functools.reduce(operator.add, [0.1] * 10) < 1    # sum() itself compensates from Python 3.12 on
    assert tuple(db.one("SELECT * FROM duration(1, array_fill(1::float8, '{10}'), share => 0.1, whole_weeks => false)")) == (10, 1, 1, 0)
    wrong = db.one("""SELECT count(*) FROM generate_series(1, 99) AS percent, generate_series(1, 40) AS k,
                      duration(10 * percent * k, array_fill(1000::float8, ARRAY[k]), percent / 100.0::float8, false) AS d
                      WHERE d.days <> k OR d.n <> d.n_needed""")
    assert wrong == 0


def test_whole_units(db):
    """Rounded up, but not for the last digits of a float8; and never down by more than these."""
    for n, whole in ((30, 30), (30.2, 31), (3e14 + 0.5, 3e14), (1e15, 1e15)):
        assert abs(call(db, "power_mean", n_control=n, effect=0.1, sd=1).n_control - whole) <= 1


def test_the_power_of_the_fewest_units_and_a_digit_more(db):
    """The root is where the search begins, and rounding of the logarithm puts it beyond in one case of eight."""
    r = np.random.default_rng(1)
    for kind, baseline, least in (("mean", "sd", 2), ("proportion", "proportion", 1)):
        for _ in range(60):
            design = {baseline: r.uniform(0.3, 0.5), "effect": r.uniform(0.2, 0.4), "ratio": r.uniform(0.2, 1)}
            fewest = least / design["ratio"]
            power = math.nextafter(call(db, "power_" + kind, n_control=fewest, **design).power, 1)
            if power > 0.05:
                close(call(db, "sample_size_" + kind, power=power, **design).n_control_exact, fewest, 1e-9)


def test_how_long_still(db, past):
    row = db.one("SELECT r.* FROM past, how_long_still(m, 10, 0.02, true, whole_weeks => false) AS r")
    needed = from_past(db, "sample_size_mean", "m", effect=0.02, relative=True, ratio=200 / 300)
    assert (row.n, row.n_control, row.n_needed, row.n_control_needed) == (200, 300, needed.n, needed.n_control)
    # 50 units a day
    assert row.days_still == math.ceil((needed.n_control_exact / 300 - 1) * 500 / 50 - 1e-9)
    close(row.power_now, from_past(db, "power_mean", "m", n_control=300, effect=0.02, relative=True, ratio=200 / 300).power, 1e-12)
    close(row.effect_now, from_past(db, "mde_mean", "m", n_control=300, ratio=200 / 300).effect, 1e-12)
    # each option reaches the plan
    for name, value in (("alpha", 0.001), ("alternative", "greater"), ("metrics", 3), ("inflation", 1.2), ("power", 0.9), ("null_diff", -0.1)):
        other = db.one("SELECT r.* FROM past, how_long_still(m, 10, 0.02, true, %s => %%s) AS r" % name, value)
        changed = from_past(db, "sample_size_mean", "m", effect=0.02, relative=True, ratio=200 / 300, **{name: value})
        assert other.n_needed == changed.n != needed.n
        smallest = from_past(db, "mde_mean", "m", n_control=300, ratio=200 / 300, **{name: value})
        close(other.effect_now, smallest.effect, 1e-12)
        if name != "power":
            now = from_past(db, "power_mean", "m", n_control=300, effect=0.02, relative=True, ratio=200 / 300, **{name: value})
            close(other.power_now, now.power, 1e-12)
    weeks = db.one("SELECT days_still FROM past, how_long_still(m, 10, 0.02, true) AS r")
    assert (10 + weeks) % 7 == 0 and 0 <= weeks - row.days_still < 7


# ---- deciding ----

RESULT = ("ROW(%s, 'control', 5000, 5000, %s, 100, %s, 1, NULL, NULL, %s, %s, %s, %s, %s, %s, 0.05, 'welch_t')::comparison")


def result(diff, p, half=2.0, variant="t"):
    lift = diff / 100
    return RESULT, [variant, 100 + diff, diff, p, diff - half, diff + half, lift, lift - half / 100, lift + half / 100]


def decide(db, rows, **options):
    """rows: (metric, role, (diff, p, ...), better, margin)"""
    parts, arguments = [], []
    for metric, role, values, better, margin in rows:
        text, numbers = result(*values)
        parts.append("metric_result(%%s, %%s, %s, better => %%s, margin => %%s)" % text)
        arguments += [metric, role, *numbers, better, margin]
    names = "".join(", %s => %%s" % name for name in options)
    return db.rows("SELECT * FROM decide(ARRAY[%s]%s)" % (", ".join(parts), names), *arguments, *options.values())


def test_decide_protects_the_primary(db):
    # alone it would need p < 0.05; nine secondary metrics leave it 80 % of that
    secondary = [("s%d" % i, "secondary", (0.1, 0.5), "higher", None) for i in range(9)]
    for p, expected in ((0.0399, "ship"), (0.0401, "keep running")):
        primary = [("y", "primary", (5, p), "higher", None)]
        assert [d.decision for d in decide(db, primary + secondary)] == [expected]
        # plain Bonferroni would need 0.005
        assert decide(db, primary + secondary, correction="bonferroni")[0].decision == "keep running"
    for share, expected in ((1.0, "ship"), (0.5, "keep running")):
        assert decide(db, [("y", "primary", (5, 0.04), "higher", None)] + secondary,
                      primary_share=share)[0].decision == expected


def test_decide_at_its_own_alpha(db):
    """The level is decide's argument, not the alpha of the comparisons' intervals, which is 0.05 here."""
    for p, alpha, expected in ((0.03, 0.05, "ship"), (0.03, 0.01, "keep running"), (0.09, 0.05, "keep running"), (0.09, 0.1, "ship")):
        for correction in ("weighted", "holm", "none"):
            assert decide(db, [("y", "primary", (5, p), "higher", None)], alpha=alpha, correction=correction)[0].decision == expected
            worse = "do not ship" if expected == "ship" else "keep running"
            assert decide(db, [("y", "primary", (-5, p), "higher", None)], alpha=alpha, correction=correction)[0].decision == worse


def test_decide_is_the_same_upside_down(db):
    """A metric that is better low, with all signs changed, is the same metric."""
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(80):
        rows = [("y", "primary", (float(rng.normal(0, 3)), float(rng.choice([0.001, 0.4])), 2.0), "higher", None),
                ("g", "guardrail", (float(rng.normal(0, 3)), 0.5, 2.0), "higher", float(rng.uniform(0, 4)))]
        flipped = [(m, r, (-v[0], *v[1:]), "lower", margin) for m, r, v, _, margin in rows]
        first, second = decide(db, rows), decide(db, flipped)
        assert [d.decision for d in first] == [d.decision for d in second]
        # and what the rules say of it
        (diff, p, _), (loss, _, half), margin = rows[0][2], rows[1][2], rows[1][4]
        safe, harmed = loss - half > -margin, loss + half < -margin
        expected = ("do not ship" if harmed or (p < 0.05 and diff < 0)
                    else "ship" if p < 0.05 and safe else "keep running")
        assert first[0].decision == expected
        seen.add(expected)
    assert seen == {"ship", "do not ship", "keep running"}


def test_decide_distrusts(db):
    good = [("y", "primary", (5, 0.001), "higher", None)]
    assert decide(db, good)[0].decision == "ship"
    for options, decision, word in ((dict(srm_p_value=1e-5), "do not ship", "split"),
                                    (dict(min_n=6000), "keep running", "too few"),
                                    (dict(max_lift=0.04), "keep running", "too good"),
                                    (dict(planned_n=5001), "keep running", "planned")):
        row = decide(db, good, **options)[0]
        assert row.decision == decision and word in row.reasons


# ---- the inflation of a group sequential design ----

def inflation(db, information, **arguments):
    return call(db, "group_sequential_inflation", information=[float(t) for t in information], **arguments)


# Jennison and Turnbull (2000), tables 2.2 and 2.4: R_P(K, alpha, beta) and R_B(K, alpha, beta) of two-sided tests with alpha 0.05.
PUBLISHED = {("pocock-constant", 4, 0.9): 1.183, ("pocock-constant", 5, 0.8): 1.228, ("pocock-constant", 5, 0.9): 1.207,
             ("obrien-fleming-constant", 4, 0.9): 1.022, ("obrien-fleming-constant", 5, 0.8): 1.028,
             ("obrien-fleming-constant", 5, 0.9): 1.026}


def test_published_inflation(db):
    for (spending, looks, power), ratio in PUBLISHED.items():
        assert abs(inflation(db, range(1, looks + 1), spending=spending, power=power) - ratio) < 0.00055
    # SAS/STAT, SEQDESIGN, example "Two-Sided Pocock and O'Brien-Fleming Designs": 118.3143 and 102.2163 per cent, of bounds that
    # it searches with a tolerance.
    assert abs(inflation(db, range(1, 5), spending="pocock-constant", power=0.9) - 1.183143) < 1e-4
    assert abs(inflation(db, range(1, 5), spending="obrien-fleming-constant", power=0.9) - 1.022163) < 1e-6
    # gsDesign's technical manual, chapter 3: 1018.9482 for n.fix = 1000, with a tolerance of 1e-6.
    assert abs(inflation(db, [0.6, 1], spending="hwang-shih-decani", spending_parameter=-3.0, alpha=0.025, sides=1, power=0.9)
               - 1.0189482) < 5e-7


def rejects(drift, information, upper, two_sided, nodes=300):
    """The chance to reject at some look: the score process on a grid of its own, which moves with the drift."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    theta, before, score, mass, total = drift / math.sqrt(information[-1]), 0.0, np.zeros(1), np.ones(1), 0.0
    for t, c in zip(information, upper):
        added = t - before
        ahead = (c * math.sqrt(t) - score - theta * added) / math.sqrt(added)
        total += mass @ stats.norm.sf(ahead)
        low = theta * t - 12 * math.sqrt(t)
        high = min(c * math.sqrt(t), theta * t + 12 * math.sqrt(t))
        if two_sided:
            total += mass @ stats.norm.cdf((-c * math.sqrt(t) - score - theta * added) / math.sqrt(added))
            low = max(low, -c * math.sqrt(t))
        point = (high + low) / 2 + (high - low) / 2 * x
        step = stats.norm.pdf(point[:, None], score[None, :] + theta * added, math.sqrt(added))
        score, mass, before = point, (high - low) / 2 * w * (step @ mass), t
    return total


@pytest.mark.parametrize("sides", (1, 2))
@pytest.mark.parametrize("information, spending, parameter", [
    ([0.25, 0.5, 0.75, 1], "obrien-fleming", None), ([100, 150, 900], "pocock", None), ([0.1, 0.2, 1], "power", 0.5),
    ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "hwang-shih-decani", 1.0), ([1, 3, 4], "pocock-constant", None)])
def test_inflated_design_has_the_power(db, information, spending, parameter, sides):
    given = dict(alpha=0.04, sides=sides, spending=spending, spending_parameter=parameter)
    upper = [r.z_upper for r in db.rows("SELECT z_upper FROM group_sequential_bounds(%s, %s, %s, %s, %s) ORDER BY look",
                                        [float(t) for t in information], 0.04, sides, spending, parameter)]
    for power in (0.05, 0.3, 0.8, 0.999):
        z = stats.norm.isf(0.04 / sides)
        fixed = optimize.brentq(lambda d: stats.norm.sf(z - d) + (stats.norm.sf(z + d) if sides == 2 else 0) - power, 0, 20, xtol=1e-13)
        drift = fixed * math.sqrt(inflation(db, information, power=power, **given))
        assert abs(rejects(drift, information, upper, sides == 2) - power) < 1e-8


def test_simulated_inflation(db):
    """50,000 experiments with the units that the plan asks for, looked at five times."""
    factor = inflation(db, range(1, 6), spending="pocock")
    plan = call(db, "sample_size_mean", effect=0.1, sd=1, inflation=factor)
    upper = np.array([r.z_upper for r in db.rows("SELECT z_upper FROM group_sequential_bounds('{1,2,3,4,5}', spending => 'pocock')")])
    steps = np.random.default_rng(5).standard_normal((50_000, 5)) / math.sqrt(5)
    walk = np.cumsum(steps, axis=1) + 0.1 * math.sqrt(plan.n / 2) * np.arange(1, 6) / 5
    stopped = (np.abs(walk / np.sqrt(np.arange(1, 6) / 5)) >= upper).any(axis=1)
    assert abs(stopped.mean() - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 50_000)


def test_inflation_laws(db):
    assert inflation(db, [7]) == 1 and inflation(db, [1], sides=1, spending="pocock-constant") == 1
    close(inflation(db, [0.2, 0.5, 1]), inflation(db, [200, 500, 1000]), 1e-10)
    # an early look that spends next to nothing costs nothing, and never less
    assert 1 <= inflation(db, [0.01, 1]) < 1 + 1e-9
    by_looks = [inflation(db, range(1, k + 1), spending="pocock-constant") for k in range(1, 8)]
    assert all(a < b for a, b in zip(by_looks, by_looks[1:]))
    # all of alpha is spent at the first look, and so that one must have the power
    close(inflation(db, [0.001, 0.5, 1], spending="power", spending_parameter=1e-300), 1000, 1e-9)
    # power next to alpha and to 1, alpha at the ends of its range
    for alpha, power in itertools.product((1e-12, 0.05, 0.98), (0.980002, 0.9999999999)):
        for information in ([0.001, 0.01, 1], [k / 60 for k in range(1, 61)]):
            assert 1 <= inflation(db, information, alpha=alpha, power=power) < 3


@pytest.mark.parametrize("arguments, sqlstate, named", [
    ("NULL", "22004", "information"), ("'{}'", "22023", "information"), ("'{{1,2}}'", "22023", "information"),
    ("'{2,1}'", "22023", "information"), ("'{0.3,0.9}'", "22023", "planned end"), ("'{1}', 0", "22023", "alpha"),
    ("'{1}', NULL", "22004", "alpha"), ("'{1}', sides => 3", "22023", "sides"), ("'{1}', sides => NULL", "22004", "sides"),
    ("'{1}', power => 1", "22023", "power"), ("'{1}', power => 0.05", "22023", "power"), ("'{1}', power => 'NaN'", "22023", "power"),
    ("'{1}', power => NULL", "22004", "power"), ("'{1}', spending => 'linear'", "22023", "linear"),
    ("'{1}', spending => NULL", "22004", "spending"), ("'{1}', spending => 'power'", "22004", "spending_parameter"),
    ("'{1}', spending_parameter => 1", "22023", "spending_parameter")])
def test_inflation_errors(db, arguments, sqlstate, named):
    e = db.error("SELECT group_sequential_inflation(%s)" % arguments)
    assert e.pgcode == sqlstate and named in e.diag.message_primary
