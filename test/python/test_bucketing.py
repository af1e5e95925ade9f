"""Public hashes and bucketing methods: published vectors, then Python implementations on awkward strings."""

import csv
import json
import math
import random
from fractions import Fraction
from pathlib import Path

import pytest

import reference as ref

DATA = Path(__file__).resolve().parent.parent / "data" / "hash"
METHODS = list(ref.BUCKETING)
COARSE = {m: steps for m, (_, _, steps) in ref.BUCKETING.items() if steps}


def vectors(name, count):
    """Rows of a file in test/data/hash, which has `count` of them."""
    with open(DATA / (name + ".csv"), newline="", encoding="utf8") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == count
    return rows


def int32(x):
    """How a seed from 2^31 is written as a PostgreSQL integer."""
    return x - 2 ** 32 if x >= 2 ** 31 else x


def as_text(data):
    """The text with these bytes, or None if PostgreSQL has none."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


# --- Published vectors, each through SQL -----------------------------------------------------------

def test_murmur3_vectors(db):
    for r in vectors("murmur3_x86_32", 27):
        data, seed, expected = bytes.fromhex(r["input_hex"]), int(r["seed"]), int(r["hash_u32"])
        assert ref.murmur3_32(data, seed) == expected, ("reference.py", r)
        assert db.one("SELECT murmur3_32(%s::bytea, %s)", data, int32(seed)) == expected, r
        assert db.one("SELECT murmur3_32(%s::bytea, %s)", data, seed) == expected, r
        text = as_text(data)
        if text is not None:
            assert db.one("SELECT murmur3_32(%s::text, seed => %s)", text, int32(seed)) == expected, r
            assert db.one("SELECT murmur3_32(%s::text, seed => %s)", text, seed) == expected, r


def test_fnv1a_vectors(db):
    for r in vectors("fnv1a_32", 203):
        data, expected = bytes.fromhex(r["input_hex"]), int(r["hash_u32"])
        assert ref.fnv1a_32(data) == expected, ("reference.py", r)
        assert db.one("SELECT fnv1a_32(%s::bytea)", data) == expected, r
        text = as_text(data)
        if text is not None:
            assert db.one("SELECT fnv1a_32(%s::text)", text) == expected, r


def test_growthbook_hash(db):
    for r in vectors("growthbook_hash", 14):
        got = db.one("SELECT assign_bucket(%s, %s, 'growthbook_v' || %s)", r["value"], r["seed"], r["hash_version"])
        assert got == float(r["bucket"]), r
        if r["hash_version"] == "1":
            assert db.one("SELECT assign_bucket(%s, %s, 'growthbook')", r["value"], r["seed"]) == got


def test_growthbook_namespaces(db):
    for r in vectors("growthbook_namespace", 16):
        got = db.one("SELECT assign_layer(%s, '__' || %s, ARRAY['in'], ARRAY[ARRAY[%s, %s]]::float8[], "
                     "method => 'growthbook')", r["value"], r["namespace"], r["range_start"], r["range_end"])
        assert (got == "in") == (r["expected"] == "True"), r


def test_growthbook_runs(db):
    """Whole decisions of the SDK's own tests: weights, coverage, seeds, namespaces."""
    for r in vectors("growthbook_run", 44):
        got = db.one("SELECT assign_variant(%s, %s, %s, %s::float8[], %s, 'growthbook_v' || %s)", r["id"],
                     r["seed"] or r["key"], [str(i) for i in range(int(r["variations"]))], r["weights"] or None,
                     float(r["coverage"]), r["hash_version"])
        if r["namespace"] and db.one(
                "SELECT assign_layer(%s, '__' || %s, ARRAY['in'], ARRAY[ARRAY[%s, %s]]::float8[], "
                "method => 'growthbook')", r["id"], r["namespace"], r["range_start"], r["range_end"]) is None:
            got = None
        assert got == (r["expected"] or None), r


def test_launchdarkly(db):
    for r in vectors("launchdarkly_buckets", 7):
        salt = r["seed"] or r["flag_key"] + "." + r["salt"]
        got = db.one("SELECT assign_bucket(%s, %s, 'launchdarkly')", r["context_value"], salt)
        assert abs(got - float(r["published_bucket_approx"])) < 1e-7, r
        assert got == float(r["bucket_float"]) and int(got * 100000) == int(r["bucket_of_100000"]), r
        assert db.one("SELECT sha1_60(%s::text)", r["hashed_string"]) == int(r["sha1_first15hex_int"]), r


def test_optimizely(db):
    for r in vectors("optimizely_buckets", 5):
        got = db.one("SELECT assign_bucket(%s, %s, 'optimizely')", r["bucketing_id"], r["parent_id"])
        assert got == int(r["bucket_0_9999"]) / 10000, r
        assert db.one("SELECT murmur3_32(%s::text, 1)", r["hashed_string"]) == int(r["murmur3_seed1_u32"]), r


def test_unleash_rollout(db):
    for r in vectors("unleash_rollout", 19):
        got = db.one("SELECT assign_bucket(%s, %s, 'unleash')", r["stickiness_value"], r["group_id"])
        assert got == (int(r["normalized_1_100"]) - 1) / 100, r
        on = db.one("SELECT assign_variant(%s, %s, ARRAY['on'], coverage => %s / 100.0, method => 'unleash')",
                    r["stickiness_value"], r["group_id"], int(r["rollout_percent"]))
        assert (on == "on") == (r["expected_enabled"] == "True"), r
    for r in vectors("unleash_normalized", 2):
        assert db.one("SELECT assign_bucket(%s, %s, 'unleash')", r["id"], r["group_id"]) == (
            int(r["normalized_1_100"]) - 1) / 100, r


def test_unleash_variants(db):
    """The specification's weights sum to 1, 2, 99 or 100; the server's sum to 1000, as the method has it."""
    for r in vectors("unleash_variants", 17):
        total, normalized = int(r["total_weight"]), int(r["normalized_1_total"])
        h = db.one("SELECT murmur3_32(%s || ':' || %s, 86028157)", r["group_id"], r["stickiness_value"])
        assert h % total + 1 == normalized, r
        cumulative = 0
        for variant, weight in json.loads(r["variants_json"]):
            cumulative += weight
            if cumulative >= normalized:
                break
        assert variant == r["expected_variant"], r
        assert db.one("SELECT assign_bucket(%s, %s, 'unleash_variant')", r["stickiness_value"],
                      r["group_id"]) == h % 1000 / 1000


def test_eppo(db):
    for r in vectors("eppo_md5_shards", 4):
        total = int(r["total_shards"])
        shard = db.one("SELECT ('x' || left(md5(%s), 8))::bit(32)::bigint %% %s", r["hashed_string"], total)
        assert shard == int(r["shard"]), r
    assert db.one("SELECT assign_bucket('input', 'test', 'eppo')") == 5619 / 10000      # 'test-input'


# The first split all of whose shards the subject is in, as docs/assignment.md has it.
EPPO_SPLIT = """
SELECT split ->> 'variation'
FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS s (split, number)
WHERE NOT EXISTS (
    SELECT FROM jsonb_array_elements(split -> 'shards') AS shard
    WHERE NOT EXISTS (
        SELECT FROM jsonb_array_elements(shard -> 'ranges') AS range
        WHERE round(10000 * assign_bucket(%s, shard ->> 'salt', 'eppo'))
              BETWEEN (range ->> 'start')::int AND (range ->> 'end')::int - 1))
ORDER BY number LIMIT 1"""


def test_eppo_assignments(db):
    for r in vectors("eppo_assignments", 57):
        assert r["total_shards"] == "10000"
        for salt, shard in json.loads(r["shard_by_salt_json"]).items():
            assert db.one("SELECT assign_bucket(%s, %s, 'eppo')", r["subject_key"], salt) == shard / 10000, r
        assert db.one(EPPO_SPLIT, r["splits_json"], r["subject_key"]) == r["expected_variation"], r


def test_statsig(db):
    for r in vectors("statsig", 2):
        salt, unit = r["hashed_string"].rsplit(".", 1)
        assert r["kind"] == "USER_BUCKET" and r["modulus"] == "1000"
        assert db.one("SELECT assign_bucket(%s, %s, 'statsig_user_bucket')", unit, salt) == int(r["bucket"]) / 1000
        assert db.one("SELECT assign_variant(%s, %s, '{control,test}', method => 'statsig_user_bucket')",
                      unit, salt) == r["expected_experiment_param"], r
        got = db.one("SELECT assign_bucket(%s, %s, 'statsig')", unit, salt)
        assert got == int(r["sha256_first8bytes_be_u64"]) % 10000 / 10000, r
    for r in vectors("statsig_evaluation_hash", 3):
        h = db.one("SELECT encode(substr(sha256(convert_to(%s, 'UTF8')), 1, 8), 'hex')", r["hashed_string"])
        assert h == r["sha256_first8bytes_be_hex"], r


def test_planout(db):
    uniform, weighted = vectors("planout", 2)
    choices = json.loads(uniform["choices"])
    h = db.one("SELECT sha1_60(%s::text)", uniform["hashed_string"])
    assert h == int(uniform["sha1_first15hex_int"]) and choices[h % len(choices)] == uniform["expected"]

    salt, unit = weighted["hashed_string"].rsplit(".", 1)
    got = db.one("SELECT assign_bucket(%s, %s, 'planout')", unit, salt)
    assert got == int(weighted["sha1_first15hex_int"]) / float(0xFFFFFFFFFFFFFFF)
    # c1 twice: labels of their own here
    assert db.one("SELECT assign_variant(%s, %s, '{c1,c2,c1 again}', %s::float8[], method => 'planout')",
                  unit, salt, json.loads(weighted["weights"])) == weighted["expected"]


def test_flagd(db):
    for r in vectors("flagd_fractional", 35):
        unit = r["context_value"]
        salt = r["hashed_string"][:len(r["hashed_string"]) - len(unit)]
        assert salt + unit == r["hashed_string"]
        assert db.one("SELECT murmur3_32(%s::text)", r["hashed_string"]) == int(r["murmur3_seed0_u32"]), r
        labels, weights = zip(*json.loads(r["weights_json"]))
        # in some flags the labels are looked up in others: ace-of-hearts for hearts
        assert r["expected_value"].split("-of-")[-1] in labels
        if r["version"] == "v2":
            got = db.one("SELECT assign_variant(%s, %s, %s, %s::float8[], method => 'flagd')",
                         unit, salt, list(labels), list(weights))
        else:       # before: |signed hash| / (2^31 - 1) of 100, as docs/assignment.md has it
            percent = db.one("SELECT 100 * least(h, 2 ^ 32 - h) / 2147483647 FROM murmur3_32(%s::text) AS h",
                             r["hashed_string"])
            total = sum(weights)
            got = next(v for i, v in enumerate(labels) if percent < 100 * sum(weights[:i + 1]) / total)
        assert got == r["expected_value"].split("-of-")[-1], r


# --- Against Python -------------------------------------------------------------------------------

UNITS = (["", " ", "1", "-1", "user-1", "naïve", "\u00e9", "e\u0301", "🦊", "🦊" * 1000, "a.b", "a:b", "a-b",
          "tab\tnl\n", "'\"\\", "00000000-0000-0000-0000-000000000000", "x" * 10000, "ü" * 5000, "🦊" * 2500]
         + ["x" * n for n in range(500, 520)] + ["user-%d" % i for i in range(100)])
SALTS = ["", "exp-7", "a.b", "🦊", "s" * 10000]


@pytest.mark.parametrize("method", METHODS)
def test_buckets(db, method):
    """Empty strings, 4-byte characters, ids of 10 kB and around the end of the buffer they are joined in."""
    for salt in SALTS:
        got = db.rows("SELECT u, assign_bucket(u, %s, %s) AS b FROM unnest(%s::text[]) u", salt, method, UNITS)
        assert len(got) == len(UNITS)
        for r in got:
            assert r.b == ref.bucket(r.u, salt, method) and 0 <= r.b < 1, (r.u[:20], salt[:20])


def test_hashes_of_any_bytes(db):
    rng = random.Random(4)
    data = [rng.randbytes(n) for n in list(range(70)) + [255, 256, 10007, 65536]]
    for d in data:
        seed = rng.randrange(2 ** 32)
        got = db.one("SELECT murmur3_32(b, %s), murmur3_32(b), fnv1a_32(b), sha1_60(b) FROM CAST(%s AS bytea) b",
                     int32(seed), d)
        assert got == (ref.murmur3_32(d, seed), ref.murmur3_32(d), ref.fnv1a_32(d), ref.sha1_60(d)), len(d)
    texts = db.rows("SELECT u, murmur3_32(u, 7) AS m, fnv1a_32(u) AS f, sha1_60(u) AS s FROM unnest(%s::text[]) u", UNITS)
    for r in texts:
        d = r.u.encode()
        assert (r.m, r.f, r.s) == (ref.murmur3_32(d, 7), ref.fnv1a_32(d), ref.sha1_60(d)), r.u[:20]
    assert db.one("SELECT num_nulls(murmur3_32(NULL::text), murmur3_32('a', NULL), fnv1a_32(NULL::text), "
                  "sha1_60(NULL::text), assign_bucket('u', NULL, 'eppo'), assign_bucket('u', 's', NULL))") == 6


def test_toasted(db):
    db.run("CREATE TEMP TABLE toasted AS SELECT repeat('abcdefghij', 5000) AS t")
    data = b"abcdefghij" * 5000
    assert db.one("SELECT murmur3_32(t), fnv1a_32(t), sha1_60(t) FROM toasted") == (
        ref.murmur3_32(data), ref.fnv1a_32(data), ref.sha1_60(data))
    for method in METHODS:
        assert db.one("SELECT assign_bucket(t, 's', %s) FROM toasted", method) == ref.bucket(data.decode(), "s", method)


def test_method_from_a_column(db):
    """A method that changes from row to row is not remembered from the first."""
    got = db.rows("SELECT m, assign_bucket('user-1', 'exp', m) AS b, "
                  "assign_variant('user-1', 'exp', '{a,b,c,d,e,f,g,h}', method => m) AS v FROM unnest(%s::text[]) m", METHODS)
    assert len(got) == len(METHODS)
    for r in got:
        assert r.b == ref.bucket("user-1", "exp", r.m)
        assert r.v == "abcdefgh"[int(r.b * 8)]


# --- Variants on coarse buckets -------------------------------------------------------------------

def sdk_ranges(weights, coverage):
    """GrowthBook's getBucketRanges, in its floating-point arithmetic."""
    cumulative, ranges = 0.0, []
    for w in weights:
        ranges.append((cumulative, cumulative + coverage * w))
        cumulative += w
    return ranges


def exact_ranges(weights, coverage):
    """In rational arithmetic: weights and coverage are the decimal fractions that they are written as."""
    weights, coverage = [Fraction(str(w)) for w in weights], Fraction(str(coverage))
    cumulative, ranges = Fraction(0), []
    for w in weights:
        w /= sum(weights)
        ranges.append((cumulative, cumulative + coverage * w))
        cumulative += w
    return ranges


SPLITS = [([0.1] * 10, 1.0), ([0.1] * 10, 0.3), ([1, 2, 7], 1.0), ([1, 2, 7], 0.7), ([0.3, 0.7], 0.1), ([0.7, 0.2, 0.1], 0.6),
          ([1] * 3, 1.0), ([1] * 7, 0.5), ([33.4, 33.3, 33.3], 1.0), ([0.29, 0.57, 0.14], 1.0), ([0.5, 0.5], 0.01)]


@pytest.mark.parametrize("method", sorted(COARSE))
def test_boundaries_of_coarse_buckets(db, method):
    """With 100 buckets a boundary off by a rounding error moves 1 % of the units. Every bucket is here."""
    steps = COARSE[method]
    db.run("DROP TABLE IF EXISTS one_per_bucket")
    db.run("CREATE TEMP TABLE one_per_bucket AS SELECT DISTINCT ON (b) i::text AS u, b "
           "FROM generate_series(1, 20 * %s) i, assign_bucket(i::text, 's', %s) b", steps, method)
    assert db.one("SELECT count(*) FROM one_per_bucket") == steps
    for weights, coverage in SPLITS + ([([0.333] * 3, 1.0)] if method.startswith("growthbook") else []):
        by_sdk = method.startswith("growthbook") and 0.99 <= sum(weights) <= 1.01
        if by_sdk:
            ranges, buckets = sdk_ranges(weights, coverage), [k / steps for k in range(steps)]
        else:
            ranges = [[math.ceil(x * steps) for x in r] for r in exact_ranges(weights, coverage)]
            buckets = range(steps)
        expected = [None] * steps
        for i, (start, end) in enumerate(ranges):
            for k, b in enumerate(buckets):
                if start <= b < end:
                    expected[k] = str(i)
        got = dict(db.rows("SELECT round(b * %s)::int, assign_variant(u, 's', %s, %s::float8[], %s, %s) FROM one_per_bucket",
                           steps, [str(i) for i in range(len(weights))], weights, coverage, method))
        wrong = [(k, got[k], expected[k]) for k in range(steps) if got[k] != expected[k]]
        assert wrong == [], (weights, coverage)


def test_equal_weights_of_growthbook(db):
    """No weights are 1/10 each, added up as the SDK does: the third ends after 0.3, not at it."""
    got = dict(db.rows("SELECT b, max(assign_variant(i::text, 's', '{0,1,2,3,4,5,6,7,8,9}', method => 'growthbook')) "
                       "FROM generate_series(1, 20000) i, assign_bucket(i::text, 's', 'growthbook') b GROUP BY 1"))
    assert len(got) == 1000 and got[0.3] == "2"
    assert got == {b: str(next(i for i, r in enumerate(sdk_ranges([1 / 10] * 10, 1.0)) if r[0] <= b < r[1])) for b in got}


def test_weights_short_of_one(db):
    """Three times 0.333, as in GrowthBook: its SDKs give the last 0.1 % of the buckets no variation."""
    count = ("SELECT count(*) FROM generate_series(1, 30000) i, assign_bucket(i::text, 's', %s) b "
             "WHERE assign_variant(i::text, 's', '{a,b,c}', '{0.333,0.333,0.333}', method => %s) IS NULL "
             "AND b >= 0.999")
    assert db.one(count, "growthbook_v2", "growthbook_v2") > 10
    assert db.one(count, "eppo", "eppo") == 0
