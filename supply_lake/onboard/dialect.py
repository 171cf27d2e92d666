"""Delimited text → its dialect: delimiter, quotes, header or none, lines before and behind the records.

What belongs here: what the first and the last lines of a file are. What does not: cutting (``delimiters``), encodings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from supply_lake.curate.columns import column_names
from supply_lake.onboard.date_shapes import is_date_like
from supply_lake.onboard.delimiters import Cut, best_cut, joined_width, lines_of, recut
from supply_lake.onboard.telling import count

_NUMBER = re.compile(r"\s*[+-]?(\d[\d.,' ]*|\.\d+)([eE][+-]?\d+)?%?\s*")
_NAME = re.compile(r"\s*[^\W\d_][\w .()/#%&+:*$€£?-]{0,80}\s*|\s*_\w+\s*")
_TOTALS = re.compile(r"(?i)\W*(grand |sub)?(total|totals|sum|summe|count|records?|rows?|end of (file|report)|eof|trailer)\b.*")
_COMMENTS = ("#", "--", "//", "%", "!")
_FOOTER_AT_MOST = 5
_PREAMBLE_AT_MOST = 100
_STEADY_ENOUGH = 0.9
_TABLE_LIKE = 0.7
_BODY = 100


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written, as the fields of ``format``; ``cut`` is how the sample falls apart by it."""

    fields: dict[str, Any]
    names: tuple[str, ...]
    cut: Cut | None = None
    facts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = field(default=())


def dialect_of(
    text: str, tail: str, *, whole: bool, delimiter: str = "", header: bool | None = None, like: Cut | None = None
) -> Dialect:
    """The dialect of a file.

    :param text: its beginning; ``whole`` when that is all of it
    :param tail: its last lines
    :param like: a cut that fitted other files of the dataset, which is tried first
    """
    cut = recut(text, like) if like is not None else None
    if cut is None or cut.steady < _STEADY_ENOUGH or cut.width != like.width:  # type: ignore[union-attr]
        cut = best_cut(text, delimiter)
    unsteady = cut is None or cut.steady < _STEADY_ENOUGH
    if whole and unsteady and (joined := _with_line_breaks(text, cut.delimiter if cut else "\t")):
        return joined
    return _one_column(text, delimiter, header) if cut is None else _of_cut(text, tail, cut, header)


def _of_cut(text: str, tail: str, cut: Cut, header: bool | None) -> Dialect:
    first, end = cut.body
    comment, skipped = _before(text, cut.records[:first])
    records = [one for one in cut.records[first:end] if len(one) == cut.width and not (comment and one[0].startswith(comment))]
    header, doubts = _header(records, header)
    if cut.score < _TABLE_LIKE:
        doubts.append(f"its lines hardly fall into {cut.width} fields each; it may be no table")
    if not cut.quote:
        doubts.append("a quote stands where none can stand around a value, so that quotes are read as text")
    facts = (f"{count(skipped, 'line')} before the {'header' if header else 'records'}",) if skipped else ()
    more = {"escape": cut.escape, "record_end": cut.record_end, "comment": comment, "skip_lines": skipped}
    more["footer"] = footer_of(tail, cut)
    fields = {"delimiter": cut.delimiter, "quote": cut.quote, "header": header}
    fields |= {name: value for name, value in more.items() if value}
    names = column_names(list(records[0])) if header else _numbered(cut.width)
    return Dialect(fields, names, cut, facts, tuple(doubts))


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"column_{at}" for at in range(1, width + 1))


def _one_column(text: str, delimiter: str, header: bool | None) -> Dialect:
    """A file without a delimiter; the one that is declared must not occur in it."""
    lines = [line.rstrip("\r\n") for line in lines_of(text) if line.strip()]
    free = delimiter or next((one for one in (",", ";", "\t", "|", "\x1f") if one not in text), "\x1f")
    header, doubts = _header([(line,) for line in lines], header)
    fields: dict[str, Any] = {"delimiter": free, "header": header} | ({"quote": ""} if text.count('"') % 2 else {})
    doubts.insert(0, "no sign cuts its lines into fields, so that it is read as one column")
    return Dialect(fields, column_names([lines[0]]) if header else ("column_1",), None, (), tuple(doubts))


def _with_line_breaks(text: str, delimiter: str) -> Dialect | None:
    """Values that hold line breaks without quotes."""
    width = joined_width(text, delimiter)
    if not width:
        return None
    doubt = "values hold line breaks without quotes; lines are joined until a record has all its fields"
    fields = {"delimiter": delimiter, "quote": "", "unquoted_newlines": True, "header": False}
    return Dialect(fields, _numbered(width), None, (), (doubt,))


# --- before the records


def _before(text: str, records: Sequence[tuple[str, ...]]) -> tuple[str, int]:
    """The sign of comment lines, or how many lines are to be skipped before the header."""
    lines = [line.rstrip("\r\n") for line in lines_of(text)]
    if not records or len(records) > _PREAMBLE_AT_MOST:
        return "", 0
    starts = [line.lstrip() for line in lines]
    for sign in _COMMENTS:
        if starts[0].startswith(sign) and all("".join(one).lstrip().startswith(sign) for one in records):
            return sign, 0
    left, skipped = len(records), 0
    while left and skipped < len(lines):
        left -= bool(lines[skipped].strip())
        skipped += 1
    return "", skipped


def _header(records: Sequence[tuple[str, ...]], known: bool | None) -> tuple[bool, list[str]]:
    """Whether there is a header, as it is known or as it looks, and what is in doubt."""
    if known is not None:
        return known, []
    found, doubt = _has_header(records)
    return found, [doubt] if doubt else []


def _has_header(records: Sequence[tuple[str, ...]]) -> tuple[bool, str]:
    """Whether the first record names the columns, by the votes of the columns, and what is in doubt."""
    first, body = records[0], records[1 : _BODY + 1]
    if not body:
        named = all(_NAME.fullmatch(one) and not _typed(one) for one in first)
        return named, "there is one line only; it is taken for " + ("the header" if named else "a record")
    votes = sum(_vote(first[at], [one[at] for one in body]) for at in range(len(first)))
    if votes:
        return votes > 0, ""
    named = len(set(first)) == len(first) and all(_NAME.fullmatch(one) for one in first)
    doubt = f"nothing but its looks says whether the first line ({', '.join(first)[:80]}) is a header; it is taken for "
    return named, doubt + ("one" if named else "a record")


def _vote(head: str, body: Sequence[str]) -> int:
    """What one column says: above zero for a header, below for none."""
    filled = [one for one in body if one.strip()]
    if not filled:
        return 0
    typed = sum(_typed(one) for one in filled) >= 0.8 * len(filled)
    if typed:
        return -2 if _typed(head) or not head.strip() else 2
    if _typed(head):
        return -1
    if head in filled:
        return -1
    widths = {len(one) for one in filled}
    return 1 if len(filled) >= 5 and len(widths) == 1 and len(head) not in widths else 0


def _typed(text: str) -> bool:
    """Whether the text is a number or a date."""
    return _NUMBER.fullmatch(text) is not None or is_date_like(text.strip())


# --- behind the records


def footer_of(tail: str, cut: Cut) -> str:
    """A regular expression for the lines behind the last record, such as totals; empty when there are none."""
    if cut.record_end:
        return ""
    lines = [line.rstrip("\r\n") for line in lines_of(tail) if line.strip()][-_FOOTER_AT_MOST - 1 :]
    behind: list[str] = []
    for line in reversed(lines):
        fields = line.split(cut.delimiter)
        strange = len(fields) != cut.width and cut.quote not in line if cut.quote else len(fields) != cut.width
        if not strange and not _TOTALS.fullmatch(fields[0]):
            break
        behind.append(line)
    if not behind or len(behind) > _FOOTER_AT_MOST or len(behind) == len(lines):
        return ""
    return "|".join(dict.fromkeys(_generalised(line) for line in reversed(behind)))


def _generalised(line: str) -> str:
    """The line as a regular expression in which numbers may be others."""
    parts = re.split(r"([+-]?\d[\d.,:/-]*)", line)
    return "".join("[-+0-9.,:/]+" if at % 2 else re.escape(part) for at, part in enumerate(parts))
