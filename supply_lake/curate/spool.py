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
        self._frames: list[pl.DataFrame | Path] = []

    def append(self, frame: pl.DataFrame) -> None:
        """Keep a frame."""
        size = int(frame.estimated_size())
        if self._held + size <= self._budget:
            self._held += size
            self._frames.append(frame)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}-{len(self._frames):06d}.arrow"
        frame.write_ipc(path)
        self._frames.append(path)

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
            kept = self._frames.pop(at)
            if isinstance(kept, Path):
                kept.unlink()
            else:
                self._held -= int(kept.estimated_size())

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return (self.get(at) for at in range(len(self._frames)))
