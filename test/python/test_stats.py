"""src/stats.c against 50-digit arithmetic.

Compiles the file on its own (it knows no PostgreSQL) and calls it through
ctypes. The references are mpmath's incomplete beta and gamma functions and its
error function; for chi-square with so many degrees of freedom that mpmath takes
seconds, the integral itself by double exponential quadrature.
"""

import ctypes
import math
import pathlib
import subprocess
import time

import mpmath as mp
import pytest
import scipy.stats

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src" / "stats.c"
TOLERANCE = 1e-12
GSL_EDOM = 1

DFS = [0.5, 1, 1.5, 2, 3, 5, 10, 29.9, 30, 31.7, 100, 1000, 12345.6,
       1e5, 199999, 2e5 + 1, 1e6, 1e8, 1e12]

# Upper tails, from nearly everything down to the smallest p-values
TAILS = [0.9999, 0.9, 0.6, 0.5, 0.3, 0.1, 0.025, 1e-3, 1e-7, 1e-12, 1e-20,
         1e-50, 1e-100, 1e-200, 1e-280, 1e-299]
QUANTILES = TAILS + [1 - 1e-10, 0.99, 0.5 + 1e-3, 0.5 - 1e-6, 0.5 - 1e-9,
                     0.45, 0.49, 1e-300]


@pytest.fixture(autouse=True)
def fifty_digits():
    with mp.workdps(50):
        yield


@pytest.fixture(scope="module")
def errors():
    """What on_error was called with, since the test began"""
    return []


@pytest.fixture(scope="module")
def stats(tmp_path_factory, errors):
    library = tmp_path_factory.mktemp("stats") / "stats.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-ffp-contract=off",
         "-Wall", "-Wextra", "-Werror", "-Wmissing-prototypes",
         "-Wdeclaration-after-statement",
         "-o", library, SOURCE, "-lgsl", "-lgslcblas", "-lm"],
        check=True)
    lib = ctypes.CDLL(str(library))
    for name, arguments in [("normal_sf", 1), ("normal_isf", 1),
                            ("student_t_sf", 2), ("student_t_isf", 2),
                            ("chisq_sf", 2), ("fisher_f_sf", 3)]:
        function = getattr(lib, name)
        function.restype = ctypes.c_double
        function.argtypes = [ctypes.c_double] * arguments

    on_error = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int)(
        lambda reason, code: errors.append((reason.decode(), code)))
    lib.on_error = on_error     # keep it alive as long as the library
    lib.stats_init(on_error)
    return lib


@pytest.fixture(autouse=True)
def no_unexpected_error(errors):
    errors.clear()
    yield
    assert errors == []


def normal_tail(z):
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


def t_tail(t, df):
    if mp.isinf(df):
        return normal_tail(t)
    t, df = mp.mpf(t), mp.mpf(df)
    if t < 0:
        return 1 - t_tail(-t, df)
    return mp.betainc(df / 2, mp.mpf(0.5), 0, df / (df + t * t),
                      regularized=True) / 2


def t_density(t, df):
    if mp.isinf(df):
        return mp.npdf(t)
    t, df = mp.mpf(t), mp.mpf(df)
    return mp.exp(mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2)
                  - mp.log(mp.pi * df) / 2
                  - (df + 1) / 2 * mp.log1p(t * t / df))


def chisq_tail(x, df):
    a, y = mp.mpf(df) / 2, mp.mpf(x) / 2
    if df <= 1e5:
        return mp.gammainc(a, y, mp.inf, regularized=True)

    # the density at y, times the integral of exp(g) away from the mean
    with mp.workdps(70):
        density = mp.exp((a - 1) * mp.log(y) - y - mp.loggamma(a))
    scale = 1 / (abs(y - a + 1) / y + 1 / mp.sqrt(a))
    if y >= a - 1:
        return density * integral_exp(
            lambda s: (a - 1) * mp.log1p(s / y) - s, scale)
    return 1 - density * integral_exp(
        lambda s: (a - 1) * mp.log1p(-s / y) + s if s < y else mp.ninf, scale)


def fisher_f_tail(f, df1, df2):
    f, df1, df2 = mp.mpf(f), mp.mpf(df1), mp.mpf(df2)
    a, b = df1 / 2, df2 / 2
    if df2 <= 1000:
        return mp.betainc(b, a, 0, df2 / (df2 + df1 * f), regularized=True)

    # with s = n ln(1 + df1 F/df2), n = a + b, the density of s is that of a
    # gamma distribution but for terms in s/n
    n = a + b
    s0 = n * mp.log1p(df1 * f / df2)

    def log_density(s):
        return (a - 1) * mp.log(mp.expm1(s / n)) - s + s / n

    density = mp.exp(log_density(s0) - mp.log(n) - mp.loggamma(a)
                     - mp.loggamma(b) + mp.loggamma(n))
    scale = 1 / (abs(s0 - a + 1) / s0 + 1 / mp.sqrt(a))
    if s0 >= a - 1 or a < 30:
        # below a mode that is that close to 0, on its own scale
        return density * integral_exp(
            lambda s: log_density(s0 + s) - log_density(s0),
            scale if s0 >= a - 1 else mp.sqrt(a))
    return 1 - density * integral_exp(
        lambda s: log_density(s0 - s) - log_density(s0) if s < s0 else mp.ninf,
        scale)


def integral_exp(g, scale):
    """The integral of exp(g(s)) over s from 0 to infinity, to 30 digits:
    s = scale exp(v - exp(-v)), then the trapezoidal rule in v (Takahasi and
    Mori 1974)"""
    step = mp.mpf(1) / 32
    total = mp.mpf(0)
    for k, direction in [(0, 1), (-1, -1)]:
        while True:
            e = mp.exp(-k * step)
            s = scale * mp.exp(k * step - e)
            term = mp.exp(g(s)) * s * (1 + e)
            total += term
            if abs(k) > 16 and term < total * mp.mpf(10) ** -32:
                break
            k += direction
    return total * step


def relative_error(value, reference):
    return float(abs((mp.mpf(value) - reference) / reference))


def worst(cases):
    """(error, argument) of the worst of (argument, value, reference)"""
    return max((relative_error(value, reference), argument)
               for argument, value, reference in cases)


def check_quantile(q, value, tail, density):
    """The value is right when the exact tail there is q, to first order in the
    error of the value"""
    if value == 0:
        assert q == 0.5
        return
    error = (tail - mp.mpf(q)) / density / mp.mpf(value)
    assert abs(error) < TOLERANCE, (q, value, float(error))


def test_normal_sf(stats):
    points = [-37, -8, -3, -1e-9, 0, 1e-300, 1e-9, 0.1, 0.66, 0.67, 1, 1.96,
              3, 5.6, 5.7, 8.3, 10, 20, 37]
    error = worst((z, stats.normal_sf(z), normal_tail(z)) for z in points)
    assert error[0] < TOLERANCE, error


def test_normal_isf(stats):
    for q in QUANTILES:
        z = stats.normal_isf(q)
        check_quantile(q, z, normal_tail(z), mp.npdf(z))


@pytest.mark.parametrize("df", DFS + [math.inf])
def test_student_t_sf(stats, df):
    # the points are quantiles, so that every df is tried in all of its range
    points = [stats.student_t_isf(q, df) for q in TAILS]
    points += [1e-300, 1e-9, 0.01, -40.0]
    if df < 1e5:
        # both sides of the border between the series and GSL
        points += [r * math.sqrt(10 * df) for r in (0.3, 0.999999, 1.000001)]
    if df <= 2:
        points += [1e77, 1e149, 1e150]
    if df <= 1:
        points += [1e155, 1e250]
    references = [(t, t_tail(t, df)) for t in points if math.isfinite(t)]
    error = worst((t, stats.student_t_sf(t, df), p)
                  for t, p in references if p > 1e-300)
    assert error[0] < TOLERANCE, error


@pytest.mark.parametrize("df", DFS + [math.inf])
def test_student_t_isf(stats, df):
    for q in QUANTILES:
        t = stats.student_t_isf(q, df)
        if math.isinf(t):
            # rightly: even at the largest double more than q is left
            assert df < 1 and t_tail(1.7e308, df) > q
            continue
        check_quantile(q, t, t_tail(t, df), t_density(t, df))


@pytest.mark.parametrize("df", DFS)
def test_chisq_sf(stats, df):
    # Wilson and Hilferty's quantiles reach the whole range
    points = [1e-9 * df, 0.01 * df, 0.5 * df, df, 1.5 * df]
    for z in (-4, -2, -1, -0.1, 0.1, 1, 2, 4, 8, 16, 25, 36):
        root = 1 - 2 / (9 * df) + z * math.sqrt(2 / (9 * df))
        if root > 0:
            points.append(df * root ** 3)
    references = [(x, chisq_tail(x, df)) for x in points]
    error = worst((x, stats.chisq_sf(x, df), p)
                  for x, p in references if p > 1e-300)
    assert error[0] < TOLERANCE, error


@pytest.mark.parametrize("df2", [0.5, 1, 3.7, 31, 999, 123456.7, 1e8, 1e15])
@pytest.mark.parametrize("df1", [0.7, 1, 3, 9, 100, 999])
def test_fisher_f_sf(stats, df1, df2):
    # those of scipy's quantiles that it finds, both sides of the change at 1
    points = [float(x) for x in scipy.stats.f.isf(TAILS[::2], df1, df2)
              if 0 < x < 1e300]
    points += [0.1, 1 - 1e-9, 1 + 1e-9, 1.5]
    references = [(f, fisher_f_tail(f, df1, df2)) for f in points]
    error = worst((f, stats.fisher_f_sf(f, df1, df2), p)
                  for f, p in references if p > 1e-300)
    assert error[0] < TOLERANCE, error


def test_fisher_f_is_t_squared(stats):
    for df in (1, 4.5, 31, 1e4, 1e7, 1e12):
        for t in (1e-3, 0.5, 1.0, 2.0, 8.0, 30.0):
            assert relative_error(stats.fisher_f_sf(t * t, 1, df),
                                  mp.mpf(2 * stats.student_t_sf(t, df))) < TOLERANCE


def test_fisher_f_with_two_in_the_numerator(stats):
    # P(F > f) = (1 + 2 f/df)^(-df/2)
    for df in (1, 7, 1e3, 1e6, 1e13):
        for f in (1e-6, 0.3, 1.0, 3.0, 300.0, 1e290):
            p = mp.exp(-mp.mpf(df) / 2 * mp.log1p(2 * mp.mpf(f) / df))
            if p > 1e-300:
                assert relative_error(stats.fisher_f_sf(f, 2, df), p) < TOLERANCE


def test_huge_df_is_normal(stats):
    # t differs from the normal by (z^3 + z)/(4 df) in z
    for df in (1e100, 1e300, math.inf):
        for t in (0.5, 2.0, 10.0, 37.0):
            assert relative_error(stats.student_t_sf(t, df),
                                  normal_tail(t)) < TOLERANCE


def test_t_cauchy(stats):
    # df = 1 is the Cauchy distribution: P(T > t) = atan(1/t)/pi
    for t in (1e-5, 0.3, 1.0, 1e10, 1e149, 1e151, 1e200, 1e299):
        assert relative_error(stats.student_t_sf(t, 1),
                              mp.atan(1 / mp.mpf(t)) / mp.pi) < TOLERANCE


def test_ends(stats):
    inf = math.inf
    assert stats.normal_sf(inf) == 0 and stats.normal_sf(-inf) == 1
    assert stats.normal_isf(0) == inf and stats.normal_isf(1) == -inf
    assert stats.normal_isf(0.5) == 0
    for df in (0.5, 1, 30, 1e6, 1e300, inf):
        assert stats.student_t_sf(inf, df) == 0
        assert stats.student_t_sf(-inf, df) == 1
        assert stats.student_t_sf(0, df) == 0.5
        assert stats.student_t_isf(0, df) == inf
        assert stats.student_t_isf(1, df) == -inf
        assert stats.student_t_isf(0.5, df) == 0
    for df in (0.5, 1, 30, 1e4, 1e12):
        assert stats.chisq_sf(0, df) == 1
        assert stats.chisq_sf(-1, df) == 1
        assert stats.chisq_sf(5e-324, df) <= 1
        assert stats.chisq_sf(inf, df) == 0
    for df in (0.5, 1, 30, 1e12):
        assert stats.fisher_f_sf(0, 3, df) == 1
        assert stats.fisher_f_sf(-1, 3, df) == 1
        assert stats.fisher_f_sf(5e-324, 3, df) == 1
        assert stats.fisher_f_sf(inf, 3, df) == 0
        assert (stats.fisher_f_sf(1e308, 3, df)
                == stats.fisher_f_sf(1e300, 3, df))


def test_underflow_is_zero(stats):
    # and no error: no_unexpected_error looks
    assert stats.normal_sf(40) == 0
    assert stats.chisq_sf(1e5, 3) == 0
    assert stats.chisq_sf(1e300, 3) == 0
    assert stats.chisq_sf(2e6, 1e6) == 0
    assert stats.fisher_f_sf(1e3, 3, 1e6) == 0
    assert stats.fisher_f_sf(1e300, 3, 1e6) == 0
    for df in (10, 31.7, 1000, 1e6, 1e300, math.inf):
        assert stats.student_t_sf(1e200, df) == 0
        assert stats.student_t_sf(1e308, df) == 0
    for z in range(3700, 3900):
        assert 0 <= stats.student_t_sf(z / 100, 214319.2) < 1e-297
        df = 32943.7
        assert 0 <= stats.chisq_sf(df + 1.5 * z, df) <= 1


def test_symmetry(stats):
    for df in (1, 7.5, 42, 1e5):
        for q in (0.25, 0.125, 2.0 ** -20):
            assert (stats.student_t_isf(1 - q, df)
                    == -stats.student_t_isf(q, df))


NAN = math.nan


@pytest.mark.parametrize("name, arguments", [
    ("normal_sf", (NAN,)),
    ("normal_isf", (NAN,)),
    ("normal_isf", (-0.1,)),
    ("normal_isf", (1.1,)),
    ("student_t_sf", (1, -1)),
    ("student_t_sf", (1, 0)),
    ("student_t_sf", (1, NAN)),
    ("student_t_sf", (NAN, 5)),
    ("student_t_isf", (0.1, -1)),
    ("student_t_isf", (0.1, NAN)),
    ("student_t_isf", (NAN, 5)),
    ("student_t_isf", (1.1, 5)),
    ("chisq_sf", (1, -1)),
    ("chisq_sf", (1, NAN)),
    ("chisq_sf", (1, math.inf)),
    ("chisq_sf", (NAN, 5)),
    ("fisher_f_sf", (1, 0, 5)),
    ("fisher_f_sf", (1, 5, -1)),
    ("fisher_f_sf", (1, 5, NAN)),
    ("fisher_f_sf", (1, math.inf, 5)),
    ("fisher_f_sf", (NAN, 2, 5)),
])
def test_domain_error_is_reported(stats, errors, name, arguments):
    assert math.isnan(getattr(stats, name)(*arguments))
    assert [code for _, code in errors] == [GSL_EDOM]
    assert errors[0][0]
    errors.clear()


def test_errors_of_gsl_itself_are_reported(stats, errors):
    # gsl_sf_log of a negative number, straight to GSL: its handler is ours
    gsl_sf_log = stats.gsl_sf_log
    gsl_sf_log.restype = ctypes.c_double
    gsl_sf_log.argtypes = [ctypes.c_double]
    assert math.isnan(gsl_sf_log(-1.0))
    assert errors and {code for _, code in errors} == {GSL_EDOM}
    errors.clear()


def test_a_few_microseconds(stats):
    # generous: ctypes alone costs about half a microsecond
    calls = 2000
    start = time.perf_counter()
    for i in range(1, calls + 1):
        stats.student_t_isf(i / (2 * calls), 12.5)
        stats.student_t_sf(i / calls, 12345.6)
        stats.chisq_sf(float(i), 1000)
    assert (time.perf_counter() - start) / (3 * calls) < 50e-6
