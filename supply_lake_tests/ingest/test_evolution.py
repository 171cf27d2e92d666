"""Drift over whole batches: what is published, what is on record, and what one query over all of it says."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from supply_lake.ingest.recurate import recurate
from supply_lake.lake import Lake
from supply_lake.snapshots.records import Status
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House

Make = Callable[..., House]
NEXT = DAY + dt.timedelta(days=1)
MODES: dict[str, dict[str, Any]] = {
    "append": {},
    "replace": {"mode": "replace"},
    "upsert": {"mode": "upsert", **KEYED},
    "upsert over all dates": {"mode": "upsert", "key_scope": "dataset", **KEYED},
}
every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def orders(**fields: Any) -> dict[str, Any]:
    """Orders with a narrow quantity."""
    columns = [dict(column) for column in ORDERS["columns"]]
    columns[1] = {"name": "quantity", "type": "int32"}
    return {**ORDERS, "columns": columns, "error_threshold": 1.0, **fields}


def ask(house: House, sql: str = "FROM orders ORDER BY order_id", **at: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Lake(house.stores).query(sql, **at).to_pylist()
    return rows


def versions(house: House) -> list[tuple[int, int, str, list[str]]]:
    """Number, commit, object and changes of every schema version."""
    found = house.stores.metadata.schema_versions("orders")
    return [(one.number, one.commit, one.object, [str(change) for change in one.changes]) for one in found]


def proven(house: House) -> None:
    house.recount()
    assert [problem for report in Lake(house.stores).verify() for problem in report.problems] == []


OLD, NEW = "order_id,quantity,version\n", "version,quantity,Gift Note,order_id\n"


@every_mode
def test_p5_drift_in_the_middle_of_a_day(make_house: Make, mode: dict[str, Any]) -> None:
    house = make_house(orders(**mode))
    house.land("morning.csv", OLD + "o1,1,1\no2,2,1\n")
    house.ingest()
    key = house.land("noon.csv", NEW + "2,3,hello,o2\n1,4,,o3\n")
    house.ingest()
    house.land("evening.csv", OLD + "o4,5,1\n")
    house.ingest()
    found = {(row["order_id"], row["quantity"], row["gift_note"]) for row in ask(house)}
    evening, noon = {("o4", 5, None)}, {("o2", 3, "hello"), ("o3", 4, None)}
    morning = {("o1", 1, None)} if mode.get("mode") == "upsert" else {("o1", 1, None), ("o2", 2, None)}
    assert found == (evening if mode.get("mode") == "replace" else morning | noon | evening)
    assert [(number, commit, brought) for number, commit, brought, _ in versions(house)] == [
        (1, 1, "orders/2026/11/01/morning.csv"),
        (2, 2, key),
    ]
    assert versions(house)[1][3] == [f"column 'gift_note' was added as string, brought by {key}"]
    proven(house)


@every_mode
def test_p5_two_schemas_in_one_batch(make_house: Make, mode: dict[str, Any]) -> None:
    house = make_house(orders(**mode))
    house.land("a.csv", OLD + "o1,1,1\n")
    house.land("b.csv", NEW + "1,2,hello,o2\n")
    (batch,) = house.ingest()
    assert batch.rows.published == 2
    assert [(row["order_id"], row["quantity"], row["gift_note"]) for row in ask(house)] == [("o1", 1, None), ("o2", 2, "hello")]
    assert len(versions(house)) == 1
    proven(house)


@every_mode
def test_p5_a_column_that_is_removed_is_null_from_then_on_and_old_rows_keep_it(make_house: Make, mode: dict[str, Any]) -> None:
    house = make_house(orders(**mode))
    house.land("a.csv", NEW + "1,1,hello,o1\n")
    house.ingest()
    house.land("b.csv", "order_id,version\no2,1\n", day=NEXT)
    (batch,) = house.ingest()
    assert [(row["order_id"], row["quantity"], row["gift_note"]) for row in ask(house)] == [
        ("o1", 1, "hello"),
        ("o2", None, None),
    ]
    assert "column 'quantity' is missing, so it is null" in batch.notes
    assert len(versions(house)) == 1
    proven(house)


@every_mode
def test_p6_int_to_long_is_widened_recorded_published_and_stays(make_house: Make, mode: dict[str, Any]) -> None:
    house = make_house(orders(**mode))
    house.land("a.csv", OLD + "o1,1,1\n")
    house.ingest()
    key = house.land("b.csv", OLD + "o2,3000000000,1\no3,many,1\n", day=NEXT)
    (second,) = house.ingest()
    house.land("c.csv", OLD + "o4,4,1\n", day=NEXT + dt.timedelta(days=1))
    house.ingest()
    assert (second.rows.published, second.rows.rejected) == (1, 1)
    assert {row["order_id"]: row["quantity"] for row in ask(house)} == {"o1": 1, "o2": 3_000_000_000, "o4": 4}
    assert versions(house)[1] == (2, 2, key, [f"column 'quantity' was widened from int32 to int64, brought by {key}"])
    assert len(versions(house)) == 2
    (rejected,) = house.rejects().to_dicts()
    assert rejected["reasons"][0]["value"] == "many"
    types = [column.type for snapshot in house.stores.metadata.snapshots("orders") for column in snapshot.columns[1:2]]
    assert types == ["int64", "int64", "int32"]
    assert str(Lake(house.stores).read("orders", commit=1).schema.field("quantity").type) == "int32"
    assert str(Lake(house.stores).read("orders").schema.field("quantity").type) == "int64"
    proven(house)


def test_p6_int_to_long_to_decimal_and_the_old_snapshots_stay_as_they_are(make_house: Make) -> None:
    house = make_house(orders())
    for number, value in enumerate(["1", "3000000000", "9223372036854775808", "0.25"]):
        house.land(f"{number}.csv", OLD + f"o{number},{value},1\n")
        house.ingest()
    lake = Lake(house.stores)
    expected = [Decimal(one) for one in ("1", "3000000000", "9223372036854775808", "0.25")]
    assert [row["quantity"] for row in ask(house)] == expected
    kinds = [str(lake.read("orders", commit=n).schema.field("quantity").type) for n in (1, 2, 3, 4)]
    assert kinds == ["int32", "int64", "decimal128(19, 0)", "decimal128(21, 2)"]
    assert [changes[0].partition(", ")[0] for *_, changes in versions(house)[1:]] == [
        "column 'quantity' was widened from int32 to int64",
        "column 'quantity' was widened from int64 to decimal(19,0)",
        "column 'quantity' was widened from decimal(19,0) to decimal(21,2)",
    ]
    proven(house)


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


TYPED = {"format": {"type": "parquet"}}


def test_p6_typed_sources_int_to_float_and_null_to_typed(make_house: Make) -> None:
    house = make_house(orders(**TYPED))
    house.land("a.parquet", parquet(order_id=["o1"], quantity=[7], version=[1], more=pl.Series([None], dtype=pl.Null)))
    house.ingest()
    key = house.land("b.parquet", parquet(order_id=["o2"], quantity=[0.5], version=[1], more=[dt.date(2026, 1, 2)]))
    house.ingest()
    assert ask(house) == [
        {"order_id": "o1", "quantity": 7.0, "version": 1, "more": None},
        {"order_id": "o2", "quantity": 0.5, "version": 1, "more": dt.date(2026, 1, 2)},
    ]
    assert versions(house)[1][3] == [
        f"column 'quantity' was widened from int32 to float64, brought by {key}",
        f"column 'more' was widened from null to date, brought by {key}",
    ]
    proven(house)


def test_p6_structs_of_typed_sources_gain_fields_over_batches(make_house: Make) -> None:
    house = make_house(orders(**TYPED))
    for number, value in enumerate([{"a": 1}, {"a": 2**40, "b": "x"}, {"b": "y"}]):
        house.land(f"{number}.parquet", parquet(order_id=[f"o{number}"], quantity=[1], version=[1], s=[value]))
        house.ingest()
    assert [row["s"] for row in ask(house)] == [{"a": 1, "b": None}, {"a": 2**40, "b": "x"}, {"a": None, "b": "y"}]
    assert len(versions(house)) == 2
    proven(house)


# --- the other modes of evolution


def test_p5_p6_rescue_rejects_nothing_and_keeps_every_text(make_house: Make) -> None:
    house = make_house(orders(evolution="rescue"))
    house.land("a.csv", OLD + "o1,many,1\n")
    house.land("b.csv", NEW + "1,2,hello,o2\n")
    (batch,) = house.ingest()
    assert batch.rows.rejected == 0
    rescued = "SELECT order_id, quantity, _rescued['quantity'] AS q, _rescued['Gift Note'] AS g FROM orders ORDER BY 1"
    assert [tuple(row.values()) for row in ask(house, rescued)] == [("o1", None, "many", None), ("o2", 2, None, "hello")]
    assert versions(house)[0][3][-1] == "column '_rescued' was added as map<string,string>"
    assert len(versions(house)) == 1
    house.mend(**orders(evolution="evolve"))
    house.land("c.csv", OLD + "o3,3,1\n")
    house.ingest()
    assert ask(house, "SELECT count(_rescued) AS n FROM orders") == [{"n": 2}]
    assert versions(house)[1][3] == [
        "column '_rescued' (map<string,string>) was removed",
        "the contract of the dataset changed from evolution rescue to evolution evolve",
    ]
    proven(house)


def test_p5_p6_freeze_refuses_the_batch_and_the_live_set_and_schema_stay_as_they_were(make_house: Make) -> None:
    house = make_house(orders(evolution="freeze"))
    house.land("a.csv", OLD + "o1,1,1\n")
    house.ingest()
    for file, text in (
        ("added.csv", NEW + "1,2,x,o2\n"),
        ("missing.csv", "order_id,version\no2,1\n"),
        ("wide.csv", OLD + "o2,3000000000,1\n"),
    ):
        house.land(file, text)
        (batch,) = house.ingest()
        assert (batch.status, batch.commit) == (Status.REJECTED, None)
        assert "`evolution: freeze` allows no change" in batch.reason
    assert [row["order_id"] for row in ask(house)] == ["o1"]
    assert len(versions(house)) == 1
    proven(house)


def test_p5_discard_drops_unknown_columns_and_tells_how_many_values(make_house: Make) -> None:
    house = make_house(orders(evolution="discard"))
    house.land("a.csv", NEW + "1,2,hello,o2\n1,3,,o3\n")
    (batch,) = house.ingest()
    assert ask(house, "SELECT * FROM orders ORDER BY 1 LIMIT 1") == [{"order_id": "o2", "quantity": 2, "version": 1}]
    assert "column 'Gift Note' is not declared; its values were discarded" in batch.notes
    assert len(versions(house)) == 1


# --- what is on record


def test_p5_batches_that_publish_nothing_change_no_schema(make_house: Make) -> None:
    house = make_house(orders(error_threshold=0.0))
    house.land("bad.csv", NEW + "1,many,x,o1\n1,1,y,o2\n")
    house.land("empty.csv", NEW, day=NEXT)
    assert [batch.status for batch in house.ingest()] == [Status.REJECTED, Status.EMPTY]
    assert versions(house) == []


def test_p5_snapshots_name_the_version_that_they_were_published_under(make_house: Make) -> None:
    house = make_house(orders())
    for number, text in enumerate([OLD + "o1,1,1\n", NEW + "1,2,x,o2\n", OLD + "o3,3,1\n"]):
        house.land(f"{number}.csv", text)
        house.ingest()
    assert [one.schema_version for one in house.live()] == [1, 2, 2]


def test_p6_a_contract_that_changes_from_text_to_a_number_shows_text_until_the_old_rows_are_curated_again(
    make_house: Make,
) -> None:
    text = orders()
    text["columns"][1] = {"name": "quantity", "type": "string"}
    house = make_house(text)
    house.land("a.csv", OLD + "o1,1,1\no2,2 or 3,1\n")
    house.ingest()
    house.mend(**orders())
    key = house.land("b.csv", OLD + "o3,3,1\n", day=NEXT)
    house.ingest()
    assert [row["quantity"] for row in ask(house)] == ["1", "2 or 3", "3"]
    assert versions(house)[1] == (2, 2, key, ["the contract of column 'quantity' changed from string to int32"])
    recurate(house.stores, "orders", DAY)
    assert [(row["order_id"], row["quantity"]) for row in ask(house)] == [("o1", 1), ("o3", 3)]
    assert sorted(Lake(house.stores).read("orders", commit=2).column("quantity").to_pylist()) == ["1", "2 or 3", "3"]
    assert len(versions(house)) == 2
    proven(house)


def test_p6_upsert_over_a_changed_contract_merges_as_text_and_keeps_the_key(make_house: Make) -> None:
    text = orders(**MODES["upsert over all dates"])
    text["columns"][1] = {"name": "quantity", "type": "string"}
    house = make_house(text)
    house.land("a.csv", OLD + "o1,some,1\no2,2,1\n")
    house.ingest()
    house.mend(**orders(**MODES["upsert over all dates"]))
    house.land("b.csv", OLD + "o2,3,2\n", day=NEXT)
    house.ingest()
    assert [(row["order_id"], row["quantity"]) for row in ask(house)] == [("o1", "some"), ("o2", "3")]
    proven(house)


def test_p6_a_key_of_the_whole_dataset_that_widens_is_found_where_it_lived(make_house: Make) -> None:
    spec = orders(**MODES["upsert over all dates"])
    spec["columns"][0] = {"name": "order_id", "type": "int32"}
    house = make_house(spec)
    house.land("a.csv", OLD + "1,1,1\n2,2,1\n")
    house.ingest()
    house.land("b.csv", OLD + "2,20,2\n3000000000,3,1\n", day=NEXT)
    house.ingest()
    assert {row["order_id"]: row["quantity"] for row in ask(house)} == {1: 1, 2: 20, 3_000_000_000: 3}
    proven(house)


def test_p5_what_was_published_meanwhile_is_built_on(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(orders())
    house.land("a.csv", OLD + "o1,1,1\n")
    house.ingest()
    house.land("mine.csv", "order_id,quantity,version,mine\no2,2,1,x\n")
    house.discover()
    commit, calls = SqlStore.commit, []

    def overtaken(self: SqlStore, proposal: Any) -> Any:
        calls.append(proposal)
        if len(calls) == 1:
            other = House.__new__(House)
            other.home, other.env, other.stores = house.home, house.env, house.stores
            other.land("theirs.csv", "order_id,quantity,version,Mine,theirs\no3,3000000000,1,y,z\n", day=NEXT)
            assert [one.status for one in _run(other, NEXT)] == [Status.COMMITTED]
        return commit(self, proposal)

    monkeypatch.setattr(SqlStore, "commit", overtaken)
    assert [one.commit for one in _run(house, DAY)] == [3]
    assert [(row["order_id"], row["quantity"], row["mine"], row["theirs"]) for row in ask(house)] == [
        ("o1", 1, None, None),
        ("o2", 2, "x", None),
        ("o3", 3_000_000_000, "y", "z"),
    ]
    assert [number for number, *_ in versions(house)] == [1, 2]
    assert str(Lake(house.stores).read("orders", snapshot_id=house.live()[1].id).schema.field("quantity").type) == "int64"
    proven(house)


def _run(house: House, day: dt.date) -> Any:
    from supply_lake.ingest.batches import run_pending

    house.discover()
    return run_pending(house.stores, "orders", day)


def test_p5_reading_again_after_a_column_was_declared_gives_it_its_type_everywhere(make_house: Make) -> None:
    house = make_house(orders())
    house.land("a.csv", "order_id,quantity,version,co2_kg\no1,1,1,7.5\n")
    house.ingest()
    adopted = orders()
    adopted["columns"].append({"name": "co2_kg", "type": "decimal(9,2)"})
    house.mend(**adopted)
    recurate(house.stores, "orders", DAY)
    assert [row["co2_kg"] for row in ask(house)] == [Decimal("7.50")]
    assert versions(house)[1][3] == ["the contract of column 'co2_kg' changed from string, not declared to decimal(9,2)"]
    proven(house)


def test_p5_an_empty_live_set_shows_the_columns_that_were_published(make_house: Make, tmp_path: Path) -> None:
    house = make_house(orders(mode="replace"))
    house.land("a.csv", NEW + "1,1,x,o1\n")
    house.ingest()
    everything = house.live()[0]
    live = house.stores.metadata.live
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlStore, "live", lambda self, *args, **fields: [])
        assert list(Lake(house.stores).read("orders").schema.names) == ["order_id", "quantity", "version", "gift_note"]
    assert live("orders") == [everything]
