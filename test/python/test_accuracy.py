"""Every column of welch_t, proportion_z, srm and p_adjust on random cases, to 1e-10 relative.

The expected values are reference.py's; the tests named test_reference_… hold those against scipy and
statsmodels first. All cases of a kind are loaded into one table and asked for with one query.
"""

import functools
import gc
import json
import random
import types

import numpy as np
import pytest
from mpmath import mpf
from scipy import optimize, stats
from statsmodels.stats import multitest, proportion as sm_proportion, weightstats

import reference as ref

CASES = 320
LABELS = [["control", "treatment", "b", "a", "zz"],       # `control` wins though `a` and `b` sort before it
          ["b", "B", "á", "A", "Z"],                      # C order: A B Z b á, unlike any linguistic one
          ["control", "Control", "", "x,\"y\"", "naïve"],
          ["true", "false", "10", "9", "1"]]
ALTERNATIVES = ["two-sided", "greater", "less"]
LIFT_METHODS = ["delta", "log", "fieller"]
ALPHAS = [0.05, 0.05, 0.1, 0.01, 0.001, 0.32, 0.9]
SM_ALTERNATIVE = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


def c_order(labels):
    return sorted(labels, key=lambda s: s.encode())


def default_control(labels):
    return "control" if "control" in labels else c_order(labels)[0]


def log_uniform(rng, low, high):
    return int(round(np.exp(rng.uniform(np.log(low), np.log(high)))))


METRICS = {
    "normal": lambda rng, n: rng.normal(rng.uniform(5, 7), 2, n),
    "lognormal": lambda rng, n: rng.lognormal(rng.uniform(0, 0.3), 1.5, n),
    "zero inflated": lambda rng, n: np.where(rng.random(n) < 0.85, 0, rng.gamma(2, 20, n)),
    "negative": lambda rng, n: rng.normal(rng.uniform(-40, -38), 3, n),
    "around zero": lambda rng, n: rng.normal(rng.uniform(-0.5, 0.5), 1, n),
    "offset 1e9": lambda rng, n: 1e9 + rng.normal(rng.uniform(0, 0.2), 1, n),
    "offset -1e12": lambda rng, n: -1e12 + rng.normal(rng.uniform(0, 2), 10, n),
    "cents": lambda rng, n: np.round(rng.exponential(30, n), 2),
    "counts": lambda rng, n: rng.poisson(3, n).astype(float),
    "tiny": lambda rng, n: rng.normal(2e-9, 1e-9, n),
}


# --- welch_t -------------------------------------------------------------------------------------

class WelchCase:
    def __init__(self, i, rng):
        self.id = i
        k = int(rng.integers(2, 6))
        self.labels = list(rng.permutation(LABELS[i % len(LABELS)][:k]))
        self.kinds = [list(METRICS)[(i + shift) % len(METRICS)] for shift in (0, 3, 7)]
        self.sizes = {v: log_uniform(rng, 2, 2000) for v in self.labels}
        self.data = {v: [METRICS[kind](rng, n).tolist() for kind in self.kinds] for v, n in self.sizes.items()}
        self.arms = {v: [ref.Arm(column) for column in columns] for v, columns in self.data.items()}

    def name(self):
        return "case %d (%s; n %s)" % (self.id, ", ".join(self.kinds), self.sizes)


@pytest.fixture(scope="module")
def welch_data():
    rng = np.random.default_rng(20240501)
    return [WelchCase(i, rng) for i in range(CASES)]


@pytest.fixture(scope="module")
def welch_cases(db, welch_data):
    """Rows in welch_rows, states of dimension 1, 2 and 3 in welch_states."""
    cases = welch_data
    db.run("CREATE TEMP TABLE welch_rows (case_id int, variant text, y float8, x float8, z float8)")
    rows = [(c.id, v, *values) for c in cases for v, columns in c.data.items() for values in zip(*columns)]
    random.Random(1).shuffle(rows)
    db.copy_rows("welch_rows", rows)
    db.run("""CREATE TEMP TABLE welch_states AS
              SELECT case_id, moments_agg(y, variant) AS m1, moments_agg(y, x, variant) AS m2,
                     moments_agg(ARRAY[y, x, z], variant) AS m3
              FROM welch_rows GROUP BY case_id""")
    return cases


def compare_row(case, got, expected):
    """To 1e-10 relative; where the exact difference is 0, to the rounding of the two estimates."""
    zero = {}
    if expected["diff"] == 0 and expected["estimate"]:
        size, se = 1e-15 * abs(float(expected["estimate"])), float(expected["std_error"] or 0)
        zero = {"diff": size, "statistic": size / se if se else 0, "lift": 1e-15}
    return ref.differences(case, got, expected, zero=zero)


@functools.lru_cache(maxsize=None)
def expected_welch(case, treatment, control, metric=1, **options):
    arms = case.arms
    row = ref.welch(arms[treatment][metric - 1], arms[control][metric - 1], **options)
    row.update(variant=treatment, control=control)
    return types.MappingProxyType(row)


def test_reference_agrees_with_scipy_and_statsmodels(welch_data):
    """Welch's t: scipy from summary statistics, statsmodels from the raw rows, on the well-scaled metrics."""
    lines, checked = [], 0
    for case in welch_data:
        control = default_control(case.labels)
        treatment = next(v for v in case.labels if v != control)
        if "offset" in case.kinds[0]:
            continue
        alternative = ALTERNATIVES[case.id % 3]
        alpha, null_diff = ALPHAS[case.id % len(ALPHAS)], 0.25 * (case.id % 4)
        t, c = (np.array(case.data[v][0]) for v in (treatment, control))
        if t.var() + c.var() == 0:
            continue
        mine = expected_welch(case, treatment, control, alpha=alpha, alternative=alternative, null_diff=null_diff)
        means = weightstats.CompareMeans(weightstats.DescrStatsW(t), weightstats.DescrStatsW(c))
        statistic, p, df = means.ttest_ind(SM_ALTERNATIVE[alternative], "unequal", value=null_diff)
        low, high = means.tconfint_diff(alpha, SM_ALTERNATIVE[alternative], "unequal")
        theirs = dict(statistic=statistic, p_value=p, df=df, diff_low=low, diff_high=high, diff=t.mean() - c.mean(),
                      std_error=means.std_meandiff_separatevar)
        s, p = stats.ttest_ind_from_stats(t.mean() - null_diff, t.std(ddof=1), len(t), c.mean(), c.std(ddof=1),
                                          len(c), equal_var=False, alternative=alternative)
        if mine["p_value"] < 1e-300:
            continue
        # scipy's own quantile of t is off by up to 1e-9 (its survival function gives another alpha back)
        rel = {"diff_low": 1e-7, "diff_high": 1e-7, "p_value": 1e-9}
        for column in theirs:
            lines += ref.differences(case.name(), theirs, {column: mine[column]}, rel.get(column, 1e-10))
        lines += ref.differences(case.name() + " scipy", dict(statistic=s, p_value=p),
                                 {k: mine[k] for k in ("statistic", "p_value")}, rel=1e-9)
        checked += 1
    ref.report(lines, "the reference against statsmodels and scipy")
    assert checked > 200


def test_welch_one_step(db, welch_cases):
    """welch_t(y, variant) over two variants, default control, and with the third argument."""
    pairs = []
    for case in welch_cases:
        for treatment in case.labels:
            for control in case.labels:
                if treatment != control and (case.id + len(treatment)) % 2:
                    pairs.append((case.id, treatment, control))
    db.run("CREATE TEMP TABLE welch_pairs (case_id int, treatment text, control text)")
    db.copy_rows("welch_pairs", pairs)
    got = db.dicts("""
        SELECT case_id, treatment, asked, (two).*, 2 AS arguments FROM (
            SELECT p.case_id, treatment, control AS asked, welch_t(y, variant) AS two
            FROM welch_pairs p JOIN welch_rows r ON r.case_id = p.case_id AND r.variant IN (treatment, control)
            GROUP BY p.case_id, treatment, control) q
        UNION ALL
        SELECT case_id, treatment, asked, (three).*, 3 AS arguments FROM (
            SELECT p.case_id, treatment, control AS asked, welch_t(y, variant, control) AS three
            FROM welch_pairs p JOIN welch_rows r ON r.case_id = p.case_id AND r.variant IN (treatment, control)
            GROUP BY p.case_id, treatment, control) q""")
    assert len(got) == 2 * len(pairs) > 600
    lines = []
    for row in got:
        case, labels = welch_cases[row["case_id"]], [row["treatment"], row["asked"]]
        control = row["asked"] if row["arguments"] == 3 else default_control(labels)
        treatment = labels[1 - labels.index(control)]
        lines += compare_row("%s, %d arguments" % (case.name(), row["arguments"]), row,
                             expected_welch(case, treatment, control))
    ref.report(lines, "one-step welch_t")


def test_welch_from_moments(db, welch_cases):
    """welch_t(m, …) with every option, over states of 1, 2 and 3 metrics."""
    rng = random.Random(7)
    questions = []
    for case in welch_cases:
        for _ in range(4):
            k = rng.choice([1, 2, 3])
            metric = rng.randint(1, k)
            control = rng.choice([None, None] + case.labels)
            arm = case.arms[control or default_control(case.labels)][metric - 1]
            spread = float(arm.var) ** 0.5
            questions.append((len(questions), case.id, k, control, rng.choice(ALPHAS), rng.choice(ALTERNATIVES),
                              rng.choice([0.0, 0.0, 0.3 * spread, -2.0 * spread, 0.125]), metric,
                              rng.choice(LIFT_METHODS)))
    db.run("""CREATE TEMP TABLE welch_questions (id int, case_id int, k int, control text, alpha float8,
              alternative text, null_diff float8, metric int, lift_method text)""")
    db.copy_rows("welch_questions", questions)
    got = db.dicts("""
        SELECT q.id, r.* FROM welch_questions q JOIN welch_states s USING (case_id),
        LATERAL welch_t(CASE k WHEN 1 THEN m1 WHEN 2 THEN m2 ELSE m3 END, control => q.control, alpha => q.alpha,
                        alternative => q.alternative, null_diff => q.null_diff, metric => q.metric,
                        lift_method => q.lift_method) WITH ORDINALITY r
        ORDER BY q.id, r.ordinality""")
    by_question = {}
    for row in got:
        by_question.setdefault(row["id"], []).append(row)
    lines, used = [], {}
    for i, case_id, k, control, alpha, alternative, null_diff, metric, lift_method in questions:
        case = welch_cases[case_id]
        control = default_control(case.labels) if control is None else control
        treatments = c_order(v for v in case.labels if v != control)
        rows = by_question.get(i, [])
        question = "%s, question %s" % (case.name(), questions[i][2:])
        assert [r["variant"] for r in rows] == treatments, question
        for row in rows:
            expected = expected_welch(case, row["variant"], control, metric, alpha=alpha, alternative=alternative,
                                      null_diff=null_diff, lift_method=lift_method)
            lines += compare_row(question + " " + row["variant"], row, expected)
            bounded = row["lift_low"] is not None and np.isfinite([row["lift_low"], row["lift_high"]]).any()
            used[lift_method, bounded] = used.get((lift_method, bounded), 0) + 1
    print("\nwelch_t over moments: %d rows; lift method, finite: %s" % (len(got), used))
    assert min(used[m, True] for m in LIFT_METHODS) > 100 and used["log", False] and used["fieller", False]
    ref.report(lines, "welch_t over moments")


def test_small_arms_and_constants(db):
    """What is undefined is NULL, what is defined is there: the documented corners, against the reference."""
    samples = {
        "one unit in the control": ([1, 2, 4], [3]),
        "one unit in the treatment": ([5], [3, 4, 8]),
        "one unit in both": ([5], [3]),
        "no variance": ([5, 5, 5], [3, 3]),
        "no variance, same mean": ([3, 3, 3], [3, 3]),
        "no variance in the treatment": ([5, 5, 5], [3, 4, 9]),
        "no variance in the control": ([5, 6, 1], [3, 3]),
        "zero control mean": ([5, 6, 1], [-3, 3]),
        "zero control mean and no variance": ([5, 5], [0, 0]),
        "zero treatment mean": ([-2, 2], [3, 4]),
        "both means zero": ([-2, 2], [-3, 3]),
    }
    lines = []
    for name, (t, c) in samples.items():
        for lift_method in LIFT_METHODS:
            got = db.dicts("""SELECT r.* FROM (SELECT moments_agg(y, v) AS m FROM (
                                  SELECT unnest(%s::float8[]) AS y, 't' AS v UNION ALL
                                  SELECT unnest(%s::float8[]), 'control') rows) s,
                              LATERAL welch_t(m, lift_method => %s) r""", t, c, lift_method)
            assert len(got) == 1, name
            expected = ref.welch(ref.Arm(t), ref.Arm(c), lift_method=lift_method)
            expected.update(variant="t", control="control")
            lines += compare_row("%s, %s" % (name, lift_method), got[0], expected)
    ref.report(lines, "small and constant arms")


# --- proportion_z --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def proportion_data():
    """case id -> {variant: (successes, n)}"""
    rng = np.random.default_rng(77)
    cases = []
    for i in range(CASES):
        labels = LABELS[i % len(LABELS)][:int(rng.integers(2, 6))]
        base = [0.5, 0.1, 0.01, 0.97, 0.3][i % 5]
        arms = {}
        for v in labels:
            n = log_uniform(rng, 1 if i % 7 == 0 else 5, 2000)
            arms[v] = (int(rng.binomial(n, np.clip(base * rng.uniform(0.7, 1.3), 0, 1))), n)
        if i % 40 == 3:
            arms[labels[0]] = (0, arms[labels[0]][1])
        if i % 40 == 5:
            arms[labels[1]] = (arms[labels[1]][1],) * 2
        if i % 40 == 7:
            arms = {v: (0, n) for v, (_, n) in arms.items()}
        cases.append(arms)
    return cases


@pytest.fixture(scope="module")
def proportion_cases(db, proportion_data):
    """Rows as booleans, states from them as 0/1."""
    cases = proportion_data
    db.run("""CREATE TEMP TABLE proportion_counts (case_id int, variant text, x int, n int)""")
    db.copy_rows("proportion_counts", [(i, v, x, n) for i, arms in enumerate(cases) for v, (x, n) in arms.items()])
    db.run("""CREATE TEMP TABLE proportion_rows AS
              SELECT case_id, variant, j <= x AS success FROM proportion_counts, generate_series(1, n) j;
              CREATE TEMP TABLE proportion_states AS
              SELECT case_id, moments_agg(success::int, variant) AS m1,
                     moments_agg(17.5, success::int, variant) AS m2
              FROM proportion_rows GROUP BY case_id""")
    return cases


def test_reference_agrees_with_statsmodels_on_proportions(proportion_data):
    """The pooled z test and Newcombe's interval. For null_diff <> 0 statsmodels 0.13.5 is no reference: for
    differences its score test applies n/(n-1) whatever `correction` says, and its coefficient of the linear
    term has count0 where Farrington & Manning's cubic has nobs0. There the restricted likelihood is maximised
    numerically, with scipy."""
    lines, checked = [], 0
    for i, arms in enumerate(proportion_data):
        (xt, nt), (xc, nc) = list(arms.values())[:2]
        if xt in (0, nt) or xc in (0, nc):      # statsmodels divides by zero
            continue
        alternative, alpha = ALTERNATIVES[i % 3], ALPHAS[i % len(ALPHAS)]
        null_diff = [0.0, 0.02, -0.05][i // 3 % 3]
        mine = ref.proportion(xt, nt, xc, nc, alpha, alternative, null_diff)
        if null_diff == 0:
            z, p = sm_proportion.proportions_ztest([xt, xc], [nt, nc], alternative=SM_ALTERNATIVE[alternative])
            theirs, rel = dict(statistic=z, p_value=p), 1e-10
        else:
            def loss(p):
                return -(stats.binom.logpmf(xt, nt, p + null_diff) + stats.binom.logpmf(xc, nc, p))
            p2 = optimize.minimize_scalar(loss, bounds=(max(0, -null_diff), min(1, 1 - null_diff)),
                                          method="bounded", options=dict(xatol=1e-12)).x
            p1 = p2 + null_diff
            theirs, rel = dict(std_error=np.sqrt(p1 * (1 - p1) / nt + p2 * (1 - p2) / nc)), 1e-5
        if alternative == "two-sided" or alpha < 0.5:
            low, high = sm_proportion.confint_proportions_2indep(
                xt, nt, xc, nc, method="newcomb", alpha=alpha if alternative == "two-sided" else 2 * alpha)
            if alternative != "less":
                theirs["diff_low"] = low
            if alternative != "greater":
                theirs["diff_high"] = high
        lines += ref.differences("case %d %s" % (i, arms), theirs, {k: mine[k] for k in theirs}, rel=rel)
        checked += 1
    ref.report(lines, "the reference for proportions against statsmodels")
    assert checked > 200


def expected_proportion(arms, treatment, control, **options):
    row = ref.proportion(*arms[treatment], *arms[control], **options)
    row.update(variant=treatment, control=control)
    return row


def test_proportion_one_step(db, proportion_cases):
    pairs = [(i, t, c) for i, arms in enumerate(proportion_cases) for t in arms for c in arms if t != c]
    pairs = pairs[::3]
    db.run("CREATE TEMP TABLE proportion_pairs (case_id int, treatment text, control text)")
    db.copy_rows("proportion_pairs", pairs)
    got = db.dicts("""
        SELECT case_id, treatment, asked, (two).*, 2 AS arguments FROM (
            SELECT p.case_id, treatment, control AS asked, proportion_z(success, variant) AS two
            FROM proportion_pairs p JOIN proportion_rows r
              ON r.case_id = p.case_id AND r.variant IN (treatment, control)
            GROUP BY p.case_id, treatment, control) q
        UNION ALL
        SELECT case_id, treatment, asked, (three).*, 3 AS arguments FROM (
            SELECT p.case_id, treatment, control AS asked, proportion_z(success, variant, control) AS three
            FROM proportion_pairs p JOIN proportion_rows r
              ON r.case_id = p.case_id AND r.variant IN (treatment, control)
            GROUP BY p.case_id, treatment, control) q""")
    assert len(got) == 2 * len(pairs) > 600
    lines = []
    for row in got:
        arms, labels = proportion_cases[row["case_id"]], [row["treatment"], row["asked"]]
        control = row["asked"] if row["arguments"] == 3 else default_control(labels)
        treatment = labels[1 - labels.index(control)]
        lines += compare_proportion("case %d %s, %d arguments" % (row["case_id"], arms, row["arguments"]), row,
                                    expected_proportion(arms, treatment, control))
    ref.report(lines, "one-step proportion_z")


def test_proportion_from_moments(db, proportion_cases):
    rng = random.Random(8)
    questions = []
    for i, arms in enumerate(proportion_cases):
        for _ in range(4):
            questions.append((len(questions), i, rng.choice([1, 2]), rng.choice([None, None] + list(arms)),
                              rng.choice(ALPHAS), rng.choice(ALTERNATIVES),
                              rng.choice([0.0, 0.0, 0.01, -0.05, 0.3, -0.6])))
    db.run("""CREATE TEMP TABLE proportion_questions (id int, case_id int, metric int, control text, alpha float8,
              alternative text, null_diff float8)""")
    db.copy_rows("proportion_questions", questions)
    got = db.dicts("""
        SELECT q.id, r.* FROM proportion_questions q JOIN proportion_states s USING (case_id),
        LATERAL proportion_z(CASE metric WHEN 1 THEN m1 ELSE m2 END, control => q.control, alpha => q.alpha,
                             alternative => q.alternative, null_diff => q.null_diff, metric => q.metric
                            ) WITH ORDINALITY r
        ORDER BY q.id, r.ordinality""")
    by_question = {}
    for row in got:
        by_question.setdefault(row["id"], []).append(row)
    lines = []
    for i, case_id, metric, control, alpha, alternative, null_diff in questions:
        arms = proportion_cases[case_id]
        control = default_control(arms) if control is None else control
        question = "case %d %s, question %s" % (case_id, arms, questions[i][2:])
        assert [r["variant"] for r in by_question.get(i, [])] == c_order(v for v in arms if v != control), question
        for row in by_question[i]:
            lines += compare_proportion(question + " " + row["variant"], row, expected_proportion(
                arms, row["variant"], control, alpha=alpha, alternative=alternative, null_diff=null_diff))
    print("\nproportion_z over moments: %d rows" % len(got))
    ref.report(lines, "proportion_z over moments")


def compare_proportion(case, got, expected):
    """Where the exact answer is 0 (or a decimal null_diff away from it), rounding is measured on the scale of 1.
    With no unpooled variance at all (every proportion 0 or 1) the lift's interval is not specified."""
    if expected["lift"] is not None and expected["estimate"] in (0, 1) and expected["estimate_control"] == 1:
        expected = {k: v for k, v in expected.items() if k not in ("lift_low", "lift_high")}
    zero = {c: 1e-14 for c in ("diff", "statistic", "diff_low", "diff_high", "lift", "lift_low", "lift_high")
            if expected.get(c) is not None and abs(expected[c]) < 1e-12}
    return ref.differences(case, got, expected, zero=zero)


# --- Tails ---------------------------------------------------------------------------------------

def test_tails_of_welch(db):
    """p from 1 down to 1e-300 for 1.2 to 2e6 degrees of freedom, by moving null_diff; the reference has 50 digits."""
    arms = [(2, 2, 1.0, 0.02), (2, 3, 1.0, 1.0), (5, 4, 1.0, 0.5), (30, 12, 2.0, 1.0), (300, 500, 1.0, 3.0),
            (5000, 4000, 1.0, 1.0), (1000000, 1000000, 1.0, 1.5)]
    lines, smallest, count = [], 1.0, 0
    for nt, nc, vt, vc in arms:
        state = json.dumps({"version": 1, "metrics": 1, "variants": {
            "control": {"n": nc, "mean": [0], "comoments": [vc * (nc - 1)]},
            "t": {"n": nt, "mean": [0], "comoments": [vt * (nt - 1)]}}})
        t, c = (ref.Arm([]) for _ in range(2))
        for arm, n, v in ((t, nt, vt), (c, nc, vc)):
            arm.n, arm.mean, arm.var = n, mpf(0), mpf(v * (n - 1)) / (n - 1)
        se = float(ref.mpmath.sqrt(t.var / nt + c.var / nc))
        steps = [s for s in (1e-9, 0.01, 0.5, 1, 2, 3, 5, 8, 12, 17, 22, 27, 32, 36.9, 40, 60, 100, 1e3, 1e5, 1e8,
                             1e12, 1e20, 1e40, 1e80, 1e120) ]
        got = db.dicts("""SELECT s, a, r.* FROM unnest(%s::float8[]) s, unnest(ARRAY['two-sided','greater','less']) a,
                          LATERAL welch_t(%s::moments, null_diff => s, alternative => a) r""",
                       [s * se for s in steps] + [-s * se for s in steps], state)
        assert len(got) == 6 * len(steps)
        for row in got:
            expected = ref.welch(t, c, alternative=row["a"], null_diff=row["s"])
            if expected["p_value"] > 1e-300:
                smallest, count = min(smallest, float(expected["p_value"])), count + 1
            lines += ref.differences("n %d %d, null_diff %g, %s" % (nt, nc, row["s"], row["a"]), row,
                                     {k: expected[k] for k in ("statistic", "df", "p_value")})
    print("\ntails of welch_t: %d p-values, the smallest %.1e" % (count, smallest))
    assert smallest < 1e-250
    ref.report(lines, "tails of welch_t")


def test_tails_of_small_alpha(db):
    """The quantiles behind the intervals, alpha from 0.999 to 1e-200."""
    lines = []
    for nt, nc in ((2, 2), (3, 8), (12, 15), (400, 300), (200000, 100000)):
        state = json.dumps({"version": 1, "metrics": 1, "variants": {
            "control": {"n": nc, "mean": [10], "comoments": [2.0 * (nc - 1)]},
            "t": {"n": nt, "mean": [11], "comoments": [1.0 * (nt - 1)]}}})
        t, c = ref.Arm([]), ref.Arm([])
        t.n, t.mean, t.var, c.n, c.mean, c.var = nt, mpf(11), mpf(1), nc, mpf(10), mpf(2)
        got = db.dicts("""SELECT asked, a, r.* FROM unnest(%s::float8[]) asked,
                          unnest(ARRAY['two-sided','greater','less']) a,
                          LATERAL welch_t(%s::moments, alpha => asked, alternative => a) r""",
                       [0.999, 0.9, 0.6, 0.5, 0.3, 0.1, 0.01, 1e-3, 1e-5, 1e-8, 1e-12, 1e-20, 1e-50, 1e-100, 1e-200],
                       state)
        for row in got:
            expected = ref.welch(t, c, alternative=row["a"], alpha=row["asked"])
            lines += ref.differences("n %d %d, alpha %g, %s" % (nt, nc, row["asked"], row["a"]), row,
                                     {k: expected[k] for k in ("diff_low", "diff_high", "lift_low", "lift_high")})
    ref.report(lines, "quantiles")


def test_tails_of_proportion_and_srm(db):
    lines, smallest = [], 1.0
    for n in (50, 1000, 100000, 5000000):
        for k in range(0, 60):
            xc = n // 2
            xt = min(n, xc + int(round(k * 0.63 * (n / 2) ** 0.5)))
            state = json.dumps({"version": 1, "metrics": 1, "variants": {
                v: {"n": n, "mean": [x / n], "comoments": [x * (n - x) / n]} for v, x in (("control", xc), ("t", xt))}})
            alternative = ALTERNATIVES[k % 3]
            row = db.dicts("SELECT * FROM proportion_z(%s::moments, alternative => %s)", state, alternative)[0]
            expected = ref.proportion(xt, n, xc, n, alternative=alternative)
            if expected["p_value"] > 1e-300:
                smallest = min(smallest, float(expected["p_value"]))
            lines += compare_proportion("%d and %d of %d, %s" % (xt, xc, n, alternative), row,
                                        dict(expected, variant="t", control="control"))
            row = db.dicts("SELECT (r).* FROM (SELECT srm(%s::bigint[], ARRAY[1, 1, 0.5]) r) q", [xt, xc, xc // 2])[0]
            expected = ref.srm([xt, xc, xc // 2], [1, 1, 0.5])
            lines += ref.differences("srm %d %d" % (xt, xc), row, expected, zero=dict(chi2=1e-20))
    print("\ntails of proportion_z: the smallest p %.1e" % smallest)
    assert smallest < 1e-250
    ref.report(lines, "tails of proportion_z and srm")


# --- srm -----------------------------------------------------------------------------------------

def test_srm_of_counts(db):
    rng = random.Random(3)
    cases = []
    for i in range(CASES):
        k = rng.randint(2, 6)
        weights = [rng.choice([1.0, 0.5, 0.1, rng.random() + 0.01, 1e-6, 3e7]) for _ in range(k)]
        if i % 3 == 0:
            weights = [1.0] * k
        n = 10 ** rng.uniform(1, 12)
        off = 10 ** rng.uniform(-6, 0)      # by how much the split is off
        observed = [max(0, int(n * w / sum(weights) * (1 + rng.gauss(0, 1) * off))) for w in weights]
        if sum(observed):
            cases.append((observed, weights))
    got = db.dicts("SELECT (srm(o::bigint[], w::float8[])).* FROM unnest(%s::text[], %s::text[]) q (o, w)",
                   *[["{%s}" % ",".join(map(repr, c[side])) for c in cases] for side in (0, 1)])
    assert len(got) == len(cases) >= 300
    lines, checked = [], 0
    for (observed, weights), row in zip(cases, got):
        expected = ref.srm(observed, weights)
        e = np.array(weights) / sum(weights) * sum(observed)
        chi2, p = stats.chisquare(observed, e)
        if sum(observed) < 1e6:             # scipy's own chi2 cancels over that
            assert abs(chi2 - expected["chi2"]) <= 1e-9 * expected["chi2"] + 1e-12, (observed, weights)
            assert p < 1e-250 or abs(p - expected["p_value"]) <= 1e-7 * expected["p_value"], (observed, weights)
        checked += expected["p_value"] > 1e-300
        lines += ref.differences("srm(%s, %s)" % (observed, weights), row, expected, zero=dict(chi2=1e-20))
    assert checked > 150
    ref.report(lines, "srm of counts")


def test_srm_of_rows(db):
    rng = random.Random(4)
    cases = []
    for i in range(CASES):
        labels = rng.sample(LABELS[i % len(LABELS)], rng.randint(2, 5))
        weights = {v: rng.choice([1, 2, 0.5, 0.25, rng.random() + 0.1]) for v in labels}
        counts = {v: int(rng.uniform(100, 600) * w) if rng.random() > 0.05 else 0 for v, w in weights.items()}
        cases.append((counts, weights))
    db.run("CREATE TEMP TABLE srm_counts (case_id int, variant text, n int, weights jsonb)")
    db.copy_rows("srm_counts", [(i, v, n, json.dumps(w)) for i, (counts, w) in enumerate(cases)
                                for v, n in counts.items()])
    db.run("INSERT INTO srm_counts SELECT DISTINCT case_id, NULL, 3, weights FROM srm_counts")    # skipped rows
    got = db.dicts("""SELECT case_id, (r).* FROM (
                          SELECT case_id, srm(variant, weights) AS r
                          FROM srm_counts, generate_series(1, n) GROUP BY case_id) q ORDER BY case_id""")
    assert len(got) == len(cases) >= 300
    lines = []
    for (counts, weights), row in zip(cases, got):
        labels = c_order(weights)
        lines += ref.differences("srm of %s, weights %s" % (counts, weights), row,
                                 ref.srm([counts[v] for v in labels], [weights[v] for v in labels]),
                                 zero=dict(chi2=1e-20))
    ref.report(lines, "srm of rows")


# --- p_adjust ------------------------------------------------------------------------------------

METHODS = {"bonferroni": "bonferroni", "holm": "holm", "hochberg": "simes-hochberg", "bh": "fdr_bh", "by": "fdr_by"}


def p_families():
    rng = random.Random(5)
    families = [[], [None], [None, None], [0.0], [1.0], [0.04, None], [0.0, 0.0, 1.0, 1.0]]
    while len(families) < CASES:
        scale = rng.choice([0, 1, 1, 3, 300])
        family = [10 ** -rng.uniform(0, scale) * rng.random() if scale else rng.choice([0.01, 0.02, 0.5, 1.0])
                  for _ in range(rng.randint(1, 60))]
        families.append([None if rng.random() < 0.1 else p for p in family])
    return families


@pytest.mark.parametrize("method", METHODS)
def test_p_adjust(db, method):
    """The array form and the window form, NULLs in place and not counted."""
    families = p_families()
    gc.freeze()         # statsmodels' holm calls gc.collect() every time
    db.run("DROP TABLE IF EXISTS p_values; CREATE TEMP TABLE p_values (family int, place int, p float8)")
    db.copy_rows("p_values", [(i, j, p) for i, f in enumerate(families) for j, p in enumerate(f)])
    windows = {}
    for over in ("PARTITION BY family", "PARTITION BY family ORDER BY place", "PARTITION BY family ORDER BY p DESC"):
        for family, _, q in db.rows("""SELECT family, place, q FROM (
                SELECT family, place, p_adjust(p, %%s) OVER (%s) AS q FROM p_values) w ORDER BY 1, 2""" % over, method):
            windows.setdefault((over, family), []).append(q)
    arrays = [db.one("SELECT p_adjust(%s::float8[], %s)", f, method) for f in families]
    lines = []
    for i, family in enumerate(families):
        expected = ref.p_adjust(family, method)
        known = [p for p in family if p is not None]
        if known:
            theirs = multitest.multipletests(known, method=METHODS[method])[1].tolist()
            mine = [float(e) for e in expected if e is not None]
            assert np.allclose(theirs, mine, rtol=1e-12, atol=0), (family, theirs, mine)
        expected = [None if e is None else ref.to_mpf(e) for e in expected]
        results = [("array", arrays[i])] + [(over, w) for (over, f), w in windows.items() if f == i]
        for form, got in results:
            if not ref.close(got, expected):
                lines.append("%s, %s: p %s: got %s, expected %s" % (
                    method, form, family, got, [e and float(e) for e in expected]))
    ref.report(lines, "p_adjust " + method)


def test_p_adjust_over_one_window(db):
    """OVER () with three methods in one query."""
    ps = [0.01, 0.04, 0.03, None, 0.005]
    got = db.rows("""SELECT p_adjust(p, 'holm') OVER w, p_adjust(p, 'bh') OVER w, p_adjust(p, 'by') OVER w
                     FROM unnest(%s::float8[]) WITH ORDINALITY q (p, i) WINDOW w AS () ORDER BY i""", ps)
    for column, method in enumerate(["holm", "bh", "by"]):
        expected = [e and ref.to_mpf(e) for e in ref.p_adjust(ps, method)]
        assert ref.close([row[column] for row in got], expected), method
