"""Records compared with each other: history without gaps, live sets that explain each other, totals that add up. Pure.

What belongs here: every rule that can be checked without opening a file. What does not: reading records or files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from supply_lake.curate.schema import difference
from supply_lake.snapshots import standing
from supply_lake.snapshots.records import Batch, Commit, Kind, Rows, Snapshot, SourceRecord
from supply_lake.snapshots.schema_versions import SchemaVersion


def history(commits: Sequence[Commit], snapshots: Sequence[Snapshot], live: Sequence[Snapshot]) -> Iterator[str]:
    """What is wrong with a dataset's commits and with the snapshots that they added and superseded.

    :param commits: oldest first
    :param live: the live set at the last of them
    """
    numbers = [commit.number for commit in commits]
    if numbers != list(range(1, len(numbers) + 1)):
        missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        yield f"commits {', '.join(map(str, missing)) or 'are numbered twice'}: the numbers from 1 to {max(numbers)} have gaps"
    for before, after in pairwise(commits):
        if after.committed_at <= before.committed_at:
            yield f"commit {after.number} is dated {after.committed_at.isoformat()}, not later than commit {before.number}"
    added = Counter(snapshot.commit for snapshot in snapshots if snapshot.commit is not None)
    for number in sorted(set(numbers) - set(added)):
        yield f"commit {number} added no snapshot"
    for number in sorted(set(added) - set(numbers)):
        yield f"{added[number]} snapshots name commit {number}, which is not there"
    yield from _superseding({snapshot.id: snapshot for snapshot in snapshots})
    differing = {snapshot.id for snapshot in snapshots if snapshot.live} ^ {snapshot.id for snapshot in live}
    if differing:
        yield f"the live set and the records disagree on snapshot {min(differing)}"


def schemas(versions: Sequence[SchemaVersion], commits: Sequence[Commit], snapshots: Sequence[Snapshot]) -> Iterator[str]:
    """What is wrong with the numbered versions of what a dataset publishes.

    :param versions: oldest first
    :param commits: oldest first
    """
    if [one.number for one in versions] != list(range(1, len(versions) + 1)):
        yield f"schema versions {', '.join(str(one.number) for one in versions)} are not numbered 1, 2, 3 …"
    times = {one.number: one.committed_at for one in commits}
    for before, after in pairwise((None, *versions)):
        assert after is not None
        if times.get(after.commit) != after.committed_at or (before is not None and before.commit >= after.commit):
            yield f"schema version {after.number} came with commit {after.commit}, which is not there, or not in its order"
        brought = {change.column: change.object for change in after.changes}
        if difference(before.schema if before else None, after.schema, brought) != after.changes:
            yield f"schema version {after.number} does not differ from the one before it by what its record says"
    for snapshot in snapshots:
        since = max((one.number for one in versions if one.commit <= (snapshot.commit or 0)), default=0)
        older = snapshot.kind in (Kind.REVOKE, Kind.COMPACT) and 0 < snapshot.schema_version < since
        if snapshot.schema_version != since and not older:
            yield f"snapshot {snapshot.id} says schema version {snapshot.schema_version}; at its commit it was {since}"


def batches(found: Sequence[Batch], snapshots: Sequence[Snapshot]) -> Iterator[str]:
    """What does not add up in batches, between them and their snapshots, and whether an object was published twice."""
    for snapshot in snapshots:
        yield from _totals(f"snapshot {snapshot.id}", snapshot.rows, snapshot.sources)
        if sum(file.rows for file in snapshot.files) != snapshot.rows_total:
            yield f"snapshot {snapshot.id}: the rows of its files do not add up to {snapshot.rows_total:,}"
        if sum(file.bytes for file in snapshot.files) != snapshot.bytes:
            yield f"snapshot {snapshot.id}: the bytes of its files do not add up to {snapshot.bytes:,}"
    for batch in found:
        yield from _totals(f"batch {batch.id}", batch.rows, batch.sources)
        if sum((snapshot.rows for snapshot in batch.snapshots), Rows()) != batch.rows:
            yield f"batch {batch.id}: the rows of its snapshots do not add up to its own"
    published = Counter(
        (source.key, source.etag, source.size)
        for batch in found
        if batch.commit is not None and batch.kind is not Kind.RECURATE and not any(one.revoked_by for one in batch.snapshots)
        for source in batch.sources
        if source.rows.published and not source.replayed
    )
    for (key, etag, _), times in published.items():
        if times > 1:
            yield f"object {key} (ETag {etag}) was published {times} times"


def replays(snapshots: Sequence[Snapshot], dealings: Mapping[standing.Identity, Sequence[standing.Dealing]]) -> Iterator[str]:
    """What is wrong with replays and revocations: what they name, and whether a replay took up all that stood and no more."""
    known = {snapshot.id: snapshot for snapshot in snapshots}
    for snapshot in snapshots:
        for name in ("replays", "revokes"):
            for one in getattr(snapshot, name):
                if one not in known:
                    yield f"snapshot {snapshot.id} {name} {one}, which has no record"
        if snapshot.revoked_by is not None and not any(snapshot.id in one.revokes for one in snapshots):
            yield f"snapshot {snapshot.id} is said to be revoked by commit {snapshot.revoked_by}, which does not name it"
    yield from standing.lost_between(dealings.values())


def holders(snapshots: Sequence[Snapshot]) -> Iterator[str]:
    """What is wrong with snapshots that hold the rows of others: each has all of theirs, and no others."""
    known = {snapshot.id: snapshot for snapshot in snapshots}
    for snapshot in snapshots:
        missing = sorted(set(snapshot.holds) - set(known))
        rows = sum(known[one].rows_total for one in snapshot.holds if one in known)
        if missing:
            yield f"snapshot {snapshot.id} holds the rows of {missing[0]}, which has no record"
        elif snapshot.holds and rows != snapshot.rows_total:
            yield f"snapshot {snapshot.id} has {snapshot.rows_total:,} rows, those that it holds had {rows:,}"
        elif snapshot.kind is Kind.COMPACT and (snapshot.rows != Rows() or not snapshot.holds):
            yield f"snapshot {snapshot.id} was written by a compaction, and its record claims rows of its own"


def _superseding(known: dict[str, Snapshot]) -> Iterator[str]:
    superseded: dict[str, int] = {}
    for snapshot in known.values():
        for gone in snapshot.supersedes:
            other = known.get(gone)
            if other is None:
                yield f"snapshot {snapshot.id} supersedes {gone}, which has no record"
            elif other.commit is None or snapshot.commit is None or other.commit >= snapshot.commit:
                yield f"snapshot {snapshot.id} supersedes {gone}, which was not committed before it"
            elif other.superseded_by != snapshot.commit:
                yield f"snapshot {gone} is superseded by commit {snapshot.commit}, its record says {other.superseded_by}"
            superseded[gone] = snapshot.commit or 0
    for snapshot in known.values():
        without_rows = snapshot.kind is Kind.REVOKE and snapshot.superseded_by == snapshot.commit
        if snapshot.superseded_by is not None and snapshot.id not in superseded and not without_rows:
            yield f"snapshot {snapshot.id} is said to be superseded by commit {snapshot.superseded_by}, which does not name it"


def _totals(name: str, rows: Rows, sources: Sequence[SourceRecord]) -> Iterator[str]:
    if not rows.balanced:
        accounted = rows.published + rows.rejected + rows.deduplicated
        yield f"{name}: {rows.landed:,} rows landed, but {accounted:,} are accounted for"
    if sum((source.rows for source in sources), Rows()) != rows:
        yield f"{name}: the rows of its sources do not add up to its own"
