"""``supply-lake verify``: the proof from the files.

What belongs here: progress, the report, and the exit status. What does not: the proof (``query.verify``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import FOUR, as_json, four, print_json, size, table

if TYPE_CHECKING:
    from supply_lake.query.verify import Report


@click.command(short_help="Prove from the files that no row is lost or made up.")
@click.argument("names", nargs=-1)
@click.option("--landing", is_flag=True, help="Count the records of landed objects again, too. Reads everything anew.")
@as_json
def verify(names: tuple[str, ...], landing: bool, as_json: bool) -> None:
    """Prove the records of datasets NAMES, or of all, from the files: checksums, counts, conservation, history.

    Exit status 1 when anything disagrees.

    \b
    Example:
      supply-lake verify
      supply-lake verify shipments --landing
    """
    from supply_lake.lake import Lake
    from supply_lake.query.verify import require

    with Lake.open() as lake, _progress(quiet=as_json) as on_file:
        reports = lake.verify(names or None, landing=landing, on_file=on_file)
    if as_json:
        print_json([report.to_json() for report in reports])
    else:
        _report(reports)
    require(reports)


def _report(reports: list[Report]) -> None:
    table(
        ["dataset", "proof", "commits", "snapshots", "files", "size", *FOUR],
        [
            [r.dataset, "holds" if r.proven else "FAILS", r.commits, r.snapshots, r.files, size(r.bytes), *four(r.rows)]
            for r in reports
        ],
    )
    for report in reports:
        for sentence in [*report.problems, *report.information]:
            click.echo(f"{report.dataset}: {sentence}")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """A line on stderr for whoever is watching."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    files = read = 0

    with Console(stderr=True).status("Reading files…") as status:

        def on_file(number: int) -> None:
            nonlocal files, read
            files, read = files + 1, read + number
            status.update(f"Read {files:,} files, {size(read)}")

        yield on_file
