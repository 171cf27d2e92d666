"""A lake on S3 and SQS behind a network that breaks: at the end nothing is lost, nothing doubled, nobody blamed.

``proxy`` stands between the lake and the server, and breaks requests on order: throttled, 500, reset, answer lost, cut or never
given. Producers put their files past it.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from botocore.retries import standard

from supply_lake import Lake
from supply_lake.errors import ObjectGone, StoreUnavailable
from supply_lake.ingest import batches
from supply_lake.ingest.discovery import tick
from supply_lake.ingest.events import take
from supply_lake.landing import queue as queues
from supply_lake.landing.dead_letters import kept
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.queue import Queue
from supply_lake.snapshots.records import Outcome, Status
from supply_lake.storage import bucket, connections
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv
from supply_lake_tests.integration.proxy import Fault, Proxy, storm
from supply_lake_tests.integration.queues import Wiring

pytestmark = pytest.mark.integration
UPSERT = {**ORDERS, **KEYED, "mode": "upsert"}
LOG = {**ORDERS, "name": "log"}
OPERATIONS = ("ReceiveMessage", "DeleteMessageBatch", "HeadObject", "ListObjects", "GetObject", "PutObject")
MULTIPART = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
PATIENCE_SECONDS = 60.0
every_fault = pytest.mark.parametrize("fault", list(Fault))


@pytest.fixture
def proxy(request: pytest.FixtureRequest, s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy(s3_server.port)
    for name, value in (s3_server.environ | {"AWS_ENDPOINT_URL": made.endpoint}).items():
        monkeypatch.setenv(name, value)
    # As patient as ever, only faster.
    backoff = {"init_backoff": dt.timedelta(milliseconds=1), "max_backoff": dt.timedelta(milliseconds=5), "base": 2}
    monkeypatch.setattr(connections, "_RETRY", {"max_retries": 1, "retry_timeout": dt.timedelta(seconds=5), "backoff": backoff})
    monkeypatch.setattr(connections, "_CLIENT", {"connect_timeout": "5s"})
    retries = {"mode": "standard", "total_max_attempts": 2}
    monkeypatch.setattr(connections, "_AWS", {"connect_timeout": 5, "retries": retries})
    wait_for_answers(0.7 if request.node.callspec.params.get("fault", Fault.SILENT) is Fault.SILENT else 30)
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(queues, "HIDDEN_SECONDS", 1)
    yield made
    made.close()


def wait_for_answers(seconds: float) -> None:
    """How long stores that are opened from now on wait for an answer; no time is wasted on one that never comes."""
    connections._CLIENT["timeout"], connections._AWS["read_timeout"] = f"{int(seconds * 1000)}ms", seconds


class World:
    """One lake of two datasets, its producers, and what must come of them."""

    def __init__(self, home: Path, server: Any) -> None:
        self.wiring = Wiring(server, "sqs")
        places = {f"SUPPLY_LAKE_{name}": f"s3://{self.wiring.bucket}/{name.lower()}" for name in ("LANDING", "LAKE", "REJECTS")}
        self.house = House(home, UPSERT, LOG, env=places)
        self.queue = Queue.open(f"sqs://{self.wiring.name}")
        self.outages: Counter[str] = Counter()
        self.logged: list[str] = []
        self.orders: dict[str, int] = {}

    def land(self, name: str, version: int = 1) -> None:
        """A file of orders, which may be overwritten by its next version, and one of the log, which never is."""
        self._put(f"orders/{DAY:%Y/%m/%d}/{name}.csv", csv([(name, version, version)]))
        self.orders[name] = version
        row = f"{name}-{version}"
        self._put(f"log/{DAY:%Y/%m/%d}/{row}.csv", csv([(row, 1, 1)]))
        self.logged.append(row)

    def _put(self, key: str, text: str) -> None:
        self.wiring.s3.put_object(Bucket=self.wiring.bucket, Key=f"landing/{key}", Body=text)

    def round(self, *, listing: bool = True) -> None:
        """What the sensor and the runs do, each of which may find a store away."""
        self._attempt("events", lambda: take(self.house.stores, self.queue))
        if listing:
            self._attempt("listing", lambda: tick(self.house.stores, full=True))
        for one in self.house.stores.metadata.pending():
            self._attempt("run", lambda one=one: batches.run_pending(self.house.stores, one.dataset, one.landing_date))  # type: ignore[misc]

    def _attempt(self, what: str, work: Any) -> None:
        try:
            work()
        except StoreUnavailable:  # anything else fails the test: an outage is an outage, and no fault of data or code
            self.outages[what] += 1

    def calm(self) -> None:
        """The network is whole again: go on until nothing is left to do, and give a busy machine its time."""
        wait_for_answers(30)
        self.house.mend()
        self.queue = Queue.open(self.queue.location)
        end = time.monotonic() + PATIENCE_SECONDS
        while self.wiring.waiting() or self.house.stores.metadata.pending():
            assert time.monotonic() < end
            self.round(listing=False)
        self.round()

    def judge(self, *poison: str) -> None:
        """Nothing lost, nothing doubled, nothing blamed on data."""
        lake, metadata = Lake(self.house.stores), self.house.stores.metadata
        orders = lake.query("SELECT order_id, version FROM orders").to_pylist()
        assert sorted((row["order_id"], row["version"]) for row in orders) == sorted(self.orders.items())
        log = lake.query("SELECT order_id FROM log").column("order_id").to_pylist()
        assert sorted(log) == sorted(self.logged)
        assert [problem for report in lake.verify(landing=False) for problem in report.problems] == []
        states = Counter(entry.state for entry in metadata.objects() if entry.dataset)
        assert set(states) <= {ObjectState.DONE, ObjectState.REPLACED}
        outcomes = {source.outcome for batch in metadata.batches() for source in batch.sources}
        assert outcomes <= {Outcome.READ, Outcome.CHANGED}
        assert Status.FAILED not in {
            batch.status for batch in metadata.batches() if any(s.outcome is Outcome.READ for s in batch.sources)
        }
        assert [letter.body for letter in kept(self.house.stores.rejects)] == list(poison)


@pytest.fixture
def world(proxy: Proxy, s3_server: Any, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, s3_server)
    yield made
    made.house.close()


@every_fault
def test_each_operation_may_be_broken_for_a_while(proxy: Proxy, world: World, fault: Fault) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    for name in OPERATIONS:
        while not proxy.injected[name, fault]:  # once, but for a machine that is too busy to come so far
            assert time.monotonic() < end
            world.land(f"o{len(world.orders)}")
            world.wiring.arrived(2)
            proxy.plan = lambda asked, name=name: fault if asked == name else None  # type: ignore[misc]
            world.round()
            proxy.plan = lambda _: None
    world.calm()
    world.judge()


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.LOST])  # the client tries again whichever it is
def test_each_request_may_be_broken_once(proxy: Proxy, world: World, fault: Fault) -> None:
    numbers = iter(range(10**9))
    proxy.plan = lambda _: fault if next(numbers) % 2 == 0 else None
    for number in range(3):
        world.land(f"o{number % 2}", number + 1)
        world.round()
    proxy.plan = lambda _: None
    world.calm()
    world.judge()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_of_every_fault_loses_and_doubles_nothing(proxy: Proxy, world: World, seed: int) -> None:
    proxy.plan = storm(seed, 0.35)
    world.wiring.send("poison")
    for number in range(8):
        world.land(f"o{number % 5}", number + 1)
        world.round(listing=number % 4 == 3)
    proxy.plan = lambda _: None
    assert proxy.injected.total() > 10
    assert len({fault for _, fault in proxy.injected}) > 3
    world.calm()
    world.judge("poison")


@every_fault
def test_an_upload_in_parts_is_whole_or_not_there(
    proxy: Proxy, s3_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    monkeypatch.setattr(bucket, "_PART", 5 * 1024**2)
    data = os.urandom(1024) * 6 * 1024
    (tmp_path / "large").write_bytes(data)
    store = ObjectStore.open(s3_location)
    wait_for_answers(30)
    patient = ObjectStore.open(s3_location)
    for name in MULTIPART:
        proxy.plan = lambda asked, name=name: fault if asked == name else None  # type: ignore[misc]
        whole = fault is Fault.CUT and name == "UploadPart"  # its answer has nothing to cut
        with nullcontext() if whole else pytest.raises(StoreUnavailable):
            store.put(name, tmp_path / "large")
        proxy.plan = lambda _: None
        try:
            with patient.read(name) as file:
                assert file.read() == data
        except ObjectGone:
            assert not whole
        patient.put(name, tmp_path / "large")
        assert patient.head(name).size == len(data)
