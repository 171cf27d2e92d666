"""A made-up dataset, and a folder to declare it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ORDERS: dict[str, Any] = {
    "name": "orders",
    "description": "Orders of a made-up shop.",
    "owner": "team:planning",
    "source": {"system": "shop"},
    "format": {"type": "csv"},
    "start_date": "2020-01-01",
    "error_threshold": 0.5,
    "columns": [
        {"name": "order_id", "type": "string", "nullable": False},
        {"name": "quantity", "type": "int64", "unit": "pieces", "checks": {"ge": 0}},
    ],
}


def write_specs(home: Path, *specs: dict[str, Any]) -> Path:
    """The folder ``datasets`` below ``home``, with a file for every spec."""
    folder = home / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    for spec in specs:
        (folder / f"{spec['name']}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return folder
