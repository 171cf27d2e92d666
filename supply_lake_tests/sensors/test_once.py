"""Ingesting in one process: the real sensor and real runs until nothing is pending."""

from __future__ import annotations

import datetime as dt
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterRun, DagsterRunStatus, EventLogEntry, RunsFilter, job
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqlRunStorage
from sqlalchemy.exc import OperationalError

from supply_lake.assets.naming import DATASET_TAG, PARTITION_TAG, PENDING_TAG
from supply_lake.errors import StoreUnavailable, UnknownDataset
from supply_lake.ingest import batches
from supply_lake.ingest.stores import Stores
from supply_lake.resources.instance import open_instance
from supply_lake.resources.workers import WORKER_TAG, this_process
from supply_lake.sensors import requests
from supply_lake.sensors.once import run_everything
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch, Status
from supply_lake.storage import local_folder
from supply_lake_tests.sensors.lakes import BAD, GOOD, TODAY, YESTERDAY
from supply_lake_tests.sensors.made_up import ORDERS, write_specs


@job
def _empty_job() -> None:
    """A run of it stands for one of another process."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    folder = write_specs(tmp_path, ORDERS, {**ORDERS, "name": "stock"})
    variables = {"SUPPLY_LAKE_HOME": str(tmp_path / "lake"), "SUPPLY_LAKE_DATASETS": str(folder)}
    return Settings.from_env({**variables, "SUPPLY_LAKE_SETTLE_SECONDS": "0"})


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    with Stores.open(settings) as opened:
        yield opened


def land(stores: Stores, file: str, text: str, day: dt.date = TODAY, dataset: str = "orders") -> None:
    stores.landing.put(f"{dataset}/{day:%Y/%m/%d}/{file}", text.encode())


def test_everything_that_landed_is_run_and_nothing_is_printed(
    settings: Settings, stores: Stores, capfd: pytest.CaptureFixture[str]
) -> None:
    land(stores, "a.csv", GOOD, YESTERDAY)
    land(stores, "a.csv", GOOD + "o9,9\n")
    land(stores, "a.csv", GOOD, dataset="stock")
    seen: list[Batch] = []
    done = run_everything(settings, on_batch=seen.append)
    assert sorted((one.dataset, one.landing_date, one.status) for one in done.batches) == [
        ("orders", YESTERDAY, Status.COMMITTED),
        ("orders", TODAY, Status.COMMITTED),
        ("stock", TODAY, Status.COMMITTED),
    ]
    assert seen == done.batches
    assert done.troubles == []
    assert stores.metadata.pending() == []
    assert capfd.readouterr() == ("", "")


def test_a_folder_without_datasets_is_named(tmp_path: Path) -> None:
    settings = Settings.from_env({"SUPPLY_LAKE_HOME": str(tmp_path / "lake"), "SUPPLY_LAKE_DATASETS": str(tmp_path)})
    with pytest.raises(UnknownDataset, match=f"no dataset is declared in {tmp_path}; write the first one there"):
        run_everything(settings)


def test_runs_are_on_the_persistent_instance(settings: Settings, stores: Stores) -> None:
    land(stores, "a.csv", GOOD)
    (batch,) = run_everything(settings).batches
    with open_instance(settings) as instance:
        (run,) = instance.get_runs(RunsFilter())
        assert run.run_id == batch.run_id
        assert run.is_success


def test_again_with_nothing_new_does_nothing(settings: Settings, stores: Stores) -> None:
    land(stores, "a.csv", GOOD)
    assert run_everything(settings).batches
    assert run_everything(settings).batches == []


def test_a_rejected_batch_is_a_batch_and_a_trouble_and_the_others_go_on(settings: Settings, stores: Stores) -> None:
    land(stores, "a.csv", BAD)
    land(stores, "a.csv", GOOD, dataset="stock")
    done = run_everything(settings)
    assert {one.dataset: one.status for one in done.batches} == {"orders": Status.REJECTED, "stock": Status.COMMITTED}
    assert len(done.troubles) == 1
    assert "2 of 3 rows" in done.troubles[0]


def test_only_the_named_datasets_are_run(settings: Settings, stores: Stores) -> None:
    land(stores, "a.csv", GOOD)
    land(stores, "a.csv", GOOD, dataset="stock")
    assert [one.dataset for one in run_everything(settings, ["stock"]).batches] == ["stock"]
    assert [one.dataset for one in stores.metadata.pending()] == ["orders"]
    with pytest.raises(UnknownDataset, match="stokc"):
        run_everything(settings, ["stokc"])


def test_a_batch_that_fails_is_tried_until_its_attempts_are_used_up(
    settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of luck")

    land(stores, "a.csv", GOOD)
    monkeypatch.setattr(batches, "run_batch", broken)
    done = run_everything(settings)
    assert done.batches == []
    assert len(done.troubles) == settings.max_attempts
    assert "set aside" in done.troubles[-1]


def test_m5_a_store_that_is_away_is_tried_once_and_nothing_is_lost(
    settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the lake does not answer.")

    land(stores, "a.csv", GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(batches, "run_batch", away)
        assert len(run_everything(settings).troubles) == 1
    done = run_everything(settings)
    assert [one.status for one in done.batches] == [Status.COMMITTED]


def test_m5_what_was_published_before_dagsters_storage_broke_is_told(
    settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(stores, "a.csv", GOOD, YESTERDAY)
    really = SqlEventLogStorage.store_event
    seen: list[Batch] = []
    last: list[EventLogEntry] = []

    def full(self: SqlEventLogStorage, event: EventLogEntry) -> None:
        if last or (event.dagster_event and event.dagster_event.is_step_success):
            last.append(event)
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
        really(self, event)

    with monkeypatch.context() as patch:
        for kind in (SqlEventLogStorage, SqliteEventLogStorage):
            patch.setattr(kind, "store_event", full)
        with pytest.raises(
            StoreUnavailable, match=r"Dagster's storage in .*/dagster does not answer \(database or disk is full\)"
        ):
            run_everything(settings, on_batch=seen.append)
    assert [one.status for one in seen] == [Status.COMMITTED]
    land(stores, "b.csv", "order_id,quantity\no3,3\n", YESTERDAY)
    monkeypatch.setattr(requests, "is_dead", lambda _: True)  # the run that broke off was this process's
    assert [one.rows.published for one in run_everything(settings).batches] == [1]


def test_what_landed_and_was_not_run_is_told_once(settings: Settings, stores: Stores) -> None:
    stores.landing.put("order/a.csv", GOOD.encode())
    stores.landing.put("orders/2025/02/30/a.csv", GOOD.encode())
    (told,) = run_everything(settings).remarks
    assert told.startswith("order/a.csv is refused: no dataset takes this key")
    assert told.endswith("(and 1 more); see `supply-lake objects --state refused`")
    assert run_everything(settings).remarks == []


def test_a_run_of_another_process_is_waited_for_and_that_is_told(settings: Settings, stores: Stores) -> None:
    land(stores, "a.csv", GOOD)
    tags = {PENDING_TAG: "true", DATASET_TAG: "orders", PARTITION_TAG: TODAY.isoformat(), WORKER_TAG: "elsewhere:1:"}
    told: list[str] = []
    with open_instance(settings) as instance:
        other = instance.create_run_for_job(_empty_job, tags=tags, status=DagsterRunStatus.STARTED)

        def ends(sentence: str) -> None:
            told.append(sentence)
            instance.report_run_failed(other)

        done = run_everything(settings, on_wait=ends)
    assert told == [f"waiting for run {other.run_id} of orders, on which another process works"]
    assert [one.status for one in done.batches] == [Status.COMMITTED]


def test_m2_a_run_says_whose_it_is_from_its_first_moment(
    settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its first step, it must not be taken for one that some daemon is about to start."""
    made: list[DagsterRun] = []
    really = SqlRunStorage.add_run

    def add_run(self: SqlRunStorage, run: DagsterRun, *rest: object) -> DagsterRun:
        made.append(run)
        return really(self, run, *rest)

    monkeypatch.setattr(SqlRunStorage, "add_run", add_run)
    land(stores, "a.csv", GOOD)
    run_everything(settings)
    assert [run.tags[WORKER_TAG] for run in made] == [this_process()[WORKER_TAG]]


def test_e10_a_file_that_is_being_written_and_a_folder_that_cannot_be_listed_are_told(
    settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(stores, "a.csv", GOOD)
    land(stores, "b.csv", GOOD, dataset="stock")
    really_open = os.open

    def refuses(path: str, flags: int, *rest: int) -> int:
        if str(path).endswith("landing/stock/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return really_open(path, flags, *rest)

    monkeypatch.setattr(local_folder.os, "open", refuses)
    with (Path(settings.landing) / f"orders/{TODAY:%Y/%m/%d}/a.csv").open("ab"):
        (told,) = run_everything(settings).remarks
    assert told.split("; ") == [
        f"orders/{TODAY:%Y/%m/%d}/a.csv waits: it is open for writing",
        "stock/ waits: it cannot be listed (Permission denied)",
        "give this user the permission, and it is taken up",
    ]
    monkeypatch.setattr(local_folder.os, "open", really_open)
    assert sorted(one.dataset for one in run_everything(settings).batches) == ["orders", "stock"]
