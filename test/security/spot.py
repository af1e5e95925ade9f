"""What pgspot finds in an extension script: run by the Python that has pgspot, script on stdin, JSON on stdout.

A list of [kind of statement, name of the object, code of the finding, what it is about]; code "bound" for a function with
a body of SQL (BEGIN ATOMIC).  pgspot 0.9.4 ends with "list index out of range" at the first of these, for it takes the body from
the clause AS, which they do not have.  So here they are looked at without the body, for OR REPLACE and SECURITY DEFINER, and
listed for the caller, who asks the catalog what the body was bound to.  And where it takes an expression of PL/pgSQL for a whole
statement, which is a syntax error to it, the expression is given to it again as a SELECT.
"""

import json
import sys
from types import SimpleNamespace

from pglast import ast
from pglast.parser import ParseError
from pgspot import visitors
from pgspot.formatters import format_function
from pgspot.state import Counter, State


class Findings(Counter):
    """Keeps what pgspot would print, with the statement that it is looking at."""

    def __init__(self, args):
        super().__init__(args)
        self.found = []
        self.statement = None

    def print_issue(self, code, context):
        self.found.append(self.statement + [code, context])

    def unknown(self, message):
        self.found.append(self.statement + ["unknown", message])


class SQLVisitor(visitors.SQLVisitor):
    """Of the statements of the script, not of those in functions."""

    def visit_CreateFunctionStmt(self, ancestors, node):
        if node.sql_body is None:
            super().visit_CreateFunctionStmt(ancestors, node)
            return
        if node.replace:
            self.state.warn("PS002", format_function(node))
        if any(o.defname == "security" and o.arg.boolval for o in node.options):
            self.state.error("PS003", format_function(node))
        self.state.counter.found.append(self.state.counter.statement + ["bound", format_function(node)])
        node.sql_body = None


def visit_sql(state, sql, original=visitors.visit_sql):
    try:
        original(state, sql)
    except ParseError:
        original(state, "SELECT " + sql)


def name_of(statement):
    """A name to tell statements apart; what names them differs from kind to kind."""
    for attribute in ("funcname", "defnames"):
        if getattr(statement, attribute, None):
            return ".".join(n.sval for n in getattr(statement, attribute))
    for attribute in ("view", "relation", "table"):
        if getattr(statement, attribute, None):
            return getattr(statement, attribute).relname
    return ""


def main():
    visitors.SQLVisitor = SQLVisitor
    visitors.visit_sql = visit_sql
    args = SimpleNamespace(ignore=[], ignore_lang=[], plpgsql=True, sql_fn=[], summary_only=False, proc_without_search_path=[])
    findings = Findings(args)
    state = State(findings)
    # As pgspot does: psql's commands are no SQL, and the schema is a name.
    sql = "\n".join(line for line in sys.stdin.read().split("\n") if not line.startswith("\\"))
    sql = sql.replace("@extschema@", "extschema")
    count = 0
    for raw in visitors.parse_sql(sql):
        assert isinstance(raw, ast.RawStmt)
        findings.statement = [type(raw.stmt).__name__, name_of(raw.stmt)]
        SQLVisitor(state)(raw)
        count += 1
    json.dump({"statements": count, "findings": findings.found}, sys.stdout)


main()
