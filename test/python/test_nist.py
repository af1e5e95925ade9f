"""The numerical certificate: every data set of NIST's StRD that the SQL surface can answer, to the digits of docs/accuracy.md.

nist.py says what is compared with what. The floors here are of what the server computes, so they are of digits of the
exact answer for the float8 data; of the certified value there are as many as the data's own rounding leaves.
"""

import math
import platform
import re

import pytest

import nist

# Digits that a coefficient loses to the condition of the normal equations; Filip's rank check is below.
REGRESSION_FLOOR = {"Norris": 11.5, "Pontius": 11.5, "NoInt1": 14, "NoInt2": 14, "Longley": 11, "Wampler1": 6.5,
                    "Wampler2": 10, "Wampler3": 6, "Wampler4": 6.5, "Wampler5": 5}
LEGENDRE_FLOOR = {"Filip": 14, "Wampler1": 9.5, "Wampler2": 13, "Wampler3": 9, "Wampler4": 9.5, "Wampler5": 8.5}


@pytest.fixture(scope="module")
def certificate(db):
    return nist.tables(db)


def test_all_data_sets(certificate):
    """All 9 univariate ones, all 11 of analysis of variance, all 11 of linear regression."""
    results = {kind: found for kind, (found, _) in certificate.items()}
    assert sorted(results["univariate"]) == sorted(nist.CERTIFIED["univariate"]) and len(results["univariate"]) == 9
    assert sorted(results["anova"]) == sorted(nist.CERTIFIED["anova"]) and len(results["anova"]) == 11
    raw = [name for name, interval in results["regression"] if interval is None]
    assert sorted(raw) == sorted(nist.CERTIFIED["linreg"]) and len(raw) == 11


@pytest.mark.parametrize("kind", ["univariate", "anova", "regression"])
def test_the_page_has_these_digits(certificate, kind):
    """No figure is below the page's, and the page's tables are what nist.py prints."""
    _, written, _ = nist.on_the_page(kind, nist.PAGE.read_text())
    _, computed = certificate[kind]
    number = re.compile(r"\b\d+\.\d\b")
    documented, found = number.findall(written), number.findall(computed)
    assert len(documented) == len(found) > 0
    # GSL's solver may be compiled with fused multiply-add elsewhere: there test_regression has to do
    if kind != "regression" or platform.machine() == "x86_64":
        worse = [(d, f) for d, f in zip(documented, found) if float(f) < float(d)]
        assert worse == [], computed
        assert written == computed, "run script/with-server /usr/bin/python3 test/python/nist.py --write"


@pytest.mark.parametrize("name", nist.UNIVARIATE + nist.ANOVA)
def test_sums_of_squares(certificate, name):
    results = certificate["univariate" if name in nist.UNIVARIATE else "anova"][0][name]
    for r in results:
        assert r.exact >= 14.5, "%s: %s has %.1f digits of the exact answer for its float8 data" % (name, r.name, r.exact)
        # two relative errors add up: at most log10 2 is lost of the smaller number of digits
        assert r.certified >= min(r.limit, r.exact) - 0.302, "%s: %s has %.1f of %.1f digits that the data leave" % (
            name, r.name, r.certified, r.limit)


@pytest.mark.parametrize("fit", [f for f in nist.FITS if f != ("Filip", None)], ids=lambda f: f[0] + str(f[1] or ""))
def test_regression(certificate, fit):
    name, interval = fit
    results = certificate["regression"][0][fit]
    floor = (LEGENDRE_FLOOR if interval else REGRESSION_FLOOR)[name]
    assert len(results) == len(nist.CERTIFIED["linreg"][name]["params"]) + 2
    for r in results[:-2]:
        assert r.exact >= floor, "%s: %s has %.1f digits" % (name, r.name, r.exact)
        assert r.certified >= min(r.limit, r.exact) - 0.302
    residual_sd, r_squared = results[-2:]
    assert residual_sd.certified >= (7.5 if name in ("Wampler1", "Wampler2") else 9) and r_squared.certified >= 13


def test_filip_is_beyond_normal_equations(certificate, db):
    """Ten raw powers: the rank check leaves out what the others explain but for 1e-9, which is an answer of fewer
    covariates, not of noise. The fit is worse than the certified one, never better."""
    results = nist.named(certificate["regression"][0]["Filip", None])
    assert all(r.certified < 0.5 for name, r in results.items() if name.startswith("B"))
    rows = nist.read("Filip")
    y = [nist.Fraction(row["y"]) for row in rows]
    powers = nist.float8([[nist.Fraction(row["x"]) ** k for row in rows] for k in range(1, 11)])
    b, residual, _ = nist.regression_by_cuped(db, nist.float8([y])[0], powers)
    assert 0 < b[1:].count(0.0) < 10
    assert math.sqrt(residual / 71) > float(nist.CERTIFIED["linreg"]["Filip"]["resid_sd"])


def test_reading_is_not_kinder_than_the_data():
    """Without the server: what is exact for the decimals has all certified digits, and what is exact for float8
    has the digits that NumAcc3 and NumAcc4 are known to lose by rounding."""
    for name, expected in (("NumAcc3", 9.5), ("NumAcc4", 8.3), ("Mavro", 13.1)):
        texts = [row["y"] for row in nist.read(name)]
        for ys, digits in (([nist.Fraction(t) for t in texts], 14.9), ([nist.Fraction(float(t)) for t in texts], expected)):
            mean = sum(ys) / len(ys)
            sd = nist.decimal(sum((v - mean) ** 2 for v in ys) / (len(ys) - 1)).sqrt()
            found = nist.digits(sd, nist.CERTIFIED["univariate"][name]["sd"])
            assert found >= digits if digits > 14 else abs(found - digits) < 0.1, (name, found)
