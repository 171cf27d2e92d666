"""The way from a bucket to the queue, as AWS tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supply_lake.doctor.finding import Finding, State
from supply_lake.doctor.notifications import notifications

QUEUE, TOPIC, RULE = "arn:aws:sqs:eu-west-1:1:landing", "arn:aws:sns:eu-west-1:1:topic", "arn:aws:events:eu-west-1:1:rule/r"
ALL = ["s3:ObjectCreated:*"]
DIRECT = {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": ALL}]}


class Aws:
    """What S3, SNS and EventBridge say of their configuration."""

    def __init__(self, told: dict[str, Any], *, subscription: str = f"{TOPIC}:1", rule: dict[str, Any] | None = None) -> None:
        self.told, self.subscription, self.rule = told, subscription, rule or {}

    def __call__(self, service: str) -> Aws:
        return self

    def get_bucket_notification_configuration(self, Bucket: str) -> Any:
        return self.told

    def get_paginator(self, _: str) -> Aws:
        return self

    def paginate(self, TopicArn: str) -> Any:
        return [{"Subscriptions": [{"Endpoint": QUEUE, "SubscriptionArn": self.subscription}]}]

    def list_rule_names_by_target(self, TargetArn: str) -> Any:
        return {"RuleNames": ["r"] if self.rule else []}

    def describe_rule(self, Name: str) -> Any:
        return {"Arn": RULE, **self.rule}


def findings(aws: Aws, service: str = "s3") -> list[Finding]:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sqs:SendMessage"}
    attributes = {"QueueArn": QUEUE, "Policy": json.dumps({"Statement": [statement]})}
    return list(notifications("s3://bucket/landing", attributes, aws))


def rule(**changes: Any) -> dict[str, Any]:
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["bucket"]}}}
    return {"EventPattern": json.dumps(pattern | changes), "State": "ENABLED"}


@pytest.mark.parametrize(
    ("aws", "service", "way"),
    [
        (Aws(DIRECT), "s3", "S3 to SQS"),
        (Aws({"TopicConfigurations": [{"TopicArn": TOPIC, "Events": ALL}]}), "sns", "S3 to SNS (topic) to SQS"),
        (Aws({"EventBridgeConfiguration": {}}, rule=rule()), "events", "S3 to EventBridge (r) to SQS"),
    ],
)
def test_each_way_is_followed_to_the_queue_and_its_policy(aws: Aws, service: str, way: str) -> None:
    route, policy = findings(aws, service)
    assert (route.state, route.seen) == (State.OK, way)
    assert (policy.state, policy.check) == (State.OK, "queue policy")
    policy = findings(aws, "nobody")[-1]
    assert policy.state is State.BROKEN
    assert f"allow principal {service}.amazonaws.com sqs:SendMessage" in policy.remedy


@pytest.mark.parametrize(
    "aws",
    [
        Aws({}),
        Aws({"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:eu-west-1:1:other", "Events": ALL}]}),
        Aws({"EventBridgeConfiguration": {}}),
        Aws({}, rule=rule()),
        Aws({"EventBridgeConfiguration": {}}, rule=rule(**{"detail-type": ["Object Deleted"]})),
        Aws({"EventBridgeConfiguration": {}}, rule=rule(detail={"bucket": {"name": ["other"]}})),
    ],
)
def test_a_bucket_that_does_not_tell_the_queue_is_broken(aws: Aws) -> None:
    (found,) = findings(aws)
    assert (found.state, found.seen) == (State.BROKEN, "bucket bucket does not tell this queue of anything")


def filtered(**rules: str) -> dict[str, Any]:
    return {"Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules.items()]}}}


@pytest.mark.parametrize("rules", [{"Prefix": "landing/"}, {"prefix": "land"}, {"prefix": ""}, {"Prefix": "", "Suffix": ""}])
def test_filters_that_leave_nothing_of_landing_out(rules: dict[str, str]) -> None:
    told = {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": ALL, **filtered(**rules)}]}
    assert {one.state for one in findings(Aws(told))} == {State.OK}


@pytest.mark.parametrize(
    ("configuration", "seen"),
    [
        ({"Events": ALL, **filtered(Prefix="landing/orders/")}, "only some keys are told (prefix landing/orders/)"),
        ({"Events": ALL, **filtered(Suffix=".csv")}, "only some keys are told (suffix .csv)"),
        (
            {"Events": ["s3:ObjectCreated:Put", "s3:ObjectCreated:Post"]},
            "not told: s3:ObjectCreated:CompleteMultipartUpload, s3:ObjectCreated:Copy",
        ),
    ],
)
def test_what_a_notification_leaves_out_is_told(configuration: dict[str, Any], seen: str) -> None:
    route = findings(Aws({"QueueConfigurations": [{"QueueArn": QUEUE, **configuration}]}))[0]
    assert (route.state, route.seen) == (State.WARNING, f"S3 to SQS: {seen}")


def test_what_breaks_a_way_through_sns_or_eventbridge_is_told() -> None:
    topic = {"TopicConfigurations": [{"TopicArn": TOPIC, "Events": ALL}]}
    assert "not confirmed" in findings(Aws(topic, subscription="PendingConfirmation"), "sns")[0].seen
    disabled = rule() | {"State": "DISABLED"}
    assert "disabled" in findings(Aws({"EventBridgeConfiguration": {}}, rule=disabled), "events")[0].seen


def test_two_ways_at_once_are_one_too_many() -> None:
    *_, last = findings(Aws({**DIRECT, "EventBridgeConfiguration": {}}, rule=rule()))
    assert (last.state, last.seen[:30]) == (State.WARNING, "every object is told 2 times: ")
