"""Column types: what parses prints, and what YAML may compare with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.datasets.types import DataType, parse_type

NUMBERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
SCALARS = [*NUMBERS, "string", "boolean", "date", "time", "timestamp", "json", "binary"]
scalars = st.sampled_from([parse_type(name) for name in SCALARS])
decimals = st.integers(1, 38).flatmap(
    lambda precision: st.integers(0, precision).map(lambda scale: DataType(name="decimal", precision=precision, scale=scale))
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True) | st.text(min_size=1, max_size=6)
types = st.recursive(
    scalars | decimals,
    lambda inner: (
        inner.map(lambda item: DataType(name="list", item=item))
        | st.lists(st.tuples(names, inner), min_size=1, max_size=4).map(
            lambda fields: DataType(name="struct", fields=tuple(fields))
        )
    ),
    max_leaves=8,
)


@given(types)
def test_a_type_is_its_text(kind: DataType) -> None:
    assert parse_type(str(kind)) == kind
    assert parse_type(f" {kind} ") == kind
    assert kind.nested == (kind.name in ("list", "struct"))


def test_blanks_in_a_type_mean_nothing() -> None:
    assert parse_type(" decimal( 12 , 2 ) ") == parse_type("decimal(12,2)")
    assert parse_type('struct< a : list< int8 > , "b  c" : date >').fields[1][0] == "b  c"


def test_types_of_the_lake_alone_are_read_and_never_declared() -> None:
    for text in ("null", "map<string,string>", "list<null>", "struct<a:map<string,string>>"):
        assert str(parse_type(text)) == text
        assert not parse_type(text).declarable
    assert parse_type("struct<a:list<int8>>").declarable


NO_TYPES = """
text, int, decimal, decimal(39;2), decimal(4;5), decimal(0;0), list<>, list<text>, list<int8, struct<>, struct<a>, struct<a:>,
struct<:int8>, struct<a:int8;>, struct<a:int8>>, int8;int8
"""


@pytest.mark.parametrize("text", ["", *(one.strip().replace(";", ",") for one in NO_TYPES.split(","))])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no type|is no struct field|scale is larger"):
        parse_type(text)


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [
        ("int32", [0, -3, 4.0], ["4", 4.5, True, "x"]),
        ("float64", [0, 1.5], ["1.5", True]),
        ("decimal(12,2)", [1, 1.25, "1.25"], ["one", True, None]),
        ("string", ["007", ""], [7, True]),
        ("boolean", [True, False], [1, "true"]),
        ("date", ["2025-11-03"], ["03.11.2025", 20251103, "2025-02-30"]),
        ("time", ["12:30"], ["noon", 750]),
        ("timestamp", ["2025-11-03T12:00:00Z", "2025-11-03"], ["yesterday"]),
    ],
)
def test_what_can_be_compared_with_it(kind: str, yes: list[object], no: list[object]) -> None:
    parsed = parse_type(kind)
    assert [value for value in yes if not parsed.can_hold(value)] == []
    assert [value for value in no if parsed.can_hold(value)] == []
