"""One batch, from object versions to a commit: stage, decide, settle, write, commit.

What belongs here: the sequence, and the decision whether a batch is published. What does not: choosing the objects
(``batches``, ``replay``, ``recurate``), telling the numbers apart (``accounts``), the live rows that a batch meets (``peers``),
reading and validating rows (``curate``), and the atomicity of the commit (the metadata store).

Nothing written before the commit can be seen by a reader: files of a snapshot that was never committed are unreachable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from supply_lake.curate.curate import LivePart, Options, Settled, Staged, stage
from supply_lake.datasets.spec import DatasetSpec, KeyScope, Mode
from supply_lake.errors import CommitConflict
from supply_lake.ingest.accounts import Accounts, Share
from supply_lake.ingest.again import Again
from supply_lake.ingest.content import Intake, beside, inspect
from supply_lake.ingest.peers import Peers, peers
from supply_lake.ingest.stores import Stores
from supply_lake.landing.pull import provenance
from supply_lake.snapshots.parquet import ROWS_PER_REJECTS_GROUP, write_parts
from supply_lake.snapshots.records import Batch, DataFile, Kind, Outcome, Snapshot, Status
from supply_lake.snapshots.schema_versions import ProposedSchema, SchemaVersion
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id, snapshot_dir
from supply_lake.storage.object_store import ObjectVersion
from supply_lake.storage.scratch import scratch_folder

COMMIT_TRIES = 20
NOTHING_NEW = "every row is already live, or older than the live row of its key"


@dataclass(frozen=True, slots=True)
class Work:
    """What one batch takes in. ``again`` is set when that was delivered with an earlier batch."""

    spec: DatasetSpec
    landing_date: dt.date
    objects: tuple[ObjectVersion, ...]
    deliveries: dict[str, int] = field(default_factory=dict)
    run_id: str = ""
    attempt: int = 1
    kind: Kind = Kind.INGEST
    again: Again | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a batch.

    :param rules: how many rows broke each rule
    :param left: rows of objects that are still bad, and stay where they are
    """

    batch: Batch
    rules: Mapping[str, int]
    left: int = 0


def run_batch(stores: Stores, work: Work) -> Batch:
    """As ``carry_out``, for whoever needs the batch alone."""
    return carry_out(stores, work).batch


def carry_out(stores: Stores, work: Work) -> Done:
    """Curate the work's objects and publish what is good, or record why nothing was.

    What is taken up again is recorded only where something comes of it: a batch without snapshots tells why nothing did.

    :raises StoreUnavailable: a store does not answer; nothing is half done, run it again
    :raises AlreadyPublished: another run published one of the objects meanwhile
    :raises CommitConflict: other writers won every one of many races
    """
    batch_id = new_snapshot_id()
    intake = inspect(stores, work.spec, work.landing_date, work.objects, skip_published=_may_be_twins(work))
    options = Options(memory_bytes=stores.settings.memory_bytes, threads=stores.settings.threads)
    version = stores.metadata.schema(work.spec.name)
    with (
        scratch_folder(stores.settings.scratch, batch_id) as scratch,
        stage(
            work.spec,
            intake.sources,
            landing_date=work.landing_date,
            scratch=scratch,
            options=options,
            published=version.schema if version else None,
            kept=work.again.kept if work.again else None,
        ) as staged,
    ):
        bad = staged.rows_rejected
        if work.again and not work.again.together:
            staged.leave_what_is_still_bad()
        sources = work.again.kept_sources if work.again else ()
        accounts = Accounts(stores.landing, work.objects, work.deliveries, intake.skipped, staged.sources, kept=sources)
        notes = (*intake.notes, *staged.notes, *_beside(stores, work, intake))
        batch = _Publication(stores, work, staged=staged, accounts=accounts, batch_id=batch_id, notes=notes).run()
        return Done(batch, staged.check_figures, left=bad - staged.rows_rejected)


def _may_be_twins(work: Work) -> bool:
    """Whether objects may have the bytes of others that are published; those that were published themselves have."""
    return work.again is None or (work.kind is Kind.REPLAY and work.again.together)


def _beside(stores: Stores, work: Work, intake: Intake) -> tuple[str, ...]:
    if work.kind is not Kind.INGEST or work.spec.mode is not Mode.APPEND:
        return ()
    return beside(stores, work.spec, work.landing_date, intake.overwritten)


class _Publication:
    """The second half of a batch, after its rows are staged."""

    def __init__(
        self, stores: Stores, work: Work, *, staged: Staged, accounts: Accounts, batch_id: str, notes: tuple[str, ...]
    ) -> None:
        self.stores, self.work, self.staged, self.accounts = stores, work, staged, accounts
        self.batch_id, self.notes, self.spec, self.again = batch_id, notes, work.spec, work.again
        keys = accounts.keys
        self.taken_up = tuple(one for one in self.again.taken_up if one.object.key in keys) if self.again else ()
        kept = [one.object for one in self.taken_up if self.again and one.object.key in self.again.kept.keys]
        self.objects = (*(one for one in work.objects if one.key in keys), *kept)
        self._pulls = provenance(stores.landing, work.spec, accounts.digests)
        self._version: SchemaVersion | None = None

    def run(self) -> Batch:
        refusal = self._refusal()
        if refusal:
            return self._refuse(*refusal)
        for _ in range(COMMIT_TRIES):
            batch = self._try()
            if batch is not None:
                return batch
        raise CommitConflict(
            f"dataset {self.spec.name}: another writer committed first {COMMIT_TRIES} times in a row; run the batch of "
            f"{self.work.landing_date} again when fewer writers are at work"
        )

    def _try(self) -> Batch | None:
        """Build the commit on what is live now, and commit it; ``None`` when another writer moved what it was built on."""
        # Keys of the whole dataset may turn up under any date, so any commit moves what they were compared with.
        commit = self.stores.metadata.last_commit(self.spec.name) if self.spec.key_scope is KeyScope.DATASET else None
        self._version = self.stores.metadata.schema(self.spec.name)
        met = peers(self.stores, self.spec, self.staged, self.work.kind, self.again)
        if met.refusal:
            return self._refuse(Status.REJECTED, met.refusal)
        settled = self._settle(met)
        if settled.problem:
            return self._refuse(Status.REJECTED, settled.problem)
        if settled.rows.published == 0:
            return self._record(settled, Status.EMPTY, NOTHING_NEW)
        if self.again and self.again.rehearsal:
            return self._batch(Status.COMMITTED, settled, (), "")
        snapshots = self._write(settled)
        try:
            return self._commit(settled, snapshots, met, commit)
        except CommitConflict:
            self._forget(snapshots)
            return None
        except Exception:
            self._forget(snapshots)
            raise

    def _settle(self, met: Peers) -> Settled:
        parts = [part for snapshot in met.merged for part in self._live_parts(snapshot)]
        published = self._version.schema if self._version else None
        delivery = self.again.delivery if self.again else None
        return self.staged.settle(parts, published, delivery=delivery, adds=met.adds)

    # --- the decision

    def _refusal(self) -> tuple[Status, str] | None:
        """Why nothing of this batch may be published; ``None`` when it may."""
        staged, spec = self.staged, self.spec
        if self.again and not self.again.together:
            return None if staged.sources else (Status.REJECTED, "every row of it still breaks the contract")
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
            kind=self.work.kind,
            mode=self.spec.mode,
            delivered_in=self.again.delivery.batch if self.again else "",
            replays=self.again.replays if self.again else (),
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

    def _commit(self, settled: Settled, snapshots: tuple[Snapshot, ...], met: Peers, commit: int | None) -> Batch:
        dates = tuple(one.partition for one in snapshots)
        replaces = self.spec.mode is Mode.REPLACE and not self.again
        return self.stores.metadata.commit(
            Proposal(
                batch=self._batch(Status.COMMITTED, settled, snapshots, ""),
                objects=self.objects,
                based_on=tuple((date, ids) for date, ids in met.guarded if date in dates),
                based_on_commit=commit,
                supersede_live=dates if replaces else (),
                supersedes=met.superseded(settled, dates),
                taken_up=self.taken_up,
                schema=self._schema(settled),
            )
        )

    def _refuse(self, status: Status, reason: str) -> Batch:
        """Record that nothing is published, for the reason; what a replay leaves as it is, is recorded already."""
        refused = self.staged.refuse(reason)
        if self.work.kind is Kind.REPLAY:
            return self._batch(status, refused, (), reason)
        return self._record(refused, status, reason)

    def _schema(self, settled: Settled) -> ProposedSchema:
        read = [source.key for source in self.staged.sources if source.outcome == Outcome.READ]
        return ProposedSchema(
            schema=settled.evolved.schema,
            based_on=self._version.number if self._version else 0,
            object=read[0] if read else "",
            brought=settled.evolved.brought,
        )

    def _record(self, settled: Settled, status: Status, reason: str) -> Batch:
        """Record a batch that publishes nothing; one snapshot record carries its rejects."""
        if self._is_as_it_was(settled) or (self.again and self.again.rehearsal):
            return self._batch(status, settled, (), reason)
        partition = min(self.staged.dates, default=self.work.landing_date)
        snapshot = replace(
            self._blank(partition, status, reason), rows=settled.rows, sources=self.accounts.sources(settled.by_source)
        )
        snapshot = replace(snapshot, rejects=self._write_rejects(snapshot, settled))
        batch = self._batch(status, settled, (snapshot,), reason)
        return self.stores.metadata.record(batch, self.objects, self.taken_up)

    def _is_as_it_was(self, settled: Settled) -> bool:
        """Whether a replay that publishes nothing leaves as many rows rejected as there were."""
        stood = self.again.rejected if self.again and self.work.kind is Kind.REPLAY else None
        return stood is not None and all(
            rows.rejected >= stood.get(key, 0) for key, rows in settled.by_source.items() if rows.landed
        )

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
            kind=self.work.kind,
            replays=self.again.replays if self.again else (),
        )
