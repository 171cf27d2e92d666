"""Replays: what was rejected is run again when the rule is mended, and published once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from supply_lake.errors import UnknownDataset, UnknownSnapshot
from supply_lake.ingest import batches, publish
from supply_lake.ingest.again import Records
from supply_lake.ingest.recurate import recurate
from supply_lake.ingest.replay import Replay, replay, take_up, units
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Kind, Outcome, Rows, Status
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

Make = Callable[..., House]
MODES: dict[str, dict[str, Any]] = {
    "append": ORDERS,
    "replace": {**ORDERS, "mode": "replace"},
    "upsert": {**ORDERS, **KEYED, "mode": "upsert"},
    "append by key": {**ORDERS, **KEYED},
    "replace by key": {**ORDERS, **KEYED, "mode": "replace"},
    "mirror": {**ORDERS, **KEYED, "mode": "upsert", "key_scope": "dataset"},
}
ANY_QUANTITY = [ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]]
every_mode = pytest.mark.parametrize("mode", MODES)


def only(done: list[Replay]) -> Replay:
    (one,) = done
    return one


def clear_landing(house: House, dataset: str = "orders") -> None:
    house.stores.landing.delete([entry.object.key for entry in house.stores.metadata.objects(dataset)])


@every_mode
@pytest.mark.parametrize("landing", ["there", "gone"])
def test_m4_reject_mend_the_rule_replay_each_row_published_once(make_house: Make, mode: str, landing: str) -> None:
    house = make_house(MODES[mode])
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1), ("o3", "x", 1), ("o4", -4, 1), ("o5", 5, 1), ("o6", 6, 1)]))
    (first,) = house.ingest()
    house.mend(columns=ANY_QUANTITY)
    if landing == "gone":
        clear_landing(house)
    done = only(replay(house.stores, "orders", run_id="again"))
    assert (done.batch.status, done.batch.kind, done.batch.commit, done.batch.run_id) == ("committed", "replay", 2, "again")
    assert done.batch.rows == Rows(landed=3, published=2, rejected=1)
    assert done.batch.replays == done.batch.snapshots[0].replays == (first.snapshots[0].id,)
    assert done.rules == {"quantity: is no int64": 1}
    assert house.rows() == [("o1", 1, 1), ("o2", -2, 1), ("o4", -4, 1), ("o5", 5, 1), ("o6", 6, 1)]
    assert house.rows(commit=1) == [("o1", 1, 1), ("o5", 5, 1), ("o6", 6, 1)]
    assert house.standing() == [("a.csv", 4, "is no int64")]
    again = only(replay(house.stores, "orders"))
    assert (again.batch.recorded, again.batch.commit, again.still_bad) == (False, None, 1)
    assert house.ingest() == []
    assert house.stores.metadata.last_commit("orders") == 2
    assert house.prove().standing == Rows(landed=6, published=5, rejected=1)
    house.recount()


@every_mode
@pytest.mark.parametrize("landing", ["there", "gone"])
def test_m4_a_batch_that_was_rejected_whole_is_published_whole(make_house: Make, mode: str, landing: str) -> None:
    house = make_house(MODES[mode])
    house.land("a.csv", csv([("o1", -1, 1), ("o2", -2, 1), ("o3", 3, 1)]))
    house.land("b.csv", csv([("o4", 4, 1), ("o5", "x", 1)]))
    (refused,) = house.ingest()
    assert refused.status is Status.REJECTED
    house.mend(columns=ANY_QUANTITY)
    if landing == "gone":
        clear_landing(house)
    done = only(replay(house.stores, "orders"))
    assert done.batch.rows == Rows(landed=5, published=4, rejected=1)
    assert done.batch.replays == (refused.snapshots[0].id,)
    assert house.rows() == [("o1", -1, 1), ("o2", -2, 1), ("o3", 3, 1), ("o4", 4, 1)]
    assert house.standing() == [("b.csv", 3, "is no int64")]
    assert only(replay(house.stores, "orders")).batch.recorded is False
    house.land("copy.csv", csv([("o4", 4, 1), ("o5", "x", 1)]))
    (copy,) = house.ingest()
    assert copy.sources[0].outcome is Outcome.SAME_CONTENT
    assert house.prove().standing == Rows(landed=5, published=4, rejected=1)
    house.recount()


@every_mode
def test_m4_a_backfill_and_a_replay_come_to_the_same_rows(make_house: Make, mode: str) -> None:
    live = []
    for way in ("replay", "recurate"):
        house = make_house(MODES[mode], at=way)
        later = DAY + dt.timedelta(days=1)
        house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 3), ("o2", 2, 3), ("o3", -3, None), ("o4", 4, 1)]))
        house.ingest()
        house.land("b.csv", csv([("o3", 33, None), ("o5", -5, 1)]), day=later)
        house.ingest()
        house.land("c.csv", csv([("o6", -6, 1), ("o7", -7, 1), ("o4", -44, 1)]), day=later)
        house.ingest()
        house.mend(columns=ANY_QUANTITY)
        if way == "replay":
            replay(house.stores, "orders")
        else:
            for day in (DAY, later):
                recurate(house.stores, "orders", day)
        live.append(house.rows())
        house.prove()
        house.recount()
    assert live[0] == live[1]
    assert ("o6", -6, 1) in live[0] or mode.startswith("replace")


def test_m4_a_replay_that_is_only_rehearsed_tells_the_numbers_and_writes_nothing(make_house: Make) -> None:
    house = make_house(env={"SUPPLY_LAKE_MAX_ATTEMPTS": "1"})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1), ("o3", "x", 1), ("o4", 4, 1)]))
    house.land("b.csv", csv([("o1", "x", 1), ("o2", 2, 1)]), day=DAY + dt.timedelta(days=1))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    before = (house.rows(), house.standing(), list(house.stores.metadata.objects()), house.stores.metadata.batches())
    done = replay(house.stores, "orders", rehearsal=True)
    assert [(one.batch.status, one.batch.rows, one.batch.recorded) for one in done] == [
        ("committed", Rows(landed=2, published=1, rejected=1), False),
        ("rejected", Rows(), False),
    ]
    assert (house.rows(), house.standing(), list(house.stores.metadata.objects()), house.stores.metadata.batches()) == before
    assert house.prove().information == ()


def test_m4_what_is_still_bad_stays_rejected_whole(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", "x", 1), ("o2", "y", 1), ("o3", 3, 1)]))
    house.ingest()
    recorded = house.stores.metadata.batches()
    done = only(replay(house.stores, "orders"))
    assert (done.batch.status, done.batch.rows) == (Status.REJECTED, Rows(landed=3, rejected=3))
    assert "2 of 3 rows break the contract" in done.batch.reason
    assert house.stores.metadata.batches() == recorded
    assert len(house.standing()) == 3


def test_m4_objects_that_could_not_be_read_are_read_when_their_way_of_reading_is_mended(make_house: Make) -> None:
    house = make_house({**ORDERS, "format": {"type": "json", "records_path": "data"}})
    good = {"data": [{"order_id": "o1", "quantity": "1", "version": "1"}]}
    house.land("good.json", json.dumps(good))
    house.land("odd.json", json.dumps({"items": [{"order_id": "o2", "quantity": 2, "version": 1}]}))
    house.ingest()
    house.land("alone.json", json.dumps({"items": [{"order_id": "o3", "quantity": 3}]}), day=DAY + dt.timedelta(days=1))
    house.ingest()
    assert [one.status for one in house.stores.metadata.batches()] == ["failed", "committed"]
    house.mend(format={"type": "json", "records_path": "items"})
    first, second = replay(house.stores, "orders")
    assert (first.batch.rows, second.batch.rows) == (Rows(landed=1, published=1), Rows(landed=1, published=1))
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1), ("o3", 3, None)]
    assert replay(house.stores, "orders") == []
    assert house.prove().standing == Rows(landed=3, published=3)


def test_m4_an_object_that_could_not_be_read_and_is_gone_is_left_with_the_reason(make_house: Make) -> None:
    house = make_house({**ORDERS, "format": {"type": "json"}})
    house.land("a.json", '{"no": "array"}')
    house.ingest()
    clear_landing(house)
    done = only(replay(house.stores, "orders"))
    assert list(done.left.values()) == ["it could not be read, and is not in landing any more"]
    assert not done.batch.recorded


@pytest.mark.parametrize("landing", ["there", "gone"])
def test_m4_a_mended_encoding_counts_for_rejected_lines(make_house: Make, landing: str) -> None:
    house = make_house()
    house.land("a.csv", "order_id,quantity,version\nplain,1,1\ncafé,2,1\n".encode("latin-1"))
    house.ingest()
    assert house.rows() == [("plain", 1, 1)]
    house.mend(format={"type": "csv", "encoding": "latin-1"})
    if landing == "gone":
        clear_landing(house)
    replay(house.stores, "orders")
    assert house.rows() == [("café", 2, 1), ("plain", 1, 1)]
    house.prove()


def test_m4_a_mended_delimiter_counts_for_objects_of_which_nothing_was_published(make_house: Make) -> None:
    house = make_house({**ORDERS, "error_threshold": 0.9})
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("b.csv", "order_id;quantity;version\no2;2;1\no3;3;1\n")
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=1, rejected=2)
    house.mend(format={"type": "csv", "delimiter": ";"})
    assert only(replay(house.stores, "orders")).batch.rows == Rows(landed=2, published=2)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1), ("o3", 3, 1)]
    house.prove()


def test_m4_objects_whose_attempts_are_used_up_get_new_ones(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(env={"SUPPLY_LAKE_MAX_ATTEMPTS": "1"})
    house.land("a.csv", csv([("o1", 1, 1)]))

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a check divides by zero")

    with monkeypatch.context() as patch:
        patch.setattr(publish, "stage", broken)
        with pytest.raises(batches.BatchFailed):
            house.ingest()
    assert only(replay(house.stores, "orders", rehearsal=True)).batch.rows == Rows(landed=1, published=1)
    assert house.rows() == []
    assert only(replay(house.stores, "orders")).batch.commit == 1
    assert house.rows() == [("o1", 1, 1)]
    assert replay(house.stores, "orders") == []


# --- what is not taken up


def test_m4_rejects_of_bytes_that_were_overwritten_are_left(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", 1, 2), ("o2", 2, 2), ("o3", -3, 2)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    old, new = replay(house.stores, "orders")
    assert old.left == {"orders/2026/11/01/a.csv": "it was overwritten; its newer bytes count"}
    assert new.batch.rows == Rows(landed=1, published=1)
    assert ("o2", -2, 1) not in house.rows()


def test_m4_a_replay_of_one_snapshot_leaves_the_others(make_house: Make) -> None:
    house = make_house()
    ids = []
    for name in ("a", "b"):
        house.land(f"{name}.csv", csv([(f"{name}1", 1, 1), (f"{name}2", -2, 1)]))
        ids.append(house.ingest()[0].snapshots[0].id)
    house.mend(columns=ANY_QUANTITY)
    assert only(replay(house.stores, "orders", snapshot_id=ids[1])).batch.replays == (ids[1],)
    assert house.standing() == [("a.csv", 3, "is below 0")]
    assert replay(house.stores, "orders", snapshot_id=ids[1]) == []
    assert replay(house.stores, "orders", landing_date=DAY + dt.timedelta(days=1)) == []
    with pytest.raises(UnknownSnapshot, match="'nothing'"):
        replay(house.stores, "orders", snapshot_id="nothing")
    with pytest.raises(UnknownDataset):
        replay(house.stores, "nothing")


@pytest.mark.parametrize("whole", [False, True], ids=["rows", "a whole batch"])
def test_m4_two_replays_at_once_publish_once(make_house: Make, whole: bool) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", -1 if whole else 1, 1), ("o2", -2, 1)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    records = Records(house.stores.metadata.snapshots("orders"))
    unit = next(units(house.stores, records))
    replay(house.stores, "orders")
    late = take_up(house.stores, house.stores.registry.get("orders"), records, unit)
    assert "were taken up by another batch meanwhile" in late.batch.reason
    assert not late.batch.recorded
    assert house.rows() == [("o1", -1 if whole else 1, 1), ("o2", -2, 1)]
    assert house.prove().information == ()


# --- against what is live


def test_m4_an_older_replayed_row_does_not_beat_a_newer_live_one(make_house: Make) -> None:
    house = make_house(MODES["upsert"])
    house.land("a.csv", csv([("o1", -1, 1), ("o2", -2, 9), ("o3", -3, 5), ("o4", 4, 1), ("o5", 5, 1), ("o6", 6, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 11, 2), ("o2", 22, 2), ("o3", 33, 5)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    done = only(replay(house.stores, "orders"))
    assert done.batch.rows == Rows(landed=3, published=1, deduplicated=2)
    assert house.rows()[:3] == [("o1", 11, 2), ("o2", -2, 9), ("o3", 33, 5)]
    house.prove()


def test_m4_rows_that_all_lose_are_settled_and_stand_no_more(make_house: Make) -> None:
    house = make_house(MODES["upsert"])
    house.land("a.csv", csv([("o1", -1, 1), ("o2", 2, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 11, 2)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    done = only(replay(house.stores, "orders"))
    assert (done.batch.status, done.batch.recorded, done.batch.rows) == ("empty", True, Rows(landed=1, deduplicated=1))
    assert house.standing() == []
    assert replay(house.stores, "orders") == []
    assert house.prove().standing == Rows(landed=3, published=2, deduplicated=1)


@pytest.mark.parametrize("mode", ["replace", "replace by key"])
def test_m4_replayed_rows_join_what_is_live_in_a_replace_dataset(make_house: Make, mode: str) -> None:
    house = make_house(MODES[mode])
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    house.land("b.csv", csv([("o3", 3, 1), ("o3", -33, 2)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    replay(house.stores, "orders")
    both = [("o3", -33, 2)] if mode.endswith("key") else [("o3", -33, 2), ("o3", 3, 1)]
    assert house.rows() == sorted([("o1", 1, 1), ("o2", -2, 1), *both], key=repr)
    assert len(house.live()) == 1
    house.prove()


def test_m4_a_rejected_batch_takes_the_place_of_an_earlier_delivery_and_leaves_a_later_one(make_house: Make) -> None:
    house = make_house(MODES["replace"])
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o2", -2, 1)]))
    house.ingest()
    house.land("c.csv", csv([("o3", -3, 1)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    newest = house.stores.metadata.snapshots("orders", 1)[0].id
    replay(house.stores, "orders", snapshot_id=newest)
    assert house.rows() == [("o3", -3, 1)]
    done = only(replay(house.stores, "orders"))
    assert "a later delivery of 2026-11-01 is live" in done.batch.reason
    assert house.rows() == [("o3", -3, 1)]
    assert house.rows(commit=1) == [("o1", 1, 1)]


def test_m4_a_row_that_is_added_outdoes_one_of_its_own_batch_by_key(make_house: Make) -> None:
    house = make_house(MODES["append by key"])
    house.land("a.csv", csv([("o1", 1, 1), ("o1", -9, 2), ("o2", 2, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 7, 1)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    replay(house.stores, "orders")
    assert house.rows() == [("o1", -9, 2), ("o1", 7, 1), ("o2", 2, 1)]
    assert house.prove().problems == ()


def test_m4_rows_of_several_dates_are_filed_under_each(make_house: Make) -> None:
    columns = [*ORDERS["columns"], {"name": "day", "type": "date", "nullable": False}]
    house = make_house({**ORDERS, "partition_date": {"column": "day"}, "columns": columns})
    rows = [("o1", 1, 1, "2026-10-30"), ("o2", -2, 1, "2026-10-31"), ("o3", -3, 1, "2026-10-29"), ("o4", 1, 1, "2026-10-30")]
    house.land("a.csv", csv(rows, "order_id,quantity,version,day"))
    house.ingest()
    house.mend(columns=[*ANY_QUANTITY, columns[-1]])
    done = only(replay(house.stores, "orders"))
    assert [one.partition.day for one in done.batch.snapshots] == [29, 31]
    assert done.batch.commit == 2
    house.prove()


def test_m4_rows_that_lost_stay_on_record_when_their_neighbours_are_replayed(make_house: Make) -> None:
    house = make_house(MODES["upsert"])
    house.land("a.csv", csv([("o1", 1, 1), ("o1", 0, 0), ("o2", -2, 1)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    replay(house.stores, "orders")
    assert house.prove().standing == Rows(landed=3, published=2, deduplicated=1)
    assert house.rejects().filter(pl.col("outcome") == "deduplicated").height == 1


def test_a_date_that_is_curated_again_replays_rejects_of_objects_that_are_gone(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    house.ingest()
    clear_landing(house)
    house.mend(columns=ANY_QUANTITY)
    (batch,) = recurate(house.stores, "orders", DAY)
    assert batch.kind is Kind.REPLAY
    assert house.rows() == [("o1", 1, 1), ("o2", -2, 1)]


def test_a_date_that_is_curated_again_takes_replayed_snapshots_with_it(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1), ("o3", "x", 1), ("o4", 4, 1)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    replay(house.stores, "orders")
    (batch,) = recurate(house.stores, "orders", DAY)
    assert len(batch.snapshots[0].supersedes) == 2
    assert house.rows() == [("o1", 1, 1), ("o2", -2, 1), ("o4", 4, 1)]
    assert house.standing() == [("a.csv", 4, "is no int64")]
    assert house.prove().standing == Rows(landed=4, published=3, rejected=1)


def test_a_recuration_that_is_refused_leaves_the_rejects_that_stand(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    house.ingest()
    house.mend(
        columns=[ORDERS["columns"][0], {"name": "quantity", "type": "int64", "checks": {"ge": 100}}, ORDERS["columns"][2]]
    )
    (batch,) = recurate(house.stores, "orders", DAY)
    assert (batch.status, batch.recorded) == (Status.REJECTED, True)
    assert house.rows() == [("o1", 1, 1)]
    assert house.standing() == [("a.csv", 3, "is below 0")]
    assert house.prove().standing == Rows(landed=2, published=1, rejected=1)


def test_a_date_that_is_curated_again_does_not_complain_of_bytes_that_were_overwritten(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", "x", 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", 1, 1)]))
    assert [one.status for one in recurate(house.stores, "orders", DAY)] == []
    house.discover()
    assert [one.status for one in recurate(house.stores, "orders", DAY)] == ["committed"]


def test_a_date_that_is_curated_again_lets_rows_that_lost_compete_again(make_house: Make) -> None:
    house = make_house(MODES["upsert"])
    house.land("a.csv", csv([("o1", 1, 5)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 2, 2)]), day=DAY)
    (empty,) = house.ingest()
    assert empty.status is Status.EMPTY
    recorded = len(house.stores.metadata.batches())
    recurate(house.stores, "orders", DAY)
    assert house.rows() == [("o1", 1, 5)]
    assert [one.kind for one in house.stores.metadata.batches()[: -recorded or None]] == ["recurate"]
    assert {one.state for one in house.stores.metadata.objects()} == {ObjectState.DONE}
