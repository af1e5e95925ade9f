"""The tools that are compared, a class each; imported only in the process that runs it."""

import importlib

# By the name on the command line; the class imports what others need not have.
CLASSES = {
    "expstat": "ours.Expstat",
    "sql": "by_hand.PlainSql",
    "pandas_read_sql": "frames.ReadSql",
    "pandas_copy": "frames.Copy",
    "tea_tasting": "tea.TeaTasting",
    "duckdb_postgres": "duck.OverPostgres",
    "duckdb": "duck.OwnFile",
    "clickhouse": "click.ClickHouse",
}

TITLES = {
    "expstat": "expstat",
    "sql": "SQL by hand",
    "pandas_read_sql": "pandas.read_sql, scipy",
    "pandas_copy": "COPY, pandas, scipy",
    "tea_tasting": "tea-tasting",
    "duckdb_postgres": "DuckDB over PostgreSQL",
    "duckdb": "DuckDB, own file",
    "clickhouse": "ClickHouse, own table",
}

# What PostgreSQL's tables are loaded into first.
OWN_FORMAT = {"duckdb", "clickhouse"}


def make(name, settings):
    module, cls = CLASSES[name].split(".")
    return getattr(importlib.import_module("tools." + module), cls)(settings)
