"""What dates look like in files: a text's look → the strptime formats that may read it.

What belongs here: looks and formats. What does not: values, and which of the formats is right (``moments``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import polars as pl

_MONTHS = "January|February|March|April|June|July|August|September|October|November|December"  # May is its own short form
_SHORT = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_LONGEST = 40

# Looks have 9 for a digit, M for a short month, MM for a long one, W for a weekday; {s} is what stands between the parts.
_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"9999(?P<s>[-/.])9{1,2}(?P=s)9{1,2}", ("%Y{s}%m{s}%d",)),
    (r"9{1,2}(?P<s>[-/. ])9{1,2}(?P=s)9999", ("%d{s}%m{s}%Y", "%m{s}%d{s}%Y")),
    (r"9{1,2}(?P<s>[-/])9{1,2}(?P=s)99", ("%d{s}%m{s}%y", "%m{s}%d{s}%y", "%y{s}%m{s}%d")),
    (r"99(?P<s>\.)99\.99", ("%d{s}%m{s}%y", "%m{s}%d{s}%y", "%y{s}%m{s}%d")),
    (r"9{1,2}(?P<s>[-/. ]?)M(?P=s)9999", ("%d{s}%b{s}%Y",)),
    (r"9{1,2}(?P<s>[-/. ]?)M(?P=s)99", ("%d{s}%b{s}%y",)),
    (r"9999(?P<s>[-/. ])M(?P=s)9{1,2}", ("%Y{s}%b{s}%d",)),
    (r"9{1,2}(?P<s>\.? )MM 9999", ("%d{s}%B %Y",)),
    (r"M(?P<s>\.? )9{1,2}, 9999", ("%b{s}%d, %Y",)),
    (r"MM 9{1,2}, 9999", ("%B %d, %Y",)),
    (r"W, 9{1,2} M 9999", ("%a, %d %b %Y",)),
    (r"99999999", ("%Y%m%d",)),
)
_TIMES = (
    (r"9{1,2}:99", "%H:%M"),
    (r"9{1,2}:99:99", "%H:%M:%S"),
    (r"9{1,2}:99:99\.9+", "%H:%M:%S%.f"),
    (r"9{1,2}:99(?P<p> ?)P", "%I:%M{p}%p"),
    (r"9{1,2}:99:99(?P<p> ?)P", "%I:%M:%S{p}%p"),
)
_ZONES = (("", ""), (r"(?P<z> ?)(?:Z|[+-]99:?99|[+-]99)", "{z}%#z"), (r"(?P<z> (?:UTC|GMT))", "{z}"))
_SIGNS = (
    (re.compile(r"\d"), "9"),
    (re.compile(rf"(?i)\b({_MONTHS})\b"), "MM"),
    (re.compile(rf"(?i)(^|[^A-Za-z])({_SHORT})([^A-Za-z]|$)"), r"\1M\3"),
    (re.compile(rf"\b({_DAYS})\b"), "W"),
    (re.compile(r"(?i)([9 ])[ap]m$"), r"\1P"),
)


def look(texts: pl.Series) -> pl.Series:
    """``4-Aug-09 10:15 PM`` → ``9-M-99 99:99 P``"""
    for pattern, sign in _SIGNS:
        texts = texts.str.replace_all(pattern.pattern, re.sub(r"\\(\d)", r"${\1}", sign))
    return texts


def is_date_like(text: str) -> bool:
    """Whether one text looks like a date or a timestamp."""
    if not re.search(r"\d", text) or len(text) > _LONGEST:
        return False
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    return bool(formats_of(text))


@lru_cache(maxsize=4096)
def formats_of(look: str) -> tuple[str, ...]:
    """The formats in which a value of this look may be written; none when it is no date."""
    if len(look) > _LONGEST:
        return ()
    for dates, formats in _DATES:
        for times, ending in _endings():
            found = re.fullmatch(dates + times, look)
            if found:
                parts = {"s": "", "p": "", "z": "", "t": "", **{key: text or "" for key, text in found.groupdict().items()}}
                return tuple((one + ending).format(**parts) for one in formats)
    return ()


def _endings() -> Iterator[tuple[str, str]]:
    yield "", ""
    for times, format in _TIMES:
        for zones, zone in _ZONES:
            yield rf"(?P<t>T|,? ){times}{zones}", f"{{t}}{format}{zone}"


def has_time(format: str) -> bool:
    """Whether the format has a time of day."""
    return re.search(r"%[HI]", format) is not None


def is_iso(format: str) -> bool:
    """Whether values of the format need none to be declared."""
    return re.fullmatch(r"%Y-%m-%d([T ]%H:%M(:%S(%\.f)?)?(%#z)?)?", format) is not None


def day_first(formats: Sequence[str]) -> bool | None:
    """What formats say of the order of day and month; ``None`` when they say nothing, or both."""
    told = {_day_first(one) for one in formats} - {None}
    return told.pop() if len(told) == 1 else None


def _day_first(format: str) -> bool | None:
    at = [format.find(part) for part in ("%d", "%m")]
    year = max(format.find("%Y"), format.find("%y"))
    return None if min(at) < 0 or year < min(at) else at[0] < at[1]
