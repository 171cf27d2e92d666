"""JSON records → columns of text: which columns a record has, and how its values read as text.

A record has a column for each of its fields, and one for each dotted path that a declared column names; what is left of an
object that a path was taken from stays a column. With ``format.flatten`` the fields of nested objects become columns too.

What belongs here: values → one text per column. What does not: bytes → values (``read_json``, ``json_items``) and casting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, cast

import polars as pl

from supply_lake.curate.columns import fold
from supply_lake.curate.json_items import Flawed, JsonText
from supply_lake.curate.raw import BadRecord, RawChunk
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnreadableObject

RECORDS_PER_CHUNK, BYTES_PER_CHUNK, CELLS_PER_CHUNK = 50_000, 8 * 1024 * 1024, 4_000_000
MOST_COLUMNS = 20_000
_MISSING = object()
Record = dict[str, Any]


class Digits(str):
    """A number, as its digits."""

    __slots__ = ()


class Columns:
    """Collects records until they are ``full`` enough to be a chunk."""

    def __init__(self, spec: DatasetSpec) -> None:
        declared = [name for column in spec.columns for name in column.names_in_files]
        self._paths = {name: tuple(name.split(".")) for name in declared if "." in name}
        self._flatten, self._kept = spec.format.flatten, {fold(name) for name in declared}
        self._known = declared[0]
        self._json = {
            fold(name): column.nulls_in(spec.format)
            for column in spec.columns
            if "json" in (column.dtype.name, column.dtype.item and column.dtype.item.name)
            for name in column.names_in_files
        }
        self._all: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._records: list[Record] = []
        self._numbers: list[int] = []
        self._bad: list[BadRecord] = []
        self._names: dict[str, None] = {}
        self._bytes = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was collected since the last chunk."""
        return not (self._records or self._bad)

    @property
    def full(self) -> bool:
        """Whether it is time for ``chunk``."""
        size = len(self._records) + len(self._bad)
        return size >= RECORDS_PER_CHUNK or self._bytes >= BYTES_PER_CHUNK or size * len(self._names) >= CELLS_PER_CHUNK

    def take(self, number: int, record: Record, size: int) -> None:
        """Take a record of about so many bytes.

        :raises ValueError: two of its fields would be one column
        :raises UnreadableObject: the object's records have more different fields than a table can have columns
        """
        flat = self.columns_of(record)
        self._records.append(flat)
        self._numbers.append(number)
        self._names.update(dict.fromkeys(flat))
        self._bytes += size
        self._all.update(flat)
        if len(self._all) > MOST_COLUMNS:
            raise UnreadableObject(
                f"has records with more than {MOST_COLUMNS:,} different fields; declare the object that holds them as a column "
                "of type json"
            )

    def set_aside(self, bad: BadRecord) -> None:
        """Take a record that is none."""
        self._bad.append(bad)
        self._bytes += len(bad.raw)

    def chunk(self) -> RawChunk:
        """What was collected, which may be nothing; collecting begins anew."""
        names = self._names or {self._known: None}  # when all the records are `{}`
        frame = pl.DataFrame([pl.Series(name, [one.get(name) for one in self._records], pl.String) for name in names])
        chunk = RawChunk(frame, pl.Series("line", self._numbers, pl.Int64), self._bad)
        self._clear()
        return chunk

    def columns_of(self, record: Record) -> Record:
        """The record as one text per column.

        :raises ValueError: two of its fields would be one column
        """
        flat: Record = {}
        rest = record
        for name, path in self._paths.items():
            value = _at(record, path)
            if value is not _MISSING:
                flat[name] = self._text_of(name, value)
                rest = rest if fold(path[0]) in self._kept else _without(rest, path)
        for name, value in self._fields(rest, ""):
            if name in flat:
                raise ValueError(f"two of its fields are the column {name!r}; declare one of them with a dotted path")
            flat[name] = self._text_of(name, value)
        return flat

    def _text_of(self, name: str, value: Any) -> str | None:
        """The value as text; a text, in a column that wants JSON, as the JSON of a text, lest `"0"` be taken for 0."""
        nulls = self._json.get(fold(name)) if self._json else None
        if nulls is None or not isinstance(value, str) or isinstance(value, Digits) or value in nulls:
            return text_of(value)
        return text_of(value) if _is_document(value) else json.dumps(value, ensure_ascii=False)

    def _fields(self, record: Record, prefix: str) -> Iterator[tuple[str, Any]]:
        for name, value in record.items():
            full = prefix + name
            if self._flatten and isinstance(value, dict) and fold(full) not in self._kept:
                yield from self._fields(value, f"{full}_")
            else:
                yield full, value


def _is_document(text: str) -> bool:
    """Whether a text holds a whole object or list: JSON that was written into JSON as a text."""
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def text_of(value: Any) -> str | None:
    """A JSON value as text: numbers as the file wrote them, lists and objects as JSON."""
    if isinstance(value, Flawed):
        value = value.value
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return _digits(value)
    return json_text(value)


def _digits(number: int | Decimal | Digits) -> str:
    """A number as a file writes it: Python would write 0.0000001 with an exponent."""
    exponent = number.as_tuple().exponent if isinstance(number, Decimal) else None
    return f"{number:f}" if isinstance(exponent, int) and -100 < exponent <= 0 else str(number)


def json_text(value: Any) -> str:
    """A JSON value as JSON, with numbers as the file wrote them."""
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value).items()
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{json_text(item)}" for key, item in fields) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(item) for item in cast(Iterable[Any], value)) + "]"
    if isinstance(value, JsonText):
        return str(value)
    if isinstance(value, (Digits, Decimal)):
        return _digits(value)
    return json.dumps(value, ensure_ascii=False)


def _at(record: Record, path: tuple[str, ...]) -> Any:
    value: Any = record
    for step in path:
        value = value.get(step, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def _without(record: Record, path: tuple[str, ...]) -> Record:
    """The record without what stands at the path, and without what is empty then."""
    first, rest = path[0], path[1:]
    if first not in record:
        return record
    inner = _without(record[first], rest) if rest else None
    return {name: inner if name == first else value for name, value in record.items() if name != first or inner}
