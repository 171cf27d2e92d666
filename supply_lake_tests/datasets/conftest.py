"""Dataset files for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = """\
name: orders
description: Orders of the shop
owner: team:sales
source: {system: shop}
format: {type: csv}
columns:
  - {name: order_id, type: string}
  - {name: quantity, type: int32, checks: {ge: 0}}
  - name: ordered_at
    type: timestamp
primary_key: order_id
order_by: ordered_at
mode: upsert
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(text, name="orders")`` puts a dataset file into the test's folder."""

    def put(text: str, name: str = "orders") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return put
