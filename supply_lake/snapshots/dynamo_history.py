"""Reading what was committed and recorded, in DynamoDB: live sets, history, batches, schema versions.

Readers take a ``View`` first, and pass over whatever was decided after it. So an answer of many pages is that of one moment,
however many commits are made meanwhile: what they took out of the live set is found in ``PAST``, which is read after ``LIVE``
unless nothing was decided meanwhile.

What belongs here: queries. What does not: views (``dynamo_commit``), items (``dynamo_items``) and writing.
"""

from __future__ import annotations

import datetime as dt
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, takewhile

from supply_lake.snapshots.dynamo_items import (
    Marks,
    View,
    head_from,
    head_key,
    marks_from,
    number_key,
    records,
    removal_key,
    run_pk,
    time_key,
)
from supply_lake.snapshots.dynamo_plan import earlier_marks, schema_version
from supply_lake.snapshots.dynamo_table import Item, Table, chunked
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.record_text import batch_from, snapshot_from
from supply_lake.snapshots.records import Batch, Commit, Snapshot, Status
from supply_lake.snapshots.removal import Removal, removal_from_json
from supply_lake.snapshots.schema_versions import SchemaVersion

_AT_ONCE = 100


# --- live sets


def live_marks(table: Table, dataset: str, view: View, commit: int, partition: dt.date | None = None) -> list[Marks]:
    """The marks of what is live at a commit, by partition, commit and id."""
    prefix = "" if partition is None else f"{partition}#"
    found = {one.id: one for one in map(marks_from, table.query(f"LIVE#{dataset}", prefix=prefix))}
    if commit < view.number or not _is_newest(table, dataset, view):
        later = table.query(f"PAST#{dataset}", low=number_key(commit + 1))
        found |= {one.id: one for one in map(marks_from, later) if partition in (None, one.partition)}
    live = (one for one in found.values() if one.commit <= commit and one.seq <= view.seq)
    return sorted(live, key=lambda one: (one.partition, one.commit, one.id))


def _is_newest(table: Table, dataset: str, view: View) -> bool:
    """Whether nothing has been decided since."""
    return head_from(table.get(head_key(dataset)), dataset).seq == view.seq


def marked_snapshots(table: Table, view: View, marks: Iterable[Marks]) -> list[Snapshot]:
    """The snapshots with these marks, in their order."""
    found: list[Snapshot] = []
    for chunk in chunked(marks, 10 * _AT_ONCE):
        texts = records(table, [f"SNAPSHOT#{one.id}" for one in chunk])
        found += (_snapshot(texts[f"SNAPSHOT#{one.id}"][1], one, view) for one in chunk)
    return found


def latest(table: Table, dataset: str, view: View, partition: dt.date | None) -> Snapshot | None:
    """The live snapshot with the newest rows; of several, the one of the latest partition. A compaction makes no row newer."""
    marks = live_marks(table, dataset, view, view.number, partition)
    newest = sorted(marks, key=lambda one: (one.commit, one.partition, one.id), reverse=True)
    compacted = list(takewhile(lambda one: one.holds, newest))
    found = marked_snapshots(
        table, view, newest[: len(compacted) + 1]
    )  # whatever comes after the first of its own has older rows
    return max(found, key=lambda one: (one.arrived_at, one.partition, one.id), default=None)


def live_partitions(table: Table, dataset: str, view: View) -> list[dt.date]:
    """The partition dates that have a live snapshot, oldest first."""
    return sorted({one.partition for one in live_marks(table, dataset, view, view.number)})


def live_of_landing_date(table: Table, dataset: str, view: View, landing_date: dt.date) -> list[Snapshot]:
    """Snapshots of batches of one landing date whose rows are live, by partition, commit and id."""
    marks = [one for one in standing_marks(table, dataset, view) if one.landing_date == landing_date]
    return marked_snapshots(table, view, sorted(marks, key=lambda one: (one.partition, one.commit, one.id)))


def standing_marks(table: Table, dataset: str, view: View) -> list[Marks]:
    """The marks of snapshots whose rows are live, be it in one that a compaction wrote; of those that hold others, none."""
    live = live_marks(table, dataset, view, view.number)
    own = {one.id: one for one in live if not one.holds}
    holders = marked_snapshots(table, view, [one for one in live if one.holds])
    held = earlier_marks(table, {name for one in holders for name in one.holds} - own.keys())
    return [*own.values(), *(one for one in held.values() if not one.holds)]


def newest_removals(table: Table, views: dict[str, View], limit: int | None) -> list[Removal]:
    """What was removed of some datasets, newest first."""
    found = _newest(table, [f"REMOVALS#{name}" for name in views], limit)
    names = [item["id"] for item in islice((one for one in found if one["seq"] <= views[one["dataset"]].seq), limit)]
    texts = records(table, [removal_key(one)[0] for one in names])
    return [removal_from_json(json.loads(texts[removal_key(one)[0]][1])) for one in names]


def removal_by_id(table: Table, removal_id: str) -> Removal:
    """One removal that is on record."""
    pk = removal_key(removal_id)[0]
    return removal_from_json(json.loads(records(table, [pk])[pk][1]))


def _newest(table: Table, pks: Sequence[str], limit: int | None) -> Iterator[Item]:
    """The items of some partitions, the greatest sort keys first."""
    read = (table.query(pk, newest_first=True, at_most=limit and 2 * limit) for pk in pks)
    return heapq.merge(*read, key=lambda item: str(item["sk"]), reverse=True)


def _snapshot(text: str, marks: Marks | None, view: View) -> Snapshot:
    return snapshot_from(
        text,
        superseded_by=marks.superseded_in(view) if marks else None,
        revoked_by=marks.revoked_in(view) if marks else None,
        removed_at=marks.removed_at if marks else None,
    )


# --- history


def commit_at(table: Table, dataset: str, time: int) -> int:
    """Number of the newest commit not later than the time; 0 when there is none."""
    newest = table.query(f"COMMITS#{dataset}", high=time_key(time), newest_first=True, at_most=1)
    return next((int(item["number"]) for item in newest), 0)


def history(table: Table, dataset: str, view: View) -> list[Commit]:
    """Every commit, oldest first, with what it added, what it superseded and what it revoked."""
    added: dict[int, list[str]] = {}
    gone: dict[int, list[str]] = {}
    revoked: dict[int, list[str]] = {}
    items = [item for item in table.query(f"COMMITS#{dataset}") if item["seq"] <= view.seq]
    for one in sorted(_all_marks(table, dataset, view), key=lambda one: (one.partition, one.id)):
        added.setdefault(one.commit, []).append(one.id)
        if (superseded := one.superseded_in(view)) not in (None, one.commit):
            gone.setdefault(superseded or 0, []).append(one.id)
        if (number := one.revoked_in(view)) is not None:
            revoked.setdefault(number, []).append(one.id)
    return [
        Commit(
            dataset=dataset,
            number=item["number"],
            committed_at=from_micros(item["at"]),
            batch_id=item["batch"],
            added=tuple(added.get(item["number"], ())),
            superseded=tuple(gone.get(item["number"], ())),
            revoked=tuple(revoked.get(item["number"], ())),
            reason=item["reason"],
            by=item["by"],
        )
        for item in items
    ]


def _all_marks(table: Table, dataset: str, view: View) -> list[Marks]:
    found = {item["id"]: marks_from(item) for pk in ("LIVE", "PAST") for item in table.query(f"{pk}#{dataset}")}
    return [one for one in found.values() if one.seq <= view.seq]


# --- records


def newest_snapshots(table: Table, dataset: str, view: View, limit: int | None) -> list[Snapshot]:
    """Records of any status, newest first."""
    items = table.query(f"SNAPSHOTS#{dataset}", newest_first=True, at_most=None if limit is None else limit + 1)
    ids = islice((item["id"] for item in items if item["seq"] <= view.seq), limit)
    found: list[Snapshot] = []
    for chunk in chunked(ids, 10 * _AT_ONCE):
        by_id = _by_id(table, chunk, {dataset: view})
        found += (by_id[one] for one in chunk)
    return found


def snapshot_by_id(table: Table, snapshot_id: str, view: Callable[[str], View]) -> Snapshot | None:
    """One record, or ``None``.

    :param view: what a reader may see of a dataset
    """
    found = records(table, [f"SNAPSHOT#{snapshot_id}"]).get(f"SNAPSHOT#{snapshot_id}")
    if found is None:
        return None
    item, text = found
    seen = view(item["dataset"])
    marks = earlier_marks(table, [snapshot_id]).get(snapshot_id)
    return _snapshot(text, marks, seen) if item["seq"] <= seen.seq else None


def _by_id(table: Table, ids: Sequence[str], views: dict[str, View]) -> dict[str, Snapshot]:
    marks = earlier_marks(table, ids)
    texts = records(table, [f"SNAPSHOT#{one}" for one in ids])
    found = {pk.removeprefix("SNAPSHOT#"): held for pk, held in texts.items()}
    return {one: _snapshot(text, marks.get(one), views[item["dataset"]]) for one, (item, text) in found.items()}


def newest_batches(
    table: Table, views: dict[str, View], limit: int | None, run_id: str | None, status: Status | None
) -> list[Batch]:
    """Batches of some datasets, newest first."""
    found = _newest(table, [f"BATCHES#{name}" for name in views] if run_id is None else [run_pk(run_id)], limit)
    ids = [item["id"] for item in islice((one for one in found if _fits(one, views, run_id, status)), limit)]
    return list(_batches(table, ids, views))


def _fits(item: Item, views: dict[str, View], run_id: str | None, status: Status | None) -> bool:
    view = views.get(item["dataset"])
    seen = view is not None and item["seq"] <= view.seq
    return seen and run_id in (None, item["run"]) and (status is None or item["status"] == status)


def batch_by_id(table: Table, batch_id: str) -> Batch | None:
    """One batch of which everything is carried out, or ``None``."""
    everything = View(2**60, 2**60)
    found = records(table, [f"BATCH#{batch_id}"]).get(f"BATCH#{batch_id}")
    if found is None:
        return None
    return next(_batches(table, [batch_id], {found[0]["dataset"]: everything}))


def _batches(table: Table, ids: Sequence[str], views: dict[str, View]) -> Iterator[Batch]:
    for chunk in chunked(ids, _AT_ONCE):
        texts = records(table, [f"BATCH#{one}" for one in chunk])
        parsed = [json.loads(texts[f"BATCH#{one}"][1]) for one in chunk]
        snapshots = _by_id(table, [one for data in parsed for one in data["snapshots"]], views)
        yield from (batch_from(data, tuple(snapshots[one] for one in data["snapshots"])) for data in parsed)


# --- schema versions


def schema_at(table: Table, dataset: str, commit: int) -> SchemaVersion | None:
    """The version at a commit; ``None`` before the first."""
    newest = table.query(f"SCHEMAS#{dataset}", high=number_key(commit), newest_first=True, at_most=1)
    return next(iter(_versions(table, dataset, list(islice(newest, 1)))), None)


def schema_versions(table: Table, dataset: str, view: View) -> list[SchemaVersion]:
    """All versions, oldest first."""
    return _versions(table, dataset, list(table.query(f"SCHEMAS#{dataset}", high=number_key(view.number))))


def _versions(table: Table, dataset: str, items: Sequence[Item]) -> list[SchemaVersion]:
    texts = records(table, [f"SCHEMA#{dataset}#{item['number']}" for item in items])
    return [
        schema_version(dataset, item, texts[f"SCHEMA#{dataset}#{item['number']}"][1], from_micros(item["at"])) for item in items
    ]
