"""``Pages`` in SQL: every question one or two statements, each along an index, whatever the number of snapshots.

What belongs here: those statements. What does not: what a page means (``pages``), and whole histories (``sql_history``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from supply_lake.snapshots.micros import from_micros, to_micros
from supply_lake.snapshots.pages import Entry, Head, Moment, Place
from supply_lake.snapshots.records import Commit
from supply_lake.snapshots.sql_database import Database
from supply_lake.snapshots.sql_ledger import chunks
from supply_lake.snapshots.sql_schema import commits, datasets, snapshots

_S = snapshots.c
_ENTRY = (_S.record, _S.superseded_by, _S.revoked_by, _S.recorded_at, _S.removed_at)
_TIME = sa.select(commits.c.committed_at).where(
    commits.c.dataset == sa.bindparam("name"), commits.c.number == sa.bindparam("number")
)
_HEAD = sa.select(datasets.c.last_commit, datasets.c.last_committed_at).where(datasets.c.dataset == sa.bindparam("name"))


class SqlPages:
    """``Pages`` of one SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self, dataset: str) -> Head:
        """See ``Pages.head``."""
        with self._database.read() as connection:
            row = connection.execute(_HEAD, {"name": dataset}).one_or_none()
        return _head(*row) if row is not None else _head(0, 0)

    def heads(self) -> dict[str, Head]:
        """See ``Pages.heads``."""
        d = datasets.c
        query = sa.select(d.dataset, d.last_commit, d.last_committed_at).where(d.last_commit > 0).order_by(d.dataset)
        with self._database.read() as connection:
            return {name: _head(number, time) for name, number, time in connection.execute(query)}

    def live(
        self,
        dataset: str,
        commit: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        partition: dt.date | None = None,
    ) -> list[Entry]:
        """See ``Pages.live``."""
        date, number, snapshot_id = after or (dt.date.min, 0, "")
        query = _live(after is not None, partition is not None, limit is not None)
        values = {"dataset": dataset, "commit": commit, "partition": partition, "limit": limit}
        found = self._entries(query, {**values, "date": date, "number": number, "id": snapshot_id})
        return [one.as_of(commit) for one in found]

    def latest(self, dataset: str, commit: int, partition: dt.date | None = None) -> Entry | None:
        """See ``Pages.latest``."""
        values = {"dataset": dataset, "commit": commit, "partition": partition}
        found = self._entries(_latest(partition is not None), values)
        return found[0].as_of(commit) if found else None

    def newest(self, dataset: str, *, before: Moment | None = None, limit: int) -> list[Entry]:
        """See ``Pages.newest``."""
        query = sa.select(*_ENTRY).where(_S.dataset == dataset)
        if before is not None:
            query = query.where(sa.tuple_(_S.recorded_at, _S.id) < (to_micros(before[0]), before[1]))
        return self._entries(query.order_by(_S.recorded_at.desc(), _S.id.desc()).limit(limit))

    def entry(self, snapshot_id: str) -> Entry | None:
        """See ``Pages.entry``."""
        return next(iter(self._entries(sa.select(*_ENTRY).where(_S.id == snapshot_id))), None)

    def of_batches(self, batch_ids: Sequence[str]) -> list[Entry]:
        """See ``Pages.of_batches``."""
        found: list[Entry] = []
        for chunk in chunks(sorted(set(batch_ids))):
            found += self._entries(sa.select(*_ENTRY).where(_S.batch_id.in_(chunk)).order_by(_S.id))
        return found

    def commits(self, dataset: str, *, after: int = 0, limit: int) -> list[Commit]:
        """See ``Pages.commits``."""
        c = commits.c
        query = sa.select(commits).where(c.dataset == dataset, c.number > after).order_by(c.number).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            numbers = [row.number for row in rows]
            added = _ids_by_number(connection, dataset, _S.commit_number, numbers)
            superseded = _ids_by_number(connection, dataset, _S.superseded_by, numbers)
            # No index leads to what was revoked, and only commits that say why revoke anything.
            revoked = _ids_by_number(connection, dataset, _S.revoked_by, [row.number for row in rows if row.reason])
        return [
            Commit(
                dataset=dataset,
                number=row.number,
                committed_at=from_micros(row.committed_at),
                batch_id=row.batch_id,
                added=tuple(added.get(row.number, ())),
                superseded=tuple(one for one in superseded.get(row.number, ()) if one not in added.get(row.number, ())),
                revoked=tuple(revoked.get(row.number, ())),
                reason=row.reason,
                by=row.made_by,
            )
            for row in rows
        ]

    def committed_at(self, dataset: str, commit: int) -> dt.datetime | None:
        """See ``Pages.committed_at``."""
        with self._database.read() as connection:
            time = connection.execute(_TIME, {"name": dataset, "number": commit}).scalar()
        return None if time is None else from_micros(time)

    def _entries(self, query: sa.Select[Any], values: dict[str, Any] | None = None) -> list[Entry]:
        with self._database.read() as connection:
            rows = connection.execute(query, values or {}).all()
        return [
            Entry(record, superseded, revoked, from_micros(time), None if removed is None else from_micros(removed))
            for record, superseded, revoked, time, removed in rows
        ]


# Statements that are run many times a second are built once: building one takes longer than running it.


@cache
def _live(after: bool, partition: bool, limit: bool) -> sa.Select[Any]:
    # The date is said beside the place: by it the index is entered whose order this is. Given the commit alone, SQLite would
    # take the one by commits, and sort everything that is live.
    query = _live_at(partition).where(_S.partition_date >= _bound("date", _S.partition_date))
    if after:
        place = (_bound("date", _S.partition_date), _bound("number", _S.commit_number), _bound("id", _S.id))
        query = query.where(sa.tuple_(_S.partition_date, _S.commit_number, _S.id) > sa.tuple_(*place))
    query = query.order_by(_S.partition_date, _S.commit_number, _S.id)
    return query.limit(sa.bindparam("limit", type_=sa.Integer)) if limit else query


@cache
def _latest(partition: bool) -> sa.Select[Any]:
    return _live_at(partition).order_by(_S.commit_number.desc(), _S.partition_date.desc(), _S.id.desc()).limit(1)


def _live_at(partition: bool) -> sa.Select[Any]:
    commit = _bound("commit", _S.commit_number)
    query = sa.select(*_ENTRY).where(
        _S.dataset == _bound("dataset", _S.dataset),
        _S.commit_number <= commit,
        sa.or_(_S.superseded_by.is_(None), _S.superseded_by > commit),
    )
    return query.where(_S.partition_date == _bound("partition", _S.partition_date)) if partition else query


def _bound(name: str, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


def _head(commit: int, committed_at: int) -> Head:
    return Head(commit, from_micros(committed_at)) if commit else Head()


def _ids_by_number(
    connection: sa.Connection, dataset: str, column: sa.Column[Any], numbers: Iterable[int]
) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for chunk in chunks(numbers):
        query = sa.select(column, _S.id).where(_S.dataset == dataset, column.in_(chunk))
        for number, snapshot_id in connection.execute(query.order_by(_S.partition_date, _S.id)):
            found.setdefault(number, []).append(snapshot_id)
    return found
