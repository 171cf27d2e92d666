"""The items of one array of a JSON document, streamed: exact numbers, repeated keys told, any depth survived.

What belongs here: events of the tokenizer → values. What does not: what the items mean (``read_json``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import ijson

from supply_lake.errors import UnreadableObject

MAX_DEPTH = 100
_OPENS, _CLOSES = ("start_map", "start_array"), ("end_map", "end_array")


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Flawed:
    """An item that is JSON but cannot be used: its text, and why."""

    text: str
    reason: str


def array_items(stream: Readable, path: str) -> Iterator[tuple[int, Any]]:
    """The items of the array at a dotted path (the document itself when empty), numbered from 1.

    :raises UnreadableObject: there is no array
    :raises ijson.JSONError: the document is no JSON, which may show only at its end
    """
    array = path
    prefix = f"{path}.item" if path else "item"
    builder: _Builder | None = None
    number, found = 0, False
    for where, event, value in ijson.parse(stream, use_float=False):
        if builder is not None:
            if builder.take(event, value):
                yield number, builder.result()
                builder = None
        elif where == prefix and event != "map_key" and event not in _CLOSES:
            number += 1
            if event in _OPENS:
                builder = _Builder(event)
            else:
                yield number, value
        elif where == array and event == "start_array":
            found = True
    if not found:
        place = f"at {path!r}" if path else "at its top"
        raise UnreadableObject(f"has no array of records {place}; `format.records_path` says where the records are")


class _Builder:
    """One list or object from its events."""

    def __init__(self, event: str) -> None:
        self._root: Any = {} if event == "start_map" else []
        self._open: list[Any] = [self._root]
        self._keys: list[str] = [""]
        self._deepest = 1
        self._twice: str | None = None

    def take(self, event: str, value: Any) -> bool:
        """Take one event; true when the value is whole."""
        if event == "map_key":
            again = value in self._open[-1]
            self._twice = value if again and self._twice is None else self._twice
            self._keys[-1] = _Again(value) if again else value
        elif event in _CLOSES:
            self._open.pop()
            self._keys.pop()
        else:
            self._put({} if event == "start_map" else [] if event == "start_array" else value)
        return not self._open

    def _put(self, value: Any) -> None:
        inner = self._open[-1]
        if isinstance(inner, dict):
            inner[self._keys[-1]] = value
        else:
            inner.append(value)
        if isinstance(value, (dict, list)):
            self._open.append(value)
            self._keys.append("")
            self._deepest = max(self._deepest, len(self._open))

    def result(self) -> Any:
        """The value, or ``Flawed``."""
        if self._deepest > MAX_DEPTH:
            return Flawed(json_text(self._root), "is nested too deep")
        if self._twice is not None:
            return Flawed(json_text(self._root), f"has the key {self._twice!r} twice")
        return self._root


class _Again(str):
    """A key that its object has already: another key to a dictionary, the same text to a reader."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def json_text(value: Any) -> str:
    """JSON text of a value of any depth, with numbers as the document wrote them."""
    parts: list[str] = []
    todo: list[Any] = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, _Written):
            parts.append(one)
        elif isinstance(one, dict):
            pairs = [[_Written(json.dumps(key, ensure_ascii=False) + ":"), item] for key, item in one.items()]
            todo += reversed(_enclosed("{", pairs, "}"))
        elif isinstance(one, list):
            todo += reversed(_enclosed("[", [[item] for item in one], "]"))
        else:
            parts.append(str(one) if isinstance(one, Decimal) else json.dumps(one, ensure_ascii=False))
    return "".join(parts)


class _Written(str):
    """Text that is JSON already."""

    __slots__ = ()


def _enclosed(opening: str, members: list[list[Any]], closing: str) -> list[Any]:
    comma = _Written(",")
    inner = [part for member in members for part in (comma, *member)][1:]
    return [_Written(opening), *inner, _Written(closing)]


def depth(value: Any) -> int:
    """Levels of lists and objects."""
    levels, layer = 0, [value]
    while layer := [one for one in layer if isinstance(one, (list, dict))]:
        levels += 1
        layer = [part for one in layer for part in (one.values() if isinstance(one, dict) else one)]
    return levels
