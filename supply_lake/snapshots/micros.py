"""Times as metadata stores keep them: whole microseconds since 1970 UTC, exact, ordered and the same in every database.

What belongs here: the two conversions. What does not: clocks.
"""

from __future__ import annotations

import datetime as dt

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def to_micros(time: dt.datetime) -> int:
    """A time with a zone as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """The inverse of ``to_micros``, in UTC."""
    return _EPOCH + micros * _MICROSECOND
