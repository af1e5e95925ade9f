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
    # A linguistic default collation, so that a result in C order is no accident of the database.  A PostgreSQL that was
    # built without ICU has the system's.
    cursor.execute("SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')")
    locale = "'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" if cursor.fetchone()[0] else "'en_US.UTF-8'"
    cursor.execute("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE %s" % (DATABASE, locale))
    try:
        db = Db(DATABASE)
        db.run("CREATE EXTENSION expstat")
        db.close()
        yield DATABASE
    finally:
        cursor.execute("DROP DATABASE IF EXISTS %s WITH (FORCE)" % DATABASE)
        admin.close()


@pytest.fixture(scope="module")
def registry(database, request):
    """A connection to a database of the test file's own, with the registry in it: other tests shall not see it, nor it them."""
    name = "%s_%s" % (database, request.module.__name__)
    admin = Db(database)
    admin.run("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'" % name)
    connection = Db(name)
    connection.run("CREATE EXTENSION expstat_registry CASCADE")
    connection.run("SET timezone = 'UTC'")
    yield connection
    connection.close()
    admin.run("DROP DATABASE %s WITH (FORCE)" % name)
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
