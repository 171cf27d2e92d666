"""The four numbers, and their share by partition.

What belongs here: the arithmetic of counts, which every room above speaks. What does not: counting.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rows:
    """The four numbers. ``landed == published + rejected + deduplicated`` wherever they stand."""

    landed: int = 0
    published: int = 0
    rejected: int = 0
    deduplicated: int = 0

    @property
    def balanced(self) -> bool:
        """Whether no row is lost or made up."""
        return self.landed == self.published + self.rejected + self.deduplicated

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            self.landed + other.landed,
            self.published + other.published,
            self.rejected + other.rejected,
            self.deduplicated + other.deduplicated,
        )

    def __sub__(self, other: Rows) -> Rows:
        return Rows(
            self.landed - other.landed,
            self.published - other.published,
            self.rejected - other.rejected,
            self.deduplicated - other.deduplicated,
        )


@dataclass(frozen=True, slots=True)
class PartitionRows:
    """What a batch brings to one partition. ``rows_total`` counts the rows carried over too."""

    rows: Rows
    rows_total: int
    by_source: dict[str, Rows]
