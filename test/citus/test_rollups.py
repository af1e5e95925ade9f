"""Stored states on a cluster: rollups in distributed and reference tables, moved, redistributed, copied, joined."""

import pytest

from conftest import same

ROLLUP = """
    CREATE TABLE rollup (country text, day int, m moments, b bootstrap);
"""
FILL = ("INSERT INTO rollup SELECT coalesce(country, '?'), unit_id %% 7, moments_agg(ARRAY[y, sessions], variant), "
        "bootstrap_agg(unit_id::text, y, sessions, variant, 100, 1) FROM units%s GROUP BY 1, 2")
ANSWERS = [
    "SELECT c.* FROM (SELECT moments_agg(m) AS m FROM rollup) AS s, welch_t(s.m) AS c",
    "SELECT country, c.* FROM (SELECT country, moments_agg(m) AS m FROM rollup GROUP BY 1) AS s, welch_t(s.m, metric => 2) AS c",
    "SELECT day, c.* FROM (SELECT day, moments_agg(m) AS m FROM rollup GROUP BY 1) AS s, delta_ratio(s.m) AS c",
    "SELECT country, day, c.* FROM rollup, welch_t(m) AS c",
    "SELECT stratified_t(m) FROM rollup",
    "SELECT country, heterogeneity(m) FROM rollup GROUP BY 1",
    "SELECT c.* FROM (SELECT bootstrap_agg(b) AS b FROM rollup) AS s, bootstrap_ratio(s.b) AS c",
]


@pytest.fixture
def rollup(db, twice):
    """The same rollup in both schemas; the tables are gone when the test is done."""
    for schema in ("one", "many"):
        twice.over(schema).run(ROLLUP)
    twice.over("many").run("SELECT create_distributed_table('rollup', 'country')")
    yield twice
    db.run("DROP TABLE many.rollup, one.rollup")


def filled(rollup):
    for schema in ("one", "many"):
        rollup.over(schema).run(FILL % "")
    return rollup


def check(rollup):
    for sql in ANSWERS:
        rollup.rows(sql)


def test_insert_select(rollup):
    check(filled(rollup))
    rollup.in_parts("SELECT moments_agg(m) FROM rollup", "moments_agg")
    rollup.in_parts("SELECT day, bootstrap_agg(b) FROM rollup GROUP BY 1", "bootstrap_agg")
    assert "partial_agg" not in rollup.plan("SELECT country, moments_agg(m) FROM rollup GROUP BY 1")
    assert rollup.db.one("SELECT count(DISTINCT nodeport) FROM citus_shards WHERE table_name = 'many.rollup'::regclass") == 2


def test_a_rollup_answers_as_the_rows_do(rollup):
    filled(rollup)
    db = rollup.over("many")
    (stored,) = db.rows("SELECT c.* FROM (SELECT moments_agg(m) AS m FROM rollup) AS s, welch_t(s.m) AS c")
    (rows,) = db.rows("SELECT c.* FROM (SELECT moments_agg(ARRAY[y, sessions], variant) AS m FROM units) AS s, welch_t(s.m) AS c")
    same(stored, rows)


def test_insert_select_runs_on_the_workers_where_it_can(db, twice):
    """From and to tables of the same distribution, by the distribution column: nothing passes the coordinator."""
    twice.over("many").run("CREATE TABLE per_unit (unit_id bigint, m moments)")
    db.run("SELECT create_distributed_table('per_unit', 'unit_id', colocate_with => 'units')")
    insert = "INSERT INTO per_unit SELECT unit_id, moments_agg(y, variant) FROM units GROUP BY 1"
    plan = twice.plan(insert)
    assert "partial_agg" not in plan and "INSERT INTO many.per_unit_" in plan, plan
    db.run(insert)
    merged = db.one("SELECT moments_agg(m) FROM per_unit")
    same(merged, twice.over("one").one("SELECT moments_agg(y, variant) FROM units"))
    db.run("DROP TABLE many.per_unit")


@pytest.mark.parametrize("change", [
    "alter_distributed_table('rollup', distribution_column := 'day')",
    "alter_distributed_table('rollup', shard_count := 3)",
    "undistribute_table('rollup')",
])
def test_redistribution(rollup, change):
    filled(rollup).over("many").run("SELECT " + change)
    check(rollup)


def test_a_shard_that_moves(rollup):
    filled(rollup)
    db = rollup.over("many")
    (shard,) = db.rows("SELECT shardid, nodeport FROM citus_shards WHERE table_name = 'many.rollup'::regclass ORDER BY 1 LIMIT 1")
    host = db.one("SELECT nodename FROM pg_dist_node WHERE nodeport = 5432")
    db.run("SELECT citus_move_shard_placement(%s, %s, %s, %s, %s, 'block_writes')",
           shard.shardid, host, shard.nodeport, host, 5433 + 5434 - shard.nodeport)
    check(rollup)


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy(rollup, tmp_path, form):
    """Out of the distributed table and into both again."""
    db = filled(rollup).over("many")
    path = tmp_path / "rollup"
    with open(path, "wb") as file, db.connection.cursor() as cursor:
        cursor.copy_expert("COPY rollup TO STDOUT (FORMAT %s)" % form, file)
    for schema in ("many", "one"):
        rollup.over(schema).run("DELETE FROM rollup")
        with open(path, "rb") as file, db.connection.cursor() as cursor:
            cursor.copy_expert("COPY rollup FROM STDIN (FORMAT %s)" % form, file)
    assert rollup.over("many").one("SELECT count(*) FROM rollup") == 28
    check(rollup)


def test_more_units_every_day(rollup):
    """A delta of new units is appended; the states of a key merge when they are read."""
    for cohort in (" WHERE unit_id < 1000", " WHERE unit_id BETWEEN 1000 AND 3999", " WHERE unit_id >= 4000"):
        for schema in ("one", "many"):
            rollup.over(schema).run(FILL % cohort)
    check(rollup)


def test_a_reference_table(rollup):
    """A rollup on every node, joined with distributed rows on each."""
    filled(rollup).over("many").run("SELECT undistribute_table('rollup')")
    rollup.db.run("SELECT create_reference_table('many.rollup')")
    check(rollup)
    join = "SELECT moments_agg(r.m) FROM units AS u JOIN rollup AS r ON r.country = u.country AND r.day = u.unit_id WHERE u.unit_id < 7"
    rollup.in_parts(join, "moments_agg")
    rollup.rows(join)


def test_states_from_the_client(rollup):
    """As parameters, in text and in binary, to one shard and to many."""
    for schema in ("one", "many"):
        db = rollup.over(schema)
        state = rollup.over("one").one("SELECT moments_agg(ARRAY[y, sessions], variant) FROM units")
        db = rollup.over(schema)
        for i, country in enumerate("abcdef"):
            db.run("INSERT INTO rollup VALUES (%s, %s, %s, NULL)", country, i, state)
        db.run("UPDATE rollup SET m = moments_relabel(m, '{\"treatment\": \"B, \\\"quoted\\\"\"}') WHERE country = 'c'")
    for sql in ("SELECT country, m FROM rollup", "SELECT moments_agg(m) FROM rollup", "SELECT country, m::jsonb FROM rollup"):
        rollup.rows(sql)
    assert rollup.over("many").one("SELECT count(*) FROM rollup AS a JOIN rollup AS b ON a.country = b.country AND a.m = b.m") == 6


def test_an_upsert_of_merged_states(rollup):
    """New units every day, merged into the states of their keys: on the workers, through the coordinator."""
    for schema in ("one", "many"):
        db = rollup.over(schema)
        db.run("ALTER TABLE rollup ADD PRIMARY KEY (country, day)")
        for cohort in (" WHERE unit_id < 1000", " WHERE unit_id BETWEEN 1000 AND 3999", " WHERE unit_id >= 4000"):
            db.run(FILL % cohort + " ON CONFLICT (country, day) DO UPDATE SET m = moments_merge(rollup.m, excluded.m)")
        assert db.one("SELECT count(*) FROM rollup") == 28
    for sql in ANSWERS[:-1]:
        rollup.rows(sql)
    (stored,) = rollup.over("many").rows("SELECT moments_agg(m) FROM rollup")
    (rows,) = rollup.over("one").rows("SELECT moments_agg(ARRAY[y, sessions], variant) FROM units")
    same(stored, rows)


def test_overlaps_of_cohorts(twice):
    twice.rows("SELECT o.* FROM cohort_overlaps('exposures', 'unit_id', '{variant,platform}') AS o")
    (result,) = twice.rows("SELECT bool_and(o.disjoint) AS disjoint FROM cohort_overlaps('units', 'unit_id', '{variant}') AS o")
    assert result.disjoint is True


def test_the_pattern_of_the_rollups_page(rollup):
    """Units are marked and their states merged in one statement; what was marked is not counted again."""
    for schema in ("one", "many"):
        db = rollup.over(schema)
        db.run("CREATE TABLE pending AS SELECT *, NULL::timestamptz AS rolled_up_at FROM units")
        if schema == "many":
            db.run("SELECT create_distributed_table('pending', 'unit_id', colocate_with => 'units')")
        db.run("ALTER TABLE rollup ADD PRIMARY KEY (country, day)")
        for last in (999, 3999, 3999, 5999):
            db.run("WITH fresh AS (UPDATE pending SET rolled_up_at = '2026-03-01' WHERE rolled_up_at IS NULL AND unit_id <= %d "
                   "RETURNING *) INSERT INTO rollup AS r (country, day, m) "
                   "SELECT coalesce(country, '?'), unit_id %% 7, moments_agg(ARRAY[y, sessions], variant) FROM fresh GROUP BY 1, 2 "
                   "ORDER BY 1, 2 ON CONFLICT (country, day) DO UPDATE SET m = moments_merge(r.m, excluded.m)" % last)
    try:
        for sql in ANSWERS[:-1]:
            rollup.rows(sql)
        assert rollup.over("many").one("SELECT sum(s.n) FROM rollup, moments_summary(m) AS s WHERE metric = 1") == 6000
    finally:
        rollup.db.run("DROP TABLE one.pending, many.pending")
