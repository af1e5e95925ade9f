"""tea-tasting, over ibis: means and covariances in PostgreSQL, the test in Python."""

import os

import ibis
import tea_tasting

from tasks import METRICS

from .base import Tool, processes


class TeaTasting(Tool):
    cannot = {
        "assign": "does not assign",
        "assign_md5": "does not assign",
    }

    def __init__(self, settings):
        super().__init__(settings)
        self.connection = ibis.postgres.connect(
            host=os.environ["PGHOST"],
            port=int(os.environ.get("PGPORT", 5432)),
            user=os.environ.get("PGUSER", "postgres"),
            database=os.environ["PGDATABASE"],
        )

    def set_threads(self, number):
        self.connection.raw_sql(processes(number)).close()

    def versions(self):
        return ["tea-tasting " + tea_tasting.__version__, "ibis " + ibis.__version__]

    def analyze(self, table, **metrics):
        return tea_tasting.Experiment(variant="variant", **metrics).analyze(table, control="control")

    def means(self, table, **metrics):
        result = self.analyze(table, **metrics)
        return [(result[name].effect_size, result[name].pvalue) for name in metrics]

    def welch(self):
        return self.means(self.connection.table("units"), revenue=tea_tasting.Mean("revenue"))

    def ratio(self):
        return self.means(self.connection.table("units"), ratio=tea_tasting.RatioOfMeans("revenue", "sessions"))

    def cuped(self):
        return self.means(self.connection.table("units"), revenue=tea_tasting.Mean("revenue", "before"))

    def scorecard(self):
        return self.means(self.connection.table("wide"), **{m: tea_tasting.Mean(m) for m in METRICS})

    def ranks(self):
        metric = tea_tasting.MannWhitneyU("revenue", correction=False, method="asymptotic")
        result = self.analyze(self.connection.table("units"), revenue=metric)["revenue"]
        return [(result.treatment, result.pvalue)]

    def journey(self):
        exposures, events = self.connection.table("exposures"), self.connection.table("events")
        totals = events.group_by("user_id").aggregate(total=events.amount.sum())
        joined = exposures.left_join(totals, "user_id")
        units = joined.select("variant", total=joined.total.fill_null(0))
        return self.means(units, total=tea_tasting.Mean("total"))
