"""The usual SQL, by hand, in words that PostgreSQL and DuckDB share.

PostgreSQL and DuckDB have no t distribution, so the client computes the p-values from what
these return: a row per variant, control first. {name} is where a table is.
"""

import formulas
from tasks import METRICS

WELCH = "SELECT variant, count(revenue), avg(revenue), var_samp(revenue) FROM {units} GROUP BY variant ORDER BY variant"

TWO = """SELECT variant, count(*), avg(revenue), avg({x}), var_samp(revenue), var_samp({x}), covar_samp(revenue, {x})
    FROM {{units}} GROUP BY variant ORDER BY variant"""
RATIO = TWO.format(x="sessions")
CUPED = TWO.format(x="before")

SCORECARD = (
    "SELECT variant, count(*), "
    + ", ".join("avg(%s), var_samp(%s)" % (m, m) for m in METRICS)
    + " FROM {wide} GROUP BY variant ORDER BY variant"
)

# Average ranks by a running count over the distinct values.
RANKS = """
    SELECT sum(t), sum(b), sum(b * (upto - (t - 1) / 2)), sum(t * t * t - t)
    FROM (SELECT t, b, sum(t) OVER (ORDER BY revenue ROWS UNBOUNDED PRECEDING) AS upto
          FROM (SELECT revenue, CAST(count(*) AS double precision) AS t,
                       CAST(count(*) FILTER (WHERE variant = 'treatment') AS double precision) AS b
                FROM {units} GROUP BY revenue) AS v) AS r"""

JOURNEY = """
    SELECT variant, count(*), avg(coalesce(total, 0)), var_samp(coalesce(total, 0))
    FROM {exposures} LEFT JOIN (SELECT user_id, sum(amount) AS total FROM {events} GROUP BY user_id) AS s USING (user_id)
    GROUP BY variant ORDER BY variant"""


class ByHand:
    """The tasks, for a tool that has `rows(sql)` and `table(name)`."""

    def query(self, sql):
        return self.rows(sql.format(**{t: self.table(t) for t in ("units", "wide", "ids", "exposures", "events")}))

    def arms(self, sql):
        """The rows of control and treatment, without their labels."""
        (_, *control), (_, *treatment) = self.query(sql)
        return control, treatment

    def welch(self):
        return [formulas.welch(*self.arms(WELCH))]

    def ratio(self):
        return [formulas.ratio(*self.arms(RATIO))]

    def cuped(self):
        return [formulas.cuped(*self.arms(CUPED))]

    def scorecard(self):
        control, treatment = self.arms(SCORECARD)
        return [
            formulas.welch((control[0], *control[i : i + 2]), (treatment[0], *treatment[i : i + 2]))
            for i in range(1, 1 + 2 * len(METRICS), 2)
        ]

    def ranks(self):
        return [formulas.mann_whitney(*self.query(RANKS)[0])]

    def journey(self):
        return [formulas.welch(*self.arms(JOURNEY))]
