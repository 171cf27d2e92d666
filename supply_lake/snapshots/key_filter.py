"""Where keys live: which snapshots of other dates hold a key of the new rows, without reading their rows.

Two sieves: the bounds of the key columns on the snapshot's record (no read at all), then the key columns alone of the row
groups whose own bounds have a key between them. So nothing is read where keys lie elsewhere, and never more than key columns.
``benchmarks/keys.py`` has the figures.

What belongs here: choosing candidates, never missing one. What does not: comparing rows (``curate.duels``).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate.align import alike
from supply_lake.quality.live_rows import Bounds
from supply_lake.snapshots.records import ColumnStats, Snapshot
from supply_lake.storage.object_store import ObjectStore
from supply_lake.storage.ranges import Ranges

READERS = 8
# Arrow type on the record → how its bounds are read back: as the values that keys of this type have.
_PARSERS: tuple[tuple[tuple[str, ...], type, Callable[[str], Any]], ...] = (
    (("string", "large_string"), str, str),
    (("int", "uint"), int, int),
    (("date32",), dt.date, dt.date.fromisoformat),
    (("decimal",), Decimal, Decimal),
)


def candidates(keys: pl.DataFrame, snapshots: Sequence[Snapshot], lake: ObjectStore) -> list[Snapshot]:
    """The snapshots that hold at least one of the keys.

    :param keys: the new rows' distinct keys, a column per key column
    :param snapshots: live snapshots of partitions that the new rows do not touch
    """
    if not keys.height:
        return []
    sought = _Sought(keys)
    near = [one for one in snapshots if sought.may_be_in(one)]
    with ThreadPoolExecutor(READERS, thread_name_prefix="keys") as pool:  # a store far away takes its time for each file
        held = pool.map(lambda one: _holds(one, sought, lake), near)
        return [one for one, holds in zip(near, held, strict=True) if holds]


class _Sought:
    """The keys, and of each key column its values in order. A column with a null among its keys can rule nothing out."""

    def __init__(self, keys: pl.DataFrame) -> None:
        self.keys = keys
        self._values = {name: keys[name].unique().sort().to_list() for name in keys.columns if not keys[name].null_count()}

    def may_be_in(self, snapshot: Snapshot) -> bool:
        """By its record alone; in doubt they may."""
        stats = {one.name: one for one in snapshot.columns}
        return all(self._some_between(name, _bounds(stats.get(name), values[0])) for name, values in self._values.items())

    def may_be_among(self, group: pq.RowGroupMetaData) -> bool:
        """By the statistics of the row group; in doubt they may."""
        columns = (group.column(at) for at in range(group.num_columns))
        found = {
            one.path_in_schema: (one.statistics.min, one.statistics.max)
            for one in columns
            if one.path_in_schema in self._values and one.statistics is not None and one.statistics.has_min_max
        }
        return all(self._some_between(name, bounds) for name, bounds in found.items())

    def _some_between(self, name: str, bounds: tuple[Any, Any] | None) -> bool:
        if bounds is None:
            return True
        try:
            return bisect_left(self._values[name], bounds[0]) < bisect_right(self._values[name], bounds[1])
        except TypeError:  # the column was of another type then
            return True


def may_hold(snapshot: Snapshot, bounds: Bounds) -> bool:
    """Whether the snapshot may hold a row within the bounds, by its record alone; in doubt it may."""
    stats = {one.name: one for one in snapshot.columns}
    return not any(_apart(stats[name], low, high) for name, (low, high) in bounds.items() if name in stats)


def _apart(stats: ColumnStats, low: Any, high: Any) -> bool:
    """Whether all values of a column lie outside the bounds."""
    bounds = _bounds(stats, low)
    return bounds is not None and bool(bounds[1] < low or bounds[0] > high)


def _bounds(stats: ColumnStats | None, like: Any) -> tuple[Any, Any] | None:
    """Least and greatest value of a column, as values like this one; ``None`` where the record does not tell.

    They are text on the record. A column that was of another type then is in doubt: as text ``9`` comes after ``100``.
    """
    if stats is None or stats.min is None or stats.max is None:
        return None
    parse = next((parse for names, kind, parse in _PARSERS if stats.type.startswith(names) and type(like) is kind), None)
    return (parse(stats.min), parse(stats.max)) if parse else None


def _holds(snapshot: Snapshot, sought: _Sought, lake: ObjectStore) -> bool:
    names = sought.keys.columns
    for file in snapshot.files:
        with Ranges(lake, file.path, file.bytes) as stream:
            parquet = pq.ParquetFile(stream)
            groups = [at for at in range(parquet.num_row_groups) if sought.may_be_among(parquet.metadata.row_group(at))]
            for at in groups:
                held, wanted = alike(pl.DataFrame(parquet.read_row_group(at, columns=names)), sought.keys)
                if held.join(wanted, on=names, how="semi", nulls_equal=True).height:
                    return True
    return False
