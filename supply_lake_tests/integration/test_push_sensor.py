"""The real landing sensor on a queue: it waits for messages, reconciles by listing, and can be switched on and off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from supply_lake.cli.app import run
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.integration.queues import Wiring
from supply_lake_tests.sensors.lakes import GOOD, TODAY, Lake, lake
from supply_lake_tests.sensors.made_up import ORDERS

pytestmark = pytest.mark.integration
Make = Callable[..., AbstractContextManager[Lake]]


@pytest.fixture
def wiring(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return Wiring(s3_server, "sqs")


@pytest.fixture
def make(wiring: Wiring, tmp_path: Path) -> Make:
    """Opens the lake, listening to its queue or listing its landing."""

    def open_(*, listening: bool = True, patience: float = 0) -> AbstractContextManager[Lake]:
        events = {"SUPPLY_LAKE_EVENTS": wiring.url} if listening else {}
        return lake(tmp_path, [ORDERS], patience, SUPPLY_LAKE_LANDING=f"s3://{wiring.bucket}/landing", **events)

    return open_


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The prefixes of landing that are listed."""
    prefixes: list[str] = []
    listing = ObjectStore.list

    def counting(store: ObjectStore, prefix: str = "") -> Any:
        prefixes.append(prefix)
        return listing(store, prefix)

    monkeypatch.setattr(ObjectStore, "list", counting)
    return prefixes


def test_a_tick_waits_for_a_message_and_lists_landing_only_to_reconcile(make: Make, listed: list[str]) -> None:
    with make(patience=20) as lake:
        for name in ("a.csv", "b.csv"):
            timer = threading.Timer(0.3, lake.land, (name, GOOD))
            timer.start()
            (request,) = lake.look().run_requests
            timer.join()
            assert request.partition_key == TODAY.isoformat()
            lake.run()
    assert listed == [""]


def test_a_tick_without_messages_says_so(make: Make) -> None:
    with make() as lake:
        assert lake.look().skip_message == "Nothing new has landed."


def test_e1_e2_switched_between_listing_and_listening_nothing_is_lost_or_doubled(make: Make, wiring: Wiring) -> None:
    landed: set[str] = set()

    def land(lake: Lake, *names: str) -> None:
        landed.update(names)
        for name in names:
            lake.land(f"{name}.csv", f"order_id,quantity\n{name},1\n")

    def run_all(lake: Lake) -> None:
        while lake.look().run_requests:
            assert lake.run().success

    with make(listening=False) as lake:  # the queue fills meanwhile
        land(lake, "a", "b")
        run_all(lake)
        land(lake, "between")
    with make() as lake:
        land(lake, "c", "d")
        run_all(lake)
        wiring.settled(0)
        land(lake, "later")
    with make(listening=False) as lake:
        land(lake, "e")
        run_all(lake)
        batches = lake.stores.metadata.batches("orders")
        published = [source.key.rpartition("/")[2] for batch in batches for source in batch.sources]
        assert sorted(published) == sorted(f"{name}.csv" for name in landed)
        assert sum(batch.rows.published for batch in batches if batch.commit) == len(landed) == 7
    with make() as lake:  # what the queue still has tells nothing new
        assert not lake.look().run_requests
        assert wiring.waiting() == 0


def test_the_command_ingests_what_landed_and_leaves_no_message_behind(
    make: Make, wiring: Wiring, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make() as lake:
        for name in ("home", "landing", "datasets", "events"):
            monkeypatch.setenv(f"SUPPLY_LAKE_{name.upper()}", str(getattr(lake.settings, name)))
        lake.land("a.csv", GOOD)
        wiring.settled(1)
    assert run(["ingest", "--json"]) == 0
    assert '"status": "committed"' in capsys.readouterr().out
    assert wiring.waiting() == 0


def test_e5_a_message_that_is_given_up_is_told_and_can_be_read(
    make: Make,
    wiring: Wiring,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wiring.send("hello")
    with make() as lake:
        assert "1 messages were given up; see `supply-lake messages`" in lake.look().skip_message
        for name in ("home", "landing", "datasets"):
            monkeypatch.setenv(f"SUPPLY_LAKE_{name.upper()}", str(getattr(lake.settings, name)))
    told = [record.getMessage() for record in caplog.records if record.name == "supply_lake.sensors.alerts"]
    assert len(told) == 1
    assert f"queue {wiring.url} warns: message" in told[0]
    assert run(["messages"]) == 0
    assert "no message of an object store" in capsys.readouterr().out
    assert run(["messages", "--json"]) == 0
    assert '"body": "hello"' in capsys.readouterr().out


def test_a_tick_on_a_queue_that_is_not_there_says_what_to_mend(make: Make, wiring: Wiring) -> None:
    wiring.sqs.delete_queue(QueueUrl=wiring.url)
    with make() as lake, pytest.raises(Exception, match="is not there; make it, or check SUPPLY_LAKE_EVENTS"):
        lake.look()
