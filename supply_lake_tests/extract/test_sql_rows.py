"""Pulls by SQLAlchemy: SQLite, and MariaDB where it is installed."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from supply_lake.errors import SourceError, SourceUnavailable
from supply_lake.extract.columnar import Columnar, text
from supply_lake.extract.sql_snapshot import Unfit
from supply_lake_tests.extract.shop import TODAY, Shop, orders

Make = Callable[..., Shop]
SCHEMA = (
    "CREATE TABLE orders (order_id INTEGER PRIMARY KEY, sku TEXT, quantity INTEGER, price DECIMAL(12,4), updated_at TIMESTAMP)"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def db(file: Path) -> Any:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    yield connection
    connection.close()


@pytest.fixture
def make(make_shop: Callable[..., Shop], file: Path) -> Make:
    return lambda more=None, **dataset: make_shop(
        orders(
            "sql",
            {"url": f"sqlite:///{file}", **({} if "query" in (more or {}) else {"table": "orders"}), **(more or {})},
            **dataset,
        )
    )


def fill(db: Any, rows: int, first: int = 1) -> None:
    db.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
        [(n, f"sku-{n % 7}", n % 10, n * 1.25, f"2026-11-05 00:{n // 60:02}:{n % 60:02}") for n in range(first, first + rows)],
    )


def test_sqlite_values_land_as_they_are_and_a_column_of_several_kinds_as_text(make: Make, db: Any) -> None:
    db.execute("CREATE TABLE orders (i INTEGER, big INTEGER, f REAL, n DECIMAL(10,2), t TEXT, b BLOB, d DATE, mixed, none)")
    rows = [
        (1, 2**63 - 1, 0.1, 1, "007", b"\x01\xff", "2026-01-02", 1, None),
        (None, None, None, 2.5, "", None, None, "x", None),
        (3, -(2**63), 1e300, 3, "✓", b"", None, 0.1, None),
    ]
    db.executemany(f"INSERT INTO orders VALUES ({', '.join('?' * 9)})", rows)
    shop = make()
    (landed,) = shop.pull()
    assert [tuple(row.values()) for row in shop.table(landed).to_pylist()] == [
        (1, 2**63 - 1, 0.1, "1", "007", b"\x01\xff", "2026-01-02", "1", None),
        (None, None, None, "2.5", "", None, None, "x", None),
        (3, -(2**63), 1e300, "3", "✓", b"", None, "0.1", None),
    ]
    assert landed.manifest.notes[0] == "read with one serializable transaction"


def test_a_value_of_another_kind_late_in_a_table_makes_its_column_text_from_the_beginning(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 6_000)
    db.execute("INSERT INTO orders VALUES (7000, 'x', 'many', 1, NULL)")
    shop = make()
    (landed,) = shop.pull()
    quantities = shop.table(landed).column("quantity").to_pylist()
    assert (quantities[0], quantities[-1], len(quantities)) == ("1", "many", 6_001)
    assert any("'quantity' has values that its type INTEGER cannot hold" in note for note in landed.manifest.notes)


def test_the_snapshot_is_one_whatever_is_written_meanwhile(make: Make, db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from supply_lake.extract import sql_rows

    db.execute(SCHEMA)
    fill(db, 50)
    batch = Columnar.batch

    def disturbed(self: Columnar, rows: Any) -> Any:
        db.execute("UPDATE orders SET quantity = 'gone' WHERE order_id > 20")
        db.execute("DELETE FROM orders WHERE order_id > 40")
        return batch(self, rows)

    monkeypatch.setattr(sql_rows, "_ROWS", 10)
    monkeypatch.setattr(Columnar, "batch", disturbed)
    shop = make()
    (landed,) = shop.pull()
    assert shop.table(landed).column("quantity").to_pylist() == [n % 10 for n in range(1, 51)]


def test_a_pull_that_is_overtaken_does_not_put_an_older_state_over_a_newer_one(
    make: Make, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from supply_lake.extract import sql

    db.execute(SCHEMA)
    fill(db, 3)
    shop = make()
    write, overtaking = sql.write_parquet, []

    def overtaken(*args: Any) -> int:
        if not overtaking:
            overtaking.append(True)
            db.execute("UPDATE orders SET quantity = 99")
            shop.hands.move(60)
            overtaking.extend(shop.pull())
        return write(*args)

    monkeypatch.setattr(sql, "write_parquet", overtaken)
    (late,) = shop.pull()
    assert late.new is False
    assert late.manifest == overtaking[1].manifest
    assert set(shop.table(late).column("quantity").to_pylist()) == {99}


def test_a_cursor_of_text_times_goes_on_with_its_lag(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 10)
    shop = make({"cursor": {"by": "updated_at", "lag": 3}})
    shop.pull()
    fill(db, 2, first=11)
    (landed,) = shop.pull()
    assert (landed.manifest.start, landed.manifest.rows) == ("2026-11-05 00:00:07", 6)
    shop.ingest()
    assert len(shop.rows()) == 12
    assert shop.rows()[0][3] == Decimal("1.2500")


def test_another_cursor_begins_anew(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 10)
    shop = make({"cursor": {"by": "order_id"}})
    shop.pull()
    declared = shop.spec.source.sql
    assert declared
    assert declared.cursor
    other = declared.model_copy(update={"cursor": declared.cursor.model_copy(update={"by": "updated_at"})})
    shop.spec = shop.spec.model_copy(update={"source": shop.spec.source.model_copy(update={"sql": other})})
    assert shop.puller.position() is None
    assert shop.pull()[0].manifest.rows == 10


def test_a_day_and_a_span(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 10)
    db.execute("INSERT INTO orders VALUES (99, 'x', 1, 1, '2026-11-04T23:59:59')")
    days = make({"window": {"by": "updated_at"}})
    assert days.pull(TODAY)[0].manifest.rows == 10
    assert days.pull(TODAY - dt.timedelta(days=1))[0].manifest.rows == 1
    cursor = make({"cursor": {"by": "order_id"}})
    assert cursor.puller.pull_between("3", "5")[0].manifest.rows == 2
    assert make({"query": "SELECT * FROM orders WHERE sku LIKE 'sku-1%'"}).pull()[0].manifest.rows == 2


def test_what_sqlite_refuses(make: Make, db: Any, make_shop: Callable[..., Shop]) -> None:
    with pytest.raises(SourceError, match="orders"):
        make().pull()
    with pytest.raises(SourceUnavailable, match="unable to open database file"):
        make_shop(orders("sql", {"url": "sqlite:////nowhere/at/all.db", "table": "orders"})).pull()
    with pytest.raises(SourceError, match="no driver for nodb is installed"):
        make_shop(orders("sql", {"url": "nodb://host/x", "table": "orders"})).pull()
    db.execute(SCHEMA)
    split = make({"split": {"by": "order_id"}}).pull()
    assert "`split` was passed over: readers of this database cannot share one snapshot" in split[0].manifest.notes


# --- values


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (True, "true"),
        (0.1, "0.1"),
        (Decimal("1E+2"), "100"),
        (Decimal("NaN"), "NaN"),
        (dt.timedelta(hours=-838, minutes=-59, microseconds=-1), "-838:59:00.000001"),
        (b"\x00\xff", "\\x00ff"),
        ({"a": Decimal("1.10")}, '{"a": "1.10"}'),
        (dt.datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
    ],
)
def test_text_that_loses_nothing(value: Any, told: str) -> None:
    assert text(value) == told


@pytest.mark.parametrize(
    ("first", "later"),
    [(1, 2.0), (1, True), (1.5, 2), ("a", 1), (1, 2**63), (dt.date(2026, 1, 1), dt.datetime(2026, 1, 1))],
)
def test_a_value_that_would_be_changed_is_refused(first: Any, later: Any) -> None:
    columnar = Columnar([("c", None, False)])
    columnar.batch([(first,)])
    with pytest.raises(Unfit):
        columnar.batch([(later,)])


# --- MariaDB

TYPES = {
    "tiny": ("tinyint unsigned", "255", 255),
    "medium": ("mediumint", "-8388608", -8388608),
    "huge": ("bigint unsigned", "18446744073709551615", 2**64 - 1),
    "single": ("float", "1.2345678", pytest.approx(1.2345678, rel=1e-7)),
    "doubled": ("double", "0.1", 0.1),
    "exact": ("decimal(38,10)", "1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
    "wide": (
        "decimal(50,2)",
        "123456789012345678901234567890123456789012345678.25",
        "123456789012345678901234567890123456789012345678.25",
    ),
    "flag": ("boolean", "1", 1),
    "bits": ("bit(9)", "b'100000001'", 257),
    "since": ("year", "2026", 2026),
    "day": ("date", "'2026-01-02'", dt.date(2026, 1, 2)),
    "local_time": ("datetime(6)", "'2026-01-02 03:04:05.678901'", dt.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    "instant": ("timestamp", "'2026-01-02 03:04:05'", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    "lasted": ("time(3)", "'-100:59:59.5'", "-100:59:59.500000"),
    "label": ("varchar(20)", "'it''s ✓ 50%'", "it's ✓ 50%"),
    "mood": ("enum('sad','ok')", "'ok'", "ok"),
    "raw": ("varbinary(4)", "x'01ff'", b"\x01\xff"),
    "document": ("json", "'{\"a\":  1.10}'", '{"a":  1.10}'),
}


@pytest.fixture
def maria(mariadb: Any, make_shop: Callable[..., Shop]) -> tuple[Any, Make]:
    name = mariadb.new_database()
    connection = mariadb.connect(name)
    url = f"mysql+pymysql://root@127.0.0.1:{mariadb.port}/{name}"

    def make(more: dict[str, Any] | None = None, **dataset: Any) -> Shop:
        return make_shop(orders("sql", {"url": url, "table": "orders", **(more or {})}, **dataset))

    yield connection.cursor(), make
    connection.close()


@pytest.mark.integration
def test_every_mysql_type_lands_exactly(maria: tuple[Any, Make]) -> None:
    cursor, make = maria
    cursor.execute("SET time_zone = '+00:00'")
    cursor.execute(f"CREATE TABLE orders ({', '.join(f'{name} {kind} NULL' for name, (kind, _, _) in TYPES.items())})")
    cursor.execute(f"INSERT INTO orders VALUES ({', '.join(value for _, value, _ in TYPES.values())})")
    cursor.execute(f"INSERT INTO orders VALUES ({', '.join(['NULL'] * len(TYPES))})")
    shop = make()
    (landed,) = shop.pull()
    full, empty = shop.table(landed).to_pylist()
    assert full == {name: value for name, (_, _, value) in TYPES.items()}
    assert set(empty.values()) == {None}


@pytest.mark.integration
def test_mysql_incrementally_with_late_commits_and_dates_that_no_calendar_has(mariadb: Any, maria: tuple[Any, Make]) -> None:
    cursor, make = maria
    cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
    cursor.execute(
        "CREATE TABLE orders (order_id int PRIMARY KEY, sku text, quantity int, price decimal(12,4), updated_at timestamp(3) NULL, odd date)"
    )
    cursor.execute(
        "INSERT INTO orders VALUES (1, 'a', 1, 1.5, '2026-11-05 00:00:01', '0000-00-00'), (2, 'b', 2, 2.5, '2026-11-05 00:00:02', '2026-01-01')"
    )
    shop = make({"cursor": {"by": "updated_at", "lag": 5}})
    with mariadb.connect(cursor.connection.db.decode()) as other:
        late = other.cursor()
        late.execute("SET time_zone = '+00:00'")
        late.execute("BEGIN")
        late.execute("INSERT INTO orders VALUES (3, 'c', 3, 3.5, '2026-11-05 00:00:01', NULL)")
        (first,) = shop.pull()
        late.execute("COMMIT")
    (second,) = shop.pull()
    assert (first.manifest.rows, second.manifest.rows, second.manifest.start) == (2, 3, "2026-11-04T23:59:57+00:00")
    assert shop.table(first).column("odd").to_pylist() == ["0000-00-00", "2026-01-01"]
    shop.ingest()
    assert [row[:3] for row in shop.rows()] == [(1, "a", 1), (2, "b", 2), (3, "c", 3)]
    (day,) = shop.pull(dt.date(2026, 11, 4))
    assert day.manifest.rows == 0
