"""Which part of a source one pull takes: all of it, the rows of a day, what changed since the last pull, or a span by hand.

What belongs here: deciding that, and naming the file that a window lands as. Pure: no source is asked. What does not: turning a
window into a query or a request (the transports do).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from supply_lake.datasets.source import Source
from supply_lake.errors import UsageError
from supply_lake.extract.position import Value, behind, label

_GRACE = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """``by`` is the column or field that tells what lies in the window; empty when it is all of the source.

    ``date`` is the landing date. A window with a ``day`` holds what belongs to it by the clock of ``zone``. Other windows
    begin with ``start`` (inclusive) and end before ``end``, where those are given. One that ``follows`` ends at the newest
    value there is, and the next pull goes on from that.
    """

    date: dt.date
    by: str = ""
    day: dt.date | None = None
    zone: str = "UTC"
    start: Value | None = None
    end: Value | None = None
    follows: bool = False

    def name(self, newest: Value | None = None) -> str:
        """The stem of the file that the window lands as; the same window always has the same.

        :param newest: the value at which a window that follows turned out to end
        """
        if self.follows:
            return f"since-{label(self.start)}-to-{label(newest)}"
        if self.day is not None:
            return self.day.isoformat()
        if self.by:
            return f"from-{label(self.start)}-until-{label(self.end) if self.end is not None else 'end'}"
        return "whole"

    def day_bounds(self) -> tuple[dt.datetime, dt.datetime]:
        """First moment of the day and of the next, in the window's zone."""
        assert self.day is not None
        zone = ZoneInfo(self.zone)
        return (
            dt.datetime.combine(self.day, dt.time(), zone),
            dt.datetime.combine(self.day + _DAY, dt.time(), zone),
        )


def on(name: str, source: Source, date: dt.date, now: dt.datetime, position: Value | None) -> Window:
    """The window that belongs to a landing date.

    :param name: the dataset's, for messages
    :param position: how far earlier pulls came
    :raises UsageError: only the present can be pulled, and the date is a past one
    """
    today = now.astimezone(dt.UTC).date()
    present = (now.astimezone(dt.UTC) - _GRACE).date() <= date <= today
    if source.files:
        return Window(date, day=date)
    if source.window:
        return Window(date, source.window.by, day=date, zone=source.window.timezone)
    if source.cursor and present:
        start = behind(position, source.cursor.lag) if position is not None else source.cursor.start
        return Window(date, source.cursor.by, start=start, follows=True)
    if source.cursor:  # what was committed on a past day, as a backfill
        return Window(date, source.cursor.by, day=date)
    if not present:
        raise UsageError(
            f"{name} is read whole, as it stands now, so {date} cannot be pulled any more; pull today's partition, or "
            "declare a `window` by which a day's rows are told"
        )
    return Window(date)


def between(name: str, source: Source, start: Value | None, end: Value | None, now: dt.datetime) -> list[Window]:
    """The windows that a person asks for by ``--from`` and ``--to``.

    Of files and of a source with a `window` these are whole days, each landing under its own date; of one with a `cursor` one
    span, which leaves the position of the scheduled pulls alone.

    :raises UsageError: the source cannot be pulled in parts, or a bound makes no sense for it
    """
    today = now.astimezone(dt.UTC).date()
    if source.window or source.files:
        first, last = _date(name, start) or today, (_date(name, end) or today + _DAY) - _DAY
        if first > last:
            raise UsageError(f"{name}: there is no day from {first} to before {last + _DAY}; --to is the first day left out")
        days = [first + _DAY * number for number in range((last - first).days + 1)]
        return [on(name, source, day, now, None) for day in days]
    if source.cursor:
        return [Window(today, source.cursor.by, start=start, end=end)]
    raise UsageError(f"{name} is read whole each time; --from and --to are for sources with a `cursor` or a `window`")


def _date(name: str, value: Value | None) -> dt.date | None:
    if value is None:
        return None
    try:
        moment = value if isinstance(value, dt.date) else dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise UsageError(f"{name} is pulled by days, and {value!r} is none; write it as 2026-11-01") from None
    if isinstance(moment, dt.datetime):
        if moment.time() != dt.time():
            raise UsageError(f"{name} is pulled by whole days, and {value} is within one; write it as 2026-11-01")
        return moment.date()
    return moment
