"""What the records say of a column's values, over several snapshots: their bounds, or that there are none.

What belongs here: reading ``ColumnStats`` of snapshot records. What does not: which type holds such values
(``datasets.widening``).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import Held, is_number
from supply_lake.snapshots.records import ColumnStats, Snapshot


def held(kind: DataType, column: str, snapshots: Sequence[Snapshot]) -> Held:
    """The type, and what is known of the values of that column in these snapshots.

    :param kind: of the column in the files of all of them
    :param column: its name, case folded
    """
    stats = [_stats(one, column) for one in snapshots]
    there = [one for one, snapshot in zip(stats, snapshots, strict=True) if one is None or one.nulls < snapshot.rows_total]
    if not there:
        return Held(kind, empty=True)
    if not is_number(kind) or any(one is None or one.min is None or one.max is None for one in there):
        return Held(kind)
    low = min(Decimal(one.min) for one in there if one is not None and one.min is not None)
    high = max(Decimal(one.max) for one in there if one is not None and one.max is not None)
    return Held(kind, str(low), str(high))


def _stats(snapshot: Snapshot, column: str) -> ColumnStats | None:
    return next((one for one in snapshot.columns if one.name.casefold() == column), None)
