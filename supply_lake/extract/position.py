"""How far a cursor has come: values of a cursor column, kept exactly as text.

What belongs here: writing them down and reading them back, stepping back by a lag, and naming files after them. What does not:
which values a pull asks for (``window``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = int | float | Decimal | str | dt.date | dt.datetime
_PLAIN = re.compile(r"[A-Za-z0-9.+-]{1,40}")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?")


def written(value: Value) -> dict[str, str]:
    """The value as JSON that ``read`` takes."""
    match value:
        case dt.datetime():
            return {"type": "time", "value": value.isoformat()}
        case dt.date():
            return {"type": "date", "value": value.isoformat()}
        case bool() | str():
            return {"type": "text", "value": str(value)}
        case Decimal():
            return {"type": "decimal", "value": f"{value:f}"}
        case int():
            return {"type": "integer", "value": str(value)}
        case _:
            return {"type": "float", "value": repr(value)}


def read(data: dict[str, str]) -> Value:
    """The inverse of ``written``."""
    kinds = {
        "time": dt.datetime.fromisoformat,
        "date": dt.date.fromisoformat,
        "text": str,
        "decimal": Decimal,
        "integer": int,
        "float": float,
    }
    return kinds[data["type"]](data["value"])  # type: ignore[operator, no-any-return]


def told(value: Value | None) -> str:
    """The value for a person and for SQL; empty for none."""
    return "" if value is None else written(value)["value"]


def behind(value: Value, lag: float) -> Value:  # noqa: PLR0911 - a line per type
    """The value that lies ``lag`` before: seconds for times (whole days for dates), else units of the column.

    Text that is an ISO 8601 time stays in its own form; of other text nothing lies before it.
    """
    if not lag:
        return value
    match value:
        case dt.datetime():
            return value - dt.timedelta(seconds=lag)
        case dt.date():
            return value - dt.timedelta(days=-(-lag // 86_400))
        case Decimal():
            return value - Decimal(repr(lag))
        case int():
            return value - int(-(-lag // 1))
        case float():
            return value - lag
        case _:
            return _text_behind(value, lag)


def _text_behind(value: str, lag: float) -> str:
    match = _ISO.fullmatch(value)
    if match is None:
        return value
    separator, seconds, fraction, zone = match.groups()
    digits = len(fraction) if fraction else 0
    moment = dt.datetime.fromisoformat(value) - dt.timedelta(seconds=lag)
    text = moment.replace(tzinfo=None).isoformat(separator, "microseconds" if digits else "seconds" if seconds else "minutes")
    return (text[: -(6 - digits)] if 0 < digits < 6 else text) + (zone or "")


def label(value: Value | None) -> str:
    """The value as a part of a file's name: other for another value, plain to read where it can be."""
    match value:
        case None:
            return "begin"
        case dt.datetime():
            zone = "Z" if value.tzinfo else ""
            moment = value.astimezone(dt.UTC) if value.tzinfo else value
            fraction = f".{moment.microsecond:06}" if moment.microsecond else ""
            return f"{moment:%Y%m%dT%H%M%S}{fraction}{zone}"
        case _:
            text = told(value)
            if _PLAIN.fullmatch(text):
                return text
            plain = re.sub(r"[^A-Za-z0-9.+-]+", ".", text)[:24].strip(".")
            return f"{plain}.{hashlib.sha256(text.encode()).hexdigest()[:8]}"
