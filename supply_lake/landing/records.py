"""Records that a program pushes (dicts, Arrow, data frames) → one file in the dataset's own format, exactly.

What belongs here: writing each format so that reading it by the contract gives the same values. What does not: where the file
lands (``write``), and judging records: what breaks the contract lands too, and is set aside when it is curated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UsageError
from supply_lake.extract.columnar import text
from supply_lake.extract.parquet_file import write_parquet

Records: TypeAlias = Any
"""An iterable of dicts, a pyarrow Table, RecordBatch or RecordBatchReader, a pandas or polars DataFrame."""


def write_records(path: Path, spec: DatasetSpec, records: Records) -> int:
    """Write the records as a file of the dataset's format; returns how many there were.

    Dicts for a Parquet dataset are held in memory, for their columns' types are known only when all have been seen; every other
    way streams.

    :raises UsageError: they are no records, or the format cannot say one of their values
    """
    arrow = _as_arrow(records)
    try:
        if spec.format.type == "parquet":
            schema, batches = arrow if arrow is not None else _from_dicts(list(_dicts(records)))
            return write_parquet(path, schema, batches)
        rows = _rows_of(arrow[1]) if arrow is not None else _dicts(records)
        write = {"csv": _write_csv, "json": _write_json, "jsonl": _write_lines}[spec.format.type]
        return write(path, spec, rows)
    except (UnicodeEncodeError, ValueError, TypeError) as error:
        raise UsageError(f"{spec.name}: the records cannot be written as {spec.format.type}: {error}") from None


def _as_arrow(records: Records) -> tuple[pa.Schema, Iterable[pa.RecordBatch]] | None:
    if isinstance(records, pa.RecordBatchReader):
        return records.schema, records
    if isinstance(records, pa.RecordBatch):
        return records.schema, [records]
    library = type(records).__module__.partition(".")[0]
    if library == "pandas":
        records = pa.Table.from_pandas(records, preserve_index=False)
    elif library == "polars" and hasattr(records, "to_arrow"):
        records = records.to_arrow()
    if isinstance(records, pa.Table):
        return records.schema.remove_metadata(), records.replace_schema_metadata(None).to_batches()
    return None


def _dicts(records: Records) -> Iterator[Mapping[str, Any]]:
    if isinstance(records, (str, bytes, Mapping)) or not isinstance(records, Iterable):
        raise UsageError(f"{type(records).__name__} is no set of records; give dicts, an Arrow table or a data frame")
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            raise UsageError(f"record {number} is a {type(record).__name__}; give a dict of column names and values")
        yield record


def _rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[Mapping[str, Any]]:
    for batch in batches:
        yield from batch.to_pylist()


def _from_dicts(rows: Sequence[Mapping[str, Any]]) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    columns = [_column([row.get(name) for row in rows]) for name in names]
    batch = pa.RecordBatch.from_arrays(columns, names=names)
    return batch.schema, [batch]


def _column(values: Sequence[Any]) -> pa.Array:
    """Values of one kind by their own type; mixed ones, which no type could hold unchanged, as text."""
    if len({type(value) for value in values if value is not None}) <= 1:
        try:
            array = pa.array(values)
            return array if array.type != pa.null() else array.cast(pa.string())
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([None if value is None else text(value) for value in values], pa.string())


# --- text formats


def _write_lines(path: Path, spec: DatasetSpec, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding=spec.format.encoding, newline="") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007 - the last number is the count
            file.write(_json(row) + "\n")
    return count


def _write_json(path: Path, spec: DatasetSpec, rows: Iterable[Mapping[str, Any]]) -> int:
    """One document: an array, or objects down to one as the records path says."""
    steps = [step for step in spec.format.records_path.split(".") if step]
    count = 0
    with path.open("w", encoding=spec.format.encoding, newline="") as file:
        file.write("".join(f"{{{json.dumps(step)}: " for step in steps) + "[")
        for count, row in enumerate(rows, start=1):
            file.write((",\n" if count > 1 else "\n") + _json(row))
        file.write("\n]" + "}" * len(steps) + "\n")
    return count


def _json(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False, default=text)


def _write_csv(path: Path, spec: DatasetSpec, rows: Iterable[Mapping[str, Any]]) -> int:
    form, declared = spec.format, [column.names_in_files[0] for column in spec.columns]
    write = _CsvText(form)
    names: list[str] = [] if form.header else declared
    count = 0
    with path.open("w", encoding=form.encoding, newline="") as file:
        file.write("\n" * form.skip_lines)
        for count, row in enumerate(rows, start=1):
            if not names:
                names = list(dict.fromkeys([*(str(name) for name in row), *declared]))
                file.write(write.record(names))
            if unknown := set(row) - set(names):
                raise UsageError(f"{spec.name}: record {count} has {sorted(unknown)[0]!r}, which the file has no column for")
            file.write(write.record([write.value(row.get(name)) for name in names]))
    return count


class _CsvText:
    """Values and records in the dialect that the dataset's files are read by."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._end = form.record_end or "\n"
        breaks = (form.record_end,) if form.record_end else () if form.unquoted_newlines else ("\n", "\r")
        self._signs = tuple(sign for sign in (form.delimiter, *breaks, form.quote, form.escape) if sign)

    def value(self, value: Any) -> str:
        """The text that means the value."""
        form = self._form
        if value is None:
            return "" if "" in form.null_values or not form.null_values else form.null_values[0]
        told = text(value)
        if form.decimal_mark == "," and isinstance(value, (float, Decimal)):
            return told.replace(".", ",")
        return told

    def record(self, values: Sequence[str]) -> str:
        """One record with its end."""
        cells = [self._cell(value, first=at == 0) for at, value in enumerate(values)]
        return self._form.delimiter.join(cells) + self._end

    def _cell(self, value: str, *, first: bool) -> str:
        form = self._form
        opens_comment = first and form.comment and value.startswith(form.comment)
        if not opens_comment and not any(sign in value for sign in self._signs):
            return value
        if form.quote:
            escaped = value.replace(form.escape, form.escape * 2) if form.escape else value
            return f"{form.quote}{escaped.replace(form.quote, form.quote * 2)}{form.quote}"
        if form.escape and not opens_comment:
            return "".join(f"{form.escape}{char}" if any(char in sign for sign in self._signs) else char for char in value)
        raise ValueError(f"{value[:40]!r} holds a sign of the format, which has neither `quote` nor `escape` for it")
