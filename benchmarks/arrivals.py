"""A made-up dataset of small files, and a lake in a temporary folder to land them in.

What belongs here: what the benchmarks of the Dagster side share. What does not: any measurement.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path

import yaml

from supply_lake.settings import Settings

ARRIVALS = {
    "name": "arrivals",
    "description": "Goods received at a made-up dock.",
    "owner": "team:benchmarks",
    "source": {"system": "dock"},
    "format": {"type": "csv"},
    "start_date": "2026-01-01",
    "columns": [
        {"name": "arrival_id", "type": "string", "nullable": False},
        {"name": "sku", "type": "string"},
        {"name": "quantity", "type": "int64", "unit": "pieces", "checks": {"ge": 0}},
        {"name": "value", "type": "decimal(12,2)", "unit": "USD"},
        {"name": "arrived_at", "type": "timestamp"},
    ],
}


def environment(home: Path) -> dict[str, str]:
    """Variables of a lake below ``home`` with the shipped datasets and ``arrivals``."""
    folder = home / "datasets"
    folder.mkdir(parents=True)
    for path in Settings.from_env({}).datasets.glob("*.yaml"):
        shutil.copy(path, folder)
    (folder / "arrivals.yaml").write_text(yaml.safe_dump(ARRIVALS, sort_keys=False))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SUPPLY_LAKE_")},
        "SUPPLY_LAKE_HOME": str(home / "lake-home"),
        "SUPPLY_LAKE_DATASETS": str(folder),
        "DAGSTER_HOME": str(home / "lake-home" / "dagster"),
    }


def rows(file: int, count: int) -> bytes:
    """One CSV file of the dataset; no two files have a row in common."""
    lines = [
        f"A{file:06}-{row:04},SKU-{row % 97:04},{row % 50},{row * 7 % 1000}.{row % 100:02},2026-11-01T{row % 24:02}:00:00Z"
        for row in range(count)
    ]
    return ("arrival_id,sku,quantity,value,arrived_at\n" + "\n".join(lines) + "\n").encode()


def key(file: int, date: dt.date) -> str:
    """Where the file lands."""
    return f"arrivals/{date:%Y/%m/%d}/part-{file:06}.csv"
