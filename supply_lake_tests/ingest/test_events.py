"""Messages are deleted only once the ledger holds what they tell, and none holds up its neighbours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from supply_lake.errors import StoreUnavailable
from supply_lake.ingest import events
from supply_lake.ingest.events import MOST_RECEIVES, enter, take
from supply_lake.landing.dead_letters import kept
from supply_lake.landing.ledger import ObjectState
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.ingest.house import House, csv
from supply_lake_tests.ingest.memory_queue import MemoryQueue, notification

Make = Callable[..., House]
ONE = csv([("o1", 1, 1)])


class Killed(BaseException):
    """The process is gone."""


def fuse(monkeypatch: pytest.MonkeyPatch, house: House, queue: MemoryQueue, at: int) -> None:
    """Let the process die at the n-th moment before or after one of the writes of a look."""
    moments = iter(range(1, 100))

    def around(owner: Any, name: str) -> None:
        write = getattr(owner, name)

        def fused(*arguments: Any, **options: Any) -> Any:
            if next(moments) == at:
                raise Killed
            done = write(*arguments, **options)
            if next(moments) == at:
                raise Killed
            return done

        monkeypatch.setattr(owner, name, fused)

    around(house.stores.metadata, "set_prefix_fingerprints")
    around(house.stores.metadata, "register")
    around(events, "keep")
    around(queue, "delete")


def test_m2_e1_killed_at_any_write_of_a_look_everything_is_published_once(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(1, 10):
        house, queue = make_house(), MemoryQueue()
        queue.send("poison", *(notification(house, house.land(f"{name}.csv", csv([(name, 1, 1)]))) for name in "ab"))
        with monkeypatch.context() as patch:
            fuse(patch, house, queue, at)
            try:
                take(house.stores, queue)
                assert at == 9, "there are eight moments to die at"
            except Killed:
                assert queue.left in (0, 3)
        queue.time_passes()
        take(house.stores, queue)
        assert queue.left == 0
        assert [letter.body for letter in kept(house.stores.rejects)] == ["poison"]
        house.ingest()
        assert house.rows() == [("a", 1, 1), ("b", 1, 1)]
        assert house.discover().new == 0
        house.recount()


def test_a_message_whose_key_landing_does_not_answer_for_stays_and_its_neighbours_go_on(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, queue = make_house(), MemoryQueue()
    good, bad = house.land("good.csv", ONE), house.land("bad.csv", ONE)
    refuse(monkeypatch, house, bad)
    queue.send(notification(house, good), notification(house, bad), "poison")
    taken = take(house.stores, queue)
    assert (taken.received, taken.new, taken.left, len(taken.dead)) == (3, 1, 1, 1)
    assert [message.body for message in queue.in_hand.values()] == [notification(house, bad)]


def test_e5_a_key_that_landing_never_answers_for_becomes_a_dead_letter_when_it_answers_for_others(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, queue = make_house(), MemoryQueue()
    good, bad = house.land("good.csv", ONE), house.land("bad.csv", ONE)
    refuse(monkeypatch, house, bad)
    queue.send(notification(house, bad), receives=MOST_RECEIVES - 1)
    with pytest.raises(StoreUnavailable, match="refuses"):  # for all that is known, landing is away
        take(house.stores, queue)
    queue.time_passes()
    queue.send(notification(house, good))
    told: list[str] = []
    taken = take(house.stores, queue, on_dead=lambda letters: told.extend(one.message_id for one in letters))
    (letter,) = taken.dead
    assert letter.reasons == (f"{bad}: it refuses (asked {MOST_RECEIVES + 1} times)",)
    assert (told, queue.left) == ([letter.message_id], 0)
    assert list(kept(house.stores.rejects)) == [letter]


def refuse(monkeypatch: pytest.MonkeyPatch, house: House, bad: str) -> None:
    head = type(house.stores.landing).head

    def refusing(store: Any, key: str) -> ObjectVersion:
        if key == bad:
            raise StoreUnavailable("it refuses")
        return head(store, key)

    monkeypatch.setattr(type(house.stores.landing), "head", refusing)


def test_m5_nothing_is_lost_while_the_metadata_store_is_away(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house, queue = make_house(), MemoryQueue()
    queue.send("poison", notification(house, house.land("a.csv", ONE)))

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("it is away")

    with monkeypatch.context() as patch:
        patch.setattr(house.stores.metadata, "register", away)
        with pytest.raises(StoreUnavailable):
            take(house.stores, queue)
    assert queue.left == 2
    queue.time_passes()
    assert take(house.stores, queue).new == 1


def test_e5_a_message_that_breaks_its_reader_is_a_dead_letter_like_any(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, queue = make_house(), MemoryQueue()
    queue.send("breaks", notification(house, house.land("a.csv", ONE)))
    decode = events.decode

    def breaking(body: str, location: str) -> Any:
        if body == "breaks":
            raise ArithmeticError("unheard of")
        return decode(body, location)

    monkeypatch.setattr(events, "decode", breaking)
    taken = take(house.stores, queue)
    assert (taken.new, [one.reasons for one in taken.dead]) == (1, [("it cannot be read: ArithmeticError unheard of",)])


def test_e7_what_the_lake_itself_writes_into_landing_is_passed_over_unrecorded(make_house: Make) -> None:
    house, queue = make_house(), MemoryQueue()
    house.stores.landing.put(".pulls/manifests/x.json", b"{}")
    queue.send(notification(house, ".pulls/manifests/x.json"))
    assert take(house.stores, queue).new == 0
    assert list(house.stores.metadata.objects()) == []
    assert queue.left == 0


def test_messages_are_kept_hidden_for_as_long_as_they_are_worked_on() -> None:
    queue, extended = MemoryQueue(), threading.Event()
    queue.send("a", "b")
    messages = queue.receive()

    def hide(some: Any, seconds: int = 120) -> None:
        MemoryQueue.hide(queue, some, seconds)
        extended.set()

    queue.hide = hide  # type: ignore[method-assign]
    with queue.held(messages, every=0.001):
        assert extended.wait(10)
    assert queue.extended[:2] == ["m1", "m2"]
    assert not [thread for thread in threading.enumerate() if thread.name == "messages-held"]


def test_a_queue_that_cannot_extend_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, tried = MemoryQueue(), threading.Event()

    def hide(*_: Any) -> None:
        tried.set()
        raise StoreUnavailable("the queue is away")

    monkeypatch.setattr(queue, "hide", hide)
    with queue.held([], every=0.001):
        assert tried.wait(10)


def test_what_was_just_put_is_entered_without_looking_for_it(make_house: Make) -> None:
    house = make_house()
    enter(house.stores, [house.land("a.csv", ONE)])
    assert [(one.state, one.deliveries) for one in house.stores.metadata.objects()] == [(ObjectState.PENDING, 1)]
