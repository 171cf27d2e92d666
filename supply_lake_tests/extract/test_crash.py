"""S5: a process that is killed in the middle of a pull lands nothing half, and the window lands whole with the next pull."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supply_lake_tests.crashing import Nursery
from supply_lake_tests.extract.api import Api
from supply_lake_tests.extract.shop import NOON, Shop, orders

CHILD = Path(__file__).with_name("crash_child.py")
ROWS = 2_500  # of which the child makes several row groups
DAILY = {"mode": "replace", "key_scope": "partition"}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery(CHILD)
    yield nursery
    nursery.close()


def objects(shop: Shop) -> dict[str, str]:
    """What stands in landing, but for what the lake keeps of pulls: key → digest."""
    root = Path(shop.house.stores.landing.location)
    files = [path for path in root.rglob("*") if path.is_file() and ".pulls" not in path.parts and path.suffix != ".tmp"]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def survives(make_shop: Callable[..., Shop], nursery: Nursery, spec: dict[str, Any], env: dict[str, str]) -> None:
    """Killed at each moment in turn, a pull that is run again gives what one that was left alone gives."""
    rehearsal = make_shop(spec, env)
    status, moments = nursery.order(home=str(rehearsal.house.home), spec=spec, env=env)
    assert status == 0
    assert moments > 6
    whole = objects(rehearsal)
    assert whole
    rehearsal.ingest()
    for blow_at in range(1, moments + 1):
        shop = make_shop(spec, env)
        assert nursery.order(home=str(shop.house.home), spec=spec, env=env, blow_at=blow_at)[0] == -signal.SIGKILL
        after_death = objects(shop)
        assert after_death.items() <= whole.items(), f"killed at moment {blow_at} of {moments}"
        if after_death:  # then it is published before the window is pulled again
            shop.ingest()
            assert shop.rows() == rehearsal.rows()
            assert shop.house.live()[0].source_system["rows_pulled"] == str(ROWS)
        assert nursery.order(home=str(shop.house.home), spec=spec, env=env)[0] == 0
        assert whole.items() <= objects(shop).items()  # a cursor that had moved on reads its lag again
        if after_death:
            shop.ingest()
            assert shop.rows() == rehearsal.rows()
        shop.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("CREATE TABLE orders (order_id INTEGER, sku TEXT, quantity INTEGER, price DECIMAL, updated_at TEXT)")
        rows = [
            (n, f"sku-{n % 7}", n % 10, n * 1.25, f"2026-11-05 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}")
            for n in range(ROWS)
        ]
        db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.mark.parametrize(
    ("more", "dataset"),
    [({}, {}), ({"window": {"by": "updated_at", "again_days": 0}}, DAILY), ({"cursor": {"by": "updated_at", "lag": 60}}, {})],
    ids=["whole", "day", "cursor"],
)
def test_s5_killed_while_it_pulls_by_rows(
    make_shop: Callable[..., Shop], nursery: Nursery, sqlite: str, more: dict[str, Any], dataset: dict[str, Any]
) -> None:
    survives(make_shop, nursery, orders("sql", {"url": sqlite, "table": "orders", **more}, **dataset), {})


def test_s5_killed_while_it_pulls_an_api(make_shop: Callable[..., Shop], nursery: Nursery, api: Api) -> None:
    api.records = [{"order_id": n, "updated_at": f"2026-11-05T00:{n // 60:02}:{n % 60:02}Z"} for n in range(ROWS)]
    more = {
        "url": api.url,
        "path": "/cursors",
        "records": "items",
        "params": {"since": "{from}", "size": 600},
        "paging": {"type": "cursor", "param": "cursor", "next": "meta.next"},
        "cursor": {"by": "updated_at"},
    }
    survives(make_shop, nursery, orders("rest", more, format={"type": "jsonl"}), {})


def test_s5_killed_while_it_pulls_files(make_shop: Callable[..., Shop], nursery: Nursery, tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "out" / f"{number}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"order_id,quantity\n{number},1\n")
        os.utime(path, (NOON.timestamp() - 3_600,) * 2)
    more = {"url": f"file://{tmp_path}/out", "pattern": "*.csv", "again_days": 0}
    spec = orders("files", more, format={"type": "csv"}, mode="append", key_scope="partition")
    rehearsal = make_shop(spec)
    _, moments = nursery.order(home=str(rehearsal.house.home), spec=spec, env={})
    whole = objects(rehearsal)
    assert len(whole) == 3
    for blow_at in range(1, moments + 1):
        shop = make_shop(spec)
        assert nursery.order(home=str(shop.house.home), spec=spec, env={}, blow_at=blow_at)[0] == -signal.SIGKILL
        assert objects(shop).items() <= whole.items()
        assert nursery.order(home=str(shop.house.home), spec=spec, env={})[0] == 0
        assert objects(shop) == whole
        shop.close()


@pytest.mark.integration
def test_s5_killed_while_it_pulls_postgres_by_several_readers(
    make_shop: Callable[..., Shop], nursery: Nursery, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(
            "CREATE TABLE orders (order_id int PRIMARY KEY, sku text, quantity int, price numeric(12,4), updated_at timestamptz)"
        )
        db.execute(
            "INSERT INTO orders SELECT n, 'x', n, n, timestamptz '2026-11-05 00:00Z' + make_interval(secs => n) "
            f"FROM generate_series(1, {ROWS}) n"
        )
    more = {"url": "${SHOP}", "table": "orders", "split": {"by": "order_id", "readers": 2}, "cursor": {"by": "updated_at"}}
    survives(make_shop, nursery, orders("sql", more), {"SHOP": postgres_url})
