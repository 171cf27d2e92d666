"""Giving files up, in SQL: what a collection may remove is decided, and written down, in one transaction.

What belongs here: statements over ``removals`` and ``condemned``, and the columns that say that files are gone. What does not:
choosing what to remove (``upkeep.gc``).

The dataset is held meanwhile, as by a commit. So a snapshot id whose files go is either recorded before, and then the files
stay, or it never will be: the commit that brings it is refused, and its batch is built again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from supply_lake.snapshots import commit_rules
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.removal import Removal, Stray, removal_from_json, removal_json
from supply_lake.snapshots.sql_ledger import chunks
from supply_lake.snapshots.sql_pins import registered
from supply_lake.snapshots.sql_schema import condemned, removals, snapshots


def remove(connection: sa.Connection, asked: Removal, now: int, recorded: frozenset[str]) -> Removal:
    """What may go of what is asked for, written down; the caller holds the dataset.

    :param recorded: ids of strays that had a record when their files were compared with it
    """
    removable = _removable(connection, asked)
    going = tuple(one for one in asked.snapshots if one.id in removable)
    strays = _unnamed(connection, asked.strays, recorded)
    removal = replace(asked, snapshots=going, strays=strays, removed_at=from_micros(now))
    if removal.empty:
        return removal
    text = json.dumps(removal_json(removal), separators=(",", ":"))
    connection.execute(sa.insert(removals).values(id=removal.id, dataset=removal.dataset, removed_at=now, record=text))
    for chunk in chunks(one.id for one in going):
        connection.execute(sa.update(snapshots).where(snapshots.c.id.in_(chunk)).values(removed_at=now))
    _condemn(connection, {one.snapshot_id for one in strays} - recorded, removal.id)
    return removal


def _removable(connection: sa.Connection, asked: Removal) -> set[str]:
    """Those of the ids that no commit that has to stay readable reaches: none from that one on, and no pinned one."""
    s = snapshots.c
    pinned = {one.commit_of(asked.dataset) or 0 for one in registered(connection, asked.dataset)}
    reached = [sa.and_(s.commit_number <= commit, s.superseded_by > commit) for commit in sorted(pinned)]
    found: set[str] = set()
    for chunk in chunks(one.id for one in asked.snapshots):
        query = sa.select(s.id).where(
            s.dataset == asked.dataset,
            s.id.in_(chunk),
            s.superseded_by <= asked.reachable_from,
            s.removed_at.is_(None),
            ~sa.or_(sa.false(), *reached),
        )
        found |= set(connection.execute(query).scalars())
    return found


def _unnamed(connection: sa.Connection, strays: Sequence[Stray], recorded: frozenset[str]) -> tuple[Stray, ...]:
    """The strays whose snapshot was not recorded since they were found."""
    since = _among(connection, snapshots.c.id, {one.snapshot_id for one in strays} - recorded)
    return tuple(one for one in strays if one.snapshot_id not in since)


def _among(connection: sa.Connection, column: sa.Column[str], ids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(sorted(ids)):
        found |= set(connection.execute(sa.select(column).where(column.in_(chunk))).scalars())
    return found


def _condemn(connection: sa.Connection, ids: set[str], removal_id: str) -> None:
    new = sorted(ids - _among(connection, condemned.c.snapshot_id, ids))
    if new:
        connection.execute(sa.insert(condemned), [{"snapshot_id": one, "removal_id": removal_id} for one in new])


def refuse_condemned(connection: sa.Connection, written: Sequence[Snapshot]) -> None:
    """Make sure that the files of these snapshots were not taken for left behind meanwhile.

    :raises CommitConflict: naming the first whose files were
    """
    commit_rules.refuse_condemned(_among(connection, condemned.c.snapshot_id, (one.id for one in written)))


def newest(connection: sa.Connection, dataset: str | None, limit: int | None) -> list[Removal]:
    """The records of removals, newest first."""
    query = sa.select(removals.c.record).order_by(removals.c.removed_at.desc(), removals.c.id.desc()).limit(limit)
    if dataset is not None:
        query = query.where(removals.c.dataset == dataset)
    return [removal_from_json(json.loads(record)) for record in connection.execute(query).scalars()]
