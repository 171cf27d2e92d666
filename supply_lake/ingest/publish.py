"""One batch, from object versions to a commit: stage, decide, settle, audit, write, commit.

What belongs here: the sequence, and the decision whether a batch is published. What does not: choosing the objects
(``batches``), telling the numbers apart (``accounts``), reading and validating rows (``curate``), what the dataset's rules say
(``audit``), and the atomicity of the commit (the metadata store).

Nothing written before the commit can be seen by a reader: files of a snapshot that was never committed are unreachable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from supply_lake.curate.barred import Barred
from supply_lake.curate.curate import Options, Settled, Staged, stage
from supply_lake.datasets.spec import DatasetSpec, KeyScope, Mode
from supply_lake.errors import CommitConflict
from supply_lake.ingest.accounts import Accounts, Share
from supply_lake.ingest.after_commit import AfterCommit, live_part
from supply_lake.ingest.audit import Audit, Findings
from supply_lake.ingest.content import inspect
from supply_lake.ingest.stores import Stores
from supply_lake.landing.pull import provenance
from supply_lake.snapshots.key_filter import candidates
from supply_lake.snapshots.parquet import ROWS_PER_REJECTS_GROUP, write_parts
from supply_lake.snapshots.records import Batch, DataFile, Outcome, Snapshot, Status
from supply_lake.snapshots.schema_versions import ProposedSchema, SchemaVersion
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id, snapshot_dir
from supply_lake.storage.object_store import ObjectVersion
from supply_lake.storage.scratch import scratch_folder

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
    options = Options(memory_bytes=stores.settings.memory_bytes, threads=stores.settings.threads)
    version = stores.metadata.schema(work.spec.name)
    published = version.schema if version else None
    with (
        scratch_folder(stores.settings.scratch, batch_id) as scratch,
        stage(
            work.spec, intake.sources, landing_date=work.landing_date, scratch=scratch, options=options, published=published
        ) as staged,
    ):
        accounts = Accounts(stores.landing, work.objects, work.deliveries, intake.skipped, staged.sources)
        notes = (*intake.notes, *staged.notes)
        audit = Audit(stores, work.spec, staged, scratch)
        return _Publication(stores, work, staged=staged, accounts=accounts, audit=audit, batch_id=batch_id, notes=notes).run()


class _Publication:
    """The second half of a batch, after its rows are staged."""

    def __init__(
        self,
        stores: Stores,
        work: Work,
        *,
        staged: Staged,
        accounts: Accounts,
        audit: Audit,
        batch_id: str,
        notes: tuple[str, ...],
    ) -> None:
        self.stores, self.work, self.staged, self.accounts, self.audit = stores, work, staged, accounts, audit
        self.batch_id, self.notes, self.spec = batch_id, notes, work.spec
        self._pulls = provenance(stores.landing, work.spec, {one.key: one.sha256 for one in staged.sources})

    def run(self) -> Batch:
        findings = self.audit.of_conditions(Findings())
        refusal = self._refusal(findings)
        if not refusal:
            findings = self.audit.of_references(findings)
            refusal = self._refusal(findings)
        if refusal:
            return self._refuse(findings, *refusal)
        for _ in range(COMMIT_TRIES):
            batch = self._try(findings)
            if batch is not None:
                return batch
        raise CommitConflict(
            f"dataset {self.spec.name}: another writer committed first {COMMIT_TRIES} times in a row; run the batch of "
            f"{self.work.landing_date} again when fewer writers are at work"
        )

    def _try(self, findings: Findings) -> Batch | None:
        """Build the commit on what is live now, and commit it; ``None`` when another writer moved what it was built on."""
        base = self._base()
        settled, findings = self.audit.settle(findings, base.settle, base.after)
        refusal = (Status.REJECTED, settled.problem) if settled.problem else self._refusal(findings)
        if not refusal and settled.rows.published == 0:
            return self._record(settled, findings, Status.EMPTY, NOTHING_NEW)
        after = base.after(settled)
        if not refusal:
            findings = self.audit.of_partitions(findings, after)
            refusal = self._refusal(findings)
        if refusal:
            return self._refuse(findings, *refusal) if self._stands(base) else None
        snapshots = self._write(settled, findings, after)
        try:
            return self._commit(settled, findings, snapshots, base)
        except CommitConflict:
            self._forget(snapshots)
            return None
        except Exception:
            self._forget(snapshots)
            raise

    # --- the decision

    def _refusal(self, findings: Findings) -> tuple[Status, str] | None:
        """Why nothing of this batch may be published; ``None`` when it may."""
        staged, spec = self.staged, self.spec
        if staged.schema_problem:
            return Status.REJECTED, staged.schema_problem
        if staged.rows_landed == 0:
            return Status.EMPTY, self.accounts.reasons() or "no object of it is there any more"
        if all(source.outcome == Outcome.UNREADABLE for source in staged.sources):
            return Status.FAILED, self.accounts.reasons()
        rejected = staged.rows_rejected + findings.barred.rows
        share = rejected / staged.rows_landed
        if share > spec.error_threshold or rejected == staged.rows_landed:
            return Status.REJECTED, (
                f"{rejected:,} of {staged.rows_landed:,} rows break the contract ({share:.1%}, where "
                f"error_threshold allows {spec.error_threshold:.1%}); read them with `supply-lake rejects {spec.name}`"
            )
        return (Status.REJECTED, findings.refusal) if findings.refusal else None

    # --- what is live

    def _base(self) -> _Base:
        """What is live now, as far as the commit is built on it; the commit's number is read before the snapshots are."""
        keys_move = self.spec.key_scope is KeyScope.DATASET  # they may turn up under any date, so any commit moves its base
        commit = self.stores.metadata.last_commit(self.spec.name) if keys_move or self.audit.looks_at_live_rows else None
        version = self.stores.metadata.schema(self.spec.name)
        return _Base(self.stores, self.work, self.staged, commit, self._live_snapshots(), version)

    def _stands(self, base: _Base) -> bool:
        """Whether what is live is still what the batch was judged by."""
        return base.commit is None or base.commit == self.stores.metadata.last_commit(self.spec.name)

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

    # --- writing

    def _write(self, settled: Settled, findings: Findings, after: AfterCommit) -> tuple[Snapshot, ...]:
        """Write every changed partition's files and, at the same time, the rejects beside the first."""
        shares = self.accounts.shares(settled)
        blanks = [
            replace(self._blank(date, Status.COMMITTED), quality=findings.of(date), measures=after.measures(date))
            for date in shares
        ]
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
            schema_fingerprint=settled.fingerprint,
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
            source_system={"system": self.spec.source.system, **self.spec.source.metadata, **self._pulls},
        )

    def _write_rejects(self, snapshot: Snapshot, settled: Settled) -> tuple[DataFile, ...]:
        if settled.rows.rejected + settled.rows.deduplicated == 0:
            return ()
        return write_parts(
            self.stores.rejects,
            self.spec,
            snapshot.partition,
            snapshot.id,
            settled.rejects(),
            rows_per_group=ROWS_PER_REJECTS_GROUP,
        ).files

    def _forget(self, snapshots: Sequence[Snapshot]) -> None:
        """Take the files of a lost race away; what cannot be deleted now is unreachable and harmless."""
        self.stores.lake.delete([file.path for snapshot in snapshots for file in snapshot.files])
        self.stores.rejects.delete([file.path for snapshot in snapshots for file in snapshot.rejects])

    # --- records

    def _commit(self, settled: Settled, findings: Findings, snapshots: tuple[Snapshot, ...], base: _Base) -> Batch:
        mode, dates = self.spec.mode, tuple(one.partition for one in snapshots)
        read = {date: tuple(one.id for one in base.merged if one.partition == date) for date in dates}
        merged = tuple(one for ids in read.values() for one in ids)
        return self.stores.metadata.commit(
            Proposal(
                batch=self._batch(Status.COMMITTED, settled, findings, snapshots, ""),
                objects=self.work.objects,
                based_on=tuple(read.items()) if mode is Mode.UPSERT else (),
                based_on_commit=base.commit,
                supersede_live=dates if mode is Mode.REPLACE else (),
                supersedes=merged if mode is Mode.UPSERT else self.work.supersedes,
                recurates=self.work.recurates,
                schema=self._schema(settled, base),
            )
        )

    def _schema(self, settled: Settled, base: _Base) -> ProposedSchema:
        read = [source.key for source in self.staged.sources if source.outcome == Outcome.READ]
        return ProposedSchema(
            schema=settled.evolved.schema,
            based_on=base.version.number if base.version else 0,
            object=read[0] if read else "",
            brought=settled.evolved.brought,
        )

    def _refuse(self, findings: Findings, status: Status, reason: str) -> Batch:
        """Record that nothing is published, for the reason."""
        return self._record(self.staged.refuse(reason, findings.barred), findings, status, reason)

    def _record(self, settled: Settled, findings: Findings, status: Status, reason: str) -> Batch:
        """Record a batch that publishes nothing; one snapshot record carries its rejects."""
        partition = min(self.staged.dates, default=self.work.landing_date)
        snapshot = replace(
            self._blank(partition, status, reason),
            rows=settled.rows,
            sources=self.accounts.sources(settled.by_source),
            quality=findings.verdicts,
        )
        snapshot = replace(snapshot, rejects=self._write_rejects(snapshot, settled))
        batch = self._batch(status, settled, findings, (snapshot,), reason)
        return self.stores.metadata.record(batch, self.work.objects)

    def _batch(
        self, status: Status, settled: Settled, findings: Findings, snapshots: tuple[Snapshot, ...], reason: str
    ) -> Batch:
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
            quality=findings.verdicts,
            attempt=self.work.attempt,
            recurated=self.work.recurates,
        )


@dataclass(frozen=True)
class _Base:
    """What a commit is built on. ``commit`` is set when any other commit moves it; ``merged`` are snapshots to merge with."""

    stores: Stores
    work: Work
    staged: Staged
    commit: int | None
    merged: Sequence[Snapshot]
    version: SchemaVersion | None

    def settle(self, barred: Barred) -> Settled:
        """The batch against these live rows, without barred ones."""
        parts = [live_part(self.stores, snapshot, file.path) for snapshot in self.merged for file in snapshot.files]
        return self.staged.settle(parts, self.version.schema if self.version else None, barred)

    def after(self, settled: Settled) -> AfterCommit:
        """The dataset as it is once this is committed."""
        return AfterCommit(self.stores, self.work.spec, settled, self.merged, self.work.supersedes)
