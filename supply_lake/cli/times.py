"""Times and dates as a person types them."""

from __future__ import annotations

import datetime as dt

import click


class Time(click.ParamType[dt.datetime]):
    """An ISO 8601 time; without a zone it is UTC, and a date alone is its first moment."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Text → a time in UTC."""
        if isinstance(value, dt.datetime):
            return value
        try:
            time = dt.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-11-01T12:30:00Z, or 2026-11-01 for its first moment", param, ctx)
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


class Date(click.ParamType[dt.date]):
    """An ISO 8601 date."""

    name = "YYYY-MM-DD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """Text → a date."""
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date; write it as 2026-11-01", param, ctx)
