"""One way to read and write objects, on a local folder, S3, Google Cloud Storage or Azure.

What belongs here: the store that the other rooms see. What does not: how one kind of store does it (``local_folder`` for
folders, ``bucket`` for everything that obstore reaches), and any meaning of keys (``layout``).

Every method raises ``StoreUnavailable`` when the store does not answer, refuses, or is full. Keys are relative to the store's
root and go to and fro unchanged, whatever characters they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from supply_lake.errors import ObjectChanged, ObjectGone, UsageError
from supply_lake.storage.backend import LISTING, Backend, ObjectVersion
from supply_lake.storage.bucket import Bucket
from supply_lake.storage.layout import key_fault
from supply_lake.storage.local_folder import LocalFolder

__all__ = ["LISTING", "ObjectStore", "ObjectVersion"]


class ObjectStore:
    """Objects under keys, below one location."""

    def __init__(self, location: str, backend: Backend) -> None:
        self.location = location
        self._backend = backend

    @staticmethod
    def open(location: str, encryption: str = "") -> ObjectStore:
        """Open a store.

        :param location: a folder, which is made if need be, or ``s3://bucket/prefix``, ``gs://…``, ``az://…``, ``memory://``
        :param encryption: with which S3 encrypts what is written: ``sse-s3``, ``sse-kms`` or ``sse-kms:<key>``; by default as
            the bucket does. Other stores know nothing of it
        :raises StoreUnavailable: the folder cannot be made
        :raises SettingsError: the URL or the cloud's own variables cannot be used
        """
        if "://" in location:
            bucket = Bucket.open(location, encryption)
            return ObjectStore(bucket.location, bucket)
        folder = LocalFolder.open(Path(location))
        return ObjectStore(str(folder.root), folder)

    @property
    def is_local(self) -> bool:
        """Whether the objects are files of this machine."""
        return isinstance(self._backend, LocalFolder)

    def uri(self, key: str) -> str:
        """Where the object lies: an absolute path, or a URL."""
        return self._backend.uri(_checked(key))

    def local_path(self, key: str) -> Path | None:
        """The object's file, if the store is a folder; it need not exist."""
        return self._backend.path(_checked(key)) if isinstance(self._backend, LocalFolder) else None

    def head(self, key: str) -> ObjectVersion:
        """The version that stands under the key now.

        :raises ObjectGone: nothing stands there
        """
        return self._backend.head(_checked(key))

    def exists(self, key: str) -> bool:
        """Whether an object stands under the key."""
        try:
            self.head(key)
        except ObjectGone:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[pa.RecordBatch]:
        """All objects below a folder, in record batches of the ``LISTING`` schema; memory is bounded by the batch.

        Objects of one folder come one after another. There is no other order.

        :param prefix: a folder's key with its slash; empty for the root
        """
        if prefix and not prefix.endswith("/"):
            raise UsageError(f"prefix {prefix!r} is no folder; end it with a slash")
        return self._backend.list(_checked(prefix.rstrip("/")) + "/" if prefix else "")

    def folder_times(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Every folder below one, itself included, and when a name in it was last added, renamed or removed, in nanoseconds.

        Only a local store knows; of another there are none. A file that is rewritten in place leaves its folder's time alone.
        """
        return self._backend.folder_times(prefix) if isinstance(self._backend, LocalFolder) else iter(())

    @property
    def unlisted(self) -> dict[str, str]:
        """Folders and files below the root that the last look at them could not list, and why."""
        return dict(self._backend.unlisted) if isinstance(self._backend, LocalFolder) else {}

    def read(self, version: ObjectVersion | str) -> BinaryIO:
        """Open an object for reading; the file is buffered and can seek.

        Given an object version, only its bytes are read, never a mixture: a cloud store refuses to go on once other bytes
        stand there. A local file can change under its reader, so call ``verify_unchanged`` after the last read.

        :raises ObjectGone: nothing stands under the key
        :raises ObjectChanged: another version stands under the key; also raised by the file's own reads
        """
        if isinstance(version, str):
            version = self.head(version)
        _checked(version.key)
        return self._backend.read(version)

    def read_own(self, key: str, size: int) -> BinaryIO:
        """Open an object that is never overwritten, such as the lake's own files, without asking first what stands there.

        :param size: as it was written
        :raises ObjectGone: nothing stands under the key
        """
        return self._backend.read_own(_checked(key), size)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of an object that is never overwritten, such as the lake's own files; they are all of them there.

        :raises ObjectGone: nothing stands under the key
        """
        return self._backend.read_range(_checked(key), start, length)

    def signed_url(self, key: str, seconds: int) -> str | None:
        """A link by which whoever has it reads the object for so long; ``None`` of a store that can sign none."""
        return self._backend.signed_url(_checked(key), seconds)

    def verify_unchanged(self, version: ObjectVersion) -> None:
        """Make sure that the version still stands under its key.

        :raises ObjectGone: nothing stands there
        :raises ObjectChanged: other bytes may stand there
        """
        now = self.head(version.key)
        if now.identity != version.identity:
            raise ObjectChanged(f"{self.uri(version.key)} was overwritten while it was read")

    def put(self, key: str, data: bytes | Path | BinaryIO, if_absent: bool = False) -> ObjectVersion:
        """Write an object, whole or not at all.

        :param data: the bytes, a file's path, or a file open for reading
        :param if_absent: leave what stands there alone
        :raises FileExistsError: with ``if_absent``, when something stands there
        """
        return self._backend.put(_checked(key), data, if_absent)

    def writer(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A file to write; it becomes the object when the ``with`` block ends well, and leaves nothing if it raises."""
        return self._backend.writer(_checked(key))

    def delete(self, keys: Iterable[str], *, folders: bool = False) -> None:
        """Remove objects; those that are not there are no error.

        :param folders: of a local store the folders, too, that hold nothing then; only for folders that nobody writes to
        """
        checked = [_checked(key) for key in keys]
        self._backend.delete(checked)
        if folders and isinstance(self._backend, LocalFolder):
            self._backend.delete_empty(dict.fromkeys(key.rpartition("/")[0] for key in checked))

    def __repr__(self) -> str:
        return f"ObjectStore({self.location!r})"


def _checked(key: str) -> str:
    """The key, if every store can hold it and it stays below the root."""
    if fault := key_fault(key):
        raise UsageError(f"{key[:60]!r} is no object key: {fault}; give a plain path below the store's root")
    return key
