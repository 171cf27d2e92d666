"""The process that copies itself to be killed at a write of its own; see ``crash_child``."""

from __future__ import annotations

from pathlib import Path

from supply_lake_tests import crashing
from supply_lake_tests.ingest.house import House


class Nursery(crashing.Nursery):
    """Asks ``crash_child``."""

    def __init__(self) -> None:
        super().__init__(Path(__file__).with_name("crash_child.py"))

    def ingest(self, house: House, *, verb: str = "ingest", blow_at: int = 0, seconds: float = 0) -> tuple[int, int]:
        """Exit status (minus the signal) and number of writes of one process that ingests, or does what the verb says."""
        return self.order(env=house.env, verb=verb, blow_at=blow_at, seconds=seconds)
