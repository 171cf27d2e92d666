"""What the service answers about snapshots and commits, as typed models: the one place where these shapes are told.

What belongs here: fields and their meaning. What does not: finding values (``snapshots.pages``) and shapes of one route alone,
which stand beside that route. A record is parsed straight from the JSON that is stored, and only what a model names of it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter

from supply_lake.snapshots.pages import Entry, records
from supply_lake.snapshots.records import Commit

DatasetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=63, description="Name of the dataset.")]


class RowCounts(BaseModel):
    """Conservation: landed = published + rejected + deduplicated."""

    landed: int = Field(description="Rows that the batch read.")
    published: int = Field(description="Rows that it published.")
    rejected: int = Field(description="Rows that broke the contract.")
    deduplicated: int = Field(description="Rows that lost against another of the same key, or repeated it.")


class Quality(BaseModel):
    """How the dataset's rules found the batch, in numbers."""

    passed: int = Field(0, description="Rules that held.")
    warned: int = Field(0, description="Rules that did not hold, and only warn.")
    refused: int = Field(0, description="Rules that did not hold, and refused the batch.")


def _counted(rules: Any) -> Any:
    if not isinstance(rules, list):
        return rules
    counts = Counter("passed" if rule["passed"] else "warned" if rule["severity"] == "warn" else "refused" for rule in rules)
    return dict(counts)


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, list) else value


class SnapshotSummary(BaseModel):
    """A snapshot in brief: which dataset, which version, which partition, when, where, and what is in it."""

    dataset: str = Field(description="Name of the dataset.")
    snapshot_id: str = Field(description="Id of the snapshot; ids sort by time.")
    partition: dt.date = Field(description="Partition date.")
    status: str = Field(description="`committed`; or `rejected`, `failed`, `empty`, of a batch that published nothing.")
    commit: int | None = Field(description="Number of the commit that published it; null where nothing was published.")
    committed_at: dt.datetime | None = Field(description="When it was published, UTC.")
    created_at: dt.datetime | None = Field(description="When its record was made, UTC.")
    live: bool = Field(description="Whether it belongs to the live set: the newest, or that of the commit which was asked for.")
    superseded_by: int | None = Field(description="The commit that took it out of the live set.")
    revoked_by: int | None = Field(description="The commit that revoked it.")
    supersedes: list[str] = Field(description="Ids of the snapshots that it replaced.")
    location: str = Field(description="Folder of its files in the object store; empty where it has none.")
    files: Annotated[int, BeforeValidator(_length)] = Field(description="How many Parquet files it has.")
    bytes: int = Field(description="Bytes of its files.")
    rows: RowCounts = Field(description="What became of the rows that its batch brought.")
    rows_total: int = Field(description="Rows in its files, with those that an upsert carried over.")
    quality: Annotated[Quality, BeforeValidator(_counted)] = Field(description="What the dataset's rules said.")
    schema_version: int = Field(description="Number of the schema that it was published under.")
    schema_fingerprint: str = Field(description="Snapshots of the same one have the same columns and types.")
    kind: str = Field(description="`ingest`, `recurate`, `replay`, `revoke` or `compact`.")
    run_id: str = Field(description="The Dagster run that made it; empty when none did.")
    reason: str = Field(description="Why nothing was published, or why something was revoked.")

    @classmethod
    def all_of(cls, entries: Sequence[Entry]) -> list[Self]:
        """The entries, parsed by one call."""
        parsed: list[Self] = _list_of(cls).validate_json(records(entries))
        for one, entry in zip(parsed, entries, strict=True):
            one.superseded_by, one.revoked_by = entry.superseded_by, entry.revoked_by
            one.live = one.commit is not None and entry.superseded_by is None
        return parsed


_adapters: dict[type[BaseModel], TypeAdapter[Any]] = {}


def _list_of(model: type[BaseModel]) -> TypeAdapter[Any]:
    return _adapters.setdefault(model, TypeAdapter(list[model]))  # type: ignore[valid-type]


class SourcePart(BaseModel):
    """One landed object's part in a snapshot."""

    uri: str = Field(description="Where it landed.")
    key: str = Field(description="Its key below the landing root.")
    etag: str = Field(description="With key and size, what makes it this version.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Digest of its bytes; empty where they were not read.")
    rows: RowCounts = Field(description="What became of its rows.")
    outcome: str = Field(description="`read`, `empty`, `unreadable`, `gone`, `changed` or `same_content`.")
    reason: str = Field(description="Why it was not read.")
    deliveries: int = Field(description="How often it was delivered.")
    replayed: bool = Field(description="Whether only its rejected rows were taken up again.")


class FilePart(BaseModel):
    """One Parquet file of a snapshot."""

    path: str = Field(description="Its key below the root of the lake, or of the rejects.")
    rows: int
    bytes: int
    sha256: str = Field(description="Digest of its bytes.")


class ColumnFigures(BaseModel):
    """Figures of one column over a snapshot's files."""

    name: str
    type: str
    nulls: int
    min: str | None = Field(description="Smallest value, as text.")
    max: str | None = Field(description="Greatest value, as text.")


class RuleWord(BaseModel):
    """What one rule said of a batch."""

    rule: str = Field(description="Its name.")
    kind: str = Field(description="What kind of rule it is.")
    severity: str = Field(description="`warn` or `reject`.")
    passed: bool
    told: str = Field(description="All of it in a sentence.")
    observed: float | None = Field(description="The figure that was found.")
    at_least: float | None = Field(description="Smallest figure with which it holds.")
    at_most: float | None = Field(description="Greatest figure with which it holds.")
    rows: int | None = Field(description="Rows that break it.")
    of: int | None = Field(description="Rows that were looked at.")
    partition: dt.date | None = Field(description="The partition that it speaks of; null for the batch as a whole.")
    commits: dict[str, int] = Field(description="The commit of every other dataset that was looked at.")


class SnapshotDetail(SnapshotSummary):
    """All that is recorded of a snapshot."""

    landing_date: dt.date
    batch_id: str = Field(description="The batch that made it.")
    files: list[FilePart] = Field(description="Its files.")  # type: ignore[assignment]
    rejects: list[FilePart] = Field(description="Files of rows that were set aside.")
    columns: list[ColumnFigures] = Field(description="Figures of its columns.")
    sources: list[SourcePart] = Field(description="The objects that it came from.")
    notes: list[str] = Field(description="What was skipped, coerced, added or ignored.")
    quality: list[RuleWord] = Field(description="What the dataset's rules said.")  # type: ignore[assignment]
    measures: dict[str, str] = Field(description="Figures that later batches are held against.")
    source_system: dict[str, str] = Field(description="Where the data come from.")
    mode: str = Field(description="`append`, `replace` or `upsert`, when it was committed.")
    delivered_in: str = Field(description="The batch with which its rows first came, where that was another.")
    replays: list[str] = Field(description="Snapshots whose rejected rows it took up.")
    revokes: list[str] = Field(description="Snapshots that it takes out of the live set.")
    restores: str = Field(description="The snapshot whose rows it holds again.")
    by: str = Field(description="Who asked for it.")
    holds: list[str] = Field(description="Snapshots whose rows it holds, of a compaction.")
    rows_at: dt.datetime | None = Field(description="When the newest of these was committed.")
    removed_at: dt.datetime | None = Field(description="When `gc` removed its files; null while they are there.")

    @classmethod
    def all_of(cls, entries: Sequence[Entry]) -> list[Self]:
        """The entries, parsed by one call."""
        parsed = super().all_of(entries)
        for one, entry in zip(parsed, entries, strict=True):
            one.removed_at = entry.removed_at
        return parsed


class LiveSet(BaseModel):
    """A page of what is live at one commit. The same commit gives the same page for ever."""

    dataset: str
    commit: int = Field(description="The commit; 0 before the first one.")
    committed_at: dt.datetime | None = Field(description="When that was; null where it was not asked for by time or as newest.")
    snapshots: list[SnapshotSummary] = Field(description="By partition, commit and id.")
    next: str | None = Field(description="`after` for the next page; null on the last.")


class LiveSetInFull(LiveSet):
    """As ``LiveSet``, with all that is recorded of each snapshot."""

    snapshots: list[SnapshotDetail] = Field(description="By partition, commit and id.")  # type: ignore[assignment]


class AsOf(BaseModel):
    """Which commit was the newest at a time. For a time that has passed the answer holds for ever."""

    dataset: str
    at: dt.datetime
    commit: int = Field(description="0 when there was none yet.")
    committed_at: dt.datetime | None


class SnapshotPage(BaseModel):
    """A page of a dataset's snapshots, newest first."""

    dataset: str
    snapshots: list[SnapshotSummary]
    next: str | None = Field(description="`after` for the next page; null on the last.")


class SnapshotPageInFull(SnapshotPage):
    """As ``SnapshotPage``, with all that is recorded of each snapshot."""

    snapshots: list[SnapshotDetail]  # type: ignore[assignment]


class CommitEntry(BaseModel):
    """One entry of a dataset's numbered history."""

    dataset: str
    commit: int
    committed_at: dt.datetime
    batch_id: str
    added: list[str] = Field(description="Ids of the snapshots that it made visible.")
    superseded: list[str] = Field(description="Ids of those that it took out of the live set.")
    revoked: list[str] = Field(description="Ids of those that it revoked.")
    reason: str = Field(description="Why, of a revocation.")
    by: str = Field(description="Who asked for it, of a revocation.")

    @staticmethod
    def of(commit: Commit) -> CommitEntry:
        """The entry of a commit."""
        return CommitEntry(
            dataset=commit.dataset,
            commit=commit.number,
            committed_at=commit.committed_at,
            batch_id=commit.batch_id,
            added=list(commit.added),
            superseded=list(commit.superseded),
            revoked=list(commit.revoked),
            reason=commit.reason,
            by=commit.by,
        )


class CommitPage(BaseModel):
    """A page of a dataset's history, oldest first."""

    dataset: str
    commits: list[CommitEntry]
    next: int | None = Field(description="`after` for the next page; null when there is no later commit.")
