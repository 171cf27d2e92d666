"""Queries that run behind the caller's back."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from supply_lake.errors import QueryError, UnknownQuery, UsageError
from supply_lake.query import jobs
from supply_lake.query.jobs import Jobs, QueryState, State, state_json
from supply_lake.query.reader import Reader
from supply_lake_tests.query.made_lake import MadeLake

ENDLESS = "SELECT sum(hash(range)) FROM range(100000000000)"
ONE = ("o1", 1, Decimal("1.50"))


@pytest.fixture
def reader(lake: MadeLake) -> Iterator[Reader]:
    reader = Reader(lake.stores)
    yield reader
    reader.close()


def wait(reader: Reader, query_id: str, *until: State) -> QueryState:
    """The state once it is one of these, or has ended."""
    pause = threading.Event()
    for _ in range(2_000):
        state = reader.get_query(query_id)
        if state.state in until or state.state.ended:
            return state
        pause.wait(0.01)
    raise AssertionError(f"the query is {state.state} still")


def test_a_query_is_started_asked_for_and_its_rows_are_typed_as_they_were(lake: MadeLake, reader: Reader) -> None:
    lake.commit([ONE])
    query_id = reader.start_query("FROM orders")
    state = wait(reader, query_id)
    assert (state.state, state.error, state.rows, state.sql) == (State.SUCCEEDED, "", 1, "FROM orders")
    assert state.bytes > 0
    assert state.started_at is not None
    assert state.ended_at is not None
    assert state.submitted_at <= state.started_at <= state.ended_at
    for _ in range(2):
        with reader.result(query_id) as rows:
            assert rows.read_all().equals(reader.read("orders"))
    assert json.dumps(state_json(state))


def test_what_is_wrong_is_told_by_the_state(lake: MadeLake, reader: Reader) -> None:
    state = wait(reader, reader.start_query("FROM nothing"))
    assert (state.state, state.rows) == (State.FAILED, 0)
    assert state.error == "there is no table nothing; the datasets are orders"
    with pytest.raises(QueryError, match="is failed: there is no table nothing"), reader.result(state.id):
        pass


def test_one_that_runs_and_one_that_waits_are_cancelled(reader: Reader) -> None:
    running = [reader.start_query(ENDLESS) for _ in range(jobs.AT_ONCE)]
    waiting = reader.start_query(ENDLESS)
    for query_id in running:
        assert wait(reader, query_id, State.RUNNING).state is State.RUNNING
    assert reader.get_query(waiting).state is State.QUEUED
    with pytest.raises(QueryError, match="it has no rows yet"), reader.result(waiting):
        pass
    for query_id in (waiting, *running):
        reader.cancel(query_id)
        assert wait(reader, query_id).state is State.CANCELLED
    assert reader.cancel(waiting).state is State.CANCELLED


def test_a_token_stands_for_one_query(lake: MadeLake, reader: Reader) -> None:
    first = reader.start_query("SELECT 1", token="mine")
    assert reader.start_query("SELECT 1", token="mine") == first != reader.start_query("SELECT 1", token="yours")
    with pytest.raises(UsageError, match="stands for another query"):
        reader.start_query("SELECT 2", token="mine")


def test_rows_are_written_elsewhere_too(lake: MadeLake, reader: Reader, tmp_path: Path) -> None:
    lake.commit([ONE])
    state = wait(reader, reader.start_query("FROM orders", output=str(tmp_path / "out" / "rows.parquet")))
    assert state.state is State.SUCCEEDED, state.error
    assert pq.read_table(tmp_path / "out" / "rows.parquet").num_rows == 1
    csv = wait(reader, reader.start_query("SELECT 1 AS a", output=str(tmp_path / "rows.csv"), form="csv"))
    assert csv.state is State.SUCCEEDED, csv.error
    assert (tmp_path / "rows.csv").read_text() == "a\n1\n"


def test_another_process_finds_the_rows_and_those_of_one_that_died_are_told(lake: MadeLake, reader: Reader) -> None:
    done = wait(reader, reader.start_query("SELECT 1"))
    running = reader.start_query(ENDLESS)
    wait(reader, running, State.RUNNING)
    other = Jobs(lake.stores)
    assert other.get(done.id) == done
    with other.result(done.id) as rows:
        assert rows.read_all().num_rows == 1
    assert other.get(running).state is State.RUNNING
    with pytest.raises(UsageError, match="by another process"):
        other.cancel(running)
    reader.cancel(running)
    wait(reader, running)
    path = lake.stores.settings.home / "queries" / running / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "running"}))
    assert (other.get(running).state, other.get(running).error[:37]) == (State.FAILED, "the process that ran the query has en")
    other.close()


def test_rows_are_kept_for_a_day(lake: MadeLake, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    done = wait(reader, reader.start_query("SELECT 1"))
    now: Any = jobs._now
    monkeypatch.setattr(jobs, "_now", lambda: now() + jobs.KEPT + dt.timedelta(seconds=1))
    reader.start_query("SELECT 2")
    for query_id in (done.id, "nope", "../queries"):
        with pytest.raises(UnknownQuery):
            reader.get_query(query_id)


def test_closing_gives_up_what_runs(lake: MadeLake) -> None:
    reader = Reader(lake.stores)
    query_id = reader.start_query(ENDLESS)
    reader.close()
    assert Jobs(lake.stores).get(query_id).state is State.CANCELLED
