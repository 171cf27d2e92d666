"""A made-up shop whose tables live in a database, and a lake that pulls them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake.extract.clock import Clock
from supply_lake.landing.pull import Landed, Puller
from supply_lake_tests.ingest.house import House

NOON = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
TODAY = NOON.date()
COLUMNS: list[dict[str, Any]] = [
    {"name": "order_id", "type": "int64"},
    {"name": "sku", "type": "string"},
    {"name": "quantity", "type": "int64"},
    {"name": "price", "type": "decimal(12,4)"},
    {"name": "updated_at", "type": "timestamp"},
]
ORDERS: dict[str, Any] = {
    "name": "orders",
    "description": "Orders of a made-up shop.",
    "owner": "team:planning",
    "source": {"system": "shop"},
    "format": {"type": "parquet"},
    "start_date": "2026-01-01",
    "columns": COLUMNS,
    "primary_key": ["order_id"],
    "order_by": "updated_at",
    "mode": "upsert",
    "key_scope": "dataset",
}


def orders(transport: str, more: Mapping[str, Any], **dataset: Any) -> dict[str, Any]:
    """The dataset, pulled in this way."""
    return {**ORDERS, **dataset, "source": {"system": "shop", transport: dict(more)}}


@dataclass
class Hands:
    """The hands of a clock that only moves when it is moved, or when someone sleeps by it."""

    time: dt.datetime = NOON
    slept: list[float] = field(default_factory=list)

    def move(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.move(seconds)

    def seconds(self) -> float:
        return self.time.timestamp()

    def clock(self) -> Clock:
        return Clock(now=lambda: self.time, monotonic=self.seconds, sleep=self.sleep)


class Shop:
    """One dataset that is pulled, in a lake of its own."""

    def __init__(self, home: Path, spec: dict[str, Any], env: Mapping[str, str]) -> None:
        self.house, self.hands, self.env = House(home, spec), Hands(), dict(env)
        self.name = spec["name"]
        self.spec = self.house.stores.registry.get(self.name)

    @property
    def puller(self) -> Puller:
        stores = self.house.stores
        return Puller(stores.landing, self.spec, stores.settings.scratch, env=self.env, clock=self.hands.clock())

    def pull(self, date: dt.date | None = None) -> list[Landed]:
        return self.puller.pull(date)

    def table(self, landed: Landed) -> pa.Table:
        return pq.read_table(Path(self.house.stores.landing.location) / landed.manifest.key)

    def ingest(self) -> None:
        self.house.ingest()

    def rows(self) -> list[tuple[Any, ...]]:
        return self.house.rows(self.name)

    def close(self) -> None:
        self.house.close()
