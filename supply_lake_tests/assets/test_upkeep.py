"""The jobs that care for what is stored, from the UI and by their schedules, beside running ingestion."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from supply_lake.composition import build_definitions
from supply_lake.ingest.stores import Stores
from supply_lake.query.verify import verify
from supply_lake.snapshots.records import Kind
from supply_lake_tests.sensors.lakes import GOOD, TODAY, Lake, reasons


def run(lake: Lake, job: str, op: str = "", **config: Any) -> dg.ExecuteInProcessResult:
    asked = {"ops": {op: {"config": config}}} if op else {}
    found = build_definitions(lake.settings).resolve_job_def(job)
    return found.execute_in_process(instance=lake.instance, run_config=asked, raise_on_error=False)


def fill(lake: Lake, files: int, start: int = 0) -> None:
    for number in range(start, start + files):
        lake.land(f"{number}.csv", f"{GOOD}o{number + 10},{number}\n", TODAY)
        lake.discover()
        lake.run(TODAY)


def test_o7_the_jobs_compact_collect_and_prove(orders: Lake) -> None:
    fill(orders, 3)
    assert run(orders, "compact").success
    (live,) = orders.stores.metadata.live("orders")
    assert (live.kind, live.rows_total, bool(live.run_id)) == (Kind.COMPACT, 9, True)
    assert run(orders, "gc").success
    assert orders.stores.metadata.removals() == []
    lake = replace(orders, settings=replace(orders.settings, retention_days=0.0))
    assert run(lake, "gc", "collect_garbage", datasets=["orders"], delete=True).success
    (removal,) = orders.stores.metadata.removals()
    assert len(removal.snapshots) == 3
    assert run(orders, "verify").success
    assert run(orders, "reconcile").success
    orders.stores.lake.delete([live.files[0].path])
    for job in ("verify", "reconcile"):
        failed = run(orders, job)
        assert not failed.success
        assert live.files[0].path in reasons(failed)


def test_schedules_are_off_unless_settings_ask_for_them(orders: Lake) -> None:
    def names(lake: Lake) -> dict[str, dg.ScheduleDefinition]:
        found = build_definitions(lake.settings).schedules or []
        return {one.name: one for one in found if isinstance(one, dg.ScheduleDefinition) and one.name.startswith("upkeep_")}

    assert names(orders) == {}
    asked = replace(orders.settings, compact_schedule="15 3 * * *", gc_schedule="@weekly")
    found = names(replace(orders, settings=asked))
    assert {name: one.cron_schedule for name, one in found.items()} == {
        "upkeep_compact": "15 3 * * *",
        "upkeep_gc": "@weekly",
    }
    assert all(one.default_status is dg.DefaultScheduleStatus.RUNNING for one in found.values())
    with dg.DagsterInstance.ephemeral() as instance, dg.build_schedule_context(instance) as context:
        (request,) = found["upkeep_gc"].evaluate_tick(context).run_requests or []
    assert request.run_config == {"ops": {"collect_garbage": {"config": {"delete": True}}}}


def test_m3_they_run_beside_commits_and_no_row_is_lost(orders: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers, compactions and collections at once: every row is live once in the end, and all of it is proven."""
    from supply_lake.ingest.batches import run_pending
    from supply_lake.upkeep.compact import compact
    from supply_lake.upkeep.gc import Collection, terms

    files, faults = 12, []
    for number in range(files):
        orders.land(f"{number:02}.csv", f"order_id,quantity\nn{number},{number}\n", TODAY)
    orders.discover()
    settings = replace(orders.settings, max_objects_per_run=1, retention_days=0.0)
    done = threading.Event()

    def guarded(work: Any) -> None:
        try:
            with Stores.open(settings) as stores:
                work(stores)
        except BaseException as error:
            faults.append(error)

    def write(stores: Stores) -> None:
        try:
            while stores.metadata.pending():
                run_pending(stores, "orders", TODAY)
        finally:
            done.set()

    def care(stores: Stores) -> None:
        while not done.is_set():
            compact(stores, "orders")
            Collection(stores, *terms(stores.settings)).run("orders")

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (write, care)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    compact(orders.stores, "orders")
    (live,) = orders.stores.metadata.live("orders")
    assert (live.rows_total, len(live.holds)) == (files, files)
    assert verify(orders.stores, orders.stores.registry.get("orders")).problems == ()
