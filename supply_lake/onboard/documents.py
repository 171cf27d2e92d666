"""JSON → whether it is lines or one document, and where a document keeps its records.

What belongs here: the form of JSON files. What does not: what is in the records (``nested``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ijson

from supply_lake.curate.json_items import Readable
from supply_lake.errors import UnreadableObject

_DEEPEST = 6
_EVENTS = 5_000_000


@dataclass(frozen=True, slots=True)
class JsonForm:
    """``type`` is json or jsonl; ``total`` is what the document itself says of the number of its records, or ``None``."""

    type: str
    records_path: str = ""
    doubts: tuple[str, ...] = ()


def is_json(head: bytes) -> bool:
    """Whether the bytes begin as JSON does: with an object or a list."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def form_of(head: bytes, whole: bool, stream: Readable, records_path: str | None = None) -> JsonForm:
    """The form of a JSON file.

    :param head: its first plain bytes; ``whole`` when they are all
    :param stream: all of its plain bytes
    :param records_path: where the records are, when it is known
    :raises UnreadableObject: it holds no records
    """
    lines = [line for line in head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    lines = lines if whole else lines[:-1]
    if records_path is None and len(lines) > 1 and _are_objects(lines[:20]):
        return JsonForm("jsonl")
    found = _arrays(stream)
    if records_path is not None:
        return JsonForm("json", records_path)
    if found:
        (path, _), *others = found.most_common()
        told = [f"{other!r} ({times:,})" for other, times in others[:3]]
        doubts = (f"the records are taken from {path!r}; other lists of objects are {', '.join(told)}",) if told else ()
        return JsonForm("json", path, doubts)
    if len(lines) == 1 and _are_objects(lines):
        return JsonForm("jsonl", doubts=("it is one object; it is taken for a line of JSON lines",))
    raise UnreadableObject("is JSON, but holds no list of objects that could be records")


def _are_objects(lines: list[bytes]) -> bool:
    """Whether most lines are objects of their own."""
    good = sum(_is_object(line) for line in lines)
    return good > 0.5 * len(lines)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _arrays(stream: Readable) -> Counter[str]:
    """Paths of the lists of objects that stand in no other list, and how many objects each has."""
    found: Counter[str] = Counter()
    try:
        for path in _objects_in_lists(stream):
            found[path] += 1
    except (ijson.JSONError, UnicodeDecodeError) as error:
        if not found:
            raise UnreadableObject(f"begins as JSON does, but is none ({str(error).splitlines()[0]})") from None
    return found


def _objects_in_lists(stream: Readable) -> Iterator[str]:
    events: Any = ijson.parse(stream)
    inside = ""
    for number, (where, event, _) in enumerate(events):
        if number > _EVENTS:
            return
        if inside:
            if where == inside and event == "end_array":
                inside = ""
            elif event == "start_map" and where == f"{inside}.item".lstrip("."):
                yield inside
        elif event == "start_array" and where.count(".") < _DEEPEST and "item" not in where.split("."):
            inside = where or ""
            if not inside:
                yield from _top_level(events)
                return


def _top_level(events: Any) -> Iterator[str]:
    for number, (where, event, _) in enumerate(events):
        if number > _EVENTS:
            return
        if event == "start_map" and where == "item":
            yield ""
