"""`unique`: new rows that have the values of another row that is live after the commit.

A live row stays, whoever else comes; of new rows the one delivered first stays. Values are compared as they are, never by a
hash alone, and in bounded memory (``curate.duels``).

What belongs here: finding them. What does not: what is live, and what becomes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from supply_lake.curate.barred import PLACES
from supply_lake.curate.duels import PLACE, losers
from supply_lake.curate.settle import LivePart
from supply_lake.curate.spool import Spool
from supply_lake.quality.live_rows import Bounds, Sought, read

_FIRST_OUTSIDE = -(1 << 63) + 1
_IN_MEMORY = 128 * 1024 * 1024

Frames = Callable[[], Iterator[pl.DataFrame]]
"""Frames of the columns and of ``duels.PLACE``, again whenever it is called."""


def doubles(
    new: Frames,
    carried: Frames,
    others: Callable[[Bounds], Sequence[LivePart]],
    types: Mapping[str, pl.DataType],
    *,
    within: Literal["dataset", "partition"],
    scratch: Path,
) -> pl.DataFrame:
    """The new rows that double another row, in the columns of ``barred.PLACES``.

    :param new: rows that the commit publishes
    :param carried: rows that it publishes again, from snapshots that it supersedes
    :param others: files of the live snapshots that it leaves alone; given the bounds of what is sought
    :param types: the columns that are unique together
    """
    columns = list(types)
    sought = Sought(new(), columns)
    if not len(sought.hashes):
        return pl.DataFrame(schema=PLACES)
    rivals = Spool(scratch, "rivals", _IN_MEMORY)
    for frame in _rivals(new, carried, others(sought.bounds), sought, types):
        rivals.append(frame)
    rows = sum(rivals.rows(at) for at in range(len(rivals)))
    keys = columns if within == "dataset" else [*columns, "_date"]
    lost = losers(rivals, keys, (), rows=rows, scratch=scratch)
    rivals.drop(range(len(rivals)))
    ours = lost.filter(pl.col("_ordinal") <= 0).with_columns(-pl.col("_ordinal"))
    return ours.select(list(PLACES)).sort("_ordinal")


def _rivals(
    new: Frames, carried: Frames, others: Sequence[LivePart], sought: Sought, types: Mapping[str, pl.DataType]
) -> Iterator[pl.DataFrame]:
    """All rows that have one of the values. In a duel the last one wins, so their order is turned around: the first stays."""
    columns = [*types, *PLACE]
    for frames in (new, carried):
        for frame in frames():
            yield sought.among(frame).select(columns).with_columns(-pl.col("_ordinal"))
    first = _FIRST_OUTSIDE
    for part, frame in read(others, types, sought.bounds):
        same = sought.among(frame)
        places = pl.int_range(first, first + same.height, eager=True)
        yield same.with_columns(
            (-places).alias("_ordinal"), pl.lit(-1, pl.Int32).alias("_src"), pl.lit(part.partition).alias("_date")
        ).select(columns)
        first += same.height
