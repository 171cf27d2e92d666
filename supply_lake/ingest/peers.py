"""The live rows that a batch meets: which of them take part in its settling, and what its commit supersedes.

What belongs here: the rules of the modes, for batches that are curated when they come and for those that take up earlier
deliveries. What does not: comparing rows (``curate``) and committing (``publish``).

A batch that takes up an earlier delivery gives what it would have given, had the contract been today's when it came. So rows
that were delivered later are not outdone by it: with ``upsert`` and with keys, rows compare by order, then by delivery; with
``replace``, a later delivery of the same date stays, and the batch is left as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from supply_lake.curate.curate import Settled, Staged
from supply_lake.datasets.spec import DatasetSpec, KeyScope, Mode
from supply_lake.ingest.again import Again
from supply_lake.ingest.regroup import take_delivery_apart
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.key_filter import candidates
from supply_lake.snapshots.records import Kind, Snapshot


@dataclass(frozen=True, slots=True)
class Peers:
    """What is live and matters to a batch.

    :param merged: snapshots whose rows take part; they are carried over into the batch's own where it has one
    :param replaced: snapshots whose place the batch's own take, without their rows
    :param guarded: partitions whose live snapshots may not have moved when it is committed, with their ids
    :param adds: merged rows are carried over only where one of them loses
    :param refusal: why nothing of the batch may be published
    """

    merged: tuple[Snapshot, ...] = ()
    replaced: tuple[str, ...] = ()
    guarded: tuple[tuple[dt.date, tuple[str, ...]], ...] = ()
    adds: bool = False
    refusal: str = ""

    def superseded(self, settled: Settled, dates: Sequence[dt.date]) -> tuple[str, ...]:
        """Ids that a commit with new snapshots on these dates supersedes."""
        carried = [one.id for one in self.merged if one.partition in dates and settled.carries(one.partition)]
        return (*carried, *self.replaced)


def peers(stores: Stores, spec: DatasetSpec, staged: Staged, kind: Kind, again: Again | None) -> Peers:
    """What is live now and matters to the batch."""
    if spec.mode is Mode.UPSERT:
        return _upsert(stores, spec, staged)
    if again is None:
        return Peers()
    if spec.mode is Mode.REPLACE:
        return _replace(stores, spec, staged, again)
    if not again.rehearsal:
        take_delivery_apart(stores, spec, again.delivery.batch)
    if kind is Kind.RECURATE:
        return Peers(replaced=tuple(sorted(_instead_of(stores.metadata.live(spec.name), again))))
    if spec.dedupe_by == "none":
        return Peers()
    return Peers(merged=tuple(one for one in _live(stores, spec, staged) if one.delivery == again.delivery.batch), adds=True)


def _live(stores: Stores, spec: DatasetSpec, staged: Staged) -> list[Snapshot]:
    return [one for date in staged.dates for one in stores.metadata.live(spec.name, partition=date)]


def _instead_of(live: Sequence[Snapshot], again: Again) -> set[str]:
    """The live snapshots that hold what the batch takes the place of; a compaction may have written them meanwhile."""
    return {one.id for one in live if not {one.id, *one.held}.isdisjoint(again.supersedes)}


def _guarded(live: Sequence[Snapshot], dates: Sequence[dt.date]) -> tuple[tuple[dt.date, tuple[str, ...]], ...]:
    return tuple((date, tuple(one.id for one in live if one.partition == date)) for date in dates)


def _upsert(stores: Stores, spec: DatasetSpec, staged: Staged) -> Peers:
    if spec.key_scope is KeyScope.PARTITION:
        live = _live(stores, spec, staged)
        return Peers(merged=tuple(live), guarded=_guarded(live, staged.dates))
    everywhere, touched = stores.metadata.live(spec.name), set(staged.dates)
    elsewhere = [one for one in everywhere if one.partition not in touched]
    chosen = {one.id for one in candidates(staged.keys(), elsewhere, stores.lake)}
    partitions = touched | {one.partition for one in elsewhere if one.id in chosen}
    live = [one for one in everywhere if one.partition in partitions]
    return Peers(merged=tuple(live), guarded=_guarded(live, sorted(partitions)))


def _replace(stores: Stores, spec: DatasetSpec, staged: Staged, again: Again) -> Peers:
    """Rows join those of their own delivery, and take the place of earlier ones."""
    live, own = _live(stores, spec, staged), again.delivery.batch
    later = [one for one in live if one.delivery > own]
    if later:
        date, its = later[0].partition, later[0].id
        return Peers(refusal=f"a later delivery of {date} is live (snapshot {its}), and `mode: replace` keeps the last one")
    instead = _instead_of(stores.metadata.live(spec.name), again) if again.supersedes else set()
    joined = tuple(one for one in live if one.delivery == own and one.id not in instead)
    replaced = {one.id for one in live if one not in joined} | instead
    return Peers(merged=joined, replaced=tuple(sorted(replaced)), guarded=_guarded(live, staged.dates))
