"""What the checks of best practice find and we do on purpose, each with its reason.

What belongs here: how that is told, and the reasons for wildcards in policies, by the kind of thing that they stand for. What
does not: reasons of one thing; they stand where it is made. What has no reason stops the synthesis.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct

_PACK = "AwsSolutions"
_WILDCARDS = (
    (":s3:::", "Objects below a prefix, or of a bucket that is one lake's alone: their keys are not known beforehand."),
    (":glue:", "Tables of one database: the lake makes one for each dataset, and views beside it."),
    (":log-group:/", "Log groups and streams of one lake's tasks: streams are named by the tasks."),
    (":ecs:", "Tasks and services of one cluster, which is the lake's alone: tasks are named by ECS."),
    ("ecs:ListTasks on *", "It takes no resource; the condition holds it to the lake's cluster."),
    ("ecs:DescribeTaskDefinition on *", "It takes no resource; definitions hold no secrets."),
    (
        "ec2:DescribeNetworkInterfaces on *",
        "It takes no resource; the run launcher asks for the network that its own task is in.",
    ),
    ("ecr:GetAuthorizationToken on *", "It takes no resource, and is of no use without the right to fetch an image."),
    ("ssmmessages:", "They take no resource; the session itself is opened by who may start it on the task."),
)
"""Part of the wildcard, and its reason. A bare ``*`` goes by ``<first action> on *``."""


def acknowledge(construct: Construct, rule: str, reason: str) -> None:
    """Let the rule's finding on this construct, and on what is in it, pass for the reason."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"{_PACK}::{rule}", reason=reason))


def acknowledge_wildcards(policy: Construct, statements: Iterable[iam.PolicyStatement]) -> None:
    """Let wildcards in the policy's resources pass that have a reason; the others are found by the synthesis."""
    stack = Stack.of(policy)
    for statement in statements:
        for resource in statement.resources:
            text = "".join(_flat(stack.resolve(resource)))
            what = text if text != "*" else f"{statement.actions[0]} on *"
            reason = next((why for part, why in _WILDCARDS if part in what), None)
            if "*" in text and reason:
                acknowledge(policy, f"{_PACK}-IAM5[Resource::{text}]", reason)


def _flat(value: Any) -> Iterator[str]:
    """As the checks spell it: references in angle brackets."""
    if isinstance(value, str):
        yield value
    elif "Ref" in value:
        yield f"<{value['Ref']}>"
    elif "Fn::Join" in value and value["Fn::Join"][0] == "":
        for part in value["Fn::Join"][1]:
            yield from _flat(part)
    elif "Fn::GetAtt" in value:
        yield f"<{'.'.join(value['Fn::GetAtt'])}>"
    else:
        yield json.dumps(value)
