"""DuckDB: over PostgreSQL's tables by its extension, and over a file of its own."""

import os
import pathlib

import duckdb
import duckdb_extension_postgres_scanner

from plain_sql import ByHand

from .base import SALT, Tool


def attach_postgres(connection):
    """The packaged extension: DuckDB's own INSTALL would download it."""
    folder = pathlib.Path(duckdb_extension_postgres_scanner.__path__[0])
    connection.execute("LOAD '%s'" % next(folder.rglob("*.duckdb_extension")))
    connection.execute(
        "ATTACH 'host=%s user=%s dbname=%s' AS pg (TYPE postgres, READ_ONLY)"
        % tuple(os.environ[name] for name in ("PGHOST", "PGUSER", "PGDATABASE"))
    )


class DuckDb(ByHand, Tool):
    file = ":memory:"

    def __init__(self, settings):
        super().__init__(settings)
        self.connection = duckdb.connect(
            self.file.format(settings.directory),
            config={
                "memory_limit": "%dMB" % settings.memory_mb,
                "temp_directory": settings.directory + "/duckdb-temporary",
            },
        )

    def set_threads(self, number):
        self.connection.execute("SET threads = %d" % number)

    def versions(self):
        return ["DuckDB " + duckdb.__version__]

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def assign(self):
        sql = "SELECT count(*) FROM {ids} WHERE hash('%s:' || id) < 9223372036854775808" % SALT
        return self.query(sql)[0][0]

    def assign_md5(self):
        sql = "SELECT count(*) FROM {ids} WHERE ('0x' || substr(md5('%s-' || id), 1, 8))::bigint %% 10000 >= 5000" % SALT
        return self.query(sql)[0][0]


class OverPostgres(DuckDb):
    def __init__(self, settings):
        super().__init__(settings)
        attach_postgres(self.connection)

    def table(self, name):
        return "pg.public." + name


class OwnFile(DuckDb):
    file = "{}/duckdb.db"

    def load(self, tables):
        attach_postgres(self.connection)
        for table in tables:
            self.connection.execute("CREATE TABLE %s AS SELECT * FROM pg.public.%s" % (table, table))
        self.connection.execute("CHECKPOINT")
        self.connection.execute("DETACH pg")

    def unload(self, tables):
        for table in tables:
            self.connection.execute("DROP TABLE " + table)
        self.connection.execute("CHECKPOINT")

    def table(self, name):
        return name
