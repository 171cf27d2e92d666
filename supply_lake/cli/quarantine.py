"""``supply-lake replay`` and ``revoke``: rejected rows run again, and false accepts taken back.

What belongs here: arguments and the report. What does not: either of them (``ingest.replay``, ``ingest.revoke``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.output import FOUR, as_json, four, print_json, table

if TYPE_CHECKING:
    from supply_lake.ingest.replay import Replay


@click.command(short_help="Run rejected rows again under the contract of today.")
@click.argument("name")
@click.option("--snapshot", metavar="ID", help="Only what stands of the rejects of this snapshot's batch.")
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would come of it.")
@as_json
def replay(name: str, snapshot: str | None, dry_run: bool, as_json: bool) -> None:
    """Run what was rejected of dataset NAME again, after its file was mended; what is good now is published, once.

    Rows that are still bad stay in the rejects as they are.

    \b
    Example:
      supply-lake replay shipments --dry-run
      supply-lake replay shipments
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        done = lake.replay(name, snapshot_id=snapshot, dry_run=dry_run)
    if as_json:
        print_json([_replay_json(one) for one in done])
        return
    if not done:
        click.echo(f"Nothing of {name} stands rejected that could be run again.")
        return
    table(
        ["landing date", "status", "commit", *FOUR, "still rejected"],
        [[str(r.batch.landing_date), r.batch.status, r.batch.commit, *four(r.batch.rows), r.still_bad] for r in done],
    )
    for one in done:
        for told in (one.batch.reason, *(f"{key} was not taken up: {why}" for key, why in one.left.items())):
            if told:
                click.echo(f"{name} {one.batch.landing_date}: {told}")
    if dry_run:
        click.echo("Nothing was written.")


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
    from supply_lake.lake import Lake
    from supply_lake.snapshots.records import batch_json

    with Lake.open() as lake:
        batch = lake.revoke(snapshot, why=why, by=by)
    if as_json:
        print_json(batch_json(batch))
    else:
        click.echo(f"{batch.dataset}: snapshot {snapshot} is revoked by commit {batch.commit}.")


def _replay_json(one: Replay) -> dict[str, Any]:
    from supply_lake.snapshots.records import batch_json

    return {**batch_json(one.batch), "rules": dict(one.rules), "still_rejected": one.still_bad, "left": dict(one.left)}
