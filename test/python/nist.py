"""NIST's Statistical Reference Datasets through the SQL surface: the numerical certificate of docs/accuracy.md.

    script/with-server /usr/bin/python3 test/python/nist.py            # prints the tables
    script/with-server /usr/bin/python3 test/python/nist.py --write    # and puts them into docs/accuracy.md

test_nist.py computes them again and holds them against the page.

A certified value belongs to the decimal data; the server sees every datum rounded to float8. So each result has
three numbers of correct digits (log relative errors): against the certified value; against the exact answer for
the float8 data, in rational arithmetic; and those that this exact answer has of the certified value, more
than which is luck.
"""

import csv
import gzip
import json
import math
import sys
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import reference as ref

getcontext().prec = 60
HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "nist"
PAGE = HERE.parent.parent / "docs" / "accuracy.md"
CERTIFIED = json.loads((DATA / "certified.json").read_text())
UNIVARIATE = ["Lew", "Lottery", "Mavro", "Michelso", "NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4", "PiDigits"]
ANOVA = ["SiRstv", "SmLs01", "SmLs02", "SmLs03", "AtmWtAg", "SmLs04", "SmLs05", "SmLs06", "SmLs07", "SmLs08", "SmLs09"]
REGRESSION = ["Norris", "Pontius", "NoInt1", "NoInt2", "Filip", "Longley",
              "Wampler1", "Wampler2", "Wampler3", "Wampler4", "Wampler5"]
DEGREE = {"Norris": 1, "Pontius": 2, "Filip": 10, "Wampler1": 5, "Wampler2": 5, "Wampler3": 5, "Wampler4": 5,
          "Wampler5": 5}


def read(name):
    """The rows of a data set, decimals as text."""
    plain = DATA / (name + ".csv")
    with open(plain, newline="") if plain.exists() else gzip.open(str(plain) + ".gz", "rt", newline="") as f:
        return list(csv.DictReader(f))


def decimal(x):
    return Decimal(x.numerator) / Decimal(x.denominator) if isinstance(x, Fraction) else Decimal(x)


def digits(got, exact):
    """Log relative error: the number of correct significant digits; 17 for none wrong, 0 for none right. An exact
    answer of 0 has only an absolute error."""
    if got is None:
        return 0.0
    got, exact = decimal(got), decimal(exact)
    error = abs(got - exact) / (abs(exact) if exact else 1)
    return max(0.0, min(17.0, -float(error.log10()))) if error else 17.0


class Result:
    """One number: what the server gave, the certified value, the exact one for the float8 data."""

    def __init__(self, name, got, certified, exact):
        self.name = name
        self.certified = digits(got, certified)
        self.exact = digits(got, exact)
        self.limit = digits(exact, certified)


# --- univariate ------------------------------------------------------------------------------------

def load(db, rows, columns):
    """A temporary table nist of decimals, in the order of the data set, as a query may want them."""
    db.run("DROP TABLE IF EXISTS nist")
    db.run("CREATE TEMP TABLE nist (place int, %s)" % ", ".join(columns))
    db.copy_rows("nist", [(i, *row.values()) for i, row in enumerate(rows)])


def univariate(db, name):
    rows = read(name)
    load(db, rows, ["y float8"])
    n, mean, sd = db.one("""
        SELECT n, mean, sqrt(variance)
        FROM (SELECT moments_agg(y, 'all') AS m FROM (SELECT y FROM nist ORDER BY place) o) s, moments_summary(m)""")
    certified = CERTIFIED["univariate"][name]
    assert n == certified["n"] == len(rows)
    ys = [float(row["y"]) for row in rows]
    return [Result("mean", mean, certified["mean"], ref.exact_mean(ys)),
            Result("sd", sd, certified["sd"], decimal(ref.exact_cross(ys, ys) / (n - 1)).sqrt())]


# --- analysis of variance --------------------------------------------------------------------------

def exact_anova(rows):
    """Both sums of squares, of (group, Fraction) in rational arithmetic."""
    groups = {}
    for group, y in rows:
        groups.setdefault(group, []).append(y)
    mean = sum(y for _, y in rows) / len(rows)
    between = sum(len(ys) * (sum(ys) / len(ys) - mean) ** 2 for ys in groups.values())
    within = sum(sum(y * y for y in ys) - sum(ys) ** 2 / len(ys) for ys in groups.values())
    return between, within


def anova(db, name):
    rows = read(name)
    load(db, rows, ["treatment text", "y float8"])
    a = db.one("SELECT (anova(moments_agg(y, treatment))).* FROM (SELECT * FROM nist ORDER BY place) o")
    certified = CERTIFIED["anova"][name]
    assert (a.k, a.n, a.df1, a.df2) == (certified["groups"], certified["n"], certified["df_between"],
                                        certified["df_within"])
    between, within = exact_anova([(row["treatment"], Fraction(float(row["response"]))) for row in rows])
    return [Result("F", a.f, certified["F"], between / within * int(a.df2) / int(a.df1)),
            Result("SS between", a.ss_between, certified["ss_between"], between),
            Result("SS within", a.ss_within, certified["ss_within"], within),
            Result("residual sd", math.sqrt(a.ss_within / a.df2), certified["resid_sd"],
                   decimal(within / int(a.df2)).sqrt()),
            Result("R²", a.eta_squared, certified["r2"], between / (between + within))]


# --- linear regression -----------------------------------------------------------------------------

def exact_regression(y, columns):
    """Coefficients of columns, and the residual sum of squares, by elimination in rational arithmetic."""
    cross = [[sum(map(Fraction.__mul__, a, b)) for b in columns + [y]] for a in columns]
    k = len(columns)
    for i in range(k):
        cross[i] = [value / cross[i][i] for value in cross[i]]
        for other in range(k):
            if other != i:
                cross[other] = [a - cross[other][i] * b for a, b in zip(cross[other], cross[i])]
    b = [row[k] for row in cross]
    residuals = [v - sum(c * x for c, x in zip(b, xs)) for v, xs in zip(y, zip(*columns))]
    return b, sum(r * r for r in residuals)



def legendre(degree, centre, width):
    """Legendre polynomials of degree 1 to degree in (x - centre) / width, each as coefficients of powers of x."""
    def plus(a, b):
        return [p + q for p, q in zip(a, b)]

    def times(factor, a):
        return [factor * v for v in a]

    def t(a):
        """a times (x - centre) / width"""
        return times(Fraction(1, width), plus([0] + a[:-1], times(-centre, a)))

    one = [Fraction(1)] + [Fraction(0)] * degree
    p = [one, t(one)]
    for k in range(1, degree):      # Bonnet's recursion
        p.append(times(Fraction(1, k + 1), plus(times(2 * k + 1, t(p[k])), times(-k, p[k - 1]))))
    return p


def evaluate(coefficients, x):
    return sum(c * x ** k for k, c in enumerate(coefficients))


def float8(columns):
    """Each column rounded once to float8, as a warehouse holds it."""
    return [[Fraction(float(v)) for v in column] for column in columns]


def two_arms(m, means, other):
    """A state of two arms with the co-moments of the only arm of m, and these means of (mean, residual)."""
    arm = next(iter(m["variants"].values()))
    return json.dumps({"version": 1, "metrics": m["metrics"], "variants": {
        label: {"n": arm["n"], "mean": mean, "residual": residual, "comoments": arm["comoments"]}
        for label, (mean, residual) in (("control", other), ("treatment", means))}})


def regression_by_cuped(db, y, columns):
    """Intercept, coefficients, residual sum of squares and that of y about its mean, from cuped_adjust.

    The adjusted difference of two arms is the difference of their means less theta' times that of their
    covariates. So an arm all of whose means are 0, and one that differs from it by 1 in one covariate,
    are -theta apart; and the true means are the intercept apart from it."""
    db.run("DROP TABLE IF EXISTS nist")
    db.run("CREATE TEMP TABLE nist (place int, ys float8[])")
    db.copy_rows("nist", [(i, "{%s}" % ",".join(repr(float(v)) for v in row))
                          for i, row in enumerate(zip(y, *columns))])
    text = db.one("SELECT moments_agg(ys, 'all')::text FROM (SELECT ys FROM nist ORDER BY place) o")
    m = json.loads(text)
    arm, k = m["variants"]["all"], len(columns)
    zero = [0.0] * (k + 1)
    states = [two_arms(m, (arm["mean"], arm.get("residual", zero)), (zero, zero))]
    for j in range(1, k + 1):
        one = [float(i == j) for i in range(k + 1)]
        states.append(two_arms(m, (one, zero), (zero, zero)))
    diffs = [r.diff for r in db.rows("SELECT c.diff FROM unnest(%s::text[]) WITH ORDINALITY AS s (m, i), "
                                     "cuped_adjust(m::moments) AS c ORDER BY i", states)]
    b = [diffs[0]] + [-d for d in diffs[1:]]
    residual, about_mean = db.one("SELECT r.variance, s.variance FROM moments_summary(moments_project(%s, %s)) AS r, "
                                  "moments_summary(%s) AS s WHERE s.metric = 1", text, [1.0] + [-v for v in b[1:]], text)
    return b, residual * (arm["n"] - 1), about_mean * (arm["n"] - 1)


def through_the_origin(db, y, x):
    """Slope and sums of squares without an intercept: every row once more with both signs turned has means of 0.
    theta and variance_reduction are then the slope and the certified R²."""
    db.run("DROP TABLE IF EXISTS nist")
    db.run("CREATE TEMP TABLE nist (place int, y float8, x float8)")
    db.copy_rows("nist", [(i, float(a), float(b)) for i, (a, b) in enumerate(zip(y, x))])
    fit, variance = db.one("""
        SELECT cuped_adjust(y, x)::text, (SELECT variance FROM moments_summary(moments_agg(y, 'all')))
        FROM (SELECT sign * y AS y, sign * x AS x FROM nist, (VALUES (1), (-1)) AS s (sign) ORDER BY place) o""")
    n, theta, _, _, _, reduction = map(float, fit.strip("()").split(","))
    about_zero = variance * (n - 1) / 2
    return [theta], about_zero * (1 - reduction), about_zero


def regression(db, name, interval=None):
    """interval: centre and half width of Legendre polynomials to regress on in place of the powers of x. The
    coefficients of the powers, which are certified, follow from theirs in rational arithmetic."""
    rows = read(name)
    certified = CERTIFIED["linreg"][name]
    y = [Fraction(row["y"]) for row in rows]
    xs = [[Fraction(row[c]) for row in rows] for c in rows[0] if c != "y"]
    basis = legendre(DEGREE[name], *interval) if interval else None
    if basis:
        xs = [[evaluate(p, x) for x in xs[0]] for p in basis[1:]]
    elif name in DEGREE:
        xs = [[x ** k for x in xs[0]] for k in range(1, DEGREE[name] + 1)]
    (y,), xs = float8([y]), float8(xs)
    if name.startswith("NoInt"):
        b, residual, total = through_the_origin(db, y, xs[0])
        exact_b, exact_residual = exact_regression(y, xs)
        exact_total = sum(v * v for v in y)
    else:
        b, residual, total = regression_by_cuped(db, y, xs)
        exact_b, exact_residual = exact_regression(y, [[Fraction(1)] * len(y)] + xs)
        exact_total = ref.exact_cross(y, y)
    if basis:
        b, exact_b = ([sum(map(Fraction.__mul__, map(Fraction, c), powers)) for powers in zip(*basis)]
                      for c in (b, exact_b))
    df = certified["df_res"]
    results = [Result(p["name"], *numbers) for p, *numbers in
               zip(certified["params"], b, [p["estimate"] for p in certified["params"]], exact_b)]
    sd, exact_sd = math.sqrt(max(residual, 0.0) / df), decimal(exact_residual / df).sqrt()
    if float(certified["resid_sd"]) == 0:
        # against nothing an error has no relative size: against the variation that the fit explains, it has
        scale = decimal(exact_total / df).sqrt()
        results.append(Result("residual sd", 1 + decimal(sd) / scale, 1, 1 + exact_sd / scale))
    else:
        results.append(Result("residual sd", sd, certified["resid_sd"], exact_sd))
    return results + [Result("R²", 1 - residual / total, certified["r2"], 1 - exact_residual / exact_total)]


def worst(results):
    """Of all coefficients, the one with the fewest digits."""
    return min((r for r in results if r.name.startswith("B")), key=lambda r: (r.certified, r.exact))


# --- the tables of docs/accuracy.md ----------------------------------------------------------------

def named(results):
    return {r.name: r for r in results}


def both(r):
    return "%.1f / %.1f" % (r.certified, r.exact)


def table(head, lines):
    return "\n".join(["| %s |" % " | ".join(head), "|" + "---|" * len(head)] +
                     ["| %s |" % " | ".join(line) for line in lines]) + "\n"


def univariate_table(results):
    return table(["data set", "mean", "sd", "sd, at most"],
                 [[name, both(r["mean"]), both(r["sd"]), "%.1f" % r["sd"].limit]
                  for name, r in ((n, named(results[n])) for n in UNIVARIATE)])


def anova_table(results):
    columns = ["F", "SS between", "SS within", "residual sd", "R²"]
    return table(["data set", "level"] + columns + ["F, at most"],
                 [[name, "lower" if i < 4 else "average" if i < 8 else "higher"] + [both(r[c]) for c in columns] +
                  ["%.1f" % r["F"].limit] for i, (name, r) in enumerate((n, named(results[n])) for n in ANOVA)])


def regression_table(results):
    lines = []
    for (name, interval), found in results.items():
        r, b = named(found), worst(found)
        lines.append(["%s, Legendre" % name if interval else name,
                      "lower" if name in ("Norris", "Pontius") else "average" if name[:2] == "No" else "higher",
                      "%s: %s" % (b.name, both(b)), both(r["residual sd"]), both(r["R²"]), "%.1f" % b.limit])
    return table(["data set", "level", "worst coefficient", "residual sd", "R²", "the coefficient, at most"], lines)


FITS = [(name, None) for name in REGRESSION] + [("Filip", (-6, 3))] + [("Wampler%d" % i, (10, 10)) for i in range(1, 6)]


def tables(db):
    """name of the table -> (what is in it, the table as the page has it)"""
    found = {"univariate": ({n: univariate(db, n) for n in UNIVARIATE}, univariate_table),
             "anova": ({n: anova(db, n) for n in ANOVA}, anova_table),
             "regression": ({fit: regression(db, *fit) for fit in FITS}, regression_table)}
    return {kind: (results, make(results)) for kind, (results, make) in found.items()}


def markers(kind):
    return "<!-- NIST %s -->\n" % kind, "<!-- end -->\n"


def on_the_page(kind, page):
    """The table of that kind, with what is before and behind it."""
    begin, end = markers(kind)
    before, rest = page.split(begin)
    text, behind = rest.split(end, 1)
    return before + begin, text, end + behind


if __name__ == "__main__":
    from conftest import Db

    connection = Db("postgres")
    connection.run("CREATE EXTENSION expstat")
    new = PAGE.read_text()
    for kind, (_, text) in tables(connection).items():
        print(text)
        before, _, behind = on_the_page(kind, new)
        new = before + text + behind
    if "--write" in sys.argv:
        PAGE.write_text(new)
