"""Tables for the Dagster UI, which shows them where they are told, without a click.

What belongs here: turning rows into a table that any value fits into. What does not: choosing the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

WIDEST = 120
"""Characters of the longest cell; a value that is longer is cut, and says so."""


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """A table; numbers keep their digits, ``None`` is an empty cell. Every cell is text."""
    return dg.MetadataValue.table(
        records=[dg.TableRecord(dict(zip(header, map(_cell, row), strict=True))) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in header]),
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
