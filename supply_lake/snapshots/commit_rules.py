"""The rules of the commit, whatever store keeps it: its time and number, what it supersedes, what stands on its records.

What belongs here: those rules, as pure functions over what the store has read. What does not: reading and writing
(``sql_commit``, ``dynamo_commit``), and the ledger's rules (``ledger_rules``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from supply_lake.curate.schema import Change, difference
from supply_lake.errors import CommitConflict
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.records import Batch, Kind
from supply_lake.snapshots.schema_versions import ProposedSchema, SchemaVersion
from supply_lake.snapshots.store import Proposal

Partitions = Mapping[str, dt.date]
"""Live snapshots: ids, each with its partition."""


def refuse_condemned(gone: Collection[str]) -> None:
    """Refuse a batch of which these snapshots' files were taken for left behind meanwhile.

    :raises CommitConflict: naming the first, if there is one
    """
    if gone:
        raise CommitConflict(
            f"the files of snapshot {min(gone)} lay uncommitted for so long that gc removed them; build it again"
        )


@dataclass(frozen=True, slots=True)
class Head:
    """Where a dataset's history ends: its newest commit, and the time up to which readers were promised no other."""

    last_commit: int
    last_committed_at: int
    answered_until: int

    def next_time(self, now: int) -> int:
        """The time of the next commit: the clock's, unless history or a promise is ahead of it."""
        return max(now, self.last_committed_at + 1, self.answered_until + 1)


def looked_at(proposal: Proposal) -> set[dt.date]:
    """The partitions of which the commit has to know what is live."""
    return {date for date, _ in proposal.based_on} | set(proposal.supersede_live)


def superseded(proposal: Proposal, last_commit: int, live: Partitions, named: Partitions) -> dict[str, dt.date]:
    """Ids that this commit takes out of the live set, each with its partition.

    :param live: what is live in the partitions that are ``looked_at``
    :param named: what is live among those that the proposal names
    :raises CommitConflict: the live set is not the one that the proposal was built on
    """
    dataset = proposal.batch.dataset
    if proposal.based_on_commit is not None and proposal.based_on_commit != last_commit:
        raise CommitConflict(
            f"dataset {dataset} is at commit {last_commit}, not at {proposal.based_on_commit} any more; build it again"
        )
    for date, ids in proposal.based_on:
        if {one for one, partition in live.items() if partition == date} != set(ids):
            raise CommitConflict(f"the live rows of dataset {dataset} on {date} are not those that were read; build it again")
    missing = sorted(set(proposal.supersedes) - named.keys())
    if missing:
        raise CommitConflict(f"snapshot {missing[0]} of dataset {dataset} is not live any more; build it again")
    written = {snapshot.partition for snapshot in proposal.batch.snapshots}
    replaced = set(proposal.supersede_live) | {date for date, _ in proposal.based_on if date in written}
    return {one: partition for one, partition in live.items() if partition in replaced} | dict(named)


def committed(batch: Batch, gone: Partitions, number: int, time: int) -> Batch:
    """The batch as it is stored: each superseded id stands on the first new snapshot of its partition, else on the first.

    A revocation's snapshot that holds no rows has nothing to be read, so it ends where it begins.
    """
    shares: dict[int, list[str]] = {}
    for one, partition in sorted(gone.items(), key=lambda item: (item[1], item[0])):
        place = next((n for n, snapshot in enumerate(batch.snapshots) if snapshot.partition == partition), 0)
        shares.setdefault(place, []).append(one)
    stamped = tuple(
        replace(
            snapshot,
            supersedes=tuple(shares.get(n, ())),
            commit=number,
            committed_at=from_micros(time),
            superseded_by=number if batch.kind is Kind.REVOKE and not snapshot.files else None,
        )
        for n, snapshot in enumerate(batch.snapshots)
    )
    return replace(batch, snapshots=stamped, commit=number)


def with_schema(batch: Batch, version: int) -> Batch:
    """The batch under this version of the schema; snapshots that hold earlier rows again are under theirs."""
    stamped = tuple(replace(one, schema_version=one.schema_version or version) for one in batch.snapshots)
    return replace(batch, snapshots=stamped)


def new_schema(
    dataset: str, newest: SchemaVersion | None, proposed: ProposedSchema | None
) -> tuple[int, tuple[Change, ...], str]:
    """The number of the version that a commit publishes; if it is a new one, its changes, and the object that brought it.

    :param proposed: ``None`` for a commit that says nothing of its schema
    :raises CommitConflict: the newest version is not the one that the proposal was built on
    """
    number = newest.number if newest else 0
    if proposed is None:
        return number, (), ""
    if proposed.based_on != number:
        raise CommitConflict(
            f"the schema of dataset {dataset} is at version {number}, not at {proposed.based_on} any more; build it again"
        )
    changes = tuple(difference(newest.schema if newest else None, proposed.schema, proposed.brought))
    if not changes:
        return number, (), ""
    return number + 1, changes, next((change.object for change in changes if change.object), proposed.object)
