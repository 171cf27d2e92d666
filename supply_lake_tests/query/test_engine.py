"""SQL over the live set: which rows, which columns, at which commit."""

from __future__ import annotations

import datetime as dt
import errno
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from supply_lake.errors import QueryError, SupplyLakeError
from supply_lake.query import engine
from supply_lake.query.view import View
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.query.made_lake import DAY, ORDERS, MadeLake, named

Make = Callable[..., MadeLake]
WIDER = pa.schema([("order_id", pa.string()), ("quantity", pa.int64()), ("price", pa.decimal128(12, 2)), ("gift", pa.string())])
NARROW = pa.schema([("order_id", pa.string()), ("quantity", pa.int32()), ("price", pa.decimal128(12, 2))])
ONE = ("o1", 1, Decimal("1.50"))
TWO = ("o2", 2, Decimal("2.50"))


def view(lake: MadeLake, as_of: dt.datetime | None = None) -> View:
    metadata = lake.stores.metadata
    return View.newest(metadata) if as_of is None else View.as_of(metadata, as_of)


def ask(lake: MadeLake, sql: str, **at: Any) -> list[tuple[Any, ...]]:
    with engine.run(lake.stores, sql, view(lake, **at)) as answer:
        return [tuple(row.values()) for row in answer.table().to_pylist()]


def columns(lake: MadeLake, sql: str) -> list[str]:
    with engine.run(lake.stores, sql) as answer:
        return list(answer.schema.names)


def test_rows_of_all_live_snapshots_without_lineage(lake: MadeLake) -> None:
    lake.commit([ONE])
    lake.commit([TWO], day=dt.date(2026, 11, 2))
    assert ask(lake, "SELECT * FROM orders ORDER BY order_id") == [ONE, TWO]
    assert columns(lake, "FROM orders") == ["order_id", "quantity", "price"]


def test_superseded_rows_are_not_seen_and_stay_readable_at_their_commit(lake: MadeLake) -> None:
    first = lake.commit([ONE])
    second = lake.commit([TWO], supersede=True)
    assert second.supersedes == (first.id,)
    assert ask(lake, "FROM orders") == [TWO]
    assert ask(lake, "FROM orders", as_of=first.committed_at) == [ONE]
    assert ask(lake, "FROM orders", as_of=second.committed_at) == [TWO]
    assert ask(lake, "FROM orders", as_of=dt.datetime(2020, 1, 1)) == []
    assert ask(lake, "FROM orders@1") == [ONE]


def test_an_empty_dataset_is_an_empty_table_of_the_declared_types(make_lake: Make) -> None:
    kinds = ["string", "boolean", "uint8", "int64", "float32", "decimal(38,10)", "date", "time", "timestamp", "json", "binary"]
    nested = ["list<string>", "struct<a:int64,b:list<date>>"]
    lake = make_lake(named("t", columns=[{"name": f"c{n}", "type": kind} for n, kind in enumerate(kinds + nested)]))
    with engine.run(lake.stores, "SELECT * FROM t") as answer:
        assert answer.table().num_rows == 0
        assert [str(kind) for kind in answer.schema.types] == [
            "string", "bool", "uint8", "int64", "float", "decimal128(38, 10)", "date32[day]", "time64[us]",
            "timestamp[us, tz=UTC]", "string", "binary", "list<l: string>", "struct<a: int64, b: list<l: date32[day]>>",
        ]  # fmt: skip
    assert ask(lake, "SELECT count(*) FROM t__rows WHERE _line > 1 AND _source = ''") == [(0,)]
    assert ask(lake, "SELECT count(*) FROM t__rejects WHERE outcome = 'rejected'") == [(0,)]


def test_p5_one_query_spans_snapshots_before_and_after_a_column_came(lake: MadeLake) -> None:
    lake.commit([ONE])
    lake.commit([(*TWO, "yes")], schema=WIDER)
    assert ask(lake, "SELECT order_id, gift FROM orders ORDER BY 1") == [("o1", None), ("o2", "yes")]
    assert columns(lake, "FROM orders") == ["order_id", "quantity", "price", "gift"]


def test_p6_a_widened_column_reads_old_and_new_snapshots_without_loss(lake: MadeLake) -> None:
    lake.commit([ONE], schema=NARROW)
    lake.commit([("o2", 2**40, Decimal("2.50"))])
    assert ask(lake, "SELECT quantity FROM orders ORDER BY 1") == [(1,), (2**40,)]


def test_columns_of_an_old_commit_do_not_change_when_a_column_comes(lake: MadeLake) -> None:
    first = lake.commit([ONE])
    lake.commit([(*TWO, "yes")], schema=WIDER, supersede=True)
    with engine.run(lake.stores, "FROM orders", view(lake, first.committed_at)) as answer:
        assert answer.schema.names == ["order_id", "quantity", "price"]


def test_lineage_is_there_for_those_who_ask(lake: MadeLake) -> None:
    first = lake.commit([ONE])
    second = lake.commit([ONE, TWO], supersede=True, carried=[first.id, None])
    sql = "SELECT order_id, _partition_date, _snapshot_id, _source, _line FROM orders__rows ORDER BY 1"
    key = "orders/2026/11/01/a.csv"
    assert ask(lake, sql) == [("o1", DAY, first.id, key, 2), ("o2", DAY, second.id, key, 3)]


def test_rows_that_a_tombstone_deletes_are_hidden_but_kept(lake: MadeLake) -> None:
    lake.commit([ONE])
    lake.commit([TWO, ("o3", 3, None)], deleted=[True, False], file="b.csv", schema=WIDER.remove(3))
    assert ask(lake, "SELECT order_id FROM orders ORDER BY 1") == [("o1",), ("o3",)]
    assert ask(lake, "SELECT order_id, _deleted FROM orders__rows ORDER BY 1") == [("o1", None), ("o2", True), ("o3", False)]


def test_a_file_that_may_not_be_read_is_told_apart_from_one_that_is_missing(
    lake: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(lake.stores.lake.uri(lake.commit([ONE]).files[0].path))
    path.rename(path.with_suffix(".gone"))
    with pytest.raises(QueryError, match=rf"file {path} of the lake is missing"):
        ask(lake, "FROM orders")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(QueryError, match=rf"{path} of the lake cannot be opened \(Permission denied\); give this user"):
        ask(lake, "FROM orders")


def test_rejects_of_published_and_of_refused_batches_are_a_table(lake: MadeLake) -> None:
    first = lake.commit([ONE], rejected=[(3, "quantity", "many", "no int64")], deduplicated=[4])
    refused = lake.refuse("too many", [(2, "quantity", "x", "no int64")])
    sql = "SELECT outcome, source, line, reasons[1].reason, _snapshot_id FROM orders__rejects ORDER BY _snapshot_id, line"
    assert ask(lake, sql) == [
        ("rejected", "orders/2026/11/01/a.csv", 3, "no int64", first.id),
        ("deduplicated", "orders/2026/11/01/a.csv", 4, "same key as line 2", first.id),
        ("rejected", "orders/2026/11/01/bad.csv", 2, "no int64", refused.id),
    ]


def test_rejects_of_an_object_that_was_read_again_no_longer_stand(lake: MadeLake) -> None:
    first = lake.commit([ONE], rejected=[(3, "quantity", "many", "no int64")], etag="e1")
    lake.commit([ONE, TWO], supersede=True, etag="e1")
    assert ask(lake, "FROM orders__rejects") == []
    assert ask(lake, "SELECT line FROM orders__rejects", as_of=first.committed_at) == [(3,)]


def test_rejects_of_overwritten_bytes_stand_only_beside_their_live_rows(lake: MadeLake) -> None:
    bad = [(2, "quantity", "x", "no int64")]
    lake.refuse("too many", bad, file="a.csv")
    first = lake.commit([ONE], rejected=bad)
    sql = "SELECT _snapshot_id FROM orders__rejects ORDER BY 1"
    assert ask(lake, sql) == [(first.id,)]
    second = lake.commit([TWO], rejected=bad)  # appended: rows of both versions are live
    assert ask(lake, sql) == [(first.id,), (second.id,)]
    third = lake.commit([TWO], rejected=bad, supersede=True)
    assert ask(lake, sql) == [(third.id,)]
    assert ask(lake, sql, as_of=second.committed_at) == [(first.id,), (second.id,)]


@pytest.mark.parametrize("sql", ["SHOW TABLES", "SELECT table_name FROM information_schema.tables ORDER BY 1"])
def test_all_tables_are_listed(make_lake: Make, sql: str) -> None:
    lake = make_lake(ORDERS, named("parts"))
    assert [row[0] for row in ask(lake, sql)] == [
        "orders", "orders__history", "orders__rejects", "orders__rows",
        "parts", "parts__history", "parts__rejects", "parts__rows",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (FROM orders) SELECT count(*) FROM a JOIN parts USING (order_id)",
        'SELECT count(*) FROM "ORDERS" o, Parts p WHERE o.order_id = p.order_id',
        "SELECT (SELECT count(*) FROM parts WHERE order_id IN (SELECT order_id FROM main.orders))",
        "PIVOT (SELECT 1 AS a FROM orders JOIN parts USING (order_id)) ON a IN (1) USING count(*)",
    ],
)
def test_tables_are_found_wherever_the_query_names_them(make_lake: Make, sql: str) -> None:
    lake = make_lake(ORDERS, named("parts"), named("unrelated"))
    lake.commit([ONE])
    lake.commit([ONE], dataset="parts")
    assert ask(lake, sql)[0][-1] == 1


@pytest.mark.parametrize(
    "sql", ["EXPLAIN FROM orders", "explain analyze SELECT 1 FROM orders", "SUMMARIZE orders", "DESCRIBE orders"]
)
def test_other_statements_that_only_read(lake: MadeLake, sql: str) -> None:
    lake.commit([ONE])
    assert ask(lake, sql)


def test_only_the_named_datasets_are_looked_up(make_lake: Make) -> None:
    lake = make_lake(ORDERS, named("parts"))
    asked: list[str] = []

    def commit_of(name: str) -> int:
        asked.append(name)
        return 0

    with engine.run(lake.stores, "SELECT count(*) FROM orders", View(lake.stores.metadata, commit_of, bound=False)):
        assert asked == ["orders"]


def test_an_unknown_table_is_told_with_those_that_exist(make_lake: Make) -> None:
    lake = make_lake(ORDERS, named("parts"))
    with pytest.raises(QueryError, match=r"^there is no table order; the datasets are orders, parts$"):
        ask(lake, 'FROM "order"')


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nope FROM orders", 'Referenced column "nope" not found'),
        ("SELEC 1", "syntax error at or near"),
        ("", "it holds 0 statements|holds 0 statements"),
        ("SELECT order_id::INT FROM orders", "Could not convert string 'o1'"),
    ],
)
def test_errors_are_one_sentence(lake: MadeLake, sql: str, said: str) -> None:
    lake.commit([ONE])
    with pytest.raises(QueryError, match=said) as caught:
        ask(lake, sql)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_the_lake_is_named(lake: MadeLake) -> None:
    snapshot = lake.commit([ONE])
    lake.stores.lake.delete([snapshot.files[0].path])
    with pytest.raises(QueryError, match=rf"{snapshot.id}.*missing; `supply-lake verify`"):
        ask(lake, "FROM orders")


def test_answers_stream(lake: MadeLake) -> None:
    with engine.run(lake.stores, "FROM range(1000000)") as answer:
        batches = answer.batches()
        assert 0 < next(batches).num_rows <= engine.BATCH_ROWS


def test_nothing_is_left_behind(lake: MadeLake) -> None:
    ask(lake, "SELECT count(*) FROM (SELECT DISTINCT hash(range) FROM range(300000))")
    assert not list(lake.stores.settings.scratch.glob("query-*"))


@pytest.mark.parametrize("folder", ["with space", "glob[1]*", "quote's", "é"])
def test_folders_of_any_name(make_lake: Make, tmp_path: Any, folder: str) -> None:
    lake = make_lake(env={"SUPPLY_LAKE_LAKE": str(tmp_path / folder / "lake")})
    lake.commit([ONE], rejected=[(3, "quantity", "many", "no int64")])
    assert ask(lake, "SELECT order_id, _partition_date FROM orders__rows") == [("o1", DAY)]
    assert ask(lake, "SELECT line FROM orders__rejects") == [(3,)]


def test_a_lake_that_is_not_on_this_machine(make_lake: Make) -> None:
    lake = make_lake()
    lake.stores = replace(lake.stores, lake=ObjectStore.open("memory://"), rejects=ObjectStore.open("memory://"))
    first = lake.commit([ONE], rejected=[(3, "quantity", "many", "no int64")])
    lake.commit([(*TWO, "yes")], schema=WIDER, day=dt.date(2026, 11, 2))
    assert ask(lake, "FROM orders ORDER BY order_id") == [(*ONE, None), (*TWO, "yes")]
    assert ask(lake, "SELECT order_id FROM orders WHERE price > 2 AND quantity = 2") == [("o2",)]
    assert ask(lake, "SELECT order_id FROM orders__rows WHERE _partition_date = '2026-11-01'") == [("o1",)]
    assert ask(lake, "SELECT line, _snapshot_id FROM orders__rejects") == [(3, first.id)]


def test_a_file_that_is_gone_from_a_remote_lake_is_named(make_lake: Make) -> None:
    lake = make_lake()
    lake.stores = replace(lake.stores, lake=ObjectStore.open("memory://"))
    snapshot = lake.commit([ONE])
    lake.stores.lake.delete([snapshot.files[0].path])
    with pytest.raises(SupplyLakeError, match=snapshot.id):
        ask(lake, "FROM orders")
