"""The way from the landing bucket to the queue: does what lands come out there?

What belongs here: following a bucket's notifications to the queue, directly, through SNS or through EventBridge, and the
queue's policy for each. What does not: the queue itself (``queue``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from supply_lake.doctor.finding import Finding, broken, ok, warning
from supply_lake.doctor.policy import lets_send

PART = "notifications"
_ALL = "s3:ObjectCreated:*"
_EVERY = {f"s3:ObjectCreated:{name}" for name in ("Put", "Post", "Copy", "CompleteMultipartUpload")}


@dataclass(frozen=True, slots=True)
class Route:
    """One way from the bucket to the queue. ``faults``: what is missed on it, each with a remedy."""

    way: str
    service: str
    source: str
    faults: tuple[tuple[str, str], ...] = ()


def notifications(landing: str, attributes: Mapping[str, str], client: Callable[[str], Any]) -> Iterator[Finding]:
    """Follow every way.

    :param landing: ``s3://bucket/prefix``
    :param attributes: of the queue, as SQS told them
    :param client: gives a client for the name of an AWS service
    """
    parts, queue = urlsplit(landing), attributes["QueueArn"]
    prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
    told = client("s3").get_bucket_notification_configuration(Bucket=parts.netloc)
    routes = [
        *_direct(told, parts.netloc, prefix, queue),
        *_through_sns(told, prefix, queue, client),
        *_through_eventbridge(told, parts.netloc, queue, client),
    ]
    if not routes:
        remedy = f"let the bucket send {_ALL} to {queue}, or switch EventBridge on and add a rule (docs/operations.md)"
        yield broken(PART, "route", f"bucket {parts.netloc} does not tell this queue of anything", remedy)
    for route in routes:
        yield from _judged(route, attributes.get("Policy", ""), queue)
    if len(routes) > 1:
        seen = f"every object is told {len(routes)} times: {', '.join(route.way for route in routes)}"
        yield warning(PART, "route", seen, "one way is enough; the others only cost requests")


def _judged(route: Route, policy: str, queue: str) -> Iterator[Finding]:
    for seen, remedy in route.faults:
        yield warning(PART, "route", f"{route.way}: {seen}", remedy)
    if not route.faults:
        yield ok(PART, "route", route.way)
    if lets_send(policy, service=route.service, queue=queue, source=route.source):
        yield ok(PART, "queue policy", f"lets {route.service} send")
    else:
        remedy = f"allow principal {route.service} sqs:SendMessage on {queue}, with aws:SourceArn {route.source}"
        yield broken(PART, "queue policy", f"does not let {route.service} send for {route.source}", remedy)


def _direct(told: Mapping[str, Any], bucket: str, prefix: str, queue: str) -> Iterator[Route]:
    mine = [one for one in told.get("QueueConfigurations", []) if one["QueueArn"] == queue]
    if mine:
        yield Route("S3 to SQS", "s3.amazonaws.com", f"arn:{queue.split(':')[1]}:s3:::{bucket}", tuple(_missed(mine, prefix)))


def _through_sns(told: Mapping[str, Any], prefix: str, queue: str, client: Callable[[str], Any]) -> Iterator[Route]:
    by_topic: dict[str, list[Mapping[str, Any]]] = {}
    for one in told.get("TopicConfigurations", []):
        by_topic.setdefault(one["TopicArn"], []).append(one)
    for topic, configurations in by_topic.items():
        pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        subscribed = [one for page in pages for one in page["Subscriptions"] if one["Endpoint"] == queue]
        for one in subscribed:
            faults = list(_missed(configurations, prefix))
            if not one["SubscriptionArn"].startswith("arn:"):
                faults.append(("the queue's subscription is not confirmed", "confirm it"))
            yield Route(f"S3 to SNS ({topic.rpartition(':')[2]}) to SQS", "sns.amazonaws.com", topic, tuple(faults))


def _through_eventbridge(told: Mapping[str, Any], bucket: str, queue: str, client: Callable[[str], Any]) -> Iterator[Route]:
    if "EventBridgeConfiguration" not in told:
        return
    events = client("events")
    for name in events.list_rule_names_by_target(TargetArn=queue).get("RuleNames", []):
        rule = events.describe_rule(Name=name)
        pattern = json.loads(rule.get("EventPattern") or "{}")
        if _concerns(pattern, bucket):
            off = rule.get("State", "ENABLED") == "DISABLED"
            faults = (("the rule is disabled", f"enable rule {name}"),) if off else ()
            yield Route(f"S3 to EventBridge ({name}) to SQS", "events.amazonaws.com", str(rule["Arn"]), faults)


def _concerns(pattern: Mapping[str, Any], bucket: str) -> bool:
    """Whether the rule is for new objects of the bucket, as far as plain names in it tell."""
    buckets = pattern.get("detail", {}).get("bucket", {}).get("name", [bucket])
    return (
        "aws.s3" in pattern.get("source", ["aws.s3"])
        and "Object Created" in pattern.get("detail-type", ["Object Created"])
        and any(one == bucket or not isinstance(one, str) for one in buckets)
    )


def _missed(configurations: Sequence[Mapping[str, Any]], prefix: str) -> Iterator[tuple[str, str]]:
    """What of landing the configurations leave out, taken together."""
    whole = [one for one in configurations if _covers(one, prefix)]
    if not whole:
        told = ", ".join(sorted(_filters(one) for one in configurations))
        yield f"only some keys are told ({told})", f"let the filter be the prefix {prefix!r}, and no suffix"
    events = {event for one in whole or configurations for event in one["Events"]}
    missing = set() if _ALL in events else _EVERY - events
    if missing:
        yield f"not told: {', '.join(sorted(missing))}", f"let the bucket send {_ALL}"


def _covers(configuration: Mapping[str, Any], prefix: str) -> bool:
    return all(
        prefix.startswith(rule["Value"]) if rule["Name"].lower() == "prefix" else not rule["Value"]
        for rule in configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    )


def _filters(configuration: Mapping[str, Any]) -> str:
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return " and ".join(f"{rule['Name'].lower()} {rule['Value']}" for rule in rules)
