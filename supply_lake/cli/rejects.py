"""``supply-lake rejects``: what was set aside, and why.

What belongs here: laying out rejected rows. What does not: finding them (``lake``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from supply_lake.cli.output import as_json, table

if TYPE_CHECKING:
    from supply_lake.lake import Lake

_ROWS = 20
_FIELDS = 'source, line, "column", "value", reason, raw, outcome, snapshot_id'
# Rows that broke one rule are told together, whatever line or file their reasons name.
_BY_RULE = r"""
    SELECT outcome, "column", CASE WHEN count(DISTINCT reason) = 1 THEN any_value(reason) ELSE rule END AS rule,
           count(*) AS times, arg_min("value", (source, line)) AS example,
           arg_min(source, (source, line)) AS source, arg_min(line, (source, line)) AS line
    FROM (
        SELECT *, regexp_replace(regexp_replace(reason, 'line [0-9]+ of .+, which', 'line … of …, which'),
                                 '[0-9]+', '…', 'g') AS rule
        FROM ({rejects})
    )
    GROUP BY outcome, "column", rule ORDER BY times DESC, rule
"""


@click.command(short_help="Read rejected rows, with the reasons.")
@click.argument("name")
@click.option("--snapshot", metavar="ID", help="Only those of one snapshot's batch.")
@click.option(
    "--outcome",
    type=click.Choice(["rejected", "deduplicated", "all"]),
    default="rejected",
    show_default=True,
    help="Rows that break the contract, rows that another row of their key outdid, or both.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Rows to show; default {_ROWS}, with --json all.")
@as_json
def rejects(
    name: str,
    snapshot: str | None,
    outcome: Literal["rejected", "deduplicated", "all"],
    limit: int | None,
    as_json: bool,
) -> None:
    """Read the rows of dataset NAME that were set aside: by rule, then row by row, with their raw values.

    Rows of an object that a later batch read again, or whose newer bytes took the place of what was live, no longer stand, and
    are left out unless their snapshot is named.

    \b
    Example:
      supply-lake rejects shipments
      supply-lake rejects shipments --json | jq '.[].reason'
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        if as_json:
            _print_json(lake, name, snapshot, outcome, limit)
        else:
            _report(lake, name, snapshot, outcome, limit or _ROWS)


def _print_json(
    lake: Lake, name: str, snapshot: str | None, outcome: Literal["rejected", "deduplicated", "all"], limit: int | None
) -> None:
    from supply_lake.query.formats import json_array

    sql = f"SELECT {_FIELDS} FROM ({{rejects}})" + (f" LIMIT {limit}" if limit else "")
    with lake.rejects_answer(name, snapshot_id=snapshot, outcome=outcome, sql=sql) as answer:
        for piece in json_array(answer.schema, answer.batches()):
            click.echo(piece, nl=False)


def _report(
    lake: Lake, name: str, snapshot: str | None, outcome: Literal["rejected", "deduplicated", "all"], limit: int
) -> None:
    with lake.rejects_answer(name, snapshot_id=snapshot, outcome=outcome, sql=_BY_RULE) as answer:
        rules = answer.table().to_pylist()
    if not rules:
        which = "" if outcome == "all" else f"{outcome} "
        click.echo(f"No {which}rows of {name} stand.")
        return
    table(
        ["outcome", "column", "rule", "times", "example", "at"],
        [[r["outcome"], r["column"], r["rule"], r["times"], r["example"], _place(r)] for r in rules],
        title=f"What set rows of {name} aside",
    )
    sql = f"SELECT * FROM ({{rejects}}) LIMIT {limit}"
    with lake.rejects_answer(name, snapshot_id=snapshot, outcome=outcome, sql=sql) as answer:
        rows = answer.table().to_pylist()
    click.echo()
    table(
        ["source", "line", "column", "value", "reason", "raw"],
        [[r["source"], r["line"], r["column"], r["value"], r["reason"], _short(r["raw"])] for r in rows],
        title=f"The first {len(rows)}, reason by reason",
    )


def _place(rule: dict[str, object]) -> str:
    return f"{rule['source']}:{rule['line']}" if rule["line"] is not None else str(rule["source"])


def _short(raw: str | None) -> str:
    text = raw or ""
    return text if len(text) <= 200 else text[:199] + "…"
