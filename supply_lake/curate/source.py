"""One landed object as a stream of plain bytes: hashed as it lands, decompressed by its magic bytes.

What belongs here: the value ``Source``, hashing, decompression, and telling bytes that are no data file at all. What does
not: opening stores (``Source.open`` is handed in) and what the bytes mean (``text``, ``csv_*``, ``json_*``, ``parquet_read``).
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from supply_lake.errors import UnreadableObject

_LFS_POINTER = b"version https://git-lfs.github.com/spec"
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Source:
    """One object version of a batch.

    ``index`` is its place in the order of delivery (by ``modified``, then key) and breaks ties between rows. ``open`` gives
    its bytes; ``verify``, when there is one, is called after the last byte and raises ``ObjectChanged`` or ``ObjectGone``.
    """

    index: int
    key: str
    open: Callable[[], BinaryIO]
    size: int
    modified: dt.datetime
    verify: Callable[[], None] | None = None


class Readable(Protocol):
    """All that is asked of a stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; empty at the end."""


class LandedStream:
    """The object's bytes as they landed, hashed on the way.

    :raises UnreadableObject: when the bytes are a Git LFS pointer or a zip archive
    """

    def __init__(self, stream: Readable) -> None:
        self._stream, self._digest, self._ended = stream, hashlib.sha256(), False
        self._head = self._pull(64)
        if self._head.startswith(_LFS_POINTER):
            raise UnreadableObject("it is a Git LFS pointer, not the data; land the file that the pointer names")
        if self._head.startswith(_ZIP):
            raise UnreadableObject("it is a zip archive; land its members one by one")

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes as they landed."""
        if self._head:
            head = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(head) :]
            return head
        return self._pull(size)

    def plain(self) -> Readable:
        """The bytes without their compression, which is told by how they begin."""
        if self._head.startswith(_GZIP):
            return gzip.GzipFile(fileobj=_Seekless(self))  # type: ignore[arg-type]
        if self._head.startswith(_ZSTD):
            return pa.CompressedInputStream(pa.PythonFile(_Seekless(self), mode="r"), "zstd")  # type: ignore[no-any-return]
        return self

    def sha256(self) -> str:
        """Hex digest of every byte that landed; reads what is left."""
        while self._pull(1 << 20):
            pass
        return self._digest.hexdigest()

    def _pull(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data


class _Seekless:
    """What ``gzip`` and Arrow ask of a file, and no more."""

    closed = False

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def blocks(stream: Readable, size: int) -> Iterator[bytes]:
    """The stream in pieces of ``size`` bytes, the last one shorter.

    :raises UnreadableObject: when its compression is corrupt or truncated
    """
    while True:
        piece = _exactly(stream, size)
        if piece:
            yield piece
        if len(piece) < size:
            return


def _exactly(stream: Readable, size: int) -> bytes:
    pieces: list[Any] = []
    missing = size
    while missing:
        try:
            piece = stream.read(missing)
        except EOFError:
            raise UnreadableObject("its compression is truncated; land the whole file again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableObject(f"its gzip compression is corrupt ({error}); land the file again") from None
        except OSError as error:
            raise _compression_error(error) from error
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _compression_error(error: OSError) -> Exception:
    """Arrow tells of bad zstd by ``OSError``; an error of the disk or the network stays what it is."""
    text = str(error)
    if "runcated" in text:
        return UnreadableObject("its compression is truncated; land the whole file again")
    if "ZSTD" in text or "zstd" in text or "ompress" in text:
        return UnreadableObject("its zstd compression is corrupt; land the file again")
    return error
