"""A declared table or query, and a window of it, as SQL.

What belongs here: quoting, conditions, and the few statements that a pull asks. What does not: running them (``sql`` and the
modules of databases do).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from supply_lake.datasets.source_sql import SqlSource
from supply_lake.errors import SourceError
from supply_lake.extract.position import Value
from supply_lake.extract.window import Window

Kind = Literal["number", "date", "local", "instant", "text"]
"""What can be compared with a column: numbers, dates, times without a zone, times with one, or text."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column as the source has it. ``read`` is the SQL that reads it; ``nullable`` is true where nobody knows.

    ``as_text`` is set once a value turned up that the column's type cannot hold.
    """

    name: str
    type: str
    kind: Kind
    read: str
    nullable: bool = True
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """What a pull reads: columns, from where, under which conditions. ``missing`` are declared columns that are gone."""

    columns: tuple[SourceColumn, ...]
    source: str
    conditions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def where(self, *more: str) -> str:
        """The WHERE clause, or nothing."""
        conditions = [f"({one})" for one in (*self.conditions, *more) if one]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def rows(self, *more: str, order: str = "") -> str:
        """The statement that reads the rows."""
        listed = ", ".join(column.read for column in self.columns)
        return f"SELECT {listed} FROM {self.source}{self.where(*more)}{f' ORDER BY {order}' if order else ''}"

    def ask(self, *expressions: str) -> str:
        """The statement that asks for figures over the rows."""
        return f"SELECT {', '.join(expressions)} FROM {self.source}{self.where()}"


class Speech:
    """How one database writes names and values.

    :param quote: puts a name into quotes where it needs them
    :param literal: a value as SQL
    """

    def __init__(self, quote: Callable[[str], str], literal: Callable[[Value], str]) -> None:
        self.quote, self.literal = quote, literal

    def source(self, declared: SqlSource) -> str:
        """What stands after FROM."""
        if declared.query:
            return f"(\n{declared.query.strip().rstrip(';')}\n) AS pulled"
        return ".".join(self.quote(part) for part in declared.table.split("."))

    def relation(self, declared: SqlSource, there: Sequence[SourceColumn]) -> Relation:
        """The declared columns of those that are there.

        :raises SourceError: none of them is
        """
        by_name = {column.name: column for column in there}
        wanted = declared.columns or tuple(by_name)
        chosen = tuple(by_name[name] for name in wanted if name in by_name)
        if not chosen:
            raise SourceError(f"{declared.table} has none of the columns {', '.join(wanted)}; it has {', '.join(by_name)}")
        missing = tuple(name for name in wanted if name not in by_name)
        conditions = (f"\n{declared.where}\n",) if declared.where else ()
        return Relation(chosen, self.source(declared), conditions, missing)

    def within(self, relation: Relation, window: Window, by: SourceColumn | None) -> Relation:
        """The relation's rows in the window. A row whose cursor is null changes unseen, so it is always among them."""
        if by is None:
            return relation
        name, condition = self.quote(by.name), " AND ".join(self._bounds(window, by))
        if condition and window.follows and by.nullable:
            condition = f"({condition}) OR {name} IS NULL"
        return replace(relation, conditions=(*relation.conditions, condition)) if condition else relation

    def up_to(self, relation: Relation, by: SourceColumn, newest: Value) -> Relation:
        """Without what is newer than the newest value that was seen."""
        name = self.quote(by.name)
        condition = f"{name} <= {self.literal(newest)}" + (f" OR {name} IS NULL" if by.nullable else "")
        return replace(relation, conditions=(*relation.conditions, condition))

    def ranges(self, by: SourceColumn, low: Value, high: Value, parts: int) -> list[str]:
        """Conditions that cut the rows into parts of about equal ranges; together they hold every row, nulls too."""
        name = self.quote(by.name)
        cuts = [self.literal(cut) for cut in _cuts(low, high, parts)]
        if not cuts:
            return [""]
        first = f"{name} < {cuts[0]}" + (f" OR {name} IS NULL" if by.nullable else "")
        between = [f"{name} >= {low} AND {name} < {high}" for low, high in pairwise(cuts)]
        return [first, *between, f"{name} >= {cuts[-1]}"]

    def _bounds(self, window: Window, by: SourceColumn) -> Iterator[str]:
        low, high = bounds(window, by.kind)
        if low is not None:
            yield f"{self.quote(by.name)} >= {self.literal(low)}"
        if high is not None:
            yield f"{self.quote(by.name)} < {self.literal(high)}"


def bounds(window: Window, kind: Kind) -> tuple[Value | None, Value | None]:
    """First value in the window and first value after it, as a column of this kind has them; ``None``: without an end.

    :raises SourceError: days cannot be told by such a column
    """
    if window.day is None:
        return fit(window.start, kind), fit(window.end, kind)
    if kind == "number":
        raise SourceError(
            f"{window.by!r} holds numbers, by which no day is told; only the present can be pulled, or a span of it"
        )
    first, after = window.day_bounds()
    return fit(first, kind), fit(after, kind)


def fit(value: Value | None, kind: Kind) -> Value | None:
    """The value as a column of this kind is compared with it; a time without a zone is UTC.

    :raises SourceError: it is no such value
    """
    if value is None:
        return None
    try:
        return _fitted(value, kind)
    except (ValueError, ArithmeticError):
        raise SourceError(f"{value!r} is no {kind} that the cursor's column could have; write it as the column does") from None


def _fitted(value: Value, kind: Kind) -> Value:
    if kind == "number":
        return value if isinstance(value, (int, float, Decimal)) else _number(str(value))
    if kind == "text":
        if isinstance(value, dt.datetime):  # a whole day's text begins with its date, whatever stands between date and time
            return value.date().isoformat() if value.time() == dt.time() else value.replace(tzinfo=None).isoformat(" ")
        return value.isoformat() if isinstance(value, dt.date) else str(value)
    moment = value if isinstance(value, dt.date) else dt.datetime.fromisoformat(str(value))
    if kind == "date":
        return moment.date() if isinstance(moment, dt.datetime) else moment
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    if kind == "local":
        return moment.replace(tzinfo=None)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _number(text: str) -> int | Decimal:
    return int(text) if text.strip().lstrip("+-").isdigit() else Decimal(text)


def _cuts(low: Value, high: Value, parts: int) -> list[Value]:
    """Values that cut a range into parts; fewer where it is too narrow, none where it cannot be cut."""
    if isinstance(low, (int, Decimal)) and isinstance(high, (int, Decimal)):
        first, width = int(low), int(high) - int(low)
        return [first + width * number // parts for number in range(1, parts)] if width >= parts else []
    if isinstance(low, dt.date) and isinstance(high, dt.date):
        span = high - low
        steps = [low + span * number / parts for number in range(1, parts)]
        return [*dict.fromkeys(steps)] if span else []
    return []
