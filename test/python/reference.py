"""What the extension must answer, computed independently of it.

Sample moments are exact rationals of the float8 inputs (Python integers and fractions), everything
after that is mpmath with 50 digits, so the tails are right to p = 1e-300 and below, where scipy is not.
test_accuracy.py first holds these formulas against scipy and statsmodels, then the extension against both.

Formulas and sources
  Welch's t          Welch (1947), Biometrika 34: 28-35; degrees of freedom: Satterthwaite (1946), eq. 17
  delta method       lift = m_t/m_c - 1, variance s_t^2/m_c^2 + m_t^2 s_c^2/m_c^4
  log interval       the delta method on log(m_t/m_c)
  Fieller's set      Fieller (1954), JRSS B 16: 175-185
  pooled z           two-proportion z test with the pooled variance
  score z            Farrington & Manning (1990), Stat. Med. 9: 1447-1454: restricted maximum likelihood
  Newcombe           Newcombe (1998), Stat. Med. 17: 873-890, method 10 (hybrid of two Wilson intervals)
  p-value families   Holm (1979), Hochberg (1988), Benjamini & Hochberg (1995), Benjamini & Yekutieli (2001)
  FarmHash           Pike (2014), farmhashna::Hash64 of https://github.com/google/farmhash
  MurmurHash3        Appleby (2011), MurmurHash3_x86_32 of https://github.com/aappleby/smhasher
  FNV-1a             Fowler, Noll & Vo, RFC 9923
  bucketing methods  the definitions in docs/assignment.md
"""

import functools
import hashlib
import math
import re
from fractions import Fraction

import mpmath
import numpy as np
from mpmath import mp, mpf
from scipy import stats

mp.dps = 50
INF = mpf("inf")

COMPARISON = ("variant control n n_control estimate estimate_control diff std_error statistic df p_value "
              "diff_low diff_high lift lift_low lift_high alpha method").split()


# --- Sample moments, exactly -------------------------------------------------------------------

def scaled_integers(values):
    """The floats as integers over one common power of two: (integers, that power)."""
    pairs = [float(v).as_integer_ratio() for v in values]
    scale = max(d for _, d in pairs)
    return [n * (scale // d) for n, d in pairs], scale


def exact_mean(values):
    ints, scale = scaled_integers(values)
    return Fraction(sum(ints), len(ints) * scale)


def exact_cross(a, b):
    """Centred sum of products of two columns of floats, an exact rational."""
    x, xs = scaled_integers(a)
    y, ys = scaled_integers(b)
    n = len(x)
    return Fraction(n * sum(map(int.__mul__, x, y)) - sum(x) * sum(y), n * xs * ys)


class Arm:
    """n, mean and sample variance (None under 2 units) of one arm, as mpf."""

    def __init__(self, values):
        self.n = len(values)
        self.mean = to_mpf(exact_mean(values)) if self.n else None
        self.var = to_mpf(exact_cross(values, values) / (self.n - 1)) if self.n > 1 else None


def to_mpf(x):
    if isinstance(x, Fraction):
        return mpf(x.numerator) / mpf(x.denominator)
    return mpf(x)


# --- Distributions -----------------------------------------------------------------------------

def incomplete_beta(a, b, x):
    """Regularised I_x(a, b) by the continued fraction DLMF 8.17.22 (modified Lentz)."""
    a, b, x = mpf(a), mpf(b), mpf(x)
    if x <= 0:
        return mpf(0)
    if x >= 1:
        return mpf(1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = mpmath.exp(a * mpmath.log(x) + b * mpmath.log1p(-x)
                       - mpmath.loggamma(a) - mpmath.loggamma(b) + mpmath.loggamma(a + b)) / a
    tiny = mpf(10) ** (-10 * mp.dps)
    f, c, d = mpf(1), mpf(1), mpf(0)
    for i in range(100000):
        m = i // 2
        if i == 0:
            numerator = mpf(1)
        elif i % 2 == 0:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + numerator * d or tiny)
        c = 1 + numerator / c or tiny
        f *= c * d
        if abs(c * d - 1) < mpf(10) ** (2 - mp.dps):
            return front * (f - 1)
    raise ArithmeticError("continued fraction did not converge")


def t_sf(t, df):
    """P(T > t) of Student's t."""
    tail = incomplete_beta(df / 2, mpf(1) / 2, df / (df + t * t)) / 2
    return tail if t > 0 else 1 - tail


def t_pdf(t, df):
    return mpmath.exp(mpmath.loggamma((df + 1) / 2) - mpmath.loggamma(df / 2)
                      - (df + 1) / 2 * mpmath.log1p(t * t / df)) / mpmath.sqrt(df * mp.pi)


def normal_sf(z):
    if abs(z) > 1e9:        # beyond what mpmath computes, and any float8
        return mpf(z < 0)
    return mpmath.erfc(z / mpmath.sqrt(2)) / 2


def chi2_sf(x, df):
    return mpmath.gammainc(mpf(df) / 2, mpf(x) / 2, mpmath.inf, regularized=True)


def newton_isf(q, start, sf, pdf):
    """x > 0 with sf(x) = q < 1/2, from a double precision start: Newton on log sf as a function of log x,
    which is concave for the normal and nearly straight in the tail of t."""
    x = mpf(start)
    for _ in range(60):
        tail = sf(x)
        step = mpmath.log(tail / q) * tail / (pdf(x) * x)
        x *= mpmath.exp(step)
        if abs(step) <= mpf(10) ** -12:    # quadratic: what is left is about the square of it
            return x
    raise ArithmeticError("Newton did not converge for %s" % q)


@functools.lru_cache(maxsize=None)
def t_isf(q, df):
    if q == mpf(1) / 2:
        return mpf(0)
    if q > mpf(1) / 2:
        return -t_isf(1 - q, df)
    return newton_isf(q, stats.t.isf(float(q), float(df)), lambda x: t_sf(x, df), lambda x: t_pdf(x, df))


@functools.lru_cache(maxsize=None)
def normal_isf(q):
    if q == mpf(1) / 2:
        return mpf(0)
    if q > mpf(1) / 2:
        return -normal_isf(1 - q)
    return newton_isf(q, stats.norm.isf(float(q)), normal_sf,
                      lambda x: mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mp.pi))


def p_value(statistic, alternative, sf):
    if alternative == "two-sided":
        return 2 * sf(abs(statistic))
    return sf(statistic if alternative == "greater" else -statistic)


def tail_of(alpha, alternative):
    return mpf(alpha) / 2 if alternative == "two-sided" else mpf(alpha)


def interval(centre, half_width, alternative):
    low = -INF if alternative == "less" else centre - half_width
    high = INF if alternative == "greater" else centre + half_width
    return low, high


# --- One comparison ----------------------------------------------------------------------------

def satterthwaite(a, n_a, b, n_b):
    """Degrees of freedom of the sum of two variances of a mean, a and b."""
    return (a + b) ** 2 / (a * a / (n_a - 1) + b * b / (n_b - 1))


def empty_row(t, c, alpha, method):
    row = dict.fromkeys(COMPARISON)
    row.update(n=t.n, n_control=c.n, estimate=t.mean, estimate_control=c.mean, alpha=mpf(alpha), method=method)
    if t.n and c.n:
        row["diff"] = t.mean - c.mean
        if c.mean != 0:
            row["lift"] = row["diff"] / abs(c.mean)
    return row


def lift_delta(mt, vt, mc, vc, q, alternative):
    """vt, vc: variances of the two means."""
    se = mpmath.sqrt(vt / mc ** 2 + mt ** 2 * vc / mc ** 4)
    return interval((mt - mc) / abs(mc), q * se, alternative)


def ratio_to_lift(low, high, mc, alternative):
    """A set of ratios m_t/m_c as a set of (m_t - m_c)/|m_c|; one-sided ones have an infinite end."""
    low, high = (low - 1, high - 1) if mc > 0 else (1 - high, 1 - low)
    return (-INF if alternative == "less" else low), (INF if alternative == "greater" else high)


def lift_log(mt, vt, mc, vc, q, alternative):
    if mt * mc <= 0:
        return None, None
    half = q * mpmath.sqrt(vt / mt ** 2 + vc / mc ** 2)
    return ratio_to_lift(mt / mc * mpmath.exp(-half), mt / mc * mpmath.exp(half), mc, alternative)


def lift_fieller(mt, vt, mc, vc, q, alternative):
    """{r : (mt - r mc)^2 <= q^2 (vt + r^2 vc)}; unbounded when the control mean is not clearly off zero."""
    a = mc * mc - q * q * vc
    if a <= 0:
        return -INF, INF
    root = mpmath.sign(q) * mpmath.sqrt((mt * mc) ** 2 - a * (mt * mt - q * q * vt))    # q < 0: one-sided, alpha > 1/2
    return ratio_to_lift((mt * mc - root) / a, (mt * mc + root) / a, mc, alternative)


def welch(t, c, alpha=0.05, alternative="two-sided", null_diff=0.0, lift_method="delta"):
    row = empty_row(t, c, alpha, "welch_t")
    if t.var is None or c.var is None:
        return row
    vt, vc = t.var / t.n, c.var / c.n
    row["std_error"] = se = mpmath.sqrt(vt + vc)
    if se == 0:
        return row
    df = satterthwaite(vt, t.n, vc, c.n)
    statistic = (row["diff"] - mpf(null_diff)) / se
    q = t_isf(tail_of(alpha, alternative), df)
    row.update(df=df, statistic=statistic, p_value=p_value(statistic, alternative, lambda x: t_sf(x, df)))
    row["diff_low"], row["diff_high"] = interval(row["diff"], q * se, alternative)
    if c.mean == 0:
        return row
    if lift_method == "delta":
        ends = lift_delta(t.mean, vt, c.mean, vc, q, alternative)
    elif lift_method == "fieller":
        ends = lift_fieller(t.mean, vt, c.mean, vc, q, alternative)
    elif t.mean == 0:
        ends = None, None
    else:
        df_log = satterthwaite(vt / t.mean ** 2, t.n, vc / c.mean ** 2, c.n)
        ends = lift_log(t.mean, vt, c.mean, vc, t_isf(tail_of(alpha, alternative), df_log), alternative)
    row["lift_low"], row["lift_high"] = ends
    return row


def wilson(p, n, z):
    centre = p + z * z / (2 * n)
    half = z * mpmath.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def newcombe(p1, n1, p2, n2, z):
    """The limits swap for z < 0, that is for a one-sided interval with alpha > 1/2."""
    l1, u1 = wilson(p1, n1, abs(z))
    l2, u2 = wilson(p2, n2, abs(z))
    ends = (p1 - p2 - mpmath.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2),
            p1 - p2 + mpmath.sqrt((p2 - l2) ** 2 + (u1 - p1) ** 2))
    return ends if z >= 0 else ends[::-1]


def restricted_proportion(x1, n1, x2, n2, d):
    """The p2 that maximises the likelihood under p1 = p2 + d: bisection on the score, which decreases."""
    def score(p):    # times the positive p1 (1 - p1) p2 (1 - p2)
        p1 = p + d
        return (x1 - n1 * p1) * p * (1 - p) + (x2 - n2 * p) * p1 * (1 - p1)

    low, high = max(mpf(0), -d), min(mpf(1), 1 - d)
    for _ in range(int(3.4 * mp.dps)):
        middle = (low + high) / 2
        if score(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def proportion(x_t, n_t, x_c, n_c, alpha=0.05, alternative="two-sided", null_diff=0.0):
    """Two proportions, x successes of n. The lift interval is the delta method on the unpooled variances."""
    pt, pc, d = mpf(x_t) / n_t, mpf(x_c) / n_c, mpf(null_diff)
    row = dict.fromkeys(COMPARISON)
    row.update(n=n_t, n_control=n_c, estimate=pt, estimate_control=pc, diff=pt - pc, alpha=mpf(alpha),
               method="proportion_z")
    if d == 0:
        p1 = p2 = mpf(x_t + x_c) / (n_t + n_c)
    else:
        p2 = restricted_proportion(x_t, n_t, x_c, n_c, d)
        p1 = p2 + d
    row["std_error"] = se = mpmath.sqrt(p1 * (1 - p1) / n_t + p2 * (1 - p2) / n_c)
    if se > mpf(10) ** -30:
        row["statistic"] = (pt - pc - d) / se
        row["p_value"] = p_value(row["statistic"], alternative, normal_sf)
    else:
        row["std_error"] = mpf(0)
    z = normal_isf(tail_of(alpha, alternative))
    low, high = newcombe(pt, n_t, pc, n_c, z)
    row["diff_low"] = -INF if alternative == "less" else low
    row["diff_high"] = INF if alternative == "greater" else high
    if pc != 0:
        row["lift"] = (pt - pc) / pc
        row["lift_low"], row["lift_high"] = lift_delta(
            pt, pt * (1 - pt) / n_t, pc, pc * (1 - pc) / n_c, z, alternative)
    return row


# --- Sample ratio mismatch and families of p-values ----------------------------------------------

def srm(observed, weights):
    """Pearson's chi-square of counts against weights (scipy.stats.chisquare, with an exact tail)."""
    total, n = sum(Fraction(w) for w in weights), sum(observed)
    expected = [n * Fraction(w) / total for w in weights]
    chi2 = to_mpf(sum((o - e) ** 2 / e for o, e in zip(observed, expected)))
    df = len(observed) - 1
    return dict(chi2=chi2, df=df, p_value=chi2_sf(chi2, df), n=n, observed=list(observed),
                expected=[to_mpf(e) for e in expected])


def p_adjust(ps, method):
    """Adjusted p-values as exact rationals, in the order given; None stays None and is not counted."""
    order = sorted((i for i, p in enumerate(ps) if p is not None), key=lambda i: ps[i])
    m = len(order)
    harmonic = sum(Fraction(1, i) for i in range(1, m + 1))
    factor = {"bonferroni": lambda rank: m,
              "holm": lambda rank: m - rank + 1,
              "hochberg": lambda rank: m - rank + 1,
              "bh": lambda rank: Fraction(m, rank),
              "by": lambda rank: Fraction(m, rank) * harmonic}[method]
    raw = [Fraction(ps[i]) * factor(rank) for rank, i in enumerate(order, 1)]
    if method == "holm":                                # running maximum, smallest p first
        for k in range(1, m):
            raw[k] = max(raw[k], raw[k - 1])
    elif method != "bonferroni":                        # running minimum, largest p first
        for k in range(m - 2, -1, -1):
            raw[k] = min(raw[k], raw[k + 1])
    adjusted = [None] * len(ps)
    for i, p in zip(order, raw):
        adjusted[i] = min(p, Fraction(1))
    return adjusted


# --- FarmHash Fingerprint64 ----------------------------------------------------------------------

M64 = (1 << 64) - 1
K0, K1, K2 = 0xc3a5c85c97cb3127, 0xb492b66fbe98f273, 0x9ae16a3b2f90404f


def _rotate(v, shift):
    return (v >> shift | v << (64 - shift)) & M64


def _mix(v):
    return v ^ (v >> 47)


def _len16(u, v, mul):
    a = (u ^ v) * mul & M64
    a ^= a >> 47
    b = (v ^ a) * mul & M64
    b ^= b >> 47
    return b * mul & M64


def farm_fingerprint64(s):
    """Unsigned Fingerprint64 of bytes."""
    n = len(s)

    def f64(i):
        return int.from_bytes(s[i:i + 8], "little")

    def f32(i):
        return int.from_bytes(s[i:i + 4], "little")

    mul = K2 + 2 * n & M64
    if n > 64:
        return _farm_long(s, f64)
    if n > 32:
        a, b, c, d = f64(0) * K2 & M64, f64(8), f64(n - 8) * mul & M64, f64(n - 16) * K2 & M64
        y = (_rotate(a + b & M64, 43) + _rotate(c, 30) + d) & M64
        z = _len16(y, (a + _rotate(b + K2 & M64, 18) + c) & M64, mul)
        e, f = f64(16) * mul & M64, f64(24)
        g, h = (y + f64(n - 32)) * mul & M64, (z + f64(n - 24)) * mul & M64
        return _len16((_rotate(e + f & M64, 43) + _rotate(g, 30) + h) & M64,
                      (e + _rotate(f + a & M64, 18) + g) & M64, mul)
    if n > 16:
        a, b, c, d = f64(0) * K1 & M64, f64(8), f64(n - 8) * mul & M64, f64(n - 16) * K2 & M64
        return _len16((_rotate(a + b & M64, 43) + _rotate(c, 30) + d) & M64,
                      (a + _rotate(b + K2 & M64, 18) + c) & M64, mul)
    if n >= 8:
        a, b = f64(0) + K2 & M64, f64(n - 8)
        c, d = _rotate(b, 37) * mul + a & M64, (_rotate(a, 25) + b) * mul & M64
        return _len16(c, d, mul)
    if n >= 4:
        return _len16(n + (f32(0) << 3) & M64, f32(n - 4), mul)
    if n > 0:
        y, z = s[0] + (s[n >> 1] << 8), n + (s[n - 1] << 2)
        return _mix((y * K2 ^ z * K0) & M64) * K2 & M64
    return K2


def _farm_long(s, f64):
    def weak(i, a, b):
        w, x, y, z = f64(i), f64(i + 8), f64(i + 16), f64(i + 24)
        a = a + w & M64
        b = _rotate(b + a + z & M64, 21)
        c = a
        a = a + x + y & M64
        b = b + _rotate(a, 44) & M64
        return a + z & M64, b + c & M64

    n, seed = len(s), 81
    x, y = seed, seed * K1 + 113 & M64
    z = _mix(y * K2 + 113 & M64) * K2 & M64
    v, w = (0, 0), (0, 0)
    x = x * K2 + f64(0) & M64
    end, last = (n - 1) // 64 * 64, n - 64
    for i in range(0, end, 64):
        x = _rotate(x + y + v[0] + f64(i + 8) & M64, 37) * K1 & M64
        y = _rotate(y + v[1] + f64(i + 48) & M64, 42) * K1 & M64
        x ^= w[1]
        y = y + v[0] + f64(i + 40) & M64
        z = _rotate(z + w[0] & M64, 33) * K1 & M64
        v = weak(i, v[1] * K1 & M64, x + w[0] & M64)
        w = weak(i + 32, z + w[1] & M64, y + f64(i + 16) & M64)
        z, x = x, z
    mul = K1 + ((z & 0xff) << 1) & M64
    w = (w[0] + ((n - 1) & 63) & M64, w[1])
    v = (v[0] + w[0] & M64, v[1])
    w = (w[0] + v[0] & M64, w[1])
    i = last
    x = _rotate(x + y + v[0] + f64(i + 8) & M64, 37) * mul & M64
    y = _rotate(y + v[1] + f64(i + 48) & M64, 42) * mul & M64
    x ^= w[1] * 9 & M64
    y = y + v[0] * 9 + f64(i + 40) & M64
    z = _rotate(z + w[0] & M64, 33) * mul & M64
    v = weak(i, v[1] * mul & M64, x + w[0] & M64)
    w = weak(i + 32, z + w[1] & M64, y + f64(i + 16) & M64)
    z, x = x, z
    return _len16(_len16(v[0], w[0], mul) + _mix(y) * K0 + z & M64, _len16(v[1], w[1], mul) + x & M64, mul)


# --- Comparing an answer with the reference --------------------------------------------------------

def close(got, expected, rel=1e-10, zero=0.0):
    """Whether got is expected to a relative tolerance plus zero, an absolute one.

    NULL matches only NULL, an infinity only itself; text, counts and lists are compared exactly.
    Below 1e-300, towards float8's smallest numbers, it is enough to be that small.
    """
    if expected is None or got is None:
        return expected is None and got is None
    if isinstance(expected, (list, tuple)):
        return len(got) == len(expected) and all(close(g, e, rel, zero) for g, e in zip(got, expected))
    if isinstance(expected, (str, int)):
        return got == expected
    expected = to_mpf(expected)
    if math.isnan(got):
        return False
    if mpmath.isinf(expected) or math.isinf(got):
        return mpf(got) == expected
    if 0 < abs(expected) < mpf("1e-300"):
        return abs(got) < 1.0001e-300
    return abs(mpf(got) - expected) <= rel * abs(expected) + zero


def differences(case, got, expected, rel=1e-10, zero=None):
    """One line per column of expected that got does not match."""
    lines = []
    for column, e in expected.items():
        z = (zero or {}).get(column, 0.0)
        if not close(got[column], e, rel, z):
            err = ""
            if isinstance(e, mpf) and isinstance(got[column], float) and mpmath.isfinite(e) and e:
                err = "  (relative error %.1e)" % abs((mpf(got[column]) - e) / e)
            lines.append("%s: %s: got %r, expected %s%s" % (
                case, column, got[column], mpmath.nstr(e, 17) if isinstance(e, mpf) else e, err))
    return lines


def report(lines, what):
    """Fail with the first lines, and how many there were, by column."""
    columns = {}
    for line in lines:
        column = re.search(r": (\w+): got ", line)
        column = column.group(1) if column else "other"
        columns[column] = columns.get(column, 0) + 1
    assert not lines, "%d mismatches in %s %s\n%s" % (len(lines), what, columns, "\n".join(lines[:25]))


# --- Estimates: ratios, CUPED, strata, Bayes -------------------------------------------------------
#
# In float64 with numpy, from the rows and not from their moments: two-pass means and variances of each
# unit's linearised or adjusted value. Held to 1e-9.
#
#   ratio       Deng, Knoblich & Lu (2018), KDD: 233-242, section 3: variance of (num - R den) / mean(den)
#   CUPED       Deng, Xu, Kohavi & Walker (2013), WSDM: 123-132, eq. 4, theta within arms (ANCOVA)
#   interacted  Lin (2013), Ann. Appl. Stat. 7: 295-318; the variance of the estimated mean of the
#               covariates: Negi & Wooldridge (2021), Econom. Rev. 40: 504-534
#   strata      Miratrix, Sekhon & Yu (2013), JRSS B 75: 369-396, weights N_s / N
#   df          Satterthwaite (1946), Biometrics Bulletin 2: 110-114

class Estimate:
    """n, value, squared error (None if undefined) and its degrees of freedom."""

    def __init__(self, n, mean, error, df):
        self.n, self.mean, self.error, self.df = n, mean, error, df


def estimate_of(values, mean=None):
    """The mean of the values, or another estimate whose error is theirs."""
    n = len(values)
    return Estimate(n, float(np.mean(values)) if mean is None else float(mean),
                    float(np.var(values, ddof=1)) / n if n > 1 else None, n - 1)


def ratio_values(num, den):
    """The ratio, and the values whose mean has its error."""
    ratio = num.sum() / den.sum()
    return ratio, (num - ratio * den) / den.mean()


class Shared:
    """Error that two estimates share: that of theta' times the mean of the covariates of all N units."""

    def __init__(self, theta_t, theta_c, covariates):
        n = len(covariates)
        self.theta_t, self.theta_c, self.df = theta_t, theta_c, n - 1
        centred = covariates - covariates.mean(axis=0)
        self.variance_of_mean = centred.T @ centred / (n - 1) / n

    def variance(self, a, b):
        """Of a times the treatment's estimate plus b times the control's."""
        theta = a * self.theta_t + b * self.theta_c
        return float(theta @ self.variance_of_mean @ theta)

    def covariance(self):
        return float(self.theta_t @ self.variance_of_mean @ self.theta_c)


def student_isf(q, df):
    """scipy's quantile, whose last digits are not the inverse of its survival function: two steps of Newton."""
    x = stats.t.isf(q, df)
    for _ in range(2):
        x += (stats.t.sf(x, df) - q) / stats.t.pdf(x, df)
    return x


def compare(t, c, method, shared=None, alpha=0.05, alternative="two-sided", null_diff=0.0, lift_method="delta"):
    """The comparison of two Estimates."""
    def variance(a, b):
        """Of a t + b c, and Satterthwaite's degrees of freedom."""
        terms = [(a * a * t.error, t.df), (b * b * c.error, c.df)]
        if shared is not None:
            terms.append((shared.variance(a, b), shared.df))
        total = sum(e for e, _ in terms)
        squares = sum(e * e / df for e, df in terms)
        return total, total * total / squares if squares else None

    row = dict.fromkeys(COMPARISON)
    row.update(n=t.n, n_control=c.n, estimate=t.mean, estimate_control=c.mean, alpha=alpha, method=method)
    if t.mean is None or c.mean is None:
        return row
    row["diff"] = t.mean - c.mean
    if c.mean != 0:
        row["lift"] = row["diff"] / abs(c.mean)
    if t.error is None or c.error is None:
        return row
    error, df = variance(1, -1)
    row["std_error"] = math.sqrt(error)
    if error == 0:
        return row
    statistic = (row["diff"] - null_diff) / math.sqrt(error)
    tail = alpha / 2 if alternative == "two-sided" else alpha
    q = student_isf(tail, df)
    row.update(df=df, statistic=statistic, p_value=p_value(statistic, alternative, lambda x: stats.t.sf(x, df)))

    def ends(low, high):
        return (-math.inf if alternative == "less" else low), (math.inf if alternative == "greater" else high)

    def of_ratio(low, high):
        return ends(low - 1, high - 1) if c.mean > 0 else ends(1 - high, 1 - low)

    row["diff_low"], row["diff_high"] = ends(row["diff"] - q * row["std_error"], row["diff"] + q * row["std_error"])
    if c.mean == 0:
        return row
    if lift_method == "delta":
        half = q * math.sqrt(variance(1 / c.mean, -t.mean / c.mean ** 2)[0])
        row["lift_low"], row["lift_high"] = ends(row["lift"] - half, row["lift"] + half)
    elif lift_method == "log" and t.mean * c.mean > 0:
        relative, df = variance(1 / t.mean, -1 / c.mean)
        half = student_isf(tail, df) * math.sqrt(relative)
        r = t.mean / c.mean
        row["lift_low"], row["lift_high"] = of_ratio(r * math.exp(-half), r * math.exp(half))
    elif lift_method == "fieller":
        vt, vc, cov = t.error, c.error, 0.0
        if shared is not None:
            vt, vc, cov = vt + shared.variance(1, 0), vc + shared.variance(0, 1), shared.covariance()
        a, b, k = c.mean ** 2 - q * q * vc, t.mean * c.mean - q * q * cov, t.mean ** 2 - q * q * vt
        if a <= 0:
            row["lift_low"], row["lift_high"] = -math.inf, math.inf
        else:
            root = math.copysign(math.sqrt(b * b - a * k), q)
            row["lift_low"], row["lift_high"] = of_ratio((b - root) / a, (b + root) / a)
    return row


def within(columns, arms):
    """Columns minus the means of their arms."""
    out = np.array(columns, dtype=float)
    for arm in set(arms):
        at = arms == arm
        out[at] -= out[at].mean(axis=0)
    return out


def least_squares(x, y):
    """(theta, rank) of centred y on centred columns x, of which those without variance do not count."""
    scale = np.sqrt((x * x).sum(axis=0))
    keep = scale > 1e-9 * np.maximum(1, np.abs(x).max(initial=0))
    theta = np.zeros(x.shape[1])
    rank = 0
    if keep.any():
        solution, _, rank, _ = np.linalg.lstsq(x[:, keep] / scale[keep], y, rcond=1e-7)
        theta[keep] = solution / scale[keep]
    return theta, int(rank)


def cuped(arms, y, x, interacted=False):
    """({label: Estimate}, {label: theta}, {label: covariates used}); arms is an array of labels, a row per unit."""
    estimates, thetas, used = {}, {}, {}
    x = x - x[:1]       # the answer is the same, and a large common offset costs the mean no digits
    centre = x.mean(axis=0)
    for arm in sorted(set(arms)):
        at = arms == arm
        fit = at if interacted else np.ones(len(y), dtype=bool)
        theta, used[arm] = least_squares(within(x[fit], arms[fit]), within(y[fit], arms[fit]))
        thetas[arm] = theta
        estimates[arm] = estimate_of(y[at] - (x[at] - centre) @ theta)
    return estimates, thetas, used


def cuped_ratio(arms, num, den, num_pre, den_pre):
    """{label: Estimate}"""
    u, v, ratios = np.zeros(len(arms)), np.zeros(len(arms)), {}
    for arm in set(arms):
        at = arms == arm
        r, u[at] = ratio_values(num[at], den[at])
        r_pre, v[at] = ratio_values(num_pre[at], den_pre[at])
        ratios[arm] = r, r_pre
    theta = (u @ v) / (v @ v)       # both have mean 0 in each arm
    centre = num_pre.sum() / den_pre.sum()
    return {arm: estimate_of((u - theta * v)[arms == arm], r - theta * (r_pre - centre))
            for arm, (r, r_pre) in ratios.items()}


def stratified(strata, treatment, control):
    """(Estimate, Estimate, units left out); strata is a list of {label: values}."""
    used = [s for s in strata if all(len(s.get(v, ())) >= 2 for v in (treatment, control))]
    left_out = sum(len(values) for s in strata for values in s.values()) - sum(
        len(values) for s in used for values in s.values())
    total = sum(len(s[v]) for s in used for v in (treatment, control))
    estimates = []
    for arm in (treatment, control):
        mean = error = squares = 0.0
        for s in used:
            w = (len(s[treatment]) + len(s[control])) / total
            e = w * w * np.var(s[arm], ddof=1) / len(s[arm])
            mean, error, squares = mean + w * np.mean(s[arm]), error + e, squares + e * e / (len(s[arm]) - 1)
        n = sum(len(s[arm]) for s in used)
        estimates.append(Estimate(n, float(mean), float(error), error * error / squares) if n and squares
                         else Estimate(n, float(mean) if n else None, float(error) if n else None, None))
    return (*estimates, left_out)


def bayes(effect, error, prior_mean=0.0, prior_sd=INF, alpha=0.05):
    """Normal prior and likelihood, with mpmath: Gelman et al. (2013), Bayesian Data Analysis, eq. 2.10."""
    effect, error, prior_mean, prior_sd = (mpf(x) for x in (effect, error, prior_mean, prior_sd))
    prior_precision = 0 if prior_sd == INF else 1 / prior_sd ** 2
    precision = 1 / error + prior_precision
    mean, sd = (effect / error + prior_mean * prior_precision) / precision, 1 / mpmath.sqrt(precision)
    z, q = mean / sd, normal_isf(mpf(alpha) / 2)
    if abs(z) > 60:         # one loss is below any float8, the other what it would be without doubt
        loss_ship, loss_keep = (max(-s * mean, mpf("1e-700")) for s in (1, -1))
    else:
        with mpmath.workdps(50 + int(z * z / 2)):       # so that the losses do not cancel
            density = mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi)
            loss_ship, loss_keep = (sd * (density - s * z * normal_sf(s * z)) for s in (1, -1))
    return dict(posterior_mean=mean, posterior_sd=sd, posterior_low=mean - q * sd, posterior_high=mean + q * sd,
                chance_to_win=normal_sf(-z), loss_ship=loss_ship, loss_keep=loss_keep)


# --- Public hashes of 32 bits, SHA-1, and bucketing methods --------------------------------------

def murmur3_32(s, seed=0):
    """MurmurHash3_x86_32."""
    def scramble(k):
        k = k * 0xcc9e2d51 & 0xffffffff
        k = (k << 15 | k >> 17) & 0xffffffff
        return k * 0x1b873593 & 0xffffffff

    h, whole = seed, len(s) // 4 * 4
    for i in range(0, whole, 4):
        h ^= scramble(int.from_bytes(s[i:i + 4], "little"))
        h = (h << 13 | h >> 19) & 0xffffffff
        h = (h * 5 + 0xe6546b64) & 0xffffffff
    h ^= scramble(int.from_bytes(s[whole:], "little")) ^ len(s)
    for multiplier, shift in ((0x85ebca6b, 16), (0xc2b2ae35, 13)):
        h = (h ^ h >> shift) * multiplier & 0xffffffff
    return h ^ h >> 16


def fnv1a_32(s):
    h = 0x811c9dc5
    for byte in s:
        h = (h ^ byte) * 0x01000193 & 0xffffffff
    return h


def sha1_60(s):
    return int(hashlib.sha1(s).hexdigest()[:15], 16)


# By method: the string hashed, the bucket as a fraction (k, steps), and the steps of its grid if that is coarse.
BUCKETING = {
    "farm_fingerprint": ("{salt}:{unit}", lambda s: (farm_fingerprint64(s) >> 11, 2 ** 53), None),
    "growthbook": ("{unit}{salt}", lambda s: (fnv1a_32(s) % 1000, 1000), 1000),
    "growthbook_v1": ("{unit}{salt}", lambda s: (fnv1a_32(s) % 1000, 1000), 1000),
    "growthbook_v2": ("{salt}{unit}", lambda s: (fnv1a_32(str(fnv1a_32(s)).encode()) % 10000, 10000), 10000),
    "launchdarkly": ("{salt}.{unit}", lambda s: (sha1_60(s), 0xFFFFFFFFFFFFFFF), None),
    "unleash": ("{salt}:{unit}", lambda s: (murmur3_32(s) % 100, 100), 100),
    "unleash_variant": ("{salt}:{unit}", lambda s: (murmur3_32(s, 86028157) % 1000, 1000), 1000),
    "optimizely": ("{unit}{salt}", lambda s: (int(murmur3_32(s, 1) / 2 ** 32 * 10000), 10000), 10000),
    "eppo": ("{salt}-{unit}", lambda s: (int(hashlib.md5(s).hexdigest()[:8], 16) % 10000, 10000), 10000),
    "statsig": ("{salt}.{unit}",
                lambda s: (int.from_bytes(hashlib.sha256(s).digest()[:8], "big") % 10000, 10000), 10000),
    "statsig_user_bucket": ("{salt}.{unit}",
                            lambda s: (int.from_bytes(hashlib.sha256(s).digest()[:8], "big") % 1000, 1000), 1000),
    "planout": ("{salt}.{unit}", lambda s: (sha1_60(s), 0xFFFFFFFFFFFFFFF), None),
    "flagd": ("{salt}{unit}", lambda s: (murmur3_32(s), 2 ** 32), None),
}


def bucket(unit, salt, method="farm_fingerprint"):
    template, hashed, _ = BUCKETING[method]
    k, n = hashed(template.format(unit=unit, salt=salt).encode())
    return min(k / float(n), 1 - 2 ** -53)      # float(2^60 - 1) is 2^60, as in the SDKs
