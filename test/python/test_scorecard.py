"""Scorecards: many metrics at once, without covariances, against numpy and scipy; and the form of such states.

`moments_diagonal_agg` is `moments_diagonal(moments_agg(...))` to the last bit, whatever else a state is put through.
"""

import json
import struct

import numpy as np
import psycopg2
import pytest
from scipy import stats

K = 50
N = 3000


@pytest.fixture(scope="module")
def units(db):
    """50 metrics of very different scales of 3,000 units in three arms; one metric is constant, one is 0 and 1."""
    rng = np.random.default_rng(8)
    ys = rng.lognormal(0, 1, (N, K)) * 10.0 ** rng.uniform(-3, 6, K) + 10.0 ** rng.uniform(-2, 8, K)
    ys[:, 10] = 7
    ys[:, 11] = rng.random(N) < 0.3
    labels = rng.choice(["b", "control", "rare"], N, p=[0.55, 0.43, 0.02])
    columns = ["m%d" % i for i in range(1, K + 1)]
    db.run("CREATE TABLE card_units (id int, v text, %s)" % ", ".join(c + " float8" for c in columns))
    db.copy_rows("card_units", [(i, v, *y) for i, (y, v) in enumerate(zip(ys.tolist(), labels.tolist()))])
    db.run("""CREATE TEMP TABLE card AS SELECT moments_diagonal_agg(metric_array({0}), v) AS m, moments_diagonal_agg(ARRAY[{0}], v) AS built,
              moments_agg(metric_array({0}), v) AS whole FROM card_units""".format(", ".join(columns)))
    yield ys, labels, columns
    db.run("DROP TABLE card_units")


def test_means_and_variances(db, units):
    ys, labels, _ = units
    rows = db.rows("SELECT s.* FROM card, moments_summary(m) s")
    assert len(rows) == 3 * K
    for r in rows:
        column = ys[labels == r.variant, r.metric - 1]
        assert r.n == len(column)
        assert abs(r.mean - np.mean(column)) <= 1e-14 * abs(r.mean)
        # numpy's own error grows with mean / sd
        assert abs(r.variance - np.var(column, ddof=1)) <= 1e-12 * r.variance + 1e-15 * r.mean ** 2


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_scorecard_is_welch(db, units, alternative):
    ys, labels, _ = units
    rows = db.rows("SELECT s.* FROM card, scorecard(m, alternative => %s, alpha => 0.1) s", alternative)
    assert [(r.metric, r.variant) for r in rows] == [(i, v) for i in range(1, K + 1) for v in ("b", "rare")]
    for r in rows:
        # scipy loses digits to a large common mean; taking it away loses none
        t, c = (ys[labels == v, r.metric - 1] - ys[0, r.metric - 1] for v in (r.variant, "control"))
        assert (r.control, r.n, r.n_control, r.alpha) == ("control", len(t), len(c), 0.1)
        if r.metric == 11:      # constant
            assert r.p_value is None and r.diff == 0
            continue
        expected = stats.ttest_ind(t, c, equal_var=False, alternative=alternative)
        assert r.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert r.statistic == pytest.approx(expected.statistic, rel=1e-9)
        # A limit near 0 is the difference of two large numbers, of which a version of scipy gives but ten digits.
        parts = np.var(t, ddof=1) / len(t), np.var(c, ddof=1) / len(c)
        df = sum(parts) ** 2 / (parts[0] ** 2 / (len(t) - 1) + parts[1] ** 2 / (len(c) - 1))
        half = stats.t.isf(0.05 if alternative == "two-sided" else 0.1, df) * np.sqrt(sum(parts))
        low, high = r.diff - half, r.diff + half
        assert r.df == pytest.approx(df, rel=1e-9) and r.diff == pytest.approx(np.mean(t) - np.mean(c), rel=1e-9)
        assert r.diff_low == (-np.inf if alternative == "less" else pytest.approx(low, abs=1e-9 * half))
        assert r.diff_high == (np.inf if alternative == "greater" else pytest.approx(high, abs=1e-9 * half))


def test_scorecard_is_every_function_of_one_metric(db, units):
    """The same rows, to the last bit, as from metric to metric, with covariances or without."""
    card = "SELECT metric, (to_jsonb(s) - 'metric')::text AS row FROM card, scorecard(%s, 'rare', lift_method => 'fieller') s"
    one = ("SELECT metric, to_jsonb(c)::text AS row FROM card, generate_series(1, 50) metric, "
           "welch_t(%s, 'rare', lift_method => 'fieller', metric => metric) c")
    expected = db.rows(card % "m")
    assert len(expected) == 2 * K
    assert db.rows(card % "whole") == expected and db.rows(one % "m") == expected and db.rows(one % "whole") == expected
    for function in ("anova", "welch_anova", "bayes_normal", "confidence_sequence", "msprt", "sample_size_mean"):
        extra = {"bayes_normal": ", prior_mean => 0, prior_sd => 1", "sample_size_mean": ", effect => 0.05"}.get(function, "")
        call = "SELECT to_jsonb(r)::text FROM card, %s(%s, metric => 7%s) r"
        assert db.rows(call % (function, "m", extra)) == db.rows(call % (function, "whole", extra)), function
    call = "SELECT to_jsonb(r)::text FROM card, proportion_z(%s, metric => 12) r"
    assert db.rows(call % "m") == db.rows(call % "whole")


def test_segments(db, units):
    """Aggregates over the states of segments take them without covariances, too."""
    db.run("CREATE TEMP TABLE card_segments AS SELECT id % 9 AS g, moments_diagonal_agg(metric_array(m1, m2), v) AS m, "
           "moments_agg(metric_array(m1, m2), v) AS whole FROM card_units WHERE v <> 'rare' GROUP BY 1")
    for call in ("stratified_t(%s ORDER BY g)", "heterogeneity(%s ORDER BY g)", "heterogeneity(%s, 'b' ORDER BY g)"):
        assert db.one("SELECT (%s)::text = (%s)::text FROM card_segments" % (call % "m", call % "whole")), call
    call = "SELECT to_jsonb(r)::text FROM (SELECT array_agg(%s ORDER BY g) AS s FROM card_segments) q, stratified_t(s, metric => 2) r"
    assert db.rows(call % "m") == db.rows(call % "whole") != []


def test_arrays_are_arrays(db, units):
    assert db.one("SELECT m = built AND m::text = built::text FROM card")
    assert db.one("SELECT bool_and(metric_array(m1, m2, m3, m50) = ARRAY[m1, m2, m3, m50]) FROM card_units")
    assert db.one("SELECT bool_and(metric_array(id, m1::numeric, m2::float4, id::int8, id % 2 = 0) = "
                  "ARRAY[id, m1::numeric::float8, m2::float4, id::int8, (id % 2 = 0)::int]::float8[]) FROM card_units")


def test_diagonal_of_the_full_state(db, units):
    """To the last bit: whole, merged from parts, selected, filtered, relabelled."""
    _, _, columns = units
    array = "ARRAY[%s]" % ", ".join(columns)
    assert db.one("SELECT moments_diagonal(whole)::text = m::text AND moments_diagonal(whole) = m AND m <> whole FROM card")
    assert db.one("""SELECT moments_diagonal(moments_agg(f ORDER BY p))::text = moments_agg(d ORDER BY p)::text
                     FROM (SELECT id % 17 AS p, moments_agg({0}, v) AS f, moments_diagonal_agg({0}, v) AS d
                           FROM card_units GROUP BY 1) q""".format(array))
    for part in ("moments_select(%s, '{3,50,3}')", "moments_select(%s, '{12}')", "moments_filter(%s, '{rare,b}')", "moments_filter(%s, '{}')",
                 "moments_relabel(%s, '{\"rare\": \"b\", \"control\": \"z\"}')"):
        assert db.one("SELECT moments_diagonal(%s)::text = (%s)::text FROM card" % (part % "whole", part % "m")), part
    weights = "'{%s}'" % ",".join("-2.5" if i == 30 else "0" for i in range(K))
    assert db.one("SELECT moments_project(m, {0})::text = moments_project(whole, {0})::text FROM card".format(weights))


def test_stored_and_sent(db, fresh, units):
    """Text, jsonb, COPY in both formats, a table's compressed form: the same state, equal and with the same hash."""
    db.run("CREATE TEMP TABLE kept (how text, m moments)")
    db.run("INSERT INTO kept SELECT 'as it is', m FROM card UNION ALL SELECT 'text', m::text::moments FROM card "
           "UNION ALL SELECT 'jsonb', m::jsonb::text::moments FROM card")
    db.copy_binary("kept", db.copy_out("SELECT 'binary', m FROM card"))
    db.run("ALTER TABLE kept ALTER m SET STORAGE MAIN; INSERT INTO kept SELECT 'compressed', m FROM card")
    assert db.one("SELECT count(*) FROM kept, card WHERE kept.m = card.m AND NOT kept.m <> card.m "
                  "AND moments_hash(kept.m) = moments_hash(card.m) AND moments_send(kept.m) = moments_send(card.m)") == 5
    assert db.one("SELECT count(DISTINCT m::text) FROM (SELECT moments_agg(m) AS m FROM kept GROUP BY how) q") == 1
    text = json.loads(db.one("SELECT m::text FROM card"))
    assert text["version"] == 2 and text["metrics"] == K
    assert set(text["variants"]["rare"]) == {"n", "mean", "residual", "squares"} and len(text["variants"]["rare"]["squares"]) == K


# What version 0.1.0 wrote, and what it will be written for ever: (text, bytes).
VERSION_1 = ('{"version": 1, "metrics": 2, "variants": {"a": {"n": 2, "mean": [1.5, 2], "residual": [0, 0], "comoments": [0.5, 1, 2]}}}',
             struct.pack("!bbihii1sq", 1, 0, 0, 2, 1, 1, b"a", 2) + struct.pack("!7d", 1.5, 2, 0, 0, 0.5, 1, 2))
VERSION_2 = ('{"version": 2, "metrics": 2, "variants": {"a": {"n": 2, "mean": [1.5, 2], "residual": [0, 0], "squares": [0.5, 2]}}}',
             struct.pack("!bbihii1sq", 2, 0, 0, 2, 1, 1, b"a", 2) + struct.pack("!6d", 1.5, 2, 0, 0, 0.5, 2))


def record(payload):
    """One row of one column in COPY's binary format."""
    return (b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0) + struct.pack("!hi", 1, len(payload)) + payload
            + struct.pack("!h", -1))


@pytest.mark.parametrize("text, data", [VERSION_1, VERSION_2])
def test_both_versions_are_read(db, text, data):
    assert db.one("SELECT %s::moments::text", text) == text
    assert bytes(db.one("SELECT moments_send(%s::moments)", text)) == data
    db.run("CREATE TEMP TABLE read_back (m moments)")
    db.copy_binary("read_back", record(data))
    assert db.one("SELECT m::text FROM read_back") == text
    db.run("DROP TABLE read_back")
    units = "(VALUES (1, 1), (2, 3)) r (y, x)"
    state = "moments_agg(y, x, 'a')" if '"version": 1' in text else "moments_diagonal_agg(ARRAY[y, x], 'a')"
    assert db.one("SELECT %s::text FROM %s" % (state, units)) == text


def test_binary_errors(db):
    """Whatever is cut off, added or claimed."""
    _, data = VERSION_2
    db.run("CREATE TEMP TABLE refused (m moments)")
    cases = [data[:n] for n in range(len(data))] + [data + b"\0", b"\x01" + data[1:], b"\x03" + data[1:], b"\x00" + data[1:]]
    for metrics in (0, 1, 3, 1000, 1001, 65535):
        cases.append(data[:6] + struct.pack("!H", metrics) + data[8:])
    for number in ("nan", "inf", "-1"):
        cases.append(data[:-8] + struct.pack("!d", float(number)))
    for case in cases:
        with pytest.raises(psycopg2.Error) as caught:
            db.copy_binary("refused", record(case))
        assert caught.value.pgcode in ("22P03", "08P01"), (case, caught.value)
    assert db.one("SELECT count(*) FROM refused") == 0


def test_limits(db):
    """1000 metrics by 1000 variants: all that a state can hold. One more of either is an error."""
    state = "(SELECT moments_diagonal_agg(array_fill(i::float8, '{%d}'), (i %% %d)::text) FROM generate_series(1, 2002) i)"
    assert db.one("SELECT count(*) FROM scorecard(%s)" % (state % (1000, 3))) == 2000
    assert db.one("SELECT pg_column_size(m) FROM %s q (m)" % (state % (1000, 1000))) == 24 + 1000 * (40 + 32000)
    assert db.error("SELECT " + state % (1001, 2)).pgcode == "22023"
    assert db.error("SELECT " + state % (1000, 1001)).pgcode == "54000"
    assert db.one("SELECT %s = (%s)::text::moments" % (state % (1000, 5), state % (1000, 5)))
    error = db.error("SELECT moments_select(%s, array_fill(1, '{65}'))" % state.replace("diagonal_", "") % (2, 2))
    assert error.pgcode == "22023" and "64" in str(error)
    assert db.one("SELECT count(*) FROM moments_summary(moments_select(%s, array_fill(1, '{65}'))) s" % (state % (2, 2))) == 130


@pytest.mark.parametrize("call", [
    "moments_project(m, '{1,1}')", "moments_covariance(m, 'a')", "delta_ratio(m)", "delta_ratio(m, num => 2, den => 2)", "cuped_adjust(m)",
    "cuped_adjust(m, interacted => true)", "cuped_adjust(m, covariates => '{2}')", "cuped_ratio(m, num_pre => 1, den_pre => 2)",
    "confidence_sequence(m, estimator => 'ratio')", "confidence_sequence(m, estimator => 'cuped')", "msprt(m, estimator => 'cuped_ratio', num_pre => 1, den_pre => 2)",
    "sample_size_mean(m, 0.1, covariates => '{2}')", "sample_size_ratio(m, 0.1)", "delta_ratio_final(m)"])
@pytest.mark.parametrize("arms", ["m", "moments_filter(m, '{}')"])
def test_needs_covariances(db, call, arms):
    """A clear error, that says what to do; also of a state without arms, where nothing would be looked at."""
    state = "(SELECT moments_diagonal_agg(ARRAY[i, i * i], CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END) FROM generate_series(1, 9) i)"
    sql = "SELECT * FROM (SELECT %s AS m FROM (SELECT %s AS m) q) s, %s" % (arms, state, call)
    if arms != "m":
        try:            # a state without arms may be answered, without numbers
            db.rows(sql)
        except psycopg2.Error as e:
            assert e.pgcode == "22023" and "no covariances" in str(e), e
        return
    error = db.error(sql)
    assert error.pgcode == "22023" and "no covariances" in str(error), error
    assert "moments_agg(ARRAY" in error.diag.message_hint


def test_thousand_metrics_without_arms(db):
    """Nothing is indexed beyond what arrays of 64 metrics can hold."""
    for arms in ("'{}'", "'{a}'"):
        for call in ("cuped_adjust(m)", "cuped_adjust(m, metric => 1000)", "delta_ratio(m, num => 999, den => 1000)", "moments_project(m, array_fill(1::float8, '{1000}'))",
                     "confidence_sequence(m, estimator => 'cuped', metric => 900)", "sample_size_mean(m, 0.1, metric => 900)", "welch_t(m, metric => 1000)", "anova(m, metric => 1000)",
                     "bayes_normal(m, metric => 1000, prior_mean => 0, prior_sd => 1)"):
            sql = "SELECT * FROM (SELECT moments_filter(moments_diagonal_agg(array_fill(1::float8, '{1000}'), 'a'), %s) AS m) q, %s" % (arms, call)
            try:
                db.rows(sql)
            except psycopg2.Error as e:
                assert e.pgcode == "22023", (sql, e)
