"""Mean and standard deviation of NIST's univariate reference data sets.

A certified value belongs to the decimal data; the server sees each datum rounded to float8. In NumAcc3 and
NumAcc4 (1000000.2 ± 0.1 and 10000000.2 ± 0.1) that rounding alone moves the standard deviation in the tenth
and the ninth digit, so no program that reads float8 can be closer to the certified value. They are therefore
also held, to 13 digits, against the exact answer for the rounded data.
"""

import csv
import json
import math
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import pytest

import reference as ref

getcontext().prec = 60
NIST = Path(__file__).resolve().parent.parent / "data" / "nist"
CERTIFIED = json.loads((NIST / "certified.json").read_text())["univariate"]
NAMES = ["Lew", "Lottery", "Mavro", "Michelso", "NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4", "PiDigits"]
LIMITED = {"NumAcc3": 9, "NumAcc4": 8}      # digits of the standard deviation that the data's own rounding leaves


def digits(got, exact):
    """Log relative error: the number of correct significant digits, 17 for equal."""
    exact = Decimal(exact)
    error = abs((Decimal(got) - exact) / exact)
    return min(17.0, -math.log10(error)) if error else 17.0


def decimal(fraction):
    return Decimal(fraction.numerator) / Decimal(fraction.denominator)


@pytest.fixture(scope="module")
def results(db):
    """name -> (values as float8, mean, standard deviation as the server computes them from one state)."""
    db.run("CREATE TEMP TABLE nist (name text, place int, y float8)")
    for name in NAMES:
        with open(NIST / (name + ".csv"), newline="") as f:
            texts = [row["y"] for row in csv.DictReader(f)]
        assert len(texts) == CERTIFIED[name]["n"]
        db.copy_rows("nist", [(name, i, y) for i, y in enumerate(texts)])
    rows = db.rows("""SELECT name, ys, s.n, s.mean, sqrt(s.variance) AS sd
                      FROM (SELECT name, array_agg(y ORDER BY place) AS ys, moments_agg(y, 'all') AS m
                            FROM (SELECT * FROM nist ORDER BY name, place) o GROUP BY name) q,
                      LATERAL moments_summary(m) s""")
    found = {r.name: (r.ys, r.mean, r.sd) for r in rows}
    assert sorted(found) == sorted(NAMES) and all(r.n == CERTIFIED[r.name]["n"] for r in rows)

    print("\nCorrect digits   certified value    exact for the float8 data   the float8 data's own limit")
    print("                   mean      sd          mean      sd                   sd")
    for name in NAMES:
        print("%-14s %8.1f %7.1f %13.1f %7.1f %20.1f" % ((name,) + tuple(all_digits(name, found[name]))))
    return found


def exact_for_floats(ys):
    n = len(ys)
    variance = decimal(ref.exact_cross(ys, ys) / (n - 1))
    return decimal(ref.exact_mean(ys)), variance.sqrt()


def all_digits(name, result):
    ys, mean, sd = result
    exact_mean, exact_sd = exact_for_floats(ys)
    certified = CERTIFIED[name]
    return (digits(mean, certified["mean"]), digits(sd, certified["sd"]), digits(mean, exact_mean),
            digits(sd, exact_sd), digits(exact_sd, certified["sd"]))


@pytest.mark.parametrize("name", NAMES)
def test_nist(results, name):
    mean, sd, mean_exact, sd_exact, limit = all_digits(name, results[name])
    assert mean >= 13, "%s: mean has %.1f digits of %s" % (name, mean, CERTIFIED[name]["mean"])
    assert mean_exact >= 13 and sd_exact >= 13, "%s: %.1f and %.1f digits for the float8 data" % (
        name, mean_exact, sd_exact)
    if name in LIMITED:
        # the whole distance to the certified value is the data's rounding
        assert sd >= LIMITED[name] and abs(sd - limit) < 0.01, "%s: sd has %.2f digits, the limit is %.2f" % (
            name, sd, limit)
        assert limit < 13
    else:
        assert sd >= 13, "%s: sd has %.1f digits of %s" % (name, sd, CERTIFIED[name]["sd"])


def test_limits_are_the_inputs_rounding():
    """Without the server: what exact arithmetic on the rounded data reaches."""
    for name, expected in LIMITED.items():
        with open(NIST / (name + ".csv"), newline="") as f:
            texts = [row["y"] for row in csv.DictReader(f)]
        as_decimal = [Fraction(t) for t in texts]
        mean = sum(as_decimal) / len(texts)
        variance = sum((y - mean) ** 2 for y in as_decimal) / (len(texts) - 1)
        assert digits(decimal(variance).sqrt(), CERTIFIED[name]["sd"]) > 14
        _, sd = exact_for_floats([float(t) for t in texts])
        assert expected <= digits(sd, CERTIFIED[name]["sd"]) < expected + 2
