"""Rules that all values of the sample keep and that later ones probably should: ranges, sets of few values, patterns.

What belongs here: which rules to propose. What does not: types and sentinels, and applying rules (``curate.contract``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from supply_lake.onboard import names
from supply_lake.onboard.guess import Guess
from supply_lake.onboard.seen import Seen
from supply_lake.onboard.telling import count, quoted
from supply_lake.onboard.values import Values

_ROWS_ENOUGH = 50
_FEW_VALUES = 12
_SET_ROWS = 20
_RARE = 3
_CLOSED_VALUES, _CLOSED_ROWS = 6, 50
_PATTERN_VALUES = 20
_PATTERN_PARTS = 9
_ALTERNATIVES = 3
_FIXED_ENOUGH = 50
_GUID = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
_EARTH = {"lat": 90, "latitude": 90, "lon": 180, "long": 180, "lng": 180, "longitude": 180}


@dataclass(frozen=True, slots=True)
class Proposed:
    """Fields of a column's ``checks``, and what is in doubt about its values."""

    checks: Mapping[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def propose(one: Seen, *, is_key: bool) -> Proposed:
    """The checks of one column."""
    kept = one.values.without([null.text for null in one.guess.nulls])
    if one.guess.type == "string" and not one.guess.either:
        return _texts(one.label, kept, is_key=is_key)
    if one.guess.type.startswith(("int", "decimal", "float")) and kept.filled >= _ROWS_ENOUGH and one.guess.low:
        return _numbers(one.label, one.guess, is_key=is_key)
    return Proposed()


def _numbers(label: str, guess: Guess, *, is_key: bool) -> Proposed:
    low, high = float(guess.low), float(guess.high)
    edge = next((_EARTH[word] for word in names.tokens(label) if word in _EARTH), 0)
    if edge and -edge <= low <= high <= edge:
        return Proposed({"ge": -edge, "le": edge})
    if low >= 0 and not is_key and not names.says_identity(label):
        return Proposed({"ge": 0})
    return Proposed()


def _texts(label: str, values: Values, *, is_key: bool) -> Proposed:
    if not is_key and _are_few(values):
        return _set(label, values)
    pattern = pattern_of(values) if is_key else ""
    return Proposed({"matches": pattern}) if pattern else Proposed()


def _are_few(values: Values) -> bool:
    return 2 <= values.distinct <= _FEW_VALUES and values.filled >= _SET_ROWS * values.distinct


def _set(label: str, values: Values) -> Proposed:
    """The few values that occur, where there will hardly be others: by the name, or because each of them is so frequent."""
    if doubts := _misspelt(values):
        return Proposed({}, doubts)
    rarest = int(values.table["n"].min() or 0)  # type: ignore[arg-type]
    if rarest < _RARE:
        return Proposed({}, (f"it has {values.distinct} different values, some of them in one or two rows only",))
    closed = names.says_kind(label) or (values.distinct <= _CLOSED_VALUES and rarest >= _CLOSED_ROWS)
    return Proposed({"isin": sorted(values.texts)} if closed else {})


def set_of(values: Values) -> list[str]:
    """The few values of a column, each of which comes back; none when there are many, or some are rare."""
    few = _are_few(values) and not _misspelt(values) and int(values.table["n"].min() or 0) >= _RARE  # type: ignore[arg-type]
    return sorted(values.texts) if few else []


def _misspelt(values: Values) -> tuple[str, ...]:
    """Rare values that are nearly a frequent one."""
    often = [one for one in values.most(_FEW_VALUES) if one.rows >= 20]
    found = []
    for rare in (one for one in values.most(_FEW_VALUES) if one.rows <= 3):
        near = difflib.get_close_matches(rare.text.casefold(), [one.text.casefold() for one in often], n=1, cutoff=0.85)
        if near:
            meant = next(one.text for one in often if one.text.casefold() == near[0])
            found.append(f"{quoted(rare.text)} ({count(rare.rows, 'row')}) looks like a misspelt {quoted(meant)}")
    return tuple(found)


# --- patterns


def pattern_of(values: Values) -> str:
    """A regular expression that all values match, when they are codes of at most three makes; empty otherwise."""
    texts = values.texts
    if values.distinct < _PATTERN_VALUES or values.longest > 40 or not texts.str.contains(r"\d").all():
        return ""
    if texts.str.contains(f"^(?:{_GUID})$").all():
        return _GUID
    makes = texts.str.replace_all(r"\d+", "9").str.replace_all(r"[A-Z]+", "A").str.replace_all(r"[a-z]+", "a")
    different = makes.value_counts(sort=True)
    if different.height > _ALTERNATIVES or int(different["count"].min()) < _PATTERN_VALUES:  # type: ignore[arg-type]
        return ""
    parts = [_make(texts.filter(makes == make)) for make in sorted(different[makes.name])]
    return "" if not all(parts) else parts[0] if len(parts) == 1 else "|".join(parts)


def _make(texts: pl.Series) -> str:
    """One make of code: what stands still is itself, digits and letters may be others, as many as there were."""
    split = [re.findall(r"\d+|[A-Z]+|[a-z]+|[^\dA-Za-z]", text) for text in texts]
    if len(split[0]) > _PATTERN_PARTS:
        return ""
    return "".join(_run([parts[at] for parts in split]) for at in range(len(split[0])))


def _run(runs: list[str]) -> str:
    different = set(runs)
    if len(different) == 1 and not runs[0].isdigit():
        return re.sub(r"([\\.^$*+?()\[\]{}|])", r"\\\1", runs[0])
    kind = "[0-9]" if runs[0].isdigit() else "[A-Z]" if runs[0].isupper() else "[a-z]"
    widths = {len(run) for run in different}
    if len(widths) == 1 and (len(different) >= _FIXED_ENOUGH or runs[0].startswith("0") or kind != "[0-9]"):
        return f"{kind}{{{len(runs[0])}}}" if len(runs[0]) > 1 else kind
    return f"{kind}+"
