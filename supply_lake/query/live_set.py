"""What a reader sees of one dataset, and when: commit numbers and times → snapshots.

What belongs here: choosing snapshot records. What does not: their files (``relations``) and SQL (``tables``, ``engine``).
Whoever reads resolves once, so that one read never mixes two commits.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from supply_lake.curate.schema import Schema
from supply_lake.errors import UnknownCommit, UnknownSnapshot, UsageError
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.store import MetadataStore


@dataclass(frozen=True, slots=True)
class LiveSet:
    """The snapshots that make up a dataset at one commit; ``commit`` 0 is the dataset before its first one.

    ``schema`` is what was published when there is no snapshot to tell; ``None`` when nothing ever was.
    """

    dataset: str
    commit: int
    snapshots: tuple[Snapshot, ...]
    schema: Schema | None = None


def live_set(metadata: MetadataStore, dataset: str, *, as_of: dt.datetime | None = None, commit: int | None = None) -> LiveSet:
    """The live set at a commit, or at a time; the newest one when neither is given.

    :param as_of: a time without a zone is UTC
    :raises UsageError: both are given, or the time is yet to come
    :raises UnknownCommit: the dataset has no such commit
    """
    if as_of is not None and commit is not None:
        raise UsageError("give a commit or a time to read at, not both")
    if as_of is not None:
        number = metadata.commit_at(dataset, past(as_of))
    else:
        last = metadata.last_commit(dataset)
        number = last if commit is None else commit
        if not 0 <= number <= last:
            there = f"its commits are 1 to {last}" if last else "nothing of it is committed yet"
            raise UnknownCommit(f"dataset {dataset} has no commit {number}; {there}")
    snapshots = metadata.live(dataset, number) if number else []
    version = metadata.schema(dataset, number) if number and not snapshots else None
    return LiveSet(dataset, number, tuple(snapshots), version.schema if version else None)


def one_snapshot(metadata: MetadataStore, dataset: str, snapshot_id: str) -> LiveSet:
    """One snapshot alone, live or not.

    :raises UnknownSnapshot: the dataset has no such snapshot, or it was never published
    """
    snapshot = metadata.snapshot(snapshot_id)
    if snapshot.dataset != dataset:
        raise UnknownSnapshot(f"snapshot {snapshot_id} is one of {snapshot.dataset}, not of {dataset}")
    if snapshot.commit is None:
        why = f" ({snapshot.reason})" if snapshot.reason else ""
        raise UnknownSnapshot(f"snapshot {snapshot_id} of {dataset} is {snapshot.status}{why}; it holds no rows to read")
    return LiveSet(dataset, snapshot.commit, (snapshot,))


def past(time: dt.datetime) -> dt.datetime:
    """The time in UTC.

    :raises UsageError: it is yet to come, so what is read at it may still change
    """
    time = time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
    if time > dt.datetime.now(dt.UTC):
        raise UsageError(f"{time.isoformat()} is yet to come; a read as of a time takes one that has passed")
    return time
