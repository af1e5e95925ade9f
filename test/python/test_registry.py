"""The registry: what analyze() stores is what a plain reading of the rows in Python gives, one analysis a day equals one
at the end, definitions are checked, names of any kind work, and nobody sees what is not theirs.

The tests themselves are held against scipy and numpy elsewhere; here it is the joins, windows and dates.
"""

import os
import random
import subprocess
import threading
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import psycopg2
import pytest
from scipy import stats

import reference
from conftest import Db

UTC = timezone.utc
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COUNTRIES = ["DE", "FR", None]


@pytest.fixture(scope="module")
def db(registry):
    return registry


class Shop:
    """Exposures and orders, as rows and as tables; users 1 to n, from the start on for ten days."""

    def __init__(self, db, schema, n=600, seed=1, start=START):
        rng = random.Random(seed)
        self.db, self.schema = db, schema
        self.exposures, self.orders = [], []
        for user in range(1, n + 1):
            variant = rng.choice(["control", "treatment", "treatment b"])
            first = start + 10 * DAY * rng.random() - (2 * DAY if rng.random() < 0.05 else timedelta(0))
            country = rng.choice(COUNTRIES)
            for _ in range(rng.choice([1, 1, 2, 5])):
                other = rng.random() < 0.01
                self.exposures.append((user, "control" if other else variant, first, country))
                first += 6 * HOUR * rng.random()
            for _ in range(rng.choice([0, 0, 1, 3])):
                self.orders.append((user, round(rng.lognormvariate(2, 1), 2), start + 25 * DAY * (rng.random() - 0.3)))
        self.orders.append((n + 5, 99.0, start + DAY))      # of a user who was never exposed
        db.run("CREATE SCHEMA %s" % schema)
        db.run("CREATE TABLE %s.exposures (user_id bigint, variant text, exposed_at timestamptz, country text)" % schema)
        db.run("CREATE TABLE %s.orders (user_id bigint, amount float8, ordered_at timestamptz)" % schema)
        db.copy_rows("%s.exposures" % schema, self.exposures)
        db.copy_rows("%s.orders" % schema, self.orders)

    def units(self, starts, until):
        """{user: (variant, first exposure, country)} of the users with one variant."""
        seen = defaultdict(list)
        for user, variant, at, country in self.exposures:
            if starts <= at < until:
                seen[user].append((at, variant, country))
        return {user: (min(rows)[1], min(rows)[0], min(rows, key=lambda r: r[0])[2])
                for user, rows in seen.items() if len({v for _, v, _ in rows}) == 1}

    def values(self, units, until, window=None, value=lambda amount: amount):
        """{user: the sum of what was ordered after the exposure}"""
        sums = dict.fromkeys(units, 0.0)
        for user, amount, at in self.orders:
            if user in units:
                exposed = units[user][1]
                end = min(until, exposed + window) if window else until
                if exposed <= at < end:
                    sums[user] += value(amount)
        return sums

    def before(self, units, window):
        sums = dict.fromkeys(units, 0.0)
        for user, amount, at in self.orders:
            if user in units and units[user][1] - window <= at < units[user][1]:
                sums[user] += amount
        return sums


def register(db, shop, experiment, metrics=("buyers", "orders", "order value", "net", "clipped", "p80"), **options):
    """The shop's metrics, by names that begin with the schema's."""
    s = shop.schema
    source = dict(relation=s + ".orders", unit_column="user_id", time_column="ordered_at")
    metric(db, s + "revenue", value_column="amount", metric_window="3 days", covariate_window="7 days", **source)
    metric(db, s + "buyers", kind="proportion", **source)
    metric(db, s + "orders", role="guardrail", margin=0.1, **source)
    metric(db, s + "turnover", value_column="amount", **source)
    metric(db, s + "order value", kind="ratio", components=[s + "turnover", s + "orders"])
    metric(db, s + "net", kind="compound", components=[s + "turnover", s + "orders"], component_weights=[1.0, -2.5])
    metric(db, s + "clipped", value_column="amount", winsor_low=0.01, winsor_high=0.9, **source)
    metric(db, s + "p80", kind="quantile", quantile=0.8, value_column="amount", **source)
    arguments = dict(variants=["control", "treatment", "treatment b"], starts=START, ends=START + 14 * DAY,
                     segments=["country"], time_zone="UTC")
    arguments.update(options)
    call(db, "register_experiment", experiment=experiment, exposures=s + ".exposures", primary_metric=s + "revenue",
         metrics=[s + m for m in metrics], **arguments)


def call(db, function, **arguments):
    return db.one("SELECT expstat.%s(%s)" % (function, ", ".join("%s => %%s" % a for a in arguments)),
                  *arguments.values())


def metric(db, name, **arguments):
    return call(db, "register_metric", metric=name, **arguments)


def analyze(db, experiment, as_of=None, **arguments):
    names = ["%s => %%s" % a for a in arguments]
    if as_of is not None:
        names.append("as_of => %s")
        arguments["as_of"] = as_of
    return {(r.metric, r.variant): r
            for r in db.rows("SELECT * FROM expstat.analyze(%s)" % ", ".join(["%s"] + names), experiment,
                             *arguments.values())}


@pytest.fixture(scope="module")
def shop(db):
    shop = Shop(db, "shop")
    register(db, shop, "checkout")
    analyze(db, "checkout")
    db.run("CREATE TABLE shop.coins (user_id int, price money, id oid, prices int[])")
    return shop


def results(db, experiment, view="experiment_results", where="true"):
    return db.dicts("SELECT * FROM expstat.%s WHERE experiment = %%s AND %s" % (view, where), experiment)


# --- values: the joins, windows and dates -------------------------------------------------------

def arms(units, values):
    out = defaultdict(list)
    for user, (variant, _, _) in units.items():
        out[variant].append(values[user])
    return {v: np.array(x, dtype=float) for v, x in out.items()}


def check_mean(row, t, c):
    assert (row["n"], row["n_control"]) == (len(t), len(c))
    assert row["estimate"] == pytest.approx(t.mean(), rel=1e-12)
    assert row["estimate_control"] == pytest.approx(c.mean(), rel=1e-12)
    assert row["p_value"] == pytest.approx(stats.ttest_ind(t, c, equal_var=False).pvalue, rel=1e-9)


def test_means_are_those_of_the_rows(db, shop):
    end = START + 14 * DAY
    units = shop.units(START, end)
    found = {(r["metric"], r["variant"]): r for r in results(db, "checkout")}
    assert len(found) == 7 * 2
    turnover, orders = shop.values(units, end), shop.values(units, end, value=lambda a: 1.0)
    net = {u: turnover[u] - 2.5 * orders[u] for u in units}
    low, high = np.quantile(list(turnover.values()), [0.01, 0.9])
    clipped = {u: min(max(x, low), high) for u, x in turnover.items()}
    for name, values in (("shoporders", orders), ("shopnet", net), ("shopclipped", clipped)):
        by_arm = arms(units, values)
        for variant in ("treatment", "treatment b"):
            check_mean(found[name, variant], by_arm[variant], by_arm["control"])
            assert found[name, variant]["method"] == "welch_t"


def test_proportion_ratio_and_quantile_are_those_of_the_rows(db, shop):
    end = START + 14 * DAY
    units = shop.units(START, end)
    found = {(r["metric"], r["variant"]): r for r in results(db, "checkout")}
    turnover, orders = arms(units, shop.values(units, end)), arms(units, shop.values(units, end, value=lambda a: 1.0))
    for variant in ("treatment", "treatment b"):
        buyers = found["shopbuyers", variant]
        assert buyers["method"] == "proportion_z"
        assert buyers["estimate"] == pytest.approx((orders[variant] > 0).mean())
        assert buyers["estimate_control"] == pytest.approx((orders["control"] > 0).mean())
        value = found["shoporder value", variant]
        assert value["method"] == "delta_ratio"
        assert value["estimate"] == pytest.approx(turnover[variant].sum() / orders[variant].sum())
        assert value["estimate_control"] == pytest.approx(turnover["control"].sum() / orders["control"].sum())
        events = [(u, a) for u, a, at in shop.orders if u in units and units[u][1] <= at < end
                  and units[u][0] in (variant, "control")]
        p80 = found["shopp80", variant]
        for arm, got in ((variant, p80["estimate"]), ("control", p80["estimate_control"])):
            assert got == pytest.approx(np.quantile([a for u, a in events if units[u][0] == arm], 0.8))
        assert p80["method"].startswith("quantile_compare")


def test_window_and_covariate_are_those_of_the_rows(db, shop):
    """revenue: three days after the exposure, adjusted by the week before it."""
    end = START + 14 * DAY
    units = shop.units(START, end)
    after, before = shop.values(units, end, window=3 * DAY), shop.before(units, 7 * DAY)
    users = list(units)
    labels = np.array([units[u][0] for u in users])
    y, x = np.array([after[u] for u in users]), np.array([[before[u]] for u in users])
    estimates, _, _ = reference.cuped(labels, y, x)
    for r in results(db, "checkout", where="metric = 'shoprevenue'"):
        assert r["method"].startswith("cuped_adjust") and r["role"] == "primary"
        assert r["n"] == estimates[r["variant"]].n
        assert r["estimate"] == pytest.approx(estimates[r["variant"]].mean, rel=1e-9)
        assert r["estimate_control"] == pytest.approx(estimates["control"].mean, rel=1e-9)


def test_segments_are_those_of_the_first_exposure(db, shop):
    end = START + 14 * DAY
    units = shop.units(START, end)
    turnover = shop.values(units, end, value=lambda a: 1.0)
    rows = results(db, "checkout", "experiment_results_by_segment", "metric = 'shoporders'")
    assert {r["value"] for r in rows} == set(COUNTRIES) and {r["segment"] for r in rows} == {"country"}
    for r in rows:
        by_arm = arms({u: x for u, x in units.items() if x[2] == r["value"]}, turnover)
        check_mean(r, by_arm[r["variant"]], by_arm["control"])


def test_timeline_is_what_was_known_on_each_day(db, shop):
    rows = results(db, "checkout", "experiment_timeseries", "metric = 'shoporders' AND kind = 'cumulative'")
    assert len({r["day"] for r in rows}) == 14
    for r in rows:
        until = datetime.combine(r["day"], datetime.min.time(), UTC) + DAY
        units = {u: x for u, x in shop.units(START, START + 14 * DAY).items() if x[1] < until}
        by_arm = arms(units, shop.values(units, until, value=lambda a: 1.0))
        t, c = by_arm[r["variant"]], by_arm["control"]
        assert (r["n"], r["n_control"]) == (len(t), len(c))
        assert r["estimate"] == pytest.approx(t.mean(), abs=1e-12)
        assert r["sequential_diff_low"] is None or r["sequential_diff_low"] < r["diff_low"]


def local_day(at, zone):
    return at.astimezone(zone).date()


def timeline_values(shop, units, zone, day, ends):
    """By metric, for each unit: what was known of it at the end of a day, as the definitions below have it."""
    def total(user, window=None, value=lambda amount: amount, dated=False):
        exposed = units[user][1]
        found = []
        for amount, at in shop.orders_of[user]:
            if dated:       # midnight, which the day of the exposure has in it
                at = datetime.combine(local_day(at, zone), datetime.min.time(), zone).astimezone(UTC)
                after = local_day(at, zone) >= local_day(exposed, zone)
            else:
                after = at >= exposed
            if after and local_day(at, zone) <= day and at < ends and (window is None or at < exposed + window):
                found.append(value(amount))
        return sum(found), any(found)

    past = {u: sum(amount for amount, at in shop.orders_of[u] if units[u][1] - 7 * DAY <= at < units[u][1]) for u in units}
    out = {u: dict(turnover=total(u)[0], orders=total(u, value=lambda a: 1)[0], hours=total(u, window=5 * HOUR)[0],
                   days=total(u, window=60 * HOUR)[0], big=float(total(u, value=lambda a: a > 8)[1]),
                   dated=total(u, window=30 * HOUR, dated=True)[0], timeless=float(u % 7), past=past[u])
           for u in units}
    clipped = np.quantile([v["turnover"] for v in out.values()], 0.9)
    for v in out.values():
        v["clipped"] = min(v["turnover"], clipped)
    return out


TIMELINES = {   # the values of which the state is made
    "turnover": lambda v: [v["turnover"]], "orders": lambda v: [v["orders"]], "hours": lambda v: [v["hours"]], "days": lambda v: [v["days"]],
    "big": lambda v: [v["big"]], "dated": lambda v: [v["dated"]], "timeless": lambda v: [v["timeless"]], "clipped": lambda v: [v["clipped"]],
    "cuped": lambda v: [v["turnover"], v["past"]], "ratio": lambda v: [v["days"], v["timeless"]],
    "net": lambda v: [v["turnover"] - 2.5 * v["big"] + 0.5 * v["dated"] - v["timeless"]],
    "clipped ratio": lambda v: [v["clipped"], v["orders"]], "cuped net": lambda v: [v["turnover"] + 2 * v["hours"], 3 * v["past"]]}


def register_timelines(db, shop, experiment, zone, **options):
    """The metrics of TIMELINES, by names that begin with the schema's."""
    s = shop.schema
    db.run("CREATE VIEW %s.dated AS SELECT user_id, amount, (ordered_at AT TIME ZONE '%s')::date AS day FROM %s.orders" % (s, zone, s))
    db.run("CREATE VIEW %s.bigs AS SELECT user_id, ordered_at, amount > 8 AS big FROM %s.orders" % (s, s))
    db.run("CREATE TABLE %s.people AS SELECT DISTINCT user_id, (user_id %% 7)::float8 AS x FROM %s.exposures" % (s, s))
    source = dict(unit_column="user_id", time_column="ordered_at")
    orders = dict(relation=s + ".orders", **source)
    amounts = dict(value_column="amount", **orders)
    metric(db, s + "turnover", **amounts)
    metric(db, s + "orders", **orders)
    metric(db, s + "hours", metric_window="5 hours", **amounts)
    metric(db, s + "days", metric_window="60 hours", **amounts)
    metric(db, s + "big", kind="proportion", relation=s + ".bigs", value_column="big", **source)
    metric(db, s + "dated", relation=s + ".dated", unit_column="user_id", value_column="amount", time_column="day", metric_window="30 hours")
    metric(db, s + "timeless", relation=s + ".people", unit_column="user_id", value_column="x")
    metric(db, s + "clipped", winsor_high=0.9, **amounts)
    metric(db, s + "cuped", covariate_window="7 days", **amounts)
    metric(db, s + "cuped hours", metric_window="5 hours", covariate_window="7 days", **amounts)
    metric(db, s + "ratio", kind="ratio", components=[s + "days", s + "timeless"])
    metric(db, s + "net", kind="compound", components=[s + m for m in ("turnover", "big", "dated", "timeless")],
           component_weights=[1.0, -2.5, 0.5, -1.0])
    metric(db, s + "clipped ratio", kind="ratio", components=[s + "clipped", s + "orders"])
    metric(db, s + "cuped net", kind="compound", components=[s + "cuped", s + "cuped hours"], component_weights=[1.0, 2.0])
    call(db, "register_experiment", experiment=experiment, exposures=s + ".exposures", primary_metric=s + "turnover",
         metrics=[s + m for m in TIMELINES], variants=["control", "treatment", "treatment b"], time_zone=zone, **options)


# New York's clocks go forward on 8 March 2026; in São Paulo 4 November 2018 begins at one o'clock.
@pytest.mark.parametrize("zone, start", [("America/New_York", START), ("America/Sao_Paulo", datetime(2018, 10, 28, 15, tzinfo=UTC))])
def test_timelines_of_all_kinds_are_those_of_the_rows(db, zone, start):
    db.run("DROP SCHEMA IF EXISTS known CASCADE")
    shop = Shop(db, "known", n=150, seed=8, start=start)
    ends = start + 11 * DAY + 15 * HOUR     # in the middle of a day
    late = [(1000 + i, ["control", "treatment", "treatment b"][i % 3], ends - HOUR, "DE") for i in range(9)]
    shop.exposures += late
    db.copy_rows("known.exposures", late)
    shop.orders_of = defaultdict(list)
    for user, amount, at in shop.orders:
        shop.orders_of[user].append((amount, at))
    register_timelines(db, shop, "known", zone, starts=start, ends=ends)
    analyze(db, "known", ends + 2 * DAY)
    info = ZoneInfo(zone)
    everybody = shop.units(start, ends)
    found = {(r.metric, r.day, r.variant): r for r in db.rows(
        "SELECT t.metric, t.day, v.variant, moments_covariance(m, v.variant) AS covariance, "
        "(SELECT array_agg(s.mean ORDER BY s.metric) FROM moments_summary(m) AS s WHERE s.variant = v.variant) AS means, "
        "(SELECT min(s.n) FROM moments_summary(m) AS s WHERE s.variant = v.variant) AS n "
        "FROM expstat.timeline AS t CROSS JOIN unnest('{control,treatment,treatment b}'::text[]) AS v (variant) WHERE experiment = 'known'")}
    first, last = (local_day(at, info) for at in (min(x[1] for x in everybody.values()), ends))
    days = [first + i * DAY for i in range((last - first).days + 1)]
    assert {d for _, d, _ in found} == set(days) and len(days) >= 12
    for day in days:
        units = {u: x for u, x in everybody.items() if local_day(x[1], info) <= day}
        values = timeline_values(shop, units, info, day, ends)
        for name, vector in TIMELINES.items():
            for variant in ("control", "treatment", "treatment b"):
                rows = np.array([vector(values[u]) for u, x in units.items() if x[0] == variant])
                r = found["known" + name, day, variant]
                assert (r.n or 0) == len(rows)
                if len(rows) < 2:
                    continue
                assert r.means == pytest.approx(list(rows.mean(axis=0)), rel=1e-12, abs=1e-12), (name, day)
                assert np.array(r.covariance) == pytest.approx(np.atleast_2d(np.cov(rows.T)), rel=1e-9, abs=1e-9), (name, day)


def test_timeline_by_the_hour_is_that_of_all_at_once(db):
    """Twice a day with a day left out; then with days that are missing: as if all had been computed at the end."""
    shop = Shop(db, "hourly", n=100, seed=9)
    register_timelines(db, shop, "hourly", "Asia/Kolkata", starts=START, ends=START + 12 * DAY, crossovers="keep_first")
    for hours in (51, 59, 99, 123, 204):
        analyze(db, "hourly", START + hours * HOUR)
    bit_by_bit = [stored(db, "hourly")["timeline"]]
    for missing in ("day < '2026-03-03' OR day >= '2026-03-08'", "day IN ('2026-03-03', '2026-03-05', '2026-03-06')"):
        db.run("DELETE FROM expstat.timeline WHERE experiment = 'hourly' AND (%s)" % missing)
        analyze(db, "hourly", START + hours * HOUR)
        bit_by_bit.append(stored(db, "hourly")["timeline"])
    analyze(db, "hourly", START + hours * HOUR, refresh=True)
    at_once = stored(db, "hourly")["timeline"]
    assert bit_by_bit == [at_once] * 3 and len(at_once) == len(TIMELINES) * 9


@pytest.mark.parametrize("winsor_high", [None, 0.9])
def test_a_timeline_reads_events_once(db, winsor_high):
    """Once for the cohorts, once for all days, and once for the time of the last; in the next hour no day but today is open."""
    db.run("DROP SCHEMA IF EXISTS counted CASCADE")
    shop = Shop(db, "counted", n=100)
    db.run("CREATE SEQUENCE counted.reads")
    db.run("CREATE VIEW counted.watched AS SELECT *, nextval('counted.reads') AS read FROM counted.orders OFFSET 0")
    metric(db, "watched", relation="counted.watched", unit_column="user_id", value_column="amount", time_column="ordered_at",
           winsor_high=winsor_high)
    call(db, "register_experiment", experiment="counted", exposures="counted.exposures", primary_metric="watched",
         variants=["control", "treatment", "treatment b"], starts=START, time_zone="UTC")
    for hours, times in ((230, 3), (231, 2), (250, 3)):
        db.run("SELECT setval('counted.reads', 1)")
        analyze(db, "counted", START + hours * HOUR)
        assert (db.one("SELECT last_value FROM counted.reads") - 1) / len(shop.orders) == times
    assert db.one("SELECT count(*) FROM expstat.timeline WHERE experiment = 'counted'") == 11


def test_cohorts_of_the_timeseries_add_up(db, shop):
    rows = results(db, "checkout", "experiment_timeseries", "metric = 'shoporders' AND kind = 'cohort'")
    total = {r["variant"]: r for r in results(db, "checkout", where="metric = 'shoporders'")}
    for variant, r in total.items():
        days = [d for d in rows if d["variant"] == variant]
        assert sum(d["n"] for d in days) == r["n"]
        assert sum(d["n"] * d["estimate"] for d in days) == pytest.approx(r["n"] * r["estimate"])


def test_health_is_that_of_the_exposures(db, shop):
    rows = db.rows("SELECT check_name, status, value, detail FROM expstat.experiment_health WHERE experiment = 'checkout' "
                   "ORDER BY place")
    expected = db.rows(
        "SELECT check_name, status, value, detail FROM exposure_health('shop.exposures', 'user_id', 'variant', 'exposed_at', "
        "'{control,treatment,treatment b}', starts => %s, ends => %s, segments => '{country}')", START, START + 14 * DAY)
    assert [tuple(r) for r in rows] == [tuple(r) for r in expected] and len(rows) > 10


def test_p_values_are_adjusted_together(db, shop):
    rows = [r for r in results(db, "checkout") if r["role"] != "guardrail"]
    adjusted = reference.p_adjust([r["p_value"] for r in rows], "holm")
    for r, p in zip(rows, adjusted):
        assert r["p_adjusted"] == pytest.approx(float(p))
    assert all(r["p_adjusted"] is None for r in results(db, "checkout") if r["role"] == "guardrail")


def test_days_are_those_of_the_time_zone(db):
    """The same instants are other days in Auckland, whatever the session's time zone is."""
    db.run("CREATE TABLE late (user_id int, variant text, exposed_at timestamptz)")
    db.run("INSERT INTO late SELECT i, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, '2026-03-01 20:00+00' "
           "FROM generate_series(1, 40) AS i")
    metric(db, "seen", relation="late", unit_column="user_id")
    for zone, day in (("UTC", date(2026, 3, 1)), ("Pacific/Auckland", date(2026, 3, 2))):
        call(db, "register_experiment", experiment="late", exposures="late", variants=["a", "b"], primary_metric="seen",
             time_zone=zone)
        analyze(db, "late")
        assert [r[0] for r in db.rows("SELECT DISTINCT cohort FROM expstat.states WHERE experiment = 'late'")] == [day]
        with db.connection.cursor() as cursor:      # one transaction
            cursor.execute("SELECT * FROM expstat.analyze('late'); SELECT current_setting('TimeZone')")
            assert cursor.fetchall() == [("UTC",)]


def test_a_date_is_the_whole_day(db):
    """An outcome dated the day of the exposure counts, though midnight is before the exposure."""
    db.run("CREATE TABLE dated_exposures (unit text, variant text, exposed_at timestamptz)")
    db.run("CREATE TABLE outcomes (unit text, day date, value numeric)")
    db.run("INSERT INTO dated_exposures SELECT i::text, (ARRAY['control','treatment'])[1 + i % 2], '2026-03-05 12:00+00' "
           "FROM generate_series(1, 100) AS i")
    db.run("INSERT INTO outcomes SELECT i::text, d, 1 FROM generate_series(1, 100) AS i, "
           "generate_series(date '2026-03-01', '2026-03-09', '1 day') AS d")
    metric(db, "days", relation="outcomes", unit_column="unit", value_column="value", time_column="day",
           metric_window="2 days", covariate_window="3 days")
    call(db, "register_experiment", experiment="dated", exposures="dated_exposures", variants=["control", "treatment"],
         primary_metric="days", unit_column="unit")
    row = analyze(db, "dated")["days", "treatment"]
    assert row.estimate == row.estimate_control == 3        # the 5th, 6th and 7th, until noon
    assert db.one("SELECT array_agg(DISTINCT s.mean ORDER BY s.mean) FROM expstat.states, moments_summary(m) AS s "
                  "WHERE experiment = 'dated'") == [3.0]     # the covariate: the 2nd to the 4th


def test_missing_covariates_do_not_lose_units(db):
    db.run("CREATE TABLE people (user_id int, variant text, exposed_at timestamptz, spend float8, history float8)")
    db.run("INSERT INTO people SELECT i, (ARRAY['control','treatment'])[1 + i % 2], '2026-03-05', i % 7, "
           "CASE WHEN i % 5 > 0 THEN i % 7 + i % 3 END FROM generate_series(1, 500) AS i")
    metric(db, "spend", relation="people", unit_column="user_id", value_column="spend", covariate_column="history")
    call(db, "register_experiment", experiment="history", exposures="people", variants=["control", "treatment"],
         primary_metric="spend")
    row = analyze(db, "history")["spend", "treatment"]
    expected = db.one("SELECT (cuped_adjust(spend, history, variant)).* FROM people")
    assert row.n + row.n_control == 500
    assert row.diff == pytest.approx(expected.diff) and row.std_error == pytest.approx(expected.std_error)


def test_sequential_experiments_are_read_by_confidence_sequences(db):
    shop = Shop(db, "watch", n=300)
    register(db, shop, "watched", method="sequential", metrics=["buyers", "order value"])
    methods = {m: r.method for (m, v), r in analyze(db, "watched").items()}
    assert all(m.startswith("confidence_sequence") for m in methods.values()) and len(methods) == 3
    for r in db.rows("SELECT t.* FROM expstat.experiment_timeseries AS t WHERE experiment = 'watched' AND kind = 'cumulative'"):
        assert r.diff_low == r.sequential_diff_low


def test_a_null_value_is_no_success_and_adds_nothing(db):
    db.run("CREATE TABLE signups (user_id int, variant text, exposed_at timestamptz, signed_up boolean, plans int)")
    db.run("INSERT INTO signups SELECT i, (ARRAY['control','treatment'])[1 + i % 2], '2026-03-05', CASE WHEN i % 4 = 1 THEN true END, "
           "CASE WHEN i % 4 = 1 THEN 3 END FROM generate_series(1, 400) AS i")
    metric(db, "signed up", kind="proportion", relation="signups", unit_column="user_id", value_column="signed_up")
    metric(db, "plans", relation="signups", unit_column="user_id", value_column="plans")
    call(db, "register_experiment", experiment="signups", exposures="signups", variants=["control", "treatment"],
         primary_metric="signed up", metrics=["plans"])
    rows = analyze(db, "signups")
    assert [(r.estimate, r.estimate_control, r.n) for r in rows.values()] == [(0.5, 0, 200), (1.5, 0, 200)]


def test_a_covariate_of_a_relation_with_several_metrics_is_the_metrics_own(db):
    db.run("CREATE TABLE several (user_id int, variant text, exposed_at timestamptz, metric text, y float8, x float8)")
    db.run("INSERT INTO several SELECT i, (ARRAY['control','treatment'])[1 + i % 2], '2026-03-05', m, i % 7 + i % 3, "
           "CASE m WHEN 'own' THEN i % 7 ELSE (i * 37) % 101 END FROM generate_series(1, 500) AS i, unnest('{own,other}'::text[]) AS m")
    metric(db, "own", relation="several", unit_column="user_id", value_column="y", metric_column="metric", covariate_column="x")
    call(db, "register_experiment", experiment="several", exposures="several", variants=["control", "treatment"], primary_metric="own")
    row = analyze(db, "several")["own", "treatment"]
    expected = db.one("SELECT (cuped_adjust(y, x, variant)).* FROM several WHERE metric = 'own'")
    assert row.diff == pytest.approx(expected.diff) and row.std_error == pytest.approx(expected.std_error)


TYPES = [("uuid", "md5(i::text)::uuid", "timestamp"), ("small_id", "i::small_id", "date"), ("numeric", "i", "moment"),
         ("char(9)", "'u' || i", "timestamptz"), ("int[]", "ARRAY[i, 1]", "date"), ("bytea", "sha256(i::text::bytea)", "timestamp")]


@pytest.mark.parametrize("unit, expression, time", TYPES)
def test_columns_of_any_type(db, unit, expression, time):
    """The same experiment by units and times of many types: columns that are generated, of domains, partitioned, in views."""
    db.run("DROP SCHEMA IF EXISTS types CASCADE")
    for name, base in (("small_id", "int"), ("moment", "timestamptz"), ("flag", "boolean")):
        if not db.one("SELECT to_regtype(%s) IS NOT NULL", name):
            db.run("CREATE DOMAIN %s AS %s" % (name, base))
    db.run("CREATE SCHEMA types")
    db.run("CREATE TABLE types.log (i int, unit %s, variant varchar(20), at %s) PARTITION BY HASH (i)" % (unit, time))
    db.run("CREATE TABLE types.log_1 PARTITION OF types.log FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
    db.run("INSERT INTO types.log SELECT i, %s, CASE mod(i, 2) WHEN 0 THEN 'control' ELSE 'treatment' END, '2026-03-05' "
           "FROM generate_series(1, 60) AS i" % expression)
    db.run("CREATE TABLE types.events (unit %s, at %s, x numeric, twice numeric GENERATED ALWAYS AS (2 * x) STORED, yes flag)" % (unit, time))
    db.run("INSERT INTO types.events (unit, at, x, yes) SELECT unit, at, i % 5, i % 5 > 2 FROM types.log")
    db.run("CREATE VIEW types.barrier WITH (security_barrier) AS SELECT * FROM types.events")
    db.run("CREATE MATERIALIZED VIEW types.stored AS SELECT * FROM types.events")
    metric(db, "typed twice", relation="types.events", unit_column="unit", value_column="twice", time_column="at")
    metric(db, "typed x", relation="types.barrier", unit_column="unit", value_column="x", time_column="at", metric_window="1 day")
    metric(db, "typed yes", kind="proportion", relation="types.stored", unit_column="unit", value_column="yes", time_column="at")
    call(db, "register_experiment", experiment="typed", exposures="types.log", unit_column="unit", time_column="at",
         variants=["control", "treatment"], primary_metric="typed x", metrics=["typed twice", "typed yes"])
    rows = analyze(db, "typed")
    arm = {v: np.array([i % 5 for i in range(1, 61) if i % 2 == v]) for v in (0, 1)}
    for name, value in (("typed x", arm), ("typed twice", {v: 2 * a for v, a in arm.items()}), ("typed yes", {v: a > 2 for v, a in arm.items()})):
        row = rows[name, "treatment"]
        assert (row.n, row.estimate, row.estimate_control) == (30, pytest.approx(value[1].mean()), pytest.approx(value[0].mean()))


# --- again and again ----------------------------------------------------------------------------

STATE = ("(SELECT array_agg((variant, n, metric, round(mean::numeric, 8), round(variance::numeric, 6))::text) "
         "FROM moments_summary(m))")


def stored(db, experiment):
    """All that analyze() keeps; numbers without the last digits, in which the order of the rows shows."""
    return {table: db.rows("SELECT %s FROM expstat.%s WHERE experiment = %%s ORDER BY 1, 2, 3, 4"
                           % (columns, table), experiment)
            for table, columns in (("states", "metric, cohort, segment, value, complete, " + STATE),
                                   ("timeline", "metric, day, adjusted, complete, " + STATE),
                                   ("quantiles", "metric, segment, value, result::text"))}


def test_the_same_again(db, shop):
    """A second analysis changes nothing."""
    once, shown = stored(db, "checkout"), results(db, "checkout")
    again = analyze(db, "checkout")
    assert stored(db, "checkout") == once and len(again) == len(shown)


def test_a_day_at_a_time_is_all_at_once(db):
    """Analyzed every day, computing what is open only; or once, at the end."""
    shop = Shop(db, "daily", n=200, seed=5)
    options = dict(metrics=["orders", "order value", "clipped", "p80"])
    register(db, shop, "by day", **options)
    register(db, shop, "at once", **options)
    for d in range(1, 16):
        analyze(db, "by day", START + d * DAY)
    once = START + 15 * DAY
    analyze(db, "at once", once)
    by_day, at_once = stored(db, "by day"), stored(db, "at once")
    assert by_day["states"] == at_once["states"] and len(by_day["states"]) > 100
    assert by_day["quantiles"] == at_once["quantiles"]
    # The timeline keeps what was known: a unit that crossed over later was still in.
    assert [r[:3] for r in by_day["timeline"]] == [r[:3] for r in at_once["timeline"]]


def test_complete_cohorts_are_left_alone(db):
    shop = Shop(db, "settled", n=200)
    register(db, shop, "settled", metrics=[], segments=[])
    analyze(db, "settled", START + 8 * DAY)
    db.run("CREATE TEMP TABLE marks AS SELECT cohort, complete, xmin::text AS version FROM expstat.states "
           "WHERE experiment = 'settled'")
    assert db.one("SELECT count(*) FROM marks WHERE complete") == 5      # windows of 3 days are over
    analyze(db, "settled", START + 9 * DAY)
    kept = db.rows("SELECT cohort FROM expstat.states AS s JOIN marks USING (cohort) "
                   "WHERE experiment = 'settled' AND s.xmin::text = marks.version")
    assert len(kept) == 5
    # A unit of a settled day that is seen in another variant leaves it: that day is computed again, no other.
    user, variant, at, _ = next(e for e in shop.exposures if START < e[2] < START + DAY
                                and e[0] in shop.units(START, START + 9 * DAY))
    db.run("INSERT INTO settled.exposures VALUES (%s, %s, %s)", user,
           "control" if variant != "control" else "treatment", at + HOUR)
    analyze(db, "settled", START + 9 * DAY)
    again = db.rows("SELECT cohort FROM expstat.states AS s JOIN marks USING (cohort) "
                    "WHERE experiment = 'settled' AND s.complete AND s.xmin::text = marks.version")
    assert len(again) == 4
    first = START.date()
    assert first not in {r.cohort for r in again}


def units_of_a_month_end(db, schema, exposures):
    """Exposures and one metric, whose window and covariate are a month."""
    db.run("CREATE SCHEMA %s" % schema)
    db.run("CREATE TABLE %s.exposures (user_id int, variant text, exposed_at timestamptz)" % schema)
    db.run("CREATE TABLE %s.orders (user_id int, amount float8, ordered_at timestamptz)" % schema)
    db.copy_rows("%s.exposures" % schema, exposures)
    metric(db, schema, relation=schema + ".orders", unit_column="user_id", value_column="amount", time_column="ordered_at",
           metric_window="1 month", covariate_window="1 month")
    call(db, "register_experiment", experiment=schema, exposures=schema + ".exposures", variants=["a", "b"], primary_metric=schema,
         time_zone="UTC")


def total_of(db, experiment, position):
    return db.one("SELECT sum(s.mean * s.n) FROM moments_summary(expstat.experiment_moments(%s, %s)) AS s WHERE s.metric = %s",
                  experiment, experiment, position)


def test_a_covariate_of_a_month_begins_for_each_unit_when_its_month_does(db):
    """A month before 31 March is earlier than a month before noon of 30 March."""
    units_of_a_month_end(db, "month_before", [(1, "a", "2026-03-30 12:00Z"), (2, "b", "2026-03-31 00:00Z")])
    db.run("INSERT INTO month_before.orders VALUES (2, 7, '2026-02-28 06:00Z'), (2, 5, '2026-02-27 23:59Z'), (1, 3, '2026-02-28 06:00Z')")
    analyze(db, "month_before", datetime(2026, 4, 2, tzinfo=UTC))
    assert total_of(db, "month_before", 2) == 7


@pytest.mark.parametrize("hours, complete", [(1, False), (17, False), (23, False), (24, True)])
def test_a_window_of_a_month_is_over_when_that_of_the_last_unit_is(db, hours, complete):
    """A month after 31 January is earlier than a month after noon of 30 January."""
    db.run("DROP SCHEMA IF EXISTS month_after CASCADE")
    units_of_a_month_end(db, "month_after", [(1, "a", "2026-01-30 12:00Z"), (2, "b", "2026-01-30 18:00Z")])
    db.run("INSERT INTO month_after.orders VALUES (1, 7, '2026-02-28 11:00Z'), (2, 1, '2026-02-28 17:00Z'), (2, 9, '2026-02-28 18:00Z')")
    analyze(db, "month_after", datetime(2026, 2, 28, tzinfo=UTC) + hours * HOUR, refresh=True)
    assert db.one("SELECT complete FROM expstat.states WHERE experiment = 'month_after'") == complete
    analyze(db, "month_after", datetime(2026, 3, 10, tzinfo=UTC))
    assert total_of(db, "month_after", 1) == 8


def test_a_changed_definition_is_computed_anew(db):
    shop = Shop(db, "changed", n=200)
    register(db, shop, "changed", metrics=["orders"])
    before = analyze(db, "changed")
    metric(db, "changedorders", relation="changed.orders", unit_column="user_id", time_column="ordered_at",
           value_column="amount")
    after = analyze(db, "changed")
    assert after["changedorders", "treatment"].estimate > 2 * before["changedorders", "treatment"].estimate
    assert after["changedrevenue", "treatment"][:20] == before["changedrevenue", "treatment"][:20]


def test_looking_back(db):
    """as_of in the past is what was known then, also after a later analysis."""
    shop = Shop(db, "back", n=200)
    register(db, shop, "back", metrics=["orders"])
    first = analyze(db, "back", START + 5 * DAY)
    analyze(db, "back", START + 9 * DAY)
    again = analyze(db, "back", START + 5 * DAY)
    assert [r[:22] for r in first.values()] == [r[:22] for r in again.values()]
    assert max(r.day for r in db.rows("SELECT day FROM expstat.timeline WHERE experiment = 'back'")) == date(2026, 3, 5)


def test_refresh_sees_late_events(db):
    shop = Shop(db, "late_events", n=200)
    register(db, shop, "late events", metrics=[])
    before = analyze(db, "late events")
    user = next(iter(shop.units(START, START + 14 * DAY)))
    at = shop.units(START, START + 14 * DAY)[user][1] + HOUR
    db.run("INSERT INTO late_events.orders VALUES (%s, 1e6, %s)", user, at)
    assert analyze(db, "late events").keys() == before.keys()
    changed = analyze(db, "late events", refresh=True)
    assert any(changed[k].std_error > 10 * before[k].std_error for k in before)


def test_an_exposure_at_no_time(db):
    """Days cannot be counted from -infinity; after starts, it does not matter; infinity is never reached."""
    db.run("CREATE TABLE timeless (user_id int, variant text, exposed_at timestamptz)")
    db.run("INSERT INTO timeless SELECT i, (ARRAY['control', 'treatment'])[1 + i % 2], "
           "CASE i WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' ELSE '2026-03-05' END::timestamptz FROM generate_series(1, 50) AS i")
    metric(db, "timeless", relation="timeless", unit_column="user_id")
    options = dict(experiment="timeless", exposures="timeless", variants=["control", "treatment"], primary_metric="timeless")
    call(db, "register_experiment", **options)
    error = db.error("SELECT * FROM expstat.analyze('timeless')")
    assert error.pgcode == "22023" and "-infinity" in str(error) and "starts" in error.diag.message_hint
    call(db, "register_experiment", starts=START, **options)
    row = analyze(db, "timeless")["timeless", "treatment"]
    assert (row.n, row.n_control) == (24, 24)


def test_several_in_one_transaction(db, shop):
    """After an error, in a function, and for units of other types: nothing of an analysis is left for the next."""
    db.run("BEGIN")
    first = analyze(db, "checkout")
    db.run("SAVEPOINT before")
    assert db.error("SELECT * FROM expstat.analyze('checkout', 'infinity')").pgcode == "22023"
    db.run("ROLLBACK TO before")
    assert analyze(db, "checkout").keys() == first.keys()
    db.run("COMMIT")
    rows = db.rows("SELECT r.experiment FROM unnest('{signups,checkout,signups,timeless}'::text[]) AS e (id), "
                   "expstat.analyze(e.id) AS r")
    assert len(rows) == 2 + len(first) + 2 + 1


def test_two_at_a_time(db, fresh_registry):
    """The second analysis waits for the first, and goes by the definition as it is then."""
    shop = Shop(db, "two", n=150)
    register(db, shop, "two", metrics=["orders"])
    db.run("BEGIN")
    analyze(db, "two")
    db.run("UPDATE expstat.experiments SET ends = %s WHERE experiment = 'two'", START + 5 * DAY)
    found = {}
    waiting = threading.Thread(target=lambda: found.update(analyze(fresh_registry, "two")))     # another session
    waiting.start()
    while not db.one("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", fresh_registry.connection.info.backend_pid):
        pass
    db.run("COMMIT")
    waiting.join()
    units = shop.units(START, START + 5 * DAY)
    assert found["twoorders", "treatment"].n == sum(v == "treatment" for v, _, _ in units.values())


def test_late_exposures_and_removed_metrics(db):
    """A unit exposed on a settled day is found later; a metric that is taken out and put back is computed again."""
    shop = Shop(db, "later", n=200)
    register(db, shop, "later", metrics=["orders"])
    analyze(db, "later", START + 15 * DAY)
    shop.exposures.append((9001, "treatment", START + HOUR, "DE"))
    shop.orders.append((9001, 1000.0, START + 2 * HOUR))
    db.run("INSERT INTO later.exposures VALUES (9001, 'treatment', %s, 'DE')", START + HOUR)
    db.run("INSERT INTO later.orders VALUES (9001, 1000, %s)", START + 2 * HOUR)
    end = START + 14 * DAY
    units = shop.units(START, end)
    by_arm = arms(units, shop.values(units, end, value=lambda a: 1.0))
    check_mean(analyze(db, "later", START + 16 * DAY)["laterorders", "treatment"]._asdict(), by_arm["treatment"], by_arm["control"])
    register(db, shop, "later", metrics=[])
    assert {m for m, _ in analyze(db, "later", START + 16 * DAY)} == {"laterrevenue"}
    assert db.one("SELECT count(*) FROM expstat.states WHERE experiment = 'later' AND metric = 'laterorders'") == 0
    register(db, shop, "later", metrics=["orders"])
    check_mean(analyze(db, "later", START + 16 * DAY)["laterorders", "treatment"]._asdict(), by_arm["treatment"], by_arm["control"])
    # Under other names it is the same.
    order = lambda r: (r["place"], r["variant"])    # noqa: E731
    before = sorted(results(db, "later"), key=order)
    db.run("UPDATE expstat.experiments SET experiment = 'renamed' WHERE experiment = 'later'")
    db.run("UPDATE expstat.metrics SET metric = 'later buys' WHERE metric = 'laterorders'")
    analyze(db, "renamed", START + 16 * DAY)
    renamed = sorted(results(db, "renamed"), key=order)
    assert [r["n"] for r in renamed] == [r["n"] for r in before] and len(renamed) == 4
    for b, r in zip(before, renamed):
        assert r["diff"] == pytest.approx(b["diff"], rel=1e-12)
    assert db.error("DELETE FROM expstat.metrics WHERE metric = 'later buys'").pgcode == "23503"


def test_no_units_at_all(db):
    db.run("CREATE TABLE nobody (user_id int, variant text, exposed_at timestamptz)")
    metric(db, "nothing", relation="nobody", unit_column="user_id")
    call(db, "register_experiment", experiment="nobody", exposures="nobody", variants=["a", "b"], primary_metric="nothing")
    assert analyze(db, "nobody") == {}
    row = db.one("SELECT status, health, recommendation, units FROM expstat.experiment_summary WHERE experiment = 'nobody'")
    assert row == ("running", "fail", None, 0)


def test_progress_is_told(fresh_registry):
    db = fresh_registry
    db.run("CREATE TABLE few (user_id int, variant text, exposed_at timestamptz)")
    db.run("INSERT INTO few SELECT i, (ARRAY['a', 'b'])[1 + i % 2], '2026-03-01' FROM generate_series(1, 10) AS i")
    db.run("CREATE VIEW slow AS SELECT user_id, pg_sleep(0.22) IS NULL AS success FROM few")
    metric(db, "slow", kind="proportion", relation="slow", unit_column="user_id", value_column="success")
    metric(db, "next", relation="few", unit_column="user_id")
    call(db, "register_experiment", experiment="slow", exposures="few", variants=["a", "b"], primary_metric="slow",
         metrics=["next"])
    analyze(db, "slow")
    assert any("analyze(slow): metric 2 of 2, next" in n for n in db.connection.notices)


@pytest.fixture
def fresh_registry(db):
    connection = Db(db.connection.info.dbname)
    connection.run("SET timezone = 'UTC'")
    yield connection
    connection.close()


# --- definitions are checked --------------------------------------------------------------------

BAD_METRICS = [
    (dict(relation="shop.nothing", unit_column="user_id"), "42P01", 'relation "shop.nothing" does not exist'),
    (dict(relation="shop.orders", unit_column="user"), "42703", 'column "user" of relation shop.orders does not exist'),
    (dict(relation="shop.orders", unit_column="user_id", value_column="price"), "42703", 'column "price"'),
    (dict(relation="shop.orders", unit_column="user_id", value_column="ordered_at"), "42804", "not a number"),
    (dict(relation="shop.orders", unit_column="user_id", time_column="amount"), "42804", "not a time"),
    (dict(relation="shop.orders", unit_column="user_id", metric_column="kind"), "42703", 'column "kind"'),
    (dict(relation="shop.orders", unit_column="user_id", metric_window="1 day"), "22023", "a window needs time_column"),
    (dict(relation="shop.orders"), "22023", "a mean needs relation and unit_column"),
    (dict(relation="shop.orders", unit_column="user_id", kind="median"), "22023", 'unknown kind "median"'),
    (dict(relation="shop.orders", unit_column="user_id", kind="quantile", quantile=0.5), "22023", "value_column"),
    (dict(relation="shop.orders", unit_column="user_id", quantile=0.5), "22023", "a mean has no quantile"),
    (dict(relation="shop.orders", unit_column="user_id", kind="quantile", quantile=1.5, value_column="amount"), "23514", ""),
    (dict(relation="shop.orders", unit_column="user_id", components=["shoporders"]), "22023", "a mean has no components"),
    (dict(kind="ratio", components=["shoporders"]), "22023", "a ratio has two components"),
    (dict(kind="ratio", components=["shoporders", "unheard of"]), "22023", 'component "unheard of" is not registered'),
    (dict(kind="ratio", components=["shoporders", "shopp80"]), "22023", 'component "shopp80" is a quantile'),
    (dict(kind="ratio", components=["shoporders", "shopbuyers"], unit="device"), "22023", "is by user, not by device"),
    (dict(kind="ratio", components=["shoporders", "shopbuyers"], relation="shop.orders"), "22023", "nothing else"),
    (dict(kind="compound", components=["shoporders"], component_weights=[1.0, 2.0]), "22023", "component_weight"),
    (dict(kind="compound", components=[], component_weights=[]), "22023", "a compound needs components"),
    (dict(relation="shop.orders", unit_column="user_id", role="guardrail"), "22023", "a guardrail needs a margin"),
    (dict(relation="shop.orders", unit_column="user_id", role="primary"), "22023", 'unknown role "primary"'),
    (dict(relation="shop.orders", unit_column="user_id", better="more"), "22023", 'unknown value of better "more"'),
    (dict(relation="shop.orders", unit_column="user_id", winsor_low=0.9, winsor_high=0.1), "22023", "not below"),
    (dict(relation="shop.orders", unit_column="user_id", time_column="ordered_at", covariate_column="amount"), "22023",
     "what happened after the exposure"),
    (dict(relation="shop.orders", unit_column="user_id", covariate_relation="shop.exposures"), "22023", "covariate_column"),
    (dict(relation="shop.orders", unit_column="user_id", margin=-1.0), "23514", ""),
    (dict(relation="shop.orders", unit_column="user_id", margin=float("nan")), "23514", ""),
    (dict(relation="shop.orders", unit_column="user_id", margin=float("inf")), "23514", ""),
    (dict(kind="compound", components=["shoporders"], component_weights=[float("nan")]), "22023", "not a finite number"),
    (dict(relation="shop.coins", unit_column="user_id", value_column="price"), "42804", "is of type money, not a number"),
    (dict(relation="shop.coins", unit_column="user_id", value_column="id"), "42804", "is of type oid, not a number"),
    (dict(relation="shop.coins", unit_column="user_id", value_column="prices"), "42804", "is of type integer[], not a number"),
]


@pytest.mark.parametrize("arguments, sqlstate, words", BAD_METRICS)
def test_bad_metrics(db, shop, arguments, sqlstate, words):
    error = db.error("SELECT expstat.register_metric('bad', %s)" % ", ".join("%s => %%s" % a for a in arguments),
                     *arguments.values())
    assert error.pgcode == sqlstate and words in str(error), error
    assert db.one("SELECT count(*) FROM expstat.metrics WHERE metric = 'bad'") == 0


BAD_EXPERIMENTS = [
    (dict(exposures="shop.nothing"), "42P01", 'relation "shop.nothing" does not exist'),
    (dict(unit_column="person"), "42703", 'column "person" of relation shop.exposures does not exist'),
    (dict(variant_column="arm"), "42703", 'column "arm"'),
    (dict(time_column="variant"), "42804", "not a time"),
    (dict(segments=["planet"]), "42703", 'column "planet"'),
    (dict(experiment_column="experiment"), "42703", 'column "experiment"'),
    (dict(assignments="shop.orders"), "42703", 'column "variant" of relation shop.orders'),
    (dict(variants=["control"]), "22023", "two variants or more"),
    (dict(variants=["a", "a"]), "22023", ""),
    (dict(control="c"), "22023", 'control "c" is not a variant'),
    (dict(weights=[1.0]), "22023", ""),
    (dict(primary_metric="unheard of"), "42704", 'metric "unheard of" is not registered'),
    (dict(metrics=["unheard of"]), "42704", 'metric "unheard of" is not registered'),
    (dict(unit="device"), "22023", 'metric "shoporders" is by user, experiment "bad" by device'),
    (dict(starts=START, ends=START), "22023", "before it starts"),
    (dict(time_zone="Mars/Olympus"), "22023", "Mars/Olympus"),
    (dict(time_zone="CEST"), "22023", "CEST"),      # an abbreviation, which is no zone
    (dict(method="bayes"), "22023", 'unknown method "bayes"'),
    (dict(correction="sidak"), "22023", 'unknown correction "sidak"'),
    (dict(crossovers="fail"), "22023", 'unknown crossovers policy "fail"'),
    (dict(hashing_method="md5"), "22023", "md5"),
    (dict(coverage=1.5), "22023", "1.5"),
    (dict(alpha=0.0), "23514", ""),
]


@pytest.mark.parametrize("arguments, sqlstate, words", BAD_EXPERIMENTS)
def test_bad_experiments(db, shop, arguments, sqlstate, words):
    arguments = {**dict(exposures="shop.exposures", variants=["control", "treatment"], primary_metric="shoporders"),
                 **arguments}
    error = db.error("SELECT expstat.register_experiment('bad', %s)" % ", ".join("%s => %%s" % a for a in arguments),
                     *arguments.values())
    assert error.pgcode == sqlstate and words in str(error), error
    assert db.one("SELECT count(*) FROM expstat.experiments WHERE experiment = 'bad'") == 0


def test_what_is_gone_is_named(db):
    """A relation that was dropped after it was registered; it may come back."""
    shop = Shop(db, "gone", n=50)
    register(db, shop, "gone", metrics=[])
    db.run("ALTER TABLE gone.orders RENAME TO renamed")
    error = db.error("SELECT * FROM expstat.analyze('gone')")
    assert error.pgcode == "42P01" and "relation gone.orders does not exist" in str(error)
    assert 'It is named in the definition of metric "gonerevenue"' in error.diag.message_detail
    db.run("CREATE TABLE gone.orders AS SELECT * FROM gone.renamed")
    assert analyze(db, "gone")


def test_unknown_experiments(db, shop):
    error = db.error("SELECT * FROM expstat.analyze('chekout')")
    assert error.pgcode == "42704" and 'experiment "chekout" is not registered' in str(error)
    assert "checkout" in error.diag.message_hint
    for as_of in ("infinity", None):
        assert db.error("SELECT * FROM expstat.analyze('checkout', as_of => %s)", as_of).pgcode == "22023"


def test_nan_is_an_error(db):
    shop = Shop(db, "nan", n=100)
    register(db, shop, "nan", metrics=["buyers"])
    user = next(iter(shop.units(START, START + 14 * DAY)))
    db.run("INSERT INTO nan.orders VALUES (%s, 'NaN', %s)", user, START + 13 * DAY)
    metric(db, "nanbuyers", kind="proportion", relation="nan.orders", unit_column="user_id", value_column="amount",
           time_column="ordered_at")
    call(db, "register_experiment", experiment="nan", exposures="nan.exposures", primary_metric="nanbuyers",
         variants=["control", "treatment", "treatment b"])
    assert db.error("SELECT * FROM expstat.analyze('nan')").pgcode == "22003"


HOSTILE = ["'; DROP TABLE expstat.metrics; --", 'a"b', "a'b", "$1", "%s", "%1$I", "$$; SELECT 1 $$", "\\", "ünï☃", "select",
           "x" * 60, "a.b", "A", " ", "a\nb", "{a,b}", "E'\\x'", "pg_temp", "u", "r", "s1", "unit"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_any_kind(db, name):
    """The same name for the schema, tables, columns, metrics, segments, variants and the experiment."""
    def quoted(suffix=""):
        return '"%s"' % (name[:50] + suffix).replace('"', '""')
    schema, table = quoted(), quoted("t")
    if name == "pg_temp":
        relation = table
    else:
        db.run("CREATE SCHEMA %s" % schema)
        relation = "%s.%s" % (schema, table)
    columns = [quoted(c) for c in "123456"]
    db.run("CREATE TABLE %s (%s text, %s text, %s timestamptz, %s text, %s float8, %s text)" % ((relation,) + tuple(columns)))
    db.copy_rows(relation, [("u%d" % i, [name, "other"][i % 2], START, name, float(i % 5), name + "m")
                            for i in range(60)])
    plain = [c[1:-1].replace('""', '"') for c in columns]
    metric(db, name + "m", relation=relation, unit_column=plain[0], value_column=plain[4], time_column=plain[2],
           metric_column=plain[5], winsor_high=0.9, covariate_window="1 day")
    metric(db, name + "q", kind="quantile", quantile=0.5, relation=relation, unit_column=plain[0], value_column=plain[4])
    metric(db, name + "r", kind="ratio", components=[name + "m", name + "m"])
    call(db, "register_experiment", experiment=name, exposures=relation, unit_column=plain[0], variant_column=plain[1],
         time_column=plain[2], experiment_column=plain[3], segments=[plain[3]], variants=[name, "other"],
         primary_metric=name + "m", metrics=[name + "q", name + "r"], assignments=relation, salt=name)
    rows = analyze(db, name)
    control = min([name, "other"], key=lambda s: s.encode())
    treatment = "other" if control == name else name
    assert set(rows) == {(name + m, treatment) for m in "mqr"}
    assert {(r.control, r.n, r.n_control) for r in rows.values()} == {(control, 30, 30)}
    segments = results(db, name, "experiment_results_by_segment")
    assert {(r["segment"], r["value"]) for r in segments} == {(plain[3], name)}
    call(db, "decide_experiment", experiment=name, decision="ship", variant=treatment, reason=name)
    assert db.one("SELECT count(*) FROM expstat.metrics WHERE metric = %s", name + "m") == 1


# Names that the parser of qualified names takes, and that would be more than a name if they were put into a query.
TRICKS = ["t;do/**/$$begin/**/execute('create/**/table/**/public'||chr(46)||'owned()');end$$;--",
          "t/**/as/**/r;do/**/$$begin/**/execute('create/**/table/**/public'||chr(46)||'owned()');end$$;--",
          "t/**/as/**/e;do/**/$$begin/**/execute('create/**/table/**/public'||chr(46)||'owned()');end$$;--"]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_relation_is_a_name_and_no_query(db, trick):
    """Definitions can be written by UPDATE, and are: what they name is looked up and quoted again."""
    db.run("DROP SCHEMA IF EXISTS tricks CASCADE")
    db.run("CREATE SCHEMA tricks")
    db.run("CREATE TABLE tricks.t (user_id int, variant text, exposed_at timestamptz)")
    db.run('CREATE TABLE tricks."%s" AS SELECT i AS user_id, (ARRAY[\'control\', \'treatment\'])[1 + i %% 2] AS variant, '
           "timestamptz '2026-03-05' AS exposed_at FROM generate_series(1, 40) AS i" % trick)
    metric(db, "tricked", relation="tricks.t", unit_column="user_id", time_column="exposed_at")
    call(db, "register_experiment", experiment="tricked", exposures="tricks.t", assignments="tricks.t",
         variants=["control", "treatment"], primary_metric="tricked")
    db.run("UPDATE expstat.metrics SET relation = %s WHERE metric = 'tricked'", "tricks." + trick)
    db.run("UPDATE expstat.experiments SET exposures = %s, assignments = %s WHERE experiment = 'tricked'", *["tricks." + trick] * 2)
    row = analyze(db, "tricked")["tricked", "treatment"]
    assert (row.n, row.n_control, row.estimate) == (20, 20, 1)
    assert db.one("SELECT to_regclass('public.owned')") is None


@pytest.mark.parametrize("value", HOSTILE)
def test_values_of_any_kind(db, value):
    """What is no name: ids, labels, segments' values, salts, words, and a time zone that is not one."""
    db.run("CREATE TABLE IF NOT EXISTS vals (id text, user_id text, variant text, exposed_at timestamptz, segment text)")
    db.run("TRUNCATE vals")
    db.copy_rows("vals", [(value, value + str(i), [value, "other" + value][i % 2], START, [value, value + "2"][i // 2 % 2])
                          for i in range(40)])
    metric(db, "m" + value, relation="vals", unit_column="user_id", description=value)
    metric(db, "q" + value, kind="compound", components=["m" + value], component_weights=[2.0], description=value)
    options = dict(experiment="v" + value, exposures="vals", experiment_column="id", variants=[value, "other" + value],
                   control=value, segments=["segment"], primary_metric="m" + value, metrics=["q" + value], salt=value, name=value,
                   hypothesis=value)
    call(db, "register_experiment", **options)
    db.run("UPDATE expstat.variants SET description = %s WHERE experiment = %s", value, "v" + value)
    db.run("UPDATE vals SET id = %s", "v" + value)
    rows = analyze(db, "v" + value, timeline=False)
    assert {k: (r.n, r.n_control) for k, r in rows.items()} == {("m" + value, "other" + value): (20, 20), ("q" + value, "other" + value): (20, 20)}
    assert {r["value"] for r in results(db, "v" + value, "experiment_results_by_segment")} == {value, value + "2"}
    call(db, "decide_experiment", experiment="v" + value, decision="ship", variant="other" + value, reason=value)
    assert db.one("SELECT decision_reason FROM expstat.experiment_summary WHERE experiment = %s", "v" + value) == value
    try:
        db.one("SELECT expstat.register_experiment('v', 'vals', '{a,b}', %s, time_zone => %s)", "m" + value, value)
        analyze(db, "v")        # by the rules of POSIX it is a zone
    except psycopg2.Error as error:
        assert error.pgcode == "22023" and value in str(error)
    for argument in ("method", "correction", "crossovers", "hashing_method"):
        error = db.error("SELECT expstat.register_experiment('v', 'vals', '{a,b}', %%s, %s => %%s)" % argument, "m" + value, value)
        assert error.pgcode == "22023"


# --- rights -------------------------------------------------------------------------------------

@pytest.fixture
def users(db):
    """Two ordinary users, each with a connection; they are gone afterwards."""
    names = ["expstat_ann", "expstat_bob"]
    for name in names:
        db.run("CREATE ROLE %s LOGIN" % name)
    db.run("CREATE SCHEMA common")
    db.run("GRANT ALL ON SCHEMA common TO PUBLIC")
    connections = []
    for name in names:
        connection = Db(db.connection.info.dbname)
        connection.run("SET SESSION AUTHORIZATION %s" % name)
        connections.append(connection)
    yield connections
    for connection in connections:
        connection.close()
    db.run("DROP SCHEMA common CASCADE")
    db.run("DELETE FROM expstat.decisions WHERE decided_by IN ('expstat_ann', 'expstat_bob')")
    db.run("DELETE FROM expstat.experiments WHERE owner IN ('expstat_ann', 'expstat_bob')")
    db.run("DELETE FROM expstat.metrics WHERE owner IN ('expstat_ann', 'expstat_bob')")
    for name in names:
        db.run("DROP OWNED BY %s" % name)
        db.run("DROP ROLE %s" % name)


VIEWS = ["metrics", "experiments", "variants", "experiment_metrics", "states", "timeline", "quantiles", "health", "analyses",
         "decisions", "comparisons", "experiment_results", "experiment_results_by_segment", "experiment_timeseries",
         "experiment_health", "experiment_summary"]


def make_own_experiment(db, name):
    db.run("CREATE TABLE common.%s (user_id int, variant text, exposed_at timestamptz, x float8, side text)" % name)
    db.run("INSERT INTO common.%s SELECT i, (ARRAY['a', 'b'])[1 + i %% 2], '2026-03-01', i %% 3, 's' FROM generate_series(1, 90) AS i"
           % name)
    metric(db, name + " x", relation="common." + name, unit_column="user_id", value_column="x")
    metric(db, name + " q", kind="quantile", quantile=0.5, relation="common." + name, unit_column="user_id", value_column="x")
    call(db, "register_experiment", experiment=name, exposures="common." + name, variants=["a", "b"], segments=["side"],
         primary_metric=name + " x", metrics=[name + " q"])
    rows = analyze(db, name)
    call(db, "decide_experiment", experiment=name, decision="ship", variant="b")
    return rows


def test_everybody_can_use_it_and_sees_what_is_theirs(db, users):
    ann, bob = users
    assert len(make_own_experiment(ann, "anns")) == 2
    for view in VIEWS:
        assert ann.one("SELECT count(*) > 0 FROM expstat.%s" % view), view
        if view != "metrics":
            assert bob.one("SELECT count(*) FROM expstat.%s" % view) == 0, view
    assert bob.error("SELECT * FROM expstat.analyze('anns')").pgcode == "42704"
    assert bob.error("SELECT expstat.register_metric('anns x', relation => 'expstat.metrics', unit_column => 'metric')").pgcode \
        == "42501"
    assert bob.error("INSERT INTO expstat.states SELECT 'anns', 'anns x', now(), NULL, NULL, moments_agg(1, 'a'), 'mean', false, 0, true").pgcode \
        == "42501"
    assert ann.error("UPDATE expstat.decisions SET decision = 'keep running'").pgcode == "42501"
    assert ann.error("DELETE FROM expstat.decisions").pgcode == "42501"
    assert ann.error("INSERT INTO expstat.decisions (experiment, decision, snapshot, decided_by) "
                     "VALUES ('anns', 'ship', '{}', 'expstat_bob')").pgcode == "42501"
    # The owner gives it to a role; its members have it.
    db.run("GRANT expstat_ann TO expstat_bob")
    assert len(analyze(bob, "anns")) == 2
    db.run("REVOKE expstat_ann FROM expstat_bob")


def test_the_callers_rights_are_what_counts(db, users):
    """Tables that one may not read stay unread, and of tables with row security one's own rows are analyzed."""
    ann, bob = users
    make_own_experiment(ann, "secret")
    call(bob, "register_experiment", experiment="peek", exposures="common.secret", variants=["a", "b"], primary_metric="secret x")
    error = bob.error("SELECT * FROM expstat.analyze('peek')")
    assert error.pgcode == "42501" and "permission denied for table secret" in str(error)
    ann.run("ALTER TABLE common.secret ENABLE ROW LEVEL SECURITY")
    ann.run("CREATE POLICY few ON common.secret TO expstat_bob USING (user_id <= 40)")
    ann.run("GRANT SELECT ON common.secret TO expstat_bob")
    metric(bob, "bobs x", relation="common.secret", unit_column="user_id", value_column="x")
    call(bob, "register_experiment", experiment="bobs", exposures="common.secret", variants=["a", "b"], primary_metric="bobs x")
    row = analyze(bob, "bobs")["bobs x", "b"]
    assert row.n + row.n_control == 40


def test_no_function_runs_with_its_owners_rights(db):
    assert db.one("SELECT count(*) FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e' "
                  "JOIN pg_extension AS x ON x.oid = d.refobjid WHERE x.extname LIKE 'expstat%' AND p.prosecdef") == 0


# --- dump and restore ---------------------------------------------------------------------------

def test_dump_and_restore(db, shop, tmp_path):
    """Definitions, states and decisions come back, though a registered relation is gone by then."""
    call(db, "decide_experiment", experiment="checkout", decision="do not ship", reason="no effect")
    name, copy = db.connection.info.dbname, db.connection.info.dbname + "_copy"
    dump = str(tmp_path / "dump")
    subprocess.run(["pg_dump", "-Fc", "-f", dump, name], check=True)
    db.run("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'" % copy)
    try:
        done = subprocess.run(["pg_restore", "--exit-on-error", "-d", copy, dump], stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        restored = Db(copy)
        restored.run("SET timezone = 'UTC'")
        for table in ("metrics", "experiments", "variants", "experiment_metrics", "decisions", "states", "timeline", "quantiles",
                      "health", "analyses", "experiment_results", "experiment_summary"):
            query = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)), count(*) FROM expstat.%s AS t" % table
            assert restored.one(query) == db.one(query) and restored.one(query)[1] > 0, table
        assert analyze(restored, "checkout").keys() == analyze(db, "checkout").keys()
        restored.close()
    finally:
        db.run("DROP DATABASE %s WITH (FORCE)" % copy)


# --- other units --------------------------------------------------------------------------------

def test_randomised_by_organisation_measured_by_user(db):
    """Revenue per user: a ratio whose clusters are the organisations."""
    rng = np.random.default_rng(3)
    db.run("CREATE SCHEMA orgs")
    db.run("CREATE TABLE orgs.exposures (org_id int, variant text, exposed_at timestamptz)")
    db.run("CREATE TABLE orgs.users (user_id int, org_id int, revenue float8)")
    exposures, users = [], []
    for org in range(80):
        exposures.append((org, ["control", "treatment"][org % 2], START))
        level = rng.normal()
        users += [(len(users) + i, org, round(10 + level + rng.normal(), 3)) for i in range(rng.integers(1, 30))]
    db.copy_rows("orgs.exposures", exposures)
    db.copy_rows("orgs.users", users)
    source = dict(relation="orgs.users", unit_column="org_id", unit="organisation")
    metric(db, "org revenue", value_column="revenue", **source)
    metric(db, "org users", **source)
    metric(db, "revenue per user", kind="ratio", components=["org revenue", "org users"], unit="organisation")
    call(db, "register_experiment", experiment="orgs", exposures="orgs.exposures", unit="organisation", unit_column="org_id",
         variants=["control", "treatment"], primary_metric="revenue per user")
    row = analyze(db, "orgs")["revenue per user", "treatment"]
    sums = defaultdict(lambda: [0.0, 0])
    for _, org, revenue in users:
        sums[org][0] += revenue
        sums[org][1] += 1
    error = 0.0
    for arm in (0, 1):
        num, den = np.array([sums[o] for o in range(arm, 80, 2)]).T
        ratio, values = reference.ratio_values(num, den)
        error += values.var(ddof=1) / len(values)
        assert (row.estimate if arm else row.estimate_control) == pytest.approx(ratio)
    assert row.std_error == pytest.approx(error ** 0.5) and row.n == 40
    naive = stats.ttest_ind([r for _, o, r in users if o % 2], [r for _, o, r in users if not o % 2], equal_var=False)
    assert row.std_error > 1.5 * abs((row.diff) / naive.statistic)      # what taking users for units would claim


def test_randomised_by_device_measured_by_user(db):
    """Exposures of devices, as persons: who logged in on devices of both variants is left out."""
    db.run("CREATE SCHEMA devices")
    db.run("CREATE TABLE devices.exposures (device_id text, variant text, exposed_at timestamptz)")
    db.run("CREATE TABLE devices.logins (device_id text, user_id text, at timestamptz)")
    db.run("CREATE TABLE devices.orders (user_id text, amount float8, ordered_at timestamptz)")
    # User i has the devices 2i and 2i+1; every tenth user has one in either variant.
    db.run("INSERT INTO devices.exposures SELECT 'd' || d, CASE WHEN (d / 2) % 10 = 0 THEN (ARRAY['control', 'treatment'])[1 + d % 2] "
           "ELSE (ARRAY['control', 'treatment'])[1 + (d / 2) % 2] END, '2026-03-01' FROM generate_series(0, 399) AS d")
    db.run("INSERT INTO devices.logins SELECT 'd' || d, 'u' || d / 2, '2026-02-01' FROM generate_series(0, 399) AS d")
    db.run("INSERT INTO devices.orders SELECT 'u' || i, i % 7, '2026-03-02' FROM generate_series(0, 199, 3) AS i")
    db.run("CREATE VIEW devices.persons AS SELECT unit AS user_id, variant, exposed_at FROM person_exposures("
           "'devices.exposures', 'device_id', 'variant', 'exposed_at', 'devices.logins', 'device_id', 'user_id', 'at') "
           "WHERE NOT conflict")
    metric(db, "device revenue", relation="devices.orders", unit_column="user_id", value_column="amount",
           time_column="ordered_at")
    call(db, "register_experiment", experiment="devices", exposures="devices.persons", variants=["control", "treatment"],
         primary_metric="device revenue")
    row = analyze(db, "devices")["device revenue", "treatment"]
    kept = [i for i in range(200) if i % 10]
    value = {i: (i % 7 if i % 3 == 0 else 0) for i in kept}
    check_mean(row._asdict(), np.array([value[i] for i in kept if i % 2], dtype=float),
               np.array([value[i] for i in kept if not i % 2], dtype=float))


# --- the recommended tables ---------------------------------------------------------------------

def test_recommended_tables(db):
    db.run("CREATE SCHEMA data")
    assert [str(r[0]) for r in db.rows("SELECT expstat.create_tables('data', '2026-02-14', 2)")] == ["data.assignment", "data.kpi_outcome"]
    for experiment in ("one", "two", "x" * 200):
        db.one("SELECT expstat.add_experiment_partition('data.assignment', %s)", experiment)
    assert db.one("SELECT expstat.add_month_partitions('data.kpi_outcome', '2026-04-30', 3)") == 3
    assert db.one("SELECT count(*) FROM pg_inherits WHERE inhparent = 'data.assignment'::regclass") == 4
    assert db.one("SELECT count(*) FROM pg_inherits WHERE inhparent = 'data.kpi_outcome'::regclass") == 6
    db.run("INSERT INTO data.assignment SELECT e, 'u' || i, (ARRAY['control', 'treatment'])[1 + i % 2], '2026-03-01' "
           "FROM unnest('{one,two,three}'::text[]) AS e, generate_series(1, 100) AS i")
    error = db.error("INSERT INTO data.assignment VALUES ('two', 'u1', 'treatment')")
    assert error.pgcode == "23505"
    db.run("INSERT INTO data.kpi_outcome SELECT d, m, 'u' || i, i % 4 FROM generate_series(1, 100, 2) AS i, "
           "unnest('{visits,clicks}'::text[]) AS m, generate_series(date '2026-02-27', '2026-03-03', '1 day') AS d")
    metric(db, "visits", relation="data.kpi_outcome", unit_column="unit", value_column="value", time_column="day",
           metric_column="metric")
    call(db, "register_experiment", experiment="two", exposures="data.assignment", experiment_column="experiment",
         unit_column="unit", variants=["control", "treatment"], primary_metric="visits")
    row = analyze(db, "two")["visits", "treatment"]
    assert (row.n, row.n_control, row.estimate_control) == (50, 50, 0)
    assert row.estimate == pytest.approx(3 * 2.0)       # odd units do 1 or 3 on each of three days
    for bad in (0, 2000, None):
        assert db.error("SELECT expstat.add_month_partitions('data.kpi_outcome', '2027-01-01', %s)", bad).pgcode == "22023"


# --- decisions ----------------------------------------------------------------------------------

def test_decisions_keep_their_numbers(db):
    shop = Shop(db, "decided", n=150)
    register(db, shop, "decided", metrics=["orders"])
    assert db.error("SELECT expstat.decide_experiment('decided', 'ship', 'treatment')").pgcode == "55000"
    analyze(db, "decided")
    for bad in (("ship", None), ("ship", "treatment c"), ("deploy", "treatment"), ("keep running", "x")):
        assert db.error("SELECT expstat.decide_experiment('decided', %s, %s)", *bad).pgcode == "22023"
    before = db.one("SELECT estimate FROM expstat.experiment_results WHERE experiment = 'decided' AND metric = 'decidedorders' "
                    "AND variant = 'treatment'")
    db.one("SELECT expstat.decide_experiment('decided', 'ship', 'treatment', 'looks good')")
    db.run("DELETE FROM decided.orders")
    analyze(db, "decided", refresh=True)
    row = db.one("SELECT * FROM expstat.decisions WHERE experiment = 'decided'")
    assert (row.decision, row.variant, row.reason, row.decided_by) == ("ship", "treatment", "looks good", "postgres")
    kept = {(r["metric"], r["variant"]): r for r in row.snapshot["results"]}
    assert kept["decidedorders", "treatment"]["estimate"] == before
    assert row.snapshot["experiment"]["alpha"] == 0.05 and row.snapshot["health"][0]["check_name"] == "exposures"
    # From the archived moments the numbers can be had again, by any question.
    again = db.one("SELECT (welch_t(%s::jsonb::text::moments, control => 'control')).estimate LIMIT 1",
                   __import__("json").dumps(row.snapshot["moments"]["decidedorders"]))
    assert again == pytest.approx(before)
    summary = db.one("SELECT DISTINCT decision, decided_variant FROM expstat.experiment_summary WHERE experiment = 'decided'")
    assert summary == ("ship", "treatment")


def test_a_definition_that_went_wrong_breaks_no_view(db):
    """Whatever is done to one experiment's definitions, the views of all the others can be read."""
    shop = Shop(db, "broken", n=60)
    register(db, shop, "broken", metrics=["orders"])
    analyze(db, "broken")
    for harm in ("UPDATE expstat.metrics SET margin = NULL WHERE metric = 'brokenorders'",
                 "UPDATE expstat.metrics SET kind = 'ratio' WHERE metric = 'brokenorders'",
                 "DELETE FROM expstat.experiment_metrics WHERE experiment = 'broken' AND role = 'primary'",
                 "UPDATE expstat.variants SET is_control = false WHERE experiment = 'broken'",
                 "DELETE FROM expstat.variants WHERE experiment = 'broken'",
                 "DROP SCHEMA broken CASCADE"):
        db.run(harm)
        for view in VIEWS:
            db.rows("SELECT * FROM expstat.%s" % view)
