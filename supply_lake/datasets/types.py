"""The types that a column can have, as values: their text, their parts, and what YAML may compare with them.

What belongs here: parsing and printing types. What does not: how any library calls them (``curate.cast``, ``query.tables``).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel, ConfigDict

_SCALARS = "string|boolean|int8|int16|int32|int64|uint8|uint16|uint32|uint64|float32|float64|date|time|timestamp|json|binary"
_UNDECLARED = "null|map<string,string>"  # types that the lake gives to columns, and that no contract can ask for
_DECIMAL = r"decimal\((?:[1-9]|[12]\d|3[0-8]),(?:\d|[12]\d|3[0-8])\)"
_PLAIN_NAME = re.compile(r"[\w.\-]+")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
_ISO: dict[str, Callable[[str], Any]] = {
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
}


class DataType(BaseModel):
    """A parsed column type. ``str()`` gives its canonical text, which the schema fingerprint is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    precision: int = 0
    scale: int = 0
    item: DataType | None = None
    fields: tuple[tuple[str, DataType], ...] = ()

    @property
    def nested(self) -> bool:
        """Whether it is a list or a struct."""
        return self.name in ("list", "struct")

    @property
    def declarable(self) -> bool:
        """Whether a contract can ask for it; ``null`` and maps come about in the lake alone."""
        inner = [self.item] if self.item else [kind for _, kind in self.fields]
        return self.name not in ("null", "map") and all(kind.declarable for kind in inner)

    def compares_with(self, other: DataType) -> bool:
        """Whether values of the two can be equal: whole numbers of any width can, and decimals of any scale."""
        return self._family == other._family

    @property
    def _family(self) -> str:
        return "int" if self.name.startswith(("int", "uint")) else "text" if self.name in ("string", "json") else self.name

    def can_hold(self, value: object) -> bool:
        """Whether a value as YAML writes it can be compared with values of this type."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.name == "boolean":
            return isinstance(value, bool)
        if self.name == "decimal":
            return number or (isinstance(value, str) and _parses(Decimal, value))
        if self.name.startswith(("int", "uint")):
            return number and float(value) == int(value)  # type: ignore[arg-type,call-overload]
        if self.name.startswith("float"):
            return number
        return isinstance(value, str) and (self.name not in _ISO or _parses(_ISO[self.name], value))

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "map":
            return "map<string,string>"
        if self.name == "list":
            return f"list<{self.item}>"
        if self.name == "struct":
            return f"struct<{','.join(f'{_quoted(name)}:{kind}' for name, kind in self.fields)}>"
        return self.name


def parse_type(text: str) -> DataType:
    """Parse ``decimal(12,2)``, ``list<string>``, ``struct<a:int64,b:list<date>>`` and the plain names.

    The name of a struct's field that has other characters than letters, digits, ``_``, ``-`` and ``.`` stands in double quotes.
    Two more types are read, and are never declared: ``null``, of a column in which no value was seen yet, and
    ``map<string,string>``, of what was rescued.

    :raises ValueError: naming the part that is no type
    """
    text = _without_blanks(text)
    if re.fullmatch(f"{_SCALARS}|{_UNDECLARED}", text):
        return DataType(name=text.partition("<")[0])
    if re.fullmatch(_DECIMAL, text):
        precision, scale = (int(number) for number in text[8:-1].split(","))
        if scale > precision:
            raise ValueError(f"{text!r}: the scale is larger than the precision")
        return DataType(name="decimal", precision=precision, scale=scale)
    if text.startswith("list<") and text.endswith(">"):
        return DataType(name="list", item=parse_type(text[5:-1]))
    if text.startswith("struct<") and text.endswith(">"):
        return DataType(name="struct", fields=tuple(_struct_field(part) for part in _split_fields(text[7:-1])))
    raise ValueError(f"{text!r} is no type; use {_SCALARS.replace('|', ', ')}, decimal(p,s), list<T> or struct<name:T,…>")


def _quoted(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _without_blanks(text: str) -> str:
    return "".join(one if one.startswith('"') else re.sub(r"\s+", "", one) for one in _QUOTED.split(text))


def _struct_field(text: str) -> tuple[str, DataType]:
    quoted = _QUOTED.match(text)
    name, colon, kind = (quoted[0], *text[quoted.end() :].partition(":")[1:]) if quoted else text.partition(":")
    if not (name and colon):
        raise ValueError(f"{text!r} is no struct field; write name:type")
    return json.loads(name) if quoted else name, parse_type(kind)


def _split_fields(text: str) -> list[str]:
    """Split at the commas that stand outside every bracket and quote."""
    parts, depth, start = [], 0, 0
    inside = [span for one in _QUOTED.finditer(text) for span in range(*one.span())]
    for at in sorted(set(range(len(text))) - set(inside)):
        depth += (text[at] in "<(") - (text[at] in ">)")
        if text[at] == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _parses(parse: Any, value: object) -> bool:
    try:
        parse(value)
    except (ValueError, TypeError, InvalidOperation):
        return False
    return True
