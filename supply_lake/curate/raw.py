"""What every reader gives: chunks of records as the file wrote them.

What belongs here: the values between reading and casting. What does not: any reader.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be told apart. ``line`` is ``None`` when the whole object is meant.

    ``raw`` is its text, whole. So that it can be read again without its file, two facts go with it: ``header``, the file's
    header line (empty for a file without one, ``None`` for formats whose records name their own fields), and ``exact``, the
    record's bytes as they were landed, where text cannot say them. ``source`` is the index of the object in the order of
    delivery; readers of one object leave it at 0.
    """

    line: int | None
    raw: str
    reason: str
    source: int = 0
    header: str | None = None
    exact: bytes | None = None


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Records of one source in file order.

    ``frame`` has the file's own columns; text formats give strings. ``lines`` is the 1-based physical line at which each
    record starts (the record's number in formats without lines), as Int64.
    """

    frame: pl.DataFrame
    lines: pl.Series
    bad: list[BadRecord] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.frame.height + len(self.bad)


@dataclass(slots=True)
class Told:
    """What a file says besides its records: notes on what was passed over, and (place, text) of its control totals."""

    notes: Counter[str] = field(default_factory=Counter)
    totals: list[tuple[str, str]] = field(default_factory=list)


class EmptyObject(Exception):
    """The object holds no record; ``str()`` is "zero bytes", "whitespace only" or "header only"."""
