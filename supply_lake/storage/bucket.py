"""A bucket of S3, Google Cloud Storage or Azure, or memory, as an object store (obstore underneath).

What belongs here: speaking to the store, and turning its errors into ours. What does not: credentials (the cloud's own
variables and files are read by its libraries).
"""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import obstore
import pyarrow as pa
from obstore import exceptions as broken
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from supply_lake.errors import ObjectChanged, ObjectGone, SettingsError, StoreUnavailable
from supply_lake.storage.backend import LISTING, ObjectVersion

_LISTED_AT_ONCE = 5_000
_BLOCK = 8 * 1024**2
_SPOOL = 32 * 1024**2
_MOST_PARTS = 9_000
# A sensor tick has to say within its minute that the store is away.
_RETRY: Any = {"max_retries": 4, "retry_timeout": dt.timedelta(seconds=20)}
_CLIENT: Any = {"connect_timeout": "5s", "timeout": "120s"}
_CODE = re.compile(r"<Code>(\w+)</Code>|status (\d{3} [A-Z][\w ]+)")


class Bucket:
    """Objects below one prefix of a bucket."""

    def __init__(self, location: str, store: Any) -> None:
        self.location = location
        self._store = store

    @staticmethod
    def open(location: str) -> Bucket:
        """Open a bucket by its URL. It need not exist yet, and nothing is asked of it."""
        parts = urlsplit(location)
        prefix = parts.path.strip("/") or None
        try:
            store = _store(parts.scheme, parts.netloc, prefix)
        except (broken.BaseError, ValueError) as error:
            raise SettingsError(f"{location} cannot be opened: {_first_line(error)}") from error
        return Bucket(location, store)

    def uri(self, key: str) -> str:
        """The object's URL; the key stands in it as it is."""
        return f"{self.location}/{key}"

    def head(self, key: str) -> ObjectVersion:
        """The version that stands under the key now."""
        with self._answering(key):
            return _version(obstore.head(self._store, key))

    def list(self, prefix: str) -> Iterator[pa.RecordBatch]:
        """All objects below the prefix."""
        with self._answering():
            for found in obstore.list(self._store, prefix or None, chunk_size=_LISTED_AT_ONCE):
                columns = {
                    "key": [one["path"] for one in found],
                    "etag": [_etag(one) for one in found],
                    "size": [one["size"] for one in found],
                    "modified": [one["last_modified"] for one in found],
                }
                yield pa.RecordBatch.from_pydict(columns, schema=LISTING)

    def read(self, version: ObjectVersion) -> BinaryIO:
        """The bytes of exactly this version."""
        if version.size == 0:  # no range of it can be asked for
            self._same(version)
            return io.BytesIO()
        blocks = _Blocks(self, version)
        blocks.preload()
        return cast(BinaryIO, io.BufferedReader(blocks, 1024**2))

    def put(self, key: str, data: bytes | Path | BinaryIO, if_absent: bool) -> ObjectVersion:
        """Write the object whole or not at all."""
        with self._answering(key):
            if if_absent:
                obstore.put(self._store, key, data, mode="create")
            else:
                obstore.put(self._store, key, data, chunk_size=_part_size(data))
        return self.head(key)

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """A file that becomes the object when the block ends well.

        It is kept aside until then, in memory while small and in a temporary file beyond that: a multipart upload that is
        given up leaves parts behind, which cost money and which nobody sees.
        """
        with tempfile.SpooledTemporaryFile(_SPOOL) as file:
            yield cast(BinaryIO, file)
            file.seek(0)
            self.put(key, cast(BinaryIO, file), if_absent=False)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        for key in keys:
            try:
                with self._answering(key):
                    obstore.delete(self._store, key)
            except ObjectGone:
                continue

    def fetch(self, version: ObjectVersion, start: int, end: int) -> memoryview:
        """Bytes ``start`` to ``end`` of exactly this version."""
        match = version.etag if version.etag.startswith("W/") else f'"{version.etag}"'
        with self._answering(version.key):
            answer = obstore.get(self._store, version.key, options={"if_match": match, "range": (start, end)})
            return memoryview(answer.bytes())

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of whatever stands under the key."""
        with self._answering(key):
            return bytes(obstore.get_range(self._store, key, start=start, length=length))

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
            raise StoreUnavailable(f"{self.location} does not answer{_code(error)}; it is asked again later") from error


class _Blocks(io.RawIOBase):
    """One object version as a file, fetched block by block; while it is read in order, the next block is on its way."""

    def __init__(self, bucket: Bucket, version: ObjectVersion) -> None:
        self._bucket = bucket
        self._version = version
        self._at = 0
        self._number = -1
        self._block = memoryview(b"")
        self._coming: tuple[int, Future[memoryview]] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def preload(self) -> None:
        """Fetch the first block, so that what is gone or changed is known at once."""
        self._turn_to(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._version.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, target: Any) -> int:
        if self._at >= self._version.size:
            return 0
        self._turn_to(self._at // _BLOCK)
        start = self._at % _BLOCK
        piece = self._block[start : start + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        super().close()

    def _turn_to(self, number: int) -> None:
        if number == self._number:
            return
        in_order = number == self._number + 1
        coming, self._coming = self._coming, None
        self._block = coming[1].result() if coming and coming[0] == number else self._fetch(number)
        self._number = number
        if in_order and (number + 1) * _BLOCK < self._version.size and number > 0:
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
            self._coming = (number + 1, self._pool.submit(self._fetch, number + 1))

    def _fetch(self, number: int) -> memoryview:
        return self._bucket.fetch(self._version, number * _BLOCK, min((number + 1) * _BLOCK, self._version.size))


def _store(scheme: str, bucket: str, prefix: str | None) -> Any:
    if scheme == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        return S3Store(
            bucket,
            prefix=prefix,
            client_options=_CLIENT | {"allow_http": endpoint.startswith("http://")},
            retry_config=_RETRY,
            **_s3_options(endpoint),
        )
    if scheme == "gs":
        return GCSStore(bucket, prefix=prefix, client_options=_CLIENT, retry_config=_RETRY)
    if scheme == "az":
        return AzureStore(bucket, prefix=prefix, client_options=_CLIENT, retry_config=_RETRY)
    if scheme == "memory":
        return MemoryStore()
    raise ValueError(f"{scheme}:// is no store; it takes s3://, gs:// or az://")


def _s3_options(endpoint: str) -> dict[str, Any]:
    """Endpoint, region and credentials as the AWS libraries find them. obstore itself reads no profiles."""
    options: dict[str, Any] = {"virtual_hosted_style_request": False}
    if endpoint:
        options["endpoint"] = endpoint
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options["region"] = region or "us-east-1"
    if _uses_profiles():
        from obstore.auth.boto3 import Boto3CredentialProvider

        options["credential_provider"] = Boto3CredentialProvider()
        options["region"] = region or options["credential_provider"].config.get("region", "us-east-1")
    return options


def _uses_profiles() -> bool:
    """Whether credentials come from a profile, as far as can be told without asking anyone."""
    if os.environ.get("AWS_PROFILE"):
        return True
    credentials = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    return "AWS_ACCESS_KEY_ID" not in os.environ and Path(credentials).expanduser().exists()


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
    return max(_BLOCK, size // _MOST_PARTS)


def _code(error: Exception) -> str:
    """The store's own word for what went wrong, if it has one."""
    match = _CODE.search(str(error))
    return f" ({match[1] or match[2]})" if match else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
