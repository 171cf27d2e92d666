"""Where keys live: which snapshots of other dates hold a key of the new rows, without reading their rows.

Two sieves: the bounds of the key columns on the snapshot's record (no read at all), then the key columns alone of the row
groups whose own bounds overlap. So a few percent of a partition are read at most, and nothing where keys lie elsewhere.

What belongs here: choosing candidates, never missing one. What does not: comparing rows (``curate.duels``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate.align import alike
from supply_lake.quality.live_rows import Bounds, overlaps
from supply_lake.snapshots.records import ColumnStats, Snapshot
from supply_lake.storage.object_store import ObjectStore

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
    bounds = {name: (keys[name].min(), keys[name].max()) for name in keys.columns}
    return [one for one in snapshots if may_hold(one, bounds) and _holds(one, keys, bounds, lake)]


def may_hold(snapshot: Snapshot, bounds: Bounds) -> bool:
    """Whether the snapshot may hold a row within the bounds, by its record alone; in doubt it may."""
    stats = {one.name: one for one in snapshot.columns}
    return not any(_apart(stats[name], low, high) for name, (low, high) in bounds.items() if name in stats)


def _apart(stats: ColumnStats, low: Any, high: Any) -> bool:
    """Whether all values of a column lie outside the bounds.

    They are text on the record. A column that was of another type then is in doubt: as text ``9`` comes after ``100``.
    """
    parse = next((parse for names, kind, parse in _PARSERS if stats.type.startswith(names) and type(low) is kind), None)
    if parse is None or stats.min is None or stats.max is None:
        return False
    return bool(parse(stats.max) < low or parse(stats.min) > high)


def _holds(snapshot: Snapshot, keys: pl.DataFrame, bounds: Bounds, lake: ObjectStore) -> bool:
    for file in snapshot.files:
        with lake.read(file.path) as stream:
            parquet = pq.ParquetFile(stream)
            groups = [at for at in range(parquet.num_row_groups) if overlaps(parquet.metadata.row_group(at), bounds)]
            for at in groups:
                held, wanted = alike(pl.DataFrame(parquet.read_row_group(at, columns=keys.columns)), keys)
                if held.join(wanted, on=keys.columns, how="semi", nulls_equal=True).height:
                    return True
    return False
