"""Values that a number column cannot hold → the number type that they need.

What belongs here: telling a number that is too large or too fine for its column from what is no number at all, value by value.
What does not: whether the column may grow (``meet``) and casting (``cast``).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from supply_lake.curate.cast_numbers import plain_text
from supply_lake.curate.kinds import data_type, text
from supply_lake.datasets.format import Format
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import (
    FLOAT64,
    MOST_DIGITS,
    decimal,
    grown,
    integer_holding,
    is_float,
    is_integer,
    is_number,
    promoted,
    whole_digits,
)

# Sign, digits before the point, the point with all that follows, and the digits after it without closing zeros.
_NUMBER = r"^([+-]?)0*(\d*)(\.(\d*?)0*)?$"
_AS_IT_IS = Format(type="parquet")


@dataclass(frozen=True, slots=True)
class Need:
    """What some values need: ``kind`` (``None``: no one type holds them all), for those that ``values`` marks as numbers."""

    kind: DataType | None
    values: pl.Series


def needed(raw: pl.Series, base: DataType, declared: DataType, form: Format) -> Need | None:
    """The type that a column has to grow to for these values, none of which it holds.

    Numbers of a text are taken by their digits, so fractions need a decimal; those of a typed source by their type, so floats
    need a float. A declared decimal grows before its point alone: how fine its values are is a rule, such as whole cents.
    ``None`` when nothing of it can be had: no numbers, a negative one in an unsigned column, more than 38 digits.

    :param raw: values as the file has them, none of them null
    :param base: the type that the column has, which may be wider than what is declared
    """
    typed = data_type(raw.dtype)
    if not is_number(base):
        return None
    finest = declared.scale if declared.name == "decimal" else MOST_DIGITS
    if typed.name == "string":
        return _of_text(text(raw), base, finest, form)
    if is_number(typed) and base.name == "decimal":
        return _of_text(raw.cast(pl.String), base, finest, _AS_IT_IS)
    wider = promoted(base, typed) if is_number(typed) else None
    there = raw.is_finite() if is_float(typed) else raw.is_not_null()
    return Need(wider, there) if wider not in (None, base) and there.any() else None


def _of_text(text: pl.Series, base: DataType, finest: int, form: Format) -> Need | None:
    plain = plain_text(text, form)
    if is_float(base):
        fits = plain.cast(pl.Float64, strict=False).is_finite().fill_null(False)
        return Need(FLOAT64, fits) if base != FLOAT64 and fits.any() else None
    numbers = _digits(plain, base)
    digits = pl.max_horizontal("whole", whole_digits(base)) + pl.max_horizontal("fine", base.scale)
    unsigned = base.name.startswith("uint")
    holds = pl.col("digit") & (digits <= MOST_DIGITS) & (pl.col("fine") <= finest)
    fits = numbers.select((holds & ~(pl.lit(unsigned) & pl.col("negative"))).fill_null(False)).to_series()
    return Need(_joined(numbers.filter(fits), base, signed=not unsigned), fits) if fits.any() else None


def _digits(plain: pl.Series, base: DataType) -> pl.DataFrame:
    """Of every number: its text, how many digits it needs before and after the point, and whether it is one at all."""
    groups = plain.str.extract_groups(_NUMBER).struct.unnest()
    sign, whole, point, fine = (pl.col(name) for name in groups.columns)
    after = fine.str.len_bytes().cast(pl.Int64).fill_null(0)
    if is_integer(base):  # a fraction of zeros is one all the same: 1.0 is no integer, unless the contract takes it for one
        after = pl.when(point.is_not_null()).then(pl.max_horizontal(after, 1)).otherwise(after)
    return groups.select(
        plain.str.strip_prefix("+").alias("plain"),
        whole.str.len_bytes().cast(pl.Int64).alias("whole"),
        after.alias("fine"),
        (sign == "-").alias("negative"),
        (whole.is_not_null() & plain.str.contains(r"\d")).alias("digit"),
    )


def _joined(numbers: pl.DataFrame, base: DataType, *, signed: bool) -> DataType | None:
    """The one type that holds all of these numbers, and what the column holds."""
    exact = numbers.filter(pl.col("fine") == 0) if is_integer(base) else numbers.clear()
    rest = numbers.filter(pl.col("fine") > 0) if is_integer(base) else numbers
    needs: list[DataType | None] = []
    if exact.height:
        needs.append(_integer(exact, signed=signed))
    if rest.height:
        needs.append(decimal(_most(rest["whole"]), _most(rest["fine"])))
    return grown(base, needs)


def _integer(numbers: pl.DataFrame, *, signed: bool) -> DataType | None:
    values = numbers["plain"].cast(pl.Int64 if signed else pl.UInt64, strict=False)
    if values.has_nulls():
        return decimal(_most(numbers["whole"]), 0)
    return integer_holding(int(values.min()), int(values.max()), signed=signed)  # type: ignore[arg-type]


def _most(lengths: pl.Series) -> int:
    return int(lengths.max())  # type: ignore[arg-type]
