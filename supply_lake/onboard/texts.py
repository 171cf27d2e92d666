"""Text: what is left when values are nothing else, and what can be said of it all the same.

What belongs here: text columns, with the numbers and dates that they nearly are. What does not: checks (``checks``).
"""

from __future__ import annotations

from supply_lake.datasets.format import Format
from supply_lake.onboard import moments, numbers
from supply_lake.onboard.guess import Guess, read_as_null
from supply_lake.onboard.sentinels import among_text
from supply_lake.onboard.telling import quoted
from supply_lake.onboard.values import Values, share

_WORTH_TELLING = 0.3


def guess(values: Values, form: Format) -> Guess:
    """Text, with what may mean null and what kept it from being typed."""
    if not values.filled:
        return Guess("string", "no value in the sample", doubts=("the sample has no value of it; its type is not known",))
    sentinels = tuple(among_text(values))
    doubts = _nearly(values, form)
    return Guess(
        "string",
        "text" if not doubts else "text, because a part of it is",
        sentinels=sentinels,
        offers=read_as_null(sentinels, form),
        doubts=doubts,
    )


def _nearly(values: Values, form: Format) -> tuple[str, ...]:
    """What a good part of the values is, and what the others are."""
    number = numbers.floats(values.stripped, form).is_not_null()
    for what, like in (("numbers", number), ("dates", moments.are_dates(values))):
        rows = values.rows_of(like)
        if _WORTH_TELLING * values.filled <= rows < values.filled:
            rest = values.only(~like)
            shapes = "; ".join(f"{one.rows:,} like {quoted(one.example)}" for one in rest.shapes(3))
            return (
                f"{rows:,} of {values.filled:,} values ({share(rows, values.filled)}) are {what}; "
                f"the {rest.filled:,} others are text ({shapes}); a typed column would reject those rows",
            )
    return ()
