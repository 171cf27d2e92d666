"""What is guessed of one column: a type, the fields that go with it, why, and what is in doubt.

What belongs here: the value, and the one test of a guess, which is the cast that ingestion will make. What does not: guessing
(a module for each family of types).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from supply_lake.curate.cast import cast_column
from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.onboard.sentinels import Odd, odd
from supply_lake.onboard.telling import count, quoted
from supply_lake.onboard.values import Counted, Values


@dataclass(frozen=True, slots=True)
class Offer:
    """Fields of the column that a person may prefer to the drafted ones, and what they would do."""

    fields: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class Guess:
    """A column's type with its fields, as the dataset file will say it.

    ``nulls`` are texts that the draft reads as null, ``strays`` counts values that it rejects, ``trim`` says that the values
    are of the type only without the white space around them. ``sentinels`` are values that may mean "none" and that the
    draft leaves as they are. ``either`` are formats that all fit, so that none of them is proved.
    """

    type: str
    why: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    nulls: tuple[Counted, ...] = ()
    strays: tuple[Counted, ...] = ()
    stray_rows: int = 0
    sentinels: tuple[Counted, ...] = ()
    doubts: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    either: tuple[str, ...] = ()
    trim: bool = False
    low: str = ""
    high: str = ""


def cast(texts: pl.Series, form: Format, **fields: Any) -> pl.Series:
    """The texts as ingestion casts them; null where it would reject them."""
    column = Column.model_validate({"name": "value", **fields})
    return cast_column(texts, column, DatasetSpec.model_construct(None, format=form)).values  # type: ignore[call-arg]


def tried(
    values: Values,
    form: Format,
    fields: Mapping[str, Any],
    *,
    why: str,
    like: pl.Series | None = None,
    doubts: Sequence[str] = (),
    sentinels: Sequence[Counted] = (),
    offers: Sequence[Offer] = (),
) -> Guess | None:
    """The guess, if the values are of the type but for texts that stand for "none" and a few strays.

    :param fields: the column's type, and what else the column declares for it
    :param like: which of the different values may be of the type; all, when left out
    """
    typed = cast(values.stripped, form, **fields)
    fitting = typed.is_not_null() if like is None else typed.is_not_null() & like.fill_null(False)
    rest = odd(values, fitting)
    if rest is None:
        return None
    kept = pl.Series([], dtype=pl.String) if typed.dtype.is_nested() else typed.filter(fitting)
    return Guess(
        type=fields["type"],
        why=why,
        fields={name: value for name, value in fields.items() if name != "type"} | _nulls(rest, form),
        nulls=rest.nulls,
        strays=tuple(rest.strays.most(3)),
        stray_rows=rest.strays.rows,
        sentinels=tuple(sentinels),
        doubts=tuple(doubts),
        offers=tuple(offers),
        trim=bool((values.texts.filter(fitting) != values.stripped.filter(fitting)).any()),
        low=_told(kept.min()),
        high=_told(kept.max()),
    )


def read_as_null(sentinels: Sequence[Counted], form: Format) -> tuple[Offer, ...]:
    """The offer to read these texts as null; none when there are none."""
    if not sentinels:
        return ()
    told, rows = ", ".join(quoted(one.text) for one in sentinels), sum(one.rows for one in sentinels)
    fields = {"nulls": [*form.null_values, *(one.text for one in sentinels)]}
    return (Offer(fields, f"reads {told} as null, in {count(rows, 'row')}"),)


def _nulls(rest: Odd, form: Format) -> dict[str, Any]:
    texts = [one.text.strip() if form.trim else one.text for one in rest.nulls]
    return {"nulls": [*form.null_values, *texts]} if texts else {}


def _told(value: Any) -> str:
    return "" if value is None else str(value)
