"""Databases in which an ordinary user has made, or a superuser will make, the extensions."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from connection import Db  # noqa: E402

from roles import MALLORY, OWNER, USER

NAME = "expstat_security_%d" % os.getpid()


class Server:
    """Makes databases, each of which OWNER has, and connections to them."""

    def __init__(self):
        self.admin = Db(os.environ.get("PGDATABASE", "postgres"))
        self.open, self.names = [], []

    def connect(self, database, role="postgres"):
        connection = Db(database)
        connection.run("SET SESSION AUTHORIZATION %s" % role)
        self.open.append(connection)
        return connection

    def database(self):
        name = "%s_%d" % (NAME, len(self.names))
        self.admin.run("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8' OWNER %s" % (name, OWNER))
        self.names.append(name)
        return name


@pytest.fixture(scope="session")
def server():
    server = Server()
    for role in (OWNER, USER, MALLORY):
        server.admin.run("CREATE ROLE %s LOGIN NOSUPERUSER" % role)
    try:
        yield server
    finally:
        for connection in server.open:
            connection.close()
        for name in server.names:
            server.admin.run("DROP DATABASE %s WITH (FORCE)" % name)
        for role in (OWNER, USER, MALLORY):
            server.admin.run("DROP ROLE %s" % role)
        server.admin.close()


@pytest.fixture(scope="session")
def installed(server):
    """A database in which its owner, no superuser, made both extensions."""
    name = server.database()
    server.connect(name, OWNER).run("CREATE EXTENSION expstat_registry CASCADE")
    return name


@pytest.fixture
def db(server, installed):
    return server.connect(installed)
