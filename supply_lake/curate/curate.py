"""Curation: read → cast → validate → deduplicate, as pure functions over streams. The whole sequence on one screen.

What belongs here: the order of things, and what is known of a batch between them. What does not: how each step works (a module
each), where objects come from and where rows go.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from supply_lake.curate.counts import PartitionRows, Rows
from supply_lake.curate.delivery import Delivery
from supply_lake.curate.read_rejects import Kept
from supply_lake.curate.settle import LivePart, Settled
from supply_lake.curate.source import Source
from supply_lake.curate.stage import LEFT, Options, Reading, SourceOutcome, leave, read_all
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType, parse_type

__all__ = [
    "Delivery",
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
    kept: Kept | None = None,
) -> Staged:
    """Pass 1: read every source once, cast and validate its rows, and keep them for pass 2.

    :param sources: in the order of delivery
    :param landing_date: the partition date of rows whose dataset names no business-date column
    :param scratch: folder for what does not fit into memory; removed on leaving the context
    :param kept: objects of which only the rejected rows are read, from what was kept of them
    """
    options, kept = options or Options(), kept or Kept()
    reading = read_all(spec, sources, kept=kept, landing_date=landing_date, scratch=scratch, options=options)
    return Staged(spec, reading, scratch)


class Staged:
    """The rows of a batch after pass 1. A context manager, which removes what was spilled to disk."""

    def __init__(self, spec: DatasetSpec, reading: Reading, scratch: Path) -> None:
        self.spec, self.reading, self._scratch = spec, reading, scratch

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
        return self.reading.problem

    @property
    def check_figures(self) -> Mapping[str, int]:
        """How many rows broke each rule, the most broken first."""
        return dict(self.reading.rules.most_common())

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was skipped, coerced, added or passed over."""
        return tuple(f"{note} ({count:,} times)" if count > 1 else note for note, count in sorted(self.reading.notes.items()))

    @cached_property
    def dates(self) -> tuple[dt.date, ...]:
        """Partition dates of the good rows."""
        return tuple(sorted({date for _, date in self.reading.good.shares()}))

    @cached_property
    def columns(self) -> tuple[tuple[str, DataType], ...]:
        """Published columns: the declared ones in order, then the others that the files have, as text."""
        declared = {column.name: column.dtype for column in self.spec.columns}
        text = parse_type("string")
        extras = {name for name in self.reading.good.columns() if name[0] != "_"} - set(declared)
        return (*declared.items(), *((name, text) for name in sorted(extras)))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the published columns' names and types; files of one fingerprint have one schema."""
        deleted = [("_deleted", "boolean")] if self.spec.tombstone else []
        text = "\n".join(f"{name} {kind}" for name, kind in [*self.columns, *deleted])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def keys(self) -> pl.DataFrame:
        """The distinct primary keys of the good rows."""
        keys = list(self.spec.primary_key)
        good = self.reading.good
        frames = [good.get(at, keys) for at in range(len(good))]
        return pl.concat(frames).unique() if frames else pl.DataFrame(schema=dict.fromkeys(keys, pl.String))

    def leave_what_is_still_bad(self) -> None:
        """Take out the objects that have no good row."""
        leave(self.reading, {one.key for one in self.reading.outcomes if one.landed == one.rejected})

    # --- pass 2

    def settle(self, live: Sequence[LivePart], *, delivery: Delivery | None = None, adds: bool = False) -> Settled:
        """Pass 2: the good rows against each other, and against live rows that take part.

        :param delivery: when the rows were delivered, if that is not now
        :param adds: live rows stay where they are, but for partitions in which one of them loses
        """
        return Settled(self.spec, self.reading, self.columns, live, self._scratch, delivery=delivery, adds=adds)

    def refuse(self, reason: str) -> Settled:
        """Instead of pass 2: nothing is published, and every good row is set aside with the reason."""
        return Settled(self.spec, self.reading, self.columns, (), self._scratch, refused=reason)

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
