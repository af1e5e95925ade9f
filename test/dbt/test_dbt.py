"""The dbt package and its example, with the dbt of EXPSTAT_DBT and the server of the PG* environment.

One project for all tests, in a temporary folder and a database of its own: the steps are those of
its life, in order.
"""

import json
import os
import pathlib
import shutil
import subprocess

import numpy
import psycopg2
import psycopg2.extras
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "dbt"
NOWHERE = "http://127.0.0.1:9"  # whoever asks the network gets an error
SEARCH_PATH = 'public,"Our tools",analytics'
DATABASE = "expstat_dbt_%d" % os.getpid()

# Macros and arguments that the example has no use for.  They are models of no documentation.
EXTRA_MODELS = {
    "extra_sequential": """{{ expstat.compare(ref('extra_sequential_moments'), extra_metrics(), by=['country'],
                                              alpha=0.1, correction='bh') }}""",
    "extra_sequential_moments": "{{ expstat.moments(ref('exp_metrics_checkout'), extra_metrics(), by='country') }}",
    "extra_first": """with log as (select user_id, upper(variant) as arm, exposed_at as at, 'web' as "Platform"
                                   from {{ source('raw', 'exposures') }})
                      {{ expstat.first_exposures('log', 'user_id', 'arm', 'at', segments='"Platform"',
                                                 crossovers='keep_first') }}""",
    "extra_arms": """with m as ({{ expstat.moments(ref('exp_metrics_checkout'), [expstat.welch_t('revenue')],
                                                  variant="variant || case when country = 'DE' then ' DE' else '' end") }})
                     {{ expstat.compare('m', [expstat.welch_t('revenue')], control='control') }}""",
    "extra_srm": """{{ expstat.srm(ref('exp_metrics_checkout'), {'control': 1, 'treatment': 1, "it's": 1},
                                   by='country') }}""",
    "extra_decision": """{{ expstat.decide(ref('exp_results_checkout_by_country'), checkout_metrics(),
                                           srm=ref('extra_srm'), by='country') }}""",
    "extra_lost_guardrail": """{{ expstat.decide(ref('exp_results_checkout'), checkout_metrics()
                                  + [expstat.welch_t('lost', role='guardrail', margin=1)]) }}""",
}
EXTRA_METRICS = """{% macro extra_metrics() %}{{ return([
    expstat.metric('confidence_sequence', 'revenue', name="the visitor's revenue", options={'alpha': 0.2, 'tuning_n': 2000}),
    expstat.welch_t('revenue - refunds', role='primary', options={'alternative': 'greater', 'null_diff': -1.5}),
    expstat.cuped_adjust('revenue', ['revenue_before', 'orders * 0'], name='adjusted', options={'interacted': true}),
]) }}{% endmacro %}"""


class Project:
    """The example in a copy of the package, and its database."""

    def __init__(self, folder):
        self.dbt = os.environ["EXPSTAT_DBT"]
        self.home = folder / "home"
        self.home.mkdir()
        shutil.copytree(PACKAGE, folder / "dbt")
        self.path = folder / "dbt" / "example"
        self.environment = dict(
            os.environ, PGDATABASE=DATABASE, HOME=str(self.home), DBT_PROFILES_DIR=str(self.path),
            PGPASSWORD="unused", HTTP_PROXY=NOWHERE, HTTPS_PROXY=NOWHERE, PYTHONDONTWRITEBYTECODE="1")
        self.connection = psycopg2.connect("", dbname=DATABASE)
        self.connection.autocommit = True

    def run(self, *arguments, fails=False):
        """What dbt said; it must fail or not, as asked."""
        done = subprocess.run([self.dbt, "--warn-error", "--no-use-colors", *arguments], cwd=self.path, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert (done.returncode != 0) == fails, "dbt %s:\n%s" % (" ".join(arguments), done.stdout)
        return done.stdout

    def statuses(self):
        """Of the models and tests of the last run, by name."""
        results = json.loads((self.path / "target" / "run_results.json").read_text())["results"]
        return {r["unique_id"].split(".")[2]: r["status"] for r in results}

    def manifest(self):
        return json.loads((self.path / "target" / "manifest.json").read_text())

    def raw_data(self):
        subprocess.run(["psql", "-qX", "-f", "raw.sql"], cwd=self.path, check=True,
                       env=dict(self.environment, PGOPTIONS="-c search_path=" + SEARCH_PATH.replace(" ", "\\ ")))

    def move_extension(self):
        """From the schema public, where it was, to one whose name must be quoted."""
        self.sql('CREATE SCHEMA "Our tools"; ALTER EXTENSION expstat SET SCHEMA "Our tools"')
        configuration = self.path / "dbt_project.yml"
        text = configuration.read_text()
        assert "expstat_schema: public" in text
        configuration.write_text(text.replace("expstat_schema: public", "expstat_schema: Our tools"))

    def sql(self, sql, *arguments):
        with self.connection.cursor() as cursor:
            cursor.execute("SET search_path = " + SEARCH_PATH)
            cursor.execute(sql, arguments or None)

    def rows(self, sql, *arguments):
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute("SET search_path = " + SEARCH_PATH)
            cursor.execute(sql, arguments or None)
            return [dict(row) for row in cursor.fetchall()]

    def one(self, sql, *arguments):
        (row,) = self.rows(sql, *arguments)
        return row


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    admin = psycopg2.connect("")
    admin.autocommit = True
    admin.cursor().execute("CREATE DATABASE " + DATABASE)
    admin.cursor().execute("ALTER DATABASE %s SET timezone = 'Asia/Tokyo'" % DATABASE)
    made = Project(tmp_path_factory.mktemp("dbt"))
    made.raw_data()
    made.run("deps")
    yield made
    made.connection.close()
    admin.cursor().execute("DROP DATABASE %s WITH (FORCE)" % DATABASE)
    admin.close()


@pytest.fixture(scope="module")
def early(project):
    """The moments after a run in which the last days of the orders are still to come."""
    project.sql("DELETE FROM raw.orders WHERE ordered_at >= '2026-03-27'")
    project.run("run", "--select", "+exp_moments_checkout")
    return project.rows("SELECT xmin, exposed_on, country, metric, m::text, complete FROM exp_moments_checkout")


RESULTS = ["exp_results_checkout", "exp_results_checkout_by_country", "exp_decision_checkout", "exp_metrics_checkout"]


@pytest.fixture(scope="module")
def built(project, early):
    """After all orders have come, and the extension has moved, two builds: their statuses and tables."""
    project.move_extension()
    project.raw_data()
    (project.path / "macros" / "extra_metrics.sql").write_text(EXTRA_METRICS)
    for name, sql in EXTRA_MODELS.items():
        (project.path / "models" / (name + ".sql")).write_text(sql)
    builds = []
    for _ in range(2):
        project.run("build")
        builds.append((project.statuses(),
                       {table: project.rows("SELECT * FROM %s ORDER BY 1, 2, 3" % table) for table in RESULTS}))
    return builds


def assert_same(expected, found):
    """Of two rows, numbers up to the order in which states were merged."""
    for column, value in expected.items():
        assert found[column] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), column


def test_builds_twice(built):
    (first, first_tables), (second, second_tables) = built
    assert len(first) > 40 and set(first.values()) == {"success", "pass"}
    assert first == second
    for table in RESULTS:
        assert len(first_tables[table]) == len(second_tables[table]) > 0
        for before, after in zip(first_tables[table], second_tables[table]):
            assert_same(before, after)
    assert first["exp_results_checkout"] == "success" and first["revenue_reconciles"] == "pass"


def test_open_cohorts_are_computed_again_and_no_others(project, early, built):
    def key(row):
        return row["exposed_on"], row["country"], row["metric"]

    now = {key(r): r for r in project.rows("SELECT xmin, exposed_on, country, metric, m::text, complete FROM exp_moments_checkout")}
    assert now.keys() == {key(r) for r in early}
    assert {r["complete"] for r in early} == {True, False}
    assert {r["complete"] for r in now.values()} == {True}
    for row in early:
        assert (now[key(row)]["xmin"] == row["xmin"]) == row["complete"]
    assert any(now[key(row)]["m"] != row["m"] for row in early)


def test_merged_cohorts_are_the_units(project, built):
    merged = project.rows("SELECT name, s.* FROM (SELECT metric AS name, moments_agg(m) AS m FROM exp_moments_checkout GROUP BY 1) AS g,"
                          " moments_summary(m) AS s WHERE name IN ('refunds', 'revenue per order') ORDER BY name, variant, metric")
    direct = project.rows("SELECT name, s.* FROM (SELECT moments_agg(refunds, variant) AS a, moments_agg(revenue, orders, variant) AS b"
                          " FROM exp_metrics_checkout) AS g, LATERAL (VALUES ('refunds', a), ('revenue per order', b)) AS v (name, m),"
                          " moments_summary(m) AS s ORDER BY name, variant, metric")
    assert len(merged) == len(direct) == 6
    for m, d in zip(merged, direct):
        assert (m["variant"], m["n"]) == (d["variant"], d["n"])
        assert [m["mean"], m["variance"]] == pytest.approx([d["mean"], d["variance"]], rel=1e-12)


# ---- the numbers, by other means ----


def units(project, where="true"):
    """Arrays by variant, from the raw tables without any of the models."""
    rows = project.rows("""
        SELECT e.variant,
               count(o.order_id) FILTER (WHERE o.ordered_at >= e.at) AS orders,
               coalesce(sum(o.amount) FILTER (WHERE o.ordered_at >= e.at AND o.status = 'complete'), 0)::float8 AS revenue,
               coalesce(sum(o.amount) FILTER (WHERE o.ordered_at >= e.at AND o.status = 'refunded'), 0)::float8 AS refunds,
               CASE WHEN u.signed_up_at <= e.at - interval '28 days' THEN
                   coalesce(sum(o.amount) FILTER (WHERE o.ordered_at < e.at AND o.status = 'complete'), 0)::float8 END AS past
        FROM (SELECT DISTINCT ON (user_id) user_id, variant, exposed_at AS at FROM raw.exposures ORDER BY user_id, exposed_at) AS e
        JOIN raw.users AS u USING (user_id)
        LEFT JOIN raw.orders AS o
            ON o.user_id = e.user_id AND o.status <> 'cancelled'
               AND o.ordered_at BETWEEN e.at - interval '28 days' AND e.at + interval '13 days 23:59:59.999999'
        WHERE """ + where + " GROUP BY e.user_id, e.variant, e.at, u.signed_up_at")
    return {v: {c: numpy.array([r[c] for r in rows if r["variant"] == v], dtype=float)
                for c in ("orders", "revenue", "refunds", "past")} for v in ("treatment", "control")}


def welch(variance_t, variance_c, n_t, n_c, diff):
    """Welch's test from the variances of the two estimates' units."""
    a, b = variance_t / n_t, variance_c / n_c
    df = (a + b) ** 2 / (a ** 2 / (n_t - 1) + b ** 2 / (n_c - 1))
    return 2 * stats.t.sf(abs(diff) / numpy.sqrt(a + b), df)


def expected_results(data):
    """(difference, p-value) by metric, by scipy, statsmodels and least squares."""
    t, c = data["treatment"], data["control"]
    found = {}

    # theta of the past and of its absence, by least squares within the arms
    x = {v: numpy.column_stack([numpy.nan_to_num(d["past"]), numpy.isnan(d["past"])]) for v, d in data.items()}
    centred = numpy.vstack([x[v] - x[v].mean(axis=0) for v in data])
    theta = numpy.linalg.lstsq(centred, numpy.concatenate([d["revenue"] - d["revenue"].mean() for d in data.values()]), rcond=None)[0]
    adjusted = {v: d["revenue"] - x[v] @ theta for v, d in data.items()}
    test = stats.ttest_ind(adjusted["treatment"], adjusted["control"], equal_var=False)
    found["revenue"] = adjusted["treatment"].mean() - adjusted["control"].mean(), test.pvalue

    converted = [(t["orders"] > 0).sum(), (c["orders"] > 0).sum()]
    n = [len(t["orders"]), len(c["orders"])]
    found["converted"] = converted[0] / n[0] - converted[1] / n[1], proportions_ztest(converted, n)[1]

    ratio = {v: d["revenue"].sum() / d["orders"].sum() for v, d in data.items()}
    linear = {v: (d["revenue"] - ratio[v] * d["orders"]) / d["orders"].mean() for v, d in data.items()}
    diff = ratio["treatment"] - ratio["control"]
    found["revenue per order"] = diff, welch(linear["treatment"].var(ddof=1), linear["control"].var(ddof=1), *n, diff)

    found["refunds"] = (t["refunds"].mean() - c["refunds"].mean(),
                        stats.ttest_ind(t["refunds"], c["refunds"], equal_var=False).pvalue)
    return found


def check_results(rows, data):
    found = expected_results(data)
    assert {r["metric"] for r in rows} == set(found)
    for r in rows:
        assert (r["variant"], r["n"], r["n_control"]) == ("treatment", len(data["treatment"]["orders"]), len(data["control"]["orders"]))
        assert [r["diff"], r["p_value"]] == pytest.approx(found[r["metric"]], rel=1e-8), r["metric"]


def check_adjusted(rows):
    tested = [r for r in rows if r["role"] != "guardrail"]
    holm = multipletests([r["p_value"] for r in tested], method="holm")[1]
    assert [r["p_adjusted"] for r in tested] == pytest.approx(list(holm), rel=1e-12)
    assert {r["p_adjusted"] for r in rows if r["role"] == "guardrail"} == {None}


def test_results(project, built):
    rows = project.rows("SELECT * FROM exp_results_checkout")
    check_results(rows, units(project))
    check_adjusted(rows)


def test_results_by_country(project, built):
    rows = project.rows("SELECT * FROM exp_results_checkout_by_country")
    for country in ("DE", "FR", "US"):
        check_results([r for r in rows if r["country"] == country], units(project, "country = '%s'" % country))
    check_adjusted(rows)


def test_results_are_those_of_the_aggregates(project, built):
    by_hand = project.rows("""
        SELECT 'revenue' AS metric, (cuped_adjust(revenue, revenue_before, variant)).* FROM exp_metrics_checkout
        UNION ALL SELECT 'converted', (proportion_z(converted, variant)).* FROM exp_metrics_checkout
        UNION ALL SELECT 'revenue per order', (delta_ratio(revenue, orders, variant)).* FROM exp_metrics_checkout
        UNION ALL SELECT 'refunds', (welch_t(refunds, variant)).* FROM exp_metrics_checkout""")
    for row in by_hand:
        assert_same(row, project.one("SELECT * FROM exp_results_checkout WHERE metric = %s", row["metric"]))


def test_split(project, built):
    split = project.one("SELECT * FROM exp_srm_checkout")
    counts = [len(units(project)[v]["orders"]) for v in ("control", "treatment")]
    assert split["observed"] == counts
    assert split["p_value"] == pytest.approx(stats.chisquare(counts).pvalue, rel=1e-9)


def test_decision(project, built):
    by_hand = project.one("""
        SELECT d.* FROM exp_srm_checkout AS s, (
            SELECT ARRAY[metric_result('revenue', 'primary', cuped_adjust(revenue, revenue_before, variant)),
                         metric_result('converted', 'secondary', proportion_z(converted, variant)),
                         metric_result('revenue per order', 'secondary', delta_ratio(revenue, orders, variant)),
                         metric_result('refunds', 'guardrail', welch_t(refunds, variant), better => 'lower', margin => 3)]
            FROM exp_metrics_checkout) AS r (results), decide(results, srm_p_value => s.p_value, planned_n => 1400) AS d""")
    assert project.one("SELECT * FROM exp_decision_checkout") == by_hand
    assert by_hand["decision"] == "ship"


def test_lost_guardrail_is_not_shipped(project, built):
    decision = project.one("SELECT * FROM extra_lost_guardrail")
    assert decision["decision"] == "keep running"
    assert "guardrail lost" in decision["reasons"]


def test_decision_by_country(project, built):
    decisions = project.rows("SELECT country, variant, decision FROM extra_decision ORDER BY 1")
    # srm expected a third variant
    assert decisions == [{"country": c, "variant": "treatment", "decision": "do not ship"} for c in ("DE", "FR", "US")]


def test_options_reach_the_functions(project, built):
    for country in ("DE", "US"):
        by_hand = project.rows("""
            SELECT 1 AS place, c.* FROM (SELECT moments_agg(revenue, variant) AS m FROM exp_metrics_checkout WHERE country = %s) AS s,
                confidence_sequence(m, alpha => 0.2, tuning_n => 2000) AS c
            UNION ALL SELECT 2, c.* FROM (SELECT moments_agg(revenue - refunds, variant) AS m FROM exp_metrics_checkout WHERE country = %s) AS s,
                welch_t(m, alpha => 0.1, alternative => 'greater', null_diff => -1.5) AS c
            UNION ALL SELECT 3, c.* FROM (SELECT moments_agg(ARRAY[revenue, coalesce(revenue_before, 0), (revenue_before IS NULL)::int], variant) AS m
                FROM exp_metrics_checkout WHERE country = %s) AS s, cuped_adjust(m, alpha => 0.1, interacted => true) AS c
            ORDER BY place""", country, country, country)
        names = ["the visitor's revenue", "revenue - refunds", "adjusted"]
        model = project.rows("SELECT * FROM extra_sequential WHERE country = %s ORDER BY array_position(%s, metric)", country, names)
        assert [r["metric"] for r in model] == names
        for m, hand in zip(model, by_hand):
            assert_same({c: v for c, v in hand.items() if c != "place"}, m)
    adjusted = project.rows("SELECT p_value, p_adjusted FROM extra_sequential")
    assert len(adjusted) == 9
    assert [r["p_adjusted"] for r in adjusted] == pytest.approx(
        list(multipletests([r["p_value"] for r in adjusted], method="fdr_bh")[1]), rel=1e-12)


def test_more_than_two_variants(project, built):
    by_hand = project.rows("""
        SELECT c.* FROM (SELECT moments_agg(revenue, variant || CASE WHEN country = 'DE' THEN ' DE' ELSE '' END) AS m
                         FROM exp_metrics_checkout) AS s, welch_t(m) AS c ORDER BY c.variant COLLATE "C" """)
    assert [r["variant"] for r in by_hand] == ["control DE", "treatment", "treatment DE"]
    model = project.rows('SELECT * FROM extra_arms ORDER BY variant COLLATE "C"')
    assert len(model) == 3
    for m, hand in zip(model, by_hand):
        assert_same(hand, m)


def test_first_exposures(project, built):
    assert project.rows("SELECT user_id, variant, exposed_at, exposures FROM extra_first ORDER BY 1") == project.rows(
        "SELECT user_id, upper(min(variant)) AS variant, min(exposed_at) AS exposed_at, count(*) AS exposures"
        " FROM raw.exposures GROUP BY 1 ORDER BY 1")
    assert project.one('SELECT DISTINCT "Platform", crossover FROM extra_first') == {"Platform": "web", "crossover": False}


# ---- mistakes ----


@pytest.mark.parametrize("metrics, message", [
    ("[expstat.welch_t('revenue', role='main')]", "not main"),
    ("[expstat.welch_t('revenue'), expstat.cuped_adjust('revenue', 'x')]", "the same name"),
])
def test_wrong_metrics_do_not_compile(project, built, metrics, message):
    said = project.run("compile", "--inline", "{{ expstat.moments(ref('exp_metrics_checkout'), %s) }}" % metrics, fails=True)
    assert message in said


# ---- documentation ----


def test_everything_is_documented(project, built):
    project.run("docs", "generate")
    target = project.path / "target"
    assert (target / "index.html").stat().st_size > 0
    manifest = project.manifest()
    catalog = json.loads((target / "catalog.json").read_text())

    def ours(things):
        return [t for t in things.values() if t["package_name"] in ("expstat", "expstat_example") and "extra" not in t["name"]]

    bare = []
    macros = ours(manifest["macros"])
    assert len(macros) > 15
    for macro in macros:
        names = [macro["name"]] + ["%s(%s)" % (macro["name"], a["name"]) for a in macro["arguments"]]
        texts = [macro["description"]] + [a["description"] for a in macro["arguments"]]
        bare += [n for n, text in zip(names, texts) if not text]
    relations = {**manifest["nodes"], **manifest["sources"]}
    columns = 0
    for id, found in {**catalog["nodes"], **catalog["sources"]}.items():
        if "extra" in id:
            continue
        described = relations[id]["columns"]
        bare += ["%s.%s" % (id, name) for name in found["columns"] if not described.get(name, {}).get("description")]
        columns += len(found["columns"])
        assert set(described) == set(found["columns"]), id
        if not relations[id]["description"]:
            bare.append(id)
    assert columns > 90
    own_tests = 0
    for node in ours(manifest["nodes"]):
        metadata = node.get("test_metadata")
        if node["resource_type"] == "test" and (metadata is None or metadata.get("namespace") == "expstat"):
            own_tests += 1
            if not node["description"]:
                bare.append(node["name"])
    assert own_tests == 5
    assert bare == []


def test_arguments_are_documented_as_they_are(project, built):
    """In the order of the macro's own."""
    for macro in project.manifest()["macros"].values():
        if macro["package_name"] == "expstat":
            sql = macro["macro_sql"]
            signature = sql[sql.index("("):sql.index("%}")] if macro["arguments"] else ""
            places = [signature.find(a["name"]) for a in macro["arguments"]]
            assert -1 not in places and places == sorted(places), macro["name"]


def test_version_is_that_of_the_extension(project, built):
    installed = project.one("SELECT extversion FROM pg_extension WHERE extname = 'expstat'")["extversion"]
    assert "\nversion: %s\n" % installed in (project.path.parent / "dbt_project.yml").read_text()


def test_no_telemetry_and_nothing_at_home(project, built):
    assert project.manifest()["metadata"]["send_anonymous_usage_stats"] is False
    assert list(project.home.rglob("*")) == []


# ---- faults, planted ----


SRM_OK = "expstat_srm_ok_exp_exposures_checkout_variant__1__1"


def failed(statuses):
    return {name for name, status in statuses.items() if status not in ("success", "pass", "skipped")}


def test_planted_faults_fail_their_tests(project, built):
    project.sql("""
        INSERT INTO raw.exposures SELECT user_id, 'treatment', exposed_at + interval '1 hour' FROM raw.exposures
            WHERE variant = 'control' ORDER BY user_id LIMIT 1;
        INSERT INTO exp_exposures_checkout SELECT * FROM exp_exposures_checkout ORDER BY user_id LIMIT 1;
        UPDATE exp_exposures_checkout SET variant = 'Treatment' WHERE user_id = (SELECT max(user_id) FROM exp_exposures_checkout);
        UPDATE exp_metrics_checkout SET revenue = revenue + 1 WHERE user_id = (SELECT min(user_id) FROM exp_metrics_checkout)""")
    said = project.run("test", fails=True)
    statuses = project.statuses()
    assert failed(statuses) == {
        SRM_OK,
        "expstat_source_no_crossover_raw_exposures_user_id",
        "expstat_one_exposure_per_unit_exp_exposures_checkout_user_id",
        "revenue_reconciles",
        "results_count_every_unit"}
    # a variant that nobody planned
    assert statuses[SRM_OK] == "error" and "Treatment" in said


def test_planted_srm_fails_the_build(project, built):
    project.raw_data()
    project.sql("DELETE FROM raw.exposures WHERE variant = 'treatment' AND assign_bucket(user_id, 'lost') < 0.15")
    said = project.run("build", fails=True)
    statuses = project.statuses()
    assert failed(statuses) == {SRM_OK, "accepted_values_exp_health_checkout_status__ok__warn"}, said
    # and no result is made of such a split
    assert {statuses[m] for m in ("exp_metrics_checkout", "exp_moments_checkout", "exp_results_checkout", "exp_decision_checkout")} == {"skipped"}
