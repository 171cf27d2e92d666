"""The items of one array of a JSON document, streamed: exact numbers, repeated keys told, any depth survived.

What belongs here: events of the tokenizer → values, and what the tokenizer must not be given. What does not: what the items
mean (``read_json``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ijson

from supply_lake.curate.raw import Readable
from supply_lake.errors import UnreadableObject

MAX_DEPTH = 100
_OPENS, _CLOSES = ("start_map", "start_array"), ("end_map", "end_array")
_SIGNS = {"start_map": "{", "end_map": "}", "start_array": "[", "end_array": "]"}
_LONGEST_INTEGER = 4300  # digits that Python makes an integer of; with more the tokenizer takes the process down
_TOO_LONG = re.compile(rb"[0-9]{%d}" % (_LONGEST_INTEGER + 1))
# The tokenizer writes `?` for half of a surrogate pair. An even number of backslashes before it are characters of their own.
_HALF_PAIR = re.compile(rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])")


class JsonText(str):
    """JSON text that stands for a value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Flawed:
    """An item that is JSON but cannot be used, and why. Its keys may repeat, and what is nested too deep is ``JsonText``."""

    value: Any
    reason: str


def array_items(
    stream: Readable, path: str, places: Collection[str] = (), tell: Callable[[str, Any], None] = lambda *_: None
) -> Iterator[tuple[int, Any]]:
    """The items of the array at a dotted path (the document itself when empty), numbered from 1.

    :param places: dotted paths to values outside the array; ``tell`` gets each that is found
    :raises UnreadableObject: there is no array, or the document has what no tokenizer should see
    :raises ijson.JSONError: the document is no JSON, which may show only at its end
    """
    around = _Around(max(len(one.split(".")) for one in (path, *places)))
    builder: _Builder | None = None
    number, found = 0, False
    for event, value in ijson.basic_parse(Checked(stream), use_float=False):
        if builder is not None:
            if builder.take(event, value):
                yield number, builder.result()
                builder = None
        elif around.is_item(path, event):
            number += 1
            if event in _OPENS:
                builder = _Builder(event)
            else:
                yield number, value
        else:
            here = around.take(event, value)
            found = found or (event == "start_array" and here == path)
            if here is not None and here in places and event not in _OPENS:
                tell(here, value)
    if not found:
        place = f"at {path!r}" if path else "at its top"
        raise UnreadableObject(f"has no array of records {place}; `format.records_path` says where the records are")


class _Around:
    """Where in the document the events are that belong to no item.

    :param longest: names that the longest path of interest has; deeper places are counted, not named
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._names: list[str] = []  # of each open list or object: `item`, or the key at hand
        self._deeper = 0

    def take(self, event: str, value: Any) -> str | None:
        """The dotted path of the value that the event begins or is; ``None`` when that is of no interest."""
        if event in _CLOSES:
            if self._deeper:
                self._deeper -= 1
            else:
                self._names.pop()
            return None
        if event == "map_key":
            if not self._deeper:
                self._names[-1] = value
            return None
        here = None if self._deeper else ".".join(self._names)
        if event in _OPENS:
            if self._deeper or len(self._names) > self._longest:
                self._deeper += 1
            else:
                self._names.append("item" if event == "start_array" else "")
        return here

    def is_item(self, path: str, event: str) -> bool:
        """Whether the event begins an item of the array at the path."""
        if self._deeper or event in _CLOSES or event == "map_key" or not self._names:
            return False
        return ".".join(self._names) == (f"{path}.item" if path else "item")


class Checked:
    """The stream, refused before the tokenizer stumbles in a way that cannot be caught, or that nobody would see."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._tail = stream, b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        :raises UnreadableObject: they hold what no tokenizer should see
        """
        block = self._stream.read(size)
        window = self._tail + block
        if _TOO_LONG.search(window):
            raise UnreadableObject(f"has a number of more than {_LONGEST_INTEGER:,} digits")
        if b"\\u" in window:
            for half in _HALF_PAIR.finditer(window):
                # What stands further back was seen before, and better: the window may begin amid backslashes.
                if half.end() + 12 > len(self._tail) and (half.end() + 6 <= len(window) or not block):
                    raise UnreadableObject(f"has half of a surrogate pair ({half[1].decode()}), which is no text")
        self._tail = window[-2 * _LONGEST_INTEGER :]
        return block


class _Builder:
    """One list or object from its events."""

    def __init__(self, event: str) -> None:
        self._root: Any = {} if event == "start_map" else []
        self._open: list[Any] = [self._root]
        self._keys: list[str] = [""]
        self._beyond: _Text | None = None
        self._reason = ""

    def take(self, event: str, value: Any) -> bool:
        """Take one event; true when the value is whole."""
        if self._beyond:
            if self._beyond.take(event, value):
                self._put(self._beyond.whole())
                self._beyond = None
        elif event == "map_key":
            again = value in self._open[-1]
            if again:
                self._reason = self._reason or f"has the key {value!r} twice"
            self._keys[-1] = _Again(value) if again else value
        elif event in _CLOSES:
            self._open.pop()
            self._keys.pop()
        elif event in _OPENS and len(self._open) == MAX_DEPTH:
            self._beyond, self._reason = _Text(event), "is nested too deep"
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

    def result(self) -> Any:
        """The value, or ``Flawed``."""
        return Flawed(self._root, self._reason) if self._reason else self._root


class _Again(str):
    """A key that its object has already: another key to a dictionary, the same text to a reader."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class _Text:
    """A list or object from its events, as text: for what is nested too deep to be built."""

    def __init__(self, event: str) -> None:
        self._parts: list[str] = []
        self._open = self._comma = 0
        self.take(event, None)

    def take(self, event: str, value: Any) -> bool:
        """Take one event; true when the text is whole."""
        if event in _CLOSES:
            self._parts.append(_SIGNS[event])
            self._open -= 1
        else:
            self._parts += [","] * self._comma
            self._parts += [json.dumps(value), ":"] if event == "map_key" else [_SIGNS.get(event) or _scalar(value)]
            self._open += event in _OPENS
        self._comma = event not in (*_OPENS, "map_key")
        return not self._open

    def whole(self) -> JsonText:
        """All of it."""
        return JsonText("".join(self._parts))


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def depth(value: Any) -> int:
    """Levels of lists and objects."""
    levels, layer = 0, [value]
    while layer := [one for one in layer if isinstance(one, (list, dict))]:
        levels += 1
        layer = [part for one in layer for part in (one.values() if isinstance(one, dict) else one)]
    return levels
