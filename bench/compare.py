"""expstat beside the alternatives: makes the tables, does every task with every tool in turn,
holds the answers against expstat's and prints Markdown. Wants a server where CREATE EXTENSION
expstat works in the PG* environment, and makes a database there for the while.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time

import psycopg2

import report
import tasks
import tools
from tools.base import Settings
from worker import Cannot, Failed, Worker


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    add = parser.add_argument
    add("units", type=int, nargs="+", help="numbers of units, each 1000 or more")
    add("--runs", type=int, default=5, help="the median of so many, after one to warm up (with 1: without)")
    add("--threads", default="1,2", help="measure with so many threads (of PostgreSQL: processes)")
    add("--tools", default=",".join(tools.TITLES), help="of %(default)s; expstat is always there")
    add("--tasks", default=",".join(t.name for t in tasks.TASKS), help="of %(default)s")
    add("--memory", type=int, default=3000, metavar="MB", help="what DuckDB and ClickHouse may take each")
    add("--plot", metavar="FILE", help="draw the ratios: .svg or .png")
    options = parser.parse_args()
    if min(options.units) < 1000 or options.runs < 1:
        parser.error("at least 1000 units, and 1 run")
    options.threads = [int(n) for n in options.threads.split(",")]
    options.tools = options.tools.split(",")
    options.tasks = options.tasks.split(",")
    unknown = {*options.tools, *options.tasks} - {*tools.TITLES, *(t.name for t in tasks.TASKS)}
    if unknown:
        parser.error("unknown: " + ", ".join(unknown))
    # expstat first, for the others are held against it.
    options.tools = [t for t in tools.TITLES if t in options.tools or t == "expstat"]
    options.tasks = [t for t in tasks.TASKS if t.name in options.tasks]
    return options


def say(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def execute(*statements, dbname=None):
    connection = psycopg2.connect("", **({"dbname": dbname} if dbname else {}))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


@contextlib.contextmanager
def database():
    """A new one, where PGDATABASE points; dropped at the end."""
    before = os.environ.get("PGDATABASE", "postgres")
    name = "expstat_bench_%d" % os.getpid()
    execute("CREATE DATABASE " + name, dbname=before)
    os.environ["PGDATABASE"] = name
    try:
        execute("CREATE EXTENSION expstat", "CREATE EXTENSION pg_prewarm")
        yield
    finally:
        os.environ["PGDATABASE"] = before
        execute("DROP DATABASE %s WITH (FORCE)" % name, dbname=before)


class Cell:
    """A tool at a task: its runs, or why there are none."""

    def __init__(self, tool):
        self.tool = tool
        self.times = []
        self.last = None
        self.reason = None  # why there is no answer
        self.failed = False
        self.deviation = None

    @property
    def seconds(self):
        return None if self.reason else statistics.median(self.times)

    def run(self, worker, task, counts):
        if self.reason:
            return
        try:
            self.last = worker.ask(task.name)
            if counts:
                self.times.append(self.last.seconds)
        except Cannot as error:
            self.reason = str(error)
        except Failed as error:
            self.fail(str(error))

    def fail(self, reason):
        self.reason = reason.splitlines()[0]
        self.failed = True
        say("FAILED: %s: %s" % (self.tool, reason))

    def check(self, task, units, ours):
        """A benchmark of a wrong answer is worthless."""
        if self.reason:
            return
        self.deviation = tasks.deviation(
            task, units, self.last.answer, ours.answer, ours.notes.get("std_errors")
        )
        if not tasks.agrees(task, units, self.deviation):
            self.fail("%r, where expstat has %r" % (self.last.answer, ours.answer))


class Measurement:
    """A task at a size: a cell per tool."""

    def __init__(self, task, units, threads, cells):
        self.task, self.units, self.threads, self.cells = task, units, threads, cells


def measure(task, units, threads, workers, runs):
    """All tools in turn, run after run, so that what slows the machine slows them alike."""
    cells = [Cell(tool) for tool in workers]
    for worker in workers.values():
        worker.ask("set_threads", threads)
    for number in range(runs + 1 if runs > 1 else 1):
        for cell in cells:
            cell.run(workers[cell.tool], task, counts=number > 0 or runs == 1)
    if cells[0].failed:
        sys.exit("expstat itself failed")
    for cell in cells:
        cell.check(task, units, cells[0].last)
    say(", ".join("%s %.3f s" % (c.tool, c.seconds) for c in cells if not c.reason))
    return Measurement(task, units, threads, cells)


def load(family, units, workers):
    """Makes a family's tables, and hands them to the tools with formats of their own: seconds."""
    start = time.perf_counter()
    execute(*tasks.statements(family, units))
    say("made %s of %d units in %.1f s" % (" and ".join(tasks.FAMILIES[family]), units, time.perf_counter() - start))
    loading = {}
    for tool in tools.OWN_FORMAT & workers.keys():
        # With all cores: it is not what is compared.
        workers[tool].ask("set_threads", os.cpu_count())
        loading[tool] = workers[tool].ask("load", tasks.FAMILIES[family]).seconds
    return loading


def unload(family, workers):
    for tool in tools.OWN_FORMAT & workers.keys():
        workers[tool].ask("unload", tasks.FAMILIES[family])
    execute("DROP TABLE " + ", ".join(tasks.FAMILIES[family]))


def main():
    options = arguments()
    measurements, loadings = [], {}
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="expstat-bench-"))
        stack.enter_context(database())
        settings = Settings(scratch, options.memory)
        workers = {tool: stack.enter_context(Worker(tool, settings)) for tool in options.tools}
        versions = [v for worker in workers.values() for v in worker.ask("versions").answer]
        for units in options.units:
            for family in tasks.FAMILIES:
                wanted = [task for task in options.tasks if task.family == family]
                if not wanted:
                    continue
                loadings[units, family] = load(family, units, workers)
                for task in wanted:
                    for threads in options.threads:
                        say("%s, %d thread(s)" % (task.title, threads))
                        measurements.append(measure(task, units, threads, workers, options.runs))
                unload(family, workers)
    print(report.markdown(measurements, loadings, list(dict.fromkeys(versions)), options))
    if options.plot:
        report.plot(measurements, options.plot)
    if any(cell.failed for m in measurements for cell in m.cells):
        sys.exit("some answers are missing or wrong: see above")


if __name__ == "__main__":
    main()
