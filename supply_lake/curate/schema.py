"""The published schema of a dataset, as a value, and the difference of two.

What belongs here: the nouns and the comparison, pure. What does not: how a batch comes to its schema (``evolve``), numbering
versions and keeping them (``snapshots``). It stands in this room because curation makes schemas and starts from them, and the
commit, further up, compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from supply_lake.datasets.types import DataType, parse_type
from supply_lake.datasets.widening import TEXT, promoted

RESCUED = "_rescued"
LINEAGE = ("_source", "_line", "_snapshot_id", "_deleted")


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """One published column.

    ``type`` is what it is published as, ``declared`` what the contract says: empty for a column that files brought, and for
    ``_rescued``. ``sources`` are the names under which files brought a column that no contract names.
    """

    name: str
    type: str
    declared: str = ""
    nullable: bool = True
    sources: tuple[str, ...] = ()

    @property
    def kind(self) -> DataType:
        """The parsed type."""
        return parse_type(self.type)

    @property
    def discovered(self) -> bool:
        """Whether files brought it, and no contract names it."""
        return bool(self.sources)


@dataclass(frozen=True, slots=True)
class Schema:
    """What a dataset publishes: its columns in order, what tells rows apart, and how it meets change."""

    columns: tuple[SchemaColumn, ...]
    primary_key: tuple[str, ...] = ()
    evolution: str = ""

    def by_name(self) -> dict[str, SchemaColumn]:
        """The columns by their names."""
        return {one.name: one for one in self.columns}

    @property
    def discovered(self) -> tuple[SchemaColumn, ...]:
        """The columns that files brought."""
        return tuple(one for one in self.columns if one.discovered)


class ChangeKind(StrEnum):
    """What became of a column."""

    ADDED = "added"
    REMOVED = "removed"
    WIDENED = "widened"  # values came that the earlier type does not hold
    CONTRACT = "contract"  # the declaration says something else


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``object`` is the landing key that brought it; empty where the declaration did.

    ``column`` is empty when the dataset as a whole is meant.
    """

    kind: ChangeKind
    column: str
    before: str
    after: str
    object: str = ""

    def __str__(self) -> str:
        by = f", brought by {self.object}" if self.object else ""
        what = f"column {self.column!r}" if self.column else "the dataset"
        match self.kind:
            case ChangeKind.ADDED:
                return f"{what} was added as {self.after}{by}"
            case ChangeKind.REMOVED:
                return f"{what} ({self.before}) was removed"
            case ChangeKind.WIDENED:
                return f"{what} was widened from {self.before} to {self.after}{by}"
        return f"the contract of {what} changed from {self.before} to {self.after}"


def difference(before: Schema | None, after: Schema, brought: Mapping[str, str]) -> tuple[Change, ...]:
    """What has changed, in the order of the columns; columns that are gone come last.

    :param before: ``None`` when nothing was published yet
    :param brought: column → landing key of the object that brought its new form
    """
    old, new = before.by_name() if before else {}, after.by_name()
    changes = [change for one in after.columns for change in _changes(old.get(one.name), one, brought.get(one.name, ""))]
    gone = [one for one in old.values() if one.name not in new]
    changes += [Change(ChangeKind.REMOVED, one.name, one.type, "") for one in gone]
    return (*changes, *(_rules(before, after) if before else ()))


def _changes(old: SchemaColumn | None, new: SchemaColumn, by: str) -> Iterator[Change]:
    if old is None:
        yield Change(ChangeKind.ADDED, new.name, "", new.type, by)
    elif _is_wider(old, new):
        yield Change(ChangeKind.WIDENED, new.name, old.type, new.type, by)
    elif _said(old) != _said(new):
        yield Change(ChangeKind.CONTRACT, new.name, _said(old), _said(new))


def _is_wider(old: SchemaColumn, new: SchemaColumn) -> bool:
    """Whether values made it wider, under one and the same declaration."""
    if (old.declared, old.nullable) != (new.declared, new.nullable) or old.type == new.type:
        return False
    return (promoted(old.kind, new.kind) or TEXT) == new.kind


def _said(one: SchemaColumn) -> str:
    """What the contract and the files make of a column, in a few words."""
    if one.discovered:
        return f"{one.type}, not declared"
    declared = f", declared {one.declared}" if one.declared not in ("", one.type) else ""
    return f"{one.type}{'' if one.nullable else ' not null'}{declared}"


def _rules(before: Schema, after: Schema) -> Iterator[Change]:
    """What the contract says of the dataset as a whole."""
    for name in ("primary_key", "evolution"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Change(ChangeKind.CONTRACT, "", f"{name} {_text(old)}", f"{name} {_text(new)}")


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"
