"""A decision about a dataset, in full: what to write for it. Carried out by anybody, any number of times, with one outcome.

A plan says everything that follows from a decision, so that whoever finds one that is not carried out (its writer was killed)
can finish it. Each part is written together with what tells that it is written: marks with their ``rev``, versions of objects
with the ``seq`` of the decision that they follow from. A process that wakes up late with a plan that is long carried out
finds nothing left to do, whatever has been decided since.

What belongs here: the plan, as items and back, and the writes that follow from it. What does not: deciding (``dynamo_commit``).
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from supply_lake.snapshots.dynamo_items import (
    Marks,
    batch_key,
    condemned_key,
    marks_from,
    marks_of,
    number_key,
    record_items,
    record_text,
    removal_key,
    run_pk,
    time_key,
)
from supply_lake.snapshots.dynamo_table import MOST_WRITES, Item, Key, Lost, Table, Write, chunked, in_threads
from supply_lake.snapshots.dynamo_versions import Document, change, packed
from supply_lake.snapshots.ledger_rules import Row, identity
from supply_lake.snapshots.record_text import batch_from, batch_text, snapshot_text
from supply_lake.snapshots.records import Batch, Snapshot, snapshot_from_json
from supply_lake.snapshots.removal import Removal, removal_from_json, removal_json
from supply_lake.snapshots.schema_versions import SchemaVersion, version_from

_AT_ONCE = 20  # snapshots of which the marks are read and written together
Atom = tuple[str, list[Write]]


@dataclass(frozen=True, slots=True)
class Settlement:
    """The fields of one object version that the decision sets."""

    key: str
    etag: str
    size: int
    values: Row


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided: a batch, which may be a commit, or a removal.

    ``batch`` and ``removal`` are as they are stored, ``recorded_at`` is in microseconds. ``away`` has keys whose folders are to
    be compared again. ``schema`` is a new version: its number, the object that brought it, its text. ``condemned`` has ids of
    snapshots that may never be recorded.
    """

    dataset: str
    seq: int
    recorded_at: int
    batch: Batch | None = None
    superseded: tuple[str, ...] = ()
    revokes: tuple[str, ...] = ()
    reinstates: tuple[str, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    away: tuple[str, ...] = ()
    schema: tuple[int, str, str] | None = None
    removal: Removal | None = None
    condemned: tuple[str, ...] = ()

    @property
    def commit(self) -> int | None:
        """The number of the commit; ``None`` when it is none."""
        return self.batch.commit if self.batch else None

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The batch's snapshots."""
        return self.batch.snapshots if self.batch else ()

    @property
    def key(self) -> Key:
        """Where the record begins that is there once it is carried out."""
        return batch_key(self.batch.id) if self.batch else removal_key(self.removal.id if self.removal else "")

    def settle(self, document: Document) -> None:
        """Set what is decided of a document's versions, where it is not set yet."""
        rows = {identity(row): row for row in document.rows}
        for one in self.settlements:
            row = rows.get((one.key, one.etag, one.size))
            if row is not None and row.get("seq", 0) < self.seq:
                row |= {**one.values, "seq": self.seq}

    def marked(self, marks: Marks) -> Marks:
        """The marks of an earlier snapshot after the decision.

        They are the same when nothing is decided of it, or it is marked already.
        """
        number = self.commit or 0
        if self.removal and marks.removed_at is None and marks.id in self.touched:
            return replace(marks, removed_at=self.recorded_at)
        if marks.id in self.superseded and marks.superseded_by is None:
            marks = replace(marks, superseded_by=number)
        if max((at for at, _ in marks.revocations), default=0) >= number:
            return marks
        decided = [(number, False)] * (marks.id in self.reinstates) + [(number, True)] * (marks.id in self.revokes)
        return replace(marks, revocations=(*marks.revocations, *decided))

    @property
    def touched(self) -> list[str]:
        """Ids of earlier snapshots of which something is decided."""
        given_up = (one.id for one in self.removal.snapshots) if self.removal else ()
        return list(dict.fromkeys((*self.superseded, *self.reinstates, *self.revokes, *given_up)))


# --- as items


def plan_items(plan: Plan, pk: str) -> list[Item]:
    """The plan as items of one partition."""
    data = {
        "dataset": plan.dataset,
        "batch": batch_text(plan.batch) if plan.batch else None,
        "snapshots": [snapshot_text(one) for one in plan.snapshots],
        "seq": plan.seq,
        "recorded_at": plan.recorded_at,
        "superseded": plan.superseded,
        "revokes": plan.revokes,
        "reinstates": plan.reinstates,
        "settlements": [(one.key, one.etag, one.size, one.values) for one in plan.settlements],
        "away": plan.away,
        "schema": plan.schema,
        "removal": removal_json(plan.removal) if plan.removal else None,
        "condemned": plan.condemned,
    }
    return record_items(pk, json.dumps(data, separators=(",", ":")), prefix="")


def load_plan(table: Table, pk: str) -> Plan | None:
    """The plan; ``None`` when it has been carried out and taken away."""
    items = list(table.query(pk))
    if not items or len(items) < items[0].get("pieces", 1):
        return None
    data = json.loads(record_text(items))
    snapshots = tuple(snapshot_from_json(json.loads(one)) for one in data["snapshots"])
    return Plan(
        dataset=data["dataset"],
        seq=data["seq"],
        recorded_at=data["recorded_at"],
        batch=batch_from(json.loads(data["batch"]), snapshots) if data["batch"] else None,
        superseded=tuple(data["superseded"]),
        revokes=tuple(data["revokes"]),
        reinstates=tuple(data["reinstates"]),
        settlements=tuple(Settlement(*one) for one in data["settlements"]),
        away=tuple(data["away"]),
        schema=tuple(data["schema"]) if data["schema"] else None,
        removal=removal_from_json(data["removal"]) if data["removal"] else None,
        condemned=tuple(data["condemned"]),
    )


# --- what follows from it


def lasting(plan: Plan) -> list[Item]:
    """Items that are written once and never changed: records, and the ways to find them."""
    return [*_batch_items(plan), *_snapshot_items(plan), *_history(plan), *_removal_items(plan)]


def _batch_items(plan: Plan) -> list[Item]:
    batch = plan.batch
    if batch is None:
        return []
    facts: Item = {"dataset": plan.dataset, "seq": plan.seq}
    found_by = {
        "sk": f"{time_key(plan.recorded_at)}#{batch.id}",
        "id": batch.id,
        "status": str(batch.status),
        "run": batch.run_id,
    }
    items = record_items(f"BATCH#{batch.id}", batch_text(batch), **facts)
    items.append({"pk": f"BATCHES#{plan.dataset}", **found_by, **facts})
    if batch.run_id:
        items.append({"pk": run_pk(batch.run_id), **found_by, **facts})
    return items


def _snapshot_items(plan: Plan) -> list[Item]:
    items: list[Item] = []
    for one in plan.snapshots:
        items += record_items(f"SNAPSHOT#{one.id}", snapshot_text(one), dataset=plan.dataset, seq=plan.seq)
        sk = f"{time_key(plan.recorded_at)}#{one.id}"
        items.append({"pk": f"SNAPSHOTS#{plan.dataset}", "sk": sk, "id": one.id, "seq": plan.seq})
    return items


def _history(plan: Plan) -> list[Item]:
    batch, number = plan.batch, plan.commit
    if batch is None or number is None:
        return []
    commit: Item = {"number": number, "batch": batch.id, "reason": batch.reason, "by": batch.by, "seq": plan.seq}
    items = [{"pk": f"COMMITS#{plan.dataset}", "sk": time_key(plan.recorded_at), "at": plan.recorded_at, **commit}]
    if plan.schema:
        version, by, text = plan.schema
        facts: Item = {"number": version, "commit": number, "at": plan.recorded_at, "object": by}
        items.append({"pk": f"SCHEMAS#{plan.dataset}", "sk": number_key(number), **facts})
        items += record_items(f"SCHEMA#{plan.dataset}#{version}", text)
    return items


def _removal_items(plan: Plan) -> list[Item]:
    if plan.removal is None:
        return []
    name, facts = plan.removal.id, {"dataset": plan.dataset, "seq": plan.seq}
    text = json.dumps(removal_json(plan.removal), separators=(",", ":"))
    found_by = {"pk": f"REMOVALS#{plan.dataset}", "sk": f"{time_key(plan.recorded_at)}#{name}", "id": name, **facts}
    condemned = ({"pk": pk, "sk": sk, "removal": name} for pk, sk in map(condemned_key, plan.condemned))
    return [*record_items(removal_key(name)[0], text, dataset=plan.dataset), found_by, *condemned]


def births(plan: Plan) -> list[Atom]:
    """The first marks of the commit's own snapshots."""
    number = plan.commit
    if number is None:
        return []
    own = (marks_of(one, number, plan.seq) for one in plan.snapshots)
    return [(one.id, replace(one, rev=0).replaced_by(one)) for one in own]


def markings(plan: Plan, earlier: Mapping[str, Marks]) -> list[Atom]:
    """The new marks of earlier snapshots."""
    return [(one, earlier[one].replaced_by(plan.marked(earlier[one]))) for one in plan.touched if one in earlier]


def schema_version(dataset: str, item: Item, text: str, at: dt.datetime) -> SchemaVersion:
    """A version, of its pointer and its record."""
    return version_from(text, dataset=dataset, number=item["number"], commit=item["commit"], at=at, by=item["object"])


# --- carrying it out


def carry_out(table: Table, plan: Plan, forget: Callable[[Sequence[str]], None]) -> None:
    """Write all that follows from the plan and is not written yet.

    :param forget: has the folders of some keys compared again by the next listing
    """
    table.put_many(lasting(plan))
    own = [one.id for one in plan.snapshots] if plan.commit is not None else []
    for ids in chunked((*own, *plan.touched), _AT_ONCE * _AT_ONCE):
        _mark(table, plan, ids)
    change(table, {one.key for one in plan.settlements}, plan.settle)
    forget(plan.away)


def _mark(table: Table, plan: Plan, ids: Sequence[str]) -> None:
    """Write the marks of these snapshots, new or earlier, until there is nothing left to write."""
    born, most = dict(births(plan)), MOST_WRITES
    while True:
        known = earlier_marks(table, ids)
        atoms = [(one, born[one]) for one in ids if one in born and one not in known]
        atoms += [atom for atom in markings(plan, known) if atom[1]]
        packs = list(packed(atoms, most))
        if all(list(in_threads(lambda pack: _written(table, pack), packs))):
            return
        most = max(1, most // 4)
        time.sleep(random.random() * 0.05)


def earlier_marks(table: Table, ids: Iterable[str]) -> dict[str, Marks]:
    """The marks of those of the snapshots that have any."""
    found = table.get_many((f"SNAPSHOT#{one}", "MARKS") for one in ids)
    return {pk.removeprefix("SNAPSHOT#"): marks_from(item) for (pk, _), item in found.items()}


def _written(table: Table, pack: Sequence[Atom]) -> bool:
    try:
        table.transact([write for _, writes in pack for write in writes])
    except Lost:
        return False
    return True


def flat(atoms: Iterable[Atom]) -> Iterator[Write]:
    """All writes of the atoms."""
    return (write for _, writes in atoms for write in writes)


def as_writes(items: Iterable[Item]) -> Iterator[Write]:
    """Lasting items as members of a transaction."""
    return (Write((one["pk"], one["sk"]), one) for one in items)
