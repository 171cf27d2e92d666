"""Live rows of an upsert without those of some snapshots: what each key would be, had they never come.

A key whose live row is one of theirs gets back the row that it had before; where that one was revoked as well, the one before
it, and so on. All other rows stay as they are.

What belongs here: rows in, rows out, by partition. What does not: choosing snapshots, and rows that lost against the ones that
are taken out (they were never published: a re-curation of their batch lets them compete again).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property

import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate.align import fingerprint, typed
from supply_lake.curate.kinds import as_type, data_type
from supply_lake.curate.schema import LINEAGE
from supply_lake.curate.settle import LIVE_ROWS_AT_ONCE, LivePart
from supply_lake.datasets.spec import DatasetSpec, KeyScope
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import Held, holding

Before = Callable[[str], Sequence[LivePart]]


class Undo:
    """Live rows without those that ``revoked`` snapshots published.

    :param live: the parts of every partition that may change
    :param before: of a snapshot, the parts that were live before its commit and are not after it
    """

    def __init__(self, spec: DatasetSpec, live: Sequence[LivePart], before: Before, revoked: Collection[str]) -> None:
        self._spec, self._live, self._before, self._revoked = spec, live, before, frozenset(revoked)

    @cached_property
    def dates(self) -> tuple[dt.date, ...]:
        """The partitions whose rows change."""
        return tuple(sorted({*self._taken["_date"], *(date for date, _ in self._returning)}))

    def tables(self, date: dt.date) -> Iterator[pl.DataFrame]:
        """The rows of one partition, in frames of one schema."""
        for part, frame in _frames(self._live):
            if part.partition == date:
                yield self._aligned(frame.filter(~pl.col("_snapshot_id").is_in(self._revoked)))
        for day, frame in self._returning:
            if day == date:
                yield self._aligned(frame)

    # --- what goes, what comes back

    @cached_property
    def _taken(self) -> pl.DataFrame:
        """Keys and dates of the rows that go, and the snapshot that brought each."""
        found = [self._keys(part, frame).filter(pl.col("_by").is_in(self._revoked)) for part, frame in _frames(self._live)]
        return pl.concat(found) if found else pl.DataFrame(schema={"_date": pl.Date, "_by": pl.String})

    @cached_property
    def _returning(self) -> list[tuple[dt.date, pl.DataFrame]]:
        found: list[tuple[dt.date, pl.DataFrame]] = []
        wanted = self._taken
        while wanted.height:
            older: list[pl.DataFrame] = []
            for (snapshot,), keys in wanted.partition_by("_by", as_dict=True).items():
                for part, frame in _frames(self._before(snapshot)):
                    rows = self._rows_of(keys, part, frame)
                    revoked = pl.col("_snapshot_id").is_in(self._revoked)
                    found += [(part.partition, good) for good in (rows.filter(~revoked),) if good.height]
                    older.append(self._keys(part, rows.filter(revoked)))
            wanted = pl.concat(older) if older else wanted.clear()
        return found

    def _keys(self, part: LivePart, frame: pl.DataFrame) -> pl.DataFrame:
        keys = [pl.col(name) for name in self._spec.primary_key]
        return frame.select(*keys, pl.lit(part.partition).alias("_date"), pl.col("_snapshot_id").alias("_by"))

    def _rows_of(self, keys: pl.DataFrame, part: LivePart, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of these keys; with keys of a partition, only those of its date."""
        if self._spec.key_scope is KeyScope.PARTITION:
            keys = keys.filter(pl.col("_date") == part.partition)
        on = list(self._spec.primary_key)
        wanted = pl.DataFrame([as_type(keys[name], data_type(frame.schema[name])) for name in on])
        return frame.join(wanted, on=on, how="semi", nulls_equal=True)

    # --- one schema

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the names and types in the frames of ``tables``."""
        return fingerprint(self._kinds)

    @cached_property
    def _kinds(self) -> dict[str, DataType]:
        """The columns of the live files, then those that only returning rows have, then the lineage; each holds all values."""
        found: dict[str, list[Held]] = {}
        for schema in (*map(_schema, self._live), *(frame.schema for _, frame in self._returning)):
            for name, kind in schema.items():
                found.setdefault(name, []).append(Held(data_type(kind)))
        kinds = {name: holding(held) for name, held in found.items()}
        values = {name: kind for name, kind in kinds.items() if name not in LINEAGE}
        return {**values, **{name: kinds[name] for name in LINEAGE if name in kinds}}

    def _aligned(self, frame: pl.DataFrame) -> pl.DataFrame:
        return typed(frame, self._kinds)


def _frames(parts: Sequence[LivePart]) -> Iterator[tuple[LivePart, pl.DataFrame]]:
    for part in parts:
        with part.open() as file:
            for batch in pq.ParquetFile(file).iter_batches(LIVE_ROWS_AT_ONCE):
                yield part, pl.DataFrame(batch)


def _schema(part: LivePart) -> pl.Schema:
    with part.open() as file:
        return pl.DataFrame(pq.ParquetFile(file).schema_arrow.empty_table()).schema
