"""The exact reader of CSV: what is a record, where it begins, and what is none, whatever stands in the bytes.

``csv`` of the standard library reads record by record, strictly. Where it stumbles (a quote left open, text after a closing
quote, bytes that are no text), the line at which the record began is set aside and reading goes on with the next. It is paid
for only where Arrow cannot be trusted: see ``read_csv``.

What belongs here: bytes → records, lines, and what is set aside. What does not: cutting a stream into buffers.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from supply_lake.curate.dialect import Dialect
from supply_lake.curate.raw import BadRecord, RawChunk
from supply_lake.curate.text import Utf8

MAX_QUOTED_BYTES = 1024 * 1024  # a record longer than this whose quotes do not fit counts as one whose quote was never closed
BLANK, COMMENT = "blank lines were passed over", "comment lines were passed over"
# Which of them it is depends on what else the file holds further on, so the reason names all.
_OPEN = "a quote is not closed, or text stands after the closing one"
csv.field_size_limit(2**31 - 1)


@dataclass(slots=True)
class Exact:
    """What was read of a buffer. ``end``: how many of its bytes are dealt with; the rest is a record that goes on."""

    records: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    end: int = 0

    def chunk(self, header: Sequence[str]) -> RawChunk:
        """The records as columns of text."""
        columns = zip(*self.records, strict=True) if self.records else ([] for _ in header)
        frame = pl.DataFrame([pl.Series(name, list(values), pl.String) for name, values in zip(header, columns, strict=True)])
        return RawChunk(frame, pl.Series("line", self.lines, pl.Int64), self.bad, dict(self.notes))


class ExactReader:
    """Reads buffers that begin where a record begins. Safe to be used by several threads.

    :param width: fields of a record; ``None`` takes any number
    :param comment: what a line begins with that is passed over
    :param joins: whether lines are joined until a record has ``width`` fields
    """

    def __init__(self, dialect: Dialect, text: Utf8, width: int | None, *, comment: str, joins: bool) -> None:
        self._dialect, self._text, self._width = dialect, text, width
        self._comment, self._joins = comment.encode(), joins

    def read(self, data: bytes, first_line: int, *, final: bool, most: int | None = None) -> Exact:
        """The records of a buffer.

        :param final: nothing follows the buffer, so that its end ends a record
        :param most: stop after so many records
        """
        walk = _Walk(self._dialect, data, first_line, final=final)
        done = Exact()
        while walk.at < len(walk.pieces) and len(done.records) != most:
            start = walk.at
            if self._comment and walk.pieces[start].startswith(self._comment):
                done.notes[COMMENT] += 1
                walk.at += 1
                continue
            try:
                self._take(self._record(walk), walk, start, done)
            except _Unfinished:
                if walk.may_go_on(start):
                    walk.go_to(start)
                    break
                self._set_aside(_OPEN, walk, start, done)
            except _Stray as stray:
                self._set_aside(str(stray) or self._text.fault(walk.pieces[start]), walk, start, done)
        done.end = walk.offset(walk.at)
        return done

    def _record(self, walk: _Walk) -> list[str]:
        start = walk.at
        record = walk.next()
        if walk.at - start > 1 and walk.length(start) > MAX_QUOTED_BYTES:
            raise _Stray(_OPEN)
        if self._joins and not self._is_blank(record, walk.pieces[start]):
            return self._joined(record, walk, start)
        return record

    def _joined(self, record: list[str], walk: _Walk, start: int) -> list[str]:
        """The record with the lines that follow until it has all its fields, or until a line does not fit."""
        while len(record) < (self._width or 0):
            at = walk.at
            try:
                more = walk.next() or [""]
            except (_Unfinished, _Stray) as error:
                if isinstance(error, _Unfinished) and walk.may_go_on(start):
                    raise
                more = []
            if not more or len(record) + len(more) - 1 > (self._width or 0) or walk.length(start) > MAX_QUOTED_BYTES:
                walk.go_to(at)
                break
            record = [*record[:-1], record[-1] + _line_end(walk.pieces[at - 1]) + more[0], *more[1:]]
        return record

    def _take(self, record: list[str], walk: _Walk, start: int, done: Exact) -> None:
        if self._is_blank(record, walk.pieces[start]):
            done.notes[BLANK] += 1
        elif self._width is not None and len(record) != self._width:
            whole = b"".join(walk.pieces[start : walk.at])
            done.bad.append(self._bad(walk.line(start), whole, ragged(len(record), self._width)))
        else:
            done.records.append(self._dialect.values(record))
            done.lines.append(walk.line(start))

    def _set_aside(self, reason: str, walk: _Walk, start: int, done: Exact) -> None:
        done.bad.append(self._bad(walk.line(start), walk.pieces[start], reason))
        walk.go_to(start + 1)

    def _bad(self, line: int, record: bytes, reason: str) -> BadRecord:
        bare = self._dialect.bare(record)
        return BadRecord(line, self._text.readable(bare), reason, exact=self._text.exact(bare))

    def _is_blank(self, record: list[str], piece: bytes) -> bool:
        if len(record) > 1:
            return False
        quote = self._dialect.quote
        return not record or not (self._dialect.values(record)[0].strip() or (quote and quote in piece))


class _Unfinished(Exception):
    """The buffer ends within a record."""


class _Stray(Exception):
    """No record begins here; why, unless it is for bytes that are no text."""


class _Walk:
    """A way through the pieces of a buffer, record by record. ``at``: the next piece."""

    def __init__(self, dialect: Dialect, data: bytes, first_line: int, *, final: bool) -> None:
        self.pieces = dialect.pieces(data)
        if not final and self.pieces and not dialect.is_whole(self.pieces[-1]):
            self.pieces.pop()
        self.at = 0
        self._dialect, self._final, self._size = dialect, final, len(data)
        self._offsets = list(accumulate(map(len, self.pieces), initial=0))
        # Where every piece is a line there is nothing to count.
        self._lines = dialect.line_numbers(self.pieces, first_line) if dialect.has_record_end else range(first_line, 2**62)
        self._reader = csv.reader(self._texts(), **dialect.csv)

    def next(self) -> list[str]:
        """The fields of the next record.

        :raises _Unfinished: the buffer ends before the record does
        :raises _Stray: there is none
        """
        start = self.at
        try:
            return next(self._reader)
        except (StopIteration, csv.Error) as error:
            if self.at == len(self.pieces) and (isinstance(error, StopIteration) or "end of data" in str(error)):
                raise _Unfinished from None
            raise _Stray(_OPEN) from None
        except UnicodeDecodeError:
            raise _Stray("" if self.at == start + 1 else _OPEN) from None
        except _NulByte:
            raise _Stray("a NUL byte" if self.at == start + 1 else _OPEN) from None

    def _texts(self) -> Iterator[str]:
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            self.at += 1
            if b"\0" in piece:
                raise _NulByte
            yield self._dialect.spelled(piece)

    def go_to(self, at: int) -> None:
        """Read on from this piece."""
        self.at = at
        self._reader = csv.reader(self._texts(), **self._dialect.csv)

    def may_go_on(self, start: int) -> bool:
        """Whether a record that begins here may be whole when more has been read."""
        return not self._final and self._size - self.offset(start) <= MAX_QUOTED_BYTES

    def offset(self, at: int) -> int:
        """Where the piece begins, in bytes."""
        return self._offsets[at]

    def length(self, start: int) -> int:
        """Bytes from one piece to where the way has come."""
        return self.offset(self.at) - self.offset(start)

    def line(self, at: int) -> int:
        """The physical line of the piece."""
        return int(self._lines[at])


class _NulByte(Exception):
    """A NUL in a line of text."""


def ragged(found: int, wanted: int) -> str:
    """The reason of a record that has too few or too many fields."""
    return f"{found} fields where the header has {wanted}"


def _line_end(piece: bytes) -> str:
    return piece[len(piece.rstrip(b"\r\n")) :].decode()
