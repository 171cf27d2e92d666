"""Keys: null and blank ones, repeats, ties, and rows that are bad."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from supply_lake.curate import duels
from supply_lake.snapshots.records import Rows
from supply_lake_tests.ingest.house import KEYED, ORDERS, House, csv

Make = Callable[..., House]
SPEC: dict[str, Any] = {**ORDERS, **KEYED, "error_threshold": 1.0}
TWO_PARTS: dict[str, Any] = {
    **ORDERS,
    "error_threshold": 1.0,
    "primary_key": ["site", "order_id"],
    "columns": [{"name": "site", "type": "string", "nullable": True}, *ORDERS["columns"]],
}


def test_p11_null_and_blank_keys_are_set_aside(make_house: Make) -> None:
    house = make_house(SPEC)
    house.land("a.csv", csv([("o1", 1, 1), (None, 2, 1), ("  ", 3, 1)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=1, rejected=2)
    assert house.rejects()["line"].to_list() == [3, 4]
    house.recount()


def test_p11_a_part_of_a_key_may_be_null_where_it_is_declared(make_house: Make) -> None:
    house = make_house(TWO_PARTS)
    header = "site,order_id,quantity,version"
    house.land("a.csv", csv([("s", "o1", 1, 1), (None, "o1", 2, 1), (None, "o1", 3, 1)], header))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, deduplicated=1)
    assert house.rows() == [("s", "o1", 1, 1), (None, "o1", 3, 1)]


def test_p11_repeated_keys_keep_the_greatest_order_value_and_nulls_are_lowest(make_house: Make) -> None:
    house = make_house(SPEC)
    house.land("a.csv", csv([("o1", 1, 3), ("o1", 2, 7), ("o1", 3, None), ("o1", 4, 5)]))
    (batch,) = house.ingest()
    assert house.rows() == [("o1", 2, 7)]
    assert batch.rows == Rows(landed=4, published=1, deduplicated=3)
    reasons = house.rejects()["reasons"].explode().struct.field("reason").unique().to_list()
    assert reasons == ["same key as line 3 of orders/2026/11/01/a.csv, which stays"]


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_p11_among_equal_order_values_the_row_delivered_last_stays(make_house: Make, order: tuple[int, ...]) -> None:
    house = make_house(SPEC)
    house.land("a.csv", csv([("o1", quantity, 1) for quantity in order]))
    house.ingest()
    assert house.rows() == [("o1", order[-1], 1)]


@pytest.mark.parametrize("bad_version", [1, 9])
def test_p12_a_bad_row_never_wins_whichever_is_newer(make_house: Make, bad_version: int) -> None:
    house = make_house(SPEC)
    house.land("a.csv", csv([("o1", 5, 4), ("o1", "many", bad_version)]))
    house.ingest()
    assert house.rows() == [("o1", 5, 4)]


def test_p12_a_bad_row_does_not_touch_the_live_one(make_house: Make) -> None:
    house = make_house({**SPEC, "mode": "upsert"})
    house.land("a.csv", csv([("o1", 5, 4)]))
    house.ingest()
    house.land("b.csv", csv([("o1", -1, 9), ("o2", 1, 1)]))
    house.ingest()
    assert house.rows() == [("o1", 5, 4), ("o2", 1, 1)]
    house.recount()


def test_many_keys_are_told_apart_in_parts_as_they_are_in_one(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"o{number % 37}", number, number % 5) for number in range(400)]
    live = []
    for parts, at_once in (("one", 10_000), ("many", 30)):
        monkeypatch.setattr(duels, "ROWS_AT_ONCE", at_once)
        house = make_house({**SPEC, "mode": "upsert"}, at=parts)
        house.land("a.csv", csv(rows[:200]))
        house.ingest()
        house.land("b.csv", csv(rows[200:]))
        house.ingest()
        house.recount()
        live.append(house.rows())
    assert live[0] == live[1]
    assert len(live[0]) == 37
