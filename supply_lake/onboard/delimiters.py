"""Text → what stands between values and between records, by trying out what occurs.

Every candidate cuts the sample into records; the right one gives nearly all records the same number of fields, and fields that
look like values. DuckDB's sniffer and the standard library's know single characters only.

What belongs here: cutting and judging cuts. What does not: headers, preambles and footers (``dialect``).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log2, sqrt
from typing import Any

SINGLE = (",", ";", "\t", "|", "\x01", "\x1f", "^", "~", "¦")
_LINES = 400
_STAND_IN = "\ue000"
_MULTIPLE = re.compile(r"[^\w\s\"'.()<>=/-]{2,3}")
_ENDS = re.compile(r"[^\w\s\"'.,;:()<>=/-]{2,3}$")
_PLAIN = re.compile(r"\s*(|[+-]?[\d.,' ]*\d%?|\d[\d:./T +-]*Z?|[^;\t|\x01\x1f^~¦]*)\s*")
_GOOD_ENOUGH = 0.3
_ENOUGH_RECORDS = 3


@dataclass(frozen=True)
class Cut:
    """The sample cut in one way: the signs, and the records that come of it."""

    delimiter: str
    quote: str = '"'
    escape: str = ""
    record_end: str = ""
    records: tuple[tuple[str, ...], ...] = ()
    faults: int = 0

    @cached_property
    def width(self) -> int:
        """The number of fields that most records have; the greater of two that are as frequent."""
        counted = Counter(len(one) for one in self.records if len(one) > 1)
        return max(counted, key=lambda width: (counted[width], width), default=1)

    @cached_property
    def body(self) -> tuple[int, int]:
        """The first record with that number of fields, and the one behind the last."""
        at = [place for place, one in enumerate(self.records) if len(one) == self.width]
        return (at[0], at[-1] + 1) if at else (0, 0)

    @cached_property
    def steady(self) -> float:
        """Share of the records between those two that have it."""
        first, end = self.body
        return sum(len(one) == self.width for one in self.records[first:end]) / (end - first) if end > first else 0.0

    @cached_property
    def score(self) -> float:
        """How right the cut looks, from 0: steady, many fields, fields that look like values, nothing left over."""
        if self.width < 2:
            return 0.0
        first, end = self.body
        fields = [field for one in self.records[first:end][:200] for field in one]
        plain = sum(_PLAIN.fullmatch(field) is not None for field in fields) / max(len(fields), 1)
        covered = (end - first) / len(self.records)
        broken = self.faults / (len(self.records) + self.faults)
        enough = min(1.0, (end - first) / _ENOUGH_RECORDS)
        return self.steady * self.steady * covered * enough * sqrt(plain) * (1 - broken) * (1 + 0.1 * log2(self.width))


def lines_of(text: str) -> list[str]:
    """Physical lines with their ends, as the readers count them; other separators of Unicode are text."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def best_cut(text: str, delimiter: str = "") -> Cut | None:
    """The cut that looks right; ``None`` when no sign cuts the text into steady records.

    :param delimiter: the one to use, when it is known
    """
    lines = lines_of(text)[:_LINES]
    sample = "".join(lines)
    tried = [
        cut
        for end in ("", *_record_ends(lines))
        for one in ([delimiter] if delimiter else _delimiters(lines))
        for cut in [_cut(sample, one, record_end=end)]
        if cut.width > 1
    ]
    if not tried:
        return None
    best = max(tried, key=lambda cut: (round(_with_longer(cut, tried), 4), len(cut.delimiter), cut.record_end != ""))
    best = max(_quotings(best, sample), key=lambda cut: cut.score)
    return best if best.score >= _GOOD_ENOUGH or (delimiter and best.width > 1) else None


def recut(text: str, like: Cut) -> Cut:
    """The text cut in the same way as another."""
    sample = "".join(lines_of(text)[:_LINES])
    return _cut(sample, like.delimiter, like.quote, like.escape, like.record_end)


def joined_width(text: str, delimiter: str) -> int:
    """The number of fields when lines have to be joined until a record has all of them; 0 when no number fits.

    A value that holds line breaks without quotes leaves lines of too few fields.
    """
    widths = [line.count(delimiter) + 1 for line in lines_of(text) if line.strip()]
    most, total = max(widths, default=1), sum(width - 1 for width in widths)
    if most < 3 or not widths.count(1):
        return 0
    for width in range(most, min(total + 1, most + 8) + 1):
        if _joins(widths, width) >= 2:
            return width
    return 0


def _joins(widths: Sequence[int], width: int) -> int:
    """How many records of this width the lines give, when every line is used; 0 when they do not."""
    records, fields = 0, 1
    for one in widths:
        fields += one - 1
        if fields == width:
            records, fields = records + 1, 1
        elif fields > width:
            return 0
    return records if fields == 1 else 0


# --- candidates


def _delimiters(lines: Sequence[str]) -> Iterator[str]:
    yield from (one for one in SINGLE if any(one in line for line in lines))
    found: Counter[str] = Counter()
    for line in lines:
        for run in _MULTIPLE.findall(line.rstrip("\r\n")):
            found.update({run[start : start + size] for size in (2, 3) for start in range(len(run) - size + 1)})
    often = [one for one, times in found.most_common(6) if times >= 0.2 * len(lines)]
    yield from often


def _record_ends(lines: Sequence[str]) -> Iterator[str]:
    """Signs behind which lines break; where they are used, line breaks inside of values need no quotes."""
    ends: Counter[str] = Counter()
    for line in lines:
        if found := _ENDS.search(line.rstrip("\r\n")):
            ends[found[0] + line[len(line.rstrip("\r\n")) :]] += 1
    yield from (one for one, times in ends.most_common(2) if times >= 2 or times == len(lines))


def _with_longer(cut: Cut, tried: Sequence[Cut]) -> float:
    """The score, but none for a sign that occurs only as a part of a longer one which cuts as well."""
    for other in tried:
        longer = cut.delimiter in other.delimiter and cut.delimiter != other.delimiter
        if longer and other.steady >= cut.steady - 0.02 and _always_inside(cut, other):
            return 0.0
    return cut.score


def _always_inside(short: Cut, long: Cut) -> bool:
    """Whether the longer sign cuts wherever the shorter one does, but for values that hold the shorter one."""
    times = long.delimiter.count(short.delimiter)
    if long.delimiter == short.delimiter * times:  # cut by `|`, every second field between `||` is empty
        return all(not any(one[1::times]) for one in short.records if len(one) == short.width)
    alone = sum(field.count(short.delimiter) for one in long.records for field in one)
    cuts = sum(len(one) - 1 for one in long.records)
    return alone <= 0.02 * cuts * times


def _quotings(cut: Cut, sample: str) -> Iterator[Cut]:
    """The same with the quotes that the text may have; the first of equals is taken."""
    yield cut
    if '\\"' in sample:
        yield _cut(sample, cut.delimiter, '"', "\\", cut.record_end)
    if re.search(rf"(^|{re.escape(cut.delimiter)})'[^'\r\n]*'({re.escape(cut.delimiter)}|\r?\n|$)", sample, re.M):
        yield _cut(sample, cut.delimiter, "'", "", cut.record_end)
    if '"' in sample and cut.faults:
        yield _cut(sample, cut.delimiter, "", "", cut.record_end)


# --- cutting


def _cut(sample: str, delimiter: str, quote: str = '"', escape: str = "", record_end: str = "") -> Cut:
    made = Cut(delimiter, quote, escape, record_end)
    if record_end:
        return replace(made, records=tuple(tuple(one.split(delimiter)) for one in sample.split(record_end) if one.strip()))
    sign = _STAND_IN if len(delimiter) > 1 else delimiter
    lines = lines_of(sample.replace(delimiter, sign))
    records: list[tuple[str, ...]] = []
    faults = at = 0
    while at < len(lines):
        reader = csv.reader(lines[at:], delimiter=sign, strict=True, **_quoting(quote, escape))
        start = at
        try:
            for record in reader:
                start = at + reader.line_num
                if record:
                    records.append(tuple(record))
            at = len(lines)
        except csv.Error:
            faults += 1
            at = start + 1
    return replace(made, records=tuple(records), faults=faults)


def _quoting(quote: str, escape: str) -> dict[str, Any]:
    if not quote:
        return {"quoting": csv.QUOTE_NONE, "quotechar": None}
    return {"quotechar": quote, "escapechar": escape or None}
