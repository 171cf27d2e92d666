"""The snapshots of one batch: their files, their rejects and their records, as far as they are known before the commit.

What belongs here: writing them, and taking them away again after a lost race. What does not: whether they are published
(``publish``), and the transaction that makes them visible (the metadata store).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from supply_lake.curate.curate import Settled
from supply_lake.ingest.accounts import Accounts, Share
from supply_lake.ingest.after_commit import AfterCommit
from supply_lake.ingest.audit import Findings
from supply_lake.ingest.stores import Stores
from supply_lake.ingest.work import Work
from supply_lake.landing.pull import provenance
from supply_lake.snapshots.parquet import ROWS_PER_REJECTS_GROUP, write_parts
from supply_lake.snapshots.records import Batch, DataFile, Snapshot, Status
from supply_lake.storage.layout import new_snapshot_id, snapshot_dir


class Writing:
    """Writes the snapshots of one batch.

    :param notes: sentences on what was skipped, coerced, added or ignored, for every record of the batch
    """

    def __init__(self, stores: Stores, work: Work, accounts: Accounts, batch_id: str, notes: tuple[str, ...]) -> None:
        self.stores, self.work, self.spec, self.accounts = stores, work, work.spec, accounts
        self.batch_id, self.notes = batch_id, notes
        self._replays = work.again.replays if work.again else ()
        self._pulls = provenance(stores.landing, work.spec, accounts.digests)

    # --- files

    def published(self, settled: Settled, findings: Findings, after: AfterCommit) -> tuple[Snapshot, ...]:
        """Write every changed partition's files and, at the same time, the rejects beside the first."""
        shares = self.accounts.shares(settled)
        blanks = [
            replace(self._blank(date, Status.COMMITTED), quality=findings.of(date), measures=after.measures(date))
            for date in shares
        ]
        with ThreadPoolExecutor(1, thread_name_prefix="rejects") as pool:
            rejects = pool.submit(self._rejects, blanks[0], settled)
            snapshots = [self._one(settled, blank, share) for blank, share in zip(blanks, shares.values(), strict=True)]
        return (replace(snapshots[0], rejects=rejects.result()), *snapshots[1:])

    def refused(self, settled: Settled, findings: Findings, partition: dt.date, *, status: Status, reason: str) -> Snapshot:
        """Write the rejects of a batch that publishes nothing, and the one record that carries them."""
        snapshot = replace(
            self._blank(partition, status, reason),
            rows=settled.rows,
            sources=self.accounts.sources(settled.by_source),
            quality=findings.verdicts,
        )
        return replace(snapshot, rejects=self._rejects(snapshot, settled))

    def forget(self, snapshots: Sequence[Snapshot]) -> None:
        """Take the files of a lost race away; what cannot be deleted now is unreachable and harmless."""
        self.stores.lake.delete([file.path for snapshot in snapshots for file in snapshot.files])
        self.stores.rejects.delete([file.path for snapshot in snapshots for file in snapshot.rejects])

    def _one(self, settled: Settled, blank: Snapshot, share: Share) -> Snapshot:
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

    def _rejects(self, snapshot: Snapshot, settled: Settled) -> tuple[DataFile, ...]:
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

    # --- records

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
            delivered_in=self.work.again.delivery.batch if self.work.again else "",
            replays=self._replays,
        )

    def batch(
        self, settled: Settled, findings: Findings, status: Status, snapshots: tuple[Snapshot, ...] = (), reason: str = ""
    ) -> Batch:
        """The batch as it stands with these snapshots."""
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
            kind=self.work.kind,
            replays=self._replays,
        )
