"""An object that is never overwritten, as a file of which only what is asked for is fetched.

What belongs here: a few small reads of a large object, such as the footer and two columns of a Parquet file. What does not:
reading an object from its beginning to its end (``ObjectStore.read`` fetches ahead for that).
"""

from __future__ import annotations

import io
import os
from typing import Any

from supply_lake.storage.object_store import ObjectStore


class Ranges(io.RawIOBase):
    """The file. Nothing is asked of the store before the first read.

    :param size: of the object, in bytes
    """

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store, self._key, self._size = store, key, size
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always; a seek costs nothing until the next read."""
        return True

    def tell(self) -> int:
        """Position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, which may lie behind the end."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, target: Any) -> int:
        """Fill the buffer by one request; 0 at the end."""
        wanted = min(len(target), self._size - self._at)
        if wanted <= 0:
            return 0
        target[:wanted] = self._store.read_range(self._key, self._at, wanted)
        self._at += wanted
        return wanted
