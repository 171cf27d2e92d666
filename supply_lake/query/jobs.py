"""Queries that run behind the caller's back: start one, ask how it stands, take its rows when it has ended, or cancel it.

What belongs here: the life of such a query. Its state and its rows lie in a folder of its own below ``<home>/queries``, so that
another process, or this one after a restart, finds them; whoever runs a query holds a lock there, so one whose process has died
is told from one that works. What does not: running SQL (``engine``).
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa

from supply_lake.errors import QueryCancelled, QueryError, SupplyLakeError, UnknownQuery, UsageError
from supply_lake.ingest.stores import Stores
from supply_lake.query import engine
from supply_lake.query.answer import Form, write
from supply_lake.query.engine import Limits
from supply_lake.query.view import View
from supply_lake.query.worker import Worker
from supply_lake.storage.object_store import ObjectStore

AT_ONCE = 2
KEPT = dt.timedelta(days=1)
"""How long the rows of a query that has ended are kept."""
_ID = uuid.UUID("5a1ea4e0-0000-4000-8000-6a0b5c0de000")


class State(StrEnum):
    """Where a query stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class QueryState:
    """What is known of one query.

    ``rows`` counts those of the answer, where the engine tells. ``bytes`` are those of the files that it may read, known once
    it runs. ``output`` is where its rows were written to besides. An engine that charges tells the bytes that it ``scanned``,
    what they cost, and whether it ``reused`` an earlier answer.
    """

    id: str
    sql: str
    state: State
    submitted_at: dt.datetime
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    error: str = ""
    rows: int = 0
    bytes: int = 0
    output: str = ""
    scanned: int = 0
    cost_usd: float = 0.0
    reused: bool = False


def state_json(state: QueryState) -> dict[str, Any]:
    """A state as public JSON."""
    times = {name: getattr(state, name) for name in ("submitted_at", "started_at", "ended_at")}
    return {**asdict(state), "state": str(state.state), **{name: one and one.isoformat() for name, one in times.items()}}


def _state_from_json(data: dict[str, Any]) -> QueryState:
    times = {name: data[name] for name in ("submitted_at", "started_at", "ended_at")}
    parsed = {name: dt.datetime.fromisoformat(one) if one else None for name, one in times.items()}
    return QueryState(**{**data, "state": State(data["state"]), **parsed})


def identity_of(token: str) -> str:
    """The id of the query that was started with this token."""
    return str(uuid.uuid5(_ID, token))


class Jobs:
    """The queries of one lake. Threads may share it."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._folder = stores.settings.home / "queries"
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="query-job")
        self._lock = threading.Lock()
        self._states: dict[str, QueryState] = {}
        self._workers: dict[str, Worker] = {}
        self._cancelled: set[str] = set()

    def start(
        self, sql: str, view: View, *, limits: Limits | None = None, output: str = "", form: Form = "parquet", token: str = ""
    ) -> str:
        """Queue a query; returns its id at once. What is wrong with it is told by its state.

        :param output: a file or URL that its rows are written to besides, whole or not at all
        :param token: made up by the caller; asked again with the same one, the first query is meant
        :raises UsageError: the token stands for another query
        """
        self._forget_old()
        identity = identity_of(token) if token else str(uuid.uuid4())
        state = QueryState(identity, sql, State.QUEUED, _now(), output=output)
        folder = self._folder / identity
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if self.get(identity).sql != sql:
                raise UsageError(f"token {token!r} stands for another query; make up a new one") from None
            return identity
        held = _hold(folder)
        self._put(state)
        self._pool.submit(self._run, state, view, limits, form, held)
        return identity

    def get(self, identity: str) -> QueryState:
        """Where a query stands.

        :raises UnknownQuery: there is none of this id, or it is not kept any more
        """
        with self._lock:
            own = self._states.get(identity)
        if own is not None:
            return own
        state = self._read(identity)
        if not state.state.ended and _is_free(self._folder / identity):
            state = self._read(identity)  # it may have ended in between
            if not state.state.ended:
                return replace(state, state=State.FAILED, error="the process that ran the query has ended; start it again")
        return state

    @contextmanager
    def result(self, identity: str) -> Iterator[pa.RecordBatchReader]:
        """The rows of a query that succeeded, as a stream, for the length of the block; again as often as they are asked for.

        :raises UnknownQuery: there is none of this id, or it is not kept any more
        :raises QueryError: it has not succeeded; the message says why
        """
        state = self.get(identity)
        if state.state is not State.SUCCEEDED:
            raise QueryError(
                f"query {identity} is {state.state}{f': {state.error}' if state.error else '; it has no rows yet'}"
            )
        with pa.OSFile(str(self._folder / identity / "rows.arrow")) as file, pa.ipc.open_stream(file) as reader:
            yield reader

    def cancel(self, identity: str) -> QueryState:
        """Give a query up, if it has not ended; only by the process that runs it.

        :raises UnknownQuery: there is none of this id
        :raises UsageError: another process runs it
        """
        state = self.get(identity)
        if state.state.ended:
            return state
        with self._lock:
            state = self._states.get(identity, state)
            mine, worker = identity in self._states, self._workers.get(identity)
            self._cancelled.add(identity)
            if mine and state.state is State.QUEUED:
                state = replace(state, state=State.CANCELLED, ended_at=_now(), error="the query was cancelled")
                self._states[identity] = state
                self._save(state)
        if not mine:
            raise UsageError(f"query {identity} is run by another process; cancel it there")
        if worker is not None:
            worker.cancel()
        return self.get(identity)

    def close(self) -> None:
        """Cancel what runs, and end."""
        with self._lock:
            waiting = [one.id for one in self._states.values() if not one.state.ended]
        for identity in waiting:
            self.cancel(identity)
        self._pool.shutdown()

    def _run(self, state: QueryState, view: View, limits: Limits | None, form: Form, held: int) -> None:
        try:
            with self._lock:
                if self._states[state.id].state.ended:
                    return
                state = self._states[state.id] = replace(state, state=State.RUNNING, started_at=_now())
            try:
                self._save(state)
                state = self._work(state, view, limits, form)
                ended = State.SUCCEEDED, ""
            except QueryCancelled as error:
                ended = State.CANCELLED, str(error)
            except SupplyLakeError as error:
                ended = State.FAILED, str(error)
            except Exception as error:  # nobody waits for this thread: what goes wrong is told by the state or by nothing
                ended = State.FAILED, f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
            self._put(replace(state, state=ended[0], error=ended[1], ended_at=_now()))
        finally:
            with self._lock:
                self._workers.pop(state.id, None)
                self._cancelled.discard(state.id)
            os.close(held)

    def _work(self, state: QueryState, view: View, limits: Limits | None, form: Form) -> QueryState:
        rows = self._folder / state.id / "rows.arrow"

        def started(worker: Worker) -> None:
            with self._lock:
                self._workers[state.id] = worker
                cancelled = state.id in self._cancelled
            if cancelled:
                worker.cancel()

        with engine.run(self._stores, state.sql, view, limits, started) as answer, rows.open("wb") as target:
            state = self._put(replace(state, bytes=answer.bytes))
            state = replace(state, rows=answer.write(target, "arrow"))
        if state.output:
            folder, _, name = state.output.rpartition("/")
            there = ObjectStore.open(folder or "/", self._stores.settings.encryption).writer(name)
            with pa.OSFile(str(rows)) as file, pa.ipc.open_stream(file) as reader, there as output:
                write(reader.schema, iter(reader), output, form)
        return state

    def _put(self, state: QueryState) -> QueryState:
        with self._lock:
            self._states[state.id] = state
        self._save(state)
        return state

    def _save(self, state: QueryState) -> None:
        path = self._folder / state.id / "state.json"
        fresh = path.with_suffix(f".{uuid.uuid4().hex}")
        fresh.write_text(json.dumps(state_json(state)), encoding="utf-8")
        fresh.replace(path)

    def _read(self, identity: str) -> QueryState:
        try:
            uuid.UUID(identity)
            return _state_from_json(json.loads((self._folder / identity / "state.json").read_text(encoding="utf-8")))
        except (ValueError, FileNotFoundError) as error:
            raise UnknownQuery(f"no query has the id {identity!r}; rows are kept for {KEPT.days} day after it ended") from error

    def _forget_old(self) -> None:
        for folder in self._folder.glob("*"):
            with suppress(SupplyLakeError):
                state = self.get(folder.name)
                if state.state.ended and (state.ended_at or state.submitted_at) < _now() - KEPT:
                    shutil.rmtree(folder, ignore_errors=True)
                    with self._lock:
                        self._states.pop(folder.name, None)


def _hold(folder: Path) -> int:
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _is_free(folder: Path) -> bool:
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
