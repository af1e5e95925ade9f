"""Exposure logs that are distributed, by the unit and by something else, and experiments from end to end."""

import pytest

LOG = "'%s', 'unit_id', 'variant', 'exposed_at'"
DATES = ", starts => '2026-03-02', ends => '2026-03-12'"
CALLS = [
    "first_exposures({log})",
    "first_exposures({log}, 'keep_first'{dates})",
    "exposure_crossovers({log})",
    "exposures_outside({log}{dates})",
    "exposure_duplicates({log}, '{{platform}}')",
    "assignment_mismatches({log}, 'salt', '{{control,treatment}}')",
    "srm_by_day({log}, '{{control,treatment}}')",
    "srm_by_segment({log}, '{{platform}}', '{{control,treatment}}')",
    "assigned_not_exposed('units', 'unit_id', 'variant', '{table}', 'unit_id')",
    "exposure_health({log}, '{{control,treatment}}')",
    "exposure_health({log}, '{{control,treatment}}', '{{1,2}}', 'salt'{dates}, segments => '{{platform}}', assignments => 'units')",
    "person_exposures({log}, 'logins', 'device', 'account', 'seen_at')",
]


@pytest.fixture(scope="module", params=["by unit", "by time", "reference"])
def log(request, twice, db):
    """A log that is distributed in another way, beside plain ones."""
    for schema in ("one", "many"):
        twice.over(schema).run("CREATE TABLE log AS SELECT * FROM exposures")
        db.run("CREATE TABLE logins AS SELECT i::text AS device, 'account ' || i / 2 AS account, "
               "timestamptz '2026-03-01' AS seen_at FROM generate_series(1, 3000) AS i")
    twice.over("many")
    db.run("SELECT create_distributed_table('logins', 'device')")
    if request.param == "reference":
        db.run("SELECT create_reference_table('log')")
    elif request.param == "by unit":
        db.run("SELECT create_distributed_table('log', 'unit_id', colocate_with => 'units')")
    else:
        db.run("SELECT create_distributed_table('log', 'exposed_at', colocate_with => 'none')")
    yield "log"
    db.run("DROP TABLE one.log, many.log, one.logins, many.logins")


@pytest.mark.parametrize("call", CALLS)
def test_functions_over_a_log(twice, log, call):
    twice.rows("SELECT r.* FROM %s AS r" % call.format(log=LOG % log, table=log, dates=DATES))


def test_exposures_join_metrics(twice, log):
    sql = ("SELECT (u.first).crossover, welch_t(m.y, (u.first).variant) "
           "FROM (SELECT unit_id, first_exposure(variant, exposed_at) AS first FROM log GROUP BY unit_id) AS u "
           "JOIN units AS m USING (unit_id) GROUP BY 1")
    assert "worker_partial_agg('public.welch_t" in twice.plan(sql)
    twice.rows(sql)
    twice.rows("SELECT welch_t(coalesce(m.y, 0), e.variant) FROM first_exposures(%s) AS e "
               "LEFT JOIN units AS m ON m.unit_id = e.unit::bigint" % (LOG % log))


def test_nodes_of_other_time_zones(db, twice):
    pass
