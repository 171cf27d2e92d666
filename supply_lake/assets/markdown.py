"""Tables for the Dagster UI, as Markdown.

What belongs here: turning rows into a table that any value fits into. What does not: choosing the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

WIDEST = 120
"""Characters of the longest cell; a value that is longer is cut, and says so."""


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers keep their digits, ``None`` is an empty cell."""
    lines = ["| " + " | ".join(map(_cell, header)) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    if len(text) > WIDEST:
        text = text[: WIDEST - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
