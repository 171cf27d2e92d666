"""The whole wiring of a lake, part by part: each is tried, and what is wrong says what to mend.

What belongs here: which parts there are, in the order in which they need each other. What does not: any check.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from supply_lake.datasets.registry import load_registry
from supply_lake.doctor.clock import PART as CLOCK
from supply_lake.doctor.clock import clock
from supply_lake.doctor.finding import Finding, checked, ok, warning
from supply_lake.doctor.notifications import PART as NOTIFICATIONS
from supply_lake.doctor.notifications import notifications
from supply_lake.doctor.places import place, room
from supply_lake.doctor.queue import PART as QUEUE
from supply_lake.doctor.queue import queue
from supply_lake.ingest.stores import open_metadata
from supply_lake.landing.discovery import RULES
from supply_lake.landing.queue import Queue, region_of
from supply_lake.settings import Settings, redacted
from supply_lake.storage.connections import aws_client


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, as soon as it is known. Nothing is raised for what is broken."""
    yield from checked("datasets", "load", partial(_datasets, settings))
    yield from checked("metadata", "open", partial(_metadata, settings))
    if _on_aws(settings):
        yield from checked("credentials", "identity", _identity)
    for part in ("landing", "lake", "rejects"):
        yield from checked(part, "reach", partial(place, part, getattr(settings, part), settings.encryption))
    yield from checked("home", "disk", partial(_home, settings))
    yield from checked(CLOCK, "skew", partial(clock, settings.landing))
    if settings.events:
        yield from _events(settings)


def _datasets(settings: Settings) -> Iterator[Finding]:
    registry = load_registry(settings.datasets)
    if registry:
        yield ok("datasets", "load", f"{len(registry)} in {settings.datasets}")
    else:
        yield warning("datasets", "load", f"none in {settings.datasets}", "write the first one there, as <name>.yaml")


def _metadata(settings: Settings) -> Iterator[Finding]:
    store = open_metadata(settings)
    try:
        waiting = sum(batch.objects for batch in store.pending())
        store.set_prefix_fingerprints({RULES: store.prefix_fingerprints().get(RULES, 0)})
    finally:
        store.close()
    yield ok("metadata", "read and write", f"{redacted(settings.metadata)}, {waiting} objects pending")


def _on_aws(settings: Settings) -> bool:
    places = (settings.landing, settings.lake, settings.rejects, settings.metadata)
    return bool(settings.events) or any(place.startswith(("s3://", "dynamodb://")) for place in places)


def _identity() -> Iterator[Finding]:
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    try:
        told = aws_client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        remedy = (
            "give this process credentials by the AWS variables, a profile or a role; stores beside AWS may lack this service"
        )
        yield warning("credentials", "identity", f"AWS does not say who this is ({type(error).__name__})", remedy)
    else:
        yield ok("credentials", "identity", told)


def _home(settings: Settings) -> Iterator[Finding]:
    settings.scratch.mkdir(parents=True, exist_ok=True)
    probe = settings.scratch / ".doctor"
    probe.write_bytes(b"")
    probe.unlink()
    yield room("home", settings.home)


def _events(settings: Settings) -> Iterator[Finding]:
    attributes: dict[str, str] = {}

    def look() -> Iterator[Finding]:
        found = Queue.open(settings.events)
        with found.answering():
            told = found.client.get_queue_attributes(QueueUrl=found.url, AttributeNames=["All"])
        attributes.update(told["Attributes"])
        yield from queue(found, attributes)

    yield from checked(QUEUE, "reachable", look)
    if attributes:
        client = partial(aws_client, region=region_of(settings.events))
        yield from checked(NOTIFICATIONS, "route", partial(notifications, settings.landing, attributes, client))
