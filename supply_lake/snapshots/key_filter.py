"""Where keys live: which snapshots of other dates hold a key of the new rows, without reading their rows.

Two sieves: the bounds of the key columns on the snapshot's record (no read at all), then the key columns alone of the row
groups whose own bounds overlap. So a few percent of a partition are read at most, and nothing where keys lie elsewhere.

What belongs here: choosing candidates, never missing one. What does not: comparing rows (``curate.duels``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from supply_lake.snapshots.records import Snapshot
from supply_lake.storage.object_store import ObjectStore


def candidates(keys: pl.DataFrame, snapshots: Sequence[Snapshot], lake: ObjectStore) -> list[Snapshot]:
    """The snapshots that hold at least one of the keys.

    :param keys: the new rows' distinct keys, a column per key column
    :param snapshots: live snapshots of partitions that the new rows do not touch
    """
    if not keys.height:
        return []
    bounds = {name: (keys[name].min(), keys[name].max()) for name in keys.columns}
    return [one for one in snapshots if _may_hold(one, bounds) and _holds(one, keys, bounds, lake)]


def _may_hold(snapshot: Snapshot, bounds: dict[str, tuple[Any, Any]]) -> bool:
    """By the record alone. Bounds are text there, so only texts can be compared; other types are left to the files."""
    stats = {one.name: one for one in snapshot.columns}
    for name, (low, high) in bounds.items():
        one = stats.get(name)
        if one is None or one.type != "string" or not isinstance(low, str):
            continue
        if one.min is not None and one.max is not None and (one.max < low or one.min > high):
            return False
    return True


def _holds(snapshot: Snapshot, keys: pl.DataFrame, bounds: dict[str, tuple[Any, Any]], lake: ObjectStore) -> bool:
    for file in snapshot.files:
        with lake.read(file.path) as stream:
            parquet = pq.ParquetFile(stream)
            groups = [at for at in range(parquet.num_row_groups) if _overlaps(parquet.metadata.row_group(at), bounds)]
            for at in groups:
                held = pl.DataFrame(parquet.read_row_group(at, columns=keys.columns)).cast(keys.schema)
                if held.join(keys, on=keys.columns, how="semi", nulls_equal=True).height:
                    return True
    return False


def _overlaps(group: pq.RowGroupMetaData, bounds: dict[str, tuple[Any, Any]]) -> bool:
    for at in range(group.num_columns):
        column = group.column(at)
        wanted = bounds.get(column.path_in_schema)
        if wanted is None or wanted[0] is None or column.statistics is None or not column.statistics.has_min_max:
            continue
        low, high = wanted
        try:
            if column.statistics.max < low or column.statistics.min > high:
                return False
        except TypeError:
            continue
    return True
