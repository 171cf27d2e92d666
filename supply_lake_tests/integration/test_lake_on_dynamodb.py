"""A whole lake with its records in DynamoDB: by the library, by the command and its runs, and the same as one in SQLite."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supply_lake import Lake
from supply_lake.cli.app import run
from supply_lake.snapshots.dynamo_store import DynamoStore
from supply_lake.snapshots.records import Batch
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

pytestmark = pytest.mark.integration
NEXT_DAY = DAY + dt.timedelta(days=1)


@pytest.fixture
def env(dynamodb_url: str) -> dict[str, str]:
    return {"SUPPLY_LAKE_METADATA": dynamodb_url}


def test_a_lake_with_its_records_in_dynamodb_is_ingested_read_and_proven(tmp_path: Path, env: dict[str, str]) -> None:
    house = House(tmp_path, {**ORDERS, "mode": "replace"}, env=env)
    assert isinstance(house.stores.metadata, DynamoStore)
    lake = Lake(house.stores)
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "many", 1)]))
    house.land("b.csv", csv([("o3", 3, 1)]), day=NEXT_DAY)
    house.ingest()
    assert house.ingest() == []
    house.land("a.csv", csv([("o4", 4, 1)]))
    house.ingest()
    assert [one["order_id"] for one in lake.query("SELECT order_id FROM orders ORDER BY 1").to_pylist()] == ["o3", "o4"]
    assert sorted(lake.read("orders", commit=2).column("order_id").to_pylist()) == ["o1", "o3"]
    (first,) = lake.live("orders", commit=1)
    assert lake.rejects("orders", snapshot_id=first.id).column("value").to_pylist() == ["many"]
    (report,) = lake.verify(landing=True)
    assert report.problems == ()
    assert report.rows.landed == 4
    house.close()


def what_came_of_it(home: Path, env: dict[str, str]) -> list[Any]:
    """A history with merges, overwrites and rejects; everything that does not depend on when and under which ids it was made."""
    house = House(home, {**ORDERS, **KEYED, "mode": "upsert", "key_scope": "dataset"}, env=env)
    done: list[Batch] = []
    for day, file, rows in (
        (DAY, "a.csv", [("o1", 1, 1), ("o2", 2, 1), ("o3", "many", 1)]),
        (NEXT_DAY, "b.csv", [("o1", 5, 2), ("o4", 4, 1)]),
        (DAY, "a.csv", [("o2", 7, 3)]),
    ):
        house.land(file, csv(rows), day=day)
        done += house.ingest()
    lake = Lake(house.stores)
    rows = lake.query("SELECT order_id, quantity, version, _partition_date FROM orders__rows ORDER BY ALL").to_pylist()
    commits = [(one.number, len(one.added), len(one.superseded)) for one in house.stores.metadata.commits("orders")]
    books = [(one.status, one.rows, one.landing_date) for one in done]
    (report,) = lake.verify(landing=True)
    ledger = [(one.object.key, one.object.size, one.state, one.attempts) for one in house.stores.metadata.objects()]
    house.close()
    return [rows, commits, books, ledger, replace(report, problems=()) == report, report.problems]


def test_a_lake_in_dynamodb_is_the_same_as_one_in_sqlite(tmp_path: Path, env: dict[str, str]) -> None:
    assert what_came_of_it(tmp_path / "dynamodb", env) == what_came_of_it(tmp_path / "sqlite", {})


def test_the_command_and_its_runs_keep_records_in_dynamodb(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house = House(tmp_path, {**ORDERS, "error_threshold": 0.9}, env=env)
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "orders.csv").write_text(csv([("o1", 1, 1), ("o2", "2 pieces", 1)]))

    def cli(*args: str, status: int = 0) -> Any:
        capsys.readouterr()
        assert run([*args, "--json"]) == status, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    cli("land", "orders", str(tmp_path / "orders.csv"), "--date", DAY.isoformat())
    (done,) = cli("ingest", "orders")
    assert (done["status"], done["commit"], done["rows"]["published"]) == ("committed", 1, 1)
    house.mend(
        columns=[{**one, "type": "string", "checks": {}} if one["name"] == "quantity" else one for one in ORDERS["columns"]]
    )
    assert cli("query", "SELECT order_id FROM orders") == [{"order_id": "o1"}]
    (snapshot,) = cli("snapshots", "orders")
    assert (snapshot["live"], snapshot["snapshot_id"]) == (True, done["snapshot_id"])
    assert cli("verify")[0]["problems"] == []
    house.close()
