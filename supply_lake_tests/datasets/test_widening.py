"""The order of types: what two of them have in common says every value of both, and grows no larger than that."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.datasets.types import DataType, parse_type
from supply_lake.datasets.widening import NOTHING, TEXT, Held, common, contains, grown, holding, promoted
from supply_lake_tests.datasets.test_types import decimals, scalars, types

numbers = decimals | scalars.filter(lambda kind: "int" in kind.name or "float" in kind.name)


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ("int8", "int32", "int32"),
        ("int32", "int64", "int64"),
        ("uint8", "int8", "int16"),
        ("uint32", "int64", "int64"),
        ("uint64", "int64", "decimal(20,0)"),
        ("int32", "float64", "float64"),
        ("int16", "float32", "float32"),
        ("int32", "float32", "float64"),
        ("int64", "float64", None),  # past 15 digits a float64 does not tell integers apart
        ("int64", "decimal(12,2)", "decimal(21,2)"),
        ("decimal(12,2)", "decimal(10,4)", "decimal(14,4)"),
        ("decimal(38,0)", "decimal(38,30)", None),
        ("decimal(15,2)", "float64", "float64"),
        ("decimal(16,2)", "float64", None),
        ("date", "timestamp", "timestamp"),
        ("string", "json", "string"),
        ("null", "date", "date"),
        ("string", "int64", None),
        ("boolean", "int8", None),
        ("list<int8>", "list<int64>", "list<int64>"),
        ("list<int8>", "list<string>", "list<string>"),
        ("struct<a:int8>", "struct<b:date,a:int64>", "struct<a:int64,b:date>"),
        ("struct<a:int8>", "list<int8>", None),
        ("list<list<int8>>", "list<int8>", None),
    ],
)
def test_p6_what_two_types_have_in_common(one: str, two: str, both: str | None) -> None:
    expected = parse_type(both) if both else None
    assert common(parse_type(one), parse_type(two)) == expected
    if "struct" not in one:
        assert common(parse_type(two), parse_type(one)) == expected


@given(types)
def test_p6_every_type_contains_itself_and_nothing(kind: DataType) -> None:
    assert contains(kind, kind)
    assert contains(kind, NOTHING)


@given(numbers, numbers)
def test_p6_what_numbers_have_in_common_contains_both(one: DataType, two: DataType) -> None:
    both = common(one, two)
    if both is not None:
        assert contains(both, one)
        assert contains(both, two)
        assert promoted(one, two) == both == common(two, one)


@given(st.permutations([parse_type(one) for one in ("int8", "uint16", "decimal(9,2)", "int64", "decimal(12,6)")]))
def test_p6_growing_does_not_depend_on_the_order_of_files(kinds: list[DataType]) -> None:
    assert str(grown(kinds[0], kinds[1:])) == "decimal(25,6)"


def test_p6_a_float_takes_in_any_number_when_a_contract_grows() -> None:
    assert promoted(parse_type("int64"), parse_type("float64")) == parse_type("float64")
    assert promoted(parse_type("int64"), TEXT) is None
    assert grown(parse_type("int8"), [None]) is None


def held(kind: str, low: str | None = None, high: str | None = None, *, empty: bool = False) -> Held:
    return Held(parse_type(kind), low, high, empty=empty)


def test_p6_bounds_tell_whether_a_float_says_integers_exactly() -> None:
    assert str(holding([held("int64", "-3", str(10**15 - 1)), held("float64")])) == "float64"
    assert holding([held("int64", "0", str(10**15)), held("float64")]) == TEXT
    assert holding([held("int64"), held("float64")]) == TEXT
    assert str(holding([held("decimal(20,4)", "-1.5", "99999999999.0000"), held("float64")])) == "float64"
    assert holding([held("decimal(20,4)", "0", "999999999999"), held("float64")]) == TEXT


def test_p6_types_that_have_nothing_in_common_are_text_and_columns_without_values_do_not_count() -> None:
    assert holding([held("string"), held("int64", "1", "2")]) == TEXT
    assert str(holding([held("string", empty=True), held("int64", "1", "2")])) == "int64"
    assert str(holding([held("date", empty=True), held("int64", empty=True)])) == "date"
    assert str(holding([held("int8"), held("int32")])) == "int32"


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_p6_fitted_bounds_hold_the_bounds(one: int, two: int) -> None:
    low, high = sorted((one, two))
    kind = held("int64", str(low), str(high)).fitted
    assert max(abs(low), abs(high)) < 10**kind.precision
    assert Decimal(10) ** (kind.precision - 1) <= max(abs(low), abs(high), 1)
