"""Re-curation: a landing date is made right as of now, under today's contract. A backfill in Dagster does it.

What was published is read again from the same object versions, and takes the place of its snapshots; what published nothing is
taken up as by a replay. Where landing does not have the objects any more, their snapshots stay, and their rejected rows are
replayed from what was kept of them. So a re-curation and a replay come to the same rows.

What belongs here: what is read again. What does not: curating it (``publish``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from supply_lake.datasets.spec import DatasetSpec, Mode
from supply_lake.errors import ObjectChanged
from supply_lake.ingest.again import Again, Records, in_landing
from supply_lake.ingest.publish import run_batch
from supply_lake.ingest.regroup import take_delivery_apart
from supply_lake.ingest.replay import Unit, empty_units, take_up, try_set_aside, units
from supply_lake.ingest.stores import Stores
from supply_lake.ingest.work import Work
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Batch, Kind, Snapshot, SourceRecord
from supply_lake.storage.object_store import ObjectVersion


def recurate(stores: Stores, name: str, landing_date: dt.date, *, run_id: str = "") -> list[Batch]:
    """Read again what came on one landing date, oldest delivery first.

    :returns: one ``Batch`` per batch that was curated, and per rejected one that stays rejected, which tells why and is not
        recorded; empty when nothing of that date was ever landed
    """
    spec = stores.registry.get(name)
    return list(_Date(stores, spec, landing_date, run_id).batches())


class _Date:
    """One landing date of one dataset, while it is curated again."""

    def __init__(self, stores: Stores, spec: DatasetSpec, date: dt.date, run_id: str) -> None:
        self.stores, self.spec, self.date, self.run_id = stores, spec, date, run_id
        self.dealt_with: set[str] = set()  # deliveries

    def batches(self) -> Iterator[Batch]:
        for batch in try_set_aside(self.stores, self.spec, self.date, run_id=self.run_id):
            self.dealt_with.add(batch.id)
            yield batch
        yield from self._published_nothing()
        yield from self._published()
        yield from self._rest()

    def _records(self) -> Records:
        return Records(self.stores.metadata.snapshots(self.spec.name))

    def _units(self, found: Iterable[Unit]) -> list[Unit]:
        return [one for one in found if one.landing_date == self.date and one.delivery not in self.dealt_with and one.taken_up]

    def _published_nothing(self) -> Iterator[Batch]:
        records = self._records()
        whole = [one for one in units(self.stores, records) if one.together]
        for unit in self._units([*whole, *empty_units(self.stores, records, self.date)]):
            batch = take_up(self.stores, self.spec, records, unit, run_id=self.run_id).batch
            if batch.commit is not None:
                self.dealt_with.add(unit.delivery)
            if batch.recorded or unit.together:
                yield batch

    def _published(self) -> Iterator[Batch]:
        records = self._records()
        for delivery in self._deliveries(records):
            objects = self._objects(records, delivery)
            if objects is not None:
                if self.spec.mode is not Mode.UPSERT:
                    take_delivery_apart(self.stores, self.spec, delivery, run_id=self.run_id)
                live = tuple(one.id for one in self._records().snapshots if one.live and one.delivery == delivery)
                again = Again(records.delivery(delivery), supersedes=live)
                work = Work(self.spec, self.date, objects, run_id=self.run_id, kind=Kind.RECURATE, again=again)
                self.dealt_with.add(delivery)
                yield run_batch(self.stores, work)

    def _deliveries(self, records: Records) -> list[str]:
        """What is live of this date; of an upsert all that was published, for later snapshots carry its rows on."""
        found = {
            one.delivery
            for one in records.snapshots
            if one.landing_date == self.date
            and one.kind is not Kind.COMPACT
            and (one.id in records.holders or (self.spec.mode is Mode.UPSERT and _is_published(one)))
        }
        return sorted(found - self.dealt_with)

    def _objects(self, records: Records, delivery: str) -> tuple[ObjectVersion, ...] | None:
        """The object versions of a delivery, or ``None`` when one of them is not there any more, or was revoked."""
        wanted = {
            source.identity: source
            for one in records.snapshots
            if one.delivery == delivery and _is_published(one)
            for source in one.sources
            if source.rows.landed
        }
        if self._is_revoked(wanted.values()):
            return None
        try:
            found = [in_landing(self.stores.landing, source) for source in wanted.values()]
        except ObjectChanged:
            return None
        there = tuple(one for one in found if one is not None)
        return there if there and len(there) == len(found) else None

    def _is_revoked(self, sources: Iterable[SourceRecord]) -> bool:
        wanted = {one.identity for one in sources}
        ledger = self.stores.metadata.versions([key for key, _, _ in wanted])
        entries = (entry for versions in ledger.values() for entry in versions if entry.object.identity in wanted)
        return any(entry.state is ObjectState.REVOKED for entry in entries)

    def _rest(self) -> Iterator[Batch]:
        """Rejected rows of what could not be read again, or is carried on by others."""
        records = self._records()
        live = {records.by_id[one].delivery for one in records.holders}
        for unit in self._units(units(self.stores, records)):
            if not unit.together and (self.spec.mode is Mode.UPSERT or unit.delivery in live):
                batch = take_up(self.stores, self.spec, records, unit, run_id=self.run_id).batch
                if batch.recorded:
                    yield batch


def _is_published(snapshot: Snapshot) -> bool:
    brings_rows = snapshot.kind not in (Kind.REVOKE, Kind.COMPACT)
    return snapshot.commit is not None and brings_rows and snapshot.revoked_by is None
