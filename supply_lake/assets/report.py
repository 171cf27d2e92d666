"""What a run found, as Dagster shows it: metadata of a materialization and of its checks.

What belongs here: choosing and laying out facts of batches. What does not: reading files (``samples``) and yielding events
(``lake``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
from rich.filesize import decimal

from supply_lake.assets.contract import column_schema
from supply_lake.assets.samples import Sample
from supply_lake.assets.tables import table
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.quality.verdict import Verdict
from supply_lake.snapshots.records import Batch, Kind, Rows, Snapshot, SourceRecord, Status
from supply_lake.snapshots.schema_versions import SchemaVersion

LISTED = 50
"""Sources, snapshots or notes that are listed; the rest is counted."""


def total(batches: Sequence[Batch]) -> Rows:
    """The four numbers of several batches."""
    return sum((batch.rows for batch in batches), Rows())


def snapshots_of(batches: Sequence[Batch]) -> list[Snapshot]:
    """Committed snapshots, in order."""
    return [one for batch in batches if batch.status is Status.COMMITTED for one in batch.snapshots]


def landed_metadata(sources: Sequence[SourceRecord]) -> dict[str, Any]:
    """What arrived, for the landing asset."""
    return {
        "objects": len(sources),
        "bytes": sum(source.size for source in sources),
        "files": _files(sources),
    }


def published_metadata(
    batches: Sequence[Batch],
    live_rows: int,
    rows: Sample,
    rejects: Sample,
    *,
    spec: DatasetSpec,
    schemas: Sequence[SchemaVersion],
) -> dict[str, Any]:
    """What was published of one landing date, for the lake asset.

    :param live_rows: rows of the snapshots that are live from this landing date
    :param schemas: every version of what the dataset publishes, oldest first
    """
    published = [batch for batch in batches if batch.status is Status.COMMITTED]
    counts, snapshots = total(published), snapshots_of(published)
    facts: dict[str, Any] = {
        "dagster/row_count": live_rows,
        "rows landed": counts.landed,
        "rows published": counts.published,
        "rows rejected": counts.rejected,
        "rows deduplicated": counts.deduplicated,
        "bytes": sum(one.bytes for one in snapshots),
        "commit": max(batch.commit or 0 for batch in published),
        "snapshot": snapshots[-1].id,
        "location": _location(snapshots[-1].location),
        "preview": rows.table(),
        "sources": _sources([source for batch in published for source in batch.sources]),
        "schema fingerprint": snapshots[-1].schema_fingerprint,
        **_schema(spec, snapshots, schemas),
    }
    if rows.remark:
        facts["preview shows"] = rows.remark
    if len(snapshots) > 1:
        facts["snapshots"] = _snapshots(snapshots)
    if rejects.rows:
        facts["rejects"] = rejects.table()
    notes = [note for batch in published for note in batch.notes]
    if notes:
        facts["notes"] = bullets(notes)
    if any(batch.kind is Kind.RECURATE for batch in published):
        facts["curated again"] = True
    replays = [one for batch in published for one in batch.replays]
    if replays:
        facts["replays"] = bullets(replays)
    return facts


def revoked_metadata(batch: Batch, live_rows: int) -> dict[str, Any]:
    """What a revocation took out of the live set and why, for the lake asset.

    :param live_rows: rows of the snapshots that are live from this landing date
    """
    facts: dict[str, Any] = {
        "dagster/row_count": live_rows,
        "revoked": bullets(list(dict.fromkeys(one for snapshot in batch.snapshots for one in snapshot.revokes))),
        "why": batch.reason,
        "by": batch.by,
        "commit": batch.commit,
        "live instead": _snapshots(batch.snapshots),
    }
    return facts | ({"notes": bullets(batch.notes)} if batch.notes else {})


def _schema(spec: DatasetSpec, snapshots: Sequence[Snapshot], schemas: Sequence[SchemaVersion]) -> dict[str, Any]:
    """The schema that was published under; and what has changed, in the run that changed it."""
    number, commits = snapshots[-1].schema_version, {one.commit for one in snapshots}
    facts: dict[str, Any] = {"schema version": number}
    published = next((one.schema for one in schemas if one.number == number), None)
    if published is not None:
        facts["dagster/column_schema"] = column_schema(spec, published)
    changes = [str(change) for one in schemas if one.commit in commits for change in one.changes]
    return facts | ({"schema changes": bullets(changes)} if changes else {})


def contract_metadata(spec: DatasetSpec, batches: Sequence[Batch], reasons: Sample, rejects: Sample) -> dict[str, Any]:
    """What the contract check found: the share that broke it, which rules, and some of the rows."""
    counts = total(batches)
    share = counts.rejected / counts.landed if counts.landed else 0.0
    facts: dict[str, Any] = {
        "rows landed": counts.landed,
        "rows rejected": counts.rejected,
        "rejected share": round(share, 6),
        "error threshold": f"{spec.error_threshold:.1%}",
    }
    refusals = [batch.reason for batch in batches if batch.reason]
    if refusals:
        facts["reason"] = bullets(refusals)
    if reasons.rows:
        facts["rules broken"] = reasons.table()
    if reasons.remark:
        facts["rules broken were"] = reasons.remark
    rejected = rejects.only("rejected")
    if rejected.rows:
        facts["rejected rows"] = rejected.table()
    return facts


def rule_metadata(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """A rule's figures on a landing date: those of its worst verdict, the newest of them; the UI draws them over time."""
    worst = min(reversed(verdicts), key=lambda one: (one.passed, not one.refuses))
    figures = {
        "observed": worst.observed,
        "at least": worst.at_least,
        "at most": worst.at_most,
        "rows": worst.rows,
        "of rows": worst.of,
        **{f"commit of {name}": commit for name, commit in worst.commits},
    }
    facts: dict[str, Any] = {name: value for name, value in figures.items() if value is not None}
    if len(verdicts) == 1:
        facts["told"] = worst.told
    else:
        failed = [one.told for one in verdicts if not one.passed]
        facts["told"] = bullets([*failed, *(one.told for one in verdicts if one.passed)])
    return facts


def conservation_metadata(batches: Sequence[Batch]) -> dict[str, Any]:
    """The sum that has to be right, in total and per source object."""
    counts = total(batches)
    return {
        "balance": f"{counts.landed:,} landed {'=' if conserved(batches) else '≠'} {counts.published:,} published + "
        f"{counts.rejected:,} rejected + {counts.deduplicated:,} deduplicated",
        "landed": counts.landed,
        "published": counts.published,
        "rejected": counts.rejected,
        "deduplicated": counts.deduplicated,
        "per file": _sources([source for batch in batches for source in batch.sources]),
    }


def conserved(batches: Sequence[Batch]) -> bool:
    """Whether no row is lost or made up, in any batch and in any of its objects."""
    return all(
        batch.rows.balanced
        and all(source.rows.balanced for source in batch.sources)
        and batch.rows == sum((source.rows for source in batch.sources), Rows())
        for batch in batches
    )


def bullets(sentences: Sequence[str]) -> dg.MetadataValue:
    """Sentences as a list; one alone as plain text, which the UI never hides behind a click."""
    if len(sentences) == 1:
        return dg.MetadataValue.text(sentences[0])
    more = [f"… and {len(sentences) - LISTED:,} more"] if len(sentences) > LISTED else []
    return dg.MetadataValue.md("\n".join(f"- {one}" for one in [*sentences[:LISTED], *more]))


def _files(sources: Sequence[SourceRecord]) -> dg.MetadataValue:
    """What arrived."""
    header = ("file", "size", "outcome")
    names = _short([source.key for source in sources])
    rows = [(name, _size(source.size), _outcome(source)) for name, source in zip(names, sources[:LISTED], strict=False)]
    return table(header, [*rows, *_more(len(sources), "files", len(header))])


def _sources(sources: Sequence[SourceRecord]) -> dg.MetadataValue:
    """What became of the rows of each file."""
    header = ("file", "landed", "published", "rejected", "dedup.", "outcome")
    names = _short([source.key for source in sources])
    rows = [
        (name, one.rows.landed, one.rows.published, one.rows.rejected, one.rows.deduplicated, _outcome(one))
        for name, one in zip(names, sources[:LISTED], strict=False)
    ]
    return table(header, [*rows, *_more(len(sources), "files", len(header))])


def _size(count: int) -> str:
    return decimal(count).replace(" ", "\N{NO-BREAK SPACE}")


def _outcome(source: SourceRecord) -> str:
    times = f", delivered {source.deliveries} times" if source.deliveries != 1 else ""
    return f"{source.outcome}{times}" + (f": {source.reason}" if source.reason else "")


def _short(keys: Sequence[str]) -> list[str]:
    """The keys without the folder that all of them share."""
    folders = {key.rpartition("/")[0] for key in keys}
    return [key.rpartition("/")[2] for key in keys] if len(folders) == 1 else list(keys)


def _snapshots(snapshots: Sequence[Snapshot]) -> dg.MetadataValue:
    header = ("partition", "snapshot", "rows")
    rows = [(one.partition, one.id, one.rows_total) for one in snapshots[:LISTED]]
    return table(header, [*rows, *_more(len(snapshots), "snapshots", len(header))])


def _more(count: int, what: str, width: int) -> list[tuple[Any, ...]]:
    """A last row that says how many are not listed."""
    return [(f"… and {count - LISTED:,} more {what}", *[None] * (width - 1))] if count > LISTED else []


def _location(location: str) -> dg.MetadataValue:
    return dg.MetadataValue.url(location) if "://" in location else dg.MetadataValue.path(location)
