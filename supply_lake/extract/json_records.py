"""An answer in JSON → its records, each as the text that it was written as.

Numbers keep every digit, keys that are written twice stay, nothing is sorted: parsing and writing anew would lose all of that,
and the contract could not judge it. What is parsed serves to find the next page and the cursor.

What belongs here: finding the array of records in the text, and cutting it. What does not: asking for answers (``rest``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from json.decoder import scanstring  # type: ignore[attr-defined]  # what the decoder itself reads strings with
from typing import Any

_SPACES = (" ", "\t", "\n", "\r")
_SPACE = re.compile(r"[ \t\n\r]*")
_LINE_ENDS = str.maketrans("\r\n", "  ")  # outside of strings they mean nothing, and inside JSON allows none
_DECODER = json.JSONDecoder(parse_float=Decimal)


class BrokenAnswer(Exception):
    """The text is no JSON, or ends early."""


class NoRecords(Exception):
    """The answer has no such place."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: what it says, and the one line that it was written as."""

    value: Any
    line: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One page. ``value`` is all that it says."""

    value: Any
    records: tuple[Record, ...]


def parse(body: bytes, path: str) -> Answer:
    """Cut the records out of an answer.

    :param path: dotted path to them; empty when the answer is the array itself. A single object there is one record.
    :raises BrokenAnswer: it is no JSON
    :raises NoRecords: it is, but nothing stands under the path
    """
    try:
        text = body.decode(json.detect_encoding(body)).lstrip("\ufeff")
        value = _DECODER.decode(text)
        records = tuple(_records(text, _place(text, [step for step in path.split(".") if step], path)))
    except (ValueError, RecursionError) as error:
        raise BrokenAnswer(f"{type(error).__name__}: {error}") from None
    return Answer(value, records)


def at(value: Any, path: str) -> Any:
    """What stands under a dotted path, or ``None``."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _place(text: str, steps: list[str], path: str) -> int:
    """Where in the text the value under the path begins."""
    start = _skip(text, 0)
    for step in steps:
        found = [begin for name, begin in _members(text, start) if name == step] if text[start] == "{" else []
        if not found:
            raise NoRecords(f"the answer has no `{path}`")
        start = found[-1]  # of keys written twice the last one counts, as for everyone who reads JSON
    return start


def _members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Names of an object and where their values begin."""
    where = _skip(text, start + 1)
    while text[where] == '"':
        name, where = scanstring(text, where + 1, True)
        begin = _skip(text, _skip(text, where) + 1)
        yield name, begin
        where = _skip(text, _DECODER.raw_decode(text, begin)[1])
        where = _skip(text, where + 1) if text[where] == "," else where


def _records(text: str, start: int) -> Iterator[Record]:
    if text[start] != "[":
        value, end = _DECODER.raw_decode(text, start)
        if value is not None:
            yield Record(value, _one_line(text[start:end]))
        return
    where = _skip(text, start + 1)
    while text[where] != "]":
        value, end = _DECODER.raw_decode(text, where)
        yield Record(value, _one_line(text[where:end]))
        where = _skip(text, end)
        where = _skip(text, where + 1) if text[where] == "," else where


def _one_line(text: str) -> str:
    return text.translate(_LINE_ENDS) if "\n" in text or "\r" in text else text


def _skip(text: str, start: int) -> int:
    if text[start : start + 1] not in _SPACES:
        return start
    match = _SPACE.match(text, start)
    assert match is not None  # it matches nothing, too
    return match.end()


def with_fields(record: Record, fields: Mapping[str, Any]) -> str:
    """The record's line with fields put in front, but for those that it has."""
    if not fields or not isinstance(record.value, dict):
        return record.line
    added = [f"{json.dumps(name)}: {_written(value)}" for name, value in fields.items() if name not in record.value]
    rest = record.line.lstrip()[1:]
    return "{" + ", ".join(added) + (", " if added and record.value else "") + rest


def _written(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
