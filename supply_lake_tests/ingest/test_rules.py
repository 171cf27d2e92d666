"""Batches held to rules: what is rejected, refused, published with a warning, and what stands on the record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from supply_lake.datasets.quality import Severity
from supply_lake.ingest import audit, batches, writing
from supply_lake.ingest.recurate import recurate
from supply_lake.quality.verdict import Verdict
from supply_lake.snapshots.records import Batch, Rows, Status, batch_json, snapshot_json
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

Make = Callable[..., House]
NEXT = DAY + dt.timedelta(days=1)
REPLACE: dict[str, Any] = {**ORDERS, "mode": "replace"}
UPSERT: dict[str, Any] = {**ORDERS, **KEYED, "mode": "upsert"}
SKUS: dict[str, Any] = {
    **REPLACE,
    "name": "skus",
    "columns": [{"name": "sku", "type": "string"}, {"name": "number", "type": "int32"}, {"name": "name", "type": "string"}],
}


def ruled(spec: dict[str, Any], *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**spec, **more, "quality": [{"name": f"rule_{n}", **rule} for n, rule in enumerate(rules)]}


def only(batch: Batch) -> Verdict:
    (verdict,) = batch.quality
    return verdict


def days(first: dt.date, *counts: int) -> list[tuple[dt.date, str]]:
    """A file of so many rows for each day."""
    return [
        (first + dt.timedelta(days=day), csv([(f"o{day}-{n}", n, 1) for n in range(count)])) for day, count in enumerate(counts)
    ]


def land_days(house: House, *counts: int) -> list[Batch]:
    done = []
    for day, text in days(DAY, *counts):
        house.land("a.csv", text, day=day)
        done += house.ingest()
    return done


# --- conditions on rows


def test_rows_that_break_a_condition_are_rejected_and_the_verdict_is_on_every_record(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {"row": "quantity < version"}))
    house.land("a.csv", csv([("o1", 1, 2), ("o2", 5, 2), ("o3", 1, 2)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, rejected=1)
    verdict = only(batch)
    assert (verdict.rule, verdict.passed, verdict.rows, verdict.of, verdict.at_most) == ("rule_0", True, 1, 3, 0.5)
    assert verdict.told.endswith("the first is orders/2026/11/01/a.csv:3")
    (stored,) = house.stores.metadata.batches("orders")
    assert stored.quality == stored.snapshots[0].quality == batch.quality
    assert batch_json(stored)["quality"] == snapshot_json(stored.snapshots[0])["quality"]
    reasons = [one["reason"] for one in house.rejects()["reasons"][0]]
    assert reasons == ["breaks rule_0: quantity < version"]
    house.recount()


def test_past_its_threshold_a_rejecting_rule_refuses_the_batch(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {"row": "quantity < version", "threshold": 0.25}))
    house.land("a.csv", csv([("o1", 1, 2), ("o2", 5, 2), ("o3", 1, 2)]))
    (batch,) = house.ingest()
    assert (batch.status, batch.rows) == (Status.REJECTED, Rows(landed=3, rejected=3))
    assert batch.reason.startswith("rule rule_0: 1 of 3 rows break it (33.3%, where 25.0% may)")
    assert only(batch).refuses
    assert house.rows() == []
    house.recount()


def test_a_warning_publishes_everything_and_is_on_record(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {"row": "quantity < version", "severity": "warn"}))
    house.land("a.csv", csv([("o1", 1, 2), ("o2", 5, 2)]))
    (batch,) = house.ingest()
    assert (batch.status, batch.rows.published) == (Status.COMMITTED, 2)
    assert batch.warnings == batch.quality
    assert (only(batch).passed, only(batch).severity, only(batch).rows) == (False, Severity.WARN, 1)


# --- references


def _shop(make_house: Make, *rules: dict[str, Any], **more: Any) -> House:
    rules = rules or ({"references": {"columns": "order_id", "dataset": "skus", "their": "sku"}},)
    house = make_house(ruled(ORDERS, *rules, **more), SKUS)
    house.land("skus.csv", csv([("o1", 1, "one"), ("o2", 2, "two")], "sku,number,name"), dataset="skus")
    house.ingest()
    return house


def test_orphans_are_rejected_and_the_commit_that_was_looked_at_is_on_record(make_house: Make) -> None:
    house = _shop(make_house)
    house.land("a.csv", csv([("o1", 1, 1), ("o9", 1, 1), ("o2", 1, 1), ("o1", 2, 2)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=4, published=3, rejected=1)
    assert (only(batch).commits, only(batch).rows) == ((("skus", 1),), 1)
    assert only(batch).told.endswith("the first is orders/2026/11/01/a.csv:3")
    (reject,) = house.rejects().to_dicts()
    assert reject["reasons"] == [{"column": "order_id", "value": "o9", "reason": "breaks rule_0: is no sku of skus"}]
    assert reject["line"] == 3
    house.recount()


def test_orphans_count_against_the_error_threshold(make_house: Make) -> None:
    house = _shop(make_house, error_threshold=0.3)
    house.land("a.csv", csv([("o1", 1, 1), ("o9", 1, 1)]))
    (batch,) = house.ingest()
    assert batch.status is Status.REJECTED
    assert "1 of 2 rows break the contract (50.0%" in batch.reason
    house.recount()


def test_orphans_may_be_a_warning(make_house: Make) -> None:
    reference = {"columns": "quantity", "dataset": "skus", "their": "number"}
    house = _shop(make_house, {"references": reference, "severity": "warn", "threshold": 0.5})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 9, 1)]))
    (batch,) = house.ingest()
    assert (batch.rows.published, only(batch).passed, only(batch).rows) == (2, True, 1)
    house.land("b.csv", csv([("o1", 8, 1), ("o2", 9, 1)]))
    (batch,) = house.ingest()
    assert (batch.status, only(batch).passed) == (Status.COMMITTED, False)


def test_before_the_other_dataset_has_a_commit_every_row_is_an_orphan(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {"references": {"columns": "order_id", "dataset": "skus", "their": "sku"}}), SKUS)
    house.land("a.csv", csv([("o1", 1, 1)]))
    (batch,) = house.ingest()
    assert (batch.status, only(batch).commits) == (Status.REJECTED, (("skus", 0),))


def test_of_the_other_dataset_only_the_columns_that_are_named_are_read(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = _shop(make_house)
    read: list[Any] = []
    real = pq.ParquetFile.iter_batches

    def watched(self: Any, *args: Any, **options: Any) -> Any:
        read.append(options["columns"])
        return real(self, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    assert read == [["sku", "_line"]]


def test_p12_an_orphan_never_wins_against_an_older_row_of_its_key(make_house: Make) -> None:
    rule = {"references": {"columns": "quantity", "dataset": "skus", "their": "number"}}
    house = _shop(make_house, rule, **KEYED, mode="upsert")
    house.land("a.csv", csv([("o1", 1, 1), ("o1", 99, 5), ("o2", 2, 1)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, rejected=1)
    house.land("b.csv", csv([("o2", 98, 5), ("o3", 1, 1)]))
    house.ingest()
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1), ("o3", 1, 1)]
    house.recount()


# --- uniqueness


UNIQUE: dict[str, Any] = {"unique": {"columns": "quantity"}}


def test_a_new_row_that_doubles_a_live_one_is_rejected_whatever_its_date(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", None, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o3", 1, 1), ("o4", 2, 1), ("o5", 2, 1), ("o6", None, 1), ("o7", 3, 1)]), day=NEXT)
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=5, published=3, rejected=2)
    assert [row[0] for row in house.rows()] == ["o1", "o2", "o4", "o6", "o7"]
    assert (only(batch).rows, only(batch).told) == (
        2,
        "2 of 5 rows break it (40.0%, where 50.0% may); the first is orders/2026/11/02/b.csv:2",
    )
    assert {one["reason"] for row in house.rejects()["reasons"] for one in row} == {
        "breaks rule_0: another live row has the same values"
    }
    house.recount()


def test_within_a_partition_other_dates_do_not_count(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {"unique": {"columns": "quantity", "within": "partition"}}))
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("a.csv", csv([("o2", 1, 1), ("o3", 1, 1), ("o4", 2, 1)]), day=NEXT)
    house.ingest()
    assert [row[0] for row in house.rows()] == ["o1", "o2", "o4"]


def test_what_a_replacing_batch_supersedes_is_doubled_by_nobody(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("a.csv", csv([("o2", 2, 1)]), day=NEXT)
    house.ingest()
    house.land("a.csv", csv([("o3", 1, 1), ("o4", 2, 1), ("o5", 3, 1)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, rejected=1)
    assert [row[0] for row in house.rows()] == ["o2", "o3", "o5"]


def test_rows_are_compared_as_they_are_after_the_commit_so_two_may_change_places(make_house: Make) -> None:
    house = make_house(ruled(UPSERT, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 2, 2), ("o2", 1, 2)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=2, published=2)
    assert house.rows() == [("o1", 2, 2), ("o2", 1, 2)]


def test_a_rejected_row_leaves_an_older_one_live_which_others_double_then(make_house: Make) -> None:
    house = make_house(ruled(UPSERT, UNIQUE, error_threshold=0.9))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 2, 2), ("o3", 1, 2), ("o4", 4, 2)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=1, rejected=2)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1), ("o4", 4, 2)]
    house.recount()


def test_when_there_is_no_end_of_it_the_batch_is_refused(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROUNDS", 2)
    house = make_house(ruled(UPSERT, UNIQUE, error_threshold=0.9))
    house.land("a.csv", csv([(f"o{n}", n, 1) for n in range(9)]))
    house.ingest()
    house.land("b.csv", csv([(f"o{n}", n + 1, 2) for n in range(8)] + [("p", 90, 1), ("q", 91, 1)]))
    (batch,) = house.ingest()
    assert batch.status is Status.REJECTED
    assert "after 2 rounds new rows still double what is live again" in batch.reason
    assert batch.rows == Rows(landed=10, rejected=10)
    house.recount()


def test_doubles_may_be_a_warning(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {**UNIQUE, "severity": "warn"}))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 1, 1), ("o3", 3, 1)]))
    (batch,) = house.ingest()
    assert (batch.rows.published, only(batch).passed, only(batch).rows) == (3, False, 1)


def test_a_tombstone_frees_what_its_row_had(make_house: Make) -> None:
    columns = [*ORDERS["columns"], {"name": "op", "type": "string"}]
    spec = {**UPSERT, "columns": columns, "tombstone": {"column": "op", "values": ["D"]}, "key_scope": "dataset"}
    house = make_house(ruled(spec, UNIQUE))
    header = "order_id,quantity,version,op"
    house.land("a.csv", csv([("o1", 1, 1, "U"), ("o2", 2, 1, "U")], header))
    house.ingest()
    house.land("b.csv", csv([("o1", 1, 2, "D"), ("o3", 1, 1, "U"), ("o4", 2, 1, "U")], header), day=NEXT)
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, rejected=1)
    assert [row[0] for row in house.rows()] == ["o2", "o3"]
    house.recount()


def test_a_backfill_does_not_double_what_it_takes_the_place_of(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    house.ingest()
    (batch,) = recurate(house.stores, "orders", DAY)
    assert (batch.rows.published, only(batch).passed) == (2, True)
    house.recount()


# --- bounds, series, repeats: the dataset after the commit


def test_a_partial_delivery_is_refused_and_the_live_set_stays(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, {"row_count": {"history": {}}}))
    *_, last = land_days(house, 24, 25, 24, 3)
    assert (last.status, last.commit) == (Status.REJECTED, None)
    assert last.reason == (
        "rule rule_0: the number of rows on 2026-11-04 is 3, where 12 to 48 is allowed (50% to 200% of 24, the median of 3 dates "
        "before)"
    )
    assert last.rows == Rows(landed=3, rejected=3)
    assert len(house.rows()) == 73
    assert last.snapshots[0].quality == last.quality
    house.land("a.csv", days(DAY, 0, 0, 0, 26)[3][1], day=DAY + dt.timedelta(days=3))
    (whole,) = house.ingest()
    assert (whole.status, only(whole).passed) == (Status.COMMITTED, True)
    house.recount()


def test_files_of_a_day_are_counted_together_where_they_add_up(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, {"row_count": {"history": {"needs": 1}}, "severity": "warn"}))
    land_days(house, 20, 20)
    third = DAY + dt.timedelta(days=2)
    house.land("morning.csv", csv([(f"m{n}", n, 1) for n in range(5)]), day=third)
    (morning,) = house.ingest()
    house.land("evening.csv", csv([(f"e{n}", n, 1) for n in range(15)]), day=third)
    (evening,) = house.ingest()
    assert [(only(one).passed, only(one).observed) for one in (morning, evening)] == [(False, 5), (True, 20)]


def test_batches_are_compared_with_batches_where_that_is_declared(make_house: Make) -> None:
    over = {"over": "batch", "history": {"needs": 2}}
    house = make_house(ruled(UPSERT, {"row_count": over}, {"sum": {"column": "quantity", **over}}))
    for n, count in enumerate((10, 10, 2)):
        house.land(f"{n}.csv", csv([(f"o{n}-{row}", 10, 1) for row in range(count)]))
        (batch,) = house.ingest()
    assert batch.status is Status.REJECTED
    assert [(one.observed, one.at_least, one.partition) for one in batch.quality] == [(2, 5.0, None), (20, 50.0, None)]
    assert batch.reason.count("the median of 2 batches before") == 2


def test_a_batch_that_was_refused_is_no_history(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, {"row_count": {"history": {"last": 2, "needs": 2}}}))
    done = land_days(house, 20, 20, 2, 2, 2, 20)
    assert [one.status for one in done[-4:]] == [Status.REJECTED] * 3 + [Status.COMMITTED]


SERIES: dict[str, Any] = {"monotone": {"column": "quantity"}}


def test_a_cumulative_series_that_falls_is_refused_and_its_figures_are_on_the_snapshots(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, SERIES))
    for day, quantity in enumerate((857, 932, 719)):
        house.land("a.csv", csv([("o1", quantity, 1)]), day=DAY + dt.timedelta(days=day))
    first, second, third = house.ingest()
    assert [one.status for one in (first, second, third)] == [Status.COMMITTED, Status.COMMITTED, Status.REJECTED]
    assert third.reason == "rule rule_0: the sum of quantity on 2026-11-03 is 719, where 2026-11-02 has 932"
    assert second.snapshots[0].measures == {"sum of quantity": "932"}
    assert second.snapshots[0].quality == second.quality


def test_a_rule_that_is_younger_than_the_data_counts_what_is_live(make_house: Make) -> None:
    house = make_house(REPLACE, at="same")
    house.land("a.csv", csv([("o1", 5, 1), ("o2", 6, 1)]))
    house.ingest()
    assert house.live()[0].measures == {}
    ruled_house = make_house(ruled(REPLACE, SERIES), at="same")
    ruled_house.land("a.csv", csv([("o1", 10, 1)]), day=NEXT)
    (batch,) = ruled_house.ingest()
    assert (batch.status, only(batch).at_least) == (Status.REJECTED, 11)


def test_a_late_correction_is_published_and_what_it_shows_of_the_next_date_is_a_warning(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, SERIES))
    for day, quantity in enumerate((5, 7)):
        house.land("a.csv", csv([("o1", quantity, 1)]), day=DAY + dt.timedelta(days=day))
    house.ingest()
    house.land("a.csv", csv([("o1", 9, 1)]))
    (batch,) = house.ingest()
    assert batch.status is Status.COMMITTED
    assert [one.told for one in batch.warnings] == [
        "the sum of quantity falls after 2026-11-01, from 9 to 7 on 2026-11-02; one of the two is wrong"
    ]


def test_a_figure_of_an_upsert_is_that_of_the_merged_partition(make_house: Make) -> None:
    house = make_house(ruled(UPSERT, SERIES))
    house.land("a.csv", csv([("o1", 5, 1), ("o2", 5, 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", 9, 1)]), day=NEXT)
    (refused,) = house.ingest()
    assert (refused.status, only(refused).observed) == (Status.REJECTED, 9)
    house.land("b.csv", csv([("o1", 3, 2)]))
    (merged,) = house.ingest()
    assert (merged.status, only(merged).observed) == (Status.COMMITTED, 8)
    assert merged.snapshots[0].measures == {"sum of quantity": "8"}


STALE: dict[str, Any] = {"unlike_previous": {"max_share": 0.9, "ignore": "version"}}


def test_a_stale_file_is_refused(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, STALE))
    house.land("a.csv", csv([(f"o{n}", n, 1) for n in range(309)]))
    house.ingest()
    house.land("a.csv", csv([(f"o{n}", n if n < 294 else 5000 + n, 2) for n in range(309)]), day=NEXT)
    (batch,) = house.ingest()
    assert batch.status is Status.REJECTED
    assert batch.reason.startswith("rule rule_0: 294 of 309 new rows of 2026-11-02 are rows of 2026-11-01 too (95.1%")


def test_a_file_under_the_wrong_date_is_told_when_its_own_date_gets_the_same_rows(make_house: Make) -> None:
    house = make_house(ruled(REPLACE, STALE, {"row": "quantity >= day(_partition_date)", "severity": "warn", "threshold": 0.5}))
    house.land("a.csv", csv([(f"o{n}", 1, 1) for n in range(30)]), day=NEXT)  # what belongs to DAY
    (misdated,) = house.ingest()
    assert [one.rule for one in misdated.warnings] == ["rule_1"]
    house.land("a.csv", csv([(f"o{n}", 1, 1) for n in range(30)]))
    (right,) = house.ingest()
    assert right.status is Status.COMMITTED
    assert "30 of 30 new rows of 2026-11-01 are rows of 2026-11-02 too" in right.warnings[0].told


def test_rows_of_several_snapshots_of_a_date_are_compared_together(make_house: Make) -> None:
    house = make_house(ruled(ORDERS, STALE))
    for file, start in (("a.csv", 0), ("b.csv", 10)):
        house.land(file, csv([(f"o{n}", n, 1) for n in range(start, start + 10)]))
        house.ingest()
    house.land("a.csv", csv([(f"o{n}", n, 1) for n in range(5, 15)]), day=NEXT)
    (batch,) = house.ingest()
    assert (batch.status, only(batch).rows) == (Status.REJECTED, 10)


def test_the_column_that_tells_the_date_does_not_make_rows_differ(make_house: Make) -> None:
    columns = [*ORDERS["columns"], {"name": "day", "type": "date", "nullable": False}]
    spec = ruled({**ORDERS, "columns": columns, "partition_date": {"column": "day"}}, {"unlike_previous": {}})
    house = make_house(spec)
    header = "order_id,quantity,version,day"
    rows = [(f"o{n}", n, 1, day) for day in ("2026-10-30", "2026-10-31") for n in range(9)]
    house.land("a.csv", csv(rows, header))
    (batch,) = house.ingest()
    assert [(one.partition and one.partition.day, one.passed) for one in batch.quality] == [(30, True), (31, False)]
    assert batch.status is Status.REJECTED


def test_each_snapshot_has_the_verdicts_on_its_date_and_on_the_batch(make_house: Make) -> None:
    columns = [*ORDERS["columns"], {"name": "day", "type": "date", "nullable": False}]
    spec = {**ORDERS, "columns": columns, "partition_date": {"column": "day"}}
    house = make_house(ruled(spec, {"row_count": {"at_least": 1}}, {"row": "quantity < 9"}))
    house.land("a.csv", csv([("o1", 1, 1, "2026-10-30"), ("o2", 2, 1, "2026-10-31")], "order_id,quantity,version,day"))
    (batch,) = house.ingest()
    told = [[(one.rule, one.partition and one.partition.day) for one in snapshot.quality] for snapshot in batch.snapshots]
    assert told == [[("rule_1", None), ("rule_0", 30)], [("rule_1", None), ("rule_0", 31)]]


# --- columns that grow


NARROW: dict[str, Any] = {
    **ORDERS,
    "columns": [
        {"name": "order_id", "type": "string"},
        {"name": "quantity", "type": "int32"},
        {"name": "version", "type": "int64"},
    ],
}
LARGE = 2**40


def test_p6_a_condition_sees_values_for_which_their_column_grew(make_house: Make) -> None:
    house = make_house(ruled(NARROW, {"row": "quantity < 100 * version"}))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", LARGE, 2), ("o3", LARGE, LARGE), ("o4", "1.5", 1)]))
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=4, published=3, rejected=1)
    assert sorted(row[0] for row in house.rows()) == ["o1", "o3", "o4"]


@pytest.mark.parametrize("value", [LARGE, "2.5"])
def test_p6_references_hold_when_one_side_has_grown(make_house: Make, value: Any) -> None:
    rule = {"references": {"columns": "quantity", "dataset": "skus", "their": "number"}}
    house = make_house(ruled(NARROW, rule, error_threshold=0.8), SKUS)
    house.land("skus.csv", csv([("a", 1, "one"), ("b", value, "two")], "sku,number,name"), dataset="skus")
    house.ingest()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", value, 1), ("o3", 2, 1), ("o4", LARGE + 1, 1)]))
    (batch,) = house.ingest()
    assert [row[0] for row in house.rows()] == ["o1", "o2"]
    assert only(batch).rows == 2
    house.recount()


def test_p6_what_grew_is_compared_with_what_is_live_by_its_value(make_house: Make) -> None:
    rules = ({"unique": {"columns": "quantity"}}, {"monotone": {"column": "quantity"}, "severity": "warn"})
    house = make_house(ruled(NARROW, *rules))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 7, 1)]))
    house.ingest()
    house.land("a.csv", csv([("o3", 1, 1), ("o4", "2.5", 1), ("o5", LARGE, 1)]), day=NEXT)
    (batch,) = house.ingest()
    assert batch.rows == Rows(landed=3, published=2, rejected=1)
    assert batch.snapshots[0].measures == {"sum of quantity": "1099511627778.5"}
    assert [(one.rule, one.passed) for one in batch.quality] == [("rule_0", True), ("rule_1", True)]
    third = NEXT + dt.timedelta(days=1)
    house.land("a.csv", csv([("o6", 9, 1)]), day=third)
    (batch,) = house.ingest()
    assert batch.warnings[0].told == "the sum of quantity on 2026-11-03 is 9.0, where 2026-11-02 has 1,099,511,627,778.5"
    house.recount()


def test_p6_rows_that_repeat_the_day_before_are_the_same_in_a_wider_type(make_house: Make) -> None:
    house = make_house(ruled({**NARROW, "mode": "replace"}, {"unlike_previous": {"max_share": 0.5}}))
    house.land("a.csv", csv([(f"o{n}", n, 1) for n in range(10)]))
    house.ingest()
    house.land("a.csv", csv([(f"o{n}", n, 1) for n in range(9)] + [("o9", LARGE, 1)]), day=NEXT)
    (batch,) = house.ingest()
    assert (batch.status, only(batch).rows) == (Status.REJECTED, 9)


# --- races, and what costs nothing


def _meanwhile(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, other: Callable[[], Any], *, after: bool = False
) -> None:
    """Let another writer do its work the first time that this batch gets so far: just before the step, or just after it."""
    real = getattr(module, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(module, name, real)
        if not after:
            other()
        done = real(*arguments, **options)
        if after:
            other()
        return done

    monkeypatch.setattr(module, name, wrapped)


def _other_writer(house: House, day: dt.date, text: str) -> Callable[[], Any]:
    def work() -> None:
        house.land("other.csv", text, day=day)
        house.discover()
        batches.run_pending(house.stores, "orders", day)

    return work


def test_under_a_race_a_rule_holds_for_the_commit_that_is_made(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(ruled(ORDERS, UNIQUE))
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    house.discover()
    _meanwhile(monkeypatch, writing, "write_parts", _other_writer(house, NEXT, csv([("o9", 1, 1)])))
    (batch,) = batches.run_pending(house.stores, "orders", DAY)
    assert (batch.commit, batch.rows) == (2, Rows(landed=2, published=1, rejected=1))
    assert house.rows() == [("o2", 2, 1), ("o9", 1, 1)]
    house.recount()


def test_under_a_race_no_batch_is_refused_for_what_is_not_so_any_more(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(ruled(REPLACE, SERIES))
    house.land("a.csv", csv([("o1", 9, 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", 7, 1)]), day=NEXT)
    house.discover()
    corrected = _other_writer(house, DAY, csv([("o1", 5, 1)]))
    _meanwhile(monkeypatch, audit, "judge", corrected, after=True)
    (batch,) = batches.run_pending(house.stores, "orders", NEXT)
    assert (batch.status, batch.commit, only(batch).at_least) == (Status.COMMITTED, 3, 5)


def test_a_dataset_without_rules_looks_at_nothing_that_is_live(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.discover()
    for name in ("live", "live_partitions", "last_commit", "batches"):
        monkeypatch.setattr(type(house.stores.metadata), name, lambda *_, **__: pytest.fail("it was asked what is live"))
    (batch,) = batches.run_pending(house.stores, "orders", DAY)
    assert (batch.status, batch.quality, batch.snapshots[0].measures) == (Status.COMMITTED, (), {})
