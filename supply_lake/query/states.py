"""How a dataset stands: what is declared, what is live, and whether it is late.

What belongs here: the value, and what makes it late. What does not: adding it up (``lake``, and ``service`` once a commit).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from supply_lake.datasets.spec import DatasetSpec


@dataclass(frozen=True, slots=True)
class DatasetState:
    """A dataset as it stands: what is declared, and what is live.

    ``rows`` counts the rows in live files, those that a tombstone hides included; ``bytes`` are those of the live files.
    ``commit`` is 0 before the first commit. ``committed_at`` is when the newest live rows were committed, ``None`` when none
    are. ``pending`` counts landed objects that wait. ``late`` is how long ago the newest commit went stale, by the declared
    freshness; ``None`` when it did not, or never could.
    """

    spec: DatasetSpec
    commit: int
    committed_at: dt.datetime | None
    snapshots: int
    partitions: int
    rows: int
    bytes: int
    pending: int
    late: dt.timedelta | None = None


def late_by(spec: DatasetSpec, committed_at: dt.datetime | None) -> dt.timedelta | None:
    """How long ago what was committed at this time went stale; ``None`` when it did not, or never could."""
    if spec.freshness is None or committed_at is None:
        return None
    late = dt.datetime.now(dt.UTC) - committed_at - dt.timedelta(hours=spec.freshness.max_age_hours)
    return late if late > dt.timedelta() else None
