"""What the lake asks of S3 and SQS, counted: per discovery, per batch, per commit. Requests are what a lake on S3 pays for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supply_lake.ingest import batches
from supply_lake.ingest.discovery import tick
from supply_lake.ingest.events import take
from supply_lake.ingest.revoke import revoke
from supply_lake.landing.queue import Queue
from supply_lake.snapshots.records import Batch
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv
from supply_lake_tests.integration.proxy import Proxy, operation
from supply_lake_tests.integration.queues import Wiring

pytestmark = pytest.mark.integration
UPSERT = {**ORDERS, **KEYED, "mode": "upsert", "error_threshold": 1.0}
OBJECTS = 6
Make = Callable[..., House]


@pytest.fixture
def proxy(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to the server; everything of the lake goes through it, and nothing of the producers."""
    made = Proxy(s3_server.port)
    for name, value in (s3_server.environ | {"AWS_ENDPOINT_URL": made.endpoint}).items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


@pytest.fixture
def wiring(proxy: Proxy, s3_server: Any) -> Wiring:
    return Wiring(s3_server, "sqs")


@pytest.fixture
def make(wiring: Wiring, tmp_path: Path) -> Iterator[Make]:
    """Opens a lake with landing, lake and rejects in buckets and prefixes of their own."""
    houses: list[House] = []

    def open_(spec: dict[str, Any] = UPSERT, **env: str) -> House:
        names = {"LANDING": f"{wiring.bucket}/in/landing", "LAKE": "the-lake/out", "REJECTS": "the-rejects/aside/rejects"}
        for bucket in ("the-lake", "the-rejects"):
            wiring.s3.create_bucket(Bucket=bucket)
        places = {f"SUPPLY_LAKE_{name}": f"s3://{place}" for name, place in names.items()}
        houses.append(House(tmp_path / f"house-{len(houses)}", spec, env={**places, **env}))
        return houses[-1]

    yield open_
    for house in houses:
        house.close()
    for bucket in ("the-lake", "the-rejects"):
        for one in wiring.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            wiring.s3.delete_object(Bucket=bucket, Key=one["Key"])


def land(wiring: Wiring, generation: int, *, bad: bool = False) -> None:
    """What a producer does: some files, each of a size of its own."""
    for number in range(OBJECTS):
        rows: list[tuple[Any, ...]] = [(f"{'o' * (number + 1)}{number}", 1, generation), *([("bad", "many", 1)] if bad else [])]
        key = f"in/landing/orders/{DAY:%Y/%m/%d}/{generation}-{number}.csv"
        wiring.s3.put_object(Bucket=wiring.bucket, Key=key, Body=csv(rows))


def run(house: House) -> list[Batch]:
    return [
        batch
        for one in house.stores.metadata.pending()
        for batch in batches.run_pending(house.stores, one.dataset, one.landing_date)
    ]


def test_requests_of_a_batch_and_of_a_commit(proxy: Proxy, wiring: Wiring, make: Make) -> None:
    house = make()
    land(wiring, 1, bad=True)
    with proxy.counting() as discovery:
        tick(house.stores, full=True)
    assert discovery == {"ListObjects": 1}
    with proxy.counting() as first:
        (batch,) = run(house)
    assert batch.rows.rejected == OBJECTS
    # One GET for each object, one PUT for the rows and one for the rejects. The commit is the metadata store's alone.
    assert first == {"GetObject": OBJECTS, "PutObject": 2}
    land(wiring, 2)
    tick(house.stores, full=True)
    with proxy.counting() as second:
        run(house)
    # The live file is read three times: its footer, its keys, its rows.
    assert second == {"GetObject": OBJECTS + 3, "PutObject": 1}
    with proxy.counting() as idle:
        tick(house.stores, full=True)
    assert idle == {"ListObjects": 1}


def test_requests_of_a_batch_that_events_told_of(proxy: Proxy, wiring: Wiring, make: Make) -> None:
    house = make()
    queue = Queue.open(wiring.url)
    land(wiring, 1)
    wiring.settled(OBJECTS)
    bodies = wiring.take_all()
    wiring.send(*bodies)
    with proxy.counting() as told:
        assert take(house.stores, queue).new == OBJECTS
    assert told == {"ReceiveMessage": 2, "HeadObject": OBJECTS, "DeleteMessageBatch": 1}
    wiring.send(*bodies)
    with proxy.counting() as again:
        assert take(house.stores, queue).new == 0
    assert again == {"ReceiveMessage": 2, "DeleteMessageBatch": 1}
    with proxy.counting() as nothing:
        take(house.stores, queue)
    assert nothing == {"ReceiveMessage": 1}


def test_requests_of_a_listing_by_date_prefix(proxy: Proxy, wiring: Wiring, make: Make) -> None:
    house = make()
    land(wiring, 1)
    with proxy.counting() as hot:
        tick(house.stores)
    assert hot == {"ListObjects": house.stores.settings.hot_days + 1}  # a folder of each recent day, and tomorrow's


def test_requests_of_a_revocation(proxy: Proxy, wiring: Wiring, make: Make) -> None:
    house = make({**ORDERS, "mode": "replace"})
    for generation in (1, 2):
        land(wiring, generation)
        tick(house.stores, full=True)
        run(house)
    with proxy.counting() as asked:
        revoke(house.stores, house.live()[0].id, why="to count")
    assert asked == {"GetObject": 1, "PutObject": 1, "HeadObject": 1}


@pytest.mark.parametrize(
    ("setting", "algorithm", "key"),
    [
        ("", None, None),
        ("sse-s3", "AES256", None),
        ("sse-kms:alias/lake", "aws:kms", "alias/lake"),
    ],
)
def test_what_the_lake_writes_is_encrypted_as_the_settings_say(
    wiring: Wiring, make: Make, tmp_path: Path, setting: str, algorithm: str | None, key: str | None
) -> None:
    house = make(SUPPLY_LAKE_ENCRYPTION=setting)
    land(wiring, 1, bad=True)
    tick(house.stores, full=True)
    run(house)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(1024) * 9 * 1024)  # more than one part
    house.stores.landing.put("large", large)
    written = {
        "the-lake": [one["Key"] for one in wiring.s3.list_objects_v2(Bucket="the-lake")["Contents"]],
        "the-rejects": [one["Key"] for one in wiring.s3.list_objects_v2(Bucket="the-rejects")["Contents"]],
        wiring.bucket: ["in/landing/large"],
    }
    assert all(one.startswith("out/dataset=orders/") for one in written["the-lake"])
    assert all(one.startswith("aside/rejects/dataset=orders/") for one in written["the-rejects"])
    for bucket, keys in written.items():
        for one in keys:
            head = wiring.s3.head_object(Bucket=bucket, Key=one)
            assert head.get("ServerSideEncryption") in ((algorithm,) if algorithm else (None, "AES256"))
            assert key is None or key in head["SSEKMSKeyId"]
    house.close()


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/b/k", "GetObject"),
        ("GET", "/b?list-type=2&prefix=x", "ListObjects"),
        ("PUT", "/b/k?partNumber=1&uploadId=x", "UploadPart"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=x", "CompleteMultipartUpload"),
        ("POST", "/b?delete", "DeleteObjects"),
        ("HEAD", "/b", "HeadBucket"),
    ],
)
def test_requests_are_counted_under_their_names(method: str, path: str, name: str) -> None:
    assert operation(method, path, "") == name
    assert operation("POST", "/", "AmazonSQS.ReceiveMessage") == "ReceiveMessage"
