"""One object version of a bucket as a file, fetched block by block.

What belongs here: turning reads and seeks into blocks, and reading ahead. What does not: asking a store for a block, and
making sure that it is of the right version (``bucket`` does both).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from supply_lake.storage.seekable import Seekable

BLOCK = 8 * 1024**2


class RangedFile(Seekable):
    """A file of known size. While it is read in order, the next block is on its way.

    :param size: in bytes
    :param fetch: gives the bytes from a start to an end
    """

    def __init__(self, size: int, fetch: Callable[[int, int], memoryview]) -> None:
        super().__init__(size)
        self._fetch = fetch
        self._number = -1
        self._block = memoryview(b"")
        self._coming: tuple[int, Future[memoryview]] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def preload(self) -> None:
        """Fetch the first block, so that what is gone or changed is known at once."""
        self._turn_to(0)

    def readinto(self, target: Any) -> int:
        """Fill the buffer from one block, so perhaps not wholly; 0 at the end."""
        if self._at >= self._size:
            return 0
        self._turn_to(self._at // BLOCK)
        start = self._at % BLOCK
        piece = self._block[start : start + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """Let go of the block that is on its way."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        super().close()

    def _turn_to(self, number: int) -> None:
        if number == self._number:
            return
        in_order = number == self._number + 1
        coming, self._coming = self._coming, None
        self._block = coming[1].result() if coming and coming[0] == number else self._fetch_block(number)
        self._number = number
        if in_order and (number + 1) * BLOCK < self._size and number > 0:
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
            self._coming = (number + 1, self._pool.submit(self._fetch_block, number + 1))

    def _fetch_block(self, number: int) -> memoryview:
        return self._fetch(number * BLOCK, min((number + 1) * BLOCK, self._size))
