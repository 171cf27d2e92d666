"""One look at the queue: receive, ask what stands under the keys, enter it, and only then delete the messages.

Killed at any point, this loses nothing: a message that was not deleted comes again, and what it tells is known by then. A
message that makes no sense, or whose key the store never answers for, is kept as a dead letter and told, and then deleted like
any other, so that it neither comes back for ever nor holds its neighbours up.

What belongs here: that order. What does not: what messages say (``landing.messages``), what follows from it
(``landing.events``), and when to look (``sensors.lookout``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from supply_lake.errors import SupplyLakeError
from supply_lake.ingest.discovery import rules_of
from supply_lake.ingest.stores import Stores
from supply_lake.landing.dead_letters import DeadLetter, keep
from supply_lake.landing.events import Delivered, Seen, from_events, to_ask
from supply_lake.landing.messages import Notice, Told, decode
from supply_lake.landing.queue import Message, Queue
from supply_lake.storage.object_store import ObjectStore

MOST_AT_ONCE = 500
"""Messages of one look. They are hidden from others meanwhile, and held in memory."""
MOST_RECEIVES = 10
"""A message whose key the store did not answer for so often is given up, if the store answers for others."""
_ASKED_AT_ONCE = 16
OnDead = Callable[[Sequence[DeadLetter]], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one look at the queue led to: messages ``received``, object versions that are ``new`` in the ledger, messages that
    are ``dead``, and messages that were ``left`` in the queue because landing did not answer for a key of theirs.
    ``passed_over``: why records said nothing of new objects in landing, and how many. ``waited``: seconds until the first came.
    """

    received: int = 0
    new: int = 0
    dead: tuple[DeadLetter, ...] = ()
    left: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    waited: float = 0.0


def take(
    stores: Stores,
    queue: Queue,
    *,
    wait: int = 0,
    most: int = MOST_AT_ONCE,
    on_dead: OnDead = lambda _: None,
    now: dt.datetime | None = None,
) -> Taken:
    """Look once.

    :param wait: seconds to wait for a first message
    :param on_dead: told of dead letters after they are kept and before their messages are deleted
    :raises StoreUnavailable: the queue, landing, the metadata store or the rejects' place does not answer; nothing is lost
    """
    begin = time.monotonic()
    messages = queue.receive(wait, most)
    waited = time.monotonic() - begin
    if not messages:
        return Taken(waited=waited)
    now = now or dt.datetime.now(dt.UTC)
    with queue.held(messages):
        told = {one.id: _decoded(one, stores.landing.location) for one in messages}
        delivered, new = _enter(stores, [notice for one in told.values() for notice in one.notices], now)
        left = [one for one in messages if _waits(one, told[one.id], delivered)]
        stay = {one.receipt for one in left}
        done = [one for one in messages if one.receipt not in stay]
        dead = [letter for one in done if (letter := _dead_letter(queue, one, told[one.id], delivered, now))]
        for letter in dead:
            keep(stores.rejects, letter)
        if dead:
            on_dead(dead)
        queue.delete(done)
    if delivered.unanswered and not delivered.answered:
        raise next(iter(delivered.unanswered.values()))
    passed = Counter(reason for one in told.values() for reason in one.passed_over)
    return Taken(len(messages), new, tuple(dead), len(left), passed, waited)


def enter(stores: Stores, keys: Sequence[str]) -> None:
    """Enter objects that are known to be whole, without looking for them.

    :param keys: under which objects were just put, each in one write
    :raises StoreUnavailable: landing or the metadata store does not answer
    """
    delivered, _ = _enter(stores, [Notice(key) for key in keys], dt.datetime.now(dt.UTC))
    for error in delivered.unanswered.values():
        raise error


def _decoded(message: Message, location: str) -> Told:
    try:
        return decode(message.body, location)
    except Exception as error:  # one message never takes the others down with it
        return Told(faults=[f"it cannot be read: {type(error).__name__} {error}"])


def _enter(stores: Stores, told: Sequence[Notice], now: dt.datetime) -> tuple[Delivered, int]:
    """Enter what the notices lead to; returns how many object versions were new."""
    rules, metadata = rules_of(stores), stores.metadata
    notices = [one for one in told if not one.key.startswith(rules.own)]
    known = metadata.known([one.key for one in notices])
    seen = look_at(stores.landing, to_ask(notices, known))
    fingerprints = metadata.prefix_fingerprints() if seen else {}
    delivered = from_events(notices, seen, known, rules, fingerprints=fingerprints, now=now)
    metadata.set_prefix_fingerprints(delivered.fingerprints)
    return delivered, metadata.register(delivered.entries, listed=True)


def look_at(landing: ObjectStore, keys: Sequence[str]) -> dict[str, Seen]:
    """What stands under each key, or why that is not known; several are asked for at once."""
    if len(keys) < 2:
        return {key: _head(landing, key) for key in keys}
    with ThreadPoolExecutor(min(_ASKED_AT_ONCE, len(keys)), thread_name_prefix="head") as pool:
        return dict(zip(keys, pool.map(lambda key: _head(landing, key), keys), strict=True))


def _head(landing: ObjectStore, key: str) -> Seen:
    try:
        return landing.head(key)
    except SupplyLakeError as error:
        return error


def _waits(message: Message, told: Told, delivered: Delivered) -> bool:
    """Whether the message has to come again, because landing did not answer for a key of it.

    While landing answers for no key at all it is landing that is away, and no message is to blame.
    """
    if not any(notice.key in delivered.unanswered for notice in told.notices):
        return False
    return message.receives < MOST_RECEIVES or not delivered.answered


def _dead_letter(queue: Queue, message: Message, told: Told, delivered: Delivered, now: dt.datetime) -> DeadLetter | None:
    """The record of what a message told in vain; ``None`` when all of it is of use."""
    keys = dict.fromkeys(one.key for one in told.notices if one.key in delivered.unanswered)
    reasons = [*told.faults, *(f"{key}: {delivered.unanswered[key]} (asked {message.receives} times)" for key in keys)]
    if not reasons:
        return None
    return DeadLetter(message.id, queue.location, message.sent_at, now, message.receives, tuple(reasons), message.body)
