"""The usual SQL in PostgreSQL; the client computes the p-values."""

import scipy

from plain_sql import ByHand

from .base import SALT
from .database import InDatabase


class PlainSql(ByHand, InDatabase):
    def versions(self):
        return ["scipy " + scipy.__version__]

    def table(self, name):
        return name

    def assign(self):
        return self.rows("SELECT count(*) FROM ids WHERE hashtextextended('%s:' || id, 0) < 0" % SALT)[0][0]

    def assign_md5(self):
        return self.rows(
            """SELECT count(*) FROM ids
               WHERE ('x' || substr(md5('%s-' || id), 1, 8))::bit(32)::bigint %% 10000 >= 5000"""
            % SALT
        )[0][0]
