"""``supply-lake diff`` and ``changes``: what differs between two versions of a dataset, and what every commit has changed.

What belongs here: the verbs. What does not: finding changes (``query.difference``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import Cell, table
from supply_lake.cli.rows import chosen, put, target, with_format

if TYPE_CHECKING:
    from supply_lake.query.difference import Difference


@click.command(short_help="Show what differs between two versions.")
@click.argument("name")
@click.argument("a")
@click.argument("b")
@click.option("--key", "-k", multiple=True, metavar="COLUMN", help="Tells rows apart, instead of the primary key.")
@click.option("--summary", is_flag=True, help="Counts alone.")
@click.option("--cells", is_flag=True, help="One row for each changed cell, as text, instead of one for each row.")
@with_format
def diff(
    name: str,
    a: str,
    b: str,
    *,
    key: tuple[str, ...],
    summary: bool,
    cells: bool,
    form: str | None,
    as_json: bool,
    output: str | None,
) -> None:
    """Compare two versions of a dataset: commits, times, or snapshots.

    JSON has the counts, changed cells, and the rows that came or went. CSV and Parquet have a row for each changed row, with
    the row before and after.

    \b
    Example:
      supply-lake diff inventory 6 7
      supply-lake diff inventory 2026-11-01 2026-11-08T12:00Z --cells -o cells.csv
    """
    from supply_lake.lake import Lake

    form = chosen(form, as_json, output)
    with Lake.open() as lake, lake.diff(name, a, b, key=key or None) as found:
        if form == "json":
            with target(output) as file:
                for piece in found.json(rows=not summary):
                    file.write(piece.encode())
            return
        if form == "table":
            _summary(found)
            if not summary:
                _changes(found)
            return
        rows = found.cells() if cells else found.rows()
        put(rows.schema, iter(rows), form, output)


@click.command(short_help="Show every change since a commit.")
@click.argument("name")
@click.option("--since", type=click.IntRange(0), required=True, help="The commit that is known already; 0 for none.")
@click.option("--until", type=click.IntRange(0), help="The last commit; the newest when left out.")
@click.option("--key", "-k", multiple=True, metavar="COLUMN", help="Tells rows apart, instead of the primary key.")
@with_format
def changes(
    name: str,
    *,
    since: int,
    until: int | None,
    key: tuple[str, ...],
    form: str | None,
    as_json: bool,
    output: str | None,
) -> None:
    """Show every change of a dataset's rows after a commit, commit by commit, with the row before and after it.

    \b
    Example:
      supply-lake changes inventory --since 6 --format parquet -o since-6.parquet
    """
    from supply_lake.lake import Lake

    form = chosen(form, as_json, output)
    with Lake.open() as lake:
        feed = lake.changes(name, since, until, key=key or None)
        put(feed.schema, iter(feed), form, output)


def _summary(found: Difference) -> None:
    rows: list[Sequence[Cell]] = [
        [told, side.commit, side.snapshots, side.rows] for told, side in (("before", found.before), ("after", found.after))
    ]
    table(["version", "commit", "snapshots", "rows"], rows)
    for change in found.schema:
        click.echo(f"schema: {change}")
    by = f" by {', '.join(found.key)}" if found.key else ", compared as whole rows: the dataset has no key"
    click.echo(f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed{by}")


def _changes(found: Difference) -> None:
    if found.changed:
        cells = found.cells()
        put(cells.schema, iter(cells), "table", None)
    if found.added or found.removed:
        rows = found.came_or_went()
        put(rows.schema, iter(rows), "table", None)
