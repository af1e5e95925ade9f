"""expstat: the answer is a row of SQL, and the client adds nothing."""

from tasks import METRICS

from .base import SALT
from .database import InDatabase


class Expstat(InDatabase):
    #: standard errors of the last answer, the unit in which others' differences are judged
    std_errors = None

    def versions(self):
        (server,), = self.rows("SHOW server_version")
        (expstat,), = self.rows("SELECT extversion FROM pg_extension WHERE extname = 'expstat'")
        return ["PostgreSQL " + server, "expstat " + expstat]

    def notes(self):
        return {"std_errors": self.std_errors}

    def comparisons(self, sql):
        rows = self.rows(sql)
        self.std_errors = [se for _, _, se in rows]
        return [(diff, p) for diff, p, _ in rows]

    def one(self, call, source):
        return self.comparisons(
            "SELECT (c).diff, (c).p_value, (c).std_error FROM (SELECT %s AS c FROM %s) AS s" % (call, source)
        )

    def welch(self):
        return self.one("welch_t(revenue, variant)", "units")

    def ratio(self):
        return self.one("delta_ratio(revenue, sessions, variant)", "units")

    def cuped(self):
        return self.one("cuped_adjust(revenue, before, variant)", "units")

    def scorecard(self):
        return self.comparisons(
            """SELECT c.diff, c.p_value, c.std_error
               FROM (SELECT moments_diagonal_agg(metric_array(%s), variant) AS m FROM wide) AS s,
                    scorecard(m) AS c ORDER BY c.metric"""
            % ", ".join(METRICS)
        )

    def ranks(self):
        return self.comparisons(
            """SELECT (w).superiority, (w).p_value, ((w).superiority_high - (w).superiority_low) / 3.92
               FROM (SELECT mann_whitney(revenue, variant) AS w FROM units) AS s"""
        )

    def count_treatment(self, options=""):
        return self.rows(
            "SELECT count(*) FROM ids WHERE assign_variant(id, '%s', '{control,treatment}'%s) = 'treatment'"
            % (SALT, options)
        )[0][0]

    def assign(self):
        return self.count_treatment()

    def assign_md5(self):
        return self.count_treatment(", method => 'eppo'")

    def journey(self):
        return self.one(
            "welch_t(coalesce(total, 0), variant)",
            "exposures LEFT JOIN (SELECT user_id, sum(amount) AS total FROM events GROUP BY user_id) AS e USING (user_id)",
        )
