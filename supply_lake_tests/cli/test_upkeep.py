"""``supply-lake compact``, ``gc`` and ``reconcile``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from supply_lake_tests.cli.conftest import Cli
from supply_lake_tests.ingest.house import House, csv


@pytest.fixture
def house(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> House:
    """Three small files of one date."""
    house = make_house()
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    for number in range(3):
        house.land(f"{number}.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    return house


def test_o7_small_files_are_put_together(house: House, cli: Cli) -> None:
    told = cli("compact", "orders", "--dry-run")
    assert (told.status, "Nothing was written." in told.out) == (0, True)
    (done,) = json.loads(cli("compact", "orders", "--json").out)
    assert (done["files_before"], done["files_after"], done["commit"], done["gave_way"]) == (3, 1, 4, False)
    assert "Nothing of orders is worth it" in cli("compact", "orders").out
    assert cli("verify", "orders").status == 0
    assert "revoke the snapshot that brought the rows" in cli("revoke", house.live()[0].id, "--why", "x").err
    assert cli("compact", "nope").status == 1


def test_garbage_is_told_first_and_removed_when_asked(house: House, cli: Cli) -> None:
    cli("compact", "orders")
    assert "There is nothing to remove." in cli("gc").out
    told = cli("gc", "orders", "--retention-days", "0")
    assert (told.status, "Nothing was removed; add --delete to do it." in told.out) == (0, True)
    (done,) = json.loads(cli("gc", "--retention-days", "0", "--delete", "--json").out)
    assert (done["deleted"], len(done["snapshots"]), done["files"]) == (True, 3, 3)
    gone = done["snapshots"][0]["id"]
    assert "removed by gc" in cli("show", gone).out
    assert "gc removed the files of 3 snapshots" in cli("verify").out
    house.prove()


def test_reconcile_tells_what_is_missing(house: House, cli: Cli) -> None:
    assert cli("reconcile").status == 0
    path = house.live()[0].files[0].path
    house.stores.lake.delete([path])
    told = cli("reconcile", "orders", "--json")
    assert told.status == 1
    assert json.loads(told.out)["datasets"][0]["missing"] == [house.stores.lake.uri(path)]
    assert "is on record and not there" in told.err
