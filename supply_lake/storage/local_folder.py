"""A folder of this machine as an object store: atomic writes, exact names, fast listings.

What belongs here: files. What does not: knowing whether a producer is still at work on one (``landing.settling``).
obstore's local store is not used: it refuses names with control characters, tells times to the microsecond only, and has no
way to write a file whole from a stream and drop it when the writer fails.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from supply_lake.errors import ObjectChanged, ObjectGone, StoreUnavailable, UsageError
from supply_lake.storage import local_listing
from supply_lake.storage.backend import ObjectVersion
from supply_lake.storage.local_listing import TEMPORARY, Rows, version_of

_BUFFER = 1024**2
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_log = logging.getLogger(__name__)


class LocalFolder:
    """Files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unlisted: dict[str, str] = {}
        self._subfolders: dict[str, tuple[int | None, tuple[str, ...]]] = {}

    @staticmethod
    def open(root: Path) -> LocalFolder:
        """Open the folder; it is made if it does not exist."""
        folder = LocalFolder(root.expanduser().absolute())
        try:
            folder.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(_why(folder.root, error)) from error
        return folder

    def uri(self, key: str) -> str:
        """The file's absolute path."""
        return f"{str(self.root).rstrip('/')}/{key}"

    def path(self, key: str) -> Path:
        """The file of a key. Names that are not UTF-8 are listed with ``\\xNN`` for the odd bytes, and found again by that."""
        path = self.root / key
        if "\\x" in key and not path.exists():
            raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), key.encode())
            odd = self.root / os.fsdecode(raw)
            return odd if odd.exists() else path
        return path

    def head(self, key: str) -> ObjectVersion:
        """The version that stands under the key now."""
        with self._answering(key):
            return version_of(key, self._file_status(self.path(key).stat(), key))

    def list(self, prefix: str) -> Iterator[pa.RecordBatch]:
        """All files below the prefix, a folder's own before those of its subfolders."""
        rows = Rows()
        todo = [(prefix, frozenset({os.path.realpath(self.root)}))]
        while todo:
            folder, links = todo.pop()
            self._forget_unlisted(folder)
            subfolders: list[os.DirEntry[str]] = []
            with self._scan(folder) as entries:
                while rows.add(folder, islice(entries, local_listing.BATCH), subfolders):
                    if rows.full:
                        yield rows.take()
                todo += self._next_folders(folder, links, subfolders)
            self.unlisted |= rows.unseen
            rows.unseen.clear()
        if rows.keys:
            yield rows.take()

    def folder_times(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Every folder below the prefix, itself included, with its modification time in nanoseconds.

        A folder whose time is the same as before still has the same subfolders, and is not read again.
        """
        todo = [prefix]
        while todo:
            folder = todo.pop()
            try:
                time = (self.root / folder).stat().st_mtime_ns
            except _NOT_THERE:
                self._subfolders.pop(folder, None)
                continue
            except OSError as error:
                self._pass_over(folder, error)
                continue
            yield folder, time
            before, subfolders = self._subfolders.get(folder, (None, ()))
            if before != time:
                with self._scan(folder) as entries:
                    inside = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
                subfolders = tuple(f"{folder}{name}/" for name in inside)
                self._subfolders[folder] = (time, subfolders)
            todo += subfolders

    def read(self, version: ObjectVersion) -> BinaryIO:
        """The file, if it is still this version."""
        with self._answering(version.key):
            file = self.path(version.key).open("rb", buffering=_BUFFER)
            try:
                now = version_of(version.key, self._file_status(os.fstat(file.fileno()), version.key))
                if now.identity != version.identity:
                    raise ObjectChanged(f"{self.uri(version.key)} was overwritten since it was found")
            except BaseException:
                file.close()
                raise
            return file

    def read_own(self, key: str, size: int) -> BinaryIO:  # noqa: ARG002 - a file tells its own
        """The file, however large it is."""
        with self._answering(key):
            return self.path(key).open("rb", buffering=_BUFFER)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of whatever stands under the key."""
        with self._answering(key), self.path(key).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(length)

    def signed_url(self, _key: str, _seconds: int) -> str | None:
        """A folder signs nothing."""
        return None

    def put(self, key: str, data: bytes | Path | BinaryIO, if_absent: bool) -> ObjectVersion:
        """Write a file whole or not at all."""
        with self._answering(key), self._temporary(key) as (file, path):
            if isinstance(data, bytes):
                file.write(data)
            elif isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file, _BUFFER)
            else:
                shutil.copyfileobj(data, file, _BUFFER)
            return self._publish(file, path, key, if_absent)

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """A file that becomes the object when the block ends well."""
        with self._answering(key), self._temporary(key) as (file, path):
            yield file
            self._publish(file, path, key, if_absent=False)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files."""
        for key in keys:
            with self._answering(key), suppress(ObjectGone, *_NOT_THERE):
                self.path(key).unlink()

    def delete_empty(self, folders: Iterable[str]) -> None:
        """Remove those of these folders that hold nothing."""
        for folder in filter(None, folders):
            with suppress(OSError):  # it holds something, or is gone
                (self.root / folder).rmdir()

    def _next_folders(
        self, folder: str, links: frozenset[str], subfolders: Iterable[os.DirEntry[str]]
    ) -> Iterator[tuple[str, frozenset[str]]]:
        """The subfolders, each with the real places that links led through on the way; none leads round in a circle."""
        for entry in subfolders:
            path = f"{self.root}/{folder}{entry.name}"
            if not entry.is_symlink():
                yield f"{folder}{entry.name}/", links
            elif (real := os.path.realpath(path)) not in links and not _inside(path, real):
                yield f"{folder}{entry.name}/", links | {real}

    @contextmanager
    def _scan(self, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """The names in a folder; none when it is gone, or may not be read, which is logged."""
        handle = self._open_folder(folder)
        if handle is None:
            yield iter(())
            return
        try:
            with os.scandir(handle) as entries:  # by its handle: each file's status is found a fifth faster than by a path
                yield entries
        finally:
            os.close(handle)

    def _open_folder(self, folder: str) -> int | None:
        try:
            return os.open(f"{self.root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except _NOT_THERE as error:
            if not self.root.is_dir():
                raise StoreUnavailable(f"folder {self.root} is gone; mount or make it again") from error
        except OSError as error:
            self._pass_over(folder, error)
        return None

    def _forget_unlisted(self, folder: str) -> None:
        if self.unlisted:
            self.unlisted = {key: why for key, why in self.unlisted.items() if key.rpartition("/")[0] != folder.rstrip("/")}

    def _pass_over(self, folder: str, error: OSError) -> None:
        """Note that a folder cannot be listed; the root has to be."""
        if not folder:
            raise StoreUnavailable(_why(self.root, error)) from error
        self.unlisted[folder] = error.strerror or str(error)
        _log.warning("folder %s is passed over, it cannot be listed: %s", self.uri(folder), error.strerror)

    @contextmanager
    def _temporary(self, key: str) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file beside the key's own, removed when the block leaves it there."""
        folder = (self.root / key).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{self.uri(key)} cannot be written: a part of its path is a file") from error
        path = folder / f"{TEMPORARY}{uuid.uuid4().hex}.tmp"
        file = path.open("xb", buffering=_BUFFER)
        try:
            yield file, path
        finally:
            with suppress(OSError):  # a full disk refuses the flush on close again
                file.close()
            path.unlink(missing_ok=True)

    def _publish(self, file: BinaryIO, temporary: Path, key: str, if_absent: bool) -> ObjectVersion:
        file.flush()
        os.fsync(file.fileno())
        status = os.fstat(file.fileno())
        try:
            if if_absent:
                os.link(temporary, self.root / key)  # unlike a rename, refuses to overwrite
            else:
                temporary.replace(self.root / key)
        except IsADirectoryError as error:
            raise UsageError(f"{self.uri(key)} cannot be written: it is a folder") from error
        _sync_folder(temporary.parent)
        return version_of(key, status)

    def _file_status(self, status: os.stat_result, key: str) -> os.stat_result:
        if not stat.S_ISREG(status.st_mode):
            raise ObjectGone(f"{self.uri(key)} is no file")
        return status

    @contextmanager
    def _answering(self, key: str = "") -> Iterator[None]:
        """Turn what the file system says into the project's errors."""
        try:
            yield
        except FileExistsError:
            raise
        except _NOT_THERE as error:
            if self._elsewhere(error):
                raise
            raise ObjectGone(f"{self.uri(key)} is not there") from error
        except OSError as error:
            if self._elsewhere(error):
                raise
            if error.errno == errno.ENAMETOOLONG:
                raise UsageError(f"key {key[:60]!r}… has a part longer than the file system of {self.root} takes") from error
            raise StoreUnavailable(_why(self.root, error)) from error

    def _elsewhere(self, error: OSError) -> bool:
        """Whether the error comes from something that the caller does while it writes: another file, a connection."""
        if isinstance(error, (ConnectionError, TimeoutError)):
            return True
        return error.filename is not None and not str(error.filename).startswith(str(self.root))


def _inside(path: str, folder: str) -> bool:
    """Whether the path lies in the folder, so that following it would lead round in a circle."""
    return f"{os.path.realpath(Path(path).parent)}/".startswith(f"{folder}/")


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(root: Path, error: OSError) -> str:
    """One sentence on what the file system refused, and what to do."""
    remedy = {
        errno.ENOSPC: "make room and try again",
        errno.EDQUOT: "make room and try again",
        errno.EACCES: "give this user the permission",
        errno.EPERM: "give this user the permission",
        errno.EROFS: "mount it for writing",
        errno.EEXIST: "that is a file; name a folder",
        errno.ENOTDIR: "a part of that is a file; name a folder",
    }.get(error.errno or 0, "check the disk or mount")
    place = error.filename if error.filename is not None and str(root) in str(error.filename) else root
    return f"folder {root} cannot be used: {error.strerror or error} at {place}; {remedy}"
