"""Frames that wait between the two passes: in memory while they are few, in files when they are many.

What belongs here: keeping frames in order within a budget of memory. What does not: what they hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl


class Spool:
    """An ordered list of frames. Frames past ``budget`` bytes go to Arrow IPC files in ``folder``."""

    def __init__(self, folder: Path, name: str, budget: int) -> None:
        self._folder, self._name, self._budget = folder, name, budget
        self._held = 0
        self._written = 0
        self._frames: list[pl.DataFrame | Path] = []

    def append(self, frame: pl.DataFrame) -> None:
        """Keep a frame."""
        self._frames.append(self._kept(frame))

    def replace(self, at: int, frame: pl.DataFrame) -> None:
        """Keep another frame at this place; the order of frames is the order of delivery, which decides between equals."""
        self._forget(self._frames[at])
        self._frames[at] = self._kept(frame)

    def _kept(self, frame: pl.DataFrame) -> pl.DataFrame | Path:
        size = int(frame.estimated_size())
        if self._held + size <= self._budget:
            self._held += size
            return frame
        self._folder.mkdir(parents=True, exist_ok=True)
        # Numbered by what was ever written: a place that was given up must not lend its name to a file in use.
        path = self._folder / f"{self._name}-{self._written:06d}.arrow"
        self._written += 1
        frame.write_ipc(path)
        return path

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, at: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The frame at this place, or some columns of it."""
        kept = self._frames[at]
        if isinstance(kept, Path):
            return pl.read_ipc(kept, columns=list(columns) if columns is not None else None)
        return kept.select(columns) if columns is not None else kept

    def drop(self, places: Sequence[int]) -> None:
        """Forget the frames at these places."""
        for at in sorted(places, reverse=True):
            self._forget(self._frames.pop(at))

    def _forget(self, kept: pl.DataFrame | Path) -> None:
        if isinstance(kept, Path):
            kept.unlink()
        else:
            self._held -= int(kept.estimated_size())

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return (self.get(at) for at in range(len(self._frames)))
