"""When a row was delivered, told for batches that are curated later than their rows came.

Among rows of one key with equal order values the one that was delivered last stays. Of a batch that is curated when it comes
that is the row that is read last. Rows that are taken up again came earlier than rows that are live by now, so their own
delivery decides: the batch that first took them in, then the place of their object in it, then their line.

What belongs here: that comparison, as columns to sort by. What does not: keys and order values (``duels``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from supply_lake.storage.layout import landing_key

PLACES = ("_age", "_at", "_line")


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of the rows of one batch that is curated later.

    :param batch: id of the batch that first took them in; ids sort by time
    :param batches: for every snapshot, the batch with which the rows that it first published were delivered
    :param objects: keys of that batch's objects in the order of delivery
    """

    batch: str
    batches: Mapping[str, str]
    objects: tuple[str, ...]

    def of_live(self, rows: pl.DataFrame) -> list[pl.Series]:
        """``PLACES`` of live rows, from their lineage columns; but for ``_line``, which they have."""
        ages = {one: (batch > self.batch) - (batch < self.batch) for one, batch in self.batches.items()}
        age = rows["_snapshot_id"].replace_strict(ages, default=-1, return_dtype=pl.Int8)
        return [age.alias("_age"), self._at(rows["_source"])]

    def of_staged(self, sources: pl.Series) -> list[pl.Series]:
        """``PLACES`` of the batch's own rows, from the keys of their objects; but for ``_line``."""
        return [pl.Series("_age", [0], pl.Int8).new_from_index(0, len(sources)), self._at(sources)]

    def _at(self, sources: pl.Series) -> pl.Series:
        known = {key: at for at, key in enumerate(self.objects)}
        places = {name: known.get(landing_key(name, known), -1) for name in sources.unique().to_list()}
        return sources.replace_strict(places, default=-1, return_dtype=pl.Int32).alias("_at")
