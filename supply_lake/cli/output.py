"""What verbs print: tables and figures for people, JSON for programs.

What belongs here: the look of things. What does not: what is shown. At a terminal tables are drawn; into a pipe they go as
aligned text without colours, whole.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from supply_lake.snapshots.records import Rows

Cell = str | int | float | None
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_WHOLE, _FOLDED = 36, 24
FOUR = ["landed", "published", "rejected", "deduplicated"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str = "") -> None:
    """Print a table; numbers stand to the right."""
    rows = [list(row) for row in rows]
    numeric = [all(isinstance(row[place], (int, float, type(None))) for row in rows) for place in range(len(headers))]
    told = [[_told(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(headers, told, numeric, title)
    else:
        _align(headers, told, numeric, title)


def four(rows: Rows) -> list[Cell]:
    """The four numbers, in the order of ``FOUR``."""
    return [rows.landed, rows.published, rows.rejected, rows.deduplicated]


def size(number: int) -> str:
    """Bytes as a person reads them."""
    amount, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def moment(time: dt.datetime | None) -> str:
    """A time to the second, in UTC; empty for none."""
    return "" if time is None else f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}Z"


def span(time: dt.timedelta) -> str:
    """A length of time as a person says it: minutes, hours or days."""
    hours = time.total_seconds() / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def plain(text: str) -> str:
    """The text without the power over a terminal that control characters in names and values of files would have."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _told(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else plain(str(cell))


def _draw(headers: Sequence[str], rows: list[list[str]], numeric: list[bool], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=SIMPLE_HEAD)
    drawn.padding = (0, 1, 0, 0)
    needed = 2
    for place, header in enumerate(headers):
        widest = max(len(header), *(len(row[place]) for row in rows), 0)
        # What is copied from here, such as an id, and every number stay in one piece; long texts are folded around them.
        whole = widest <= _WHOLE
        needed += (widest if whole else _FOLDED) + 2
        drawn.add_column(header, justify="right" if numeric[place] else "left", no_wrap=whole, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console(width=max(Console().width, needed)).print(drawn)


def _align(headers: Sequence[str], rows: list[list[str]], numeric: list[bool], title: str) -> None:
    lines = [list(headers), *([cell.replace("\n", "\\n") for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headers))]
    if title:
        click.echo(title)
    for line in lines:
        cells = zip(line, widths, numeric, strict=True)
        click.echo("  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip())
