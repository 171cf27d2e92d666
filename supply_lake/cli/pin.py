"""``supply-lake pin``, ``pins`` and ``unpin``: fix what several datasets are read at, for ever.

What belongs here: the verbs. What does not: pins (``query.pins``).
"""

from __future__ import annotations

import datetime as dt

import click

from supply_lake.cli.output import Cell, moment, print_json, table
from supply_lake.cli.output import as_json as json_option
from supply_lake.cli.times import Time
from supply_lake.errors import VerificationError


@click.command(short_help="Write down what datasets are read at, for ever.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--as-of", type=Time(), help="The commits of this time (UTC), not the newest.")
@click.option("--output", "-o", metavar="FILE|URL", required=True, help="Write the pin there.")
@click.option("--name", default="", help="What people call it.")
@click.option("--register/--no-register", default=True, help="Have the lake keep the files that it names. Default: register.")
@json_option
def pin(names: tuple[str, ...], *, as_of: dt.datetime | None, output: str, name: str, register: bool, as_json: bool) -> None:
    """Write a pin of datasets, of all without a name.

    A query under the pin gives the same rows for ever: it sees these commits and nothing later, and what it reads is held
    against the pin's digest.

    \b
    Example:
      supply-lake pin shipments inventory -o november.pin.json
      supply-lake pin --as-of 2026-11-01 -o november.pin.json --name "plan of November"
    """
    from supply_lake.lake import Lake
    from supply_lake.snapshots.pins import pin_json

    with Lake.open() as lake:
        made = lake.pin(names or None, as_of=as_of, name=name, register=register, to=output)
    if as_json:
        print_json(pin_json(made))
        return
    rows: list[list[Cell]] = [
        [one.dataset, one.commit, moment(one.committed_at), one.snapshots, one.rows] for one in made.datasets
    ]
    table(["dataset", "commit", "committed", "snapshots", "rows"], rows, title=f"{made.id}  {made.name}".rstrip())
    kept = (
        f"registered; `supply-lake unpin {made.id}` lets its files go"
        if register
        else "not registered: gc may remove its files"
    )
    click.echo(f"written to {output}, {kept}", err=True)


@click.command(short_help="List registered pins, or prove one from the files.")
@click.option("--verify", "checked", metavar="FILE|URL", help="Read every file that this pin names, and prove its digests.")
@json_option
def pins(checked: str | None, as_json: bool) -> None:
    """List the pins that the lake keeps files for.

    \b
    Example:
      supply-lake pins
      supply-lake pins --verify november.pin.json
    """
    from supply_lake.lake import Lake
    from supply_lake.snapshots.pins import pin_json

    with Lake.open() as lake:
        if checked is not None:
            _prove(lake.prove_pin(checked), checked, as_json)
            return
        found = lake.pins()
    if as_json:
        print_json([pin_json(one) for one in found])
        return
    rows = [
        [one.id, one.name, moment(one.created_at), one.by, ", ".join(f"{at.dataset}@{at.commit}" for at in one.datasets)]
        for one in found
    ]
    table(["pin", "name", "created", "by", "datasets"], rows)


def _prove(problems: list[str], name: str, as_json: bool) -> None:
    if as_json:
        print_json({"pin": name, "problems": problems})
    for problem in () if as_json else problems:
        click.echo(problem)
    if problems:
        raise VerificationError(f"{name} does not hold: {len(problems)} problems")
    if not as_json:
        click.echo(f"{name} holds: every file is the one that was pinned")


@click.command(short_help="Let the files of a pin go.")
@click.argument("pin_id", metavar="PIN")
@json_option
def unpin(pin_id: str, as_json: bool) -> None:
    """Forget a registered pin: the lake keeps no files for it any more. Its file stays, and may stop to hold.

    \b
    Example:
      supply-lake unpin 019f6d2e-5c1a-7000-8000-000000000000
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        lake.unpin(pin_id)
    if as_json:
        print_json({"unpinned": pin_id})
    else:
        click.echo(f"{pin_id} is not registered any more; `supply-lake gc` may remove what only it named")
