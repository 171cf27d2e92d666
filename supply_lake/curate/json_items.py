"""The items of one array of a JSON document, streamed: exact numbers, repeated keys told, any depth survived.

What belongs here: events of the tokenizer → values. What does not: what the items mean (``read_json``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    """An item that is JSON but cannot be used: what could be kept of it, and why."""

    value: Any
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
        self._twice = ""

    def take(self, event: str, value: Any) -> bool:
        """Take one event; true when the value is whole."""
        if event == "map_key":
            self._twice = self._twice or (value if value in self._open[-1] else "")
            self._keys[-1] = value
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
            return Flawed(None, "is nested too deep")
        return Flawed(self._root, f"has the key {self._twice!r} twice") if self._twice else self._root


def depth(value: Any) -> int:
    """Levels of lists and objects."""
    levels, layer = 0, [value]
    while layer := [one for one in layer if isinstance(one, (list, dict))]:
        levels += 1
        layer = [part for one in layer for part in (one.values() if isinstance(one, dict) else one)]
    return levels
