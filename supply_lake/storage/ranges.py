"""An object that is never overwritten, as a file of which only what is asked for is fetched.

What belongs here: a few small reads of a large object, such as the footer and two columns of a Parquet file. What does not:
reading an object from its beginning to its end (``ObjectStore.read`` fetches ahead for that).
"""

from __future__ import annotations

from typing import Any

from supply_lake.storage.object_store import ObjectStore
from supply_lake.storage.seekable import Seekable


class Ranges(Seekable):
    """The file. Nothing is asked of the store before the first read.

    :param size: of the object, in bytes
    """

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__(size)
        self._store, self._key = store, key

    def readinto(self, target: Any) -> int:
        """Fill the buffer by one request; 0 at the end."""
        wanted = min(len(target), self._size - self._at)
        if wanted <= 0:
            return 0
        target[:wanted] = self._store.read_range(self._key, self._at, wanted)
        self._at += wanted
        return wanted
