"""What expstat and plain SQL share: a connection, and rows."""

from .base import Tool, postgres, processes


class InDatabase(Tool):
    def __init__(self, settings):
        super().__init__(settings)
        self.connection = postgres()

    def set_threads(self, number):
        with self.connection.cursor() as cursor:
            cursor.execute(processes(number))

    def rows(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
