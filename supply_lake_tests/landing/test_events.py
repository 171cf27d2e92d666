from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.errors import ObjectGone, UsageError
from supply_lake.landing.events import decode, from_events
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.storage.object_store import ObjectStore, ObjectVersion
from supply_lake_tests.landing.declared import NOW, batches, dataset, version
from supply_lake_tests.storage.test_object_store import ODD_KEYS

LOCATION = "s3://bucket/landing"
RULES = Rules([dataset("shipments"), dataset("any", "any/{path}")])


def record(key: str, name: str = "ObjectCreated:Put", bucket: str = "bucket", size: int = 1) -> dict[str, Any]:
    stored = {"key": quote_plus(f"landing/{key}", safe="/"), "size": size, "eTag": "x", "sequencer": "00"}
    return {"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": bucket}, "object": stored}}


def notification(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": list(records)})


def through_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::t", "Message": body})


def eventbridge(key: str, detail_type: str = "Object Created") -> str:
    detail = {"bucket": {"name": "bucket"}, "object": {"key": f"landing/{key}", "size": 1, "etag": "x"}}
    return json.dumps({"version": "0", "source": "aws.s3", "detail-type": detail_type, "detail": detail})


def keys(*bodies: str) -> Counter[str]:
    decoded = decode([(str(number), body) for number, body in enumerate(bodies)], LOCATION)
    assert decoded.poison == []
    return decoded.keys


@pytest.mark.parametrize("key", ODD_KEYS)
def test_e4_keys_are_decoded_by_their_envelope(key: str) -> None:
    assert keys(notification(record(key))) == {key: 1}
    assert keys(through_sns(notification(record(key)))) == {key: 1}
    assert keys(eventbridge(key)) == {key: 1}


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_e4_any_key_at_all(key: str) -> None:
    assert keys(notification(record(key))) == keys(eventbridge(key)) == {key: 1}


def test_e5_many_records_in_one_message() -> None:
    assert keys(notification(record("a"), record("b"), record("a"))) == {"a": 2, "b": 1}


def test_e5_a_test_event_says_nothing() -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"})
    decoded = decode([("1", body), ("2", through_sns(body))], LOCATION)
    assert (decoded.keys, decoded.poison, decoded.passed_over) == ({}, [], {"test event": 2})


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "{",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"Records": 7}',
        '{"Type": "Notification"}',
        '{"Type": "Notification", "Message": "not json"}',
        '{"Records": [{}]}',
        '{"Records": [null]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}',
        '{"Records": [{"eventName": 7, "s3": {"bucket": {"name": "bucket"}, "object": {"key": "k"}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "bucket"}, "object": {"key": "%ff"}}}]}',
        '{"detail": {}}',
        '{"detail": null, "detail-type": "Object Created"}',
        '{"detail": {"bucket": {"name": "bucket"}, "object": {"key": 7}}, "detail-type": "Object Created"}',
        "[" * 100_000,
    ],
)
def test_e5_a_poison_message_is_set_aside_and_its_neighbours_go_on(body: str) -> None:
    decoded = decode([("1", notification(record("a"))), ("2", body), ("3", eventbridge("b"))], LOCATION)
    assert decoded.keys == {"a": 1, "b": 1}
    (poison,) = decoded.poison
    assert poison.message_id == "2"
    assert poison.reason
    assert len(poison.body) <= 2_000


def test_e5_a_bad_record_does_not_take_the_good_ones_of_its_message_along() -> None:
    decoded = decode([("1", notification(record("a"), {"eventName": "ObjectCreated:Put"}, record("b")))], LOCATION)
    assert decoded.keys == {"a": 1, "b": 1}
    assert [poison.message_id for poison in decoded.poison] == ["1"]


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_e6_objects_trigger_however_they_were_made(name: str) -> None:
    assert keys(notification(record("a", f"ObjectCreated:{name}"))) == {"a": 1}
    assert keys(notification(record("a", f"s3:ObjectCreated:{name}"))) == {"a": 1}


def test_events_that_are_not_of_new_objects_in_landing_are_passed_over() -> None:
    elsewhere = record("a")
    elsewhere["s3"]["object"]["key"] = "lake/a"
    body = notification(record("a", "ObjectRemoved:Delete"), record("a", bucket="other"), elsewhere)
    decoded = decode([("1", body), ("2", eventbridge("a", "Object Deleted"))], LOCATION)
    assert (decoded.keys, decoded.poison) == ({}, [])
    assert decoded.passed_over.total() == 4


def test_a_landing_without_a_prefix() -> None:
    assert decode([("1", notification(record("a")))], "s3://bucket").keys == {"landing/a": 1}


def standing(*versions: ObjectVersion) -> Any:
    here = {one.key: one for one in versions}

    def head(key: str) -> ObjectVersion:
        if key not in here:
            raise ObjectGone(f"{key} is not there")
        return here[key]

    return head


KEY = "shipments/2026/11/24/a.csv"


def test_e3_what_stands_there_counts_and_not_what_the_event_says() -> None:
    delivered = from_events({KEY: 3}, standing(version(KEY, "newest")), RULES, {}, NOW)
    (entry,) = delivered.entries
    assert (entry.object.etag, entry.deliveries, entry.state, entry.dataset) == ("newest", 3, ObjectState.PENDING, "shipments")


def test_o2_an_object_that_is_gone_when_its_event_is_read() -> None:
    delivered = from_events({KEY: 1, "any/b": 1}, standing(version("any/b")), RULES, {}, NOW)
    assert delivered.gone == [KEY]
    assert [entry.object.key for entry in delivered.entries] == ["any/b"]


def test_e7_events_of_folder_markers_and_of_keys_that_cannot_be_read_are_recorded() -> None:
    def head(key: str) -> ObjectVersion:
        raise UsageError(f"{key!r} is no object key")

    delivered = from_events({"any/x/": 1, "any//y": 2}, head, RULES, {}, NOW)
    assert [(entry.object.key, entry.state, entry.reason, entry.deliveries) for entry in delivered.entries] == [
        ("any/x/", ObjectState.IGNORED, "folder marker", 1),
        ("any//y", ObjectState.REFUSED, "'any//y' is no object key", 2),
    ]


def test_e1_the_same_event_delivered_many_times_and_the_listing_enter_one_version(tmp_path: Path) -> None:
    from supply_lake.landing.discovery import discover

    store = ObjectStore.open(str(tmp_path / "landing"))
    ledger = SqlStore.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    put = store.put(KEY, b"1")
    for _ in range(3):
        events = decode([("1", notification(record(KEY))), ("2", eventbridge(KEY))], LOCATION).keys
        delivered = from_events(events, store.head, RULES, ledger.prefix_fingerprints(), NOW)
        ledger.set_prefix_fingerprints(delivered.fingerprints)
        ledger.register(delivered.entries)
        found = discover(batches([put]), ledger.known, RULES, ledger.prefix_fingerprints(), NOW)
        assert found.entries == []
        ledger.set_prefix_fingerprints(found.fingerprints)
    (entry,) = ledger.objects()
    assert (entry.object, entry.state, entry.deliveries) == (put, ObjectState.PENDING, 6)
    ledger.close()
