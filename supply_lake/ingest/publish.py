"""One batch, from object versions to a commit: stage, decide, settle, write, commit.

What belongs here: the sequence, the decision whether a batch is published, and who gets which numbers. What does not: choosing
the objects (``batches``), reading and validating rows (``curate``), and the atomicity of the commit (the metadata store).

Nothing written before the commit can be seen by a reader: files of a snapshot that was never committed are unreachable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from supply_lake.curate.curate import LivePart, Options, Settled, Source, Staged, stage
from supply_lake.datasets.spec import DatasetSpec, KeyScope, Mode
from supply_lake.errors import CommitConflict
from supply_lake.ingest.content import Intake, inspect
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.key_filter import candidates
from supply_lake.snapshots.parquet import Written, write_parts
from supply_lake.snapshots.records import Batch, Outcome, Rows, Snapshot, SourceRecord, Status
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
        return _Publication(stores, work, intake, staged, batch_id).run()


class _Publication:
    """The second half of a batch, after its rows are staged."""

    def __init__(self, stores: Stores, work: Work, intake: Intake, staged: Staged, batch_id: str) -> None:
        self.stores, self.work, self.intake, self.staged, self.batch_id = stores, work, intake, staged, batch_id
        self.spec = work.spec
        self.notes = (*intake.notes, *staged.notes)

    def run(self) -> Batch:
        for _ in range(COMMIT_TRIES):
            refusal = self._refusal()
            if refusal:
                return self._record(self.staged.settle([]), *refusal)
            live = self._live_snapshots()
            settled = self.staged.settle([part for snapshot in live for part in self._live_parts(snapshot)])
            if settled.rows.published == 0:
                return self._record(settled, Status.EMPTY, NOTHING_NEW)
            snapshots = self._write(settled, live)
            try:
                return self._commit(settled, snapshots, live)
            except CommitConflict:
                self._forget(snapshots)
            except Exception:
                self._forget(snapshots)
                raise
        raise CommitConflict(
            f"dataset {self.spec.name}: {COMMIT_TRIES} times another writer committed first; run the batch of "
            f"{self.work.landing_date} again when fewer writers are at work"
        )

    # --- the decision

    def _refusal(self) -> tuple[Status, str] | None:
        """Why nothing of this batch may be published; ``None`` when it may."""
        staged, spec = self.staged, self.spec
        if staged.schema_problem:
            return Status.REJECTED, staged.schema_problem
        if staged.rows_landed == 0:
            return Status.EMPTY, self._nothing_landed()
        outcomes = {source.outcome for source in staged.sources}
        if outcomes and outcomes <= {Outcome.UNREADABLE}:
            return Status.FAILED, "; ".join(f"{source.key}: {source.reason}" for source in staged.sources[:3])
        share = staged.rows_rejected / staged.rows_landed
        if share > spec.error_threshold or staged.rows_rejected == staged.rows_landed:
            return Status.REJECTED, (
                f"{staged.rows_rejected:,} of {staged.rows_landed:,} rows break the contract ({share:.1%}; "
                f"error_threshold is {spec.error_threshold:.1%}); see them with `supply-lake rejects {spec.name}`"
            )
        return None

    def _nothing_landed(self) -> str:
        reasons = [f"{source.key}: {source.reason or source.outcome}" for source in self._sources({})]
        return "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")

    # --- what is live

    def _live_snapshots(self) -> list[Snapshot]:
        """The live snapshots whose rows take part in an upsert; none for the other modes."""
        if self.spec.mode is not Mode.UPSERT:
            return []
        metadata = self.stores.metadata
        if self.spec.key_scope is KeyScope.PARTITION:
            return [one for date in self.staged.dates for one in metadata.live(self.spec.name, partition=date)]
        live = metadata.live(self.spec.name)
        touched = set(self.staged.dates)
        elsewhere = [one for one in live if one.partition not in touched]
        found = candidates(self.staged, elsewhere, self.stores.lake)
        return [one for one in live if one.partition in touched] + found

    def _live_parts(self, snapshot: Snapshot) -> list[LivePart]:
        return [
            LivePart(snapshot.partition, snapshot.id, lambda path=file.path: self.stores.lake.read(path))
            for file in snapshot.files
        ]

    # --- writing

    def _write(self, settled: Settled, live: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """Write every changed partition's files, and the rejects beside the first."""
        shares = settled.by_partition
        dates = settled.changed_partitions
        snapshots = []
        for number, date in enumerate(dates):
            share = shares[date]
            snapshot = self._blank(date, Status.COMMITTED)
            written = write_parts(self.stores.lake, self.spec, date, snapshot.id, settled.tables(date), self.staged.columns)
            others = _total(shares[other].rows for other in dates if other != date)
            rows = share.rows if number else settled.rows - others
            by_source = share.by_source if number else _rest(settled.by_source, [shares[d].by_source for d in dates[1:]])
            snapshots.append(self._filled(snapshot, written, rows, by_source, share.rows_total))
        return (self._with_rejects(snapshots[0], settled), *snapshots[1:])

    def _blank(self, partition: dt.date, status: Status, reason: str = "") -> Snapshot:
        return Snapshot(
            id=new_snapshot_id(),
            dataset=self.spec.name,
            partition=partition,
            landing_date=self.work.landing_date,
            batch_id=self.batch_id,
            status=status,
            rows=Rows(),
            run_id=self.work.run_id,
            reason=reason,
            notes=self.notes,
            created_at=dt.datetime.now(dt.UTC),
            source_system={"system": self.spec.source.system, **self.spec.source.metadata},
        )

    def _filled(
        self, snapshot: Snapshot, written: Written, rows: Rows, by_source: dict[str, Rows], rows_total: int
    ) -> Snapshot:
        directory = snapshot_dir(snapshot.dataset, snapshot.partition, snapshot.id)
        return replace(
            snapshot,
            rows=rows,
            rows_total=rows_total,
            bytes=sum(file.bytes for file in written.files),
            location=self.stores.lake.uri(directory),
            files=written.files,
            columns=written.columns,
            schema_fingerprint=self.staged.fingerprint,
            sources=self._sources(by_source, only=True),
        )

    def _with_rejects(self, snapshot: Snapshot, settled: Settled) -> Snapshot:
        rows = settled.rows
        if rows.rejected + rows.deduplicated == 0:
            return snapshot
        written = write_parts(self.stores.rejects, self.spec, snapshot.partition, snapshot.id, settled.rejects(), None)
        return replace(snapshot, rejects=written.files)

    def _forget(self, snapshots: Sequence[Snapshot]) -> None:
        """Take the files of a lost race away; what cannot be deleted now is unreachable and harmless."""
        self.stores.lake.delete([file.path for snapshot in snapshots for file in snapshot.files])
        self.stores.rejects.delete([file.path for snapshot in snapshots for file in snapshot.rejects])

    # --- records

    def _commit(self, settled: Settled, snapshots: tuple[Snapshot, ...], live: Sequence[Snapshot]) -> Batch:
        mode, changed = self.spec.mode, settled.changed_partitions
        read = {date: tuple(one.id for one in live if one.partition == date) for date in changed}
        proposal = Proposal(
            batch=self._batch(Status.COMMITTED, settled, snapshots, ""),
            objects=self.work.objects,
            based_on=tuple(read.items()) if mode is Mode.UPSERT else (),
            supersede_live=changed if mode is Mode.REPLACE and not self.work.recurates else (),
            supersedes=tuple(one.id for one in live if one.partition in read) or self.work.supersedes,
            recurates=self.work.recurates,
        )
        return self.stores.metadata.commit(proposal)

    def _record(self, settled: Settled, status: Status, reason: str) -> Batch:
        """Record a batch that publishes nothing: rows that were good are not published, so they count as rejected."""
        first = min(settled.by_partition, default=self.work.landing_date)
        rows, by_source = settled.rows, settled.by_source
        if status is not Status.EMPTY:
            rows, by_source = _all_rejected(rows), {key: _all_rejected(one) for key, one in by_source.items()}
        snapshot = self._blank(first, status, reason)
        snapshot = replace(snapshot, rows=rows, sources=self._sources(by_source))
        snapshot = self._with_rejects(snapshot, settled)
        batch = replace(self._batch(status, settled, (snapshot,), reason), rows=rows, sources=snapshot.sources)
        return self.stores.metadata.record(batch, self.work.objects)

    def _batch(self, status: Status, settled: Settled, snapshots: tuple[Snapshot, ...], reason: str) -> Batch:
        return Batch(
            id=self.batch_id,
            dataset=self.spec.name,
            landing_date=self.work.landing_date,
            status=status,
            rows=settled.rows,
            sources=self._sources(settled.by_source),
            snapshots=snapshots,
            run_id=self.work.run_id,
            reason=reason,
            notes=self.notes,
            attempt=self.work.attempt,
            recurated=self.work.recurates,
        )
