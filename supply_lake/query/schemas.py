"""What a dataset publishes, beside what it declares, and how it came to that.

What belongs here: putting declaration and history together for a reader. What does not: the history itself
(``snapshots.schema_versions``) and laying it out (``cli.schema``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supply_lake.curate.schema import SchemaColumn
from supply_lake.datasets.column import Column
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.snapshots.schema_versions import SchemaVersion, version_json


@dataclass(frozen=True, slots=True)
class ColumnState:
    """One column: what the contract says today, and what was published last.

    ``declared`` is ``None`` for a column that files brought; ``published`` is ``None`` for one that no commit has had yet.
    ``version`` is that of its last change, 0 before the first.
    """

    name: str
    declared: Column | None
    published: SchemaColumn | None
    nullable: bool
    version: int

    @property
    def names_in_files(self) -> tuple[str, ...]:
        """The names under which files carry it."""
        if self.declared is not None:
            return self.declared.names_in_files
        return self.published.sources if self.published is not None else ()

    def to_json(self) -> dict[str, Any]:
        """The column as public JSON."""
        return {
            "name": self.name,
            "type": self.published.type if self.published else None,
            "declared": self.declared.type if self.declared else None,
            "discovered": self.published is not None and self.published.discovered,
            "nullable": self.nullable,
            "sources": list(self.names_in_files),
            "description": self.declared.description if self.declared else "",
            "unit": self.declared.unit if self.declared else "",
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """The contract of a dataset, its published columns, and every version of them, oldest first."""

    spec: DatasetSpec
    versions: tuple[SchemaVersion, ...]

    @property
    def current(self) -> SchemaVersion | None:
        """What was published last; ``None`` when nothing was."""
        return self.versions[-1] if self.versions else None

    @property
    def columns(self) -> tuple[ColumnState, ...]:
        """The declared columns in order, then those that are published besides."""
        published = {one.name: one for one in self.current.schema.columns} if self.current else {}
        changed = {change.column: version.number for version in self.versions for change in version.changes}
        declared = {column.name: column for column in self.spec.columns}
        return tuple(
            ColumnState(
                name=name,
                declared=declared.get(name),
                published=published.get(name),
                nullable=self.spec.is_nullable(declared[name]) if name in declared else True,
                version=changed.get(name, 0),
            )
            for name in dict.fromkeys([*declared, *published])
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as public JSON."""
        return {
            "dataset": self.spec.name,
            "version": self.current.number if self.current else 0,
            "evolution": str(self.spec.evolution),
            "primary_key": list(self.spec.primary_key),
            "columns": [one.to_json() for one in self.columns],
            "versions": [version_json(one) for one in self.versions],
        }
