"""JSON lines and JSON documents → chunks of raw records as text, the form that CSV has too.

A text stays as it is, a number becomes the digits that the file wrote (never a float), a list or an object becomes JSON text.
So one set of casts serves every text format.

What belongs here: bytes → one text per declared path. What does not: casting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, cast

import ijson
import polars as pl

from supply_lake.curate.json_items import MAX_DEPTH, Flawed, array_items, depth
from supply_lake.curate.raw import BadRecord, EmptyObject, RawChunk
from supply_lake.curate.source import BLOCK, PlainBytes, first_line
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnreadableObject

RECORDS_PER_CHUNK = 50_000
_MAX_LINE = 64 * 1024 * 1024


def read_lines(stream: PlainBytes, spec: DatasetSpec) -> Iterator[RawChunk]:
    """JSON lines: one record a line; a line that is no JSON object is set aside alone."""
    paths, known = _paths(spec), spec.columns[0].names_in_files[0]
    numbered = enumerate(_lines(stream), start=1)
    seen = blank = False
    while batch := list(islice(numbered, RECORDS_PER_CHUNK)):
        records, bad = [], []
        for number, line in batch:
            if not line.strip():
                blank = True
                continue
            seen = True
            try:
                records.append((number, _decode(line)))
            except ValueError as error:
                bad.append(_bad_line(number, line, _why(error)))
        yield _chunk(records, bad, paths, known)
    if not seen:
        raise EmptyObject("whitespace only" if blank else "zero bytes")


def read_document(stream: PlainBytes, spec: DatasetSpec) -> Iterator[RawChunk]:
    """One JSON document, streamed: its records stand in an array, at the top or under ``records_path``.

    :raises UnreadableObject: the document breaks off, is no JSON, or has no array where the records should be; what was read
        of it before does not count
    """
    paths, known = _paths(spec), spec.columns[0].names_in_files[0]
    source = _Peeked(stream)
    if not source.head.strip():
        raise EmptyObject("whitespace only" if source.head else "zero bytes")
    found = array_items(source, spec.format.records_path)
    seen = False
    try:
        while batch := list(islice(found, RECORDS_PER_CHUNK)):
            seen = True
            records, bad = [], []
            for number, item in batch:
                try:
                    records.append((number, _record(item)))
                except ValueError as error:
                    bad.append(BadRecord(number, _text(item) or "", str(error)))
            yield _chunk(records, bad, paths, known)
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableObject(f"is no whole JSON document ({first_line(error)})") from None
    if not seen:
        raise EmptyObject("header only")


def _bad_line(number: int, line: bytes, reason: str) -> BadRecord:
    try:
        return BadRecord(number, line.decode(), reason)
    except UnicodeDecodeError:
        return BadRecord(number, line.decode(errors="backslashreplace"), reason, exact=line)


def text_values(line: bytes, spec: DatasetSpec) -> dict[str, str | None]:
    """The fields of one JSON object as text, as those of a JSON lines file.

    :raises ValueError: saying why it is none
    """
    return _flatten(_decode(line), _paths(spec))


def _record(item: Any) -> dict[str, Any]:
    if isinstance(item, Flawed):
        raise ValueError(item.reason)
    if not isinstance(item, dict):
        raise ValueError("is no JSON object")
    return item


class _Peeked:
    """The stream, with its first bytes looked at and a byte order mark taken off."""

    def __init__(self, stream: PlainBytes) -> None:
        self._stream = stream
        self.head = self._rest = stream.read(BLOCK).removeprefix(b"\xef\xbb\xbf")

    def read(self, size: int = -1) -> bytes:
        if self._rest:
            size = len(self._rest) if size < 0 else size
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        return self._stream.read(size if size > 0 else BLOCK)


def _lines(stream: PlainBytes) -> Iterator[bytes]:
    """Lines without their ends, as UTF-8."""
    rest = b""
    first = True
    while block := stream.read(BLOCK):
        if first:
            block, first = block.removeprefix(b"\xef\xbb\xbf"), False
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > _MAX_LINE:
            raise UnreadableObject(f"has a line of more than {_MAX_LINE:,} bytes; it is no JSON lines file")
        yield from lines
    if rest:
        yield rest


def _decode(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(
            line, parse_float=_Digits, parse_int=_Digits, parse_constant=_no_constant, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and depth(record) > MAX_DEPTH:
        raise ValueError("is nested too deep")
    return _record(record)


def _no_constant(name: str) -> Any:
    raise ValueError(f"is no JSON: {name} is no number")


class _Digits(str):
    """A number, as its digits."""

    __slots__ = ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the key {twice!r} twice")
    return record


def _why(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is no JSON: {error.msg} at character {error.pos + 1}"
    if isinstance(error, UnicodeDecodeError):
        return f"bytes that are no text (0x{error.object[error.start]:02x} at byte {error.start + 1})"
    return str(error)


def _paths(spec: DatasetSpec) -> dict[str, tuple[str, ...]]:
    """Dotted paths that columns name, besides plain top-level names."""
    dotted = [name for column in spec.columns for name in column.names_in_files if "." in name]
    return {name: tuple(name.split(".")) for name in dotted}


def _chunk(
    records: list[tuple[int, dict[str, Any]]], bad: list[BadRecord], paths: dict[str, tuple[str, ...]], known: str
) -> RawChunk:
    """One text column for every top-level name and dotted path that occurs; ``known`` when all the records are ``{}``."""
    flat = [_flatten(record, paths) for _, record in records]
    names = dict.fromkeys(name for record in flat for name in record) or {known: None}
    frame = pl.DataFrame([pl.Series(name, [record.get(name) for record in flat], pl.String) for name in names])
    return RawChunk(frame, pl.Series("line", [at for at, _ in records], pl.Int64), bad)


def _flatten(record: dict[str, Any], paths: dict[str, tuple[str, ...]]) -> dict[str, str | None]:
    flat = {name: _text(value) for name, value in record.items()}
    for name, path in paths.items():
        value: Any = record
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            flat[name] = _text(value)
            flat.pop(path[0], None)
    return flat


def _text(value: Any) -> Any:
    if isinstance(value, Flawed):
        return value.text
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    return _dump(value)


def _dump(value: Any) -> str:
    """JSON text with numbers as the file wrote them."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_dump(item)}" for key, item in cast(dict[str, Any], value).items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_dump(item) for item in cast(Iterable[Any], value)) + "]"
    if isinstance(value, (_Digits, Decimal)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
