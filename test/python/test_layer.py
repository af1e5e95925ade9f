"""assign_layer: ranges and the holdout against a Python implementation, and the laws of a layer."""

import re

import pytest
from scipy import stats

import reference as ref

UNITS = ["", "🦊", "x" * 10000] + ["user-%d" % i for i in range(3000)]


def expected(unit, layer, experiments, ranges, holdout=0.0, holdout_salt="holdout", method="farm_fingerprint"):
    if ref.bucket(unit, holdout_salt, method) < holdout:
        return None
    b = ref.bucket(unit, layer, method)
    return next((e for e, (start, end) in zip(experiments, ranges) if start <= b < end), None)


@pytest.mark.parametrize("method", list(ref.BUCKETING))
@pytest.mark.parametrize("experiments, ranges, holdout", [
    (["a"], [[0, 1]], 0.0),
    (["a", "b"], [[0, 0.2], [0.2, 0.5]], 0.1),
    (["b", "a", "b"], [[0.9, 1], [0.25, 0.5], [0, 0.25]], 0.05),      # one experiment, two ranges; in any order
    (["a"], [[0.3, 0.31]], 0.0),
    (["a"], [[0, 1]], 1.0),
])
def test_against_python(db, method, experiments, ranges, holdout):
    units = UNITS if method == "farm_fingerprint" else UNITS[:300]
    got = db.rows("SELECT u, assign_layer(u, 'search', %s, %s::float8[], %s, method => %s) AS e FROM unnest(%s::text[]) u",
                  experiments, ranges, holdout, method, units)
    assert len(got) == len(units)
    for r in got:
        assert r.e == expected(r.u, "search", experiments, ranges, holdout, method=method), (r.u[:20], r.e)


def test_defaults_and_names(db):
    got = db.rows("""SELECT assign_layer(u, 'l', '{a}', '{{0,0.5}}') AS a,
        assign_layer(unit => u, layer => 'l', experiments => '{a}', ranges => '{{0,0.5}}', holdout => 0,
                     holdout_salt => 'holdout', method => 'farm_fingerprint') AS b,
        CASE WHEN assign_bucket(u, 'l') < 0.5 THEN 'a' END AS c FROM unnest(%s::text[]) u""", UNITS)
    assert all(r.a == r.b == r.c for r in got) and {r.a for r in got} == {"a", None}
    assert db.one("SELECT assign_layer(NULL, 'l', '{a}', '{{0,1}}')") is None


def test_adding_an_experiment_moves_nobody(db):
    """Into free range; and a larger holdout takes units out, but moves none to another experiment."""
    rows = db.rows("""SELECT assign_layer(u, 'l', '{a,b}', '{{0,0.3},{0.5,0.6}}', 0.1) AS before,
        assign_layer(u, 'l', '{a,c,b,d}', '{{0,0.3},{0.3,0.5},{0.5,0.6},{0.9,1}}', 0.1) AS after,
        assign_layer(u, 'l', '{a,c,b,d}', '{{0,0.3},{0.3,0.5},{0.5,0.6},{0.9,1}}', 0.2) AS more_held_out
        FROM generate_series(1, 20000) i, CAST(i AS text) u""")
    assert all(r.after == r.before or (r.before is None and r.after in ("c", "d")) for r in rows)
    assert all(r.more_held_out in (r.after, None) for r in rows)
    assert {r.after for r in rows} == {"a", "b", "c", "d", None}
    assert sum(r.more_held_out is None for r in rows) > sum(r.after is None for r in rows)


def test_holdout_is_the_same_in_every_layer(db):
    rows = db.rows("""SELECT assign_layer(u, 'search', '{a}', '{{0,1}}', 0.1) IS NULL AS one,
        assign_layer(u, 'checkout', '{b,c}', '{{0,0.5},{0.5,1}}', 0.1) IS NULL AS two,
        assign_bucket(u, 'holdout') < 0.1 AS held_out FROM generate_series(1, 20000) i, CAST(i AS text) u""")
    assert all(r.one == r.two == r.held_out for r in rows)
    # 20,000 units, 10 %: within 5 standard errors
    assert abs(sum(r.held_out for r in rows) / 20000 - 0.1) < 5 * (0.09 / 20000) ** 0.5


def test_layers_are_independent(db):
    """Experiments of two layers, arms inside an experiment and the holdout: contingency tables of 100,000 units."""
    db.run("""CREATE TEMP TABLE placed AS SELECT u,
        assign_layer(u, 'search', '{a,b}', '{{0,0.4},{0.4,1}}') AS search,
        assign_layer(u, 'checkout', '{c,d,e}', '{{0,0.2},{0.2,0.5},{0.5,1}}') AS checkout,
        assign_bucket(u, 'holdout') < 0.1 AS held_out, assign_variant(u, 'a', '{control,treatment}') AS arm
        FROM generate_series(1, 100000) i, CAST('user-' || i AS text) u""")
    for pair in ("search, checkout", "search, held_out", "checkout, held_out", "search, arm", "checkout, arm"):
        table = {}
        for x, y, n in db.rows("SELECT %s, count(*) FROM placed GROUP BY 1, 2" % pair):
            table.setdefault(x, {})[y] = n
        p = stats.chi2_contingency([[row[y] for y in sorted(row)] for row in table.values()])[1]
        assert p > 1e-4, (pair, table)


def test_arguments_from_columns(db):
    got = db.rows("""SELECT assign_layer('user-1', 'l', ARRAY[e], ARRAY[ARRAY[s, 1]], h, 'x', m) AS got, e, s, h, m
        FROM (VALUES ('a', 0.0, 0.0, 'eppo'), ('b', 0.9, 0.0, 'eppo'), ('c', 0.0, 1.0, 'eppo'), ('d', 0.0, 0.0, 'statsig'))
             AS t (e, s, h, m)""")
    assert [r.got for r in got] == [expected("user-1", "l", [r.e], [[r.s, 1]], float(r.h), "x", r.m) for r in got]
    assert [r.got for r in got][::2] == ["a", None]


ARGS = dict(unit="'u'", layer="'l'", experiments="'{a,b}'", ranges="'{{0,0.5},{0.5,1}}'")


@pytest.mark.parametrize("change, state, message", [
    (dict(layer="NULL"), "22004", "layer"),
    (dict(experiments="NULL"), "22004", "experiments"),
    (dict(experiments="'{a,NULL}'"), "22004", "experiments"),
    (dict(experiments="'{}'"), "22023", "experiments"),
    (dict(experiments="'{{a},{b}}'"), "22023", "experiments"),
    (dict(ranges="NULL"), "22004", "ranges"),
    (dict(ranges="'{{0,NULL},{0.5,1}}'"), "22004", "ranges"),
    (dict(ranges="'{}'"), "22023", "ranges.* 2 "),
    (dict(ranges="'{0,0.5}'"), "22023", "ranges.* 2 "),
    (dict(ranges="'{{0,0.5}}'"), "22023", "ranges.* 2 "),
    (dict(ranges="'{{0,0.5,1},{0,0.5,1}}'"), "22023", "ranges.* 2 "),
    (dict(ranges="'{{0,0.5},{0.4,1}}'"), "22023", r"\{0,0\.5\}.*a.*\{0\.4,1\}.*b.*overlap"),
    (dict(ranges="'{{0,1},{0.4,0.5}}'"), "22023", "overlap"),
    (dict(ranges="'{{0,0.5},{0,0.5}}'"), "22023", "overlap"),
    (dict(ranges="'{{-0.1,0.5},{0.5,1}}'"), "22023", r"a.*\{-0\.1,0\.5\}"),
    (dict(ranges="'{{0,0.5},{0.5,1.1}}'"), "22023", r"b.*\{0\.5,1\.1\}"),
    (dict(ranges="'{{0,0.5},{0.7,0.6}}'"), "22023", r"b.*\{0\.7,0\.6\}"),
    (dict(ranges="'{{0,0},{0.5,1}}'"), "22023", r"a.*\{0,0\}"),
    (dict(ranges="'{{0,0.5},{NaN,1}}'"), "22023", r"b.*NaN"),
    (dict(ranges="'{{0,0.5},{0.5,Infinity}}'"), "22023", r"b.*[Ii]nf"),
    (dict(holdout="-0.1"), "22023", r"holdout.*-0\.1"),
    (dict(holdout="1.5"), "22023", r"holdout.*1\.5"),
    (dict(holdout="'NaN'"), "22023", r"holdout.*NaN"),
    (dict(holdout="NULL"), "22004", "holdout"),
    (dict(holdout_salt="NULL"), "22004", "holdout_salt"),
    (dict(holdout="0.1", holdout_salt="'l'"), "22023", "holdout_salt.*l"),
    (dict(method="NULL"), "22004", "method"),
    (dict(method="'murmur'"), "22023", "murmur"),
])
def test_errors(db, change, state, message):
    call = "SELECT assign_layer(%s)" % ", ".join("%s => %s" % a for a in {**ARGS, **change}.items())
    error = db.error(call)
    assert error.pgcode == state and re.search(message, error.diag.message_primary), error
    assert db.one("SELECT 1") == 1


def test_good_arguments_beside_the_errors(db):
    assert db.one("SELECT assign_layer(%s)" % ", ".join("%s => %s" % a for a in ARGS.items())) in ("a", "b")
    assert db.one("SELECT assign_layer('u', 'l', '{a}', '{{0,1}}', holdout_salt => 'l')") == "a"      # no holdout
