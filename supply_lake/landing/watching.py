"""Where to look, and how often, so that a new object is seen within a second without listing everything each time.

New objects nearly always land under a recent date. Those *hot* folders are looked at often; everything is listed now and then,
which finds the rest (late dates, files rewritten in place, events that never came).

What belongs here: that plan. What does not: the comparison with the ledger (``discovery``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.storage.object_store import ObjectStore

EVERYTHING = ("",)
FULL_SECONDS = 60.0
_DAY = dt.timedelta(days=1)


def hot_prefixes(specs: Iterable[DatasetSpec], today: dt.date, hot_days: int) -> tuple[str, ...]:
    """Folders under which keys of tomorrow, today and the days before land, none inside another; undated patterns whole.

    :param hot_days: how many days up to today
    """
    days = [today + _DAY - back * _DAY for back in range(hot_days + 1)]
    return outermost(spec.key_pattern.prefix_on(day) for spec in specs for day in days)


def outermost(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The prefixes without those that lie inside another, sorted."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not (kept and prefix.startswith(kept[-1])):
            kept.append(prefix)
    return tuple(kept)


def listing(store: ObjectStore, prefixes: Sequence[str] = EVERYTHING) -> Iterator[pa.RecordBatch]:
    """All objects below the prefixes, none of which may lie inside another."""
    for prefix in prefixes:
        yield from store.list(prefix)


class Watch:
    """Remembers, within one process, when to look where.

    :param hot: the hot folders, asked anew each time because days pass
    :param full_seconds: how often everything is listed
    :param poll_seconds: how often the hot folders of a bucket are listed; a local folder's times are looked at each time
    """

    def __init__(
        self,
        store: ObjectStore,
        hot: Callable[[], Sequence[str]],
        *,
        full_seconds: float = FULL_SECONDS,
        poll_seconds: float = 2.0,
    ) -> None:
        self._store = store
        self._hot = hot
        self._full_seconds = full_seconds
        self._poll_seconds = poll_seconds
        self._last_full = self._last_poll = float("-inf")
        self._times: dict[str, int] = {}
        self._again: tuple[str, ...] = ()

    def due(self, now: float) -> tuple[str, ...]:
        """The prefixes to list now; none when there is nothing to do yet.

        :param now: seconds of a clock that only goes forward
        """
        if now - self._last_full >= self._full_seconds:
            self._last_full = self._last_poll = now
            self._times = dict(self._folder_times())
            self._again = ()
            return EVERYTHING
        if self._store.is_local:
            return self._changed_folders()
        if now - self._last_poll >= self._poll_seconds:
            self._last_poll = now
            return tuple(self._hot())
        return ()

    def look_again(self, keys: Iterable[str]) -> None:
        """Have the folders of these keys listed again: something in them was not ready."""
        self._again = outermost((*self._again, *(key.rpartition("/")[0] + "/" if "/" in key else "" for key in keys)))

    def _changed_folders(self) -> tuple[str, ...]:
        times = dict(self._folder_times())
        changed = (folder for folder, time in times.items() if self._times.get(folder) != time)
        due, self._times, self._again = outermost((*changed, *self._again)), times, ()
        return due

    def _folder_times(self) -> Iterator[tuple[str, int]]:
        if self._store.is_local:
            for prefix in self._hot():
                yield from self._store.folder_times(prefix)
