"""Queries on Athena: start one, ask how it stands, take its rows when it has ended, or cancel it. The surface is that of
``jobs``.

What belongs here: requests, and the little that is remembered of a query: a file for each below ``<home>/athena``, so that
another process finds it. What does not: the statement (``athena_sql``), roles (``aws_access``), the rows (``athena_rows``).

An answer that has an order, and every one that is asked for as CSV, is fetched from Athena page by page. Any other is
unloaded as Parquet, which keeps every type to the last field and comes as fast as S3 gives it, but in no order.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa

from supply_lake.errors import QueryError, QueryTimeout, SupplyLakeError, UnknownQuery, UsageError
from supply_lake.ingest.stores import Stores
from supply_lake.query.answer import Answer, Form
from supply_lake.query.athena_rows import batches, schema_of
from supply_lake.query.athena_sql import Binder, Bound
from supply_lake.query.aws_access import Access, Clients
from supply_lake.query.engine import Limits
from supply_lake.query.jobs import QueryState, State
from supply_lake.query.view import View

USD_PER_TIB = 5.0
LEAST_BYTES = 10 * 1024**2
"""Athena charges so many bytes of a query at least."""
_ID = uuid.UUID("a7e4a000-0000-4000-8000-6a0b5c0de000")
_PAGE = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is remembered of a query. ``execution`` is Athena's id; empty when it was refused, for ``error``."""

    id: str
    sql: str
    submitted_at: str
    execution: str = ""
    error: str = ""
    bytes: int = 0
    unloaded: str = ""
    role_arn: str = ""
    external_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def access(self) -> Access:
        """As whom it was asked."""
        return Access(self.role_arn, self.external_id, tuple((key, value) for key, value in self.tags))


class AthenaJobs:
    """The queries of one lake on Athena. Threads may share it.

    :param clients: makes clients of Athena and S3
    :raises UsageError: the lake has no Glue catalog
    """

    def __init__(self, stores: Stores, clients: Clients | None = None) -> None:
        if stores.catalog is None:
            raise UsageError("Athena reads what the Glue catalog shows; set SUPPLY_LAKE_CATALOG=glue")
        self._stores, self._catalog, self._clients = stores, stores.catalog, clients or Clients()
        self._folder = stores.settings.home / "athena"

    def start(
        self,
        sql: str,
        view: View,
        *,
        limits: Limits | None = None,
        output: str = "",
        form: Form = "parquet",
        token: str = "",
        access: Access | None = None,
        workgroup: str = "",
    ) -> str:
        """Begin a query; returns its id. What is wrong with it is told by its state.

        :param limits: ``bytes`` of the files that it may read: a query past it is never sent, and costs nothing
        :param output: ``s3://bucket/prefix`` that Athena writes to; by default ``SUPPLY_LAKE_ATHENA_OUTPUT``, else the group's
        :param token: made up by the caller; asked again with the same one, the first query is meant, and it runs once
        :param access: as whom it is asked
        :param workgroup: by default ``SUPPLY_LAKE_ATHENA_WORKGROUP``
        :raises UsageError: the token stands for another query, or the form is none that Athena writes
        """
        if form not in ("parquet", "csv"):
            raise UsageError(f"Athena gives rows as parquet or csv, not as {form!r}")
        identity = str(uuid.uuid5(_ID, token)) if token else str(uuid.uuid4())
        if token and (known := self._known(identity)) is not None:
            if known.sql != sql:
                raise UsageError(f"token {token!r} stands for another query; make up a new one")
            return identity
        access = access or Access()
        told = {"role_arn": access.role_arn, "external_id": access.external_id, "tags": access.tags}
        asked = Asked(identity, sql, dt.datetime.now(dt.UTC).isoformat(), **told)  # type: ignore[arg-type]
        try:
            bound = Binder(self._catalog, self._stores.registry, view, limits.datasets if limits else None).bind(sql)
            asked = replace(asked, bytes=bound.bytes)
            _refuse_costly(bound, (limits.bytes if limits else None) or self._stores.settings.athena_bytes)
            asked = self._send(asked, bound, output=output, form=form, workgroup=workgroup)
        except SupplyLakeError as error:
            asked = replace(asked, error=str(error))
        self._remember(asked)
        return identity

    def get(self, identity: str) -> QueryState:
        """Where a query stands.

        :raises UnknownQuery: there is none of this id
        """
        asked = self._asked(identity)
        if not asked.execution:
            time = dt.datetime.fromisoformat(asked.submitted_at)
            return QueryState(asked.id, asked.sql, State.FAILED, time, ended_at=time, error=asked.error, bytes=asked.bytes)
        told = self._call(asked, "get_query_execution", QueryExecutionId=asked.execution)["QueryExecution"]
        return _state(asked, told)

    @contextmanager
    def result(self, identity: str) -> Iterator[pa.RecordBatchReader]:
        """The rows of a query that succeeded, as a stream, for the length of the block.

        :raises UnknownQuery: there is none of this id
        :raises QueryError: it has not succeeded; the message says why
        """
        asked, state = self._asked(identity), self.get(identity)
        if state.state is not State.SUCCEEDED:
            why = f": {state.error}" if state.error else "; it has no rows yet"
            raise QueryError(f"query {identity} is {state.state}{why}")
        with tempfile.TemporaryDirectory(prefix="athena-") as folder:
            yield self._unloaded(asked, Path(folder)) if asked.unloaded else self._paged(asked)

    def cancel(self, identity: str) -> QueryState:
        """Give a query up, if it has not ended. What it scanned until then is charged.

        :raises UnknownQuery: there is none of this id
        """
        asked, state = self._asked(identity), self.get(identity)
        if not state.state.ended:
            self._call(asked, "stop_query_execution", QueryExecutionId=asked.execution)
            state = self.get(identity)
        return state

    def close(self) -> None:
        """Nothing is held; queries go on."""

    # --- sending

    def _send(self, asked: Asked, bound: Bound, *, output: str, form: Form, workgroup: str) -> Asked:
        settings = self._stores.settings
        place = (output or settings.athena_output).rstrip("/")
        if place and not place.startswith("s3://"):
            raise QueryError(f"Athena writes to S3, not to {place}; give s3://bucket/prefix")
        unload = form == "parquet" and not bound.ordered and bool(place)
        target = f"{place}/{asked.id}/" if unload else ""
        sql = f"UNLOAD ({bound.sql}) TO '{target}' WITH (format = 'PARQUET', compression = 'ZSTD')" if unload else bound.sql
        minutes = settings.athena_reuse_minutes
        reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": minutes}}
        told = self._call(
            asked,
            "start_query_execution",
            QueryString=sql,
            ClientRequestToken=asked.id,
            QueryExecutionContext={"Database": self._catalog.api.database},
            WorkGroup=workgroup or settings.athena_workgroup,
            **({"ResultConfiguration": {"OutputLocation": f"{place}/"}} if place else {}),
            **({"ResultReuseConfiguration": reuse} if minutes and not unload else {}),
        )
        return replace(asked, execution=told["QueryExecutionId"], unloaded=target)

    def _call(self, asked: Asked, call: str, **request: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            return getattr(self._clients.client("athena", asked.access), call)(**request)
        except (ClientError, BotoCoreError) as error:
            raise QueryError(f"Athena refuses {call}: {error}") from error

    # --- rows

    def _paged(self, asked: Asked) -> pa.RecordBatchReader:
        pages = self._pages(asked)
        first = next(pages)
        columns = first["ResultSetMetadata"]["ColumnInfo"]
        names = [{"VarCharValue": one["Name"]} for one in columns]
        rows = first["Rows"]
        if rows and rows[0]["Data"] == names:
            rows = rows[1:]  # Athena puts the names before the rows, once
        rest = chain([rows], (page["Rows"] for page in pages))
        return pa.RecordBatchReader.from_batches(schema_of(columns), batches(columns, rest))

    def _pages(self, asked: Asked) -> Iterator[Mapping[str, Any]]:
        more: dict[str, str] = {}
        while True:
            found = self._call(asked, "get_query_results", QueryExecutionId=asked.execution, MaxResults=_PAGE, **more)
            yield found["ResultSet"]
            if not found.get("NextToken"):
                return
            more = {"NextToken": found["NextToken"]}

    def _unloaded(self, asked: Asked, folder: Path) -> pa.RecordBatchReader:
        """The Parquet files that the query wrote, one after the other; each is on this disk while it is read."""
        import pyarrow.parquet as pq

        def each() -> Iterator[pa.RecordBatch]:
            for number, key in enumerate(keys):
                path = folder / f"{number}.parquet"
                s3.download_file(bucket, key, str(path))
                with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
                    for batch in file.iter_batches():
                        yield _in_utc(batch)
                path.unlink()

        s3, bucket = self._clients.client("s3", asked.access), urlsplit(asked.unloaded).netloc
        listing = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=urlsplit(asked.unloaded).path.lstrip("/"))
        keys = sorted(one["Key"] for page in listing for one in page.get("Contents", ()))
        rows = each()
        first = next(rows, None)
        if first is None:
            return pa.RecordBatchReader.from_batches(self._schema_of_nothing(asked), iter(()))
        return pa.RecordBatchReader.from_batches(first.schema, chain([first], rows))

    def _schema_of_nothing(self, asked: Asked) -> pa.Schema:
        """The columns of an unloaded answer without rows: Athena writes no file then, but its statement tells them."""
        told = self._call(asked, "get_query_execution", QueryExecutionId=asked.execution)["QueryExecution"]
        inner = told["Query"][len("UNLOAD (") : told["Query"].rindex(") TO '")]
        sent = self._call(
            asked,
            "start_query_execution",
            QueryString=f"SELECT * FROM ({inner}) LIMIT 0",
            QueryExecutionContext=told["QueryExecutionContext"],
            WorkGroup=told["WorkGroup"],
            ResultConfiguration={"OutputLocation": asked.unloaded},
        )
        probe = replace(asked, execution=sent["QueryExecutionId"], unloaded="")
        state = self._ended(probe)
        if state.state is not State.SUCCEEDED:
            raise QueryError(f"the columns of query {asked.id}, which has no rows, cannot be told: {state.error}")
        return schema_of(next(self._pages(probe))["ResultSetMetadata"]["ColumnInfo"])

    def _ended(self, asked: Asked, seconds: float | None = None) -> QueryState:
        from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, stop_never, wait_exponential

        def look() -> QueryState:
            told = self._call(asked, "get_query_execution", QueryExecutionId=asked.execution)["QueryExecution"]
            return _state(asked, told)

        looking = Retrying(
            retry=retry_if_result(lambda one: not one.state.ended),
            wait=wait_exponential(multiplier=0.1, max=2),
            stop=stop_after_delay(seconds) if seconds else stop_never,
        )
        try:
            ended: QueryState = looking(look)
        except RetryError as error:
            raise QueryTimeout(f"the query took longer than {seconds:,.0f} s; raise SUPPLY_LAKE_QUERY_SECONDS") from error
        return ended

    @contextmanager
    def answer(self, sql: str, view: View, limits: Limits | None = None) -> Iterator[Answer]:
        """Ask, wait, and hand the rows over, for the length of the block; left before it has ended, the query is cancelled.

        :raises QueryError: it was refused, or failed
        :raises QueryTimeout: it took longer than it may
        """
        seconds = (limits.seconds if limits else None) or self._stores.settings.query_seconds
        identity = self.start(sql, view, limits=limits)
        try:
            state = self.wait(identity, seconds)
        except BaseException:
            self.cancel(identity)
            raise
        if state.state is not State.SUCCEEDED:
            raise QueryError(state.error)
        with self.result(identity) as rows:
            yield Answer(rows, _Here(self, identity), nullcontext)

    def wait(self, identity: str, seconds: float | None = None) -> QueryState:
        """The state of a query once it has ended.

        :raises UnknownQuery: there is none of this id
        :raises QueryTimeout: that took longer than so many seconds
        """
        asked = self._asked(identity)
        return self._ended(asked, seconds) if asked.execution else self.get(identity)

    # --- memory

    def _asked(self, identity: str) -> Asked:
        known = self._known(identity)
        if known is None:
            raise UnknownQuery(f"no query has the id {identity!r}; ask where it was started")
        return known

    def _known(self, identity: str) -> Asked | None:
        try:
            uuid.UUID(identity)
            told = json.loads((self._folder / f"{identity}.json").read_text(encoding="utf-8"))
        except (ValueError, FileNotFoundError):
            return None
        return Asked(**{**told, "tags": tuple((key, value) for key, value in told["tags"])})

    def _remember(self, asked: Asked) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f"{asked.id}.{uuid.uuid4().hex}"
        fresh.write_text(json.dumps(asdict(asked)), encoding="utf-8")
        fresh.replace(self._folder / f"{asked.id}.json")


class _Here:
    """Rows are fetched by whoever asks for them."""

    def __init__(self, jobs: AthenaJobs, identity: str) -> None:
        self._jobs, self._identity = jobs, identity

    def run(self, work: Callable[[], T]) -> T:
        """Do it."""
        return work()

    def cancel(self) -> None:
        """Give the query up."""
        self._jobs.cancel(self._identity)


def cost(scanned: int) -> float:
    """US dollars for so many scanned bytes, at the list price of most regions."""
    return max(scanned, LEAST_BYTES) / 1024**4 * USD_PER_TIB if scanned else 0.0


def _refuse_costly(bound: Bound, most: int | None) -> None:
    if most and bound.bytes > most:
        raise QueryError(
            f"the query may read {bound.bytes:,} bytes of files, more than the {most:,} that it is allowed; it was not sent. "
            "Read an earlier or smaller version, or allow more"
        )


def _state(asked: Asked, told: Mapping[str, Any]) -> QueryState:
    status, figures = told["Status"], told.get("Statistics", {})
    state = State(status["State"].lower())
    scanned = figures.get("DataScannedInBytes", 0)
    reused = figures.get("ResultReuseInformation", {}).get("ReusedPreviousResult", False)
    return QueryState(
        asked.id,
        asked.sql,
        state,
        status["SubmissionDateTime"],
        started_at=None if state is State.QUEUED else status["SubmissionDateTime"],
        ended_at=status.get("CompletionDateTime") if state.ended else None,
        error="" if state is State.SUCCEEDED or not state.ended else status.get("StateChangeReason", ""),
        bytes=asked.bytes,
        output=asked.unloaded or told.get("ResultConfiguration", {}).get("OutputLocation", ""),
        scanned=scanned,
        cost_usd=0.0 if state is State.FAILED or reused else cost(scanned),
        reused=reused,
    )


def _in_utc(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Timestamps with their zone; Athena writes them without, and all of this lake are UTC."""
    moments = pa.timestamp("us", "UTC")
    fields = [pa.field(one.name, moments if pa.types.is_timestamp(one.type) else one.type) for one in batch.schema]
    return batch.cast(pa.schema(fields))
