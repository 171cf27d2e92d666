"""``Lake``: one lake, for Python programs and notebooks. Everything that the command reads can be read here.

What belongs here: the reading surface, over values that the rooms below give. What does not: how any of it is done.
"""

from __future__ import annotations

import datetime as dt
import getpass
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnknownPin, UsageError
from supply_lake.extract.position import Value
from supply_lake.ingest.stores import Stores
from supply_lake.landing.dead_letters import DeadLetter, kept
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.pull import Landed, Puller
from supply_lake.landing.write import land, land_records, land_stream
from supply_lake.query import pins
from supply_lake.query.live_set import LiveSet, past
from supply_lake.query.reader import Reader
from supply_lake.query.states import DatasetState, late_by
from supply_lake.query.view import View
from supply_lake.settings import Settings
from supply_lake.snapshots.pins import Pin
from supply_lake.snapshots.records import Batch
from supply_lake.storage.object_store import ObjectVersion

if TYPE_CHECKING:
    from supply_lake.client.remote import RemoteLake
    from supply_lake.ingest.discovery import TickReport
    from supply_lake.ingest.replay import Replay
    from supply_lake.landing.records import Records
    from supply_lake.query.verify import Report
    from supply_lake.snapshots.removal import Removal
    from supply_lake.upkeep.compact import Compacted
    from supply_lake.upkeep.reconcile import Reconciled


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
    def open(
        settings: Settings | None = None, *, pin: Pin | str | Path | None = None, as_of: dt.datetime | None = None
    ) -> Lake:
        """Open the lake that the settings name; by default those of the environment (``SUPPLY_LAKE_*``).

        :param pin: whatever is read, is read at the commits that this pin names: the pin, its file or its URL
        :param as_of: whatever is read, is read as it was at this time; without a zone it is UTC
        :raises SettingsError: a variable cannot be used
        :raises SpecError: a dataset file is wrong
        :raises StoreUnavailable: a store does not answer
        """
        stores = Stores.open(settings)
        try:
            whole = Reader(stores)
            return Lake(stores, None if pin is None and as_of is None else whole.seen(as_of, pin))
        except BaseException:
            stores.close()
            raise

    @staticmethod
    def connect(url: str, token: str) -> RemoteLake:
        """The lake that a service serves (`supply-lake serve`), with the same reads.

        :param url: where the service is, such as ``https://lake.example``
        :param token: what `supply-lake token make` told
        :raises Unauthenticated: the token opens nothing
        :raises StoreUnavailable: the service does not answer
        """
        from supply_lake.client.remote import RemoteLake  # what opens a lake itself needs no HTTP

        return RemoteLake.connect(url, token)

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
        seen = self.seen()
        return {
            name: self._state(spec, seen.rows(name), waiting.get(name, 0))
            for name, spec in self.stores.registry.items()
            if seen.sees(name)
        }

    @staticmethod
    def _state(spec: DatasetSpec, seen: LiveSet, pending: int) -> DatasetState:
        live = seen.snapshots
        arrived = max((one.arrived_at for one in live if one.arrived_at), default=None)
        return DatasetState(
            spec=spec,
            commit=seen.commit,
            committed_at=arrived,
            snapshots=len(live),
            partitions=len({one.partition for one in live}),
            rows=sum(one.rows_total for one in live),
            bytes=sum(one.bytes for one in live),
            pending=pending,
            late=late_by(spec, arrived),
        )

    def objects(self, name: str | None = None, state: ObjectState | None = None) -> Iterator[LedgerEntry]:
        """What is known of every object version that landed, by dataset and key.

        :param name: of one dataset; objects that no dataset takes come only without it
        """
        return self.stores.metadata.objects(self._spec(name).name if name else None, state)

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Messages of the queue that told nothing usable, by the day on which they were sent."""
        return kept(self.stores.rejects)

    # --- pins

    def pin(
        self,
        names: Sequence[str] | None = None,
        *,
        as_of: dt.datetime | None = None,
        name: str = "",
        by: str = "",
        register: bool = True,
        to: str | Path | None = None,
    ) -> Pin:
        """Fix what datasets are read at: a query under the pin gives the same rows for ever.

        :param names: all when left out
        :param as_of: the commits of this time, not the newest; without a zone it is UTC
        :param name: what people call it
        :param by: who asks for it; the user of this process when left out
        :param register: have the lake keep the files that it names, until ``unpin``
        :param to: write the pin to this file or URL
        """
        chosen = [self._spec(one).name for one in (self.stores.registry if names is None else names)]
        time = past(as_of) if as_of is not None else None
        made = pins.make(
            self.stores.metadata,
            self.seen(time),
            list(dict.fromkeys(chosen)),
            as_of=time,
            name=name,
            by=by or getpass.getuser(),
        )
        if register:
            made = self.stores.metadata.add_pin(made)
        if to is not None:
            pins.save(made, to)
        return made

    def pins(self, name: str | None = None) -> list[Pin]:
        """Every registered pin, oldest first; only those of a dataset, if given."""
        return self.stores.metadata.pins(self._spec(name).name if name else None)

    def unpin(self, pin_id: str) -> None:
        """Forget a registered pin: its files are kept no longer.

        :raises UnknownPin: there is none of this id
        """
        if not self.stores.metadata.remove_pin(pin_id):
            raise UnknownPin(f"no pin has the id {pin_id!r}; see them with `supply-lake pins`")

    def prove_pin(self, pin: Pin | str | Path) -> list[str]:
        """Read every file that a pin names; what is not as it was, in sentences."""
        made = pin if isinstance(pin, Pin) else pins.load(pin)
        return list(pins.proof(self.stores.metadata, self.stores.lake, made))

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
        self._refuse_when_bound()
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
        self._refuse_when_bound()
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
        self._refuse_when_bound()
        from supply_lake.ingest.replay import replay  # what only reads need not import what curates

        return replay(self.stores, self._spec(name).name, snapshot_id=snapshot_id, rehearsal=dry_run)

    def revoke(self, snapshot_id: str, *, why: str, by: str = "") -> Batch:
        """Take a snapshot out of the live set, by a commit like any other; what it had superseded is live again.

        :param why: a sentence for whoever reads the history
        :param by: who asks for it; the user of this process when left out
        :raises UnknownSnapshot: there is none of this id
        :raises NotRevocable: nothing of it is live; the message says what to do
        """
        self._refuse_when_bound()
        from supply_lake.ingest.revoke import revoke

        return revoke(self.stores, snapshot_id, why=why, by=by)

    def compact(
        self,
        name: str,
        *,
        partition: dt.date | None = None,
        small_bytes: int | None = None,
        dry_run: bool = False,
        by: str = "",
    ) -> list[Compacted]:
        """Put small files of each date together, by commits that change no row; earlier commits read as before.

        :param partition: of one date alone
        :param small_bytes: files below this size are small
        :param dry_run: write nothing, and tell what would come of it
        :raises UnknownDataset: no dataset is called so
        """
        self._refuse_when_bound()
        from supply_lake.upkeep.compact import SMALL_BYTES, compact

        size = SMALL_BYTES if small_bytes is None else small_bytes
        return compact(self.stores, self._spec(name).name, partition, small_bytes=size, rehearsal=dry_run, by=by)

    def gc(
        self,
        names: Sequence[str] | None = None,
        *,
        delete: bool = False,
        retention: dt.timedelta | None = None,
        grace: dt.timedelta | None = None,
        by: str = "",
    ) -> list[Removal]:
        """What nothing reaches any more: old versions that no pin names, and files that no record names; one per dataset.

        :param delete: remove it; else nothing is written
        :param retention: how long a superseded version stays readable; by default as the settings say
        :param grace: how old a file without a record has to be; by default as the settings say
        """
        self._refuse_when_bound()
        from supply_lake.upkeep.gc import Collection, terms

        kept, young = terms(self.stores.settings, retention, grace)
        collection = Collection(self.stores, kept, young, by=by)
        found = [self._spec(name).name for name in names or self.stores.registry]
        return [collection.run(name) if delete else collection.plan(name) for name in found]

    def removals(self, name: str | None = None, *, limit: int | None = None) -> list[Removal]:
        """What ``gc`` removed, newest first; of one dataset if given."""
        return self.stores.metadata.removals(self._spec(name).name if name else None, limit)

    def reconcile(self, names: Sequence[str] | None = None) -> tuple[TickReport, list[Reconciled]]:
        """Compare landing with the ledger, by a full listing that enters what was missed, and stored files with the records.

        Tables that the lake publishes for other engines are held against the live set, and set right.
        """
        self._refuse_when_bound()
        from supply_lake.upkeep.reconcile import reconcile_files, reconcile_landing

        found = [self._spec(name).name for name in names or self.stores.registry]
        return reconcile_landing(self.stores), [reconcile_files(self.stores, name) for name in found]

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

    def _refuse_when_bound(self) -> None:
        if self._view is not None:
            raise UsageError("this lake was opened under a pin or a time, for reading; open it without for anything else")
