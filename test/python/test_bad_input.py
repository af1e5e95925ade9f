"""Bad input: each gives the documented NULLs or a clear error, and the connection goes on.

An error is held to its SQLSTATE, to naming what is wrong, and to a hint where one is promised.
"""

import math
import re
import struct
import time

import psycopg2
import pytest

ROWS = "(VALUES (1::float8, 'control'), (2, 'control'), (4, 'control'), (3, 't'), (5, 't'), (4, 't')) r (y, v)"
M = "(SELECT moments_agg(y, v) FROM %s)" % ROWS
BINARY = "(SELECT moments_agg((y > 2)::int, v) FROM %s)" % ROWS
K2 = "(SELECT moments_agg(y, y * y, v) FROM %s)" % ROWS
ONE_ARM = '{"version": 1, "metrics": 1, "variants": {"a": {"n": 3, "mean": [2], "comoments": [2]}}}'


def state(**changes):
    """ONE_ARM with some of its parts replaced, as an SQL literal."""
    text = ONE_ARM
    for old, new in changes.get("replace", []):
        assert old in text
        text = text.replace(old, new)
    return "SELECT $x$%s$x$::moments" % text


# name, SQLSTATE or several, regular expression in message or detail, the same in hint or detail, SQL
ERRORS = [
    # metrics
    ("NaN in y", "22003", r"\bmetric\b.*NaN|NaN.*\bmetric\b", r"\w",
     "SELECT welch_t('NaN'::float8, 'a')"),
    ("NaN in y of moments_agg", "22003", r"metric y\b", r"\w",
     "SELECT moments_agg('NaN'::float8, 'a')"),
    ("infinity in y", "22003", r"metric y\b", r"\w",
     "SELECT moments_agg('inf'::float8, 'a')"),
    ("minus infinity in y", "22003", r"metric y\b", r"\w",
     "SELECT moments_agg('-inf'::float8, 'a')"),
    ("NaN in x", "22003", r"metric x\b", r"\w",
     "SELECT moments_agg(1, 'NaN'::float8, 'a')"),
    ("infinity in x", "22003", r"metric x\b", r"\w",
     "SELECT moments_agg(1, 'inf'::float8, 'a')"),
    ("NaN in ys", "22003", r"metric ys\[3\]", r"\w",
     "SELECT moments_agg(ARRAY[1, 2, 'NaN'::float8], 'a')"),
    ("infinity in ys", "22003", r"metric ys\[1\]", r"\w",
     "SELECT moments_agg(ARRAY['-inf'::float8, 2], 'a')"),
    ("NaN in the second row", "22003", r"metric", r"\w",
     "SELECT welch_t(y, 'a') FROM (VALUES (1::float8), ('NaN')) r (y)"),
    ("squares overflow", "22003", r".", None,
     "SELECT moments_agg(y, 'a') FROM (VALUES (1e200::float8), (-1e200)) r (y)"),
    ("sum overflows", "22003", r".", None,
     "SELECT moments_agg(y, 'a') FROM (VALUES (1.7e308::float8), (-1.7e308)) r (y)"),
    ("65 metrics", ("22023", "54000"), r"65|64", None,
     "SELECT moments_agg(array_fill(1::float8, '{65}'), 'a')"),
    ("negative standard deviation of a denominator", "22023", r"den_sd.*-1", r"\w",
     "SELECT sample_size_ratio(effect => 0.1, num_mean => 1, den_mean => 1, num_sd => 1, den_sd => -1, correlation => 0)"),
    ("more looks than are taken", "22023", r"200", r"\w",
     "SELECT group_sequential_looks(array_agg(c ORDER BY i), planned_n => 1000) FROM generate_series(1, 201) i,"
     " LATERAL (SELECT welch_t(y, v) AS c FROM (SELECT (k % 7)::float8 y, CASE k % 2 WHEN 0 THEN 'control' ELSE 't' END v"
     " FROM generate_series(1, 2 * i + 4) k) r) s"),
    ("no metrics", ("22023", "2202E"), r".", None,
     "SELECT moments_agg('{}'::float8[], 'a')"),
    ("two-dimensional metrics", ("22023", "2202E"), r".", None,
     "SELECT moments_agg('{{1,2},{3,4}}'::float8[], 'a')"),
    ("arrays of two lengths", ("22023", "2202E"), r"3.*2|2.*3", None,
     "SELECT moments_agg(ys, 'a') FROM (VALUES ('{1,2}'::float8[]), ('{1,2,3}')) r (ys)"),
    # variants
    ("10 kB label", "22001", r"255|10240", r"\w",
     "SELECT welch_t(1, repeat('x', 10240))"),
    ("10 kB label in moments_agg", "22001", r"255|10240", r"\w",
     "SELECT moments_agg(1, repeat('x', 10240))"),
    ("256 byte label", "22001", r"255|256", r"\w",
     "SELECT moments_agg(1, repeat('x', 256))"),
    ("256 bytes in 128 characters", "22001", r"255|256", r"\w",
     "SELECT moments_agg(1, repeat('é', 128))"),
    ("1001 variants", "54000", r"1000", r"unit|identifier|\bid\b",
     "SELECT moments_agg(i, 'v' || i) FROM generate_series(1, 1001) i"),
    ("1001 variants merged", "54000", r"1000", None,
     "SELECT moments_agg(m) FROM (SELECT moments_agg(i, 'v' || i) AS m FROM generate_series(1, 1001) i "
     "GROUP BY i % 2) q"),
    ("1001 variants in welch_t", ("54000", "22023"), r".", r"\w",
     "SELECT welch_t(i, 'v' || i) FROM generate_series(1, 1001) i"),
    ("three variants in one step", "22023", r"3|two|three", r"moments_agg",
     "SELECT welch_t(i, 'v' || i % 3) FROM generate_series(1, 30) i"),
    ("three variants, control named", "22023", r".", r"moments_agg",
     "SELECT welch_t(i, 'v' || i % 3, 'v1') FROM generate_series(1, 30) i"),
    ("three variants in proportion_z", "22023", r".", r"moments_agg",
     "SELECT proportion_z(i > 3, 'v' || i % 3) FROM generate_series(1, 30) i"),
    ("two controls in one call", "22023", r"control", None,
     "SELECT welch_t(i, v, v) FROM generate_series(1, 4) i, LATERAL (SELECT 'v' || i % 2) q (v)"),
    ("two controls in proportion_z", "22023", r"control", None,
     "SELECT proportion_z(true, v, v) FROM generate_series(1, 4) i, LATERAL (SELECT 'v' || i % 2) q (v)"),
    # options
    ("alpha 0", "22023", r"alpha.*\b0\b", r".",
     "SELECT welch_t(%s, alpha => 0)" % M),
    ("alpha 1", "22023", r"alpha.*\b1\b", r".",
     "SELECT welch_t(%s, alpha => 1)" % M),
    ("alpha -0.1", "22023", r"alpha.*-0\.1", None,
     "SELECT welch_t(%s, alpha => -0.1)" % M),
    ("alpha 5", "22023", r"alpha.*\b5\b", None,
     "SELECT welch_t(%s, alpha => 5)" % M),
    ("alpha NaN", "22023", r"alpha.*NaN", None,
     "SELECT welch_t(%s, alpha => 'NaN')" % M),
    ("alpha infinite", "22023", r"alpha.*[iI]nf", None,
     "SELECT welch_t(%s, alpha => 'inf')" % M),
    ("alpha NULL", "22004", r"alpha", None,
     "SELECT welch_t(%s, alpha => NULL)" % M),
    ("alpha 2 in proportion_z", "22023", r"alpha.*\b2\b", None,
     "SELECT proportion_z(%s, alpha => 2)" % BINARY),
    ("unknown alternative", "22023", r"larger", r"two-sided.*greater.*less",
     "SELECT welch_t(%s, alternative => 'larger')" % M),
    ("empty alternative", "22023", r"alternative", r"two-sided.*greater.*less",
     "SELECT welch_t(%s, alternative => '')" % M),
    ("alternative in capitals", "22023", r"Greater", r"two-sided.*greater.*less",
     "SELECT welch_t(%s, alternative => 'Greater')" % M),
    ("alternative NULL", "22004", r"alternative", None,
     "SELECT welch_t(%s, alternative => NULL)" % M),
    ("unknown alternative in proportion_z", "22023", r"up", r"two-sided.*greater.*less",
     "SELECT proportion_z(%s, alternative => 'up')" % BINARY),
    ("null_diff NULL", "22004", r"null_diff", None,
     "SELECT welch_t(%s, null_diff => NULL)" % M),
    ("null_diff NaN", ("22023", "22003"), r"null_diff", None,
     "SELECT welch_t(%s, null_diff => 'NaN')" % M),
    ("null_diff infinite", ("22023", "22003"), r"null_diff", None,
     "SELECT welch_t(%s, null_diff => 'inf')" % M),
    ("metric 0", "22023", r"metric.*\b0\b", None,
     "SELECT welch_t(%s, metric => 0)" % M),
    ("metric 2 of 1", "22023", r"metric.*\b2\b", None,
     "SELECT welch_t(%s, metric => 2)" % M),
    ("metric NULL", "22004", r"metric", None,
     "SELECT welch_t(%s, metric => NULL)" % M),
    ("unknown lift_method", "22023", r"exact", r"delta.*log.*fieller",
     "SELECT welch_t(%s, lift_method => 'exact')" % M),
    ("lift_method NULL", "22004", r"lift_method", None,
     "SELECT welch_t(%s, lift_method => NULL)" % M),
    ("proportion_z of a mean", "22023", r".", None,
     "SELECT proportion_z(%s)" % M),
    # merging, looking inside
    ("merging 1 and 2 metrics", "22023", r"1.*2|2.*1", None,
     "SELECT moments_agg(m) FROM (SELECT %s AS m UNION ALL SELECT %s) q" % (M, K2)),
    ("project by two weights", "22023", r"2|1", None,
     "SELECT moments_project(%s, '{1,1}')" % M),
    ("project by NaN", ("22003", "22023"), r"weight", None,
     "SELECT moments_project(%s, '{NaN}')" % M),
    ("project by NULL", "22004", r"weight|NULL|null", None,
     "SELECT moments_project(%s, '{NULL}')" % M),
    ("project into infinity", "22003", r".", None,
     "SELECT moments_project(%s, '{1e300}')" % M),
    ("select metric 2 of 1", "22023", r"\b2\b", None,
     "SELECT moments_select(%s, '{2}')" % M),
    ("select metric 0", "22023", r"\b0\b", None,
     "SELECT moments_select(%s, '{0}')" % M),
    ("select nothing", ("22023", "2202E"), r".", None,
     "SELECT moments_select(%s, '{}')" % M),
    ("select NULL", "22004", r".", None,
     "SELECT moments_select(%s, '{NULL}')" % M),
    # srm
    ("srm of an unnamed variant", "22023", r"\"?t\"?", r".",
     "SELECT srm(v, '{\"control\": 1}') FROM " + ROWS),
    ("srm with weights NULL", "22004", r"weights", None,
     "SELECT srm(v, NULL::jsonb) FROM " + ROWS),
    ("srm with an array", "22023", r"weights", None,
     "SELECT srm(v, '[1, 2]') FROM " + ROWS),
    ("srm with a string weight", "22023", r"\bt\b|weight", None,
     "SELECT srm(v, '{\"control\": 1, \"t\": \"1\"}') FROM " + ROWS),
    ("srm with a zero weight", "22023", r"weight.*\bt\b|\bt\b.*weight|\b0\b", None,
     "SELECT srm(v, '{\"control\": 1, \"t\": 0}') FROM " + ROWS),
    ("srm with a negative weight", "22023", r"\bt\b|-0\.5", None,
     "SELECT srm(v, '{\"control\": 1, \"t\": -0.5}') FROM " + ROWS),
    ("srm with a huge weight", ("22023", "22003"), r".", None,
     "SELECT srm(v, '{\"control\": 1, \"t\": 1e999}') FROM " + ROWS),
    ("srm with two weights in one call", "22023", r"weights", None,
     "SELECT srm(v, jsonb_build_object('control', 1, 't', y)) FROM " + ROWS),
    ("srm of two lengths", "22023", r"2.*3|3.*2", None,
     "SELECT srm('{1,2}'::bigint[], '{1,2,3}')"),
    ("srm of a NULL count", "22004", r".", None,
     "SELECT srm('{1,NULL}'::bigint[], '{1,1}')"),
    ("srm of a NULL weight", "22004", r".", None,
     "SELECT srm('{1,2}'::bigint[], '{1,NULL}')"),
    ("srm of a negative count", "22023", r"-2", None,
     "SELECT srm('{1,-2}'::bigint[], '{1,1}')"),
    ("srm by zero", "22023", r"\b0\b", None,
     "SELECT srm('{1,2}'::bigint[], '{1,0}')"),
    ("srm by -1", "22023", r"-1", None,
     "SELECT srm('{1,2}'::bigint[], '{1,-1}')"),
    ("srm by NaN", "22023", r"NaN", None,
     "SELECT srm('{1,2}'::bigint[], '{1,NaN}')"),
    ("srm by infinity", "22023", r"[iI]nf", None,
     "SELECT srm('{1,2}'::bigint[], '{1,inf}')"),
    # p_adjust
    ("p over 1", "22023", r"1\.5", None,
     "SELECT p_adjust('{0.1,1.5}'::float8[], 'holm')"),
    ("p under 0", "22023", r"-0\.25", None,
     "SELECT p_adjust('{0.1,-0.25}'::float8[], 'bh')"),
    ("p NaN", "22023", r"NaN", None,
     "SELECT p_adjust('{0.1,NaN}'::float8[], 'bh')"),
    ("p over 1 in a window", "22023", r"1\.5", None,
     "SELECT p_adjust(p, 'by') OVER () FROM (VALUES (0.1::float8), (1.5)) r (p)"),
    ("p NaN in a window", "22023", r"NaN", None,
     "SELECT p_adjust(p, 'by') OVER () FROM (VALUES (0.1::float8), ('NaN')) r (p)"),
    ("unknown p_adjust method", "22023", r"hommel", r"bonferroni.*holm.*hochberg.*bh.*by",
     "SELECT p_adjust('{0.1}'::float8[], 'hommel')"),
    ("unknown method in a window", "22023", r"fdr", r"bonferroni.*holm.*hochberg.*bh.*by",
     "SELECT p_adjust(p, 'fdr') OVER () FROM (VALUES (0.1::float8)) r (p)"),
    # moments as text
    ("empty text", "22P02", r".", None,
     "SELECT ''::moments"),
    ("not JSON", "22P02", r".", None,
     "SELECT 'moments'::moments"),
    ("cut JSON", "22P02", r".", None,
     "SELECT '%s'::moments" % ONE_ARM[:-3]),
    ("text after the end", "22P02", r".", None,
     "SELECT '%s x'::moments" % ONE_ARM),
    ("JSON of another shape", "22P02", r".", None,
     "SELECT '[1]'::moments"),
    ("JSON number", "22P02", r".", None,
     "SELECT '1'::moments"),
    ("JSON null", "22P02", r".", None,
     "SELECT 'null'::moments"),
    ("empty object", "22P02", r".", None,
     "SELECT '{}'::moments"),
    ("unknown version", ("22P02", "0A000"), r"version.*3", None,
     state(replace=[('"version": 1', '"version": 3')])),
    ("no version", "22P02", r"version", None,
     state(replace=[('"version": 1, ', '')])),
    ("version as text", "22P02", r"version", None,
     state(replace=[('"version": 1', '"version": "1"')])),
    ("no metrics key", "22P02", r"metrics", None,
     state(replace=[('"metrics": 1, ', '')])),
    ("metrics 0", "22P02", r"metrics|mean", None,
     state(replace=[('"metrics": 1', '"metrics": 0')])),
    ("a mean of no metrics", ("22P02", "22023"), r"metric", None,
     state(replace=[('"metrics": 1', '"metrics": 0'), ("[2]", "[]")]).replace("SELECT", "SELECT welch_t(") + ")"),
    ("metrics 65", "22P02", r"metrics", None,
     state(replace=[('"metrics": 1', '"metrics": 65')])),
    ("metrics 1.5", "22P02", r"metrics", None,
     state(replace=[('"metrics": 1', '"metrics": 1.5')])),
    ("metrics huge", ("22P02", "22003"), r".", None,
     state(replace=[('"metrics": 1', '"metrics": 99999999999999999999')])),
    ("an unknown key", "22P02", r"color", None,
     state(replace=[('"metrics": 1', '"metrics": 1, "color": 2')])),
    ("n 0", "22P02", r"\bn\b", None,
     state(replace=[('"n": 3', '"n": 0')])),
    ("n negative", "22P02", r"\bn\b", None,
     state(replace=[('"n": 3', '"n": -3')])),
    ("n fractional", "22P02", r"\bn\b", None,
     state(replace=[('"n": 3', '"n": 2.5')])),
    ("n too large", ("22P02", "22003"), r".", None,
     state(replace=[('"n": 3', '"n": 9223372036854775808')])),
    ("no n", "22P02", r"\bn\b", None,
     state(replace=[('"n": 3, ', '')])),
    ("n null", "22P02", r"\bn\b", None,
     state(replace=[('"n": 3', '"n": null')])),
    ("mean too long", "22P02", r"mean", None,
     state(replace=[('"mean": [2]', '"mean": [2, 2]')])),
    ("mean empty", "22P02", r"mean", None,
     state(replace=[('"mean": [2]', '"mean": []')])),
    ("mean a number", "22P02", r"mean", None,
     state(replace=[('"mean": [2]', '"mean": 2')])),
    ("mean nested", "22P02", r"mean", None,
     state(replace=[('"mean": [2]', '"mean": [[2]]')])),
    ("mean overflows", ("22P02", "22003"), r".", None,
     state(replace=[('"mean": [2]', '"mean": [1e999]')])),
    ("mean NaN", "22P02", r".", None,
     state(replace=[('"mean": [2]', '"mean": [NaN]')])),
    ("mean a string", "22P02", r"mean", None,
     state(replace=[('"mean": [2]', '"mean": ["2"]')])),
    ("no comoments", "22P02", r"comoments", None,
     state(replace=[(', "comoments": [2]', '')])),
    ("comoments too long", "22P02", r"comoments", None,
     state(replace=[('"comoments": [2]', '"comoments": [2, 1, 2]')])),
    ("comoments negative", "22P02", r"-2", None,
     state(replace=[('"comoments": [2]', '"comoments": [-2]')])),
    ("n 1 with a spread", "22P02", r"comoments|\bn\b", None,
     state(replace=[('"n": 3', '"n": 1')])),
    ("residual too long", "22P02", r"residual", None,
     state(replace=[('"comoments"', '"residual": [0, 0], "comoments"')])),
    ("256 byte label in text", ("22P02", "22001"), r".", None,
     state(replace=[('"a"', '"%s"' % ("a" * 256))])),
    ("1001 variants in text", ("22P02", "54000"), r"1000", None,
     state(replace=[('"variants": {', '"variants": {' + "".join(
     '"v%d": {"n": 1, "mean": [1], "comoments": [0]}, ' % i for i in range(1000)))])),
    ("deeply nested", ("22P02", "54001"), r".", None,
     "SELECT (repeat('[', 100000))::moments"),
    ("deeply nested variants", ("22P02", "54001"), r".", None,
     "SELECT ('{\"variants\":' || repeat('{\"a\":', 100000))::moments"),
    # hashing
    ("weights of another length", "22023", r".", None,
     "SELECT assign_variant('u', 's', '{a,b}', '{1}')"),
]


@pytest.mark.parametrize("name, states, message, hint, sql", ERRORS, ids=[e[0] for e in ERRORS])
def test_error(db, name, states, message, hint, sql):
    error = db.error(sql)
    states = (states,) if isinstance(states, str) else states
    shown = "%s: %s %s; hint: %s; detail: %s" % (name, error.pgcode, error.diag.message_primary, error.diag.message_hint,
                                                 error.diag.message_detail)
    assert error.pgcode in states, shown
    text = "%s %s" % (error.diag.message_primary, error.diag.message_detail or "")
    assert matches(message, text), shown
    if hint:
        assert matches(hint, "%s %s" % (error.diag.message_hint or "", error.diag.message_detail or "")), shown
    assert db.one("SELECT 1") == 1


def matches(pattern, text):
    return re.search(pattern, text, re.S) is not None


# --- Rows that are given all the same --------------------------------------------------------------

COLUMNS = ("variant control n n_control estimate estimate_control diff std_error statistic df p_value "
           "diff_low diff_high lift lift_low lift_high alpha method").split()


def check(row, **known):
    """The given columns have these values and all others are NULL (alpha and method aside)."""
    known.setdefault("alpha", 0.05)
    known.setdefault("method", "welch_t")
    got = {c: getattr(row, c) for c in COLUMNS}
    assert got == {c: known.get(c) for c in COLUMNS}


def rows_of(*pairs):
    return "(VALUES %s) r (y, v)" % ", ".join("(%s::float8, %s::text)" % p for p in pairs)


def one_step(*pairs, call="welch_t(y, v)"):
    return "SELECT (%s).* FROM %s" % (call, rows_of(*pairs))


EMPTY = "(SELECT 1::float8 AS y, 'a'::text AS v WHERE false) r"


def test_no_rows(db):
    check(db.one("SELECT (welch_t(y, v)).* FROM " + EMPTY), n=0, n_control=0)
    check(db.one("SELECT (proportion_z(y > 0, v)).* FROM " + EMPTY), n=0, n_control=0, method="proportion_z")
    assert db.one("SELECT moments_agg(y, v) FROM " + EMPTY) is None
    assert db.one("SELECT moments_agg(y, y, v) FROM " + EMPTY) is None
    assert db.one("SELECT moments_agg(ARRAY[y], v) FROM " + EMPTY) is None
    row = db.one("SELECT (srm(v, '{\"a\": 1, \"b\": 1}')).* FROM " + EMPTY)
    assert (row.n, row.chi2, row.df, row.p_value, row.observed, row.expected) == (0, None, None, None, None, None)
    for function in ("welch_t", "proportion_z", "moments_summary"):
        assert db.rows("SELECT * FROM %s(NULL::moments)" % function) == []
    for call in ("project(m, '{1}')", "select(m, '{1}')", "filter(m, '{a}')", "covariance(m, 'a')"):
        assert db.one("SELECT moments_%s FROM (SELECT NULL::moments AS m) q" % call) is None


def test_rows_that_are_skipped(db):
    """NULL metrics and NULL variants only: as no rows."""
    rows = rows_of(("NULL", "'a'"), ("1", "NULL"), ("NULL", "NULL"))
    check(db.one("SELECT (welch_t(y, v)).* FROM " + rows), n=0, n_control=0)
    assert db.one("SELECT moments_agg(y, v) FROM " + rows) is None
    assert db.one("SELECT moments_agg(y, 1, v) FROM " + rows) is None
    assert db.one("SELECT moments_agg(ARRAY[1, y], v) FROM " + rows_of(("NULL", "'a'"), ("1", "NULL"))) is None
    row = db.one("SELECT (srm(v, '{\"a\": 1, \"b\": 1}')).* FROM (VALUES (NULL::text), (NULL)) r (v)")
    assert (row.n, row.p_value) == (0, None)


def test_only_the_control(db):
    rows = rows_of(("1", "'control'"), ("4", "'control'"))
    for call in ("welch_t(y, v)", "welch_t(y, v, 'control')"):
        check(db.one("SELECT (%s).* FROM %s" % (call, rows)), control="control", n=0, n_control=2, estimate_control=2.5)
    got = db.rows("SELECT r.* FROM (SELECT moments_agg(y, v) AS m FROM %s) q, LATERAL welch_t(m) r" % rows)
    assert len(got) == 1
    check(got[0], control="control", n=0, n_control=2, estimate_control=2.5)
    got = db.rows("SELECT r.* FROM (SELECT moments_agg((y > 2)::int, v) AS m FROM %s) q, LATERAL proportion_z(m) r" % rows)
    assert len(got) == 1
    check(got[0], control="control", n=0, n_control=2, estimate_control=0.5, method="proportion_z")


def test_unknown_control(db):
    """Every variant is a treatment without a comparison; one-step: the first one's row."""
    got = db.rows("SELECT * FROM welch_t(%s, control => 'holdout')" % M)
    assert len(got) == 2
    check(got[0], variant="control", control="holdout", n=3, n_control=0, estimate=got[0].estimate)
    check(got[1], variant="t", control="holdout", n=3, n_control=0, estimate=4.0)
    assert got[0].estimate == pytest.approx(7 / 3)
    check(db.one("SELECT (welch_t(y, v, 'holdout')).* FROM " + ROWS), variant="control", control="holdout", n=3, n_control=0,
          estimate=got[0].estimate)
    got = db.rows("SELECT * FROM proportion_z(%s, control => 'holdout')" % BINARY)
    assert [(r.variant, r.n, r.n_control, r.diff, r.p_value) for r in got] == [
        ("control", 3, 0, None, None), ("t", 3, 0, None, None)]


def test_one_row_per_arm(db):
    check(db.one(one_step(("3", "'control'"), ("4.5", "'t'"))), variant="t", control="control",
          n=1, n_control=1, estimate=4.5, estimate_control=3, diff=1.5, lift=0.5)
    row = db.one(one_step(("3", "'control'"), ("4.5", "'t'"), call="proportion_z(y > 3, v)"))
    assert (row.n, row.n_control, row.diff, row.lift) == (1, 1, 1, None)
    assert row.p_value == pytest.approx(0.1573, abs=1e-4) and row.diff_low is not None
    check(db.one(one_step(("3", "'control'"), ("4.5", "'t'"), ("5.5", "'t'"))), variant="t",
          control="control", n=2, n_control=1, estimate=5, estimate_control=3, diff=2, lift=2 / 3)


def test_zero_variance(db):
    check(db.one(one_step(("2", "'control'"), ("2", "'control'"), ("3", "'t'"), ("3", "'t'"))),
          variant="t", control="control", n=2, n_control=2, estimate=3, estimate_control=2, diff=1, lift=0.5, std_error=0)
    row = db.one(one_step(("2", "'control'"), ("2", "'control'"), ("3", "'t'"), ("3", "'t'"), call="proportion_z(true, v)"))
    assert (row.diff, row.std_error, row.statistic, row.p_value, row.df) == (0, 0, None, None, None)
    assert row.diff_low == -row.diff_high < 0


def test_variance_of_equal_values_is_zero(db):
    """Values with no exact mean in binary: 0.1 a hundred times is no spread at all."""
    for value in ("0.1", "1e15+0.1", "-1.1e-300", "123456.789"):
        variance, mean = db.one("SELECT s.variance, s.mean FROM (SELECT moments_agg(%s::float8, 'a') AS m FROM "
                                "generate_series(1, 100)) q, LATERAL moments_summary(m) s" % value)
        assert variance == 0 and mean == eval(value), value


def test_zero_control_mean(db):
    row = db.one(one_step(("-1", "'control'"), ("1", "'control'"), ("3", "'t'"), ("5", "'t'")))
    assert (row.diff, row.lift, row.lift_low, row.lift_high) == (4, None, None, None) and row.p_value is not None


def test_negative_control_mean(db):
    row = db.one(one_step(("-1", "'control'"), ("-3", "'control'"), ("-1", "'t'"), ("0", "'t'")))
    assert (row.diff, row.lift) == (1.5, 0.75) and row.lift_low < row.lift < row.lift_high


def test_limits_that_are_allowed(db):
    assert db.one("SELECT count(*) FROM (SELECT moments_agg(i, 'v' || i) AS m FROM generate_series(1, 1000) i) q, "
                  "LATERAL welch_t(m) r") == 999
    assert db.one("SELECT length(s.variant) FROM (SELECT moments_agg(1, repeat('x', 255)) AS m) q, "
                  "LATERAL moments_summary(m) s") == 255
    assert db.one("SELECT count(*) FROM (SELECT moments_agg(array_fill(1::float8, '{64}'), 'a') AS m) q, "
                  "LATERAL moments_summary(m) s") == 64


def test_null_elements_skip_the_row(db):
    n = db.one("SELECT s.n FROM (SELECT moments_agg(ys, 'a') AS m FROM (VALUES ('{1,2}'::float8[]), ('{1,NULL}'), (NULL)) "
               "r (ys)) q, LATERAL moments_summary(m) s LIMIT 1")
    assert n == 1


def test_boolean_variants(db):
    row = db.one("SELECT (welch_t(y, (y > 3)::text)).* FROM " + ROWS)
    assert (row.variant, row.control) == ("true", "false")


def test_domain_errors(db):
    """What GSL may call a domain error, underflow or overflow is a NULL, a number or an SQL error; no abort, no NaN."""
    texts = []
    for n in (2, 3, 10 ** 6, 2 ** 62):
        for comoment in ("0", "5e-324", "1e-300", "1e300", "1.7e308"):
            for mean in ("0", "5e-324", "1e-300", "-1e300", "1.7e308"):
                texts.append('{"version": 1, "metrics": 1, "variants": {"control": {"n": %d, "mean": [%s], "comoments": [%s]}, '
                             '"t": {"n": 2, "mean": [1], "comoments": [%s]}}}' % (n, mean, comoment, comoment))
    errors = 0
    for text in texts:
        for alpha in (1e-300, 0.05, 1 - 1e-16):
            for method in ("delta", "log", "fieller"):
                try:
                    for row in db.rows("SELECT * FROM welch_t(%s::moments, alpha => %s, lift_method => %s, null_diff => 1e-3)",
                                       text, alpha, method):
                        assert not any(isinstance(x, float) and math.isnan(x) for x in row), (text, alpha, method, row)
                except psycopg2.Error as e:
                    assert e.pgcode in ("22003", "22P02"), (text, alpha, method, e)
                    errors += 1
    print("\n%d extreme states: %d errors" % (len(texts) * 9, errors))
    for weights in ("{1e-300,1e300}", "{1e308,1e308}", "{5e-324,5e-324}"):
        for observed in ("{0,0}", "{1,0}", "{9223372036854775807,0}", "{9223372036854775807,9223372036854775807}"):
            try:
                row = db.one("SELECT (srm(%s::bigint[], %s::float8[])).*", observed, weights)
                values = [row.chi2, row.p_value] + (row.expected or [])
                assert not any(isinstance(x, float) and math.isnan(x) for x in values), (observed, weights, row)
            except psycopg2.Error as e:
                assert e.pgcode in ("22003", "22023"), (observed, weights, e)
    assert db.one("SELECT 1") == 1


def test_statement_timeout_in_mid_aggregate(fresh):
    """57014, soon, and the connection goes on."""
    for call in ("welch_t(i, 'v' || i % 2)", "moments_agg(ARRAY[i, i, i], 'v' || i % 2)",
                 "srm('a'::text, '{\"a\": 1, \"b\": 1}')", "moments_agg(m)"):
        fresh.run("SET statement_timeout = '300ms'")
        start = time.time()
        source = "generate_series(1, 2000000000) i"
        if call == "moments_agg(m)":
            source += ", (SELECT %s AS m) q" % M
        error = fresh.error("SELECT %s FROM %s" % (call, source))
        assert error.pgcode == "57014", error
        assert time.time() - start < 10
        fresh.run("RESET statement_timeout")
        assert fresh.one("SELECT (welch_t(y, v)).n FROM " + ROWS) == 3


# --- Binary form -----------------------------------------------------------------------------------

def record(payload):
    """One row of one column in COPY's binary format."""
    return (b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0) + struct.pack("!hi", 1, len(payload)) + payload
            + struct.pack("!h", -1))


def test_binary_errors(db):
    db.run("CREATE TEMP TABLE received (m moments)")
    data = db.copy_out("SELECT " + K2)
    payload = data[25:-2]
    db.copy_binary("received", record(payload))
    assert db.one("SELECT count(*) FROM received WHERE m = " + K2) == 1
    cases = [payload[:n] for n in range(len(payload))] + [payload + b"\0", payload + payload, b"\0" * len(payload),
                                                          b"\xff" * len(payload), b""]
    for case in cases:
        with pytest.raises(psycopg2.Error) as caught:
            db.copy_binary("received", record(case))
        # "insufficient data left in message" is 08P01 in PostgreSQL's own readers
        assert caught.value.pgcode in ("22P03", "08P01"), (len(case), caught.value)
    for i, byte in enumerate(payload):      # the first byte of the format is its version
        if i == 0:
            with pytest.raises(psycopg2.Error) as caught:
                db.copy_binary("received", record(bytes([byte ^ 0x7f]) + payload[1:]))
            assert caught.value.pgcode in ("22P03", "0A000") and "version" in str(caught.value)
    assert db.one("SELECT count(*) FROM received") == 1
