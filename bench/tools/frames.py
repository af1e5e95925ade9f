"""Rows pulled into pandas, tests by scipy."""

import hashlib
import io
import time

import numpy as np
import pandas as pd
import psycopg2
import scipy
from scipy import stats

import formulas
from tasks import METRICS

from .base import SALT, Tool, postgres, processes


class Frames(Tool):
    """The tasks, for a class that has `read(sql)`."""

    def __init__(self, settings):
        super().__init__(settings)
        self.connection = postgres()
        self.reading = 0.0

    def set_threads(self, number):
        with self.connection.cursor() as cursor:
            cursor.execute(processes(number))

    def versions(self):
        return [
            "pandas " + pd.__version__,
            "scipy " + scipy.__version__,
            "numpy " + np.__version__,
            "psycopg2 " + psycopg2.__version__.split()[0],
        ]

    def notes(self):
        return {"reading": self.reading}

    def pull(self, sql):
        start = time.perf_counter()
        frame = self.read(sql)
        self.reading = time.perf_counter() - start
        return frame

    def arms(self, sql):
        """Columns of control and treatment, but for the variant."""
        frame = self.pull(sql)
        treated = (frame["variant"] == "treatment").to_numpy()
        values = frame.drop(columns="variant").to_numpy()
        return values[~treated], values[treated]

    @staticmethod
    def t_test(control, treatment):
        p = stats.ttest_ind(treatment, control, equal_var=False).pvalue
        return list(zip(treatment.mean(axis=0) - control.mean(axis=0), p))

    def welch(self):
        return self.t_test(*self.arms("SELECT variant, revenue FROM units"))

    def ratio(self):
        def arm(values):
            (var_y, cov), (_, var_x) = np.cov(values.T)
            return len(values), *values.mean(axis=0), var_y, var_x, cov

        control, treatment = self.arms("SELECT variant, revenue, sessions FROM units")
        return [formulas.ratio(arm(control), arm(treatment))]

    def cuped(self):
        frame = self.pull("SELECT variant, revenue, before FROM units")
        y, x = frame["revenue"].to_numpy(), frame["before"].to_numpy()
        treated = (frame["variant"] == "treatment").to_numpy()
        (_, cov), (_, var) = np.cov(y, x)
        y = y - cov / var * (x - x.mean())
        return self.t_test(y[~treated, None], y[treated, None])

    def scorecard(self):
        return self.t_test(*self.arms("SELECT variant, %s FROM wide" % ", ".join(METRICS)))

    def ranks(self):
        control, treatment = (a[:, 0] for a in self.arms("SELECT variant, revenue FROM units"))
        u, p = stats.mannwhitneyu(treatment, control, use_continuity=False, method="asymptotic")
        return [(u / len(control) / len(treatment), p)]

    def assign(self):
        ids = self.pull("SELECT id FROM ids")["id"]
        return int((pd.util.hash_array((SALT + ":" + ids).to_numpy(dtype=object), categorize=False) >> 63).sum())

    def assign_md5(self):
        ids = self.pull("SELECT id FROM ids")["id"]
        md5, salt = hashlib.md5, SALT + "-"
        return sum(int.from_bytes(md5((salt + i).encode()).digest()[:4], "big") % 10000 >= 5000 for i in ids)

    def journey(self):
        return self.t_test(
            *self.arms(
                """SELECT variant, coalesce(total, 0) AS total
                   FROM exposures
                   LEFT JOIN (SELECT user_id, sum(amount) AS total FROM events GROUP BY user_id) AS s USING (user_id)"""
            )
        )


class ReadSql(Frames):
    """pandas.read_sql, as its documentation shows it."""

    def __init__(self, settings):
        import sqlalchemy

        super().__init__(settings)
        self.sqlalchemy = sqlalchemy
        self.engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: self.connection, poolclass=sqlalchemy.StaticPool)

    def versions(self):
        return [*super().versions(), "SQLAlchemy " + self.sqlalchemy.__version__]

    def read(self, sql):
        return pd.read_sql(sql, self.engine)


class Copy(Frames):
    """COPY, then pandas.read_csv: four times as fast as read_sql, in less memory."""

    def read(self, sql):
        buffer = io.BytesIO()
        with self.connection.cursor() as cursor:
            cursor.copy_expert("COPY (%s) TO STDOUT (FORMAT csv, HEADER)" % sql, buffer)
        buffer.seek(0)
        return pd.read_csv(buffer, dtype={"variant": "category"})
