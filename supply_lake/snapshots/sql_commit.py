"""The commit: the one write that makes a batch's snapshots visible; and its sibling for batches that publish nothing.

What belongs here: the sequence inside the transaction. What does not: its rules (``commit_rules``), the ledger's part of it
(``sql_settle``) and reading what was committed (``sql_history``).

A commit holds its dataset's row from its first statement to its end, so commits of one dataset queue, and each sees all that
the one before it wrote. That is why numbers have no gaps, times only grow, and no update is lost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from supply_lake.snapshots.commit_rules import committed, looked_at, superseded, with_schema
from supply_lake.snapshots.record_text import batch_text, snapshot_text
from supply_lake.snapshots.records import Batch, Snapshot
from supply_lake.snapshots.sql_datasets import lock_dataset
from supply_lake.snapshots.sql_history import batch_by_id
from supply_lake.snapshots.sql_ledger import chunks
from supply_lake.snapshots.sql_removals import refuse_condemned
from supply_lake.snapshots.sql_schema import batches, commits, datasets, is_live, snapshots
from supply_lake.snapshots.sql_settle import move, refuse, refuse_moved, settle
from supply_lake.snapshots.sql_versions import next_version
from supply_lake.snapshots.store import Proposal, TakenUp
from supply_lake.storage.object_store import ObjectVersion


def commit(connection: sa.Connection, proposal: Proposal, now: int) -> Batch:
    """Write the commit; a batch that is stored already is only handed back."""
    batch = proposal.batch
    head = lock_dataset(connection, batch.dataset)
    stored = batch_by_id(connection, batch.id)
    if stored is not None:
        return stored
    refuse(connection, batch, proposal.objects, proposal.taken_up)
    refuse_condemned(connection, batch.snapshots)
    live = _live_in(connection, batch.dataset, looked_at(proposal))
    named = _live_among(connection, batch.dataset, proposal.supersedes)
    gone = superseded(proposal, head.last_commit, live, named)
    number, time = head.last_commit + 1, head.next_time(now)
    batch = committed(batch, gone, number, time)
    _write_batch(connection, batch, time)
    connection.execute(
        sa.insert(commits).values(
            dataset=batch.dataset,
            number=number,
            committed_at=time,
            batch_id=batch.id,
            reason=batch.reason,
            made_by=batch.by,
        )
    )
    batch = with_schema(batch, next_version(connection, batch.dataset, proposal.schema, number))
    _mark(connection, batch.dataset, list(gone), superseded_by=number)
    _mark(connection, batch.dataset, proposal.reinstates, revoked_by=None)
    _mark(connection, batch.dataset, proposal.revokes, revoked_by=number)
    _write_snapshots(connection, batch.snapshots, time)
    for snapshot in batch.snapshots:
        _mark(connection, batch.dataset, snapshot.holds, held_by=snapshot.id)
    settle(connection, batch, proposal.objects, number, now)
    move(connection, proposal.moved)
    connection.execute(
        sa.update(datasets).where(datasets.c.dataset == batch.dataset).values(last_commit=number, last_committed_at=time)
    )
    return batch


def record(
    connection: sa.Connection, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp], now: int
) -> Batch:
    """Write a batch that publishes nothing; one that is stored already is only handed back."""
    lock_dataset(connection, batch.dataset)
    stored = batch_by_id(connection, batch.id)
    if stored is not None:
        return stored
    refuse_moved(connection, taken_up)
    refuse_condemned(connection, batch.snapshots)
    _write_batch(connection, batch, now)
    _write_snapshots(connection, batch.snapshots, now)
    settle(connection, batch, objects, None, now)
    return batch


def _live_in(connection: sa.Connection, dataset: str, partitions: set[dt.date]) -> dict[str, dt.date]:
    found: dict[str, dt.date] = {}
    for chunk in chunks(sorted(partitions)):
        query = _live_of(dataset).where(snapshots.c.partition_date.in_(chunk))
        found |= {row.id: row.partition_date for row in connection.execute(query)}
    return found


def _live_among(connection: sa.Connection, dataset: str, ids: Sequence[str]) -> dict[str, dt.date]:
    found: dict[str, dt.date] = {}
    for chunk in chunks(sorted(set(ids))):
        rows = connection.execute(_live_of(dataset).where(snapshots.c.id.in_(chunk)))
        found |= {row.id: row.partition_date for row in rows}
    return found


def _live_of(dataset: str) -> sa.Select[tuple[str, dt.date]]:
    query: sa.Select[Any] = sa.select(snapshots.c.id, snapshots.c.partition_date)
    return query.where(snapshots.c.dataset == dataset, is_live)


def _mark(connection: sa.Connection, dataset: str, ids: Sequence[str], **marks: int | str | None) -> None:
    for chunk in chunks(ids):
        connection.execute(
            sa.update(snapshots).where(snapshots.c.dataset == dataset, snapshots.c.id.in_(chunk)).values(**marks)
        )


def _write_batch(connection: sa.Connection, batch: Batch, time: int) -> None:
    connection.execute(
        sa.insert(batches).values(
            id=batch.id,
            dataset=batch.dataset,
            landing_date=batch.landing_date,
            status=batch.status,
            commit_number=batch.commit,
            run_id=batch.run_id,
            recorded_at=time,
            record=batch_text(batch),
        )
    )


def _write_snapshots(connection: sa.Connection, written: Sequence[Snapshot], time: int) -> None:
    rows = [
        {
            "id": snapshot.id,
            "dataset": snapshot.dataset,
            "partition_date": snapshot.partition,
            "landing_date": snapshot.landing_date,
            "batch_id": snapshot.batch_id,
            "status": snapshot.status,
            "commit_number": snapshot.commit,
            "superseded_by": snapshot.superseded_by,
            "recorded_at": time,
            "record": snapshot_text(snapshot),
        }
        for snapshot in written
    ]
    if rows:
        connection.execute(sa.insert(snapshots), rows)
