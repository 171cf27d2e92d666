"""``replay`` and ``revoke`` from the terminal, on a lake whose dataset file is mended between two calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from supply_lake.cli.app import app, run
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
    assert "Nothing was written." in call("replay", "orders", "--dry-run").output
    mend(house)
    (done,) = json.loads(call("replay", "orders", "--json").output)
    assert (done["status"], done["commit"], done["rows"]["published"]) == ("committed", 2, 1)
    rows = json.loads(call("query", "SELECT order_id FROM orders ORDER BY 1", "--format", "json").output)
    assert [row["order_id"] for row in rows] == ["o1", "o2"]
    assert call("rejects", "orders", "--json").output.strip() == "[]"
    assert "Nothing of orders stands rejected" in call("replay", "orders").output


def test_a_false_accept_is_revoked_with_its_reason(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (snapshot,) = house.stores.metadata.live("orders")
    done = json.loads(call("revoke", snapshot.id, "--why", "counted twice", "--by", "ann", "--json").output)
    assert (done["commit"], done["status"]) == (2, "committed")
    assert json.loads(call("query", "SELECT count(*) AS n FROM orders", "--format", "json").output) == [{"n": 0}]
    assert run(["revoke", snapshot.id, "--why", "again"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("supply-lake: ")
    assert snapshot.id in told
    assert DAY.isoformat() in call("snapshots", "orders").output
