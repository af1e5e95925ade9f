"""Is the traffic divided as it should be, by every method?  A million ids of the shapes that ids have.

Everything is fixed (ids, salts), so a run either passes always or never.  Had the salts been drawn at random, each
p-value would be below the threshold of 1e-5 once in 100,000 times for a perfect hash; there are 70 of them, so
the whole file would raise a false alarm less than once in 1,000 times.
"""

import numpy as np
import pytest
from scipy import stats

import reference as ref

N = 1000000
THRESHOLD = 1e-5
SHAPES = ("integers", "uuids", "emails")

# Three methods are other views of the same hash: test_same_methods.
METHODS = [m for m in ref.BUCKETING if m not in ("growthbook", "planout", "statsig_user_bucket")]


@pytest.fixture(scope="module")
def ids(db):
    """A table that parallel workers can read: not a temporary one."""
    db.run("""CREATE UNLOGGED TABLE traffic_ids AS
        SELECT i::text AS integers, md5(i::text)::uuid::text AS uuids,
               (ARRAY['anna','ben','chen','divya','emre','fatima','george','hana'])[1 + i %% 8] || '.' ||
               (ARRAY['smith','mueller','garcia','kim','novak','rossi','tanaka'])[1 + i / 8 %% 7] || i / 56 ||
               (ARRAY['@gmail.com','@yahoo.com','@example.org'])[1 + i %% 3] AS emails
        FROM generate_series(1, %s) AS i""", N)
    db.run("CREATE UNLOGGED TABLE ramp_ids AS SELECT emails FROM traffic_ids WHERE integers::int % 20 = 0")
    db.run("ANALYZE traffic_ids")
    yield db
    db.run("DROP TABLE traffic_ids, ramp_ids")


def counts(db, shape, salt, method, cells):
    got = np.zeros(cells)
    for cell, n in db.rows("SELECT floor(%%s * assign_bucket(%s, %%s, %%s) + 1e-9)::int, count(*) FROM traffic_ids "
                           "GROUP BY 1" % shape, cells, salt, method):
        got[cell] = n
    return got


def pairs(db, shape, salts, method, cells=20):
    got = np.zeros((cells, cells))
    for one, two, n in db.rows("SELECT floor(%%s * assign_bucket(%s, %%s, %%s) + 1e-9)::int, "
                               "floor(%%s * assign_bucket(%s, %%s, %%s) + 1e-9)::int, count(*) FROM traffic_ids "
                               "GROUP BY 1, 2" % (shape, shape), cells, salts[0], method, cells, salts[1], method):
        got[one, two] = n
    return got


@pytest.mark.parametrize("method", METHODS)
def test_uniform(ids, method):
    """
    Chi-square over the method's own buckets, or 65,536 equal ones where they are finer.  Kolmogorov-Smirnov at the same
    points: its p-values are too large for a method of few buckets, never too small.
    """
    cells = ref.BUCKETING[method][2] or 65536
    for shape in SHAPES:
        got = counts(ids, shape, "checkout-2026", method, cells)
        assert got.sum() == N
        assert stats.chisquare(got)[1] > THRESHOLD, shape
        distance = np.abs(np.cumsum(got) / N - np.arange(1, cells + 1) / cells).max()
        assert stats.kstwobign.sf(distance * N ** 0.5) > THRESHOLD, shape


@pytest.mark.parametrize("method", METHODS)
def test_salts_are_independent(ids, method):
    """
    Twentieths under one salt by twentieths under another that differs in its last character only.  GrowthBook's first
    version fails that, by its definition (the last characters are not mixed); its salts here differ in all.
    """
    salts = ("checkout", "pricing") if method == "growthbook_v1" else ("exp-1", "exp-2")
    assert stats.chi2_contingency(pairs(ids, "emails", salts, method))[1] > THRESHOLD


def test_the_first_growthbook_correlates_similar_salts(ids):
    """What docs/assignment.md warns of.  It also shows that the test above can fail."""
    assert stats.chi2_contingency(pairs(ids, "emails", ("exp-1", "exp-2"), "growthbook_v1"))[1] < 1e-300


def test_a_biased_hash_is_found(ids):
    """The tests of uniformity can fail, too: with 2 % fewer units in one half than in the other."""
    got = counts(ids, "integers", "checkout-2026", "eppo", 10000)
    got[:5000] *= 0.98
    distance = np.abs(np.cumsum(got) / got.sum() - np.arange(1, 10001) / 10000).max()
    assert stats.kstwobign.sf(distance * N ** 0.5) < THRESHOLD


def test_same_methods(ids):
    """growthbook is growthbook_v1, planout is launchdarkly, and statsig's user bucket is its bucket of 10,000 modulo 1,000."""
    assert ids.one("""SELECT count(*),
        count(*) FILTER (WHERE assign_bucket(uuids, 's', 'growthbook') = assign_bucket(uuids, 's', 'growthbook_v1')),
        count(*) FILTER (WHERE assign_bucket(uuids, 's', 'planout') = assign_bucket(uuids, 's', 'launchdarkly')),
        count(*) FILTER (WHERE round(1000 * assign_bucket(uuids, 's', 'statsig_user_bucket'))
                               = round(10000 * assign_bucket(uuids, 's', 'statsig'))::int % 1000)
        FROM traffic_ids WHERE integers::int <= 10000""") == (10000, 10000, 10000, 10000)


@pytest.mark.parametrize("method", list(ref.BUCKETING))
def test_a_ramp_moves_nobody(ids, method):
    """1 %, 5 %, 50 %, 100 %: who was in stays in, with the same variant; at 100 % everybody is in."""
    steps = [0.01, 0.05, 0.5, 1.0]
    arms = ", ".join("assign_variant(emails, 'ramp', '{a,b,c}', '{0.5,0.3,0.2}', %s, '%s') AS v%d" % (c, method, i)
                     for i, c in enumerate(steps))
    got = ids.one("""SELECT count(*) FILTER (WHERE v0 <> v1 OR v1 <> v2 OR v2 <> v3) AS moved,
            count(*) FILTER (WHERE num_nulls(v0, v1) = 1 AND v1 IS NULL OR num_nulls(v1, v2) = 1 AND v2 IS NULL OR v3 IS NULL)
                AS lost, count(v0), count(v1), count(v2), count(v3), count(*) FILTER (WHERE v3 = 'a'),
            count(*) FILTER (WHERE v2 = 'b')
        FROM (SELECT %s FROM ramp_ids) AS ramp""" % arms)
    moved, lost, *within, a, b = got
    n = N / 20
    assert moved == lost == 0 and within[3] == n
    # Shares as asked for, within five standard errors and the width of the buckets.
    width = 1 / (ref.BUCKETING[method][2] or np.inf)
    for share, count in [*zip(steps, within), (0.5, a), (0.15, b)]:
        assert abs(count / n - share) <= 5 * (share * (1 - share) / n) ** 0.5 + 3 * width, (share, count)
