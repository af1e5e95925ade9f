"""Every function that tests, estimates with an interval, plans or decides is in docs/calibration.md, and script/calibrate runs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "calibration.md"
SIMULATED = ROOT / "test" / "calibration"

# A result with one of these columns says how likely something is, and can be wrong too often.
STATISTICAL = {"p_value", "p_adjusted", "p_sequential", "power", "power_now", "diff_low", "posterior_low", "slope_low",
               "superiority_low", "z_upper", "decision", "status"}
# These return no columns.
PLAIN = {"p_adjust", "group_sequential_inflation"}


def public_tests(db):
    """Names of the extension's functions and aggregates with a statistical result; what aggregates are made of is left out."""
    rows = db.rows("""
        SELECT DISTINCT p.proname, obj_description(p.oid, 'pg_proc') AS comment,
            coalesce(p.proargnames[array_position(p.proargmodes, 't'):], '{}')
                || ARRAY(SELECT attname::text FROM pg_attribute
                         WHERE attrelid IN (t.typrelid, e.typrelid) AND attnum > 0 AND NOT attisdropped) AS columns
        FROM pg_depend d
            JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'expstat'
            JOIN pg_proc p ON p.oid = d.objid
            JOIN pg_type t ON t.oid = p.prorettype
            LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typelem <> 0
        WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'""")
    return {r.proname for r in rows if r.proname in PLAIN or STATISTICAL & set(r.columns)
            and not re.match(r"aggregate (transition|combine|final) function$", r.comment)
            and (r.proname == "exposure_health" or not r.proname.startswith("exposure_"))}     # its parts


def test_every_test_is_on_the_page(db):
    named = set(re.findall(r"`(\w+)[`(]", PAGE.read_text()))
    tests = public_tests(db)
    assert {"welch_t", "anova", "srm_by_day", "quantile_compare", "group_sequential_bounds", "mde_ratio", "exposure_health"} <= tests
    assert tests - named == set()


def test_every_test_is_simulated(db):
    """… in a file of test/calibration, but for those that the page says are another's answer."""
    simulated = set(re.findall(r"\b(\w+)\(", "".join(f.read_text() for f in SIMULATED.glob("*.sql"))))
    as_others = set(re.findall(r"^\| `(\w+)` \|.*\bby `", PAGE.read_text(), re.M))
    assert public_tests(db) - simulated == as_others
