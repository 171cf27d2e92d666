"""Cuts CSV text into stretches of whole records. Where the cuts fall never changes what the records are.

What belongs here: where records and physical lines begin and end. What does not: fields (``csv_read``).

The rules, which hold whatever the size of the pieces: lines end with ``\\n``, ``\\r\\n`` or ``\\r``. A field that begins with
the quote runs to its closing quote, over line ends too; doubled quotes are literal. A quote inside an unquoted field is
plain text. A record whose closing quote is followed by text, or whose quote is not closed within ``MAX_RECORD`` bytes, is
broken: the line on which it began is set aside, and reading goes on with the next line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from supply_lake.curate.raw import Aside
from supply_lake.curate.text import checked, readable
from supply_lake.errors import UnreadableObject

MAX_RECORD = 1 << 20
MAX_LINE = 64 << 20
UNCLOSED = "a quote is opened and never closed"
AFTER_QUOTE = "text follows a closing quote"
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dialect:
    """How fields are told apart; ``quote`` is empty where nothing is quoted. Both are one ASCII character."""

    delimiter: bytes = b","
    quote: bytes = b'"'

    @cached_property
    def quoted(self) -> re.Pattern[bytes]:
        """A whole quoted field."""
        q = re.escape(self.quote)
        return re.compile(rb"%s(?:[^%s]++|%s%s)*+%s(?!%s)" % (q, q, q, q, q, q))

    @cached_property
    def plain(self) -> re.Pattern[bytes]:
        """The rest of an unquoted field."""
        return re.compile(rb"[^%s\r\n]*" % re.escape(self.delimiter))


@dataclass(slots=True)
class Stretch:
    """Whole records, in ``data``. ``first_line`` is the line of its first byte, ``line_count`` counts its physical lines.

    ``lines`` is given when broken records were taken out, and has the line of each record left in ``data``.
    """

    data: bytes
    first_line: int
    line_count: int
    lines: Positions | None = None
    asides: list[Aside] = field(default_factory=list)


def stretches(pieces: Iterable[bytes], dialect: Dialect, first_line: int = 1) -> Iterator[Stretch]:
    """Cut the text, handed over in pieces of any size, into stretches.

    :raises UnreadableObject: a line is longer than ``MAX_LINE``
    """
    rest, line = b"", first_line
    for piece in pieces:
        rest = rest + piece if rest else piece
        stretch, used = _cut(rest, dialect, line, final=False)
        if used:
            rest, line = rest[used:], line + stretch.line_count
            yield stretch
        if len(rest) > MAX_LINE:
            raise UnreadableObject(f"line {line} is longer than {MAX_LINE >> 20} MiB; it is no text file of records")
    while rest:
        stretch, used = _cut(rest, dialect, line, final=True)
        rest, line = rest[used:], line + stretch.line_count
        yield stretch


def _cut(data: bytes, dialect: Dialect, line: int, *, final: bool) -> tuple[Stretch, int]:
    """The first stretch of the data and how many bytes it takes; 0 when more data is needed to tell."""
    if not dialect.quote or dialect.quote not in data:
        end = len(data) if final else last_line_end(data)
        return _whole(data, end, line), end
    end = _last_record_end(data, dialect, final=final)
    if end is None:
        return _walk(data, dialect, line, final=final)
    return _whole(data, end, line), end


def _whole(data: bytes, end: int, line: int) -> Stretch:
    data = data[:end] if end < len(data) else data
    return Stretch(data, line, count_lines(data))


def last_line_end(data: bytes) -> int:
    """One past the last line end that cannot be half of a ``\\r\\n``."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(len(data) - 1, 0))) + 1


def count_lines(data: bytes) -> int:
    """Physical lines, an unfinished last one included."""
    if not data:
        return 0
    ends = data.count(b"\n")
    if b"\r" in data:
        ends += data.count(b"\r") - data.count(b"\r\n")
    return ends + (data[-1:] not in (b"\n", b"\r"))


def line_ends(data: bytes) -> Positions:
    """Position of the last byte of every physical line end."""
    codes = np.frombuffer(data, dtype=np.uint8)
    if b"\r" not in data:
        return np.flatnonzero(codes == 10)
    ends = np.flatnonzero((codes == 10) | (codes == 13))
    follows = np.append(codes[1:], 0)
    return ends[~((codes[ends] == 13) & (follows[ends] == 10))]


def record_ends(data: bytes, dialect: Dialect) -> Positions:
    """Positions of the line ends that end records, those inside quotes left out; for text whose quotes are sound."""
    ends = line_ends(data)
    if not dialect.quote or dialect.quote not in data:
        return ends
    quotes = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == dialect.quote[0])
    return ends[np.searchsorted(quotes, ends) % 2 == 0]


def _last_record_end(data: bytes, dialect: Dialect, *, final: bool) -> int | None:
    """One past the last whole record; ``None`` when a quote is out of place and the records have to be walked."""
    codes = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(codes == dialect.quote[0])
    if not _sound(codes, quotes, dialect) or (final and len(quotes) % 2):
        return None
    ends = record_ends(data, dialect)
    if np.diff(ends, prepend=-1, append=len(data)).max() > MAX_RECORD:
        return None
    if final:
        return len(data)
    whole = ends[ends < last_line_end(data)]
    return int(whole[-1]) + 1 if len(whole) else 0


def _sound(codes: npt.NDArray[np.uint8], quotes: Positions, dialect: Dialect) -> bool:
    """Whether every quote opens a field, closes one, or is doubled."""
    edges = (dialect.delimiter[0], 10, 13)
    opening, closing = quotes[0::2], quotes[1::2]
    before = codes[np.maximum(opening - 1, 0)]
    opens = (opening == 0) | np.isin(before, edges)
    opens[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    after = codes[np.minimum(closing + 1, len(codes) - 1)]
    closes = (closing == len(codes) - 1) | np.isin(after, (*edges, dialect.quote[0]))
    return bool(opens.all() and closes.all())


def _walk(data: bytes, dialect: Dialect, first_line: int, *, final: bool) -> tuple[Stretch, int]:
    """Record by record, for text with quotes out of place: what is sound is kept, broken lines are set aside."""
    good: list[bytes] = []
    lines: list[int] = []
    asides: list[Aside] = []
    at, line = 0, first_line
    while at < len(data):
        end, problem = _record(data, at, dialect, final=final)
        if end is None:
            break
        if problem:
            asides.append(Aside(line, line_text(data[at:end]), problem))
        else:
            good.append(data[at:end])
            lines.append(line)
        line += count_lines(data[at:end])
        at = end
    joined = b"".join(good)
    return Stretch(joined, first_line, line - first_line, np.array(lines, dtype=np.int64), asides), at


def line_text(data: bytes) -> str:
    """A line as text fit for a record, without its end."""
    return readable(checked(data).decode("utf-8").rstrip("\r\n"))


def _record(data: bytes, start: int, dialect: Dialect, *, final: bool) -> tuple[int | None, str]:
    """Where the record that starts here ends, and what is wrong with it; no end when more data is needed to tell.

    The end of a broken record is the end of its first line.
    """
    at, limit = start, start + MAX_RECORD
    while True:
        if data[at : at + 1] == dialect.quote:
            found = dialect.quoted.match(data, at, min(len(data), limit + 1))
            if found is None or found.end() > limit:
                return _broken(data, start, UNCLOSED, sure=final or len(data) > limit)
            at = found.end()
            if at == len(data) and not final:
                return None, ""
            if at < len(data) and data[at : at + 1] not in (dialect.delimiter, b"\n", b"\r"):
                return _broken(data, start, AFTER_QUOTE, sure=True)
        else:
            at = dialect.plain.match(data, at).end()  # type: ignore[union-attr]
        if data[at : at + 1] != dialect.delimiter:
            return _line_end(data, at, final=final), ""
        at += 1


def _broken(data: bytes, start: int, problem: str, *, sure: bool) -> tuple[int | None, str]:
    if not sure:
        return None, ""
    at = min((found for found in (data.find(b"\n", start), data.find(b"\r", start)) if found >= 0), default=len(data))
    return _line_end(data, at, final=True), problem


def _line_end(data: bytes, at: int, *, final: bool) -> int | None:
    """One past the line end at ``at``; no end when the data stops before it is complete."""
    if at >= len(data):
        return len(data) if final else None
    if data[at : at + 1] == b"\r":
        if at + 1 >= len(data) and not final:
            return None
        return at + 2 if data[at + 1 : at + 2] == b"\n" else at + 1
    return at + 1
