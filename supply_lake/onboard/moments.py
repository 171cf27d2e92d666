"""Dates, timestamps and times of day: only in formats that the values prove.

``03/04/2026`` is the third of April or the fourth of March; one ``25/04/2026`` in the column proves which. What no value proves
stays text, with both readings offered.

What belongs here: choosing formats by trying them on the whole column. What does not: the looks of dates (``date_shapes``),
and the date in a file's name (``dating``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from supply_lake.datasets.format import Format
from supply_lake.onboard import names
from supply_lake.onboard.date_shapes import day_first as order_of
from supply_lake.onboard.date_shapes import formats_of, has_time, is_iso, look
from supply_lake.onboard.guess import Guess, Offer, cast, tried
from supply_lake.onboard.sentinels import STRAYS_SHARE, among_dates
from supply_lake.onboard.values import Values

_GLANCE = 1_000
_COMPACT = 8
_COMPACT_ENOUGH = 20


@dataclass(frozen=True, slots=True)
class _Family:
    """Values that look alike, and the formats that may read them."""

    members: pl.Series
    formats: tuple[str, ...]


def guess(values: Values, name: str, form: Format, *, day_first: bool | None = None) -> Guess | None:
    """A date, timestamp or time of day; text with ``either`` when several formats fit; ``None`` when it is neither.

    :param day_first: what other columns of the same files prove
    """
    if values.all_digits and values.longest != _COMPACT:
        return None
    if found := _time_of_day(values, form):
        return found
    families = _families(values)
    proved: list[str] = []
    borrowed = False
    members = pl.zeros(values.distinct, dtype=pl.Boolean, eager=True)
    for family in families:
        if family.formats == ("%Y%m%d",) and not _are_compact_dates(values.only(family.members), name):
            continue
        fitting = _fitting(values.only(family.members), family.formats, form)
        if len(fitting) > 1:
            told = [one for one in fitting if day_first is not None and order_of([one]) is day_first]
            if len(told) != 1:
                return _unproved(values, fitting, family, form)
            fitting, borrowed = told, True
        if fitting:
            proved += fitting
            members = members | family.members
    return _proved(values, form, _different(proved), members, borrowed=borrowed) if proved else None


def _different(formats: Sequence[str]) -> list[str]:
    """The formats once each; the one of long month names reads short ones too."""
    return [one for one in dict.fromkeys(formats) if "%b" not in one or one.replace("%b", "%B") not in formats]


def _time_of_day(values: Values, form: Format) -> Guess | None:
    timed = values.stripped.str.contains(r"^\d\d?:\d\d(:\d\d(\.\d+)?)?$")
    return tried(values, form, {"type": "time"}, why="times of day", like=timed) if timed.any() else None


def _families(values: Values) -> list[_Family]:
    """The most frequent look first, so that formats are tried in that order."""
    if not any(formats_of(one) for one in look(values.stripped.head(_GLANCE)).unique()):
        return []
    looks = look(values.stripped)
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in looks.unique(maintain_order=True):
        if formats := formats_of(one):
            alike.setdefault(formats, []).append(one)
    found = [_Family(looks.is_in(ones), formats) for formats, ones in alike.items()]
    return sorted(found, key=lambda one: (-values.rows_of(one.members), one.formats))


def _fitting(members: Values, formats: Sequence[str], form: Format) -> list[str]:
    """The formats that read every value; else the one that reads all but a few, such as a 30 February."""
    failed = {one: _failures(members, one, form) for one in formats}
    fitting = [one for one, rows in failed.items() if not rows]
    few = [one for one, rows in failed.items() if rows <= STRAYS_SHARE * members.filled]
    return fitting or (few if len(few) == 1 else [])


def _failures(members: Values, format: str, form: Format) -> int:
    typed = cast(members.stripped, form, type=_type([format]), formats=[format])
    return members.rows_of(typed.is_null())


def _type(formats: Sequence[str]) -> str:
    return "timestamp" if any(has_time(one) for one in formats) else "date"


def _proved(values: Values, form: Format, formats: list[str], members: pl.Series, *, borrowed: bool) -> Guess | None:
    type = _type(formats)
    declared: dict[str, Any] = {} if all(is_iso(one) for one in formats) else {"formats": formats}
    told = "in ISO 8601" if not declared else f"in {'the formats' if len(formats) > 1 else 'the format'} {', '.join(formats)}"
    doubts, sentinels = _remarks(values, form, members, type, declared)
    if borrowed:
        doubts = ("the order of day and month is that of another column; its own values prove none", *doubts)
    why = f"{type}s {told}"
    return tried(values, form, {"type": type, **declared}, why=why, like=members, doubts=doubts, sentinels=sentinels)


def _remarks(values: Values, form: Format, members: pl.Series, type: str, declared: Mapping[str, Any]) -> tuple[Any, Any]:
    """What is in doubt about dates that are dates, and which of them may mean "none"."""
    moments = cast(values.stripped, form, type=type, **declared)
    sentinels = among_dates(values, moments)
    doubts = []
    if type == "timestamp" and not values.stripped.filter(members).str.contains(r"(Z|[+-]\d\d:?\d\d|UTC|GMT)$").any():
        doubts.append("its times carry no zone and are read as UTC; `timezone` says otherwise")
    if type == "timestamp" and _all_midnight(moments.filter(members).drop_nulls()):
        doubts.append("every time is midnight, so that it may be meant as a date")
    if any("%y" in one for one in declared.get("formats", ())):
        doubts.append("years have two digits: 69 to 99 are read as 1969 to 1999, the others as 2000 to 2068")
    if sentinels:
        rows = sum(one.rows for one in sentinels)
        doubts.append(
            f"{' and '.join(one.text for one in sentinels)} comes back in {rows:,} rows and may mean that there is no date"
        )
    return tuple(doubts), tuple(sentinels)


def _all_midnight(moments: pl.Series) -> bool:
    return bool(len(moments)) and bool((moments.dt.truncate("1d") == moments).all())


def _unproved(values: Values, formats: Sequence[str], family: _Family, form: Format) -> Guess | None:
    if tried(values, form, {"type": _type(formats), "formats": [formats[0]]}, why="", like=family.members) is None:
        return None
    told = " as well as ".join(formats)
    return Guess(
        type="string",
        why=f"dates whose order of day and month no value proves: each reads as {told}",
        doubts=(f"every date reads as {told}; ask the producer which is meant",),
        offers=tuple(Offer({"type": _type([one]), "formats": one}, "if that is the order") for one in formats),
        either=tuple(formats),
    )


def are_dates(values: Values) -> pl.Series:
    """Which of the different values look like dates of some format."""
    looks = look(values.stripped)
    known = [one for one in looks.unique().head(_GLANCE) if formats_of(one) not in ((), ("%Y%m%d",))]
    return looks.is_in(known)


def _are_compact_dates(values: Values, name: str) -> bool:
    """Whether eight digits are dates: by the column's name, or because there are many values and all are dates of our age."""
    days = values.stripped.str.to_date("%Y%m%d", strict=False)
    real = days.is_not_null() & days.dt.year().is_between(1900, 2100)
    if values.rows_of(real.fill_null(False)) < (1 - STRAYS_SHARE) * values.filled:
        return False
    return names.says_date(name) or values.distinct >= _COMPACT_ENOUGH
