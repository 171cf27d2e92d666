"""Records of JSON as a tree of what occurs where, and nested types out of it.

What belongs here: JSON values → kinds → ``struct<…>`` and ``list<…>``. What does not: reading files, and flat columns.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from supply_lake.datasets.format import Format
from supply_lake.onboard.guess import Guess, tried
from supply_lake.onboard.values import Values

_DEEPEST = 12
_WIDEST = 150
_PLAIN_NAME = re.compile(r"[^\s,:<>]+")
_INT64 = 2**63
_PLACES = 6


@dataclass(slots=True)
class Node:
    """What occurs at one place of the records. ``kinds`` counts null, flag, whole, number, text, list and object."""

    kinds: Counter[str] = field(default_factory=Counter)
    fields: dict[str, Node] = field(default_factory=dict)
    item: Node | None = None
    before: int = 0
    after: int = 0

    def add(self, value: Any) -> None:
        """Take one more value into account."""
        kind = _kind(value)
        self.kinds[kind] += 1
        if kind == "object":
            for name, inner in value.items():
                self.fields.setdefault(name, Node()).add(inner)
        elif kind == "list":
            self.item = self.item or Node()
            for inner in value:
                self.item.add(inner)
        elif kind in ("whole", "number"):
            self._measure(str(value))

    def _measure(self, digits: str) -> None:
        exponent = "e" in digits.lower()
        before, _, after = digits.lstrip("-").partition(".")
        self.before = max(self.before, len(before))
        self.after = max(self.after, _PLACES + 1 if exponent else len(after))

    @property
    def said(self) -> set[str]:
        """The kinds that occur, but for null."""
        return set(self.kinds) - {"null"}

    @property
    def origin(self) -> str:
        """What the kinds say of a flat column, in the words of ``Values``."""
        said = self.said
        if said <= {"whole", "number"}:
            return "number"
        return {"text": "quoted", "flag": "flag"}.get(next(iter(said)), "text") if len(said) == 1 else "text"

    @property
    def nested(self) -> bool:
        """Whether lists or objects occur."""
        return bool(self.said & {"list", "object"})


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        return "whole"
    if isinstance(value, (float, Decimal)):
        return (
            "whole" if isinstance(value, Decimal) and value == value.to_integral_value() and "." not in str(value) else "number"
        )
    return "object" if isinstance(value, dict) else "list" if isinstance(value, list) else "text"


def type_of(node: Node, depth: int = 0) -> str:
    """The type that holds all that occurs: a struct, a list or a plain type; ``json`` where none of them does."""
    said = node.said
    if depth > _DEEPEST:
        return "json"
    if said == {"object"}:
        return _struct(node, depth)
    if "list" in said and "object" not in said:
        return _list(node, said - {"list"}, depth)
    if "object" in said:
        return "json"
    return _plain(node, said)


def _struct(node: Node, depth: int) -> str:
    names = sorted(node.fields)
    if not names or len(names) > _WIDEST or not all(_PLAIN_NAME.fullmatch(name) for name in names) or _is_map(node):
        return "json"
    return f"struct<{','.join(f'{name}:{type_of(node.fields[name], depth + 1)}' for name in names)}>"


def _is_map(node: Node) -> bool:
    """Whether the names are themselves data, such as dates or ids: many, and few records have any one of them."""
    objects = node.kinds["object"]
    seldom = sum(sum(one.kinds.values()) <= max(1, 0.05 * objects) for one in node.fields.values())
    return len(node.fields) > 20 and seldom > 0.8 * len(node.fields)


def _list(node: Node, scalars: set[str], depth: int) -> str:
    """A list; a value that stands there without its brackets is a list of one."""
    item = node.item or Node()
    if scalars:
        item = Node(
            item.kinds + Counter(dict.fromkeys(scalars, 1)),
            item.fields,
            item.item,
            max(item.before, node.before),
            max(item.after, node.after),
        )
    return f"list<{type_of(item, depth + 1)}>"


def _plain(node: Node, said: set[str]) -> str:
    if said == {"flag"}:
        return "boolean"
    if said == {"whole"}:
        return "int64" if node.before < len(str(_INT64)) else "string"
    if said and said <= {"whole", "number"}:
        exact = node.after <= _PLACES and node.before + node.after <= 30
        return f"decimal({max(12, node.before + max(node.after, 2) + 2)},{max(node.after, 2)})" if exact else "float64"
    return "string"


def guess(values: Values, node: Node, form: Format) -> Guess | None:
    """The type of a nested column, tried on its values; ``json`` when the tree's type does not hold them."""
    why = "nested records, kept as they are" if "object" in node.said else "lists, kept as they are"
    type = type_of(node)
    if type != "json" and (found := tried(values, form, {"type": type}, why=why)):
        return found
    return tried(values, form, {"type": "json"}, why="nested values of no fixed shape, kept as JSON text")


def guess_text(values: Values, form: Format) -> Guess | None:
    """JSON in a column of text."""
    like = values.stripped.str.contains(r"^[\[{]")
    if not like.any() or values.rows_of(like) < 0.9 * values.filled or not _is_json(values.stripped.filter(like)[0]):
        return None
    return tried(values, form, {"type": "json"}, why="JSON documents", like=like)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
