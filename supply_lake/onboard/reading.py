"""The whole sample through the readers that ingestion has: raw records, kept column by column.

What belongs here: reading, keeping, and what could not be read. What does not: what the values are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import ijson
import polars as pl

from supply_lake.curate.archive import files_in
from supply_lake.curate.cast import as_text
from supply_lake.curate.json_items import Flawed, array_items
from supply_lake.curate.raw import BadRecord, EmptyObject, RawChunk, Readable, Told
from supply_lake.curate.read_csv import CsvReader
from supply_lake.curate.read_json import read_document, read_lines
from supply_lake.curate.read_parquet import read_parquet
from supply_lake.curate.source import PlainBytes
from supply_lake.curate.spool import Spool
from supply_lake.curate.text import Utf8
from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnreadableObject
from supply_lake.onboard.nested import Node
from supply_lake.onboard.sample import SAMPLE_BYTES, Sample, SampleFile

MEMORY = 128 * 1024 * 1024
_BAD_TOLD = 5
_BLOCK = 4 * 1024 * 1024


@dataclass(slots=True)
class FileRead:
    """What came of reading one file. ``reason`` says why it gave nothing, if it did; ``cut``: its beginning was enough."""

    name: str
    header: tuple[str, ...] = ()
    records: int = 0
    bad: int = 0
    bad_examples: list[BadRecord] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    reason: str = ""
    cut: bool = False


class Gathered:
    """All raw records of the sample. Columns are asked for by the names that the files have."""

    def __init__(self, spool: Spool, most: int) -> None:
        self.spool, self._left = spool, most
        self.files: list[FileRead] = []
        self.file_of: list[int] = []
        self.types: dict[str, set[pl.DataType]] = {}
        self.tree: Node | None = None

    @property
    def rows(self) -> int:
        """Records that could be read."""
        return sum(one.records for one in self.files)

    @property
    def bad(self) -> int:
        """Records that could not be told apart."""
        return sum(one.bad for one in self.files)

    @property
    def names(self) -> list[str]:
        """The names that occur, those of the last file first in its order, since the newest is most like what will come."""
        return list(dict.fromkeys(name for one in reversed(self.files) for name in one.header))

    def column(self, names: Sequence[str]) -> pl.Series:
        """One column over all records: of each file, the first of the names that it has; null where it has none.

        Values of one type stay typed; others are text.
        """
        parts = [self._part(at, names) for at in range(len(self.spool))]
        kinds = {part.dtype for part in parts if part.dtype != pl.Null}
        kind = kinds.pop() if len(kinds) == 1 else pl.String()
        return (
            pl.concat([part if part.dtype == kind else _as(part, kind) for part in parts])
            if parts
            else pl.Series("value", [], pl.String)
        )

    def _part(self, at: int, names: Sequence[str]) -> pl.Series:
        found = (column for name in names if (column := self.spool.column(at, name)) is not None)
        empty = pl.Series("value", [None], pl.Null).new_from_index(0, self.spool.rows(at))
        return next(found, empty).alias("value")

    def file_numbers(self) -> pl.Series:
        """For every record, the place of its file."""
        parts = [
            pl.Series("file", [self.file_of[at]], pl.Int32).new_from_index(0, self.spool.rows(at))
            for at in range(len(self.spool))
        ]
        return pl.concat(parts) if parts else pl.Series("file", [], pl.Int32)

    @property
    def cut(self) -> list[str]:
        """Names of the files of which only the beginning was read."""
        return [one.name for one in self.files if one.cut]

    def keep(self, chunk: RawChunk) -> bool:
        """Keep one more chunk of the file that is being read; false when the sample is large enough with it."""
        one = self.files[-1]
        one.records += chunk.frame.height
        one.bad += len(chunk.bad)
        one.bad_examples = [*one.bad_examples, *chunk.bad][:_BAD_TOLD]
        one.notes.update(chunk.notes)
        one.header = tuple(dict.fromkeys([*one.header, *chunk.frame.columns]))
        for name, kind in chunk.frame.schema.items():
            self.types.setdefault(name, set()).add(kind)
        if chunk.frame.height:
            self.spool.append(chunk.frame)
            self.file_of.append(len(self.files) - 1)
            self._left -= int(chunk.frame.estimated_size())
        return self._left > 0


def _as(part: pl.Series, kind: pl.DataType) -> pl.Series:
    return as_text(part) if kind == pl.String else part.cast(kind, strict=False)


def gather(sample: Sample, form: Format, names: Sequence[str], scratch: Path, most: int = SAMPLE_BYTES) -> Gathered:
    """Read every file of the sample. A file that cannot be read is told, and the others go on.

    :param names: of the columns of files without a header
    :param most: bytes of values after which reading stops
    """
    scratch.mkdir(parents=True, exist_ok=True)
    gathered = Gathered(Spool(scratch, "sample", MEMORY), most)
    for file in sample.files:
        gathered.files.append(FileRead(file.name))
        try:
            with PlainBytes(file.source()) as stream:
                for _, plain in files_in(stream, form.members, scratch, gathered.files[-1].notes):
                    _read(plain, form, names, scratch, gathered)
        except EmptyObject as empty:
            gathered.files[-1].reason = f"it is empty: {empty}"
        except UnreadableObject as error:
            gathered.files[-1].reason = str(error)
    if form.type in ("json", "jsonl"):
        gathered.tree = _tree(sample, gathered, form, scratch)
    return gathered


def _read(plain: Readable, form: Format, names: Sequence[str], scratch: Path, gathered: Gathered) -> None:
    """One file, or one member of an archive."""
    one, told = gathered.files[-1], Told()
    if form.type == "csv":
        reader = CsvReader(plain, form, tuple(names), told)
        one.header = tuple(dict.fromkeys([*one.header, *reader.header]))
        chunks: Iterator[RawChunk] = map(reader.parse, reader.cuts())
    elif form.type == "parquet":
        chunks = read_parquet(plain, scratch)
    else:
        chunks = (read_lines if form.type == "jsonl" else read_document)(plain, _undeclared(form), told)
    for chunk in chunks:
        if not gathered.keep(chunk):
            one.cut = True
            break
    one.notes.update(told.notes)


def _undeclared(form: Format) -> DatasetSpec:
    """A declaration that knows nothing of the records but their format."""
    nothing = {"name": "sample", "description": "-", "owner": "team:sample", "source": {"system": "-"}}
    return DatasetSpec.model_validate({**nothing, "format": form, "columns": [{"name": "a", "type": "string"}]})


# --- the tree of JSON records


def _tree(sample: Sample, gathered: Gathered, form: Format, scratch: Path) -> Node:
    """What occurs in the records, which the readers' texts no longer tell: ``"1"`` is not ``1``."""
    root = Node()
    for file, read in zip(sample.files, gathered.files, strict=True):
        for record in islice(_records(file, form, scratch), read.records if read.cut else None):
            root.add(record)
    return root


def _records(file: SampleFile, form: Format, scratch: Path) -> Iterator[dict[str, Any]]:
    """The usable records. What is wrong with the others, the readers have told."""
    try:
        with PlainBytes(file.source()) as stream:
            for _, plain in files_in(stream, form.members, scratch, Counter()):
                text = Utf8(plain, form.encoding)
                yield from (item for item in _items(text, form) if isinstance(item, dict))
    except (UnreadableObject, EmptyObject, ijson.JSONError, ValueError, ArithmeticError):
        return


def _items(text: Utf8, form: Format) -> Iterator[Any]:
    if form.type == "json":
        yield from (item for _, item in array_items(text, form.records_path) if not isinstance(item, Flawed))
        return
    rest = b""
    while block := text.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from _decoded(lines)
    yield from _decoded([rest])


def _decoded(lines: Sequence[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            continue
