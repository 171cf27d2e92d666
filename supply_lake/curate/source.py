"""A landed object as a stream of plain bytes: opened, hashed, decompressed.

What belongs here: telling compression by magic bytes, and turning every way in which a stream can break into one error. What
does not: what the bytes mean (``read_csv``, ``read_json``, ``read_parquet``).
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa

from supply_lake.errors import UnreadableObject

BLOCK = 4 * 1024 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_NO_DATA = {
    b"version https://git-lfs.github.com/spec": "is a Git LFS pointer, not the data; fetch the file itself and land that",
    b"PK\x03\x04": "is a zip archive; land its members one by one",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One object to read. ``open`` gives its landed bytes; ``index`` is its place in the order of delivery."""

    index: int
    key: str
    open: Callable[[], BinaryIO]
    size: int
    modified: dt.datetime


class Hashed(io.RawIOBase):
    """A stream that hashes the landed bytes as they pass; ``finish`` reads what a decompressor left."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._digest = raw, hashlib.sha256()

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Bytes as they were landed."""
        data = self._raw.read(size)
        self._digest.update(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer."""
        length = int(self._raw.readinto(buffer))  # type: ignore[attr-defined]  # every binary stream here has it
        self._digest.update(buffer[:length])
        return length

    def finish(self) -> str:
        """Read to the end; returns the SHA-256 of the landed bytes as hex."""
        while self.read(BLOCK):
            pass
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the landed stream too."""
        self._raw.close()
        super().close()


class PlainBytes:
    """The decompressed bytes of one source, block by block. A context manager.

    Opening raises ``UnreadableObject`` when the object is a Git LFS pointer or a zip archive, reading when its compression is
    truncated or corrupt. ``empty`` stays true until a byte was read.
    """

    def __init__(self, source: Source) -> None:
        self.key = source.key
        self.hashed = Hashed(source.open())
        buffered = io.BufferedReader(self.hashed, BLOCK)
        head = buffered.peek(64)
        for magic, reason in _NO_DATA.items():
            if head.startswith(magic):
                self.hashed.close()
                raise UnreadableObject(reason)
        self.compression = "gzip" if head.startswith(_GZIP) else "zstd" if head.startswith(_ZSTD) else ""
        self._stream = _decompressed(cast(BinaryIO, buffered), self.compression)
        self.empty = True

    def read(self, size: int = BLOCK) -> bytes:
        """The next bytes, ``b""`` at the end."""
        try:
            data = self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error, OSError, pa.ArrowException) as error:
            if not self.compression:
                raise
            raise UnreadableObject(f"{self.compression} data is truncated or corrupt ({first_line(error)})") from None
        self.empty = self.empty and not data
        return data

    def finish(self) -> str:
        """The digest of the landed bytes; reads them to the end."""
        return self.hashed.finish()

    def __enter__(self) -> PlainBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self.hashed.close()


def _decompressed(stream: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    if compression == "zstd":
        return cast(BinaryIO, _Zstd(stream))
    return stream


class _Zstd:
    """zstd through Arrow, which knows frames that follow each other and ends that are cut off."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")

    def read(self, size: int) -> bytes:
        return cast(bytes, self._stream.read(size))


def first_line(error: BaseException) -> str:
    """The first line of what a library says, or the error's name when it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
