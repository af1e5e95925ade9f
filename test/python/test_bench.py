"""The comparison with the alternatives runs, and would notice a wrong answer. Only those tools
that Debian has: the others are for whoever runs it."""

import os
import pathlib
import subprocess
import sys

import pytest

BENCH = pathlib.Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def tasks():
    sys.path.insert(0, str(BENCH))
    try:
        import tasks
    finally:
        sys.path.remove(str(BENCH))
    return tasks


def run(*options):
    return subprocess.run(
        [sys.executable, str(BENCH / "compare.py"), "--runs", "1", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_small_run(tasks):
    done = run("--threads", "1", "--tools", "sql,pandas_copy", "10000")
    assert done.returncode == 0, done.stderr
    for task in tasks.TASKS:
        row = next(line for line in done.stdout.splitlines() if line.startswith("| " + task.title))
        assert row.count(" s") >= 3 and "—" not in row, row


def test_unknown_names():
    done = run("--tools", "abacus", "10000")
    assert done.returncode == 2 and "abacus" in done.stderr


@pytest.mark.parametrize("name", ["welch", "cuped", "ranks", "assign", "assign_md5"])
def test_wrong_answers_are_noticed(tasks, name):
    task = next(t for t in tasks.TASKS if t.name == name)
    if task.family == "ids":
        right, wrong = 5000, 5000 + (1 if name == "assign_md5" else 300)
        answers, errors = [right, wrong], None
    else:
        right = [(0.5, 1e-40)]
        answers, errors = [right, [(0.5, 1.1e-40)]], [0.01]
        assert not tasks.agrees(task, 10000, tasks.deviation(task, 10000, [(0.51, 1e-40)], right, errors))
    verdicts = [tasks.agrees(task, 10000, tasks.deviation(task, 10000, a, right, errors)) for a in answers]
    assert verdicts == [True, False]
