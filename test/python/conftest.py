"""A database of its own with the extension in it, made once per run and dropped at its end.

The server comes from the PG* environment: a private one where CREATE EXTENSION expstat works.
"""

import os

import psycopg2
import pytest

from connection import Db

DATABASE = "expstat_pytest_%d" % os.getpid()


@pytest.fixture(scope="session")
def database():
    admin = psycopg2.connect("", dbname=os.environ.get("PGDATABASE", "postgres"))
    admin.autocommit = True
    cursor = admin.cursor()
    # A linguistic default collation, so that a result in C order is no accident of the database.
    cursor.execute("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8' "
                   "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" % DATABASE)
    try:
        db = Db(DATABASE)
        db.run("CREATE EXTENSION expstat")
        db.close()
        yield DATABASE
    finally:
        cursor.execute("DROP DATABASE IF EXISTS %s WITH (FORCE)" % DATABASE)
        admin.close()


@pytest.fixture(scope="module")
def db(database):
    """A connection per test file: temporary tables are the file's own."""
    connection = Db(database)
    yield connection
    connection.close()


@pytest.fixture
def fresh(database):
    """A connection of the test's own, for those that change settings."""
    connection = Db(database)
    yield connection
    connection.close()
