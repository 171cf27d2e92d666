"""Grouping of what is pending into runs."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from supply_lake.landing.ledger import PendingBatch
from supply_lake.sensors.plan import Ask, plan

DAY = dt.date(2026, 11, 1)


def waiting(dataset: str = "orders", day: int = 0, objects: int = 1, size: int = 10, attempt: int = 1) -> PendingBatch:
    return PendingBatch(dataset, DAY + dt.timedelta(days=day), objects, size, attempt, f"{dataset}{day}{objects}{attempt}")


def spans(asks: list[Ask]) -> list[tuple[str, int, int]]:
    return [(ask.dataset, (ask.first - DAY).days, (ask.last - DAY).days) for ask in asks]


def grouped(*batches: PendingBatch, max_objects: int = 100, max_bytes: int = 10_000) -> list[Ask]:
    return plan(batches, lambda _: False, max_objects=max_objects, max_bytes=max_bytes)


def test_days_without_a_gap_are_one_run_and_a_gap_starts_another() -> None:
    asks = grouped(waiting(day=0), waiting(day=1), waiting(day=3), waiting("stock", 1))
    assert spans(asks) == [("orders", 0, 1), ("stock", 1, 1), ("orders", 3, 3)]


def test_e9_a_run_is_capped_by_objects_and_by_bytes() -> None:
    days = [waiting(day=day, objects=40) for day in range(5)]
    assert spans(grouped(*days)) == [("orders", 0, 1), ("orders", 2, 3), ("orders", 4, 4)]
    assert spans(grouped(*days, max_bytes=10)) == [("orders", day, day) for day in range(5)]
    assert spans(grouped(waiting(objects=5_000))) == [("orders", 0, 0)]


def test_datasets_that_others_refer_to_come_first_whatever_their_dates() -> None:
    batches = [waiting(day=0), waiting("products", 5), waiting("products", 7), waiting("categories", 9)]
    depths = {"orders": 2, "products": 1, "categories": 0}
    asks = plan(batches, lambda _: False, max_objects=9, max_bytes=999, depth=depths.__getitem__)
    assert spans(asks) == [("categories", 9, 9), ("products", 5, 5), ("products", 7, 7), ("orders", 0, 0)]


def test_a_batch_that_failed_before_is_asked_for_alone_and_last() -> None:
    asks = grouped(waiting(day=0), waiting(day=1, attempt=2), waiting(day=2), waiting(day=3, attempt=2))
    assert spans(asks) == [("orders", 0, 0), ("orders", 2, 2), ("orders", 1, 1), ("orders", 3, 3)]


def test_what_is_under_way_is_not_asked_for_again() -> None:
    asks = plan([waiting(day=0), waiting(day=1)], lambda one: one.landing_date == DAY, max_objects=9, max_bytes=999)
    assert spans(asks) == [("orders", 1, 1)]


def test_the_digest_names_objects_and_attempt() -> None:
    digests = {grouped(one)[0].digest for one in (waiting(), waiting(objects=2), waiting(attempt=2), waiting("stock"))}
    assert len(digests) == 4
    assert grouped(waiting())[0].digest == grouped(waiting())[0].digest


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 12), st.integers(1, 30), st.integers(1, 3)),
        unique_by=lambda one: one[:2],
    )
)
def test_every_pending_batch_is_in_exactly_one_run(made: list[tuple[str, int, int, int]]) -> None:
    batches = [waiting(name, day, objects, attempt=attempt) for name, day, objects, attempt in made]
    asks = grouped(*batches, max_objects=50)
    assert sorted(one.digest for ask in asks for one in ask.batches) == sorted(one.digest for one in batches)
    for ask in asks:
        days = [(one.landing_date - DAY).days for one in ask.batches]
        assert days == list(range(days[0], days[0] + len(days)))
        assert len(ask.batches) == 1 or sum(one.objects for one in ask.batches) <= 50
        assert len({one.dataset for one in ask.batches}) == 1
