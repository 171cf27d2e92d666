"""Reading what was committed and recorded, in SQL: live sets, history, batches.

What belongs here: queries over ``snapshots``, ``commits`` and ``batches``. What does not: writing them (``sql_commit``).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.record_text import batch_from, snapshot_from
from supply_lake.snapshots.records import Batch, Commit, Snapshot, Status
from supply_lake.snapshots.sql_ledger import chunks
from supply_lake.snapshots.sql_schema import batches, commits, datasets, is_held, is_live, snapshots

_COMMIT_AT = (
    sa.select(commits.c.number)
    .where(commits.c.dataset == sa.bindparam("of"), commits.c.committed_at <= sa.bindparam("time"))
    .order_by(commits.c.committed_at.desc())
    .limit(1)
)
_SNAPSHOT = (snapshots.c.record, snapshots.c.superseded_by, snapshots.c.revoked_by, snapshots.c.removed_at)


def last_commit(connection: sa.Connection, dataset: str) -> int:
    """Number of the newest commit; 0 when there is none."""
    return connection.execute(sa.select(datasets.c.last_commit).where(datasets.c.dataset == dataset)).scalar() or 0


def commit_at(connection: sa.Connection, dataset: str, time: int) -> int:
    """Number of the newest commit not later than the time; 0 when there is none."""
    return connection.execute(_COMMIT_AT, {"of": dataset, "time": time}).scalar() or 0


def history(connection: sa.Connection, dataset: str) -> list[Commit]:
    """Every commit, oldest first, with what it added, what it superseded and what it revoked."""
    added: dict[int, list[str]] = {}
    gone: dict[int, list[str]] = {}
    revoked: dict[int, list[str]] = {}
    s = snapshots.c
    query = sa.select(s.id, s.commit_number, s.superseded_by, s.revoked_by).where(
        s.dataset == dataset, s.commit_number.is_not(None)
    )
    for snapshot_id, number, superseded_by, revoked_by in connection.execute(query.order_by(s.partition_date, s.id)):
        added.setdefault(number, []).append(snapshot_id)
        if superseded_by not in (None, number):
            gone.setdefault(superseded_by, []).append(snapshot_id)
        if revoked_by is not None:
            revoked.setdefault(revoked_by, []).append(snapshot_id)
    rows = connection.execute(sa.select(commits).where(commits.c.dataset == dataset).order_by(commits.c.number))
    return [
        Commit(
            dataset=dataset,
            number=row.number,
            committed_at=from_micros(row.committed_at),
            batch_id=row.batch_id,
            added=tuple(added.get(row.number, ())),
            superseded=tuple(gone.get(row.number, ())),
            revoked=tuple(revoked.get(row.number, ())),
            reason=row.reason,
            by=row.made_by,
        )
        for row in rows
    ]


def live(connection: sa.Connection, dataset: str, commit: int | None, partition: dt.date | None) -> list[Snapshot]:
    """The live set at a commit, or now, by partition, commit and id."""
    s = snapshots.c
    query = sa.select(*_SNAPSHOT).where(s.dataset == dataset)
    if commit is None:
        query = query.where(is_live)
    else:
        query = query.where(s.commit_number <= commit, sa.or_(s.superseded_by.is_(None), s.superseded_by > commit))
    if partition is not None:
        query = query.where(s.partition_date == partition)
    return _snapshots(connection, query.order_by(s.partition_date, s.commit_number, s.id))


def live_partitions(connection: sa.Connection, dataset: str) -> list[dt.date]:
    """The partition dates that have a live snapshot, oldest first."""
    s = snapshots.c
    query = sa.select(s.partition_date).where(s.dataset == dataset, is_live).distinct()
    return list(connection.execute(query.order_by(s.partition_date)).scalars())


def latest(connection: sa.Connection, dataset: str, partition: dt.date | None) -> Snapshot | None:
    """The live snapshot with the newest rows; of several, the one of the latest partition. A compaction makes no row newer."""
    s = snapshots.c
    query = sa.select(*_SNAPSHOT).where(s.dataset == dataset, is_live)
    if partition is not None:
        query = query.where(s.partition_date == partition)
    newest = query.order_by(s.commit_number.desc(), s.partition_date.desc(), s.id.desc())
    found: list[Snapshot] = []
    with connection.execute(newest.execution_options(yield_per=16)) as rows:
        for row in rows:
            found.append(snapshot_from(*row))
            if not found[-1].holds:  # whatever comes after it has older rows
                break
    return max(found, key=lambda one: (one.arrived_at, one.partition, one.id), default=None)


def newest_snapshots(connection: sa.Connection, dataset: str, limit: int | None) -> list[Snapshot]:
    """Records of any status, newest first."""
    s = snapshots.c
    query = sa.select(*_SNAPSHOT).where(s.dataset == dataset).order_by(s.recorded_at.desc(), s.id.desc())
    return _snapshots(connection, query.limit(limit))


def snapshot_by_id(connection: sa.Connection, snapshot_id: str) -> Snapshot | None:
    """One record, or ``None``."""
    found = _snapshots(connection, sa.select(*_SNAPSHOT).where(snapshots.c.id == snapshot_id))
    return found[0] if found else None


def live_of_landing_date(connection: sa.Connection, dataset: str, landing_date: dt.date) -> list[Snapshot]:
    """Snapshots of batches of one landing date whose rows are live, by partition, commit and id."""
    s = snapshots.c
    query = sa.select(*_SNAPSHOT).where(s.dataset == dataset, sa.or_(is_live, is_held), s.landing_date == landing_date)
    found = _snapshots(connection, query.order_by(s.partition_date, s.commit_number, s.id))
    return [one for one in found if not one.holds]


def newest_batches(
    connection: sa.Connection, dataset: str | None, limit: int | None, run_id: str | None, status: Status | None
) -> list[Batch]:
    """Batches, newest first."""
    query = sa.select(batches.c.record).order_by(batches.c.recorded_at.desc(), batches.c.id.desc()).limit(limit)
    if dataset is not None:
        query = query.where(batches.c.dataset == dataset)
    if run_id is not None:
        query = query.where(batches.c.run_id == run_id)
    if status is not None:
        query = query.where(batches.c.status == status)
    return _batches(connection, connection.execute(query).scalars().all())


def batch_by_id(connection: sa.Connection, batch_id: str) -> Batch | None:
    """One batch, or ``None``."""
    records = connection.execute(sa.select(batches.c.record).where(batches.c.id == batch_id)).scalars().all()
    return next(iter(_batches(connection, records)), None)


def _snapshots(connection: sa.Connection, query: sa.Select[Any]) -> list[Snapshot]:
    return [snapshot_from(*row) for row in connection.execute(query)]


def _batches(connection: sa.Connection, records: Iterable[str]) -> list[Batch]:
    parsed = [json.loads(record) for record in records]
    found = _by_id(connection, [one for data in parsed for one in data["snapshots"]])
    return [batch_from(data, tuple(found[one] for one in data["snapshots"])) for data in parsed]


def _by_id(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Snapshot]:
    found: dict[str, Snapshot] = {}
    for chunk in chunks(ids):
        found |= {one.id: one for one in _snapshots(connection, sa.select(*_SNAPSHOT).where(snapshots.c.id.in_(chunk)))}
    return found
