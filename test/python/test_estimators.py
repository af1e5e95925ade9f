"""Ratios, CUPED, strata and Bayes, each on 200 random experiments to 1e-9 relative.

The expected values are reference.py's, computed from the rows. The tests named test_reference_… hold those
against statsmodels: adjusted means are OLS coefficients, Welch's standard error is HC2 (MacKinnon & White 1985)
of the adjusted or linearised values on the arms, a ratio's is the cluster-robust one of the rows within units.
"""

import json
import math
import random

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy import integrate, stats
from statsmodels.regression.linear_model import OLS

import reference as ref

CASES = 200
REL = 1e-9
LABELS = [["control", "treatment", "b", "a"], ["B", "a", "b", "A"], ["x,\"y\"", "naïve", "control", "C"]]
ALTERNATIVES = ["two-sided", "greater", "less"]
LIFT_METHODS = ["delta", "log", "fieller"]
NUMBERS = [c for c in ref.COMPARISON if c not in ("variant", "control", "n", "n_control", "alpha", "method")]


def c_order(labels):
    return sorted(labels, key=lambda s: s.encode())


def default_control(labels):
    return "control" if "control" in labels else c_order(labels)[0]


def array(values):
    return "{%s}" % ",".join(repr(float(x)) for x in values)


# --- The experiments -----------------------------------------------------------------------------
#
# Six metrics of each unit: 1 num, 2 den, 3 num before, 4 den before, 5 another covariate, 6 one that is noise,
# a combination of others, constant, a copy, constant within arms, or large.

SIXTH = ["noise", "combination", "constant", "copy", "constant within arms", "offset"]


class Experiment:
    def __init__(self, i, rng):
        self.id, self.sixth = i, SIXTH[i % len(SIXTH)]
        self.labels = list(rng.permutation(LABELS[i % len(LABELS)][:int(rng.integers(2, 5))]))
        arms, units = [], []
        for k, label in enumerate(self.labels):
            n = int(round(np.exp(rng.uniform(np.log(12), np.log(250)))))
            activity = rng.gamma(3, 1, n)
            den_pre = 1 + rng.poisson(3 * activity)
            den = 1 + rng.poisson(3 * activity)
            num_pre = rng.gamma(2, 2, n) * den_pre * (1 + activity)
            num = (rng.gamma(2, 2, n) + 0.4 * num_pre / den_pre) * den + 0.5 * k * den
            if i % 5 == 4:
                num -= 60 * den             # negative means
            x = rng.normal(3, 2, n) + 0.3 * num
            last = {"noise": rng.lognormal(0, 1, n), "combination": 2 * den_pre - 3 * x + 1, "constant": np.full(n, 0.1),
                    "copy": x, "constant within arms": np.full(n, 0.1 + k), "offset": 1e6 + rng.normal(0, 1, n)}
            arms += [label] * n
            units.append(np.column_stack([num, den, num_pre, den_pre, x, last[self.sixth]]))
        order = rng.permutation(len(arms))
        self.arms, self.units = np.array(arms, dtype=object)[order], np.vstack(units)[order]

    def name(self):
        return "case %d (%s, %s)" % (self.id, self.sixth, {v: int((self.arms == v).sum()) for v in self.labels})

    def column(self, metric):
        return self.units[:, metric - 1]

    def ratios(self, num, den):
        estimates = {}
        for v in self.labels:
            at = self.arms == v
            ratio, values = ref.ratio_values(self.column(num)[at], self.column(den)[at])
            estimates[v] = ref.estimate_of(values, ratio)
        return estimates


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(20240607)
    return [Experiment(i, rng) for i in range(CASES)]


@pytest.fixture(scope="module")
def cases(db, data):
    db.run("CREATE TEMP TABLE units (id int, variant text, ys float8[])")
    db.copy_rows("units", [(e.id, v, array(row)) for e in data for v, row in zip(e.arms, e.units)])
    db.run("CREATE TEMP TABLE states AS SELECT id, moments_agg(ys, variant) AS m FROM units GROUP BY id")
    return data


def two_arms(cases):
    """(case, treatment, control) with a control named, and with the default one."""
    for e in cases:
        for treatment, control in zip(e.labels, e.labels[1:]):
            yield e, treatment, control


def options(rng, e, spread):
    return dict(alpha=rng.choice([0.05, 0.05, 0.1, 0.001, 0.4]), alternative=rng.choice(ALTERNATIVES),
                null_diff=rng.choice([0.0, 0.0, 0.25 * spread, -0.5 * spread]), lift_method=rng.choice(LIFT_METHODS),
                control=rng.choice([None, None] + e.labels))


def check_rows(name, got, e, estimates, method, question, shared=None):
    """Rows of one state against {label: Estimate}; shared gives what two of them share."""
    question = dict(question)
    control = question.pop("control") or default_control(e.labels)
    treatments = c_order(v for v in e.labels if v != control)
    assert [r["variant"] for r in got] == treatments, name
    lines = []
    for row in got:
        t = row["variant"]
        expected = ref.compare(estimates[t], estimates[control], method(t, control) if callable(method) else method,
                               shared=shared(t, control) if shared else None, **question)
        expected.update(variant=t, control=control)
        lines += ref.differences("%s %s" % (name, question), row, expected, REL)
    return lines


def ask(db, function, questions, arguments):
    """Rows of function(m, …) for each question {column: value}, over the states: {question number: rows}."""
    types = {"id": "int", "alpha": "float8", "null_diff": "float8", "interacted": "boolean", "covariates": "int[]",
             "num": "int", "den": "int", "num_pre": "int", "den_pre": "int", "metric": "int"}
    columns = list(questions[0])
    db.run("DROP TABLE IF EXISTS questions")
    db.run("CREATE TEMP TABLE questions (q int, %s)" % ", ".join("%s %s" % (c, types.get(c, "text")) for c in columns))
    db.copy_rows("questions", [(i, *q.values()) for i, q in enumerate(questions)])
    got = {}
    for row in db.dicts("SELECT q.q, r.* FROM questions q JOIN states USING (id), LATERAL %s(m, %s) "
                        "WITH ORDINALITY r ORDER BY q.q, r.ordinality"
                        % (function, ", ".join("%s => q.%s" % (a, a) for a in arguments))):
        got.setdefault(row["q"], []).append(row)
    return got


COMMON = ["control", "alpha", "alternative", "null_diff", "lift_method"]


def only_common(question):
    return {k: question[k] for k in COMMON}


# --- The reference itself ------------------------------------------------------------------------

def dummies(arms, labels):
    return np.column_stack([arms == v for v in labels]).astype(float)


def test_reference_quantile_and_comparison():
    """student_isf and compare against reference.py's 50 digits."""
    rng = random.Random(3)
    for _ in range(20):
        df, tail = rng.uniform(1.2, 900), rng.choice([0.025, 0.05, 0.4, 0.0005])
        assert ref.close(float(ref.student_isf(tail, df)), ref.t_isf(mpf(tail), mpf(df)), 1e-11)
    for i in range(12):
        t, c = ([rng.gauss(5, 2) for _ in range(rng.randint(3, 40))] for _ in range(2))
        asked = dict(alternative=ALTERNATIVES[i % 3], lift_method=LIFT_METHODS[i // 3 % 3], null_diff=0.3 * (i % 2))
        ref.report(ref.differences("welch", ref.compare(ref.estimate_of(t), ref.estimate_of(c), "welch_t", **asked),
                                   ref.welch(ref.Arm(t), ref.Arm(c), **asked), 1e-10), "compare")


def test_reference_against_statsmodels(data):
    """Pooled theta: OLS on arms and covariates. Interacted: OLS per arm. Errors: HC2 on the arms alone."""
    for e in data[::5]:
        t, c = e.labels[:2]
        y, x = e.column(1), np.column_stack([e.column(3), e.column(5)])
        design = dummies(e.arms, e.labels)

        estimates, thetas, _ = ref.cuped(e.arms, y, x)
        fit = OLS(y, np.column_stack([design, x - x.mean(axis=0)])).fit()
        assert np.allclose(fit.params, [estimates[v].mean for v in e.labels] + list(thetas[t]), rtol=1e-9), e.name()
        robust = OLS(y - x @ thetas[t], design).fit(cov_type="HC2")
        contrast = np.array([1, -1] + [0] * (len(e.labels) - 2))
        row = ref.compare(estimates[t], estimates[c], "")
        assert math.isclose(robust.t_test(contrast).sd.item(), row["std_error"], rel_tol=1e-9), e.name()
        z = y - x @ thetas[t]
        statistic, p = stats.ttest_ind(z[e.arms == t] + 0, z[e.arms == c], equal_var=False)
        assert math.isclose(statistic, row["statistic"], rel_tol=1e-8)
        assert math.isclose(p, row["p_value"], rel_tol=1e-7)

        estimates, thetas, _ = ref.cuped(e.arms, y, x, interacted=True)
        centred = x - x.mean(axis=0)
        both = np.column_stack([design] + [design[:, [i]] * centred for i in range(len(e.labels))])
        fit = OLS(y, both).fit()
        k = len(e.labels)
        assert np.allclose(fit.params[:k], [estimates[v].mean for v in e.labels], rtol=1e-8), e.name()
        assert np.allclose(fit.params[k:], np.concatenate([thetas[v] for v in e.labels]), rtol=1e-7), e.name()

        ratios = e.ratios(1, 2)
        for v in e.labels:      # a ratio is a mean of the rows, weighted by den, its error clustered by unit
            at = e.arms == v
            num, den = e.column(1)[at], e.column(2)[at].astype(int)
            rows = OLS(np.repeat(num / den, den), np.ones(den.sum())).fit(
                cov_type="cluster", cov_kwds=dict(groups=np.repeat(np.arange(len(den)), den)))
            assert math.isclose(rows.params[0], ratios[v].mean, rel_tol=1e-9)
            assert math.isclose(rows.bse[0] ** 2, ratios[v].error, rel_tol=1e-9)     # G/(G-1) is its correction


# --- delta_ratio ---------------------------------------------------------------------------------

def test_delta_ratio_one_step(db, cases):
    """With three arguments and with four."""
    pairs = [(e.id, t, c) for e, t, c in two_arms(cases)]
    db.run("CREATE TEMP TABLE pairs (id int, treatment text, asked text)")
    db.copy_rows("pairs", pairs)
    got = db.dicts("""
        SELECT id, treatment, asked, n3, (r).* FROM (
            SELECT id, treatment, asked, true AS n3, delta_ratio(ys[1], ys[2], variant) AS r
            FROM pairs JOIN units USING (id) WHERE variant IN (treatment, asked) GROUP BY 1, 2, 3
            UNION ALL
            SELECT id, treatment, asked, false, delta_ratio(ys[1], ys[2], variant, asked)
            FROM pairs JOIN units USING (id) WHERE variant IN (treatment, asked) GROUP BY 1, 2, 3) s""")
    assert len(got) == 2 * len(pairs) >= 2 * CASES
    lines = []
    for row in got:
        e, labels = cases[row["id"]], [row["treatment"], row["asked"]]
        control = default_control(labels) if row["n3"] else row["asked"]
        t = labels[1 - labels.index(control)]
        ratios = e.ratios(1, 2)
        expected = ref.compare(ratios[t], ratios[control], "delta_ratio")
        expected.update(variant=t, control=control)
        lines += ref.differences(e.name(), row, expected, REL)
    ref.report(lines, "delta_ratio in one step")


def test_delta_ratio_of_a_state(db, cases):
    """Positions in a larger state, all options."""
    rng, questions = random.Random(11), []
    for e in cases:
        for positions in (dict(num=1, den=2), rng.choice([dict(num=3, den=4), dict(num=1, den=3), dict(num=5, den=4)])):
            questions.append(dict(id=e.id, **positions, **options(rng, e, 1.0)))
    got = ask(db, "delta_ratio", questions, COMMON + ["num", "den"])
    lines = []
    for i, q in enumerate(questions):
        e = cases[q["id"]]
        lines += check_rows(e.name(), got[i], e, e.ratios(q["num"], q["den"]), "delta_ratio", only_common(q))
    ref.report(lines, "delta_ratio over states")


def test_delta_ratio_of_ones_is_welch(db, cases):
    welch, ratio = (db.rows("SELECT id, r.* FROM states, %s r ORDER BY id, r.variant" % f) for f in (
        "welch_t(m, alpha => 0.1, alternative => 'less')",
        "delta_ratio(moments_select(moments_agg(ys || 1.0::float8, variant), '{1,7}'), alpha => 0.1)")[:1] + (
        "(SELECT 1) one",)) if False else (
        db.rows("SELECT id, r.* FROM states, welch_t(m) r ORDER BY id, r.variant"),
        db.rows("""SELECT id, r.* FROM (SELECT id, moments_agg(ys[1], 1, variant) AS m FROM units GROUP BY id) s,
                   delta_ratio(m) r ORDER BY id, r.variant"""))
    assert len(welch) == len(ratio)
    for a, b in zip(welch, ratio):
        for x, y in list(zip(a, b))[:-1]:
            assert x == y or math.isclose(x, y, rel_tol=1e-11), (a, b)


# --- cuped_adjust --------------------------------------------------------------------------------

def covariates_used(count):
    return "cuped_adjust, %d covariate%s used" % (count, "" if count == 1 else "s")


def cuped_expected(e, y, x, interacted):
    estimates, thetas, used = ref.cuped(e.arms, y, x, interacted)
    shared = (lambda t, c: ref.Shared(thetas[t], thetas[c], x)) if interacted else None
    return estimates, (lambda t, c: covariates_used(min(used[t], used[c]))), shared


@pytest.mark.parametrize("interacted", [False, True])
def test_cuped_of_a_state(db, cases, interacted):
    """Lists of covariates (also doubled, empty, in any order) and the default, one and two per experiment."""
    rng, questions, drops = random.Random(12 + interacted), [], 0
    for e in cases:
        for covariates in (None, rng.choice([[3], [5, 3], [6], [5, 6], [6, 4, 5], [5, 5], []])):
            metric = rng.choice([1, 2, 3] if covariates is None else [1, 2])
            questions.append(dict(id=e.id, metric=metric, interacted=interacted,
                                  covariates=None if covariates is None else "{%s}" % ",".join(map(str, covariates)),
                                  **options(rng, e, float(np.std(e.column(metric))) / 10)))
    got = ask(db, "cuped_adjust", questions, COMMON + ["metric", "covariates", "interacted"])
    lines = []
    for i, q in enumerate(questions):
        e = cases[q["id"]]
        covariates = ([k for k in range(1, 7) if k != q["metric"]] if q["covariates"] is None
                      else [int(k) for k in q["covariates"].strip("{}").split(",") if k])
        x = e.units[:, [k - 1 for k in covariates]]
        estimates, method, shared = cuped_expected(e, e.column(q["metric"]), x, interacted)
        drops += any(int(r["method"].split()[1]) < len(covariates) for r in got[i])
        lines += check_rows("%s metric %d by %s" % (e.name(), q["metric"], covariates), got[i], e, estimates, method,
                            only_common(q), shared)
    assert drops > 50
    ref.report(lines, "cuped_adjust over states")


def missing_case(i, rng):
    """(labels, y, x with NaN where missing): arms of different size, up to half of x missing, some none."""
    labels = LABELS[i % len(LABELS)][:2 + i % 3]
    arms = np.array([v for v in labels for _ in range(int(rng.integers(15, 120)))], dtype=object)
    x = rng.gamma(2, 10, len(arms))
    missing = rng.random(len(arms)) < rng.uniform(0.05, 0.5) * (i % 10 > 0)
    y = 5 + np.where(missing, -3, 0.8 * x) + rng.normal(0, 4, len(arms)) + 1.5 * (arms == labels[0])
    return arms, y, np.where(missing, np.nan, x)


@pytest.fixture(scope="module")
def missing(db):
    rng = np.random.default_rng(99)
    cases = [missing_case(i, rng) for i in range(CASES)]
    db.run("CREATE TEMP TABLE newcomers (id int, variant text, y float8, x float8)")
    db.copy_rows("newcomers", [(i, v, float(y), None if np.isnan(x) else float(x))
                               for i, case in enumerate(cases) for v, y, x in zip(*case)])
    return cases


def test_cuped_one_step_with_missing_covariates(db, missing):
    """The missing-indicator method, in the aggregate and over the documented state; statsmodels has the same fit."""
    first = db.dicts("""SELECT id, (r).* FROM (
                            SELECT id, cuped_adjust(y, x, variant) AS r FROM newcomers WHERE id % 3 = 0
                            GROUP BY id) q ORDER BY id""")
    named = db.dicts("""SELECT id, (r).* FROM (
                            SELECT id, cuped_adjust(y, x, variant, c) AS r
                            FROM newcomers JOIN (SELECT DISTINCT ON (id) id AS i, variant AS c FROM newcomers
                                                 ORDER BY id, variant COLLATE "C" DESC) l ON i = id
                            WHERE id % 3 = 0 GROUP BY id) q ORDER BY id""")
    state = db.dicts("""SELECT id, r.* FROM (
                            SELECT id, moments_agg(ARRAY[y, coalesce(x, 0), (x IS NULL)::int], variant) AS m
                            FROM newcomers GROUP BY id) s, cuped_adjust(m) r ORDER BY id, r.variant COLLATE "C" """)
    lines, compared = [], 0
    for got in (first, named, state):
        for row in got:
            arms, y, x = missing[row["id"]]
            labels = c_order(set(arms))
            control = labels[-1] if got is named else default_control(labels)
            t = row["variant"]
            design = np.column_stack([np.nan_to_num(x), np.isnan(x)])
            estimates, thetas, used = ref.cuped(arms, y, design)
            expected = ref.compare(estimates[t], estimates[control], covariates_used(used[t]))
            expected.update(variant=t, control=control)
            lines += ref.differences("case %d" % row["id"], row, expected, REL)
            assert used[t] == 1 + np.isnan(x).any()
            keep = design[:, :used[t]]
            fit = OLS(y, np.column_stack([dummies(arms, labels), keep])).fit()
            contrast = np.array([(v == t) - float(v == control) for v in labels] + [0] * keep.shape[1])
            robust = OLS(y - keep @ fit.params[len(labels):], dummies(arms, labels)).fit(cov_type="HC2")
            assert math.isclose(fit.t_test(contrast).effect.item(), row["diff"], rel_tol=1e-8, abs_tol=1e-12)
            assert math.isclose(robust.t_test(contrast[:len(labels)]).sd.item(), row["std_error"], rel_tol=1e-9)
            compared += 1
    assert len(first) == len(named) == 67 and compared >= 67 + 67 + 350
    ref.report(lines, "cuped_adjust in one step")


def test_cuped_model(db, missing):
    """Slope, means, correlation; for missing x given the indicator, and the reduction of the variance of all."""
    got = db.dicts("""SELECT id, (r).* FROM (SELECT id, cuped_adjust(y, x) AS r FROM newcomers GROUP BY id) q
                      ORDER BY id""")
    lines = []
    assert len(got) == CASES
    for row in got:
        _, y, x = missing[row["id"]]
        known = ~np.isnan(x)
        full = OLS(y, np.column_stack([np.ones(len(y)), np.nan_to_num(x)] + ([~known] if not known.all() else []))).fit()
        line = stats.linregress(x[known], y[known])
        expected = dict(n=len(y), theta=float(line.slope), mean_y=float(y.mean()), mean_x=float(x[known].mean()),
                        variance_reduction=float(full.rsquared), correlation=float(line.rvalue))
        assert math.isclose(full.params[1], line.slope, rel_tol=1e-9)
        if known.all():
            assert math.isclose(expected["variance_reduction"], np.corrcoef(x, y)[0, 1] ** 2, rel_tol=1e-10)
        else:
            # the correlation given the indicator: y within known and unknown
            within = ref.within(np.column_stack([np.nan_to_num(x), y]), known)
            expected["correlation"] = float(within[:, 0] @ within[:, 1] / np.sqrt((within ** 2).sum(axis=0).prod()))
        lines += ref.differences("case %d" % row["id"], row, expected, REL)
    ref.report(lines, "the model of cuped_adjust")


def test_cuped_by_any_metric_from_one_state(db, cases):
    """The state of everything answers what a state gathered for one question does."""
    for interacted in ("false", "true"):
        whole, part = (db.rows("SELECT id, r.* FROM (SELECT id, moments_agg(%s, variant) AS m FROM units "
                               "GROUP BY id) s, cuped_adjust(m, metric => %s, interacted => %s) r "
                               "ORDER BY id, r.variant" % (ys, metric, interacted)) for ys, metric in (
                                   ("ys", "1, covariates => '{5,3}'"), ("ARRAY[ys[3], ys[5], ys[1]]", "3")))
        assert len(whole) == len(part) > CASES
        for a, b in zip(whole, part):
            for x, y in zip(a, b):
                assert x == y or math.isclose(x, y, rel_tol=1e-9), (a, b)


def test_cuped_offset(db):
    """Large, close to constant covariates keep the digits that the difference needs."""
    rng = np.random.default_rng(5)
    arms = np.repeat(np.array(["control", "t"], dtype=object), 300)
    small = np.round(rng.normal(0, 1, 600) * 64) / 64
    y = np.round((3 * small + rng.normal(0, 1, 600)) * 64) / 64
    for offset in (0.0, 2.0 ** 20, 2.0 ** 30, 2.0 ** 40):       # exact in float8, so the answer is the same
        db.run("DROP TABLE IF EXISTS offsets; CREATE TEMP TABLE offsets (v text, y float8, x float8)")
        db.copy_rows("offsets", [(v, float(a), float(b + offset)) for v, a, b in zip(arms, y, small)])
        estimates, _, _ = ref.cuped(arms, y, small[:, None])
        expected = ref.compare(estimates["t"], estimates["control"], covariates_used(1))
        expected.update(variant="t", control="control")
        got = db.dicts("SELECT (cuped_adjust(y, x, v)).* FROM offsets")[0]
        ref.report(ref.differences("offset %g" % offset, got, expected, REL), "cuped_adjust with an offset")


def test_interacted_error_is_close_to_sandwich(db):
    """Lin's estimator with theta that differs: HC2 of the interacted OLS takes the centre as known, the extra
    term is the difference."""
    rng = np.random.default_rng(8)
    n = 4000
    arms = np.repeat(np.array(["control", "t"], dtype=object), n)
    x = rng.normal(10, 3, 2 * n)
    y = np.where(arms == "t", 3 * x, 0.5 * x) + rng.normal(0, 1, 2 * n)
    db.run("CREATE TEMP TABLE lin (v text, y float8, x float8)")
    db.copy_rows("lin", [(v, float(a), float(b)) for v, a, b in zip(arms, y, x)])
    row = db.dicts("SELECT r.* FROM (SELECT moments_agg(y, x, v) AS m FROM lin) s, "
                   "cuped_adjust(m, interacted => true) r")[0]
    t = (arms == "t").astype(float)
    fit = OLS(y, np.column_stack([np.ones(2 * n), t, x - x.mean(), t * (x - x.mean())])).fit(cov_type="HC2")
    slope = fit.params[3]
    assert math.isclose(fit.params[1], row["diff"], rel_tol=1e-9)
    assert math.isclose(row["std_error"] ** 2, fit.bse[1] ** 2 + slope ** 2 * np.var(x, ddof=1) / (2 * n), rel_tol=2e-3)
    assert row["std_error"] > 1.5 * fit.bse[1]


# --- cuped_ratio ---------------------------------------------------------------------------------

def test_cuped_ratio(db, cases):
    rng, questions = random.Random(14), []
    for e in cases:
        for positions in ((1, 2, 3, 4), rng.choice([(3, 4, 1, 2), (1, 2, 5, 4), (1, 4, 3, 2)])):
            questions.append(dict(id=e.id, **dict(zip(("num", "den", "num_pre", "den_pre"), positions)),
                                  **options(rng, e, 1.0)))
    got = ask(db, "cuped_ratio", questions, COMMON + ["num", "den", "num_pre", "den_pre"])
    lines = []
    for i, q in enumerate(questions):
        e = cases[q["id"]]
        estimates = ref.cuped_ratio(e.arms, *(e.column(q[k]) for k in ("num", "den", "num_pre", "den_pre")))
        lines += check_rows(e.name(), got[i], e, estimates, "cuped_ratio", only_common(q))
    ref.report(lines, "cuped_ratio")


def test_cuped_ratio_of_ones_is_cuped(db, cases):
    """With both denominators 1 for every unit it is CUPED with one covariate."""
    a, b = (db.rows("SELECT id, r.variant, r.estimate, r.diff, r.std_error, r.p_value, r.lift_low FROM (SELECT id, "
                    "moments_agg(%s, variant) AS m FROM units GROUP BY id) s, %s(m) r ORDER BY id, r.variant" % f)
            for f in (("ARRAY[ys[1], 1, ys[3], 1]", "cuped_ratio"), ("ARRAY[ys[1], ys[3]]", "cuped_adjust")))
    assert len(a) == len(b) > CASES
    for x, y in zip(a, b):
        assert x[:2] == y[:2] and all(math.isclose(p, q, rel_tol=1e-9) for p, q in zip(x[2:], y[2:])), (x, y)


# --- moments_relabel and moments_project ---------------------------------------------------------

def test_relabel(db, cases):
    """Renaming, swapping and merging are what the relabelled rows give."""
    rng, checked = random.Random(15), 0
    for e in cases[::2]:
        new = {v: rng.choice(["one", "two", v, "control", ""]) for v in rng.sample(e.labels, rng.randint(0, len(e.labels)))}
        new["not there"] = "x"
        got = db.one("SELECT moments_relabel(m, %s::jsonb)::text FROM states WHERE id = %s", json.dumps(new), e.id)
        want = db.one("SELECT moments_agg(ys, coalesce(%s::jsonb ->> variant, variant))::text FROM units WHERE id = %s",
                      json.dumps(new), e.id)
        got, want = (json.loads(s)["variants"] for s in (got, want))
        assert list(got) == list(want) == c_order(want)
        for v in want:
            assert got[v]["n"] == want[v]["n"]
            size = [abs(m) + math.sqrt(want[v]["comoments"][i * (i + 3) // 2]) for i, m in enumerate(want[v]["mean"])]
            assert all(abs(a - b) <= 1e-12 * s for a, b, s in zip(got[v]["mean"], want[v]["mean"], size))
            for i in range(6):
                for j in range(i + 1):
                    k = i * (i + 1) // 2 + j
                    assert abs(got[v]["comoments"][k] - want[v]["comoments"][k]) <= 1e-12 * size[i] * size[j] * want[v]["n"]
        checked += len(want) < len(e.labels)
    assert checked > 10


def test_relabel_then_compare(db):
    """Two treatments read as one, and two labels swapped."""
    rows = "(VALUES (1.0::float8, 'control'), (3, 'control'), (4, 'A'), (8, 'A'), (5, 'B'), (9, 'B'), (7, 'B')) r (y, v)"
    merged = db.one("SELECT moments_relabel(moments_agg(y, v), '{\"A\": \"treatment\", \"B\": \"treatment\"}') = "
                    "moments_agg(y, CASE WHEN v = 'control' THEN v ELSE 'treatment' END) FROM " + rows)
    swapped = db.one("SELECT moments_relabel(moments_agg(y, v), '{\"A\": \"B\", \"B\": \"A\"}') = "
                     "moments_agg(y, translate(v, 'AB', 'BA')) FROM " + rows)
    same = db.one("SELECT moments_relabel(moments_agg(y, v), '{}') = moments_agg(y, v) FROM " + rows)
    assert merged and swapped and same
    row = db.dicts("SELECT c.* FROM (SELECT moments_agg(y, v) AS m FROM %s) s, "
                   "welch_t(moments_relabel(m, '{\"A\": \"t\", \"B\": \"t\"}')) c" % rows)[0]
    expected = ref.welch(ref.Arm([4, 8, 5, 9, 7]), ref.Arm([1, 3]))
    expected.update(variant="t", control="control")
    ref.report(ref.differences("merged", row, expected, REL), "relabelled welch_t")


@pytest.mark.parametrize("labels, state, names", [
    ("[1]", "22023", "object"), ('"A"', "22023", "object"), ("1", "22023", "object"), ("null", "22023", "object"),
    ('{"A": 1}', "22023", "A"), ('{"A": null}', "22023", "A"), ('{"A": {"B": "C"}}', "22023", "A"),
    ('{"A": ["B"]}', "22023", "A"), ('{"A": true}', "22023", "A"), ('{"A": "%s"}' % ("x" * 256), "22001", "255")])
def test_relabel_errors(db, labels, state, names):
    error = db.error("SELECT moments_relabel(moments_agg(1, 'A'), %s::jsonb)", labels)
    assert error.pgcode == state and names in str(error), error


def test_relabel_null(db):
    assert db.one("SELECT moments_relabel(NULL, '{}') IS NULL")
    assert db.one("SELECT moments_relabel(moments_agg(1, 'A'), NULL) IS NULL")


def sum_of_squares(db, state):
    return db.one("SELECT variance * (n - 1) + n * mean * mean FROM moments_summary(%s)" % state)


def test_sam_and_mike(db):
    """Purchases minus refunds: the goals' sums of squares give 7,600, the users' net values 3,400."""
    db.run("CREATE TEMP TABLE payments (who text, goal text, amount float8)")
    db.copy_rows("payments", [("Sam", "purchase", a) for a in (10, 20, 50)] + [("Sam", "refund", a) for a in (10, 20)]
                 + [("Mike", "purchase", a) for a in (20, 30)] + [("Mike", "refund", 20)]
                 + [("Sam", "tip", 1), ("Mike", "tip", 4), ("Mike", "tip", 3)])
    db.run("""CREATE TEMP TABLE users AS SELECT who,
                  coalesce(sum(amount) FILTER (WHERE goal = 'purchase'), 0) AS purchases,
                  coalesce(sum(amount) FILTER (WHERE goal = 'refund'), 0) AS refunds,
                  coalesce(sum(amount) FILTER (WHERE goal = 'tip'), 0) AS tips FROM payments GROUP BY who""")
    db.run("""CREATE TEMP TABLE two AS SELECT moments_agg(purchases, refunds, 'all') AS m FROM users;
              CREATE TEMP TABLE three AS SELECT moments_agg(ARRAY[purchases, refunds, tips], 'all') AS m FROM users""")

    def square(weights, table="two"):
        return sum_of_squares(db, "(SELECT moments_project(m, '%s') FROM %s)" % (weights, table))

    assert square("{1,0}") - square("{0,1}") == 7600
    assert square("{1,-1}") == 3400
    assert square("{1,1}") == (80 + 30) ** 2 + (50 + 20) ** 2
    assert square("{1,-1,0}", "three") == 3400
    assert square("{1,-1,1}", "three") == 51 ** 2 + 37 ** 2
    assert square("{1,-1,-2}", "three") == 48 ** 2 + 16 ** 2
    assert square("{0.5,0.25,2}", "three") == 49.5 ** 2 + 44 ** 2


def test_compound_metrics(db, cases):
    """Sums and differences of up to six metrics: as if the rows had been combined."""
    for weights in ([1, -1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, -2, 0.5, 3, 0, 0], [0, 0, 1, -1, 1, 0]):
        got = db.dicts("SELECT id, r.* FROM states, welch_t(moments_project(m, %s)) r WHERE id %% 5 = 0 "
                       "ORDER BY id, r.variant COLLATE \"C\"", [float(w) for w in weights])
        lines = []
        for row in got:
            e = cases[row["id"]]
            y = e.units @ np.array(weights)
            c = default_control(e.labels)
            expected = ref.compare(ref.estimate_of(y[e.arms == row["variant"]]), ref.estimate_of(y[e.arms == c]), "welch_t")
            lines += ref.differences(e.name(), row, dict(expected, variant=row["variant"], control=c), REL)
        assert len(got) >= CASES // 5
        ref.report(lines, "projections")


# --- stratified_t --------------------------------------------------------------------------------

def strata_case(i, rng):
    """(labels, [{label: values}]), some strata without an arm or with a single unit of it."""
    labels = list(rng.permutation(LABELS[i % len(LABELS)][:2]))
    strata = []
    for s in range(int(rng.integers(1, 9))):
        level, share = rng.normal(10, 6), rng.uniform(0.2, 0.8)
        n = int(rng.integers(12, 150))
        m = min(n - 3, max(3, int(n * share)))
        stratum = {labels[0]: rng.normal(level + 1, rng.uniform(1, 4), m), labels[1]: rng.normal(level, 2, n - m)}
        if s and rng.random() < 0.25:
            v = labels[int(rng.integers(2))]
            keep = int(rng.integers(2))
            stratum[v] = stratum[v][:keep]
        strata.append({v: y for v, y in stratum.items() if len(y)})
    return labels, strata


@pytest.fixture(scope="module")
def strata(db):
    rng = np.random.default_rng(41)
    cases = [strata_case(i, rng) for i in range(CASES)]
    db.run("CREATE TEMP TABLE members (id int, stratum int, variant text, y float8)")
    db.copy_rows("members", [(i, s, v, float(y)) for i, (_, strata) in enumerate(cases) for s, stratum in enumerate(strata)
                             for v, ys in stratum.items() for y in ys])
    db.run("""CREATE TEMP TABLE strata AS SELECT id, stratum, moments_agg(y, variant) AS m, moments_agg(y, y * y, variant) AS m2
              FROM members GROUP BY id, stratum""")
    return cases


def stratified_method(left_out):
    return "stratified_t" + (", %d unit%s left out" % (left_out, "" if left_out == 1 else "s") if left_out else "")


def fix_unit(row):
    """Whether one unit is `1 unit` or `1 units` is no question of statistics."""
    return dict(row, method=row["method"].replace("1 units left", "1 unit left")
                if row["method"].endswith(", 1 units left out") else row["method"])


def test_stratified_by_hand(db):
    """Stratum a: control 1, 3 and t 4, 6, 8; stratum b: control 10, 12, 14, 16, 18 and t 20, 24; c: a control only.

    a: N = 5, means 2 and 6, variances 2 and 4. b: N = 7, means 14 and 22, variances 10 and 8. Weights 5/12 and 7/12.
    control   (5 * 2 + 7 * 14) / 12 = 108/12 = 9          t   (5 * 6 + 7 * 22) / 12 = 184/12 = 46/3
    squared errors, times 144
              25 * 2/2 + 49 * 10/5 = 25 + 98 = 123            25 * 4/3 + 49 * 8/2 = 100/3 + 196 = 688/3
    std_error = sqrt(123 + 688/3) / 12 = sqrt(1057/3) / 12
    df = (1057/3)^2 / (25^2/1 + 98^2/4 + (100/3)^2/2 + 196^2/1)
    """
    row = db.dicts("""SELECT (stratified_t(m)).* FROM (
        SELECT s, moments_agg(y, v) AS m FROM (VALUES
            ('a', 'control', 1.0::float8), ('a', 'control', 3), ('a', 't', 4), ('a', 't', 6), ('a', 't', 8),
            ('b', 'control', 10), ('b', 'control', 12), ('b', 'control', 14), ('b', 'control', 16), ('b', 'control', 18),
            ('b', 't', 20), ('b', 't', 24), ('c', 'control', 100), ('c', 'control', 101)) r (s, v, y) GROUP BY s) q""")[0]
    se = math.sqrt(1057 / 3) / 12
    df = (1057 / 3) ** 2 / (25 ** 2 + 98 ** 2 / 4 + (100 / 3) ** 2 / 2 + 196 ** 2)
    q = ref.student_isf(0.025, df)
    expected = dict(variant="t", control="control", n=5, n_control=7, estimate=46 / 3, estimate_control=9.0, diff=19 / 3,
                    std_error=se, statistic=19 / 3 / se, df=df, p_value=2 * stats.t.sf(19 / 3 / se, df),
                    diff_low=19 / 3 - q * se, diff_high=19 / 3 + q * se, lift=19 / 27, alpha=0.05,
                    method="stratified_t, 2 units left out")
    ref.report(ref.differences("by hand", row, expected, REL), "stratified_t by hand")


def test_stratified(db, strata):
    """numpy, and OLS of y on the arm, centred strata and their products: its arm coefficient is the difference."""
    got = db.dicts("""SELECT id, (r).*, false AS named, NULL AS asked FROM (SELECT id, stratified_t(m) AS r FROM strata GROUP BY id) q""")
    got += db.dicts("""SELECT id, (r).*, true AS named, asked FROM (
                           SELECT id, max(asked) AS asked, stratified_t(m2, asked) AS r
                           FROM strata JOIN (SELECT id AS i, max(variant COLLATE "C") AS asked FROM members GROUP BY id) a
                             ON i = id GROUP BY id) q""")
    lines, left = [], 0
    assert len(got) == 2 * CASES
    for row in got:
        labels, case = strata[row["id"]]
        if not all(any(v in s for s in case) for v in labels):
            continue
        control = row["asked"] if row["named"] else default_control(labels)
        t = labels[1 - labels.index(control)]
        e_t, e_c, left_out = ref.stratified(case, t, control)
        left += left_out > 0
        expected = ref.compare(e_t, e_c, stratified_method(left_out))
        expected.update(variant=t, control=control)
        lines += ref.differences("case %d" % row["id"], fix_unit(row), expected, REL)

        used = [s for s in case if all(len(s.get(v, ())) >= 2 for v in labels)]
        y, arm, stratum = (np.concatenate(x) for x in zip(*(
            (s[v], np.full(len(s[v]), float(v == t)), np.full(len(s[v]), i)) for i, s in enumerate(used) for v in labels)))
        member = np.column_stack([stratum == i for i in range(1, len(used))]).astype(float) if len(used) > 1 else np.empty((len(y), 0))
        member -= member.mean(axis=0)
        fit = OLS(y, np.column_stack([np.ones(len(y)), arm, member, arm[:, None] * member])).fit()
        assert math.isclose(fit.params[1], row["diff"], rel_tol=1e-8, abs_tol=1e-11), row
    assert left > 80
    ref.report(lines, "stratified_t")


def test_stratified_function(db, strata):
    """Over an array: the aggregate's answer by default, and every option as in welch_t."""
    rng, lines, checked = random.Random(21), [], 0
    arrays = {r.id: r.strata for r in db.rows("SELECT id, array_agg(m2)::text AS strata FROM strata GROUP BY id")}
    for case, (labels, values) in enumerate(strata):
        if not all(any(v in s for s in values) for v in labels):
            continue
        question = dict(alpha=rng.choice([0.05, 0.1, 0.001]), alternative=rng.choice(ALTERNATIVES),
                        null_diff=rng.choice([0.0, 0.3, -0.2]), lift_method=rng.choice(LIFT_METHODS))
        control = rng.choice(labels)
        t = labels[1 - labels.index(control)]
        row = db.dicts("SELECT * FROM stratified_t(%s::moments[], %s, alpha => %s, alternative => %s, null_diff => %s, "
                       "lift_method => %s)", arrays[case], control, *question.values())[0]
        e_t, e_c, left_out = ref.stratified(values, t, control)
        expected = ref.compare(e_t, e_c, stratified_method(left_out), **question)
        expected.update(variant=t, control=control)
        lines += ref.differences("case %d %s" % (case, question), fix_unit(row), expected, REL)
        checked += 1
    assert checked > CASES / 2
    ref.report(lines, "stratified_t over an array")


def test_stratified_function_arms_and_metrics(db):
    """Three arms give two rows; a metric is chosen; a NULL state is a stratum without units."""
    db.run("DROP TABLE IF EXISTS three_arms; CREATE TEMP TABLE three_arms AS SELECT i % 4 AS s, sin(i * 7.0) AS y, "
           "cos(i * 3.0) + i % 4 AS z, ('{control,a,b}'::text[])[1 + i % 3] AS v FROM generate_series(1, 200) i")
    both = db.rows("SELECT c.* FROM (SELECT array_agg(m) || NULL::moments AS strata FROM (SELECT moments_agg(y, z, v) AS m FROM three_arms "
                   "GROUP BY s) q) q, stratified_t(strata, metric => 2) c")
    assert [r.variant for r in both] == ["a", "b"]
    for row in both:
        same(row, db.one("SELECT (stratified_t(m)).* FROM (SELECT moments_agg(z, v) AS m FROM three_arms WHERE v IN "
                         "('control', %s) GROUP BY s) q", row.variant))
    assert db.rows("SELECT * FROM stratified_t(NULL::moments[])") == []
    error = db.error("SELECT * FROM stratified_t(ARRAY[%s]::moments[], metric => 3)",
                     db.one("SELECT moments_agg(y, z, v)::text FROM three_arms"))
    assert error.pgcode == "22023" and "metric is 3" in str(error)


def test_one_stratum_is_welch(db, cases):
    welch = db.rows("SELECT id, r.* FROM states, welch_t(m) r ORDER BY id")
    one = db.rows("SELECT id, (s).* FROM (SELECT id, stratified_t(m) AS s FROM states "
                  "WHERE (SELECT count(*) FROM jsonb_object_keys(m::jsonb -> 'variants')) = 2 GROUP BY id) q ORDER BY id")
    by_id = {w[0]: w for w in welch}
    assert len(one) > 40
    for row in one:
        for x, y in list(zip(by_id[row[0]], row))[:-1]:
            assert x == y or math.isclose(x, y, rel_tol=1e-10), row
        assert row[-1] == "stratified_t"


@pytest.fixture(scope="module")
def many_strata(db):
    db.run("""CREATE TABLE many_strata AS
              SELECT s, moments_agg(sin(i * 7919.0 + s) * 3 + s % 11 + (i % 2)::float8 / 4, CASE WHEN i % 2 = 1 THEN 't' ELSE 'control' END) AS m
              FROM generate_series(1, 20) i, generate_series(1, 3000) s GROUP BY s; ANALYZE many_strata""")
    yield
    db.run("DROP TABLE many_strata")


def same(a, b, rel=1e-12):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        assert x == y or math.isclose(x, y, rel_tol=rel), (a, b)


def test_stratified_order_and_parallel(db, fresh, many_strata):
    serial = db.one("SELECT (stratified_t(m)).* FROM many_strata")
    same(serial, db.one("SELECT (stratified_t(m)).* FROM (SELECT m FROM many_strata ORDER BY md5(s::text)) q"))
    same(serial, db.one("SELECT (stratified_t(m)).* FROM (SELECT m FROM many_strata ORDER BY s DESC) q"))
    same(serial, db.one("SELECT (stratified_t(m, 'control')).* FROM many_strata"))
    fresh.run("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; "
              "SET max_parallel_workers_per_gather = 4")
    for call in ("stratified_t(m)", "stratified_t(m, 'control')"):
        plan = "\n".join(r[0] for r in fresh.rows("EXPLAIN SELECT %s FROM many_strata" % call))
        assert "Partial Aggregate" in plan and "Gather" in plan, plan
        same(serial, fresh.one("SELECT (%s).* FROM many_strata" % call))
    # The states themselves may be merged before: one state of everything is one stratum.
    welch, pooled = (db.one("SELECT (%s).diff FROM (SELECT moments_agg(m) AS m FROM many_strata) q" % f)
                     for f in ("welch_t(m)", "stratified_t(m)"))
    assert welch == pooled


def test_estimators_in_parallel(db, fresh):
    db.run("CREATE TABLE parallel_rows AS SELECT i, sin(i * 1.7) * 3 + x AS y, CASE WHEN i % 7 > 0 THEN x END AS x, "
           "1 + i % 5 AS den, CASE WHEN i % 2 = 1 THEN 't' ELSE 'control' END AS v "
           "FROM generate_series(1, 30000) i, LATERAL (SELECT cos(i * 0.9) * 5 AS x) q; ANALYZE parallel_rows")
    try:
        fresh.run("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; "
                  "SET max_parallel_workers_per_gather = 4")
        db.run("SET max_parallel_workers_per_gather = 0")
        for call in ("delta_ratio(y, den, v)", "delta_ratio(y, den, v, 't')", "cuped_adjust(y, x)",
                     "cuped_adjust(y, x, v)", "cuped_adjust(y, x, v, 't')"):
            plan = "\n".join(r[0] for r in fresh.rows("EXPLAIN SELECT %s FROM parallel_rows" % call))
            assert "Partial Aggregate" in plan and "Gather" in plan, plan
            query = "SELECT (%s).* FROM parallel_rows" % call
            same(db.one(query), fresh.one(query), 1e-9)
    finally:
        db.run("RESET max_parallel_workers_per_gather")
        db.run("DROP TABLE parallel_rows")


def test_stratified_errors(db):
    three = "SELECT %s FROM (SELECT i %% 2, moments_agg(i, 'v' || i %% 3) AS m FROM generate_series(1, 30) i GROUP BY 1) q"
    for call in ("stratified_t(m)", "stratified_t(m, 'v1')"):
        error = db.error((three % call).replace("%%", "%"))
        assert error.pgcode == "22023", error
    error = db.error("SELECT stratified_t(m) FROM (VALUES (moments_agg_1()), (NULL)) q (m)") if False else db.error(
        "SELECT stratified_t(m) FROM (SELECT moments_agg(1, 'a') UNION ALL SELECT moments_agg(1, 'b') "
        "UNION ALL SELECT moments_agg(1, 'c')) q (m)")
    assert error.pgcode == "22023", error
    error = db.error("SELECT stratified_t(m, c) FROM (SELECT moments_agg(1, 'a'), 'a' UNION ALL "
                     "SELECT moments_agg(1, 'b'), 'b') q (m, c)")
    assert error.pgcode == "22023" and "control" in str(error), error
    error = db.error("SELECT stratified_t(m) FROM (SELECT moments_agg(1, 'a') UNION ALL SELECT moments_agg(1, 2, 'b')) q (m)")
    assert error.pgcode == "22023", error
    error = db.error("SELECT stratified_t(moments_agg_m, repeat('x', 256)) FROM (SELECT moments_agg(1, 'a')) q (moments_agg_m)")
    assert error.pgcode == "22001", error


# --- bayes_normal --------------------------------------------------------------------------------

POSTERIOR = "posterior_mean posterior_sd posterior_low posterior_high chance_to_win loss_ship loss_keep".split()


def observed(t, c, scale):
    """The effect and its squared error."""
    if scale == "diff":
        return t.mean - c.mean, t.error + c.error
    return (t.mean - c.mean) / abs(c.mean), (t.error + (t.mean / c.mean) ** 2 * c.error) / c.mean ** 2


def test_reference_posterior():
    """The closed form against the posterior by numerical integration of prior times likelihood."""
    for effect, error, prior_mean, prior_sd in ((0.3, 0.04, 0.1, 0.2), (-0.5, 0.09, 0, 0.4), (1, 0.25, -1, 0.5)):
        expected = ref.bayes(effect, error, prior_mean, prior_sd)

        def posterior(x):
            return stats.norm.pdf(x, prior_mean, prior_sd) * stats.norm.pdf(effect, x, math.sqrt(error))

        low, high = min(effect, prior_mean) - 6, max(effect, prior_mean) + 6

        def integral(f, a=low, b=high):
            return integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-12, limit=400)[0]

        total = integral(posterior)
        mean = integral(lambda x: x * posterior(x)) / total
        theirs = dict(posterior_mean=mean,
                      posterior_sd=math.sqrt(integral(lambda x: (x - mean) ** 2 * posterior(x)) / total),
                      chance_to_win=integral(posterior, 0) / total,
                      loss_ship=integral(lambda x: -x * posterior(x), b=0) / total,
                      loss_keep=integral(lambda x: x * posterior(x), 0) / total)
        low_end, high_end = stats.norm.interval(0.95, mean, theirs["posterior_sd"])
        theirs.update(posterior_low=low_end, posterior_high=high_end)
        ref.report(ref.differences("posterior", theirs, expected, 1e-9), "the posterior by integration")


def test_bayes(db, cases):
    """Both scales, proper and flat priors."""
    rng, questions = random.Random(16), []
    for e in cases:
        for scale in ("lift", "diff"):
            metric = rng.randint(1, 5)
            spread = float(np.std(e.column(metric))) if scale == "diff" else 1.0
            questions.append(dict(id=e.id, prior_mean=rng.choice([0.0, 0.05, -0.2]) * spread,
                                  prior_sd=rng.choice([math.inf, 0.02, 0.3, 5.0]) * spread,
                                  control=rng.choice([None] + e.labels), alpha=rng.choice([0.05, 0.1, 0.5, 0.001]),
                                  metric=metric, scale=scale))
    db.run("""CREATE TEMP TABLE priors (q int, id int, prior_mean float8, prior_sd float8, control text, alpha float8,
              metric int, scale text)""")
    db.copy_rows("priors", [(i, *q.values()) for i, q in enumerate(questions)])
    got = {}
    for row in db.dicts("""SELECT q.q, r.* FROM priors q JOIN states USING (id), LATERAL bayes_normal(m, q.prior_mean,
                           q.prior_sd, q.control, q.alpha, q.metric, q.scale) WITH ORDINALITY r ORDER BY q.q, r.ordinality"""):
        got.setdefault(row["q"], []).append(row)
    lines = []
    for i, q in enumerate(questions):
        e = cases[q["id"]]
        control = q["control"] or default_control(e.labels)
        assert [r["variant"] for r in got[i]] == c_order(v for v in e.labels if v != control)
        arms = {v: ref.estimate_of(e.column(q["metric"])[e.arms == v]) for v in e.labels}
        for row in got[i]:
            t, c = arms[row["variant"]], arms[control]
            expected = ref.bayes(*observed(t, c, q["scale"]), q["prior_mean"], q["prior_sd"], q["alpha"])
            expected.update(variant=row["variant"], control=control, n=t.n, n_control=c.n, estimate=t.mean,
                            estimate_control=c.mean, alpha=q["alpha"], method="bayes_normal")
            lines += ref.differences("%s %s" % (e.name(), q), row, expected, REL)
    ref.report(lines, "bayes_normal")


def bayes_state(mean, variance=1.0, n=101):
    """Control mean 10, treatment mean 10 + mean, sample variance and n per arm."""
    return json.dumps({"version": 1, "metrics": 1, "variants": {
        v: {"n": n, "mean": [m], "comoments": [variance * (n - 1)]} for v, m in (("control", 10), ("t", 10 + mean))}})


def test_bayes_tails(db):
    """Chances and losses far in the tail, from the moved mean of a flat prior's posterior."""
    lines, smallest = [], 1.0
    for z in (0, 1e-6, 0.1, 1, 3, 6, 10, 15, 20, 26, 30, 36, -0.1, -1, -6, -15, -30, -36):
        row = db.dicts("SELECT * FROM bayes_normal(%s::moments, scale => 'diff')", bayes_state(z * 0.125, 1 / 128 * 100, 100))[0]
        # the difference as float8 has it, and a squared error of 2 * 1/128 = 1/64
        effect = ref.Fraction(10 + z * 0.125) - 10
        comoments = ref.Fraction(1 / 128 * 100 * 99)
        expected = ref.bayes(ref.to_mpf(effect), ref.to_mpf(2 * comoments / 99 / 100))
        if z == 0:
            expected["posterior_mean"] = 0
        smallest = min(smallest, row["chance_to_win"], row["loss_ship"])
        lines += ref.differences("z = %g" % z, row, expected, REL)
    assert 0 < smallest < 1e-250
    ref.report(lines, "tails of bayes_normal")


@pytest.mark.parametrize("prior_sd", [1e-3, 1e-8, 1e-30, 1e-100, 1e-150, 1e-160, 1e-200, 1e-300])
def test_bayes_sharp_prior(db, prior_sd):
    """A prior much narrower than the data is the posterior."""
    for prior_mean in (0.05, -0.05, 0.0):
        row = db.dicts("SELECT * FROM bayes_normal(%s::moments, %s, %s, scale => 'diff')", bayes_state(1.0), prior_mean, prior_sd)[0]
        expected = ref.bayes(1.0, 2 / 101, prior_mean, prior_sd)
        if prior_mean == 0:     # a multiple of prior_sd^2, lost where that is not a float8
            sd = float(expected["posterior_sd"])
            assert abs(row["posterior_mean"] - float(expected["posterior_mean"])) <= 1e-9 * sd + 1e-300
            lines = ref.differences("prior 0", row, {k: expected[k] for k in POSTERIOR[1:]}, REL, zero=dict.fromkeys(POSTERIOR, 1e-300))
        else:
            lines = ref.differences("prior %g" % prior_mean, row, expected, REL, zero=dict.fromkeys(POSTERIOR, 1e-300))
        ref.report(lines, "sharp priors")


def test_bayes_alternatives(db):
    """The normal posterior's own probabilities and quantiles, on the side that is asked for."""
    for scale, null in (("diff", 0.0), ("diff", -0.25), ("lift", 0.1)):
        two = db.dicts("SELECT * FROM bayes_normal(%s::moments, 0.1, 0.3, scale => %s)", bayes_state(1.0), scale)[0]
        posterior = stats.norm(two["posterior_mean"], two["posterior_sd"])
        for alternative, sf, low, high in (("two-sided", posterior.sf, posterior.ppf(0.05), posterior.ppf(0.95)),
                                           ("greater", posterior.sf, posterior.ppf(0.1), math.inf),
                                           ("less", posterior.cdf, -math.inf, posterior.ppf(0.9))):
            got = db.dicts("SELECT * FROM bayes_normal(%s::moments, 0.1, 0.3, scale => %s, alpha => 0.1, alternative => %s, "
                           "null_diff => %s)", bayes_state(1.0), scale, alternative, null)[0]
            expected = dict({k: two[k] for k in ("posterior_mean", "posterior_sd", "loss_ship", "loss_keep")},
                            posterior_low=float(low), posterior_high=float(high), chance_to_win=float(sf(null)))
            ref.report(ref.differences("%s %s" % (scale, alternative), got, expected, REL), "alternatives of bayes_normal")
    for arguments, names in (("alternative => 'both'", 'unknown alternative "both"'), ("null_diff => 'NaN'", "null_diff"),
                             ("alternative => NULL", "alternative must not be null")):
        error = db.error("SELECT * FROM bayes_normal(%%s::moments, %s)" % arguments, bayes_state(1.0))
        assert error.pgcode in ("22023", "22004") and names in str(error)


@pytest.mark.parametrize("interacted, units, defined", [(False, 3, False), (False, 4, True), (True, 5, False), (True, 6, True)])
def test_cuped_without_residuals(db, interacted, units, defined):
    """Thetas that fit the units whatever they are leave no error to tell: 4 of them, of 2 arms of so many units."""
    row = db.dicts("""SELECT c.* FROM (SELECT moments_agg(ARRAY[sin(i * 3 + k), cos(i * 5 + k), sin(i * i + 2.0 * k), cos(i * 11 + 3 * k), sin(i * 17.0)], v) AS m
                      FROM generate_series(1, %s) i, (VALUES ('control', 0), ('t', 1)) a (v, k)) q, cuped_adjust(m, interacted => %s) c""",
                   units, interacted)[0]
    assert row["method"] == covariates_used(4) and row["diff"] is not None
    undefined = [row[k] is None for k in ("std_error", "statistic", "df", "p_value", "diff_low", "lift_low")]
    assert not any(undefined) if defined else all(undefined)


def test_cuped_exact_fit_has_no_error(db):
    """What rounding leaves of a variance that is explained in full is not an error."""
    row = db.dicts("SELECT (cuped_adjust(0.1 * i + 0.3, i, CASE i % 2 WHEN 0 THEN 'control' ELSE 't' END)).* FROM generate_series(1, 40) i")[0]
    assert row["std_error"] == 0 and row["p_value"] is None


def test_final_functions_check_their_state(db):
    """A final function can be called with any state; one of another shape is an error, not memory of others."""
    for function, metrics in (("welch_t_final", 1), ("proportion_z_final", 1), ("delta_ratio_final", 2),
                              ("cuped_adjust_final", 3), ("cuped_model_final", 3)):
        for k in range(5):
            state = '{"version": 1, "metrics": %d, "variants": {"a": {"n": 4, "mean": %s, "comoments": %s}}}' % (
                k, [0] * k, [0] * (k * (k + 1) // 2))
            if k == metrics:
                db.run("SELECT %s(%%s)" % function, state)
            else:
                error = db.error("SELECT %s(%%s)" % function, state)
                assert error.pgcode == "22023" and "not a state of this aggregate" in str(error), (function, k)
    error = db.error("""SELECT cuped_model_final('{"version": 1, "metrics": 3, "variants": {}}')""")
    assert error.pgcode == "22023"


def test_many_arms_and_metrics_are_quick_and_can_be_cancelled(fresh):
    """64 metrics of 1000 arms, both at their limits."""
    fresh.run("CREATE TEMP TABLE big AS SELECT moments_agg(ARRAY(SELECT sin(i * k * 0.37) FROM generate_series(1, 64) k), 'v' || i % 1000) AS m "
              "FROM generate_series(1, 3000) i")
    fresh.run("SET statement_timeout = '5s'")
    assert fresh.one("SELECT count(*) FROM big, cuped_adjust(m, metric => 64)") == 999
    assert fresh.one("SELECT count(*) FROM big, cuped_ratio(m)") == 999
    fresh.run("SET statement_timeout = '50ms'")
    assert fresh.error("SELECT count(*) FROM big, generate_series(1, 1000), cuped_adjust(m, metric => 64, interacted => true)").pgcode == "57014"


def test_differences_out_of_range_are_null(db):
    state = '{"version": 1, "metrics": 1, "variants": {%s}}' % ", ".join(
        '"%s": {"n": 9, "mean": [%s1e308], "comoments": [1e308]}' % (v, sign) for v, sign in (("control", "-"), ("t", "")))
    row = db.dicts("SELECT * FROM welch_t(%s::moments)", state)[0]
    assert row["diff"] is row["statistic"] is row["p_value"] is row["diff_low"] is None


def test_bayes_flat_prior_is_the_data(db):
    a = db.one("SELECT b FROM bayes_normal(%s::moments) b", bayes_state(1.0))
    b = db.one("SELECT b FROM bayes_normal(%s::moments, 7, 'Infinity') b", bayes_state(1.0))
    c = db.dicts("SELECT * FROM bayes_normal(%s::moments, 7, 1e150)", bayes_state(1.0))[0]
    d = db.dicts("SELECT * FROM bayes_normal(%s::moments)", bayes_state(1.0))[0]
    assert a == b
    ref.report(ref.differences("flat", c, {k: d[k] for k in POSTERIOR}, REL), "flat priors")
    lift = db.dicts("SELECT * FROM welch_t(%s::moments)", bayes_state(1.0))[0]
    assert math.isclose(d["posterior_mean"], lift["lift"], rel_tol=1e-12)
    assert math.isclose(d["loss_keep"] - d["loss_ship"], d["posterior_mean"], rel_tol=1e-9)


@pytest.mark.parametrize("arguments, state, names", [
    ("0, 0", "22023", "prior_sd"), ("0, -1", "22023", "prior_sd"), ("0, 'NaN'", "22023", "prior_sd"),
    ("0, '-Infinity'", "22023", "prior_sd"), ("'NaN', 1", "22023", "prior_mean"), ("'Infinity', 1", "22023", "prior_mean"),
    ("0, 1, scale => 'ratio'", "22023", "ratio"), ("0, 1, scale => ''", "22023", "scale"), ("0, 1, metric => 2", "22023", "metric"),
    ("0, 1, metric => 0", "22023", "metric"), ("0, 1, alpha => 1", "22023", "alpha"), ("0, 1, alpha => 'NaN'", "22023", "alpha"),
    ("NULL, 1", "22004", "prior_mean"), ("0, NULL", "22004", "prior_sd"), ("0, 1, scale => NULL", "22004", "scale"),
    ("0, 1, alpha => NULL", "22004", "alpha"), ("0, 1, metric => NULL", "22004", "metric")])
def test_bayes_errors(db, arguments, state, names):
    error = db.error("SELECT bayes_normal('%s'::moments, %s)" % (bayes_state(1.0), arguments))
    assert error.pgcode == state and names in str(error), error


# --- Thin segments and bad input -------------------------------------------------------------------

STATE_CALLS = ["delta_ratio(m)", "cuped_adjust(m)", "cuped_adjust(m, interacted => true)", "cuped_adjust(m, covariates => '{}')",
               "cuped_ratio(m)", "bayes_normal(m)", "bayes_normal(m, 0, 0.1, scale => 'diff')"]
STATE_CALLS += ["%s, lift_method => '%s')" % (call[:-1], method) for call in STATE_CALLS[:5] for method in ("log", "fieller")]
ROW_CALLS = ["delta_ratio(ys[1], ys[2], v)", "cuped_adjust(ys[1], ys[2], v)", "cuped_adjust(ys[1], nullif(ys[2], 1), v)",
             "cuped_adjust(ys[1], NULL, v)"]

U = [1.0, 2.0, 3.0, 4.0]
UNITS = [[1.0, 2, 3, 5], [2, 1, 5, 4], [4, 3, 1, 2], [3, 5, 2, 2], [7, 2, 8, 3]]
THIN = {
    "one arm": {"control": UNITS},
    "one unit in one arm": {"control": UNITS[:1]},
    "one unit each": {"control": UNITS[:1], "t": UNITS[1:2]},
    "one unit in the control": {"control": UNITS[:1], "t": UNITS},
    "one unit in the treatment": {"control": UNITS, "t": UNITS[:1]},
    "two units each": {"control": UNITS[:2], "t": UNITS[2:4]},
    "no variance at all": {"control": [U] * 3, "t": [U] * 4},
    "no variance in the control": {"control": [U] * 3, "t": UNITS},
    "no variance in the treatment": {"control": UNITS, "t": [U] * 3},
    "all zero": {"control": [[0.0] * 4] * 3, "t": [[0.0] * 4] * 3},
    "zero control": {"control": [[0.0] * 4] * 3, "t": UNITS},
    "zero treatment": {"control": UNITS, "t": [[0.0] * 4] * 3},
    "zero denominator in the control": {"control": [[1.0, 0, 2, 0], [2, 0, 1, 0]], "t": UNITS},
    "zero denominator in the treatment": {"control": UNITS, "t": [[1.0, 0, 2, 0], [2, 0, 1, 0]]},
    "denominators that cancel": {"control": [[1.0, 1, 2, 1], [2, -1, 3, -1]], "t": UNITS},
    "zero denominators": {"control": [[1.0, 0, 2, 0], [2, 0, 1, 0]], "t": [[1.0, 0, 2, 0], [2, 0, 1, 0]]},
    "zero denominator before": {"control": [[1.0, 2, 2, 0], [2, 1, 1, 0]], "t": UNITS},
    "zero control mean": {"control": [[-1.0, 1, 2, 3], [1, 1, 3, 4]], "t": UNITS},
    "zero means": {"control": [[-1.0, 1, 2, 3], [1, 1, 3, 4]], "t": [[-2.0, 1, 2, 3], [2, 1, 3, 4]]},
    "metric is its covariate": {"control": [[y] * 4 for y in (1.0, 2, 4)], "t": [[y] * 4 for y in (2.0, 5, 4)]},
    "tiny": {v: [[1e-200 * y for y in u] for u in units] for v, units in (("control", UNITS), ("t", UNITS[1:]))},
    "huge": {v: [[1e150 * y for y in u] for u in units] for v, units in (("control", UNITS), ("t", UNITS[1:]))},
    "a third arm of one unit": {"control": UNITS, "t": UNITS[1:], "u": UNITS[:1]},
    "a third arm of zeros": {"control": UNITS, "t": UNITS[1:], "u": [[0.0] * 4] * 2},
}
MAY_BE_INFINITE = {"lift_low", "lift_high"}      # Fieller's set


def finite(name, row):
    for column, value in row.items():
        if isinstance(value, float):
            assert not math.isnan(value), (name, column, row)
            assert math.isfinite(value) or (column in MAY_BE_INFINITE and "fieller" in name), (name, column, row)


def thin_rows(arms):
    return [(v, array(u)) for v, units in arms.items() for u in units]


@pytest.mark.parametrize("name", THIN)
def test_thin_segments(db, name):
    """A row per treatment or one, whatever is undefined NULL; the number of units and what is defined there."""
    arms = THIN[name]
    db.run("DROP TABLE IF EXISTS thin; CREATE TEMP TABLE thin (v text, ys float8[])")
    db.copy_rows("thin", thin_rows(arms))
    treatments = [v for v in arms if v != "control"]
    for call in STATE_CALLS:
        got = db.dicts("SELECT r.* FROM (SELECT moments_agg(ys, v) AS m FROM thin) s, %s r" % call)
        assert [r["variant"] for r in got] == (treatments or [None]), (name, call)
        for row in got:
            finite("%s: %s" % (name, call), row)
            assert row["n"] == len(arms.get(row["variant"], ())) and row["n_control"] == len(arms["control"])
            if min(row["n"], row["n_control"]) < 2 and "std_error" in row:
                assert row["std_error"] is row["p_value"] is row["diff_low"] is row["lift_low"] is None, (name, call, row)
            elif "posterior_sd" in row and min(row["n"], row["n_control"]) < 2:
                assert all(row[k] is None for k in POSTERIOR), (name, call, row)
    if len(arms) <= 2:
        for call in ROW_CALLS:
            finite("%s: %s" % (name, call), db.dicts("SELECT (%s).* FROM thin" % call)[0])
        finite(name, db.dicts("SELECT (cuped_adjust(ys[1], ys[2])).* FROM thin")[0])
        got = db.dicts("SELECT (stratified_t(m)).* FROM (SELECT moments_agg(ys, v) AS m FROM thin) q")[0]
        finite("%s: stratified_t" % name, got)


def test_defined_parts_of_thin_segments(db):
    """What can be said is said."""
    def one(call, arms):
        db.run("DROP TABLE IF EXISTS thin; CREATE TEMP TABLE thin (v text, ys float8[])")
        db.copy_rows("thin", thin_rows(arms))
        return db.dicts("SELECT r.* FROM (SELECT moments_agg(ys, v) AS m FROM thin) s, %s r" % call)[0]

    row = one("delta_ratio(m)", THIN["one unit each"])
    assert (row["estimate"], row["estimate_control"], row["diff"], row["lift"]) == (2.0, 0.5, 1.5, 3.0)
    row = one("delta_ratio(m)", THIN["one arm"])
    assert row["estimate"] is row["diff"] is None and row["control"] == "control"
    assert math.isclose(row["estimate_control"], 17 / 13, rel_tol=1e-15)
    row = one("delta_ratio(m)", THIN["zero denominator in the control"])
    assert row["estimate_control"] is row["diff"] is row["lift"] is row["std_error"] is None
    assert math.isclose(row["estimate"], 17 / 13, rel_tol=1e-15)
    row = one("delta_ratio(m)", THIN["zero denominators"])
    assert all(row[k] is None for k in NUMBERS), row
    row = one("delta_ratio(m)", THIN["no variance at all"])
    assert (row["diff"], row["lift"], row["std_error"]) == (0, 0, 0) and row["statistic"] is row["p_value"] is None
    row = one("delta_ratio(m)", THIN["zero control mean"])
    assert row["lift"] is row["lift_low"] is None and row["p_value"] is not None
    row = one("delta_ratio(m, 'nobody')", THIN["two units each"])
    assert (row["control"], row["n_control"], row["diff"]) == ("nobody", 0, None) and row["estimate"] is not None
    row = one("cuped_adjust(m)", THIN["no variance at all"])
    assert (row["diff"], row["std_error"], row["p_value"], row["method"]) == (0, 0, None, covariates_used(0))
    row = one("cuped_ratio(m)", THIN["no variance at all"])
    assert (row["diff"], row["std_error"], row["p_value"]) == (0, 0, None)
    row = one("bayes_normal(m)", THIN["no variance at all"])
    assert all(row[k] is None for k in POSTERIOR) and row["estimate"] == 1


def test_no_covariates_is_welch(db, cases):
    welch = db.rows("SELECT id, r.* FROM states, welch_t(m) r ORDER BY id, r.variant")
    for interacted in ("false", "true"):
        none = db.rows("SELECT id, r.* FROM states, cuped_adjust(m, covariates => '{}', interacted => %s) r "
                       "ORDER BY id, r.variant" % interacted)
        for a, b in zip(welch, none):
            same(a[:-1], b[:-1], 1e-12)
            assert b[-1] == "cuped_adjust, 0 covariates used"


def test_nothing(db):
    """No rows: one row from an aggregate, none from a function of NULL; rows of a state without variants."""
    for call in ("delta_ratio(1, 1, 'a')", "delta_ratio(1, 1, 'a', 'b')", "cuped_adjust(1, 1, 'a')", "cuped_adjust(1, 1, 'a', 'b')",
                 "stratified_t(NULL::moments)", "stratified_t(NULL::moments, 'b')"):
        row = db.dicts("SELECT (%s).* FROM generate_series(1, 0)" % call)[0]
        assert (row["n"], row["n_control"], row["variant"]) == (0, 0, None) and row["alpha"] == 0.05, (call, row)
        assert all(row[k] is None for k in NUMBERS), (call, row)
    row = db.dicts("SELECT (cuped_adjust(1, 1)).* FROM generate_series(1, 0)")[0]
    assert row["n"] == 0 and all(v is None for k, v in row.items() if k != "n")
    for function in ("delta_ratio", "cuped_adjust", "cuped_ratio", "bayes_normal"):
        assert db.rows("SELECT * FROM %s(NULL::moments)" % function) == []
        rows = db.dicts("SELECT r.* FROM (SELECT moments_filter(moments_agg('{1,2,3,4}'::float8[], 'a'), '{}') AS m) s, %s(m) r" % function)
        assert len(rows) == 1 and rows[0]["n"] == rows[0]["n_control"] == 0 and rows[0]["variant"] is None


def test_skipped_rows(db):
    """NULL num, den or variant skip the row; so does a NULL y, but a NULL covariate does not."""
    rows = [(1.0, 2.0, "a"), (2, 5, "a"), (3, 4, "b"), (5, 5, "b"), (9, 1, None)]
    null = [(None, 1, "a"), (None, None, "b")]
    db.run("CREATE TEMP TABLE skipped (y float8, x float8, v text)")
    db.copy_rows("skipped", rows + null + [(7, None, "b")])
    row = db.dicts("SELECT (delta_ratio(y, x, v)).* FROM skipped")[0]
    assert (row["n"], row["n_control"]) == (2, 2) and math.isclose(row["estimate"], 8 / 9) and math.isclose(row["estimate_control"], 3 / 7)
    row = db.dicts("SELECT (cuped_adjust(y, x, v)).* FROM skipped")[0]
    assert (row["n"], row["n_control"]) == (3, 2)
    assert db.one("SELECT (cuped_adjust(y, x)).n FROM skipped") == 6


@pytest.mark.parametrize("call, names", [
    ("delta_ratio('NaN', 1, 'a')", "num"), ("delta_ratio(1, 'NaN', 'a')", "den"), ("delta_ratio('inf', 1, 'a', 'b')", "num"),
    ("delta_ratio(1, '-inf', 'a', 'b')", "den"), ("cuped_adjust('NaN', 1)", "y"), ("cuped_adjust(1, 'NaN')", "x"),
    ("cuped_adjust('inf'::float8, NULL)", "y"), ("cuped_adjust('NaN'::float8, NULL, 'a')", "y"), ("cuped_adjust(1, 'inf', 'a')", "x"),
    ("cuped_adjust(1, 'NaN', 'a', 'b')", "x")])
def test_nan(db, call, names):
    """An error that says that it is a metric."""
    error = db.error("SELECT " + call)
    assert error.pgcode == "22003" and "metric" in str(error), error


K2 = "(SELECT moments_agg(i, i % 3, 'v' || i % 2) FROM generate_series(1, 9) i)"
K4 = "(SELECT moments_agg(ARRAY[i, i % 3, i * i, i % 5], 'v' || i % 2) FROM generate_series(1, 9) i)"
BAD = [("delta_ratio(%s, num => 3)" % K2, "22023", "num"), ("delta_ratio(%s, den => 0)" % K2, "22023", "den"),
       ("delta_ratio(%s, den => -1)" % K2, "22023", "den"), ("delta_ratio(%s, num => NULL)" % K2, "22004", "num"),
       ("delta_ratio(%s, den => NULL)" % K2, "22004", "den"),
       ("delta_ratio((SELECT moments_agg(1, 'a')))", "22023", "den"),
       ("cuped_adjust(%s, metric => 3)" % K2, "22023", "metric"), ("cuped_adjust(%s, metric => NULL)" % K2, "22004", "metric"),
       ("cuped_adjust(%s, covariates => '{3}')" % K2, "22023", "3"), ("cuped_adjust(%s, covariates => '{0}')" % K2, "22023", "0"),
       ("cuped_adjust(%s, covariates => '{NULL}')" % K2, "22004", "covariates"),
       ("cuped_adjust(%s, covariates => '{1}')" % K2, "22023", "1"), ("cuped_adjust(%s, covariates => '{2,1}')" % K2, "22023", "1"),
       ("cuped_adjust(%s, covariates => '{{2},{2}}')" % K2, "22023", "covariates"),
       ("cuped_adjust(%s, interacted => NULL)" % K2, "22004", "interacted"),
       ("cuped_ratio(%s)" % K2, "22023", "num_pre"), ("cuped_ratio(%s, num_pre => 5)" % K4, "22023", "num_pre"),
       ("cuped_ratio(%s, den_pre => 0)" % K4, "22023", "den_pre"), ("cuped_ratio(%s, num => NULL)" % K4, "22004", "num")]
for _f, _m in (("delta_ratio", K2), ("cuped_adjust", K2), ("cuped_ratio", K4)):
    BAD += [("%s(%s, alpha => 0)" % (_f, _m), "22023", "alpha"), ("%s(%s, alpha => NULL)" % (_f, _m), "22004", "alpha"),
            ("%s(%s, alternative => 'up')" % (_f, _m), "22023", "up"), ("%s(%s, lift_method => 'x')" % (_f, _m), "22023", "lift_method"),
            ("%s(%s, null_diff => 'NaN')" % (_f, _m), "22023", "null_diff"), ("%s(%s, alternative => NULL)" % (_f, _m), "22004", "alternative"),
            ("%s(%s, null_diff => NULL)" % (_f, _m), "22004", "null_diff"), ("%s(%s, lift_method => NULL)" % (_f, _m), "22004", "lift_method")]
for _c in ("delta_ratio(i, i, 'v' || i % 3)", "cuped_adjust(i, i, 'v' || i % 3)"):
    BAD.append((_c + " FROM generate_series(1, 9) i", "22023", "moments_agg"))
for _c in ("delta_ratio(i, i, v, v)", "cuped_adjust(i, i, v, v)"):
    BAD.append((_c + " FROM generate_series(1, 9) i, LATERAL (SELECT 'v' || i % 2) q (v)", "22023", "control"))


@pytest.mark.parametrize("call, state, names", BAD)
def test_errors(db, call, state, names):
    error = db.error("SELECT " + call)
    assert error.pgcode == state and names in str(error), error


# --- Clusters: an organisation is randomised, the question is revenue per user ---------------------

def test_clusters(db):
    """Users of an organisation are alike, so that organisations are the units: the naive error is too small, that
    of delta_ratio is the cluster-robust one (Liang & Zeger 1986) of OLS on the users.

    statsmodels multiplies the sandwich by G/(G-1) (N-1)/(N-K) over all G clusters, delta_ratio each arm's part
    by g/(g-1) over its own: with g = G/2 in both, one is the other times a known factor."""
    rng = np.random.default_rng(2024)
    g = 150
    rows = []
    for org in range(2 * g):
        effect = rng.normal(0, 3)
        for _ in range(int(rng.integers(1, 60))):
            rows.append((org, "treatment" if org % 2 else "control", float(20 + effect + org % 2 + rng.normal(0, 4))))
    db.run("CREATE TEMP TABLE org_users (org int, variant text, revenue float8)")
    db.copy_rows("org_users", rows)
    naive = db.dicts("SELECT (welch_t(revenue, variant)).* FROM org_users")[0]
    right = db.dicts("""SELECT (delta_ratio(revenue, users, variant)).* FROM (
                            SELECT org, variant, sum(revenue) AS revenue, count(*) AS users
                            FROM org_users GROUP BY org, variant) orgs""")[0]
    assert math.isclose(naive["diff"], right["diff"], rel_tol=1e-10)
    assert right["n"] == right["n_control"] == g
    assert right["std_error"] > 3 * naive["std_error"]

    orgs = np.array([r[0] for r in rows])
    y = np.array([r[2] for r in rows])
    design = np.column_stack([np.ones(len(rows)), orgs % 2])
    fit = OLS(y, design).fit(cov_type="cluster", cov_kwds=dict(groups=orgs))
    factor = 2 * g / (2 * g - 1) * (len(rows) - 1) / (len(rows) - 2)
    assert math.isclose(fit.params[1], right["diff"], rel_tol=1e-10)
    assert math.isclose(fit.bse[1] ** 2 / factor * g / (g - 1), right["std_error"] ** 2, rel_tol=1e-9)
    plain = OLS(y, design).fit(cov_type="cluster", cov_kwds=dict(groups=orgs, use_correction=False))
    assert math.isclose(plain.bse[1] ** 2 * g / (g - 1), right["std_error"] ** 2, rel_tol=1e-9)


def test_clusters_under_no_effect(db):
    """Of 400 A/A experiments the naive test rejects far more than 5 %, delta_ratio about 5 %."""
    rng = np.random.default_rng(77)
    rows = []
    for e in range(400):
        effects, sizes = rng.normal(0, 2, 40), rng.integers(2, 12, 40)
        for org in range(40):
            rows += [(e, org, "ab"[org % 2], float(10 + effects[org] + noise)) for noise in rng.normal(0, 2, sizes[org])]
    db.run("CREATE TEMP TABLE aa (e int, org int, v text, y float8)")
    db.copy_rows("aa", rows)
    naive, right = db.rows("""SELECT count(*) FILTER (WHERE (welch).p_value < 0.05), count(*) FILTER (WHERE (ratio).p_value < 0.05)
        FROM (SELECT e, welch_t(y, v) AS welch FROM aa GROUP BY e) n JOIN (
              SELECT e, delta_ratio(s, k, v) AS ratio FROM (
                  SELECT e, org, v, sum(y) AS s, count(*) AS k FROM aa GROUP BY e, org, v) o GROUP BY e) r USING (e)""")[0]
    assert naive > 80           # 20 %
    assert stats.binomtest(right, 400, 0.05).pvalue > 1e-3, right


def test_switchback(db):
    """A row is a time slot in a region: minutes per delivery, slots randomised."""
    rng = np.random.default_rng(31)
    rows = []
    for slot in range(84):
        for region in range(5):
            on = rng.random() < 0.5
            deliveries = int(1 + rng.poisson(30))
            minutes = deliveries * (35 + rng.normal(0, 4) - 2 * on) + rng.normal(0, 10) * math.sqrt(deliveries)
            rows.append((slot, region, "on" if on else "control", float(minutes), deliveries))
    db.run("CREATE TEMP TABLE slots (slot int, region int, variant text, minutes float8, deliveries int)")
    db.copy_rows("slots", rows)
    row = db.dicts("SELECT (delta_ratio(minutes, deliveries, variant)).* FROM slots")[0]
    estimates = {}
    for v in ("on", "control"):
        num, den = (np.array([r[k] for r in rows if r[2] == v], dtype=float) for k in (3, 4))
        ratio, values = ref.ratio_values(num, den)
        estimates[v] = ref.estimate_of(values, ratio)
    expected = ref.compare(estimates["on"], estimates["control"], "delta_ratio")
    expected.update(variant="on", control="control")
    ref.report(ref.differences("switchback", row, expected, REL), "switchback")
    assert row["n"] + row["n_control"] == 84 * 5 and row["diff_low"] < -2 < row["diff_high"]
