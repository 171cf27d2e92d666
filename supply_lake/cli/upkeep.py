"""``supply-lake compact``, ``gc`` and ``reconcile``: the care of what is stored.

What belongs here: arguments and the reports. What does not: any of the work (``upkeep``).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import as_json, plain, print_json, size, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supply_lake.ingest.discovery import TickReport
    from supply_lake.snapshots.removal import Removal
    from supply_lake.upkeep.compact import Compacted
    from supply_lake.upkeep.reconcile import Reconciled

_DATE = click.DateTime(["%Y-%m-%d"])


@click.command(short_help="Put a dataset's small files together.")
@click.argument("name")
@click.option("--date", type=_DATE, metavar="YYYY-MM-DD", help="Only this partition date.")
@click.option(
    "--small-mb", type=click.FloatRange(0, min_open=True), default=32, help="Files below this size are small. Default: 32."
)
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would come of it.")
@as_json
def compact(name: str, date: dt.datetime | None, small_mb: float, dry_run: bool, as_json: bool) -> None:
    """Put small files of dataset NAME together, date by date, by commits that change no row. Earlier commits read as before.

    What the new files took the place of stays stored until `gc` removes it.

    \b
    Example:
      supply-lake compact shipments --dry-run
      supply-lake compact shipments
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        partition, small = date.date() if date else None, int(small_mb * 1024**2)
        done = lake.compact(name, partition=partition, small_bytes=small, dry_run=dry_run)
    if as_json:
        print_json([one.to_json() for one in done])
        return
    _compacted(name, done, dry_run)


def _compacted(name: str, done: Sequence[Compacted], dry_run: bool) -> None:
    if not done:
        click.echo(f"Nothing of {name} is worth it: no date has small files to put together.")
        return
    table(
        ["date", "snapshots", "files", "size", "files after", "size after", "commit"],
        [
            [
                str(one.partition),
                one.snapshots,
                one.files_before,
                size(one.bytes_before),
                one.files_after,
                size(one.bytes_after) if one.bytes_after else None,
                one.batch.commit if one.batch else None,
            ]
            for one in done
        ],
    )
    for one in done:
        if one.gave_way:
            click.echo(f"{name} {one.partition}: other writers committed first again and again; it is left for another time.")
    if dry_run:
        click.echo("Nothing was written.")


@click.command(short_help="Remove stored files that nothing reaches.")
@click.argument("names", nargs=-1)
@click.option("--delete", is_flag=True, help="Do it; without it nothing is written.")
@click.option(
    "--retention-days",
    type=click.FloatRange(0),
    metavar="N",
    help="How long a superseded version stays. Default: as the settings say.",
)
@click.option(
    "--grace-hours",
    type=click.FloatRange(0),
    metavar="N",
    help="How old a file without a record has to be. Default: as the settings say.",
)
@as_json
def gc(names: tuple[str, ...], delete: bool, retention_days: float | None, grace_hours: float | None, as_json: bool) -> None:
    """Tell what nothing reaches of datasets NAMES, or of all, and with --delete remove it.

    That are versions that were superseded for longer than the retention and that no pin names, and files that no record names.
    Every read as of a time within the retention stays as it is. What was removed is on record: `gc --json` prints it.

    \b
    Example:
      supply-lake gc
      supply-lake gc shipments --delete --retention-days 30
    """
    from supply_lake.lake import Lake
    from supply_lake.snapshots.removal import removal_json

    retention = None if retention_days is None else dt.timedelta(days=retention_days)
    grace = None if grace_hours is None else dt.timedelta(hours=grace_hours)
    with Lake.open() as lake:
        removals = lake.gc(names or None, delete=delete, retention=retention, grace=grace)
    if as_json:
        print_json([{**removal_json(one), "deleted": delete} for one in removals])
        return
    _collected(removals, deleted=delete)


def _collected(removals: Sequence[Removal], *, deleted: bool) -> None:
    table(
        ["dataset", "old versions", "files without a record", "files in all", "size"],
        [[one.dataset, len(one.snapshots), len(one.strays), one.files, size(one.bytes)] for one in removals],
    )
    if all(one.empty for one in removals):
        click.echo("There is nothing to remove.")
    else:
        click.echo("It is removed." if deleted else "Nothing was removed; add --delete to do it.")


@click.command(short_help="Compare listings with the ledger and the records.")
@click.argument("names", nargs=-1)
@as_json
def reconcile(names: tuple[str, ...], as_json: bool) -> None:
    """List landing whole and enter what was missed; list the stored files of datasets NAMES, or of all, and compare them with
    the records, both ways.

    Exit status 1 when a file is missing that a record names. Files that no record names are of runs at work, or left behind:
    `gc` removes those.

    \b
    Example:
      supply-lake reconcile
    """
    from supply_lake.lake import Lake
    from supply_lake.upkeep.reconcile import require

    with Lake.open() as lake:
        landing, found = lake.reconcile(names or None)
    if as_json:
        print_json({"landing": _landing_json(landing), "datasets": [one.to_json() for one in found]})
    else:
        _reconciled(landing, found)
    require(found)


def _landing_json(landing: TickReport) -> dict[str, object]:
    return {"new": landing.new, "pending": landing.pending, "waiting": dict(landing.waiting)}


def _reconciled(landing: TickReport, found: Sequence[Reconciled]) -> None:
    click.echo(f"Landing: {landing.new:,} objects were missed and are entered now, {landing.pending:,} of them to be ingested.")
    for key, reason in landing.waiting.items():
        click.echo(plain(f"{key}: {reason}"))
    table(
        ["dataset", "files", "missing", "without a record", "size"],
        [[one.dataset, one.files, len(one.missing), one.unnamed, size(one.unnamed_bytes)] for one in found],
    )
    for one in found:
        for path in one.missing:
            click.echo(plain(f"{one.dataset}: {path} is on record and not there, or of another size"))
        for told in one.exports:
            click.echo(plain(told))
