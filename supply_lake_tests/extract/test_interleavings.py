"""A mirrored table whose source is written to all the time: after every quiet moment the lake has what the source has.

A hundred interleavings of a few writers with pulls: inserts and updates that are committed at once, late, in another order, while
a pull is between its look at the figures and its rows, or never. Times are those of a clock of the test's own.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from supply_lake.extract.sql_postgres import PostgresSnapshot
from supply_lake_tests.extract.shop import Shop, orders

pytestmark = pytest.mark.integration
ROUNDS = 100
LONGEST = 30
BEGIN = dt.datetime(2026, 11, 5, tzinfo=dt.UTC)


class Writers:
    """Connections that write; no transaction stays open for more than ``LONGEST`` ticks of their clock."""

    def __init__(self, uri: str, rng: random.Random) -> None:
        self.rng, self.tick, self.next_id = rng, 0, 1
        self.connections = [psycopg.connect(uri) for _ in range(3)]
        self.opened: dict[int, int] = {}

    def act(self) -> None:
        self.tick += self.rng.choice([0, 0, 1, 1, 3])
        for at, since in list(self.opened.items()):
            if self.tick - since > LONGEST:
                self.end(at, "COMMIT")
        at = self.rng.randrange(len(self.connections))
        if at in self.opened and self.rng.random() < 0.4:
            self.end(at, self.rng.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        else:
            self.write(at)

    def write(self, at: int) -> None:
        began = self.opened.setdefault(at, self.tick)
        moment = BEGIN + dt.timedelta(seconds=began)  # as `now()` does: the time at which its transaction began
        price = f"{self.rng.randrange(10**6)}.{self.rng.randrange(10**4):04}"
        connection = self.connections[at]
        if self.rng.random() < 0.5:
            values = (self.next_id, f"sku-{self.next_id % 7}", self.rng.randrange(9), price, moment)
            connection.execute("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", values)
            self.next_id += 1
        else:  # a row that another transaction holds is left alone
            connection.execute(
                "UPDATE orders SET quantity = quantity + 1, price = %s, updated_at = greatest(updated_at, %s) WHERE order_id = ("
                "SELECT order_id FROM orders WHERE mod(order_id, 5) = %s ORDER BY sku LIMIT 1 FOR UPDATE SKIP LOCKED)",
                (price, moment, self.rng.randrange(5)),
            )

    def end(self, at: int, how: str) -> None:
        self.connections[at].execute(how)
        self.opened.pop(at, None)

    def rest(self) -> None:
        for at in list(self.opened):
            self.end(at, "COMMIT")

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


@pytest.fixture
def disturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """What is done between a pull's look at the figures and its rows."""
    disturbances: list[Callable[[], None]] = []
    refined = PostgresSnapshot.refined

    def wrapped(self: PostgresSnapshot, relation: Any) -> Any:
        for one in disturbances:
            one()
        return refined(self, relation)

    monkeypatch.setattr(PostgresSnapshot, "refined", wrapped)
    yield disturbances
    disturbances.clear()


def test_s1_the_lake_is_the_source_after_each_of_a_hundred_interleavings(
    make_shop: Callable[..., Shop], postgres_url: str, disturbed: list[Callable[[], None]]
) -> None:
    uri, rng = postgres_url.replace("+psycopg", ""), random.Random(20261105)
    more = {"url": "${SHOP}", "table": "orders", "cursor": {"by": "updated_at", "lag": LONGEST + 1}}
    shop = make_shop(orders("sql", more), {"SHOP": postgres_url})
    with psycopg.connect(uri, autocommit=True) as db:
        db.execute(
            "CREATE TABLE orders (order_id int PRIMARY KEY, sku text, quantity int, price numeric(12,4), updated_at timestamptz)"
        )
        writers = Writers(uri, rng)
        for number in range(ROUNDS):
            disturbed.append(writers.act)
            for _ in range(rng.randrange(1, 3)):
                for _ in range(rng.randrange(1, 8)):
                    writers.act()
                shop.pull()
            disturbed.clear()
            writers.rest()
            shop.pull()
            shop.ingest()
            source = [tuple(row) for row in db.execute("SELECT order_id, sku, quantity, price, updated_at FROM orders")]
            assert shop.rows() == sorted(source, key=repr), f"interleaving {number}"
        writers.close()
    assert writers.next_id > ROUNDS / 2
    shop.house.recount()
