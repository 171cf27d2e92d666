"""A queue in memory, as strict as SQS: what is not deleted comes again, counted, and a stale receipt deletes nothing."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

from supply_lake.landing.queue import Message, Queue
from supply_lake_tests.ingest.house import House


class MemoryQueue(Queue):
    """Messages in hand are hidden until ``time_passes``."""

    def __init__(self) -> None:
        super().__init__("sqs://made-up", None)
        self._numbers = itertools.count(1)
        self.visible: list[Message] = []
        self.in_hand: dict[str, Message] = {}
        self.extended: list[str] = []

    def send(self, *bodies: str, receives: int = 0) -> None:
        for body in bodies:
            moment = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
            self.visible.append(Message(f"m{next(self._numbers)}", "", body, receives, moment))

    def receive(self, wait: int = 0, most: int = 10) -> list[Message]:
        taken, self.visible = self.visible[:most], self.visible[most:]
        handed = [Message(one.id, f"r{next(self._numbers)}", one.body, one.receives + 1, one.sent_at) for one in taken]
        self.in_hand |= {one.receipt: one for one in handed}
        return handed

    def delete(self, messages: Sequence[Message]) -> None:
        for one in messages:
            self.in_hand.pop(one.receipt, None)

    def hide(self, messages: Sequence[Message], seconds: int = 120) -> None:
        self.extended += [one.id for one in messages if one.receipt in self.in_hand]

    def time_passes(self) -> None:
        """What is in hand comes back."""
        self.visible += self.in_hand.values()
        self.in_hand.clear()

    @property
    def left(self) -> int:
        return len(self.visible) + len(self.in_hand)


def notification(house: House, *keys: str, **told: Any) -> str:
    """The message that S3 would send of these objects of landing, if that were a bucket without a name."""
    root = house.stores.landing.location.strip("/")
    return json.dumps(
        {
            "Records": [
                {
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": ""}, "object": {"key": quote_plus(f"{root}/{key}", safe="/"), **told}},
                }
                for key in keys
            ]
        }
    )
