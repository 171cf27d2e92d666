"""``Lake``: one lake, for Python programs and notebooks. Everything that the command reads can be read here.

What belongs here: the reading surface, over values that the rooms below give. What does not: how any of it is done.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.sql import identifier
from supply_lake.errors import UnknownSnapshot, UsageError
from supply_lake.extract.position import Value
from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.pull import Landed, Puller
from supply_lake.landing.write import land, land_records, land_stream
from supply_lake.query import engine
from supply_lake.query.engine import Answer, View
from supply_lake.query.live_set import live_set, one_snapshot
from supply_lake.query.rejects import By, Outcome, RejectPlace, Which, reasons_sql, summary_sql
from supply_lake.query.schemas import DatasetSchema
from supply_lake.query.states import DatasetState, late_by
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch, Snapshot
from supply_lake.snapshots.standing import Rejects
from supply_lake.storage.object_store import ObjectVersion

if TYPE_CHECKING:
    from supply_lake.client.remote import RemoteLake
    from supply_lake.ingest.replay import Replay
    from supply_lake.landing.records import Records
    from supply_lake.query.verify import Report


class Lake:
    """An opened lake. Use it in a ``with`` block, or call ``close``.

    >>> from supply_lake import Lake
    >>> with Lake.open() as lake:
    ...     lake.query("SELECT 6 * 7 AS answer").to_pylist()
    [{'answer': 42}]
    """

    def __init__(self, stores: Stores) -> None:
        self.stores = stores

    @staticmethod
    def open(settings: Settings | None = None) -> Lake:
        """Open the lake that the settings name; by default those of the environment (``SUPPLY_LAKE_*``).

        :raises SettingsError: a variable cannot be used
        :raises SpecError: a dataset file is wrong
        :raises StoreUnavailable: a store does not answer
        """
        return Lake(Stores.open(settings))

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
        """Give up connections."""
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
            late=late_by(spec, last.committed_at if last else None),
        )

    def snapshots(self, name: str, *, limit: int | None = None) -> list[Snapshot]:
        """All snapshot records of a dataset, newest first; those of batches that published nothing too.

        :raises UnknownDataset: no dataset is called so
        """
        return self.stores.metadata.snapshots(self._spec(name).name, limit)

    def latest(self, name: str) -> Snapshot | None:
        """The newest live snapshot; ``None`` before the first commit."""
        return self.stores.metadata.latest(self._spec(name).name)

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One snapshot record.

        :raises UnknownSnapshot: there is none of this id
        """
        return self.stores.metadata.snapshot(snapshot_id)

    def schema(self, name: str) -> DatasetSchema:
        """What a dataset declares and publishes, with every numbered version of it.

        :raises UnknownDataset: no dataset is called so
        """
        spec = self._spec(name)
        return DatasetSchema(spec, tuple(self.stores.metadata.schema_versions(name)))

    def objects(self, name: str | None = None, state: ObjectState | None = None) -> Iterator[LedgerEntry]:
        """What is known of every object version that landed, by dataset and key.

        :param name: of one dataset; objects that no dataset takes come only without it
        """
        return self.stores.metadata.objects(self._spec(name).name if name else None, state)

    # --- rows

    def read(
        self,
        name: str,
        *,
        as_of: dt.datetime | None = None,
        commit: int | None = None,
        snapshot_id: str | None = None,
        columns: Sequence[str] | None = None,
        where: str | None = None,
    ) -> pa.Table:
        """The rows of a dataset: of its newest live set, or at a time, at a commit, or of one snapshot alone.

        :param as_of: a time without a zone is UTC
        :param columns: only these, in this order; all when left out
        :param where: an SQL condition, such as ``"quantity > 10 AND status = 'open'"``
        :raises UnknownDataset: no dataset is called so
        :raises UnknownCommit: the dataset has no such commit
        :raises UnknownSnapshot: the dataset has no such snapshot, or it holds no rows
        :raises QueryError: a column is not there, or the condition cannot be used
        """
        with self.rows(name, as_of=as_of, commit=commit, snapshot_id=snapshot_id, columns=columns, where=where) as answer:
            return answer.table()

    def rows(
        self,
        name: str,
        *,
        as_of: dt.datetime | None = None,
        commit: int | None = None,
        snapshot_id: str | None = None,
        columns: Sequence[str] | None = None,
        where: str | None = None,
    ) -> AbstractContextManager[Answer]:
        """As ``read``, as a stream of record batches, for the length of a ``with`` block."""
        self._spec(name)
        metadata = self.stores.metadata
        if sum(value is not None for value in (as_of, commit, snapshot_id)) > 1:
            raise UsageError("give one of as_of, commit and snapshot_id, not several")
        view = View.of(metadata, as_of=as_of, commit=commit)
        if snapshot_id is not None:
            view = View(lambda _: one_snapshot(metadata, name, snapshot_id), view.rejects)
        listed = ", ".join(map(identifier, columns)) if columns is not None else "*"
        condition = f"\nWHERE (\n{where}\n)" if where else ""
        return engine.run(self.stores, f"SELECT {listed} FROM {identifier(name)}{condition}", view)

    def query(self, sql: str, *, as_of: dt.datetime | None = None) -> pa.Table:
        """The answer to a query; every dataset is a table (see ``supply_lake.query.tables``).

        :param as_of: read every dataset as it was at this time; without a zone it is UTC
        :raises QueryError: the SQL cannot be read, names what is not there, may not run, or fails
        """
        with self.answer(sql, as_of=as_of) as answer:
            return answer.table()

    def answer(self, sql: str, *, as_of: dt.datetime | None = None) -> AbstractContextManager[Answer]:
        """The answer to a query as a stream of record batches, for the length of a ``with`` block."""
        return engine.run(self.stores, sql, View.of(self.stores.metadata, as_of=as_of))

    def rejects(
        self,
        name: str,
        *,
        snapshot_id: str | None = None,
        outcome: Outcome = "rejected",
        rule: str = "",
        source: str = "",
        limit: int | None = None,
        offset: int = 0,
    ) -> pa.Table:
        """What was set aside, one row per reason: source, line, column, value, reason, raw, outcome, snapshot_id.

        Without a snapshot these are all rows that still stand. Rows of an object that a later batch read again do not; nor do
        those that a replay took up, or of an object that was overwritten and read anew, unless rows of its older bytes are
        live, as with ``append``.

        :param rule: only reasons in which this text stands, or whose column is called so; `…` stands for whatever is there
        :param source: only of objects with this key, or end of a key from a `/` on; `*` stands for whatever is there
        :param limit: at most so many, after the first ``offset``
        :raises UnknownDataset: no dataset is called so
        :raises UnknownSnapshot: the dataset has no such snapshot
        """
        which = Which(outcome, rule, source)
        with self.rejects_answer(name, which, snapshot_id=snapshot_id, limit=limit, offset=offset) as answer:
            return answer.table()

    def rejects_answer(
        self,
        name: str,
        which: Which,
        *,
        snapshot_id: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        after: RejectPlace | None = None,
    ) -> AbstractContextManager[Answer]:
        """As ``rejects``, as a stream; ``after`` is where the page before ended."""
        view = self._rejects_view(name, snapshot_id)
        return engine.run(self.stores, reasons_sql(name, which, limit=limit, offset=offset, after=after), view)

    def rejects_summary(
        self,
        name: str,
        *,
        by: By = "rule",
        snapshot_id: str | None = None,
        outcome: Outcome = "rejected",
        rule: str = "",
        source: str = "",
    ) -> pa.Table:
        """How many rows were set aside by each rule, or of each source object, with an example; the most first.

        By rule: outcome, column, rule, rows, sources, and value, source and line of the first as example, source and line. A
        row that broke two rules counts for both. By source: outcome, source, rows, rules, the rule that it broke most often and
        the newest snapshot. Other parameters are those of ``rejects``.
        """
        view, sql = self._rejects_view(name, snapshot_id), summary_sql(name, Which(outcome, rule, source), by)
        with engine.run(self.stores, sql, view) as answer:
            return answer.table()

    def _rejects_view(self, name: str, snapshot_id: str | None) -> View:
        self._spec(name)
        view = View.of(self.stores.metadata)
        if snapshot_id is None:
            return view
        snapshot = self.snapshot(snapshot_id)
        if snapshot.dataset != name:
            raise UnknownSnapshot(f"snapshot {snapshot_id} is one of {snapshot.dataset}, not of {name}")
        return View(view.rows, lambda _: (Rejects(snapshot),))

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

    def live(self, name: str, *, as_of: dt.datetime | None = None, commit: int | None = None) -> list[Snapshot]:
        """The live set: newest, or at a time or a commit."""
        return list(live_set(self.stores.metadata, self._spec(name).name, as_of=as_of, commit=commit).snapshots)

    def _spec(self, name: str) -> DatasetSpec:
        return self.stores.registry.get(name)
