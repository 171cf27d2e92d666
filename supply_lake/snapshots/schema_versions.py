"""The numbered history of what a dataset publishes: its records, and their JSON.

What belongs here: the nouns. What does not: comparing two schemas (``curate.schema``) and storing versions (the stores do).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from supply_lake.curate.schema import Change, ChangeKind, Schema, SchemaColumn


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """What a dataset publishes from one commit on, until the next version.

    Versions are numbered 1, 2, 3 … without gaps. ``object`` is the landing key of the first object that brought a change, or,
    where the declaration did, of the first one that was published under it.
    """

    dataset: str
    number: int
    commit: int
    committed_at: dt.datetime
    object: str
    schema: Schema
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ProposedSchema:
    """What a commit publishes. It becomes a version if it differs from the newest one.

    ``based_on`` is the number of the version that it was built on, 0 for none; the commit conflicts when there is a newer one.
    ``brought`` has the landing keys of objects that brought a column, or its type; ``object`` is the batch's first one.
    """

    schema: Schema
    based_on: int
    object: str = ""
    brought: Mapping[str, str] = field(default_factory=dict)


def schema_json(schema: Schema) -> dict[str, Any]:
    """A schema as public JSON."""
    return {
        "columns": [{**asdict(one), "sources": list(one.sources)} for one in schema.columns],
        "primary_key": list(schema.primary_key),
        "evolution": schema.evolution,
    }


def schema_from_json(data: dict[str, Any]) -> Schema:
    """The inverse of ``schema_json``."""
    return Schema(
        columns=tuple(SchemaColumn(**{**one, "sources": tuple(one["sources"])}) for one in data["columns"]),
        primary_key=tuple(data["primary_key"]),
        evolution=data["evolution"],
    )


def change_json(change: Change) -> dict[str, Any]:
    """A change as public JSON; what does not apply is null."""
    return {
        "change": str(change.kind),
        "column": change.column or None,
        "from": change.before or None,
        "to": change.after or None,
        "object": change.object or None,
    }


def change_from_json(data: dict[str, Any]) -> Change:
    """The inverse of ``change_json``."""
    texts = {name: data[key] or "" for name, key in (("column", "column"), ("before", "from"), ("after", "to"))}
    return Change(ChangeKind(data["change"]), object=data["object"] or "", **texts)


def version_json(version: SchemaVersion) -> dict[str, Any]:
    """A version as public JSON."""
    return {
        "version": version.number,
        "commit": version.commit,
        "committed_at": version.committed_at.isoformat(),
        "object": version.object,
        "difference": [change_json(change) for change in version.changes],
        **schema_json(version.schema),
    }


def version_from_json(dataset: str, data: dict[str, Any]) -> SchemaVersion:
    """The inverse of ``version_json``."""
    return SchemaVersion(
        dataset=dataset,
        number=data["version"],
        commit=data["commit"],
        committed_at=dt.datetime.fromisoformat(data["committed_at"]),
        object=data["object"],
        schema=schema_from_json(data),
        changes=tuple(change_from_json(one) for one in data["difference"]),
    )


def version_text(proposed: ProposedSchema, changes: Sequence[Change]) -> str:
    """A version as the text that metadata stores keep."""
    record = {"difference": [change_json(change) for change in changes], **schema_json(proposed.schema)}
    return json.dumps(record, separators=(",", ":"))


def version_from(record: str | bytes, *, dataset: str, number: int, commit: int, at: dt.datetime, by: str) -> SchemaVersion:
    """The inverse of ``version_text``, with what stands beside it."""
    data = json.loads(record)
    changes = tuple(map(change_from_json, data["difference"]))
    return SchemaVersion(dataset, number, commit, at, by, schema_from_json(data), changes)
