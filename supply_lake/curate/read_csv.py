"""CSV → chunks of raw records, exact in what is a record and on which line it stands, whatever the size of the chunks.

Two parsers share the work. A buffer that ``boundaries`` finds well-formed goes to Arrow. Any other goes to ``csv`` of the
standard library, strictly: where it stumbles (a quote left open, text after a closing quote, bytes that are no text), the
physical line at which the record began is set aside and reading goes on with the next line.

What belongs here: bytes → text fields. What does not: what the fields mean.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from supply_lake.curate.boundaries import well_formed_end
from supply_lake.curate.raw import BadRecord, EmptyObject, RawChunk
from supply_lake.curate.source import PlainBytes
from supply_lake.datasets.format import Format
from supply_lake.errors import UnreadableObject

CHUNK_BYTES = 8 * 1024 * 1024
MAX_QUOTED_BYTES = 1024 * 1024  # a record longer than this whose quotes do not fit counts as one whose quote was never closed
BLANK, REPEATED_HEADER = "blank lines were passed over", "repeated header lines were passed over"
_LF = 10
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes of whole records. ``fits``: every quote is where the grammar has one. ``first_line`` is the line of byte 0.

    ``breaks`` counts the line breaks in it: both the next cut's first line and the lines of its own rows come of it.
    """

    data: bytes
    first_line: int
    fits: bool
    breaks: int


class CsvReader:
    """Reads one object. ``header`` are the column names as the file has them, after ``open``."""

    def __init__(self, stream: PlainBytes, form: Format, columns: tuple[str, ...], chunk_bytes: int = CHUNK_BYTES) -> None:
        self._form, self._chunk_bytes = form, chunk_bytes
        self._stream, self._read = stream, _utf8(stream, form.encoding)
        self._delimiter, self._quote = form.delimiter.encode(), form.quote.encode()
        self._buffer, self._line, self._header_line = b"", 1, ""
        self.header = self._read_header() if form.header else columns

    def cuts(self) -> Iterator[Cut]:
        """Whole records, in order, about ``chunk_bytes`` at a time."""
        final, wanted = False, self._chunk_bytes
        while not final:
            while len(self._buffer) < wanted and not final:
                block = self._read(self._chunk_bytes)
                final = not block
                self._buffer += block
            cut = self._cut(final)
            # A record longer than the buffer: look further next time.
            wanted = self._chunk_bytes if cut else len(self._buffer) + self._chunk_bytes
            if cut:
                yield cut

    def parse(self, cut: Cut) -> RawChunk:
        """The records of one cut. Pure: cuts may be parsed by several threads."""
        chunk = self._parse_fast(cut) if cut.fits and len(self.header) > 1 and _is_text(cut.data) else None
        if chunk is None or (_has_empty_row(chunk.frame) and _has_blank_line(cut.data)):
            chunk = _to_chunk(self.header, *self._parse_slow(cut.data, cut.first_line, True)[:3])
        return _without_repeated_header(chunk, self.header) if self._form.header else chunk

    # --- cutting

    def _cut(self, final: bool) -> Cut | None:
        end = well_formed_end(self._buffer, self._delimiter, self._quote, limit=MAX_QUOTED_BYTES, final=final)
        fits = end is not None
        if end is None:
            end = self._parse_slow(self._buffer, 1, final)[3]
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        if not data:
            return None
        cut = Cut(data, self._line, fits, _line_breaks(data))
        self._line += cut.breaks
        return cut

    def _read_header(self) -> tuple[str, ...]:
        while len(self._buffer) < MAX_QUOTED_BYTES and (block := self._read(MAX_QUOTED_BYTES)):
            self._buffer += block
        if not self._buffer:
            raise EmptyObject("zero bytes" if self._stream.empty else "whitespace only")
        lines = self._buffer.splitlines(keepends=True)
        skip = next((at for at, line in enumerate(lines) if line.strip()), None)
        if skip is None:
            raise EmptyObject("whitespace only")
        try:
            reader = csv.reader(_decoded(lines, skip), strict=True, **self._dialect())
            names = next(reader)
        except (csv.Error, UnicodeDecodeError, _NulByte) as error:
            raise UnreadableObject(f"its header line cannot be read ({error})") from None
        taken = skip + reader.line_num
        self._header_line = b"".join(lines[skip:taken]).decode().rstrip("\r\n")
        self._buffer = self._buffer[sum(len(line) for line in lines[:taken]) :]
        self._line += taken
        return column_names(names)

    # --- parsing

    def _parse_fast(self, cut: Cut) -> RawChunk:
        invalid: list[pa_csv.InvalidRow] = []

        def skip(row: pa_csv.InvalidRow) -> str:
            invalid.append(row)
            return "skip"

        table = pa_csv.read_csv(
            pa.BufferReader(cut.data),
            read_options=pa_csv.ReadOptions(column_names=self.header, use_threads=False, block_size=len(cut.data) + 1),
            parse_options=pa_csv.ParseOptions(
                delimiter=self._form.delimiter,
                quote_char=self._form.quote or False,
                newlines_in_values=bool(self._form.quote),
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(self.header, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
        frame = pl.DataFrame(pl.from_arrow(table))
        lines = _lines_of(frame, invalid, cut)
        bad, blanks = [], 0
        for row, line in zip(invalid, lines.dropped, strict=True):
            if row.text.strip():
                bad.append(self._bad(line, row.text.encode(), _ragged(row.actual_columns, row.expected_columns)))
            else:
                blanks += 1
        return RawChunk(frame, lines.kept, bad, {BLANK: blanks} if blanks else {})

    def _parse_slow(self, data: bytes, first_line: int, final: bool) -> tuple[list[list[str]], list[int], _Aside, int]:
        """Records, their lines, what is set aside, and how many bytes are dealt with (the rest is an unfinished record)."""
        lines = data.splitlines(keepends=True)
        if not final and lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # half a line, or half a CRLF
        offsets = np.cumsum([0, *(len(line) for line in lines)])
        records: list[list[str]] = []
        numbers: list[int] = []
        aside = _Aside()
        at = 0
        while at < len(lines):
            reader = csv.reader(_decoded(lines, at), strict=True, **self._dialect())
            start = at
            try:
                for record in reader:
                    end = at + reader.line_num
                    if end - start > 1 and offsets[end] - offsets[start] > MAX_QUOTED_BYTES:
                        raise csv.Error("end of data")
                    self._take(record, first_line + start, lines[start:end], records, numbers, aside)
                    start = end
                at = len(lines)
            except (csv.Error, UnicodeDecodeError, _NulByte) as error:
                unfinished = "end of data" in str(error)
                broke_at = at + reader.line_num
                if unfinished and not final and len(data) - offsets[start] <= MAX_QUOTED_BYTES:
                    return records, numbers, aside, int(offsets[start])
                aside.bad.append(self._bad(first_line + start, lines[start], _reason(error, first=broke_at == start)))
                at = start + 1
        return records, numbers, aside, int(offsets[-1])

    def _take(  # noqa: PLR0917
        self, record: list[str], line: int, lines: list[bytes], records: list[list[str]], numbers: list[int], aside: _Aside
    ) -> None:
        if not record or (len(record) == 1 and not record[0].strip() and b'"' not in lines[0]):
            aside.blanks += 1
        elif len(record) != len(self.header):
            aside.bad.append(self._bad(line, b"".join(lines), _ragged(len(record), len(self.header))))
        else:
            records.append(record)
            numbers.append(line)

    def _bad(self, line: int, record: bytes, reason: str) -> BadRecord:
        """A record that is set aside, with all that it takes to read it again."""
        record = record.rstrip(b"\r\n")
        try:
            return BadRecord(line, record.decode(), reason, header=self._header_line)
        except UnicodeDecodeError:
            exact = _as_landed(record, self._form.encoding)
            return BadRecord(line, record.decode(errors="backslashreplace"), reason, header=self._header_line, exact=exact)

    def _dialect(self) -> dict[str, Any]:
        form = self._form
        quoting = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        return {"delimiter": form.delimiter, **quoting}


class _Aside:
    """What the slow reader sets aside."""

    def __init__(self) -> None:
        self.bad: list[BadRecord] = []
        self.blanks = 0


class _NulByte(Exception):
    """A NUL in a line of text."""

    def __str__(self) -> str:
        return "it has a NUL byte"


def column_names(names: list[str]) -> tuple[str, ...]:
    """Unique names for a header: an empty one becomes ``column_3``, the second ``x`` becomes ``x_2``."""
    taken: set[str] = set()
    out = []
    for at, name in enumerate(names, start=1):
        base = name.strip() or f"column_{at}"
        unique, number = base, 2
        while unique in taken:
            unique, number = f"{base}_{number}", number + 1
        taken.add(unique)
        out.append(unique)
    return tuple(out)


def _utf8(stream: PlainBytes, encoding: str) -> Callable[[int], bytes]:
    """A ``read`` that gives UTF-8 without a byte order mark; a UTF-16 mark is believed whatever was declared.

    Bytes that the declared encoding does not have come through as they are, so that their line is set aside later.
    """
    head = stream.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    plain = codecs.lookup(encoding).name in ("utf-8", "ascii")
    if head.startswith(codecs.BOM_UTF8) and (plain or codecs.lookup(encoding).name == "utf-8-sig"):
        head, plain = head[len(codecs.BOM_UTF8) :], True
    decoder = None if plain else codecs.getincrementaldecoder(encoding)("surrogateescape")

    def read(size: int) -> bytes:
        nonlocal head
        while True:
            raw, head = head + stream.read(size), b""
            if decoder is None:
                return raw
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                raise UnreadableObject(f"is not {encoding} text ({error.reason} at byte {error.start})") from None
            if text or not raw:
                return text.encode("utf-8", "surrogateescape")

    return read


def _as_landed(record: bytes, encoding: str) -> bytes:
    """The record's bytes as the file has them, from what ``_utf8`` made of them."""
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii"):
        return record
    return record.decode("utf-8", "surrogateescape").encode(encoding, "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Lines:
    kept: pl.Series
    dropped: list[int]


def _lines_of(frame: pl.DataFrame, invalid: list[pa_csv.InvalidRow], cut: Cut) -> _Lines:
    """The physical lines of the parsed rows and of the rows that the parser dropped."""
    total = frame.height + len(invalid)
    dropped = np.fromiter((row.number - 1 for row in invalid), np.int64, len(invalid))
    kept = np.ones(total, bool)
    kept[dropped] = False
    heights = np.ones(total, np.int64)
    ends = cut.breaks + (not cut.data.endswith((b"\n", b"\r")))
    if ends != total:
        heights[kept] += _breaks_inside(frame)
        heights[dropped] += np.fromiter((_line_breaks(row.text.encode()) for row in invalid), np.int64, len(invalid))
    starts = cut.first_line + np.cumsum(heights) - heights
    return _Lines(pl.Series("line", starts[kept]), starts[dropped].tolist())


def _breaks_inside(frame: pl.DataFrame) -> np.ndarray:
    counts = frame.select(
        pl.sum_horizontal(pl.all().str.count_matches("\r\n|\r|\n").fill_null(0)).cast(pl.Int64).alias("breaks")
    )
    return counts["breaks"].to_numpy()


def _line_breaks(data: bytes) -> int:
    feeds = int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LF))  # twice as fast as counting bytes, and without the lock
    return feeds + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else feeds


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without NUL."""
    if not data or np.frombuffer(data, np.int8).min() > 0:  # as signed bytes, all that is not ASCII is below zero
        return True
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_empty_row(frame: pl.DataFrame) -> bool:
    """Whether a row has nothing but empty values: so Arrow gives a blank line."""
    return bool((frame.to_series(0) == "").any()) and bool(frame.select(pl.all_horizontal(pl.all() == "").any()).item())


def _has_blank_line(data: bytes) -> bool:
    return data.startswith((b"\n", b"\r")) or any(blank in data for blank in (b"\n\n", b"\n\r", b"\r\r"))


def _decoded(lines: list[bytes], start: int) -> Iterator[str]:
    for at in range(start, len(lines)):  # by index: a slice would copy the rest of the file for every broken line
        line = lines[at]
        if b"\0" in line:
            raise _NulByte
        yield line.decode()


def _reason(error: Exception, *, first: bool) -> str:
    if first and isinstance(error, UnicodeDecodeError):
        return f"bytes that are no text in the declared encoding (0x{error.object[error.start]:02x} at byte {error.start + 1})"
    if first and isinstance(error, _NulByte):
        return "a NUL byte"
    # Which of the two it is depends on what else the file holds further on, so the reason names both.
    return "a quote is not closed, or text stands after the closing one"


def _ragged(found: int, wanted: int) -> str:
    return f"{found} fields where the header has {wanted}"


def _to_chunk(header: tuple[str, ...], records: list[list[str]], numbers: list[int], aside: _Aside) -> RawChunk:
    columns = zip(*records, strict=True) if records else ([] for _ in header)
    frame = pl.DataFrame([pl.Series(name, list(values), pl.String) for name, values in zip(header, columns, strict=True)])
    return RawChunk(frame, pl.Series("line", numbers, pl.Int64), aside.bad, {BLANK: aside.blanks} if aside.blanks else {})


def _without_repeated_header(chunk: RawChunk, header: tuple[str, ...]) -> RawChunk:
    first = chunk.frame[header[0]] == header[0]
    if not first.any():
        return chunk
    repeats = chunk.frame.select(pl.all_horizontal([pl.col(name) == name for name in header]).alias("r"))["r"]
    notes = {**chunk.notes, REPEATED_HEADER: int(repeats.sum())} if repeats.any() else chunk.notes
    return RawChunk(chunk.frame.filter(~repeats), chunk.lines.filter(~repeats), chunk.bad, notes)
