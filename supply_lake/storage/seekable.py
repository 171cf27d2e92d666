"""A file of known size that can be read anywhere.

What belongs here: the position, which two kinds of files over an object store share. What does not: how bytes are fetched.
"""

from __future__ import annotations

import io
import os


class Seekable(io.RawIOBase):
    """Keeps the position; whoever extends it reads from there.

    :param size: in bytes
    """

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

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
        """Move to a position, which may lie behind the end.

        :raises ValueError: it would lie before the beginning
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at
