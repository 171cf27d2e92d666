"""The decimal and thousands marks that a file writes its numbers with, by vote of its columns.

``1,234`` says nothing; ``1,5`` and ``1,234,567.00`` do. Only what no column contradicts is declared.

What belongs here: marks. What does not: what kind of number a column has (``numbers``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import polars as pl

from supply_lake.onboard.values import Values

_GLANCE = 10_000
_NUMERIC = r"^[+-]?[\d.,' ]*\d[\d.,' ]*$"
_COMMA_DECIMALS = r"^[+-]?\d+(,\d+)?$"
_CLEARLY_DECIMAL = r"(\d{1,2}|\d{4,})$"
_GROUPED = {
    ",": r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$",
    ".": r"^[+-]?\d{1,3}(\.\d{3})+(,\d*)?$",
    " ": r"^[+-]?\d{1,3}( \d{3})+([.,]\d*)?$",
    "'": r"^[+-]?\d{1,3}('\d{3})+([.,]\d*)?$",
}
_SMALL = r"^[+-]?\d{1,3}([.,]\d*)?$"


def marks_of(columns: Iterable[Values]) -> dict[str, str]:
    """``decimal_mark`` and ``thousands_mark``, as far as they are not a point and none."""
    votes = Counter(vote for values in columns if values.origin == "text" and values.distinct and (vote := _vote(values)))
    points = {point for point, _ in votes}
    if len(points) != 1:
        return {}
    thousands = next((mark for (_, mark), _ in votes.most_common() if mark), "")
    marks = {"decimal_mark": points.pop(), "thousands_mark": thousands}
    return {name: mark for name, mark in marks.items() if mark not in (".", "") or (name == "thousands_mark" and mark)}


def _vote(values: Values) -> tuple[str, str] | None:
    """What one column says of (decimal mark, thousands mark); ``None`` when it says nothing for certain."""
    texts = values.stripped.head(_GLANCE)
    numeric = texts.filter(texts.str.contains(_NUMERIC))
    if len(numeric) < 0.5 * len(texts):
        return None
    for mark, pattern in _GROUPED.items():
        if vote := _grouped_by(mark, pattern, numeric):
            return vote
    if numeric.str.contains(_COMMA_DECIMALS).all() and numeric.str.contains("," + _CLEARLY_DECIMAL).any():
        return (",", "")
    return (".", "") if numeric.str.contains(r"^[+-]?\d*\." + _CLEARLY_DECIMAL).any() else None


def _grouped_by(mark: str, pattern: str, numeric: pl.Series) -> tuple[str, str] | None:
    """The vote of a column whose large numbers are grouped by threes with the mark."""
    grouped = numeric.filter(numeric.str.contains(pattern))
    if not len(grouped) or not numeric.str.contains(f"{pattern}|{_SMALL}").all():
        return None
    commas, points = grouped.str.contains(",").any(), grouped.str.contains(".", literal=True).any()
    if mark in " '":
        return ("," if commas else ".", mark)
    several = grouped.str.count_matches(mark, literal=True).max()
    other, has_other = (".", points) if mark == "," else (",", commas)
    return (other, mark) if has_other or (several or 0) > 1 else None  # type: ignore[operator]
