"""Processes that ingest, and kill themselves at the n-th write, or run until they are killed from outside.

Run as ``python crash_child.py``; each line of standard input is JSON, ``{"env": …, "verb": …, "blow_at": n, "seconds": s}``. A fresh
copy of this process (everything imported, nothing started) does what the verb says; it is killed just before its n-th write (0:
never), or after the seconds. The answer is one line: ``<exit status or minus signal> <number of writes seen>``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
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

WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


class Fuse:
    """Counts writes and kills the process just before the n-th."""

    def __init__(self, blow_at: int) -> None:
        self.blow_at, self.seen = blow_at, 0

    def burn(self) -> None:
        self.seen += 1
        if self.seen == self.blow_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def burnt(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            result = method(*args, **kwargs)
            self.burn()
            return result

        return burnt


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


def burning(verb: str, blow_at: int) -> int:
    fuse = Fuse(blow_at)
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
        VERBS[verb](stores)
    return fuse.seen


def copy(order: dict[str, Any]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ.update(order["env"])
            if order.get("seconds"):
                signal.setitimer(signal.ITIMER_REAL, order["seconds"])
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.write(writer, str(burning(order["verb"], order["blow_at"])).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as seen:
        writes = seen.read() or "0"
    _, ended = os.waitpid(child, 0)
    return f"{os.waitstatus_to_exitcode(ended)} {writes}"


def main() -> None:
    for line in sys.stdin:
        print(copy(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
