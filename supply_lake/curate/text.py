"""Landed bytes → UTF-8 without a byte order mark, and back to what a person can read.

Bytes that the encoding does not have come through as bytes that UTF-8 does not have either, so that whoever reads lines sets
their line aside: never a silent ``?``.

What belongs here: encodings. What does not: lines and records.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from functools import lru_cache

from supply_lake.curate.raw import Readable

MARK_BELIEVED = "the byte order mark of a file was believed, not the declared encoding"
_MARKS = {  # the longer first: the one of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_HALF = 0xDC00  # byte 0xNN that is no text becomes the half of a surrogate pair U+DCNN, which no text has
_HALVES = re.compile("[\udc00-\udcff]")
_RUNS = re.compile("[\udc00-\udcff]+")


class Utf8:
    """A stream of bytes in some encoding as a stream of UTF-8. ``empty``: it has no byte at all.

    ``notes`` tells when a byte order mark was believed instead of the declared encoding.
    A byte order mark is believed whatever was declared; UTF-16 without one is read by the zero half of its first letter.
    """

    def __init__(self, stream: Readable, encoding: str) -> None:
        self._stream, self.notes = stream, Counter[str]()
        head = _head(stream)
        self.empty = not head
        mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
        self._head = head[len(mark) :]
        declared = _name(encoding)
        found = _MARKS[mark] if mark else _with_byte_order(declared, head)
        if mark and not found.startswith(declared.removesuffix("-sig")):
            self.notes[MARK_BELIEVED] += 1
        self._encoding, self._plain = found, found in ("utf-8", "utf-8-sig")
        self._decoder = None if self._plain else codecs.getincrementaldecoder(found)("supply_lake.half")

    def read(self, size: int = -1) -> bytes:
        """The next text, ``b""`` at the end."""
        if size == 0:
            return b""
        while True:
            raw, self._head = self._head + self._stream.read(size), b""
            if self._decoder is None:
                return raw
            text = self._decoder.decode(raw, final=not raw)
            if text or not raw:
                return text.encode("utf-8", "surrogatepass")

    def readable(self, text: bytes) -> str:
        """The text for a person; bytes that are none as ``\\xNN``, as the file has them."""
        if self._plain:
            return text.decode("utf-8", "backslashreplace")
        shown = _HALVES.sub(lambda half: f"\\x{ord(half[0]) - _HALF:02x}", text.decode("utf-8", "surrogatepass"))
        return shown.encode("utf-8", "backslashreplace").decode()

    def exact(self, text: bytes) -> bytes | None:
        """The bytes of a text as they were landed, where it has some that are none; else ``None``: its UTF-8 says it all."""
        try:
            text.decode()
        except UnicodeDecodeError:
            return text if self._plain else self._as_landed(text.decode("utf-8", "surrogatepass"))
        return None

    def _as_landed(self, text: str) -> bytes:
        halves = [bytes(ord(half) - _HALF for half in run) for run in _RUNS.findall(text)]
        texts = [part.encode(self._encoding) for part in _RUNS.split(text)]
        return b"".join(part for pair in zip(texts, [*halves, b""], strict=True) for part in pair)

    def fault(self, line: bytes) -> str:
        """What is wrong with a line that UTF-8 does not have."""
        try:
            line.decode()
        except UnicodeDecodeError as error:
            found, place = error.object[error.start], f"byte {error.start + 1}"
            if not self._plain and (half := _HALVES.search(text := line.decode("utf-8", "surrogatepass"))):
                found, place = ord(text[half.start()]) - _HALF, f"character {half.start() + 1}"
            return f"bytes that are no text in the declared encoding (0x{found:02x} at {place})"
        return "no fault"


@lru_cache
def _name(encoding: str) -> str:
    return codecs.lookup(encoding).name


def _head(stream: Readable) -> bytes:
    head = b""
    while len(head) < 4 and (more := stream.read(4 - len(head))):
        head += more
    return head


def _with_byte_order(encoding: str, head: bytes) -> str:
    """The encoding, with the order of bytes that the first letter shows where the declared one leaves it open."""
    if encoding not in ("utf-16", "utf-32"):
        return encoding
    return f"{encoding}-be" if head[:1] == b"\0" else f"{encoding}-le"


def _as_halves(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_HALF + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("supply_lake.half", _as_halves)
