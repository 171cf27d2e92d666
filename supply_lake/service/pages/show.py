"""Templates, and how values read on a page.

What belongs here: rendering. What does not: what is on a page (``routes``). Everything is escaped, for it comes out of files.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from supply_lake.query.formats import plain_text

_LONGEST = 120


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("supply_lake.service.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters |= {"number": number, "size": size, "moment": moment, "hours": hours, "short": short}
    return made


def page(template: str, *, status: int = 200, who: str = "", **values: Any) -> Response:
    """A page.

    :param who: whoever is signed in
    """
    text = _environment().get_template(template).render(who=who, **values)
    return Response(text, status, {"cache-control": "private, no-store"}, "text/html; charset=utf-8")


def number(value: int) -> str:
    """With its thousands apart."""
    return f"{value:,}"


def size(value: int) -> str:
    """Bytes as a person reads them."""
    amount, unit = float(value), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def moment(time: dt.datetime | str) -> str:
    """A time to the minute, UTC."""
    time = dt.datetime.fromisoformat(time) if isinstance(time, str) else time
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def hours(value: float) -> str:
    """How long: minutes, hours or days."""
    if value >= 48:
        return f"{value / 24:.0f} days"
    return f"{value:.0f} h" if value >= 1 else f"{value * 60:.0f} min"


def short(value: object) -> str:
    """A value as text, cut where it is long."""
    text = plain_text(value) or ""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
