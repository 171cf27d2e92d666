"""Pass 2: staged rows against each other and against live rows; then every row that stays, by partition.

What belongs here: deduplication and merging over a whole batch, and the counts that come of it. What does not: reading objects
(``stage``) and writing files (``snapshots.parquet``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate import rejects
from supply_lake.curate.align import fingerprint, held_in, typed
from supply_lake.curate.barred import NONE, Barred
from supply_lake.curate.cast import polars_type
from supply_lake.curate.counts import PartitionRows, Rows
from supply_lake.curate.delivery import PLACES, Delivery
from supply_lake.curate.duels import PLACE, losers
from supply_lake.curate.evolve import Evolved
from supply_lake.curate.schema import LINEAGE
from supply_lake.curate.stage import Reading
from supply_lake.datasets.spec import DatasetSpec, KeyScope
from supply_lake.datasets.types import DataType, parse_type
from supply_lake.datasets.widening import TEXT, Held, holding

LIVE_ROWS_AT_ONCE = 262_144
_LINEAGE = {"_source": TEXT, "_line": parse_type("int64"), "_snapshot_id": TEXT}
_DELETED = {"_deleted": parse_type("boolean")}


@dataclass(frozen=True, slots=True)
class LivePart:
    """One Parquet file of a live snapshot. ``open`` gives its bytes."""

    partition: dt.date
    snapshot_id: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Settled:
    """What a batch comes to. ``tables`` and ``rejects`` stream; everything else is counts."""

    spec: DatasetSpec
    reading: Reading
    evolved: Evolved
    live: Sequence[LivePart]
    scratch: Path
    refused: str = ""
    barred: Barred = NONE
    delivery: Delivery | None = None
    adds: bool = False

    @property
    def problem(self) -> str:
        """Why the batch cannot be published under what another run has published meanwhile; empty when it can."""
        return self.evolved.problem

    # --- counts

    @cached_property
    def rows(self) -> Rows:
        """The four numbers of the batch."""
        return sum(self.by_source.values(), Rows())

    @cached_property
    def by_source(self) -> dict[str, Rows]:
        """The four numbers of every object."""
        shares = [share.by_source for share in self.by_partition.values()]
        totals = {}
        for one in self.reading.outcomes:
            good = sum((share.get(one.key, Rows()) for share in shares), Rows())
            totals[one.key] = good + Rows(landed=one.rejected, rejected=one.rejected)
        return totals

    @cached_property
    def by_partition(self) -> dict[dt.date, PartitionRows]:
        """The counts of good rows by partition date; rejected rows have no partition."""
        staged, lost = self.reading.good.shares(), self._counts(self._lost_counts(staged=True))
        dates = sorted({date for _, date in staged} | set(self._live_rows))
        return {date: self._partition(date, staged, lost) for date in dates}

    def _partition(
        self, date: dt.date, staged: Mapping[tuple[Any, ...], int], lost: Mapping[tuple[int, dt.date], int]
    ) -> PartitionRows:
        by_source: dict[str, Rows] = {}
        for at, part in enumerate(self.reading.parts):
            landed, gone, barred = staged.get((at, date), 0), lost.get((at, date), 0), self.barred.counts[at, date]
            if landed:
                key = self.reading.outcomes[part.owner].key
                by_source[key] = by_source.get(key, Rows()) + Rows(
                    landed=landed,
                    published=0 if self.refused else landed - gone - barred,
                    rejected=landed if self.refused else barred,
                    deduplicated=0 if self.refused else gone,
                )
        rows = sum(by_source.values(), Rows())
        carried = self._live_rows.get(date, 0) - self._live_lost.get(date, 0) if self.carries(date) else 0
        return PartitionRows(rows, rows.published + carried, by_source)

    @cached_property
    def changed_partitions(self) -> tuple[dt.date, ...]:
        """The partitions that a commit of this has to write."""
        return tuple(date for date, share in self.by_partition.items() if share.rows.published or self._live_lost.get(date, 0))

    def carries(self, date: dt.date) -> bool:
        """Whether the live rows of this partition are part of its new snapshot, which so takes their place."""
        return not self.adds or bool(self._live_lost.get(date, 0))

    # --- rows

    def tables(self, date: dt.date) -> Iterator[pl.DataFrame]:
        """The rows of one partition: what is carried over, then what is new (``_snapshot_id`` null)."""
        for part, ordinals, frame in self._live_frames():
            if part.partition == date and self.carries(date):
                yield typed(frame.filter(~self._lost_mask(ordinals)), self._published_kinds)
        good = self.reading.good
        for at, ordinals in self._staged_places():
            if any(day == date for _, day in good.shares(at)):
                frame = good.get(at)
                keep = self._staying(ordinals) & (frame["_date"] == date)
                if keep.any():
                    yield self._published(frame.filter(keep))

    def standing(self, columns: Sequence[str], *, date: dt.date | None = None, new: bool = False) -> Iterator[pl.DataFrame]:
        """Some columns of the rows of the new snapshots, of one partition or of all, with ``duels.PLACE``.

        What is carried over has negative ordinals. Rows that a tombstone hides are no rows here.

        :param new: only rows that this batch brings
        """
        kinds = self._kinds_of(columns)
        for part, ordinals, frame in () if new else self._live_frames([*columns, "_line", "_deleted"]):
            if date in (None, part.partition) and self.carries(part.partition):
                rows = _placed_live(typed(frame, kinds), part, ordinals, frame)
                yield rows.filter(~self._lost_mask(ordinals) & _visible(frame))
        for ordinals, frame in placed(self.reading, [*(self.evolved.keys[name] for name in kinds), "_deleted"]):
            keep = self._staying(ordinals) & _visible(frame)
            rows = _beside(typed(frame, kinds, self.evolved.keys), frame)
            yield rows.filter(keep if date is None else keep & (frame["_date"] == date))

    def types_of(self, columns: Sequence[str]) -> dict[str, pl.DataType]:
        """The types of some columns in what is published, which hold the values of live rows too."""
        return {name: polars_type(kind) for name, kind in self._kinds_of(columns).items()}

    def _kinds_of(self, columns: Sequence[str]) -> dict[str, DataType]:
        return {name: self._published_kinds[name] for name in columns}

    def _staying(self, ordinals: pl.Series) -> pl.Series:
        """Which of these staged rows are published."""
        return ~(self._lost_mask(ordinals) | self.barred.mask(ordinals))

    def rejects(self) -> Iterator[pl.DataFrame]:
        """Every row that is set aside, in the rejects schema."""
        yield from self.reading.aside
        good = self.reading.good
        for at, ordinals in self._staged_places():
            barred = self.barred.mask(ordinals)
            if barred.any():
                frame = good.get(at).filter(barred)
                yield rejects.from_barred(self._published(frame), self.barred.reasons(ordinals.filter(barred), frame))
            if self.refused:
                frame = self._published(good.get(at).filter(~barred))
                yield rejects.from_good_rows(frame, f"the batch is rejected: {self.refused}")
                continue
            lost = self._lost_mask(ordinals)
            if lost.any():
                yield rejects.from_duplicates(self._with_winners(ordinals.filter(lost), good.get(at).filter(lost)))

    def _published(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Staged rows in the form that is published."""
        new = frame.with_columns(self._names_of(frame), pl.lit(None, pl.String).alias("_snapshot_id"))
        return typed(new, self._published_kinds, self.evolved.keys)

    def _names_of(self, frame: pl.DataFrame) -> pl.Series:
        """What every staged row says it comes from."""
        return pl.Series("_source", self.reading.names, pl.String).gather(frame["_src"])

    @cached_property
    def _published_kinds(self) -> dict[str, DataType]:
        """The schema's columns, those that only live rows have, and the lineage.

        Where live rows are of another type, a column gets the one that holds both: the rows carried over lose nothing.
        """
        older: dict[str, list[Held]] = {}
        for schema in self._live_schemas:
            for name, held in schema.items():
                if name not in LINEAGE:
                    older.setdefault(name, []).append(held)
        kinds = self.evolved.kinds
        merged = {name: holding([Held(kind), *older.get(name, ())]) for name, kind in kinds.items()}
        more = {name: holding(older[name]) for name in sorted(set(older) - set(kinds))}
        return {**merged, **more, **_LINEAGE, **(_DELETED if self.spec.tombstone is not None else {})}

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the names and types in the files; files of one fingerprint have one schema."""
        return fingerprint(self._published_kinds)

    def _with_winners(self, ordinals: pl.Series, frame: pl.DataFrame) -> pl.DataFrame:
        won = self._losers.filter(pl.col("_ordinal").is_in(ordinals.implode())).sort("_ordinal")
        keys = pl.Series("k", [*self.reading.names, "a live row"], pl.String)
        by = keys.gather(pl.select(pl.when(won["_by_src"] >= 0).then(won["_by_src"]).otherwise(len(keys) - 1))[:, 0])
        what = "same key" if self.spec.dedupe_by == "key" else "same values"
        told = pl.select(pl.format("{} as line {} of {}, which stays", pl.lit(what), won["_by_line"].cast(pl.String), by))[:, 0]
        return self._published(frame).with_columns(told.alias("_winner"))

    # --- frames with their ordinals

    def _staged_places(self) -> Iterator[tuple[int, pl.Series]]:
        """Every staged frame's place and ordinals; whoever needs the frame gets it, with the columns that it needs."""
        first = 0
        for at in range(len(self.reading.good)):
            rows = self.reading.good.rows(at)
            yield at, pl.int_range(first, first + rows, eager=True).alias("_ordinal")
            first += rows

    def _live_frames(self, columns: Sequence[str] | None = None) -> Iterator[tuple[LivePart, pl.Series, pl.DataFrame]]:
        first = -1 << 62
        for part in self.live:
            with part.open() as file:
                parquet = pq.ParquetFile(file)
                renamed = self._renamed(parquet.schema_arrow.names)
                have = [old for old, name in renamed.items() if name in columns] if columns is not None else None
                for batch in parquet.iter_batches(LIVE_ROWS_AT_ONCE, columns=have):
                    frame = pl.DataFrame(batch).rename(renamed, strict=False)
                    yield part, pl.int_range(first, first + frame.height, eager=True).alias("_ordinal"), frame
                    first += frame.height

    def _renamed(self, names: Sequence[str]) -> dict[str, str]:
        """Columns of a live file as they are called now: in SQL a name in capitals is no other name."""
        now = {name.casefold(): name for name in self.evolved.kinds}
        return {name: now.get(name.casefold(), name) for name in names}

    # --- who loses

    @cached_property
    def _losers(self) -> pl.DataFrame:
        by = self.spec.dedupe_by
        if by == "none" or self.refused:
            return losers([], [], [], rows=0, scratch=self.scratch)
        keys = list(self.spec.primary_key) if by == "key" else list(self.evolved.kinds)
        if self.spec.key_scope is KeyScope.PARTITION:
            keys = [*keys, "_date"]
        rows = sum(one.landed - one.rejected for one in self.reading.outcomes) + sum(self._live_rows.values())
        order = [*([self.spec.order_by] if self.spec.order_by else []), *(PLACES if self.delivery else [])]
        return losers(self._key_frames(keys), keys, order, rows=rows, scratch=self.scratch)

    def _key_frames(self, keys: Sequence[str]) -> Iterator[pl.DataFrame]:
        order = self.spec.order_by
        names = [name for name in dict.fromkeys([*keys, *([order] if order else [])]) if name != "_date"]
        kinds = {name: self._published_kinds[name] for name in names}
        if order is not None and order not in keys:
            kinds[order] = self.evolved.kinds[order]  # what it once was may not be in order: text is not, of numbers
        for part, ordinals, frame in self._live_frames(
            [*names, "_line", *(["_source", "_snapshot_id"] if self.delivery else [])]
        ):
            rows = _placed_live(typed(frame, kinds, loose=order), part, ordinals, frame)
            yield rows.with_columns(self.delivery.of_live(frame)) if self.delivery else rows
        for ordinals, frame in placed(self.reading, [self.evolved.keys[name] for name in names]):
            rows = _beside(typed(frame, kinds, self.evolved.keys), frame)
            if self.delivery:
                rows = rows.with_columns(self.delivery.of_staged(self._names_of(frame)))
            yield rows.filter(~self.barred.mask(ordinals)) if self.barred else rows

    @cached_property
    def _lost(self) -> np.ndarray:
        return self._losers["_ordinal"].to_numpy()

    def _lost_mask(self, ordinals: pl.Series) -> pl.Series:
        """Which of these consecutive ordinals lose."""
        mask = np.zeros(len(ordinals), bool)
        if len(ordinals):
            first = int(ordinals[0])
            start, end = np.searchsorted(self._lost, [first, first + len(ordinals)])
            mask[self._lost[start:end] - first] = True
        return pl.Series("lost", mask)

    # --- counting

    @cached_property
    def _live_footers(self) -> list[tuple[dt.date, int, dict[str, Held]]]:
        """Partition date, rows and columns of every live file."""
        found, kinds = [], self.evolved.kinds
        for part in self.live:
            with part.open() as file:
                parquet = pq.ParquetFile(file)
                names = self._renamed(parquet.schema_arrow.names)
                wanted = {old: kinds[name] for old, name in names.items() if name in kinds}
                held = held_in(parquet.metadata, parquet.schema_arrow, wanted)
                found.append((part.partition, parquet.metadata.num_rows, {names[name]: one for name, one in held.items()}))
        return found

    @property
    def _live_schemas(self) -> list[dict[str, Held]]:
        return [schema for _, _, schema in self._live_footers]

    @cached_property
    def _live_rows(self) -> dict[dt.date, int]:
        found: Counter[dt.date] = Counter()
        for date, rows, _ in self._live_footers:
            found[date] += rows
        return dict(found)

    @cached_property
    def _live_lost(self) -> dict[dt.date, int]:
        return {date: rows for _, date, rows in self._lost_counts(staged=False).rows()}

    def _lost_counts(self, *, staged: bool) -> pl.DataFrame:
        return self._losers.filter((pl.col("_ordinal") >= 0) == staged).group_by("_src", "_date").len()

    @staticmethod
    def _counts(frame: pl.DataFrame) -> dict[tuple[int, dt.date], int]:
        found: Counter[tuple[int, dt.date]] = Counter()
        for src, date, rows in frame.rows():
            found[src, date] += rows
        return dict(found)


def placed(reading: Reading, columns: Sequence[str]) -> Iterator[tuple[pl.Series, pl.DataFrame]]:
    """Every staged frame in the order of delivery: its ordinals, and those of the columns that it has, with ``duels.PLACE``."""
    first = 0
    for at in range(len(reading.good)):
        frame = reading.good.get(at, [*columns, "_src", "_line", "_date"])
        ordinals = pl.int_range(first, first + frame.height, eager=True).alias("_ordinal")
        yield ordinals, frame.with_columns(ordinals)
        first += frame.height


def _placed_live(rows: pl.DataFrame, part: LivePart, ordinals: pl.Series, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a live frame with ``duels.PLACE``."""
    source, date = pl.lit(-1, pl.Int32).alias("_src"), pl.lit(part.partition).alias("_date")
    return _beside(rows, frame.select("_line").with_columns(ordinals, source, date))


def _beside(rows: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows, of which no column may be asked, with ``duels.PLACE`` of the frame that they are of."""
    places = frame.select(*PLACE)
    return rows.hstack(places.get_columns()) if rows.width else places


def _visible(frame: pl.DataFrame) -> pl.Series:
    """Which rows no tombstone hides."""
    if "_deleted" not in frame.columns:
        return pl.repeat(True, frame.height, dtype=pl.Boolean, eager=True)
    return ~frame["_deleted"].fill_null(False)
