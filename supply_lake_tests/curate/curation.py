"""Curate bytes in memory and look at everything that came of them."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl

from supply_lake.curate import read_csv
from supply_lake.curate.counts import Rows
from supply_lake.curate.curate import Delivery, Evolved, Kept, LivePart, Options, Source, SourceOutcome, stage
from supply_lake.curate.rejects import SCHEMA
from supply_lake.curate.schema import Schema
from supply_lake.datasets.spec import DatasetSpec

DAY = dt.date(2026, 11, 1)
CHUNKS = [1, 2, 3, 7, 64]
CSV_CHUNK = read_csv.CHUNK_BYTES
Opener = Callable[[], Any]


def dataset(*columns: dict[str, Any] | str, **fields: Any) -> DatasetSpec:
    """A spec from columns: a dict each, or a name for text."""
    declared = [{"name": one, "type": "string"} if isinstance(one, str) else one for one in columns]
    form = fields.pop("format", {"type": "csv"})
    base = {"name": "things", "description": "Things.", "owner": "team:tests", "source": {"system": "test"}}
    return DatasetSpec.model_validate({**base, "format": form, "columns": declared, **fields})


def column(name: str, type: str = "string", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": type, **fields}


AB = dataset("a", "b")


@dataclass
class Curated:
    """All that came of a batch. ``published`` by partition date, with lineage."""

    rows: Rows
    by_source: Mapping[str, Rows]
    published: dict[dt.date, pl.DataFrame]
    changed: tuple[dt.date, ...]
    rejects: pl.DataFrame
    outcomes: tuple[SourceOutcome, ...]
    notes: tuple[str, ...]
    problem: str
    figures: Mapping[str, int]
    evolved: Evolved

    @property
    def schema(self) -> Schema:
        """What the batch publishes."""
        return self.evolved.schema

    @property
    def types(self) -> dict[str, str]:
        """The published types by column."""
        return {one.name: one.type for one in self.schema.columns}

    @property
    def frame(self) -> pl.DataFrame:
        """All published rows with their lineage."""
        return pl.concat(self.published.values(), how="diagonal") if self.published else pl.DataFrame()

    @property
    def values(self) -> list[tuple[Any, ...]]:
        """Published rows in order, without lineage."""
        frame = self.frame
        return frame.select([name for name in frame.columns if not name.startswith("_")]).rows()

    @property
    def lines(self) -> list[int]:
        return self.frame["_line"].to_list() if self.published else []

    def set_aside(self, outcome: str = "rejected") -> list[tuple[int | None, list[tuple[Any, Any]]]]:
        """Line, and (column, value) of every reason."""
        return [
            (row["line"], [(one["column"], one["value"]) for one in row["reasons"]])
            for row in self.rejects.filter(pl.col("outcome") == outcome).sort("source", "line").to_dicts()
        ]

    def reasons(self, outcome: str = "rejected") -> list[str]:
        rows = self.rejects.filter(pl.col("outcome") == outcome).sort("source", "line")["reasons"].to_list()
        return ["; ".join(one["reason"] for one in reasons) for reasons in rows]

    def raws(self) -> list[str]:
        return self.rejects.sort("source", "line")["raw"].to_list()


def curate(
    spec: DatasetSpec,
    *files: bytes | str | Opener,
    live: Sequence[pl.DataFrame | tuple[dt.date, pl.DataFrame]] = (),
    csv_chunk: int = CSV_CHUNK,
    memory: int = 1024**3,
    published: Schema | None = None,
    refused: str = "",
    kept: Kept | None = None,
    delivery: Delivery | None = None,
    adds: bool = False,
) -> Curated:
    """Run files through both passes; file ``n`` lands under the key ``n.dat``. Checks that every number adds up.

    :param published: what was published before
    """
    sources = [_source(at, file) for at, file in enumerate(files)]
    with tempfile.TemporaryDirectory() as home, patch.object(read_csv.CsvReader.__init__, "__defaults__", (csv_chunk,)):
        scratch = Path(home) / "scratch"
        options = Options(memory_bytes=memory)
        with stage(spec, sources, landing_date=DAY, scratch=scratch, options=options, published=published, kept=kept) as staged:
            parts = [_live_part(one) for one in live]
            settled = staged.refuse(refused) if refused else staged.settle(parts, published, delivery=delivery, adds=adds)
            tables = {date: pl.concat(settled.tables(date)) for date in settled.changed_partitions if _any(settled, date)}
            done = Curated(
                rows=settled.rows,
                by_source=settled.by_source,
                published=tables,
                changed=settled.changed_partitions,
                rejects=pl.concat([pl.DataFrame(schema=SCHEMA), *settled.rejects()]),
                outcomes=staged.sources,
                notes=staged.notes,
                problem=staged.schema_problem,
                figures=staged.check_figures,
                evolved=settled.evolved,
            )
            _adds_up(done, settled)
        assert not scratch.exists()
    return done


def all_of_it(done: Curated) -> tuple[Any, ...]:
    """All that must not depend on how a file was read."""
    outcomes = [(one.outcome, one.reason) for one in done.outcomes]
    return done.values, done.lines, done.set_aside(), done.reasons(), done.raws(), done.notes, outcomes


def at_every_chunk(data: bytes | str, spec: DatasetSpec = AB) -> Curated:
    """What comes out of a CSV file, the same whatever the chunk size, and whichever parser reads it."""
    whole = curate(spec, data)
    for chunk in CHUNKS:
        assert all_of_it(curate(spec, data, csv_chunk=chunk)) == all_of_it(whole), chunk
    with exactly():
        assert all_of_it(curate(spec, data)) == all_of_it(whole)
    return whole


@contextmanager
def exactly() -> Iterator[None]:
    """Arrow never gets to see a buffer of CSV."""
    with patch.object(read_csv.CsvReader, "_well_formed_end", return_value=None):
        yield


def _any(settled: Any, date: dt.date) -> bool:
    return bool(settled.by_partition[date].rows_total)


def _adds_up(done: Curated, settled: Any) -> None:
    assert done.rows.balanced
    assert sum(done.by_source.values(), Rows()) == done.rows
    counted = dict(done.rejects["outcome"].value_counts().rows())
    assert counted.get("rejected", 0) == done.rows.rejected
    assert counted.get("deduplicated", 0) == done.rows.deduplicated
    assert sum(share.rows.published for share in settled.by_partition.values()) == done.rows.published
    for date, frame in done.published.items():
        assert frame.height == settled.by_partition[date].rows_total
        assert frame["_snapshot_id"].null_count() == settled.by_partition[date].rows.published
    assert (done.rejects["reasons"].list.len() > 0).all()


def _source(at: int, file: bytes | str | Opener) -> Source:
    moment = dt.datetime(2026, 11, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=at)
    if callable(file):
        return Source(at, f"{at}.dat", file, 0, moment)
    data = file.encode() if isinstance(file, str) else file
    return Source(at, f"{at}.dat", lambda: io.BytesIO(data), len(data), moment)


def _live_part(one: pl.DataFrame | tuple[dt.date, pl.DataFrame]) -> LivePart:
    date, frame = one if isinstance(one, tuple) else (DAY, one)
    lineage = {
        "_source": pl.lit("old.dat"),
        "_line": pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        "_snapshot_id": pl.lit("old-snapshot"),
    }
    rows = frame.with_columns(told.alias(name) for name, told in lineage.items() if name not in frame.columns)
    file = io.BytesIO()
    rows.write_parquet(file)
    return LivePart(date, "old-snapshot", lambda: io.BytesIO(file.getvalue()))
