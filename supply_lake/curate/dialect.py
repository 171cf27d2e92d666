"""Any dialect of delimited text as a spelling of plain CSV, so that two parsers of plain CSV read them all.

Plain CSV has a delimiter of one character, ends records with line breaks, and escapes nothing but by doubled quotes. What a
dialect has instead is written with stand-ins that the text at hand cannot contain, parsed, and written back in the values:

- for the exact parser, text by text, halves of surrogate pairs, which no decoded text has;
- for Arrow, buffer by buffer, control characters that the buffer happens not to have. There may be none, and signs that need
  more care than replacing; then there is no such spelling, and the exact parser reads the buffer.

What belongs here: stand-ins, there and back. What does not: parsing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from supply_lake.curate.boundaries import line_breaks
from supply_lake.datasets.format import Format

_DELIMITER, _LF, _CR = "\ud800", "\ud801", "\ud802"
_SPARE = [bytes([code]) for code in (*range(1, 9), 11, 12, *range(14, 32), 127)]


@dataclass(frozen=True, slots=True)
class Spelling:
    """A buffer in plain CSV: ``data`` with its ``delimiter``, and what stands for line breaks that are text."""

    data: bytes
    delimiter: bytes
    line_feed: bytes = b""
    carriage_return: bytes = b""


class Dialect:
    """The signs of one format. ``plain``: it is plain CSV, and nothing needs a stand-in."""

    def __init__(self, form: Format) -> None:
        self._delimiter, self._record_end, self._escape = form.delimiter, form.record_end, form.escape
        self._bytes = form.delimiter.encode(), form.record_end.encode(), form.escape.encode()
        self.quote = form.quote.encode()
        self._simple = len(self._bytes[0]) == 1 and len(self.quote) < 2
        self.plain = self._simple and not (form.record_end or form.escape)
        # A record of so many bytes is at least one byte in its spelling for Arrow.
        self.shrinks = max(len(self._bytes[0]), len(self._bytes[1]), 1)
        quoting: dict[str, Any] = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        self.csv: dict[str, Any] = {
            "delimiter": form.delimiter if self._simple else _DELIMITER,
            "escapechar": form.escape or None,
            "strict": True,
            **quoting,
        }
        signs = [re.escape(form.escape) + r"(\r\n$|.)"] if form.escape else []
        self._signs = re.compile("|".join([*signs, re.escape(form.delimiter)]), re.DOTALL)

    # --- for the exact parser

    def pieces(self, data: bytes) -> list[bytes]:
        """The data cut behind every record end, within quotes or not."""
        end = self._bytes[1]
        if not end:
            return data.splitlines(keepends=True)
        *ended, rest = data.split(end)
        return [piece + end for piece in ended] + ([rest] if rest else [])

    @property
    def has_record_end(self) -> bool:
        """Whether records end with something of their own, so that line breaks are text."""
        return bool(self._record_end)

    def line_numbers(self, pieces: Sequence[bytes], first_line: int) -> np.ndarray:
        """The physical line at which each piece begins, where pieces are not lines."""
        heights = np.fromiter(map(line_breaks, pieces), np.int64, len(pieces))
        numbers: np.ndarray = first_line + np.cumsum(heights) - heights
        return numbers

    def breaks(self, data: bytes) -> int:
        """Line breaks in a buffer of whole pieces."""
        if self._record_end.endswith("\r"):  # a line feed that follows belongs to the next piece
            return sum(map(line_breaks, self.pieces(data)))
        return line_breaks(data)

    def is_whole(self, piece: bytes) -> bool:
        """Whether the last piece of a buffer is sure to end where it does; a carriage return may be half of a CRLF."""
        return piece.endswith(self._bytes[1] or b"\n")

    def bare(self, record: bytes) -> bytes:
        """A record without its end."""
        return record.removesuffix(self._bytes[1]) if self._record_end else record.rstrip(b"\r\n")

    def spelled(self, piece: bytes) -> str:
        """A piece as the ``csv`` module reads it.

        :raises UnicodeDecodeError: the piece is no text
        """
        text = piece.decode()
        if self.plain:
            return text
        end = ""
        if self._record_end:
            if text.endswith(self._record_end):
                text, end = text.removesuffix(self._record_end), "\n"
            text = text.replace("\n", _LF).replace("\r", _CR)
        if self._escape and self._escape in text:
            text = self._signs.sub(self._spelled_sign, text)
        elif not self._simple:
            text = text.replace(self._delimiter, _DELIMITER)
        return text + end

    def _spelled_sign(self, found: re.Match[str]) -> str:
        escaped = found[1]
        if escaped is None:
            return str(self.csv["delimiter"])
        if escaped == "N":
            return self._escape * 2 + "N"
        return f"{_CR}{self._escape}\n" if escaped == "\r\n" else found[0]

    def values(self, record: list[str]) -> list[str]:
        """The values of a record as the file has them."""
        return record if self.plain else [self._value(value) for value in record]

    def _value(self, value: str) -> str:
        if self._record_end:
            value = value.replace("\n", self._record_end).replace(_LF, "\n")
        return value.replace(_DELIMITER, self._delimiter).replace(_CR, "\r")

    # --- for Arrow

    def spell(self, data: bytes) -> Spelling | None:
        """The buffer for Arrow, or ``None`` when only the exact parser can read it."""
        delimiter, end, escape = self._bytes
        if self.plain:
            return Spelling(data, delimiter)
        if len(self.quote) > 1 or (escape and escape in data) or (end and self.quote and self.quote in data):
            return None
        spare = list(islice((one for one in _SPARE if one not in data and one not in (self.quote, delimiter)), 4))
        if len(spare) < 4:
            return None
        stand_in, line_feed, carriage_return, record_end = spare
        if end:
            data = data.replace(end, record_end).replace(b"\n", line_feed).replace(b"\r", carriage_return)
            data = data.replace(record_end, b"\n")
        if self._simple:
            return Spelling(data, delimiter, line_feed, carriage_return)
        return Spelling(data.replace(delimiter, stand_in), stand_in, line_feed, carriage_return)

    def length(self, spelling: Spelling, end: int) -> int:
        """How many bytes of the buffer the first ``end`` bytes of its spelling are."""
        if self.plain:
            return end
        delimiter, record_end, _ = self._bytes
        longer = spelling.data.count(spelling.delimiter, 0, end) * (len(delimiter) - 1)
        return end + longer + (spelling.data.count(b"\n", 0, end) * (len(record_end) - 1) if record_end else 0)

    def frame(self, frame: pl.DataFrame, spelling: Spelling) -> pl.DataFrame:
        """Parsed columns with the values as the file has them."""
        back = self._back(spelling)
        if not back:
            return frame
        column = pl.all()
        for stand_in, meant in back:
            column = column.str.replace_all(stand_in, meant, literal=True)
        return frame.with_columns(column)

    def text(self, text: str, spelling: Spelling) -> str:
        """Spelled text as the file has it."""
        for stand_in, meant in self._back(spelling, quoted=True):
            text = text.replace(stand_in, meant)
        return text

    def _back(self, spelling: Spelling, *, quoted: bool = False) -> list[tuple[str, str]]:
        """(stand-in, what it stands for); a delimiter is in a value only when the buffer has quotes."""
        back = []
        if not self._simple and (quoted or (self.quote and self.quote in spelling.data)):
            back.append((spelling.delimiter.decode(), self._delimiter))
        if self._record_end:
            breaks = ((spelling.line_feed, "\n"), (spelling.carriage_return, "\r"))
            back += [(one.decode(), meant) for one, meant in breaks if one in spelling.data]
        return back
