"""Processes that pull, and kill themselves at the n-th moment at which that could hurt.

Run as ``python crash_child.py``; each line of standard input is JSON, ``{"home": …, "spec": …, "env": …, "blow_at": n}``. A fresh copy
of this process pulls the dataset; it is killed at its n-th moment (0: never). The answer is one line: ``<exit status or minus
signal> <number of moments seen>``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supply_lake.extract import parquet_file
from supply_lake.extract.http_client import Http
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.extract.shop import Shop

MOMENTS: list[tuple[Any, str]] = [(ObjectStore, "put"), (parquet_file, "_write_group"), (Http, "_once")]
parquet_file._GROUP_ROWS = 1_000


class Fuse:
    """Counts moments and kills the process at the n-th."""

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


def pull(order: dict[str, Any]) -> int:
    fuse = Fuse(order["blow_at"])
    for owner, name in MOMENTS:
        setattr(owner, name, fuse.wrap(getattr(owner, name)))
    shop = Shop(Path(order["home"]), order["spec"], order["env"])
    shop.pull()
    shop.close()
    return fuse.seen


def copy(order: dict[str, Any]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writer, str(pull(order)).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as seen:
        moments = seen.read() or "0"
    _, ended = os.waitpid(child, 0)
    return f"{os.waitstatus_to_exitcode(ended)} {moments}"


def main() -> None:
    for line in sys.stdin:
        print(copy(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
