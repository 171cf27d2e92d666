"""Records as the text that metadata stores keep, and back.

What belongs here: one text for every store. What does not: where a store puts it, and public JSON (``records``).
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

from supply_lake.quality.verdict import verdict_from_json, verdict_json
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.records import (
    Batch,
    Kind,
    Rows,
    Snapshot,
    Status,
    rows_json,
    snapshot_from_json,
    snapshot_json,
    source_from_json,
    source_json,
)


def snapshot_text(snapshot: Snapshot) -> str:
    """The record of a snapshot as it is stored."""
    return json.dumps(snapshot_json(snapshot), separators=(",", ":"))


def batch_text(batch: Batch) -> str:
    """The record of a batch as it is stored; its snapshots have rows of their own."""
    return json.dumps(
        {
            "batch_id": batch.id,
            "dataset": batch.dataset,
            "landing_date": batch.landing_date.isoformat(),
            "status": batch.status,
            "rows": rows_json(batch.rows),
            "sources": [source_json(source) for source in batch.sources],
            "snapshots": [snapshot.id for snapshot in batch.snapshots],
            "commit": batch.commit,
            "run_id": batch.run_id,
            "reason": batch.reason,
            "notes": batch.notes,
            "quality": [verdict_json(one) for one in batch.quality],
            "attempt": batch.attempt,
            "kind": batch.kind,
            "replays": batch.replays,
            "by": batch.by,
        },
        separators=(",", ":"),
    )


def snapshot_from(record: str, superseded_by: int | None, revoked_by: int | None, removed_at: int | None) -> Snapshot:
    """The inverse of ``snapshot_text``, with the marks that came after it was written."""
    return replace(
        snapshot_from_json(json.loads(record)),
        superseded_by=superseded_by,
        revoked_by=revoked_by,
        removed_at=None if removed_at is None else from_micros(removed_at),
    )


def batch_from(data: dict[str, Any], parts: tuple[Snapshot, ...]) -> Batch:
    """The inverse of ``batch_text``, parsed, with the batch's snapshots."""
    return Batch(
        id=data["batch_id"],
        dataset=data["dataset"],
        landing_date=dt.date.fromisoformat(data["landing_date"]),
        status=Status(data["status"]),
        rows=Rows(**data["rows"]),
        sources=tuple(source_from_json(source) for source in data["sources"]),
        snapshots=parts,
        commit=data["commit"],
        run_id=data["run_id"],
        reason=data["reason"],
        notes=tuple(data["notes"]),
        quality=tuple(verdict_from_json(one) for one in data["quality"]),
        attempt=data["attempt"],
        kind=Kind(data["kind"]),
        replays=tuple(data["replays"]),
        by=data["by"],
    )
