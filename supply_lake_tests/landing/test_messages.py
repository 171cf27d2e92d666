from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.landing.messages import Notice, decode
from supply_lake_tests.storage.test_object_store import ODD_KEYS

LOCATION = "s3://bucket/landing"


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
    told = [decode(body, LOCATION) for body in bodies]
    assert [one.faults for one in told] == [[]] * len(told)
    return Counter(notice.key for one in told for notice in one.notices)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_e4_keys_are_decoded_by_their_envelope(key: str) -> None:
    assert keys(notification(record(key))) == {key: 1}
    assert keys(through_sns(notification(record(key)))) == {key: 1}
    assert keys(eventbridge(key)) == {key: 1}


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1))
def test_e4_any_key_at_all(key: str) -> None:
    assert keys(notification(record(key))) == keys(eventbridge(key)) == {key: 1}


def test_e5_many_records_in_one_message() -> None:
    assert keys(notification(record("a"), record("b"), record("a"))) == {"a": 2, "b": 1}


def test_e5_a_test_event_says_nothing() -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"})
    for wrapped in (body, through_sns(body), through_sns(through_sns(body))):
        told = decode(wrapped, LOCATION)
        assert (told.notices, told.faults, told.passed_over) == ([], [], ["test event"])


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
def test_e5_a_poison_message_is_a_fault_and_raises_nothing(body: str) -> None:
    for wrapped in (body, through_sns(body)):
        told = decode(wrapped, LOCATION)
        assert told.notices == []
        assert len(told.faults) == 1
        assert told.faults[0]


@given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda some: (
                st.lists(some)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "Records",
                            "detail",
                            "detail-type",
                            "s3",
                            "object",
                            "bucket",
                            "key",
                            "name",
                            "eventName",
                            "Type",
                            "Message",
                        ]
                    ),
                    some,
                )
            ),
        ).map(json.dumps),
    )
)
def test_e5_no_text_at_all_raises(body: str) -> None:
    told = decode(body, LOCATION)
    assert told.notices == [] or "key" in body


@pytest.mark.parametrize("key", ["half\ud800", "nul\0"])
def test_e4_a_key_that_no_store_can_hold_is_a_fault(key: str) -> None:
    told = decode(eventbridge(key), LOCATION)
    assert (told.notices, len(told.faults)) == ([], 1)


def test_e5_a_bad_record_does_not_take_the_good_ones_of_its_message_along() -> None:
    told = decode(notification(record("a"), {"eventName": "ObjectCreated:Put"}, record("b")), LOCATION)
    assert [one.key for one in told.notices] == ["a", "b"]
    assert len(told.faults) == 1


def test_a_notice_has_what_the_message_says_of_the_object() -> None:
    told = record("a", size=7)
    told["s3"]["object"] |= {"versionId": "v1", "sequencer": "0055AED6DCD90281E5"}
    assert decode(notification(told), LOCATION).notices == [Notice("a", "x", 7, "v1", "0055AED6DCD90281E5")]
    detail = {"key": "landing/a", "size": 7, "etag": "x", "version-id": "v1", "sequencer": "0055AED6DCD90281E5"}
    event = {"detail-type": "Object Created", "detail": {"bucket": {"name": "bucket"}, "object": detail}}
    assert decode(json.dumps(event), LOCATION).notices == [Notice("a", "x", 7, "v1", "0055AED6DCD90281E5")]


def test_e3_sequencers_of_different_lengths_have_an_order() -> None:
    notices = [Notice("a", sequencer=text) for text in ("0066", "005", "0061FF", "0060ff")]
    assert [one.sequencer for one in sorted(notices, key=lambda one: one.order)] == ["005", "0060ff", "0061FF", "0066"]


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_e6_objects_trigger_however_they_were_made(name: str) -> None:
    assert keys(notification(record("a", f"ObjectCreated:{name}"))) == {"a": 1}
    assert keys(notification(record("a", f"s3:ObjectCreated:{name}"))) == {"a": 1}


def test_events_that_are_not_of_new_objects_in_landing_are_passed_over() -> None:
    elsewhere = record("a")
    elsewhere["s3"]["object"]["key"] = "lake/a"
    body = notification(record("a", "ObjectRemoved:Delete"), record("a", bucket="other"), elsewhere)
    told = [decode(body, LOCATION), decode(eventbridge("a", "Object Deleted"), LOCATION)]
    assert [(one.notices, one.faults, len(one.passed_over)) for one in told] == [([], [], 3), ([], [], 1)]


def test_a_landing_without_a_prefix() -> None:
    assert [one.key for one in decode(notification(record("a")), "s3://bucket").notices] == ["landing/a"]
