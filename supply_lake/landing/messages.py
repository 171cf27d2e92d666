"""What a message of a queue tells of landing: its text → notices of objects, or why it tells nothing. Pure.

What belongs here: envelopes (S3 notifications as SQS carries them, also through SNS; EventBridge; MinIO) and their encodings.
What does not: receiving and deleting messages (``queue``), and what follows from a notice (``events``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_plus, urlsplit

_SEQUENCER_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Notice:
    """One new object of landing. ``key`` is relative to landing; what the sender left out is empty.

    :param version: id of the object's version, where the bucket keeps versions
    :param sequencer: hexadecimal; of two notices of one key, the greater one is of the later object
    """

    key: str
    etag: str = ""
    size: int = 0
    version: str = ""
    sequencer: str = ""

    @property
    def order(self) -> str:
        """Sorts notices of one key by when their objects came: shorter sequencers are padded, as AWS says."""
        return self.sequencer.upper().ljust(_SEQUENCER_DIGITS, "0")


@dataclass(slots=True)
class Told:
    """What one message tells: ``notices``; in ``passed_over`` why records of it say nothing of new objects in landing; in
    ``faults`` what makes no sense in it. A message may have all three.
    """

    notices: list[Notice] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def decode(body: str, location: str) -> Told:
    """Read a message. Whatever its text is, nothing is raised: what cannot be read is a fault.

    :param location: of landing, ``s3://bucket/prefix``; what a message says of other places is passed over
    """
    parts = urlsplit(location)
    prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
    told = Told()
    try:
        records = list(_records(body))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        told.faults.append(f"no message of an object store: {error}")
        return told
    for record in records:
        try:
            _take(told, record, parts.netloc, prefix)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            told.faults.append(f"no event of an object store: {type(error).__name__} {error}")
    return told


def _records(body: str) -> Iterator[dict[str, Any]]:
    """The event records in a message, whatever it is wrapped in."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError(f"a JSON {type(message).__name__}")
    if message.get("Type") == "Notification" and isinstance(message.get("Message"), str):  # through SNS
        yield from _records(message["Message"])
    elif "detail" in message or message.get("Event") == "s3:TestEvent":  # EventBridge; a test says nothing of any object
        yield message
    elif isinstance(message.get("Records"), list):
        yield from message["Records"]
    else:
        raise ValueError("it has neither `Records` nor `detail`")


def _take(told: Told, record: dict[str, Any], bucket: str, prefix: str) -> None:
    if record.get("Event") == "s3:TestEvent":
        told.passed_over.append("test event")
        return
    event, of_bucket, notice = _from_eventbridge(record) if "detail" in record else _from_notification(record)
    if not event.startswith("ObjectCreated:"):
        told.passed_over.append(f"event {event}")
    elif of_bucket != bucket or not notice.key.startswith(prefix) or notice.key == prefix:
        told.passed_over.append("object outside landing")
    else:
        told.notices.append(replace(notice, key=notice.key.removeprefix(prefix)))


def _from_notification(record: dict[str, Any]) -> tuple[str, str, Notice]:
    """Event name, bucket and object; keys of these notifications are URL-encoded, with a plus for a space."""
    s3 = record["s3"]
    key = unquote_plus(s3["object"]["key"], errors="strict")
    return record["eventName"].removeprefix("s3:"), s3["bucket"]["name"], _notice(key, s3["object"], "eTag", "versionId")


def _from_eventbridge(message: dict[str, Any]) -> tuple[str, str, Notice]:
    """The same of an EventBridge event, whose keys are as they are."""
    name = {"Object Created": "ObjectCreated:*"}.get(message["detail-type"], message["detail-type"])
    found = message["detail"]["object"]
    return name, message["detail"]["bucket"]["name"], _notice(found["key"], found, "etag", "version-id")


def _notice(key: str, found: dict[str, Any], etag: str, version: str) -> Notice:
    """Events of deletions have neither ETag nor size, and other stores than S3 leave out what they don't have.

    :raises ValueError: no store can hold such a key
    """
    key.encode()  # half a surrogate pair is no text
    if "\0" in key:
        raise ValueError("a key with a NUL")
    return Notice(
        key=key,
        etag=str(found.get(etag) or "").strip('"'),
        size=int(found.get("size") or 0),
        version=str(found.get(version) or ""),
        sequencer=str(found.get("sequencer") or ""),
    )
