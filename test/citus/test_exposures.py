"""Exposure logs that are distributed, by the unit and by something else, and experiments from end to end."""

import time

import pytest

from conftest import Twice
from connection import Db

LOG = "'log', 'unit_id', 'variant', 'exposed_at'"
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
    yield request.param
    db.run("DROP TABLE one.log, many.log, one.logins, many.logins")


@pytest.mark.parametrize("call", CALLS)
def test_functions_over_a_log(twice, log, call):
    twice.rows("SELECT r.* FROM %s AS r" % call.format(log=LOG, dates=DATES))


def test_exposures_join_metrics(twice, log):
    sql = ("SELECT (u.first).crossover, welch_t(m.y, (u.first).variant) "
           "FROM (SELECT unit_id, first_exposure(variant, exposed_at) AS first FROM log GROUP BY unit_id) AS u "
           "JOIN units AS m USING (unit_id) GROUP BY 1")
    twice.in_parts(sql, "welch_t")
    twice.rows(sql)
    twice.rows("SELECT welch_t(coalesce(m.y, 0), e.variant) FROM first_exposures(%s) AS e "
               "LEFT JOIN units AS m ON m.unit_id = e.unit::bigint" % LOG)


def test_assigned_not_exposed_needs_colocation(twice, log):
    """Its anti-join is pushed down, or refused by Citus; exposure_health counts the units in either case."""
    sql = "SELECT r.* FROM assigned_not_exposed('units', 'unit_id', 'variant', 'log', 'unit_id') AS r"
    if log == "by time":
        assert twice.over("many").error(sql).pgcode == "0A000"
    else:
        assert len(twice.rows(sql)) == 6000 / 50


# --- Nodes with settings of their own -------------------------------------------------------------

@pytest.fixture
def odd_workers(db):
    """Workers that write dates and numbers in another way than the coordinator, and connections that know it."""
    settings = {"datestyle": "SQL, DMY", "timezone": "Asia/Kolkata", "extra_float_digits": "0"}
    for name, value in settings.items():
        db.run("SELECT run_command_on_workers($$ALTER SYSTEM SET %s = '%s'$$)" % (name, value))
    db.run("SELECT run_command_on_workers('SELECT pg_reload_conf()')")
    fresh = Twice(Db("postgres"))
    for _ in range(100):
        styles = str(fresh.db.rows("SELECT run_command_on_workers('SHOW datestyle')"))
        if styles.count("SQL, DMY") == 2:
            break
        time.sleep(0.1)
    assert styles.count("SQL, DMY") == 2, styles
    yield fresh
    fresh.db.close()
    for name in settings:
        db.run("SELECT run_command_on_workers('ALTER SYSTEM RESET %s')" % name)
    db.run("SELECT run_command_on_workers('SELECT pg_reload_conf()')")


def test_states_from_workers_of_another_style(odd_workers):
    """IST is India's time there, and would be read as Israel's; 02/03 is the second of March, or the third of February."""
    for sql in ("SELECT platform, first_exposure(variant, exposed_at, ARRAY[platform]) FROM exposures GROUP BY 1",
                "SELECT (f).exposed_at FROM (SELECT first_exposure(variant, exposed_at) AS f FROM exposures) AS x",
                "SELECT moments_agg(ARRAY[y, sessions], variant) FROM units",
                "SELECT novelty(day, effect, std_error) FROM days",
                "SELECT welch_t(y, variant) FROM units",
                "SELECT bootstrap_mean(unit_id::text, y, variant) FROM units"):
        odd_workers.rows(sql)


def test_days_are_those_of_the_workers_time_zone(odd_workers, db):
    """Of a log that is distributed by the unit; unless the role's time zone is set, which Citus propagates."""
    days = "SELECT day, n FROM srm_by_day(%s, '{control,treatment}')" % LOG.replace("log", "exposures")
    many, one = (odd_workers.over(schema).rows(days) for schema in ("many", "one"))
    assert sum(r.n for r in many) == sum(r.n for r in one) and many != one
    db.run("ALTER ROLE CURRENT_USER SET timezone = 'America/New_York'")
    try:
        same_zone = Twice(Db("postgres"))
        assert same_zone.rows(days) != one
        same_zone.db.close()
    finally:
        db.run("ALTER ROLE CURRENT_USER RESET timezone")
