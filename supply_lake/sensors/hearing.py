"""What a tick hears from the queue that tells of new objects.

What belongs here: how many messages one look takes, and telling of dead letters. What does not: what becomes of a message
(``ingest.events``), and when to look (``lookout``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supply_lake.sensors.alerts import Alert, Kind, send
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from supply_lake.ingest.events import Taken
    from supply_lake.ingest.stores import Stores
    from supply_lake.landing.dead_letters import DeadLetter
    from supply_lake.landing.queue import Queue

LONGEST_SECONDS = 10.0
"""After this long a look takes no more messages: what they told is to be run, and Dagster's tick has its end."""


@dataclass(frozen=True, slots=True)
class Heard:
    """``remarks`` on messages that led to nothing; ``idle``: seconds spent waiting for one."""

    remarks: tuple[str, ...] = ()
    idle: float = 0.0


class Hearing:
    """The queue that the settings name, opened when it is first listened to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue: Queue | None = None

    def hear(self, stores: Stores, *, wait: int, drain: bool) -> Heard:
        """Take messages for as long as the queue hands out as many as can be taken at once.

        :param wait: seconds to wait for a first message
        :param drain: take on until there are none
        :raises StoreUnavailable: a store or the queue does not answer; nothing is lost
        """
        from supply_lake.ingest.events import MOST_AT_ONCE, take
        from supply_lake.landing.queue import Queue

        self._queue = self._queue or Queue.open(self._settings.events)
        end = time.monotonic() + LONGEST_SECONDS
        all_taken: list[Taken] = []
        while True:
            taken = take(stores, self._queue, wait=0 if all_taken else wait, on_dead=self._tell)
            all_taken.append(taken)
            enough = not taken.received if drain else taken.received < MOST_AT_ONCE or time.monotonic() > end
            if enough:
                return Heard(tuple(_remarks(all_taken)), all_taken[0].waited)

    def _tell(self, letters: Sequence[DeadLetter]) -> None:
        send(dead_letter_alert(letters), self._settings.alert_url)


def dead_letter_alert(letters: Sequence[DeadLetter]) -> Alert:
    """The alert for messages that were given up together."""
    more = f" (and {len(letters) - 1} more)" if len(letters) > 1 else ""
    told = f"message {letters[0].message_id} was given up: {letters[0].reasons[0]}{more}; see `supply-lake messages`"
    return Alert(told, kind=Kind.WARNING, tick=f"queue {letters[0].queue}")


def _remarks(all_taken: Sequence[Taken]) -> Iterator[str]:
    passed = sum((one.passed_over for one in all_taken), Counter[str]())
    passed.pop("test event", None)
    for reason, count in passed.items():
        yield f"{count} records of the queue were passed over: {reason}"
    if left := sum(one.left for one in all_taken):
        yield f"{left} messages wait: landing did not answer for a key of theirs"
    if dead := sum(len(one.dead) for one in all_taken):
        yield f"{dead} messages were given up; see `supply-lake messages`"
