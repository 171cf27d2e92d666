"""A bucket that tells a queue of new objects, in the three ways that AWS has, on the server of ``s3``."""

from __future__ import annotations

import itertools
import json
import time
from functools import cache
from typing import Any

import boto3

from supply_lake_tests.integration.s3 import S3

WAYS = ("sqs", "sns", "eventbridge")
PATIENCE_SECONDS = 20.0
_SERVICES = ("sqs", "sns", "events")
_numbers = itertools.count(1)


class Wiring:
    """A bucket, its queue with a dead-letter queue, and what lies between them."""

    def __init__(self, server: S3, way: str) -> None:
        self.s3 = server.client
        self.sqs, self._sns, self._events = (_client(server.environ["AWS_ENDPOINT_URL"], name) for name in _SERVICES)
        self.way, self.bucket, number = way, server.new_bucket(), next(_numbers)
        self.name = f"arrivals-{number}"
        self.url, self.arn = self._queue(self.name)
        self.dead_url, self.dead_arn = self._queue(f"{self.name}-dead")
        self.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": 20}), Policy=self.policy())
        getattr(self, f"_by_{way}")(f"landing-{number}")
        self.take_all()  # the test event

    def _queue(self, name: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def set(self, **attributes: str) -> None:
        """Change attributes of the queue."""
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes=attributes)

    def policy(self) -> str:
        """The queue's policy, as it has to be for this way."""
        service = {"sqs": "s3", "sns": "sns", "eventbridge": "events"}[self.way]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def notify(self, **configuration: Any) -> None:
        """Set what the bucket tells."""
        self.s3.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration=configuration)

    def _by_sqs(self, _: str) -> None:
        self.notify(QueueConfigurations=[{"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"]}])

    def _by_sns(self, name: str) -> None:
        topic = self._sns.create_topic(Name=name)["TopicArn"]
        self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn)
        self.notify(TopicConfigurations=[{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}])

    def _by_eventbridge(self, name: str) -> None:
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [self.bucket]}}}
        self._events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        self._events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": self.arn}])
        self.notify(EventBridgeConfiguration={})

    def waiting(self, *, in_hand: bool = True) -> int:
        """Messages in the queue, those that someone has in hand included or not."""
        names = ["ApproximateNumberOfMessages", *(["ApproximateNumberOfMessagesNotVisible"] if in_hand else [])]
        told = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def settled(self, messages: int) -> None:
        """Wait until so many messages are in the queue."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := self.waiting()) != messages:
            assert time.monotonic() < end, f"{found} messages came, not {messages}"
            time.sleep(0.02)

    def arrived(self, messages: int) -> None:
        """Wait until so many messages, or more, can be received."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := self.waiting(in_hand=False)) < messages:
            assert time.monotonic() < end, f"{found} messages came, not {messages}"
            time.sleep(0.02)

    def take_all(self) -> list[str]:
        """Take every message out of the queue; returns their texts."""
        bodies: list[str] = []
        while found := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            for one in found:
                bodies.append(one["Body"])
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return bodies

    def send(self, *bodies: str) -> None:
        """Put messages into the queue by hand."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body)


@cache
def _client(endpoint: str, name: str) -> Any:
    return boto3.client(
        name, endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
