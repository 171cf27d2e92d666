"""The evaluator itself, against what AWS documents of its own."""

from __future__ import annotations

from typing import Any

import pytest

from supply_lake_tests.deploy.policies import allowed


def one(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/x/*", **more}


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:GetObject", "arn:aws:s3:::b/x/1/2", True),
        ("S3:getobject", "arn:aws:s3:::b/x/1", True),
        ("s3:PutObject", "arn:aws:s3:::b/x/1", False),
        ("s3:GetObject", "arn:aws:s3:::b/X/1", False),
        ("s3:GetObject", "arn:aws:s3:::b/x", False),
    ],
)
def test_wildcards(action: str, resource: str, expected: bool) -> None:
    assert allowed([one()], action, resource) is expected


def test_nothing_allows_and_a_deny_wins() -> None:
    at = ("s3:GetObject", "arn:aws:s3:::b/x/1")
    assert not allowed([], *at)
    assert not allowed([one(), one("Deny", Resource="*")], *at)
    assert not allowed([one("Deny"), one()], *at)


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"sts:ExternalId": "a"}}, {"sts:externalid": "a"}, True),
        ({"StringEquals": {"sts:ExternalId": "a"}}, {"sts:ExternalId": "A"}, False),
        ({"StringEquals": {"sts:ExternalId": "a"}}, {}, False),
        ({"StringLike": {"s3:prefix": ["x/*", "y/*"]}}, {"s3:prefix": "y/1"}, True),
        ({"StringLike": {"s3:prefix": ["x/*", "y/*"]}}, {"s3:prefix": "z/1"}, False),
        ({"ForAllValues:StringLike": {"k": ["x*", "y"]}}, {"k": ["x1", "y"]}, True),
        ({"ForAllValues:StringLike": {"k": ["x*", "y"]}}, {"k": ["x1", "z"]}, False),
        ({"ForAllValues:StringLike": {"k": ["x*"]}}, {}, True),
        ({"ArnEquals": {"k": "arn:aws:s3:*:*:b"}}, {"k": "arn:aws:s3:r:1:b"}, True),
        ({"ArnEquals": {"k": "arn:aws:s3:*:b"}}, {"k": "arn:aws:s3:r:1:b"}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}}, {"s3:TlsVersion": "1.1"}, True),
        ({"Bool": {"a": "true"}, "StringEquals": {"b": "1"}}, {"a": "true", "b": "2"}, False),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], expected: bool) -> None:
    assert allowed([one(Condition=condition)], "s3:GetObject", "arn:aws:s3:::b/x/1", context) is expected


@pytest.mark.parametrize("more", [{"NotResource": "*"}, {"Condition": {"DateLessThan": {"k": "1"}}}])
def test_what_it_does_not_know_it_does_not_judge(more: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        allowed([one(**more)], "s3:GetObject", "arn:aws:s3:::b/x/1")
