"""``Lake``: what a Python program reads, over lakes that were really ingested."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import supply_lake
from supply_lake import Lake
from supply_lake.errors import QueryError, UnknownCommit, UnknownDataset, UnknownSnapshot, UsageError
from supply_lake.ingest.recurate import recurate
from supply_lake.landing.ledger import ObjectState
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Rows
from supply_lake_tests.curate.archives import zipped
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

REPLACE: dict[str, Any] = {**ORDERS, "mode": "replace"}
UPSERT: dict[str, Any] = {**ORDERS, **KEYED, "mode": "upsert"}
MIRROR: dict[str, Any] = {
    **UPSERT,
    "key_scope": "dataset",
    "tombstone": {"column": "op", "values": ["D"]},
    "columns": [*ORDERS["columns"], {"name": "op", "type": "string"}],
}
FUTURE = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
Make = Callable[..., tuple[House, Lake]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a lake to ingest into, and opens it for reading."""
    opened: list[House] = []

    def one(*specs: dict[str, Any]) -> tuple[House, Lake]:
        house = House(tmp_path, *specs)
        opened.append(house)
        return house, Lake(house.stores)

    yield one
    for house in opened:
        house.close()


def ids(table: Any) -> list[str]:
    return sorted(table.column("order_id").to_pylist())


def test_o1_after_an_overwrite_the_old_snapshot_is_readable_by_commit_time_and_id(make: Make) -> None:
    house, lake = make(REPLACE)
    house.land("a.csv", csv([("o1", 1, 1)]))
    (first,) = house.ingest()
    house.land("a.csv", csv([("o2", 2, 2)]))
    house.ingest()
    old = first.snapshots[0]
    assert ids(lake.read("orders")) == ["o2"]
    assert ids(lake.read("orders", commit=1)) == ["o1"]
    assert ids(lake.read("orders", as_of=old.committed_at)) == ["o1"]
    assert ids(lake.read("orders", snapshot_id=old.id)) == ["o1"]
    assert ids(lake.query("FROM orders", as_of=old.committed_at)) == ["o1"]
    assert [snapshot.id for snapshot in lake.live("orders", commit=1)] == [old.id]


def test_a_read_at_a_commit_gives_the_same_table_for_ever(make: Make) -> None:
    house, lake = make(UPSERT)
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 1, 1)]))
    house.ingest()
    before = lake.read("orders", commit=1)
    house.land("b.csv", csv([("o1", 5, 2, "yes")], header="order_id,quantity,version,gift"))
    house.ingest()
    recurate(house.stores, "orders", DAY)
    assert lake.read("orders", commit=1).equals(before)
    assert lake.read("orders").column_names == ["order_id", "quantity", "version", "gift"]


def test_columns_and_conditions(make: Make) -> None:
    house, lake = make()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1), ("o3", None, 1)]))
    house.ingest()
    table = lake.read("orders", columns=["quantity", "order_id"], where="quantity > 1 -- of those")
    assert table.to_pylist() == [{"quantity": 2, "order_id": "o2"}]
    with pytest.raises(QueryError, match="price"):
        lake.read("orders", columns=["price"])
    with pytest.raises(QueryError):
        lake.read("orders", where="true); DROP TABLE orders; --")


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ({"commit": 2}, UnknownCommit),
        ({"commit": -1}, UnknownCommit),
        ({"as_of": FUTURE}, UsageError),
        ({"commit": 1, "as_of": dt.datetime(2026, 1, 1)}, UsageError),
        ({"snapshot_id": "nope"}, UnknownSnapshot),
    ],
)
def test_reads_at_what_is_not_there(make: Make, at: dict[str, Any], error: type[Exception]) -> None:
    house, lake = make()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    with pytest.raises(error):
        lake.read("orders", **at)


def test_a_snapshot_that_was_rejected_holds_no_rows_and_its_rejects_are_read_by_id(make: Make) -> None:
    house, lake = make({**ORDERS, "error_threshold": 0.1})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "many", 1)]))
    (batch,) = house.ingest()
    refused = batch.snapshots[0]
    with pytest.raises(UnknownSnapshot, match="it holds no rows to read"):
        lake.read("orders", snapshot_id=refused.id)
    rejects = lake.rejects("orders", snapshot_id=refused.id)
    assert rejects.num_rows == batch.rows.rejected == 2
    assert ("quantity", "many") in zip(rejects["column"].to_pylist(), rejects["value"].to_pylist(), strict=True)


def test_m4_rejects_no_longer_stand_once_their_rule_is_mended(make: Make, tmp_path: Path) -> None:
    house, lake = make()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -1, 1)]))
    (first,) = house.ingest()
    assert lake.rejects("orders").num_rows == 1
    house.close()
    mended = {**ORDERS, "columns": [{**one, "checks": {}} for one in ORDERS["columns"]]}
    house, lake = make(mended)
    recurate(house.stores, "orders", DAY)
    assert lake.rejects("orders").num_rows == 0
    assert lake.rejects("orders", snapshot_id=first.snapshots[0].id).num_rows == 1
    assert ids(lake.read("orders")) == ["o1", "o2"]


def test_o5_the_members_of_an_archive_are_one_object_to_every_record_and_proof(make: Make) -> None:
    deep = {**ORDERS, "landing": {"pattern": "orders/{yyyy}/{mm}/{dd}/{path}"}}
    house, lake = make(deep)
    good, bad = csv([("o1", 1, 1), ("o2", 2, 1)]), csv([("o3", -1, 1), ("o4", 4, 1)])
    key = house.land("a!/b.zip", zipped({"good.csv": good, "!/bad.csv": bad}))
    house.land("c!d.csv", csv([("o5", -1, 1), ("o6", 6, 1)]))
    (batch,) = house.ingest()
    assert {one.key.rpartition("/")[2]: one.rows.rejected for one in batch.sources} == {"b.zip": 1, "c!d.csv": 1}
    rejects = lake.rejects("orders").select(["source", "line"]).to_pylist()
    assert next((one["source"].removeprefix(key), one["line"]) for one in rejects) == ("!/!_/bad.csv", 2)
    assert lake.verify(["orders"], landing=True)[0].problems == ()
    house.close()
    house, lake = make({**deep, "columns": [{**one, "checks": {}} for one in ORDERS["columns"]]})
    recurate(house.stores, "orders", DAY)
    assert lake.rejects("orders").num_rows == 0
    assert ids(lake.read("orders")) == ["o1", "o2", "o3", "o4", "o5", "o6"]


def test_a_file_that_falls_short_of_its_control_total_is_set_aside_and_its_batch_goes_on(make: Make) -> None:
    form = {"type": "csv", "footer": r"TRAILER\|(?P<rows>\d+)"}
    house, lake = make({**ORDERS, "format": form, "expect_total": {"rows": "rows"}})
    house.land("a.csv", csv([("o1", 1, 1)]) + "TRAILER|1\n")
    house.land("b.csv", csv([("o2", 1, 1)]) + "TRAILER|2\n")
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=2, published=1, rejected=1)
    assert "control totals hold in 1 file: 1 rows" in batch.notes
    reason = "tells 2 rows as its control total; what was read comes to 1"
    assert lake.rejects("orders")["reason"].to_pylist() == [reason]
    assert lake.verify(["orders"], landing=True)[0].problems == ()
    house.land("b.csv", csv([("o2", 1, 1), ("o3", 1, 1)]) + "TRAILER|2\n")
    house.ingest()
    assert ids(lake.read("orders")) == ["o1", "o2", "o3"]


def test_rows_that_are_deleted_at_the_source_are_not_read(make: Make) -> None:
    house, lake = make(MIRROR)
    header = "order_id,quantity,version,op"
    house.land("a.csv", csv([("o1", 1, 1, "I"), ("o2", 1, 1, "I")], header=header))
    house.ingest()
    house.land("b.csv", csv([("o1", 1, 2, "D")], header=header), day=DAY + dt.timedelta(days=1))
    house.ingest()
    assert ids(lake.read("orders")) == ["o2"]
    assert ids(lake.read("orders", commit=1)) == ["o1", "o2"]
    assert lake.query("SELECT order_id FROM orders__rows WHERE _deleted").to_pylist() == [{"order_id": "o1"}]


def test_a_tombstone_that_is_declared_later_leaves_old_snapshots_readable(make: Make) -> None:
    declared = {**UPSERT, "columns": MIRROR["columns"]}
    house, lake = make(declared)
    header = "order_id,quantity,version,op"
    house.land("a.csv", csv([("o1", 1, 1, "I")], header=header))
    house.ingest()
    house.close()
    house, lake = make({**declared, "tombstone": MIRROR["tombstone"]})
    house.land("b.csv", csv([("o2", 1, 1, "D"), ("o3", 1, 1, "I")], header=header), day=DAY + dt.timedelta(days=1))
    house.ingest()
    assert ids(lake.read("orders")) == ["o1", "o3"]


def test_datasets_snapshots_latest_and_objects(make: Make) -> None:
    house, lake = make(UPSERT, {**ORDERS, "name": "parts"})
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o2", 1, 1)]))
    (second,) = house.ingest()
    state = lake.datasets()["orders"]
    assert list(lake.datasets()) == ["orders", "parts"]
    assert (state.commit, state.snapshots, state.partitions, state.rows, state.pending) == (2, 1, 1, 2, 0)
    assert lake.latest("orders") == second.snapshots[0]
    assert lake.latest("parts") is None
    assert [snapshot.commit for snapshot in lake.snapshots("orders")] == [2, 1]
    assert lake.snapshot(second.snapshots[0].id).commit == 2
    assert [entry.state for entry in lake.objects("orders")] == [ObjectState.DONE] * 2
    with pytest.raises(UnknownDataset):
        lake.snapshots("nope")
    with pytest.raises(UnknownDataset):
        lake.read("nope")


def test_landing_from_a_file_and_from_memory(make: Make, tmp_path: Path) -> None:
    _, lake = make()
    file = tmp_path / "a.csv"
    file.write_text(csv([("o1", 1, 1)]))
    landed = [*lake.land("orders", file, date=DAY), *lake.land("orders", data=b"x", file="b.csv", date=DAY)]
    assert [one.key for one in landed] == ["orders/2026/11/01/a.csv", "orders/2026/11/01/b.csv"]
    with pytest.raises(UsageError):
        lake.land("orders", tmp_path / "nowhere.csv")


@pytest.mark.parametrize("spec", [ORDERS, REPLACE, UPSERT, MIRROR], ids=["append", "replace", "upsert", "mirror"])
def test_what_was_ingested_is_proven_down_to_landing(make: Make, spec: dict[str, Any]) -> None:
    house, lake = make(spec)
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "many", 1), ("o1", 2, 2), ("o3", 3, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 9, 9), ("o4", 1, 1)]), day=DAY + dt.timedelta(days=1))
    house.land("a.csv", csv([("o1", 7, 7)]))
    house.land("empty.csv", "")
    house.ingest()
    (report,) = lake.verify(["orders"], landing=True)
    assert report.problems == ()
    assert report.rows.landed == 7
    assert report.information[-1] == "2 landed object versions were counted again; 1 are not in landing any more"


def test_a_landed_object_that_holds_more_than_was_recorded_is_caught(make: Make) -> None:
    house, lake = make({**ORDERS, "format": {"type": "csv", "header": False}})
    house.land("a.csv", "o1,1,1\no2,2,1\n")
    house.ingest()
    house.close()
    house, lake = make(ORDERS)  # read with a header, the first line is no record any more
    (report,) = lake.verify(["orders"], landing=True)
    assert len(report.problems) == 1
    assert "a.csv holds 1 records, its record says 2" in report.problems[0]


def test_money_is_exact(make: Make) -> None:
    house, lake = make({**ORDERS, "columns": [{"name": "price", "type": "decimal(12,2)"}]})
    house.land("a.csv", "price\n0.10\n0.20\n")
    house.ingest()
    assert lake.query("SELECT sum(price) AS total FROM orders").to_pylist() == [{"total": Decimal("0.30")}]


def test_a_dataset_is_late_when_its_newest_commit_is_older_than_its_freshness_allows(tmp_path: Path) -> None:
    fresh = {name: {**ORDERS, "name": name, "freshness": {"max_age_hours": hours}} for name, hours in _AGES.items()}
    house = House(tmp_path, *fresh.values(), {**ORDERS, "name": "undeclared"})
    for name in ("late", "in_time", "undeclared"):
        house.land("a.csv", csv([("o1", 1, 1)]), dataset=name)
    house.ingest()
    states = Lake(house.stores).datasets()
    assert {name: state.late is not None for name, state in states.items()} == {
        "late": True, "in_time": False, "never_landed": False, "undeclared": False,
    }  # fmt: skip
    house.close()


_AGES = {"late": 1e-9, "in_time": 26, "never_landed": 1e-9}


def test_open_reads_the_environment_and_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(tmp_path / "home"))
    with Lake.open() as lake:
        assert "shipments" in lake.datasets()
    with Lake.open(Settings.from_env({"SUPPLY_LAKE_HOME": str(tmp_path / "other")})) as lake:
        assert lake.stores.settings.home == tmp_path / "other"


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, supply_lake; assert not {'duckdb', 'pyarrow', 'supply_lake.lake'} & set(sys.modules); supply_lake.Lake"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Sea'"):
        _ = supply_lake.Sea
