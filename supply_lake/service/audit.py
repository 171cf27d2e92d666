"""The audit log: one line of JSON for every request, whoever made it and however it ended.

What belongs here: the line and the file. What does not: what happens to the file later; it is opened anew when a rotation has
moved it away. A token stands in it by its id; neither query strings nor bodies do, for they may hold data.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import NamedTuple

from pydantic_core import to_json


class Asked(NamedTuple):
    """One request. ``principal`` is empty where nobody was told; ``ms`` counts until the first byte of the answer."""

    at: dt.datetime
    principal: str
    client: str
    method: str
    path: str
    status: int
    ms: float


class Audit:
    """An append-only file. Processes may share it: a line is one write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._identity: tuple[int, int] | None = None

    def write(self, asked: Asked) -> None:
        """Add a line.

        :raises OSError: the file cannot be written; then nothing may be answered that it does not know of
        """
        os.write(self._open(), to_json(asked._asdict()) + b"\n")

    def _open(self) -> int:
        if self._file is not None and self._identity == _identity(self._path):
            return self._file
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._identity = _identity(self._path)
        return self._file

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._identity = None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino)
