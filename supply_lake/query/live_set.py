"""What a reader sees of one dataset, and when: commit numbers and times → snapshots.

What belongs here: choosing snapshot records. What does not: their files (``relations``) and SQL (``tables``, ``engine``).
Whoever reads resolves once, so that one read never mixes two commits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from supply_lake.curate.schema import Schema
from supply_lake.errors import UnknownCommit, UnknownSnapshot, UsageError
from supply_lake.snapshots.records import Outcome, Snapshot, SourceRecord
from supply_lake.snapshots.store import MetadataStore

_DEALT_WITH = (Outcome.READ, Outcome.EMPTY, Outcome.UNREADABLE)


@dataclass(frozen=True, slots=True)
class LiveSet:
    """The snapshots that make up a dataset at one commit; ``commit`` 0 is the dataset before its first one.

    ``schema`` is what was published when there is no snapshot to tell; ``None`` when nothing ever was.
    """

    dataset: str
    commit: int
    snapshots: tuple[Snapshot, ...]
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Rejects:
    """The rejects of one snapshot, without those of ``except_sources``: landing keys that a later batch read again."""

    snapshot: Snapshot
    except_sources: tuple[str, ...] = ()


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


def standing_rejects(snapshots: Sequence[Snapshot], commit: int | None = None) -> tuple[Rejects, ...]:
    """The rejected rows that still stand, oldest first: of every object version, those of the last batch that read it.

    Once a later batch read newer bytes of the same key, those of the older bytes stand only where rows of them are live, too.

    :param snapshots: records of one dataset, whatever their status, in any order
    :param commit: look no further than this commit; batches that published nothing count by the time they were recorded
    """
    seen = sorted(_until(snapshots, commit), key=lambda snapshot: snapshot.id)
    newest: dict[str | tuple[str, str, int], str] = {}
    for snapshot in seen:
        for source in snapshot.sources:
            if source.outcome in _DEALT_WITH:
                for read in (source.key, _identity(source)):
                    newest[read] = max(newest.get(read, ""), snapshot.batch_id)
    standing = []
    for snapshot in seen:
        if not snapshot.rejects:
            continue
        live = _is_live(snapshot, commit)
        read_again = {s.key for s in snapshot.sources if newest.get(_identity(s) if live else s.key, "") > snapshot.batch_id}
        if len(read_again) < len({source.key for source in snapshot.sources}) or not read_again:
            standing.append(Rejects(snapshot, tuple(sorted(read_again))))
    return tuple(standing)


def _identity(source: SourceRecord) -> tuple[str, str, int]:
    return source.key, source.etag, source.size


def _is_live(snapshot: Snapshot, commit: int | None) -> bool:
    later = snapshot.superseded_by is None or (commit is not None and snapshot.superseded_by > commit)
    return snapshot.commit is not None and later


def _until(snapshots: Sequence[Snapshot], commit: int | None) -> list[Snapshot]:
    if commit is None:
        return list(snapshots)
    times = [one.committed_at for one in snapshots if one.commit == commit and one.committed_at]
    until = max(times) if times else dt.datetime.min.replace(tzinfo=dt.UTC)
    return [
        one
        for one in snapshots
        if (one.commit <= commit if one.commit is not None else one.created_at is not None and one.created_at <= until)
    ]
