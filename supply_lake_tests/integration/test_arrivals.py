"""What arrives, by whichever way the lake learns of it: listed in a folder or a bucket, or told by a queue. One suite for all."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from supply_lake.ingest import batches
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Outcome, Status
from supply_lake_tests.ingest.house import DAY, csv
from supply_lake_tests.integration.arrivals import Folder, Queued, arrivals, key
from supply_lake_tests.integration.queues import WAYS
from supply_lake_tests.storage.test_object_store import ODD_KEYS

pytestmark = pytest.mark.integration
ONE, TWO = csv([("o1", 1, 1)]), csv([("o2", 2, 2)])
ONE_TAG = hashlib.md5(ONE.encode()).hexdigest()


@pytest.fixture(params=["folder", "s3", *WAYS])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """Every way to learn of what arrives."""
    made = arrivals(request.param, tmp_path, request, monkeypatch)
    yield made
    made.close()


@pytest.fixture(params=WAYS)
def queued(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queued]:
    """Every way in which a queue tells."""
    made = arrivals(request.param, tmp_path, request, monkeypatch)
    assert isinstance(made, Queued)
    yield made
    made.close()


def states(place: Folder) -> dict[str, list[str]]:
    return place.house.states()


def test_e1_however_often_it_is_seen_it_is_published_once(place: Folder) -> None:
    place.put(key("a.csv"), ONE)
    assert place.look(1) == 1
    place.run()
    assert place.look() == 0
    place.house.discover()
    assert [batch.status for batch in place.run()] == []
    assert place.house.rows() == [("o1", 1, 1)]
    place.house.recount()


def test_e1_an_event_delivered_again_and_again_counts_and_changes_nothing(queued: Queued) -> None:
    queued.put(key("a.csv"), ONE)
    queued.wiring.settled(1)
    (body,) = queued.wiring.take_all()
    queued.wiring.send(*[body] * 3)
    assert queued.look(3) == 1
    queued.run()
    queued.wiring.send(*[body] * 2)
    assert queued.look(2) == 0
    assert queued.run() == []
    (entry,) = queued.ledger()
    assert (entry.deliveries, entry.state) == (5, ObjectState.DONE)
    assert queued.house.rows() == [("o1", 1, 1)]


def test_e2_an_event_that_never_comes_is_made_up_for_by_the_listing(place: Folder) -> None:
    place.put(key("a.csv"), ONE)
    if isinstance(place, Queued):
        place.wiring.settled(1)
        place.wiring.take_all()
        assert place.look() == 0
    assert place.house.discover().new == 1
    place.run()
    assert place.house.rows() == [("o1", 1, 1)]


def test_e3_o1_the_newest_bytes_are_published_whatever_the_order_of_events(queued: Queued) -> None:
    queued.put(key("a.csv"), ONE)
    queued.put(key("a.csv"), TWO)
    queued.wiring.settled(2)
    bodies = queued.wiring.take_all()
    for body in sorted(bodies, key=lambda text: ONE_TAG in text):  # the newer one comes first, in a look of its own
        queued.wiring.send(body)
        queued.look(1)
        queued.run()
    assert queued.house.rows() == [("o2", 2, 2)]
    assert states(queued) == {key("a.csv"): ["done", "replaced"]}
    (old,) = [entry for entry in queued.ledger() if entry.state is ObjectState.REPLACED]
    assert (old.object.etag, old.reason) == (ONE_TAG, "it was overwritten or deleted before it was read")
    queued.house.discover()
    assert queued.run() == []


def test_e4_keys_with_any_characters_are_learnt_of_as_they_are(place: Folder) -> None:
    keys = {f"odd/{text}" for text in ODD_KEYS if len(text.encode()) < 1_000}
    if not place.house.stores.landing.is_local:  # no file system takes a name of 1,000 bytes
        keys.add(f"odd/{'ü' * 500}")
    for number, one in enumerate(sorted(keys)):
        place.put(one, csv([(f"o{number}", number, 1)]))
    assert place.look(len(keys)) == len(keys)
    assert {entry.object.key for entry in place.ledger()} == keys
    data = [entry for entry in place.ledger() if entry.state is ObjectState.PENDING]
    assert len(data) > len(keys) - 3  # two of them are names of hidden and temporary files
    place.run()
    assert len(place.house.rows("odd")) == len(data)
    assert place.house.discover().new == 0


def test_e5_a_poison_message_is_kept_told_and_gone_and_its_neighbours_go_on(queued: Queued) -> None:
    queued.put(key("a.csv"), ONE)
    queued.wiring.settled(1)
    queued.wiring.send(
        "not json", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}), '{"Records": [{}]}'
    )
    queued.wiring.settled(4)
    looks = queued.hear()
    assert queued.wiring.waiting() == 0  # it does not come back
    assert sum(one.new for one in looks) == 1
    assert sorted(letter.body for one in looks for letter in one.dead) == ["not json", '{"Records": [{}]}']
    queued.run()
    assert queued.house.rows() == [("o1", 1, 1)]


@pytest.mark.parametrize("queued", ["sqs"], indirect=True)
def test_e5_many_records_in_one_message(queued: Queued) -> None:
    for name in "ab":
        queued.put(key(f"{name}.csv"), ONE)
    queued.wiring.settled(2)
    records = [record for body in queued.wiring.take_all() for record in json.loads(body)["Records"]]
    queued.wiring.send(json.dumps({"Records": [*records, {"eventName": "nonsense"}]}))
    queued.wiring.settled(1)
    (look,) = queued.hear()
    assert (look.new, len(look.dead)) == (2, 1)
    assert queued.wiring.waiting() == 0


def test_e6_multipart_and_copied_objects_arrive_like_any(place: Folder) -> None:
    place.put_in_parts(key("whole.csv"), ONE.encode())
    place.copy(key("whole.csv"), key("copy.csv"))
    assert place.look(2) == 2
    assert {one.object.key for one in place.ledger() if one.state is ObjectState.PENDING} == {key("whole.csv"), key("copy.csv")}
    place.run()
    assert place.house.rows()[:1] == [("o1", 1, 1)]


def test_e7_what_is_no_data_and_the_lakes_own_output_are_never_fed_back(place: Folder) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    for file in ("_SUCCESS", "._x.csv", "x.csv.tmp"):
        place.put(key(file), b"x")
    place.put(key("pointer.csv"), pointer)
    place.put(f"lake/dataset=orders/year={DAY:%Y}/month={DAY:%m}/day={DAY:%d}/snapshot_id=1/part-00000.parquet", b"x")
    place.put("no/dataset/takes.csv", b"x")
    place.look(6)
    (batch,) = place.run()
    assert (batch.status, batch.sources[0].outcome) == (Status.FAILED, Outcome.UNREADABLE)
    assert Counter(str(entry.state) for entry in place.ledger()) == {"ignored": 4, "done": 1, "refused": 1}
    assert all(entry.reason for entry in place.ledger() if entry.state in (ObjectState.IGNORED, ObjectState.REFUSED))
    assert place.house.discover().new == 0


def test_e8_objects_of_the_same_second_in_no_order_of_their_keys_are_none_missed_none_twice(place: Folder) -> None:
    place.put(key("m.csv"), csv([("m", 1, 1)]))
    assert place.look(1) == 1
    for name in "zab":
        place.put(key(f"{name}.csv"), csv([(name, 1, 1)]))
    assert place.look(3) == 3
    place.run()
    assert [row[0] for row in place.house.rows()] == ["a", "b", "m", "z"]


def test_e9_a_flood_is_taken_up_in_bounded_looks(place: Folder) -> None:
    for number in range(45):
        place.put(key(f"{number}.csv"), csv([(f"o{number}", 1, 1)]))
    if isinstance(place, Queued):
        place.wiring.settled(45)
        looks = place.hear(most=20)
        assert [one.received for one in looks] == [20, 20, 5]
        assert sum(one.new for one in looks) == 45
    else:
        assert place.look() == 45
    entries = place.house.stores.metadata.pending_objects("orders", DAY, 20, 10**9)
    assert len(entries) == 20
    place.run()
    assert len(place.house.rows()) == 45


def test_e10_a_file_that_is_renamed_when_it_is_whole_is_read_once(place: Folder) -> None:
    place.put(key("x.csv.tmp"), ONE[:12])
    place.look(1)
    place.put(key("x.csv.tmp"), ONE)
    place.rename(key("x.csv.tmp"), key("x.csv"))
    place.look(2)
    place.run()
    assert place.house.rows() == [("o1", 1, 1)]


def test_o1_an_overwritten_key_is_a_new_snapshot_and_the_old_one_stays_readable(place: Folder) -> None:
    for text in (ONE, TWO):
        place.put(key("a.csv"), text)
        assert place.look(1) == 1
        place.run()
    assert place.house.rows(commit=1) == [("o1", 1, 1)]
    assert place.house.rows() == [("o1", 1, 1), ("o2", 2, 2)]
    place.house.recount()


def test_o2_an_object_gone_or_replaced_before_it_is_read_has_an_outcome_and_nothing_is_mixed(place: Folder) -> None:
    place.put(key("gone.csv"), ONE)
    place.put(key("replaced.csv"), ONE)
    place.look(2)
    place.house.stores.landing.delete([key("gone.csv")])
    place.put(key("replaced.csv"), TWO)
    (waiting,) = place.house.stores.metadata.pending()
    (batch,) = batches.run_pending(place.house.stores, waiting.dataset, waiting.landing_date)
    assert {one.key: one.outcome for one in batch.sources} == {
        key("gone.csv"): Outcome.GONE,
        key("replaced.csv"): Outcome.CHANGED,
    }
    assert place.look(1) == 1
    place.run()
    assert place.house.rows() == [("o2", 2, 2)]


def test_o2_an_object_gone_before_its_event_is_read_is_on_record(queued: Queued) -> None:
    queued.put(key("a.csv"), ONE)
    queued.wiring.settled(1)
    queued.house.stores.landing.delete([key("a.csv")])
    queued.look(1)
    assert states(queued) == {key("a.csv"): ["replaced"]}
    queued.put(key("a.csv"), ONE)  # it comes back as it was
    queued.look(1)
    queued.run()
    assert queued.house.rows() == [("o1", 1, 1)]
