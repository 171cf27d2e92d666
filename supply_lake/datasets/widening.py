"""Which type holds the values of two others, exactly.

``common`` is a question of types alone, and its answer loses nothing: int32 and float64 meet in float64, int64 and
decimal(12,2) in decimal(21,2), and int64 and float64 nowhere, for a float64 tells numbers apart up to 15 digits only.
``holding`` looks at the bounds of the values as well, and has an answer always: text, in the end. ``promoted`` is what a
contract grows to.

What belongs here: the order of types. What does not: casting values (``curate.kinds``, ``query.unified``) and deciding when a
column grows (``curate.evolve``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce

from supply_lake.datasets.types import DataType

TEXT, NOTHING = DataType(name="string"), DataType(name="null")
FLOAT64 = DataType(name="float64")
MOST_DIGITS = 38
_PAIRS = {frozenset(("string", "json")): TEXT, frozenset(("date", "timestamp")): DataType(name="timestamp")}
_SIGNED, _UNSIGNED = ("int8", "int16", "int32", "int64"), ("uint8", "uint16", "uint32", "uint64")
_BITS = {name: 8 << place for names in (_SIGNED, _UNSIGNED) for place, name in enumerate(names)}
_DIGITS = {"int8": 3, "int16": 5, "int32": 10, "int64": 19, "uint8": 3, "uint16": 5, "uint32": 10, "uint64": 20}
# Whole numbers of so many bits, and decimals of so many digits, go through a float and come back as they were.
_FLOAT_BITS = {"float32": 16, "float64": 32}
_FLOAT_DIGITS = {"float32": 6, "float64": 15}


@dataclass(frozen=True, slots=True)
class Held:
    """A type and what is known of the values in it: their bounds as text (``None``: unknown), or that there are none."""

    kind: DataType
    low: str | None = None
    high: str | None = None
    empty: bool = False

    @property
    def fitted(self) -> DataType:
        """The narrowest decimal that holds these values, when they are integers or decimals of which the bounds are known."""
        if self.low is None or self.high is None or not (is_integer(self.kind) or self.kind.name == "decimal"):
            return self.kind
        whole = max(len(str(abs(int(Decimal(bound))))) for bound in (self.low, self.high))
        return decimal(whole, self.kind.scale) or self.kind


def is_integer(kind: DataType) -> bool:
    """Whether it is one of the eight integer types."""
    return kind.name in _BITS


def is_float(kind: DataType) -> bool:
    """Whether it is one of the two floating point types."""
    return kind.name in _FLOAT_BITS


def is_number(kind: DataType) -> bool:
    """Whether it is an integer, a float or a decimal."""
    return is_integer(kind) or is_float(kind) or kind.name == "decimal"


def decimal(whole: int, scale: int) -> DataType | None:
    """The decimal of so many digits before and after the point; ``None`` past 38 digits."""
    digits = max(whole + scale, 1)
    return DataType(name="decimal", precision=digits, scale=scale) if digits <= MOST_DIGITS else None


def integer_holding(low: int, high: int, *, signed: bool = True) -> DataType | None:
    """The narrowest integer type that holds both bounds; ``None`` when none does."""
    for name in _SIGNED if signed else _UNSIGNED:
        least, most = (-(1 << _BITS[name] - 1), (1 << _BITS[name] - 1) - 1) if signed else (0, (1 << _BITS[name]) - 1)
        if least <= low and high <= most:
            return DataType(name=name)
    return None


def whole_digits(kind: DataType) -> int:
    """Digits before the point of an integer or a decimal type."""
    return _DIGITS[kind.name] if is_integer(kind) else kind.precision - kind.scale


def common(one: DataType, two: DataType) -> DataType | None:
    """The narrowest type that says every value of both exactly; ``None`` when there is none."""
    if two in (one, NOTHING):
        return one
    if one == NOTHING:
        return two
    if is_number(one) and is_number(two):
        return _number(one, two)
    if one.nested and one.name == two.name:
        return _list(one, two) if one.item else _struct(one, two)
    return _PAIRS.get(frozenset((one.name, two.name)))


def promoted(one: DataType, two: DataType) -> DataType | None:
    """As ``common``, but a float takes in any number: what a column of 64-bit integers grows to when fractions come as floats.

    Whoever casts values that are there already has to look whether the float says them exactly.
    """
    found = common(one, two)
    if found is None and is_number(one) and is_number(two) and (is_float(one) or is_float(two)):
        return FLOAT64
    return found


def grown(base: DataType, needs: Iterable[DataType | None]) -> DataType | None:
    """The type promoted by all of these; ``None`` when one of them is, or when no type holds them together."""
    found: DataType | None = base
    for need in needs:
        found = promoted(found, need) if found is not None and need is not None else None
    return found


def contains(wide: DataType, narrow: DataType) -> bool:
    """Whether every value of the narrow type is one of the wide type."""
    return common(wide, narrow) == wide


def holding(parts: Iterable[Held]) -> DataType:
    """The type that holds all of these values exactly: by types, by those of columns that have values, by bounds, else text."""
    held = list(parts)
    there = [one for one in held if not one.empty] or held[:1]
    for kinds in ([one.kind for one in held], [one.kind for one in there], [one.fitted for one in there]):
        found = _all(kinds)
        if found is not None:
            return found
    return TEXT


def _all(kinds: Sequence[DataType]) -> DataType | None:
    return reduce(lambda found, kind: None if found is None else common(found, kind), kinds, kinds[0] if kinds else None)


def _number(one: DataType, two: DataType) -> DataType | None:
    if is_float(one) and is_float(two):
        return FLOAT64
    if is_float(one) or is_float(two):
        floating, exact = (one, two) if is_float(one) else (two, one)
        return _float(floating, exact)
    if is_integer(one) and is_integer(two):
        return _integer(one, two)
    scale = max(one.scale, two.scale)
    return decimal(max(whole_digits(one), whole_digits(two)), scale)


def _float(floating: DataType, exact: DataType) -> DataType | None:
    for kind in (floating, FLOAT64):
        if is_integer(exact) and _BITS[exact.name] <= _FLOAT_BITS[kind.name]:
            return kind
        if exact.name == "decimal" and exact.precision <= _FLOAT_DIGITS[kind.name]:
            return kind
    return None


def _integer(one: DataType, two: DataType) -> DataType:
    if (one.name in _SIGNED) == (two.name in _SIGNED):
        return one if _BITS[one.name] >= _BITS[two.name] else two
    signed, unsigned = (one, two) if one.name in _SIGNED else (two, one)
    bits = max(_BITS[signed.name], 2 * _BITS[unsigned.name])
    wide = [name for name in _SIGNED if _BITS[name] == bits]
    return DataType(name=wide[0]) if wide else DataType(name="decimal", precision=20, scale=0)


def _list(one: DataType, two: DataType) -> DataType | None:
    assert one.item is not None
    assert two.item is not None
    item = _inside(one.item, two.item)
    return DataType(name="list", item=item) if item else None


def _struct(one: DataType, two: DataType) -> DataType | None:
    """The fields of both: those of the first in their order, then what the second has besides."""
    fields, more = dict(one.fields), dict(two.fields)
    for name, kind in more.items():
        inner = _inside(fields[name], kind) if name in fields else kind
        if inner is None:
            return None
        fields[name] = inner
    return DataType(name="struct", fields=tuple(fields.items()))


def _inside(one: DataType, two: DataType) -> DataType | None:
    """As ``common``; plain values that have nothing in common meet as text, so that what is around them keeps its form."""
    found = common(one, two)
    plain = not (one.nested or two.nested or "binary" in (one.name, two.name))
    return TEXT if found is None and plain else found
