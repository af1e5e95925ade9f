"""A connection to the server of the PG* environment, with answers that are easy to compare."""

import io
from collections import namedtuple

import numpy as np
import psycopg2
from psycopg2.extensions import Float, register_adapter

# It is a float, but psycopg2 would write what repr() gives: np.float64(0.5), from NumPy 2 on.
register_adapter(np.float64, lambda x: Float(float(x)))


def escape(value):
    """A value in COPY's text format."""
    if value is None:
        return r"\N"
    if isinstance(value, float):
        return repr(float(value))
    return (str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))


class Db:
    """One connection in autocommit mode, so that an error costs one statement."""

    def __init__(self, dbname):
        self.connection = psycopg2.connect("", dbname=dbname)
        self.connection.autocommit = True
        self.connection.set_client_encoding("UTF8")

    def run(self, sql, *args):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args or None)

    def rows(self, sql, *args):
        """All rows, as named tuples."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args or None)
            row = namedtuple("Row", [column.name for column in cursor.description], rename=True)
            return [row(*r) for r in cursor.fetchall()]

    def dicts(self, sql, *args):
        return [r._asdict() for r in self.rows(sql, *args)]

    def one(self, sql, *args):
        """The only row; its only column if it has but one."""
        rows = self.rows(sql, *args)
        assert len(rows) == 1, "%d rows from %s" % (len(rows), sql)
        return rows[0][0] if len(rows[0]) == 1 else rows[0]

    def error(self, sql, *args):
        """The error that the statement must raise."""
        try:
            rows = self.rows(sql, *args)
        except psycopg2.Error as e:
            return e
        raise AssertionError("no error from %s; it answered %r" % (sql, rows[:3]))

    def want_parallel(self, table):
        """Make the planner choose a parallel plan over a table, however small."""
        for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            self.run("SET %s = 0" % setting)
        self.run("ANALYZE %s" % table)

    def copy_rows(self, target, rows):
        """COPY rows (tuples) into target, a table with an optional column list."""
        text = io.StringIO("".join("\t".join(map(escape, r)) + "\n" for r in rows))
        with self.connection.cursor() as cursor:
            cursor.copy_expert("COPY %s FROM STDIN" % target, text)

    def copy_out(self, query):
        """The bytes of COPY (query) TO STDOUT in binary format."""
        out = io.BytesIO()
        with self.connection.cursor() as cursor:
            cursor.copy_expert("COPY (%s) TO STDOUT (FORMAT binary)" % query, out)
        return out.getvalue()

    def copy_binary(self, target, data):
        with self.connection.cursor() as cursor:
            cursor.copy_expert("COPY %s FROM STDIN (FORMAT binary)" % target, io.BytesIO(data))

    def close(self):
        self.connection.close()
