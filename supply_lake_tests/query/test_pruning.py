"""Which files a query opens: partitions, bounds and columns; and that no condition ever loses a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.query import engine
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.query.made_lake import DAY, ORDERS, MadeLake, named

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("day", pa.date32()),
        ("code", pa.string()),
        ("price", pa.decimal128(12, 2)),
        ("placed", pa.timestamp("us", "UTC")),
        ("ratio", pa.float64()),
    ]
)
DAYS = 6
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def row(n: int) -> tuple[Any, ...]:
    return (n, DAY + dt.timedelta(days=n), str(n * 7), Decimal(n) / 4, NOON + dt.timedelta(days=n), float(n))


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeLake]:
    """Six days of two rows each; every column grows with the day, but for ``code``, which is text."""
    lake = MadeLake(tmp_path_factory.mktemp("days"), ORDERS, named("parts"))
    for n in range(DAYS):
        lake.commit([row(n), (*row(n)[:2], None, *row(n)[3:])], schema=SCHEMA, day=DAY + dt.timedelta(days=n))
    lake.commit([row(1), row(4)], schema=SCHEMA, dataset="parts")
    yield lake
    lake.stores.close()


def opened(lake: MadeLake, sql: str) -> tuple[list[tuple[Any, ...]], int]:
    """The rows, and how many files the query could have opened."""
    with engine.run(lake.stores, sql) as answer:
        return [tuple(one.values()) for one in answer.table().to_pylist()], len(answer.files)


@pytest.mark.parametrize(
    ("where", "files"),
    [
        ("day = '2026-11-03'", 1),
        ("DATE '2026-11-03' = day", 1),
        ("day = '2026-11-03'::DATE AND price > 0", 1),
        ("orders.day >= '2026-11-05'", 2),
        ("'2026-11-05' <= day", 2),
        ("day BETWEEN '2026-11-02' AND '2026-11-03'", 2),
        ("day IN ('2026-11-01', '2026-11-06', '2030-01-01')", 2),
        ("day < '2026-11-02' OR id = 5", 2),
        ("(day < '2026-11-02' OR id > 4) AND price >= 1.25", 1),
        ("placed >= '2026-11-06 00:00:00+00'", 1),
        ("placed::DATE = '2026-11-06'", DAYS),
        ("price = 1.25", 1),
        ("id = 2.5", 1),
        ("code = '14'", 1),
        ("code > '5'", 1),  # as text '7' > '5' > '35'
        ("code = 14", DAYS),  # compared as numbers: bounds of text do not tell
        ("ratio = 2", DAYS),
        ("ratio > 2", DAYS),
        ("id <> 2", DAYS),
        ("NOT (id = 2)", DAYS),
        ("id = 2 OR ratio = 3", DAYS),
        ("id IS NULL", 0),
        ("id = 1 + 1", DAYS),
        ("id = (SELECT 2)", DAYS),
        ("random() < 2 AND id = 2", 1),
        ("id = 99", 1),  # one file tells the columns
        ("id = NULL", DAYS),
    ],
)
def test_only_files_that_may_hold_a_row_are_opened(days: MadeLake, where: str, files: int) -> None:
    found, many = opened(days, f"SELECT id, code FROM orders WHERE {where} ORDER BY ALL")
    everything, _ = opened(days, f"SELECT id, code FROM (FROM orders) AS orders WHERE {where} ORDER BY ALL")
    assert found == everything
    assert many == (files or DAYS)


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        ("SELECT o.id FROM orders o WHERE o.id = 2", 1),
        ("SELECT O.id FROM orders AS o WHERE o.ID = 2", 1),
        ("SELECT o.id FROM orders o JOIN parts p ON o.id = p.id WHERE o.id = 1", 1 + 1),
        ("SELECT o.id FROM orders o LEFT JOIN parts p ON o.id = p.id WHERE o.id >= 4", 2 + 1),
        ("SELECT o.id FROM parts p LEFT JOIN orders o ON o.id = p.id WHERE o.id >= 4", 2 + 1),
        ("SELECT o.id FROM parts p FULL JOIN orders o ON o.id = p.id WHERE o.id >= 4 OR o.id < 1", 3 + 1),
        ("SELECT o.id FROM orders o, parts p WHERE o.id = 1 AND p.id = 1", 1 + 1),
        ("SELECT id FROM orders JOIN parts USING (id) WHERE id = 1", DAYS + 1),
        ("SELECT p.id, o.id FROM parts p ASOF JOIN orders o ON p.id >= o.id WHERE o.id = 1", DAYS + 1),
        ("SELECT o.id FROM orders o POSITIONAL JOIN parts p WHERE o.id = 3", DAYS + 1),
        ("SELECT id FROM parts p WHERE EXISTS (FROM orders o WHERE o.id = 4 AND p.id = o.id)", 1 + 1),
        ("SELECT id FROM orders WHERE id = 2 UNION ALL SELECT id FROM orders WHERE id = 4", 2),
        ("SELECT id FROM orders WHERE id = 2 UNION ALL SELECT id FROM orders", DAYS),
        ("WITH orders AS (FROM main.orders WHERE id > 3) SELECT id FROM orders WHERE id = 4", DAYS),
        ("WITH big AS (FROM orders WHERE id > 3) SELECT id FROM big WHERE id = 4", 2),
        ("SELECT id FROM (FROM orders WHERE id = 4)", 1),
        ("SELECT id FROM orders@3 WHERE id = 2", 1),
        ("SELECT id FROM orders@3 WHERE id = 2 UNION ALL SELECT id FROM orders WHERE id = 5", 2),
        ("SELECT n FROM orders o(n) WHERE n = 2", DAYS),
        ("SELECT id + 1 AS id FROM orders WHERE id = 2", 1),
        ("SELECT id FROM orders__rows WHERE _partition_date = '2026-11-03'", 1),
        ("SELECT id FROM orders__rows r WHERE EXISTS (FROM parts WHERE r._partition_date = '2026-11-03')", DAYS + 1),
        ("SELECT id FROM orders__history WHERE commit = 2", 1),
        ("SELECT id FROM orders__history WHERE committed_at < '2020-01-01'", 1),
        ("SELECT id FROM orders__history WHERE superseded_by > 2", DAYS),
    ],
)  # fmt: skip
def test_conditions_count_where_leaving_rows_out_cannot_be_noticed(days: MadeLake, sql: str, files: int) -> None:
    found, many = opened(days, sql)
    assert many == files
    from supply_lake.query import pruning

    keep = pruning.kept
    try:
        pruning.kept = lambda connection, conditions, known, ids: frozenset(ids)
        assert sorted(opened(days, sql)[0], key=str) == sorted(found, key=str)
    finally:
        pruning.kept = keep


VALUES = st.sampled_from([-1, 0, 1, 2, 2.5, "2", "3.0", 4, 5, 6])
COLUMNS = {"id": repr, "price": repr, "day": lambda value: f"DATE '2026-11-01' + {int(float(value))}"}


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth and draw(st.booleans()):
        joined = draw(st.sampled_from([" AND ", " OR "])).join(draw(conditions(depth=depth - 1)) for _ in range(2))
        return f"{draw(st.sampled_from(['', 'NOT ']))}({joined})"
    column = draw(st.sampled_from(["id", "price", "code", "ratio", "day"]))
    value, other = (draw(VALUES) for _ in range(2))
    if column == "day":
        value, other = (f"2026-11-{max(int(float(one)), 0) + 1:02}" for one in (value, other))
    if column == "code":
        value, other = str(value), str(other)
    operator = draw(st.sampled_from(["=", "<", "<=", ">", ">=", "<>", "BETWEEN", "IN", "IS DISTINCT FROM"]))
    if operator == "BETWEEN":
        return f"{column} BETWEEN {value!r} AND {other!r}"
    return f"{column} IN ({value!r}, {other!r})" if operator == "IN" else f"{column} {operator} {value!r}"


@given(conditions())
@settings(max_examples=40)
def test_no_condition_ever_loses_a_row(days: MadeLake, where: str) -> None:
    found, _ = opened(days, f"SELECT id, code FROM orders WHERE {where} ORDER BY ALL")
    assert found == opened(days, f"SELECT id, code FROM (FROM orders) WHERE {where} ORDER BY ALL")[0]


def test_bounds_of_columns_whose_type_has_changed_do_not_count(make_lake: Callable[..., MadeLake]) -> None:
    lake = make_lake()
    for n, (kind, value) in enumerate([(pa.int64(), 10), (pa.string(), "9"), (pa.int64(), 11)]):
        lake.commit([(value,)], schema=pa.schema([("v", kind)]), day=DAY + dt.timedelta(days=n))
    assert opened(lake, "SELECT v FROM orders WHERE v < '2' ORDER BY 1") == ([("10",), ("11",)], 3)


class Counting:
    """An object store that counts what is fetched."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.bytes, self.keys = store, 0, set[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        self.bytes += length
        self.keys.add(key)
        return self.store.read_range(key, start, length)


def test_partition_and_column_pruning_reach_the_files_of_a_lake_elsewhere(make_lake: Callable[..., MadeLake]) -> None:
    lake = make_lake()
    store = Counting(ObjectStore.open("memory://"))
    lake.stores = replace(lake.stores, lake=store)  # type: ignore[arg-type]
    wide = pa.schema([("order_id", pa.string()), ("day", pa.date32()), ("note", pa.string())])
    for n in range(20):
        day = DAY + dt.timedelta(days=n)
        lake.commit([(f"o{n}-{m}", day, f"{hash((n, m))}" * 5) for m in range(2_000)], schema=wide, day=day)

    def fetched(sql: str) -> tuple[int, int]:
        store.bytes, store.keys = 0, set()
        opened(lake, sql)
        return store.bytes, len(store.keys)

    everything, files = fetched("FROM orders")
    assert files == 20
    day, files = fetched("FROM orders WHERE day = '2026-11-05'")
    assert files <= 2  # the newest tells the columns
    assert day < everything / 10
    column, files = fetched("SELECT sum(length(order_id)) FROM orders")
    assert files == 20
    assert column < everything * 0.7
    both, _ = fetched("SELECT count(order_id) FROM orders WHERE day = '2026-11-05'")
    assert both < day
    again, _ = fetched("FROM orders__rows WHERE _partition_date = '2026-11-05'")
    assert again < everything / 10


def test_files_that_conditions_rule_out_are_not_even_opened(make_lake: Callable[..., MadeLake]) -> None:
    lake = make_lake()
    kept = [lake.commit([row(n)], schema=SCHEMA, day=DAY + dt.timedelta(days=n)) for n in range(4)]
    lake.stores.lake.delete([file.path for one in (kept[0], kept[2]) for file in one.files])
    assert opened(lake, "SELECT id FROM orders WHERE day IN ('2026-11-02', '2026-11-04') ORDER BY 1") == ([(1,), (3,)], 2)
