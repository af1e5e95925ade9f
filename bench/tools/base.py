"""What every tool is, and what several share."""

from collections import namedtuple

import psycopg2

# directory: for the tool's own files; memory_mb: what it may take, where it can be told.
Settings = namedtuple("Settings", "directory memory_mb")

SALT = "salt"


def postgres():
    """A connection to the server that PG* name."""
    connection = psycopg2.connect("")
    connection.autocommit = True
    return connection


def processes(number):
    """SQL for queries in so many processes."""
    return "SET max_parallel_workers_per_gather = %d" % (number - 1)


class Tool:
    """A task is a method of its name, which returns the answer; see tasks.py. A tool with a format
    of its own also has load(tables) and unload(tables)."""

    #: why a task is not there
    cannot = {}

    def __init__(self, settings):
        self.settings = settings

    def set_threads(self, number):
        raise NotImplementedError

    def versions(self):
        """What it is made of, as text: name and version."""
        raise NotImplementedError

    def notes(self):
        """Further figures of the last task: a dict."""
        return {}
