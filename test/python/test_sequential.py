"""Confidence sequences, mixture SPRT and group sequential designs.

Expected values come from the definitions, computed here by other means: mixtures of likelihood ratios by numerical
integration, formulas with 50 digits, bounds from scipy's multivariate normal distribution and from a quadrature of
this file's own, published tables, and the output of gbstats 0.8.0.
"""

import json
import math
import random

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy import integrate, optimize, special, stats

mpmath.mp.dps = 50
INF = math.inf


def state(control, treatment):
    """A state of k metrics from (n, means, packed co-moments) of two arms."""
    arms = {name: {"n": n, "mean": list(mean), "residual": [0] * len(mean), "comoments": list(c)}
            for name, (n, mean, c) in (("control", control), ("treatment", treatment))}
    return json.dumps({"version": 1, "metrics": len(control[1]), "variants": arms})


def random_state(rng, metrics=4):
    """Positive means, positive definite covariances."""
    def arm():
        n = int(round(math.exp(rng.uniform(math.log(20), math.log(200000)))))
        a = np.array([[rng.gauss(0, 1) for _ in range(metrics)] for _ in range(metrics + 3)])
        c = a.T @ a * n
        return n, [rng.uniform(3, 6) for _ in range(metrics)], [c[i][j] for i in range(metrics) for j in range(i + 1)]
    return state(arm(), arm())


def call(function, **arguments):
    """Text of a call with named arguments, m first."""
    def literal(value):
        if isinstance(value, bool):
            return str(value).lower()
        return "'%s'" % value if isinstance(value, str) else repr(value)
    return "%s(%s)" % (function, ", ".join(["%s => %s" % (k, literal(v)) for k, v in arguments.items()]))


def ask(db, function, m, **arguments):
    return db.one("SELECT c.* FROM %s c" % call(function, m=m, **arguments))


ESTIMATORS = {
    "mean": ("welch_t", {"metric": 2}),
    "ratio": ("delta_ratio", {"num": 1, "den": 3}),
    "cuped": ("cuped_adjust", {"metric": 1, "covariates": "{2,4}"}),
    "interacted": ("cuped_adjust", {"metric": 1, "covariates": "{3}", "interacted": True}),
    "cuped_ratio": ("cuped_ratio", {"num": 2, "den": 1, "num_pre": 4, "den_pre": 3}),
}


def watched(db, function, estimator, m, **arguments):
    name = "cuped" if estimator == "interacted" else estimator
    return ask(db, function, m, estimator=name, **ESTIMATORS[estimator][1], **arguments)


def fixed(db, estimator, m, **arguments):
    name, own = ESTIMATORS[estimator]
    return ask(db, name, m, **own, **arguments)


# --- From the paper --------------------------------------------------------------------------------


def rho2(alpha, tuning_n):
    """Waudby-Smith et al., eq. 161."""
    return (-2 * mpmath.log(alpha) + mpmath.log(-2 * mpmath.log(alpha) + 1)) / tuning_n


def half_width(alpha, n, variance, r2, one_sided):
    """Eq. 9 and 134: `variance` is that of one of n observations."""
    root = mpmath.sqrt(n * r2 + 1)
    log = mpmath.log(1 + root / (2 * alpha)) if one_sided else mpmath.log(root / alpha)
    return mpmath.sqrt(variance) * mpmath.sqrt(2 * (n * r2 + 1) / (mpf(n) ** 2 * r2) * log)


def p_from_interval(z, n, r2, one_sided):
    """The alpha at which the interval of a statistic z ends at the hypothesis."""
    v = n * r2
    exponent = z * z * v / (2 * (1 + v))
    root = mpmath.sqrt(1 + v)
    if not one_sided:
        return min(mpf(1), root / mpmath.exp(exponent))
    return min(mpf(1), root / (2 * (mpmath.exp(exponent) - 1))) if z > 0 else mpf(1)


def close(actual, expected, rel=1e-10):
    assert actual is not None
    assert actual == expected or abs(mpf(actual) - expected) <= rel * abs(expected) + mpf("1e-307"), (actual, expected)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("function", ["confidence_sequence", "msprt"])
def test_always_valid(db, function, estimator):
    """Interval, p-value and lift of every estimator, from the error that the fixed function gives."""
    rng = random.Random(function + estimator)
    for i in range(30):
        m = random_state(rng)
        alternative = ["two-sided", "greater", "less"][i % 3]
        alpha = rng.choice([0.05, 0.01, 0.2, 1e-6])
        null_diff = rng.choice([0, 0.3, -1])
        asked = {"alpha": alpha, "alternative": alternative, "null_diff": null_diff}
        plain = fixed(db, estimator, m, **asked)
        n = plain.n + plain.n_control
        variance = mpf(plain.std_error) ** 2 * n
        if function == "confidence_sequence":
            tuning = rng.choice([5000, 10000, 77])
            row = watched(db, function, estimator, m, tuning_n=tuning, **asked)
            r2 = rho2(alpha, tuning)
        elif i % 2:
            row = watched(db, function, estimator, m, **asked)
            r2 = rho2(alpha, 5000)
        else:
            tau2 = rng.choice([1e-4, 1.0, 30.0])
            row = watched(db, function, estimator, m, tau2=tau2, **asked)
            r2 = mpf(tau2) / variance
        one_sided = alternative != "two-sided"
        half = half_width(alpha, n, variance, r2, one_sided)
        z = (mpf(plain.diff) - null_diff) / plain.std_error

        for column in ("variant", "control", "n", "n_control", "estimate", "estimate_control", "diff", "std_error",
                       "statistic", "lift", "alpha"):
            assert getattr(row, column) == getattr(plain, column)
        assert row.df is None
        close(row.p_value, p_from_interval(-z if alternative == "less" else z, n, r2, one_sided))
        scale = abs(mpf(row.diff)) + half
        for name, end, open_side in (("diff_low", row.diff - half, "less"), ("diff_high", row.diff + half, "greater")):
            if alternative == open_side:
                assert abs(getattr(row, name)) == INF
            else:
                assert abs(getattr(row, name) - end) < 1e-12 * scale
        # The lift's interval is the same quantile times the error that the fixed interval implies.
        if not one_sided and alpha == 0.05:
            q = stats.t.isf(0.025, plain.df)
            lift_error = (plain.lift_high - plain.lift_low) / 2 / q
            close((row.lift_high - row.lift_low) / 2, half / mpf(plain.std_error) * lift_error, 1e-6)


@pytest.mark.parametrize("z", [0.1, 1.7, 3, 9])
def test_p_is_a_mixed_likelihood_ratio(db, z):
    """1/p is the likelihood ratio mixed over normal effects; one-sided, p is no smaller than with half of them."""
    m = state((4000, [0.0], [4000.0]), (4000, [z * math.sqrt(2 / 4000)], [3999.0 * 4000 / 4000]))
    row = ask(db, "confidence_sequence", m, tuning_n=1000)
    v = float(rho2(0.05, 1000)) * 8000
    peak = row.statistic * v / (1 + v)
    density = lambda e: stats.norm.pdf(e, scale=math.sqrt(v)) * math.exp(row.statistic * e - e * e / 2)
    everywhere = integrate.quad(density, peak - 12, peak + 12, epsrel=1e-12)[0]
    close(row.p_value, min(1, 1 / everywhere), 1e-8)
    upwards = 2 * integrate.quad(density, max(0, peak - 12), peak + 12, epsrel=1e-12)[0]
    one_sided = ask(db, "confidence_sequence", m, tuning_n=1000, alternative="greater").p_value
    assert min(1, 1 / upwards) <= one_sided * (1 + 1e-9)
    assert z < 3 or one_sided < 1.1 / upwards


@pytest.mark.parametrize("tau2, null_diff, shares", [(0.25, 0, (0.5, 0.5)), (9, -1, (0.1, 0.9)), (1e-3, 2, (0.8, 0.2))])
def test_msprt_mixes_effects(db, tau2, null_diff, shares):
    """1/p is the likelihood of diff, mixed over effects of variance tau2 in units of diff, over that of null_diff, as Zhao et al."""
    nc, nt = (int(4000 * share) for share in shares)
    m = state((nc, [10.0], [400.0 * (nc - 1)]), (nt, [11.5], [900.0 * (nt - 1)]))
    error = math.sqrt(400 / nc + 900 / nt)
    wide, apart = math.sqrt(error ** 2 + tau2), 1.5 - null_diff
    mixed = integrate.quad(lambda effect: stats.norm.pdf(effect, null_diff, math.sqrt(tau2)) * stats.norm.pdf(1.5, effect, error),
                           null_diff - 12 * wide - abs(apart), null_diff + 12 * wide + abs(apart), points=[null_diff, 1.5],
                           epsabs=0, epsrel=1e-11, limit=500)[0]
    ratio = mixed / stats.norm.pdf(1.5, null_diff, error)
    row = ask(db, "msprt", m, tau2=tau2, null_diff=null_diff)
    close(row.p_value, min(1, 1 / ratio), 1e-8)
    # The closed form of that ratio, of effects at the end of the interval: 1/alpha.
    for end in (row.diff_low, row.diff_high):
        apart = 1.5 - end
        ratio = error / wide * math.exp(tau2 * apart ** 2 / (2 * error ** 2 * wide ** 2))
        close(ratio, mpf(20), 1e-9)


def test_gbstats(db):
    """SequentialTwoSidedTTest of gbstats 0.8.0: n 3000 and 2900, means 100 and 103.5, variances 2500 and 2700."""
    m = state((3000, [100.0], [2500.0 * 2999]), (2900, [103.5], [2700.0 * 2899]))
    for tuning, alpha, low, high, p, lift_low, lift_high in (
            (5000, 0.05, -0.5331568079317073, 7.533156807931707, 0.13982532660028252, -0.006004343261733179, 0.07600434326173319),
            (5000, 0.01, -1.2459032547828066, 8.245903254782807, 0.1506136287785561, -0.013250701724113599, 0.08325070172411361),
            (10000, 0.05, -0.5680243019485243, 7.568024301948524, 0.13643744685216413, -0.006358834485711937, 0.07635883448571194),
            (10000, 0.01, -1.2745750365032817, 8.274575036503283, 0.1354249088663418, -0.013542202311762397, 0.0835422023117624)):
        row = ask(db, "confidence_sequence", m, tuning_n=tuning, alpha=alpha)
        for actual, expected in zip((row.diff_low, row.diff_high, row.p_value, row.lift_low, row.lift_high),
                                    (low, high, p, lift_low, lift_high)):
            close(actual, mpf(expected), 1e-11)


def test_narrowest_at_tuning_n(db):
    """In standard errors, the sequence at tuning_n units is within 0.5 % of the narrowest any tuning gives."""
    for n in (500, 5000, 50000):
        m = state((n // 2, [1.0], [float(n)]), (n // 2, [1.0], [float(n)]))
        widths = [ask(db, "confidence_sequence", m, tuning_n=n * f).diff_high for f in (1, 0.25, 0.5, 0.8, 1.25, 2, 4)]
        assert widths[0] < 1.005 * min(widths) and max(widths) > 1.02 * min(widths)


def test_laws(db):
    """p <= alpha where the interval leaves out the hypothesis; swapped arms; the default of msprt."""
    rng = random.Random(5)
    rejected = 0
    for i in range(40):
        m = random_state(rng, 1)
        for function in ("confidence_sequence", "msprt"):
            for alternative in ("two-sided", "greater", "less"):
                free = ask(db, function, m, alternative=alternative)
                null_diff = free.diff + rng.uniform(-8, 8) * free.std_error
                row = ask(db, function, m, alternative=alternative, null_diff=null_diff)
                inside = row.diff_low <= null_diff <= row.diff_high
                assert inside == (row.p_value > 0.05)
                rejected += not inside
                swapped = ask(db, function, m, alternative={"greater": "less", "less": "greater"}.get(alternative, alternative),
                              null_diff=-null_diff, control="treatment")
                assert swapped.p_value == row.p_value
                assert (swapped.diff_low, swapped.diff_high) == (-row.diff_high, -row.diff_low)
        assert ask(db, "msprt", m)[:-1] == ask(db, "confidence_sequence", m)[:-1]
    assert 40 < rejected < 200


def test_hybrid(db):
    """Until planned_n the sequence has its share of alpha; from there on the better of it and a fixed test of the rest."""
    rng = random.Random(6)
    for i in range(30):
        m = random_state(rng, 1)
        alternative = ["two-sided", "greater", "less"][i % 3]
        share = rng.choice([0.2, 0.5, 0.9])
        asked = {"alternative": alternative, "lift_method": ["delta", "log", "fieller"][i % 3]}
        sequence = ask(db, "confidence_sequence", m, alpha=0.05 * share, **asked)
        rest = ask(db, "welch_t", m, alpha=0.05 * (1 - share), **asked)
        n = rest.n + rest.n_control
        running = ask(db, "confidence_sequence", m, planned_n=n + 1, sequence_share=share, **asked)
        assert (running.method, running.df, running.alpha) == ("confidence_sequence", None, 0.05)
        assert (running.diff_low, running.lift_low) == (sequence.diff_low, sequence.lift_low)
        close(running.p_value, min(mpf(1), mpf(sequence.p_value) / share), 1e-13)
        end = ask(db, "confidence_sequence", m, planned_n=n, sequence_share=share, **asked)
        assert (end.method, end.df) == ("confidence_sequence, fixed look", rest.df)
        close(end.p_value, min(mpf(1), mpf(sequence.p_value) / share, mpf(rest.p_value) / (1 - share)), 1e-12)
        close(end.diff_low, mpf(max(sequence.diff_low, rest.diff_low)), 1e-12)
        close(end.diff_high, mpf(min(sequence.diff_high, rest.diff_high)), 1e-12)
        close(end.lift_low, mpf(max(sequence.lift_low, rest.lift_low)), 1e-9)


def test_small_p_values(db):
    for z in (10, 30, 36):
        m = state((50000, [0.0], [50000.0]), (50000, [z * math.sqrt(2 / 49999)], [50000.0]))
        for alternative in ("two-sided", "greater"):
            row = ask(db, "msprt", m, tau2=0.1, alternative=alternative)
            r2 = mpf("0.1") / (mpf(row.std_error) ** 2 * 100000)
            close(row.p_value, p_from_interval(mpf(row.statistic), 100000, r2, alternative != "two-sided"), 1e-11)
        assert ask(db, "msprt", m, tau2=0.1, alternative="less").p_value == 1


def test_thin_segments(db):
    """What is undefined is NULL, as in the fixed functions."""
    db.run("CREATE TEMP TABLE thin (s text, v text, y float8)")
    db.run("INSERT INTO thin VALUES ('one unit', 'control', 1), ('one unit', 'treatment', 2), ('one unit', 'treatment', 3),"
           "('constant', 'control', 1), ('constant', 'control', 1), ('constant', 'treatment', 2), ('constant', 'treatment', 2),"
           "('one arm', 'treatment', 1), ('one arm', 'treatment', 2)")
    for function in ("confidence_sequence", "msprt"):
        rows = db.rows("SELECT s, c.* FROM (SELECT s, moments_agg(y, v) AS m FROM thin GROUP BY s) t, %s(m, 'control') c" % function)
        assert sorted(r.s for r in rows) == ["constant", "one arm", "one unit"]
        for row in rows:
            assert row.p_value is None and row.diff_low is None and row.lift_high is None
            assert row.n == 2 and (row.diff is None) == (row.s == "one arm")
        assert db.rows("SELECT * FROM %s(NULL)" % function) == []
        nobody = json.dumps({"version": 1, "metrics": 1, "variants": {}})
        assert ask(db, function, nobody)[:4] == (None, None, 0, 0)


# --- Group sequential bounds -----------------------------------------------------------------------


def bounds(db, information, **arguments):
    array = "{%s}" % ",".join(repr(float(t)) for t in information)
    return db.rows("SELECT * FROM %s" % call("group_sequential_bounds", information=array, **arguments))


def z_upper(db, information, **arguments):
    return [row.z_upper for row in bounds(db, information, **arguments)]


# Jennison and Turnbull (2000), tables 2.1 and 2.3: constants C_P(K, alpha) and C_B(K, alpha) of two-sided tests, as printed.
POCOCK = {(2, 0.05): 2.178, (3, 0.05): 2.289, (4, 0.05): 2.361, (5, 0.05): 2.413, (10, 0.05): 2.555, (20, 0.05): 2.672,
          (5, 0.01): 2.986, (5, 0.1): 2.122}
OBRIEN_FLEMING = {(2, 0.05): 1.977, (3, 0.05): 2.004, (4, 0.05): 2.024, (5, 0.05): 2.040, (10, 0.05): 2.087, (20, 0.05): 2.126,
                  (5, 0.01): 2.621, (5, 0.1): 1.751}


def test_published_constants(db):
    for (looks, alpha), constant in POCOCK.items():
        z = z_upper(db, range(1, looks + 1), alpha=alpha, spending="pocock-constant")
        assert max(z) == min(z) and abs(z[0] - constant) < 0.00051
    for (looks, alpha), constant in OBRIEN_FLEMING.items():
        z = z_upper(db, range(1, looks + 1), alpha=alpha, spending="obrien-fleming-constant")
        assert abs(z[-1] - constant) < 0.00051
        np.testing.assert_allclose(z, [z[-1] * math.sqrt(looks / k) for k in range(1, looks + 1)], rtol=1e-14)


def test_published_spending_bounds(db):
    """Five equal looks, alpha 0.025 on each side: Lan and DeMets's two functions (as in R's ldbounds and gsDesign)."""
    np.testing.assert_allclose(z_upper(db, [0.2, 0.4, 0.6, 0.8, 1]), [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], rtol=0, atol=1.2e-4)
    np.testing.assert_allclose(z_upper(db, [0.2, 0.4, 0.6, 0.8, 1], spending="pocock"), [2.4380, 2.4268, 2.4102, 2.3966, 2.3859],
                               rtol=0, atol=1.2e-4)


def spent(spending, alpha, t, parameter):
    t = min(t, 1.0)
    if spending == "obrien-fleming":
        return 2 * stats.norm.sf(stats.norm.isf(alpha / 2) / math.sqrt(t))
    if spending == "pocock":
        return alpha * math.log(1 + (math.e - 1) * t)
    if spending == "power":
        return alpha * t ** parameter
    return alpha * t if parameter == 0 else alpha * (1 - math.exp(-parameter * t)) / (1 - math.exp(-parameter))


class Walk:
    """The score process S = sqrt(I) Z under a drift, on a grid of its own: one Gauss-Legendre rule per look, in S."""

    def __init__(self, theta=0.0, nodes=200):
        self.theta, self.info, self.s, self.mass = theta, 0.0, np.zeros(1), np.ones(1)
        self.x, self.w = np.polynomial.legendre.leggauss(nodes)

    def sf(self, info, z):
        added = info - self.info
        return float(self.mass @ special.ndtr(-(z * math.sqrt(info) - self.s - self.theta * added) / math.sqrt(added)))

    def cdf(self, info, z):
        added = info - self.info
        return float(self.mass @ special.ndtr((z * math.sqrt(info) - self.s - self.theta * added) / math.sqrt(added)))

    def go_on(self, info, low, high):
        centre, added = self.theta * info, info - self.info
        low = max(low * math.sqrt(info), centre - 12 * math.sqrt(info))
        high = min(high * math.sqrt(info), centre + 12 * math.sqrt(info))
        s = (high + low) / 2 + (high - low) / 2 * self.x
        density = np.exp(-(s[:, None] - self.s[None, :] - self.theta * added) ** 2 / (2 * added)) @ self.mass / math.sqrt(2 * math.pi * added)
        self.s, self.mass, self.info = s, (high - low) / 2 * self.w * density, info


DESIGNS = [
    ("obrien-fleming", None, 2, 0.05, [0.2, 0.4, 0.6, 0.8, 1]),
    ("obrien-fleming", None, 1, 0.025, [0.1, 0.15, 0.7, 0.75, 1]),
    ("obrien-fleming", None, 2, 0.05, [k / 20 for k in range(1, 21)]),
    ("pocock", None, 2, 0.1, [k / 20 for k in range(1, 21)]),
    ("pocock", None, 1, 0.05, [0.03, 0.5, 0.52, 0.9]),
    ("power", 1.0, 2, 0.05, [k / 20 for k in range(1, 21)]),
    ("power", 3.0, 1, 0.01, [0.3, 0.31, 0.9, 1]),
    ("power", 0.5, 2, 0.3, [0.01, 0.02, 0.5, 1]),
    ("hwang-shih-decani", -4.0, 2, 0.05, [0.25, 0.5, 0.75, 1]),
    ("hwang-shih-decani", 0.0, 1, 0.05, [0.25, 0.5, 0.75, 1]),
    ("hwang-shih-decani", 1.0, 2, 0.05, [k / 20 for k in range(1, 21)]),
]


@pytest.mark.parametrize("spending, parameter, sides, alpha, information", DESIGNS)
def test_bounds(db, spending, parameter, sides, alpha, information):
    """Against a quadrature of this file's own, root by root: 1e-8 in z."""
    arguments = {} if parameter is None else {"spending_parameter": parameter}
    rows = bounds(db, information, spending=spending, sides=sides, alpha=alpha, planned_information=1.0, **arguments)
    walk, before = Walk(), 0.0
    assert [(r.look, r.information) for r in rows] == list(zip(range(1, len(information) + 1), information))
    for row, t in zip(rows, information):
        side = spent(spending, alpha / sides, t, parameter)
        z = optimize.brentq(lambda c: math.log((walk.sf(t, c) + 1e-300) / (side - before)), -3, 12, xtol=1e-12)
        assert abs(row.z_upper - z) < 1e-8
        assert row.z_lower == (-row.z_upper if sides == 2 else -INF)
        assert math.isclose(row.alpha_spent, sides * side, rel_tol=1e-11)
        assert math.isclose(row.nominal_p, sides * stats.norm.sf(row.z_upper), rel_tol=1e-11)
        walk.go_on(t, -z if sides == 2 else -INF, z)
        before = side


def test_bounds_against_multivariate_normal(db):
    """The chance to go on through three looks is scipy's (Genz's algorithm)."""
    for information, spending in (([0.3, 0.5, 1], "obrien-fleming"), ([0.1, 0.9, 1], "pocock")):
        rows = bounds(db, information, spending=spending)
        cov = [[math.sqrt(min(a, b) / max(a, b)) for a in information] for b in information]
        for k in (2, 3):
            high = np.array([r.z_upper for r in rows[:k]])
            inside = stats.multivariate_normal.cdf(high, np.zeros(k), np.array(cov)[:k, :k], maxpts=2_000_000, abseps=1e-8,
                                                      releps=1e-8, lower_limit=-high)
            assert abs(1 - inside - rows[k - 1].alpha_spent) < 2e-7


def test_information_in_any_unit(db):
    shares = z_upper(db, [0.2, 0.5, 1])
    np.testing.assert_allclose(z_upper(db, [2000, 5000, 10000]), shares, rtol=1e-12)
    np.testing.assert_allclose(z_upper(db, [2000, 5000], planned_information=10000.0), shares[:2], rtol=1e-12)
    # Looks beyond the plan find no alpha left.
    over = bounds(db, [0.5, 1.1, 1.2], planned_information=1.0)
    assert [r.alpha_spent for r in over] == [shares_spent for shares_spent in (over[0].alpha_spent, 0.05, 0.05)]
    assert over[2].z_upper == INF and over[2].nominal_p == 0
    # A single look is the fixed test.
    assert abs(z_upper(db, [7])[0] - stats.norm.isf(0.025)) < 1e-12
    assert abs(z_upper(db, [7], sides=1)[0] - stats.norm.isf(0.05)) < 1e-12


def test_extreme_designs(db):
    """Early looks with next to no alpha, close looks, tiny and large alpha: finite or infinite, never NaN, and they add up."""
    for information in ([0.001, 0.01, 1], [0.5, 0.5006, 1], [1e-9, 1e9], [k / 60 for k in range(1, 61)]):
        for arguments in ({}, {"sides": 1}, {"alpha": 1e-12}, {"alpha": 0.9}, {"alpha": 0.9, "sides": 1},
                          {"spending": "pocock"}, {"spending": "power", "spending_parameter": 20.0},
                          {"spending": "hwang-shih-decani", "spending_parameter": -40.0},
                          {"spending": "pocock-constant"}, {"spending": "obrien-fleming-constant"}):
            rows = bounds(db, information, **arguments)
            assert not any(math.isnan(x) for r in rows for x in r)
            assert math.isclose(rows[-1].alpha_spent, arguments.get("alpha", 0.05), rel_tol=1e-9)
            assert all(a.alpha_spent <= b.alpha_spent for a, b in zip(rows, rows[1:]))


# --- A series of looks -----------------------------------------------------------------------------


def test_series(db, diff, std_error, information, **arguments):
    arrays = {k: "{%s}" % ",".join(repr(float(x)) for x in v)
              for k, v in (("diff", diff), ("std_error", std_error), ("information", information))}
    return db.rows("SELECT * FROM %s" % call("group_sequential_test", **arrays, **arguments))


series = test_series
del test_series


def stagewise(rows, information, look, z, drift, two_sided):
    """P(as high) and P(as low) in the stagewise ordering, of an experiment stopped at `look` (from 0)."""
    theta = drift / math.sqrt(information[look])
    walk, up, down = Walk(theta), 0.0, 0.0
    for k in range(look):
        c = rows[k]
        up += walk.sf(information[k], c)
        down += walk.cdf(information[k], -c) if two_sided else 0.0
        walk.go_on(information[k], -c if two_sided else -INF, c)
    return up + walk.sf(information[look], z), down + walk.cdf(information[look], z)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_stagewise_result(db, alternative):
    """p-value, estimate and interval are those of the ordering, by a quadrature that carries the drift along."""
    rng = random.Random(alternative)
    two_sided, sign = alternative == "two-sided", -1 if alternative == "less" else 1
    stops = set()
    for i in range(25):
        looks = rng.randint(1, 5)
        information = sorted(rng.uniform(0.1, 1) for _ in range(looks - 1)) + [1.0]
        if any(b - a < 0.02 for a, b in zip(information, information[1:])):
            continue
        drift = rng.uniform(-4, 5)
        score, z = 0.0, []
        for a, b in zip([0.0] + information, information):
            score += rng.gauss(drift * (b - a), math.sqrt(b - a))
            z.append(score / math.sqrt(b))
        error = [0.3 / math.sqrt(t) for t in information]
        null_diff = 0.7
        rows = series(db, [null_diff + sign * x * e for x, e in zip(z, error)], error, information, alternative=alternative,
                      spending="pocock", null_diff=null_diff)
        c = [max(r.z_upper, -r.z_lower) if two_sided else (r.z_upper if sign > 0 else -r.z_lower) for r in rows]
        expected_c = z_upper(db, information, spending="pocock", sides=2 if two_sided else 1)
        np.testing.assert_allclose(c, expected_c, rtol=1e-13)

        last = next((k for k in range(looks) if z[k] >= c[k] or two_sided and z[k] <= -c[k]), looks - 1)
        stops.add((last < looks - 1, z[last] > 0))
        decisions = ["go"] * last + ["stop" if abs(z[last]) >= c[last] and (two_sided or z[last] > 0) else "end"]
        assert [r.decision for r in rows] == decisions + ["stopped"] * (looks - last - 1)

        row, e, alpha = rows[last], error[last], 0.025 if two_sided else 0.05
        assert all(r.p_value is None and r.estimate is None for r in rows if r is not row)
        up, down = stagewise(c, information, last, z[last], 0.0, two_sided)
        assert abs(row.p_value - min(1, 2 * min(up, down) if two_sided else up)) < 1e-9
        to_drift = lambda d: sign * (d - null_diff) / e
        low, high = sorted((to_drift(row.estimate_low), to_drift(row.estimate_high)))
        assert abs(stagewise(c, information, last, z[last], to_drift(row.estimate), two_sided)[0] - 0.5) < 1e-8
        assert abs(stagewise(c, information, last, z[last], low, two_sided)[0] - alpha) < 1e-8
        if two_sided:
            assert abs(stagewise(c, information, last, z[last], high, two_sided)[1] - alpha) < 1e-8
        else:
            assert high == INF
        for k in range(last + 1):
            ends = sorted(sign * x for x in (rows[k].diff_low, rows[k].diff_high))
            assert abs(ends[0] - (sign * rows[k].diff - c[k] * error[k])) < 1e-12
            assert ends[1] == INF if not two_sided else abs(ends[1] - (rows[k].diff + c[k] * error[k])) < 1e-12
        # Rejected where it stops, by p-value and interval alike.
        assert (row.decision == "stop") == (row.p_value <= 2 * alpha if two_sided else row.p_value <= alpha)
    assert len(stops) >= 2


def test_stagewise_coverage(db):
    """4000 experiments of three looks with an effect: the interval covers it in 95 %, the estimate is above it in half."""
    rng = np.random.default_rng(7)
    experiments, drift, information = 4000, 2.5, np.array([0.3, 0.6, 1.0])
    score = np.cumsum(rng.normal(drift * np.diff(information, prepend=0), np.sqrt(np.diff(information, prepend=0)), (experiments, 3)), axis=1)
    db.run("CREATE TEMP TABLE walks (diff float8[])")
    db.copy_rows("walks", [("{%s}" % ",".join(map(repr, map(float, s / information))),) for s in score])
    rows = db.rows("SELECT t.* FROM walks w, group_sequential_test(w.diff, %s::float8[], %s::float8[]) t WHERE t.p_value IS NOT NULL",
                   "{%s}" % ",".join(map(str, 1 / np.sqrt(information))), "{%s}" % ",".join(map(str, information)))
    assert len(rows) == experiments and {r.look for r in rows} == {1, 2, 3}
    covered = sum(r.estimate_low <= drift <= r.estimate_high for r in rows) / experiments
    above = sum(r.estimate > drift for r in rows) / experiments
    assert abs(covered - 0.95) < 3 * math.sqrt(0.05 * 0.95 / experiments)
    assert abs(above - 0.5) < 3 * math.sqrt(0.25 / experiments)


def test_planned_end_but_for_rounding(db):
    """0.7 + 0.2 + 0.1 < 1 in float8: the end is reached all the same, and all of alpha spent."""
    information = [0.7, 0.7 + 0.2, 0.7 + 0.2 + 0.1]
    assert information[-1] < 1
    for spending in ("obrien-fleming", "pocock-constant"):
        rows = series(db, [1, 1, 1], [1, 0.8, 0.7], information, spending=spending)
        assert [r.decision for r in rows] == ["go", "go", "end"] and rows[-1].p_value > 0.05
    assert bounds(db, information)[-1].alpha_spent == 0.05


def test_far_from_the_hypothesis(db):
    """An estimate is right or not there: far below it, one-sided, and far above it, at a later look."""
    for z in (-5, -20, -29):
        row = series(db, [z, z], [1, 1], [1, 2], alternative="greater", planned_information=2)[1]
        assert row.decision == "end" and abs(row.estimate - z) < 1e-9 and row.p_value > 0.999
        assert abs(row.estimate_low - (z - stats.norm.isf(0.05))) < 1e-9
    for z in (-60, -1e10):
        row = series(db, [-40, z], [1, 1], [1, 2], alternative="greater", planned_information=2)[1]
        assert (row.decision, row.p_value, row.estimate, row.estimate_low) == ("end", 1, None, -INF)
    # Half of the experiments stop at the first of two looks where the drift there is the bound.
    first = z_upper(db, [1, 2], planned_information=4)[0]
    for z in (100, 1e40):
        row = series(db, [0, z], [1, 1], [1, 2], planned_information=4)[1]
        assert row.decision == "stop" and abs(row.estimate - math.sqrt(2) * first) < 1e-8
    row = series(db, [0, 1e300], [1, 1], [1, 2], planned_information=4)[1]
    assert (row.decision, row.estimate, row.estimate_low, row.estimate_high) == ("stop", None, -INF, INF)


def test_days_that_hardly_add_a_unit(db):
    """A dashboard goes on when nobody comes any more: such days are no looks.  Fewer units than before are an error."""
    def looks(*units):
        return ("group_sequential_looks(ARRAY(SELECT ROW('t', 'control', n, n, 1, 0, 1, 0.5, 2, 10, 0.04, 0, 2, 1, 0, 2, 0.05, 'x')"
                "::comparison FROM unnest('{%s}'::int[]) n), 4000)" % ",".join(map(str, units)))
    days = db.rows("SELECT * FROM " + looks(500, 500, 1000, 1000, 2000, 2000, 2001, 2500))
    assert [(r.information, r.decision) for r in days] == [(1000, "go"), (2000, "go"), (4000, "stop"), (5000, "stopped")]
    assert days == db.rows("SELECT * FROM " + looks(500, 1000, 2000, 2500))
    assert db.error("SELECT * FROM " + looks(500, 499)).pgcode == "22023"


def test_looks_of_comparisons(db):
    """Rows of comparisons: information is the units of both arms; looks without a standard error are left out."""
    db.run("CREATE TEMP TABLE daily AS SELECT day, moments_agg(y, v) AS m FROM (SELECT i % 4 AS day, sin(i * i) + (i % 2) * 0.15 AS y, "
           "CASE i % 2 WHEN 0 THEN 'control' ELSE 'treatment' END AS v FROM generate_series(1, 3001) i) s GROUP BY day "
           "UNION ALL SELECT -1, moments_agg(1, 'control')")
    db.run("CREATE TEMP TABLE running AS SELECT day, w FROM (SELECT day, moments_agg(m) OVER (ORDER BY day) AS m FROM daily) s, "
           "welch_t(m, 'control') w")
    rows = db.rows("SELECT * FROM group_sequential_looks((SELECT array_agg(w ORDER BY day) FROM running), 6000, spending => 'pocock')")
    looks = db.rows("SELECT (w).diff, (w).std_error, (w).n + (w).n_control AS n FROM running WHERE (w).std_error > 0 ORDER BY day")
    assert 2 <= len(looks) == len(rows) < db.one("SELECT count(*) FROM running")
    assert rows == series(db, [r.diff for r in looks], [r.std_error for r in looks], [r.n for r in looks], spending="pocock",
                          planned_information=6000.0)
    assert db.rows("SELECT * FROM group_sequential_looks(NULL, 6000)") == []
    assert db.rows("SELECT * FROM group_sequential_looks(ARRAY[NULL, NULL]::comparison[], 6000)") == []
    e = db.error("SELECT * FROM group_sequential_looks((SELECT array_agg(w) FROM (SELECT moments_agg(m) AS m FROM daily) s, "
                 "welch_t(m, 'nobody') w), 6000)")
    assert e.pgcode == "22023" and '"control" and "treatment"' in e.diag.message_primary
    assert db.error("SELECT * FROM group_sequential_looks((SELECT array_agg(w) FROM running), NULL)").pgcode == "22004"


# --- Errors ----------------------------------------------------------------------------------------

M = state((10, [1.0, 2.0], [5.0, 1.0, 5.0]), (10, [2.0, 2.0], [5.0, 1.0, 5.0]))
ERRORS = [
    ("confidence_sequence", {"m": M, "tuning_n": 0}, "22023", "tuning_n"),
    ("confidence_sequence", {"m": M, "tuning_n": "NaN"}, "22023", "tuning_n"),
    ("confidence_sequence", {"m": M, "alpha": 1}, "22023", "alpha"),
    ("confidence_sequence", {"m": M, "alternative": "both"}, "22023", "both"),
    ("confidence_sequence", {"m": M, "estimator": "median"}, "22023", "median"),
    ("confidence_sequence", {"m": M, "estimator": "cuped_ratio"}, "22023", "num_pre"),
    ("confidence_sequence", {"m": M, "metric": 3}, "22023", "metric"),
    ("confidence_sequence", {"m": M, "estimator": "cuped", "covariates": "{1}"}, "22023", "own covariate"),
    ("confidence_sequence", {"m": M, "planned_n": -5}, "22023", "planned_n"),
    ("confidence_sequence", {"m": M, "sequence_share": 0}, "22023", "sequence_share"),
    ("msprt", {"m": M, "tau2": 0}, "22023", "tau2"),
    ("msprt", {"m": M, "tau2": "Infinity"}, "22023", "tau2"),
    ("group_sequential_bounds", {"information": "{0.5,0.5}"}, "22023", "increase"),
    ("group_sequential_bounds", {"information": "{0,1}"}, "22023", "information[1]"),
    ("group_sequential_bounds", {"information": "{0.1,Infinity}"}, "22023", "information[2]"),
    ("group_sequential_bounds", {"information": "{0.1,NULL}"}, "22004", "information"),
    ("group_sequential_bounds", {"information": "{}"}, "22023", "information"),
    ("group_sequential_bounds", {"information": "{%s}" % ",".join(map(str, range(1, 202)))}, "22023", "200"),
    ("group_sequential_bounds", {"information": "{1}", "alpha": 0}, "22023", "alpha"),
    ("group_sequential_bounds", {"information": "{1}", "alpha": 1e-200}, "22023", "1e-12"),
    ("group_sequential_bounds", {"information": "{1}", "sides": 3}, "22023", "sides"),
    ("group_sequential_bounds", {"information": "{1}", "spending": "linear"}, "22023", "linear"),
    ("group_sequential_bounds", {"information": "{1}", "spending": "power"}, "22004", "spending_parameter"),
    ("group_sequential_bounds", {"information": "{1}", "spending": "power", "spending_parameter": 0}, "22023", "exponent"),
    ("group_sequential_bounds", {"information": "{1}", "spending": "hwang-shih-decani", "spending_parameter": 41}, "22023", "gamma"),
    ("group_sequential_bounds", {"information": "{1}", "spending_parameter": 1}, "22023", "spending_parameter"),
    ("group_sequential_bounds", {"information": "{1}", "planned_information": 0}, "22023", "planned_information"),
    ("group_sequential_bounds", {"information": "{0.5}", "spending": "pocock-constant"}, "22023", "constant"),
    ("group_sequential_test", {"diff": "{1,2}", "std_error": "{1}", "information": "{1,2}"}, "22023", "2 looks"),
    ("group_sequential_test", {"diff": "{1,2}", "std_error": "{1,1}", "information": "{1}"}, "22023", "1 look"),
    ("group_sequential_test", {"diff": "{1,2}", "std_error": "{1,1}", "information": "{100,200}"}, "22004", "planned_information"),
    ("group_sequential_test", {"diff": "{1}", "std_error": "{0}", "information": "{1}"}, "22023", "std_error[1]"),
    ("group_sequential_test", {"diff": "{NaN}", "std_error": "{1}", "information": "{1}"}, "22023", "diff[1]"),
    ("group_sequential_test", {"diff": "{1e200}", "std_error": "{1e-200}", "information": "{1}"}, "22003", "diff[1]"),
    ("group_sequential_test", {"diff": "{1}", "std_error": "{1}", "information": "{1}", "alternative": "up"}, "22023", "up"),
]


@pytest.mark.parametrize("function, arguments, sqlstate, named", ERRORS)
def test_errors(db, function, arguments, sqlstate, named):
    e = db.error("SELECT * FROM %s" % call(function, **arguments))
    assert e.pgcode == sqlstate and named in e.diag.message_primary


def test_null_arguments(db):
    for function, required in (("confidence_sequence", "tuning_n estimator alpha sequence_share"), ("msprt", "estimator alpha null_diff")):
        for name in required.split():
            assert db.error("SELECT * FROM %s(%%s::moments, %s => NULL)" % (function, name), M).pgcode == "22004"
    for name in "information alpha sides spending".split():
        call_text = {"information": "information => NULL"}.get(name, "information => '{1}', %s => NULL" % name)
        assert db.error("SELECT * FROM group_sequential_bounds(%s)" % call_text).pgcode == "22004"
