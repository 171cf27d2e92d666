"""A queue of Amazon SQS, or of what speaks like it: receive, hold, delete.

What belongs here: speaking to the queue, and turning its errors into ours. What does not: what messages say (``messages``), and
when one may be deleted (``ingest.events``).
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from supply_lake.errors import StoreUnavailable
from supply_lake.storage.connections import aws_client

AT_ONCE = 10
"""Messages that SQS hands out, takes back or deletes by one request, at most."""
LONGEST_WAIT = 20
HIDDEN_SECONDS = 120
"""How long a message that was received is hidden from other receivers; extended for as long as it is worked on."""
NEEDED = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueUrl",
    "sqs:GetQueueAttributes",
)
_HOST = re.compile(r"(?:^|\.)(?:sqs|queue)\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.")
_REFUSED = {"AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was received. ``receives`` counts how often it was, this time included."""

    id: str
    receipt: str
    body: str
    receives: int
    sent_at: dt.datetime


class Queue:
    """One queue. Threads may share it.

    :param location: as in the settings: ``sqs://name``, ``sqs://account/name``, or the queue's URL
    """

    def __init__(self, location: str, client: Any) -> None:
        self.location = location
        self.client = client
        self._url = "" if location.startswith("sqs://") else location

    @staticmethod
    def open(location: str) -> Queue:
        """Open a queue. Nothing is asked of it yet."""
        return Queue(location, aws_client("sqs", region_of(location)))

    @property
    def url(self) -> str:
        """The queue's URL; a queue that was named is asked for once.

        :raises StoreUnavailable: there is no such queue, or nobody answers
        """
        if not self._url:
            parts = urlsplit(self.location)
            name = parts.path.strip("/")
            owner = {"QueueName": name, "QueueOwnerAWSAccountId": parts.netloc} if name else {"QueueName": parts.netloc}
            with self.answering():
                self._url = self.client.get_queue_url(**owner)["QueueUrl"]
        return self._url

    def receive(self, wait: int = 0, most: int = AT_ONCE) -> list[Message]:
        """The next messages; they are hidden from others for ``HIDDEN_SECONDS``.

        :param wait: seconds to wait for the first one
        :raises StoreUnavailable: the queue does not answer
        """
        taken = self._receive(wait, min(AT_ONCE, most))
        with suppress(StoreUnavailable):  # what was received before is worked on; the next receiving tells
            while taken and len(taken) < most and (some := self._receive(0, min(AT_ONCE, most - len(taken)))):
                taken += some
        return taken

    def _receive(self, wait: int, most: int) -> list[Message]:
        with self.answering():
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=min(wait, LONGEST_WAIT),
                VisibilityTimeout=HIDDEN_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [_message(one) for one in answer.get("Messages", [])]

    def delete(self, messages: Sequence[Message]) -> None:
        """Remove messages for good. One that can't be removed comes again, and is known then.

        :raises StoreUnavailable: the queue does not answer
        """
        for some in _tens(messages):
            with self.answering():
                self.client.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(some)],
                )

    def hide(self, messages: Sequence[Message], seconds: int = HIDDEN_SECONDS) -> None:
        """Keep messages that were received hidden for so many seconds from now.

        :raises StoreUnavailable: the queue does not answer
        """
        for some in _tens(messages):
            entries = [
                {"Id": str(number), "ReceiptHandle": one.receipt, "VisibilityTimeout": seconds}
                for number, one in enumerate(some)
            ]
            with self.answering():
                self.client.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)

    @contextmanager
    def held(self, messages: Sequence[Message], every: float = HIDDEN_SECONDS / 3) -> Iterator[None]:
        """Keep messages hidden for as long as the block takes.

        :param every: seconds between two extensions
        """
        done = threading.Event()

        def extend() -> None:
            while not done.wait(every):
                with suppress(StoreUnavailable):  # then they come again, and are known
                    self.hide(messages)

        thread = threading.Thread(target=extend, name="messages-held", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn the queue's errors into the project's.

        :raises StoreUnavailable: saying what to mend
        """
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            yield
        except ClientError as error:
            raise StoreUnavailable(f"queue {self.location} {_why(str(error.response.get('Error', {}).get('Code')))}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(
                f"queue {self.location} does not answer ({type(error).__name__}); no message is lost, it is asked again later"
            ) from error


def region_of(location: str) -> str:
    """The region that a queue's URL names; empty when it names none."""
    match = _HOST.search(urlsplit(location).netloc) if location.startswith("https://") else None
    return (match[1] or match[2]) if match else ""


def _message(found: dict[str, Any]) -> Message:
    told = found.get("Attributes", {})
    sent = int(told.get("SentTimestamp", 0)) / 1000
    return Message(
        id=found["MessageId"],
        receipt=found["ReceiptHandle"],
        body=found["Body"],
        receives=int(told.get("ApproximateReceiveCount", 1)),
        sent_at=dt.datetime.fromtimestamp(sent, dt.UTC),
    )


def _tens(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    for start in range(0, len(messages), AT_ONCE):
        yield messages[start : start + AT_ONCE]


def _why(code: str) -> str:
    if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
        return "is not there; make it, or check SUPPLY_LAKE_EVENTS and AWS_REGION"
    if code in _REFUSED:
        return f"refuses the credentials ({code}); renew them, or allow {', '.join(NEEDED)}"
    return f"does not answer ({code}); no message is lost, it is asked again later"
