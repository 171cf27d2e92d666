"""Which policies let a service send to a queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supply_lake.doctor.policy import lets_send

QUEUE, BUCKET = "arn:aws:sqs:eu-west-1:123456789012:landing", "arn:aws:s3:::my-bucket"
ALLOW = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": QUEUE}


def lets(*statements: dict[str, Any]) -> bool:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return lets_send(policy, service="s3.amazonaws.com", queue=QUEUE, source=BUCKET)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Principal": "*"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"Service": ["events.amazonaws.com", "s3.amazonaws.com"]}},
        {"Action": ["sqs:ReceiveMessage", "SQS:SendMessage"]},
        {"Action": "sqs:*"},
        {"Action": "*"},
        {"Resource": "*"},
        {"Resource": ["arn:aws:sqs:*:123456789012:landing"]},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:my-bucket"}, "StringEquals": {"aws:SourceAccount": "1"}}},
        {"Condition": {"ArnEquals": {"AWS:SourceArn": ["arn:aws:s3:::other", BUCKET]}}},
    ],
)
def test_what_lets_a_bucket_send(change: dict[str, Any]) -> None:
    assert lets({**ALLOW, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": {"Service": "sns.amazonaws.com"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Action": "sqs:ReceiveMessage"},
        {"Resource": "arn:aws:sqs:eu-west-1:123456789012:other"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other"}}},
        {"Effect": "Deny"},
    ],
)
def test_what_does_not(change: dict[str, Any]) -> None:
    assert not lets({**ALLOW, **change})


def test_a_denial_of_plain_http_is_not_about_services_of_aws() -> None:
    plain = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sqs:*", "Resource": QUEUE}
    assert lets(ALLOW, {**plain, "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    assert not lets(ALLOW, {**plain, "Condition": {"Bool": {"aws:SecureTransport": "true"}}})


def test_no_policy_lets_nobody_and_a_denial_outweighs_a_permission() -> None:
    assert not lets_send("", service="s3.amazonaws.com", queue=QUEUE, source=BUCKET)
    assert not lets(ALLOW, {**ALLOW, "Effect": "Deny"})
    single = json.dumps({"Statement": ALLOW})
    assert lets_send(single, service="s3.amazonaws.com", queue=QUEUE, source=BUCKET)
