"""A source that is a table or a query of a database.

What belongs here: the fields of `source.sql`. What does not: reading it (``extract.sql``).
"""

from __future__ import annotations

from pydantic import Field, model_validator

from supply_lake.datasets.model import Declared, Names
from supply_lake.datasets.part import Cursor, DayWindow
from supply_lake.datasets.secret import SourceUrl


class Split(Declared):
    """Reads a big table by several connections at once, each a range of keys, all in one snapshot. PostgreSQL only."""

    by: str = Field(description="Column of whole numbers, dates or times, best an indexed one, whose range is cut.")
    readers: int = Field(2, ge=2, le=32, description="How many connections read at once.")


class SqlSource(Declared):
    """A table or a query of a database. Without `cursor` and `window`, each pull reads all of it."""

    url: SourceUrl = Field(
        description="SQLAlchemy URL, such as `postgresql://reader:${ERP_PASSWORD}@erp/sales`, `mysql+pymysql://…` or "
        "`sqlite:////path`; secrets as `${NAME}`."
    )
    table: str = Field("", description="Table or view, `schema.table` or `table`.")
    query: str = Field("", description="Instead of a table, a SELECT without a semicolon at its end.")
    columns: Names = Field((), description="Columns to read; all that the table has when left out.")
    where: str = Field("", description="Condition in the database's SQL that rows have to meet.")
    cursor: Cursor | None = Field(None, description="Pull only what changed since the last pull.")
    window: DayWindow | None = Field(None, description="Pull the rows of one day for each partition.")
    split: Split | None = Field(None, description="Read by several connections at once.")

    @model_validator(mode="after")
    def _one_of_each(self) -> SqlSource:
        if bool(self.table) == bool(self.query):
            raise ValueError("give `table` or `query`, one of them")
        if self.query and (self.columns or self.where):
            raise ValueError("`columns` and `where` go with `table`; with `query`, write them into it")
        if self.cursor and self.window:
            raise ValueError("`cursor` and `window` are two ways to pull a part; take one of them out")
        if self.window and not self.window.by:
            raise ValueError("`window` needs `by`, the column that tells a row's day")
        return self
