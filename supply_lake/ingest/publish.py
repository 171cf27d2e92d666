"""One batch, from object versions to a commit: stage, decide, settle, write, commit.

What belongs here: the sequence, and the decision whether a batch is published. What does not: choosing the objects
(``batches``), telling the numbers apart (``accounts``), reading and validating rows (``curate``), and the atomicity of the
commit (the metadata store).

Nothing written before the commit can be seen by a reader: files of a snapshot that was never committed are unreachable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from supply_lake.curate.curate import LivePart, Options, Settled, Staged, stage
from supply_lake.datasets.spec import DatasetSpec, KeyScope, Mode
from supply_lake.errors import CommitConflict
from supply_lake.ingest.accounts import Accounts, Share
from supply_lake.ingest.content import inspect
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.key_filter import candidates
from supply_lake.snapshots.parquet import write_parts
from supply_lake.snapshots.records import Batch, DataFile, Outcome, Snapshot, Status
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id, snapshot_dir
from supply_lake.storage.object_store import ObjectVersion

COMMIT_TRIES = 20
NOTHING_NEW = "every row is already live, or older than the live row of its key"


@dataclass(frozen=True, slots=True)
class Work:
    """What one batch takes in. ``supersedes`` and ``recurates`` are set when published objects are read again."""

    spec: DatasetSpec
    landing_date: dt.date
    objects: tuple[ObjectVersion, ...]
    deliveries: dict[str, int] = field(default_factory=dict)
    run_id: str = ""
    attempt: int = 1
    supersedes: tuple[str, ...] = ()
    recurates: bool = False


def run_batch(stores: Stores, work: Work) -> Batch:
    """Curate the work's objects and publish what is good, or record why nothing was.

    :raises StoreUnavailable: a store does not answer; nothing is half done, run it again
    :raises AlreadyPublished: another run published one of the objects meanwhile
    :raises CommitConflict: other writers won every one of many races
    """
    batch_id = new_snapshot_id()
    intake = inspect(stores, work.spec, work.landing_date, work.objects, skip_published=not work.recurates)
    scratch = stores.settings.scratch / batch_id
    options = Options(memory_bytes=stores.settings.memory_bytes, threads=stores.settings.threads)
    with stage(work.spec, intake.sources, landing_date=work.landing_date, scratch=scratch, options=options) as staged:
        accounts = Accounts(stores.landing, work.objects, work.deliveries, intake.skipped, staged.sources)
        notes = (*intake.notes, *staged.notes)
        return _Publication(stores, work, staged=staged, accounts=accounts, batch_id=batch_id, notes=notes).run()


class _Publication:
    """The second half of a batch, after its rows are staged."""

    def __init__(
        self, stores: Stores, work: Work, *, staged: Staged, accounts: Accounts, batch_id: str, notes: tuple[str, ...]
    ) -> None:
        self.stores, self.work, self.staged, self.accounts = stores, work, staged, accounts
        self.batch_id, self.notes, self.spec = batch_id, notes, work.spec
        self._based_on_commit: int | None = None

    def run(self) -> Batch:
        refusal = self._refusal()
        if refusal:
            return self._record(self.staged.refuse(refusal[1]), *refusal)
        for _ in range(COMMIT_TRIES):
            if self.spec.key_scope is KeyScope.DATASET:  # its keys may turn up under any date, so any commit moves its base
                self._based_on_commit = self.stores.metadata.last_commit(self.spec.name)
            live = self._live_snapshots()
            settled = self.staged.settle([part for snapshot in live for part in self._live_parts(snapshot)])
            if settled.rows.published == 0:
                return self._record(settled, Status.EMPTY, NOTHING_NEW)
            snapshots = self._write(settled)
            try:
                return self._commit(settled, snapshots, live)
            except CommitConflict:
                self._forget(snapshots)
            except Exception:
                self._forget(snapshots)
                raise
        raise CommitConflict(
            f"dataset {self.spec.name}: another writer committed first {COMMIT_TRIES} times in a row; run the batch of "
            f"{self.work.landing_date} again when fewer writers are at work"
        )

    # --- the decision

    def _refusal(self) -> tuple[Status, str] | None:
        """Why nothing of this batch may be published; ``None`` when it may."""
        staged, spec = self.staged, self.spec
        if staged.schema_problem:
            return Status.REJECTED, staged.schema_problem
        if staged.rows_landed == 0:
            return Status.EMPTY, self.accounts.reasons() or "no object of it is there any more"
        if all(source.outcome == Outcome.UNREADABLE for source in staged.sources):
            return Status.FAILED, self.accounts.reasons()
        share = staged.rows_rejected / staged.rows_landed
        if share > spec.error_threshold or staged.rows_rejected == staged.rows_landed:
            return Status.REJECTED, (
                f"{staged.rows_rejected:,} of {staged.rows_landed:,} rows break the contract ({share:.1%}, where "
                f"error_threshold allows {spec.error_threshold:.1%}); read them with `supply-lake rejects {spec.name}`"
            )
        return None

    # --- what is live

    def _live_snapshots(self) -> list[Snapshot]:
        """The live snapshots whose rows take part in an upsert; none for the other modes."""
        if self.spec.mode is not Mode.UPSERT:
            return []
        live = self.stores.metadata.live
        if self.spec.key_scope is KeyScope.PARTITION:
            return [one for date in self.staged.dates for one in live(self.spec.name, partition=date)]
        everywhere, touched = live(self.spec.name), set(self.staged.dates)
        elsewhere = [one for one in everywhere if one.partition not in touched]
        chosen = {one.id for one in candidates(self.staged.keys(), elsewhere, self.stores.lake)}
        partitions = touched | {one.partition for one in elsewhere if one.id in chosen}
        return [one for one in everywhere if one.partition in partitions]

    def _live_parts(self, snapshot: Snapshot) -> list[LivePart]:
        return [LivePart(snapshot.partition, snapshot.id, partial(self.stores.lake.read, file.path)) for file in snapshot.files]

    # --- writing

    def _write(self, settled: Settled) -> tuple[Snapshot, ...]:
        """Write every changed partition's files and, at the same time, the rejects beside the first."""
        shares = self.accounts.shares(settled)
        blanks = [self._blank(date, Status.COMMITTED) for date in shares]
        with ThreadPoolExecutor(1, thread_name_prefix="rejects") as pool:
            rejects = pool.submit(self._write_rejects, blanks[0], settled)
            snapshots = [self._write_one(settled, blank, share) for blank, share in zip(blanks, shares.values(), strict=True)]
        return (replace(snapshots[0], rejects=rejects.result()), *snapshots[1:])

    def _write_one(self, settled: Settled, blank: Snapshot, share: Share) -> Snapshot:
        date = blank.partition
        written = write_parts(self.stores.lake, self.spec, date, blank.id, settled.tables(date))
        return replace(
            blank,
            rows=share.rows,
            rows_total=share.rows_total,
            sources=share.sources,
            bytes=sum(file.bytes for file in written.files),
            location=self.stores.lake.uri(snapshot_dir(self.spec.name, date, blank.id)),
            files=written.files,
            columns=written.columns,
            schema_fingerprint=self.staged.fingerprint,
        )

    def _blank(self, partition: dt.date, status: Status, reason: str = "") -> Snapshot:
        return Snapshot(
            id=new_snapshot_id(),
            dataset=self.spec.name,
            partition=partition,
            landing_date=self.work.landing_date,
            batch_id=self.batch_id,
            status=status,
            rows=self.accounts.nothing,
            run_id=self.work.run_id,
            reason=reason,
            notes=self.notes,
            created_at=dt.datetime.now(dt.UTC),
            source_system={"system": self.spec.source.system, **self.spec.source.metadata},
        )

    def _write_rejects(self, snapshot: Snapshot, settled: Settled) -> tuple[DataFile, ...]:
        if settled.rows.rejected + settled.rows.deduplicated == 0:
            return ()
        return write_parts(self.stores.rejects, self.spec, snapshot.partition, snapshot.id, settled.rejects()).files

    def _forget(self, snapshots: Sequence[Snapshot]) -> None:
        """Take the files of a lost race away; what cannot be deleted now is unreachable and harmless."""
        self.stores.lake.delete([file.path for snapshot in snapshots for file in snapshot.files])
        self.stores.rejects.delete([file.path for snapshot in snapshots for file in snapshot.rejects])

    # --- records

    def _commit(self, settled: Settled, snapshots: tuple[Snapshot, ...], live: Sequence[Snapshot]) -> Batch:
        mode, dates = self.spec.mode, tuple(one.partition for one in snapshots)
        read = {date: tuple(one.id for one in live if one.partition == date) for date in dates}
        merged = tuple(one for ids in read.values() for one in ids)
        return self.stores.metadata.commit(
            Proposal(
                batch=self._batch(Status.COMMITTED, settled, snapshots, ""),
                objects=self.work.objects,
                based_on=tuple(read.items()) if mode is Mode.UPSERT else (),
                based_on_commit=self._based_on_commit,
                supersede_live=dates if mode is Mode.REPLACE else (),
                supersedes=merged if mode is Mode.UPSERT else self.work.supersedes,
                recurates=self.work.recurates,
            )
        )

    def _record(self, settled: Settled, status: Status, reason: str) -> Batch:
        """Record a batch that publishes nothing; one snapshot record carries its rejects."""
        partition = min(self.staged.dates, default=self.work.landing_date)
        snapshot = replace(
            self._blank(partition, status, reason), rows=settled.rows, sources=self.accounts.sources(settled.by_source)
        )
        snapshot = replace(snapshot, rejects=self._write_rejects(snapshot, settled))
        return self.stores.metadata.record(self._batch(status, settled, (snapshot,), reason), self.work.objects)

    def _batch(self, status: Status, settled: Settled, snapshots: tuple[Snapshot, ...], reason: str) -> Batch:
        return Batch(
            id=self.batch_id,
            dataset=self.spec.name,
            landing_date=self.work.landing_date,
            status=status,
            rows=settled.rows,
            sources=self.accounts.sources(settled.by_source),
            snapshots=snapshots,
            run_id=self.work.run_id,
            reason=reason,
            notes=self.notes,
            attempt=self.work.attempt,
            recurated=self.work.recurates,
        )
