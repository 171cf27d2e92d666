"""Differences between two versions: which rows, which cells, which files are read, in which forms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from supply_lake.curate.schema import ChangeKind
from supply_lake.errors import QueryError, UnknownCommit, UnknownDataset, UnknownSnapshot, UsageError
from supply_lake.lake import Lake
from supply_lake.query.difference import Difference
from supply_lake_tests.query.made_lake import DAY, ORDERS, MadeLake, named
from supply_lake_tests.snapshots.made_up import proposed

NEXT = DAY.replace(day=2)
WIDER = pa.schema([("order_id", pa.string()), ("quantity", pa.int64()), ("price", pa.decimal128(12, 2)), ("gift", pa.string())])
KEYED: dict[str, Any] = {"primary_key": ["order_id"], "mode": "upsert", "order_by": "quantity"}
Make = Callable[..., MadeLake]


def order(name: str, quantity: int | None = 1, price: str = "1.00") -> tuple[Any, ...]:
    return (name, quantity, Decimal(price))


@pytest.fixture
def keyed(make_lake: Make) -> MadeLake:
    return make_lake(named("orders", **KEYED, key_scope="dataset"))


def diff(lake: MadeLake, a: Any, b: Any, **key: Any) -> Difference:
    return Lake(lake.stores).diff("orders", a, b, **key)


def told(found: Difference) -> list[tuple[Any, ...]]:
    """(change, id before, id after, columns) of each row."""
    with found:
        return [
            (one["change"], *((one[side] or {}).get("order_id") for side in ("before", "after")), one["columns"])
            for one in found.table().to_pylist()
        ]


def test_rows_are_added_removed_and_changed_by_key(keyed: MadeLake) -> None:
    keyed.commit([order("o1"), order("o2"), order("o3", None)])
    keyed.commit([order("o1"), order("o3", 3, "9.00"), order("o4")], supersede=True)
    found = diff(keyed, 1, 2)
    assert (found.added, found.removed, found.changed, found.key) == (1, 1, 1, ("order_id",))
    assert found.cells().read_all().to_pylist() == [
        {"key": '{"order_id": "o3"}', "column": "quantity", "before": None, "after": "3"},
        {"key": '{"order_id": "o3"}', "column": "price", "before": "1.00", "after": "9.00"},
    ]
    assert told(found) == [
        ("removed", "o2", None, None),
        ("changed", "o3", "o3", ["quantity", "price"]),
        ("added", None, "o4", None),
    ]


def test_versions_are_commits_times_or_snapshots_in_either_direction(keyed: MadeLake) -> None:
    first = keyed.commit([order("o1")])
    second = keyed.commit([order("o2")], supersede=True)
    for a, b in [
        (1, 2),
        ("1", "2"),
        (first.committed_at, second.committed_at),
        (str(first.committed_at), second.id),
        (first.id, 2),
    ]:
        with diff(keyed, a, b) as found:
            assert (found.added, found.removed, found.changed) == (1, 1, 0)
            assert (found.before.commit, found.after.commit) == (1, 2)
    assert told(diff(keyed, 2, 1)) == [("added", None, "o1", None), ("removed", "o2", None, None)]
    assert told(diff(keyed, 0, 1)) == [("added", None, "o1", None)]
    assert told(diff(keyed, 0, 0)) == told(diff(keyed, 2, 2)) == []


def test_what_is_not_there_is_told(keyed: MadeLake) -> None:
    keyed.commit([order("o1")])
    keyed.commit([order("o2")])
    for error, ask in [
        (UnknownCommit, lambda: diff(keyed, 1, 9)),
        (UnknownSnapshot, lambda: diff(keyed, 1, "019f6d2e-5c1a-7000-8000-000000000000")),
        (UsageError, lambda: diff(keyed, 1, "yesterday")),
        (UsageError, lambda: diff(keyed, 1, 2, key=["nope"])),
        (UnknownDataset, lambda: Lake(keyed.stores).diff("nope", 1, 2)),
    ]:
        with pytest.raises(error):
            ask()


def test_snapshots_of_both_versions_are_never_read(keyed: MadeLake) -> None:
    shared = keyed.commit([order("o1")])
    changed = keyed.commit([order("o2")], day=NEXT)
    new = keyed.commit([order("o2", 5)], day=NEXT, supersede=True)
    keyed.stores.lake.delete([shared.files[0].path])
    with diff(keyed, 2, 3) as found:
        assert (found.added, found.removed, found.changed) == (0, 0, 1)
        assert set(found.files) == {keyed.stores.lake.uri(one.files[0].path) for one in (changed, new)}


def test_a_file_that_is_missing_is_told(keyed: MadeLake) -> None:
    first = keyed.commit([order("o1")])
    keyed.commit([order("o2")], supersede=True)
    keyed.stores.lake.delete([first.files[0].path])
    with pytest.raises(QueryError, match=rf"{first.id}.* is missing"):
        diff(keyed, 1, 2)


def test_without_a_key_rows_are_compared_as_they_are_and_as_often(lake: MadeLake) -> None:
    lake.commit([order("o1"), order("o1"), order("o2"), order("o3", None)])
    lake.commit([order("o1"), order("o2"), order("o2"), order("o2"), order("o3", None), order("o4")], supersede=True)
    found = diff(lake, 1, 2)
    assert (found.added, found.removed, found.changed, found.key) == (3, 1, 0, ())
    assert Counter(told(found)) == {
        ("removed", "o1", None, None): 1,
        ("added", None, "o2", None): 2,
        ("added", None, "o4", None): 1,
    }


def test_a_key_may_be_asked_for_and_left_out(keyed: MadeLake) -> None:
    keyed.commit([order("o1", 1), order("o2", 2)])
    keyed.commit([order("o1", 2), order("o2", 3)], supersede=True)
    with diff(keyed, 1, 2, key=["QUANTITY"]) as found:
        assert (found.added, found.removed, found.changed, found.key) == (1, 1, 1, ("quantity",))
    with diff(keyed, 1, 2, key=[]) as found:
        assert (found.added, found.removed, found.changed, found.key) == (2, 2, 0, ())


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ([1, 1], [1], (0, 1, 0)),
        ([1], [1, 1], (1, 0, 0)),
        ([1, 2], [2, 1], (0, 0, 0)),
        ([1, 2], [2, 3], (0, 0, 1)),
        ([1, 1], [1, 1], (0, 0, 0)),
        ([1, 1], [1, 2], (0, 0, 1)),
        ([1, 1, 2], [3], (0, 2, 1)),
        ([1, 2], [], (0, 2, 0)),
    ],
)
def test_a_key_that_several_rows_have_is_compared_as_a_multiset(
    keyed: MadeLake, before: list[int], after: list[int], counts: tuple[int, int, int]
) -> None:
    keyed.commit([*(order("o1", one) for one in before), order("same")])
    keyed.commit([*(order("o1", one) for one in after), order("same")], supersede=True)
    with diff(keyed, 1, 2) as found:
        assert (found.added, found.removed, found.changed) == counts
        assert found.table().num_rows == sum(counts)


def test_with_a_key_of_a_partition_the_date_is_part_of_it(make_lake: Make) -> None:
    for scope, counts in (("partition", (1, 1, 0)), ("dataset", (0, 0, 0))):
        lake = make_lake(named("orders", **KEYED, key_scope=scope))
        first = lake.commit([order("o1")])
        moved = lake.commit([order("o1")], day=NEXT)
        with diff(lake, first.id, moved.id) as found:
            assert (found.added, found.removed, found.changed) == counts
            assert found.key == (("order_id", "_partition_date") if scope == "partition" else ("order_id",))


def test_rows_that_a_tombstone_hides_are_not_there(keyed: MadeLake) -> None:
    keyed.commit([order("o1"), order("o2")])
    keyed.commit([order("o1"), order("o2")], supersede=True, deleted=[True, False])
    assert told(diff(keyed, 1, 2)) == [("removed", "o1", None, None)]


def test_p6_a_column_that_came_or_widened_is_compared_in_types_that_hold_both(keyed: MadeLake) -> None:
    narrow = pa.schema([("order_id", pa.string()), ("quantity", pa.int32()), ("price", pa.decimal128(12, 2))])
    keyed.commit([order("o1"), order("o2")], schema=narrow, publishes=proposed(("order_id", "string"), ("quantity", "int32")))
    columns = (("order_id", "string"), ("quantity", "int64"), ("gift", "string"))
    rows = [(*order("o1"), None), (*order("o2"), "yes")]
    keyed.commit(rows, schema=WIDER, supersede=True, publishes=proposed(*columns, based_on=1))
    with diff(keyed, 1, 2) as found:
        assert [(one.kind, one.column) for one in found.schema] == [
            (ChangeKind.CONTRACT, "quantity"), (ChangeKind.ADDED, "gift"),
        ]  # fmt: skip
        assert [(one["column"], one["before"], one["after"]) for one in found.cells().read_all().to_pylist()] == [
            ("gift", None, "yes")
        ]
    with diff(keyed, 2, 1) as found:
        assert [(one["column"], one["before"], one["after"]) for one in found.cells().read_all().to_pylist()] == [
            ("gift", "yes", None)
        ]


def test_values_that_sql_calls_equal_are_no_change(make_lake: Make) -> None:
    kinds = {"f": "float64", "l": "list<int64>", "s": "struct<a:int64>", "j": "json", "n": "float64"}
    lake = make_lake(
        named("orders", **KEYED, columns=[*ORDERS["columns"], *({"name": n, "type": t} for n, t in kinds.items())])
    )
    schema = pa.schema(
        [("order_id", pa.string()), ("f", pa.float64()), ("l", pa.list_(pa.int64())), ("s", pa.struct([("a", pa.int64())])),
         ("j", pa.string()), ("n", pa.float64())]
    )  # fmt: skip
    lake.commit([("o1", 0.0, [1, 2], {"a": 1}, "{}", float("nan")), ("o2", 1.0, [1], None, None, None)], schema=schema)
    lake.commit([("o1", -0.0, [1, 2], {"a": 1}, "{}", float("nan")), ("o2", 1.0, [2], {"a": None}, None, None)],
                schema=schema, supersede=True)  # fmt: skip
    with diff(lake, 1, 2) as found:
        assert [(one["column"], one["before"], one["after"]) for one in found.cells().read_all().to_pylist()] == [
            ("l", "[1]", "[2]"), ("s", None, '{"a": null}'),
        ]  # fmt: skip


def test_as_json_with_cells_and_the_rows_that_came_or_went(keyed: MadeLake) -> None:
    keyed.commit([order("o1"), order("o2")])
    keyed.commit([order("o1", 2), order("o3")], supersede=True)
    with diff(keyed, 1, 2) as found:
        told = json.loads("".join(found.json()))
        assert {name: told[name] for name in ("dataset", "added", "removed", "changed", "key")} == {
            "dataset": "orders", "added": 1, "removed": 1, "changed": 1, "key": ["order_id"],
        }  # fmt: skip
        assert told["cells"] == [{"key": {"order_id": "o1"}, "column": "quantity", "before": 1, "after": 2}]
        assert told["rows"] == [
            {"change": "removed", "row": {"order_id": "o2", "quantity": 1, "price": 1.0}},
            {"change": "added", "row": {"order_id": "o3", "quantity": 1, "price": 1.0}},
        ]
        assert told["before"] == {"commit": 1, "snapshots": 1, "rows": 2}
        assert json.loads("".join(found.json(rows=False))) == {n: v for n, v in told.items() if n not in ("cells", "rows")}
        assert [one["order_id"] for one in found.came_or_went().read_all().to_pylist()] == ["o2", "o3"]
    with diff(keyed, 1, 1) as same:
        assert (
            json.loads("".join(same.json()))["cells"] == same.table().to_pylist() == same.cells().read_all().to_pylist() == []
        )
        assert same.came_or_went().read_all().num_rows == 0


def test_nothing_is_left_behind(keyed: MadeLake) -> None:
    keyed.commit([order("o1")])
    found = diff(keyed, 0, 1)
    del found
    assert not list(keyed.stores.settings.scratch.glob("query-*"))


def feed(lake: MadeLake, *given: Any) -> list[tuple[Any, ...]]:
    rows = Lake(lake.stores).changes("orders", *given).read_all().to_pylist()
    return [
        (one["commit"], one["change"], (one["before"] or {}).get("quantity"), (one["after"] or {}).get("quantity"))
        for one in rows
    ]


def test_the_feed_has_every_change_since_a_commit_with_before_and_after(keyed: MadeLake) -> None:
    keyed.commit([order("o1", 1)])
    keyed.commit([order("o1", 2), order("o2", 7)], supersede=True)
    keyed.commit([(*order("o3", 3), "yes")], day=NEXT, schema=WIDER)
    fourth = keyed.commit([order("o2", 8)], supersede=True)
    steps = [
        (1, "added", None, 1),
        (2, "changed", 1, 2), (2, "added", None, 7),
        (3, "added", None, 3),
        (4, "removed", 2, None), (4, "changed", 7, 8),
    ]  # fmt: skip
    assert feed(keyed, 0) == steps
    assert feed(keyed, 2) == steps[3:]
    assert feed(keyed, 1, 3) == steps[1:4]
    assert feed(keyed, 4) == []
    last = Lake(keyed.stores).changes("orders", 3).read_all()
    assert set(last.column("committed_at").to_pylist()) == {fourth.committed_at}
    for given in ((5,), (1, 9)):
        with pytest.raises(UnknownCommit):
            feed(keyed, *given)


def test_the_feed_reads_only_what_commits_have_moved(keyed: MadeLake) -> None:
    old = keyed.commit([order("o1")])
    keyed.commit([order("o2")], day=NEXT)
    keyed.stores.lake.delete([old.files[0].path])
    assert feed(keyed, 1) == [(2, "added", None, 1)]


def test_under_a_pin_neither_shows_what_came_later(keyed: MadeLake) -> None:
    keyed.commit([order("o1")])
    pinned = Lake(keyed.stores, Lake(keyed.stores).seen(pin=Lake(keyed.stores).pin()))
    keyed.commit([order("o2")])
    assert pinned.changes("orders", 0).read_all().num_rows == 1
    for ask in (lambda: pinned.diff("orders", 1, 2), lambda: pinned.changes("orders", 0, 2)):
        with pytest.raises(UnknownCommit):
            ask()
