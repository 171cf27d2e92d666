"""``supply-lake extract``: what a source has, into landing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.output import as_json, print_json, size, table

if TYPE_CHECKING:
    from supply_lake.landing.pull import Landed


@click.command(short_help="Pull a dataset's source into landing.")
@click.argument("name")
@click.option("--from", "start", metavar="T", help="First day, time or cursor value to pull; by default what is due now.")
@click.option("--to", "end", metavar="T", help="First one that is left out; by default everything up to now.")
@as_json
def extract(name: str, start: str | None, end: str | None, as_json: bool) -> None:
    """Pull from the source of dataset NAME into landing: what is due now, or a span of days or of its cursor.

    The same span lands under the same key again. What is there already is not written twice.

    \b
    Example:
      supply-lake extract sales_orders
      supply-lake extract sales_orders --from 2026-10-01 --to 2026-11-01
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        landed = lake.extract(name, start=start, end=end)
    if as_json:
        print_json([_json(one) for one in landed])
    elif not landed:
        click.echo(f"Nothing of {name} has changed since the last pull.")
    else:
        _report(landed)


def _json(landed: Landed) -> dict[str, Any]:
    return {**landed.manifest.to_json(), "new": landed.new}


def _report(landed: list[Landed]) -> None:
    table(
        ["landed", "new", "reported", "rows", "size", "from", "to"],
        [
            [one.key, "yes" if new else "no", one.rows_reported, one.rows, size(one.size), one.start, one.end]
            for one, new in ((each.manifest, each.new) for each in landed)
        ],
    )
    for each in landed:
        for note in each.manifest.notes:
            click.echo(f"{each.manifest.key.rpartition('/')[2]}: {note}")
