"""JSON lines and JSON documents → chunks of raw records as text, the form that CSV has too.

A text stays as it is, a number becomes the digits that the file wrote (never a float), a list or an object becomes JSON text.
So one set of casts serves every text format.

What belongs here: bytes → records. What does not: which columns a record has (``json_columns``) and casting.
"""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Iterator
from typing import Any

import ijson

from supply_lake.curate.json_columns import Columns, Digits, text_of
from supply_lake.curate.json_items import MAX_DEPTH, Flawed, array_items, depth
from supply_lake.curate.raw import BadRecord, EmptyObject, RawChunk, Readable, Told
from supply_lake.curate.source import first_line
from supply_lake.curate.text import Utf8
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnreadableObject

_BLOCK = 1024 * 1024
_MAX_LINE = 64 * 1024 * 1024
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def read_lines(stream: Readable, spec: DatasetSpec, told: Told) -> Iterator[RawChunk]:
    """JSON lines: one record a line; a line that is no JSON object is set aside alone.

    :raises EmptyObject: there is no line that is not blank
    """
    text = Utf8(stream, spec.format.encoding)
    columns = Columns(spec)
    seen = False
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        seen = True
        try:
            columns.take(number, decoded(line, text), len(line))
        except ValueError as error:
            columns.set_aside(BadRecord(number, text.readable(line), str(error), exact=text.exact(line)))
        if columns.full:
            yield columns.chunk()
    told.notes.update(text.notes)
    if not seen:
        raise EmptyObject("zero bytes" if text.empty else "whitespace only")
    if not columns.empty:
        yield columns.chunk()


def read_document(stream: Readable, spec: DatasetSpec, told: Told) -> Iterator[RawChunk]:
    """One JSON document, streamed: its records stand in an array, at the top or under ``records_path``.

    :raises EmptyObject: there is nothing but white space, or the array is empty
    :raises UnreadableObject: the document breaks off, is no JSON, or has no array where the records should be; what was read
        of it before does not count
    """
    text = Utf8(stream, spec.format.encoding)
    source = _Counted(text)
    if source.is_blank():
        raise EmptyObject("zero bytes" if text.empty else "whitespace only")
    columns = Columns(spec)
    places = spec.expect_total.places if spec.expect_total else ()
    found = array_items(source, spec.format.records_path, places, lambda at, value: told.totals.append((at, str(value))))
    seen = False
    try:
        for number, item in found:
            seen = True
            try:
                columns.take(number, _record(item), source.since_last())
            except ValueError as error:
                columns.set_aside(BadRecord(number, text_of(item) or "", str(error)))
            if columns.full:
                yield columns.chunk()
    except (ijson.JSONError, UnicodeDecodeError, RecursionError, decimal.InvalidOperation) as error:
        raise UnreadableObject(f"is no whole JSON document ({first_line(error)})") from None
    told.notes.update(text.notes)
    if not seen:
        raise EmptyObject("header only")
    if not columns.empty:
        yield columns.chunk()


def _record(item: Any) -> dict[str, Any]:
    if isinstance(item, Flawed):
        raise ValueError(item.reason)
    if not isinstance(item, dict):
        raise ValueError("is no JSON object")
    return item


class _Counted:
    """The stream, without the white space that it begins with, and how much of it was read."""

    def __init__(self, text: Utf8) -> None:
        self._text, self._held, self._read, self._told = text, b"", 0, 0

    def is_blank(self) -> bool:
        while not self._held and (block := self._text.read(_BLOCK)):
            self._held = block.lstrip()
        return not self._held

    def read(self, size: int = -1) -> bytes:
        size = size if size >= 0 else _BLOCK
        if self._held:
            data, self._held = self._held[:size], self._held[size:]
        else:
            data = self._text.read(size) if size else b""  # the tokenizer asks for nothing first
        self._read += len(data)
        return data

    def since_last(self) -> int:
        """Bytes read since this was asked last."""
        size, self._told = self._read - self._told, self._read
        return size


def _lines(text: Utf8) -> Iterator[bytes]:
    """Lines without their ends, as UTF-8."""
    rest = b""
    while block := text.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > _MAX_LINE:
            raise UnreadableObject(f"has a line of more than {_MAX_LINE:,} bytes; it is no JSON lines file")
        yield from lines
    if rest:
        yield rest


def decoded(line: bytes, text: Utf8) -> dict[str, Any]:
    """The line as a record.

    :param text: whose line it is
    :raises ValueError: it is none; the message says why
    """
    try:
        record = _DECODER.decode(line.decode())
        if _HALF_PAIR.search(line):
            json.dumps(record, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    except UnicodeDecodeError:
        raise ValueError(text.fault(line)) from None
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair, which is no text") from None
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and depth(record) > MAX_DEPTH:
        raise ValueError("is nested too deep")
    return _record(record)


def _no_constant(name: str) -> Any:
    raise ValueError(f"is no JSON: {name} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the key {twice!r} twice")
    return record


_DECODER = json.JSONDecoder(parse_float=Digits, parse_int=Digits, parse_constant=_no_constant, object_pairs_hook=_unique)
