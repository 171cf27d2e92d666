"""Frames that wait between the two passes: in memory while they are few, in files when they are many.

What belongs here: keeping frames in order within a budget of memory. What does not: what they hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class _Kept:
    """A frame or its file, and what is asked of it so often that reading it again would cost too much."""

    frame: pl.DataFrame | Path
    size: int
    rows: int
    schema: pl.Schema
    shares: Counter[tuple[Any, ...]]


class Spool:
    """An ordered list of frames. Frames past ``budget`` bytes go to Arrow IPC files in ``folder``.

    :param by: columns by whose values the rows are counted
    """

    def __init__(self, folder: Path, name: str, budget: int, by: Sequence[str] = ()) -> None:
        self._folder, self._name, self._budget, self._by = folder, name, budget, tuple(by)
        self._held = 0
        self._written = 0
        self._frames: list[_Kept] = []

    def append(self, frame: pl.DataFrame) -> None:
        """Keep a frame."""
        self._frames.append(self._keep(frame))

    def replace(self, at: int, frame: pl.DataFrame) -> None:
        """Keep another frame at this place; the order of frames is the order of delivery, which decides between equals."""
        self._forget(self._frames[at])
        self._frames[at] = self._keep(frame)

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, at: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The frame at this place, or those of the columns that it has."""
        kept = self._frames[at]
        have = None if columns is None else [name for name in columns if name in kept.schema]
        if isinstance(kept.frame, Path):
            return pl.read_ipc(kept.frame, columns=have)
        return kept.frame if have is None else kept.frame.select(have)

    def column(self, at: int, name: str) -> pl.Series | None:
        """One column of the frame at this place; ``None`` when it has none of the name."""
        kept = self._frames[at]
        if name not in kept.schema:
            return None
        if isinstance(kept.frame, Path):
            return pl.read_ipc(kept.frame, columns=[name]).get_column(name)
        return kept.frame.get_column(name)

    def rows(self, at: int) -> int:
        """Rows of the frame at this place."""
        return self._frames[at].rows

    def schema(self, at: int) -> pl.Schema:
        """Columns and types of the frame at this place."""
        return self._frames[at].schema

    def shares(self, at: int | None = None) -> Counter[tuple[Any, ...]]:
        """Rows by the values of the columns ``by``, of one frame or of all."""
        found: Counter[tuple[Any, ...]] = Counter()
        for kept in self._frames if at is None else (self._frames[at],):
            found.update(kept.shares)
        return found

    def drop(self, places: Sequence[int]) -> None:
        """Forget the frames at these places."""
        for at in sorted(places, reverse=True):
            self._forget(self._frames.pop(at))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return (self.get(at) for at in range(len(self._frames)))

    def _keep(self, frame: pl.DataFrame) -> _Kept:
        size = int(frame.estimated_size())
        return _Kept(self._placed(frame, size), size, frame.height, frame.schema, self._shares(frame))

    def _shares(self, frame: pl.DataFrame) -> Counter[tuple[Any, ...]]:
        if not (self._by and frame.height):
            return Counter()
        by = frame.select(self._by)
        if all(_constant(column) for column in by):  # one object and one date, as nearly always: no need to group
            return Counter({by.row(0): frame.height})
        return Counter({tuple(values): rows for *values, rows in by.group_by(self._by).len().rows()})

    def _placed(self, frame: pl.DataFrame, size: int) -> pl.DataFrame | Path:
        if self._held + size <= self._budget:
            self._held += size
            return frame
        self._folder.mkdir(parents=True, exist_ok=True)
        # Numbered by what was ever written: a place that was given up must not lend its name to a file in use.
        path = self._folder / f"{self._name}-{self._written:06d}.arrow"
        self._written += 1
        frame.write_ipc(path)
        return path

    def _forget(self, kept: _Kept) -> None:
        if isinstance(kept.frame, Path):
            kept.frame.unlink()
        else:
            self._held -= kept.size


def _constant(column: pl.Series) -> bool:
    """Whether a column has one value alone. Not by a query: polars' threads are busy with other frames."""
    if column.has_nulls():
        return False
    if column.dtype == pl.String:
        return bool((column == column[0]).all())
    values = column.to_physical().to_numpy()
    return bool(values.min() == values.max())
