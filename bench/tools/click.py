"""ClickHouse in the process (chdb), over its own tables, with its own statistical aggregates."""

import json
import os

import chdb
from chdb.session import Session

import formulas
from tasks import METRICS, TABLES

from .base import SALT, Tool, postgres

TYPES = {"bigint": "Int64", "float8": "Float64", "text": "String"}


class ClickHouse(Tool):
    def __init__(self, settings):
        super().__init__(settings)
        self.session = Session(settings.directory + "/clickhouse")
        self.set_threads(1)

    def set_threads(self, number):
        self.clause = " SETTINGS max_threads = %d, max_memory_usage = %d, output_format_json_named_tuples_as_objects = 0" % (
            number,
            self.settings.memory_mb * 1_000_000,
        )

    def versions(self):
        return ["chdb " + chdb.__version__, "ClickHouse " + self.rows("SELECT version()")[0][0]]

    def load(self, tables):
        """By a file of tab-separated values, which both sides write and read."""
        self.session.query("CREATE DATABASE IF NOT EXISTS bench")
        connection = postgres()
        for table in tables:
            types = {c: TYPES[t] for c, t in TABLES[table].items()}
            if "variant" in types:
                types["variant"] = "LowCardinality(String)"
            columns = ", ".join("%s %s" % pair for pair in types.items())
            path = "%s/%s.tsv" % (self.settings.directory, table)
            with open(path, "wb") as file, connection.cursor() as cursor:
                cursor.copy_expert("COPY %s TO STDOUT" % table, file)
            self.session.query("CREATE TABLE bench.%s (%s) ENGINE = MergeTree ORDER BY tuple()" % (table, columns))
            self.session.query("INSERT INTO bench.%s SELECT * FROM file('%s', 'TSV', '%s')" % (table, path, columns))
            os.remove(path)
        connection.close()

    def unload(self, tables):
        for table in tables:
            self.session.query("DROP TABLE bench.%s SYNC" % table)

    def rows(self, sql):
        return json.loads(str(self.session.query(sql + self.clause, "JSONCompact")))["data"]

    def arms(self, columns):
        """Control and treatment; counts come as text, for JSON's sake."""
        return [
            [float(value) for value in row]
            for row in self.rows("SELECT %s FROM bench.units GROUP BY variant ORDER BY variant" % columns)
        ]

    def moments(self, x):
        return self.arms("count(), avg(revenue), avg({0}), varSamp(revenue), varSamp({0}), covarSamp(revenue, {0})".format(x))

    def t_tests(self, metrics, source):
        """welchTTest(0.95) gives statistic, p-value and the interval, whose middle is the difference."""
        # The group 0, less the group 1.
        columns = ", ".join("welchTTest(0.95)(%s, variant = 'control')" % m for m in metrics)
        (row,) = self.rows("SELECT %s FROM %s" % (columns, source))
        return [((low + high) / 2, p) for _, p, low, high in row]

    def welch(self):
        return self.t_tests(["revenue"], "bench.units")

    def ratio(self):
        return [formulas.ratio(*self.moments("sessions"))]

    def cuped(self):
        return [formulas.cuped(*self.moments("before"))]

    def scorecard(self):
        return self.t_tests(METRICS, "bench.wide")

    def ranks(self):
        # Its U is that of the group 0, which so has to be the treatment.
        ((u, p, control, treatment),) = self.rows(
            """SELECT (mannWhitneyUTest('two-sided', 0)(revenue, variant = 'control') AS test).1, test.2,
                      countIf(variant = 'control'), countIf(variant = 'treatment') FROM bench.units"""
        )
        return [(u / float(control) / float(treatment), p)]

    def assign(self):
        return int(self.rows("SELECT countIf(farmFingerprint64(concat('%s:', id)) >= 9223372036854775808) FROM bench.ids" % SALT)[0][0])

    def assign_md5(self):
        return int(
            self.rows(
                """SELECT countIf(reinterpretAsUInt32(reverse(substring(MD5(concat('%s-', id)), 1, 4))) %% 10000 >= 5000)
                   FROM bench.ids"""
                % SALT
            )[0][0]
        )

    def journey(self):
        # A unit without events gets 0, ClickHouse's default for what a LEFT JOIN does not find.
        return self.t_tests(
            ["total"],
            """(SELECT variant, total FROM bench.exposures
                LEFT JOIN (SELECT user_id, sum(amount) AS total FROM bench.events GROUP BY user_id) AS s USING (user_id))""",
        )
