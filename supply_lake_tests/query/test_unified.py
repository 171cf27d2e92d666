"""One query over snapshots of several schemas: every value, in the type that holds them all, the same for ever."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from supply_lake.query import engine
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.query.made_lake import DAY, MadeLake

UTC = dt.UTC
MOMENT = dt.datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
LARGE = 2**53 + 1


def ask(lake: MadeLake, sql: str = "FROM orders") -> tuple[str, list[Any]]:
    """The type and the values of the column ``v``."""
    with engine.run(lake.stores, sql) as answer:
        table = answer.table()
        return str(table.schema.field("v").type), table.column("v").to_pylist()


def commit(lake: MadeLake, kind: pa.DataType, *values: Any, n: int = 0, **fields: Any) -> Any:
    """One snapshot with the column ``v``, on a day of its own."""
    return lake.commit([(one,) for one in values], schema=pa.schema([("v", kind)]), day=DAY + dt.timedelta(days=n), **fields)


DECIMAL = pa.decimal128(12, 2)
STAMP = pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("parts", "kind", "values"),
    [
        ([(pa.int32(), 1), (pa.int64(), 2**40)], "int64", [1, 2**40]),
        ([(pa.int32(), 1), (pa.float64(), 0.5)], "double", [1.0, 0.5]),
        ([(pa.int64(), 7), (pa.float64(), 0.5)], "double", [7.0, 0.5]),
        ([(pa.int64(), LARGE), (pa.float64(), 0.5)], "string", [str(LARGE), "0.5"]),
        ([(pa.int64(), 2**63 - 1), (DECIMAL, Decimal("0.25"))], "decimal128(21, 2)", [Decimal(2**63 - 1), Decimal("0.25")]),
        ([(DECIMAL, Decimal("0.10")), (pa.float64(), 0.3)], "double", [0.1, 0.3]),
        ([(DECIMAL, Decimal("0.10")), (pa.decimal128(9, 4), Decimal("0.1234"))], "decimal128(14, 4)", [Decimal("0.10"), Decimal("0.1234")]),
        ([(pa.decimal128(38, 2), Decimal("9" * 36)), (pa.float64(), 0.5)], "string", ["9" * 36 + ".00", "0.5"]),
        ([(pa.int32(), 1), (pa.int64(), 2), (DECIMAL, Decimal("0.25")), (pa.float64(), 0.5)], "double", [1.0, 2.0, 0.25, 0.5]),
        ([(pa.string(), "many"), (pa.int64(), 7)], "string", ["many", "7"]),
        ([(pa.int32(), 1), (pa.int64(), 2), (DECIMAL, Decimal("0.25")), (pa.float64(), 0.5), (pa.string(), "x")], "string", ["1", "2", "0.25", "0.5", "x"]),
        ([(pa.date32(), DAY), (STAMP, MOMENT)], "timestamp[us, tz=UTC]", [dt.datetime(2026, 11, 1, tzinfo=UTC), MOMENT]),
        ([(pa.date32(), DAY), (pa.int64(), 7)], "string", ["2026-11-01", "7"]),
        ([(STAMP, MOMENT), (pa.bool_(), True)], "string", ["2026-11-01T12:30:00.000000Z", "true"]),
        ([(pa.binary(), b"\xff"), (pa.string(), "x")], "string", ["/w==", "x"]),
        ([(pa.list_(pa.int64()), [1, 2]), (pa.string(), "x")], "string", ["[1,2]", "x"]),
        ([(pa.list_(pa.int32()), [1]), (pa.list_(pa.int64()), [2**40])], "list<l: int64>", [[1], [2**40]]),
        ([(pa.string(), None), (pa.int64(), 7)], "int64", [None, 7]),
        ([(pa.uint64(), 2**64 - 1), (pa.int8(), -1)], "decimal128(20, 0)", [Decimal(2**64 - 1), Decimal(-1)]),
    ],
)  # fmt: skip
def test_p6_one_query_spans_types_without_losing_a_value(
    lake: MadeLake, parts: list[Any], kind: str, values: list[Any]
) -> None:
    for n, (own, value) in enumerate(parts):
        commit(lake, own, value, n=n)
    assert ask(lake, "FROM orders ORDER BY 1")[0] == kind
    found = ask(lake, "SELECT v, _partition_date FROM orders__rows ORDER BY _partition_date")
    assert found == (kind, values)


def test_p6_the_type_does_not_depend_on_the_order_of_commits(make_lake: Callable[..., MadeLake]) -> None:
    parts = [(pa.int64(), 7), (DECIMAL, Decimal("0.25")), (pa.int32(), 1)]
    kinds = set()
    for order in (parts, parts[::-1]):
        lake = make_lake()
        for n, (own, value) in enumerate(order):
            commit(lake, own, value, n=n)
        kinds.add(ask(lake)[0])
    assert kinds == {"decimal128(21, 2)"}


def test_p6_a_struct_that_gains_fields_is_read_with_the_fields_of_all(lake: MadeLake) -> None:
    first = pa.struct([("a", pa.int32()), ("deep", pa.list_(pa.struct([("x", pa.int64())])))])
    second = pa.struct(
        [("b", pa.string()), ("deep", pa.list_(pa.struct([("y", pa.date32()), ("x", DECIMAL)]))), ("a", pa.int64())]
    )
    commit(lake, first, {"a": 1, "deep": [{"x": 2}]}, None)
    commit(lake, second, {"b": "q", "deep": [{"y": DAY, "x": Decimal("0.5")}], "a": 2**40}, n=1)
    _, values = ask(lake, "SELECT v, _partition_date, _line FROM orders__rows ORDER BY 2, 3")
    assert values == [
        {"b": None, "deep": [{"y": None, "x": Decimal("2.00")}], "a": 1},
        None,
        {"b": "q", "deep": [{"y": DAY, "x": Decimal("0.50")}], "a": 2**40},
    ]
    assert ask(lake, "SELECT v.a AS v FROM orders WHERE v.a > 1") == ("int64", [2**40])


def test_p6_a_struct_whose_fields_have_nothing_in_common_keeps_its_form(lake: MadeLake) -> None:
    commit(lake, pa.struct([("a", pa.int32())]), {"a": 1})
    commit(lake, pa.struct([("a", pa.string())]), {"a": "x"}, n=1)
    assert sorted(one["a"] for one in ask(lake)[1]) == ["1", "x"]


def test_p6_as_of_a_commit_the_columns_and_types_stay_what_they_were(lake: MadeLake) -> None:
    kinds = [(pa.int32(), 1), (pa.int64(), 2), (DECIMAL, Decimal("0.25")), (pa.string(), "x")]
    snapshots = [commit(lake, own, value, n=n) for n, (own, value) in enumerate(kinds)]
    expected = ["int32", "int64", "decimal128(21, 2)", "string"]
    for number, (snapshot, kind) in enumerate(zip(snapshots, expected, strict=True), start=1):
        assert ask(lake, f"FROM orders@{number}")[0] == kind
        assert ask(lake, f"FROM orders@'{snapshot.committed_at}'")[0] == kind
        assert len(ask(lake, f"FROM orders@{number}")[1]) == number


def test_p6_when_the_narrow_snapshots_are_gone_their_type_is_gone(lake: MadeLake) -> None:
    commit(lake, pa.string(), "many")
    assert ask(lake)[0] == "string"
    commit(lake, pa.int64(), 7, supersede=True)
    assert ask(lake) == ("int64", [7])
    assert ask(lake, "FROM orders@1") == ("string", ["many"])


def test_p5_columns_that_come_and_go_are_null_where_they_are_not(lake: MadeLake) -> None:
    lake.commit([(1, "a")], schema=pa.schema([("v", pa.int32()), ("old", pa.string())]))
    lake.commit([(2, "b")], schema=pa.schema([("v", pa.int64()), ("new", pa.string())]), file="b.csv")
    with engine.run(lake.stores, "FROM orders ORDER BY v") as answer:
        assert answer.schema.names == ["v", "new", "old"]
        assert [tuple(row.values()) for row in answer.table().to_pylist()] == [(1, None, "a"), (2, "b", None)]


def test_p5_a_column_whose_name_changed_its_case_is_one_column_in_the_newest_spelling(lake: MadeLake) -> None:
    lake.commit([(1,)], schema=pa.schema([("V", pa.int32())]))
    lake.commit([(2**40,)], schema=pa.schema([("v", pa.int64())]), file="b.csv")
    assert sorted(ask(lake)[1]) == [1, 2**40]


def test_p6_maps_of_rescued_values_are_maps_in_sql(lake: MadeLake) -> None:
    rescued = pa.schema([("v", pa.int64()), ("_rescued", pa.map_(pa.string(), pa.string()))])
    lake.commit([(None, [("v", "many")]), (7, None)], schema=rescued)
    commit(lake, pa.int64(), 8, n=1)
    assert ask(lake, "SELECT _rescued['v'] AS v FROM orders WHERE _rescued IS NOT NULL") == ("string", ["many"])
    assert sorted(ask(lake, "SELECT v FROM orders WHERE _rescued IS NULL")[1]) == [7, 8]


def test_p6_types_meet_in_a_lake_that_is_not_on_this_machine(lake: MadeLake) -> None:
    lake.stores = replace(lake.stores, lake=ObjectStore.open("memory://"))
    commit(lake, pa.int32(), 1)
    commit(lake, DECIMAL, Decimal("0.25"), n=1)
    commit(lake, pa.string(), "x", n=2)
    assert ask(lake, "SELECT v, _partition_date FROM orders__rows ORDER BY 2") == ("string", ["1", "0.25", "x"])
    assert ask(lake, "SELECT v FROM orders__rows WHERE _partition_date = '2026-11-02'")[1] == ["0.25"]
