"""Rules of a dataset over rows that are taken up again, and over what revocations leave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from supply_lake.ingest.replay import replay
from supply_lake.ingest.revoke import revoke
from supply_lake.snapshots.records import Rows, Status
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

Make = Callable[..., House]
NEXT = DAY + dt.timedelta(days=1)
KNOWN = {"name": "known", "references": {"columns": ["order_id"], "dataset": "skus", "their": ["sku"]}}
UNIQUE = {"name": "one_version", "unique": {"columns": ["version"]}}
SMALL = {"name": "small", "row": "quantity < 10"}
SKUS: dict[str, Any] = {**ORDERS, "name": "skus", "mode": "replace", "columns": [{"name": "sku", "type": "string"}]}
modes = pytest.mark.parametrize(
    "spec",
    [ORDERS, {**ORDERS, "mode": "replace"}, {**ORDERS, **KEYED, "mode": "upsert"}],
    ids=["append", "replace", "upsert"],
)


def ruled(spec: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "quality": list(rules)}


@modes
def test_m4_rows_that_referred_to_nothing_are_published_when_it_has_come(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(ruled(spec, KNOWN), SKUS)
    house.land("skus.csv", "sku\no1\n", dataset="skus")
    house.ingest()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 2)]))
    house.ingest()
    assert house.standing() == [("a.csv", 3, "breaks known: is no sku of skus")]
    assert [one.batch.recorded for one in replay(house.stores, "orders")] == [False]
    house.land("more.csv", "sku\no1\no2\n", dataset="skus", day=NEXT)
    house.ingest()
    (done,) = replay(house.stores, "orders")
    assert done.batch.rows == Rows(landed=1, published=1)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 2)]
    assert house.standing() == []
    house.prove()
    house.recount()


@modes
def test_m4_a_row_that_doubled_another_is_published_when_that_is_revoked(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(ruled(spec, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 7)]))
    (first,) = house.ingest()
    house.land("b.csv", csv([("o2", 2, 7), ("o3", 3, 8)]), day=NEXT)
    house.ingest()
    (still,) = replay(house.stores, "orders")
    assert (still.batch.status, still.batch.recorded) == (Status.REJECTED, False)
    revoke(house.stores, first.snapshots[0].id, why="a test file")
    (done,) = replay(house.stores, "orders")
    assert done.batch.rows == Rows(landed=1, published=1)
    assert house.rows() == [("o2", 2, 7), ("o3", 3, 8)]
    assert house.standing() == []
    house.prove()
    house.recount()


@modes
def test_m4_rows_that_are_barred_beside_good_ones_stand_once(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(ruled(spec, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 2), ("o3", -3, 3), ("o4", -4, 1)]))
    house.ingest()
    house.mend(columns=[ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]])
    (done,) = replay(house.stores, "orders")
    assert done.batch.rows == Rows(landed=2, published=1, rejected=1)
    assert house.standing() == [("a.csv", 5, "breaks one_version: another live row has the same values")]
    assert [one.batch.recorded for one in replay(house.stores, "orders")] == [False]
    assert house.prove().standing == Rows(landed=4, published=3, rejected=1)
    house.recount()


@modes
def test_m4_shares_of_rows_are_held_against_deliveries_alone(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(ruled(spec, {**SMALL, "threshold": 0.4}))
    house.land("a.csv", csv([(f"o{n}", n, n) for n in range(6)] + [("o7", 99, 7), ("o8", 98, 8), ("o9", -1, 9)]))
    house.ingest()
    house.mend(columns=[ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]])
    (done,) = replay(house.stores, "orders")
    assert done.batch.rows == Rows(landed=3, published=1, rejected=2)
    (verdict,) = done.batch.quality
    assert (verdict.passed, verdict.rows, verdict.of) == (True, 2, 3)
    house.prove()


@modes
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "by object"])
def test_m4_rules_on_deliveries_are_asked_of_batches_that_are_taken_up_whole(
    make_house: Make, spec: dict[str, Any], whole: bool
) -> None:
    rule = {"name": "enough", "row_count": {"over": "batch", "at_least": 3}}
    house = make_house(spec)
    rows = [("o1", 1, 1), ("o2", -2, 2), *([] if whole else [("o3", 3, 3), ("o4", 4, 4)])]
    house.land("a.csv", csv(rows))
    house.mend(error_threshold=0.3)
    house.ingest()
    columns = [ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]]
    house.mend(columns=columns, quality=[rule])
    (done,) = replay(house.stores, "orders")
    assert (done.batch.status is Status.REJECTED) == whole
    assert done.batch.recorded is not whole
    assert [one.passed for one in done.batch.quality] == ([False] if whole else [])
    assert len(house.standing()) == (2 if whole else 0)
    house.prove()


@modes
def test_m4_a_date_as_it_would_be_after_the_replay_is_judged(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 2), ("o3", 3, 3)]))
    house.ingest()
    columns = [ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]]
    house.mend(columns=columns, quality=[{"name": "few", "row_count": {"at_most": 2}}])
    (done,) = replay(house.stores, "orders")
    assert (done.batch.status, done.batch.recorded) == (Status.REJECTED, False)
    assert "the number of rows on 2026-11-01 is 3" in done.batch.reason
    house.mend(quality=[{"name": "few", "row_count": {"at_most": 3}}])
    (done,) = replay(house.stores, "orders")
    assert (done.batch.rows.published, done.batch.quality[0].observed) == (1, 3)
    assert sum(int(one.measures["rows"]) for one in house.live() if one.measures) in (1, 3)
    house.prove()


def test_what_a_revocation_restores_keeps_its_figures(make_house: Make) -> None:
    rule = {"name": "whole", "row_count": {"history": {"needs": 1}}}
    house = make_house(ruled({**ORDERS, "mode": "replace"}, rule))
    house.land("a.csv", csv([(f"o{n}", n, 1) for n in range(10)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 1, 1), ("o2", 1, 1)]))
    (wrong,) = house.ingest()
    revoke(house.stores, wrong.snapshots[0].id, why="half a file")
    (restored,) = house.live()
    assert restored.measures == {"rows": "10"}
    house.land("c.csv", csv([("o1", 1, 1), ("o2", 1, 1)]), day=NEXT)
    (batch,) = house.ingest()
    assert batch.status is Status.REJECTED
    assert "is 2, where 5 to 20 is allowed" in batch.reason
