"""What is measured: the tasks, the tables that they read, and when an answer is right.

An answer of a comparison is a list of (diff, p_value), an element per metric; for the rank test
`diff` is the superiority. That of an assignment is the number of units in the treatment.
"""

import math
from collections import namedtuple

# tolerance: of diff in standard errors and of the p-value relative to itself; of an assignment, see deviation()
Task = namedtuple("Task", "name title family tolerance")

TASKS = [
    Task("welch", "Welch's t, one metric", "units", 1e-9),
    Task("ratio", "ratio, delta method", "units", 1e-9),
    # theta from all units instead of within the arms is as good: they differ by O(1 / units)
    Task("cuped", "CUPED, one covariate", "units", 1e-3),
    Task("scorecard", "scorecard, 20 metrics", "wide", 1e-9),
    Task("ranks", "Mann-Whitney", "units", 1e-9),
    Task("assign", "assignment, the tool's hash", "ids", 4.5),
    Task("assign_md5", "assignment, MD5", "ids", 0),
    Task("journey", "exposures joined to events", "journey", 1e-9),
]

# Columns as PostgreSQL has them.
TABLES = {
    "units": {"user_id": "bigint", "variant": "text", "revenue": "float8", "before": "float8", "sessions": "float8"},
    "wide": {"variant": "text", **{"m%d" % i: "float8" for i in range(1, 21)}},
    "ids": {"id": "text"},
    "exposures": {"user_id": "bigint", "variant": "text"},
    "events": {"user_id": "bigint", "amount": "float8"},
}

FAMILIES = {"units": ["units"], "wide": ["wide"], "ids": ["ids"], "journey": ["exposures", "events"]}

METRICS = ["m%d" % i for i in range(1, 21)]


def rows_of(family, units):
    """How many rows its tables have."""
    if family == "wide":
        return max(units // 5, 100)
    if family == "ids":
        return min(units, 10_000_000)
    return units


def statements(family, units):
    """SQL that makes a family's tables: the same rows every time."""
    rows = rows_of(family, units)
    variant = "CASE WHEN random() < 0.5 THEN 'control' ELSE 'treatment' END"
    yield "SELECT setseed(0.42)"
    if family == "units":
        # Four in ten buy nothing; the metric follows its own past.
        yield f"""
            CREATE UNLOGGED TABLE units AS
            SELECT user_id, variant,
                   CASE WHEN u < 0.4 THEN 0
                        ELSE (0.5 * before - 10 * ln(1 - random())) * CASE variant WHEN 'control' THEN 1 ELSE 1.002 END
                   END AS revenue, before, sessions
            FROM (SELECT i AS user_id, {variant} AS variant, random() AS u,
                         -20 * ln(1 - random()) AS before, 1 + floor(10 * random()) AS sessions
                  FROM generate_series(1::bigint, {rows}) AS i) AS s"""
    elif family == "wide":
        columns = ", ".join("%d * random() AS m%d" % (i, i) for i in range(1, 21))
        yield f"CREATE UNLOGGED TABLE wide AS SELECT {variant} AS variant, {columns} FROM generate_series(1, {rows})"
    elif family == "ids":
        yield f"CREATE UNLOGGED TABLE ids AS SELECT 'user-' || i AS id FROM generate_series(1, {rows}) AS i"
    elif family == "journey":
        # As many events as units, of random units: 37 in 100 have none.
        yield f"""
            CREATE UNLOGGED TABLE exposures AS
            SELECT i AS user_id, {variant} AS variant FROM generate_series(1::bigint, {rows}) AS i"""
        yield f"""
            CREATE UNLOGGED TABLE events AS
            SELECT 1 + floor({rows} * random())::bigint AS user_id, -20 * ln(1 - random()) AS amount
            FROM generate_series(1, {rows})"""
    for table in FAMILIES[family]:
        yield f"VACUUM (FREEZE, ANALYZE) {table}"
        yield f"SELECT pg_prewarm('{table}')"


def deviation(task, units, answer, reference, std_errors):
    """How far an answer is from expstat's, by the measure that the task's tolerance is of."""
    if task.name == "assign":
        # Another hash is another split, which has to be a fair one: in standard errors from a half.
        rows = rows_of(task.family, units)
        return abs(answer - rows / 2) / (math.sqrt(rows) / 2)
    if task.name == "assign_md5":
        return abs(answer - reference)
    assert len(answer) == len(reference)
    return max(
        max(abs(diff - diff0) / se, abs(p - p0) / p0)
        for (diff, p), (diff0, p0), se in zip(answer, reference, std_errors)
    )


def agrees(task, units, distance):
    """The tolerance is for up to ten million rows: a plain sum of n numbers loses digits in proportion to n, at
    worst (Higham 1993), and that is what the other tools take."""
    return distance <= task.tolerance * max(1, rows_of(task.family, units) / 1e7)
