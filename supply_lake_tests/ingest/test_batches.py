"""Whole batches: modes, overwrites, late files, isolation, attempts, re-curation."""

from __future__ import annotations

import datetime as dt
import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supply_lake.errors import StoreUnavailable
from supply_lake.ingest import batches, discovery, publish, writing
from supply_lake.ingest.recurate import recurate
from supply_lake.snapshots.records import Kind, Outcome, Rows, Status
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

Make = Callable[..., House]
REPLACE: dict[str, Any] = {**ORDERS, "mode": "replace"}
UPSERT: dict[str, Any] = {**ORDERS, **KEYED, "mode": "upsert"}
MIRROR: dict[str, Any] = {
    **UPSERT,
    "key_scope": "dataset",
    "tombstone": {"column": "op", "values": ["D"]},
    "columns": [*ORDERS["columns"], {"name": "op", "type": "string"}],
}


def test_good_and_bad_rows_of_one_file(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "many", 1), ("o3", -1, 1), ("o4", 4, 1)]))
    (batch,) = house.ingest()
    assert (batch.status, batch.commit) == (Status.COMMITTED, 1)
    assert batch.rows == Rows(landed=4, published=2, rejected=2)
    assert house.rows() == [("o1", 1, 1), ("o4", 4, 1)]
    assert house.rejects()["line"].to_list() == [3, 4]
    house.recount()


def test_append_adds_and_supersedes_nothing(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o2", 2, 1)]))
    (batch,) = house.ingest()
    assert batch.snapshots[0].supersedes == ()
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1)]


def test_o1_key_overwritten_with_other_bytes_gives_a_new_snapshot_and_the_old_one_stays_readable(make_house: Make) -> None:
    house = make_house(REPLACE)
    house.land("a.csv", csv([("o1", 1, 1)]))
    (first,) = house.ingest()
    house.land("a.csv", csv([("o1", 7, 2)]))
    (second,) = house.ingest()
    assert second.snapshots[0].supersedes == (first.snapshots[0].id,)
    assert house.rows() == [("o1", 7, 2)]
    assert house.rows(commit=1) == [("o1", 1, 1)]
    house.recount()


@pytest.mark.parametrize("spec", [ORDERS, UPSERT], ids=["append", "upsert"])
def test_o6_late_file_for_a_closed_day_is_added(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    house.land("monday.csv", csv([("o1", 1, 1)]), day=DAY)
    house.land("tuesday.csv", csv([("o2", 2, 1)]), day=DAY + dt.timedelta(days=1))
    house.ingest()
    house.land("late.csv", csv([("o3", 3, 1)]), day=DAY)
    (batch,) = house.ingest()
    assert batch.landing_date == DAY
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1), ("o3", 3, 1)]
    house.recount()


def test_o6_second_file_the_same_day_replaces_on_record(make_house: Make) -> None:
    house = make_house(REPLACE)
    house.land("a.csv", csv([("o1", 1, 1)]))
    (first,) = house.ingest()
    house.land("b.csv", csv([("o2", 2, 1)]))
    (second,) = house.ingest()
    assert second.snapshots[0].supersedes == tuple(one.id for one in first.snapshots)
    assert house.rows() == [("o2", 2, 1)]


def test_replace_holds_all_files_of_one_batch_whatever_the_caps(make_house: Make) -> None:
    house = make_house(REPLACE, env={"SUPPLY_LAKE_MAX_OBJECTS_PER_RUN": "2"})
    for number in range(5):
        house.land(f"{number}.csv", csv([(f"o{number}", number, 1)]))
    house.ingest()
    assert len(house.rows()) == 5


def test_upsert_merges_by_key_and_order(make_house: Make) -> None:
    house = make_house(UPSERT)
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 5)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 10, 2), ("o2", 20, 4), ("o3", 3, 1)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, deduplicated=1)
    assert batch.snapshots[0].rows_total == 3
    assert house.rows() == [("o1", 10, 2), ("o2", 2, 5), ("o3", 3, 1)]
    house.recount()


def test_p5_an_upsert_keeps_undeclared_columns_of_the_rows_that_it_carries_over(make_house: Make) -> None:
    house = make_house(UPSERT)
    house.land("a.csv", csv([("o1", 1, 1, "x"), ("o2", 2, 1, "y")], "order_id,quantity,version,remark"))
    house.ingest()
    house.land("b.csv", csv([("o1", 11, 2)]))
    house.ingest()
    assert house.rows() == [("o1", 11, 2, None), ("o2", 2, 1, "y")]


def test_upsert_with_nothing_newer_commits_nothing(make_house: Make) -> None:
    house = make_house(UPSERT)
    house.land("a.csv", csv([("o1", 1, 5)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 9, 4)]))
    (batch,) = house.ingest()
    assert (batch.status, batch.commit, batch.rows) == (Status.EMPTY, None, Rows(landed=1, deduplicated=1))
    assert house.stores.metadata.last_commit("orders") == 1
    house.recount()


def test_dataset_scope_moves_a_key_between_dates_in_one_commit(make_house: Make) -> None:
    house = make_house(MIRROR)
    header = "order_id,quantity,version,op"
    house.land("a.csv", csv([("o1", 1, 1, "U"), ("o2", 2, 1, "U")], header), day=DAY)
    house.ingest()
    later = DAY + dt.timedelta(days=1)
    house.land("b.csv", csv([("o1", 5, 2, "U")], header), day=later)
    (batch,) = house.ingest()
    assert {one.partition for one in batch.snapshots} == {DAY, later}
    assert house.rows() == [("o1", 5, 2, "U"), ("o2", 2, 1, "U")]
    assert house.rows(commit=1) == [("o1", 1, 1, "U"), ("o2", 2, 1, "U")]
    house.recount()


def test_tombstones_hide_their_key_and_older_rows_do_not_bring_it_back(make_house: Make) -> None:
    house = make_house(MIRROR)
    header = "order_id,quantity,version,op"
    house.land("a.csv", csv([("o1", 1, 1, "U"), ("o2", 2, 1, "U")], header))
    house.ingest()
    house.land("b.csv", csv([("o1", None, 3, "D")], header))
    house.ingest()
    assert house.rows() == [("o2", 2, 1, "U")]
    house.land("c.csv", csv([("o1", 8, 2, "U")], header), day=DAY + dt.timedelta(days=3))
    house.ingest()
    assert house.rows() == [("o2", 2, 1, "U")]
    house.recount()


def test_business_dates_split_a_batch_into_snapshots_of_one_commit(make_house: Make) -> None:
    spec = {
        **ORDERS,
        "partition_date": {"column": "day"},
        "columns": [*ORDERS["columns"], {"name": "day", "type": "date", "nullable": False}],
    }
    house = make_house(spec)
    rows = [("o1", 1, 1, "2026-10-30"), ("o2", 2, 1, "2026-10-31"), ("o3", 3, 1, "2026-10-30"), ("o4", "x", 1, "2026-10-31")]
    house.land("a.csv", csv(rows, "order_id,quantity,version,day"))
    (batch,) = house.ingest()
    assert [(one.partition.day, one.commit) for one in batch.snapshots] == [(30, 1), (31, 1)]
    assert batch.rows == Rows(landed=4, published=3, rejected=1)
    house.recount()


def test_batch_past_its_threshold_is_rejected_whole_and_the_live_set_stays(make_house: Make) -> None:
    house = make_house(REPLACE)
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", "x", 1), ("o2", "y", 1), ("o3", 3, 1)]))
    (batch,) = house.ingest()
    assert (batch.status, batch.commit) == (Status.REJECTED, None)
    assert "2 of 3 rows break the contract" in batch.reason
    assert batch.rows == Rows(landed=3, rejected=3)
    assert house.rows() == [("o1", 1, 1)]
    house.recount()


def test_unreadable_object_is_set_aside_and_its_neighbours_go_on(make_house: Make) -> None:
    house = make_house()
    house.land("bad.csv.gz", gzip.compress(csv([("o1", 1, 1)] * 500).encode())[:40])
    house.land("good.csv", csv([("o2", 2, 1), ("o3", 3, 1)]))
    (batch,) = house.ingest()
    outcomes = {one.key.rpartition("/")[2]: (one.outcome, one.rows) for one in batch.sources}
    assert outcomes["bad.csv.gz"] == (Outcome.UNREADABLE, Rows(landed=1, rejected=1))
    assert house.rows() == [("o2", 2, 1), ("o3", 3, 1)]
    house.recount()


def test_batch_of_unreadable_objects_only_is_failed(make_house: Make) -> None:
    house = make_house()
    house.land("bad.csv.gz", gzip.compress(b"order_id,quantity,version\n" * 99)[:30])
    (batch,) = house.ingest()
    assert (batch.status, batch.commit) == (Status.FAILED, None)
    assert house.pending() == 0
    house.recount()


@pytest.mark.parametrize(
    ("data", "reason"), [("", "zero bytes"), ("order_id,quantity,version\n", "header only"), (" \n\n", "whitespace only")]
)
def test_o4_empty_files_are_three_outcomes(make_house: Make, data: str, reason: str) -> None:
    house = make_house()
    house.land("a.csv", data)
    (batch,) = house.ingest()
    assert (batch.status, batch.rows) == (Status.EMPTY, Rows())
    assert batch.sources[0].reason == reason
    house.recount()


def test_o2_object_gone_between_discovery_and_read(make_house: Make) -> None:
    house = make_house()
    key = house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("b.csv", csv([("o2", 2, 1)]))
    _discover_then(house, lambda: house.stores.landing.delete([key]))
    assert house.rows() == [("o2", 2, 1)]
    (batch,) = house.stores.metadata.batches()
    assert {one.key.rpartition("/")[2]: one.outcome for one in batch.sources}["a.csv"] is Outcome.GONE
    house.recount()


def test_o2_object_replaced_between_discovery_and_read(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    _discover_then(house, lambda: house.land("a.csv", csv([("o1", 9, 9)])))
    assert house.rows() == []
    (batch,) = house.stores.metadata.batches()
    assert (batch.sources[0].outcome, batch.rows) == (Outcome.CHANGED, Rows())
    house.ingest()
    assert house.rows() == [("o1", 9, 9)]
    house.recount()


@pytest.mark.parametrize("spec", [ORDERS, REPLACE, UPSERT], ids=["append", "replace", "upsert"])
def test_o2_an_object_that_was_away_and_comes_back_unchanged_is_taken_up_by_the_next_look(
    make_house: Make, spec: dict[str, Any]
) -> None:
    house, today = make_house(spec), dt.datetime.now(dt.UTC).date()
    file = Path(house.stores.landing.location) / house.land("a.csv", csv([("o1", 1, 1)]), day=today)
    house.land("b.csv", csv([("o2", 2, 1)]), day=today)

    def look() -> int:
        return discovery.tick(house.stores, clock=lambda: time.time() + 60).new  # as the sensor does: not all of landing

    assert look() == 2
    away = file.rename(house.home / "away")
    batches.run_pending(house.stores, "orders", today)
    assert house.rows() == [("o2", 2, 1)]
    away.rename(file)
    look()
    assert house.pending() == 1
    house.ingest()
    assert house.rows() == ([("o1", 1, 1)] if spec is REPLACE else [("o1", 1, 1), ("o2", 2, 1)])
    house.prove()
    house.recount()


def test_o7_many_small_files_are_several_batches_of_which_none_is_lost(make_house: Make) -> None:
    house = make_house(env={"SUPPLY_LAKE_MAX_OBJECTS_PER_RUN": "7"})
    for number in range(20):
        house.land(f"{number:02}.csv", csv([(f"o{number:02}", number, 1)]))
    assert [len(batch.sources) for batch in house.ingest()] == [7, 7, 6]
    assert house.rows() == [(f"o{number:02}", number, 1) for number in range(20)]
    house.recount()


def _discover_then(house: House, meanwhile: Callable[[], Any]) -> None:
    house.discover()
    meanwhile()
    batches.run_pending(house.stores, "orders", DAY)


def test_o3_same_bytes_under_another_name_are_skipped_on_record(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("copy-of-a.csv", csv([("o1", 1, 1)]))
    (batch,) = house.ingest()
    assert (batch.status, batch.sources[0].outcome) == (Status.EMPTY, Outcome.SAME_CONTENT)
    assert house.rows() == [("o1", 1, 1)]


def test_o3_same_bytes_twice_in_one_batch(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("b.csv", csv([("o1", 1, 1)]))
    house.ingest()
    assert house.rows() == [("o1", 1, 1)]


def test_o3_policy_publish_takes_both(make_house: Make) -> None:
    house = make_house({**ORDERS, "landing": {"same_content": "publish"}})
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("b.csv", csv([("o1", 1, 1)]))
    house.ingest()
    assert house.rows() == [("o1", 1, 1), ("o1", 1, 1)]


def test_same_file_put_again_is_published_once(make_house: Make) -> None:
    house = make_house()
    for _ in range(3):
        house.land("a.csv", csv([("o1", 1, 1)]))
        house.ingest()
    assert house.rows() == [("o1", 1, 1)]
    assert house.stores.metadata.last_commit("orders") == 1


def test_bytes_put_back_after_an_overwrite_are_a_new_version(make_house: Make) -> None:
    house = make_house(REPLACE)
    for quantity in (1, 2, 1):
        house.land("a.csv", csv([("o1", quantity, 1)]))
        house.ingest()
    assert house.rows() == [("o1", 1, 1)]
    assert house.stores.metadata.last_commit("orders") == 3


def test_failing_batch_is_tried_a_limited_number_of_times_then_set_aside(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(env={"SUPPLY_LAKE_MAX_ATTEMPTS": "3"})
    key = house.land("a.csv", csv([("o1", 1, 1)]))

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a check divides by zero")

    with monkeypatch.context() as patch:
        patch.setattr(publish, "stage", broken)
        for _ in range(3):
            with pytest.raises(batches.BatchFailed, match="a check divides by zero"):
                house.ingest()
    assert house.states()[key] == ["set_aside"]
    assert house.ingest() == []
    assert house.stores.metadata.retry("orders") == 1
    house.ingest()
    assert house.rows() == [("o1", 1, 1)]


def test_m5_store_away_costs_no_attempt_and_goes_on_when_it_is_back(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(env={"SUPPLY_LAKE_MAX_ATTEMPTS": "1"})
    house.land("a.csv", csv([("o1", 1, 1)]))

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("the lake store at /nowhere does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_parts", away)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                house.ingest()
    house.ingest()
    assert house.rows() == [("o1", 1, 1)]
    house.recount()


def test_recurate_reads_again_under_the_contract_of_today(make_house: Make, tmp_path: Any) -> None:
    house = make_house(at="same")
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    house.land("b.csv", csv([("o3", 3, 1)]), day=DAY + dt.timedelta(days=1))
    house.ingest()
    mended = {**ORDERS, "columns": [ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]]}
    again = make_house(mended, at="same")
    (batch,) = recurate(again.stores, "orders", DAY)
    assert batch.kind is Kind.RECURATE
    assert again.rows() == [("o1", 1, 1), ("o2", -2, 1), ("o3", 3, 1)]
    assert again.rows(commit=2) == [("o1", 1, 1), ("o3", 3, 1)]
    again.recount()


def test_recurate_keeps_what_cannot_be_read_again(make_house: Make) -> None:
    house = make_house()
    key = house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.stores.landing.delete([key])
    assert recurate(house.stores, "orders", DAY) == []
    assert house.rows() == [("o1", 1, 1)]
