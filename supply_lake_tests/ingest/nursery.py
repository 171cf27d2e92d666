"""The process that copies itself to be killed at a write of its own; see ``crash_child``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from supply_lake_tests.ingest.house import House

CHILD = Path(__file__).with_name("crash_child.py")


class Nursery:
    """The process that copies itself; see ``crash_child``."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, str(CHILD)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ingest(self, house: House, *, verb: str = "ingest", blow_at: int = 0, seconds: float = 0) -> tuple[int, int]:
        """Exit status (minus the signal) and number of writes of one process that ingests, or does what the verb says."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"env": house.env, "verb": verb, "blow_at": blow_at, "seconds": seconds}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status, writes = self._process.stdout.readline().split()
        return int(status), int(writes)

    def close(self) -> None:
        self._process.communicate()
