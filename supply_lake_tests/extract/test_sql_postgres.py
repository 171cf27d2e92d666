"""Pulls from a real PostgreSQL: exact types, one snapshot, windows, several readers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from supply_lake.errors import SourceError, SourceUnavailable, UsageError
from supply_lake_tests.extract.shop import NOON, TODAY, Shop, orders

pytestmark = pytest.mark.integration
Make = Callable[..., Shop]
SCHEMA = "CREATE TABLE orders (order_id int PRIMARY KEY, sku text, quantity int, price numeric(12,4), updated_at timestamptz)"
TYPES = {
    "small": ("smallint", "-32768", -32768),
    "whole": ("bigint", "9223372036854775807", 2**63 - 1),
    "single": ("real", "1.1", pytest.approx(1.1, rel=1e-7)),
    "double": ("double precision", "0.1", 0.1),
    "exact": ("numeric", "12345678901234567890.1234567890", "12345678901234567890.1234567890"),
    "money": ("numeric(12,4)", "12.3400", "12.3400"),
    "cash": ("money", "12.34", "$12.34"),
    "flag": ("boolean", "true", True),
    "label": ("text", "it''s ✓", "it's ✓"),
    "code": ("char(5)", "z", "z    "),
    "raw": ("bytea", "\\x01ff", b"\x01\xff"),
    "day": ("date", "2026-01-02", dt.date(2026, 1, 2)),
    "local_time": ("timestamp", "2026-01-02 03:04:05.678901", dt.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    "instant": ("timestamptz", "2026-01-02 03:04:05+02", dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=dt.UTC)),
    "clock": ("time", "03:04:05.000001", dt.time(3, 4, 5, 1)),
    "clock_there": ("timetz", "03:04:05+02", "03:04:05+02"),
    "span": ("interval", "1 mon 2 days", "P1M2D"),
    "document": ("json", '{"a":  1.10, "a": 2}', '{"a":  1.10, "a": 2}'),
    "binary_document": ("jsonb", '{"a": 1.10}', '{"a": 1.10}'),
    "identity": ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "mood": ("mood", "ok", "ok"),
    "pair": ("pair", "(1,q)", "(1,q)"),
    "address": ("inet", "10.0.0.1/8", "10.0.0.1/8"),
    "object": ("oid", "4294967295", "4294967295"),
    "numbers": ("int[]", "{1,2,NULL}", [1, 2, None]),
    "texts": ("text[]", "{a,b}", ["a", "b"]),
    "amounts": ("numeric[]", "{1.10,2}", "[1.10, 2]"),
    "moments": ("timestamptz[]", "{2026-01-02 03:04:05+02}", [dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=dt.UTC)]),
    "matrix": ("int[]", "{{1,2},{3,4}}", "[[1, 2], [3, 4]]"),
    "extent": ("int4range", "[1,5)", "[1,5)"),
    "bits": ("bit(3)", "101", "101"),
}


@pytest.fixture
def db(postgres_url: str) -> Any:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def make(make_shop: Callable[..., Shop], postgres_url: str) -> Make:
    def one(more: dict[str, Any] | None = None, **dataset: Any) -> Shop:
        spec = orders(
            "sql", {"url": "${SHOP}", **({"table": "orders"} if "query" not in (more or {}) else {}), **(more or {})}, **dataset
        )
        return make_shop(spec, {"SHOP": postgres_url})

    return one


def fill(db: Any, rows: int, first: int = 1) -> None:
    db.execute(
        "INSERT INTO orders SELECT n, 'sku-' || mod(n, 7), mod(n, 10), n * 1.25, "
        "timestamptz '2026-11-05 00:00Z' + make_interval(secs => n) FROM generate_series(%s::int, %s::int) n",
        [first, first + rows - 1],
    )


def typed(value: str) -> str:
    return "'" + value + "'"


def test_every_type_lands_exactly(make: Make, db: Any) -> None:
    db.execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text)")
    db.execute(f"CREATE TABLE orders ({', '.join(f'{name} {kind}' for name, (kind, _, _) in TYPES.items())})")
    db.execute(f"INSERT INTO orders VALUES ({', '.join(typed(text) for _, text, _ in TYPES.values())})")
    db.execute(f"INSERT INTO orders VALUES ({', '.join(['NULL'] * len(TYPES))})")
    shop = make()
    (landed,) = shop.pull()
    full, empty = shop.table(landed).to_pylist()
    assert full == {name: value for name, (_, _, value) in TYPES.items()}
    assert set(empty.values()) == {None}
    assert landed.manifest.columns["exact"] == "numeric → string"
    assert (landed.manifest.rows_reported, landed.manifest.rows) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamptz", "infinity"),
        ("timestamptz", "-infinity"),
        ("date", "infinity"),
        ("date", "10000-01-01"),
        ("timestamp", "0044-03-15 00:00:00 BC"),
        ("time", "24:00:00"),
        ("date[]", "{2026-01-01,infinity}"),
    ],
)
def test_what_no_type_can_hold_lands_as_text_and_is_told(make: Make, db: Any, kind: str, value: str) -> None:
    db.execute(f"CREATE TABLE orders (order_id int, odd {kind})")
    db.execute(f"INSERT INTO orders VALUES (1, NULL), (2, '{value}')")
    shop = make()
    (landed,) = shop.pull()
    assert shop.table(landed).column("odd").to_pylist() == [None, value]
    assert any("'odd' has values that its type" in note for note in landed.manifest.notes)


def test_a_whole_table_lands_with_a_manifest_and_its_facts_reach_the_snapshot(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 3)
    shop = make()
    (landed,) = shop.pull()
    manifest = landed.manifest
    assert manifest.key == "orders/2026/11/05/whole.parquet"
    assert (manifest.rows_reported, manifest.rows, manifest.extracted_at, manifest.landed_at) == (3, 3, NOON, NOON)
    assert manifest.source.endswith(" orders")
    assert manifest.request.startswith('SELECT "order_id"')
    with shop.house.stores.landing.read(".pulls/manifests/orders/2026/11/05/whole.parquet.json") as stored:
        assert json.load(stored) == manifest.to_json()
    shop.ingest()
    assert shop.rows()[0] == (1, "sku-1", 1, Decimal("1.2500"), dt.datetime(2026, 11, 5, 0, 0, 1, tzinfo=dt.UTC))
    facts = shop.house.live("orders")[0].source_system
    assert {name: facts[name] for name in ("system", "transport", "rows_reported", "rows_pulled", "extracted_at")} == {
        "system": "shop", "transport": "sql", "rows_reported": "3", "rows_pulled": "3", "extracted_at": NOON.isoformat(),
    }  # fmt: skip
    assert shop.house.states() == {"orders/2026/11/05/whole.parquet": ["done"]}


def test_again_gives_the_same_bytes_and_writes_nothing(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 3)
    shop = make()
    (first,) = shop.pull()
    shop.hands.move(60)
    (again,) = shop.pull()
    assert (first.new, again.new) == (True, False)
    assert again.manifest == first.manifest
    db.execute("UPDATE orders SET quantity = 99 WHERE order_id = 2")
    (changed,) = shop.pull()
    assert changed.new
    assert changed.manifest.key == first.manifest.key
    assert changed.manifest.sha256 != first.manifest.sha256


def test_s1_rows_committed_behind_the_cursor_are_read_again_and_fall_out_by_key(make: Make, db: Any, postgres_url: str) -> None:
    db.execute(SCHEMA)
    fill(db, 10)
    shop = make({"cursor": {"by": "updated_at", "lag": 60}})
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as late:
        fill(late, 1, first=100)  # its time of change is the beginning of this transaction
        late.execute("UPDATE orders SET updated_at = '2026-11-05 00:00:09Z' WHERE order_id = 100")
        (landed,) = shop.pull()
        assert landed.manifest.rows == 10
        late.commit()
    (landed,) = shop.pull()
    assert landed.manifest.start == "2026-11-04T23:59:10+00:00"
    assert landed.manifest.rows == 11
    shop.ingest()
    assert [row[0] for row in shop.rows()] == [1, 10, 100, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_cursor_goes_on_from_where_it_came(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 5)
    shop = make({"cursor": {"by": "updated_at"}})
    (first,) = shop.pull()
    assert first.manifest.key == "orders/2026/11/05/since-begin-to-20261105T000005Z.parquet"
    (nothing_new,) = shop.pull()
    assert (nothing_new.manifest.rows, nothing_new.manifest.start) == (1, "2026-11-05T00:00:05+00:00")
    fill(db, 2, first=6)
    (third,) = shop.pull()
    assert (third.manifest.rows, third.manifest.end) == (3, "2026-11-05T00:00:07+00:00")
    assert shop.puller.position() == dt.datetime(2026, 11, 5, 0, 0, 7, tzinfo=dt.UTC)
    shop.ingest()
    assert len(shop.rows()) == 7


def test_s2_ten_thousand_rows_on_one_cursor_value_are_all_read_and_more_of_them_later(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    db.execute("INSERT INTO orders SELECT n, 'x', 1, 1, '2026-11-05 00:00Z' FROM generate_series(1, 10000) n")
    shop = make({"cursor": {"by": "updated_at"}})
    assert shop.pull()[0].manifest.rows == 10_000
    db.execute("INSERT INTO orders VALUES (10001, 'x', 1, 1, '2026-11-05 00:00Z')")
    assert shop.pull()[0].manifest.rows == 10_001
    shop.ingest()
    assert len(shop.rows()) == 10_001


def test_rows_without_a_cursor_value_are_always_read(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 3)
    shop = make({"cursor": {"by": "updated_at"}})
    shop.pull()
    db.execute("INSERT INTO orders VALUES (50, 'x', 1, 1, NULL)")
    (landed,) = shop.pull()
    assert landed.manifest.rows == 2


def test_an_empty_table_moves_no_cursor_and_lands_nothing(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    shop = make({"cursor": {"by": "updated_at"}})
    assert shop.pull() == []
    assert shop.puller.position() is None
    (whole,) = make().pull()
    assert (whole.manifest.rows, whole.manifest.rows_reported) == (0, 0)


def test_a_sequence_is_a_cursor_too(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 20)
    shop = make({"cursor": {"by": "order_id", "lag": 2, "start": 10}})
    (landed,) = shop.pull()
    assert landed.manifest.key.endswith("/since-10-to-20.parquet")
    assert shop.puller.position() == 20
    (landed,) = shop.pull()
    assert landed.manifest.rows == 3
    with pytest.raises(SourceError, match="holds numbers, by which no day is told"):
        shop.pull(TODAY - dt.timedelta(days=3))


@pytest.mark.parametrize(("zone", "rows"), [("UTC", 24), ("Europe/Berlin", 24), ("America/New_York", 24)])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_day_is_pulled_by_its_own_clock_and_any_past_day_again(make: Make, db: Any, zone: str, rows: int, kind: str) -> None:
    db.execute(SCHEMA.replace("timestamptz", kind))
    db.execute(
        "INSERT INTO orders SELECT n, 'x', 1, 1, (timestamptz '2026-10-31 00:00Z' + make_interval(hours => n)) AT TIME ZONE "
        f"'{'UTC' if kind == 'timestamptz' else zone}' {'AT TIME ZONE ' + typed('UTC') if kind == 'timestamptz' else ''} "
        "FROM generate_series(0, 120) n"
    )
    shop = make({"window": {"by": "updated_at", "timezone": zone}}, mode="replace", key_scope="partition")
    day = dt.date(2026, 11, 3)
    (landed,) = shop.pull(day)
    assert landed.manifest.key == "orders/2026/11/03/2026-11-03.parquet"
    assert landed.manifest.rows == rows
    days = shop.puller.pull_between(dt.date(2026, 11, 2), "2026-11-04")
    assert [one.manifest.key[:17] for one in days] == ["orders/2026/11/02", "orders/2026/11/03"]
    assert [one.new for one in days] == [True, False]


def test_a_span_of_a_cursor_is_read_by_hand_and_leaves_its_position(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 20)
    shop = make({"cursor": {"by": "order_id"}})
    shop.pull()
    (landed,) = shop.puller.pull_between(5, 8)
    assert (landed.manifest.rows, landed.manifest.key) == (3, "orders/2026/11/05/from-5-until-8.parquet")
    assert shop.puller.position() == 20
    with pytest.raises(UsageError, match="read whole each time"):
        make().puller.pull_between(1, 2)
    with pytest.raises(UsageError, match="cannot be pulled any more"):
        make().pull(TODAY - dt.timedelta(days=2))


@pytest.mark.parametrize("by", ["order_id", "updated_at"])
def test_several_readers_share_one_snapshot_and_give_every_row_once(
    make: Make, db: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    from supply_lake.extract import sql_postgres

    db.execute(SCHEMA)
    fill(db, 5_000)
    db.execute("INSERT INTO orders SELECT 9000 + n, 'none', 1, 1, NULL FROM generate_series(1, 9) n")
    monkeypatch.setattr(sql_postgres, "_BATCH_BYTES", 10_000)
    read = sql_postgres.PostgresSnapshot._read

    def disturbed(*args: Any) -> Any:
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(
                "UPDATE orders SET quantity = -1, order_id = order_id + 100000 WHERE order_id % 2 = 0 AND order_id < 9000"
            )
        yield from read(*args)

    monkeypatch.setattr(sql_postgres.PostgresSnapshot, "_read", disturbed)
    shop = make({"split": {"by": by, "readers": 3}})
    (landed,) = shop.pull()
    assert sorted(shop.table(landed).column("order_id").to_pylist()) == [*range(1, 5_001), *range(9_001, 9_010)]
    assert landed.manifest.rows_reported == 5_009


def test_several_readers_give_the_same_bytes_again(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 5_000)
    shop = make({"split": {"by": "order_id", "readers": 3}})
    assert [shop.pull()[0].new, shop.pull()[0].new] == [True, False]


def test_columns_conditions_and_queries(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 20)
    picked = make({"columns": ["sku", "order_id"], "where": "quantity > 5 -- only the large ones: 50%"})
    (landed,) = picked.pull()
    assert (picked.table(landed).column_names, landed.manifest.rows) == (["sku", "order_id"], 8)
    asked = make({"query": "SELECT order_id, count(*) AS n FROM orders WHERE sku LIKE '%1' GROUP BY 1 -- by hand"})
    (landed,) = asked.pull()
    assert (asked.table(landed).num_rows, landed.manifest.rows_reported) == (3, None)


def test_s4_a_column_that_is_added_dropped_or_retyped_lands_and_the_contract_decides(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    fill(db, 2)
    shop = make(error_threshold=0.5)
    shop.pull()
    shop.ingest()
    db.execute(
        "ALTER TABLE orders ADD gift boolean DEFAULT true, DROP sku, ALTER quantity TYPE text, ALTER updated_at TYPE timestamp"
    )
    db.execute(
        "UPDATE orders SET updated_at = updated_at + interval '1 hour', quantity = CASE order_id WHEN 2 THEN 'many' ELSE quantity END"
    )
    (landed,) = shop.pull()
    assert shop.table(landed).column_names == ["order_id", "quantity", "price", "updated_at", "gift"]
    shop.ingest()
    assert [row[:3] for row in shop.rows()] == [(1, None, 1), (2, "sku-2", 2)]
    assert "many" in shop.house.rejects()["raw"].to_list()[0]
    notes = [note for batch in shop.house.stores.metadata.batches("orders", limit=1) for note in batch.notes]
    assert "column 'sku' is missing, so it is null" in notes
    assert "column 'gift' is not declared; it is published as boolean in 'gift'" in notes


def test_s4_a_declared_column_that_is_gone_is_left_out_and_told(make: Make, db: Any) -> None:
    db.execute(SCHEMA)
    (landed,) = make({"columns": ["order_id", "colour"]}).pull()
    assert "column 'colour' is declared and the source has it no more" in landed.manifest.notes


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"table": "nowhere"}, 'relation "nowhere" does not exist'),
        ({"where": "colour = 1"}, 'column "colour" does not exist'),
        ({"cursor": {"by": "colour"}}, "has no column 'colour' to pull by; it has order_id"),
        ({"columns": ["colour"]}, "has none of the columns colour"),
        ({"cursor": {"by": "updated_at", "start": "soon"}}, "'soon' is no instant"),
    ],
)
def test_what_the_source_refuses_is_told(make: Make, db: Any, more: dict[str, Any], says: str) -> None:
    db.execute(SCHEMA)
    shop = make(more)
    with pytest.raises(SourceError, match=says):
        shop.pull()
    assert shop.house.states() == {}


def test_secrets_are_in_no_error_and_no_manifest(make_shop: Callable[..., Shop], db: Any, postgres_url: str) -> None:
    secret = "s3cr3t/pass"
    spec = orders("sql", {"url": "postgresql://postgres:${PW}@127.0.0.1:1/shop?password=${PW}", "table": "orders"})
    with pytest.raises(SourceUnavailable) as caught:
        make_shop(spec, {"PW": secret}).pull()
    assert "does not answer" in str(caught.value)
    with pytest.raises(SourceError, match="needs the environment variable PW, which is not set"):
        make_shop(spec, {}).pull()
    db.execute(SCHEMA)
    host = postgres_url.partition("?")[2]
    spec = orders(
        "sql",
        {
            "url": f"postgresql://postgres:${{PW}}@/{postgres_url.rpartition('?')[0].rpartition('/')[2]}?{host}",
            "table": "orders",
            "where": "sku <> '${PW}'",
        },
    )
    (landed,) = make_shop(spec, {"PW": secret}).pull()
    for text in (str(caught.value), json.dumps(landed.manifest.to_json())):
        assert secret not in text
        assert "s3cr3t%2Fpass" not in text
