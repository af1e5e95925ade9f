"""stress.py with fewer rows, and random trees over ragged parts, against rational arithmetic."""

import json
import random
from fractions import Fraction

import pytest

import reference as ref
import stress

PARTS = 10_000


def test_the_data_are_what_they_say(db):
    """Values are float8 without rounding, mean 1e12, variance 1; Exact is right where whole cycles are not."""
    n = stress.M + 4321
    ys = [stress.value(i, stress.K_Y) for i in range(n)]
    xs = [stress.value(i, stress.K_X) for i in range(n)]
    assert all(Fraction(float(v)) == v for v in ys + xs)
    exact = stress.Exact(n)
    assert exact.means == [ref.exact_mean(ys), ref.exact_mean(xs)]
    assert exact.comoments == [ref.exact_cross(ys, ys), ref.exact_cross(ys, xs), ref.exact_cross(xs, xs)]
    assert abs(exact.means[0] - 10 ** 12) < 0.1 and abs(exact.comoments[0] / n - 1) < 0.01
    sql = "SELECT array_agg(%s ORDER BY i) FROM generate_series(0, %s) AS i" % (
        stress.sql_value("i", stress.K_Y), n - 1)
    assert [Fraction(v) for v in db.one(sql)] == ys


def test_one_pass(db):
    """A million rows; sums of squares have lost everything by then."""
    mean, comoment = stress.errors(stress.one_pass(db, 1000, 1000), stress.Exact(10 ** 6))
    assert mean < 1e-12 and comoment < 1e-12
    assert not 0.5 < stress.textbook(db, 1000, 1000) < 2


def test_ten_thousand_states(db):
    """Merged one after the other, and two at a time in random trees."""
    exact = stress.Exact(PARTS * 20)
    stress.partial_states(db, PARTS, 20)
    texts = [db.one("SELECT moments_agg(m ORDER BY %s)::text FROM node" % order) for order in ("id", "-id")]
    texts += [stress.merge_tree(db, PARTS, random.Random(seed)) for seed in (11, 12)]
    for text in texts:
        mean, comoment = stress.errors(text, exact)
        assert mean < 1e-13 and comoment < 1e-13, (mean, comoment)


def test_random_trees_have_the_leaves(db):
    for leaves in (2, 3, 100):
        merges = [merge for level in stress.random_tree(leaves, random.Random(leaves)) for merge in level]
        assert len(merges) == leaves - 1
        assert sorted(child for a, b, _ in merges for child in (a, b)) == list(range(2 * leaves - 2))


@pytest.mark.parametrize("seed", [1, 2])
def test_ragged_parts(db, seed):
    """10,000 parts of 0 to 9 units in three arms, most without the rare one, at 1e12 with a spread of 1: every random
    tree gives each arm's exact mean and variance, and the difference of means that they have."""
    rng = random.Random(seed)
    data = {"control": [], "treatment": [], "rare": []}
    rows = []
    for part in range(PARTS):
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 9])):
            label = rng.choices(list(data), [50, 49, 1])[0]
            y = 1e12 + rng.gauss(0.01 if label == "treatment" else 0, 1)
            data[label].append(y)
            rows.append((part, y, label))
    db.run("DROP TABLE IF EXISTS ragged; CREATE TEMP TABLE ragged (part int, y float8, v text)")
    db.copy_rows("ragged", rows)
    db.run("DROP TABLE IF EXISTS node; CREATE TEMP TABLE node AS "
           "SELECT g AS id, m FROM generate_series(0, %s) AS g LEFT JOIN "
           "(SELECT part, moments_agg(y, v) AS m FROM ragged GROUP BY part) AS s ON part = g", PARTS - 1)
    assert db.one("SELECT count(*) FROM node WHERE m IS NULL") > 1000
    text = stress.merge_tree(db, PARTS, rng)
    assert sorted(json.loads(text)["variants"]) == sorted(data)
    for label, ys in data.items():
        n, means, comoments = stress.arm(text, label)
        variance = ref.exact_cross(ys, ys)
        assert n == len(ys)
        assert abs(means[0] - ref.exact_mean(ys)) < 1e-13 * float(variance / n) ** 0.5
        assert abs(Fraction(comoments[0]) / variance - 1) < 1e-13
    exact = ref.exact_mean(data["treatment"]) - ref.exact_mean(data["control"])
    diff = db.one("SELECT diff FROM welch_t(%s::moments) WHERE variant = 'treatment'", text)
    assert abs(Fraction(diff) / exact - 1) < 1e-12
