"""What the queue's location says, and how its errors are told."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from supply_lake.errors import StoreUnavailable
from supply_lake.landing.queue import Queue, region_of


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/landing", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/landing", "cn-north-1"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/landing", "eu-west-1"),
        ("https://vpce-1-2.sqs.us-east-2.vpce.amazonaws.com/123456789012/landing", "us-east-2"),
        ("http://127.0.0.1:4566/000000000000/landing", ""),
        ("sqs://landing", ""),
    ],
)
def test_a_queues_url_names_its_region(location: str, region: str) -> None:
    assert region_of(location) == region


class Client:
    """Answers in one way whatever it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, []

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.asked.append((name, arguments))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("sqs://landing", {"QueueName": "landing"}),
        ("sqs://123/landing", {"QueueName": "landing", "QueueOwnerAWSAccountId": "123"}),
    ],
)
def test_a_queue_that_is_named_is_asked_for_once(location: str, asked: dict[str, str]) -> None:
    client = Client({"QueueUrl": "https://host/123/landing"})
    queue = Queue(location, client)
    assert [queue.url, queue.url] == ["https://host/123/landing"] * 2
    assert client.asked == [("get_queue_url", asked)]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied"}}, "ReceiveMessage"),
            "refuses the credentials .AccessDenied.; .*sqs:DeleteMessage",
        ),
        (ClientError({"Error": {"Code": "AWS.SimpleQueueService.NonExistentQueue"}}, "x"), "is not there; make it"),
        (ClientError({"Error": {"Code": "RequestThrottled"}}, "x"), "does not answer .RequestThrottled.; no message is lost"),
        (EndpointConnectionError(endpoint_url="http://host"), "does not answer .EndpointConnectionError."),
    ],
)
def test_m5_errors_of_the_queue_say_what_to_mend(error: Exception, told: str) -> None:
    with pytest.raises(StoreUnavailable, match=f"queue https://host/1/q {told}"):
        Queue("https://host/1/q", Client(error)).receive()


def test_what_was_received_before_the_queue_went_away_is_worked_on() -> None:
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b"}

    class Failing(Client):
        def receive_message(self, **_: Any) -> Any:
            self.asked.append("receive")
            if len(self.asked) == 2:
                raise EndpointConnectionError(endpoint_url="http://host")
            return {"Messages": [message] * 10}

    assert len(Queue("https://host/1/q", Failing(None)).receive(most=100)) == 10
