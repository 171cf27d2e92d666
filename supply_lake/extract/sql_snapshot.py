"""One consistent state of a database, as ``sql`` reads it: the protocol that every kind of database keeps.

What belongs here: the protocol, and the two ways in which reading can end early. What does not: any database.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from supply_lake.datasets.source_sql import SqlSource
from supply_lake.extract.relation import Relation, SourceColumn, Speech


class Unfit(Exception):
    """A value turned up that the column's type cannot hold exactly; the column is read again as text."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class DriverError(Exception):
    """What a driver raised. ``away``: the database does not answer, or broke off; ``sentence`` may hold secrets."""

    def __init__(self, error: BaseException, *, away: bool) -> None:
        super().__init__(str(error))
        self.sentence, self.away = " ".join(str(error).split())[:500], away


class Snapshot(Protocol):
    """One consistent state of a database, open for reading."""

    speech: Speech
    consistency: str
    can_split: bool

    def columns(self, source: str, declared: SqlSource) -> list[SourceColumn]:
        """The columns of a table or a query."""

    def refined(self, relation: Relation) -> Relation:
        """The relation with columns read so that nothing in its rows is lost."""

    def figures(self, statement: str) -> Sequence[Any]:
        """The one row that a statement gives."""

    def batches(self, relation: Relation, parts: Sequence[Sequence[str]], order: str) -> Generator[pa.RecordBatch, None, None]:
        """All rows; at least one batch, which may be empty.

        :param parts: for each reader the conditions that it reads under, one after another
        :raises Unfit: a column has to be read as text
        """

    def as_text(self, column: SourceColumn) -> SourceColumn:
        """The column, read as text."""
