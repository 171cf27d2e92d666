"""``replay`` and ``revoke`` from the terminal, on a lake whose dataset file is mended between two calls."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from supply_lake.assets.naming import RANGE_START_TAG, REPLAY_TAG
from supply_lake.cli.app import app, run
from supply_lake.lake import Lake
from supply_lake.resources.instance import open_instance
from supply_lake_tests.ingest.house import DAY, ORDERS, House, csv


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(tmp_path, {**ORDERS, "error_threshold": 0.9})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -5, 1)]))
    house.ingest()
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(house.stores.settings.home))
    monkeypatch.setenv("SUPPLY_LAKE_DATASETS", str(house.stores.settings.datasets))
    return house


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def mend(house: House) -> None:
    """Let the dataset take what it rejected."""
    path = house.stores.registry.file("orders")
    declared = yaml.safe_load(path.read_text())
    for column in declared["columns"]:
        column.pop("checks", None)
    path.write_text(yaml.safe_dump(declared, sort_keys=False))


def test_m4_what_is_good_after_the_rule_was_mended_is_published_once(house: House) -> None:
    rehearsed = call("replay", "orders", "--dry-run").output
    assert "1  quantity: is below 0" in rehearsed
    assert "Nothing was written." in rehearsed
    mend(house)
    (tried,) = json.loads(call("replay", "orders", "--dry-run", "--json").output)
    assert (tried["status"], tried["commit"], tried["rows"]["published"]) == ("committed", None, 1)
    (done,) = json.loads(call("replay", "orders", "--json").output)
    assert (done["status"], done["commit"], done["kind"], done["rows"]["published"]) == ("committed", 2, "replay", 1)
    assert done["replays"] == [house.stores.metadata.snapshots("orders")[-1].id]
    rows = json.loads(call("query", "SELECT order_id FROM orders ORDER BY 1", "--format", "json").output)
    assert [row["order_id"] for row in rows] == ["o1", "o2"]
    assert call("rejects", "orders", "--json").output.strip() == "[]"
    assert call("replay", "orders").output == "Nothing of orders stands rejected.\n"


def test_m4_replays_are_runs_of_the_asset_over_the_dates_that_need_it(house: House) -> None:
    house.land("b.csv", csv([("o3", 3, 1), ("o4", -4, 1)]), day=DAY + dt.timedelta(days=5))
    house.land("c.csv", csv([("o5", "x", 1), ("o6", 6, 1)]), day=DAY + dt.timedelta(days=9))
    house.ingest()
    mend(house)
    told = call("replay", "orders").output
    assert "1 rows of orders stand rejected still; see `supply-lake rejects orders`." in told
    first, second = house.stores.metadata.batches("orders", 2)
    assert first.run_id == second.run_id
    with open_instance(house.stores.settings) as instance:
        run = instance.get_run_by_id(first.run_id)
    assert run is not None
    assert (run.tags[REPLAY_TAG], run.tags[RANGE_START_TAG]) == ("true", DAY.isoformat())


def test_m4_one_snapshot_is_replayed_and_an_unknown_one_is_told(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (snapshot,) = house.stores.metadata.live("orders")
    mend(house)
    assert run(["replay", "orders", "--snapshot", "nope"]) == 1
    assert "dataset orders has no snapshot 'nope'" in capsys.readouterr().err
    (done,) = json.loads(call("replay", "orders", "--snapshot", snapshot.id, "--json").output)
    assert done["replays"] == [snapshot.id]


def test_m4_a_batch_that_stays_rejected_whole_is_exit_status_1(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.land("b.csv", csv([("o3", -3, 1), ("o4", -4, 1)]), day=DAY + dt.timedelta(days=5))
    house.ingest()
    assert run(["replay", "orders"]) == 1
    said = capsys.readouterr()
    assert "3 rows of orders stand rejected still" in said.out
    assert "2 of 2 rows break the contract" in said.err
    assert len(said.err.splitlines()) == 1


def test_m4_dates_that_the_asset_does_not_have_are_left_with_the_reason(house: House) -> None:
    path = house.stores.registry.file("orders")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "start_date": "2026-11-02"}, sort_keys=False))
    mend(house)
    told = call("replay", "orders").output
    assert "what was rejected of 2026-11-01 is left: that date is before the start_date 2026-11-02 of orders" in told
    with Lake.open(house.stores.settings) as lake:
        (done,) = lake.replay("orders")
    assert done.batch.commit == 2


def test_a_false_accept_is_revoked_with_its_reason(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (snapshot,) = house.stores.metadata.live("orders")
    done = json.loads(call("revoke", snapshot.id, "--why", "counted twice", "--by", "ann", "--json").output)
    assert (done["commit"], done["status"], done["kind"], done["by"]) == (2, "committed", "revoke", "ann")
    assert json.loads(call("query", "SELECT count(*) AS n FROM orders", "--format", "json").output) == [{"n": 0}]
    assert run(["revoke", snapshot.id, "--why", "again"]) == 1
    told = capsys.readouterr().err
    assert told == f"supply-lake: snapshot {snapshot.id} of orders was revoked by commit 2 already\n"
    assert run(["revoke", "nope", "--why", "again"]) == 1
    listed = call("snapshots", "orders").output.splitlines()
    assert [line.split()[2:5] for line in listed[1:]] == [["revoke", "revocation", "2"], ["ingest", "revoked", "1"]]
    shown = call("show", snapshot.id).output
    assert "no, revoked by commit 2" in shown
    revocation = call("show", house.stores.metadata.snapshots("orders", 1)[0].id).output
    assert "committed: counted twice" in revocation
    assert f"revokes        {snapshot.id}" in revocation
    assert "asked by       ann" in revocation


def test_what_is_live_instead_is_told(house: House) -> None:
    path = house.stores.registry.file("orders")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "mode": "replace"}, sort_keys=False))
    house.land("b.csv", csv([("o1", 9, 1)]))
    with Lake.open(house.stores.settings) as lake:
        House(house.home, yaml.safe_load(path.read_text())).ingest()
        (first,), (second,) = lake.live("orders", commit=1), lake.live("orders")
    told = call("revoke", second.id, "--why", "half a file").output.splitlines()
    assert told[0] == f"orders: snapshot {second.id} is revoked by commit 3."
    assert told[2].split()[0] == DAY.isoformat()
    assert told[2].split()[2:] == [first.id, "1"]
