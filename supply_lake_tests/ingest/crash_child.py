"""A process that ingests, and kills itself at the n-th write, or runs until it is killed from outside.

Run as ``python crash_child.py N``; N = 0 never kills. Prints the number of writes that it saw.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from supply_lake.ingest import batches, discovery
from supply_lake.ingest.stores import Stores
from supply_lake.storage.object_store import ObjectStore

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
        def burning(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            result = method(*args, **kwargs)
            self.burn()
            return result

        return burning


def main(blow_at: int) -> None:
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
        discovery.tick(stores, full=True, clock=lambda: time.time() + 60)
        while waiting := stores.metadata.pending():
            for one in waiting:
                batches.run_pending(stores, one.dataset, one.landing_date)
    print(fuse.seen)


if __name__ == "__main__":
    main(int(sys.argv[1]))
