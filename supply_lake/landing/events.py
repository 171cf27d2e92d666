"""Messages that tell of new objects → entries for the ledger. Pure, but for asking the store what stands under a key now.

An event only says that something happened to a key. What counts is what stands there when the message is read: so events may
come twice, late, or in any order, and the lake never goes back to older bytes.

What belongs here: envelopes (S3 notifications as SQS carries them, also through SNS; EventBridge; MinIO) and their encodings.
What does not: receiving and deleting messages (a sensor does), and judging keys (``rules``).
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from supply_lake.errors import ObjectGone, UsageError
from supply_lake.landing.discovery import stale
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import ObjectVersion

_SHOWN = 2_000  # characters of a poison message that are kept


@dataclass(frozen=True, slots=True)
class Poison:
    """A message, or a record of one, that says nothing usable. It is set aside, so that it does not come back for ever."""

    message_id: str
    reason: str
    body: str


@dataclass(slots=True)
class Decoded:
    """What some messages tell: how often each key of landing was delivered, and what made no sense."""

    keys: Counter[str] = field(default_factory=Counter)
    poison: list[Poison] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)  # reason → how many records


@dataclass(slots=True)
class Delivered:
    """What events led to. Store ``fingerprints`` first, then register ``entries``; ``gone``: nothing stands there any more."""

    entries: list[LedgerEntry] = field(default_factory=list)
    fingerprints: dict[str, int] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


def decode(messages: Iterable[tuple[str, str]], location: str) -> Decoded:
    """Take the keys out of messages.

    :param messages: id and body of each
    :param location: of landing, ``s3://bucket/prefix``; keys are made relative to it, those outside it are passed over
    """
    parts = urlsplit(location)
    prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
    decoded = Decoded()
    for message_id, body in messages:
        try:
            records = list(_records(body))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            decoded.poison.append(Poison(message_id, f"no message of an object store: {error}", body[:_SHOWN]))
            continue
        for record in records:
            try:
                _count(decoded, record, parts.netloc, prefix)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                reason = f"no event of an object store: {type(error).__name__} {error}"
                decoded.poison.append(Poison(message_id, reason, json.dumps(record)[:_SHOWN]))
    return decoded


def from_events(
    keys: Mapping[str, int],
    head: Callable[[str], ObjectVersion],
    rules: Rules,
    fingerprints: Mapping[str, int],
    now: dt.datetime,
) -> Delivered:
    """Enter what stands under the keys now.

    :param keys: how often each key was delivered
    :param head: the store's present version of a key; raises ``ObjectGone``
    :param fingerprints: those stored after earlier discoveries
    """
    delivered = Delivered(fingerprints=stale(fingerprints, keys))
    for key, times in keys.items():
        marker = rules.place(ObjectVersion(key, "", 0, now), now, times) if key.endswith("/") else None
        if marker is not None:
            delivered.entries.append(marker)
            continue
        try:
            delivered.entries.append(rules.place(head(key), now, times))
        except ObjectGone:
            delivered.gone.append(key)
        except UsageError as error:
            nothing = ObjectVersion(key, "", 0, now)
            delivered.entries.append(
                LedgerEntry(nothing, "", None, ObjectState.REFUSED, deliveries=times, reason=str(error), first_seen=now)
            )
    return delivered


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


def _count(decoded: Decoded, record: dict[str, Any], bucket: str, prefix: str) -> None:
    if record.get("Event") == "s3:TestEvent":
        decoded.passed_over["test event"] += 1
        return
    event, of_bucket, key = _from_eventbridge(record) if "detail" in record else _from_notification(record)
    if not event.startswith("ObjectCreated:"):
        decoded.passed_over[f"event {event}"] += 1
    elif of_bucket != bucket or not key.startswith(prefix) or key == prefix:
        decoded.passed_over["object outside landing"] += 1
    else:
        decoded.keys[key.removeprefix(prefix)] += 1


def _from_notification(record: dict[str, Any]) -> tuple[str, str, str]:
    """Event name, bucket and key; these notifications are URL-encoded, with a plus for a space."""
    s3 = record["s3"]
    return record["eventName"].removeprefix("s3:"), s3["bucket"]["name"], unquote_plus(s3["object"]["key"], errors="strict")


def _from_eventbridge(message: dict[str, Any]) -> tuple[str, str, str]:
    """The same of an EventBridge event, whose keys are as they are."""
    name = {"Object Created": "ObjectCreated:*"}.get(message["detail-type"], message["detail-type"])
    return name, message["detail"]["bucket"]["name"], message["detail"]["object"]["key"]
