"""The report of an experiment: a page that any parser reads, that shows the numbers of the views, whatever the labels are,
and that fits a desktop and a phone in Chromium; and its text form.
"""

import html.parser
import json
import re
import shutil
import subprocess
import unicodedata
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import Db

VARIANTS = ["control", "<script>alert('v')</script>", "\U0001F984 & co", "\u0645\u0631\u062d\u0628\u0627", " ", "thin",
            "AVeryLongVariantNameWithoutAnyBlankInItThatWillHaveToBreakSomewhereOnAPhone", "never seen"]
EVIL = "</title></style><img src=x onerror=alert(1)><!-- \"quotes\" & 'apostrophes' &amp; ]]>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def db(registry):
    """With experiments: evil (all that can go wrong), wide (ten variants), bare, alone, usual."""
    make_experiments(registry)
    return registry


def make_experiment(db, experiment, name, variants, metrics, method="fixed", **columns):
    """Definitions without a source, for nothing here analyses: the tables get what analyze() would write."""
    columns = {"unit": "user", "exposures": "x", "unit_column": "u", "variant_column": "v", "time_column": "t",
               "time_zone": "UTC", "method": method, "experiment": experiment, "name": name, **columns}
    db.run("INSERT INTO expstat.experiments (%s) VALUES (%s)" % (", ".join(columns), ", ".join(["%s"] * len(columns))),
           *columns.values())
    for place, variant in enumerate(variants):
        db.run("INSERT INTO expstat.variants VALUES (%s, %s, 1, %s, %s, %s)", experiment, variant, place == 0, EVIL, place)
    for place, (metric, kind, role, better, margin, relative) in enumerate(metrics):
        db.run("INSERT INTO expstat.metrics (metric, description, unit, kind, role, better, margin, relative) "
               "VALUES (%s, %s, 'user', %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
               metric, EVIL, kind, "secondary" if role == "primary" else role, better, margin, relative)
        db.run("INSERT INTO expstat.experiment_metrics VALUES (%s, %s, %s, %s)", experiment, metric, role, place)
    db.run("INSERT INTO expstat.analyses VALUES (%s, '2026-01-06 12:00', '2026-01-06 12:30', 12345, '{}')", experiment)


def store(db, experiment, metric, value, days=5, segment=None):
    """States and timeline of a metric: value is SQL of i (unit), place (of the variant) and hash (uniform)."""
    db.run("""INSERT INTO expstat.states (experiment, metric, cohort, segment, value, m, kind, adjusted, units_hash, complete)
        SELECT %s, %s, '2026-01-01'::date + mod(i, %s), {}, moments_agg({}, variant),
               (SELECT kind FROM expstat.metrics WHERE metric = %s), false, 0, true
        FROM (SELECT v.variant, v.place, i, (ARRAY['<td>', 'DE', NULL])[1 + mod(i, 3)] AS part,
                     assign_bucket(i::text, v.variant || %s) AS hash
              FROM expstat.variants AS v, generate_series(1, 400) AS i
              WHERE v.experiment = %s AND v.variant <> 'never seen' AND (v.variant <> 'thin' OR i IN (2, 4, 7))) AS r
        GROUP BY 3, 4, 5""".format("NULL::text, NULL::text" if segment is None else "'%s', part" % segment, value),
           experiment, metric, days, metric, metric, experiment)
    if segment is None:
        db.run("""INSERT INTO expstat.timeline (experiment, metric, day, m, kind, adjusted, complete)
            SELECT s.experiment, s.metric, d.cohort, moments_agg(s.m), s.kind, false, d.cohort < '2026-01-05'
            FROM expstat.states AS s
            JOIN (SELECT DISTINCT experiment, metric, cohort FROM expstat.states) AS d
                 ON (d.experiment, d.metric) = (s.experiment, s.metric) AND s.cohort <= d.cohort
            WHERE s.experiment = %s AND s.metric = %s AND s.segment IS NULL
            GROUP BY s.experiment, s.metric, s.kind, d.cohort""", experiment, metric)


def make_experiments(db):
    make_experiment(db, "evil", EVIL, VARIANTS, [
        ("m\"1", "mean", "primary", "higher", None, True), ("share", "proportion", "secondary", "higher", None, True),
        ("zero control", "mean", "secondary", "higher", None, True), ("no data", "mean", "secondary", "higher", None, True),
        ("median", "quantile", "secondary", "higher", None, True), ("guard & rail", "mean", "guardrail", "lower", 0.4, False),
        (EVIL, "mean", "secondary", "higher", None, True)],
        method="sequential", hypothesis=EVIL, segments=["<i>country</i>"], alpha=0.1)
    store(db, "evil", "m\"1", "10 + 4 * hash + 0.2 * place")
    store(db, "evil", "m\"1", "10 + 4 * hash + 0.2 * place", segment="<i>country</i>")
    store(db, "evil", "share", "(hash < 0.3 + 0.05 * place)::int")
    store(db, "evil", "zero control", "CASE place WHEN 0 THEN 0 ELSE hash END", days=1)
    store(db, "evil", "guard & rail", "3 + hash + CASE place WHEN 2 THEN 2 ELSE 0 END")
    store(db, "evil", EVIL, "1e12 * hash + place")
    db.run("INSERT INTO expstat.quantiles VALUES ('evil', 'median', NULL, NULL, ROW('thin', 'control', 3, 400, 1, 2, -1, 1, NULL,"
           " NULL, 0.2, '-Infinity', 'Infinity', -0.5, '-Infinity', 'Infinity', 0.1, 'quantile_compare'))")
    db.run("INSERT INTO expstat.health VALUES ('evil', 1, 'srm_sequential', 'fail', 1e-9, 0.001, %s), "
           "('evil', 2, 'duplicates', 'warn', 5, 3, 'many'), ('evil', 3, 'exposures', 'ok', 1, 1, 'fine')", EVIL)
    db.run("INSERT INTO expstat.decisions VALUES ('evil', '2026-01-07', 'ana', 'keep running', NULL, %s, '{}'), "
           "('evil', '2026-01-08', 'ana', 'do not ship', %s, NULL, '{}')", EVIL, VARIANTS[3])
    metrics = [("metric %d" % i, "mean", "primary" if i == 1 else "guardrail" if i > 10 else "secondary", "higher", 0.05, True)
               for i in range(1, 13)]
    make_experiment(db, "wide", "Ten variants", ["control"] + ["variant %d" % i for i in range(1, 10)], metrics)
    for metric, *_ in metrics:
        store(db, "wide", metric, "10 + 6 * hash + place / 10.0", days=2)
    make_experiment(db, "bare", "Nothing yet", ["control", "treatment"], metrics[:1])
    make_experiment(db, "alone", "Nobody to compare with", ["control"], metrics[:1])
    store(db, "alone", "metric 1", "hash")
    make_experiment(db, "usual", "Two variants", ["control", "treatment"], [
        ("visits", "mean", "primary", "higher", None, True), ("wait", "mean", "guardrail", "lower", 0.02, True)])
    store(db, "usual", "visits", "5 + hash + place")
    store(db, "usual", "wait", "5 + hash + place")


@pytest.fixture(scope="module")
def pages(db):
    return {x: db.one("SELECT expstat_report(%s)", x) for x in ("evil", "wide", "bare", "alone", "usual")}


@pytest.fixture(scope="module")
def trees(pages):
    """The pages as trees: they are XML, too."""
    return {x: ElementTree.fromstring(page.split("\n", 1)[1]) for x, page in pages.items()}


def text(element):
    return "".join(element.itertext())


def number(words):
    """A number as people write it; of a share or lift, not of its percentage."""
    words = words.replace("\u00a0", " ").replace("\u2212", "-").replace(",", "").strip()
    if words in ("\u2013", "-"):
        return None
    scale = 100 if words.endswith((" %", " pp")) else 1
    return float(words.removesuffix(" %").removesuffix(" pp").replace("\u221e", "inf")) / scale


def shows(words, value):
    """Is this the value, rounded to the decimals that are shown?"""
    shown = number(words)
    if shown is None or value is None:
        return shown is None and value is None
    decimals = len(re.match(r"[^.]*\.?(\d*)", words).group(1))
    scale = 100 if "%" in words or "pp" in words else 1
    exponent = 10 ** int(words.split("e")[1].split()[0]) if "e" in words else 1
    return shown == value or abs(shown - value) <= 0.5001 * 10 ** -decimals * exponent / scale


# ---- the page ----

VOID = {"meta", "br"}


class Balance(html.parser.HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


TAGS = set("html head meta title style body main footer header section article h1 h2 h3 p small b i strong span bdi br dl dt dd div ul li "
           "table caption thead tbody tr th td details summary figure figcaption svg desc line circle path text".split())


@pytest.mark.parametrize("name", ["evil", "wide", "bare", "alone"])
def test_page_is_well_formed_and_self_contained(pages, trees, name):
    page = pages[name]
    assert page.startswith("<!DOCTYPE html>\n<html lang=\"en\">") and page.endswith("</html>")
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == [] and parser.seen <= TAGS
    for element in trees[name].iter():
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on") and attribute not in ("src", "srcset", "action", "style", "xlink:href")
            assert attribute != "href" or value.startswith("#")
    style = trees[name].find("head/style").text
    assert not re.search(r"url\(|@import|https?:|//", style)


@pytest.mark.parametrize("name", ["evil", "wide", "bare", "alone"])
def test_page_is_accessible(trees, name):
    tree = trees[name]
    assert tree.get("lang") == "en" and tree.find("head/title").text.strip()
    assert len(list(tree.iter("h1"))) == 1 and len(list(tree.iter("main"))) == 1
    levels = [int(e.tag[1]) for e in tree.iter() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:]))
    for table in tree.iter("table"):
        assert text(table.find("caption")).strip()
        assert len(list(table.iter("th"))) > 0 and all(th.get("scope") for th in table.iter("th"))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        for other in (element.get("aria-labelledby") or "").split():
            assert other in ids
    nested = {id(inner) for outer in tree.iter("svg") for inner in outer.iter("svg") if inner is not outer}
    for svg in tree.iter("svg"):
        if id(svg) not in nested and svg.get("aria-hidden") != "true":
            assert svg.get("role") == "img" and svg.find("title").text.strip()
    for chart in tree.iter("figure"):
        assert re.match("From .+ to .+ on 2026-", chart.find(".//desc").text)


def test_labels_are_shown_as_they_are(trees):
    tree = trees["evil"]
    assert tree.find("body/main/header/h1/bdi").text == EVIL and EVIL in tree.find("head/title").text
    assert text(tree.find("body/main/header/p[2]")) == EVIL
    labels = {text(e) for e in tree.iter("bdi")}
    assert labels >= set(VARIANTS) - {" "} and EVIL in labels
    assert any(text(e) == "(empty)" for e in tree.iter("i"))


def forest(tree):
    """Metric and variant of each row of the plot of results, and the row."""
    rows = {}
    for tr in tree.find(".//table[@class='forest']").iter("tr"):
        group = tr.find("th[@class='group']")
        if group is not None:
            metric = text(group.find("bdi"))
        if tr.find("td") is not None:
            label = tr.find("th[@class='variant']")
            rows[metric, " " if text(label) == "(empty)" else text(label)] = tr
    return rows


@pytest.mark.parametrize("name", ["evil", "wide"])
def test_forest_shows_the_numbers_of_the_view(db, trees, name):
    rows = forest(trees[name])
    results = {(r.metric, r.variant): r for r in db.rows("SELECT * FROM expstat.experiment_results WHERE experiment = %s", name)}
    assert rows.keys() == results.keys() and len(rows) > 20
    for key, r in results.items():
        cells = {td.get("class").split()[-1]: td for td in rows[key].iter("td")}
        assert shows(text(cells["effect"].find("b")), r.diff if r.lift is None else r.lift)
        low, high = (r.diff_low, r.diff_high) if r.lift is None else (r.lift_low, r.lift_high)
        ends = text(cells["effect"].find("small")).split(" to ")
        assert len(ends) == (1 if low is None else 2)
        assert low is None or shows(ends[0], low) and shows(ends[1], high)
        assert text(cells["outcome"]).split()[-1] == r.outcome
        p = r.p_value if r.p_adjusted is None else r.p_adjusted
        shown = text(cells["p"]).removeprefix("p ").strip()
        assert shown == ("\u2013" if p is None else "< 0.0001" if p < 0.0001 else "%.4f" % p)


@pytest.mark.parametrize("name", ["evil", "wide"])
def test_pictures_are_to_scale(db, trees, name):
    """Where the numbers at the ticks are tells where everything else has to be."""
    table = trees[name].find(".//table[@class='forest']")
    ticks = [(number(t.text) if t.text != "0" else 0.0, float(t.get("x")[:-1])) for t in table.find("thead").iter("text")]
    (v1, x1), (v2, x2) = ticks[0], ticks[-1]
    assert len(ticks) >= 3 and x2 > x1 and any(v == 0 for v, _ in ticks)

    def place(value):
        return min(max(x1 + (value - v1) * (x2 - x1) / (v2 - v1), 0), 100)

    drawn = 0
    for r in db.rows("SELECT * FROM expstat.experiment_results WHERE experiment = %s", name):
        svg = forest(trees[name])[r.metric, r.variant].find(".//svg")
        interval, marks = svg.find("line[@class='interval']"), svg.findall("svg[@class='mark']")
        margin = svg.find("line[@class='margin']")
        assert (margin is not None) == (r.role == "guardrail")
        if margin is not None:
            sign = 1 if r.better == "lower" else -1
            at = sign * (r.margin if r.relative else r.margin / abs(r.estimate_control))
            assert abs(float(margin.get("x1")[:-1]) - place(at)) < 0.6
        if r.lift is None:
            assert interval is None and marks == []
            continue
        assert abs(float(interval.get("x1")[:-1]) - place(r.lift_low)) < 0.6
        assert abs(float(interval.get("x2")[:-1]) - place(r.lift_high)) < 0.6
        for mark in marks:
            assert abs(float(mark.get("x")[:-1]) - place(r.lift)) < 0.6
            assert (mark.find("path") is not None) == (r.outcome in ("worse", "broken"))
            drawn += 1
        for end, beyond in zip(svg.findall("svg[@class='end']"), (place(r.lift_low) in (0, 100), place(r.lift_high) in (0, 100))):
            assert ("L" in end.find("path").get("d")) == beyond
    assert drawn > 10


def test_all_numbers_and_days_are_those_of_the_views(db, trees):
    tables = {text(t.find("caption")): [[text(c) for c in tr] for tr in t.iter("tr")][1:] for t in trees["evil"].iter("table")}
    rows = tables["Values, differences and tests"]
    results = {(r.metric, r.variant): r for r in db.rows("SELECT * FROM expstat.experiment_results WHERE experiment = 'evil'")}
    assert len(rows) == len(results)
    for metric, variant, test, n, n_control, value, control, diff, interval, p, adjusted in rows:
        r = results[metric, " " if variant == "(empty)" else variant]
        assert test == r.method and number(n) == r.n and number(n_control) == r.n_control
        assert shows(value, r.estimate) and shows(control, r.estimate_control) and shows(diff, r.diff)
        assert r.diff_low is None or all(map(shows, interval.split(" to "), (r.diff_low, r.diff_high)))
        assert (p == "\u2013") == (r.p_value is None) and (adjusted == "\u2013") == (r.p_adjusted is None)
    days = {(str(r.day), r.variant): r for r in db.rows(
        "SELECT * FROM expstat.experiment_timeseries WHERE experiment = 'evil' AND kind = 'cumulative' AND metric = 'm\"1'")}
    rows = tables["Day by day, cumulative"]
    assert len(rows) == len(days) > 20
    for day, variant, lift, band in rows:
        r = days[day.split()[0], " " if variant == "(empty)" else variant]
        assert shows(lift, r.lift) and ("not over" in day) == (not r.complete)
        assert r.sequential_lift_low is None or all(
            map(shows, band.split(" to "), (r.sequential_lift_low, r.sequential_lift_high)))


def test_decision_comes_first_and_health_second(db, trees):
    sections = list(trees["evil"].iter("section"))
    assert [s.find("h2").get("id") for s in sections] == ["decision", "health", "results", "time", "segments", "methods"]
    cards = list(sections[0].iter("article"))
    summary = db.rows("SELECT * FROM expstat.experiment_summary WHERE experiment = 'evil'")
    assert len(cards) == len(summary) == len(VARIANTS) - 1
    for card in cards:
        label = text(card.find("h3"))
        s = next(s for s in summary if s.variant == (" " if label == "(empty)" else label))
        shown = [text(li).replace("\u00a0", " ") for li in card.iter("li")]
        assert sorted(shown) == ([] if s.reasons is None else sorted(s.reasons.split("\n")))
        unfolded = [text(li) for li in card.findall("ul/li")]
        assert len(shown) <= 8 or unfolded and not any(u.startswith("secondary") for u in unfolded)
        assert (s.recommendation or "no recommendation") in text(card.find("p[@class='verdict']"))
    decided = text(sections[0].find("div[@class='decided bad']"))
    assert "do not ship" in decided and "ana" in decided and EVIL in decided
    assert "1 check failed" in text(sections[1]) and "1 warning" in text(sections[1]) and EVIL in text(sections[1])


# ---- its colours ----

def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for w, c in zip((0.2126, 0.7152, 0.0722), parts))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast(trees):
    """WCAG 2.2: text at least 4.5 to 1, signs 3 to 1, in light and in dark."""
    style = trees["bare"].find("head/style").text
    palettes = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root {([^}]*)}", style)]
    assert len(palettes) == 2 and palettes[0].keys() == palettes[1].keys()
    for palette in palettes:
        pairs = [(t, b) for t in ("ink", "soft", "accent", "good", "bad", "wait", "open") for b in ("page", "card")]
        pairs += [(t, t + "-tint") for t in ("good", "bad", "wait", "open")]
        for a, b in pairs:
            assert contrast(palette[a], palette[b]) >= 4.5, (a, b)
        assert contrast(palette["accent"], palette["band"]) >= 3


# ---- in a terminal ----

def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


@pytest.mark.parametrize("name", ["evil", "wide", "bare", "alone"])
def test_text_fits_and_is_ascii(db, name):
    lines = [r.report for r in db.rows("SELECT * FROM expstat_report_text(%s)", name)]
    assert max(map(columns, lines)) <= 100
    for line in lines:
        assert not re.search(r"[\x00-\x1f]", line)
        for label in VARIANTS:
            line = line.replace(label, "")
        assert line.isascii()


def test_text_bars_are_to_scale(db):
    lines = [r.report for r in db.rows("SELECT * FROM expstat_report_text('wide')")]
    results = db.rows("SELECT r.* FROM expstat.experiment_results AS r JOIN expstat.variants AS v USING (experiment, variant) "
                      "WHERE experiment = 'wide' ORDER BY r.place, v.place")
    bars = [line for line in lines if re.match(r"  variant \d {10}", line)]
    assert len(bars) == len(results) == 108
    places = []
    for line, r in zip(bars, results):
        assert line.split()[1] == r.variant.split()[1] and line.split()[-1] == r.outcome
        bar = line[20:54]
        assert shows(line[54:64].strip(), r.lift)
        places.append((r.lift, bar.index("o" if r.outcome == "open" else "*")))
        assert bar.index("[") <= places[-1][1] <= bar.index("]")
    (v1, x1), (v2, x2) = min(places), max(places)
    assert x2 - x1 > 10
    for value, x in places:
        assert abs(x1 + (value - v1) * (x2 - x1) / (v2 - v1) - x) <= 1.01


# ---- who sees it, and where it is ----

def test_only_the_owner_sees_it(db):
    db.run("CREATE ROLE expstat_report_reader")
    try:
        for call in ("SELECT expstat_report('evil')", "SELECT * FROM expstat_report_text('evil')"):
            db.run("SET ROLE expstat_report_reader")
            error = db.error(call)
            db.run("RESET ROLE")
            assert error.pgcode == "42704" and "evil" not in error.diag.message_hint
    finally:
        db.run("RESET ROLE")
        db.run("DROP ROLE expstat_report_reader")


def test_errors_say_what_to_do(db):
    error = db.error("SELECT expstat_report('nothing')")
    assert error.pgcode == "42704" and "'evil', 'usual', 'wide'" in error.diag.message_hint
    assert db.error("SELECT expstat_report(NULL)").pgcode == "22004"
    db.run("INSERT INTO expstat.experiments (experiment, name, unit, exposures, unit_column, variant_column, time_column) "
           "VALUES ('it''s new', 'x', 'user', 'x', 'u', 'v', 't')")
    error = db.error("SELECT expstat_report('it''s new')")
    db.run("DELETE FROM expstat.experiments WHERE experiment = 'it''s new'")
    assert error.pgcode == "55000" and "expstat.analyze('it''s new')" in error.diag.message_hint


def test_settings_change_nothing(db, pages):
    """The page is the same under any search path and any way to write dates and numbers."""
    settings = {"search_path": "pg_catalog", "datestyle": "SQL, DMY", "extra_float_digits": "-15", "timezone": "Asia/Tokyo",
                "intervalstyle": "iso_8601"}
    for name, value in settings.items():
        db.run("SET %s = %s" % (name, value if name == "datestyle" else "'%s'" % value))
    changed = db.one("SELECT public.expstat_report('wide')")
    db.run("RESET ALL")
    db.run("SET timezone = 'UTC'")
    assert changed == pages["wide"]


def test_core_in_another_schema(database):
    name = database + "_elsewhere"
    admin = Db(database)
    admin.run("CREATE DATABASE %s" % name)
    db = Db(name)
    try:
        db.run('CREATE SCHEMA "odd ""Schema"')
        db.run('CREATE EXTENSION expstat SCHEMA "odd ""Schema"')
        db.run("CREATE EXTENSION expstat_registry")
        make_experiment(db, "bare", "Nothing yet", ["control", "treatment"], [("m", "mean", "primary", "higher", None, True)])
        assert "Nothing yet" in db.one('SELECT "odd ""Schema".expstat_report(\'bare\')')
        db.run("DROP EXTENSION expstat_registry")
        assert db.one("SELECT count(*) FROM pg_proc WHERE proname LIKE 'expstat_report%%'") == 0
    finally:
        db.close()
        admin.run("DROP DATABASE %s WITH (FORCE)" % name)
        admin.close()


# ---- in a browser ----

pytestmark_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def chromium(directory, *arguments):
    result = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                             "--user-data-dir=%s" % (directory / "profile"), *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=True)
    return result.stdout.decode()


def frame(page, width, height, script=""):
    """The page in a frame as wide as a phone: a window cannot be that narrow."""
    return ("<!DOCTYPE html><html><body style='margin:0'><iframe style='border:0;width:%dpx;height:%dpx' srcdoc=\"%s\"></iframe>%s</body></html>"
            % (width, height, html.escape(page), script))


MEASURE = """<script>
onload = () => {
  const d = document.querySelector('iframe').contentDocument, wide = [];
  for (const e of d.querySelectorAll('body *'))
    if (!e.closest('.scroll > *, svg, .hidden, thead') && e.getBoundingClientRect().right > d.documentElement.clientWidth + 1)
      wide.push(e.outerHTML.slice(0, 200));
  const cells = [...d.querySelectorAll('.forest td')].filter(e => e.getBoundingClientRect().height === 0).length;
  document.body.textContent = JSON.stringify({page: d.documentElement.scrollWidth, window: d.documentElement.clientWidth,
    wide: wide, empty: cells, height: d.documentElement.scrollHeight, svgs: d.querySelectorAll('svg[role=img]').length});
};
</script>"""


@pytestmark_browser
@pytest.mark.parametrize("name,width", [("evil", 390), ("evil", 1100), ("wide", 390), ("bare", 320)])
def test_page_fits_its_window(pages, tmp_path, name, width):
    """No sideways scrolling, with everything unfolded; wide tables scroll in their own boxes."""
    page = pages[name].replace("<details>", "<details open='open'>")
    (tmp_path / "frame.html").write_text(frame(page, width, 3000, MEASURE), encoding="utf-8")
    dom = chromium(tmp_path, "--window-size=1200,3000", "--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri())
    seen = json.loads(html.unescape(re.search(r"<body[^>]*>(.*)</body>", dom, re.S).group(1)))
    assert seen["window"] == width and seen["page"] <= width and seen["wide"] == [] and seen["empty"] == 0
    assert seen["height"] > 500 and (seen["svgs"] > 20) == (name != "bare")


@pytestmark_browser
def test_page_looks_right_in_light_and_dark(pages, tmp_path):
    """Neither is blank; dark is dark; and the marks of good and bad are there in their colours."""
    from PIL import Image

    (tmp_path / "page.html").write_text(pages["usual"], encoding="utf-8")
    brightness = {}
    for scheme, argument in (("light", "1"), ("dark", "0")):
        chromium(tmp_path, "--window-size=1100,2400", "--blink-settings=preferredColorScheme=" + argument,
                 "--screenshot=%s" % (tmp_path / (scheme + ".png")), (tmp_path / "page.html").as_uri())
        image = Image.open(tmp_path / (scheme + ".png")).convert("RGB")
        assert image.size == (1100, 2400)
        colours = {colour for count, colour in image.getcolors(1 << 20) if count > 30}
        grey = image.convert("L")
        brightness[scheme] = sum(grey.histogram()[128:]) / (1100 * 2400)
        palette = dict(re.findall(r"--([\w-]+): (#\w{6})", re.findall(r":root {([^}]*)}", pages["usual"])[scheme == "dark"]))
        for name in ("page", "card", "ink", "good", "bad", "band"):
            assert tuple(int(palette[name][i:i + 2], 16) for i in (1, 3, 5)) in colours, name
    assert brightness["light"] > 0.85 and brightness["dark"] < 0.15
