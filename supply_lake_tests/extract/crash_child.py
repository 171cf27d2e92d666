"""Processes that pull, and kill themselves at the n-th moment at which that could hurt.

An order is ``{"home": …, "spec": …, "env": …, "blow_at": n}``; see ``crashing``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supply_lake.extract import parquet_file
from supply_lake.extract.http_client import Http
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.crashing import Fuse, serve
from supply_lake_tests.extract.shop import Shop

MOMENTS: list[tuple[Any, str]] = [(ObjectStore, "put"), (parquet_file, "_write_group"), (Http, "_once")]
parquet_file._GROUP_ROWS = 1_000


def pull(order: dict[str, Any], fuse: Fuse) -> None:
    for owner, name in MOMENTS:
        setattr(owner, name, fuse.wrap(getattr(owner, name)))
    shop = Shop(Path(order["home"]), order["spec"], order["env"])
    shop.pull()
    shop.close()


if __name__ == "__main__":
    serve(pull)
