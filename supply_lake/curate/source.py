"""A landed object as a stream of plain bytes: opened, hashed, decompressed.

What belongs here: telling compression by magic bytes, and turning every way in which a stream can break into one error. What
does not: archives of several files (``archive``) and what the bytes mean (``read_csv``, ``read_json``, ``read_parquet``).
"""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa

from supply_lake.errors import UnreadableObject

BLOCK = 4 * 1024 * 1024
# Deflate makes at most 1 byte of 1,032, and data that anyone wants to keep not 1 of 500.
BOMB_RATIO, BOMB_FLOOR = 500, 1024**3
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
}
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # what follows the first four bytes, which text could be
_NO_DATA = {
    b"version https://git-lfs.github.com/spec": "is a Git LFS pointer, not the data; fetch the file itself and land that",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; land its members, or a zip archive of them",
    b"Rar!\x1a\x07": "is a RAR archive; land its members, or a zip archive of them",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an Office document; export it as CSV",
}
_HEAD = 512
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, OSError, ValueError, pa.ArrowException)


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


class Expansion:
    """How much came out of the landed bytes of one object; a bomb is told by too much of it."""

    def __init__(self, landed: int) -> None:
        self._landed, self._given = landed, 0

    def add(self, size: int) -> None:
        """More came out.

        :raises UnreadableObject: more than anyone would want to keep
        """
        self._given += size
        if self._given > BOMB_FLOOR and self._given > BOMB_RATIO * self._landed:
            raise UnreadableObject(
                f"expands to more than {BOMB_RATIO} times its {self._landed:,} bytes, as a decompression bomb does; "
                "land it uncompressed if it is data"
            )


class Plain:
    """The decompressed bytes of a stream, block by block.

    ``read`` raises ``UnreadableObject`` when the stream is no data (a Git LFS pointer, an archive of another kind), when its
    compression is truncated or corrupt, and when it is a decompression bomb. ``compression`` is empty for plain bytes.
    """

    def __init__(self, stream: BinaryIO, expansion: Expansion) -> None:
        buffered = io.BufferedReader(cast(io.RawIOBase, stream), BLOCK)
        head = buffered.peek(_HEAD)
        self.is_zip = head.startswith(ZIP)
        self.compression = _compression(head)
        self._stream = _decompressed(cast(BinaryIO, buffered), self.compression)
        self._expansion = expansion
        self._head: bytes | None = None

    def read(self, size: int = BLOCK) -> bytes:
        """The next bytes, ``b""`` at the end."""
        size = size if size >= 0 else BLOCK
        if self._head is None:
            self._head = self._take(_HEAD)
            _refuse(self._head)
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._take(size)

    def _take(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except _BROKEN as error:
            if not self.compression or getattr(error, "errno", None) is not None:  # a disk's or a network's, not the data's
                raise
            raise UnreadableObject(f"{self.compression} data is truncated or corrupt ({first_line(error)})") from None
        if self.compression:
            self._expansion.add(len(data))
        return data


class PlainBytes(Plain):
    """The decompressed bytes of one source. A context manager."""

    def __init__(self, source: Source) -> None:
        self.key = source.key
        self.hashed = Hashed(source.open())
        try:
            self.expansion = Expansion(source.size)
            super().__init__(cast(BinaryIO, self.hashed), self.expansion)
        except BaseException:
            self.hashed.close()
            raise

    def finish(self) -> str:
        """The digest of the landed bytes; reads them to the end."""
        return self.hashed.finish()

    def __enter__(self) -> PlainBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self.hashed.close()


def _compression(head: bytes) -> str:
    found = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), "")
    return "" if found == "bzip2" and not head.startswith(_BZIP2_BLOCKS, 4) else found


def _refuse(head: bytes) -> None:
    for magic, reason in _NO_DATA.items():
        if head.startswith(magic):
            raise UnreadableObject(reason)
    if head[257:262] == b"ustar" and b"\0" in head[:257]:
        raise UnreadableObject("is a tar archive; land its members, or a zip archive of them")


def _decompressed(stream: BinaryIO, compression: str) -> Any:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=stream)
    if compression == "zstd":
        # Arrow knows frames that follow each other and ends that are cut off.
        return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    if compression:
        return _Streams(stream, bz2.BZ2Decompressor if compression == "bzip2" else lzma.LZMADecompressor)
    return stream


class _Streams:
    """Compressed streams that follow each other; unlike ``bz2.open`` it takes no rubbish for the end."""

    def __init__(self, stream: BinaryIO, decompressor: Callable[[], Any]) -> None:
        self._stream, self._new, self._now = stream, decompressor, decompressor()
        self._fresh = False  # whether a stream ended, and nothing has followed yet

    def read(self, size: int) -> bytes:
        while True:
            raw = b""
            if self._now.eof:
                raw, self._now, self._fresh = self._now.unused_data, self._new(), True
            if not raw and self._now.needs_input:
                raw = self._stream.read(BLOCK)
                if not raw and self._fresh:
                    return b""
                if not raw:
                    raise EOFError("it breaks off")
            self._fresh = self._fresh and not raw
            data: bytes = self._now.decompress(raw, size)
            if data:
                return data


def first_line(error: BaseException) -> str:
    """The first line of what a library says, or the error's name when it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
