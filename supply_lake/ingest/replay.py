"""Replay: what was rejected is run again under today's contract, and what is good now is published, once.

A replay takes up what stands of a batch's rejects, object by object. An object of which nothing was published is read again
from landing, so that a mended way of reading counts; if it is gone from there, and of every other object, the rejected rows are
read from what was kept of them, so that a replay needs no landing and costs what was rejected. Objects of which no row becomes
good stay as they are. A batch that was rejected whole is published whole or stays rejected.

What belongs here: choosing what is taken up, and why something is not. What does not: curating it (``publish``), and reading
published objects again (``recurate``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from supply_lake.curate.curate import Kept
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import AlreadyPublished, ObjectChanged, UnknownSnapshot
from supply_lake.ingest.again import Again, Records, in_landing, kept_frames
from supply_lake.ingest.batches import run_pending
from supply_lake.ingest.publish import carry_out
from supply_lake.ingest.stores import Stores
from supply_lake.ingest.work import Work
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.snapshots.records import Batch, Kind, Outcome, Rows, Snapshot, SourceRecord, Status
from supply_lake.snapshots.standing import Identity, standing_rejects
from supply_lake.snapshots.store import TakenUp
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.object_store import ObjectVersion


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of the rejects of one batch.

    ``batch`` is the commit, or tells why there is none; it has snapshots only if something was recorded. ``rules`` counts the
    rows that broke each rule this time, ``still_bad`` the rows that stay as they were, and ``left`` names objects that were not
    taken up, with the reason. ``whole``: the batch had been rejected whole.
    """

    batch: Batch
    rules: Mapping[str, int] = field(default_factory=dict)
    still_bad: int = 0
    left: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False

    @property
    def refused(self) -> bool:
        """Whether a batch that was rejected whole stays so."""
        return self.whole and self.batch.status in (Status.REJECTED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Unit:
    """What stands of one batch's rejects, ready to be taken up."""

    snapshots: tuple[Snapshot, ...]
    landing: tuple[ObjectVersion, ...]
    kept: tuple[SourceRecord, ...]
    taken_up: tuple[TakenUp, ...]
    rejected: Mapping[str, int]
    left: Mapping[str, str]

    @property
    def delivery(self) -> str:
        """The batch with which the rows came."""
        return self.snapshots[0].delivery

    @property
    def landing_date(self) -> dt.date:
        """The landing date of the batch."""
        return self.snapshots[0].landing_date

    @property
    def together(self) -> bool:
        """Whether the batch was rejected whole."""
        return self.snapshots[0].commit is None and self.snapshots[0].status is not Status.EMPTY


def replay(
    stores: Stores,
    name: str,
    *,
    snapshot_id: str | None = None,
    landing_date: dt.date | None = None,
    rehearsal: bool = False,
    run_id: str = "",
) -> list[Replay]:
    """Run rejected rows of a dataset again, oldest batch first, and set-aside objects after them.

    :param snapshot_id: only what stands of the rejects of this snapshot's batch
    :param landing_date: only batches of this date
    :param rehearsal: write nothing; tell what would come of it
    :raises UnknownDataset: no dataset is called so
    :raises UnknownSnapshot: the dataset has no such snapshot
    :raises StoreUnavailable: a store does not answer; batches before are published, the rest can be run again
    """
    spec = stores.registry.get(name)
    records = Records(stores.metadata.snapshots(name))
    batch_id = _batch(records, name, snapshot_id)
    chosen = [
        unit
        for unit in units(stores, records)
        if batch_id in (None, unit.snapshots[0].batch_id) and landing_date in (None, unit.landing_date)
    ]
    done = [take_up(stores, spec, records, unit, rehearsal=rehearsal, run_id=run_id) for unit in chosen]
    if snapshot_id is None:
        done += _set_aside(stores, spec, landing_date, rehearsal=rehearsal, run_id=run_id)
    return done


def landing_dates(stores: Stores, name: str, snapshot_id: str | None = None) -> list[dt.date]:
    """The landing dates of which something stands that a replay would take up, oldest first.

    :param snapshot_id: only what stands of the rejects of this snapshot's batch
    :raises UnknownSnapshot: the dataset has no such snapshot
    """
    records = Records(stores.metadata.snapshots(name))
    batch_id = _batch(records, name, snapshot_id)
    standing = [one.snapshot for one in standing_rejects(records.snapshots) if one.rejected]
    dates = {one.landing_date for one in standing if batch_id in (None, one.batch_id)}
    if batch_id is None:
        dates |= {one.landing_date for one in stores.metadata.objects(name, ObjectState.SET_ASIDE) if one.landing_date}
    return sorted(dates)


def _batch(records: Records, name: str, snapshot_id: str | None) -> str | None:
    if snapshot_id is None:
        return None
    if snapshot_id not in records.by_id:
        raise UnknownSnapshot(f"dataset {name} has no snapshot {snapshot_id!r}; see them with `supply-lake snapshots {name}`")
    return records.by_id[snapshot_id].batch_id


def units(stores: Stores, records: Records) -> Iterator[Unit]:
    """What stands of every batch's rejects, by the time at which the rows came."""
    standing: dict[str, list[tuple[Snapshot, SourceRecord]]] = {}
    for rejects in standing_rejects(records.snapshots):
        for source in rejects.rejected:
            standing.setdefault(rejects.snapshot.batch_id, []).append((rejects.snapshot, source))
    ledger = stores.metadata.versions([source.key for found in standing.values() for _, source in found])
    ordered = sorted(standing.items(), key=lambda item: (item[1][0][0].delivery, item[0]))
    return (_unit(stores, found, ledger, records.published(batch)) for batch, found in ordered)


def empty_units(stores: Stores, records: Records, landing_date: dt.date) -> Iterator[Unit]:
    """Batches of a date that published nothing because every row lost against another: some may win by now."""
    for snapshots in records.by_batch.values():
        one = snapshots[0]
        if one.status is Status.EMPTY and one.kind is Kind.INGEST and one.landing_date == landing_date:
            read = [source for source in one.sources if source.outcome is Outcome.READ]
            unit = _unit(stores, [(one, source) for source in read], stores.metadata.versions([s.key for s in read]), set())
            if unit.landing:  # rows that lost can be read from there only
                taken_up = tuple(item for item in unit.taken_up if item.object in unit.landing)
                yield replace(unit, kept=(), taken_up=taken_up)


def _unit(
    stores: Stores,
    standing: Sequence[tuple[Snapshot, SourceRecord]],
    ledger: Mapping[str, Sequence[LedgerEntry]],
    published: Collection[Identity],
) -> Unit:
    landing, kept, taken_up, left = [], [], [], {}
    for snapshot, source in standing:
        try:
            entry = _entry(source, ledger.get(source.key, ()), snapshot.batch_id)
            version = None if source.identity in published else in_landing(stores.landing, source)
        except (AlreadyPublished, ObjectChanged) as error:
            left[source.key] = str(error)
            continue
        if version is None and source.outcome is not Outcome.READ:
            left[source.key] = "it could not be read, and is not in landing any more"
            continue
        taken_up.append(TakenUp(version or entry, snapshot.batch_id))
        if version is not None:
            landing.append(version)
        else:
            kept.append(source)
    return Unit(
        snapshots=tuple({snapshot.id: snapshot for snapshot, _ in standing}.values()),
        landing=tuple(landing),
        kept=tuple(kept),
        taken_up=tuple(taken_up),
        rejected={source.key: source.rows.rejected for _, source in standing},
        left=left,
    )


def _entry(source: SourceRecord, versions: Sequence[LedgerEntry], batch_id: str) -> ObjectVersion:
    """The object, if it may be taken up.

    :raises AlreadyPublished: saying why not
    :raises ObjectChanged: newer bytes of its key are known
    """
    at = next((at for at, one in enumerate(versions) if one.object.identity == source.identity), None)
    if at is not None and versions[at].state is ObjectState.REVOKED:
        raise AlreadyPublished(versions[at].reason)
    if at is None or versions[at].standing_in != batch_id:
        raise AlreadyPublished("another batch has it in hand")
    if any(one.state is not ObjectState.REPLACED for one in versions[at + 1 :]):
        raise ObjectChanged("it was overwritten; its newer bytes count")
    return versions[at].object


def take_up(
    stores: Stores, spec: DatasetSpec, records: Records, unit: Unit, *, rehearsal: bool = False, run_id: str = ""
) -> Replay:
    """Run one batch's rejects again."""
    again = Again(
        delivery=records.delivery(unit.delivery),
        replays=tuple(one.id for one in unit.snapshots),
        taken_up=unit.taken_up,
        kept=Kept(tuple(one.key for one in unit.kept), partial(kept_frames, stores.rejects, unit.snapshots)),
        kept_sources=unit.kept,
        rejected=unit.rejected,
        left=unit.left,
        together=unit.together,
        rehearsal=rehearsal,
    )
    work = Work(spec, unit.landing_date, unit.landing, run_id=run_id, kind=Kind.REPLAY, again=again)
    if not unit.taken_up:
        return Replay(_unchanged(work, "none of its objects can be taken up"), left=unit.left)
    try:
        done = carry_out(stores, work)
    except AlreadyPublished as error:
        return Replay(_unchanged(work, str(error)), left=unit.left)
    return Replay(done.batch, done.rules, done.left, unit.left, whole=unit.together)


def _unchanged(work: Work, reason: str) -> Batch:
    replays = work.again.replays if work.again else ()
    return Batch(
        id=new_snapshot_id(),
        dataset=work.spec.name,
        landing_date=work.landing_date,
        status=Status.REJECTED,
        rows=Rows(),
        run_id=work.run_id,
        reason=reason,
        kind=work.kind,
        replays=replays,
    )


def try_set_aside(stores: Stores, spec: DatasetSpec, landing_date: dt.date, *, run_id: str = "") -> list[Batch]:
    """Give set-aside objects of a date new attempts, and run them with all that is pending of it."""
    stores.metadata.retry(spec.name, landing_date)
    return run_pending(stores, spec.name, landing_date, run_id=run_id)


def _set_aside(
    stores: Stores, spec: DatasetSpec, landing_date: dt.date | None, *, rehearsal: bool, run_id: str
) -> Iterator[Replay]:
    entries = list(stores.metadata.objects(spec.name, ObjectState.SET_ASIDE, landing_date))
    for date in sorted({one.landing_date for one in entries if one.landing_date}):
        if rehearsal:
            yield _rehearsed(stores, spec, date, tuple(one.object for one in entries if one.landing_date == date))
        else:
            yield from (Replay(batch) for batch in try_set_aside(stores, spec, date, run_id=run_id))


def _rehearsed(stores: Stores, spec: DatasetSpec, date: dt.date, objects: tuple[ObjectVersion, ...]) -> Replay:
    again = Again(delivery=Records(()).delivery(new_snapshot_id()), rehearsal=True)
    done = carry_out(stores, Work(spec, date, objects, kind=Kind.REPLAY, again=again))
    return Replay(replace(done.batch, replays=()), done.rules, done.left)
