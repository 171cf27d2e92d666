"""A bucket of S3, Google Cloud Storage or Azure, or memory, as an object store (obstore underneath).

What belongs here: speaking to the store, and turning its errors into ours. What does not: how to reach it (``connections``).
"""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import obstore
import obstore.store
import pyarrow as pa
from obstore import exceptions as broken

from supply_lake.errors import ObjectChanged, ObjectGone, SettingsError, StoreUnavailable
from supply_lake.storage.backend import LISTING, ObjectVersion
from supply_lake.storage.connections import connect, listing_pages
from supply_lake.storage.ranged_file import RangedFile

_LISTED_AT_ONCE = 5_000
_DELETED_AT_ONCE = 1_000
_BUFFER = 1024**2
_PART = 8 * 1024**2
_SPOOL = 32 * 1024**2
_MOST_PARTS = 9_000
_CODE = re.compile(r"<Code>(\w+)</Code>|status (\d{3} [A-Z][\w ]+)")


class Bucket:
    """Objects below one prefix of a bucket."""

    def __init__(self, location: str, store: Any) -> None:
        self.location = location
        self._store = store

    @staticmethod
    def open(location: str, encryption: str = "") -> Bucket:
        """Open a bucket by its URL. It need not exist yet, and nothing is asked of it."""
        parts = urlsplit(location)
        prefix = parts.path.strip("/")
        try:
            store = connect(parts.scheme, parts.netloc, prefix or None, encryption)
        except (broken.BaseError, ValueError) as error:
            raise SettingsError(f"{location} cannot be opened: {_first_line(error)}") from error
        return Bucket(f"{parts.scheme}://{parts.netloc}" + (f"/{prefix}" if prefix else ""), store)

    def uri(self, key: str) -> str:
        """The object's URL; the key stands in it as it is."""
        return f"{self.location}/{key}"

    def head(self, key: str) -> ObjectVersion:
        """The version that stands under the key now."""
        with self._answering(key):
            return _version(obstore.head(self._store, key))

    def list(self, prefix: str) -> Iterator[pa.RecordBatch]:
        """All objects below the prefix."""
        last = ""
        try:
            with self._answering():
                for found in obstore.list(self._store, prefix or None, chunk_size=_LISTED_AT_ONCE):
                    yield _record_batch(
                        [one["path"] for one in found],
                        [_etag(one) for one in found],
                        [one["size"] for one in found],
                        [one["last_modified"] for one in found],
                    )
                    last = found[-1]["path"]
        except _UnreadableListing:
            yield from self._list_every_key(prefix, last)

    def _list_every_key(self, prefix: str, after: str) -> Iterator[pa.RecordBatch]:
        """The rest by the AWS library, which has no opinion on keys. obstore lists nothing beside a key like ``a//b``."""
        parts = urlsplit(self.location)
        if parts.scheme != "s3":
            raise StoreUnavailable(
                f"{self.location} has a key with an empty, `.` or `..` part or a control character; rename it"
            )
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        root = f"{parts.path.strip('/')}/".lstrip("/")
        try:
            for page in listing_pages(parts.netloc, root + prefix, root + after if after else ""):
                found = page.get("Contents", [])
                yield _record_batch(
                    [one["Key"].removeprefix(root) for one in found],
                    [one["ETag"].strip('"') for one in found],
                    [one["Size"] for one in found],
                    [one["LastModified"] for one in found],
                )
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable(
                f"{self.location} does not answer ({type(error).__name__}); it is asked again later"
            ) from error

    def read(self, version: ObjectVersion) -> BinaryIO:
        """The bytes of exactly this version."""
        if version.size == 0:  # no range of it can be asked for
            self._same(version)
            return io.BytesIO()
        return _opened(RangedFile(version.size, partial(self._fetch, version)))

    def read_own(self, key: str, size: int) -> BinaryIO:
        """The bytes of an object that is never overwritten: nothing is asked but for them."""
        return _opened(RangedFile(size, lambda start, end: memoryview(self.read_range(key, start, end - start))))

    def put(self, key: str, data: bytes | Path | BinaryIO, if_absent: bool) -> ObjectVersion:
        """Write the object whole or not at all."""
        self._write(key, data, if_absent)
        return self.head(key)

    def _write(self, key: str, data: bytes | Path | BinaryIO, if_absent: bool = False) -> None:
        try:
            with self._answering(key):
                if if_absent:
                    obstore.put(self._store, key, data, mode="create")
                else:
                    obstore.put(self._store, key, data, chunk_size=_part_size(data))
        except ObjectGone as gone:  # an upload in parts: it was ended, and the answer to that was lost
            raise StoreUnavailable(f"{self.location} does not know the upload any more; it is written again later") from gone

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """A file that becomes the object when the block ends well.

        It is kept aside until then, in memory while small and in a temporary file beyond that: a multipart upload that is
        given up leaves parts behind, which cost money and which nobody sees.
        """
        with tempfile.SpooledTemporaryFile(_SPOOL) as file:
            yield cast(BinaryIO, file)
            file.seek(0)
            self._write(key, cast(BinaryIO, file))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, many by one request."""
        rest = list(keys)
        for start in range(0, len(rest), _DELETED_AT_ONCE):
            some = rest[start : start + _DELETED_AT_ONCE]
            try:
                with self._answering(some[0]):
                    obstore.delete(self._store, some)
            except ObjectGone:  # not every store takes a missing object for a deleted one
                self._delete_each(some)

    def _delete_each(self, keys: Iterable[str]) -> None:
        for key in keys:
            with suppress(ObjectGone), self._answering(key):
                obstore.delete(self._store, key)

    def _fetch(self, version: ObjectVersion, start: int, end: int) -> memoryview:
        """Bytes ``start`` to ``end`` of exactly this version."""
        match = version.etag if version.etag.startswith("W/") else f'"{version.etag}"'
        with self._answering(version.key):
            answer = obstore.get(self._store, version.key, options={"if_match": match, "range": (start, end)})
            return memoryview(answer.bytes())

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of whatever stands under the key."""
        with self._answering(key):
            return bytes(obstore.get_range(self._store, key, start=start, length=length))

    def signed_url(self, key: str, seconds: int) -> str | None:
        """A link that reads the object without credentials, for so long; ``None`` of the store in memory."""
        if not isinstance(self._store, (obstore.store.S3Store, obstore.store.GCSStore, obstore.store.AzureStore)):
            return None
        with self._answering(key):
            return str(obstore.sign(self._store, "GET", key, dt.timedelta(seconds=seconds)))

    def _same(self, version: ObjectVersion) -> None:
        if self.head(version.key).identity != version.identity:
            raise ObjectChanged(f"{self.uri(version.key)} was overwritten since it was found")

    @contextmanager
    def _answering(self, key: str = "") -> Iterator[None]:
        """Turn the store's errors into the project's; no text of theirs that could hold a secret is passed on."""
        try:
            yield
        except FileNotFoundError as error:
            if not key or "NoSuchBucket" in str(error):
                raise StoreUnavailable(f"{self.location}: there is no such bucket; make it, or check the endpoint") from error
            raise ObjectGone(f"{self.uri(key)} is not there") from error
        except broken.AlreadyExistsError as error:
            raise FileExistsError(f"{self.uri(key)} exists") from error
        except broken.PreconditionError as error:
            raise ObjectChanged(f"{self.uri(key)} was overwritten since it was found") from error
        except (broken.PermissionDeniedError, broken.UnauthenticatedError) as error:
            raise StoreUnavailable(
                f"{self.location} refuses the credentials{_code(error)}; renew them, or give this user the permission"
            ) from error
        except broken.BaseError as error:
            if not key and "invalid path" in str(error):
                raise _UnreadableListing from error
            if "NoSuchBucket" in str(error):
                raise StoreUnavailable(f"{self.location}: there is no such bucket; make it, or check the endpoint") from error
            if "configured region" in str(error):
                raise StoreUnavailable(f"{self.location} is in another region; set AWS_REGION to its own") from error
            raise StoreUnavailable(f"{self.location} does not answer{_code(error)}; it is asked again later") from error


class _UnreadableListing(Exception):
    """obstore gives up on a listing because of one key in it."""


def _opened(file: RangedFile) -> BinaryIO:
    file.preload()
    return cast(BinaryIO, io.BufferedReader(file, _BUFFER))


def _record_batch(keys: list[str], etags: list[str], sizes: list[int], times: list[dt.datetime]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"key": keys, "etag": etags, "size": sizes, "modified": times}, schema=LISTING)


def _version(meta: Mapping[str, Any]) -> ObjectVersion:
    return ObjectVersion(meta["path"], _etag(meta), meta["size"], meta["last_modified"])


def _etag(meta: Mapping[str, Any]) -> str:
    """The ETag without its quotes, as events give it too."""
    etag: str = meta["e_tag"] or f"{meta['last_modified']:%s}-{meta['size']}"
    return etag if etag.startswith("W/") else etag.strip('"')


def _part_size(data: bytes | Path | BinaryIO) -> int:
    """Large enough that no upload has more parts than S3 takes."""
    if isinstance(data, bytes):
        size = len(data)
    elif isinstance(data, Path):
        size = data.stat().st_size
    else:
        at = data.tell()
        size = data.seek(0, os.SEEK_END) - at
        data.seek(at)
    return max(_PART, size // _MOST_PARTS)


def _code(error: Exception) -> str:
    """The store's own word for what went wrong, if it has one."""
    match = _CODE.search(str(error))
    return f" ({match[1] or match[2]})" if match else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
