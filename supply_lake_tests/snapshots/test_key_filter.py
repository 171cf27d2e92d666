"""Which snapshots cannot hold a key, told by their records alone; in doubt one may."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from supply_lake.snapshots.key_filter import may_hold
from supply_lake.snapshots.records import ColumnStats
from supply_lake_tests.snapshots.made_up import DAY, batch


@pytest.mark.parametrize(
    ("kind", "least", "greatest", "bounds", "may"),
    [
        ("string", "b", "d", ("a", "b"), True),
        ("string", "b", "d", ("e", "f"), False),
        ("int64", "9", "100", (10, 11), True),
        ("int64", "9", "100", (101, 200), False),
        ("int64", "-5", "-1", (0, 9), False),
        ("date32[day]", "2026-10-01", "2026-10-31", (DAY, DAY), False),
        ("date32[day]", "2026-10-01", "2026-11-30", (DAY, DAY), True),
        ("decimal128(12, 2)", "1.50", "2.50", (Decimal("2.51"), Decimal("9")), False),
        ("decimal128(12, 2)", "1.50", "2.50", (Decimal("2.5"), Decimal("9")), True),
        ("int64", None, None, (1, 2), True),
        ("string", "100", "9", (50, 60), True),
        ("int64", "9", "100", ("50", "60"), True),
        ("string", "b", "d", (None, None), True),
        (
            "timestamp[us, tz=UTC]",
            "2026-10-01 00:00:00+00:00",
            "2026-10-02 00:00:00+00:00",
            (dt.datetime.now(dt.UTC),) * 2,
            True,
        ),
        ("double", "1.0", "2.0", (5.0, 6.0), True),
    ],
)
def test_a_snapshot_may_hold_what_lies_within_its_bounds(kind: str, least: Any, greatest: Any, bounds: Any, may: bool) -> None:
    snapshot = replace(batch(DAY).snapshots[0], columns=(ColumnStats("k", kind, 0, least, greatest),))
    assert may_hold(snapshot, {"k": bounds}) is may
    assert may_hold(snapshot, {"other": bounds})
