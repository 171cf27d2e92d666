"""``supply-lake extract`` and ``supply-lake land -``: what is pulled and pushed from the command line."""

from __future__ import annotations

import datetime as dt
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supply_lake_tests.cli.conftest import Cli
from supply_lake_tests.extract.shop import orders
from supply_lake_tests.ingest.house import House
from supply_lake_tests.query.made_lake import MadeLake

TODAY = dt.datetime.now(dt.UTC).date()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def declare(more: dict[str, Any] | None = None, **dataset: Any) -> None:
        spec = orders("sql", {"url": "${SHOP_URL}", "table": "orders", **(more or {})}, **dataset)
        house = House(tmp_path / "lake", spec)
        house.close()
        for name, value in {**house.env, "SHOP_URL": f"sqlite:///{tmp_path}/shop.db"}.items():
            monkeypatch.setenv(name, value)

    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (order_id INTEGER, sku TEXT, quantity INTEGER, price DECIMAL, updated_at TEXT)")
        connection.execute(
            "INSERT INTO orders VALUES (1, 'a', 1, 1.5, '2026-11-03 00:00:00'), (2, 'b', 2, 2, '2026-11-04 10:00:00')"
        )
    connection.close()
    return declare


def test_what_is_due_now_and_again(shop: Callable[..., None], cli: Cli) -> None:
    shop()
    (landed,) = json.loads(cli("extract", "orders", "--json").out)
    assert (landed["key"], landed["rows_reported"], landed["rows"]) == (f"orders/{TODAY:%Y/%m/%d}/whole.parquet", 2, 2)
    assert landed["new"]
    done = cli("extract", "orders")
    assert done.out.splitlines()[1].split()[1:4] == ["no", "2", "2"]
    assert "whole.parquet: read with one serializable transaction" in done.out


def test_days_and_spans(shop: Callable[..., None], cli: Cli) -> None:
    shop({"window": {"by": "updated_at"}}, mode="replace", key_scope="partition")
    days = json.loads(cli("extract", "orders", "--from", "2026-11-03", "--to", "2026-11-05", "--json").out)
    assert [(one["key"], one["rows"]) for one in days] == [
        ("orders/2026/11/03/2026-11-03.parquet", 1),
        ("orders/2026/11/04/2026-11-04.parquet", 1),
    ]
    shop({"cursor": {"by": "updated_at"}})
    (span,) = json.loads(cli("extract", "orders", "--from", "2026-11-04", "--json").out)
    assert (span["start"], span["end"], span["rows"]) == ("2026-11-04", "", 1)
    cli("extract", "orders")
    assert cli("extract", "orders", "--from", "x", "--to", "y").out.splitlines()[1].split()[2:4] == ["0", "0"]


def test_what_cannot_be_pulled_says_so(shop: Callable[..., None], cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    shop()
    assert (done := cli("extract", "orders", "--from", "2026-11-03")).status == 2
    assert "is read whole each time" in done.err
    monkeypatch.delenv("SHOP_URL")
    assert (done := cli("extract", "orders")).status == 1
    assert "dataset orders needs the environment variable SHOP_URL, which is not set" in done.err


def test_a_dataset_that_is_pushed_cannot_be_pulled(lake: MadeLake, cli: Cli) -> None:
    assert (done := cli("extract", "orders")).status == 2
    assert "orders is pushed by its producers" in done.err


def test_land_reads_standard_input(lake: MadeLake, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def give(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    give(b"order_id,quantity,price\no1,1,1\n")
    (landed,) = json.loads(cli("land", "orders", "-", "--date", "2026-11-03", "--json").out)
    assert landed["key"].startswith("orders/2026/11/03/pushed-")
    give(b"order_id,quantity,price\no1,1,1\n")
    (named,) = json.loads(cli("land", "orders", "-", "--name", "daily.csv", "--date", "2026-11-03", "--json").out)
    assert named["key"] == "orders/2026/11/03/daily.csv"
    give(b"")
    assert "nothing came in" in cli("land", "orders", "-").err
    file = tmp_path / "a.csv"
    file.write_text("x")
    assert "--name is for standard input" in cli("land", "orders", str(file), "--name", "b.csv").err
