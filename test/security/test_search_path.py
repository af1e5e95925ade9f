"""Who puts functions and operators with the names of PostgreSQL's or of ours where they might be found, has none of them called.

While an extension is created its names are looked up in pg_catalog, then in its schema; when it is used, the path is the
caller's.  Every planted object raises SQLSTATE HOSTI when it is called.
"""

import re

import pytest

from roles import MALLORY, OWNER

HOSTILE = "RAISE EXCEPTION 'captured' USING ERRCODE = 'HOSTI'"
BODY = "LANGUAGE plpgsql AS $$ BEGIN %s; END $$" % HOSTILE

# Nearer to how our bodies call them than what PostgreSQL has, so that they would be taken while the extension is created.
NEARER = ["format(text, text)", "format(text, name)", "format(text, name, name)", "format(text, text, text)", "concat_ws(text, text, text)",
          "concat_ws(text, text)", "coalesced(text)"]


@pytest.fixture
def site(server):
    """A database in which mallory may create in public: (a connection of hers, one of a superuser)."""
    name = server.database()
    root = server.connect(name)
    root.run("GRANT CREATE ON SCHEMA public TO PUBLIC")
    root.run("GRANT CREATE ON DATABASE %s TO %s" % (name, MALLORY))
    return server.connect(name, MALLORY), root


def plant(db, schema, signature, returns="text"):
    db.run("CREATE FUNCTION %s.%s RETURNS %s %s" % (schema, signature, returns, BODY))


def test_names_that_would_be_bound_to_others_are_refused(site):
    mallory, root = site
    for signature in NEARER:
        plant(mallory, "public", signature)
    error = root.error("CREATE EXTENSION expstat")
    assert error.pgcode == "55000" and "function public.format(text,text)" in str(error) and "Install it in a schema" in str(error)
    assert "coalesced" not in str(error)        # what is not used is not in the way
    root.run("CREATE SCHEMA ours")
    root.run("CREATE EXTENSION expstat SCHEMA ours")


def test_operators_are_looked_at_as_well(site):
    """The registry's own schema, made before it, with operators in it."""
    mallory, root = site
    mallory.run("CREATE SCHEMA expstat")
    plant(mallory, "expstat", "hostile_equal(text, text)", "boolean")
    mallory.run("CREATE OPERATOR expstat.= (FUNCTION = expstat.hostile_equal, LEFTARG = text, RIGHTARG = text)")
    root.run("CREATE EXTENSION expstat")
    root.run("CREATE EXTENSION expstat_registry")       # the one of pg_catalog comes first, if both fit as well
    assert root.one("SELECT count(*) FROM pg_depend WHERE refobjid = 'expstat.=(text,text)'::regoperator") == 0
    root.run("DROP EXTENSION expstat_registry")
    plant(mallory, "expstat", "hostile_concatenation(text, bigint)", "text")
    mallory.run("CREATE OPERATOR expstat.|| (FUNCTION = expstat.hostile_concatenation, LEFTARG = text, RIGHTARG = bigint)")
    error = root.error("CREATE EXTENSION expstat_registry")
    assert error.pgcode == "55000" and "operator expstat.||(text,bigint)" in str(error)


OWN = ["known_column(regclass, text, text)", "metric_error(text, text, unknown_text)", "analyze(text)", "check_choice(text, text, text, text)",
       "found_relation(text, name)"]


@pytest.mark.parametrize("signature", OWN)
def test_nobody_else_has_functions_with_the_registrys_names(site, signature):
    mallory, root = site
    mallory.run("CREATE SCHEMA expstat")
    mallory.run("CREATE DOMAIN expstat.unknown_text AS text")
    plant(mallory, "expstat", signature.replace("unknown_text", "expstat.unknown_text"))
    error = root.error("CREATE EXTENSION expstat_registry CASCADE")
    assert error.pgcode == "55000" and "expstat.%s(" % signature.split("(")[0] in str(error).replace('"', "")


# What runs while the registry is created must call PostgreSQL's own.
RUN = ["format(text, name)", "format(text, text)", "pg_extension_config_dump(text, text)", "set_config(text, text, boolean)", "current_setting(text)"]


@pytest.mark.parametrize("signature", RUN)
def test_nothing_of_others_runs_at_creation(site, signature):
    mallory, root = site
    mallory.run("CREATE SCHEMA expstat")
    plant(mallory, "expstat", signature)
    try:
        root.run("CREATE EXTENSION expstat_registry CASCADE")
    except Exception as error:
        assert error.pgcode in ("55000", "42725"), error      # refused, or ambiguous


# One of each kind of object, as the scripts make them.
SAME = [("public", "CREATE FUNCTION public.welch_t_final(text) RETURNS text " + BODY, None),
        ("public", "CREATE TYPE public.comparison AS (x int)", "42710"),
        ("public", "CREATE TYPE public.moments AS (x int)", "42710"),
        ("public", "CREATE TABLE public.decision (x int)", "42710"),
        ("public", "CREATE FUNCTION public.farm_fingerprint(text) RETURNS bigint " + BODY, "42723"),
        ("public", "CREATE FUNCTION public.exposure_schema() RETURNS text " + BODY, "42723"),
        ("expstat", "CREATE TABLE expstat.metrics (x int)", "42P07"),
        ("expstat", "CREATE VIEW expstat.experiment_results AS SELECT 1 AS x", "42P07"),
        ("expstat", "CREATE FUNCTION expstat.core_schema() RETURNS text " + BODY, "42723")]


@pytest.mark.parametrize("schema, statement, sqlstate", SAME)
def test_what_is_there_is_not_adopted(site, schema, statement, sqlstate):
    mallory, root = site
    if schema == "expstat":
        mallory.run("CREATE SCHEMA expstat")
    mallory.run(statement)
    if sqlstate is None:        # another function, in nobody's way
        root.run("CREATE EXTENSION expstat_registry CASCADE")
    else:
        assert root.error("CREATE EXTENSION expstat_registry CASCADE").pgcode == sqlstate
        assert root.one("SELECT count(*) FROM pg_extension WHERE extname LIKE 'expstat%'") == 0


# --- at run time --------------------------------------------------------------------------------

def plant_everything(db, schema):
    """A copy of each of PostgreSQL's functions and operators of the common types, and of each of ours; the number of each."""
    common = ("ARRAY['text', 'name', 'int4', 'int8', 'float8', 'bool', 'numeric', 'regclass', 'regtype', 'oid', 'date', 'timestamp', 'timestamptz', "
              "'interval', 'text[]', 'float8[]', 'int4[]', 'int8[]', 'jsonb', '\\\"char\\\"']::regtype[]::oid[]")
    functions = db.rows(
        "SELECT format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS signature, "
        "pg_get_function_result(p.oid) AS result FROM pg_proc AS p WHERE p.prokind = 'f' AND NOT p.proretset AND p.pronargs > 0 "
        "AND p.pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace, 'expstat'::regnamespace) "
        "AND (p.pronamespace <> 'pg_catalog'::regnamespace OR "
        "(p.proargtypes::oid[] <@ {0} AND p.prorettype = ANY ({0}) AND p.proname ~ '^[a-z_0-9]+$')) "
        "AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.typtype = 'p' AND t.oid = ANY (p.proargtypes::oid[] || p.prorettype))".format(
            common.replace('\\"', '"')))
    statements = ["CREATE FUNCTION %s.%s RETURNS %s %s" % (schema, re.sub(r"(?i)\b(VARIADIC|OUT|INOUT) ", "", f.signature), f.result, BODY)
                  for f in functions if "OUT " not in f.signature]
    operators = db.rows(
        "SELECT o.oprname AS name, o.oprleft::regtype AS left, o.oprright::regtype AS right, o.oprresult::regtype AS result "
        "FROM pg_operator AS o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b' "
        "AND o.oprleft = ANY ({0}) AND o.oprright = ANY ({0})".format(common.replace('\\"', '"')))
    for i, o in enumerate(operators):
        statements.append('CREATE FUNCTION %s.hostile_%d("left" %s, "right" %s) RETURNS %s %s' % (schema, i, o.left, o.right, o.result, BODY))
        statements.append("CREATE OPERATOR %s.%s (FUNCTION = %s.hostile_%d, LEFTARG = %s, RIGHTARG = %s)"
                          % (schema, o.name, schema, i, o.left, o.right))
    db.run("CREATE SCHEMA %s" % schema)
    db.run(";".join(statements))
    return len(functions), len(operators)


CALLS = """
SELECT expstat.register_metric('m', relation => 'public.ex', unit_column => 'user_id', value_column => 'x', time_column => 'exposed_at',
                               covariate_window => '1 day', winsor_high => 0.99)
SELECT expstat.register_metric('p', kind => 'proportion', relation => 'public.ex', unit_column => 'user_id', value_column => 'x')
SELECT expstat.register_metric('r', kind => 'ratio', components => '{m,p}')
SELECT expstat.register_metric('c', kind => 'compound', components => '{m,p}', component_weights => '{1,-1}', role => 'guardrail', margin => 0.1)
SELECT expstat.register_metric('q', kind => 'quantile', quantile => 0.5, relation => 'public.ex', unit_column => 'user_id', value_column => 'x')
SELECT expstat.register_experiment('e', 'public.ex', '{a,b}', 'm', '{p,r,c,q}', segments => '{side}', salt => 's', assignments => 'public.ex',
                                   starts => '2026-01-01', ends => '2026-06-01')
SELECT * FROM expstat.analyze('e')
SELECT * FROM expstat.experiment_results
SELECT * FROM expstat.experiment_results_by_segment
SELECT * FROM expstat.experiment_timeseries
SELECT * FROM expstat.experiment_health
SELECT * FROM expstat.experiment_summary
SELECT expstat.decide_experiment('e', 'ship', 'b')
SELECT * FROM expstat.recommend('e')
SELECT public.expstat_report('e')
SELECT * FROM public.expstat_report_text('e')
SELECT expstat.create_tables('data', '2026-01-01', 2)
SELECT expstat.add_experiment_partition('data.assignment', 'e')
SELECT * FROM public.exposure_health('public.ex', 'user_id', 'variant', 'exposed_at', '{a,b}', salt => 's', segments => '{side}', assignments => 'public.ex')
SELECT * FROM public.first_exposures('public.ex', 'user_id', 'variant', 'exposed_at')
SELECT * FROM public.exposure_crossovers('public.ex', 'user_id', 'variant', 'exposed_at')
SELECT * FROM public.exposures_outside('public.ex', 'user_id', 'variant', 'exposed_at', '2026-03-02', '2026-03-03')
SELECT * FROM public.exposure_duplicates('public.ex', 'user_id', 'variant', 'exposed_at', '{side}')
SELECT * FROM public.assignment_mismatches('public.ex', 'user_id', 'variant', 'exposed_at', 's', '{a,b}')
SELECT * FROM public.assigned_not_exposed('public.ex', 'user_id', 'variant', 'public.ex', 'user_id')
SELECT * FROM public.srm_by_day('public.ex', 'user_id', 'variant', 'exposed_at', '{a,b}')
SELECT * FROM public.srm_by_segment('public.ex', 'user_id', 'variant', 'exposed_at', '{side}', '{a,b}')
SELECT * FROM public.person_exposures('public.ex', 'user_id', 'variant', 'exposed_at', 'public.ex', 'user_id', 'person', 'exposed_at')
""".strip().replace("\n                ", " ").split("\n")


def test_no_planted_function_is_called(server):
    """All that is written in SQL and PL/pgSQL, called by its full name, with the attacker's schema before all others."""
    name = server.database()
    root, owner = server.connect(name), server.connect(name, OWNER)
    owner.run("CREATE EXTENSION expstat_registry CASCADE")
    owner.run("CREATE SCHEMA data")
    owner.run("CREATE TABLE public.ex AS SELECT i AS user_id, i % 50 AS person, (ARRAY['a', 'b'])[1 + i % 2] AS variant, "
              "timestamptz '2026-03-01' + i % 3 * interval '1 day' AS exposed_at, i % 7 AS x, 's' || i % 2 AS side FROM generate_series(1, 200) AS i")
    # What the same calls say without an attacker: with, they say no other.
    rows_of = []
    for path in ("pg_catalog", "hostile, pg_catalog"):
        if path != "pg_catalog":
            functions, operators = plant_everything(root, "hostile")
            assert functions > 500 and operators > 150
            root.run("GRANT USAGE ON SCHEMA hostile TO PUBLIC")
            owner.run("DELETE FROM expstat.decisions; DELETE FROM expstat.experiments; DELETE FROM expstat.metrics; "
                      "DROP SCHEMA data CASCADE; CREATE SCHEMA data")
        owner.run("SET search_path = %s" % path)
        answers = [owner.rows(call) for call in CALLS]
        assert all(answers[i] for i, call in enumerate(CALLS) if "analyze" in call or "experiment_" in call or "health" in call)
        rows_of.append([len(a) for a in answers])
    assert rows_of[0] == rows_of[1]
    assert owner.error("SELECT 1 = 1").pgcode == "HOSTI"        # they would have been called
    assert owner.error("SELECT quote_ident('x')").pgcode == "HOSTI"
