"""Processes that ingest, and kill themselves at the n-th write, or run until they are killed from outside.

An order is ``{"env": …, "verb": …, "blow_at": n, "seconds": s}``; see ``crashing``.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from supply_lake.ingest import batches, discovery
from supply_lake.ingest.replay import replay
from supply_lake.ingest.revoke import revoke
from supply_lake.ingest.stores import Stores
from supply_lake.storage.object_store import ObjectStore
from supply_lake.upkeep.compact import compact
from supply_lake.upkeep.gc import Collection
from supply_lake_tests.crashing import Fuse, serve

WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


def ingest(stores: Stores) -> None:
    discovery.tick(stores, full=True, clock=lambda: time.time() + 60)
    while waiting := stores.metadata.pending():
        for one in waiting:
            batches.run_pending(stores, one.dataset, one.landing_date)


def take_up(stores: Stores) -> None:
    replay(stores, "orders")


def take_back(stores: Stores) -> None:
    revoke(stores, stores.metadata.live("orders")[-1].id, why="killed on the way")


def put_together(stores: Stores) -> None:
    compact(stores, "orders")


def collect(stores: Stores) -> None:
    Collection(stores, dt.timedelta(), dt.timedelta(), clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).run(
        "orders"
    )


VERBS = {"ingest": ingest, "replay": take_up, "revoke": take_back, "compact": put_together, "gc": collect}


def burning(order: dict[str, Any], fuse: Fuse) -> None:
    os.environ.update(order["env"])
    for name in ("put", "writer", "delete"):
        setattr(ObjectStore, name, fuse.wrap(getattr(ObjectStore, name)))

    @event.listens_for(Engine, "before_cursor_execute")
    def statement(_conn: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.lstrip().upper().startswith(WRITES):
            fuse.burn()

    @event.listens_for(Engine, "commit")
    def commit(_conn: Any) -> None:
        fuse.burn()

    with Stores.open() as stores:
        VERBS[order["verb"]](stores)


if __name__ == "__main__":
    serve(burning)
