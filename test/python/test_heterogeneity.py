"""heterogeneity and novelty against statsmodels' meta-analysis and weighted least squares."""

import math
import time

import numpy as np
import psycopg2
import pytest
import scipy.stats
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects


def make_segments(seed, count, spread):
    """Arms of each segment: (control, treatment)."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(count):
        effect = 0.3 + rng.normal(0, spread)
        sd = rng.uniform(0.5, 3)
        n = rng.integers(5, 400, 2)
        result.append((rng.normal(10, sd, n[0]), rng.normal(10 + effect, sd, n[1])))
    return result


def load(db, segments):
    db.run("DROP TABLE IF EXISTS het_rows, het_states")
    db.run("CREATE TEMP TABLE het_rows (segment int, variant text, y float8)")
    db.copy_rows("het_rows", [(i, v, float(y)) for i, arms in enumerate(segments)
                              for v, ys in zip(("control", "treatment"), arms) for y in ys])
    db.run("CREATE TEMP TABLE het_states AS SELECT segment, moments_agg(y, variant) AS m FROM het_rows GROUP BY segment")
    return db.one("SELECT (heterogeneity(m)).* FROM het_states")


def effect(arms):
    control, treatment = arms
    return (treatment.mean() - control.mean(),
            treatment.var(ddof=1) / len(treatment) + control.var(ddof=1) / len(control))


@pytest.mark.parametrize("seed, count, spread", [(1, 2, 0), (2, 5, 0), (3, 12, 0.5), (4, 200, 0.1), (5, 30, 5)])
def test_heterogeneity_is_statsmodels(db, seed, count, spread):
    segments = make_segments(seed, count, spread)
    got = load(db, segments)
    effects, variances = map(np.array, zip(*map(effect, segments)))
    expected = combine_effects(effects, variances)
    assert (got.variant, got.control, got.segments, got.left_out, got.df) == (
        "treatment", "control", count, 0, count - 1)
    assert got.q == pytest.approx(expected.q, rel=1e-10)
    assert got.p_value == pytest.approx(scipy.stats.chi2.sf(expected.q, count - 1), rel=1e-9)
    assert got.i_squared == pytest.approx(max(0.0, (expected.q - expected.df) / expected.q), abs=1e-10)
    assert got.diff == pytest.approx(expected.mean_effect_fe, rel=1e-10)
    assert got.std_error == pytest.approx(expected.sd_eff_w_fe, rel=1e-10)
    assert got.diff_low == pytest.approx(got.diff - scipy.stats.norm.isf(0.025) * got.std_error, rel=1e-10)
    assert got.diff_high == pytest.approx(got.diff + scipy.stats.norm.isf(0.025) * got.std_error, rel=1e-10)
    crude = np.concatenate([t for _, t in segments]).mean() - np.concatenate([c for c, _ in segments]).mean()
    assert got.crude_diff == pytest.approx(crude, rel=1e-10)
    assert (got.positive, got.negative) == ((effects > 0).sum(), (effects < 0).sum())
    assert got.simpson == (crude * expected.mean_effect_fe < 0)


def test_swapped_parallel_and_reordered(db):
    got = load(db, make_segments(6, 25, 1))
    swapped = db.one("SELECT (heterogeneity(m, 'treatment')).* FROM het_states")
    assert swapped.q == pytest.approx(got.q, rel=1e-12)
    assert swapped.diff == pytest.approx(-got.diff, rel=1e-12)
    assert (swapped.positive, swapped.negative) == (got.negative, got.positive)
    parts = db.one("""SELECT (heterogeneity_final(strata_combine(a, b))).* FROM
                        (SELECT array_agg(m ORDER BY segment DESC) AS a FROM het_states WHERE segment % 2 = 0) a,
                        (SELECT array_agg(m) AS b FROM het_states WHERE segment % 2 = 1) b""")
    assert parts.q == pytest.approx(got.q, rel=1e-11) and parts.segments == got.segments


def test_one_state_for_two_questions(db):
    """With stratified_t, which has the same state."""
    segments = make_segments(7, 8, 0)
    load(db, segments)
    row = db.one("SELECT (heterogeneity(m)).segments, (stratified_t(m)).n FROM het_states")
    assert row.segments == 8 and row.n == sum(len(t) for _, t in segments)


def test_simpson(db):
    """Both segments say more, the total says less, for the treatment has most of the segment that buys little."""
    rng = np.random.default_rng(8)
    got = load(db, [(rng.normal(1, 1, 100), rng.normal(2, 1, 1000)), (rng.normal(10, 1, 1000), rng.normal(11, 1, 100))])
    assert got.positive == 2 and got.diff > 0.5 and got.crude_diff < -5 and got.simpson is True


def test_size(db):
    """5 % of the tests are significant when the segments have one effect and variances of their own."""
    db.run("SELECT setseed(0.125)")
    share = db.one("""
        SELECT avg(((h).p_value < 0.05)::int)::float8 FROM (SELECT heterogeneity(m) AS h FROM (
            SELECT t, s, moments_agg(s * (random() + random() + random()) + v, v::text) AS m
            FROM generate_series(1, 1500) t, generate_series(1, 4) s, generate_series(0, 1) v, generate_series(1, 60) i
            GROUP BY t, s) states GROUP BY t) q""")
    # Welch's variances are estimates: a little above 5 %
    assert 0.03 < share < 0.075


def test_cancel(fresh):
    fresh.run("CREATE TEMP TABLE het_many AS SELECT moments_agg(i, (i % 2)::text) AS m "
              "FROM generate_series(1, 600000) i GROUP BY i / 4")
    fresh.run("CREATE TEMP TABLE het_array AS SELECT array_agg(m) AS ms FROM het_many")
    query = "SELECT heterogeneity_final(ms) FROM het_array"
    start = time.monotonic()
    fresh.one(query)
    whole = time.monotonic() - start
    fresh.run("SET statement_timeout = '20ms'")
    start = time.monotonic()
    error = fresh.error(query)
    assert isinstance(error, psycopg2.extensions.QueryCanceledError)
    assert time.monotonic() - start < whole / 2


# --- novelty ---------------------------------------------------------------------------------------

def days(seed, count):
    rng = np.random.default_rng(seed)
    x = np.arange(count, dtype=float)
    return x, rng.normal(2 - 0.1 * x, 0.5), rng.uniform(0.1, 2, count)


def ask_novelty(db, x, effects, errors, order=""):
    db.run("DROP TABLE IF EXISTS novelty_rows")
    db.run("CREATE TEMP TABLE novelty_rows (day float8, effect float8, std_error float8)")
    db.copy_rows("novelty_rows", [tuple(map(float, r)) for r in zip(x, effects, errors)])
    return db.one("SELECT (novelty(day, effect, std_error)).* FROM (SELECT * FROM novelty_rows %s) r" % order)


@pytest.mark.parametrize("seed, count", [(1, 2), (2, 3), (3, 14), (4, 400)])
def test_novelty_is_weighted_least_squares(db, seed, count):
    x, effects, errors = days(seed, count)
    got = ask_novelty(db, x, effects, errors)
    # cov_type="fixed scale": the weights are variances, not known but for a factor
    fit = sm.WLS(effects, sm.add_constant(x), weights=errors ** -2).fit(cov_type="fixed scale")
    assert (got.days, got.left_out, got.first_day, got.last_day) == (count, 0, 0, count - 1)
    assert got.slope == pytest.approx(fit.params[1], rel=1e-9)
    assert got.std_error == pytest.approx(fit.bse[1], rel=1e-10)
    assert got.statistic == pytest.approx(fit.params[1] / fit.bse[1], rel=1e-9)
    assert got.p_value == pytest.approx(2 * scipy.stats.norm.sf(abs(got.statistic)), rel=1e-10)
    low, high = fit.conf_int()[1]
    assert got.slope_low == pytest.approx(low, rel=1e-9) and got.slope_high == pytest.approx(high, rel=1e-9)
    assert got.effect_first == pytest.approx(fit.params[0], rel=1e-9)
    assert got.effect_last == pytest.approx(fit.params[0] + fit.params[1] * (count - 1), rel=1e-8)


def test_novelty_far_from_zero(db):
    """Days as Unix seconds or Julian days: the same slope."""
    x, effects, errors = days(5, 20)
    near = ask_novelty(db, x, effects, errors)
    far = ask_novelty(db, x + 2460000, effects, errors, "ORDER BY day DESC")
    assert far.slope == pytest.approx(near.slope, rel=1e-9)
    assert far.effect_last == pytest.approx(near.effect_last, rel=1e-9)


def test_novelty_merges(fresh):
    """The partial aggregates of a parallel plan."""
    fresh.run("CREATE TABLE novelty_parallel AS SELECT (i % 28)::float8 AS day, sin(i) + (i % 28) * 0.01 AS effect, "
              "1 + i % 3 AS std_error FROM generate_series(1, 20000) i")
    serial = fresh.one("SELECT (novelty(day, effect, std_error)).* FROM novelty_parallel")
    fresh.want_parallel("novelty_parallel")
    plan = fresh.rows("EXPLAIN SELECT novelty(day, effect, std_error) FROM novelty_parallel")
    assert any("Partial Aggregate" in r[0] for r in plan)
    parallel = fresh.one("SELECT (novelty(day, effect, std_error)).* FROM novelty_parallel")
    fresh.run("DROP TABLE novelty_parallel")
    assert parallel.days == serial.days == 20000
    for got, expected in zip(parallel, serial):
        assert got == pytest.approx(expected, rel=1e-10)


def test_novelty_by_projection_knows_the_correlation(db):
    """A row per unit, with its metric on every day: the slope of each unit's days is a linear combination of
    them, so that Welch's t of the projection is exact however a unit's days go together."""
    rng = np.random.default_rng(9)
    rows, slopes = [], {"control": [], "treatment": []}
    weights = (np.arange(5) - 2) / 10
    for variant, fade in (("control", 0), ("treatment", -0.2)):
        for _ in range(300):
            ys = rng.normal(0, 3) + rng.normal(0, 1, 5) + 1 + fade * np.arange(5)
            rows.append(("{%s}" % ",".join(map(repr, map(float, ys))), variant))
            slopes[variant].append(ys @ weights)
    db.run("CREATE TEMP TABLE panel (ys float8[], variant text)")
    db.copy_rows("panel", rows)
    got = db.one("""SELECT c.* FROM (SELECT moments_agg(ys, variant) AS m FROM panel) s,
                    welch_t(moments_project(m, '{-0.2,-0.1,0,0.1,0.2}')) c""")
    expected = scipy.stats.ttest_ind(slopes["treatment"], slopes["control"], equal_var=False)
    assert got.diff == pytest.approx(np.mean(slopes["treatment"]) - np.mean(slopes["control"]), rel=1e-10)
    assert got.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    # days taken as independent: here the error is more than twice too large
    by_day = db.one("""SELECT (novelty(day - 1, c.diff, c.std_error)).*
                       FROM (SELECT moments_agg(ys, variant) AS m FROM panel) s, generate_series(1, 5) day,
                            welch_t(m, metric => day) c""")
    assert by_day.std_error > 2 * got.std_error
    assert math.copysign(1, by_day.slope) == -1


def test_more_than_a_thousand_segments(db):
    """The tail of chi-square with so many degrees of freedom is that of an expansion."""
    row = db.one("SELECT h.* FROM (SELECT heterogeneity(m) AS h FROM (SELECT i % 1200 AS segment, "
                 "moments_agg(assign_bucket(i::text, 'many'), CASE WHEN i % 2400 < 1200 THEN 'a' ELSE 'b' END) AS m "
                 "FROM generate_series(1, 48000) AS i GROUP BY 1) AS s) AS q, unnest(ARRAY[q.h]) AS h")
    assert row.df == 1199
    assert row.p_value == pytest.approx(scipy.stats.chi2.sf(row.q, 1199), rel=1e-10)
