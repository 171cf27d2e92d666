"""The queue that tells of new objects: is it there, may this process use it, and does nothing get lost behind it?

What belongs here: the queue and its dead-letter queue. What does not: the way from the bucket to it (``notifications``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from supply_lake.doctor.finding import Finding, broken, ok, warning
from supply_lake.ingest.events import MOST_RECEIVES
from supply_lake.landing.queue import NEEDED, Queue

PART = "queue"
_LEAST_RETENTION = 24 * 3600
_REFUSALS = ("AccessDenied", "AccessDeniedException")


def queue(found: Queue, attributes: dict[str, str]) -> Iterator[Finding]:
    """Everything about the queue itself.

    :param attributes: as SQS told them
    """
    waiting = attributes.get("ApproximateNumberOfMessages", "0")
    yield ok(PART, "reachable", f"{found.url}, {waiting} messages waiting")
    yield from _permissions(found)
    yield _kind(attributes)
    yield _encryption(attributes)
    yield _retention(attributes)
    yield from _dead_letters(found, attributes)


def _permissions(found: Queue) -> Iterator[Finding]:
    """Asked by doing: a receipt that no message has changes nothing."""
    entry = {"Id": "0", "ReceiptHandle": "none"}
    uses: dict[str, Any] = {
        "sqs:ReceiveMessage": lambda: found.client.receive_message(
            QueueUrl=found.url, MaxNumberOfMessages=1, VisibilityTimeout=0, WaitTimeSeconds=0
        ),
        "sqs:DeleteMessage": lambda: found.client.delete_message_batch(QueueUrl=found.url, Entries=[entry]),
        "sqs:ChangeMessageVisibility": lambda: found.client.change_message_visibility_batch(
            QueueUrl=found.url, Entries=[entry | {"VisibilityTimeout": 0}]
        ),
    }
    refused = [name for name, use in uses.items() if _is_refused(use)]
    if refused:
        yield broken(
            PART, "permissions", f"refused: {', '.join(refused)}", f"allow this role {', '.join(NEEDED)} on this queue"
        )
    else:
        yield ok(PART, "permissions", "receive, delete, change visibility")


def _is_refused(use: Any) -> bool:
    from botocore.exceptions import ClientError  # type: ignore[import-untyped]

    try:
        answer = use()
    except ClientError as error:
        return error.response["Error"]["Code"] in _REFUSALS
    return any(one.get("Code") in _REFUSALS for one in answer.get("Failed", []))


def _kind(attributes: dict[str, str]) -> Finding:
    if attributes.get("FifoQueue") == "true":
        return broken(PART, "kind", "a FIFO queue, which S3 does not send to", "use a standard queue")
    return ok(PART, "kind", "standard")


def _encryption(attributes: dict[str, str]) -> Finding:
    key = attributes.get("KmsMasterKeyId", "")
    if key.endswith("alias/aws/sqs"):
        remedy = "use SSE-SQS, or a key of your own whose policy lets the sending service use it"
        return broken(PART, "encryption", "the key alias/aws/sqs, which no AWS service may use to send", remedy)
    seen = f"key {key}" if key else "SSE-SQS" if attributes.get("SqsManagedSseEnabled") == "true" else "none of its own"
    return ok(PART, "encryption", seen)


def _retention(attributes: dict[str, str]) -> Finding:
    seconds = int(attributes.get("MessageRetentionPeriod", 0))
    seen = f"messages are kept for {seconds / 3600:.0f} h"
    if seconds < _LEAST_RETENTION:
        return warning(PART, "retention", seen, "keep them for days: an outage over a weekend outlasts that")
    return ok(PART, "retention", seen)


def _dead_letters(found: Queue, attributes: dict[str, str]) -> Iterator[Finding]:
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    if not policy:
        yield warning(
            PART, "dead-letter queue", "none", "name one in the queue's redrive policy, for what the lake never gets to see"
        )
        return
    most, arn = int(policy["maxReceiveCount"]), str(policy["deadLetterTargetArn"])
    if most <= MOST_RECEIVES:
        remedy = f"set it above {MOST_RECEIVES}, better to 20: short outages of landing use receives up"
        yield warning(PART, "dead-letter queue", f"messages leave the queue after {most} receives", remedy)
    yield _depth(found, arn)


def _depth(found: Queue, arn: str) -> Finding:
    account, name = arn.split(":")[4:6]
    with found.answering():
        url = found.client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        told = found.client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    count = int(told["Attributes"]["ApproximateNumberOfMessages"])
    if count:
        remedy = "read them there; what they tell of is found by the next complete listing, so they may be purged"
        return warning(PART, "dead-letter queue", f"{count} messages in {name}", remedy)
    return ok(PART, "dead-letter queue", f"{name} is empty")
