"""JSON → whether it is lines or one document, and where a document keeps its records.

What belongs here: the form of JSON files. What does not: what is in the records (``nested``).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Any

import ijson

from supply_lake.curate.json_items import Checked
from supply_lake.curate.raw import Readable
from supply_lake.curate.source import first_line
from supply_lake.errors import UnreadableObject

_DEEPEST = 6
_EVENTS = 5_000_000


@dataclass(frozen=True, slots=True)
class JsonForm:
    """``type`` is json or jsonl. ``totals`` are paths to numbers outside the records that equal the number of records."""

    type: str
    records_path: str = ""
    totals: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def is_json(head: str) -> bool:
    """Whether the text begins as JSON does: with an object or a list."""
    return head.lstrip()[:1] in ("{", "[")


def form_of(head: str, whole: bool, text: Readable, records_path: str | None = None) -> JsonForm:
    """The form of a JSON file.

    :param head: its beginning; ``whole`` when that is all of it
    :param text: all of it, as UTF-8
    :param records_path: where the records are, when it is known
    :raises UnreadableObject: it holds no records
    """
    lines = [line for line in head.split("\n") if line.strip()]
    lines = lines if whole else lines[:-1]
    if records_path is None and len(lines) > 1 and _are_objects(lines[:20]):
        return JsonForm("jsonl")
    found = _Outline(text, records_path)
    if records_path is not None:
        return JsonForm("json", records_path, found.totals(records_path))
    if found.lists:
        (path, _), *others = found.lists.most_common()
        told = ", ".join(f"{other!r} ({times:,})" for other, times in others[:3])
        doubts = (f"the records are taken from {path!r}; other lists of objects are {told}",) if told else ()
        return JsonForm("json", path, found.totals(path), doubts)
    if len(lines) == 1 and _are_objects(lines):
        return JsonForm("jsonl", doubts=("it is one object; it is taken for a line of JSON lines",))
    raise UnreadableObject("is JSON, but holds no list of objects that could be records")


def _are_objects(lines: list[str]) -> bool:
    """Whether lines are objects of their own: the first is, or most are."""
    return _is_object(lines[0]) or sum(map(_is_object, lines)) > 0.5 * len(lines)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class _Outline:
    """``lists``: paths of the lists of objects that stand in no other list, and how many objects each has."""

    def __init__(self, text: Readable, records_path: str | None) -> None:
        self.lists: Counter[str] = Counter()
        self._numbers: dict[str, int] = {}
        try:
            for event in islice(ijson.parse(Checked(text)), _EVENTS):
                self._take(*event)
        except (ijson.JSONError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
            if not self.lists and records_path is None:
                raise UnreadableObject(f"begins as JSON does, but is none ({first_line(error)})") from None

    _inside: str | None = None

    def _take(self, where: str, event: str, value: Any) -> None:
        if self._inside is not None:
            if event == "end_array" and where == self._inside:
                self._inside = None
            elif event == "start_map" and where == f"{self._inside}.item".lstrip("."):
                self.lists[self._inside] += 1
        elif event == "start_array" and where.count(".") < _DEEPEST:
            self._inside = where
        elif event == "number" and where.count(".") < _DEEPEST and value == int(value):
            self._numbers[where] = int(value)

    def totals(self, path: str) -> tuple[str, ...]:
        """Where the document says how many records it holds."""
        return tuple(where for where, number in self._numbers.items() if number == self.lists[path] and number > 1)
