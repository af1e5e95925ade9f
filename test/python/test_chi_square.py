"""Chi-square test of independence against scipy.stats.chi2_contingency(correction=False)."""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.stats

TABLES = [
    [[10, 20], [30, 40]],
    [[762, 327, 468], [484, 239, 477]],
    [[1, 0, 3], [0, 2, 5]],
    [[10 ** 9, 10 ** 9 + 40000], [10 ** 9 + 3, 10 ** 9 - 7]],
    [[3] * 50] * 20,
] + [np.random.default_rng(seed).poisson(mean, shape).tolist() for seed, mean, shape in
     [(1, 50, (2, 2)), (2, 5, (3, 7)), (3, 1000, (10, 4)), (4, 20, (40, 25))]]


def expected_of(table):
    table = np.array(table)
    return scipy.stats.chi2_contingency(table, correction=False)


def literal(table):
    return "{%s}" % ",".join("{%s}" % ",".join(map(str, row)) for row in table)


def check(got, table):
    statistic, p, df, expected = expected_of(table)
    n = int(np.sum(table))
    assert got.chi2 == pytest.approx(statistic, rel=1e-10, abs=1e-12 * n)
    assert got.df == df and got.n == n
    assert got.p_value == pytest.approx(p, rel=1e-9)
    assert got.cramers_v == pytest.approx(math.sqrt(statistic / n / (min(np.shape(table)) - 1)), rel=1e-10, abs=1e-12)
    assert got.min_expected == pytest.approx(expected.min(), rel=1e-13)
    assert got.observed == table
    assert np.allclose(got.expected, expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: "%dx%d" % np.shape(t))
def test_matrix(db, table):
    got = db.one("SELECT * FROM chi_square(%s::bigint[])", literal(table))
    check(got, table)
    assert got.variants is None and got.categories is None


@pytest.mark.parametrize("table", [t for t in TABLES if np.sum(t) < 50000], ids=lambda t: "%dx%d" % np.shape(t))
def test_rows(db, table):
    """From a row per unit; labels of one length, so that their order is that of the matrix."""
    db.run("DROP TABLE IF EXISTS chi_rows")
    db.run("CREATE TEMP TABLE chi_rows (v text, c text)")
    db.copy_rows("chi_rows", [("v%02d" % i, "c%02d" % j) for i, row in enumerate(table)
                              for j, count in enumerate(row) for _ in range(count)])
    got = db.one("SELECT (chi_square(v, c)).* FROM chi_rows")
    check(got, table)
    assert got.variants == ["v%02d" % i for i in range(len(table))]
    assert got.categories == ["c%02d" % j for j in range(len(table[0]))]
    # swapped, the table is transposed and the test the same
    swapped = db.one("SELECT (chi_square(c, v)).* FROM chi_rows")
    assert swapped.chi2 == pytest.approx(got.chi2, rel=1e-12) and swapped.df == got.df
    assert np.array_equal(swapped.observed, np.transpose(got.observed))


def test_far_tail(db):
    got = db.one("SELECT * FROM chi_square('{{1000,120},{150,1000}}'::bigint[])")
    with mp.workdps(40):
        exact = mp.gammainc(mp.mpf(got.df) / 2, mp.mpf(got.chi2) / 2, mp.inf, regularized=True)
        assert exact < mp.mpf(10) ** -250
        assert abs(got.p_value / exact - 1) < 1e-11


def test_labels(db):
    """Any labels: the counts are those of GROUP BY."""
    rng = np.random.default_rng(9)
    labels = ["", ":", "1:", "1:a", "a", "0:", "12:x", "é", "\n", "\\", '"', "{}", ",", "a" * 120, "a" * 121, "control"]
    db.run("DROP TABLE IF EXISTS chi_labels")
    db.run("CREATE TEMP TABLE chi_labels (v text, c text)")
    db.copy_rows("chi_labels", [(labels[i], labels[j]) for i, j in rng.integers(0, len(labels), (3000, 2))])
    got = db.one("SELECT (chi_square(v, c)).* FROM chi_labels")
    counts = {(r.v, r.c): r.n for r in db.rows("SELECT v, c, count(*) AS n FROM chi_labels GROUP BY v, c")}
    assert got.variants == sorted(labels, key=lambda s: s.encode()) == got.categories
    for i, v in enumerate(got.variants):
        for j, c in enumerate(got.categories):
            assert got.observed[i][j] == counts.get((v, c), 0)


def test_parallel_and_partial(fresh):
    fresh.run("CREATE TABLE chi_parallel AS SELECT 'v' || i % 3 AS v, 'c' || (i * 7919 % 11) % 4 AS c "
              "FROM generate_series(1, 30000) i")
    serial = fresh.one("SELECT (chi_square(v, c)).* FROM chi_parallel")
    fresh.want_parallel("chi_parallel")
    plan = fresh.rows("EXPLAIN SELECT chi_square(v, c) FROM chi_parallel")
    assert any("Partial Aggregate" in r[0] for r in plan)
    assert fresh.one("SELECT (chi_square(v, c)).* FROM chi_parallel") == serial
    fresh.run("DROP TABLE chi_parallel")


def test_window_and_filter(db):
    rows = db.rows("""SELECT i, (chi_square(v, c) OVER (ORDER BY i)).n AS n,
                             (chi_square(v, c) FILTER (WHERE i % 2 = 0) OVER (ORDER BY i)).n AS even
                      FROM (SELECT i, 'v' || i % 2 AS v, 'c' || i % 3 AS c FROM generate_series(1, 50) i) r""")
    assert all(r.n == r.i and r.even == r.i // 2 for r in rows)


def test_size(db):
    """5 % of the tests of independent data are significant."""
    db.run("SELECT setseed(0.25)")
    share = db.one("""SELECT avg(((x).p_value < 0.05)::int)::float8
                      FROM (SELECT chi_square('v' || i % 3, 'c' || floor(random() * 4)) AS x
                            FROM generate_series(1, 2000) t, generate_series(1, 150) i GROUP BY t) s""")
    assert 0.035 < share < 0.065
