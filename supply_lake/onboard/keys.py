"""The primary key: the fewest columns whose values, taken together, no two rows share.

That a key is unique is proved on every row of the sample, by hashes: rows whose hashes differ differ. That it is the key is a
guess, which names and positions make; so amounts, measures and long texts are not tried.

What belongs here: finding keys, and testing one that is given. What does not: modes and scopes (``policy``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import prod

import polars as pl

from supply_lake.onboard import names
from supply_lake.onboard.seen import Seen

_CANDIDATES = 12
_WIDEST = 4
_TRIALS = 400
_LONGEST_PART = 64
_LEADING = 5
_LONG_PART = 40
_PROBE = 20_000
_HOPELESS = 60  # no key can be unique where whole rows repeat; what comes nearest is told all the same
_COLUMNS_COMPARED = 200
_COMPARED = 20_000
_ROWS_COMPARED = 10
_MADE_OF_OTHERS = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was found or given. ``columns`` are places.

    ``everywhere``: no two rows of the whole sample share it; else only no two rows of one group. ``shared`` counts rows that
    share it with an earlier one, which only a given key or the nearest miss has. ``why`` is who says that it is the key.
    """

    columns: tuple[int, ...]
    everywhere: bool
    shared: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The key, if there is one, else what comes nearest; and rows that repeat another one whole."""

    key: Key | None
    nearest: Key | None
    repeated: int


class Columns:
    """The columns of the sample as hashes, computed when they are asked for.

    :param read: gives the values of a column by its place
    :param groups: for every row, the number of what it has to be unique in (its date), or ``None`` for everything
    """

    def __init__(self, read: Callable[[int], pl.Series], rows: int, groups: pl.Series | None = None) -> None:
        self._read, self.rows = read, rows
        self._groups = groups
        self._hashes: dict[int, pl.Series] = {}

    @cached_property
    def largest(self) -> int:
        """Rows of the largest group."""
        return self.rows if self._groups is None else int(self._groups.value_counts()["count"].max() or 0)  # type: ignore[arg-type]

    def hash(self, at: int) -> pl.Series:
        """The hashes of a column's values; empty text is null, as the readers have it."""
        if at not in self._hashes:
            raw = self._read(at)
            if raw.dtype == pl.String:
                raw = raw.str.strip_chars().replace("", None)
            self._hashes[at] = raw.hash(seed=at).zip_with(
                raw.is_not_null(), pl.Series([0], dtype=pl.UInt64).new_from_index(0, len(raw))
            )
        return self._hashes[at]

    def shared(self, places: Sequence[int], *, everywhere: bool, most: int | None = None) -> int:
        """Rows that have the same values as an earlier row; only of the first ``most`` rows, if given."""
        parts = {str(at): self.hash(at) for at in places}
        if not everywhere and self._groups is not None:
            parts["group"] = self._groups
        frame = pl.DataFrame(parts)
        frame = frame.head(most) if most else frame
        return int(frame.height - frame.select(pl.struct(pl.all()).n_unique()).item())

    def all_empty(self, places: Sequence[int]) -> bool:
        """Whether some row has a value in none of the columns."""
        return bool(
            pl.DataFrame({str(at): self.hash(at) == 0 for at in places}).select(pl.all_horizontal(pl.all()).any()).item()
        )

    def texts(self, at: int, number: int) -> pl.Series:
        """The first values of a column as text."""
        return self._read(at).head(number).cast(pl.String, strict=False)


def given(columns: Columns, places: Sequence[int]) -> Key:
    """A key that a person named, tested."""
    if not (shared := columns.shared(places, everywhere=True)):
        return Key(tuple(places), True)
    return Key(tuple(places), False, min(shared, columns.shared(places, everywhere=False)))


def find(columns: Columns, seen: Sequence[Seen]) -> Found:
    """The smallest key; among equals the one that is likeliest by its names and places."""
    repeated = columns.shared(range(len(seen)), everywhere=False) if len(seen) <= _COLUMNS_COMPARED else 0
    nearest: Key | None = None
    for places in _Candidates(columns, seen).tried()[: _HOPELESS if repeated else _TRIALS]:
        if nearest is not None and columns.shared(places, everywhere=False, most=_PROBE) >= nearest.shared:
            continue
        shared = columns.shared(places, everywhere=False)
        if not shared and not columns.all_empty(places):
            return Found(Key(places, columns.shared(places, everywhere=True) == 0), None, repeated)
        if shared and (nearest is None or shared < nearest.shared):
            nearest = Key(places, False, shared)
    return Found(None, nearest, repeated)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Columns and combinations of columns that may be keys."""

    columns: Columns
    seen: Sequence[Seen]

    def tried(self) -> list[tuple[int, ...]]:
        """What is to be tried, the likeliest first: known names before others, and fewer columns before more."""
        cost = {at: self._cost(at) for at in range(len(self.seen)) if self._may_be_part(at) or self._may_be_key(at)}
        parts = sorted((at for at in cost if self._may_be_part(at)), key=lambda at: (cost[at], at))[:_CANDIDATES]
        for at in [at for at in parts if self._is_made_of_others(at, parts)]:
            cost[at] += _MADE_OF_OTHERS
        several = (
            places for size in range(2, _WIDEST + 1) for places in combinations(sorted(parts), size) if self._enough(places)
        )
        alone = ((at,) for at in cost if self._may_be_key(at))
        return sorted([*alone, *several], key=lambda places: (2 * sum(cost[at] for at in places) + len(places), places))

    def _may_be_key(self, at: int) -> bool:
        """Whether a column alone may be a key: it is never empty, of a plain type, and no amount of anything."""
        one, values = self.seen[at], self.seen[at].values
        plain = one.guess.type == "string" or one.guess.type.startswith(("int", "uint"))
        fits = plain and not values.empty and not one.guess.nulls and values.longest <= _LONGEST_PART
        return fits and not names.says_measure(one.label) and values.distinct >= max(1, 0.5 * self.columns.largest)

    def _may_be_part(self, at: int) -> bool:
        """Whether a column may be one of several: it tells things apart, and is no measure."""
        one, type = self.seen[at], self.seen[at].guess.type
        if one.values.distinct < 2 or one.values.longest > _LONGEST_PART or names.says_measure(one.label):
            return False
        if type in ("date", "timestamp"):
            return True
        if type.startswith(("int", "uint")):
            return self._is_identity(at)
        return type == "string" and (not names.is_unnamed(one.label) or at < _LEADING)

    def _is_identity(self, at: int) -> bool:
        """Whether the name says so; of columns without names, the leading ones are taken for it."""
        label = self.seen[at].label
        return names.says_identity(label) or (names.is_unnamed(label) and at < _LEADING)

    def _cost(self, at: int) -> int:
        """How unlikely it is that a column is part of a key, from 0."""
        by_type = {"timestamp": 4, "date": 2}.get(self.seen[at].guess.type)
        long = self.seen[at].values.longest > _LONG_PART
        return (0 if self._is_identity(at) else 1) + long if by_type is None else by_type

    def _enough(self, places: Sequence[int]) -> bool:
        """Whether the columns have enough different values between them to tell the rows of the largest group apart."""
        return prod(self.seen[at].values.distinct + 1 for at in places) >= self.columns.largest

    def _is_made_of_others(self, at: int, others: Sequence[int]) -> bool:
        """Whether a column's texts hold those of two others, as ``"Abbeville, South Carolina, US"`` does."""
        mine = self.columns.texts(at, _COMPARED)
        return sum(_holds(mine, self.columns.texts(other, _COMPARED)) for other in others if other != at) >= 2


def _holds(mine: pl.Series, theirs: pl.Series) -> bool:
    """Whether texts hold those of another column, where both are filled."""
    both = pl.DataFrame({"mine": mine, "theirs": theirs}).filter(
        (pl.col("theirs").str.len_chars() > 2) & (pl.col("mine") != "")
    )
    if both.height < _ROWS_COMPARED:
        return False
    return bool(both.select(pl.col("mine").str.contains(pl.col("theirs"), literal=True).mean()).item() > 0.95)
