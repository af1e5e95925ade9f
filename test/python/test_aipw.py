"""aipw against the same estimator built of statsmodels' OLS and Logit."""

import numpy as np
import psycopg2
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.api as sm


def simulate(seed, n, k, overlap=1.0, effect=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, k)) * rng.uniform(0.1, 50, k) + rng.uniform(-100, 100, k)
    z = (x - x.mean(0)) / x.std(0)
    t = rng.random(n) < 1 / (1 + np.exp(-overlap * (0.3 + z @ rng.normal(0, 0.5, k))))
    y = 20 + z @ rng.normal(0, 1, k) + effect * t + rng.normal(0, 1, n)
    return y, t, x


def reference(y, t, x):
    """By the formulas: Glynn and Quinn (2010), with the sample variance of the influence function."""
    design = sm.add_constant((x - x.mean(0)) / x.std(0), has_constant="add")
    e = sm.Logit(t.astype(float), design).fit(method="newton", tol=1e-14, maxiter=100, disp=0).predict(design)
    m1 = sm.OLS(y[t], design[t]).fit().predict(design)
    m0 = sm.OLS(y[~t], design[~t]).fit().predict(design)
    psi1 = m1 + t * (y - m1) / e
    psi0 = m0 + ~t * (y - m0) / (1 - e)
    psi = psi1 - psi0
    w1, w0 = 1 / e[t], 1 / (1 - e[~t])
    return {"estimate": psi1.mean(), "estimate_control": psi0.mean(), "diff": psi.mean(),
            "std_error": psi.std(ddof=1) / np.sqrt(len(y)), "min_propensity": e.min(), "max_propensity": e.max(),
            "share_outside": ((e < 0.05) | (e > 0.95)).mean(), "ess": w1.sum() ** 2 / (w1 ** 2).sum(),
            "ess_control": w0.sum() ** 2 / (w0 ** 2).sum(), "n": t.sum(), "n_control": (~t).sum(), "psi1": psi1,
            "psi0": psi0}


def load(db, y, t, x):
    db.run("DROP TABLE IF EXISTS aipw_rows")
    db.run("CREATE TEMP TABLE aipw_rows (id int, y float8, t boolean, x float8[])")
    db.copy_rows("aipw_rows", [(i, float(y[i]), bool(t[i]), "{%s}" % ",".join(repr(float(v)) for v in x[i]))
                               for i in range(len(y))])


def ask(db, what="x"):
    return db.one("SELECT (aipw(y, t, %s)).* FROM aipw_rows" % what)


CASES = [(1, 200, 1, 1.0), (2, 1000, 3, 1.0), (3, 3000, 8, 0.5), (4, 2000, 2, 3.0), (5, 4000, 40, 0.3),
         (6, 60, 4, 1.0)]


@pytest.mark.parametrize("seed, n, k, overlap", CASES)
def test_statsmodels(db, seed, n, k, overlap):
    y, t, x = simulate(seed, n, k, overlap)
    load(db, y, t, x)
    got = ask(db)
    expected = reference(y, t, x)
    assert got.note is None and got.covariates == k
    for name in ("n", "n_control", "share_outside"):
        assert getattr(got, name) == expected[name], name
    for name in ("estimate", "estimate_control", "diff", "std_error", "min_propensity", "max_propensity", "ess",
                 "ess_control"):
        assert getattr(got, name) == pytest.approx(expected[name], rel=1e-8), name

    z = expected["diff"] / expected["std_error"]
    assert got.statistic == pytest.approx(z, rel=1e-8)
    assert got.p_value == pytest.approx(2 * scipy.stats.norm.sf(abs(z)), rel=1e-6)
    half = scipy.stats.norm.isf(0.025) * expected["std_error"]
    assert got.diff_low == pytest.approx(expected["diff"] - half, rel=1e-7)
    assert got.diff_high == pytest.approx(expected["diff"] + half, rel=1e-7)

    # the delta method over the two means, which are correlated
    c = np.cov(expected["psi1"], expected["psi0"]) / n
    r = expected["estimate"] / expected["estimate_control"]
    error = np.sqrt(c[0, 0] - 2 * r * c[0, 1] + r * r * c[1, 1]) / abs(expected["estimate_control"])
    lift = expected["diff"] / abs(expected["estimate_control"])
    assert got.lift == pytest.approx(lift, rel=1e-8)
    assert got.lift_low == pytest.approx(lift - scipy.stats.norm.isf(0.025) * error, rel=1e-7)


def test_order_spilling_and_groups_change_nothing(fresh):
    y, t, x = simulate(7, 3000, 4)
    load(fresh, y, t, x)
    plain = ask(fresh)
    fresh.run("SET work_mem = '64kB'")
    spilled = fresh.one("SELECT (aipw(y, t, x)).* FROM (SELECT * FROM aipw_rows ORDER BY y) r")
    for got, expected in zip(spilled, plain):
        assert got == pytest.approx(expected, rel=1e-10)
    # group by group, in a plan of either kind
    one_by_one = {g: fresh.one("SELECT (aipw(y, t, x)).diff FROM aipw_rows WHERE id %% 7 = %s", g) for g in range(7)}
    for setting in ("enable_sort", "enable_hashagg"):
        fresh.run("SET %s = off" % setting)
        for g, diff in fresh.rows("SELECT id % 7, (aipw(y, t, x)).diff FROM aipw_rows GROUP BY 1"):
            assert diff == pytest.approx(one_by_one[g], rel=1e-10)
        fresh.run("RESET %s" % setting)


def test_shift_and_scale(db):
    """Other units of a covariate or of the outcome, a combination of covariates for another: the same answer."""
    y, t, x = simulate(8, 800, 3)
    load(db, y, t, x)
    plain = ask(db)
    for what in ("ARRAY[1e6 * x[1] + 1e7, x[2] / 1e5, x[3]]", "ARRAY[x[1] + x[2], x[1] - x[2], x[3] + x[1]]",
                 "ARRAY[x[1], x[2], x[3], 7, x[1] + 2 * x[2]]"):
        got = ask(db, what)
        assert got.diff == pytest.approx(plain.diff, rel=1e-7) and got.covariates == 3
        assert got.std_error == pytest.approx(plain.std_error, rel=1e-7)
    swapped = db.one("SELECT (aipw(-y, NOT t, x)).* FROM aipw_rows")
    assert swapped.diff == pytest.approx(plain.diff, rel=1e-9)
    assert swapped.ess == pytest.approx(plain.ess_control, rel=1e-9)


def test_removes_confounding(db):
    """Where the treated would have done better anyway, the difference of means is wrong and aipw is right; also
    with an outcome that is not linear, for the propensity is."""
    rng = np.random.default_rng(9)
    x = rng.normal(0, 1, (20000, 1))
    t = rng.random(20000) < 1 / (1 + np.exp(-x[:, 0]))
    y = x[:, 0] + x[:, 0] ** 2 / 2 + 1.0 * t + rng.normal(0, 1, 20000)
    load(db, y, t, x)
    got = ask(db)
    assert abs(got.diff - 1) < 4 * got.std_error < 0.3
    assert y[t].mean() - y[~t].mean() > 1.6


def test_coverage(db):
    """The interval holds the effect in 95 % of 400 quasi-experiments."""
    db.run("SELECT setseed(0.75)")
    row = db.one("""
        WITH u AS MATERIALIZED (
            SELECT s, x, random() < 1 / (1 + exp(-x)) AS t, random() + random() + random() AS noise
            FROM (SELECT s, 4 * random() - 2 AS x FROM generate_series(1, 400) s, generate_series(1, 200)) r)
        SELECT avg(((a).diff_low < 1 AND (a).diff_high > 1)::int)::float8 AS covered, count(*)
        FROM (SELECT aipw(2 * x + t::int + noise, t, ARRAY[x]) AS a FROM u GROUP BY s) q""")
    assert row.count == 400 and 0.91 < row.covered < 0.985


@pytest.mark.parametrize("seed", range(5))
def test_separation_is_not_an_effect(db, seed):
    """Complete, and quasi-complete in a corner with a single unit."""
    y, t, x = simulate(seed, 300, 2)
    load(db, y, x[:, 0] > np.median(x[:, 0]), x)
    complete = ask(db)
    assert complete.diff is None and complete.std_error is None and "separate" in complete.note

    t[0] = True
    corner = np.arange(300) == 0
    load(db, y, t, np.column_stack([x[:, 0], corner]))
    quasi = ask(db)
    assert quasi.diff is None and quasi.note is not None

    # tied at the border: one value with both, beyond it only treated, before it only untreated
    level = np.clip(np.round(3 * (x[:, 1] - np.median(x[:, 1])) / x[:, 1].std()), -3, 3)
    load(db, y, (level > 0) | ((level == 0) & t), level[:, None])
    tied = ask(db)
    assert tied.diff is None and "separate" in tied.note


def separated(t, x):
    """Albert and Anderson (1984): is there a b with b'x >= 0 for all treated, <= 0 for all untreated units, and
    not 0 for all?"""
    towards = np.where(t, 1, -1)[:, None] * sm.add_constant(x, has_constant="add")
    found = scipy.optimize.linprog(-towards.sum(0), A_ub=-towards, b_ub=np.zeros(len(t)),
                                   bounds=[(-1, 1)] * towards.shape[1], method="highs")
    return -found.fun > 1e-7


@pytest.mark.parametrize("n", [40, 200])
def test_separation_is_what_linear_programming_finds(db, n):
    """On a lattice, where units lie on the border and at many distances from it; and far from a border."""
    rng = np.random.default_rng(11)
    seen = {True: 0, False: 0}
    for _ in range(150):
        k = rng.integers(1, 4)
        x = rng.integers(0, 3, (n, k)).astype(float)
        t = rng.random(n) < 1 / (1 + np.exp(-((x - 1) @ rng.normal(0, 5, k))))
        load(db, rng.normal(0, 1, n), t, x)
        got = ask(db)
        if got.note is None or "separate" in got.note:
            assert separated(t, x) == (got.note is not None), (t, x)
            seen[got.note is not None] += 1
    assert min(seen.values()) >= 10


def temporary_blocks(fresh, query):
    plan = fresh.one("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query)[0]["Plan"]
    return plan["Node Type"], plan["Strategy"], plan["Temp Written Blocks"]


def test_a_hash_table_of_groups_stays_small(fresh):
    """A group alone may fill work_mem; one of many in a hash table has no more than its SSPACE of 1 MB."""
    fresh.run("CREATE TEMP TABLE aipw_groups AS SELECT i % 3 AS g, (i % 11)::float8 AS y, i * 7 % 19 < 9 AS t, "
              "ARRAY[i % 5, i % 7]::float8[] AS x FROM generate_series(1, 60000) i")
    fresh.run("ANALYZE aipw_groups")
    fresh.run("SET work_mem = '16MB'")
    query = "SELECT aipw(y, t, x) FROM aipw_groups GROUP BY g"
    fresh.run("SET enable_sort = off")
    kind, strategy, written = temporary_blocks(fresh, query)
    assert (kind, strategy) == ("Aggregate", "Hashed") and written > 100
    fresh.run("RESET enable_sort")
    fresh.run("SET enable_hashagg = off")
    kind, strategy, written = temporary_blocks(fresh, query)
    assert (kind, strategy, written) == ("Aggregate", "Sorted", 0)


def test_cancel(fresh):
    fresh.run("SET statement_timeout = '300ms'")
    error = fresh.error("SELECT aipw(i % 17, i * 7919 % 1000 < 500, array_fill((i % 13)::float8, '{5}') || (i % 7)::float8) "
                        "FROM generate_series(1, 2000000) i")
    assert isinstance(error, psycopg2.extensions.QueryCanceledError)
    assert fresh.one("SELECT 1") == 1
