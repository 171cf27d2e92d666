"""Runs of a dataset's asset: checks, materializations, failures, ranges, backfills."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from supply_lake.assets import curation
from supply_lake.assets.naming import lake_key
from supply_lake.errors import StoreUnavailable
from supply_lake.ingest import batches, publish
from supply_lake.snapshots.records import Rows, Status
from supply_lake_tests.sensors.lakes import BAD, GOOD, QUIET, TODAY, YESTERDAY, Lake, reasons
from supply_lake_tests.sensors.made_up import ORDERS

Make = Callable[..., Lake]
TWO_DAYS_AGO = TODAY - dt.timedelta(days=2)


def values(metadata: dict[str, Any]) -> dict[str, Any]:
    """What the metadata says; of a table its rows."""
    return {name: rows(value) if isinstance(value, dg.TableMetadataValue) else value.value for name, value in metadata.items()}


def rows(table: dg.TableMetadataValue) -> list[dict[str, Any]]:
    return [dict(record.data) for record in table.records]


def test_a_good_batch_is_checked_then_materialized_with_what_a_person_wants_to_see(orders: Lake) -> None:
    orders.land("a.csv", GOOD + "o3,lots\n")
    orders.discover()
    result = orders.run()
    assert result.success
    (snapshot,) = orders.stores.metadata.live("orders")
    event = orders.materializations()[TODAY.isoformat()]
    told = values(event.metadata)
    assert (told["rows landed"], told["rows published"], told["rows rejected"]) == (3, 2, 1)
    assert (told["dagster/row_count"], told["commit"], told["snapshot"]) == (2, 1, snapshot.id)
    assert told["preview"] == [{"order_id": "o1", "quantity": "1"}, {"order_id": "o2", "quantity": "2"}]
    assert [row["why"] for row in told["rejects"]] == ["quantity = 'lots': is no int64"]
    assert [(row["file"], row["landed"], row["published"]) for row in told["sources"]] == [("a.csv", "3", "2")]
    assert event.tags["dagster/data_version"] == snapshot.id
    assert told["location"] == snapshot.location
    order = [str(one.event_type_value) for one in result.all_events if "ASSET" in one.event_type_value]
    evaluated, published = order.index("ASSET_CHECK_EVALUATION"), len(order) - order[::-1].index("ASSET_MATERIALIZATION") - 1
    assert evaluated < published


def test_checks_tell_shares_rules_and_rows(orders: Lake) -> None:
    orders.land("a.csv", GOOD + "o3,lots\n")
    orders.discover()
    found = orders.evaluations(orders.run())
    contract = values(found["contract", TODAY.isoformat()].metadata)
    assert contract["rejected share"] == pytest.approx(1 / 3, abs=1e-5)
    assert contract["error threshold"] == "50.0%"
    assert [(row["column"], row["rows"]) for row in contract["rules broken"]] == [("quantity", "1")]
    conservation = found["conservation", TODAY.isoformat()]
    assert conservation.passed
    told = values(conservation.metadata)
    assert told["landed"] == 3
    assert told["balance"] == "3 landed = 2 published + 1 rejected + 0 deduplicated"


def test_what_landed_is_told_on_the_landing_asset(orders: Lake) -> None:
    orders.land("a.csv", GOOD)
    orders.land("b.csv", GOOD + "o4,4\n")
    orders.discover()
    orders.run()
    told = values(orders.materializations(landing=True)[TODAY.isoformat()].metadata)
    assert told["objects"] == 2
    assert {row["file"] for row in told["files"]} == {"a.csv", "b.csv"}


def test_a_rejected_batch_leaves_a_failed_check_and_no_materialization(orders: Lake) -> None:
    orders.land("a.csv", BAD)
    orders.discover()
    result = orders.run()
    assert not result.success
    assert "2 of 3 rows break the contract" in reasons(result)
    found = orders.evaluations(result)
    assert found["contract", TODAY.isoformat()].passed is False
    assert found["conservation", TODAY.isoformat()].passed is True
    assert orders.materializations() == {}
    assert orders.stores.metadata.live("orders") == []


def test_one_bad_date_of_a_range_does_not_keep_the_others_from_being_published(orders: Lake) -> None:
    for day, text in ((TWO_DAYS_AGO, GOOD), (YESTERDAY, BAD), (TODAY, GOOD.replace("o1", "o9"))):
        orders.land("a.csv", text, day)
    orders.discover()
    result = orders.run(TWO_DAYS_AGO, TODAY)
    assert not result.success
    assert reasons(result).count("\n") == 0
    assert set(orders.materializations()) == {TWO_DAYS_AGO.isoformat(), TODAY.isoformat()}
    checks = {partition: one.passed for (name, partition), one in orders.evaluations(result).items() if name == "contract"}
    assert checks == {TWO_DAYS_AGO.isoformat(): True, YESTERDAY.isoformat(): False, TODAY.isoformat(): True}


def test_each_date_of_a_range_has_one_event_with_its_own_version_and_numbers(orders: Lake) -> None:
    orders.land("a.csv", GOOD, YESTERDAY)
    orders.land("a.csv", GOOD + "o3,3\n", TODAY)
    orders.discover()
    result = orders.run(YESTERDAY, TODAY)
    assert result.success
    events = [one for one in result.asset_materializations_for_node("lake__orders") if one.asset_key == lake_key("orders")]
    assert [(one.partition, one.metadata["rows landed"].value) for one in events] == [
        (YESTERDAY.isoformat(), 2),
        (TODAY.isoformat(), 3),
    ]
    assert len({one.tags["dagster/data_version"] for one in events}) == 2


def test_a_date_on_which_nothing_landed_is_not_materialized(orders: Lake) -> None:
    result = orders.run(YESTERDAY, TODAY, pending=False)
    assert result.success
    assert orders.materializations() == {}
    assert orders.evaluations(result) == {}


def test_o4_an_empty_file_is_told_and_not_materialized(orders: Lake) -> None:
    orders.land("a.csv", "")
    orders.discover()
    result = orders.run()
    assert result.success
    assert orders.materializations() == {}
    (file,) = values(orders.materializations(landing=True)[TODAY.isoformat()].metadata)["files"]
    assert "zero bytes" in file["outcome"]


def test_a_backfill_is_one_run_that_curates_again_what_landed_on_its_dates(make_lake: Make) -> None:
    lake = make_lake()
    for day in (YESTERDAY, TODAY):
        lake.land("a.csv", GOOD + f"o3,{day.day}\n", day)
    lake.discover()
    lake.run(YESTERDAY, TODAY)
    before = {one.id for one in lake.stores.metadata.live("orders")}
    result = lake.run(TWO_DAYS_AGO, TODAY, pending=False)
    assert result.success
    live = lake.stores.metadata.live("orders")
    assert len(live) == 2
    assert before.isdisjoint(one.id for one in live)
    assert {one for snapshot in live for one in snapshot.supersedes} == before
    assert values(lake.materializations()[TODAY.isoformat()].metadata)["curated again"] is True


def test_a_sensors_run_does_not_curate_again(orders: Lake) -> None:
    orders.land("a.csv", GOOD)
    orders.discover()
    orders.run()
    orders.run()
    assert [one.commit for one in orders.stores.metadata.live("orders")] == [1]


def test_a_batch_that_fails_is_one_sentence_and_is_set_aside_after_its_last_attempt(
    orders: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the moon is in the wrong house")

    monkeypatch.setattr(batches, "run_batch", broken)
    orders.land("a.csv", GOOD)
    orders.discover()
    results = [orders.run() for _ in range(orders.settings.max_attempts)]
    assert not any(result.success for result in results)
    assert "the moon is in the wrong house" in reasons(results[0])
    assert orders.evaluations(results[0]) == {}
    check = orders.evaluations(results[-1])["contract", TODAY.isoformat()]
    assert check.passed is False
    assert "wrong house" in values(check.metadata)["set aside"]
    assert orders.materializations() == {}
    assert orders.run().success


def test_m5_a_store_that_is_away_ends_the_run_and_counts_no_attempt(orders: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("lake store /lake does not answer.")

    orders.land("a.csv", GOOD)
    orders.discover()
    with monkeypatch.context() as patch:
        patch.setattr(batches, "run_batch", away)
        for _ in range(orders.settings.max_attempts + 1):
            result = orders.run()
            assert "does not answer. Nothing is lost" in reasons(result)
    assert orders.run().success
    assert set(orders.materializations()) == {TODAY.isoformat()}


def test_rows_that_are_lost_fail_the_conservation_check(orders: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    def lossy(*arguments: Any, **options: Any) -> Any:
        return [replace(one, rows=Rows(5, 2, 0, 0)) for one in batches.run_pending(*arguments, **options)]

    monkeypatch.setattr(curation, "run_pending", lossy)
    orders.land("a.csv", GOOD)
    orders.discover()
    result = orders.run()
    assert not result.success
    assert orders.evaluations(result)["conservation", TODAY.isoformat()].passed is False


def test_assets_downstream_run_when_something_was_published_and_only_then(orders: Lake) -> None:
    seen: list[str] = []

    @dg.asset(
        deps=[lake_key("orders")],
        partitions_def=orders.definitions.resolve_asset_graph().get(lake_key("orders")).partitions_def,
    )
    def report(context) -> None:  # type: ignore[no-untyped-def]
        seen.extend(context.partition_keys)

    orders.definitions = dg.Definitions.merge(orders.definitions, dg.Definitions(assets=[report]))
    job = orders.definitions.resolve_implicit_global_asset_job_def()

    def run() -> None:
        job.execute_in_process(
            instance=orders.instance,
            partition_key=TODAY.isoformat(),
            run_config=QUIET,
            raise_on_error=False,
            asset_selection=[lake_key("orders"), report.key],
        )

    run()
    assert seen == []
    orders.land("bad.csv", BAD)
    orders.discover()
    run()
    assert seen == []
    orders.land("bad.csv", GOOD)
    orders.discover()
    run()
    assert seen == [TODAY.isoformat()]


def test_the_run_and_the_system_of_origin_are_on_the_records(orders: Lake) -> None:
    orders.land("a.csv", GOOD)
    orders.discover()
    result = orders.run()
    (batch,) = orders.stores.metadata.batches("orders")
    assert (batch.run_id, batch.status) == (result.run_id, Status.COMMITTED)
    assert batch.snapshots[0].source_system["system"] == ORDERS["source"]["system"]
    assert publish.COMMIT_TRIES > 1


def test_the_schema_version_is_told_and_what_changed_in_the_run_that_changed_it(orders: Lake) -> None:
    told: list[dict[str, Any]] = []
    for file, text in (
        ("a.csv", GOOD),
        ("b.csv", "order_id,quantity,Gift Note\no3,2.5,x\n"),
        ("c.csv", "order_id,quantity\no4,4\n"),
    ):
        orders.land(file, text)
        orders.discover()
        orders.run()
        told.append(values(orders.materializations()[TODAY.isoformat()].metadata))
    first, second, third = told
    assert [one["schema version"] for one in (first, second, third)] == [1, 2, 2]
    assert "column 'quantity' was added as int64" in first["schema changes"]
    assert "column 'quantity' was widened from int64 to decimal(20,1), brought by" in second["schema changes"]
    assert "column 'gift_note' was added as string" in second["schema changes"]
    assert "schema changes" not in third
    types = {column.name: column.type for column in third["dagster/column_schema"].columns}
    assert types == {"order_id": "string", "quantity": "decimal(20,1)", "gift_note": "string"}
    assert third["dagster/column_schema"].columns[1].description == "[pieces]"
