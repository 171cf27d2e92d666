"""Does a queue's policy let a service send to it? Pure.

What belongs here: the little of AWS policies that such a statement uses. What does not: the permissions of this process; those
are found out by using them (``queue``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

_SOURCE, _BY_TLS = "aws:sourcearn", "aws:securetransport"


def lets_send(policy: str, *, service: str, queue: str, source: str) -> bool:
    """Whether a statement allows it and none denies it.

    :param policy: JSON; empty when the queue has none
    :param service: such as ``s3.amazonaws.com``
    :param queue: the queue's ARN
    :param source: ARN of the bucket, topic or rule that sends
    """
    fitting = [one["Effect"] for one in _statements(policy) if _fits(one, service=service, queue=queue, source=source)]
    return "Allow" in fitting and "Deny" not in fitting


def _statements(policy: str) -> Iterator[Mapping[str, Any]]:
    found = json.loads(policy or "{}").get("Statement", [])
    yield from [found] if isinstance(found, dict) else found


def _fits(statement: Mapping[str, Any], *, service: str, queue: str, source: str) -> bool:
    principal = statement.get("Principal", {})
    services = ["*"] if principal == "*" else _all_of(principal.get("Service", [])) + _all_of(principal.get("AWS", []))
    return (
        any(one in ("*", service) for one in services)
        and any(_like(one.lower(), "sqs:sendmessage") for one in _all_of(statement.get("Action", [])))
        and any(_like(one, queue) for one in _all_of(statement.get("Resource", "*")))
        and all(_like_any(told, source) for told in _source_conditions(statement))
        and not _wants_plain_http(statement)
    )


def _source_conditions(statement: Mapping[str, Any]) -> Iterator[list[str]]:
    """What each condition on the sender's ARN allows; other conditions are taken to hold."""
    for operator, facts in statement.get("Condition", {}).items():
        if operator.lower().removesuffix("ifexists") in ("arnlike", "arnequals", "stringequals", "stringlike"):
            yield from (_all_of(told) for name, told in facts.items() if name.lower() == _SOURCE)


def _wants_plain_http(statement: Mapping[str, Any]) -> bool:
    """Whether it is about requests without TLS, as the usual denial of them is; services of AWS send none."""
    return any(
        operator.lower().removesuffix("ifexists") == "bool" and name.lower() == _BY_TLS and str(told).lower() == "false"
        for operator, facts in statement.get("Condition", {}).items()
        for name, told in facts.items()
    )


def _like_any(patterns: Iterable[str], text: str) -> bool:
    return any(_like(pattern, text) for pattern in patterns)


def _like(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _all_of(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
