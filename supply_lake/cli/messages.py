"""``supply-lake messages``: those of the queue that told nothing usable."""

from __future__ import annotations

import click

from supply_lake.cli.output import as_json, moment, print_json, table


@click.command(short_help="Show messages of the queue that were given up.")
@as_json
def messages(as_json: bool) -> None:
    """Show the messages that told nothing usable, with the reasons. --json has their whole text.

    What they tried to tell of is found by the next complete listing, if it stands in landing. Each is a JSON object below
    dead_letters/ in the place of rejects: delete it there when it is dealt with.

    \b
    Example:
      supply-lake messages --json
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        letters = list(lake.dead_letters())
    if as_json:
        print_json([letter.to_json() for letter in letters])
    elif letters:
        table(
            ["message", "sent", "received", "reason"],
            [[one.message_id, moment(one.sent_at), one.receives, "; ".join(one.reasons)] for one in letters],
        )
    else:
        click.echo("No message was given up.")
