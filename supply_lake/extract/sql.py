"""A table or a query of a database → one Parquet file per window, from one consistent snapshot, in bounded memory.

What belongs here: the order of a pull (columns, window, figures, rows, proof of completeness), whatever the database. What does
not: SQL text (``relation``), and how one database gives its rows: PostgreSQL by Arrow (``sql_postgres``), every other that
SQLAlchemy reaches by rows (``sql_rows``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pyarrow as pa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from supply_lake.datasets.source_sql import SqlSource
from supply_lake.errors import SourceError, SourceUnavailable
from supply_lake.extract.manifest import Pulled
from supply_lake.extract.parquet_file import write_parquet
from supply_lake.extract.position import Value
from supply_lake.extract.relation import Relation, SourceColumn, fit
from supply_lake.extract.secrets import without_secrets
from supply_lake.extract.sql_snapshot import DriverError, Snapshot, Unfit
from supply_lake.extract.task import Task

_PARTS_PER_READER = 4


def extract(task: Task) -> Iterator[Pulled]:
    """Pull one window; nothing when a window that follows a cursor has no rows.

    :raises SourceUnavailable: the database does not answer, or breaks off
    :raises SourceError: it refuses, or gave other rows than it counted
    """
    declared = task.spec.source.sql
    assert declared is not None
    url = _url(task, declared)
    with _speaking(task, url), _snapshot(url) as snapshot:
        pulled = _Pull(task, declared, snapshot, url).run()
    if pulled is not None:
        yield pulled


class _Pull:
    """One window of one table or query."""

    def __init__(self, task: Task, declared: SqlSource, snapshot: Snapshot, url: URL) -> None:
        self.task, self.declared, self.snapshot, self.url = task, declared, snapshot, url
        self.window, self.speech = task.window, snapshot.speech
        self.started = task.clock.now()
        self.notes: list[str] = []

    def run(self) -> Pulled | None:
        there = self.snapshot.columns(self.speech.source(self.declared), self.declared)
        by = self._column(self.window.by, there) if self.window.by else None
        relation = self.speech.within(self.speech.relation(self.declared, there), self.window, by)
        count, newest = self._figures(relation, by)
        if self.window.follows and by is not None:
            if not count:
                return None
            relation = self.speech.up_to(relation, by, newest) if newest is not None else relation
        relation = self.snapshot.refined(relation)
        path = self.task.scratch / "pulled.parquet"
        rows, relation, schema = self._write(path, relation, self._parts(relation, there), self._order(there, by))
        if count is not None and rows != count:
            raise SourceError(f"{self._place()} counted {count:,} rows and gave {rows:,} in one snapshot; pull it again")
        return self._pulled(path, relation, schema, rows=rows, count=count, newest=newest)

    def _figures(self, relation: Relation, by: SourceColumn | None) -> tuple[int | None, Value | None]:
        """Rows as the source counts them, and the newest cursor value. A query is not run for its count alone."""
        if self.window.follows and by is not None:
            count, newest = self.snapshot.figures(relation.ask("count(*)", f"max({self.speech.quote(by.name)})"))
            return int(count), fit(newest, by.kind)
        if self.declared.query:
            return None, None
        return int(self.snapshot.figures(relation.ask("count(*)"))[0]), None

    def _write(
        self, path: Path, relation: Relation, parts: Sequence[Sequence[str]], order: str
    ) -> tuple[int, Relation, pa.Schema]:
        """Read until every column fits: one that does not is read again as text, from the same snapshot."""
        while True:
            try:
                with closing(self.snapshot.batches(relation, parts, order)) as batches:
                    first = next(batches)
                    return write_parquet(path, first.schema, chain([first], batches)), relation, first.schema
            except Unfit as unfit:
                relation = self._with_text(relation, unfit.column)

    def _with_text(self, relation: Relation, name: str) -> Relation:
        column = next(one for one in relation.columns if one.name == name)
        if column.as_text:
            raise SourceError(f"{self._place()}: column {name!r} cannot be read, not even as text")
        kind = column.type or "of the first rows"
        self.notes.append(f"column {name!r} has values that its type {kind} cannot hold, so all of it landed as text")
        columns = tuple(self.snapshot.as_text(one) if one is column else one for one in relation.columns)
        return replace(relation, columns=columns)

    def _parts(self, relation: Relation, there: Sequence[SourceColumn]) -> list[list[str]]:
        """Which rows each reader reads."""
        split = self.declared.split
        if split is None:
            return [[""]]
        if not self.snapshot.can_split:
            self.notes.append("`split` was passed over: readers of this database cannot share one snapshot")
            return [[""]]
        by = self._column(split.by, there)
        name = self.speech.quote(by.name)
        low, high = self.snapshot.figures(relation.ask(f"min({name})", f"max({name})"))
        ranges = self.speech.ranges(by, low, high, split.readers * _PARTS_PER_READER)
        return [ranges[at :: split.readers] for at in range(min(split.readers, len(ranges)))]

    def _order(self, there: Sequence[SourceColumn], by: SourceColumn | None) -> str:
        """Rows of a bounded window come in one order, so that it gives the same bytes again."""
        bounded = self.window.day is not None or self.window.start is not None
        if by is None or not bounded:
            return ""
        known = {column.name for column in there}
        keys = [self.task.spec.column(key).names_in_files[0] for key in self.task.spec.primary_key]
        return ", ".join(self.speech.quote(name) for name in dict.fromkeys([by.name, *keys]) if name in known)

    def _column(self, name: str, there: Sequence[SourceColumn]) -> SourceColumn:
        for column in there:
            if column.name == name:
                return column
        raise SourceError(f"{self._place()} has no column {name!r} to pull by; it has {', '.join(one.name for one in there)}")

    def _pulled(
        self, path: Path, relation: Relation, schema: pa.Schema, *, rows: int, count: int | None, newest: Value | None
    ) -> Pulled:
        missing = [f"column {name!r} is declared and the source has it no more" for name in relation.missing]
        window = self.window
        last = newest if newest is not None else window.start
        return Pulled(
            path=path,
            name=f"{window.name(last)}.parquet",
            date=window.date,
            source=self._place(),
            request=self.task.secrets.redact(relation.rows()),
            extracted_at=self.started,
            by=window.by,
            start=window.start if window.day is None else window.day,
            end=last if window.follows else window.end,
            rows=rows,
            rows_reported=count,
            position=newest if window.follows else None,
            columns={one.name: f"{one.type} → {schema.field(one.name).type}" for one in relation.columns},
            notes=(f"read with {self.snapshot.consistency}", *missing, *self.notes),
        )

    def _place(self) -> str:
        """Where the rows come from, without secrets."""
        url = self.task.secrets.redact(without_secrets(self.url.render_as_string(hide_password=False)))
        return f"{url} {self.declared.table}".strip()


def _url(task: Task, declared: SqlSource) -> URL:
    try:
        return make_url(task.secrets.expand_url(declared.url))
    except ArgumentError:
        raise SourceError(
            f"dataset {task.spec.name}: `source.sql.url` is no SQLAlchemy URL; write it as driver://user:${{NAME}}@host/database"
        ) from None


def _snapshot(url: URL) -> AbstractContextManager[Snapshot]:
    if url.get_backend_name() == "postgresql":
        from supply_lake.extract.sql_postgres import postgres_snapshot

        return postgres_snapshot(url)
    from supply_lake.extract.sql_rows import row_snapshot

    return row_snapshot(url)


@contextmanager
def _speaking(task: Task, url: URL) -> Iterator[None]:
    """Turn what drivers raise into the project's errors, without secrets."""
    name, redact = task.spec.name, task.secrets.redact
    place = redact(without_secrets(url.render_as_string(hide_password=False)))
    try:
        yield
    except (NoSuchModuleError, ImportError) as error:
        told = redact(str(error))
        raise SourceError(f"dataset {name}: no driver for {url.drivername} is installed ({told}); install it") from None
    except DriverError as error:
        told = redact(error.sentence)
        if error.away:
            raise SourceUnavailable(f"dataset {name}: {place} does not answer: {told}") from None
        raise SourceError(f"dataset {name}: {place} refuses: {told}") from None
