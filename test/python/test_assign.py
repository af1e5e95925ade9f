"""FARM_FINGERPRINT, buckets and arms, against published vectors and a Python FarmHash."""

import csv
import random
import re
from pathlib import Path

import pytest
from scipy import stats

import reference as ref

VECTORS = Path(__file__).resolve().parent.parent / "data" / "hash" / "farm_fingerprint64.csv"


def signed(x):
    return x - (1 << 64) if x >= 1 << 63 else x


def bucket(unit, salt):
    return (ref.farm_fingerprint64((salt + ":" + unit).encode()) >> 11) / 2 ** 53


def vectors():
    with open(VECTORS, newline="", encoding="utf8") as f:
        return [(bytes.fromhex(r["input_hex"]), int(r["signed_int64"])) for r in csv.DictReader(f)]


def test_published_vectors(db):
    found = vectors()
    assert len(found) == 64
    for data, expected in found:
        assert signed(ref.farm_fingerprint64(data)) == expected, ("reference.py", data)
        assert db.one("SELECT farm_fingerprint(%s::bytea)", data) == expected, data
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            assert db.one("SELECT farm_fingerprint(%s::text)", text) == expected, text


def test_every_length(db):
    """Random bytes of 0 to 600 bytes and of some kilobytes, through every branch of the hash."""
    rng = random.Random(6)
    data = [rng.randbytes(n) for n in list(range(601)) + [1023, 1024, 1025, 4096, 10007, 65536, 300001]]
    db.run("CREATE TEMP TABLE hashed (id int, b bytea)")
    db.copy_rows("hashed", [(i, "\\x" + d.hex()) for i, d in enumerate(data)])
    got = [r.f for r in db.rows("SELECT farm_fingerprint(b) AS f FROM hashed ORDER BY id")]
    wrong = [len(d) for d, f in zip(data, got) if f != signed(ref.farm_fingerprint64(d))]
    assert wrong == []
    # compressed and out of line
    db.run("CREATE TEMP TABLE toasted AS SELECT repeat('abcdefghij', 100000) AS t")
    assert db.one("SELECT farm_fingerprint(t) FROM toasted") == signed(ref.farm_fingerprint64(b"abcdefghij" * 100000))
    assert db.one("SELECT farm_fingerprint(NULL::text) IS NULL AND farm_fingerprint(NULL::bytea) IS NULL")


UNITS = ["", "1", "user-1", "naïve", "🦊", "a:b", "x" * 300, "tab\tnewline\n"] + ["user-%d" % i for i in range(500)]


def test_bucket(db):
    for salt in ("", "exp", "a:", "é"):
        got = db.rows("SELECT u, assign_bucket(u, %s) AS b, assign_bucket(u, %s, 'farm_fingerprint') AS named, "
                      "assign_bucket(u, salt => %s, method => 'farm_fingerprint') AS by_name FROM unnest(%s::text[]) u",
                      salt, salt, salt, UNITS)
        for r in got:
            assert r.b == r.named == r.by_name == bucket(r.u, salt), (r.u, salt)
            assert 0 <= r.b < 1
    # the bucket from the server's own fingerprint: the top 53 bits
    f, b = db.one("SELECT farm_fingerprint('exp:user-1'), assign_bucket('user-1', 'exp')")
    assert ((f % 2 ** 64) >> 11) / 2 ** 53 == b


def expected_variant(unit, salt, variants, weights=None, coverage=1.0):
    """Ranges [cum_i, cum_i + w_i·coverage), and how near the bucket is to a boundary."""
    weights = weights or [1] * len(variants)
    total, cumulative, b, near = sum(weights), 0.0, bucket(unit, salt), 1.0
    answer = None
    for v, w in zip(variants, weights):
        w /= total
        near = min(near, abs(b - cumulative), abs(b - cumulative - w * coverage))
        if cumulative <= b < cumulative + w * coverage:
            answer = v
        cumulative += w
    return answer, near


@pytest.mark.parametrize("variants, weights, coverage", [
    (["control", "treatment"], None, 1.0),
    (["control", "treatment"], None, 0.1),
    (["b", "a", "c"], [0.5, 0.3, 0.2], 1.0),
    (["b", "a", "c"], [0.5, 0.3, 0.2], 0.37),
    (["a", "b"], [9, 1], 0.5),              # weights need not sum to 1
    (["a", "b", "c", "d", "e", "f", "g"], None, 1.0),
    (["one"], [1], 0.25),
    (["one"], None, 1.0),
    (["a", "b"], [1e-3, 1], 0.999),
    (["a", "b"], None, 0.0),
])
def test_ranges(db, variants, weights, coverage):
    got = db.rows("SELECT u, assign_variant(u, 'checkout', %s, %s::float8[], %s) AS v FROM unnest(%s::text[]) u",
                  variants, weights, coverage, UNITS)
    for r in got:
        expected, near = expected_variant(r.u, "checkout", variants, weights, coverage)
        assert r.v == expected or near < 1e-15, (r.u, r.v, expected)
    if coverage == 0:
        assert {r.v for r in got} == {None}


def test_defaults(db):
    got = db.rows("SELECT assign_variant(u, 's', '{a,b}') AS v, assign_variant(u, 's', '{a,b}', NULL, 1) AS w, "
                  "assign_variant(unit => u, salt => 's', variants => '{a,b}', coverage => 1) AS x "
                  "FROM unnest(%s::text[]) u", UNITS)
    assert all(r.v == r.w == r.x for r in got) and {r.v for r in got} == {"a", "b"}


def test_ramping_up_never_moves_a_unit(db):
    """From 0 to full coverage: NULL, then one arm for good; at 1 everybody has one."""
    steps = [i / 50 for i in range(51)]
    got = db.rows("""SELECT u, array_agg(assign_variant('user-' || u, 'ramp', '{a,b,c}', '{0.2,0.5,0.3}', c)
                                         ORDER BY c) AS arms
                     FROM generate_series(1, 4000) u, unnest(%s::float8[]) c GROUP BY u""", steps)
    counts = [0] * len(steps)
    for u, arms in got:
        assert arms[0] is None and arms[-1] is not None, (u, arms)
        first = next(i for i, v in enumerate(arms) if v)
        assert set(arms[first:]) == {arms[-1]} and set(arms[:first]) == {None}, (u, arms)
        for i, v in enumerate(arms):
            counts[i] += v is not None
    assert counts == sorted(counts)
    assert abs(counts[25] / 4000 - 0.5) < 0.04


@pytest.mark.parametrize("variants, weights", [(["a", "b"], None), (["a", "b", "c"], [1, 2, 7])])
def test_uniform(db, variants, weights):
    """100,000 ids with a fixed salt: chi-square of the arms, of 1,000 buckets, and of arms across two salts."""
    counts = dict(db.rows("SELECT assign_variant('user-' || i, 'uniform', %s, %s::float8[]), count(*) "
                          "FROM generate_series(1, 100000) i GROUP BY 1", variants, weights))
    w = weights or [1] * len(variants)
    assert set(counts) == set(variants)         # everybody has an arm
    chi2, p = stats.chisquare([counts[v] for v in variants], [100000 * x / sum(w) for x in w])
    assert p > 1e-4, counts
    bins = [r[1] for r in db.rows("""SELECT floor(assign_bucket(i::text, 'uniform') * 1000), count(*)
                                     FROM generate_series(1, 100000) i GROUP BY 1""")]
    assert len(bins) == 1000 and stats.chisquare(bins)[1] > 1e-4
    cross = db.rows("""SELECT assign_variant(i::text, 'one', '{a,b}'), assign_variant(i::text, 'two', '{a,b}'), count(*)
                       FROM generate_series(1, 100000) i GROUP BY 1, 2""")
    assert len(cross) == 4 and stats.chisquare([r[2] for r in cross])[1] > 1e-4


def test_variables_of_plpgsql(db):
    """PL/pgSQL evaluates an expression again with the same call: nothing may be remembered of variables."""
    db.run("""CREATE FUNCTION pg_temp.one_by_one(OUT bucket float8, OUT variant text, OUT experiment text) RETURNS SETOF record
        LANGUAGE plpgsql AS $$
        DECLARE m text; v text[]; c float8;
        BEGIN
            FOREACH m IN ARRAY '{farm_fingerprint,eppo,statsig}'::text[] LOOP
                v := ARRAY[m || ' a', m || ' b'];
                FOREACH c IN ARRAY '{0,0.5,1}'::float8[] LOOP
                    bucket := assign_bucket('u', 's', m);
                    variant := assign_variant('u', 's', v, ARRAY[1, 9 * c + 1], c, m);
                    experiment := assign_layer('u', 's', v, ARRAY[ARRAY[0, 0.1 + c / 2], ARRAY[0.1 + c / 2, 1]], c / 10, 'h', m);
                    RETURN NEXT;
                END LOOP;
            END LOOP;
        END $$""")
    got = [tuple(r) for r in db.rows("SELECT * FROM pg_temp.one_by_one()")]
    expected = [tuple(r) for r in db.rows("""
        SELECT assign_bucket('u', 's', m), assign_variant('u', 's', ARRAY[m || ' a', m || ' b'], ARRAY[1, 9 * c + 1], c, m),
               assign_layer('u', 's', ARRAY[m || ' a', m || ' b'], ARRAY[ARRAY[0, 0.1 + c / 2], ARRAY[0.1 + c / 2, 1]],
                            c / 10, 'h', m)
        FROM unnest('{farm_fingerprint,eppo,statsig}'::text[]) WITH ORDINALITY AS m (m, i), unnest('{0,0.5,1}'::float8[]) AS c
        ORDER BY i, c""")]
    assert got == expected and len(set(got)) >= 6


def test_parameters_of_prepared_statements(db):
    db.run("PREPARE prepared (text[]) AS SELECT assign_variant(i::text, 's', $1) FROM generate_series(1, 3) i")
    db.run("SET plan_cache_mode = force_generic_plan")
    try:
        for labels in ("{a,b}", "{c,d}"):
            assert [r[0] for r in db.rows("EXECUTE prepared ('%s')" % labels)] == [r[0] for r in db.rows(
                "SELECT assign_variant(i::text, 's', '%s') FROM generate_series(1, 3) i" % labels)]
    finally:
        db.run("RESET plan_cache_mode")


def test_null_unit(db):
    assert db.one("SELECT assign_variant(NULL, 's', '{a,b}')") is None
    assert db.one("SELECT assign_bucket(NULL, 's')") is None


@pytest.mark.parametrize("call, states, message", [
    ("assign_variant('u', 's', '{a,b}', '{1}')", ["22023"], r"2|1"),
    ("assign_variant('u', 's', '{a,b}', '{1,2,3}')", ["22023"], r"2|3"),
    ("assign_variant('u', 's', '{a,b}', '{1,-1}')", ["22023"], r"-1"),
    ("assign_variant('u', 's', '{a,b}', '{0,0}')", ["22023"], r"weight"),
    ("assign_variant('u', 's', '{a,b}', '{1,NaN}')", ["22023"], r"NaN"),
    ("assign_variant('u', 's', '{a,b}', '{1,inf}')", ["22023"], r"[iI]nf"),
    ("assign_variant('u', 's', '{a,b}', '{1,NULL}')", ["22004"], r"."),
    ("assign_variant('u', 's', '{a,NULL}')", ["22004"], r"."),
    ("assign_variant('u', 's', '{}')", ["22023"], r"variant"),
    ("assign_variant('u', 's', '{a,b}', NULL, 1.5)", ["22023"], r"1\.5"),
    ("assign_variant('u', 's', '{a,b}', NULL, -0.1)", ["22023"], r"-0\.1"),
    ("assign_variant('u', 's', '{a,b}', NULL, 'NaN')", ["22023"], r"NaN"),
    ("assign_bucket('u', 's', 'md5')", ["22023"], r"md5"),
    ("assign_bucket('u', 's', '')", ["22023"], r"method"),
])
def test_errors(db, call, states, message):
    error = db.error("SELECT " + call)
    assert error.pgcode in states, error
    assert re.search(message, "%s %s" % (error.diag.message_primary, error.diag.message_detail or "")), error
    assert db.one("SELECT 1") == 1


@pytest.mark.parametrize("call", [
    "assign_variant('u', 's', (SELECT array_agg(i::text) FROM generate_series(1, %d) i))",
    "assign_layer('u', 's', (SELECT array_agg(i::text) FROM generate_series(1, %d) i), "
    "(SELECT array_agg(ARRAY[i / 70000.0, (i + 1) / 70000.0]::float8[] ORDER BY i) FROM generate_series(1, %d) i))",
])
def test_many_labels(fresh, call):
    """As many as a state has arms, and soon done; looking for one that is there twice takes the square of their number."""
    fresh.run("SET statement_timeout = '2s'")
    fresh.one("SELECT " + call.replace("%d", "1000"))
    for count in ("1001", "60000"):
        error = fresh.error("SELECT " + call.replace("%d", count))
        assert error.pgcode == "22023" and "at most 1000" in str(error) and count in str(error)


def test_long_label(db):
    error = db.error("SELECT assign_variant('u', 's', ARRAY['a', repeat('x', 256)])")
    assert error.pgcode == "22001" and "256 bytes" in str(error)
    assert db.one("SELECT assign_variant('u', 's', ARRAY[repeat('x', 255)])") == "x" * 255
