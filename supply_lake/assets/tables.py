"""Tables for the Dagster UI.

What belongs here: turning rows into a table that any value fits into, in the form that can be read where it stands. What does
not: choosing the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

WIDEST = 120
"""Characters of the longest cell; a value that is longer is cut, and says so."""
PAGE = 68
"""Characters that stand side by side on an asset's page."""
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue | dg.MarkdownMetadataValue:
    """A table; numbers keep their digits, ``None`` is an empty cell.

    One that fits on the page is Dagster's own kind of table, which the UI shows where it stands. A wider one would be cut off
    there; as Markdown it opens in a window of its own.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    return _native(header, cells) if _width(header, cells) <= PAGE else _markdown(header, cells)


def _width(header: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """The least width that it can be shown in: cells wrap between words."""
    return sum(
        2 + max(len(word) for cell in column for word in _BLANKS.split(cell)) for column in zip(header, *cells, strict=True)
    )


def _native(header: Sequence[str], cells: Sequence[Sequence[str]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[dg.TableRecord(dict(zip(header, row, strict=True))) for row in cells],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in header]),
    )


def _markdown(header: Sequence[str], cells: Sequence[Sequence[str]]) -> dg.MarkdownMetadataValue:
    lines = [_line(header), "|" + " --- |" * len(header), *map(_line, cells)]
    return dg.MetadataValue.md("\n".join(lines))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = _BLANKS.sub(" ", text).strip()
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
