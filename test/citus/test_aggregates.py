"""Every aggregate over distributed tables: where it runs, and that it answers what one node answers.

The aggregates are those of the catalog, so that a new one is a failure here until it is listed.
"""

import re

import pytest

from conftest import same
from connection import Db

# --- All aggregates -------------------------------------------------------------------------------

# signature: (call, table), for those that the workers compute in parts
PUSHED_DOWN = {
    "moments_agg(double precision,text)": ("moments_agg(y, variant)", "units"),
    "moments_agg(double precision,double precision,text)": ("moments_agg(y, x, variant)", "units"),
    "moments_agg(double precision[],text)": ("moments_agg(ARRAY[y, coalesce(x, 0), sessions], variant)", "units"),
    "moments_agg(moments)": ("moments_agg(m)", "cells"),
    "moments_diagonal_agg(double precision[],text)":
        ("moments_diagonal_agg(metric_array(y, coalesce(x, 0), sessions), variant)", "units"),
    "welch_t(double precision,text)": ("welch_t(y, variant)", "units"),
    "welch_t(double precision,text,text)": ("welch_t(y, variant, 'treatment')", "units"),
    "proportion_z(boolean,text)": ("proportion_z(success, variant)", "units"),
    "proportion_z(boolean,text,text)": ("proportion_z(success, variant, 'treatment')", "units"),
    "delta_ratio(double precision,double precision,text)": ("delta_ratio(y, sessions, variant)", "units"),
    "delta_ratio(double precision,double precision,text,text)": ("delta_ratio(y, sessions, variant, 'treatment')", "units"),
    "cuped_adjust(double precision,double precision)": ("cuped_adjust(y, x)", "units"),
    "cuped_adjust(double precision,double precision,text)": ("cuped_adjust(y, x, variant)", "units"),
    "cuped_adjust(double precision,double precision,text,text)": ("cuped_adjust(y, x, variant, 'treatment')", "units"),
    "stratified_t(moments)": ("stratified_t(m)", "cells"),
    "stratified_t(moments,text)": ("stratified_t(m, 'treatment')", "cells"),
    "heterogeneity(moments)": ("heterogeneity(m)", "cells"),
    "heterogeneity(moments,text)": ("heterogeneity(m, 'treatment')", "cells"),
    "novelty(double precision,double precision,double precision)": ("novelty(day, effect, std_error)", "days"),
    "chi_square(text,text)": ("chi_square(variant, category)", "units"),
    "srm(text,jsonb)": ("""srm(variant, '{"control": 1.5, "treatment": 2}')""", "units"),
    "srm_sequential(text,jsonb)": ("""srm_sequential(variant, '{"control": 1, "treatment": 1.1}')""", "units"),
    "first_exposure(text,timestamp with time zone)": ("first_exposure(variant, exposed_at)", "exposures"),
    "first_exposure(text,timestamp with time zone,text[])": ("first_exposure(variant, exposed_at, ARRAY[platform])", "exposures"),
    "bootstrap_agg(text,double precision,text)": ("bootstrap_agg(unit_id::text, y, variant)", "units"),
    "bootstrap_agg(text,double precision,text,integer,bigint)": ("bootstrap_agg(unit_id::text, y, variant, 100, 7)", "units"),
    "bootstrap_agg(text,double precision,double precision,text)": ("bootstrap_agg(unit_id::text, y, sessions, variant)", "units"),
    "bootstrap_agg(text,double precision,double precision,text,integer,bigint)":
        ("bootstrap_agg(unit_id::text, y, sessions, variant, 100, 7)", "units"),
    "bootstrap_agg(double precision,text)": ("bootstrap_agg(y, variant)", "units"),
    "bootstrap_agg(double precision,text,integer,bigint)": ("bootstrap_agg(y, variant, 100, 7)", "units"),
    "bootstrap_agg(bootstrap)": ("bootstrap_agg(b)", "cells"),
    "bootstrap_mean(text,double precision,text)": ("bootstrap_mean(unit_id::text, y, variant)", "units"),
    "bootstrap_mean(text,double precision,text,text)": ("bootstrap_mean(unit_id::text, y, variant, 'treatment')", "units"),
    "bootstrap_ratio(text,double precision,double precision,text)":
        ("bootstrap_ratio(unit_id::text, y, sessions, variant)", "units"),
    "bootstrap_ratio(text,double precision,double precision,text,text)":
        ("bootstrap_ratio(unit_id::text, y, sessions, variant, 'treatment')", "units"),
    "bootstrap_quantile(double precision,text,double precision)": ("bootstrap_quantile(y, variant, 0.5)", "units"),
    "bootstrap_quantile(double precision,text,double precision,text)":
        ("bootstrap_quantile(y, variant, 0.5, 'treatment')", "units"),
}

# Those that need all rows of a group in one place.
PULLED = {
    "aipw(double precision,boolean,double precision[])": ("aipw(y, variant = 'treatment', ARRAY[sessions])", "units"),
    "mann_whitney(double precision,text)": ("mann_whitney(y, variant)", "units"),
    "mann_whitney(double precision,text,text)": ("mann_whitney(y, variant, 'treatment')", "units"),
    "mann_whitney(double precision,text,text,boolean)": ("mann_whitney(y, variant, 'treatment', true)", "units"),
    "mann_whitney(text,double precision,text)": ("mann_whitney('treatment') WITHIN GROUP (ORDER BY y, variant)", "units"),
    "mann_whitney(text,boolean,double precision,text)":
        ("mann_whitney('treatment', true) WITHIN GROUP (ORDER BY y, variant)", "units"),
    "quantile_compare(double precision,text,double precision)": ("quantile_compare(y, variant, 0.5)", "units"),
    "quantile_compare(double precision,text,double precision[])": ("quantile_compare(y, variant, '{0.5,0.9}'::float8[])", "units"),
    "quantile_compare(double precision,double precision,text)":
        ("quantile_compare(0.5) WITHIN GROUP (ORDER BY y, variant)", "units"),
    "quantile_compare(double precision,text,double precision,text)":
        ("quantile_compare(0.5, 'treatment') WITHIN GROUP (ORDER BY y, variant)", "units"),
    "quantile_compare(double precision[],double precision,text)":
        ("quantile_compare('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY y, variant)", "units"),
    "quantile_compare(double precision[],text,double precision,text)":
        ("quantile_compare('{0.5,0.9}'::float8[], 'treatment') WITHIN GROUP (ORDER BY y, variant)", "units"),
    "quantile_compare(double precision,double precision,text,text)":
        ("quantile_compare(0.5) WITHIN GROUP (ORDER BY y, variant, (unit_id / 4)::text)", "units"),
    "quantile_compare(double precision,text,double precision,text,text)":
        ("quantile_compare(0.5, 'treatment') WITHIN GROUP (ORDER BY y, variant, (unit_id / 4)::text)", "units"),
    "quantile_compare(double precision[],double precision,text,text)":
        ("quantile_compare('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY y, variant, (unit_id / 4)::text)", "units"),
    "quantile_compare(double precision[],text,double precision,text,text)":
        ("quantile_compare('{0.5,0.9}'::float8[], 'treatment') WITHIN GROUP (ORDER BY y, variant, (unit_id / 4)::text)", "units"),
    "winsor_bounds(double precision,double precision,double precision)":
        ("winsor_bounds(0.01, 0.99) WITHIN GROUP (ORDER BY y)", "units"),
    "trimmed_t(double precision,text,double precision)": ("trimmed_t(y, variant, 0.1)", "units"),
    "trimmed_t(double precision,text,double precision,text)": ("trimmed_t(y, variant, 0.1, 'treatment')", "units"),
    "srm_sequential_agg(bigint[],double precision[])":
        ("srm_sequential_agg(ARRAY[day, 2 * day]::bigint[], '{1,2}' ORDER BY day)", "days"),
    "srm_sequential_agg(bigint[],double precision[],double precision)":
        ("srm_sequential_agg(ARRAY[day, 2 * day]::bigint[], '{1,2}', 100 ORDER BY day)", "days"),
}

# table: (a column that does not tell the node, the column that does, some rows of few shards)
GROUPS = {
    "units": ("country", "unit_id", "unit_id IN (1, 2, 3, 4)"),
    "exposures": ("platform", "unit_id", "unit_id IN (1, 2)"),
    "cells": ("country", "cell", "cell IN (1, 2, 3)"),
    "days": ("day % 3", "day", "day IN (1, 2, 3)"),
}


def listed(calls):
    return [pytest.param(signature, *call, id=signature) for signature, call in calls.items()]


def test_every_aggregate_is_listed(db):
    """Those with a combine function and a state of a real type are pushed down, no others."""
    found = {True: set(), False: set()}
    for signature, combines in db.rows(
            "SELECT p.oid::regprocedure::text, a.aggcombinefn <> 0 AND a.aggtranstype <> 'internal'::regtype "
            "FROM pg_aggregate AS a JOIN pg_proc AS p ON p.oid = a.aggfnoid "
            "JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' "
            "JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'expstat'"):
        found[combines].add(signature)
    assert found[True] == set(PUSHED_DOWN)
    assert found[False] == set(PULLED)


def tasks(plan):
    """The queries that are sent to the workers."""
    return re.findall(r"^\s*Query: (.*)", plan, re.M)


@pytest.mark.parametrize("signature,call,table", listed(PUSHED_DOWN))
def test_pushed_down(twice, signature, call, table):
    other, distribution, few = GROUPS[table]
    select = "SELECT %s FROM %s" % (call, table)
    grouped = "SELECT %s AS k, %s FROM %s GROUP BY 1" % (other, call, table)
    for sql in (select, grouped):
        twice.in_parts(sql, signature.split("(")[0])
        (task,) = tasks(twice.plan(sql))
        assert re.match(r"SELECT (.* AS k, )?(pg_catalog\.)?worker_(binary_)?partial_agg\(", task), task
        twice.rows(sql)

    per_unit = "SELECT %s, %s FROM %s WHERE %s GROUP BY 1" % (distribution, call, table, few)
    plan = twice.plan(per_unit)
    assert "partial_agg" not in plan and "combine_agg" not in plan, plan
    twice.rows(per_unit)


@pytest.mark.parametrize("signature,call,table", listed(PUSHED_DOWN))
def test_workers_without_rows(twice, signature, call, table):
    """Rows in a few shards only, in no shard, in some groups only."""
    other, distribution, few = GROUPS[table]
    for condition in (few, "%s < 0" % distribution):
        twice.rows("SELECT %s FROM %s WHERE %s" % (call, table, condition))
        twice.rows("SELECT %s FILTER (WHERE %s) FROM %s" % (call, condition, table))
        twice.rows("SELECT %s AS k, %s FILTER (WHERE %s) FROM %s GROUP BY 1" % (other, call, condition, table))


@pytest.mark.parametrize("signature,call,table", listed(PULLED))
def test_pulled(twice, signature, call, table):
    """The rows come to the coordinator, only the columns needed; grouped by the unit they need not."""
    other, distribution, few = GROUPS[table]
    sql = "SELECT %s FROM %s" % (call, table)
    plan = twice.plan(sql)
    name = signature.split("(")[0]
    (task,) = tasks(plan)
    assert "partial_agg" not in plan and name + "(" not in task and "success" not in task, plan
    twice.rows(sql)
    twice.rows("SELECT %s AS k, %s FROM %s GROUP BY 1" % (other, call, table))
    (task,) = tasks(twice.plan("SELECT %s, %s FROM %s WHERE %s GROUP BY 1" % (distribution, call, table, few)))
    assert name + "(" in task
    twice.rows("SELECT %s, %s FROM %s WHERE %s GROUP BY 1" % (distribution, call, table, few))


# --- What pulls rows ------------------------------------------------------------------------------

@pytest.mark.parametrize("call", ["welch_t(DISTINCT y, variant)", "welch_t(y, variant ORDER BY y)"])
def test_distinct_and_order_by_pull_all_rows(twice, call):
    plan = twice.plan("SELECT %s FROM units" % call)
    assert "partial_agg" not in plan and tasks(plan)[0].startswith("SELECT y AS welch_t"), plan
    twice.rows("SELECT %s FROM units" % call)


def test_windows(twice):
    twice.rows("SELECT DISTINCT country, (welch_t(y, variant) OVER (PARTITION BY country)).n FROM units")
    assert "WindowAgg" in twice.plan("SELECT welch_t(y, variant) OVER (PARTITION BY country) FROM units")
    (task,) = tasks(twice.plan("SELECT unit_id, welch_t(y, variant) OVER (PARTITION BY unit_id) FROM units"))
    assert "OVER (PARTITION BY" in task


# --- Two steps ------------------------------------------------------------------------------------

STATE = "(SELECT moments_agg(ARRAY[y, sessions, coalesce(x, 0), (x IS NULL)::int], variant) AS m FROM units) AS s"
QUESTIONS = [
    "welch_t(s.m)", "welch_t(s.m, control => 'treatment', alpha => 0.1, metric => 2)", "welch_t(s.m, lift_method => 'fieller')",
    "delta_ratio(s.m)", "cuped_adjust(s.m, covariates => '{3,4}')", "cuped_adjust(s.m, covariates => '{3,4}', interacted => true)",
    "bayes_normal(s.m, 0, 0.1)", "confidence_sequence(s.m)", "msprt(s.m)", "anova(s.m)", "welch_anova(s.m)",
    "moments_summary(s.m)", "welch_t(moments_project(s.m, '{1,-1,0,0}'))",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_to_a_state(twice, question):
    sql = "SELECT q.* FROM %s, %s AS q" % (STATE, question)
    twice.in_parts(sql, "moments_agg")
    twice.rows(sql)


def test_segments_in_two_steps(twice):
    sql = ("SELECT country, q.* FROM (SELECT country, moments_agg(y, variant) AS m FROM units GROUP BY 1) AS s, "
           "welch_t(s.m) AS q")
    twice.in_parts(sql, "moments_agg")
    assert len(twice.rows(sql)) == 4
    twice.rows("SELECT country, q.p_value, p_adjust(q.p_value, 'holm') OVER () "
               "FROM (SELECT country, moments_agg(y, variant) AS m FROM units GROUP BY 1) AS s, welch_t(s.m) AS q")
    for call in ("stratified_t(m)", "heterogeneity(m)", "stratified_t(m, 'treatment')"):
        twice.rows("SELECT %s FROM (SELECT country, moments_agg(y, variant) AS m FROM units GROUP BY 1) AS s" % call)
    twice.rows("SELECT q.* FROM (SELECT bootstrap_agg(unit_id::text, y, sessions, variant) AS b FROM units) AS s, "
               "bootstrap_ratio(s.b, method => 'bca') AS q")


def test_many_questions_at_once(twice):
    sql = ("SELECT country, count(*), avg(y), welch_t(y, variant), proportion_z(success, variant), "
           "srm(variant, '{\"control\": 1, \"treatment\": 1}') FROM units GROUP BY 1 HAVING count(*) > 1 ORDER BY 1")
    for name in ("welch_t", "proportion_z", "srm"):
        twice.in_parts(sql, name)
    twice.rows(sql)


def test_subtotals_of_states(twice):
    """Citus refuses GROUPING SETS over a distributed table; over the states of its groups they work."""
    assert twice.over("many").error("SELECT country, welch_t(y, variant) FROM units GROUP BY ROLLUP (country)").pgcode == "0A000"
    assert len(twice.rows(
        "SELECT r.level, country, c.* FROM (SELECT grouping(country) AS level, country, moments_agg(m) AS m "
        "FROM (SELECT country, moments_agg(y, variant) AS m FROM units GROUP BY 1) AS s GROUP BY ROLLUP (country)) AS r, "
        "welch_t(r.m) AS c")) == 5


def test_prepared_statements(twice):
    """The control is a parameter: in a plan made for it, and in one that serves all."""
    for schema in ("many", "one"):
        twice.over(schema).run("PREPARE %s(text) AS SELECT welch_t(y, variant, $1) FROM %s.units" % (schema, schema))
    for control in ["treatment"] * 7 + ["control", None]:
        many, one = (twice.db.one("EXECUTE %s(%%s)" % schema, control) for schema in ("many", "one"))
        same(many, one)
        assert many.control == (control or "control")


def test_another_schema(twice, db):
    """The extension is relocatable, on all nodes at once."""
    db.run("CREATE SCHEMA elsewhere")
    db.run("ALTER EXTENSION expstat SET SCHEMA elsewhere")
    try:
        for call in ("welch_t(y, variant)", "cuped_adjust(y, x, variant)", "bootstrap_mean(unit_id::text, y, variant)"):
            many, one = (db.one("SELECT elsewhere.%s FROM %s.units" % (call, schema)) for schema in ("many", "one"))
            same(many, one)
    finally:
        db.run("ALTER EXTENSION expstat SET SCHEMA public")


# --- Labels, constants, errors --------------------------------------------------------------------

def test_labels_of_every_kind(twice, labels):
    for call in ("moments_agg(y, label)", "moments_agg(ARRAY[y, sessions], label)", "chi_square(variant, left(label, 100))",
                 "chi_square(left(label, 100), category)", "bootstrap_agg(unit_id::text, y, label, 100, 1)", "bootstrap_agg(y, label)"):
        twice.rows("SELECT %s FROM units" % call)
    ((variants,),) = twice.rows("SELECT array_agg(DISTINCT s.variant) FROM (SELECT moments_agg(y, label) AS m FROM units) AS u, "
                                "moments_summary(u.m) AS s")
    assert set(variants) == set(labels)


def test_a_control_of_every_kind(twice, labels):
    for label in labels:
        ((result,),) = twice.rows("SELECT welch_t(y, CASE variant WHEN 'control' THEN %s ELSE 'zz' END, %s) FROM units", label, label)
        assert (result.control, result.variant, result.n + result.n_control) == (label, "zz", 6000)
        ((result,),) = twice.rows("SELECT srm(CASE variant WHEN 'control' THEN %s ELSE 'zz' END, jsonb_build_object(%s::text, 1, 'zz', 2)) "
                                  "FROM units", label, label)
        assert result.n == 6000


def test_a_null_control_is_none(twice):
    ((result,),) = twice.rows("SELECT welch_t(y, variant, NULL) FROM units")
    assert (result.control, result.variant) == ("control", "treatment")
    twice.rows("SELECT welch_t(y, variant, 'nobody') FROM units")
    twice.rows("SELECT delta_ratio(y, sessions, variant, NULL) FROM units")
    twice.rows("SELECT cuped_adjust(y, x, variant, NULL) FROM units")


@pytest.mark.parametrize("call,code", [
    ("welch_t(y / 0 * 0, variant)", "22012"),
    ("welch_t('NaN'::float8, variant)", "22003"),
    ("welch_t(y, label)", "22023"),
    ("welch_t(y, repeat(left(variant, 1), 256))", "22001"),
    ("srm(variant, '{\"control\": -1}')", "22023"),
])
def test_errors_are_those_of_one_node(twice, call, code):
    assert twice.error("SELECT %s FROM units" % call).pgcode == code


def test_a_constant_that_is_none(twice):
    """A control that differs from row to row is an error wherever the rows are."""
    assert twice.over("many").error("SELECT welch_t(y, variant, variant) FROM units").pgcode == "22023"


def test_the_extension_is_on_all_nodes(db):
    versions = db.rows("SELECT success, result FROM run_command_on_all_nodes("
                       "'SELECT extversion FROM pg_extension WHERE extname = ''expstat''')")
    assert len(versions) == 3 and len(set(versions)) == 1 and versions[0].success


def test_a_session_that_starts_with_an_aggregate():
    """Nothing of expstat is loaded yet: not by the functions of the coordinator, not on the workers."""
    fresh = Db("postgres")
    fresh.run("SET search_path = many, public")
    assert fresh.one("SELECT (welch_t(y, variant)).n_control FROM units") == 3000
    fresh.close()
