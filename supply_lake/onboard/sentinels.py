"""Texts that stand for "no value" among values that are something else: ``N/A``, ``unknown``, ``Pre-PQ Process``, ``999``.

What belongs here: telling them, with their counts. What does not: what becomes of them (the families of types decide).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from supply_lake.onboard.values import Counted, Values

WORDS = re.compile(
    r"(?i)#?n[./]?a\.?(\b.*)?|nan|null|\(null\)|<null>|none|nil|\\n|-+|\?+|\.+|_+|x{2,}|unknown|unk|undefined|unspecified|"
    r"missing|empty|not? (available|applicable|captured|known|recorded|specified|provided|data|value)|tb[adc]|"
    r"#(ref|value|num|name|div/0)[!?]|.* not (captured|available|applicable|recorded|known|specified)"
)
_REPEATED_AT_MOST = 6
_PHRASE = 6
_LONGEST_WORD = 40
STRAYS_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Odd:
    """The values that are not like the rest.

    ``nulls`` are exact texts that can be declared to mean null; ``strays`` is all else, which would be rejected.
    """

    nulls: tuple[Counted, ...]
    strays: Values

    @property
    def null_rows(self) -> int:
        """Rows that would be null."""
        return sum(one.rows for one in self.nulls)


def odd(values: Values, fitting: pl.Series) -> Odd | None:
    """What is to be done with the values that do not fit a type; ``None`` when they are too many for the type to be right.

    :param fitting: which of the different values fit
    """
    rest = values.only(~fitting.fill_null(False))
    if not rest.distinct:
        return Odd((), rest)
    fit = values.distinct - rest.distinct
    words = [one for one in rest.most(100) if _stands_for_nothing(one, values)][:_REPEATED_AT_MOST]
    strays = rest.without([one.text for one in words])
    if not fit or strays.rows > STRAYS_SHARE * values.rows or fit < 2 * len(words):
        return None
    return Odd(tuple(words), strays)


def _stands_for_nothing(one: Counted, values: Values) -> bool:
    """A known word, or a phrase that comes back far more often than a misspelt value would. ``XL`` among sizes is neither."""
    often = one.rows >= 5 and one.rows > 0.001 * values.rows
    return is_word(one.text) or (often and len(re.findall(r"[^\W\d]", one.text)) >= _PHRASE)


def is_word(text: str) -> bool:
    """Whether people use the text to say that there is no value."""
    return len(text) <= _LONGEST_WORD and WORDS.fullmatch(text.strip()) is not None


def among_text(values: Values) -> list[Counted]:
    """Texts of a text column that may mean null: known words, and a frequent one without digits where all others are codes."""
    found = [one for one in values.most(50) if is_word(one.text)]
    codes = values.texts.str.contains(r"\d")
    plain = values.only(~codes)
    if codes.any() and 0 < plain.distinct <= 3 and values.rows_of(codes) >= 0.3 * values.filled and codes.sum() >= 20:
        known = {one.text for one in found}
        found += [one for one in plain.most(3) if one.rows >= 5 and one.text not in known]
    return sorted(found, key=lambda one: (-one.rows, one.text))


_NINES = re.compile(r"-?9{2,}(\.0*|\.9+)?|-1(\.0*)?|-?9{1,}\.9+")


def among_numbers(values: Values, numbers: pl.Series) -> list[Counted]:
    """A number such as 999 or -1 that lies far from all others and comes back often.

    :param numbers: the different values as floats, null where one is none
    """
    known = pl.DataFrame({"value": values.texts, "n": values.table["n"], "x": numbers}).drop_nulls().sort("x")
    if known.height < 4:
        return []
    found = []
    for at, beside in ((known.height - 1, known.height - 2), (0, 1)):
        text, rows, x = known.row(at)
        near = known.row(beside)[2]
        span = known["x"][-2 if at else -1] - known["x"][0 if at else 1]
        apart = abs(x - near) > max(3 * span, 9) or (x == -1 and near >= 0)
        if _NINES.fullmatch(text.strip()) and apart and rows >= max(3, 0.005 * values.rows):
            found.append(Counted(text, rows))
    return found


_FAR_DATES = re.compile(r"(9999-12-31|2999-12-31|1900-01-0[01]|1899-12-30|1970-01-01|0001-01-01|1753-01-01)(\b.*)?")


def among_dates(values: Values, moments: pl.Series) -> list[Counted]:
    """Dates that systems write for "never" or "not known", and that come back often.

    :param moments: the different values as dates or timestamps, null where one is none
    """
    far = moments.cast(pl.Date, strict=False).cast(pl.String).str.contains(f"^(?:{_FAR_DATES.pattern})$").fill_null(False)
    return [one for one in values.only(far).most() if one.rows >= 3] if far.any() else []
