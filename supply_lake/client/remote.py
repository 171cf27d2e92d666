"""``RemoteLake``: the lake that a service serves, with the reads of ``Lake``: the same names, arguments, values and errors.

What belongs here: which route answers which read, and JSON → the values that ``Lake`` gives. What does not: HTTP (``http``).
A snapshot in a live set at a commit is told as it stood at that commit.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from supply_lake.client.http import Connection
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import NotFound, UsageError
from supply_lake.query.rejects import By, Outcome
from supply_lake.query.schemas import DatasetSchema
from supply_lake.query.states import DatasetState
from supply_lake.snapshots.records import Commit, Snapshot, snapshot_from_json
from supply_lake.snapshots.schema_versions import version_from_json

if TYPE_CHECKING:
    import httpx

_ARROW, _FILE = "application/vnd.apache.arrow.stream", "application/octet-stream"
_PAGE = 200


class RemoteLake:
    """A lake over HTTP. Use it in a ``with`` block, or call ``close``. Make one by ``Lake.connect``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @staticmethod
    def connect(url: str, token: str, transport: httpx.BaseTransport | None = None) -> RemoteLake:
        """Connect, and see to it that the token opens something.

        :param transport: how requests travel; by default over the network
        :raises Unauthenticated: the token opens nothing
        :raises StoreUnavailable: the service does not answer
        """
        lake = RemoteLake(Connection(url, token, transport))
        try:
            lake._connection.get("/v1/me")
        except BaseException:
            lake.close()
            raise
        return lake

    def close(self) -> None:
        """Give up connections."""
        self._connection.close()

    def __enter__(self) -> RemoteLake:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- what there is

    def datasets(self) -> dict[str, DatasetState]:
        """Every dataset that the token may read, by name."""
        found = self._connection.pages("/v1/datasets", "datasets", contract=True, limit=_PAGE)
        return {one["dataset"]: _state(one) for one in found}

    def snapshots(self, name: str, *, limit: int | None = None) -> list[Snapshot]:
        """All snapshot records of a dataset, newest first; those of batches that published nothing too."""
        pages = self._connection.pages(f"{_path(name)}/snapshots", "snapshots", full=True, limit=min(limit or _PAGE, _PAGE))
        return [snapshot_from_json(one) for one in islice(pages, limit)]

    def latest(self, name: str) -> Snapshot | None:
        """The newest live snapshot; ``None`` before the first commit."""
        if not self._connection.get(_path(name))["snapshots"]:
            return None
        return self.snapshot(self._connection.get(f"{_path(name)}/latest")["snapshot_id"])

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One snapshot record.

        :raises UnknownSnapshot: there is none of this id, or the token may not read its dataset
        """
        return snapshot_from_json(self._connection.get(f"/v1/snapshots/{_segment(snapshot_id)}"))

    def schema(self, name: str) -> DatasetSchema:
        """What a dataset declares and publishes, with every numbered version of it."""
        spec = DatasetSpec.model_validate(self._connection.get(f"{_path(name)}/contract")["contract"])
        versions = self._connection.get(f"{_path(name)}/schema")["versions"]
        return DatasetSchema(spec, tuple(version_from_json(name, one) for one in versions))

    def live(self, name: str, *, as_of: dt.datetime | None = None, commit: int | None = None) -> list[Snapshot]:
        """The live set: newest, or at a time or a commit."""
        if commit is None or as_of is not None:
            first = self._connection.get(f"{_path(name)}/live", limit=1, commit=commit, as_of=_time(as_of))
            commit = first["commit"]
        pages = self._connection.pages(f"{_path(name)}/live", "snapshots", full=True, limit=_PAGE, commit=commit)
        return [snapshot_from_json(one) for one in pages]

    def commits(self, name: str, *, after: int = 0) -> list[Commit]:
        """The numbered history after a commit, oldest first."""
        found: list[Commit] = []
        while True:
            page = self._connection.get(f"{_path(name)}/commits", after=found[-1].number if found else after, limit=_PAGE)
            found += [_commit(one) for one in page["commits"]]
            if page["next"] is None:
                return found

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
        """The rows of a dataset: of its newest live set, at a time, at a commit, or of one snapshot; see ``Lake.read``."""
        at = {"as_of": _time(as_of), "commit": commit, "snapshot_id": snapshot_id}
        listed = list(columns) if columns is not None else None
        with self._rows("GET", f"{_path(name)}/rows", **at, columns=listed, where=where, format="arrow") as reader:
            return reader.read_all()

    def query(self, sql: str, *, as_of: dt.datetime | None = None) -> pa.Table:
        """The answer to a query over the datasets whose rows the token may read; see ``Lake.query``."""
        with self.answer(sql, as_of=as_of) as reader:
            return reader.read_all()

    @contextmanager
    def answer(self, sql: str, *, as_of: dt.datetime | None = None) -> Iterator[pa.RecordBatchReader]:
        """The answer to a query as a stream of record batches, for the length of a ``with`` block."""
        with self._rows("POST", "/v1/query", json={"sql": sql, "as_of": _time(as_of), "format": "arrow"}) as reader:
            yield reader

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
        """What was set aside, one row per reason; see ``Lake.rejects``."""
        asked = {"snapshot_id": snapshot_id, "outcome": outcome, "rule": rule, "source": source}
        pages = self._connection.pages(f"{_path(name)}/rejects", "rejects", **asked, limit=1000)
        end = None if limit is None else offset + limit
        return pa.Table.from_pylist(list(islice(pages, offset, end)), _REJECTS)

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
        """How many rows were set aside by each rule, or of each source object; see ``Lake.rejects_summary``."""
        asked = {"by": by, "snapshot_id": snapshot_id, "outcome": outcome, "rule": rule, "source": source}
        found = self._connection.get(f"{_path(name)}/rejects/summary", **asked)
        return pa.Table.from_pylist(found["groups"], _SUMMARIES[by])

    # --- doing

    def land(
        self,
        name: str,
        *files: str | Path,
        data: bytes | BinaryIO | None = None,
        records: Any = None,
        file: str = "",
        date: dt.date | None = None,
    ) -> list[dict[str, Any]]:
        """Push files, bytes in the dataset's format, or records into landing; see ``Lake.land``.

        :param records: dicts, an Arrow table, a pandas or polars data frame
        :returns: for each what landed: dataset, key, uri, etag, size
        """
        landed = []
        for one in map(Path, files):
            if not one.is_file():
                raise UsageError(f"{one} is no file; give the path of the file to land")
            with one.open("rb") as body:
                landed.append(self._push(name, body, _FILE, one.name, date))
        if data is not None:
            landed.append(self._push(name, data, _FILE, file, date))
        if records is not None:
            landed.append(self._push(name, _stream(records), _ARROW, file, date))
        return landed

    def _push(self, name: str, body: Any, kind: str, file: str, date: dt.date | None) -> dict[str, Any]:
        told: dict[str, Any] = self._connection.post(
            f"{_path(name)}/records", body, kind, file=file or None, date=date.isoformat() if date else None
        )
        return told

    @contextmanager
    def _rows(self, method: str, path: str, **asked: Any) -> Iterator[pa.RecordBatchReader]:
        with self._connection.stream(method, path, **asked) as body, pa.ipc.open_stream(body) as reader:
            yield reader


_TEXTS = ("column", "value", "reason", "raw", "outcome", "snapshot_id")
_REJECTS = pa.schema([("source", pa.string()), ("line", pa.int64()), *((name, pa.string()) for name in _TEXTS)])
_SUMMARIES: dict[By, pa.Schema] = {
    "rule": pa.schema(
        [
            *((name, pa.string()) for name in ("outcome", "column", "rule")),
            *((name, pa.int64()) for name in ("rows", "sources")),
            *((name, pa.string()) for name in ("example", "source")),
            ("line", pa.int64()),
        ]
    ),
    "source": pa.schema(
        [
            *((name, pa.string()) for name in ("outcome", "source")),
            *((name, pa.int64()) for name in ("rows", "rules")),
            *((name, pa.string()) for name in ("most_often", "snapshot_id")),
        ]
    ),
}


def _path(name: str) -> str:
    return f"/v1/datasets/{_segment(name)}"


def _segment(text: str) -> str:
    """A name that can stand in a path; every other is that of nothing."""
    if not text or not all(char.isalnum() or char in "_-" for char in text):
        raise NotFound(f"nothing is called {text!r}; names and ids are of letters, digits, `_` and `-`")
    return text


def _time(time: dt.datetime | None) -> str | None:
    if time is None:
        return None
    return (time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time).isoformat()


def _state(told: dict[str, Any]) -> DatasetState:
    time, late = told["committed_at"], told["late_hours"]
    return DatasetState(
        spec=DatasetSpec.model_validate(told["contract"]),
        commit=told["commit"],
        committed_at=dt.datetime.fromisoformat(time) if time else None,
        snapshots=told["snapshots"],
        partitions=told["partitions"],
        rows=told["rows"],
        bytes=told["bytes"],
        pending=told["pending"],
        late=dt.timedelta(hours=late) if late is not None else None,
    )


def _commit(told: dict[str, Any]) -> Commit:
    return Commit(
        dataset=told["dataset"],
        number=told["commit"],
        committed_at=dt.datetime.fromisoformat(told["committed_at"]),
        batch_id=told["batch_id"],
        added=tuple(told["added"]),
        superseded=tuple(told["superseded"]),
        revoked=tuple(told["revoked"]),
        reason=told["reason"],
        by=told["by"],
    )


def _stream(records: Any) -> bytes:
    """Records as an Arrow stream."""
    table = records if isinstance(records, pa.Table) else _table(records)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _table(records: Any) -> pa.Table:
    if hasattr(records, "__arrow_c_stream__"):
        return pa.table(records)
    return pa.Table.from_pylist(list(records))
