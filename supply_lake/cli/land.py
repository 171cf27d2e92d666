"""``supply-lake land``: files, or what comes in on standard input, into landing."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import click

from supply_lake.cli.output import as_json, print_json, size, table
from supply_lake.cli.times import Date

_STDIN = Path("-")


@click.command(short_help="Put files into landing.")
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--name", "file", default="", help="The name that standard input lands under; by default it tells the bytes.")
@click.option("--date", type=Date(), help="Landing date; by default the one that a file's name tells, else today (UTC).")
@as_json
def land(name: str, files: tuple[Path, ...], file: str, date: dt.date | None, as_json: bool) -> None:
    """Put FILES into landing, under the keys that dataset NAME declares. What stands there already becomes an older version.

    "-" lands standard input, once it has ended, as one file.

    \b
    Example:
      supply-lake land shipments status-*.csv.gz --date 2026-11-01
      zcat status.csv.gz | supply-lake land shipments -
    """
    paths = [path for path in files if path != _STDIN]
    if file and _STDIN not in files:
        raise click.UsageError("--name is for standard input; a file keeps its own name")
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        stream = sys.stdin.buffer if _STDIN in files else None
        landed = [(lake.stores.landing.uri(one.key), one) for one in lake.land(name, *paths, data=stream, file=file, date=date)]
    if as_json:
        print_json([{"dataset": name, "uri": uri, "key": one.key, "etag": one.etag, "size": one.size} for uri, one in landed])
    else:
        table(["landed", "size"], [[uri, size(one.size)] for uri, one in landed])
