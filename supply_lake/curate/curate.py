"""Curation: read → cast → validate → deduplicate, as pure functions over streams. The whole sequence on one screen.

What belongs here: the order of things, and what is known of a batch between them. What does not: how each step works (a module
each), where objects come from and where rows go.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from supply_lake.curate.barred import NONE, Barred
from supply_lake.curate.cast import polars_type
from supply_lake.curate.counts import PartitionRows, Rows
from supply_lake.curate.delivery import Delivery
from supply_lake.curate.evolve import Evolved, evolve
from supply_lake.curate.read_rejects import Kept
from supply_lake.curate.rejects import place
from supply_lake.curate.schema import Schema
from supply_lake.curate.settle import LivePart, Settled, placed
from supply_lake.curate.source import Source
from supply_lake.curate.stage import LEFT, Options, Reading, SourceOutcome, leave, read_all
from supply_lake.curate.terms import Terms
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType

__all__ = [
    "Delivery",
    "Evolved",
    "Kept",
    "LivePart",
    "Options",
    "PartitionRows",
    "Rows",
    "Settled",
    "Source",
    "SourceOutcome",
    "Staged",
    "stage",
]


def stage(
    spec: DatasetSpec,
    sources: Sequence[Source],
    *,
    landing_date: dt.date,
    scratch: Path,
    options: Options | None = None,
    published: Schema | None = None,
    kept: Kept | None = None,
) -> Staged:
    """Pass 1: read every source once, cast and validate its rows, and keep them for pass 2.

    :param sources: in the order of delivery
    :param landing_date: the partition date of rows whose dataset names no business-date column
    :param scratch: folder for what does not fit into memory; removed on leaving the context
    :param published: what was published last; ``None`` when nothing was
    :param kept: objects of which only the rejected rows are read, from what was kept of them
    """
    terms, options = Terms.of(spec, published), options or Options()
    reading = read_all(
        terms, sources, kept=kept or Kept(), landing_date=landing_date, scratch=scratch, options=options, published=published
    )
    return Staged(spec, reading, scratch, published)


class Staged:
    """The rows of a batch after pass 1. A context manager, which removes what was spilled to disk."""

    def __init__(self, spec: DatasetSpec, reading: Reading, scratch: Path, published: Schema | None = None) -> None:
        self.spec, self.reading, self._scratch, self._published = spec, reading, scratch, published

    # --- what is known

    @property
    def sources(self) -> tuple[SourceOutcome, ...]:
        """The outcome of every object, in order of delivery."""
        return tuple(one for one in self.reading.outcomes if one.outcome != LEFT)

    @property
    def rows_landed(self) -> int:
        """Records that were read, and one for every object that could not be."""
        return sum(one.landed for one in self.reading.outcomes)

    @property
    def rows_rejected(self) -> int:
        """Records that break the contract."""
        return sum(one.rejected for one in self.reading.outcomes)

    @property
    def schema_problem(self) -> str:
        """Why the contract refuses the batch for its columns; empty when it does not."""
        return self.reading.drift.refusal or self._as_read.problem

    @property
    def check_figures(self) -> Mapping[str, int]:
        """How many rows broke each rule, the most broken first."""
        return dict(self.reading.rules.most_common())

    def broke(self, rule: str) -> tuple[int, str]:
        """How many rows broke one of the dataset's conditions on rows, and where the first of them stands."""
        found = sorted((src, one) for (name, src), one in self.reading.broke.items() if name == rule)
        if not found:
            return 0, ""
        src, first = found[0]
        return sum(one.rows for _, one in found), self.place(src, first.line)

    def place(self, src: int, line: int | None) -> str:
        """Where a good row came from, by its ``_src`` and ``_line``."""
        return place(self.reading.names[src], line)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was skipped, coerced, added or passed over."""
        counted = [*self.reading.notes.items(), *self.reading.drift.sentences()]
        found = sorted([*counted, *((note, 1) for note in self._as_read.notes)])
        return tuple(f"{note} ({count:,} times)" if count > 1 else note for note, count in found)

    @cached_property
    def dates(self) -> tuple[dt.date, ...]:
        """Partition dates of the good rows."""
        return tuple(sorted({date for _, date in self.reading.good.shares()}))

    def evolved(self, published: Schema | None) -> Evolved:
        """What the batch publishes, when this is what was published last."""
        return self._as_read if published == self._published else self._evolved(published)

    @cached_property
    def _as_read(self) -> Evolved:
        return self._evolved(self._published)

    def _evolved(self, published: Schema | None) -> Evolved:
        return evolve(self.spec, published, self.reading.drift, self.reading.names, self.reading.good)

    @property
    def kinds(self) -> dict[str, DataType]:
        """The type of every column that the batch publishes, as wide as its values need."""
        return self._as_read.kinds

    def good(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Some columns of the good rows, with ``duels.PLACE``, in the order of delivery; again whenever it is asked for."""
        return (frame for _, frame in placed(self.reading, columns))

    def keys(self) -> pl.DataFrame:
        """The distinct primary keys of the good rows."""
        kinds = self._as_read.kinds
        types = {name: polars_type(kinds[name]) for name in self.spec.primary_key}
        good = self.reading.good
        frames = [good.get(at, list(types)).cast(types) for at in range(len(good))]  # type: ignore[arg-type]
        return pl.concat(frames).unique() if frames else pl.DataFrame(schema=types)

    def leave_what_is_still_bad(self) -> None:
        """Take out the objects that have no good row."""
        leave(self.reading, {one.key for one in self.reading.outcomes if one.landed == one.rejected})

    # --- pass 2

    def settle(
        self,
        live: Sequence[LivePart],
        published: Schema | None = None,
        barred: Barred = NONE,
        *,
        delivery: Delivery | None = None,
        adds: bool = False,
    ) -> Settled:
        """Pass 2: the good rows against each other, and against live rows that take part.

        :param published: what was published last; another run may have published since the rows were read
        :param barred: good rows that a rule sets aside
        :param delivery: when the rows were delivered, if that is not now
        :param adds: live rows stay where they are, but for partitions in which one of them loses
        """
        return Settled(
            self.spec,
            self.reading,
            self.evolved(published),
            live,
            self._scratch,
            barred=barred,
            delivery=delivery,
            adds=adds,
        )

    def refuse(self, reason: str, barred: Barred = NONE) -> Settled:
        """Instead of pass 2: nothing is published, and every good row is set aside with the reason."""
        return Settled(self.spec, self.reading, self._as_read, (), self._scratch, refused=reason, barred=barred)

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
