"""``supply-lake schema``: the contract, what is published, and every change of it.

What belongs here: laying it out. What does not: finding it (``lake``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import Cell, as_json, moment, print_json, table

if TYPE_CHECKING:
    from supply_lake.curate.schema import Change
    from supply_lake.query.schemas import ColumnState, DatasetSchema
    from supply_lake.snapshots.schema_versions import SchemaVersion


@click.command(short_help="Show a dataset's columns and the history of their changes.")
@click.argument("name")
@as_json
def schema(name: str, as_json: bool) -> None:
    """Show what dataset NAME declares, what is published of it, columns that files brought, and every change so far.

    \b
    Example:
      supply-lake schema shipments
      supply-lake schema shipments --json | jq '.versions[].difference'
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        found = lake.schema(name)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(_head(found))
    click.echo()
    table(
        ["column", "published", "declared", "null", "version", "in files", "meaning"],
        [_column(one) for one in found.columns],
    )
    if found.versions:
        click.echo()
        rows = [row for version in reversed(found.versions) for row in _changes(version)]
        table(["version", "commit", "committed at", "change", "column", "from", "to", "object"], rows, title="Changes")


def _head(found: DatasetSchema) -> str:
    current, spec = found.current, found.spec
    published = f"version {current.number}, since commit {current.commit}" if current else "nothing is published yet"
    key = f"; key {', '.join(spec.primary_key)}" if spec.primary_key else ""
    return f"{spec.name}: {published}; evolution {spec.evolution}{key}"


def _column(one: ColumnState) -> list[Cell]:
    declared, published = one.declared, one.published
    return [
        one.name,
        published.type if published else "not yet",
        declared.type if declared else "no",
        "yes" if one.nullable else "no",
        one.version or None,
        ", ".join(file for file in one.names_in_files if file != one.name),
        declared.description if declared else "",
    ]


def _changes(version: SchemaVersion) -> Iterator[list[Cell]]:
    """A row for each change; columns that the declaration added together are told together."""
    place: list[Cell] = [version.number, version.commit, moment(version.committed_at)]
    for (together, kind), group in groupby(version.changes, key=lambda one: (_declared(one), str(one.kind))):
        changes = list(group)
        if together and len(changes) > 1:
            names = ", ".join(one.column for one in changes)
            yield [*place, kind, names, "", f"{len(changes)} declared columns", version.object]
            continue
        for one in changes:
            yield [*place, kind, one.column, one.before, one.after, one.object]


def _declared(change: Change) -> bool:
    return not change.before and not change.object
