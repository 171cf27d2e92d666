"""Revocation: a snapshot that should never have been accepted is taken out of the live set, by a commit like any other.

What belongs here: which snapshots go, which come back, and the commit. What does not: writing what is live instead
(``instead``) and the transaction (the metadata store).

Earlier commits read as before. What is live instead depends on how the snapshot came to be live:

=====================  ==================================================================================================
``append``             nothing: its rows are gone
``replace``            what it had taken the place of
``upsert``             for each of its keys the row that was live before it; also where later snapshots carried its rows on
replay, re-curation    what it had taken the place of; the rows that it took up stand as rejected again, as before it
revocation             what it took out: so a revocation is taken back
=====================  ==================================================================================================

Rows that a compaction put together with others are first given a snapshot of their own again (``regroup``).
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterator, Sequence
from dataclasses import replace

from supply_lake.datasets.spec import DatasetSpec, Mode
from supply_lake.errors import CommitConflict, NotRevocable, UsageError
from supply_lake.ingest.again import Records
from supply_lake.ingest.instead import Instead, Writer
from supply_lake.ingest.regroup import take_apart
from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.snapshots.records import Batch, Kind, Rows, Snapshot, Status
from supply_lake.snapshots.standing import dealings
from supply_lake.snapshots.store import Moved, Proposal
from supply_lake.storage.layout import new_snapshot_id

COMMIT_TRIES = 20


def revoke(stores: Stores, snapshot_id: str, *, why: str, by: str = "", run_id: str = "") -> Batch:
    """Take a snapshot out of the live set.

    :param why: a sentence for whoever reads the history
    :param by: who asks for it; the user of this process when left out
    :returns: the commit's batch; its snapshots hold what is live instead, one without rows if nothing is
    :raises UsageError: no reason is given
    :raises UnknownSnapshot: no record has this id
    :raises NotRevocable: nothing of it is live; the message says what to do
    :raises StoreUnavailable: a store does not answer; nothing is half done
    """
    why = " ".join(why.split())
    if not why:
        raise UsageError("a revocation needs a reason, for whoever reads the history; say why")
    spec = stores.registry.get(stores.metadata.snapshot(snapshot_id).dataset)
    for _ in range(COMMIT_TRIES):
        revocation = _Revocation(stores, spec, snapshot_id, why=why, by=by or getpass.getuser(), run_id=run_id)
        revocation.refuse()
        if company := revocation.in_company():
            take_apart(stores, spec, company, why=f"to revoke snapshot {snapshot_id}: {why}", run_id=run_id, by=by)
            continue
        try:
            return revocation.run()
        except CommitConflict:
            revocation.forget()
        except Exception:
            revocation.forget()
            raise
    raise CommitConflict(f"dataset {spec.name}: other writers committed first {COMMIT_TRIES} times in a row; try again")


class _Revocation:
    """One try at it, on the live set of one commit."""

    def __init__(self, stores: Stores, spec: DatasetSpec, snapshot_id: str, *, why: str, by: str, run_id: str) -> None:
        self.stores, self.spec, self.why, self.by, self.run_id = stores, spec, why, by, run_id
        self.based_on = stores.metadata.last_commit(spec.name)
        self.records = Records(stores.metadata.snapshots(spec.name))
        self.asked = self.records.by_id[snapshot_id]
        self.name = f"snapshot {snapshot_id} of {spec.name}"
        self.batch_id = new_snapshot_id()
        self.revoked = self._together()
        self.reinstated = [self.records.by_id[one] for snapshot in self.revoked for one in snapshot.revokes]
        self._writer = Writer(stores.lake, spec, self.records, self._blank)

    def run(self) -> Batch:
        """Write what is live instead, and commit.

        :raises CommitConflict: another writer committed meanwhile
        """
        instead = list(self._instead())
        notes = (*self._beside(), *(self._losers() if self._by_rows else ()))
        snapshots = tuple(replace(one.snapshot, notes=notes) for one in instead)
        return self.stores.commit(
            Proposal(
                batch=self._batch(snapshots, notes),
                objects=(),
                based_on_commit=self.based_on,
                supersedes=tuple(one for part in instead for one in part.replaces),
                revokes=tuple(one.id for one in self.revoked),
                reinstates=tuple(one.id for one in self.reinstated),
                moved=tuple(self._moved()),
            )
        )

    def forget(self) -> None:
        """Take away what was written; what cannot be deleted now is unreachable and harmless."""
        self.stores.lake.delete([file.path for file in self._writer.written])

    # --- what goes

    def _together(self) -> list[Snapshot]:
        """The snapshots that go: all of a batch that only put something in the place of something else."""
        if self.asked.kind is Kind.INGEST:
            return [self.asked]
        return [one for one in self.records.by_batch[self.asked.batch_id] if one.commit is not None]

    def in_company(self) -> list[str]:
        """Those of the snapshots that go whose rows a compaction put into one snapshot with rows that stay."""
        ids = () if self._by_rows else (held for one in self.revoked for held in one.held)
        return [one for one in ids if (holder := self.records.holders.get(one)) and len(holder.holds) > 1]

    def refuse(self) -> None:
        """Make sure that it may be revoked, as far as records tell.

        :raises NotRevocable: it may not
        """
        if self.asked.kind is Kind.COMPACT:
            raise NotRevocable(
                f"{self.name} was written by a compaction and brought no row; revoke the snapshot that brought the rows: "
                f"{', '.join(self.asked.holds[:5])}{' …' if len(self.asked.holds) > 5 else ''}"
            )
        if self.asked.commit is None:
            raise NotRevocable(f"{self.name} is {self.asked.status}; it was never published, so there is nothing to revoke")
        if self.asked.revoked_by is not None:
            raise NotRevocable(f"{self.name} was revoked by commit {self.asked.revoked_by} already")
        for one in (*self.revoked, *self.reinstated):
            later = self._built_on(one)
            if later is not None:
                raise NotRevocable(
                    f"{self.name} cannot be revoked: snapshot {later.id} dealt with its rows after it; revoke that one first"
                )

    def _built_on(self, snapshot: Snapshot) -> Snapshot | None:
        """A snapshot of a later batch that took up what this one left rejected, or would be given back to."""
        if snapshot.kind not in (Kind.REPLAY, Kind.RECURATE):
            return None
        standing = dealings(self.records.snapshots)
        last = [chain[-1].batch_id for source in snapshot.sources if (chain := standing.get(source.identity))]
        later = max(last, default="")
        return self.records.by_batch[later][0] if later > snapshot.batch_id else None

    @property
    def _ids(self) -> set[str]:
        return {one.id for one in self.revoked}

    @property
    def _by_rows(self) -> bool:
        """Whether its rows may be live in other snapshots than its own."""
        carried = self.spec.mode is Mode.UPSERT and not self._live_for(self._ids)
        return self.asked.kind is not Kind.REVOKE and (self.asked.mode == Mode.UPSERT or carried)

    def _live_for(self, ids: set[str]) -> list[Snapshot]:
        """The live snapshots that hold the rows of these: they themselves, or what restored them."""
        return list({one.id: one for held in sorted(ids) if (one := self.records.holders.get(held))}.values())

    def _instead(self) -> Iterator[Instead]:
        if self._by_rows:
            return self._rebuilt()
        return self._taken_back() if self.asked.kind is Kind.REVOKE else self._restored()

    # --- what comes

    def _restored(self) -> Iterator[Instead]:
        targets = self._live_for(self._ids)
        if not targets:
            raise self._not_live(self.asked)
        origins = [one if one.id in self._ids else self.records.by_id[one.restores] for one in targets]
        before = [self.records.by_id[one] for origin in origins for one in origin.supersedes]
        return self._writer.restored(targets, [one for one in before if one.files and one.revoked_by is None])

    def _taken_back(self) -> Iterator[Instead]:
        """A revocation is revoked: what it superseded is live again, all of it or nothing."""
        going = []
        for one in self.revoked:
            if one.files:
                going.append(self._now(one))
            elif one.mode != Mode.APPEND:
                self._refuse_rows_beside(one)
        before = [self.records.by_id[one] for revocation in self.revoked for one in revocation.supersedes]
        return self._writer.restored(going, [one for one in before if one.files])

    def _now(self, revocation: Snapshot) -> Snapshot:
        """The live snapshot that has what a revocation brought back: its own, or what a compaction made of it."""
        if revocation.live:
            return revocation
        holder = self.records.holders.get(revocation.held[0])
        if holder is None or holder.kind is not Kind.COMPACT or holder.held != revocation.held:
            raise self._not_live(revocation)
        return holder

    def _refuse_rows_beside(self, revocation: Snapshot) -> None:
        """What comes back to an empty date must not stand beside rows that came to it since."""
        here = [self.records.by_id[one] for one in sorted(self.records.holders)]
        here = [one for one in here if one.partition == revocation.partition and one.kind is not Kind.COMPACT]
        later = [one for one in here if one.id not in self._ids]
        if later:
            raise NotRevocable(
                f"{self.name} cannot be revoked: snapshot {later[-1].id} of {revocation.partition} is live by now, and what "
                "comes back would stand beside it; revoke that one first"
            )

    def _rebuilt(self) -> Iterator[Instead]:
        gone = self._ids | {one.id for one in self.records.snapshots if one.revoked_by is not None}
        live = self.stores.metadata.live(self.spec.name, self.based_on)
        instead = list(self._writer.rebuilt(live, {one.partition for one in self.revoked}, gone))
        if not instead:
            raise NotRevocable(f"no row of {self.name} is live any more; later rows of the same keys have taken their place")
        return iter(instead)

    def _not_live(self, snapshot: Snapshot) -> NotRevocable:
        told = f"snapshot {snapshot.id} of {self.spec.name} is not live: commit {snapshot.superseded_by} took its place"
        heir = next((one for one in self.records.snapshots if one.live and snapshot.id in self._line_of(one)), None)
        if heir is not None:
            return NotRevocable(f"{told}, and snapshot {heir.id} holds its rows now; revoke that one first")
        return NotRevocable(f"{told}; only reads of the past show it")

    def _line_of(self, snapshot: Snapshot) -> set[str]:
        """What a snapshot took the place of, and what that had, as far as it is of the same delivery."""
        found: set[str] = set()
        todo = [snapshot]
        while todo:
            for one in todo.pop().supersedes:
                before = self.records.by_id[one]
                if one not in found and before.delivery == snapshot.delivery:
                    found |= {one, *before.held}
                    todo.append(before)
        return found

    def _beside(self) -> Iterator[str]:
        """Rows of the same delivery that replays published stay."""
        for one in self.records.snapshots:
            is_live = one.id in self.records.holders and one.id not in self._ids
            if is_live and one.kind is Kind.REPLAY and one.delivery == self.asked.delivery:
                yield f"snapshot {one.id} holds rows of the same files that a replay published; they stay until it is revoked"

    def _losers(self) -> tuple[str, ...]:
        """Rows that came later and lost against revoked ones were never published, and don't come back by themselves."""
        dates = {one.partition for one in self.revoked}
        later = [
            one
            for one in self.records.snapshots
            if one.partition in dates and one.delivery > self.asked.delivery and one.rows.deduplicated
        ]
        if not later:
            return ()
        days = sorted({one.landing_date.isoformat() for one in later})
        told = ", ".join(days[:5]) + (f" and {len(days) - 5} more" if len(days) > 5 else "")
        return (
            f"{sum(one.rows.deduplicated for one in later):,} rows that came later lost against a row of their key, some maybe "
            f"against revoked ones; backfill {told} to let them compete again",
        )

    # --- records

    def _blank(self, partition: dt.date) -> Snapshot:
        return Snapshot(
            id=new_snapshot_id(),
            dataset=self.spec.name,
            partition=partition,
            landing_date=self.asked.landing_date,
            batch_id=self.batch_id,
            status=Status.COMMITTED,
            rows=Rows(),
            run_id=self.run_id,
            reason=self.why,
            created_at=dt.datetime.now(dt.UTC),
            source_system={"system": self.spec.source.system, **self.spec.source.metadata},
            kind=Kind.REVOKE,
            revokes=tuple(one.id for one in self.revoked),
            by=self.by,
            mode=self.spec.mode,
        )

    def _batch(self, snapshots: tuple[Snapshot, ...], notes: tuple[str, ...]) -> Batch:
        return Batch(
            id=self.batch_id,
            dataset=self.spec.name,
            landing_date=self.asked.landing_date,
            status=Status.COMMITTED,
            rows=Rows(),
            snapshots=snapshots,
            run_id=self.run_id,
            reason=self.why,
            notes=notes,
            kind=Kind.REVOKE,
            by=self.by,
        )

    # --- the ledger

    def _moved(self) -> Iterator[Moved]:
        """Where the objects stand after it: revoked; or, of what only took something's place, as before it."""
        sources = {s.identity for one in (*self.revoked, *self.reinstated) for s in one.sources if s.rows.landed}
        standing = dealings(self._as_after())
        for versions in self.stores.metadata.versions([key for key, _, _ in sources]).values():
            for entry in versions:
                chain = standing.get(entry.object.identity)
                if entry.object.identity in sources and chain:
                    yield Moved(entry.object, *self._state(entry), standing_in=chain[-1].batch_id)

    def _state(self, entry: LedgerEntry) -> tuple[ObjectState, str]:
        if _published(self.revoked, entry):
            return ObjectState.REVOKED, f"it was revoked: {self.why}"
        return (ObjectState.DONE, "") if _published(self.reinstated, entry) else (entry.state, entry.reason)

    def _as_after(self) -> Iterator[Snapshot]:
        """The records as they are once this is committed."""
        marks: dict[str, int | None] = {**dict.fromkeys(self._ids, 0), **{one.id: None for one in self.reinstated}}
        return (replace(one, revoked_by=marks.get(one.id, one.revoked_by)) for one in self.records.snapshots)


def _published(snapshots: Sequence[Snapshot], entry: LedgerEntry) -> bool:
    """Whether one of these first published rows of the object."""
    return any(
        source.identity == entry.object.identity and source.rows.published
        for one in snapshots
        if one.kind is Kind.INGEST
        for source in one.sources
    )
