"""The headers of several files → one list of columns, and which names are the same column under another name.

``Province/State`` and ``Province_State`` are one column: they differ in punctuation and no file has both. ``Lat`` and
``Latitude`` may be one: the one begins as the other does, no file has both, and their values are alike.

What belongs here: names over files. What does not: names for publishing (``names``), types.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from supply_lake.datasets.format import Format
from supply_lake.onboard.names import tokens
from supply_lake.onboard.numbers import floats
from supply_lake.onboard.reading import Gathered

_SHORTEST = 3
_CLOSE = 0.8
_NAMES_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Field:
    """One column: the names that files use for it, the newest first, and why they are taken for one."""

    names: tuple[str, ...]
    why: str = ""


Alike = Callable[[str, str], bool]


def unify(headers: Sequence[Sequence[str]], alike: Alike) -> list[Field]:
    """The columns of all files: those of the last header in its order, then what only older files have.

    :param headers: one for every file, in the order of delivery
    :param alike: whether the values under two names may be those of one column
    """
    different = [set(header) for header in dict.fromkeys(tuple(header) for header in headers)]
    names = list(dict.fromkeys(name for header in reversed(headers) for name in header))
    groups = {name: Field((name,)) for name in (headers[-1] if headers else ())}
    for name in names:
        if name in groups:
            continue
        found = _partner(name, list(groups.values()), different, alike) if len(names) <= _NAMES_AT_MOST else None
        if found is None:
            groups[name] = Field((name,))
        else:
            group, why = found
            groups[group.names[0]] = Field((*group.names, name), group.why or why)
    return list(groups.values())


def _partner(name: str, groups: Sequence[Field], different: Sequence[set[str]], alike: Alike) -> tuple[Field, str] | None:
    """The column that the name is another name of, and why; ``None`` when it is a column of its own."""
    for group in groups:
        apart = not any(name in header and other in header for header in different for other in group.names)
        if apart and (why := _same(name, group.names[0], alike)):
            return group, why
    return None


def _same(one: str, two: str, alike: Alike) -> str:
    """Why two names are one column; empty when they are not."""
    mine, others = "".join(tokens(one)), "".join(tokens(two))
    if mine and mine == others:
        return "they differ in punctuation or case alone"
    short, long = sorted((mine, others), key=len)
    begins = len(short) >= _SHORTEST and long.startswith(short)
    close = min(len(short), len(long)) > 4 and difflib.SequenceMatcher(None, mine, others).ratio() >= _CLOSE
    if (begins or close) and alike(one, two):
        return "they are nearly the same, no file has both, and their values are alike"
    return ""


def alike(gathered: Gathered) -> Alike:
    """Whether the values under two names may be those of one column: numbers in one range, or texts in common."""

    def judge(one: str, two: str) -> bool:
        mine, others = (gathered.column([name]).cast(pl.String).drop_nulls().unique() for name in (one, two))
        mine, others = mine.filter(mine != ""), others.filter(others != "")
        if not len(mine) or not len(others):
            return False
        first, second = (floats(values, Format(type="csv")).drop_nulls() for values in (mine, others))
        if len(first) > 0.9 * len(mine) and len(second) > 0.9 * len(others):
            return bool(first.min() <= second.max() and second.min() <= first.max())  # type: ignore[operator]
        return bool(others.is_in(mine.implode()).sum() >= 0.2 * min(len(mine), len(others)))

    return judge
