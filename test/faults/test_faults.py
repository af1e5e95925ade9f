"""What goes wrong around the extension: backends and workers that are killed in mid-aggregate, time, memory and disk
that run out.  The error is clean, the server goes on (or recovers by itself), and what was stored is still there.

These tests restart the server, so they run by themselves, last.
"""

import os
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

ROWS = 1500000
WIDE = "SELECT moments_agg(ARRAY[%s], v) FROM faults" % ", ".join("y + %d" % i for i in range(60))
SORTED = "SELECT (mann_whitney(y, v)).p_value FROM faults"
BOOTSTRAP = "SELECT (bootstrap_mean(i::text, y, v)).n FROM faults"


def connect():
    """A connection, as soon as the server takes one."""
    for _ in range(300):
        try:
            connection = psycopg2.connect("", application_name="faults")
            connection.autocommit = True
            return connection
        except psycopg2.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the server does not come back")


def ask(connection, sql, *args):
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture(scope="module")
def stored():
    """A table, and what was stored of it before anything happened."""
    c = connect()
    ask(c, "CREATE EXTENSION IF NOT EXISTS expstat")
    ask(c, "CREATE TABLE faults AS SELECT i, (i % 1009 + i / 1e6)::float8 AS y, 'v' || i % 2 AS v "
           "FROM generate_series(1, {}) AS i".format(ROWS))
    ask(c, "CREATE TABLE faults_states AS SELECT moments_agg(y, v) AS m FROM faults")
    ask(c, "ANALYZE faults")
    ask(c, "CHECKPOINT")
    c.close()
    yield answer(SURVIVORS)
    c = connect()
    ask(c, "DROP TABLE faults, faults_states")


SURVIVORS = "SELECT m::text, (SELECT count(*) FROM faults), (SELECT (welch_t(m)).p_value) FROM faults_states"


def answer(sql):
    """From a new connection; one that was let in just before the server noticed a death is tried again."""
    for _ in range(100):
        connection = connect()
        try:
            return ask(connection, sql)
        except psycopg2.OperationalError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError("the server does not come back")


@pytest.fixture
def session(stored):
    """A connection to do harm to; afterwards everything must still be there, for others and in a new connection."""
    connection = connect()
    yield connection
    connection.close()
    assert answer(SURVIVORS) == stored
    assert answer("SELECT (welch_t(y, v)).n FROM faults") == [(ROWS // 2,)]


def started(connection, sql):
    """Runs it in another thread; gives the list that its error or rows end up in, once it is running."""
    outcome = []

    def work():
        try:
            outcome.append(ask(connection, sql))
        except psycopg2.Error as error:
            outcome.append(error)

    pid = connection.info.backend_pid
    thread = threading.Thread(target=work)
    watcher = connect()
    thread.start()
    for _ in range(200):
        if ask(watcher, "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'", pid):
            break
        time.sleep(0.01)
    time.sleep(0.2)
    return thread, outcome, watcher


def finished(thread, outcome):
    thread.join(60)
    assert not thread.is_alive() and len(outcome) == 1
    return outcome[0]


def workers(watcher, leader):
    for _ in range(200):
        pids = [r[0] for r in ask(watcher, "SELECT pid FROM pg_stat_activity WHERE leader_pid = %s AND pid <> %s", leader, leader)]
        if pids:
            return pids
        time.sleep(0.01)
    raise AssertionError("no parallel worker")


def in_parallel(connection):
    for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0",
                    "max_parallel_workers_per_gather = 2", "jit = off"):
        ask(connection, "SET " + setting)


QUERIES = {"moments": WIDE, "sorted": SORTED, "bootstrap": BOOTSTRAP}


@pytest.mark.parametrize("query", QUERIES)
def test_a_terminated_backend(session, query):
    """SIGTERM: the session ends with 57P01, no other does."""
    ask(session, "SET max_parallel_workers_per_gather = 0")
    thread, outcome, watcher = started(session, QUERIES[query])
    os.kill(session.info.backend_pid, signal.SIGTERM)
    error = finished(thread, outcome)
    assert error.pgcode == "57P01" or isinstance(error, psycopg2.OperationalError), error
    assert ask(watcher, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("query", QUERIES)
def test_a_cancelled_query(session, query):
    """statement_timeout: the statement ends with 57014 and soon, the session goes on."""
    ask(session, "SET max_parallel_workers_per_gather = 0")
    ask(session, "SET statement_timeout = '300ms'")
    began = time.monotonic()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        ask(session, QUERIES[query])
    assert time.monotonic() - began < 5
    ask(session, "RESET statement_timeout")
    assert ask(session, "SELECT 1") == [(1,)]


def test_a_terminated_worker(session):
    """SIGTERM of a parallel worker: the query fails with an error, the session goes on."""
    in_parallel(session)
    thread, outcome, watcher = started(session, WIDE)
    os.kill(workers(watcher, session.info.backend_pid)[0], signal.SIGTERM)
    error = finished(thread, outcome)
    assert isinstance(error, psycopg2.Error) and error.pgcode == "57P01", error
    assert ask(session, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("whom", ["backend", "worker"])
def test_a_killed_process(session, whom):
    """SIGKILL: PostgreSQL restarts all sessions, as it must, and recovers."""
    in_parallel(session)
    thread, outcome, watcher = started(session, WIDE)
    pid = session.info.backend_pid
    os.kill(workers(watcher, pid)[0] if whom == "worker" else pid, signal.SIGKILL)
    assert isinstance(finished(thread, outcome), psycopg2.Error)


# A group for each row, whose states do not fit.
MANY_GROUPS = "SELECT count(m) FROM (SELECT moments_agg(ARRAY[%s], v) AS m FROM faults GROUP BY i) AS s" % ", ".join(["y"] * 60)
# All rows in memory.
ALL_ROWS = "SELECT (mann_whitney(y, v)).n FROM faults, generate_series(1, 20)"


def much_work_mem(session):
    for setting in ("work_mem = '4GB'", "enable_sort = off", "max_parallel_workers_per_gather = 0", "jit = off"):
        ask(session, "SET " + setting)


@pytest.mark.parametrize("query", ["groups", "rows"])
def test_memory_that_runs_out(session, query):
    """malloc gives no more: error 53200, the session goes on."""
    pid = session.info.backend_pid
    much_work_mem(session)
    ask(session, "SELECT (welch_t(y, v)).n FROM faults WHERE i < 10")      # all code is loaded
    with open("/proc/%d/statm" % pid) as f:
        size = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    owner = os.stat("/proc/%d" % pid)
    subprocess.run((["setpriv", "--reuid=%d" % owner.st_uid, "--regid=%d" % owner.st_gid, "--clear-groups"]
                    if os.getuid() == 0 else [])
                   + ["prlimit", "--pid", str(pid), "--as=%d" % (size + (200 << 20))], check=True, cwd="/")
    with pytest.raises(psycopg2.Error) as caught:
        ask(session, MANY_GROUPS if query == "groups" else ALL_ROWS)
    assert caught.value.pgcode == "53200", caught.value
    assert ask(session, "SELECT (welch_t(y, v)).n FROM faults WHERE i < 10") == [(5,)]


def memory_group():
    """A cgroup of our own, or None: (its folder, its file for the limit)."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = "%s/expstat_faults_%d" % (root, os.getpid())
        try:
            os.mkdir(folder)
        except OSError:
            continue
        if os.path.exists("%s/%s" % (folder, limit)):
            return folder, limit
        os.rmdir(folder)
    return None


def test_a_memory_limit_of_the_system(session):
    """The kernel kills a backend that is over its cgroup's limit: PostgreSQL recovers."""
    group = memory_group()
    if group is None:
        pytest.skip("no cgroup for memory can be made here")
    folder, limit = group
    try:
        with open("%s/%s" % (folder, limit), "w") as f:
            f.write(str(150 << 20))
        much_work_mem(session)
        with open(folder + "/cgroup.procs", "w") as f:
            f.write(str(session.info.backend_pid))
        with pytest.raises(psycopg2.OperationalError):
            ask(session, MANY_GROUPS)
    finally:
        connect()
        for _ in range(100):
            try:
                os.rmdir(folder)
                break
            except OSError:
                time.sleep(0.1)


def test_a_limit_on_temporary_files(session):
    """temp_file_limit: error 53400, the session goes on."""
    ask(session, "SET work_mem = '1MB'; SET temp_file_limit = '4MB'; SET max_parallel_workers_per_gather = 0")
    with pytest.raises(psycopg2.errors.ConfigurationLimitExceeded):
        ask(session, SORTED)
    ask(session, "RESET temp_file_limit")
    assert 0 <= ask(session, SORTED)[0][0] <= 1


def test_a_full_disk(session, tmp_path_factory):
    """A rank test that spills to a disk of 10 MB: error 53100, the session goes on, no file stays."""
    folder = str(tmp_path_factory.getbasetemp().parent / ("expstat_disk_%d" % os.getpid()))
    os.mkdir(folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m,mode=777", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        os.rmdir(folder)
        pytest.skip("no small disk can be mounted here: " + mounted.stderr.strip())
    try:
        os.chmod(os.path.dirname(folder), 0o755)
        server = ask(session, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")[0][0]
        status = os.stat("/proc/%d" % server)
        os.chown(folder, status.st_uid, status.st_gid)
        ask(session, "CREATE TABLESPACE faults_disk LOCATION '%s'" % folder)
        ask(session, "SET temp_tablespaces = 'faults_disk'; SET work_mem = '1MB'; SET max_parallel_workers_per_gather = 0")
        with pytest.raises(psycopg2.errors.DiskFull):
            ask(session, SORTED)
        ask(session, "RESET temp_tablespaces")
        assert 0 <= ask(session, SORTED)[0][0] <= 1
        files = [f for _, _, names in os.walk(folder) for f in names]
        assert files == []
        ask(session, "DROP TABLESPACE faults_disk")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)
