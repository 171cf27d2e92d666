"""Taking turns: writers of one dataset that get into each other's way line up, so that no work is done for nothing.

A turn is advice. Nothing depends on it but speed: who goes ahead without one, or after another took it for dead, is stopped by
the head's ``rev`` at most.

What belongs here: asking for a turn, and giving it back. What does not: decisions (``dynamo_commit``).
"""

from __future__ import annotations

import random
import time

from supply_lake.errors import StoreUnavailable
from supply_lake.snapshots.dynamo_table import Item, Key, Lost, Table, Write

BUSY_SECONDS = 120.0
DEAD_SECONDS = 5.0
_LONGEST_PAUSE = 0.2


class Turn:
    """One writer's place among those of a dataset, for one decision."""

    def __init__(self, table: Table, dataset: str) -> None:
        self._table, self.key = table, turn_key(dataset)
        self._end = time.monotonic() + BUSY_SECONDS
        self._longest = 0.02
        self._lost = self.mine = False
        self._seen: tuple[int, float] = (0, 0.0)

    def comes(self, item: Item | None) -> bool:
        """Whether to go ahead: nobody else has the turn, and who lost once has it. Else look again; a pause was taken.

        :param item: what is under ``key`` now
        """
        if self.mine or (item is None and not self._lost):
            return True
        if item is None or self._is_dead(item["rev"]):
            self._ask(item)
        else:
            self.pause()
        return False

    def lose(self) -> None:
        """Take note that another writer was faster."""
        self._lost = True
        self.pause()

    def release(self) -> list[Write]:
        """The write that gives the turn back, to be made together with the decision."""
        return [Write(self.key, None)] if self.mine else []

    def give_back(self) -> None:
        """Give the turn back when nothing was decided."""
        if self.mine:
            self._table.delete_many([self.key])

    def pause(self) -> None:
        """Wait a random, growing while.

        :raises StoreUnavailable: it has been minutes
        """
        if time.monotonic() > self._end:
            raise StoreUnavailable(
                f"the metadata store {self._table.described} is busy: other writers of this dataset were faster for minutes; "
                "run it again"
            )
        time.sleep(random.random() * self._longest)
        self._longest = min(_LONGEST_PAUSE, 1.5 * self._longest)

    def _ask(self, item: Item | None) -> None:
        before = item["rev"] if item else 0
        try:
            self._table.transact([Write(self.key, {"pk": self.key[0], "sk": self.key[1], "rev": _number()}, before)])
        except Lost:
            self.pause()
        else:
            self.mine = True

    def _is_dead(self, rev: int) -> bool:
        """Whether the same writer has had the turn for so long that it must be dead. By our own clock: others' may be wrong."""
        if self._seen[0] != rev:
            self._seen = (rev, time.monotonic())
        return time.monotonic() - self._seen[1] > DEAD_SECONDS


def turn_key(dataset: str) -> Key:
    """Where the turn of a dataset is."""
    return ("TURNS", f"={dataset}")


def _number() -> int:
    return random.getrandbits(62) | 1
