"""``Reader``: everything that can be read of a lake, under one view of it.

What belongs here: the reading surface, over values that the modules of this room give. What does not: how any of it is done,
and anything that writes (``lake``). A reader that is bound to a time or a pin shows nothing later, by whatever method.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.sql import identifier
from supply_lake.errors import UsageError
from supply_lake.ingest.stores import Stores
from supply_lake.query import backtest, engine, pins
from supply_lake.query.answer import Answer, Form, Shape
from supply_lake.query.aws_access import Access
from supply_lake.query.backtest import Question
from supply_lake.query.difference import Difference, changes
from supply_lake.query.engine import Limits
from supply_lake.query.jobs import Jobs, QueryState
from supply_lake.query.rejects import By, Outcome, RejectPlace, Which, reasons_sql, summary_sql
from supply_lake.query.schemas import DatasetSchema
from supply_lake.query.versions import Version, table
from supply_lake.query.view import View
from supply_lake.snapshots.pins import Pin
from supply_lake.snapshots.records import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

    from supply_lake.query.athena import AthenaJobs


class Reader:
    """Reads a lake.

    :param view: what is seen of it; the newest commit of each dataset, at the time of each call, when left out
    """

    def __init__(self, stores: Stores, view: View | None = None) -> None:
        self._stores, self._view = stores, view
        self._running: Jobs | AthenaJobs | None = None

    def close(self) -> None:
        """Cancel what runs behind the caller's back."""
        if self._running is not None:
            self._running.close()

    # --- what there is

    def snapshots(self, name: str, *, limit: int | None = None) -> list[Snapshot]:
        """All snapshot records of a dataset, newest first; those of batches that published nothing too.

        Under a time or a pin, those that were committed by then.

        :raises UnknownDataset: no dataset is called so
        """
        metadata, spec = self._stores.metadata, self._spec(name)
        if self._view is None:
            return metadata.snapshots(spec.name, limit)
        return list(reversed(self._view.history(spec.name).snapshots))[:limit]

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One snapshot record.

        :raises UnknownSnapshot: there is none of this id, or none that is seen
        """
        found = self._stores.metadata.snapshot(snapshot_id)
        return found if self._view is None else self._view.known(found)

    def latest(self, name: str) -> Snapshot | None:
        """The newest live snapshot; ``None`` before the first commit."""
        if self._view is None:
            return self._stores.metadata.latest(self._spec(name).name)
        return max(self.live(name), key=lambda one: (one.commit or 0, one.partition, one.id), default=None)

    def live(self, name: str, *, as_of: dt.datetime | None = None, commit: int | None = None) -> list[Snapshot]:
        """The live set: newest, or at a time or a commit."""
        return list(self.seen().rows(self._spec(name).name, _version(as_of, commit)).snapshots)

    def schema(self, name: str) -> DatasetSchema:
        """What a dataset declares and publishes, with every numbered version of it.

        :raises UnknownDataset: no dataset is called so
        """
        spec = self._spec(name)
        versions = self._stores.metadata.schema_versions(spec.name)
        if self._view is not None:
            commit = self._view.rows(spec.name).commit
            versions = [one for one in versions if one.commit <= commit]
        return DatasetSchema(spec, tuple(versions))

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
        limits: Limits | None = None,
    ) -> AbstractContextManager[Answer]:
        """As ``read``, as a stream of record batches, for the length of a ``with`` block."""
        if snapshot_id is not None:
            snapshot_id = self.snapshot(snapshot_id).id
        item = table(self._spec(name).name, _version(as_of, commit, snapshot_id))
        listed = ", ".join(map(identifier, columns)) if columns is not None else "*"
        condition = f"\nWHERE (\n{where}\n)" if where else ""
        return engine.run(self._stores, f"SELECT {listed} FROM {item}{condition}", self.seen(), limits)

    def query(
        self,
        sql: str,
        *,
        as_of: dt.datetime | None = None,
        pin: Pin | str | Path | None = None,
        to: Shape = "arrow",
        limits: Limits | None = None,
    ) -> Any:
        """The answer to a query; every dataset is a table, ``name@version`` one of its versions (see ``query.tables``).

        :param as_of: read every dataset as it was at this time; without a zone it is UTC
        :param pin: read every dataset at the commit that a pin names: the pin, its file or its URL
        :param to: ``arrow`` (a ``pyarrow.Table``), ``pandas``, ``polars`` or ``duckdb`` (a relation)
        :param limits: what it may take
        :raises QueryError: the SQL cannot be read, names what is not there, may not run, fails or takes too long
        """
        with self.answer(sql, as_of=as_of, pin=pin, limits=limits) as answer:
            return answer.to(to)

    def answer(
        self,
        sql: str,
        *,
        as_of: dt.datetime | None = None,
        pin: Pin | str | Path | None = None,
        limits: Limits | None = None,
    ) -> AbstractContextManager[Answer]:
        """The answer to a query as a stream of record batches, for the length of a ``with`` block."""
        view = self.seen(as_of, pin)
        if isinstance(jobs := self._jobs, Jobs):
            return engine.run(self._stores, sql, view, limits)
        return jobs.answer(sql, view, limits)

    def backtest(self, question: Question, times: Sequence[dt.datetime], *, parallel: int = 1) -> pa.Table:
        """What would have been answered at each of several times, as one table with the time in ``as_of``.

        >>> lake.backtest("SELECT count(*) AS n FROM orders", steps(start, end, "1d"))  # doctest: +SKIP

        :param question: SQL, or a function that is given a reader of the lake as it was at the time, and gives rows: an Arrow
            table, a data frame, dicts, one dict or one value. Neither sees anything that was committed later
        :param times: without a zone they are UTC; ``supply_lake.query.backtest.steps`` makes a series
        :param parallel: steps at once
        :raises UsageError: a time is yet to come
        :raises QueryError: a step fails; the message names its time
        """
        return backtest.run(lambda time: Reader(self._stores, self.seen(time)), question, times, parallel=parallel)

    # --- what has changed

    def diff(
        self,
        name: str,
        a: int | str | dt.datetime,
        b: int | str | dt.datetime,
        *,
        key: Sequence[str] | None = None,
    ) -> Difference:
        """What differs between two versions of a dataset: rows added, removed and changed, cell by cell where there is a key.

        >>> with lake.diff("orders", 6, 7) as found:  # doctest: +SKIP
        ...     found.added, found.table()

        :param a: the earlier version: a commit, a time, or a snapshot's id
        :param b: the later one
        :param key: columns that tell rows apart, instead of the primary key; none at all compares rows as they are
        :raises UnknownDataset: no dataset is called so
        :raises UnknownCommit: the dataset has no such commit
        :raises UnknownSnapshot: the dataset has no such snapshot, or it holds no rows
        """
        spec, view = self._spec(name), self.seen()
        before, after = (view.rows(spec.name, Version.of(one)) for one in (a, b))
        return Difference(self._stores, spec, before, after, key)

    def changes(
        self, name: str, since: int, until: int | None = None, *, key: Sequence[str] | None = None
    ) -> pa.RecordBatchReader:
        """Every change of a dataset's rows after a commit, commit by commit, with the row before and after it.

        A stream of commit, committed_at, change, key, columns, before and after (see ``query.difference``), all of one schema.

        :param since: the commit that is known already; 0 for none
        :param until: the last commit that is told; the newest one that is seen when left out
        :raises UnknownCommit: the dataset has no such commit
        """
        spec, view = self._spec(name), self.seen()
        first = view.rows(spec.name, Version(commit=since)).commit
        last = view.rows(spec.name, None if until is None else Version(commit=until)).commit
        commits = [one for one in self._stores.metadata.commits(spec.name) if first < one.number <= last]
        return changes(self._stores, spec, commits, self._stores.metadata.snapshot, key)

    # --- behind the caller's back

    def start_query(
        self,
        sql: str,
        *,
        as_of: dt.datetime | None = None,
        pin: Pin | str | Path | None = None,
        limits: Limits | None = None,
        output_location: str = "",
        format: Form = "parquet",
        token: str = "",
        role_arn: str = "",
        external_id: str = "",
        session_tags: Mapping[str, str] | None = None,
        workgroup: str = "",
    ) -> str:
        """Begin a query and return its id at once; ``get_query`` tells how it stands, ``result`` has its rows.

        :param output_location: a file or URL that the rows are written to besides, in ``format``; of Athena, where it writes
        :param token: made up by the caller; asked again with the same one, the first query is meant
        :param role_arn: Athena's alone: the role to ask as, which may be of another account, with the ``external_id`` that its
            trust policy asks for, and ``session_tags``
        :param workgroup: Athena's alone
        :raises UsageError: the engine has no roles or workgroups, or the token stands for another query
        """
        access = Access(role_arn, external_id, tuple(sorted((session_tags or {}).items())))
        jobs, view = self._jobs, self.seen(as_of, pin)
        if isinstance(jobs, Jobs):
            if access != Access() or workgroup:
                raise UsageError("the embedded engine has neither roles nor workgroups; set SUPPLY_LAKE_QUERY=athena for those")
            return jobs.start(sql, view, limits=limits, output=output_location, form=format, token=token)
        return jobs.start(
            sql,
            view,
            limits=limits,
            output=output_location,
            form=format,
            token=token,
            access=access,
            workgroup=workgroup,
        )

    def get_query(self, query_id: str) -> QueryState:
        """How a query stands: state, error, rows, bytes of the files that it may read.

        :raises UnknownQuery: there is none of this id, or it is not kept any more
        """
        return self._jobs.get(query_id)

    def result(self, query_id: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """The rows of a query that succeeded, as a stream, for the length of a ``with`` block.

        :raises QueryError: it has not succeeded
        """
        return self._jobs.result(query_id)

    def cancel(self, query_id: str) -> QueryState:
        """Give a query up, if it has not ended."""
        return self._jobs.cancel(query_id)

    @property
    def _jobs(self) -> Jobs | AthenaJobs:
        if self._running is None:
            self._running = _athena(self._stores) if self._stores.settings.query == "athena" else Jobs(self._stores)
        return self._running

    # --- what was set aside

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
        sql = reasons_sql(self._rejects(name, snapshot_id), which, limit=limit, offset=offset, after=after)
        return engine.run(self._stores, sql, self.seen())

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
        sql = summary_sql(self._rejects(name, snapshot_id), Which(outcome, rule, source), by)
        with engine.run(self._stores, sql, self.seen()) as answer:
            return answer.table()

    def _rejects(self, name: str, snapshot_id: str | None) -> str:
        version = None
        if snapshot_id is not None:
            version = Version(snapshot=self.snapshot(snapshot_id).id)
        return table(f"{self._spec(name).name}__rejects", version)

    # --- the view

    def seen(self, as_of: dt.datetime | None = None, pin: Pin | str | Path | None = None) -> View:
        """What is seen of the lake, at a time or under a pin, if given."""
        view = self._view or View.newest(self._stores.metadata)
        if pin is not None:
            if self._view is not None:
                raise UsageError("this lake is read under a pin or a time already; open it anew for another pin")
            view = pins.view(self._stores.metadata, pin if isinstance(pin, Pin) else pins.load(pin))
        return view if as_of is None else view.until(as_of)

    def _spec(self, name: str) -> DatasetSpec:
        return self._stores.registry.get(name)


def _athena(stores: Stores) -> AthenaJobs:
    from supply_lake.query.athena import AthenaJobs  # its parser is large, and most lakes do without

    return AthenaJobs(stores)


def _version(as_of: dt.datetime | None, commit: int | None, snapshot_id: str | None = None) -> Version | None:
    given = [one for one in (as_of, commit, snapshot_id) if one is not None]
    if len(given) > 1:
        raise UsageError("give one of as_of, commit and snapshot_id, not several")
    if not given:
        return None
    return Version(commit=commit) if snapshot_id is None and as_of is None else Version.of(given[0])
