"""What a batch takes up that was delivered with an earlier one: published objects to be read again, rejected rows to be
replayed.

What belongs here: the value, and the records that it is made from. What does not: choosing what to take up (``replay``,
``recurate``) and curating it (``publish``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate.curate import Delivery, Kept
from supply_lake.errors import ObjectChanged, ObjectGone
from supply_lake.snapshots.records import Snapshot, SourceRecord
from supply_lake.snapshots.store import TakenUp
from supply_lake.storage.object_store import ObjectStore, ObjectVersion

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Again:
    """What is taken up.

    :param delivery: when its rows came
    :param supersedes: snapshots whose place the result takes, wherever it has rows
    :param replays: snapshots whose rejected rows are taken up
    :param taken_up: the objects of a replay, and where their rejected rows stand
    :param kept: objects of which only the rejected rows are read, from what was kept of them
    :param kept_sources: their records, as the batch that read them last left them
    :param rejected: how many rejected rows of each object stand, by its key
    :param left: objects that are not taken up, each with the reason
    :param together: published together or not at all, as any batch; else objects that are still bad stay as they are
    :param rehearsal: nothing is written; the batch tells what would come of it
    """

    delivery: Delivery
    supersedes: tuple[str, ...] = ()
    replays: tuple[str, ...] = ()
    taken_up: tuple[TakenUp, ...] = ()
    kept: Kept = field(default_factory=Kept)
    kept_sources: tuple[SourceRecord, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    together: bool = True
    rehearsal: bool = False


class Records:
    """The snapshot records of a dataset, asked by id, by batch and by delivery."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        self.snapshots = sorted(snapshots, key=lambda one: one.id)

    @cached_property
    def by_id(self) -> dict[str, Snapshot]:
        """Every snapshot by its id."""
        return {one.id: one for one in self.snapshots}

    @cached_property
    def by_batch(self) -> dict[str, list[Snapshot]]:
        """The snapshots of every batch."""
        found: dict[str, list[Snapshot]] = {}
        for one in self.snapshots:
            found.setdefault(one.batch_id, []).append(one)
        return found

    @cached_property
    def holders(self) -> dict[str, Snapshot]:
        """Of every snapshot whose rows are live, the live one that holds them: itself, or what was written of it since."""
        live = [one for one in self.snapshots if one.live]
        return {held: one for one in live for held in one.held} | {one.id: one for one in live}

    def lineage(self, snapshot_id: str) -> set[str]:
        """The ids that rows of a snapshot may name as the one that published them: its own, and those it carried on."""
        found: set[str] = set()
        todo = [snapshot_id]
        while todo:
            one = self.by_id[todo.pop()]
            if one.id not in found:
                found.add(one.id)
                todo += one.supersedes if one.held == (one.id,) else one.held
        return found

    def delivery(self, batch_id: str) -> Delivery:
        """The delivery of the rows that a batch first took in."""
        sources = max((one.sources for one in self.by_batch.get(batch_id, ())), key=len, default=())
        return Delivery(batch_id, {one.id: one.delivery for one in self.snapshots}, tuple(one.key for one in sources))

    def published(self, batch_id: str) -> set[tuple[str, str, int]]:
        """Object versions of which the batch published a row, or held one back for another of its key."""
        sources = (source for one in self.by_batch.get(batch_id, ()) for source in one.sources)
        return {one.identity for one in sources if one.rows.published + one.rows.deduplicated}


def in_landing(landing: ObjectStore, source: SourceRecord) -> ObjectVersion | None:
    """The object version, if it stands under its key still; ``None`` when nothing does.

    :raises ObjectChanged: other bytes stand there
    """
    try:
        version = landing.head(source.key)
    except ObjectGone:
        return None
    if version.identity != source.identity:
        raise ObjectChanged("it was overwritten; its newer bytes count")
    return version


def kept_frames(rejects: ObjectStore, snapshots: Iterable[Snapshot]) -> Iterator[pl.DataFrame]:
    """The rejects of these snapshots, frame by frame."""
    for snapshot in snapshots:
        for file in snapshot.rejects:
            with rejects.read_own(file.path, file.bytes) as stream:
                for batch in pq.ParquetFile(stream).iter_batches(ROWS_AT_ONCE):
                    yield pl.DataFrame(batch)
