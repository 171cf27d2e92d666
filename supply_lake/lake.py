"""``Lake``: one lake, for Python programs and notebooks. Everything that the command reads can be read here.

What belongs here: the reading surface, over values that the rooms below give. What does not: how any of it is done.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UsageError
from supply_lake.extract.position import Value
from supply_lake.ingest.stores import Stores
from supply_lake.landing.dead_letters import DeadLetter, kept
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.pull import Landed, Puller
from supply_lake.landing.write import land, land_records, land_stream
from supply_lake.query.reader import Reader
from supply_lake.query.view import View
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch, Snapshot
from supply_lake.storage.object_store import ObjectVersion

if TYPE_CHECKING:
    from supply_lake.ingest.replay import Replay
    from supply_lake.landing.records import Records
    from supply_lake.query.verify import Report


@dataclass(frozen=True, slots=True)
class DatasetState:
    """A dataset as it stands: what is declared, and what is live.

    ``rows`` counts the rows in live files, those that a tombstone hides included; ``bytes`` are those of the live files.
    ``commit`` is 0 and ``committed_at`` is ``None`` before the first commit. ``pending`` counts landed objects that wait.
    ``late`` is how long ago the newest commit went stale, by the declared freshness; ``None`` when it did not, or never could.
    """

    spec: DatasetSpec
    commit: int
    committed_at: dt.datetime | None
    snapshots: int
    partitions: int
    rows: int
    bytes: int
    pending: int
    late: dt.timedelta | None = None


class Lake(Reader):
    """An opened lake. Use it in a ``with`` block, or call ``close``.

    >>> from supply_lake import Lake
    >>> with Lake.open() as lake:
    ...     lake.query("SELECT 6 * 7 AS answer").to_pylist()
    [{'answer': 42}]
    """

    def __init__(self, stores: Stores, view: View | None = None) -> None:
        super().__init__(stores, view)
        self.stores = stores

    @staticmethod
    def open(settings: Settings | None = None) -> Lake:
        """Open the lake that the settings name; by default those of the environment (``SUPPLY_LAKE_*``).

        :raises SettingsError: a variable cannot be used
        :raises SpecError: a dataset file is wrong
        :raises StoreUnavailable: a store does not answer
        """
        return Lake(Stores.open(settings))

    def close(self) -> None:
        """Give up connections, and queries that still run."""
        super().close()
        self.stores.close()

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- what there is

    def datasets(self) -> dict[str, DatasetState]:
        """Every declared dataset by name."""
        waiting: dict[str, int] = {}
        for batch in self.stores.metadata.pending():
            waiting[batch.dataset] = waiting.get(batch.dataset, 0) + batch.objects
        return {name: self._state(spec, waiting.get(name, 0)) for name, spec in self.stores.registry.items()}

    def _state(self, spec: DatasetSpec, pending: int) -> DatasetState:
        live = self.stores.metadata.live(spec.name)
        last = max(live, key=lambda one: one.commit or 0, default=None)
        commit = self.stores.metadata.last_commit(spec.name)
        return DatasetState(
            spec=spec,
            commit=commit,
            committed_at=last.committed_at if last else None,
            snapshots=len(live),
            partitions=len({one.partition for one in live}),
            rows=sum(one.rows_total for one in live),
            bytes=sum(one.bytes for one in live),
            pending=pending,
            late=_late(spec, last.committed_at if last else None),
        )

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One snapshot record.

        :raises UnknownSnapshot: there is none of this id
        """
        return self.stores.metadata.snapshot(snapshot_id)

    def objects(self, name: str | None = None, state: ObjectState | None = None) -> Iterator[LedgerEntry]:
        """What is known of every object version that landed, by dataset and key.

        :param name: of one dataset; objects that no dataset takes come only without it
        """
        return self.stores.metadata.objects(self._spec(name).name if name else None, state)

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Messages of the queue that told nothing usable, by the day on which they were sent."""
        return kept(self.stores.rejects)

    # --- doing

    def land(
        self,
        name: str,
        *files: str | Path,
        data: bytes | BinaryIO | None = None,
        records: Records = None,
        file: str = "",
        date: dt.date | None = None,
    ) -> list[ObjectVersion]:
        """Put files, bytes or records into landing, under the keys that the dataset declares.

        >>> lake.land("orders", records=[{"order_id": "o1", "quantity": 3}])  # doctest: +SKIP

        :param files: paths
        :param data: bytes in the dataset's format, or a stream of them, which lands once it has ended
        :param records: dicts, an Arrow table, batch or reader, a pandas or polars data frame
        :param file: the name that ``data`` or ``records`` land under; when left out it tells their bytes, so that the same ones
            pushed again are the same object
        :param date: the landing date; by default the one that a file's name tells by the dataset's pattern, else today
        :raises UsageError: a file is not there, nothing came, or the dataset would not take its key
        """
        spec, landing, scratch = self._spec(name), self.stores.landing, self.stores.settings.scratch
        landed = [land(landing, spec, Path(one), date=date) for one in files]
        if data is not None:
            stream = io.BytesIO(data) if isinstance(data, bytes) else data
            landed.append(land_stream(landing, spec, stream, scratch, name=file, date=date))
        if records is not None:
            landed.append(land_records(landing, spec, records, scratch, name=file, date=date))
        return landed

    def extract(
        self, name: str, *, start: Value | None = None, end: Value | None = None, date: dt.date | None = None
    ) -> list[Landed]:
        """Pull the dataset's source into landing: what is due now, or what belongs to a landing date, or a span.

        :param start: first day (of a source with a `window`) or cursor value of the span
        :param end: the first one that is left out; everything up to now when left out
        :raises UsageError: the dataset is pushed, or cannot be pulled in that part
        :raises SourceError: the source refuses or does not answer; nothing of the window landed
        """
        puller = Puller(self.stores.landing, self._spec(name), self.stores.settings.scratch)
        if start is None and end is None:
            return puller.pull(date)
        if date is not None:
            raise UsageError("give a date, or a span by start and end, not both")
        return puller.pull_between(start, end)

    def replay(self, name: str, *, snapshot_id: str | None = None, dry_run: bool = False) -> list[Replay]:
        """Run what was rejected of a dataset again under the contract of today; what is good now is published, once.

        :param snapshot_id: only what stands of the rejects of this snapshot's batch
        :param dry_run: write nothing, and tell what would come of it
        :raises UnknownDataset: no dataset is called so
        :raises UnknownSnapshot: the dataset has no such snapshot
        """
        from supply_lake.ingest.replay import replay  # what only reads need not import what curates

        return replay(self.stores, self._spec(name).name, snapshot_id=snapshot_id, rehearsal=dry_run)

    def revoke(self, snapshot_id: str, *, why: str, by: str = "") -> Batch:
        """Take a snapshot out of the live set, by a commit like any other; what it had superseded is live again.

        :param why: a sentence for whoever reads the history
        :param by: who asks for it; the user of this process when left out
        :raises UnknownSnapshot: there is none of this id
        :raises NotRevocable: nothing of it is live; the message says what to do
        """
        from supply_lake.ingest.revoke import revoke

        return revoke(self.stores, snapshot_id, why=why, by=by)

    def verify(
        self, names: Sequence[str] | None = None, *, landing: bool = False, on_file: Callable[[int], None] | None = None
    ) -> list[Report]:
        """Prove from the files that they and the records agree; one report per dataset.

        :param landing: count again what landed, too, from the object versions that are still there
        :param on_file: called with the bytes of each file that was read
        """
        from supply_lake.query.verify import verify  # what reads needs no Parquet library; DuckDB has its own

        specs = [self._spec(name) for name in names or self.stores.registry]
        return [verify(self.stores, spec, landing=landing, on_file=on_file) for spec in specs]


def _late(spec: DatasetSpec, committed_at: dt.datetime | None) -> dt.timedelta | None:
    if spec.freshness is None or committed_at is None:
        return None
    late = dt.datetime.now(dt.UTC) - committed_at - dt.timedelta(hours=spec.freshness.max_age_hours)
    return late if late > dt.timedelta() else None
