"""200,000 mutations of good `moments`, half as text and half as binary, thrown at the two readers.

Only an error of class 22 (data), 42 (syntax), 54 (limits) or 08P01 (PostgreSQL's own "insufficient data left in
message") may come of it. What is accepted must be usable: out and in again the same, and neither moments_summary
nor welch_t nor a merge gives a NaN or anything but a number, NULL or "out of range".

Text goes in batches to a plpgsql function that catches the errors; a binary mutation is one COPY FROM STDIN each.
"""

import random
import struct

import psycopg2
import pytest

TEXT_MUTATIONS = 100000
BINARY_MUTATIONS = 100000
BATCH = 5000

NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "-1", "0", "-0", "1e308", "1.7976931348623157e308", "5e-324",
           "1e-999", "1e-320", "9223372036854775807", "9223372036854775808", "2147483647", "2147483648", "4294967297",
           "65", "64", "63", "1000", "1001", "18446744073709551617", "0.5", "01", "1e", ".5", "0x10", "1" + "0" * 400,
           "1." + "3" * 400, "null", "true", '"1"', "[]", "{}", "[1]", ""]
SNIPPETS = ["{", "}", "[", "]", ",", ":", '"', '\\', "\\u0000", "\\ud800", "\\udc00\\ud800", "\\u00e9", "\n", "\t",
            " ", "\x01", "🦊", "é", '"version": 2', '"metrics"', '"variants": {}', '"n"', '"mean"', '"residual": [0]',
            '"comoments"', '"squares"', "[[[[", '{"a":{"a":', "\"" + "x" * 256 + "\"", "-", "+", "e", "E5", "/*", "--", "'", "$"]

CHECK = """
CREATE FUNCTION pg_temp.no_nan(m moments) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    ok boolean;
BEGIN
    SELECT coalesce(bool_and(n >= 1 AND abs(mean) < 'Infinity' AND coalesce(variance, 0) BETWEEN 0 AND 1.797e308), true)
        INTO ok FROM moments_summary(m);
    SELECT ok AND coalesce(bool_and(array_position(ARRAY[estimate, estimate_control, diff, std_error, statistic, df, p_value,
                                                         diff_low, diff_high, lift, lift_low, lift_high], 'NaN') IS NULL), true)
        INTO ok
        FROM (SELECT * FROM welch_t(m, lift_method => 'fieller') UNION ALL
              SELECT * FROM welch_t(m, lift_method => 'log', alternative => 'greater', metric => 1)) r;
    RETURN ok AND moments_agg(q.m) IS NOT NULL FROM (VALUES (m), (m)) q (m);
END $$;

-- NULL if an accepted state is fit for use, else what is wrong with it
CREATE FUNCTION pg_temp.usable(m moments) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        IF (m::text)::moments <> m THEN RETURN 'not the same out and in'; END IF;
        IF m::jsonb IS NULL THEN RETURN 'no jsonb'; END IF;
    EXCEPTION WHEN others THEN
        RETURN 'out and in: ' || sqlstate || ' ' || sqlerrm;    -- what was read must be writable and readable
    END;
    BEGIN
        IF NOT pg_temp.no_nan(m) THEN RETURN 'NaN or infinity in a result'; END IF;
    EXCEPTION WHEN others THEN
        -- out of range, or a state of no metrics at all, which has no metric 1 to ask about
        IF sqlstate <> '22003' AND NOT (sqlstate = '22023' AND m::jsonb -> 'metrics' = '0') THEN
            RETURN 'use: ' || sqlstate || ' ' || sqlerrm;
        END IF;
    END;
    RETURN NULL;
END $$;

-- per mutation: the SQLSTATE of the refusal, 'ok', or what is wrong
CREATE FUNCTION pg_temp.try_texts(texts text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    t text; m moments; wrong text; outcomes text[] := '{}';
BEGIN
    FOREACH t IN ARRAY texts LOOP
        BEGIN
            m := t::moments;
            wrong := 'ok';
        EXCEPTION WHEN others THEN
            wrong := sqlstate;
        END;
        IF wrong = 'ok' THEN
            wrong := coalesce(pg_temp.usable(m), 'ok');
        END IF;
        outcomes := outcomes || wrong;
    END LOOP;
    RETURN outcomes;
END $$;
"""


@pytest.fixture(scope="module")
def seeds(db):
    """Good states of several shapes, as (text, bytes of send)."""
    db.run(CHECK)
    # a refused mutation is no news for the server's log
    db.run("SET log_min_messages = panic; SET log_min_error_statement = panic; SET statement_timeout = '60s'")
    db.run("""CREATE TEMP TABLE seeds AS
        SELECT moments_agg(i + 0.1, CASE WHEN i % 3 = 0 THEN 'control' ELSE 't' END) AS m FROM generate_series(1, 20) i
        UNION ALL SELECT moments_agg(i + 0.1, sqrt(i), CASE WHEN i % 3 = 0 THEN 'a' ELSE 'b' END) FROM generate_series(1, 20) i
        UNION ALL SELECT moments_agg(ARRAY[i, sin(i), 1e12 + cos(i)], 'v' || i % 4) FROM generate_series(1, 20) i
        UNION ALL SELECT moments_agg(1, 'only') FROM generate_series(1, 1) i
        UNION ALL SELECT moments_agg((i % 2)::float8, E'quote " \\\\ \\n é 🦊' || i % 2) FROM generate_series(1, 9) i
        UNION ALL SELECT moments_diagonal_agg(ARRAY[i, sin(i), 1e12 + cos(i)], 'v' || i % 2) FROM generate_series(1, 20) i""")
    send = db.one("SELECT typsend::text FROM pg_type WHERE typname = 'moments'")
    rows = db.rows("SELECT m::text AS t, %s(m) AS b FROM seeds" % send)
    assert len(rows) == 6 and db.one("SELECT count(*) FROM seeds WHERE pg_temp.usable(m) IS NULL") == 6
    return [(r.t, bytes(r.b)) for r in rows]


def is_number_character(c):
    return c in "0123456789.eE+-"


def mutate_text(rng, text):
    kind = rng.randrange(8)
    i = rng.randrange(len(text) + 1)
    if kind == 0:
        return text[:i]
    if kind == 1:                                   # another number
        digits = [j for j, c in enumerate(text) if c.isdigit()]
        a = b = rng.choice(digits) if digits else i
        while a > 0 and is_number_character(text[a - 1]):
            a -= 1
        while b < len(text) and is_number_character(text[b]):
            b += 1
        number = rng.choice(NUMBERS) if rng.random() < 0.7 else repr(rng.uniform(-2, 2) * 10.0 ** rng.randint(-320, 307))
        return text[:a] + number + text[b:]
    if kind == 2:
        return text[:i] + rng.choice(SNIPPETS) + text[i:]
    if kind == 3:                                   # flip a bit of a character, staying valid UTF-8
        if i == len(text):
            return text + "\x7f"
        c = ord(text[i]) ^ 1 << rng.randrange(7)
        return text[:i] + chr(c) + text[i + 1:] if 0 < c < 0xd800 else text[:i]
    j = rng.randrange(i, min(len(text), i + 40) + 1)
    if kind == 4:
        return text[:i] + text[j:]
    if kind == 5:                                   # a piece once more, here or elsewhere
        k = rng.randrange(len(text) + 1)
        return text[:k] + text[i:j] + text[k:]
    if kind == 6:                                   # two bytes swapped
        if j >= len(text):
            return text[:i] + rng.choice(NUMBERS) + text[i:]
        return text[:i] + text[j] + text[i + 1:j] + text[i] + text[j + 1:] if i < j else text[:i]
    for key in rng.sample(["version", "metrics", "variants", "n", "mean", "comoments"], 6):   # a key lost or renamed
        if '"%s"' % key in text:
            return text.replace('"%s"' % key, '"%s"' % rng.choice(["n", "mean", "residual", "squares", "", key + "x"]), 1)
    return text


SPECIAL_8 = [struct.pack("!d", float(x)) for x in ("nan inf -inf -1 0 -0 1e308 -1e308 5e-324 1e200".split())]
SPECIAL_8 += [struct.pack("!q", x) for x in (0, 1, -1, 2 ** 63 - 1, -2 ** 63, 2 ** 31, 2 ** 32 + 1, 2 ** 53 + 1)]
SPECIAL_4 = [struct.pack("!i", x) for x in (0, 1, 2, -1, 2 ** 31 - 1, -2 ** 31, 64, 65, 255, 256, 1000, 1001, 2 ** 28, 2 ** 24)]
SPECIAL_2 = [struct.pack("!H", x) for x in (0, 1, 2, 3, 64, 65, 255, 256, 1000, 1001, 32767, 32768, 65535)]


def mutate_bytes(rng, data):
    kind = rng.randrange(7)
    i = rng.randrange(len(data))
    if kind == 0:
        return data[:i]
    if kind == 1:
        return data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1:]
    if kind == 2:
        return data[:i] + bytes([rng.randrange(256)]) + data[i + 1:]
    if kind == 3:                                   # numbers and lengths that look plausible, anywhere
        special = rng.choice(rng.choice([SPECIAL_8, SPECIAL_4, SPECIAL_2]))
        return data[:i] + special + data[i + len(special):]
    if kind == 4:
        return data[:i] + rng.randbytes(rng.choice([1, 1, 2, 4, 8, 300])) + data[i:]
    j = rng.randrange(i, min(len(data), i + 40) + 1)
    if kind == 5:
        return data[:i] + data[j:]
    k = rng.randrange(len(data) + 1)
    return data[:k] + data[i:j] + data[k:]


def mutations(rng, originals, mutate, count):
    """First every truncation, then single and repeated mutations."""
    for original in originals:
        for n in range(len(original)):
            count -= 1
            yield original[:n]
    for _ in range(count):
        m = rng.choice(originals)
        for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
            m = mutate(rng, m) or m[:1]
        yield m


def tally(outcomes):
    counts = {}
    for o in outcomes:
        counts[o] = counts.get(o, 0) + 1
    return dict(sorted(counts.items()))


def allowed(outcome):
    return outcome in ("ok", "08P01") or (len(outcome) == 5 and outcome[:2] in ("22", "42", "54"))


def alive(db):
    return db.one("SELECT pg_postmaster_start_time()::text, pg_backend_pid()")


def test_text(db, seeds):
    before = alive(db)
    texts = mutations(random.Random(17), [t for t, _ in seeds], mutate_text, TEXT_MUTATIONS)
    texts = [t.replace("\0", "") for t in texts]
    outcomes = []
    for start in range(0, len(texts), BATCH):
        outcomes += db.one("SELECT pg_temp.try_texts(%s::text[])", texts[start:start + BATCH])
    print("\ntext: %d mutations: %s" % (len(outcomes), tally(outcomes)))
    bad = [(o, t) for o, t in zip(outcomes, texts) if not allowed(o)]
    assert not bad, "%d, such as %s" % (len(bad), bad[:5])
    assert len(outcomes) == TEXT_MUTATIONS and 100 < outcomes.count("ok") < TEXT_MUTATIONS / 2
    assert alive(db) == before


def test_binary(db, seeds):
    before = alive(db)
    db.run("CREATE TEMP TABLE fuzzed (m moments)")
    header = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!iih", 0, 0, 1)
    outcomes, bad = [], []
    for data in mutations(random.Random(18), [b for _, b in seeds], mutate_bytes, BINARY_MUTATIONS):
        try:
            db.copy_binary("fuzzed", header + struct.pack("!i", len(data)) + data + b"\xff\xff")
            outcomes.append("ok")
        except psycopg2.Error as e:
            outcomes.append(e.pgcode or "lost connection")
            if not allowed(outcomes[-1]):
                bad.append((outcomes[-1], data.hex(), str(e)))
            if db.connection.closed:
                break
    print("\nbinary: %d mutations: %s" % (len(outcomes), tally(outcomes)))
    assert not bad, "%d, such as %s" % (len(bad), bad[:5])
    assert len(outcomes) == BINARY_MUTATIONS and 100 < outcomes.count("ok") < BINARY_MUTATIONS / 2
    wrong = db.rows("SELECT w, m::text FROM (SELECT m, pg_temp.usable(m) AS w FROM fuzzed) q WHERE w IS NOT NULL")
    assert not wrong, "%d accepted but not usable, such as %s" % (len(wrong), wrong[:5])
    assert db.one("SELECT count(*) FROM fuzzed") == outcomes.count("ok")
    # binary out and in again is the same
    sent = db.copy_out("SELECT m FROM fuzzed")
    db.run("CREATE TEMP TABLE again (m moments)")
    db.copy_binary("again", sent)
    in_order = "SELECT m FROM %s ORDER BY moments_send(m)"  # a table keeps no order
    assert db.copy_out(in_order % "again") == db.copy_out(in_order % "fuzzed")
    assert alive(db) == before
