"""``Difference``: the changes between two versions of a dataset, as a summary, rows, cells and JSON; the feed of many commits.

What belongs here: opening a comparison, its counts, and the forms in which changes are handed over. What does not: finding them
(``diff``).

=============  ========================================================================================================
``change``     ``added``, ``removed`` or ``changed``
``key``        the key's columns as a struct; null in a dataset without one
``columns``    names of the columns that differ, of a changed row
``before``     the row as it was, as a struct; null of an added one. A column that its files had not is null
``after``      the row as it is
=============  ========================================================================================================
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any

import pyarrow as pa

from supply_lake.curate.schema import Change, difference
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.sql import identifier
from supply_lake.ingest.stores import Stores
from supply_lake.query import engine
from supply_lake.query.diff import Comparison, Rows, key_of
from supply_lake.query.formats import json_value
from supply_lake.query.live_set import LiveSet
from supply_lake.query.worker import Worker
from supply_lake.snapshots.records import Commit, Kind, Snapshot
from supply_lake.snapshots.removal import require_files
from supply_lake.snapshots.schema_versions import SchemaVersion, change_json
from supply_lake.snapshots.store import MetadataStore

_TABLE = "_changes"
_ORDER = "key, before, after"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions: its commit, its snapshots, and the rows in them, those that a tombstone hides included."""

    commit: int
    snapshots: int
    rows: int

    @staticmethod
    def of(live: LiveSet) -> Side:
        """The side that a live set is."""
        return Side(live.commit, len(live.snapshots), sum(one.rows_total for one in live.snapshots))

    def to_json(self) -> dict[str, int]:
        """As public JSON."""
        return {"commit": self.commit, "snapshots": self.snapshots, "rows": self.rows}


class Difference:
    """What differs between two versions. Use it in a ``with`` block, or call ``close``: rows wait in an engine of its own.

    ``added``, ``removed`` and ``changed`` count rows; ``schema`` tells what became of columns. ``key`` is what told rows apart.
    ``files`` are those that were read: snapshots of both versions are not among them.
    """

    def __init__(self, stores: Stores, spec: DatasetSpec, before: LiveSet, after: LiveSet, key: Sequence[str] | None) -> None:
        self.dataset, self.before, self.after = spec.name, Side.of(before), Side.of(after)
        self.schema = _schema_changes(stores.metadata, before, after)
        self._seconds = stores.settings.query_seconds
        self._stack = ExitStack()
        with self._stack:
            self._engine = self._stack.enter_context(engine.opened(stores, [spec.name]))
            sides = [_only(before, after), _only(after, before)]
            for live, side in zip((before, after), sides, strict=True):
                require_files(spec.name, live.commit, side)
            rows = Rows(self._engine.connection, stores.lake, [one for side in sides for one in side])
            with self._engine.told():
                self.key = self._engine.worker.run(lambda: self._compare(spec, rows, sides, key))
            self.files = dict(rows.files)
            self.added, self.removed, self.changed = self._counts()
            self._stack = self._stack.pop_all()

    def _compare(
        self, spec: DatasetSpec, rows: Rows, sides: Sequence[Sequence[Snapshot]], asked: Sequence[str] | None
    ) -> tuple[str, ...]:
        columns = rows.columns if any(one.files for side in sides for one in side) else ()
        if not columns:
            nothing = "NULL::VARCHAR AS change, NULL::VARCHAR AS key, NULL::VARCHAR[] AS columns, NULL AS before, NULL AS after"
            self._engine.connection.execute(f"CREATE TABLE {_TABLE} AS SELECT {nothing} WHERE false")
            return key_of(spec, spec.primary_key, asked or spec.primary_key, asked)
        key = key_of(spec, spec.primary_key, columns, asked)
        before, after = (rows.of([one.id for one in side if one.files]) for side in sides)
        Comparison(self._engine.connection, columns, key).compare(before, after, _TABLE)
        return key

    def _counts(self) -> tuple[int, int, int]:
        counts = (
            "count(*) FILTER (change = 'added'), count(*) FILTER (change = 'removed'), count(*) FILTER (change = 'changed')"
        )
        (found,) = self._engine.connection.execute(f"SELECT {counts} FROM {_TABLE}").fetchall()
        return int(found[0]), int(found[1]), int(found[2])

    # --- what differs

    def rows(self) -> pa.RecordBatchReader:
        """Every change as a stream, by key."""
        return self._stream(f"SELECT * FROM {_TABLE} ORDER BY {_ORDER}")

    def table(self) -> pa.Table:
        """Every change at once."""
        return self.rows().read_all()

    def cells(self) -> pa.RecordBatchReader:
        """Every changed cell: key (as JSON), column, before, after (as text), as a stream, by key."""
        return pa.RecordBatchReader.from_batches(_CELLS, self._cells())

    def to_json(self) -> dict[str, Any]:
        """The summary as public JSON: everything but the rows."""
        return {
            "dataset": self.dataset,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "key": list(self.key),
            "schema": [change_json(one) for one in self.schema],
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
        }

    def came_or_went(self) -> pa.RecordBatchReader:
        """Added and removed rows as a stream, by key: ``change``, and the row's columns."""
        row = "coalesce(after, before)"
        columns = f"unnest({row})" if self.added or self.removed else f"{row} AS row"
        return self._stream(f"SELECT change, {columns} FROM {_TABLE} WHERE change <> 'changed' ORDER BY {_ORDER}")

    def json(self, *, rows: bool = True) -> Iterator[str]:
        """All of it as the text of one JSON object, piece by piece: summary, ``cells``, and the ``rows`` that came or went.

        :param rows: whether to tell more than the summary
        """
        yield json.dumps(self.to_json(), ensure_ascii=False, indent=2)[:-2]
        if rows:
            yield ',\n  "cells": '
            yield from _json_array(_cell_json(*cell) for cell in self._changed())
            yield ',\n  "rows": '
            yield from _json_array(self._rows_json())
        yield "\n}\n"

    def _changed(self) -> Iterator[tuple[dict[str, Any], str, Any, Any]]:
        for batch in self._stream(
            f"SELECT key, columns, before, after FROM {_TABLE} WHERE change = 'changed' ORDER BY {_ORDER}"
        ):
            for key, columns, before, after in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for column in columns:
                    yield key, column, before[column], after[column]

    def _rows_json(self) -> Iterator[str]:
        sql = f"SELECT change, coalesce(after, before) FROM {_TABLE} WHERE change <> 'changed' ORDER BY {_ORDER}"
        for batch in self._stream(sql):
            for change, row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield f'{{"change": "{change}", "row": {json_value(row)}}}'

    def _cells(self) -> Iterator[pa.RecordBatch]:
        held: list[dict[str, str | None]] = []
        for key, column, before, after in self._changed():
            values = {"before": _text(before), "after": _text(after)}
            held.append({"key": json_value(key), "column": column, **values})
            if len(held) == engine.BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(held, _CELLS)
                held = []
        if held:
            yield pa.RecordBatch.from_pylist(held, _CELLS)

    def _stream(self, sql: str) -> pa.RecordBatchReader:
        cursor, told = self._engine.connection.cursor(), self._engine.told
        self._stack.callback(cursor.close)
        worker = Worker(cursor, self._seconds)
        self._stack.callback(worker.close)
        with told():
            reader = worker.run(lambda: cursor.execute(sql).to_arrow_reader(engine.BATCH_ROWS))

        def batches() -> Iterator[pa.RecordBatch]:
            with told():
                while (batch := worker.run(lambda: next(reader, None))) is not None:
                    yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    # --- its end

    def close(self) -> None:
        """Give up the engine."""
        self._stack.close()

    def __enter__(self) -> Difference:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


_NO_FEED = pa.schema([("commit", pa.int64()), ("committed_at", pa.timestamp("us", "UTC")), ("change", pa.string())])
_CELLS = pa.schema([("key", pa.string()), ("column", pa.string()), ("before", pa.string()), ("after", pa.string())])


def changes(
    stores: Stores,
    spec: DatasetSpec,
    commits: Sequence[Commit],
    known: Callable[[str], Snapshot],
    key: Sequence[str] | None = None,
) -> pa.RecordBatchReader:
    """Every change that these commits made, commit by commit, as a stream of ``commit``, ``committed_at`` and what rows have.

    All of it has one schema, whatever the commits did to columns. Compactions changed no row, and are not read.

    :param commits: in order
    :param known: snapshot id → its record
    :raises VersionRemoved: ``gc`` removed files that a commit superseded or added
    """
    batches = _feed(stores, spec, commits, known, key)
    first = next(batches, None)
    if first is None:
        return pa.RecordBatchReader.from_batches(_NO_FEED, [])
    return pa.RecordBatchReader.from_batches(first.schema, chain((first,), batches))


def _feed(
    stores: Stores,
    spec: DatasetSpec,
    commits: Sequence[Commit],
    known: Callable[[str], Snapshot],
    key: Sequence[str] | None,
) -> Iterator[pa.RecordBatch]:
    """The batches, an empty one before those of each commit."""
    commits = [one for one in commits if not all(known(added).kind is Kind.COMPACT for added in one.added)]
    touched = {one: known(one) for commit in commits for one in (*commit.superseded, *commit.added)}
    for commit in commits:
        require_files(spec.name, commit.number - 1, [touched[one] for one in commit.superseded])
        require_files(spec.name, commit.number, [touched[one] for one in commit.added])
    snapshots = [one for one in touched.values() if one.files]
    if not snapshots:
        return
    with engine.opened(stores, [spec.name]) as opened, opened.told():
        rows = Rows(opened.connection, stores.lake, snapshots)
        columns = opened.worker.run(lambda: rows.columns)
        comparison = Comparison(opened.connection, columns, key_of(spec, spec.primary_key, columns, key))
        for commit in commits:
            sides = [[one for one in ids if touched[one].files] for ids in (commit.superseded, commit.added)]
            if not any(sides):
                continue
            before, after = (rows.of(ids) for ids in sides)
            opened.worker.run(lambda: comparison.compare(before, after, _TABLE))  # noqa: B023 - it is run at once
            sql = f"SELECT {commit.number}::BIGINT AS commit, {_moment(commit.committed_at)} AS committed_at, * FROM {_TABLE}"
            reader = opened.worker.run(
                lambda: opened.connection.execute(f"{sql} ORDER BY {_ORDER}").to_arrow_reader(engine.BATCH_ROWS)  # noqa: B023
            )
            yield pa.RecordBatch.from_pylist([], reader.schema)
            while (batch := opened.worker.run(lambda: next(reader, None))) is not None:  # noqa: B023
                yield batch
            opened.connection.execute(f"DROP TABLE {identifier(_TABLE)}")


def _only(one: LiveSet, other: LiveSet) -> list[Snapshot]:
    shared = {snapshot.id for snapshot in other.snapshots}
    return [snapshot for snapshot in one.snapshots if snapshot.id not in shared]


def _schema_changes(metadata: MetadataStore, before: LiveSet, after: LiveSet) -> tuple[Change, ...]:
    versions = metadata.schema_versions(before.dataset)
    old, new = (_schema_at(versions, live.commit) for live in (before, after))
    return difference(old.schema if old else None, new.schema, {}) if new is not None and new is not old else ()


def _schema_at(versions: Sequence[SchemaVersion], commit: int) -> SchemaVersion | None:
    return max((one for one in versions if one.commit <= commit), key=lambda one: one.number, default=None)


def _moment(time: dt.datetime) -> str:
    return f"TIMESTAMPTZ '{time.isoformat()}'"


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    text = json_value(value)
    return text[1:-1] if text.startswith('"') else text


def _cell_json(key: dict[str, Any], column: str, before: Any, after: Any) -> str:
    return (
        f'{{"key": {json_value(key)}, "column": {json.dumps(column, ensure_ascii=False)}, '
        f'"before": {json_value(before)}, "after": {json_value(after)}}}'
    )


def _json_array(items: Iterator[str]) -> Iterator[str]:
    lead = "[\n    "
    for item in items:
        yield lead + item
        lead = ",\n    "
    yield "[]" if lead.startswith("[") else "\n  ]"
