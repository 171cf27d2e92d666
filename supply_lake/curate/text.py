"""Bytes → UTF-8 text in which nothing was replaced silently.

What belongs here: byte order marks, declared encodings, and the mark that stands where bytes could not be decoded. What does
not: lines and fields.

A byte sequence that the encoding does not know becomes ``MARK`` followed by its bytes as ``\\xNN``. ``MARK`` is NUL, which no
text file should hold either: one test for NUL finds every record that has to be set aside.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

MARK = "\x00"
_HANDLER = "supply_lake_mark"
_UTF8 = ("utf-8", "ascii", "utf-8-sig")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return MARK + "".join(f"\\x{byte:02x}" for byte in bad), error.end


codecs.register_error(_HANDLER, _mark)


def utf8(pieces: Iterable[bytes], encoding: str, notes: list[str]) -> Iterator[bytes]:
    """The text as UTF-8 without a byte order mark, piece by piece. UTF-8 itself is checked later, by ``checked``."""
    told = codecs.lookup(encoding).name
    stream = iter(pieces)
    first = next(stream, b"")
    for mark, meant in _BOMS:
        if first.startswith(mark) and told in (*_UTF8, meant, "utf-16-le", "utf-16-be"):
            if meant != "utf-8":
                if told in _UTF8:
                    notes.append("its byte order mark says UTF-16, so it was read as that")
                told = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
            else:
                told = "utf-8"
            first = first[len(mark) :]
            break
    if told in _UTF8:
        if first:
            yield first
        yield from stream
        return
    decoder = codecs.getincrementaldecoder(told)(errors=_HANDLER)
    for piece in chain((first,), stream):
        yield decoder.decode(piece).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def checked(data: bytes) -> bytes:
    """The same bytes when they are UTF-8, else with a mark where they are not."""
    if data.isascii():
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", _HANDLER).encode("utf-8", "surrogatepass")
    return data


def readable(text: str) -> str:
    """Text fit for a record: marks taken off, other NULs written out."""
    return text.replace(MARK + "\\x", "\\x").replace(MARK, "\\x00")
