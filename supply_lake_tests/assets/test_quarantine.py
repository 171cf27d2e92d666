"""Replays and revocations that a person starts in the UI: runs with a tag, and a job."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from supply_lake.assets.naming import REPLAY_TAG, REVOKE_JOB, replayed
from supply_lake.snapshots.records import Kind, Rows, Status
from supply_lake_tests.assets.test_curation import TWO_DAYS_AGO, rows, values
from supply_lake_tests.sensors.lakes import BAD, GOOD, TODAY, YESTERDAY, Lake, reasons
from supply_lake_tests.sensors.made_up import ORDERS, write_specs

ANY_QUANTITY = {**ORDERS, "columns": [ORDERS["columns"][0], {"name": "quantity", "type": "int64"}]}
ALL = {REPLAY_TAG: "true"}


def land(lake: Lake, *texts: str) -> None:
    """A file for each of the last days, the last one today's, and a run for each."""
    days = (TWO_DAYS_AGO, YESTERDAY, TODAY)[-len(texts) :]
    for day, text in zip(days, texts, strict=True):
        lake.land("a.csv", text, day)
    lake.discover()
    lake.run(days[0], TODAY)


def mend(lake: Lake, spec: dict[str, Any] = ANY_QUANTITY) -> None:
    write_specs(lake.settings.datasets.parent, spec)


def replay(lake: Lake, **tags: str) -> dg.ExecuteInProcessResult:
    return lake.run(TWO_DAYS_AGO, TODAY, pending=False, tags=tags or ALL)


def revoke(lake: Lake, snapshot: str, why: str = "counted twice", by: str = "ann") -> dg.ExecuteInProcessResult:
    config = {"ops": {"revoke_snapshot": {"config": {"snapshot": snapshot, "why": why, "by": by}}}}
    job = lake.definitions.resolve_job_def(REVOKE_JOB)
    return job.execute_in_process(instance=lake.instance, run_config=config, raise_on_error=False)


def test_m4_a_run_with_the_tag_replays_what_was_rejected_and_only_that(orders: Lake) -> None:
    land(orders, GOOD, GOOD + "o3,-3\n", GOOD + "o4,lots\n")
    before = {one.id for one in orders.stores.metadata.live("orders")}
    landed = orders.materializations(landing=True)
    mend(orders)
    result = replay(orders)
    assert result.success
    (batch,) = orders.stores.metadata.batches("orders", run_id=result.run_id)
    assert (batch.kind, batch.landing_date, batch.rows) == (Kind.REPLAY, YESTERDAY, Rows(landed=1, published=1))
    assert before < {one.id for one in orders.stores.metadata.live("orders")}
    told = values(orders.materializations()[YESTERDAY.isoformat()].metadata)
    assert (told["replays"], told["rows published"], told["dagster/row_count"]) == (batch.replays[0], 1, 3)
    assert {partition for _, partition in orders.evaluations(result)} == {YESTERDAY.isoformat()}
    assert orders.materializations(landing=True) == landed
    assert replay(orders).success
    assert orders.stores.metadata.last_commit("orders") == 4


def test_m4_a_batch_that_stays_rejected_fails_the_run_for_its_date(orders: Lake) -> None:
    land(orders, BAD, GOOD)
    recorded = orders.stores.metadata.batches("orders")
    result = replay(orders)
    assert not result.success
    assert f"orders {YESTERDAY}: rejected: 2 of 3 rows break the contract" in reasons(result)
    assert orders.evaluations(result)["contract", YESTERDAY.isoformat()].passed is False
    assert orders.stores.metadata.batches("orders") == recorded


def test_m4_the_tag_names_one_snapshot(orders: Lake) -> None:
    land(orders, GOOD + "o3,-3\n", GOOD + "o4,-4\n")
    mend(orders)
    newest = orders.stores.metadata.snapshots("orders", 1)[0]
    assert replay(orders, **{REPLAY_TAG: newest.id}).success
    assert [one.replays for one in orders.stores.metadata.batches("orders", 1)] == [(newest.id,)]
    unknown = replay(orders, **{REPLAY_TAG: "nope"})
    assert not unknown.success
    assert "dataset orders has no snapshot 'nope'" in reasons(unknown)


@pytest.mark.parametrize(
    ("tag", "means"), [("true", ""), (" TRUE ", ""), ("01a1f0c2", "01a1f0c2"), ("false", None), ("", None), (None, None)]
)
def test_what_the_tag_says(tag: str | None, means: str | None) -> None:
    tags = {} if tag is None else {REPLAY_TAG: tag}
    assert replayed(dg.DagsterRun("orders", tags=tags)) == means


def test_a_snapshot_is_revoked_by_a_job_and_the_asset_tells_why(orders: Lake) -> None:
    land(orders, GOOD, GOOD + "o3,3\n")
    (_, wrong) = orders.stores.metadata.live("orders")
    result = revoke(orders, wrong.id)
    assert result.success
    (batch,) = orders.stores.metadata.batches("orders", run_id=result.run_id)
    assert (batch.kind, batch.reason, batch.by, batch.commit) == (Kind.REVOKE, "counted twice", "ann", 3)
    event = orders.materializations()[TODAY.isoformat()]
    told = values(event.metadata)
    assert (told["revoked"], told["why"], told["by"], told["commit"]) == (wrong.id, "counted twice", "ann", 3)
    assert told["dagster/row_count"] == 0
    assert [row["rows"] for row in rows(event.metadata["live instead"])] == ["0"]  # type: ignore[arg-type]
    assert event.tags["dagster/data_version"] == batch.snapshots[0].id


def test_a_revocation_that_is_refused_fails_with_the_sentence(orders: Lake) -> None:
    land(orders, BAD)
    (refused,) = orders.stores.metadata.snapshots("orders")
    assert refused.status is Status.REJECTED
    result = revoke(orders, refused.id)
    assert not result.success
    assert "it was never published, so there is nothing to revoke" in reasons(result)
    assert orders.stores.metadata.last_commit("orders") == 0
