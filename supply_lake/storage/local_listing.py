"""What a file's status says: its object version, and listings of many.

What belongs here: turning names and statuses into versions and record batches, so that both tell the same. What does not:
walking folders and opening files (``local_folder``).
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import stat
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from supply_lake.storage.backend import LISTING, ObjectVersion

TEMPORARY = ".supply_lake-"
BATCH = 50_000
_LEADS_NOWHERE = {errno.ENOENT, errno.ELOOP}  # gone since, or a link to nothing
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Rows:
    """Columns of a listing, filled file by file and turned into Arrow in bulk. ``unseen``: names of unknown status, and why."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.unseen: dict[str, str] = {}
        self._inodes: list[int] = []
        self._times: list[int] = []
        self._sizes: list[int] = []

    @property
    def full(self) -> bool:
        """Whether there is enough for a batch."""
        return len(self.keys) >= BATCH

    def add(self, folder: str, entries: Iterable[os.DirEntry[str]], subfolders: list[os.DirEntry[str]]) -> int:
        """Take up files and put folders aside; returns how many names there were.

        This loop is what listing a million files costs.
        """
        number = 0
        for number, entry in enumerate(entries, 1):  # noqa: B007 - the last number is the count
            try:
                if entry.is_dir():
                    subfolders.append(entry)
                    continue
                status = entry.stat()
            except OSError as error:
                if error.errno not in _LEADS_NOWHERE:
                    self.unseen[folder + entry.name] = error.strerror or str(error)
                continue
            if stat.S_ISREG(status.st_mode) and not entry.name.startswith(TEMPORARY):
                self.keys.append(folder + entry.name)
                self._inodes.append(status.st_ino)
                self._times.append(status.st_mtime_ns)
                self._sizes.append(status.st_size)
        return number

    def take(self) -> pa.RecordBatch:
        """What was added since the last call."""
        inode, time = pa.array(self._inodes, pa.uint64()), _times(self._times)
        size = pa.array(self._sizes, pa.int64())
        etag = pc.binary_join_element_wise(inode.cast(pa.string()), time.cast(pa.string()), size.cast(pa.string()), "-")
        modified = pc.max_element_wise(pc.divide(time, 1000), 0)
        columns = [_texts(self.keys), etag, size, modified.cast(LISTING.field("modified").type)]
        for column in (self.keys, self._inodes, self._times, self._sizes):
            column.clear()
        return pa.RecordBatch.from_arrays(columns, schema=LISTING)


def _times(nanoseconds: list[int]) -> pa.Array:
    try:
        return pa.array(nanoseconds, pa.int64())
    except OverflowError:  # file systems may hold times beyond what 64 bits do
        return pa.array([_within_64_bits(time) for time in nanoseconds], pa.int64())


def _texts(keys: list[str]) -> pa.Array:
    try:
        return pa.array(keys, pa.string())
    except UnicodeEncodeError:  # some name is not UTF-8
        return pa.array([os.fsencode(key).decode(errors="backslashreplace") for key in keys], pa.string())


def version_of(key: str, status: os.stat_result) -> ObjectVersion:
    """The same etag and time that a listing tells."""
    modified = _EPOCH + dt.timedelta(microseconds=max(_within_64_bits(status.st_mtime_ns) // 1000, 0))
    return ObjectVersion(key, version_tag(status), status.st_size, modified)


def version_tag(status: os.stat_result) -> str:
    """A file's ETag: other for another file, and whenever it was written to."""
    return f"{status.st_ino}-{_within_64_bits(status.st_mtime_ns)}-{status.st_size}"


def _within_64_bits(number: int) -> int:
    return min(max(number, -(2**63)), 2**63 - 1)


def same_file(one: str, other: str) -> bool:
    """Whether two ETags of one key are of the same file, written to in place, and not of one that took its place."""
    return one.partition("-")[0] == other.partition("-")[0]
