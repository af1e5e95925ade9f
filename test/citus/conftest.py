"""A cluster with expstat and the same rows twice: in distributed tables, in the schema many, and in plain tables of the
coordinator, in the schema one, which PostgreSQL plans by itself.

The coordinator comes from the PG* environment: test/citus/run makes one.
"""

import os
import sys

import numpy as np
import psycopg2.extras
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))

from connection import Db  # noqa: E402
from test_laws import HARD_LABELS, same_state  # noqa: E402

UNITS = 6000
DAYS = 14

TABLES = """
CREATE TABLE units (unit_id bigint, variant text, label text, country text, success boolean,
                    y float8, x float8, sessions float8, category text);
CREATE TABLE exposures (unit_id bigint, variant text, exposed_at timestamptz, platform text);
CREATE TABLE days (day int, effect float8, std_error float8);
CREATE TABLE cells (cell int, country text, m moments, b bootstrap);
"""


def distribute(db):
    for table, column in [("units", "unit_id"), ("exposures", "unit_id"), ("days", "day"), ("cells", "cell")]:
        colocated = ", colocate_with => 'many.units'" if table == "exposures" else ""
        db.run("SELECT create_distributed_table('many.%s', '%s'%s)" % (table, column, colocated))


def fill(db):
    """Effects that no rounding hides; units without a past, labels of every kind, units in two variants."""
    rng = np.random.default_rng(20260301)
    units, exposures = [], []
    for i in range(UNITS):
        treated = i % 2
        x = rng.lognormal(1, 1)
        units.append((i, "treatment" if treated else "control", HARD_LABELS[i % len(HARD_LABELS)],
                      ["DE", "FR", None, "it's, \"IT\""][rng.integers(4)], bool(rng.random() < 0.3 + 0.1 * treated),
                      float(1 + x + rng.lognormal(0, 1) * (1 + 0.3 * treated)), float(x) if rng.random() < 0.9 else None,
                      float(rng.integers(1, 9)), "abc"[rng.integers(3 - treated)]))
        for _ in range(rng.integers(1, 4) if i % 50 else 0):
            moved = rng.random() < 0.01
            exposures.append((i, "control" if bool(treated) == moved else "treatment",
                              "2026-03-%02d %02d:%02d:%02d.%06d+00" % (
                                  rng.integers(1, DAYS + 1), rng.integers(24), rng.integers(60), rng.integers(60),
                                  rng.integers(10 ** 6)), ["ios", "web", None][rng.integers(3)]))
    db.copy_rows("one.units", units)
    db.copy_rows("one.exposures", exposures)
    db.run("INSERT INTO one.days SELECT i, 2 - 0.05 * i + 0.3 * sin(i), 0.1 + 0.01 * (i % 7) FROM generate_series(1, 60) AS i")
    db.run("SET search_path = one, public")
    db.run("INSERT INTO cells SELECT row_number() OVER (), country, moments_agg(y, variant), "
           "bootstrap_agg(unit_id::text, y, variant) FROM units GROUP BY unit_id % 16, country")
    for table in ("units", "exposures", "days", "cells"):
        db.run("INSERT INTO many.%s SELECT * FROM one.%s" % (table, table))


@pytest.fixture(scope="session")
def db():
    db = Db("postgres")
    db.run("CREATE EXTENSION expstat")
    db.run("SET citus.shard_count = 6")
    for schema in ("one", "many"):
        db.run("CREATE SCHEMA %s" % schema)
        db.run("SET search_path = %s, public" % schema)
        db.run(TABLES)
    distribute(db)
    fill(db)
    yield db
    db.close()


def same(a, b):
    """Numbers to 1e-12, the scale of a state's numbers as in test_laws; all else exactly."""
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        assert len(a) == len(b), (a, b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(a, float) and isinstance(b, float):
        assert a == b or abs(a - b) <= 1e-12 * max(abs(a), abs(b)), (a, b)
    elif isinstance(a, str) and isinstance(b, str) and a.startswith('{"version"'):
        same_state(a, b, 1e-12)
    else:
        assert a == b


class Twice:
    """The same statement over the distributed tables and over one node's."""

    def __init__(self, db):
        self.db = db
        for (name,) in db.rows("SELECT DISTINCT t.typname FROM pg_proc AS p JOIN pg_type AS t ON t.oid = p.prorettype "
                               "WHERE p.prokind = 'a' AND t.typtype = 'c' AND p.pronamespace = 'public'::regnamespace"):
            psycopg2.extras.register_composite("public." + name, db.connection)

    def over(self, schema):
        self.db.run("SET search_path = %s, public" % schema)
        return self.db

    def rows(self, sql, *args):
        """The rows over the distributed tables, which must be those of one node in any order; what makes a row
        unique comes first in it."""
        many, one = (sorted(self.over(schema).rows(sql, *args), key=str) for schema in ("many", "one"))
        assert one, sql
        same(many, one)
        return many

    def in_parts(self, sql, name):
        """Do the workers aggregate, and the coordinator only combines their states?  (From 14 on they are binary.)"""
        plan = self.plan(sql)
        binary = "binary_" if "coord_binary_combine_agg(" in plan else ""
        assert "coord_%scombine_agg(" % binary in plan, plan
        assert "worker_%spartial_agg('public.%s(" % (binary, name) in plan, plan

    def plan(self, sql):
        """The plan over the distributed tables, as text."""
        return "\n".join(line[0] for line in self.over("many").rows("EXPLAIN (VERBOSE, COSTS off) " + sql))

    def error(self, sql):
        """The error over the distributed tables, with the code and the message of one node's."""
        many, one = (self.over(schema).error(sql) for schema in ("many", "one"))
        assert (many.pgcode, many.diag.message_primary) == (one.pgcode, one.diag.message_primary)
        return many


@pytest.fixture(scope="session")
def twice(db):
    return Twice(db)


@pytest.fixture(scope="session")
def labels():
    return HARD_LABELS
