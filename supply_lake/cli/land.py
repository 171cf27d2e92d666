"""``supply-lake land``: files into landing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from supply_lake.cli.output import as_json, print_json, size, table
from supply_lake.cli.times import Date


@click.command(short_help="Put files into landing.")
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--date", type=Date(), help="Landing date; by default the one that a file's name tells, else today (UTC).")
@as_json
def land(name: str, files: tuple[Path, ...], date: dt.date | None, as_json: bool) -> None:
    """Put FILES into landing, under the keys that dataset NAME declares. What stands there already becomes an older version.

    \b
    Example:
      supply-lake land shipments status-*.csv.gz --date 2026-11-01
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        landed = [(lake.stores.landing.uri(one.key), one) for one in lake.land(name, *files, date=date)]
    if as_json:
        print_json([{"dataset": name, "uri": uri, "key": one.key, "etag": one.etag, "size": one.size} for uri, one in landed])
    else:
        table(["landed", "size"], [[uri, size(one.size)] for uri, one in landed])
