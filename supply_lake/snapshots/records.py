"""The records of the lake: object versions, row counts, snapshots, batches, commits. Frozen values and their JSON.

What belongs here: the nouns, the arithmetic of counts, and ``to_json`` / ``from_json``. What does not: storing them
(``sql_store``) and producing them (``ingest``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from supply_lake.curate.counts import Rows as Rows  # noqa: PLC0414 - one of the nouns, counted where rows are
from supply_lake.quality.verdict import Verdict, verdict_from_json, verdict_json


class Status(StrEnum):
    """What came of a batch, and so of its snapshots."""

    COMMITTED = "committed"
    REJECTED = "rejected"  # past its error threshold, or its schema is refused; nothing was published
    FAILED = "failed"  # no object of it could be read, or its attempts are used up
    EMPTY = "empty"  # no object of it holds a record


class Kind(StrEnum):
    """How a batch came about."""

    INGEST = "ingest"  # its objects were pending
    RECURATE = "recurate"  # published objects were read again, to take the place of their snapshots
    REPLAY = "replay"  # rejected rows, or objects of which nothing was published, were taken up again
    REVOKE = "revoke"  # a person took snapshots out of the live set
    COMPACT = "compact"  # live rows were written again into other files: no row came, went or changed


class Outcome(StrEnum):
    """What came of one object version in a batch."""

    READ = "read"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    GONE = "gone"
    CHANGED = "changed"
    SAME_CONTENT = "same_content"


DEALT_WITH = (Outcome.READ, Outcome.EMPTY, Outcome.UNREADABLE)
"""Outcomes of object versions that were there: what such a batch says of them holds until a later one says otherwise."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One object version's part in a batch or in a snapshot.

    ``replayed``: only its rejected rows were taken up, from what was kept of them, and ``rows`` counts no others.
    """

    uri: str
    key: str
    etag: str
    size: int
    rows: Rows
    outcome: Outcome = Outcome.READ
    reason: str = ""
    sha256: str = ""
    deliveries: int = 1
    replayed: bool = False

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes two records those of the same object version."""
        return (self.key, self.etag, self.size)


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file. ``path`` is relative to the lake root, or to the rejects root."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """Figures of one column over a snapshot's files; ``min`` and ``max`` as text, ``None`` where unknown."""

    name: str
    type: str
    nulls: int
    min: str | None = None
    max: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable set of Parquet files of one dataset and one partition date, and all that is known of it.

    ``rows`` counts what this batch brought; ``rows_total`` counts the rows in ``files``, so ``rows_total`` is
    ``rows.published`` plus what an upsert carried over from the snapshots that it supersedes. Files of a batch that
    published nothing are empty, and ``commit`` is ``None``. ``superseded_by`` is the commit that took it out of the live set.
    ``schema_version`` is the number of the schema that it was published under, and ``schema_fingerprint`` tells whether two
    snapshots' files have the same columns and types. ``notes`` are sentences on what was skipped, coerced, added or ignored.
    ``quality`` has the word of every rule on this partition, and on the batch as a whole; ``measures`` the figures of the rows
    in ``files`` that the dataset's rules are about, exact and as text, so that later batches can be held against them.

    ``mode`` is the dataset's when it was committed. ``delivered_in`` is the batch with which its rows first came, where that
    was another one. A replay names in ``replays`` the snapshots whose rejected rows it took up. A revocation names in
    ``revokes`` the snapshots that it takes out of the live set, in ``reason`` why, in ``by`` who asked for it, and in
    ``restores`` the snapshot whose rows it holds again; one that holds none is never live. ``revoked_by`` is the commit that
    revoked this snapshot.

    What a compaction wrote names in ``holds`` the snapshots whose rows it holds, all of them and no others, and in ``rows_at``
    when the newest of these was committed. ``removed_at`` is when ``gc`` took its files away; its record stays for ever.
    """

    id: str
    dataset: str
    partition: dt.date
    landing_date: dt.date
    batch_id: str
    status: Status
    rows: Rows
    rows_total: int = 0
    bytes: int = 0
    location: str = ""
    files: tuple[DataFile, ...] = ()
    rejects: tuple[DataFile, ...] = ()
    columns: tuple[ColumnStats, ...] = ()
    schema_fingerprint: str = ""
    schema_version: int = 0
    sources: tuple[SourceRecord, ...] = ()
    supersedes: tuple[str, ...] = ()
    commit: int | None = None
    committed_at: dt.datetime | None = None
    superseded_by: int | None = None
    created_at: dt.datetime | None = None
    run_id: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    quality: tuple[Verdict, ...] = ()
    measures: dict[str, str] = field(default_factory=dict)
    source_system: dict[str, str] = field(default_factory=dict)
    kind: Kind = Kind.INGEST
    mode: str = ""
    delivered_in: str = ""
    replays: tuple[str, ...] = ()
    revokes: tuple[str, ...] = ()
    restores: str = ""
    by: str = ""
    revoked_by: int | None = None
    holds: tuple[str, ...] = ()
    rows_at: dt.datetime | None = None
    removed_at: dt.datetime | None = None

    @property
    def delivery(self) -> str:
        """The batch with which its rows first came."""
        return self.delivered_in or self.batch_id

    @property
    def live(self) -> bool:
        """Whether it belongs to the newest live set."""
        return self.commit is not None and self.superseded_by is None

    @property
    def arrived_at(self) -> dt.datetime | None:
        """When the newest of its rows were first to be read; a compaction makes no row newer."""
        return self.rows_at or self.committed_at

    @property
    def paths(self) -> tuple[str, ...]:
        """Where its published rows lie, below the lake root; nowhere once its files are removed."""
        return () if self.removed_at is not None else tuple(file.path for file in self.files)

    @property
    def held(self) -> tuple[str, ...]:
        """The snapshots whose rows it holds as they were: what a compaction put together, what it restores, or itself."""
        return self.holds or (self.restores or self.id,)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run made of the object versions of one dataset and one landing date.

    A batch without snapshots is not recorded: it tells what would come of it, or that all stays as it is.
    """

    id: str
    dataset: str
    landing_date: dt.date
    status: Status
    rows: Rows
    sources: tuple[SourceRecord, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    commit: int | None = None
    run_id: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    quality: tuple[Verdict, ...] = ()
    attempt: int = 1
    kind: Kind = Kind.INGEST
    replays: tuple[str, ...] = ()
    by: str = ""

    @property
    def recorded(self) -> bool:
        """Whether the metadata store has it."""
        return bool(self.snapshots)

    @property
    def warnings(self) -> tuple[Verdict, ...]:
        """What rules found wrong without refusing anything for it."""
        return tuple(one for one in self.quality if not one.passed and not one.refuses)


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of a dataset's numbered history. ``reason`` and ``by`` are those of a revocation, which names ``revoked``."""

    dataset: str
    number: int
    committed_at: dt.datetime
    batch_id: str
    added: tuple[str, ...]
    superseded: tuple[str, ...]
    revoked: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""


def rows_json(rows: Rows) -> dict[str, int]:
    """``{"landed": …, "published": …, "rejected": …, "deduplicated": …}``"""
    return {
        "landed": rows.landed,
        "published": rows.published,
        "rejected": rows.rejected,
        "deduplicated": rows.deduplicated,
    }


def source_json(source: SourceRecord) -> dict[str, Any]:
    """A source as public JSON."""
    return {
        "uri": source.uri,
        "key": source.key,
        "etag": source.etag,
        "size": source.size,
        "rows": rows_json(source.rows),
        "outcome": str(source.outcome),
        "reason": source.reason,
        "sha256": source.sha256,
        "deliveries": source.deliveries,
        "replayed": source.replayed,
    }


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as public JSON, the shape that every door of the lake shows."""
    return {
        "dataset": snapshot.dataset,
        "partition": snapshot.partition.isoformat(),
        "landing_date": snapshot.landing_date.isoformat(),
        "status": str(snapshot.status),
        "commit": snapshot.commit,
        "snapshot_id": snapshot.id,
        "batch_id": snapshot.batch_id,
        "supersedes": list(snapshot.supersedes),
        "superseded_by": snapshot.superseded_by,
        "live": snapshot.live,
        "committed_at": _time(snapshot.committed_at),
        "created_at": _time(snapshot.created_at),
        "location": snapshot.location,
        "bytes": snapshot.bytes,
        "rows": rows_json(snapshot.rows),
        "rows_total": snapshot.rows_total,
        "schema_fingerprint": snapshot.schema_fingerprint,
        "schema_version": snapshot.schema_version,
        "sources": [source_json(source) for source in snapshot.sources],
        "files": [_file_json(file) for file in snapshot.files],
        "rejects": [_file_json(file) for file in snapshot.rejects],
        "columns": [{"name": c.name, "type": c.type, "nulls": c.nulls, "min": c.min, "max": c.max} for c in snapshot.columns],
        "run_id": snapshot.run_id,
        "reason": snapshot.reason,
        "notes": list(snapshot.notes),
        "quality": [verdict_json(one) for one in snapshot.quality],
        "measures": dict(snapshot.measures),
        "source_system": dict(snapshot.source_system),
        "kind": str(snapshot.kind),
        "mode": str(snapshot.mode),
        "delivered_in": snapshot.delivered_in,
        "replays": list(snapshot.replays),
        "revokes": list(snapshot.revokes),
        "restores": snapshot.restores,
        "by": snapshot.by,
        "revoked_by": snapshot.revoked_by,
        "holds": list(snapshot.holds),
        "rows_at": _time(snapshot.rows_at),
        "removed_at": _time(snapshot.removed_at),
    }


def snapshot_from_json(data: dict[str, Any]) -> Snapshot:
    """The inverse of ``snapshot_json``."""
    return Snapshot(
        id=data["snapshot_id"],
        dataset=data["dataset"],
        partition=dt.date.fromisoformat(data["partition"]),
        landing_date=dt.date.fromisoformat(data["landing_date"]),
        batch_id=data["batch_id"],
        status=Status(data["status"]),
        rows=Rows(**data["rows"]),
        rows_total=data["rows_total"],
        bytes=data["bytes"],
        location=data["location"],
        files=tuple(DataFile(**file) for file in data["files"]),
        rejects=tuple(DataFile(**file) for file in data["rejects"]),
        columns=tuple(ColumnStats(**column) for column in data["columns"]),
        schema_fingerprint=data["schema_fingerprint"],
        schema_version=data["schema_version"],
        sources=tuple(source_from_json(source) for source in data["sources"]),
        supersedes=tuple(data["supersedes"]),
        commit=data["commit"],
        committed_at=_parse_time(data["committed_at"]),
        superseded_by=data["superseded_by"],
        created_at=_parse_time(data["created_at"]),
        run_id=data["run_id"],
        reason=data["reason"],
        notes=tuple(data["notes"]),
        quality=tuple(verdict_from_json(one) for one in data["quality"]),
        measures=dict(data["measures"]),
        source_system=dict(data["source_system"]),
        kind=Kind(data["kind"]),
        mode=data["mode"],
        delivered_in=data["delivered_in"],
        replays=tuple(data["replays"]),
        revokes=tuple(data["revokes"]),
        restores=data["restores"],
        by=data["by"],
        revoked_by=data["revoked_by"],
        holds=tuple(data["holds"]),
        rows_at=_parse_time(data["rows_at"]),
        removed_at=_parse_time(data["removed_at"]),
    )


def source_from_json(data: dict[str, Any]) -> SourceRecord:
    """The inverse of ``source_json``."""
    return SourceRecord(**{**data, "rows": Rows(**data["rows"]), "outcome": Outcome(data["outcome"])})


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch as public JSON: the fields of its first snapshot, its own totals, and every snapshot under ``snapshots``."""
    first = snapshot_json(batch.snapshots[0]) if batch.snapshots else {}
    supersedes = [one for snapshot in batch.snapshots for one in snapshot.supersedes]
    return {
        **first,
        "dataset": batch.dataset,
        "partition": batch.landing_date.isoformat() if len(batch.snapshots) != 1 else first["partition"],
        "landing_date": batch.landing_date.isoformat(),
        "status": str(batch.status),
        "commit": batch.commit,
        "batch_id": batch.id,
        "supersedes": supersedes,
        "bytes": sum(snapshot.bytes for snapshot in batch.snapshots),
        "rows": rows_json(batch.rows),
        "rows_total": sum(snapshot.rows_total for snapshot in batch.snapshots),
        "sources": [source_json(source) for source in batch.sources],
        "run_id": batch.run_id,
        "reason": batch.reason,
        "notes": list(batch.notes),
        "quality": [verdict_json(one) for one in batch.quality],
        "attempt": batch.attempt,
        "kind": str(batch.kind),
        "replays": list(batch.replays),
        "by": batch.by,
        "recorded": batch.recorded,
        "snapshots": [
            {
                "snapshot_id": s.id,
                "partition": s.partition.isoformat(),
                "rows": rows_json(s.rows),
                "rows_total": s.rows_total,
            }
            for s in batch.snapshots
        ],
    }


def _file_json(file: DataFile) -> dict[str, Any]:
    return {"path": file.path, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}


def _time(value: dt.datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _parse_time(value: str | None) -> dt.datetime | None:
    return None if value is None else dt.datetime.fromisoformat(value)
