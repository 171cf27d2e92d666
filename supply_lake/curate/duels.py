"""Which rows lose against another row of their key.

The row with the greatest order values wins (null is lowest); among equals the one of the greatest ordinal. Rows are compared by
their true keys, never by a hash alone: hashes only divide the work and leave out what has no double.

What belongs here: exact deduplication over key frames of any number, in bounded memory. What does not: where rows come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from supply_lake.curate.spool import Spool

ROWS_AT_ONCE = 2_500_000
# `ordinal`: place in the order of delivery, negative for rows that are live already. `_src`, `_line`, `_date`: whose row it is.
PLACE = {"_ordinal": pl.Int64, "_src": pl.Int32, "_line": pl.Int64, "_date": pl.Date}
# All of a batch's losers are in memory at once, so they carry no more than the counts and the reasons need.
LOSERS = {"_ordinal": pl.Int64, "_src": pl.Int32, "_date": pl.Date, "_by_src": pl.Int32, "_by_line": pl.Int64}


def losers(
    frames: Iterable[pl.DataFrame], keys: Sequence[str], order: Sequence[str], *, rows: int, scratch: Path
) -> pl.DataFrame:
    """The rows that lose, each with the source and line of the row that it loses against, by ordinal.

    :param frames: the key columns, the order columns, and those of ``PLACE``
    :param rows: how many rows there are in all, which decides on dividing the work
    :returns: the columns of ``LOSERS``, sorted by ``_ordinal``
    """
    parts = -(-rows // ROWS_AT_ONCE)
    if parts <= 1:
        return _losers_of(list(frames), keys, order)
    found = [_losers_of(part, keys, order) for part in _divided(frames, keys, parts, scratch)]
    return pl.concat(found).sort("_ordinal")


def _divided(frames: Iterable[pl.DataFrame], keys: Sequence[str], parts: int, scratch: Path) -> Iterator[list[pl.DataFrame]]:
    """The rows in parts, all rows of one key in one part; on disk but for the part at hand."""
    spools = [Spool(scratch, f"keys-{number:03d}", 0) for number in range(parts)]
    for frame in frames:
        part = frame.select(keys).hash_rows(seed=1) % parts
        for (number,), rows in frame.with_columns(part.alias("_part")).partition_by("_part", as_dict=True).items():
            spools[number].append(rows.drop("_part"))
    for spool in spools:
        yield list(spool)
        spool.drop(range(len(spool)))


def _doubled(hashes: pl.Series) -> pl.Series:
    """Which hashes stand more than once. Sorting numbers is several times as fast as a hash table of them."""
    ordered = np.sort(hashes.to_numpy())
    again = pl.Series(ordered[1:][ordered[1:] == ordered[:-1]]).unique()
    return hashes.is_in(again.implode())


def _losers_of(frames: list[pl.DataFrame], keys: Sequence[str], order: Sequence[str]) -> pl.DataFrame:
    if not frames:
        return pl.DataFrame(schema=LOSERS)
    everything = pl.concat(frames)
    rivals = everything.filter(_doubled(everything.select(keys).hash_rows(seed=2)))
    if not rivals.height:
        return pl.DataFrame(schema=LOSERS)
    ranked = rivals.sort([*order, "_ordinal"], nulls_last=False)
    winners = ranked.unique(keys, keep="last", maintain_order=False).select(
        *keys, pl.col("_ordinal").alias("_by"), pl.col("_src").alias("_by_src"), pl.col("_line").alias("_by_line")
    )
    met = ranked.join(winners, on=list(keys), how="inner", nulls_equal=True)
    return met.filter(pl.col("_ordinal") != pl.col("_by")).select(list(LOSERS)).sort("_ordinal")
