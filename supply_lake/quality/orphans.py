"""`references`: rows whose values stand nowhere in another dataset.

What belongs here: finding them, in bounded memory: values are looked up so many at a time, and of the other dataset's files
only the columns that are named are read, and no row group that cannot hold any of them. What does not: which files are live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from supply_lake.curate.barred import PLACES
from supply_lake.curate.cast import polars_type
from supply_lake.curate.duels import ROWS_AT_ONCE
from supply_lake.curate.settle import LivePart
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import FLOAT64, TEXT, common, is_number
from supply_lake.quality.doubles import Frames
from supply_lake.quality.live_rows import Bounds, Sought, hashes, read


def orphans(
    rows: Frames,
    theirs: Callable[[Bounds], Sequence[LivePart]],
    pairs: Sequence[tuple[str, str]],
    types: Mapping[str, pl.DataType],
    *,
    at_once: int = ROWS_AT_ONCE,
) -> pl.DataFrame:
    """The rows that refer to nothing, in the columns of ``barred.PLACES``. Rows with a null among the values refer to nobody.

    :param theirs: live files of the other dataset that may hold rows within bounds, by the names of its columns
    :param pairs: our column and theirs
    :param types: the type in which both are compared, by our column
    :param at_once: distinct values that are looked up at a time
    """
    columns = [our for our, _ in pairs]
    distinct = len(Sought(_typed(rows, types), columns).hashes)
    parts = max(1, -(-distinct // at_once))
    found: list[pl.DataFrame] = []
    for number in range(parts):
        missing = _missing(_distinct(_typed(rows, types), columns, number, parts), theirs, pairs, types)
        if missing.height:
            found += [frame.join(missing, on=columns, how="semi").select(list(PLACES)) for frame in _typed(rows, types)]
    return pl.concat(found).sort("_ordinal") if found else pl.DataFrame(schema=PLACES)


def comparable(our: DataType, their: DataType) -> pl.DataType:
    """The type in which values of both are what they are; of numbers that no type says exactly, the nearest."""
    found = common(our, their)
    return polars_type(found or (FLOAT64 if is_number(our) and is_number(their) else TEXT))


def _typed(rows: Frames, types: Mapping[str, pl.DataType]) -> Iterator[pl.DataFrame]:
    return (frame.with_columns(pl.col(name).cast(kind) for name, kind in types.items()) for frame in rows())


def _distinct(frames: Iterator[pl.DataFrame], columns: list[str], number: int, parts: int) -> pl.DataFrame:
    """The distinct values of one part of the work."""
    found: list[pl.DataFrame] = []
    for frame in frames:
        values = frame.select(columns).drop_nulls().unique(maintain_order=False)
        if parts > 1 and values.height:
            values = values.filter(pl.Series(hashes(values) % parts == number))
        found.append(values)
    return pl.concat(found).unique(maintain_order=False) if found else pl.DataFrame()


def _missing(
    wanted: pl.DataFrame,
    theirs: Callable[[Bounds], Sequence[LivePart]],
    pairs: Sequence[tuple[str, str]],
    types: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    """The values that the other dataset does not have. Once all are found, no further file is opened."""
    names = {their: our for our, their in pairs}
    their_types = {their: types[our] for our, their in pairs}
    for part in theirs(_bounds(wanted, pairs)) if wanted.height else ():
        if not wanted.height:
            break
        for _, frame in read([part], their_types, _bounds(wanted, pairs)):
            wanted = wanted.join(frame.rename(names), on=list(names.values()), how="anti")
    return wanted


def _bounds(wanted: pl.DataFrame, pairs: Sequence[tuple[str, str]]) -> Bounds:
    return {their: (wanted[our].min(), wanted[our].max()) for our, their in pairs}
