"""The examples of the documentation, run as they stand: what a page prints is what comes out.

Numbers may differ in their last digits (another order of merging, another C library), layout in blanks.
"""

import math
import os
import re
import subprocess

import pytest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")

# Not those whose examples want a cluster, dbt, millions of rows, or tables that the reader has.
PAGES = """reference estimators assignment sequential ranks quantiles outliers bootstrap categories-and-anova heterogeneity aipw
decide planning scorecard exposure rollups registry""".split()

# What the README says that its reader has.
READERS_TABLES = """
CREATE TABLE exposures AS
SELECT i AS user_id, assign_variant(i::text, 'salt', '{control,treatment}') AS variant,
       timestamptz '2026-03-02' + i * interval '10 min' AS exposed_at, (ARRAY['DE', 'FR'])[1 + i % 2] AS country
FROM generate_series(1, 2000) AS i;
CREATE TABLE orders AS
SELECT user_id, exposed_at + interval '1 hour' AS ordered_at, user_id % 50 AS amount FROM exposures WHERE user_id % 3 = 0;
"""


def blocks(path):
    """(language, text) of the fenced blocks of a page."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as page:
        return re.findall(r"^```(\w*)\n(.*?)^```$", page.read(), re.M | re.S)


@pytest.fixture
def psql(database, db):
    """Runs psql in a new database, by a script from its standard input; what it printed."""
    name = database + "_docs"
    db.run("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'" % name)

    def run(script, *options):
        done = subprocess.run(["psql", "-X", "-q", "-d", name, *options], input=script, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.stdout

    yield run
    db.run("DROP DATABASE %s WITH (FORCE)" % name)


def statement(text):
    """A block as a statement that psql runs: pages leave the last semicolon out, now and then."""
    last = text.rstrip().split("\n")[-1]
    return text if last.rstrip().endswith(";") or "\\" in last or last.startswith("--") else text.rstrip() + ";\n"


def is_record(printed):
    """Was this printed by \\x?"""
    return bool(re.match(r"-\[ RECORD|\S+ +\| ", printed)) and not re.search(r"^-+\+-", printed, re.M)


def words(printed):
    """What was printed, without layout, command tags, NULLs, and where an error was in its statement."""
    lines = [line for line in printed.split("\n")
             if not re.match(r"(-\[ RECORD|[-+]+$|[A-Z]{2,}( [A-Z]+)*( \d+)*$|LINE \d+: | *\^$|NOTICE: )", line.strip())]
    text = re.sub(r"psql:<stdin>:\d+: ", "", "\n".join(lines))
    return [word for word in re.split(r"[\s|,+{}()]+", text) if word not in ("", "NULL")]


def same(a, b):
    if a == b:
        return True
    try:
        return math.isclose(float(a), float(b), rel_tol=1e-6, abs_tol=1e-12)
    except ValueError:
        return False


@pytest.mark.parametrize("page", PAGES)
def test_page_prints_what_comes_out(psql, page):
    script = ["SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS expstat; SET timezone = 'UTC';",
              "\\pset null NULL\n\\pset footer off"]
    wanted = []
    found = blocks("docs/%s.md" % page)
    for (language, text), (after, printed) in zip(found, found[1:] + [("", "")]):
        if language != "sql":
            continue
        # The extension is there, and how a result is laid out is seen from what is printed.
        text = re.sub(r"^CREATE EXTENSION expstat;|^\\x$", "", text, flags=re.M)
        wanted.append((text, printed if after == "" and printed else None))
        layout = ""
        if wanted[-1][1] and is_record(printed) and "\\gx" not in text:
            layout = "\\x on\n"
        elif wanted[-1][1] and printed.startswith("{\"version\""):
            layout = "\\pset format unaligned\n\\t on\n"
        script.append("\\echo @@@\n%s%s\n\\x off\n\\pset format aligned\n\\t off" % (layout, statement(text)))

    answers = re.split(r"^@@@$", psql("\n".join(script)), flags=re.M)[1:]
    assert len(answers) == len(wanted)
    for (text, printed), answer in zip(wanted, answers):
        a, b = words(printed or ""), words(answer)
        if a:
            assert len(a) == len(b) and all(map(same, a, b)), "%s\nprinted:\n%s\ncame out:\n%s" % (text, printed, answer)
    assert any(printed for _, printed in wanted)


def test_readme_runs_from_top_to_bottom(psql):
    script = "".join(text for language, text in blocks("README.md") if language == "sql")
    assert "assign_variant" in script and "expstat.analyze" in script
    printed = psql("SET client_min_messages = warning; CREATE EXTENSION expstat;" + READERS_TABLES + script,
                   "-v", "ON_ERROR_STOP=1")
    assert "ERROR" not in printed, printed
    assert printed.count("treatment") >= 4
