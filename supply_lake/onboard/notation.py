"""How a file writes its numbers: decimal and thousands marks, negative numbers in brackets, percent signs, currencies.

``1,234`` says nothing; ``1,5`` and ``1,234,567.00`` do. Only what no column contradicts is declared.

What belongs here: signs. What does not: what kind of number a column has (``numbers``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from supply_lake.onboard.values import Values

_GLANCE = 10_000
_NUMERIC_ENOUGH = 0.5
_CURRENCIES = ("$", "€", "£", "¥", "₹", "USD", "EUR", "GBP", "JPY", "CNY", "CHF", "INR", "SEK", "NOK", "DKK", "PLN", "kr", "zł")
_CURRENCY = "|".join(map(re.escape, _CURRENCIES))
_DIGITS = r"[\d.,'’ \x{a0}\x{202f}]*\d[\d.,'’ \x{a0}\x{202f}]*"
_SIGNED = rf"^\(?\s*[+-]?\s*(?:{_CURRENCY})?\s*[+-]?({_DIGITS})\s*(?:{_CURRENCY})?\s*%?\s*[)-]?$"
_COMMA_DECIMALS = r"^\d+(,\d+)?$"
_CLEARLY_DECIMAL = r"(\d{1,2}|\d{4,})$"
_GROUPED = {
    ",": r"^\d{1,3}(,\d{3})+(\.\d*)?$",
    ".": r"^\d{1,3}(\.\d{3})+(,\d*)?$",
    " ": r"^\d{1,3}([ \x{a0}\x{202f}]\d{3})+([.,]\d*)?$",
    "'": r"^\d{1,3}(['’]\d{3})+([.,]\d*)?$",
}
_SMALL = r"^\d{1,3}([.,]\d*)?$"


def notation_of(columns: Iterable[Values]) -> dict[str, Any]:
    """The fields of ``format`` for numbers that are not written plainly."""
    open_to_it = (values for values in columns if values.origin == "text" and not values.all_digits)
    numeric = [texts for values in open_to_it if len(texts := _numbers(values))]
    return {**_marks(numeric), **_signs(numeric)}


def _numbers(values: Values) -> pl.Series:
    """The texts of a column that are numbers in some notation, if a good part of it is."""
    texts = values.stripped.head(_GLANCE)
    found = texts.filter(texts.str.contains(_SIGNED))
    return found if len(found) >= _NUMERIC_ENOUGH * len(texts) else found.head(0)


def _signs(columns: Iterable[pl.Series]) -> dict[str, Any]:
    texts = pl.concat([*columns, pl.Series([], dtype=pl.String)], rechunk=False)
    signs: dict[str, Any] = {}
    if texts.str.contains(r"^\(.*\)$|\d\s*-$").any():
        signs["accounting"] = True
    if texts.str.ends_with("%").any():
        signs["percent"] = True
    named = texts.str.extract_all(_CURRENCY).explode(empty_as_null=False).drop_nulls().unique().to_list()
    return signs | ({"currency": sorted(named)} if named else {})


def _marks(columns: Iterable[pl.Series]) -> dict[str, Any]:
    votes = Counter(vote for texts in columns if (vote := _vote(texts.str.extract(_SIGNED, 1).str.strip_chars())))
    points = {point for point, _ in votes}
    if len(points) != 1:
        return {}
    point = points.pop()
    thousands = next((mark for (_, mark), _ in votes.most_common() if mark), "")
    return ({"decimal_mark": point} if point != "." else {}) | ({"thousands_mark": thousands} if thousands else {})


def _vote(digits: pl.Series) -> tuple[str, str] | None:
    """What one column says of (decimal mark, thousands mark); ``None`` when it says nothing for certain."""
    for mark, pattern in _GROUPED.items():
        if vote := _grouped_by(mark, pattern, digits):
            return vote
    if digits.str.contains(_COMMA_DECIMALS).all() and digits.str.contains("," + _CLEARLY_DECIMAL).any():
        return (",", "")
    return (".", "") if digits.str.contains(r"^\d*\." + _CLEARLY_DECIMAL).any() else None


def _grouped_by(mark: str, pattern: str, digits: pl.Series) -> tuple[str, str] | None:
    """The vote of a column whose large numbers are grouped by threes with the mark."""
    grouped = digits.filter(digits.str.contains(pattern))
    if not len(grouped) or not digits.str.contains(f"{pattern}|{_SMALL}").all():
        return None
    commas, points = grouped.str.contains(",").any(), grouped.str.contains(".", literal=True).any()
    if mark in " '":
        return ("," if commas else ".", mark)
    several = int(grouped.str.count_matches(mark, literal=True).max() or 0) > 1  # type: ignore[arg-type]
    other, has_other = (".", points) if mark == "," else (",", commas)
    return (other, mark) if has_other or several else None
