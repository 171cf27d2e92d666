"""Made-up shipments as CSV: seeded, about 120 bytes a row, some bad rows, some repeated keys.

What belongs here: the data and its declaration, for every benchmark that needs many rows. What does not: measuring.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

SLAB = 500_000
CARRIERS = ["DHL", "UPS", "FedEx", "Maersk", "DSV", "GLS", "TNT", "Kuehne"]
STATUSES = ["created", "in_transit", "delivered", "returned", "exception"]
HEADER = "shipment_id,sku,origin,destination,carrier,status,shipped_at,expected_on,quantity,weight_kg,freight_usd,updated_at"
DAY = dt.date(2026, 11, 1)
SPEC: dict[str, Any] = {
    "name": "shipments",
    "description": "Made-up shipments.",
    "owner": "team:benchmarks",
    "source": {"system": "made-up"},
    "format": {"type": "csv"},
    "primary_key": "shipment_id",
    "order_by": "updated_at",
    "error_threshold": 0.1,
    "columns": [
        {"name": "shipment_id", "type": "string"},
        {"name": "sku", "type": "string", "nullable": False},
        {"name": "origin", "type": "string"},
        {"name": "destination", "type": "string"},
        {"name": "carrier", "type": "string"},
        {"name": "status", "type": "string", "checks": {"isin": STATUSES}},
        {"name": "shipped_at", "type": "timestamp"},
        {"name": "expected_on", "type": "date"},
        {"name": "quantity", "type": "int64", "checks": {"gt": 0}},
        {"name": "weight_kg", "type": "float64", "checks": {"ge": 0}},
        {"name": "freight_usd", "type": "decimal(12,2)", "checks": {"ge": 0}},
        {"name": "updated_at", "type": "timestamp"},
    ],
}


def write(path: Path, rows: int, seed: int = 7) -> None:
    """Write a CSV file of so many rows: 5 % repeat an earlier key, 1 % break the contract."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(HEADER.encode() + b"\n")
        for first in range(0, rows, SLAB):
            _slab(rng, first, min(SLAB, rows - first)).write_csv(file, include_header=False)


def _slab(rng: np.random.Generator, first: int, rows: int) -> pl.DataFrame:
    ids = np.arange(first, first + rows)
    again = rng.random(rows) < 0.05
    ids[again] = rng.integers(0, first + rows // 2 + 1, int(again.sum()))
    start = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp())
    shipped = start + rng.integers(0, 86_400 * 300, rows)
    cents = rng.integers(100, 10_000_000, rows)
    raw = pl.DataFrame(
        {
            "shipment_id": pl.Series(ids) + 10**9,
            "sku": rng.integers(100_000, 150_000, rows),
            "origin": rng.integers(100, 300, rows),
            "destination": rng.integers(100, 300, rows),
            "carrier": pl.Series(CARRIERS).gather(rng.integers(0, len(CARRIERS), rows)),
            "status": pl.Series(STATUSES).gather(rng.integers(0, len(STATUSES), rows)),
            "shipped": shipped,
            "updated": shipped + rng.integers(0, 864_000, rows),
            "quantity": rng.integers(1, 1_000, rows),
            "grams": rng.integers(10, 500_000, rows),
            "cents": cents,
            "fault": rng.random(rows),
        }
    )
    fault = pl.col("fault")
    moment = "%Y-%m-%dT%H:%M:%S"
    return raw.select(
        pl.format("SHP-{}", "shipment_id"),
        pl.format("SKU-{}", "sku"),
        pl.format("WH{}", "origin"),
        pl.format("ST{}", "destination"),
        "carrier",
        pl.when(fault < 0.002).then(pl.lit("lost?")).otherwise("status").alias("status"),
        pl.from_epoch("shipped").dt.strftime(moment).alias("shipped_at"),
        pl.when(fault.is_between(0.002, 0.004)).then(pl.lit("2026-02-30")).otherwise(
            pl.from_epoch(pl.col("shipped") + 432_000).dt.strftime("%Y-%m-%d")
        ).alias("expected_on"),
        pl.when(fault.is_between(0.004, 0.008)).then(pl.lit("n/a")).otherwise(pl.col("quantity").cast(pl.String)),
        (pl.col("grams") / 1000).alias("weight_kg"),
        pl.when(fault.is_between(0.008, 0.010)).then(pl.lit("-1.00")).otherwise(
            (pl.col("cents").cast(pl.Decimal(12, 2)) / 100).cast(pl.Decimal(12, 2)).cast(pl.String)
        ).alias("freight_usd"),
        pl.from_epoch("updated").dt.strftime(moment).alias("updated_at"),
    )  # fmt: skip
