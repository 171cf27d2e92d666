"""What is wrong with a queue, told by its attributes and by what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from supply_lake.doctor.finding import Finding, State
from supply_lake.doctor.queue import queue
from supply_lake.landing.queue import Queue

SOUND = {
    "QueueArn": "arn:aws:sqs:eu-west-1:1:landing",
    "ApproximateNumberOfMessages": "3",
    "MessageRetentionPeriod": "345600",
    "RedrivePolicy": json.dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:landing-dead", "maxReceiveCount": 20}),
}


class Client:
    """An SQS that allows everything but what it is told to refuse."""

    def __init__(self, refuses: str = "", dead: int = 0) -> None:
        self.refuses, self.dead = refuses, dead

    def receive_message(self, **_: Any) -> Any:
        if self.refuses == "receive":
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ReceiveMessage")
        return {}

    def delete_message_batch(self, **_: Any) -> Any:
        return {"Failed": [{"Id": "0", "Code": "AccessDenied" if self.refuses == "delete" else "ReceiptHandleIsInvalid"}]}

    def change_message_visibility_batch(self, **_: Any) -> Any:
        return {"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}]}

    def get_queue_url(self, QueueName: str, QueueOwnerAWSAccountId: str) -> Any:
        assert (QueueName, QueueOwnerAWSAccountId) == ("landing-dead", "1")
        return {"QueueUrl": "https://host/1/landing-dead"}

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.dead)}}


def troubles(client: Client | None = None, **attributes: str) -> list[Finding]:
    found = queue(Queue("https://host/1/landing", client or Client()), SOUND | attributes)
    return [one for one in found if one.state is not State.OK]


def test_a_sound_queue_has_no_troubles() -> None:
    assert troubles() == []


@pytest.mark.parametrize(
    ("attributes", "state", "seen"),
    [
        ({"FifoQueue": "true"}, State.BROKEN, "FIFO"),
        ({"KmsMasterKeyId": "alias/aws/sqs"}, State.BROKEN, "no AWS service may use"),
        ({"MessageRetentionPeriod": "3600"}, State.WARNING, "kept for 1 h"),
        ({"RedrivePolicy": ""}, State.WARNING, "none"),
        ({"RedrivePolicy": SOUND["RedrivePolicy"].replace("20", "5")}, State.WARNING, "after 5 receives"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_mend(attributes: dict[str, str], state: State, seen: str) -> None:
    (trouble,) = troubles(**attributes)
    assert trouble.state is state
    assert seen in trouble.seen
    assert trouble.remedy


@pytest.mark.parametrize(("refuses", "told"), [("receive", "sqs:ReceiveMessage"), ("delete", "sqs:DeleteMessage")])
def test_a_permission_that_is_missing_is_named(refuses: str, told: str) -> None:
    (trouble,) = troubles(Client(refuses))
    assert (trouble.state, trouble.seen) == (State.BROKEN, f"refused: {told}")


def test_messages_in_the_dead_letter_queue_are_told() -> None:
    (trouble,) = troubles(Client(dead=7))
    assert (trouble.state, trouble.seen) == (State.WARNING, "7 messages in landing-dead")
