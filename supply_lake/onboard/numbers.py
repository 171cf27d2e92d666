"""Numbers: whole ones, decimals and floats, and digits that are no numbers.

What belongs here: which kind a column of digits is of. What does not: the marks that a file writes them with (``marks``),
sentinels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from supply_lake.curate.cast_numbers import plain_text
from supply_lake.datasets.format import Format
from supply_lake.onboard import names
from supply_lake.onboard.guess import Guess, Offer, read_as_null, tried
from supply_lake.onboard.sentinels import among_numbers, odd
from supply_lake.onboard.telling import count, quoted
from supply_lake.onboard.values import Counted, Values

_WHOLE = r"^[+-]?\d+$"
_POINT = r"^[+-]?(\d+\.\d*|\.\d+)$"
_EXPONENT = r"^[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$"
_ZERO_LED = r"^[+-]?0\d"
_LONGEST_WHOLE = 18
_CODE_DIGITS = 12
_MONEY_SCALE = 6
_PRECISIONS = (12, 18, 28, 38)
_FLOAT_DIGITS = 17


def guess(values: Values, name: str, form: Format) -> Guess | None:
    """The kind of number, or text for digits that are codes; ``None`` when the column holds no numbers."""
    plain = plain_text(values.stripped, form)
    whole, point = plain.str.contains(_WHOLE).fill_null(False), plain.str.contains(_POINT).fill_null(False)
    exponent = _exponents(plain, point)
    like = whole | point | exponent
    if not like.any():
        return None
    digits = plain.filter(like)
    if why := _why_text(values.only(like), digits, name):
        rest = odd(values, like)
        return None if rest is None else Guess("string", why, sentinels=rest.nulls, offers=read_as_null(rest.nulls, form))
    sentinels = among_numbers(values, floats(values.stripped, form).zip_with(like, _nothing(like)))
    fields, why = _kind(values, digits, name)
    doubts = [*_far_off(sentinels), *_kind_doubts(fields, digits)]
    offers = _offers(values, form, sentinels, name)
    found = tried(values, form, fields, why=why, like=like, sentinels=sentinels, doubts=doubts, offers=offers)
    return None if found is not None and _are_codes(found, name) else found


def _are_codes(found: Guess, name: str) -> bool:
    """Whether the few values that are no numbers are codes, so that all of them are: ``C536548`` among ``536365``."""
    if not found.stray_rows or found.type != "int64":
        return False
    strays = [one.text.strip() for one in found.strays]
    return names.says_identity(name) or any(re.fullmatch(r"(?=.*\d)(?=.*[A-Za-z])[\w/.-]+", one) for one in strays)


def floats(texts: pl.Series, form: Format) -> pl.Series:
    """The texts as floats where they are numbers, for comparing them."""
    return plain_text(texts, form).cast(pl.Float64, strict=False)


# --- codes


def _why_text(values: Values, digits: pl.Series, name: str) -> str:
    """Why digits stay text; empty when they are numbers."""
    led = digits.str.contains(_ZERO_LED)
    if led.any():
        rows, example = values.rows_of(led), digits.filter(led)[0]
        return f"{count(rows, 'value')} with leading zeros, which a number would lose, such as {quoted(example)}"
    return _why_code(values, digits, name) if digits.str.contains(_WHOLE).all() else ""


def _why_code(values: Values, digits: pl.Series, name: str) -> str:
    """Why whole numbers are codes."""
    widths = digits.str.strip_chars("+-").str.len_chars()
    longest = int(widths.max())  # type: ignore[arg-type]
    reasons = (
        (digits.str.contains(r"^\+\d{7,}$").all(), "digits behind a plus sign look like telephone numbers"),
        (longest > _LONGEST_WHOLE, f"digits as long as {longest} are an identifier, and more than an int64 holds"),
        (
            _CODE_DIGITS <= longest == widths.min() and len(digits) > 1,
            f"every value has {longest} digits, so that they are codes rather than amounts",
        ),
        (names.says_text_code(name), "by its name it holds codes, which may come with leading zeros"),
        (values.origin == "quoted", "the producer writes these digits as text"),
    )
    return next((why for holds, why in reasons if holds), "")


def _exponents(plain: pl.Series, point: pl.Series) -> pl.Series:
    """``1.5e-05`` is a number among decimals; ``1e5`` alone is a code."""
    found = plain.str.contains(_EXPONENT).fill_null(False)
    if not found.any():
        return found
    clear = found & plain.str.contains(r"\.|[eE][+-]").fill_null(False)
    return found if clear.any() or point.any() else clear


# --- kinds


def _kind(values: Values, digits: pl.Series, name: str) -> tuple[dict[str, object], str]:
    """The type with its fields, and why."""
    if digits.str.contains(_WHOLE).all():
        return {"type": "int64"}, "whole numbers"
    if _written_as_floats(digits, values, name):
        return {"type": "int64", "integral_floats": True}, "whole numbers that were written as floats, such as 17850.0"
    before, after = _digits(digits)
    if after > _MONEY_SCALE or before + after > _PRECISIONS[-1] or digits.str.contains(_EXPONENT).any():
        return {"type": "float64"}, f"numbers with up to {after} decimals, or an exponent: measured rather than counted"
    if values.origin == "float" and not names.says_money(name):
        return {"type": "float64"}, "the source has floating point numbers"
    return {"type": _decimal(before, after)}, f"numbers with up to {count(after, 'decimal')}, kept exactly"


def _written_as_floats(digits: pl.Series, values: Values, name: str) -> bool:
    """``17850.0`` all over, in a column that does not measure anything."""
    if not digits.str.contains(r"^[+-]?\d+(\.0)?$").all():
        return False
    return not names.says_measure(name) and (values.origin != "float" or names.says_identity(name) or names.is_unnamed(name))


def _digits(digits: pl.Series) -> tuple[int, int]:
    """The most digits before and after the point."""
    sides = digits.str.replace(r"[eE].*$", "").str.strip_chars("+-").str.split_exact(".", 1).struct.unnest()
    before = sides["field_0"].str.len_chars().max()
    after = sides["field_1"].fill_null("").str.len_chars().max()
    return int(before or 0), int(after or 0)  # type: ignore[arg-type]


def _decimal(before: int, after: int) -> str:
    """The smallest usual precision with room for two more digits before the point."""
    scale = max(after, 2)
    return f"decimal({next((one for one in _PRECISIONS if one >= before + scale + 2), _PRECISIONS[-1])},{scale})"


# --- doubts


def _kind_doubts(fields: dict[str, object], digits: pl.Series) -> list[str]:
    if "integral_floats" in fields:
        return ["a value with decimals would be rejected"]
    if fields["type"] != "float64":
        return []
    counted = digits.str.replace(r"[eE].*$", "").str.replace_all(r"[.+-]", "").str.strip_chars_start("0").str.len_chars()
    many = int((counted > _FLOAT_DIGITS).sum())
    return [f"{count(many, 'value')} with more than {_FLOAT_DIGITS} digits, more than a float64 tells apart"] if many else []


def _far_off(sentinels: Sequence[Counted]) -> list[str]:
    return [
        f"{one.text} stands far from all other values in {count(one.rows, 'row')} and may mean that there is none"
        for one in sentinels
    ]


def _offers(values: Values, form: Format, sentinels: Sequence[Counted], name: str) -> list[Offer]:
    offers = list(read_as_null(sentinels, form))
    if set(values.stripped.head(3)) == {"0", "1"} and not names.says_flag(name):
        offers.append(Offer({"type": "boolean"}, "0 and 1 are its only values"))
    return offers


def _nothing(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=pl.Float64).new_from_index(0, len(like))
