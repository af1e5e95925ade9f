"""Updates and merges where a sum of squares would have nothing left: mean 1e12, standard deviation 1.

    script/with-server /usr/bin/python3 test/python/stress.py [ROWS]       # the table of docs/accuracy.md: 1e8 rows

test_stress.py does the same with fewer rows.

Around 1e12 a float8 is a multiple of 2^-13, so the values here are 1e12 + (j - j_mean) / 2^13 with j = i K mod M:
for M = 28378 their variance over a cycle is 1, and everything about them is known exactly, for any number of rows.
Squares of them need 80 bits: the textbook formula E[y²] - E[y]² in float8 gives 1e13, not 1.
"""

import json
import random
import sys
import time
from fractions import Fraction

import reference as ref

CENTRE, M, STEP = 10 ** 12, 28378, Fraction(1, 8192)
K_Y, K_X = 10007, 18521         # coprime to M


def value(i, k):
    """The i-th value as an exact rational, which is a float8, too."""
    return CENTRE + (i * k % M - M // 2) * STEP


def sql_value(i, k):
    return "(%d + ((%s)::bigint * %d %% %d - %d) / 8192.0::float8)::float8" % (CENTRE, i, k, M, M // 2)


class Exact:
    """n, means and centred sums of products of rows 0 to n - 1, from whole cycles and the rest of one."""

    def __init__(self, n):
        whole, rest = divmod(n, M)
        sums = [0, 0, 0, 0, 0]
        for i in range(M):
            y, x = i * K_Y % M, i * K_X % M
            times = whole + (i < rest)
            sums = [s + times * v for s, v in zip(sums, (y, x, y * y, y * x, x * x))]
        y, x, yy, yx, xx = sums
        self.n = n
        self.means = [CENTRE + (Fraction(s, n) - M // 2) * STEP for s in (y, x)]
        self.comoments = [(Fraction(p) - Fraction(a * b, n)) * STEP ** 2
                          for p, a, b in ((yy, y, y), (yx, y, x), (xx, x, x))]


def arm(text, label="all"):
    """n, means (both parts, exactly) and co-moments in a state."""
    a = json.loads(text)["variants"][label]
    return a["n"], [Fraction(m) + Fraction(r) / a["n"] for m, r in zip(a["mean"], a["residual"])], a["comoments"]


def errors(text, exact, label="all"):
    """Largest errors: of the means as a share of the standard deviation, of the co-moments as one of the variances."""
    n, means, comoments = arm(text, label)
    assert n == exact.n
    variances = exact.comoments[0], exact.comoments[2]
    sds = [float(v / n) ** 0.5 for v in variances]
    scales = variances[0], Fraction(float(variances[0] * variances[1]) ** 0.5), variances[1]
    return (max(float(abs(a - b)) / sd for a, b, sd in zip(means, exact.means, sds)),
            max(float(abs(Fraction(a) - b) / s) for a, b, s in zip(comoments, exact.comoments, scales)))


def rows_sql(outer, inner, group=""):
    """States of outer x inner rows, made on the way; with a GROUP BY one for each value of the outer counter."""
    i = "a * %d + b" % inner
    return ("SELECT moments_agg(%s, %s, 'all') AS m FROM generate_series(0::bigint, %d) AS a, generate_series(0, %d) AS b %s"
            % (sql_value(i, K_Y), sql_value(i, K_X), outer - 1, inner - 1, group))


def one_pass(db, outer, inner):
    return db.one("SELECT m::text FROM (%s) AS s" % rows_sql(outer, inner))


def partial_states(db, parts, inner):
    """A temporary table of states (id, m), numbered in random order."""
    db.run("DROP TABLE IF EXISTS node; CREATE TEMP TABLE node (id int, m moments)")
    db.run("INSERT INTO node SELECT row_number() OVER (ORDER BY md5(a::text)) - 1, m FROM (%s) AS s"
           % rows_sql(parts, inner, "GROUP BY a").replace("SELECT", "SELECT a,", 1))


def random_tree(leaves, rng):
    """Merges of two random ones of those that are left: a list, per height, of (child, child, parent)."""
    left = list(range(leaves))
    height = [0] * leaves
    levels = {}
    while len(left) > 1:
        i = rng.randrange(len(left))
        left[i], left[-1] = left[-1], left[i]
        a = left.pop()
        j = rng.randrange(len(left))
        b, parent = left[j], len(height)
        height.append(max(height[a], height[b]) + 1)
        levels.setdefault(height[parent], []).append((a, b, parent))
        left[j] = parent
    return [levels[h] for h in sorted(levels)]


def merge_tree(db, leaves, rng):
    """The states in node, merged two at a time in a random tree: the last one's text."""
    levels = random_tree(leaves, rng)
    db.run("DROP TABLE IF EXISTS tree, done; CREATE TEMP TABLE done AS SELECT * FROM node;"
           "CREATE TEMP TABLE tree (height int, child int, parent int)")
    db.copy_rows("tree", [(h, child, parent) for h, level in enumerate(levels) for a, b, parent in level
                          for child in (a, b)])
    db.run("CREATE INDEX ON done (id); CREATE INDEX ON tree (height); ANALYZE done, tree")
    for h in range(len(levels)):
        db.run("INSERT INTO done SELECT parent, moments_agg(m) FROM tree JOIN done ON id = child WHERE height = %s "
               "GROUP BY parent", h)
    return db.one("SELECT m::text FROM done WHERE id = %s", levels[-1][-1][2])


def textbook(db, outer, inner):
    """What sums of squares in float8 make of the variance of y."""
    return db.one("SELECT (sum(y * y) - sum(y) * sum(y) / count(*)) / (count(*) - 1) FROM (SELECT %s AS y "
                  "FROM generate_series(0::bigint, %d) AS a, generate_series(0, %d) AS b) AS s"
                  % (sql_value("a * %d + b" % inner, K_Y), outer - 1, inner - 1))


if __name__ == "__main__":
    from conftest import Db

    connection = Db("postgres")
    connection.run("CREATE EXTENSION expstat; SET jit = off; SET work_mem = '256MB'")
    total = int(float(sys.argv[1])) if sys.argv[1:] else 10 ** 8
    inner = total // 10 ** 4
    exact = Exact(10 ** 4 * inner)
    print("| how | error of the means, in sd | error of variances and covariance, relative | seconds |\n|---|---|---|---|")

    def line(how, work):
        start = time.time()
        print("| %s | %.0e | %.0e | %.0f |" % (how, *errors(work(), exact), time.time() - start), flush=True)

    line("one pass over %d rows" % exact.n, lambda: one_pass(connection, 10 ** 4, inner))
    start = time.time()
    partial_states(connection, 10 ** 4, inner)
    print("10,000 states: %.0f s" % (time.time() - start), file=sys.stderr)
    line("10,000 states of %d rows, one after the other" % inner,
         lambda: connection.one("SELECT moments_agg(m ORDER BY id)::text FROM node"))
    for seed in range(1, 4):
        line("10,000 states of %d rows, random tree %d" % (inner, seed),
             lambda: merge_tree(connection, 10 ** 4, random.Random(seed)))
    print("E[y²] - E[y]² of %d rows: %r" % (10 ** 6, textbook(connection, 1000, 1000)))
