"""Landed objects, counted anew: the one number that files of the lake cannot prove is how much there was to begin with.

What belongs here: reading object versions that are still in landing a second time and comparing what is in them with the
records. What does not: everything that comes after reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from supply_lake.curate.curate import Options, Source, SourceOutcome, stage
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import ObjectGone
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.records import Batch, Outcome, SourceRecord
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.object_store import ObjectVersion
from supply_lake.storage.scratch import scratch_folder


@dataclass(slots=True)
class Recount:
    """What reading landing again came to, in sentences."""

    problems: list[str] = field(default_factory=list)
    information: list[str] = field(default_factory=list)


def recount(stores: Stores, spec: DatasetSpec, batches: Iterable[Batch]) -> Recount:
    """Count the records of every object version that a batch read and that still stands under its key."""
    found = Recount()
    counted = gone = 0
    for batch in batches:
        for source in batch.sources:
            if source.replayed or source.outcome not in (Outcome.READ, Outcome.UNREADABLE):
                continue
            version = _still_there(stores, source)
            if version is None:
                gone += 1
                continue
            counted += 1
            outcome = _read_again(stores, spec, batch, version)
            if outcome.landed != source.rows.landed:
                found.problems.append(
                    f"batch {batch.id}: {source.key} holds {outcome.landed:,} records, its record says {source.rows.landed:,}"
                )
            if source.sha256 and outcome.sha256 != source.sha256:
                found.problems.append(f"batch {batch.id}: the bytes of {source.key} are not those that were read")
    found.information.append(f"{counted:,} landed object versions were counted again; {gone:,} are not in landing any more")
    return found


def _still_there(stores: Stores, source: SourceRecord) -> ObjectVersion | None:
    try:
        version = stores.landing.head(source.key)
    except ObjectGone:
        return None
    return version if (version.etag, version.size) == (source.etag, source.size) else None


def _read_again(stores: Stores, spec: DatasetSpec, batch: Batch, version: ObjectVersion) -> SourceOutcome:
    source = Source(0, version.key, partial(stores.landing.read, version), version.size, version.modified)
    options = Options(memory_bytes=stores.settings.memory_bytes, threads=stores.settings.threads)
    with (
        scratch_folder(stores.settings.scratch, f"verify-{new_snapshot_id()}") as scratch,
        stage(spec, [source], landing_date=batch.landing_date, scratch=scratch, options=options) as staged,
    ):
        return staged.sources[0]
