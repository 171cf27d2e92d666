"""``supply-lake datasets``, ``snapshots``, ``show`` and ``objects``: what the metadata store knows.

What belongs here: laying out records. What does not: choosing them (``lake``).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.output import FOUR, as_json, four, moment, print_json, size, span, table

if TYPE_CHECKING:
    from supply_lake.landing.ledger import LedgerEntry
    from supply_lake.quality.verdict import Verdict
    from supply_lake.query.states import DatasetState
    from supply_lake.snapshots.records import Snapshot

_STATES = ["pending", "done", "set_aside", "ignored", "refused", "replaced", "revoked"]


@click.command(short_help="List datasets and what is live of each.")
@as_json
def datasets(as_json: bool) -> None:
    """List every declared dataset: its commits, its live rows and bytes, and what waits in landing.

    A dataset is late when its newest commit is older than its declared freshness allows; it says for how long.

    \b
    Example:
      supply-lake datasets
    """
    from supply_lake.lake import Lake

    with Lake.open() as lake:
        states = list(lake.datasets().values())
    if as_json:
        print_json([_dataset_json(state) for state in states])
        return
    table(
        ["dataset", "mode", "commit", "committed at", "late", "dates", "rows", "size", "pending"],
        [
            [
                s.spec.name,
                s.spec.mode,
                s.commit or None,
                moment(s.committed_at),
                span(s.late) if s.late else "",
                s.partitions,
                s.rows,
                size(s.bytes),
                s.pending,
            ]
            for s in states
        ],
    )


@click.command(short_help="List a dataset's snapshots.")
@click.argument("name")
@click.option("--live", is_flag=True, help="Only those that are live.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@as_json
def snapshots(name: str, live: bool, limit: int | None, as_json: bool) -> None:
    """List the snapshots of dataset NAME, newest first, with those of batches that published nothing.

    \b
    Example:
      supply-lake snapshots shipments --live
    """
    from supply_lake.lake import Lake
    from supply_lake.snapshots.records import snapshot_json

    with Lake.open() as lake:
        found = lake.live(name)[::-1] if live else lake.snapshots(name, limit=limit)
    found = found[:limit]
    if as_json:
        print_json([snapshot_json(snapshot) for snapshot in found])
        return
    table(
        ["snapshot", "date", "kind", "state", "commit", *FOUR, "rows", "size"],
        [[s.id, str(s.partition), s.kind, _state(s), s.commit, *four(s.rows), s.rows_total, size(s.bytes)] for s in found],
    )


@click.command(short_help="Show all that is known of one snapshot.")
@click.argument("snapshot")
@as_json
def show(snapshot: str, as_json: bool) -> None:
    """Show the record of SNAPSHOT: where it came from, what it holds, what it replaced.

    \b
    Example:
      supply-lake show 01a1f0c2-7d3e-7c11-9a55-0d3c5f2f7e10
    """
    from supply_lake.lake import Lake
    from supply_lake.snapshots.records import snapshot_json

    with Lake.open() as lake:
        found = lake.snapshot(snapshot)
    if as_json:
        print_json(snapshot_json(found))
    else:
        _show(found)


@click.command(short_help="List landed objects and what became of each.")
@click.argument("name", required=False)
@click.option("--state", type=click.Choice(_STATES), help="Only objects in this state.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N.")
@as_json
def objects(name: str | None, state: str | None, limit: int | None, as_json: bool) -> None:
    """List every object version that landed: of dataset NAME, or of all, with those that no dataset takes.

    \b
    Example:
      supply-lake objects --state refused
    """
    from supply_lake.lake import Lake
    from supply_lake.landing.ledger import ObjectState

    with Lake.open() as lake:
        found = list(islice(lake.objects(name, ObjectState(state) if state else None), limit))
    if as_json:
        print_json([_object_json(entry) for entry in found])
        return
    table(
        ["key", "dataset", "date", "state", "size", "deliveries", "attempts", "reason"],
        [
            [o.key, e.dataset, str(e.landing_date or ""), e.state, size(o.size), e.deliveries, e.attempts, e.reason]
            for e, o in ((entry, entry.object) for entry in found)
        ],
    )


def _state(snapshot: Snapshot) -> str:
    """``live``, ``superseded`` or ``revoked``; why not, for a snapshot that was never committed."""
    if snapshot.commit is None:
        return str(snapshot.status)
    if snapshot.revokes and not snapshot.files:
        return "revocation"
    return "live" if snapshot.live else "revoked" if snapshot.revoked_by else "superseded"


def _live(snapshot: Snapshot) -> str:
    if snapshot.live or not snapshot.commit:
        return "yes" if snapshot.live else "no"
    if snapshot.revoked_by:
        return f"no, revoked by commit {snapshot.revoked_by}"
    return f"no, superseded by commit {snapshot.superseded_by}" if snapshot.files else "no, it holds no rows"


def _dataset_json(state: DatasetState) -> dict[str, Any]:
    spec = state.spec
    return {
        "dataset": spec.name,
        "description": spec.description,
        "owner": spec.owner,
        "group": spec.group,
        "tags": dict(spec.tags),
        "source_system": spec.source.system,
        "mode": str(spec.mode),
        "primary_key": list(spec.primary_key),
        "commit": state.commit,
        "committed_at": state.committed_at.isoformat() if state.committed_at else None,
        "snapshots": state.snapshots,
        "partitions": state.partitions,
        "rows": state.rows,
        "bytes": state.bytes,
        "pending": state.pending,
        "max_age_hours": spec.freshness.max_age_hours if spec.freshness else None,
        "late_hours": round(state.late.total_seconds() / 3600, 2) if state.late else None,
    }


def _object_json(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "key": entry.object.key,
        "etag": entry.object.etag,
        "size": entry.object.size,
        "modified": entry.object.modified.isoformat(),
        "dataset": entry.dataset or None,
        "landing_date": entry.landing_date.isoformat() if entry.landing_date else None,
        "state": str(entry.state),
        "deliveries": entry.deliveries,
        "attempts": entry.attempts,
        "batch_id": entry.batch_id or None,
        "reason": entry.reason,
        "first_seen": entry.first_seen.isoformat() if entry.first_seen else None,
    }


def _rule(one: Verdict) -> list[str]:
    """One rule's word on a snapshot."""
    return [one.rule, str(one.severity), "yes" if one.passed else "NO", one.told]


def _show(snapshot: Snapshot) -> None:
    rows = snapshot.rows
    facts: list[tuple[str, str]] = [
        ("snapshot", snapshot.id),
        ("dataset", snapshot.dataset),
        ("date", f"{snapshot.partition} (landed {snapshot.landing_date})"),
        ("status", str(snapshot.status) + (f": {snapshot.reason}" if snapshot.reason else "")),
        ("commit", f"{snapshot.commit}, {moment(snapshot.committed_at)}" if snapshot.commit else "none"),
        ("kind", str(snapshot.kind)),
        ("live", _live(snapshot)),
        ("supersedes", ", ".join(snapshot.supersedes) or "nothing"),
        ("replays", ", ".join(snapshot.replays)),
        ("revokes", ", ".join(snapshot.revokes)),
        ("holds again", snapshot.restores),
        ("holds", ", ".join(snapshot.holds)),
        ("removed by gc", moment(snapshot.removed_at)),
        ("asked by", snapshot.by),
        (
            "rows",
            f"{rows.landed:,} landed = {rows.published:,} published + {rows.rejected:,} rejected"
            f" + {rows.deduplicated:,} deduplicated; {snapshot.rows_total:,} in its files",
        ),
        ("files", f"{len(snapshot.files)}, {size(snapshot.bytes)}, in {snapshot.location}" if snapshot.files else "none"),
        ("schema", snapshot.schema_fingerprint),
        ("run", snapshot.run_id),
        ("source system", ", ".join(f"{key}: {value}" for key, value in snapshot.source_system.items())),
    ]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        if value:
            click.echo(f"{name.ljust(width)}  {value}")
    for note in snapshot.notes:
        click.echo(f"{'note'.ljust(width)}  {note}")
    click.echo()
    table(
        ["source", "outcome", *FOUR, "deliveries", "reason"],
        [[s.key, s.outcome, *four(s.rows), s.deliveries, s.reason] for s in snapshot.sources],
    )
    if snapshot.quality:
        click.echo()
        table(["rule", "severity", "passed", "observed"], [_rule(one) for one in snapshot.quality])
    if snapshot.columns:
        click.echo()
        table(["column", "type", "nulls", "min", "max"], [[c.name, c.type, c.nulls, c.min, c.max] for c in snapshot.columns])
