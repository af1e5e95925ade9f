"""A second opinion: the same cases through base R, by cases.R.

R's own rounding, and the step at which its iterations stop, allow 1e-9 relative here; test_accuracy.py and its like hold
more digits. Without Rscript (Debian: r-base-core) all of it is skipped, and counted so.
"""

import csv
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

if shutil.which("Rscript") is None:
    pytest.skip("no Rscript", allow_module_level=True)

UNITS = "variant y x z sometimes size success events grp small opted".split()


def units():
    """550 units of two variants; every number has few digits, so that both programs read the same."""
    rng = np.random.default_rng(20260101)
    rows = []
    for i in range(550):
        variant = "treatment" if i % 11 < 5 else "control"
        x, z = rng.normal(3, 1), rng.exponential(2)
        y = round(2 + 0.8 * x + 0.3 * z + rng.normal(0, 1.5 if variant == "control" else 2) + 0.2 * (variant == "treatment"), 6)
        rows.append((variant, y, round(x, 6), round(z, 6), round(x + rng.normal(), 6) if rng.random() < 0.7 else None,
                     int(rng.integers(1, 9)), int(rng.random() < 0.15 + 0.03 * (variant == "treatment")),
                     int(rng.poisson(1.5)), "g%d" % rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]), int(i < 70),
                     int(rng.random() < 1 / (1 + math.exp(1 - 0.5 * (x - 3) - 0.3 * (z - 2))))))
    return rows


EFFECTS = [(day, round(3 * 0.9 ** day + 0.2 * (day % 3), 4), round(0.5 + 0.03 * day, 4)) for day in range(1, 15)]
P_VALUES = [0.0004, 0.011, 0.012, 0.03, 0.03, 0.2, 0.45, 0.9, 1e-12]


def write(path, head, rows):
    with open(path, "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(head)
        writer.writerows([["NA" if v is None else v for v in row] for row in rows])


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    """name -> R's number. Popped by those who compare: the last test finds what nobody asked for."""
    directory = tmp_path_factory.mktemp("r")
    write(directory / "units.csv", UNITS, units())
    write(directory / "effects.csv", ["day", "effect", "std_error"], EFFECTS)
    write(directory / "p_values.csv", ["p"], [[p] for p in P_VALUES])
    done = subprocess.run(["Rscript", "--vanilla", str(Path(__file__).with_name("cases.R")), str(directory)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pairs = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(dict(pairs)) == len(pairs)
    return {name: float(value) for name, value in pairs}


@pytest.fixture(scope="module")
def server(db):
    db.run("CREATE TEMP TABLE units (variant text, y float8, x float8, z float8, sometimes float8, size float8, "
           "success boolean, events float8, grp text, small boolean, opted boolean)")
    db.copy_rows("units", units())
    return db


def same(r, name, row, columns=None, rel=1e-9):
    """The columns of a row that R has under that name, or those named."""
    columns = columns or [c for c in row._fields if "%s %s" % (name, c) in r]
    assert columns
    for column in columns:
        got, expected = getattr(row, column), r.pop("%s %s" % (name, column))
        assert got == pytest.approx(expected, rel=rel, abs=1e-13), (name, column, got, expected)


def test_welch_t(r, server):
    state = "(SELECT moments_agg(y, variant) AS m FROM units) AS s"
    row = server.one("SELECT (welch_t(y, variant)).* FROM units")
    same(r, "welch", row, ["statistic", "df", "p_value", "diff_low", "diff_high", "std_error"])
    for name, options in (("welch greater", "alternative => 'greater', null_diff => -0.5, alpha => 0.1"),
                          ("welch less", "alternative => 'less', null_diff => 0.25, alpha => 0.01")):
        same(r, name, server.one("SELECT c.* FROM %s, welch_t(m, %s) AS c" % (state, options)))
    far = server.one("SELECT (welch_t(y + CASE variant WHEN 'treatment' THEN 8 ELSE 0 END, variant)).* FROM units")
    assert 1e-300 < far.p_value < 1e-150
    same(r, "welch far", far)


def test_cuped(r, server):
    same(r, "cuped", server.one("SELECT (cuped_adjust(y, x)).* FROM units"), ["theta", "variance_reduction", "correlation"])
    same(r, "cuped x", server.one("SELECT (cuped_adjust(y, x, variant)).* FROM units"))
    same(r, "cuped missing", server.one("SELECT (cuped_adjust(y, sometimes, variant)).* FROM units"))
    state = "(SELECT moments_agg(ARRAY[y, x, z], variant) AS m FROM units) AS s"
    same(r, "cuped x, z", server.one("SELECT c.* FROM %s, cuped_adjust(m) AS c" % state))
    same(r, "lin x, z", server.one("SELECT c.* FROM %s, cuped_adjust(m, interacted => true) AS c" % state))


def test_ratio_and_strata(r, server):
    same(r, "ratio", server.one("SELECT (delta_ratio(y, size, variant)).* FROM units"))
    same(r, "strata", server.one("SELECT (stratified_t(m)).* FROM (SELECT moments_agg(y, variant) AS m FROM units GROUP BY grp) AS s"))


def test_proportions_and_counts(r, server):
    row = server.one("SELECT (proportion_z(success, variant)).* FROM units")
    assert row.statistic ** 2 == pytest.approx(r.pop("proportion chi2"), rel=1e-9)
    same(r, "proportion", row)
    same(r, "chi_square", server.one("SELECT (chi_square(variant, grp)).* FROM units"))
    same(r, "srm", server.one("SELECT * FROM srm('{50312,24444,25244}'::bigint[], '{0.5,0.25,0.25}')"))


def test_many_arms(r, server):
    for name in ("welch_anova", "anova"):
        same(r, name, server.one("SELECT (%s(moments_agg(y, grp))).* FROM units" % name))


def test_ranks(r, server):
    same(r, "ranks", server.one("SELECT (mann_whitney(events, variant)).* FROM units"))
    same(r, "ranks corrected", server.one("SELECT (mann_whitney(events, variant, NULL, true)).* FROM units"))
    exact = server.one("SELECT (mann_whitney(y, variant)).* FROM units WHERE small")
    assert exact.method == "mann_whitney, exact"
    same(r, "ranks exact", exact)


def test_quantiles_and_trimming(r, server):
    for p in (0.1, 0.5, 0.95):
        diff = server.one("SELECT (quantile_compare(y, variant, %s)).diff FROM units", p)
        assert diff == pytest.approx(r.pop("quantile %s" % p), rel=1e-9)
    same(r, "trimmed", server.one("SELECT (trimmed_t(y, variant, 0.1)).* FROM units"))
    same(r, "winsor", server.one("SELECT (winsor_bounds(0.01, 0.99) WITHIN GROUP (ORDER BY y)).* FROM units"))


def test_aipw(r, server):
    same(r, "aipw", server.one("SELECT (aipw(y, opted, ARRAY[x, z])).* FROM units"), rel=1e-8)


def test_effects(r, server):
    days = ", ".join("(%r, %r, %r)" % row for row in EFFECTS)
    same(r, "novelty", server.one("SELECT (novelty(day, effect, se)).* FROM (VALUES %s) AS e (day, effect, se)" % days))
    same(r, "heterogeneity", server.one(
        "SELECT (heterogeneity(m)).* FROM (SELECT moments_agg(y, variant) AS m FROM units GROUP BY grp) AS s"))


@pytest.mark.parametrize("method", ["bonferroni", "holm", "hochberg", "bh", "by"])
def test_p_adjust(r, server, method):
    for i, p in enumerate(server.one("SELECT p_adjust(%s::float8[], %s)", P_VALUES, method), 1):
        assert p == pytest.approx(r.pop("p_adjust %s %d" % (method, i)), rel=1e-12)


def test_planning(r, server):
    for name, call, column, rel in [
            ("power_mean", "power_mean(800, 0.3, 2)", "power", 1e-9),
            ("power_mean few", "power_mean(5, 2, 1.5)", "power", 1e-9),
            ("power_mean greater", "power_mean(800, 0.3, 2, alternative => 'greater')", "power", 1e-9),
            ("sample_size_mean", "sample_size_mean(0.3, 2, power => 0.9)", "n_control_exact", 1e-7),
            ("mde_mean", "mde_mean(800, 2)", "effect", 1e-7),
            ("power_proportion", "power_proportion(4000, 0.02, 0.1)", "power", 1e-9),
            ("sample_size_proportion", "sample_size_proportion(0.02, 0.1)", "n_control_exact", 1e-7),
            ("mde_proportion", "mde_proportion(4000, 0.1)", "effect", 1e-7)]:
        got = getattr(server.one("SELECT * FROM " + call), column)
        assert got == pytest.approx(r.pop(name), rel=rel), name


def test_nothing_of_r_is_left(r, request):
    """Every number that R printed was compared (where the whole file runs)."""
    mine = [item for item in request.session.items if item.fspath == request.node.fspath]
    assert len(mine) < 16 or r == {}
