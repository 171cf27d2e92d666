"""Text → numbers, exactly or not at all: in the declared notation, without rounding, wrapping or losing a digit.

What belongs here: integers, decimals, floats, and the notations they come in. What does not: other types.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import polars as pl

from supply_lake.curate.cast_values import Values, marked, only
from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format

# Whoever writes a space or an apostrophe may mean one of these.
_MARKS = {" ": "[ \u00a0\u202f]", "'": "['\u2019]", ",": ",", ".": r"\."}
_EXPONENT = r"^[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}$"
_EXACT_DIGITS = {"float64": 15, "float32": 7}  # integers of so many digits are exact in a float, whatever they are


def integers(text: pl.Series, column: Column, form: Format, target: pl.DataType) -> Values:
    """Whole numbers; with ``integral_floats`` also those that are written ``17850.0``."""
    plain = plain_text(text, form)
    values = plain.cast(target, strict=False)
    if not column.integral_floats:
        return Values(values)
    written = plain.str.contains(r"\.0*$").fill_null(False)
    if written.any():
        values = plain.str.replace(r"\.0*$", "").cast(target, strict=False)
    coerced = int((written & values.is_not_null()).sum())
    note = f"values of {column.name!r} were written as floats and read as {column.dtype}"
    return Values(values, notes=Counter({note: coerced}) if coerced else Counter())


def decimals(text: pl.Series, column: Column, form: Format, target: pl.DataType) -> Values:
    """Decimals that need no rounding."""
    plain, scale = plain_text(text, form), column.dtype.scale
    pattern = rf"^[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)$"
    exact = plain.str.contains(pattern)
    if not exact.all() and (written_out := _without_exponents(plain, (~exact).arg_true())) is not None:
        plain, exact = written_out, written_out.str.contains(pattern)
    values = plain.cast(target, strict=False)
    return Values(values if exact.all() else only(values, exact))


def floats(text: pl.Series, column: Column, form: Format, target: pl.DataType) -> Values:
    """Finite floats; a whole number that the float could only come near is none."""
    plain = plain_text(text, form)
    values = plain.cast(target, strict=False)
    finite = values.is_finite()
    found = Values(values if finite.all() else only(values, finite))
    rows = (plain.str.len_bytes() > _EXACT_DIGITS[column.dtype.name]).arg_true()
    rows = rows.filter(plain.gather(rows).str.contains(r"^[+-]?\d+(\.0*)?$")) if len(rows) else rows
    if not len(rows):
        return found
    digits = plain.gather(rows).str.replace(r"\.0*$", "").cast(pl.Int128, strict=False)
    near = rows.filter((digits != found.series.gather(rows).cast(pl.Int128, strict=False)).fill_null(True))
    reason = f"is too large for {column.dtype} to hold it exactly; declare an integer or a decimal"
    return found.without(marked(near, len(plain)), reason)


def plain_text(text: pl.Series, form: Format) -> pl.Series:
    """Numbers as Polars reads them; a thousands mark counts only where it groups by three."""
    if form.currency:
        text = _without_currency(text, form.currency)
    if form.accounting:
        text = text.str.replace(r"^\(\s*([^()+\-\s].*?)\s*\)$", "-${1}").str.replace(r"^([^()+\-\s].*?)\s*-$", "-${1}")
    hundredths = None
    if form.percent:
        hundredths = text.str.ends_with("%")
        text = text.str.replace(r"\s*%$", "")
    if form.thousands_mark:
        mark, point = _MARKS[form.thousands_mark], re.escape(form.decimal_mark)
        grouped = text.str.contains(rf"^[+-]?(\d{{1,3}}({mark}\d{{3}})+|\d+)({point}\d*)?$")
        text = only(text.str.replace_all(mark, ""), grouped)
    if form.decimal_mark == ",":
        text = only(text.str.replace(",", ".", literal=True), ~text.str.contains(".", literal=True))
    return text if hundredths is None or not hundredths.any() else _divided_by_100(text, hundredths)


def _without_currency(text: pl.Series, names: tuple[str, ...]) -> pl.Series:
    """Without one currency, before or after the number."""
    currency = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    before, after = rf"^(\(?[+-]?)\s*(?:{currency})\s*([+-]?)", rf"\s*(?:{currency})\s*([)-]?)$"
    led = text.str.contains(before)
    return pl.select(
        pl.when(led).then(text.str.replace(before, "${1}${2}")).otherwise(text.str.replace(after, "${1}")).alias(text.name)
    )[:, 0]


def _divided_by_100(plain: pl.Series, rows: pl.Series) -> pl.Series:
    """The point of these numbers moved by two digits; nothing is computed, so nothing is rounded."""
    parts = plain.str.extract_groups(r"^([+-]?)(\d*)(?:\.(\d*))?$").struct.unnest()
    sign, whole, rest = (parts.to_series(at) for at in range(3))
    whole = whole.str.zfill(3)
    moved = sign + whole.str.head(-2) + "." + whole.str.tail(2) + rest.fill_null("")
    has_digit = plain.str.contains(r"\d")
    return pl.select(pl.when(~rows).then(plain).when(has_digit).then(moved).alias(plain.name))[:, 0]


def _without_exponents(plain: pl.Series, rows: pl.Series) -> pl.Series | None:
    """``1.5e3`` written out where one of these rows has such a number; ``None`` where none has."""
    rows = rows.filter(plain.gather(rows).str.contains(_EXPONENT))
    if not len(rows):
        return None
    written_out = pl.Series([f"{Decimal(one):f}" for one in plain.gather(rows)], dtype=pl.String)
    return plain.clone().scatter(rows, written_out)  # in place, and what is raw stays as it is
