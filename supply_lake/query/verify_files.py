"""One snapshot's files, counted, and compared with its record.

What belongs here: hashing, counting rows by lineage, and the comparison. What does not: other snapshots' records.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake.errors import ObjectGone
from supply_lake.snapshots.records import DataFile, Rows, Snapshot, Status
from supply_lake.storage.layout import landing_key
from supply_lake.storage.object_store import ObjectStore

_BLOCK = 1024 * 1024
_ROWS_AT_ONCE = 262_144


@dataclass(slots=True)
class Counted:
    """What the files of one snapshot hold. ``broken`` are sentences on files that are not as recorded."""

    published: Counter[str] = field(default_factory=Counter)
    carried: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    deduplicated: Counter[str] = field(default_factory=Counter)
    total: int = 0
    files: int = 0
    bytes: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def rows(self) -> Rows:
        """The four numbers; landed is the sum of the other three."""
        return _rows(self.published.total(), self.rejected.total(), self.deduplicated.total())

    def of_source(self, key: str) -> Rows:
        """The four numbers of one landed object."""
        return _rows(self.published[key], self.rejected[key], self.deduplicated[key])


def count(lake: ObjectStore, rejects: ObjectStore, snapshot: Snapshot, on_file: Callable[[int], None]) -> Counted:
    """Read every file of the snapshot once for its bytes, and its lineage columns for their rows.

    Published files that ``gc`` removed cannot be counted any more: their rows are those of the record.
    """
    found = Counted()
    keys = {source.key for source in snapshot.sources}
    if snapshot.removed_at is not None:
        found.published.update({source.key: source.rows.published for source in snapshot.sources if source.rows.published})
        found.total = snapshot.rows_total
    for file in snapshot.files if snapshot.removed_at is None else ():
        for origin, source, rows in _groups(lake, file, ("_snapshot_id", "_source"), found):
            found.total += rows
            if origin == snapshot.id:
                found.published[landing_key(source, keys)] += rows
            else:
                found.carried[origin] += rows
        on_file(file.bytes)
    for file in snapshot.rejects:
        for outcome, source, rows in _groups(rejects, file, ("outcome", "source"), found):
            (found.rejected if outcome == "rejected" else found.deduplicated)[landing_key(source, keys)] += rows
        on_file(file.bytes)
    return found


def compare(snapshot: Snapshot, found: Counted, known: Collection[str]) -> Iterator[str]:
    """What the record claims and the files don't bear out.

    :param known: ids of all snapshots of the dataset
    """
    name = f"snapshot {snapshot.id} of {snapshot.dataset}"
    yield from (f"{name}: {text}" for text in found.broken)
    if found.broken:
        return  # its counts cannot be right, and saying so for each of them hides what happened
    if found.rows != snapshot.rows:
        yield f"{name}: its record counts {_told(snapshot.rows)}, its files hold {_told(found.rows)}"
    if found.total != snapshot.rows_total:
        yield f"{name}: its record counts {snapshot.rows_total:,} rows in all, its files hold {found.total:,}"
    for source in snapshot.sources:
        held = found.of_source(source.key)
        if held != source.rows:
            yield f"{name}: of {source.key} its record counts {_told(source.rows)}, its files hold {_told(held)}"
    strangers = {*found.published, *found.rejected, *found.deduplicated} - {source.key for source in snapshot.sources}
    if strangers:
        yield f"{name}: its files hold rows of {min(strangers)}, which is none of its sources"
    unknown = set(found.carried) - set(known)
    if unknown:
        yield f"{name}: its files hold rows of snapshot {min(unknown)}, which has no record"
    if snapshot.status is not Status.COMMITTED and snapshot.files:
        yield f"{name}: it is {snapshot.status}, and has files"


def _groups(store: ObjectStore, file: DataFile, columns: tuple[str, str], found: Counted) -> Iterator[tuple[str, str, int]]:
    """(first column, second column, rows) of one file; what is wrong with the file goes to ``found.broken``."""
    where = store.uri(file.path)
    try:
        with store.read(file.path) as stream:
            found.files += 1
            size, digest = _hashed(stream)
            found.bytes += size
            if digest != file.sha256:
                found.broken.append(f"{where} is not the file that was written ({size:,} bytes, {file.bytes:,} recorded)")
                return
            stream.seek(0)
            groups = Counter(_read(stream, columns))
    except ObjectGone:
        found.broken.append(f"{where} is missing")
        return
    except (pa.ArrowException, OSError, KeyError) as error:
        found.broken.append(f"{where} cannot be read as Parquet: {' '.join(str(error).split())}")
        return
    rows = groups.total()
    if rows != file.rows:
        found.broken.append(f"{where} holds {rows:,} rows, its record says {file.rows:,}")
    for (first, second), number in groups.items():
        yield first, second, number


def _hashed(stream: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while block := stream.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _read(stream: BinaryIO, columns: tuple[str, str]) -> Counter[tuple[str, str]]:
    groups: Counter[tuple[str, str]] = Counter()
    with pq.ParquetFile(stream) as parquet:
        for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
            table = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([([], "count_all")])
            values = [table.column(name).to_pylist() for name in (*columns, "count_all")]
            for first, second, number in zip(*values, strict=True):
                groups[str(first), str(second)] += number
    return groups


def _rows(published: int, rejected: int, deduplicated: int) -> Rows:
    return Rows(published + rejected + deduplicated, published, rejected, deduplicated)


def _told(rows: Rows) -> str:
    parts = f"{rows.published:,} published + {rows.rejected:,} rejected + {rows.deduplicated:,} deduplicated"
    return f"{rows.landed:,} landed = {parts}"
