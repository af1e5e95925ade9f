"""Laws that hold whatever the data: round trips, merging, plans, windows, scaling.

Sums that are merged in another order differ in the last digits: they are compared to 1e-12 relative, counts exactly.
"""

import json
import random
import re
import struct

import numpy as np
import pytest

import reference as ref

HARD_LABELS = ["", " ", "control", "x", "it's", 'say "hi"', "back\\slash", "\\", "\\n", "comma, semicolon; {brace}",
               "new\nline", "carriage\rreturn", "tab\there", "\x01\x1f\x7f", "null", "NULL", "\\N", "naïve", "🦊🎉",
               "\U0010ffff", "a" * 255, "é" * 127, "/", "\u2028", "{\"n\": 1}", "0"]


# --- Comparing two states --------------------------------------------------------------------------

def comoments(v):
    """The packed matrix; that of a diagonal state has squares only."""
    if "comoments" in v:
        return v["comoments"]
    return [x for i, square in enumerate(v["squares"]) for x in [0.0] * i + [square]]


def parse(state):
    """A state as text -> (metrics, {label: (n, means as exact pairs, comoments)})."""
    j = json.loads(state, parse_float=float)
    variants = {}
    for label, v in j["variants"].items():
        mean = v["mean"]
        residual = v.get("residual", [0] * len(mean))
        means = [ref.Fraction(a) + ref.Fraction(b) / v["n"] for a, b in zip(mean, residual)]
        variants[label] = (v["n"], means, comoments(v))
    return j["metrics"], variants


def same_state(a, b, rel=1e-12):
    """Counts and labels exactly; means on the scale of mean and spread, co-moments on that of their variances."""
    ka, va = parse(a)
    kb, vb = parse(b)
    assert ka == kb and list(va) == list(vb), (list(va), list(vb))
    for label in va:
        (na, ma, ca), (nb, mb, cb) = va[label], vb[label]
        assert na == nb, (label, na, nb)
        scale = [max(ca[i * (i + 3) // 2], cb[i * (i + 3) // 2]) for i in range(ka)]
        for i in range(ka):
            spread = (scale[i] / na) ** 0.5
            assert abs(ma[i] - mb[i]) <= rel * (abs(float(ma[i])) + spread), (label, i, ma[i], mb[i])
            for j in range(i + 1):
                at = i * (i + 1) // 2 + j
                assert abs(ca[at] - cb[at]) <= rel * (scale[i] * scale[j]) ** 0.5, (label, i, j, ca[at], cb[at])


def same_rows(a, b, rel):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        for p, q in zip(x, y):
            if isinstance(p, float) and isinstance(q, float):
                assert p == q or abs(p - q) <= rel * max(abs(p), abs(q)), (x, y)
            else:
                assert p == q, (x, y)


# --- Text and binary form --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def states(db):
    """A table of states of every shape: hard labels, extreme numbers, 1 to 64 metrics, 1 to 40 variants."""
    rng = np.random.default_rng(5)
    db.run("CREATE TEMP TABLE unit_rows (id int, ys float8[], v text)")
    rows, i = [], 0

    def add(values, label):
        rows.append((i, "{%s}" % ",".join(repr(float(x)) for x in values), label))

    for label in HARD_LABELS:                   # a state of one variant each …
        i += 1
        for _ in range(3):
            add(rng.normal(0, 1, 2), label)
    i += 1
    for label in HARD_LABELS * 3:               # … and all of them in one
        add(rng.lognormal(0, 4, 3), label)
    for scale in (5e-324, 1e-300, 1e-160, 1e-20, 1, 1e20, 1e150):
        i += 1
        for _ in range(4):
            add([scale * rng.integers(1, 9), scale], "a")
            add([scale * rng.random(), 0.1], "b")
    for k in (1, 2, 3, 5, 20, 63, 64):
        i += 1
        for j in range(30):
            add(rng.normal(1e6, 1, k), "v%d" % (j % 3))
    i += 1
    for j in range(120):
        add(rng.normal(0, 1, 2), "v%d" % (j % 40))
    db.copy_rows("unit_rows", rows)
    db.run("CREATE TEMP TABLE states AS SELECT id, moments_agg(ys, v) AS m FROM unit_rows GROUP BY id")
    assert db.one("SELECT count(*) FROM states") == i
    return i


def test_text_round_trip(db, states):
    lost = db.rows("SELECT id, m::text FROM states WHERE (m::text)::moments <> m OR ((m::text)::moments)::text <> m::text")
    assert lost == []
    labels = db.one("SELECT m::text FROM states WHERE id = %s", len(HARD_LABELS) + 1)
    assert list(json.loads(labels)["variants"]) == sorted(HARD_LABELS, key=str.encode)


def test_text_form_holds_every_digit(db, states):
    """The text says exactly what the data say: n, the mean pair exact on the scale of the spread, not of the mean."""
    data = {}
    for i, ys, label in db.rows("SELECT id, ys, v FROM unit_rows"):
        data.setdefault((i, label), []).append(ys)
    for i, text in db.rows("SELECT id, m::text FROM states"):
        metrics, variants = parse(text)
        for label, (n, means, comoments) in variants.items():
            units = data[i, label]
            assert n == len(units) and metrics == len(units[0])
            columns = list(zip(*units))
            for j, column in enumerate(columns):
                exact = ref.exact_mean(column)
                spread = max(column) - min(column)
                assert abs(means[j] - exact) <= 1e-15 * spread + 1e-30 * abs(exact) + 5e-324, (i, label, j)
                var = ref.exact_cross(column, column)
                if var > 1e-290:
                    assert abs(comoments[j * (j + 3) // 2] - var) <= 1e-13 * var, (i, label, j)


@pytest.mark.parametrize("digits", [0, -15, 3, 1])
def test_extra_float_digits_do_not_matter(fresh, db, states, digits):
    fresh.run("CREATE TEMP TABLE there (id int, m moments)")
    fresh.copy_rows("there", db.rows("SELECT id, m::text FROM states"))
    reference = fresh.rows("SELECT id, m::text FROM there ORDER BY id")
    fresh.run("SET extra_float_digits = %s", digits)
    assert fresh.rows("SELECT id, m::text FROM there ORDER BY id") == reference
    assert fresh.one("SELECT count(*) FROM there WHERE (m::text)::moments <> m OR (m::text)::moments IS NULL") == 0
    assert fresh.rows("SELECT id FROM there WHERE m::jsonb <> m::text::jsonb") == []


def test_jsonb_cast(db, states):
    assert db.one("SELECT count(*) FROM states WHERE m::jsonb = m::text::jsonb") == states
    text, value = db.one("SELECT m::text, m::jsonb FROM states WHERE id = %s", len(HARD_LABELS) + 1)
    assert json.loads(text) == value and value["version"] == 1 and value["metrics"] == 3


def test_binary_round_trip(db, states):
    """COPY BINARY out and in; the bytes out again are the same bytes."""
    db.run("CREATE TEMP TABLE arrived (id int, m moments)")
    sent = db.copy_out("SELECT id, m FROM states ORDER BY id")
    db.copy_binary("arrived", sent)
    assert db.one("SELECT count(*) FROM states JOIN arrived a USING (id) WHERE states.m = a.m "
                  "AND states.m::text = a.m::text") == states
    assert db.copy_out("SELECT id, m FROM arrived ORDER BY id") == sent


def test_send_function(db, states):
    """send(a) = send(b) exactly when a = b, and it is what COPY writes."""
    send = db.one("SELECT typsend::text FROM pg_type WHERE typname = 'moments'")
    assert db.one("SELECT count(*) FROM states a JOIN states b ON (a.m = b.m) <> ({0}(a.m) = {0}(b.m))".format(send)) == 0
    one = db.one("SELECT {0}(m) FROM states WHERE id = 1".format(send))
    data = db.copy_out("SELECT m FROM states WHERE id = 1")
    assert data[19 + 2:-2] == struct.pack("!i", len(one)) + bytes(one)


def test_equality(db):
    a = '{"version": 1, "metrics": 1, "variants": {"a": {"n": 3, "mean": [2], "comoments": [2]}}}'
    same = '{"variants": {"a": {"comoments": [2.0], "residual": [0], "n": 3, "mean": [2e0]}}, "metrics": 1, "version": 1}'
    assert db.one("SELECT %s::moments = %s::moments AND NOT %s::moments <> %s::moments", a, same, a, same)
    for other in (a.replace('"n": 3', '"n": 4'), a.replace("[2]}", "[2.5]}"), a.replace('"a"', '"b"'),
                  a.replace('"mean": [2]', '"mean": [2.0000000000000004]'),
                  a.replace('"mean": [2]', '"mean": [2], "residual": [1e-17]'),
                  '{"version": 1, "metrics": 2, "variants": {"a": {"n": 3, "mean": [2, 0], "comoments": [2, 0, 0]}}}'):
        assert db.one("SELECT %s::moments <> %s::moments AND NOT %s::moments = %s::moments",
                      a, other, a, other), other
    assert db.one("SELECT %s::moments = NULL", a) is None


def test_survives_a_table_and_toast(db, states):
    """Stored compressed, out of line, detoasted: the same state. 64 metrics are over 16 kB."""
    db.run("CREATE TEMP TABLE stored (id int, m moments); ALTER TABLE stored ALTER m SET STORAGE EXTERNAL;"
           "INSERT INTO stored SELECT * FROM states;"
           "CREATE TEMP TABLE packed (id int, m moments); ALTER TABLE packed ALTER m SET STORAGE MAIN;"
           "INSERT INTO packed SELECT * FROM states")
    for table in ("stored", "packed"):
        assert db.one("SELECT count(*) FROM states s JOIN %s t USING (id) WHERE s.m = t.m" % table) == states
        merged = db.rows("SELECT id, moments_agg(m)::text FROM %s GROUP BY id ORDER BY id" % table)
        assert merged == db.rows("SELECT id, m::text FROM states ORDER BY id")


# --- Merging ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def many_rows(db):
    """4,000 units with k = 20 correlated metrics of very different scales, three arms of very different sizes."""
    rng = np.random.default_rng(11)
    n, k = 4000, 20
    scale, offset = 10.0 ** rng.uniform(-3, 6, k), 10.0 ** rng.uniform(-2, 8, k)
    ys = rng.normal(0, 1, (n, k)) @ rng.normal(0, 1, (k, k)) * scale + offset
    labels = rng.choice(["a", "control", "rare"], n, p=[0.55, 0.44, 0.01])
    db.run("CREATE TABLE many_rows (id int, ys float8[], v text, part int)")
    db.copy_rows("many_rows", [(i, "{%s}" % ",".join(map(repr, y)), v, int(rng.integers(0, 200)))
                               for i, (y, v) in enumerate(zip(ys.tolist(), labels.tolist()))])
    db.run("ANALYZE many_rows")
    return ys, labels


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_merge_in_any_order(db, many_rows, k):
    """Random partitions, random order, random trees of merges (some arms missing in some parts): the serial state."""
    serial = db.one("SELECT moments_agg(ys[1:%s], v)::text FROM many_rows", k)
    rng = random.Random(k)
    for parts in (2, 3, 17, 200, 4000):
        db.run("DROP TABLE IF EXISTS parts; CREATE TEMP TABLE parts AS "
               "SELECT moments_agg(ys[1:%s], v) AS m, row_number() OVER () AS part FROM many_rows "
               "GROUP BY id * 7919 %% %s", k, parts)
        assert db.one("SELECT count(*) FROM parts") == parts
        for order in ("part", "-part", "md5(part::text)"):
            same_state(db.one("SELECT moments_agg(m ORDER BY %s)::text FROM parts" % order), serial)
        left = parts
        while left > 1:         # a random tree: merge random groups until one is left
            left = max(1, left // rng.choice([2, 3, 10]))
            db.run("CREATE TEMP TABLE next_parts AS SELECT moments_agg(m) AS m, row_number() OVER () AS part FROM "
                   "(SELECT m, (hashint8(part + %s) & 1048575) %% %s AS g FROM parts) q GROUP BY g;"
                   "DROP TABLE parts; ALTER TABLE next_parts RENAME TO parts", rng.randrange(10 ** 6), left)
            left = db.one("SELECT count(*) FROM parts")
        same_state(db.one("SELECT m::text FROM parts"), serial)


def test_merge_is_commutative_and_associative(db, many_rows):
    db.run("DROP TABLE IF EXISTS abc; CREATE TEMP TABLE abc AS "
           "SELECT part % 3 AS p, moments_agg(ys[1:5], v) AS m FROM many_rows GROUP BY 1")
    merge = "(SELECT moments_agg(m ORDER BY o) FROM (VALUES (1, %s), (2, %s)) q (o, m))"
    a, b, c = ("(SELECT m FROM abc WHERE p = %d)" % p for p in range(3))
    texts = [db.one("SELECT %s::text" % form) for form in (
        merge % (merge % (a, b), c), merge % (a, merge % (b, c)), merge % (merge % (c, b), a), merge % (b, merge % (a, c)))]
    for text in texts[1:]:
        same_state(text, texts[0])
    same_state(db.one("SELECT moments_agg(ys[1:5], v)::text FROM many_rows"), texts[0])


def test_merge_of_disjoint_arms_and_null(db):
    """A part without the control, a part without the treatment, NULL parts, an empty FILTER."""
    rows = "(VALUES (1::float8,'control',1),(2,'control',1),(3,'t',2),(5,'t',2),(4,'control',3),(9,'t',3)) r (y, v, part)"
    whole = db.one("SELECT moments_agg(y, v)::text FROM " + rows)
    same_state(whole, db.one("SELECT moments_agg(m)::text FROM (SELECT moments_agg(y, v) AS m FROM %s GROUP BY part) q" % rows))
    same_state(whole, db.one("""SELECT moments_agg(m)::text FROM (
        SELECT moments_agg(y, v) FILTER (WHERE part = p) AS m FROM %s, generate_series(0, 4) p GROUP BY p
        UNION ALL SELECT NULL) q""" % rows))
    assert db.one("SELECT moments_agg(y, v) FILTER (WHERE false) FROM " + rows) is None
    assert db.one("SELECT moments_agg(m) FROM (VALUES (NULL::moments), (NULL)) q (m)") is None
    assert db.one("SELECT moments_agg(m) FROM (SELECT NULL::moments) q (m) WHERE false") is None


def test_merged_state_is_a_copy(db):
    """Merging reads its inputs: a stored state is the same after it was merged."""
    db.run("DROP TABLE IF EXISTS kept; CREATE TEMP TABLE kept AS "
           "SELECT g, moments_agg(y, v) AS m FROM (SELECT g % 5 AS g, g::float8 AS y, 'v' || g % 3 AS v "
           "FROM generate_series(1, 300) g) r GROUP BY g")
    before = db.rows("SELECT g, m::text FROM kept ORDER BY g")
    assert db.one("SELECT count(*) FROM (SELECT a.g, moments_agg(b.m) FROM kept a, kept b GROUP BY a.g) q") == 5
    db.rows("SELECT moments_agg(m) OVER (ORDER BY g) FROM kept")
    assert db.rows("SELECT g, m::text FROM kept ORDER BY g") == before


# --- Plans -----------------------------------------------------------------------------------------

# name -> (aggregate call, how its answer is shown)
AGGREGATES = {
    "moments_agg 1": "moments_agg(y, v)", "moments_agg 2": "moments_agg(y, x, v)",
    "moments_agg k": "moments_agg(ARRAY[y, x, y * x], v)", "moments_agg m": "moments_agg(m)",
    "welch_t 2": "welch_t(y, v)", "welch_t 3": "welch_t(y, v, 'b')",
    "proportion_z 2": "proportion_z(y > 50, v)", "proportion_z 3": "proportion_z(y > 50, v, 'b')",
    "srm": "srm(v, '{\"a\": 1, \"b\": 1.02}'::jsonb)",
}


@pytest.fixture(scope="module")
def plan_rows(db):
    """60,000 rows in an ordinary table and in a partitioned one; not temporary, which would keep workers away."""
    db.run("""CREATE TABLE plan_rows (id int, day int, third int, y float8, x float8, v text, m moments);
              INSERT INTO plan_rows
              SELECT i, i % 7, i % 3, 50 + 10 * sin(i * 12.9898) + 1000003 % (i % 97 + 1), cos(i * 78.233) * 1e6,
                     CASE WHEN i * 2654435761 % 1000 < 505 THEN 'b' ELSE 'a' END, NULL
              FROM generate_series(1, 60000) i;
              UPDATE plan_rows p SET m = (SELECT moments_agg(y, v) FROM (SELECT p.y, p.v) q) WHERE id % 10 = 0;
              CREATE TABLE split_rows (LIKE plan_rows) PARTITION BY LIST (day);""")
    for day in range(7):
        db.run("CREATE TABLE split_rows_%d PARTITION OF split_rows FOR VALUES IN (%d)" % (day, day))
    db.run("""INSERT INTO split_rows SELECT * FROM plan_rows;
              ALTER TABLE plan_rows SET (parallel_workers = 2);
              ANALYZE plan_rows; ANALYZE split_rows""")


def force_parallel(db):
    setting = "debug_parallel_query" if db.connection.server_version >= 160000 else "force_parallel_mode"
    db.run("""SET %s = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
              SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2""" % setting)


def plan(db, sql):
    return "\n".join(r[0] for r in db.rows("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) " + sql))


def same_answer(a, b):
    for (ga, x), (gb, y) in zip(a, b):
        assert ga == gb
        if isinstance(x, str) and x.startswith("{"):
            same_state(x, y)
        else:
            same_fields(x, y)


def same_fields(a, b):
    """Two comparison or srm rows as text. The estimates to 1e-12, what is derived from their difference to 1e-12 on
    their scale, the p-value to what that moves it."""
    a, b = (re.sub(r'[(){}"]', "", t).split(",") for t in (a, b))
    assert len(a) == len(b)
    x, y = (dict(zip(ref.COMPARISON, f)) if len(f) == len(ref.COMPARISON) else dict(enumerate(f)) for f in (a, b))
    scale = {}
    if x.get("estimate") and x.get("estimate_control"):
        size = max(abs(float(x["estimate"])), abs(float(x["estimate_control"])))
        scale = dict.fromkeys(("diff", "diff_low", "diff_high"), size)
        if x["lift"]:
            scale.update(dict.fromkeys(("lift", "lift_low", "lift_high"), size / abs(float(x["estimate_control"])) + 1))
        if x["statistic"]:
            scale.update(statistic=size / float(x["std_error"]), p_value=size / float(x["std_error"]))
    for field, p in x.items():
        q = y[field]
        if p != q:
            assert p and q and field not in ("variant", "control", "n", "n_control"), (field, p, q)
            p, q = float(p), float(q)
            assert abs(p - q) <= 1e-12 * (max(abs(p), abs(q)) + scale.get(field, 0)), (field, p, q)


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("grouped", [False, True])
def test_parallel_plan(fresh, plan_rows, name, grouped):
    sql = "SELECT %s, %s::text FROM plan_rows" % ("day" if grouped else "0", AGGREGATES[name])
    sql += " GROUP BY day ORDER BY day" if grouped else ""
    fresh.run("SET max_parallel_workers_per_gather = 0")
    serial = fresh.rows(sql)
    assert "Partial" not in plan(fresh, sql)
    force_parallel(fresh)
    shown = plan(fresh, sql)
    assert "Partial" in shown and "Finalize" in shown and "Workers Launched" in shown, shown
    parallel = fresh.rows(sql)
    assert len(serial) == len(parallel) == (7 if grouped else 1)
    same_answer(serial, parallel)


@pytest.mark.parametrize("name", AGGREGATES)
def test_partitionwise_plan(fresh, plan_rows, name):
    """Grouping by something else than the partition key: partial states per partition, combined."""
    sql = "SELECT third AS g, %s::text FROM split_rows GROUP BY 1 ORDER BY 1" % AGGREGATES[name]
    fresh.run("SET max_parallel_workers_per_gather = 0")
    serial = fresh.rows(sql)
    fresh.run("SET enable_partitionwise_aggregate = on")
    shown = plan(fresh, sql)
    assert "Partial" in shown and "Finalize" in shown and "Gather" not in shown, shown
    same_answer(serial, fresh.rows(sql))
    by_day = "SELECT day AS g, %s::text FROM split_rows GROUP BY 1 ORDER BY 1" % AGGREGATES[name]
    same_answer(fresh.rows(by_day), fresh.rows(by_day.replace("split_rows", "plan_rows")))


def test_parallel_with_an_empty_filter(fresh, plan_rows):
    """A FILTER that empties a worker's groups, or all of them."""
    force_parallel(fresh)
    for condition, expected in (("id = 7", 1), ("id <= 0", 0), ("v = 'a'", None)):
        sql = "SELECT moments_agg(y, v) FILTER (WHERE %s)::text, welch_t(y, v) FILTER (WHERE %s)::text FROM plan_rows" % (
            condition, condition)
        state, _ = fresh.one(sql)
        if expected == 0:
            assert state is None
        else:
            direct = fresh.one("SELECT moments_agg(y, v)::text FROM plan_rows WHERE " + condition)
            same_state(state, direct)


def test_hash_aggregate_that_spills(fresh, plan_rows):
    """20,000 groups in little memory: the states go to disk and come back."""
    fresh.run("SET max_parallel_workers_per_gather = 0; SET work_mem = '1MB'; SET hash_mem_multiplier = 1")
    sql = ("SELECT id % 20000 AS g, moments_agg(y, v)::text, welch_t(y, v)::text, moments_agg(ARRAY[y, x, 1], v)::text "
           "FROM plan_rows GROUP BY 1")
    fresh.run("SET enable_hashagg = off")
    sorted_groups = sorted(fresh.rows(sql))
    assert "HashAggregate" not in plan(fresh, sql)
    fresh.run("SET enable_hashagg = on; SET enable_sort = off")
    shown = plan(fresh, sql)
    assert "HashAggregate" in shown and "Disk Usage" in shown, shown
    hashed = sorted(fresh.rows(sql))
    assert len(hashed) == 20000
    # three rows per group in another order: to the last digits
    for (g, m1, w1, k1), (h, m2, w2, k2) in zip(sorted_groups, hashed):
        assert g == h
        if (m1, w1, k1) != (m2, w2, k2):
            same_state(m1, m2)
            same_state(k1, k2)
            same_fields(w1, w2)


def test_grouping_sets(db, plan_rows):
    got = db.rows("""SELECT day, id % 2 AS odd, moments_agg(y, v)::text AS m, (welch_t(y, v)).n_control
                     FROM plan_rows WHERE id <= 5000 GROUP BY GROUPING SETS ((day), (day, id % 2), ()) ORDER BY 1, 2""")
    assert len(got) == 7 + 14 + 1
    for day, odd, m, n in got:
        expected, n_control = db.one("SELECT moments_agg(y, v)::text, (welch_t(y, v)).n_control FROM plan_rows "
                                     "WHERE id <= 5000 AND coalesce(day = %s, true) AND coalesce(id %% 2 = %s, true)", day, odd)
        assert n == n_control
        same_state(m, expected)


@pytest.mark.parametrize("frame", ["", "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING", "ROWS 5 PRECEDING"])
def test_window(db, plan_rows, frame):
    """A running aggregate is the aggregate of each frame, and what was stored on the way does not change later."""
    db.run("DROP TABLE IF EXISTS running")
    db.run("""CREATE TEMP TABLE running AS
              SELECT id, moments_agg(y, v) OVER w AS m, welch_t(y, v) OVER w AS r, moments_agg(ARRAY[y, x], v) OVER w AS k,
                     srm(v, '{"a": 1, "b": 1}') OVER w AS s, proportion_z(y > 50, v) OVER w AS z
              FROM plan_rows WHERE id <= 250 WINDOW w AS (ORDER BY id %s)""" % frame)
    got = db.rows("SELECT m::text, r::text, k::text, s::text, z::text FROM running ORDER BY id")
    low, high = {"": ("1", "i"), "ROWS 5 PRECEDING": ("i - 5", "i")}.get(frame, ("1", "i + 1"))
    expected = db.rows("""SELECT moments_agg(y, v)::text, welch_t(y, v)::text, moments_agg(ARRAY[y, x], v)::text,
                                 srm(v, '{"a": 1, "b": 1}')::text, proportion_z(y > 50, v)::text
                          FROM generate_series(1, 250) i
                          JOIN (SELECT * FROM plan_rows WHERE id <= 250 ORDER BY id) p ON p.id BETWEEN %s AND %s
                          GROUP BY i ORDER BY i""" % (low, high))
    assert len(got) == 250
    for a, b in zip(got, expected):
        same_state(a[0], b[0])
        same_state(a[2], b[2])
        for at in (1, 3, 4):
            same_fields(a[at], b[at])


def test_cursor_over_a_running_window(db, plan_rows):
    """Rows fetched one at a time, kept by the client's side of the executor (plpgsql variables), compared at the end."""
    db.run("""CREATE OR REPLACE FUNCTION pg_temp.keep() RETURNS text[] LANGUAGE plpgsql AS $$
        DECLARE m moments; kept moments[] := '{}'; texts text[] := '{}'; ok boolean := true;
        BEGIN
            FOR m IN SELECT moments_agg(y, v) OVER (ORDER BY id) FROM plan_rows WHERE id <= 60 LOOP
                kept := kept || m; texts := texts || m::text;
            END LOOP;
            FOR i IN 1..60 LOOP ok := ok AND kept[i]::text = texts[i]; END LOOP;
            RETURN ARRAY[ok::text, cardinality(texts)::text, texts[60]];
        END $$""")
    ok, n, last = db.one("SELECT pg_temp.keep()")
    assert (ok, n) == ("true", "60")
    same_state(last, db.one("SELECT moments_agg(y, v)::text FROM plan_rows WHERE id <= 60"))


# --- One state, many questions ---------------------------------------------------------------------

@pytest.mark.parametrize("aggregate, state, function, rel", [
    ("welch_t(y, v)", "moments_agg(y, v)", "welch_t(m)", 0),
    ("welch_t(y, v, 'b')", "moments_agg(y, v)", "welch_t(m, 'b')", 0),
    ("proportion_z(y > 50, v)", "moments_agg((y > 50)::int, v)", "proportion_z(m)", 1e-11),
    ("proportion_z(y > 50, v, 'b')", "moments_agg((y > 50)::int, v)", "proportion_z(m, 'b')", 1e-11),
])
def test_one_step_equals_two_steps(db, plan_rows, aggregate, state, function, rel):
    one = db.rows("SELECT day, (r).* FROM (SELECT day, %s AS r FROM plan_rows GROUP BY day) q ORDER BY day" % aggregate)
    two = db.rows("SELECT day, r.* FROM (SELECT day, %s AS m FROM plan_rows GROUP BY day) q, "
                  "LATERAL %s r ORDER BY day" % (state, function))
    assert len(one) == 7
    same_rows(one, two, rel)


def test_several_aggregates_in_one_select(db, plan_rows):
    """They share a state, and a final function must leave it alone."""
    together = db.one("""SELECT welch_t(y, v)::text, moments_agg(y, v)::text, welch_t(y, v, 'b')::text, welch_t(y, v, 'a')::text,
                         moments_agg(x, v)::text, moments_agg(y, x, v)::text, welch_t(y, v)::text FROM plan_rows""")
    alone = [db.one("SELECT %s::text FROM plan_rows" % call) for call in (
        "welch_t(y, v)", "moments_agg(y, v)", "welch_t(y, v, 'b')", "welch_t(y, v, 'a')", "moments_agg(x, v)",
        "moments_agg(y, x, v)", "welch_t(y, v)")]
    assert list(together) == alone


def test_scaling_a_metric(db, plan_rows):
    """diff, estimates and intervals scale; p, df, statistic and lift stay."""
    plain = db.dicts("SELECT r.* FROM (SELECT moments_agg(y, v) AS m FROM plan_rows) s, LATERAL welch_t(m) r")[0]
    for factor in (1024.0, 3.7, 1e-7, 1e9):
        scaled = db.dicts("SELECT r.* FROM (SELECT moments_agg(y * %s, v) AS m FROM plan_rows) s, "
                          "LATERAL welch_t(m) r", factor)[0]
        for column in ("estimate", "estimate_control", "diff", "std_error", "diff_low", "diff_high"):
            assert scaled[column] == pytest.approx(plain[column] * factor, rel=1e-10, abs=0), (factor, column)
        for column in ("statistic", "df", "p_value", "lift", "lift_low", "lift_high"):
            assert scaled[column] == pytest.approx(plain[column], rel=1e-10, abs=0), (factor, column)


def test_swapping_arms(db, plan_rows):
    a = db.dicts("SELECT (welch_t(y, v, 'a')).* FROM plan_rows")[0]
    b = db.dicts("SELECT (welch_t(y, v, 'b')).* FROM plan_rows")[0]
    for column in ("diff", "statistic"):
        assert a[column] == -b[column], column
    assert (a["diff_low"], a["diff_high"]) == (-b["diff_high"], -b["diff_low"])
    for column in ("df", "p_value", "std_error"):
        assert a[column] == pytest.approx(b[column], rel=1e-14, abs=0), column
    assert [a[c] for c in ("variant", "n", "estimate")] == [b[c] for c in ("control", "n_control", "estimate_control")]


def test_p_values_of_the_three_alternatives(db, plan_rows):
    two, greater, less = (db.one("SELECT r.p_value, r.statistic FROM (SELECT moments_agg(y, v) AS m FROM plan_rows "
                                 "WHERE id <= 3000) s, LATERAL welch_t(m, alternative => %s) r", a)
                          for a in ("two-sided", "greater", "less"))
    assert greater[0] + less[0] == pytest.approx(1, rel=1e-14)
    assert two[0] == pytest.approx(2 * min(greater[0], less[0]), rel=1e-14)


# --- Looking into a state --------------------------------------------------------------------------

def test_project_equals_aggregating_the_combination(db, many_rows):
    rng = random.Random(2)
    for k in (1, 2, 5, 20):
        for _ in range(4):
            weights = [rng.choice([1.0, -1.0, 0.0, rng.uniform(-3, 3)]) for _ in range(k)]
            projected = db.one("SELECT moments_project(moments_agg(ys[1:%s], v), %s::float8[])::text FROM many_rows", k, weights)
            direct = db.one("""SELECT moments_agg((SELECT sum(y * w) FROM unnest(ys[1:%s], %s::float8[]) u (y, w)), v)::text
                               FROM many_rows""", k, weights)
            # the sum per row rounds on the scale of its largest term, far above what a difference may leave
            ys, labels = many_rows
            size = float(np.abs(ys[:, :k] * weights).max())
            metrics, a = parse(projected)
            _, b = parse(direct)
            assert metrics == 1 and list(a) == list(b)
            for label in a:
                assert a[label][0] == b[label][0]
                assert abs(a[label][1][0] - b[label][1][0]) <= 1e-14 * size
                spread = (b[label][2][0] * b[label][0]) ** 0.5
                assert abs(a[label][2][0] - b[label][2][0]) <= 1e-11 * b[label][2][0] + 1e-13 * size * spread, (weights, label)


def test_select_and_filter(db, many_rows):
    whole = "(SELECT moments_agg(ys, v) AS m FROM many_rows) q"
    for dims in ([1], [20], [3, 1], [2, 2], list(range(20, 0, -1))):
        picked = db.one("SELECT moments_select(m, %%s::int[])::text FROM %s" % whole, dims)
        direct = db.one("SELECT moments_agg(ARRAY[%s], v)::text FROM many_rows" % ", ".join("ys[%d]" % d for d in dims))
        same_state(picked, direct)
    assert db.one("SELECT moments_select(m, (SELECT array_agg(i) FROM generate_series(1, 20) i)) = m FROM " + whole)
    for variants in (["a"], ["rare", "control"], ["rare", "a", "control"]):
        picked = db.one("SELECT moments_filter(m, %%s::text[])::text FROM %s" % whole, variants)
        direct = db.one("SELECT moments_agg(ys, v)::text FROM many_rows WHERE v = ANY(%s)", variants)
        same_state(picked, direct)


def test_summary_and_covariance_against_numpy(db, many_rows):
    ys, labels = many_rows
    summary = db.rows("SELECT s.* FROM (SELECT moments_agg(ys, v) AS m FROM many_rows) q, LATERAL moments_summary(m) s")
    assert [(s.variant, s.metric) for s in summary] == [(v, i) for v in ("a", "control", "rare") for i in range(1, 21)]
    for s in summary:
        column = ys[labels == s.variant][:, s.metric - 1].tolist()
        assert s.n == len(column)
        assert ref.close(s.mean, ref.to_mpf(ref.exact_mean(column)), 1e-15, 1e-14 * s.variance ** 0.5), s
        assert ref.close(s.variance, ref.to_mpf(ref.exact_cross(column, column) / (s.n - 1)), 1e-12), s
    for variant in ("a", "rare"):
        matrix = np.array(db.one("SELECT moments_covariance(moments_agg(ys, v), %s) FROM many_rows", variant))
        exact = np.cov((ys - ys.mean(axis=0))[labels == variant], rowvar=False)
        scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        assert matrix.shape == (20, 20) and (matrix == matrix.T).all()
        assert (np.abs(matrix - exact) <= 1e-11 * scale).all()


def test_scalar_pair_and_array_agree(db, plan_rows):
    """The same rows through the three forms of moments_agg; NULLs skip the row in each."""
    rows = "(SELECT CASE WHEN id % 11 = 0 THEN NULL ELSE y END AS y, CASE WHEN id % 13 = 0 THEN NULL ELSE x END AS x, " \
           "CASE WHEN id % 17 = 0 THEN NULL ELSE v END AS v FROM plan_rows WHERE id <= 4000 ORDER BY id) r"
    scalar, pair, array2, array1, one_of_two = db.one(
        "SELECT moments_agg(y, v)::text, moments_agg(y, x, v)::text, moments_agg(ARRAY[y, x], v)::text, "
        "moments_agg(ARRAY[y], v)::text, moments_select(moments_agg(y, x, v), '{1}')::text FROM " + rows)
    same_state(pair, array2)
    same_state(scalar, array1)
    known = "%s WHERE y IS NOT NULL AND v IS NOT NULL" % rows
    assert scalar == db.one("SELECT moments_agg(y, v)::text FROM " + known)
    same_state(one_of_two, db.one("SELECT moments_agg(y, v)::text FROM %s AND x IS NOT NULL" % known))


# --- A hard sum ------------------------------------------------------------------------------------

def test_large_offset_small_variance(db):
    """100,000 units around 1e12 with variance 1: variance and difference of means to 1e-9, from the exact sums."""
    rng = np.random.default_rng(12)
    values = {"control": 1e12 + rng.normal(0, 1, 60000), "t": 1e12 + rng.normal(0.02, 1, 40000)}
    db.run("CREATE TEMP TABLE offset_rows (y float8, v text, part int)")
    rows = [(y, v, i % 37) for v, ys in values.items() for i, y in enumerate(ys.tolist())]
    random.Random(3).shuffle(rows)
    db.copy_rows("offset_rows", rows)
    t, c = ref.Arm(values["t"].tolist()), ref.Arm(values["control"].tolist())
    expected = ref.welch(t, c)
    for source in ("(SELECT moments_agg(y, v) AS m FROM offset_rows) q",
                   "(SELECT moments_agg(m) AS m FROM (SELECT moments_agg(y, v) AS m FROM offset_rows GROUP BY part) p) q"):
        variances = dict(db.rows("SELECT s.variant, s.variance FROM %s, LATERAL moments_summary(m) s" % source))
        assert ref.close(variances["t"], t.var, 1e-9) and ref.close(variances["control"], c.var, 1e-9), variances
        got = db.dicts("SELECT r.* FROM %s, LATERAL welch_t(m) r" % source)[0]
        ref.report(ref.differences(source, got, {k: expected[k] for k in (
            "n", "n_control", "estimate", "estimate_control", "diff", "std_error", "statistic", "df", "p_value", "diff_low",
            "diff_high")}, rel=1e-9), "a large offset")
