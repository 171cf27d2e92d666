"""The date that a file's name or key tells, and the landing key pattern that says where it stands.

``03-24-2020.csv`` is a date only because some file of the sample has a day above 12.

What belongs here: names of files → pattern and dates. What does not: dates in columns (``moments``).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from supply_lake.storage.layout import KeyPattern

_Y, _M, _D = r"(?P<yyyy>(?:19|20)\d\d)", r"(?P<mm>0[1-9]|1[0-2])", r"(?P<dd>0[1-9]|[12]\d|3[01])"
_ORDERS = (
    (rf"{_Y}(?P<s>[-_./]?){_M}(?P=s){_D}", "{yyyy}", "{mm}", "{dd}"),
    (rf"{_M}(?P<s>[-_.]){_D}(?P=s){_Y}", "{mm}", "{dd}", "{yyyy}"),
    (rf"{_D}(?P<s>[-_.]){_M}(?P=s){_Y}", "{dd}", "{mm}", "{yyyy}"),
)


@dataclass(frozen=True, slots=True)
class Dating:
    """The landing pattern, and the date of every file by its name; no pattern when names tell no date."""

    pattern: str = ""
    dates: tuple[dt.date | None, ...] = ()
    doubt: str = ""

    @property
    def dated(self) -> bool:
        """Whether every file's name tells its date."""
        return bool(self.dates) and None not in self.dates

    @property
    def days(self) -> list[dt.date]:
        """The different dates in order."""
        return sorted({one for one in self.dates if one is not None})


def by_names(dataset: str, files: Sequence[str]) -> Dating:
    """The pattern under which files of these names land, if all of them tell their date in one way."""
    fitting = [order for order in _ORDERS if all(_match(order[0], name) for name in files)]
    if not fitting:
        return Dating()
    if len(fitting) > 1:
        told = " as well as ".join("-".join(part.strip("{}") for part in order[1:]) for order in fitting)
        return Dating(doubt=f"the names of the files tell dates, but they read as {told}; `landing.pattern` can say which")
    found = [match for name in files if (match := _match(fitting[0][0], name))]
    date = _pattern_of(found[0], fitting[0])
    start, end = _around([match.string[: match.start()] for match in found], [match.string[match.end() :] for match in found])
    return Dating(f"{dataset}/{start}{date}{end}", tuple(_date(match) for match in found))


def by_keys(keys: Sequence[str]) -> Dating:
    """The pattern of keys that have landed already."""
    folders = {key.rpartition("/")[0] for key in keys}
    dated = by_names("", [key.rpartition("/")[2] for key in keys])
    if len(folders) == 1 and dated.pattern:
        return Dating((folders.pop() + dated.pattern).lstrip("/"), dated.dates)
    found = [_match(_ORDERS[0][0], folder) for folder in sorted(folders)]
    if all(found):
        first = found[0]
        assert first is not None
        heads = {match.string[: match.start()] for match in found if match}
        tails = {match.string[match.end() :] for match in found if match}
        if len(heads) == 1 and tails == {""}:
            dates = [_date(match) for key in keys if (match := _match(_ORDERS[0][0], key.rpartition("/")[0]))]
            return Dating(f"{heads.pop()}{_pattern_of(first, _ORDERS[0])}/{{file}}", tuple(dates))
    root = _shared(sorted(folders))
    return Dating(root + ("{file}" if len(folders) == 1 else "{path}"), (None,) * len(keys))


def _shared(folders: Sequence[str]) -> str:
    """The folder that all of these lie in, with its slash; empty for the root."""
    shared = []
    for parts in zip(*(folder.split("/") for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "".join(f"{part}/" for part in shared)


def first_partition(days: Sequence[dt.date]) -> dt.date | None:
    """The start of the year of the oldest file, so that somewhat older ones can still come."""
    return days[0].replace(month=1, day=1) if days else None


def hours_between(days: Sequence[dt.date]) -> float | None:
    """The longest time between two files, with two hours of grace; ``None`` when there are too few to tell."""
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return float(sorted(gaps)[-1 - len(gaps) // 20] * 24 + 2) if len(gaps) >= 3 else None


def _match(pattern: str, name: str) -> re.Match[str] | None:
    match = re.search(rf"(?<!\d){pattern}(?!\d)", name)
    return match if match and _date(match) else None


def _date(match: re.Match[str]) -> dt.date | None:
    try:
        return dt.date(int(match["yyyy"]), int(match["mm"]), int(match["dd"]))
    except ValueError:
        return None


def _pattern_of(match: re.Match[str], order: Sequence[str]) -> str:
    return match["s"].join(order[1:])


def _around(starts: Sequence[str], ends: Sequence[str]) -> tuple[str, str]:
    """What stands before and behind the dates: the same in all names, or else anything."""
    start = starts[0] if len(set(starts)) == 1 and _is_plain(starts[0]) else "*"
    if len(set(ends)) == 1 and _is_plain(ends[0]):
        return start, ends[0]
    endings = {re.search(r"(\.\w+)*$", one)[0] for one in ends}  # type: ignore[index]
    return start, "*" + (endings.pop() if len(endings) == 1 else "")


def _is_plain(text: str) -> bool:
    return not re.search(r"[{}*]", text)


def is_usable(pattern: str) -> bool:
    """Whether the pattern can be declared."""
    try:
        KeyPattern(pattern)
    except ValueError:
        return False
    return True
