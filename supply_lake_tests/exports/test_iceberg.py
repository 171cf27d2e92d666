"""The Iceberg table of a dataset is its live set, after every commit, whatever the commit did."""

from __future__ import annotations

import datetime as dt
import importlib.util
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from supply_lake.errors import NotRevocable, SettingsError
from supply_lake.exports.iceberg import COMMIT, LEFT_OUT, Iceberg
from supply_lake.ingest.recurate import recurate
from supply_lake.ingest.revoke import revoke
from supply_lake.lake import Lake
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Kind
from supply_lake.upkeep.compact import compact
from supply_lake.upkeep.gc import Collection
from supply_lake.upkeep.reconcile import reconcile_files
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

pytest.importorskip("pyiceberg")
Make = Callable[..., House]
ON = {"SUPPLY_LAKE_ICEBERG": "on"}
NEXT = DAY + dt.timedelta(days=1)
SHARE = {**ORDERS, "landing": {"same_content": "publish"}}


def iceberg(house: House) -> Iceberg:
    (found,) = house.stores.exports.each
    assert isinstance(found, Iceberg)
    return found


def table(house: House) -> pa.Table:
    return iceberg(house).table("orders").scan().to_arrow()


def rows(found: pa.Table, columns: list[str]) -> list[str]:
    """Rows whatever their order; a number is the same in every type."""
    return sorted(
        repr([float(v) if isinstance(v, (int, float)) else v for v in one.values()])
        for one in found.select(columns).to_pylist()
    )


def extensions() -> list[str]:
    """DuckDB's own readers of Iceberg, where the wheels `duckdb-extension-iceberg` and `-avro` are those of the installed DuckDB."""
    found = []
    for name in ("avro", "iceberg"):
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        folder = next(iter(spec.submodule_search_locations or ()), "") if spec else ""
        path = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if not path.exists():
            return []
        found.append(str(path))
    return found


EXTENSIONS = extensions()


def by_duckdb(house: House, where: str = "") -> pa.Table:
    with duckdb.connect() as connection:
        for one in EXTENSIONS:
            connection.execute(f"LOAD '{one}'")
        metadata = iceberg(house).table("orders").metadata_location.removeprefix("file://")
        return connection.sql(f"SELECT * FROM iceberg_scan('{metadata}') {where}").to_arrow_table()


def same(house: House) -> None:
    """What pyiceberg reads is what the lake reads, and what DuckDB reads, where it can."""
    with_lineage = Lake(house.stores).query("SELECT * FROM orders__rows")
    found = table(house)
    assert set(found.column_names) == set(with_lineage.column_names)
    assert rows(found, with_lineage.column_names) == rows(with_lineage, with_lineage.column_names)
    if EXTENSIONS:
        assert rows(by_duckdb(house), found.column_names) == rows(found, found.column_names)
    at = iceberg(house).table("orders").properties[COMMIT]
    assert int(at) == house.stores.metadata.last_commit("orders")


def columns(house: House, notes: bool) -> None:
    house.mend(columns=[*ORDERS["columns"], *([{"name": "note", "type": "string"}] if notes else [])])


@pytest.mark.parametrize(("mode", "commits"), [("append", 50), ("replace", 12), ("upsert", 12)])
def test_it_is_the_live_set_after_each_random_commit(make_house: Make, mode: str, commits: int) -> None:
    house = make_house({**SHARE, "mode": mode, "evolution": "evolve", **(KEYED if mode == "upsert" else {})}, env=ON)
    chance, header = random.Random(mode), "order_id,quantity,version"
    number = 0
    while house.stores.metadata.last_commit("orders") < commits:
        number += 1
        act = chance.choices(["land", "compact", "revoke", "again", "column"], [10, 2, 3, 1, 1])[0]
        day = chance.choice([DAY, NEXT])
        if act == "land":
            made = [(f"o{chance.randrange(4)}", chance.randrange(9), number, "n") for _ in range(chance.randrange(1, 4))]
            width = len(header.split(","))
            house.land(f"{number}.csv", csv([row[:width] for row in made], header), day=day)
            house.ingest()
        elif act == "compact":
            compact(house.stores, "orders")
        elif act == "again":
            recurate(house.stores, "orders", day)
        elif act == "column":
            header = "order_id,quantity,version,note"
        elif found := [one.id for one in house.stores.metadata.snapshots("orders") if one.kind is not Kind.COMPACT]:
            try:
                revoke(house.stores, chance.choice(found), why="false")
            except NotRevocable:
                continue
        if house.stores.metadata.last_commit("orders"):
            same(house)
    house.prove()


def test_the_files_are_the_lakes_own_and_each_commit_is_a_snapshot(make_house: Make) -> None:
    house = make_house(env=ON)
    for at in range(3):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    compact(house.stores, "orders")
    found = iceberg(house).table("orders")
    (task,) = found.scan().plan_files()
    assert task.file.file_path == "file://" + house.stores.lake.uri(house.live()[0].files[0].path)
    numbers = [one.summary.additional_properties[COMMIT] for one in found.snapshots() if one.summary]
    assert numbers == ["1", "2", "3", "4"]
    summary = found.current_snapshot().summary.additional_properties
    assert (summary["added-data-files"], summary["deleted-data-files"], summary["total-records"]) == ("1", "3", "3")
    old = found.scan(snapshot_id=found.snapshots()[1].snapshot_id).to_arrow()
    assert sorted(old["order_id"].to_pylist()) == ["o0", "o1"]


def test_partitions_and_statistics_prune_files(make_house: Make) -> None:
    house = make_house(env=ON)
    for day in (DAY, NEXT):
        house.land("a.csv", csv([(f"o{day.day}", day.day, 1)]), day=day)
        house.ingest()
    found = iceberg(house).table("orders")
    assert len(list(found.scan().plan_files())) == 2
    for condition in (f"_partition_date = '{DAY}'", "quantity = 2", "order_id = 'o1'"):
        assert len(list(found.scan(row_filter=condition).plan_files())) == 1, condition


def test_p5_a_column_keeps_its_id_while_its_type_widens_and_others_come(make_house: Make) -> None:
    narrow = [
        {"name": "order_id", "type": "string"},
        {"name": "quantity", "type": "int32"},
        {"name": "weight", "type": "float32"},
    ]
    house = make_house({**ORDERS, "columns": narrow}, env=ON)
    header = "order_id,quantity,weight"
    house.land("a.csv", csv([("o1", 1, 0.5)], header))
    house.ingest()
    before = iceberg(house).table("orders").schema()
    house.mend(
        columns=[
            {"name": "order_id", "type": "string"},
            {"name": "quantity", "type": "int64"},
            {"name": "weight", "type": "float64"},
            {"name": "note", "type": "string"},
        ]
    )
    house.land("b.csv", csv([("o2", 2**40, 0.25, "x")], f"{header},note"))
    house.ingest()
    after = iceberg(house).table("orders").schema()
    assert [str(after.find_type(name)) for name in ("quantity", "weight", "note")] == ["long", "double", "string"]
    assert all(after.find_field(one.name).field_id == one.field_id for one in before.fields)
    same(house)


def test_a_column_whose_types_iceberg_cannot_bring_together_is_left_out_and_told(
    make_house: Make, caplog: pytest.LogCaptureFixture
) -> None:
    house = make_house(env=ON)
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.mend(columns=[ORDERS["columns"][0], {"name": "quantity", "type": "string"}, ORDERS["columns"][2]])
    house.land("b.csv", csv([("o2", "many", 1)]))
    with caplog.at_level(logging.WARNING):
        house.ingest()
    assert "leaves out ['quantity']" in caplog.text
    found = iceberg(house).table("orders")
    assert found.properties[LEFT_OUT] == "quantity"
    assert rows(table(house), ["order_id", "version"]) == rows(Lake(house.stores).read("orders"), ["order_id", "version"])
    house.land("c.csv", csv([("o3", "few", 1)]))
    house.ingest()
    assert sorted(table(house)["order_id"].to_pylist()) == ["o1", "o2", "o3"]


def test_types_that_iceberg_has_go_to_and_fro(make_house: Make) -> None:
    kinds = [
        "string",
        "boolean",
        "int8",
        "int16",
        "uint16",
        "int64",
        "float64",
        "date",
        "timestamp",
        "decimal(12,2)",
        "json",
    ]
    made = [{"name": f"c{at}", "type": kind} for at, kind in enumerate(kinds)]
    house = make_house(
        {
            **ORDERS,
            "format": {"type": "jsonl"},
            "columns": [
                *made,
                {"name": "tags", "type": "list<string>"},
                {"name": "place", "type": "struct<city:string,zip:int32>"},
            ],
        },
        env=ON,
    )
    values = ['"a"', "true", "1", "2", "3", "4", "0.5", '"2026-11-01"', '"2026-11-01T10:00:00Z"', '"12.50"', '{"k": 1}']
    fields = ", ".join(f'"c{at}": {value}' for at, value in enumerate(values))
    house.land("a.jsonl", f'{{{fields}, "tags": ["x", "y"], "place": {{"city": "Ulm", "zip": 89073}}}}\n')
    (batch,) = house.ingest()
    assert batch.rows.published == 1, house.rejects().to_dicts()
    same(house)


def test_a_publication_that_failed_harms_no_commit_and_the_next_makes_it_good(
    make_house: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = make_house(env=ON)

    def fail(*_: Any) -> None:
        raise OSError("the catalog is away")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Iceberg, "publish", fail)
        house.land("a.csv", csv([("o1", 1, 1)]))
        (batch,) = house.ingest()
    assert batch.commit == 1
    assert "the catalog is away; batch" in caplog.text
    house.land("b.csv", csv([("o2", 2, 1)]))
    house.ingest()
    same(house)


def test_reconcile_sets_right_what_others_did_to_the_table(make_house: Make) -> None:
    house = make_house(env=ON)
    for at in range(2):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    spec = house.stores.registry.get("orders")
    assert house.stores.exports.repair(spec) == ()
    iceberg(house).table("orders").delete("order_id = 'o0'")
    assert table(house).num_rows == 1
    (told,) = house.stores.exports.repair(spec)
    assert "lacked 1 files and had 0 that are not live; it is set right" in told
    same(house)
    iceberg(house)._catalog.drop_table(("supply_lake", "orders"))
    (told,) = reconcile_files(house.stores, "orders").exports
    assert "lacked 2 files" in told
    same(house)


def test_what_gc_removed_is_not_offered_any_more(make_house: Make) -> None:
    house = make_house({**ORDERS, "mode": "replace"}, env=ON)
    for at in range(3):
        house.land("a.csv", csv([("o1", at, 1)]))
        house.ingest()
    Collection(house.stores, dt.timedelta(), dt.timedelta(hours=1)).run("orders")
    found = iceberg(house).table("orders")
    assert len(found.snapshots()) == 1
    assert Path(found.location().removeprefix("file://")).parent.name == "iceberg"
    same(house)


def test_two_writers_who_publish_at_once_both_come_true(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(env=ON)
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    other = House(house.home, SHARE, env=ON)
    commit, raced = Iceberg._commit, []

    def late(self: Iceberg, *args: Any, **kinds: Any) -> None:
        if not raced:
            raced.append(True)
            other.land("c.csv", csv([("o3", 3, 1)]))
            other.ingest()
        commit(self, *args, **kinds)

    house.land("b.csv", csv([("o2", 2, 1)]))
    monkeypatch.setattr(Iceberg, "_commit", late)
    house.ingest()
    other.close()
    same(house)
    assert len(house.rows()) == 3


def test_a_setting_switches_it_on() -> None:
    assert Settings.from_env({}).iceberg == ""
    assert Settings.from_env({"SUPPLY_LAKE_HOME": "/x", **ON}).iceberg == "sqlite:////x/iceberg.sqlite"
    assert Settings.from_env({"SUPPLY_LAKE_ICEBERG": "postgresql://me@host/db"}).iceberg == "postgresql+psycopg://me@host/db"
    assert Settings.from_env({"SUPPLY_LAKE_LAKE": "s3://b/team/lake"}).iceberg_warehouse == "s3://b/team/iceberg"
    for other in ("glue", "dynamodb://table"):
        with pytest.raises(SettingsError, match="is neither on nor off, nor the URL of an SQL catalog"):
            Settings.from_env({"SUPPLY_LAKE_ICEBERG": other})


@pytest.mark.skipif(not EXTENSIONS, reason=f"no iceberg extension of DuckDB {duckdb.__version__} is installed")
def test_duckdb_passes_over_files_by_their_partition(make_house: Make) -> None:
    house = make_house(env=ON)
    for day in (DAY, NEXT):
        house.land("a.csv", csv([(f"o{day.day}", day.day, 1)]), day=day)
        house.ingest()
    found = by_duckdb(house, f"WHERE _partition_date = '{NEXT}'")
    assert found["order_id"].to_pylist() == ["o2"]
