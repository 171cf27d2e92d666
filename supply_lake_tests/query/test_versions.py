"""Versions of datasets in SQL: commits, times, snapshots, history; and that what is bound sees nothing later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from supply_lake.errors import QueryError, UnknownCommit, UnknownSnapshot, UsageError
from supply_lake.query import engine
from supply_lake.query.reader import Reader
from supply_lake.query.versions import Version, spelled_out
from supply_lake.query.view import View
from supply_lake_tests.query.made_lake import DAY, ORDERS, MadeLake, named

ONE, TWO, THREE = [(f"o{n}", n, Decimal(n)) for n in (1, 2, 3)]
FUTURE = "2126-11-01"
Make = Callable[..., MadeLake]


def ask(lake: MadeLake, sql: str, view: View | None = None) -> list[tuple[Any, ...]]:
    with engine.run(lake.stores, sql, view) as answer:
        return [tuple(row.values()) for row in answer.table().to_pylist()]


@pytest.mark.parametrize(
    ("sql", "spelled"),
    [
        ("FROM orders@7", 'FROM "@7".orders'),
        ("FROM orders @ 7 o", 'FROM "@7".orders o'),
        ('FROM "Or""ders"@7,b@8', 'FROM "@7"."Or""ders","@8".b'),
        ("FROM orders@'2026-11-01T00:00Z'", 'FROM "@2026-11-01T00:00Z".orders'),
        ("SELECT 'é', é FROM ü@7 -- ü@8", "SELECT 'é', é FROM \"@7\".ü -- ü@8"),
        ("FROM orders/* the old */@/* one */7", 'FROM "@7".orders'),
        ("FROM returns@7", 'FROM "@7".returns'),
        ("SELECT 'orders@7', $$orders@8$$, e'\\'orders@9' /* orders@1 */ -- orders@2", None),
        ("SELECT @7, @-7, 1 + @7, list[@7] FROM a WHERE @7 < b LIMIT @7", None),
        ('SELECT "orders@7" FROM b', None),
        ("SELECT CASE WHEN a THEN @1 ELSE @2 END", None),
        ("SELECT 'unclosed", None),
        ("", None),
    ],
)
def test_versions_are_found_by_the_engines_own_tokens(sql: str, spelled: str | None) -> None:
    assert spelled_out(sql) == (sql if spelled is None else spelled)


@pytest.mark.parametrize("text", ["orders@7.5", "orders@7e1", "orders@7abc", "orders@1_000", "orders@e'7'", "orders@''"])
def test_what_is_no_version_is_told(text: str) -> None:
    with pytest.raises(QueryError, match=r"orders@… is no version; write name@7"):
        spelled_out(f"FROM {text}")


@pytest.mark.parametrize("text", ["yesterday", " ", "--1", "²", "2026-13-01"])
def test_a_version_that_cannot_be_read_is_refused(lake: MadeLake, text: str) -> None:
    with pytest.raises(UsageError, match="is no version; write a commit's number, a time"):
        ask(lake, f"FROM orders@'{text}'")


def test_versions_as_text() -> None:
    time = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    assert Version.of(7) == Version.parse(" 7 ") == Version(commit=7)
    assert Version.of(time) == Version.parse("2026-11-01") == Version.parse("2026-11-01T02:00+02:00") == Version(time=time)
    for version in (Version(commit=7), Version(time=time), Version(snapshot="019f6d2e-5c1a-7000-8000-000000000000")):
        assert Version.of(str(version)) == Version.of(version) == version


def test_one_query_joins_two_versions_of_one_dataset(lake: MadeLake) -> None:
    first = lake.commit([ONE, TWO])
    lake.commit([ONE, ("o2", 9, Decimal(9))], supersede=True)
    sql = "SELECT a.order_id, a.quantity, b.quantity AS after FROM orders@{} a JOIN orders b USING (order_id) WHERE a <> b"
    assert ask(lake, sql.format(1)) == [("o2", 2, 9)]
    assert ask(lake, sql.format(f"'{first.committed_at}'")) == [("o2", 2, 9)]
    assert ask(lake, sql.format(f"'{first.id}'")) == [("o2", 2, 9)]
    assert ask(lake, "SELECT count(*) FROM orders@0") == [(0,)]
    assert ask(lake, "SELECT sum(orders.quantity) FROM \"orders\"@1 WHERE orders.order_id = 'o2'") == [(2,)]
    assert ask(lake, "WITH old AS (FROM orders@1) SELECT count(*) FROM old, orders@2") == [(4,)]
    assert ask(lake, 'SELECT "@1".orders.quantity - "@2".orders.quantity FROM orders@1 JOIN orders@2 USING (order_id) ORDER BY 1') == [
        (-7,), (0,),
    ]  # fmt: skip
    assert ask(lake, "DESCRIBE orders@1")[0][0] == "order_id"


def test_a_commit_time_or_snapshot_that_is_not_there(make_lake: Make) -> None:
    lake = make_lake(ORDERS, named("parts"))
    other = lake.commit([ONE], dataset="parts")
    for version, error in (("1", UnknownCommit), (f"'{FUTURE}'", UsageError), (f"'{other.id}'", UnknownSnapshot)):
        with pytest.raises(error):
            ask(lake, f"FROM orders@{version}")


def test_lineage_and_rejects_of_a_version(lake: MadeLake) -> None:
    first = lake.commit([ONE], rejected=[(3, "quantity", "many", "no int64")])
    lake.commit([TWO], supersede=True, rejected=[(9, "quantity", "few", "no int64")])
    assert ask(lake, "SELECT order_id, _snapshot_id FROM orders__rows@1") == [("o1", first.id)]
    assert ask(lake, "SELECT line FROM orders__rejects@1") == [(3,)]
    assert ask(lake, f"SELECT line FROM orders__rejects@'{first.id}'") == [(3,)]
    assert ask(lake, "SELECT line FROM orders__rejects@0") == []


def test_history_has_the_rows_of_all_snapshots(lake: MadeLake) -> None:
    first = lake.commit([ONE])
    second = lake.commit([ONE, TWO], supersede=True, carried=[first.id, None])
    third = lake.commit([THREE], day=DAY + dt.timedelta(days=1))
    lake.refuse("too many", [(2, "quantity", "x", "no int64")])
    columns = "order_id, snapshot_id, commit, committed_at, superseded_by, _snapshot_id, _partition_date"
    told = [(one.id, one.commit, one.committed_at) for one in (first, second, third)]
    rows = [
        ("o1", *told[0], 2, first.id, DAY),
        ("o1", *told[1], None, first.id, DAY),
        ("o2", *told[1], None, second.id, DAY),
        ("o3", *told[2], None, third.id, third.partition),
    ]
    sql = f"SELECT {columns} FROM orders__history{{}} ORDER BY commit, order_id"
    assert ask(lake, sql.format("")) == rows
    assert ask(lake, sql.format("@2")) == rows[:3]
    assert ask(lake, sql.format("@1")) == [(*rows[0][:4], None, *rows[0][5:])]
    assert ask(lake, f"SELECT DISTINCT commit FROM orders__history@'{second.id}'") == [(2,)]
    assert ask(lake, sql.format("@0")) == []
    live = "SELECT order_id FROM orders__history WHERE commit <= 1 AND (superseded_by IS NULL OR superseded_by > 1)"
    assert ask(lake, live) == ask(lake, "SELECT order_id FROM orders@1")


def test_the_columns_of_history_give_way_to_those_of_the_dataset(lake: MadeLake) -> None:
    import pyarrow as pa

    lake.commit([("o1", "deadbeef")], schema=pa.schema([("order_id", pa.string()), ("Commit", pa.string())]))
    assert ask(lake, 'SELECT "commit", lake_commit FROM orders__history WHERE lake_commit = 1') == [("deadbeef", 1)]


@pytest.fixture
def past(lake: MadeLake) -> tuple[MadeLake, View]:
    """A lake of two commits, seen as of the first; the second superseded it, and has rejects."""
    first = lake.commit([ONE], rejected=[(3, "quantity", "many", "no int64")])
    lake.commit([TWO], supersede=True, rejected=[(9, "quantity", "few", "no int64")])
    assert first.committed_at is not None
    return lake, View.as_of(lake.stores.metadata, first.committed_at)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT order_id FROM orders", [("o1",)]),
        ("SELECT order_id FROM orders__rows", [("o1",)]),
        ("SELECT order_id, superseded_by FROM orders__history", [("o1", None)]),
        ("SELECT line FROM orders__rejects", [(3,)]),
        ("SELECT order_id FROM orders@1", [("o1",)]),
        ("SELECT order_id FROM orders@0", []),
        ("SELECT order_id FROM orders@'2020-01-01'", []),
    ],
)
def test_a_bound_view_shows_what_was_there(past: tuple[MadeLake, View], sql: str, rows: list[Any]) -> None:
    lake, view = past
    assert ask(lake, sql, view) == rows


@pytest.mark.parametrize("kind", ["", "__rows", "__history", "__rejects"])
@pytest.mark.parametrize("version", ["2", "time", "snapshot"])
def test_a_bound_view_has_no_look_ahead(past: tuple[MadeLake, View], kind: str, version: str) -> None:
    lake, view = past
    newest = lake.stores.metadata.latest("orders")
    assert newest is not None
    told = {"2": "2", "time": f"'{newest.committed_at}'", "snapshot": f"'{newest.id}'"}[version]
    assert ask(lake, f"FROM orders{kind}@{told}")
    with pytest.raises((UnknownCommit, UnknownSnapshot), match=r"no later than commit 1|not known at commit 1"):
        ask(lake, f"FROM orders{kind}@{told}", view)


def test_a_bound_reader_has_no_look_ahead_by_any_method(past: tuple[MadeLake, View]) -> None:
    lake, view = past
    reader = Reader(lake.stores, view)
    newest = lake.stores.metadata.latest("orders")
    assert newest is not None
    assert reader.read("orders").column("order_id").to_pylist() == ["o1"]
    assert [(one.commit, one.superseded_by, one.live) for one in reader.snapshots("orders")] == [(1, None, True)]
    assert [one.commit for one in reader.live("orders")] == [1]
    assert [one.commit for one in [reader.latest("orders")] if one] == [1]
    assert reader.schema("orders").versions == ()
    assert reader.rejects("orders").num_rows == reader.rejects_summary("orders").num_rows == 1
    for at in ({"commit": 2}, {"as_of": newest.committed_at}, {"snapshot_id": newest.id}):
        with pytest.raises((UnknownCommit, UnknownSnapshot)):
            reader.read("orders", **at)
    with pytest.raises(UnknownSnapshot):
        reader.rejects("orders", snapshot_id=newest.id)
    with pytest.raises(UnknownCommit):
        reader.live("orders", commit=2)
    assert reader.query("FROM orders", as_of=newest.committed_at).column("order_id").to_pylist() == ["o1"]


def test_a_view_gives_the_same_answer_whatever_is_committed_meanwhile(lake: MadeLake) -> None:
    lake.commit([ONE])
    view = View.newest(lake.stores.metadata)
    assert ask(lake, "SELECT order_id FROM orders", view) == [("o1",)]
    lake.commit([TWO])
    assert ask(lake, "SELECT order_id FROM orders", view) == [("o1",)]
    assert ask(lake, "SELECT order_id FROM orders@2 ORDER BY 1", view) == [("o1",), ("o2",)]
