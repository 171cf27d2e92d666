"""What one batch takes in: values that whoever starts a batch hands to ``publish``.

What belongs here: those values. What does not: choosing them (``batches``, ``replay``, ``recurate``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.ingest.again import Again
from supply_lake.snapshots.records import Kind
from supply_lake.storage.object_store import ObjectVersion


@dataclass(frozen=True, slots=True)
class Work:
    """What one batch takes in. ``again`` is set when that was delivered with an earlier batch."""

    spec: DatasetSpec
    landing_date: dt.date
    objects: tuple[ObjectVersion, ...]
    deliveries: dict[str, int] = field(default_factory=dict)
    run_id: str = ""
    attempt: int = 1
    kind: Kind = Kind.INGEST
    again: Again | None = None

    @property
    def by_object(self) -> bool:
        """Whether every object is taken for itself: one that is still bad stays as it is, and keeps no other back."""
        return self.again is not None and not self.again.together

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is to be written."""
        return self.again is not None and self.again.rehearsal
