"""What every kind of object store gives: the object version, the shape of a listing, and the calls behind ``ObjectStore``.

What belongs here: values and the protocol that ``local_folder`` and ``bucket`` keep. What does not: either of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

LISTING = pa.schema(
    [("key", pa.string()), ("etag", pa.string()), ("size", pa.int64()), ("modified", pa.timestamp("us", "UTC"))]
)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """What was landed. ``key`` is relative to the store's root; ``etag`` changes whenever the bytes may have."""

    key: str
    etag: str
    size: int
    modified: dt.datetime

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes two deliveries the same object version."""
        return (self.key, self.etag, self.size)


class Backend(Protocol):
    """One kind of store. Keys have been checked; errors are of the project's tree, but for ``FileExistsError``."""

    def uri(self, key: str) -> str:
        """Where the object lies, for people and for other tools."""

    def head(self, key: str) -> ObjectVersion:
        """The version that stands under the key now."""

    def list(self, prefix: str) -> Iterator[pa.RecordBatch]:
        """All objects below the prefix, in batches of the ``LISTING`` schema."""

    def read(self, version: ObjectVersion) -> BinaryIO:
        """The bytes of exactly this version."""

    def read_own(self, key: str, size: int) -> BinaryIO:
        """The bytes of an object that is never overwritten."""

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of whatever stands under the key."""

    def signed_url(self, key: str, seconds: int) -> str | None:
        """A link that reads the object without credentials, for so long; ``None`` when the store can sign none."""

    def put(self, key: str, data: bytes | Path | BinaryIO, if_absent: bool) -> ObjectVersion:
        """Write the object whole or not at all."""

    def writer(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A file that becomes the object when the block ends well."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
