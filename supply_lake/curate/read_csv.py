"""CSV → chunks of raw records, exact in what is a record and on which line it stands, whatever the size of the chunks.

Two parsers share the work. A buffer that ``boundaries`` finds well-formed goes to Arrow (``fast_csv``), any other to the exact
reader (``exact_csv``). A dialect is a spelling of plain CSV for either of them (``dialect``).

What belongs here: finding the header, cutting the stream into buffers, and choosing the parser. What does not: what the fields
mean.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np
import polars as pl

from supply_lake.curate import exact_csv, fast_csv
from supply_lake.curate.boundaries import even_lines_end, well_formed_end
from supply_lake.curate.columns import column_names
from supply_lake.curate.dialect import Dialect
from supply_lake.curate.exact_csv import BLANK, COMMENT, ExactReader
from supply_lake.curate.fast_csv import Cut
from supply_lake.curate.margins import Body
from supply_lake.curate.raw import EmptyObject, RawChunk, Readable, Told
from supply_lake.curate.text import Utf8
from supply_lake.datasets.format import Format
from supply_lake.errors import UnreadableObject

CHUNK_BYTES = 8 * 1024 * 1024
LONGEST_RECORD = 64 * 1024 * 1024
_GLANCE = 4096
REPEATED_HEADER = "repeated header lines were passed over"


class CsvReader:
    """Reads one object. ``header`` are the names of its columns.

    :param columns: names of the columns of a file that has no header line
    :param told: gets what the file says besides its records; whole when ``cuts`` is through
    :raises EmptyObject: there is nothing but white space, preamble, comments and footer
    :raises UnreadableObject: the header line cannot be read
    """

    def __init__(
        self, stream: Readable, form: Format, columns: tuple[str, ...], told: Told, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._form, self._told, self._chunk_bytes = form, told, chunk_bytes
        self._text = Utf8(stream, form.encoding)
        self._body = Body(self._text, form.skip_lines, form.footer)
        self._dialect, self._comment, self._delimiter = Dialect(form), form.comment.encode(), form.delimiter.encode()
        self._buffer, self._ended = self._body.read(chunk_bytes), False
        self._line = self._body.first_line
        self._find_first_record()
        self._header_line = ""
        self._names = self._read_header() if form.header else columns
        self.header = column_names(self._names)
        self._exact = self._exact_reader(len(self.header))

    def cuts(self) -> Iterator[Cut]:
        """Whole records, in order, about ``chunk_bytes`` at a time.

        :raises UnreadableObject: a record has no end
        """
        wanted = self._chunk_bytes
        while not self._ended or self._buffer:
            self._fill(wanted)
            cut = self._cut()
            # A record longer than the buffer: look further next time.
            wanted = self._chunk_bytes if cut else len(self._buffer) + self._chunk_bytes
            if cut:
                yield cut
        self._tell()

    def parse(self, cut: Cut) -> RawChunk:
        """The records of one cut. Pure: cuts may be parsed by several threads."""
        chunk = self._parse_fast(cut) if cut.chunk is None else cut.chunk
        if chunk is None:
            chunk = self._exact.read(cut.data, cut.first_line, final=True).chunk(self.header)
        chunk = replace(chunk, bad=[replace(one, header=self._header_line) for one in chunk.bad])
        return self._without_repeated_header(chunk) if self._form.header else chunk

    # --- before the first record

    def _find_first_record(self) -> None:
        """Pass over blank lines and comments, however many."""
        for head, ended in self._heads():
            pieces = self._dialect.pieces(head)
            if not ended and pieces and not self._dialect.is_whole(pieces[-1]):
                pieces.pop()
            passed = list(takewhile(self._is_passed_over, pieces))
            self._told.notes.update(COMMENT if self._is_comment(piece) else BLANK for piece in passed)
            self._take(sum(map(len, passed)))
            if len(passed) < len(pieces):
                return
        self._tell()
        if self._text.empty:
            raise EmptyObject("zero bytes")
        raise EmptyObject("header only" if set(self._told.notes) - {BLANK} else "whitespace only")

    def _read_header(self) -> tuple[str, ...]:
        reader = self._exact_reader(None)
        for head, ended in self._heads():
            found = reader.read(head, self._line, final=ended, most=1)
            if found.bad:
                raise UnreadableObject(f"its header line cannot be read ({found.bad[0].reason})")
            if found.records:
                self._header_line = self._text.readable(self._dialect.bare(self._take(found.end)))
                return tuple(found.records[0])
        raise EmptyObject("whitespace only")  # an escaped space, for example

    def _heads(self) -> Iterator[tuple[bytes, bool]]:
        """The beginning of what is left, longer and longer, and whether that is all; whoever has seen enough stops."""
        size = _GLANCE
        while True:
            head = self._buffer[:size]
            ended = self._ended and len(head) == len(self._buffer)
            yield head, ended
            if ended:
                return
            if len(head) < len(self._buffer):
                size *= 4
            else:
                self._fill(len(self._buffer) + self._chunk_bytes)

    def _is_passed_over(self, piece: bytes) -> bool:
        blank = self._delimiter not in piece and not piece.decode("utf-8", "replace").strip()
        return blank or self._is_comment(piece)

    def _is_comment(self, piece: bytes) -> bool:
        return bool(self._comment) and piece.startswith(self._comment)

    # --- cutting

    def _cut(self) -> Cut | None:
        end, chunk = self._well_formed_end(), None
        if end is None:
            exact = self._exact.read(self._buffer, self._line, final=self._ended)
            end, chunk = exact.end, exact.chunk(self.header)
        if end == 0:
            return None
        first_line = self._line
        data = self._take(end)
        return Cut(data, first_line, self._line - first_line, chunk)

    def _well_formed_end(self) -> int | None:
        """How many bytes of the buffer are whole records that Arrow can read; ``None`` when it cannot."""
        dialect, buffer = self._dialect, self._buffer
        spelling = None if self._has_comment(buffer) else dialect.spell(buffer)
        if spelling is None:
            return None
        if self._form.unquoted_newlines:
            quoted = dialect.quote and dialect.quote in buffer
            end = None if quoted else even_lines_end(spelling.data, spelling.delimiter, len(self.header), final=self._ended)
        else:
            limit = exact_csv.MAX_QUOTED_BYTES // dialect.shrinks
            end = well_formed_end(spelling.data, spelling.delimiter, dialect.quote, limit=limit, final=self._ended)
        end = None if end is None else dialect.length(spelling, end)
        # A line that is no text is set aside alone, so a quote in it may open what no record closes.
        if end and dialect.quote and buffer.find(dialect.quote, 0, end) >= 0 and not _is_text(buffer, end):
            return None
        return end

    def _has_comment(self, buffer: bytes) -> bool:
        """Whether a comment may stand in the buffer."""
        if not self._comment or self._comment not in buffer:
            return False
        ends = (b"\n", b"\r") if not self._dialect.has_record_end else (b"",)
        return buffer.startswith(self._comment) or any(end + self._comment in buffer for end in ends)

    def _parse_fast(self, cut: Cut) -> RawChunk | None:
        if len(self.header) == 1 or cut.data.startswith(codecs.BOM_UTF8) or not _is_text(cut.data, len(cut.data)):
            return None  # Arrow takes a byte order mark off every buffer, also where it is text
        spelling = self._dialect.spell(cut.data)
        return fast_csv.parse(cut, spelling, self.header, self._dialect) if spelling else None

    # --- the buffer

    def _fill(self, size: int) -> None:
        if not self._ended and size > LONGEST_RECORD + self._chunk_bytes:
            raise UnreadableObject(f"has a record of more than {LONGEST_RECORD:,} bytes; look at what ends its records")
        while len(self._buffer) < size and not self._ended:
            block = self._body.read(self._chunk_bytes)
            self._ended = not block
            self._buffer += block

    def _take(self, size: int) -> bytes:
        """The first bytes of the buffer, which are dealt with."""
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        self._line += self._dialect.breaks(data)
        return data

    def _tell(self) -> None:
        self._told.notes.update(self._text.notes + self._body.notes)
        self._told.totals += self._body.totals

    def _exact_reader(self, width: int | None) -> ExactReader:
        form = self._form
        return ExactReader(
            self._dialect, self._text, width, comment=form.comment, joins=form.unquoted_newlines and width is not None
        )

    def _without_repeated_header(self, chunk: RawChunk) -> RawChunk:
        first = chunk.frame[self.header[0]] == self._names[0]
        if not first.any():
            return chunk
        names = dict(zip(self.header, self._names, strict=True))
        repeats = chunk.frame.select(pl.all_horizontal([pl.col(one) == name for one, name in names.items()]).alias("r"))["r"]
        notes = {**chunk.notes, REPEATED_HEADER: int(repeats.sum())} if repeats.any() else chunk.notes
        return RawChunk(chunk.frame.filter(~repeats), chunk.lines.filter(~repeats), chunk.bad, notes)


def _is_text(data: bytes, end: int) -> bool:
    """Whether the bytes up to the end are UTF-8 without NUL."""
    if not end or np.frombuffer(data, np.int8, end).min() > 0:  # as signed bytes, all that is not ASCII is below zero
        return True
    if data.find(b"\0", 0, end) >= 0:
        return False
    try:
        data[:end].decode()
    except UnicodeDecodeError:
        return False
    return True
