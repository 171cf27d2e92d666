"""``supply-lake replay`` and ``revoke``: rejected rows run again, and false accepts taken back.

What belongs here: arguments and the report. What does not: either of them (``sensors.by_hand`` runs them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from supply_lake.cli.ingest import print_batches, refuse_silence
from supply_lake.cli.output import as_json, plain, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supply_lake.lake import Lake
    from supply_lake.snapshots.records import Batch


@click.command(short_help="Run rejected rows again under the contract of today.")
@click.argument("name")
@click.option("--snapshot", metavar="ID", help="Only what stands of the rejects of this snapshot's batch.")
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would come of it.")
@as_json
def replay(name: str, snapshot: str | None, dry_run: bool, as_json: bool) -> None:
    """Run what was rejected of dataset NAME again, after its file was mended; what is good now is published, once.

    That are rejected rows, whole batches that were rejected or could not be read, and objects whose attempts are used up. Rows
    that are still bad stay rejected as they are. Exit status 1 when a batch that was rejected whole stays so.

    \b
    Example:
      supply-lake replay shipments --dry-run
      supply-lake replay shipments
    """
    from supply_lake.lake import Lake
    from supply_lake.settings import Settings

    settings = Settings.from_env()
    if dry_run:
        with Lake.open(settings) as lake:
            _rehearse(lake, name, snapshot, as_json)
        return
    from supply_lake.sensors.by_hand import run_replay

    done = run_replay(settings, name, snapshot)
    print_batches(done.batches, done.remarks, as_json=as_json)
    if not as_json:
        with Lake.open(settings) as lake:
            _say_what_stands(lake, name, done.batches)
    refuse_silence(done.batches, done.troubles)


def _rehearse(lake: Lake, name: str, snapshot: str | None, as_json: bool) -> None:
    done = lake.replay(name, snapshot_id=snapshot, dry_run=True)
    print_batches([one.batch for one in done], (), as_json=as_json)
    if as_json:
        return
    rules: dict[str, int] = {}
    for one in done:
        for rule, rows in one.rules.items():
            rules[rule] = rules.get(rule, 0) + rows
        for key, reason in one.left.items():
            click.echo(plain(f"{name} {one.batch.landing_date}: {key} would not be taken up: {reason}"))
    if rules:
        table(["rows", "still break"], [[rows, rule] for rule, rows in rules.items()], title=f"What is still wrong in {name}")
    click.echo("Nothing was written." if done else f"Nothing of {name} stands rejected.")


def _say_what_stands(lake: Lake, name: str, batches: Sequence[Batch]) -> None:
    rows = sum(one["rows"] for one in lake.rejects_summary(name, by="source").to_pylist())
    if rows:
        click.echo(f"{rows:,} rows of {name} stand rejected still; see `supply-lake rejects {name}`.")
    elif not batches:
        click.echo(f"Nothing of {name} stands rejected.")


@click.command(short_help="Take a snapshot out of the live set.")
@click.argument("snapshot")
@click.option("--why", required=True, help="The reason, for whoever reads the history.")
@click.option("--by", default="", help="Who asks for it; by default the user of this process.")
@as_json
def revoke(snapshot: str, why: str, by: str, as_json: bool) -> None:
    """Take back SNAPSHOT, which should never have been accepted, by a commit like any other. Earlier commits read as before.

    What it had taken the place of is live again. Its files are not published again; a corrected file under the same key is.

    \b
    Example:
      supply-lake revoke 01a1f0c2-7d3e-7c11-9a55-0d3c5f2f7e10 --why "the warehouse sent yesterday's counts"
    """
    from supply_lake.sensors.by_hand import run_revocation
    from supply_lake.settings import Settings
    from supply_lake.snapshots.records import batch_json

    batch = run_revocation(Settings.from_env(), snapshot, why=why, by=by)
    if as_json:
        print_json(batch_json(batch))
        return
    click.echo(f"{batch.dataset}: snapshot {snapshot} is revoked by commit {batch.commit}.")
    instead = [[str(one.partition), one.id, one.restores or None, one.rows_total] for one in batch.snapshots if one.files]
    if instead:
        table(["date", "live instead", "holds again", "rows"], instead)
    for note in batch.notes:
        click.echo(plain(note))
