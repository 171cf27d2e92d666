"""``supply-lake rejects``: what was set aside, and why.

What belongs here: laying out rejected rows. What does not: finding them (``lake``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.output import as_json, print_json, table

if TYPE_CHECKING:
    from supply_lake.lake import Lake
    from supply_lake.query.rejects import Outcome

_ROWS = 20
_SOURCES = 20


@click.command(short_help="Read rejected rows, with the reasons.")
@click.argument("name")
@click.option("--summary", is_flag=True, help="Only how many, by rule and by source object.")
@click.option(
    "--rule", default="", metavar="TEXT", help="Only reasons with this text, or of this column; … stands for anything."
)
@click.option(
    "--source", default="", metavar="KEY", help="Only of this object, by its key or the end of it; * stands for anything."
)
@click.option("--snapshot", metavar="ID", help="Only those of one snapshot's batch, whether they still stand or not.")
@click.option(
    "--outcome",
    type=click.Choice(["rejected", "deduplicated", "all"]),
    default="rejected",
    show_default=True,
    help="Rows that break the contract, rows that another row of their key outdid, or both.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Reasons to show; default {_ROWS}, with --json all.")
@click.option("--offset", type=click.IntRange(0), default=0, metavar="N", help="Leave out the first N.")
@as_json
def rejects(
    name: str,
    *,
    summary: bool,
    rule: str,
    source: str,
    snapshot: str | None,
    outcome: Outcome,
    limit: int | None,
    offset: int,
    as_json: bool,
) -> None:
    """Read the rows of dataset NAME that were set aside: by rule, by source object, then row by row, with their raw values.

    Rows that a later batch read again or a replay took up, or whose object was overwritten, no longer stand, and are left out
    unless their snapshot is named.

    \b
    Example:
      supply-lake rejects shipments
      supply-lake rejects shipments --rule "is no date" --json | jq '.[].value'
    """
    from supply_lake.lake import Lake

    chosen: dict[str, Any] = {"snapshot_id": snapshot, "outcome": outcome, "rule": rule, "source": source}
    with Lake.open() as lake:
        if as_json and not summary:
            _print_json(lake, name, limit=limit, offset=offset, **chosen)
            return
        rules = lake.rejects_summary(name, by="rule", **chosen).to_pylist()
        sources = lake.rejects_summary(name, by="source", **chosen).to_pylist()
        if as_json:
            print_json({"dataset": name, "rules": rules, "sources": sources})
            return
        _summary(name, outcome, rules, sources)
        if rules and not summary:
            rows = lake.rejects(name, limit=limit or _ROWS, offset=offset, **chosen).to_pylist()
            _rows(rows, offset)


def _print_json(
    lake: Lake,
    name: str,
    *,
    snapshot_id: str | None,
    outcome: Outcome,
    rule: str,
    source: str,
    limit: int | None,
    offset: int,
) -> None:
    from supply_lake.query.formats import json_array
    from supply_lake.query.rejects import Which

    which = Which(outcome, rule, source)
    with lake.rejects_answer(name, which, snapshot_id=snapshot_id, limit=limit, offset=offset) as answer:
        for piece in json_array(answer.schema, answer.batches()):
            click.echo(piece, nl=False)


def _summary(name: str, outcome: str, rules: list[dict[str, Any]], sources: list[dict[str, Any]]) -> None:
    if not rules:
        which = "" if outcome == "all" else f"{outcome} "
        click.echo(f"No {which}rows of {name} stand.")
        return
    table(
        ["outcome", "column", "rule", "rows", "sources", "example", "at"],
        [[r["outcome"], r["column"], r["rule"], r["rows"], r["sources"], r["example"], _place(r)] for r in rules],
        title=f"What set rows of {name} aside",
    )
    click.echo()
    more = f"; {len(sources) - _SOURCES:,} more with --summary --json" if len(sources) > _SOURCES else ""
    table(
        ["outcome", "source", "rows", "rules", "most often", "snapshot"],
        [[s["outcome"], s["source"], s["rows"], s["rules"], s["most_often"], s["snapshot_id"]] for s in sources[:_SOURCES]],
        title=f"Where they came from{more}",
    )


def _rows(rows: list[dict[str, Any]], offset: int) -> None:
    click.echo()
    table(
        ["source", "line", "column", "value", "reason", "raw"],
        [[r["source"], r["line"], r["column"], r["value"], r["reason"], _short(r["raw"])] for r in rows],
        title=f"Reason by reason, {offset + 1:,} to {offset + len(rows):,}",
    )


def _place(rule: dict[str, object]) -> str:
    return f"{rule['source']}:{rule['line']}" if rule["line"] is not None else str(rule["source"])


def _short(raw: str | None) -> str:
    text = raw or ""
    return text if len(text) <= 200 else text[:199] + "…"
