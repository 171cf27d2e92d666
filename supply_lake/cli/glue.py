"""``supply-lake catalog``: what the external catalog shows, and its repair.

What belongs here: the report, and the exit status. What does not: the comparison (``exports.glue``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import as_json, print_json, table
from supply_lake.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from supply_lake.exports.glue import Shown


@click.command("catalog", short_help="Show what the external catalog has, and repair it.")
@click.argument("names", nargs=-1)
@click.option("--repair", is_flag=True, help="Compare every table and partition with the records, and mend what differs.")
@as_json
def catalog(names: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Show which commit of datasets NAMES, or of all, the external catalog has.

    Exit status 1 when it doesn't answer, or refuses.

    \b
    Example:
      supply-lake catalog
      supply-lake catalog shipments --repair
    """
    from supply_lake.exports.glue import repaired, shown
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        stores = lake.stores
        if stores.catalog is None:
            raise UsageError("this lake has no catalog; set SUPPLY_LAKE_CATALOG=glue")
        specs = [stores.registry.get(name) for name in names or stores.registry]
        found = [(repaired if repair else shown)(stores.catalog, stores.lake, spec) for spec in specs]
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        _report(found, repaired=repair)
    failed = [one for one in found if one.error]
    if failed:
        raise CatalogError(f"{failed[0].dataset}: {failed[0].error}")


def _report(found: list[Shown], *, repaired: bool) -> None:
    more = ["made", "changed", "removed"] if repaired else []
    rows: list[list[str | int]] = []
    for one in found:
        shown = "?" if one.error else "nothing" if one.shown is None else f"commit {one.shown}"
        state = "current" if one.current else f"behind: {one.lag.reason}" if one.lag else "behind"
        counts: list[int] = [one.created, one.updated, one.removed] if repaired else []
        rows.append([one.dataset, one.commit, shown, state, *counts])
    table(["dataset", "newest", "catalog", "state", *more], rows)
