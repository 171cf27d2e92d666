"""A few rows of what a batch published or rejected, for people to look at.

What belongs here: reading the first rows of snapshot and rejects files, in bounded memory. What does not: complete reads
(``query``) and the layout of a page (``report``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from supply_lake.assets.tables import table
from supply_lake.curate.schema import LINEAGE
from supply_lake.snapshots.records import Batch, DataFile, Snapshot
from supply_lake.storage.object_store import ObjectStore

if TYPE_CHECKING:
    import pyarrow.parquet as pq

ROWS = 10
COUNTED = 200_000
"""Rejected rows whose reasons are counted; a batch that has more is past every threshold worth having."""
WIDTH = 16
"""Columns of a preview."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some rows under a header, all of them or the first ones; ``remark`` says of what they are a part, if it needs saying."""

    header: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    remark: str = ""

    def only(self, first: str) -> Sample:
        """The rows whose first cell is this."""
        return replace(self, rows=tuple(row for row in self.rows if row[0] == first))

    def table(self) -> dg.MetadataValue:
        """The rows as a table."""
        return table(self.header, self.rows)


def preview(store: ObjectStore, snapshots: Sequence[Snapshot]) -> Sample:
    """The first rows of the newest snapshot, declared columns only."""
    files = [file for snapshot in reversed(snapshots) for file in snapshot.files if file.rows]
    if not files:
        return Sample()
    with _opened(store, files[0]) as parquet:
        columns = [name for name in parquet.schema_arrow.names if name not in LINEAGE]
        rows = tuple(tuple(row[name] for name in columns[:WIDTH]) for row in _first(parquet, columns[:WIDTH]))
    hidden = f"{WIDTH} of {len(columns)} columns" if len(columns) > WIDTH else ""
    return Sample(tuple(columns[:WIDTH]), rows, hidden)


def rejected_rows(store: ObjectStore, batches: Sequence[Batch]) -> Sample:
    """The first rejected or deduplicated rows, one line a row; what they held is in the rejects themselves."""
    rows: list[tuple[Any, ...]] = []
    for file in _rejects(batches):
        with _opened(store, file) as parquet:
            for row in _first(parquet, ["outcome", "source", "line", "reasons"]):
                rows.append((row["outcome"], row["source"].rpartition("/")[2], row["line"], _why(row["reasons"])))
        if len(rows) >= ROWS:
            break
    return Sample(("outcome", "file", "line", "why"), tuple(rows[:ROWS]))


def broken_rules(store: ObjectStore, batches: Sequence[Batch]) -> Sample:
    """How many rejected rows broke each rule; a row that broke two counts for both."""
    counts: Counter[tuple[str, str]] = Counter()
    seen, whole = 0, sum(file.rows for file in _rejects(batches))
    for file in _rejects(batches):
        if seen >= COUNTED:
            break
        with _opened(store, file) as parquet:
            for batch in parquet.iter_batches(batch_size=10_000, columns=["outcome", "reasons"]):
                seen += batch.num_rows
                counts.update(_rules(batch.to_pylist()))
                if seen >= COUNTED:
                    break
    rows = tuple((column, rule, count) for (column, rule), count in counts.most_common(50))
    return Sample(("column", "rule", "rows"), rows, f"counted over {seen:,} of {whole:,} rows" if seen < whole else "")


def _rules(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if row["outcome"] == "rejected":
            yield from {(one["column"] or "", one["reason"]) for one in row["reasons"] or ()}


def _why(reasons: list[dict[str, Any]] | None) -> str:
    return "; ".join(
        f"{one['column']} = {one['value']!r}: {one['reason']}" if one["column"] else one["reason"] for one in reasons or ()
    )


def _rejects(batches: Sequence[Batch]) -> list[DataFile]:
    return [file for batch in batches for snapshot in batch.snapshots for file in snapshot.rejects if file.rows]


def _opened(store: ObjectStore, file: DataFile) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(store.local_path(file.path) or store.read(file.path))


def _first(parquet: pq.ParquetFile, columns: list[str]) -> list[dict[str, Any]]:
    for batch in parquet.iter_batches(batch_size=ROWS, columns=columns):
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    return []
