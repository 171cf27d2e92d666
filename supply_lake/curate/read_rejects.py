"""Rejected rows → the raw records that they were, without the file that they came from.

Each rejected row gives exactly one record, good or bad, so that none is lost or made up when the rules of reading have changed:
a row that reads as none, or as several, stays as it is.

What belongs here: rows of the rejects table → chunks, as every reader gives them. What does not: judging them (``sift``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from supply_lake.curate.cast import cast_column
from supply_lake.curate.cast_moments import ISO_FORMATS
from supply_lake.curate.json_columns import Columns
from supply_lake.curate.raw import BadRecord, EmptyObject, RawChunk, Told
from supply_lake.curate.read_csv import CsvReader
from supply_lake.curate.read_json import decoded
from supply_lake.curate.rejects import REJECTED, Form
from supply_lake.curate.schema import RESCUED
from supply_lake.curate.terms import Terms
from supply_lake.curate.text import Utf8
from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType
from supply_lake.errors import UnreadableObject
from supply_lake.storage.layout import landing_key

_Record = tuple[int, dict[str, str | None]]


@dataclass(frozen=True, slots=True)
class Kept:
    """Objects of which the rejected rows are read, from what was kept of them.

    :param keys: of the objects
    :param frames: gives rows in the schema of rejects; only rejected ones of these objects count
    """

    keys: tuple[str, ...] = ()
    frames: Callable[[], Iterator[pl.DataFrame]] = lambda: iter(())


def as_written(spec: DatasetSpec, *, published: bool) -> DatasetSpec:
    """The declaration by which the values of kept rows are cast.

    Values of text formats were kept as the file has them. What was typed when it was kept, in the file or by the contract, was
    written by ``rejects.as_json``, so that form is read too, or alone.

    :param published: the rows were kept as they would have been published
    """
    if not published and spec.format.type != "parquet":
        return spec
    plain = {"decimal_mark": ".", "thousands_mark": "", "accounting": False, "percent": False, "currency": ()}
    form = spec.format.model_copy(update={**plain, "trim": spec.format.trim and not published})
    columns = tuple(_typed(column) if published else _typed_or_text(column, form) for column in spec.columns)
    return spec.model_copy(update={"format": form, "columns": columns})


def _typed(column: Column) -> Column:
    return column.model_copy(
        update={
            "source": (column.name, *column.names_in_files),
            "formats": ISO_FORMATS.get(column.dtype.name, ()),
            "timezone": "UTC",
            "nulls": (),
            "true_values": ("true",),
            "false_values": ("false",),
        }
    )


def _typed_or_text(column: Column, form: Format) -> Column:
    nulls = column.nulls_in(form)
    return column.model_copy(
        update={
            "formats": (*column.formats, *ISO_FORMATS.get(column.dtype.name, ())),
            "nulls": (*nulls, *(("NaN",) if column.dtype.name.startswith("float") else ())),
            "true_values": (*column.true_values, "true"),
            "false_values": (*column.false_values, "false"),
        }
    )


def read_rejects(kept: Kept, written: Terms, *, published: bool) -> Iterator[tuple[str, str, RawChunk]]:
    """Chunks of one file and one header each, with what their rows say they come from and the key of the object.

    :param written: the terms by which they are judged, of a declaration that went through ``as_written``
    :param published: give the rows that were kept as they would have been published; else all others
    """
    reader = _Reader(written, published=published)
    wanted = (pl.col("outcome") == REJECTED) & pl.col("line").is_not_null()
    wanted &= (pl.col("form") == Form.PUBLISHED) == pl.lit(published)
    for frame in kept.frames():
        for (name,), part in frame.filter(wanted).partition_by("source", as_dict=True, maintain_order=True).items():
            key = landing_key(str(name), kept.keys)
            if key in kept.keys:
                for chunk in _chunks(part, reader):
                    yield str(name), key, chunk


def _chunks(rows: pl.DataFrame, reader: _Reader) -> Iterator[RawChunk]:
    records: list[_Record] = []
    bad: list[BadRecord] = []
    for row in rows.iter_rows(named=True):
        values = reader.values(row)
        if values is None:
            reason = row["reasons"][0]["reason"] if row["reasons"] else ""
            bad.append(BadRecord(row["line"], row["raw"], reason, header=row["header"], exact=row["exact"]))
        else:
            records.append((row["line"], values))
    for names, run in groupby(records, key=lambda one: tuple(one[1])):
        yield reader.chunk(names, list(run))
    if bad:
        nothing = pl.DataFrame(schema={reader.columns[0]: pl.String})
        yield RawChunk(nothing, pl.Series("line", [], pl.Int64), bad)


class _Reader:
    """Reads rejected rows by today's format."""

    def __init__(self, written: Terms, *, published: bool) -> None:
        spec = written.spec
        self._spec, self._form, self._json, self._published = spec, spec.format, Columns(spec), published
        self.columns = tuple(column.names_in_files[0] for column in spec.columns)
        self._typed: dict[str, Column] = {}
        if published or spec.format.type == "parquet":
            binary = [one for one in spec.columns if one.dtype.name == "binary"]
            self._typed = {name: one for one in binary for name in one.names_in_files}
            for one in written.known:
                self._typed |= dict.fromkeys((one.name,) if published else one.sources, _of_type(one.kind))

    def chunk(self, names: tuple[str, ...], records: list[_Record]) -> RawChunk:
        """Records of one header as a chunk."""
        columns = [pl.Series(name, [values[name] for _, values in records], pl.String) for name in names]
        frame = pl.DataFrame([self._as_it_was(one) for one in columns])
        return RawChunk(frame, pl.Series("line", [line for line, _ in records], pl.Int64))

    def _as_it_was(self, values: pl.Series) -> pl.Series:
        """Bytes, and columns that no contract names, in the type that they had: no contract says how to cast them."""
        column = self._typed.get(values.name)
        if column is None:
            return values
        if column.dtype.name == "binary":
            return values.str.decode("base64")
        found = cast_column(values, column, self._spec)
        return values if found.failures else found.values.alias(values.name)

    def values(self, row: dict[str, Any]) -> dict[str, str | None] | None:
        """The row's fields as text, by the names that were kept; ``None`` when it is no record still."""
        if row["form"] == Form.TEXT and row["header"] is not None and self._form.type == "csv":
            return self._fields(row["header"], row["raw"], row["exact"])
        text = Utf8(io.BytesIO(row["exact"] or row["raw"].encode()), self._form.encoding if row["exact"] else "utf-8")
        try:
            record = decoded(text.read(), text)
            return self._json.columns_of(_unrescued(record) if self._published else record)
        except ValueError:
            return None

    def _fields(self, header: str, raw: str, exact: bytes | None) -> dict[str, str | None] | None:
        """The fields of a CSV record that could not be parsed, read as a file of its own."""
        if self._form.header and not header:
            return None
        try:
            form, data = self._little_file(header if self._form.header else "", raw, exact)
            reader = CsvReader(io.BytesIO(data), form, self.columns, Told())
            chunks = [reader.parse(cut) for cut in reader.cuts()]
        except (EmptyObject, UnreadableObject, UnicodeError):
            return None
        frames = [chunk.frame for chunk in chunks if len(chunk)]
        if sum(map(len, chunks)) != 1 or frames[0].height != 1:
            return None
        fields: dict[str, str | None] = frames[0].row(0, named=True)
        return fields

    def _little_file(self, header: str, raw: str, exact: bytes | None) -> tuple[Format, bytes]:
        form = self._form.model_copy(update={"skip_lines": 0})
        first = header + (form.record_end or "\n") if header else ""
        if exact is None:  # its text is known for certain, whatever the encoding
            return form.model_copy(update={"encoding": "utf-8"}), (first + raw).encode()
        return form, first.encode(form.encoding) + exact


def _of_type(kind: DataType) -> Column:
    return Column(name="value", type=str(kind), nulls=())


def _unrescued(record: dict[str, Any]) -> dict[str, Any]:
    """A record as it was before values of it went to ``_rescued``."""
    rescued = json.loads(record.pop(RESCUED, None) or "{}")
    return {**record, **{name: value for name, value in rescued.items() if record.get(name) is None}}
