"""Pins: files that fix what is read, and back-tests that see no later than their time."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from supply_lake.errors import (
    QueryError,
    UnknownCommit,
    UnknownPin,
    UnknownSnapshot,
    UsageError,
    VerificationError,
    VersionRemoved,
)
from supply_lake.lake import Lake
from supply_lake.query.backtest import steps
from supply_lake.query.reader import Reader
from supply_lake.settings import Settings
from supply_lake_tests.query.made_lake import DAY, ORDERS, MadeLake, named

ONE, TWO, THREE = [(f"o{n}", n, Decimal(n)) for n in (1, 2, 3)]
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
Make = Callable[..., MadeLake]


@pytest.fixture
def opened(make_lake: Make) -> tuple[MadeLake, Lake]:
    made = make_lake(ORDERS, named("parts"), named("other"))
    made.commit([ONE], rejected=[(3, "quantity", "many", "no int64")])
    made.commit([TWO], dataset="parts")
    return made, Lake(made.stores)


def ids(table: pa.Table) -> list[str]:
    return sorted(table.column("order_id").to_pylist())


def test_a_query_under_a_pin_gives_the_same_rows_after_later_commits(opened: tuple[MadeLake, Lake], tmp_path: Path) -> None:
    made, lake = opened
    path = tmp_path / "a.pin.json"
    pin = lake.pin(["orders", "parts"], to=path, name="november")
    tables = ["orders", "orders__rows", "orders__history", "orders__rejects", "parts@1"]
    before = [lake.query(f"FROM {table}", pin=pin) for table in tables]
    made.commit([THREE], supersede=True, rejected=[(9, "quantity", "few", "no int64")])
    made.commit([THREE], dataset="parts")
    for one in (pin, path, str(path)):
        assert [lake.query(f"FROM {table}", pin=one).equals(old) for table, old in zip(tables, before, strict=True)] == [
            True
        ] * 5
    assert ids(lake.query("FROM orders")) == ["o3"]
    with pytest.raises(UnknownCommit, match="no later than commit 1"):
        lake.query("FROM orders@2", pin=pin)
    with pytest.raises(UnknownCommit, match="dataset other is not in the pin"):
        lake.query("FROM other", pin=pin)


def test_a_lake_that_is_opened_under_a_pin_shows_nothing_else(opened: tuple[MadeLake, Lake], tmp_path: Path) -> None:
    made, lake = opened
    pin = lake.pin(["orders"], to=tmp_path / "a.pin.json")
    later = made.commit([THREE], supersede=True)
    with Lake.open(Settings.from_env(made.env), pin=tmp_path / "a.pin.json") as pinned:
        assert ids(pinned.read("orders")) == ids(pinned.query("FROM orders")) == ["o1"]
        assert pinned.query("SHOW TABLES").column(0).to_pylist() == [
            "orders", "orders__history", "orders__rejects", "orders__rows",
        ]  # fmt: skip
        assert [(one.commit, one.rows) for one in pinned.datasets().values()] == [(1, 1)]
        assert [one.commit for one in pinned.snapshots("orders")] == [1]
        assert pinned.rejects("orders").num_rows == 1
        for refused in (lambda: pinned.land("orders"), lambda: pinned.query("FROM orders", pin=pin)):
            with pytest.raises(UsageError, match="under a pin or a time"):
                refused()
        with pytest.raises(UnknownSnapshot):
            pinned.snapshot(later.id)
    with Lake.open(Settings.from_env(made.env), as_of=LONG_AGO) as empty:
        assert empty.read("orders").num_rows == 0


def test_a_pin_is_of_all_datasets_of_a_time_and_registered(opened: tuple[MadeLake, Lake]) -> None:
    made, lake = opened
    first = made.stores.metadata.commits("orders")[0]
    made.commit([THREE])
    pin = lake.pin(as_of=first.committed_at, by="ada")
    assert {one.dataset: (one.commit, one.committed_at) for one in pin.datasets} == {
        "orders": (1, first.committed_at), "parts": (0, None), "other": (0, None),
    }  # fmt: skip
    assert (pin.as_of, pin.by) == (first.committed_at, "ada")
    unregistered = lake.pin(register=False)
    assert unregistered.by
    assert lake.pins() == lake.pins("parts") == [pin]
    lake.unpin(pin.id)
    assert lake.pins() == []
    with pytest.raises(UnknownPin):
        lake.unpin(pin.id)


def test_what_is_not_what_was_pinned_is_refused(opened: tuple[MadeLake, Lake], make_lake: Make) -> None:
    _, lake = opened
    pin = lake.pin(["orders"])
    assert lake.prove_pin(pin) == []
    elsewhere = make_lake(ORDERS)
    elsewhere.commit([ONE])
    other = Lake(elsewhere.stores)
    with pytest.raises(VerificationError, match=r"orders at commit 1 is not what was pinned: 1 snapshots with 1 rows were"):
        other.query("FROM orders", pin=pin)
    assert len(other.prove_pin(pin)) == 1


def test_a_pin_is_proved_from_the_files(opened: tuple[MadeLake, Lake]) -> None:
    made, lake = opened
    pin = lake.pin(["orders", "parts"])
    (orders,), (parts,) = (made.stores.metadata.live(name)[0].files for name in ("orders", "parts"))
    Path(made.stores.lake.uri(orders.path)).write_bytes(b"x")
    made.stores.lake.delete([parts.path])
    told = lake.prove_pin(pin)
    assert [one.split("/")[-1] for one in told] == [
        "part-00000.parquet is not the file that was written",
        "part-00000.parquet is missing",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace('"commit": 1', '"commit": 2'), "was changed by hand"),
        (lambda text: text.replace('"supply_lake_pin": 1', '"supply_lake_pin": 2'), "of format 2, this supply_lake takes 1"),
        (lambda text: "{}", "is no pin"),
        (lambda text: text[:-20], "is no pin"),
        (lambda text: '"x"', "is no pin"),
    ],
)
def test_a_file_that_is_no_pin_is_refused(
    opened: tuple[MadeLake, Lake], tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    _, lake = opened
    path = tmp_path / "a.pin.json"
    with pytest.raises(UsageError, match="there is no pin"):
        lake.query("SELECT 1", pin=path)
    lake.pin(["orders"], to=path)
    assert json.loads(path.read_text())["datasets"][0]["dataset"] == "orders"
    path.write_text(change(path.read_text()))
    with pytest.raises(UsageError, match=says):
        lake.query("SELECT 1", pin=path)


def test_m3_what_a_pin_names_stays_while_it_is_registered(opened: tuple[MadeLake, Lake]) -> None:
    made, lake = opened
    first = made.stores.metadata.commits("orders")[0]
    kept = lake.pin(["orders"])
    only_a_file = lake.pin(["orders"], register=False)
    made.commit([THREE], supersede=True)
    made.commit([THREE], dataset="parts", supersede=True)
    now = dt.timedelta(0)
    lake.gc(delete=True, retention=now)
    assert ids(lake.query("FROM orders", pin=kept)) == ids(lake.query("FROM orders", pin=only_a_file)) == ["o1"]
    with pytest.raises(VersionRemoved):
        lake.read("parts", commit=1)
    lake.unpin(kept.id)
    lake.gc(delete=True, retention=now)
    for refused in (
        lambda: lake.query("FROM orders", pin=kept),
        lambda: lake.pin(["orders"], as_of=first.committed_at),
        lambda: made.stores.metadata.add_pin(kept),
        lambda: lake.diff("orders", 1, 2),
        lambda: lake.changes("orders", 0),
    ):
        with pytest.raises(VersionRemoved, match=r"gc removed its files"):
            refused()


@pytest.fixture
def weeks(make_lake: Make) -> tuple[MadeLake, Lake, list[dt.datetime]]:
    """Three commits, and the time of each."""
    made = make_lake()
    times = [made.commit([one], day=DAY + dt.timedelta(days=n)).committed_at for n, one in enumerate((ONE, TWO, THREE))]
    return made, Lake(made.stores), [one for one in times if one]


@pytest.mark.parametrize("parallel", [1, 3])
def test_sql_is_asked_as_of_every_time(weeks: tuple[MadeLake, Lake, list[dt.datetime]], parallel: int) -> None:
    _, lake, times = weeks
    found = lake.backtest("SELECT count(*) AS n, max(quantity) AS most FROM orders", [LONG_AGO, *times], parallel=parallel)
    assert [tuple(one.values()) for one in found.to_pylist()] == [
        (LONG_AGO, 0, None), (times[0], 1, 1), (times[1], 2, 2), (times[2], 3, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("give", "columns"),
    [
        (lambda rows: rows, {"order_id": ["o1", "o1", "o2"]}),
        (lambda rows: rows.to_batches()[0], {"order_id": ["o1", "o1", "o2"]}),
        (pl.DataFrame, {"order_id": ["o1", "o1", "o2"]}),
        (lambda rows: pd.DataFrame(rows.to_pylist()), {"order_id": ["o1", "o1", "o2"]}),
        (lambda rows: rows.to_pylist(), {"order_id": ["o1", "o1", "o2"]}),
        (lambda rows: {"n": rows.num_rows}, {"n": [1, 2]}),
        (lambda rows: rows.num_rows / 2, {"result": [0.5, 1.0]}),
        (lambda rows: [1] if rows.num_rows == 1 else [], {"result": [1]}),
        (lambda rows: None if rows.num_rows == 1 else {"n": 5}, {"n": [5]}),
    ],
)
def test_a_function_gives_rows_in_any_shape(
    weeks: tuple[MadeLake, Lake, list[dt.datetime]], give: Callable[[pa.Table], Any], columns: dict[str, list[Any]]
) -> None:
    _, lake, times = weeks
    found = lake.backtest(lambda reader: give(reader.read("orders", columns=["order_id"])), times[:2])
    assert {name: sorted(found.column(name).to_pylist()) for name in found.column_names[1:]} == columns
    assert set(found.column("as_of").to_pylist()) <= set(times[:2])


def test_no_step_sees_what_came_later(weeks: tuple[MadeLake, Lake, list[dt.datetime]]) -> None:
    made, lake, times = weeks
    newest = made.stores.metadata.latest("orders")
    assert newest is not None

    def peek(reader: Reader) -> list[dict[str, Any]]:
        ways: dict[str, Callable[[], Any]] = {
            "commit": lambda: reader.read("orders", commit=3),
            "time": lambda: reader.read("orders", as_of=times[2]),
            "snapshot": lambda: reader.read("orders", snapshot_id=newest.id),
            "record": lambda: reader.snapshot(newest.id),
            "sql": lambda: reader.query("FROM orders@3"),
            "history": lambda: reader.query("FROM orders__history@3"),
            "live": lambda: reader.live("orders", commit=3),
            "query as of": lambda: reader.query("FROM orders", as_of=times[2]).num_rows,
        }
        seen = []
        for name, way in ways.items():
            try:
                seen.append({"way": name, "saw": str(way())})
            except (UnknownCommit, UnknownSnapshot):
                continue
        assert [one.commit for one in reader.snapshots("orders")] == [1]
        assert reader.query("SELECT max(commit) AS c FROM orders__history").to_pylist() == [{"c": 1}]
        return seen

    found = lake.backtest(peek, times[:1]).to_pylist()
    assert found == [{"as_of": times[0], "way": "query as of", "saw": "1"}]


def test_under_a_pin_a_step_sees_no_later_than_both(weeks: tuple[MadeLake, Lake, list[dt.datetime]]) -> None:
    made, lake, times = weeks
    pin = lake.pin(as_of=times[1])
    with Lake.open(Settings.from_env(made.env), pin=pin) as pinned:
        found = pinned.backtest("SELECT count(*) AS n FROM orders", times)
    assert found.column("n").to_pylist() == [1, 2, 2]


def test_what_fails_tells_its_time(weeks: tuple[MadeLake, Lake, list[dt.datetime]]) -> None:
    _, lake, times = weeks
    with pytest.raises(QueryError, match=rf"as of {times[0].isoformat()[:19]}.*no table nothing"):
        lake.backtest("FROM nothing", times)
    with pytest.raises(UsageError, match="is yet to come"):
        lake.backtest("SELECT 1", [times[0] + dt.timedelta(days=3_650)])
    with pytest.raises(UsageError, match="a column as_of of its own"):
        lake.backtest("SELECT 1 AS as_of", times)
    with pytest.raises(UsageError, match="at least one time"):
        lake.backtest("SELECT 1", [])
    with pytest.raises(QueryError, match="do not fit together"):
        lake.backtest(lambda reader: {"a": 1 if reader.read("orders").num_rows == 1 else [2]}, times)


def test_a_series_of_times() -> None:
    start = dt.datetime(2026, 11, 1)
    assert steps(start, dt.datetime(2026, 11, 2, tzinfo=dt.UTC), "12h") == [
        dt.datetime(2026, 11, 1, hour, tzinfo=dt.UTC) for hour in (0, 12)
    ] + [dt.datetime(2026, 11, 2, tzinfo=dt.UTC)]
    assert len(steps(start, start + dt.timedelta(weeks=3), "1w")) == 4
    for end, every in ((start, "1y"), (start, "0d"), (start - dt.timedelta(1), "1d"), (start.replace(year=9000), "30min")):
        with pytest.raises(UsageError):
            steps(start, end, every)
