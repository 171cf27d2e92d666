"""What is live instead of snapshots that are revoked: earlier snapshots, copied, or the partitions of an upsert without their
rows.

What belongs here: writing the files and the records of those. What does not: which snapshots are revoked (``revoke``), and
which row of a key comes back (``curate.undo``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from supply_lake.curate.curate import LivePart
from supply_lake.curate.undo import Undo
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import NotRevocable, ObjectGone
from supply_lake.ingest.again import Records
from supply_lake.snapshots.parquet import write_parts
from supply_lake.snapshots.records import DataFile, Snapshot
from supply_lake.storage.layout import part_path, snapshot_dir
from supply_lake.storage.object_store import ObjectStore

Blank = Callable[[dt.date], Snapshot]


@dataclass(frozen=True, slots=True)
class Instead:
    """A snapshot of a revocation, and the live ones whose place it takes."""

    snapshot: Snapshot
    replaces: tuple[str, ...]


@dataclass
class Writer:
    """Writes snapshots of a revocation. ``blank`` gives one without rows for a date; ``written`` can be taken away again."""

    lake: ObjectStore
    spec: DatasetSpec
    records: Records
    blank: Blank
    written: list[DataFile] = field(default_factory=list)

    # --- whole snapshots come back

    def restored(self, targets: Sequence[Snapshot], coming: Sequence[Snapshot]) -> Iterator[Instead]:
        """Copies of the snapshots that come; for a date to which none comes, a snapshot without rows.

        :param targets: live snapshots that go
        """
        gone: dict[dt.date, list[str]] = {}
        for target in targets:
            gone.setdefault(target.partition, []).append(target.id)
        for one in coming:
            yield Instead(self._copy(one), tuple(gone.pop(one.partition, ())))
        for date, ids in gone.items():
            yield Instead(self.blank(date), tuple(ids))

    def _copy(self, origin: Snapshot) -> Snapshot:
        """A snapshot of its own with the same rows: every snapshot owns its files."""
        _require_files(origin)
        blank = self.blank(origin.partition)
        files = []
        for number, file in enumerate(origin.files):
            path = part_path(self.spec.name, origin.partition, blank.id, number)
            with self._read(file) as stream:
                self.lake.put(path, stream)
            files.append(replace(file, path=path))
            self.written.append(files[-1])
        return replace(
            self._of_files(blank, files),
            landing_date=origin.landing_date,
            columns=origin.columns,
            schema_fingerprint=origin.schema_fingerprint,
            schema_version=origin.schema_version,
            measures=origin.measures,
            restores=origin.restores or origin.id,
            holds=origin.holds,
            rows_at=origin.rows_at,
            delivered_in=origin.delivery,
            mode=origin.mode,
        )

    # --- rows come back

    def rebuilt(self, live: Sequence[Snapshot], dates: set[dt.date], revoked: set[str]) -> Iterator[Instead]:
        """The dates of an upsert without the rows that revoked snapshots brought; none when no such row is live.

        :param dates: those on which such rows may be live
        """
        here = Undo(self.spec, self._parts([one for one in live if one.partition in dates]), self._before, revoked)
        carrying = [one for one in live if one.partition in here.dates]
        undo = Undo(self.spec, self._parts(carrying), self._before, revoked)
        for date in here.dates:
            before = [one for one in carrying if one.partition == date]
            yield Instead(self._rewritten(date, undo, before), tuple(one.id for one in before))

    def _rewritten(self, date: dt.date, undo: Undo, before: Sequence[Snapshot]) -> Snapshot:
        blank = self.blank(date)
        written = write_parts(self.lake, self.spec, date, blank.id, undo.tables(date))
        self.written += written.files
        version = max((one.schema_version for one in before), default=0)
        return replace(
            self._of_files(blank, written.files),
            columns=written.columns,
            schema_fingerprint=undo.fingerprint,
            schema_version=version,
        )

    def _before(self, snapshot_id: str) -> list[LivePart]:
        """What the commit of a snapshot superseded: a key may have come from another date."""
        number = self.records.by_id[snapshot_id].commit
        before = [one for one in self.records.snapshots if one.superseded_by == number]
        for one in before:
            _require_files(one)
        return self._parts(before)

    def _parts(self, snapshots: Sequence[Snapshot]) -> list[LivePart]:
        return [LivePart(one.partition, one.id, partial(self._read, file)) for one in snapshots for file in one.files]

    # --- files

    def _read(self, file: DataFile) -> BinaryIO:
        try:
            return self.lake.read_own(file.path, file.bytes)
        except ObjectGone as gone:
            raise NotRevocable(f"what was live before cannot come back: {gone}") from gone

    def _of_files(self, blank: Snapshot, files: Sequence[DataFile]) -> Snapshot:
        return replace(
            blank,
            rows_total=sum(file.rows for file in files),
            bytes=sum(file.bytes for file in files),
            files=tuple(files),
            location=self.lake.uri(snapshot_dir(self.spec.name, blank.partition, blank.id)),
        )


def _require_files(snapshot: Snapshot) -> None:
    """Make sure that ``gc`` left the snapshot's files.

    :raises NotRevocable: it did not
    """
    if snapshot.removed_at is not None:
        raise NotRevocable(
            f"what was live before cannot come back: gc removed the files of snapshot {snapshot.id} on "
            f"{snapshot.removed_at:%Y-%m-%d}"
        )
