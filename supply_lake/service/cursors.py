"""Where a page ends, as the text that asks for the next one.

What belongs here: packing and unpacking. What does not: what a place means (``snapshots.pages``). A cursor is no secret and is
not signed: it says only where to go on, and is checked like any other parameter.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from typing import Any

from supply_lake.errors import UsageError
from supply_lake.query.rejects import RejectPlace
from supply_lake.snapshots.pages import Moment, Place

MOST = 2**53
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


def pack(*values: dt.date | int | str) -> str:
    """Values → a cursor."""
    text = json.dumps([one.isoformat() if isinstance(one, dt.date) else one for one in values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place(cursor: str) -> Place:
    """A place in a live set.

    :raises UsageError: the cursor is none of that
    """
    date, commit, snapshot_id = _values(cursor, str, int, str)
    return (_date(date, cursor), _number(commit, cursor), _id(snapshot_id, cursor))


def moment(cursor: str) -> Moment:
    """A place in the order of recording.

    :raises UsageError: the cursor is none of that
    """
    time, snapshot_id = _values(cursor, str, str)
    try:
        at = dt.datetime.fromisoformat(time)
    except ValueError:
        raise _refusal(cursor) from None
    if at.tzinfo is None:
        raise _refusal(cursor)
    return (at, _id(snapshot_id, cursor))


def reject_place(cursor: str) -> RejectPlace:
    """A place among rejects.

    :raises UsageError: the cursor is none of that
    """
    snapshot_id, source, line, told = _values(cursor, str, str, int, int)
    if "\0" in source or not -1 <= line <= MOST:
        raise _refusal(cursor)
    return RejectPlace(_id(snapshot_id, cursor), source, line, _number(told, cursor))


def name(cursor: str) -> str:
    """A dataset's name.

    :raises UsageError: the cursor is none of that
    """
    (found,) = _values(cursor, str)
    return str(found)


def _values(cursor: str, *kinds: type) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise _refusal(cursor) from None
    if not isinstance(values, list) or [type(one) for one in values] != list(kinds):
        raise _refusal(cursor)
    return values


def _date(text: str, cursor: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise _refusal(cursor) from None


def _number(number: int, cursor: str) -> int:
    if not 0 <= number <= MOST:
        raise _refusal(cursor)
    return number


def _id(text: str, cursor: str) -> str:
    if not _ID.fullmatch(text):
        raise _refusal(cursor)
    return text


def _refusal(cursor: str) -> UsageError:
    return UsageError(f"{cursor[:80]!r} continues no page here; take `next` of the page before, or leave `after` out")
