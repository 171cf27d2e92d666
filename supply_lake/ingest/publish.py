"""One batch, from object versions to a commit: stage, decide, settle, audit, write, commit.

What belongs here: the sequence, and the decision whether a batch is published. What does not: choosing the objects
(``batches``, ``replay``, ``recurate``), telling the numbers apart (``accounts``), the live rows that a batch meets (``peers``),
reading and validating rows (``curate``), what the dataset's rules say (``audit``), files and records (``writing``), and the
atomicity of the commit (the metadata store).

Nothing written before the commit can be seen by a reader: files of a snapshot that was never committed are unreachable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from supply_lake.curate.barred import Barred
from supply_lake.curate.curate import Options, Settled, Staged, stage
from supply_lake.datasets.spec import KeyScope, Mode
from supply_lake.errors import CommitConflict
from supply_lake.ingest.accounts import Accounts
from supply_lake.ingest.after_commit import AfterCommit, live_part
from supply_lake.ingest.audit import Audit, Findings, for_rows_alone
from supply_lake.ingest.content import Intake, beside, inspect
from supply_lake.ingest.peers import Peers, peers
from supply_lake.ingest.stores import Stores
from supply_lake.ingest.work import Work
from supply_lake.ingest.writing import Writing
from supply_lake.snapshots.records import Batch, Kind, Outcome, Snapshot, Status
from supply_lake.snapshots.schema_versions import ProposedSchema, SchemaVersion
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.scratch import scratch_folder

COMMIT_TRIES = 20
NOTHING_NEW = "every row is already live, or older than the live row of its key"
STILL_BAD = "every row of it still breaks the contract"

Refusal = tuple[Status, str]


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
        if work.by_object:
            staged.leave_what_is_still_bad()
        sources = work.again.kept_sources if work.again else ()
        accounts = Accounts(stores.landing, work.objects, work.deliveries, intake.skipped, staged.sources, kept=sources)
        left = work.again.left if work.again else {}
        notes = (*intake.notes, *staged.notes, *_beside(stores, work, intake), *_told(left))
        audit = Audit(stores, for_rows_alone(work.spec) if work.by_object else work.spec, staged, scratch)
        writing = Writing(stores, work, accounts, batch_id, notes)
        batch = _Publication(stores, work, staged=staged, accounts=accounts, audit=audit, writing=writing).run()
        return Done(batch, staged.check_figures, left=bad - staged.rows_rejected)


def _may_be_twins(work: Work) -> bool:
    """Whether objects may have the bytes of others that are published; those that were published themselves have."""
    return work.again is None or (work.kind is Kind.REPLAY and work.again.together)


def _beside(stores: Stores, work: Work, intake: Intake) -> tuple[str, ...]:
    if work.kind is not Kind.INGEST or work.spec.mode is not Mode.APPEND:
        return ()
    return beside(stores, work.spec, work.landing_date, intake.overwritten)


def _told(left: Mapping[str, str]) -> Iterator[str]:
    return (f"{key} was not taken up: {reason}" for key, reason in left.items())


class _Publication:
    """The second half of a batch, after its rows are staged."""

    def __init__(
        self, stores: Stores, work: Work, *, staged: Staged, accounts: Accounts, audit: Audit, writing: Writing
    ) -> None:
        self.stores, self.work, self.staged, self.accounts = stores, work, staged, accounts
        self.audit, self.writing, self.spec, self.again = audit, writing, work.spec, work.again
        keys = accounts.keys
        self.taken_up = tuple(one for one in self.again.taken_up if one.object.key in keys) if self.again else ()
        kept = [one.object for one in self.taken_up if self.again and one.object.key in self.again.kept.keys]
        self.objects = (*(one for one in work.objects if one.key in keys), *kept)

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
        if base.met.refusal:
            return self._refuse(findings, Status.REJECTED, base.met.refusal)
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
        if self.work.is_rehearsal:
            return self.writing.batch(settled, findings, Status.COMMITTED)
        return self._publish(settled, findings, base, after)

    def _publish(self, settled: Settled, findings: Findings, base: _Base, after: AfterCommit) -> Batch | None:
        snapshots = self.writing.published(settled, findings, after)
        try:
            return self._commit(settled, findings, snapshots, base)
        except CommitConflict:
            self.writing.forget(snapshots)
            return None
        except Exception:
            self.writing.forget(snapshots)
            raise

    # --- the decision

    def _refusal(self, findings: Findings) -> Refusal | None:
        """Why nothing of this batch may be published; ``None`` when it may."""
        staged = self.staged
        rejected = staged.rows_rejected + findings.barred.rows
        if self.work.by_object:
            refusal = (Status.REJECTED, STILL_BAD) if rejected == staged.rows_landed else None
        else:
            refusal = self._refused_whole(rejected)
        return refusal or ((Status.REJECTED, findings.refusal) if findings.refusal else None)

    def _refused_whole(self, rejected: int) -> Refusal | None:
        staged, spec = self.staged, self.spec
        if staged.schema_problem:
            return Status.REJECTED, staged.schema_problem
        if staged.rows_landed == 0:
            return Status.EMPTY, self.accounts.reasons() or "no object of it is there any more"
        if all(source.outcome == Outcome.UNREADABLE for source in staged.sources):
            return Status.FAILED, self.accounts.reasons()
        share = rejected / staged.rows_landed
        if share > spec.error_threshold or rejected == staged.rows_landed:
            return Status.REJECTED, (
                f"{rejected:,} of {staged.rows_landed:,} rows break the contract ({share:.1%}, where "
                f"error_threshold allows {spec.error_threshold:.1%}); read them with `supply-lake rejects {spec.name}`"
            )
        return None

    # --- what is live

    def _base(self) -> _Base:
        """What is live now, as far as the commit is built on it; the commit's number is read before the snapshots are."""
        keys_move = self.spec.key_scope is KeyScope.DATASET  # they may turn up under any date, so any commit moves its base
        commit = self.stores.metadata.last_commit(self.spec.name) if keys_move or self.audit.looks_at_live_rows else None
        version = self.stores.metadata.schema(self.spec.name)
        met = peers(self.stores, self.spec, self.staged, self.work.kind, self.again)
        return _Base(self.stores, self.work, self.staged, commit, met, version)

    def _stands(self, base: _Base) -> bool:
        """Whether what is live is still what the batch was judged by."""
        return base.commit is None or base.commit == self.stores.metadata.last_commit(self.spec.name)

    # --- records

    def _commit(self, settled: Settled, findings: Findings, snapshots: tuple[Snapshot, ...], base: _Base) -> Batch:
        dates = tuple(one.partition for one in snapshots)
        replaces = self.spec.mode is Mode.REPLACE and not self.again
        return self.stores.commit(
            Proposal(
                batch=self.writing.batch(settled, findings, Status.COMMITTED, snapshots),
                objects=self.objects,
                based_on=tuple((date, ids) for date, ids in base.met.guarded if date in dates),
                based_on_commit=base.commit,
                supersede_live=dates if replaces else (),
                supersedes=base.met.superseded(settled, dates),
                taken_up=self.taken_up,
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
        """Record that nothing is published, for the reason; what a replay leaves as it is, is recorded already."""
        refused = self.staged.refuse(reason, findings.barred)
        if self.work.kind is Kind.REPLAY:
            return self.writing.batch(refused, findings, status, reason=reason)
        return self._record(refused, findings, status, reason)

    def _record(self, settled: Settled, findings: Findings, status: Status, reason: str) -> Batch:
        """Record a batch that publishes nothing; one snapshot record carries its rejects."""
        if self._is_as_it_was(settled) or self.work.is_rehearsal:
            return self.writing.batch(settled, findings, status, reason=reason)
        partition = min(self.staged.dates, default=self.work.landing_date)
        snapshot = self.writing.refused(settled, findings, partition, status=status, reason=reason)
        batch = self.writing.batch(settled, findings, status, (snapshot,), reason)
        return self.stores.record(batch, self.objects, self.taken_up)

    def _is_as_it_was(self, settled: Settled) -> bool:
        """Whether a replay that publishes nothing leaves as many rows rejected as there were."""
        stood = self.again.rejected if self.again and self.work.kind is Kind.REPLAY else None
        return stood is not None and all(
            rows.rejected >= stood.get(key, 0) for key, rows in settled.by_source.items() if rows.landed
        )


@dataclass(frozen=True)
class _Base:
    """What a commit is built on. ``commit`` is set when any other commit moves it; ``met`` is what is live and matters."""

    stores: Stores
    work: Work
    staged: Staged
    commit: int | None
    met: Peers
    version: SchemaVersion | None

    def settle(self, barred: Barred) -> Settled:
        """The batch against these live rows, without barred ones."""
        return self.staged.settle(
            [live_part(self.stores, snapshot, file) for snapshot in self.met.merged for file in snapshot.files],
            self.version.schema if self.version else None,
            barred,
            delivery=self.work.again.delivery if self.work.again else None,
            adds=self.met.adds,
        )

    def after(self, settled: Settled) -> AfterCommit:
        """The dataset as it is once this is committed."""
        return AfterCommit(self.stores, self.work.spec, settled, self.met)
