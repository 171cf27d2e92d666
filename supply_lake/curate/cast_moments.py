"""Text → dates, times of day and timestamps: by declared formats and zone, and none that could be another one.

What belongs here: formats, zones, and what neither can tell. What does not: other types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import polars as pl

from supply_lake.curate.cast_values import Values, marked, only
from supply_lake.datasets.column import Column

_DATE_FORMATS = ("%Y-%m-%d",)
_TIME_FORMATS = ("%H:%M:%S%.f", "%H:%M")
_TIMESTAMP_FORMATS = (
    "%Y-%m-%dT%H:%M:%S",  # without a fraction polars is four times as fast
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
ISO_FORMATS: dict[str, tuple[str, ...]] = {"date": _DATE_FORMATS, "time": _TIME_FORMATS, "timestamp": _TIMESTAMP_FORMATS}
_WITH_TIME = ("%H", "%I", "%T", "%R", "%s", "%+", "%c")
_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_OUTSIDE = "is outside the years 1 to 9999 (in UTC)"
_YEAR_1, _YEAR_1000, _YEAR_10000 = (  # as days since 1970; years 1 to 9999 are what every engine and Python can hold
    -719_162,
    -354_285,
    2_932_897,
)
_Parse = Callable[[pl.Series, str], pl.Series]


def dates(text: pl.Series, column: Column) -> Values:
    """Days; ISO 8601 unless formats are declared."""

    def parse(values: pl.Series, pattern: str) -> pl.Series:
        return _years_as_meant(values.str.to_date(pattern, strict=False), values, pattern)

    return _in_range(_by_formats(text, column, _DATE_FORMATS, parse))


def times(text: pl.Series, column: Column) -> Values:
    """Times of day."""
    values = _by_formats(text, column, _TIME_FORMATS, lambda texts, one: texts.str.to_time(one, strict=False))
    return _no_leap_seconds(values, text)


def timestamps(text: pl.Series, column: Column) -> Values:
    """Moments in UTC; an hour that the zone's clock skips or shows twice is not guessed."""
    values = _by_formats(text, column, _TIMESTAMP_FORMATS, lambda texts, one: _placed(_local(texts, one), column.timezone))
    values = _no_leap_seconds(values, text)
    if column.timezone != "UTC":
        values = _with_clock_changes(values, text, column)
    finer = text.str.len_bytes() > len("2026-01-02T03:04:05.123456")
    if finer.any():
        _note_cut_off(values, finer & text.str.contains(r"\.\d{6}\d*[1-9]") & values.series.is_not_null(), column)
    return _in_range(values)


def typed(raw: pl.Series, column: Column) -> Values:
    """Typed dates and timestamps as the declared one of the two; a timestamp is a date at midnight only."""
    outside = _outside(raw)
    if outside is not None:
        known = typed(only(raw, ~outside), column)
        return Values(known.series, [*known.doubts, (outside, _OUTSIDE)], known.notes)
    if column.dtype.name == "date":
        days = raw.cast(pl.Date, strict=False)
        if raw.dtype == pl.Date:
            return _in_range(Values(days))
        local = raw.dt.replace_time_zone(None) if getattr(raw.dtype, "time_zone", None) else raw
        return _in_range(Values(only(days, local == days.cast(local.dtype))))
    moments = raw.cast(pl.Datetime("us", getattr(raw.dtype, "time_zone", None)), strict=False)
    zoned = getattr(moments.dtype, "time_zone", None) is not None
    values = Values(moments.dt.convert_time_zone("UTC") if zoned else _placed(moments, column.timezone))
    if getattr(raw.dtype, "time_unit", "us") == "ns":
        _note_cut_off(values, raw.cast(pl.Int64) % 1000 != 0, column)
    if column.timezone != "UTC" and not zoned:
        doubtful = values.series.is_null() & moments.is_not_null()
        values = values.without(doubtful, _clock_change(column))
    return _in_range(values)


def as_text(raw: pl.Series, *, iso: bool = False) -> pl.Series:
    """Typed dates and timestamps as text; those that no calendar has as numbers.

    :param iso: by ISO 8601, with every fraction and the offset, so that they can be read again
    """

    def told(values: pl.Series) -> pl.Series:
        return values.dt.to_string("iso:strict") if iso else values.cast(pl.String)

    outside = _outside(raw)
    if outside is None:
        return told(raw)
    number = raw.to_physical().cast(pl.String) + f" {getattr(raw.dtype, 'time_unit', 'days')} since 1970-01-01"
    return pl.select(pl.when(outside).then(number).otherwise(told(only(raw, ~outside))).alias(raw.name))[:, 0]


def _by_formats(text: pl.Series, column: Column, usual: Sequence[str], parse: _Parse) -> Values:
    """Each value by the first format that reads it; a value that a later declared one reads differently is ambiguous."""
    formats = column.formats or usual
    values = parse(text, formats[0])
    for pattern in formats[1:]:
        left = (values.is_null() & text.is_not_null()).arg_true()
        if not len(left):
            break
        found = parse(text.gather(left), pattern)
        if found.null_count() < len(found):
            values = found if len(found) == len(values) else values.scatter(left, found)
    return _without_ambiguous(Values(values), text, column.formats, parse)


def _without_ambiguous(values: Values, text: pl.Series, formats: Sequence[str], parse: _Parse) -> Values:
    first = values.series
    for pattern in formats[1:]:
        other = parse(text, pattern)
        two_ways = (other != first).fill_null(False)
        values = values.without(two_ways, f"is ambiguous: the formats {' and '.join(formats)} read it differently")
    return values


def _years_as_meant(values: pl.Series, text: pl.Series, pattern: str) -> pl.Series:
    """``%Y`` reads ``1/2/20`` as the year 20: a year below 1000 counts only when it is written with four digits.

    ``%y`` reads 69 as 2069, where strptime has 1969.
    """
    if "%y" in pattern and (late := values.dt.year() == 2069).any():
        return pl.select(pl.when(late).then(values.dt.offset_by("-100y")).otherwise(values))[:, 0]
    first, _ = _span(values)
    if first >= _YEAR_1000:
        return values
    return only(values, (_days(values) >= _YEAR_1000) | text.str.contains(r"0\d{3}"))


def _in_range(values: Values) -> Values:
    outside = _outside(values.series)
    return values if outside is None else values.without(outside, _OUTSIDE)


def _outside(values: pl.Series) -> pl.Series | None:
    """Which values are not within the years that every engine has; ``None`` when all are."""
    first, last = _span(values)
    if first >= _YEAR_1 and last < _YEAR_10000:
        return None
    days = _days(values)
    return ((days < _YEAR_1) | (days >= _YEAR_10000)).fill_null(False)


def _span(values: pl.Series) -> tuple[int, int]:
    """The first and the last day, as days since 1970; without any value, a day that every rule takes."""
    numbers = values.to_physical()
    first, last = (cast(int | None, one) for one in (numbers.min(), numbers.max()))
    if first is None or last is None:
        return 0, 0
    return first // _per_day(values), last // _per_day(values)


def _days(values: pl.Series) -> pl.Series:
    """Days since 1970."""
    return values.to_physical() // _per_day(values)


def _per_day(values: pl.Series) -> int:
    """How much the number behind a date or timestamp grows in a day."""
    return 1 if values.dtype == pl.Date else _PER_DAY[getattr(values.dtype, "time_unit", "us")]


def _no_leap_seconds(values: Values, text: pl.Series) -> Values:
    """A second 60 would become the next minute."""
    second = 1_000_000_000 if values.series.dtype == pl.Time else 1_000_000
    rows = (values.series.to_physical() % (60 * second) < second).arg_true()  # ten times as fast as asking for the second
    sixty = rows.filter(text.gather(rows).str.contains(r":60(?:\D|$)")) if len(rows) else rows
    if not len(sixty):
        return values
    return values.without(marked(sixty, len(text)))


def _note_cut_off(values: Values, rows: pl.Series, column: Column) -> None:
    if rows.any():
        values.notes[f"values of {column.name!r} are finer than a microsecond; the rest was cut off"] += int(rows.sum())


def _local(text: pl.Series, pattern: str) -> pl.Series:
    """Texts as times of a clock, in UTC when the text has an offset."""
    if not any(token in pattern for token in _WITH_TIME):
        parsed = text.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    else:
        parsed = text.str.to_datetime(pattern, strict=False, time_unit="us", cache=False)
    return _years_as_meant(parsed, text, pattern)


def _placed(local: pl.Series, zone: str) -> pl.Series:
    """Times of a zone in UTC; an hour that its clock skips or shows twice is null."""
    if getattr(local.dtype, "time_zone", None) is not None:
        return local
    if zone == "UTC":
        return local.dt.replace_time_zone("UTC")
    return local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def _with_clock_changes(values: Values, text: pl.Series, column: Column) -> Values:
    """Tell of what could not be read because of the zone that it is so."""
    failed = (values.series.is_null() & text.is_not_null()).arg_true()
    if not len(failed):
        return values
    texts = text.gather(failed)
    fits = [_local(texts, pattern).is_not_null() for pattern in column.formats or _TIMESTAMP_FORMATS]
    known = pl.select(pl.any_horizontal(*fits))[:, 0]
    rows = marked(failed.filter(known), len(text))
    told = pl.select(pl.any_horizontal(*(mask for mask, _ in values.doubts)))[:, 0] if values.doubts else None
    return values.without(rows if told is None else rows & ~told, _clock_change(column))


def _clock_change(column: Column) -> str:
    return f"is in an hour that the clock of {column.timezone} skips or shows twice"
