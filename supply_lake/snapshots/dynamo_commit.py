"""The commit in DynamoDB: a decision is one conditional transaction on the dataset's head.

A commit that fits is one transaction of the head and of all that follows. One that does not is written as a plan first, under a
name of its own; then the head is made to name the plan, if it has not moved; then anybody carries the plan out; then the head
is made to forget it. Readers see the decision with that last write (``Head.visible``), or with the one transaction. A plan
that no head names is what a killed or slower writer left: nobody reads it, and it does no harm.

Every decision about a dataset moves its head, and is made against the head that it was built on. That is why numbers have no
gaps, times only grow, and no update is lost. No decision is made while the one before it is not carried out: whoever comes
next carries it out first.

What belongs here: making decisions. What does not: rules (``commit_rules``, ``ledger_rules``), what follows from a decision
(``dynamo_plan``), and heads as readers meet them (``dynamo_heads``).
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from supply_lake.snapshots import commit_rules, ledger_rules
from supply_lake.snapshots.commit_rules import committed, looked_at, new_schema, refuse_condemned, superseded, with_schema
from supply_lake.snapshots.dynamo_heads import Heads
from supply_lake.snapshots.dynamo_history import batch_by_id, removal_by_id, schema_at
from supply_lake.snapshots.dynamo_items import (
    Head,
    Marks,
    batch_key,
    condemned_key,
    head_from,
    head_key,
    marks_from,
    removal_key,
)
from supply_lake.snapshots.dynamo_pins import registered
from supply_lake.snapshots.dynamo_plan import (
    Plan,
    Settlement,
    as_writes,
    births,
    earlier_marks,
    flat,
    lasting,
    markings,
    plan_items,
)
from supply_lake.snapshots.dynamo_table import MOST_BYTES, MOST_WRITES, Key, Lost, Table, Write, in_threads, weight
from supply_lake.snapshots.dynamo_turns import Turn
from supply_lake.snapshots.dynamo_versions import Document, change, load, note_folders
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.records import Batch, Snapshot
from supply_lake.snapshots.removal import Removal
from supply_lake.snapshots.schema_versions import SchemaVersion, version_text
from supply_lake.snapshots.store import Proposal, TakenUp
from supply_lake.storage.object_store import ObjectVersion

_FEW_PARTITIONS = 20  # more are looked up by reading the whole live set's marks

Built = tuple[Plan, dict[str, Document], dict[str, Marks]]
"""What was built on a head: the plan, the ledger's documents that it settles, the marks of earlier snapshots."""


@dataclass(slots=True)
class Decider:
    """Makes decisions about datasets.

    :param clock: tells the time in microseconds
    :param noted: folders of objects that this process has noted
    :param most_writes: of one transaction; what does not fit is planned
    """

    heads: Heads
    clock: Callable[[], int]
    noted: set[tuple[str, str]]
    most_writes: int = MOST_WRITES

    @property
    def table(self) -> Table:
        """Where all of it is."""
        return self.heads.table

    def commit(self, proposal: Proposal) -> Batch:
        """See ``MetadataStore.commit``."""
        batch = proposal.batch
        plan = self._decided(batch.dataset, batch_key(batch.id), lambda head: self._commitment(head, proposal))
        return self._stored(plan, batch)

    def record(self, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp]) -> Batch:
        """See ``MetadataStore.record``."""
        asked = Proposal(batch, tuple(objects), taken_up=tuple(taken_up))
        plan = self._decided(batch.dataset, batch_key(batch.id), lambda head: self._recording(head, asked))
        return self._stored(plan, batch)

    def remove(self, asked: Removal, recorded: frozenset[str]) -> Removal:
        """See ``MetadataStore.remove``."""
        plan = self._decided(asked.dataset, removal_key(asked.id), lambda head: self._removing(head, asked, recorded))
        return plan.removal if plan and plan.removal else removal_by_id(self.table, asked.id)

    def _stored(self, plan: Plan | None, batch: Batch) -> Batch:
        found = plan.batch if plan else batch_by_id(self.table, batch.id)
        assert found is not None, batch.id
        return found

    def _decided(self, dataset: str, key: Key, build: Callable[[Head], Built]) -> Plan | None:
        """Make a decision that is on record under the key once it is made; ``None`` when it is already."""
        turn = Turn(self.table, dataset)
        keys = (head_key(dataset), turn.key, key)
        try:
            while True:
                found = self.table.get_many(keys)
                head = head_from(found.get(keys[0]), dataset)
                if head.tail:
                    self.heads.finish(head)
                elif key in found:
                    turn.give_back()
                    return None
                elif turn.comes(found.get(keys[1])):
                    try:
                        return self._decide(head, turn, *build(head))
                    except Lost:
                        turn.lose()
        except BaseException:
            turn.give_back()
            raise

    def _commitment(self, head: Head, proposal: Proposal) -> Built:
        batch, now = proposal.batch, self.clock()
        documents = self._documents(head, proposal)
        ledger = {key: one.rows for key, one in documents.items()}
        ledger_rules.refuse(batch, proposal.objects, proposal.taken_up, ledger)
        self._refuse_condemned(batch.snapshots)
        live = {one.id: one for one in self._live_in(batch.dataset, looked_at(proposal))}
        named = earlier_marks(self.table, {*proposal.supersedes, *proposal.revokes, *proposal.reinstates} - live.keys())
        earlier = {name: one for name, one in (named | live).items() if one.dataset == batch.dataset}
        gone = superseded(proposal, head.last_commit, _partitions(live.values()), self._live_among(proposal, earlier))
        number = head.last_commit + 1
        at = commit_rules.Head(head.last_commit, head.last_committed_at, head.answered_until).next_time(now)
        version, changes, by = new_schema(batch.dataset, self._newest_schema(head, proposal), proposal.schema)
        text = version_text(proposal.schema, changes) if proposal.schema and changes else ""
        stored = with_schema(committed(batch, gone, number, at), version or head.schema)
        self._enter(documents, proposal, now)
        plan = Plan(
            dataset=batch.dataset,
            seq=head.seq + 1,
            recorded_at=at,
            batch=stored,
            superseded=tuple(gone),
            revokes=proposal.revokes,
            reinstates=proposal.reinstates,
            settlements=(
                *_settlements(ledger_rules.settlements(stored, proposal.objects, ledger, number)),
                *_settlements(ledger_rules.moves(proposal.moved, ledger)),
            ),
            away=tuple(ledger_rules.was_away(batch)),
            schema=(version, by, text) if text else None,
        )
        return plan, documents, earlier

    def _recording(self, head: Head, asked: Proposal) -> Built:
        now = self.clock()
        documents = self._documents(head, asked)
        ledger = {key: one.rows for key, one in documents.items()}
        ledger_rules.refuse_moved(asked.taken_up, ledger)
        self._refuse_condemned(asked.batch.snapshots)
        self._enter(documents, asked, now)
        settlements = tuple(_settlements(ledger_rules.settlements(asked.batch, asked.objects, ledger, None)))
        away = tuple(ledger_rules.was_away(asked.batch))
        plan = Plan(head.dataset, head.seq + 1, now, asked.batch, settlements=settlements, away=away)
        return plan, documents, {}

    def _removing(self, head: Head, asked: Removal, recorded: frozenset[str]) -> Built:
        now = self.clock()
        earlier = earlier_marks(self.table, [one.id for one in asked.snapshots])
        pinned = {one.commit_of(head.dataset) or 0 for one in registered(self.table, head.dataset)}
        going = [one for one in asked.snapshots if one.id in earlier and _out_of_reach(earlier[one.id], asked, pinned)]
        suspects = {one.snapshot_id for one in asked.strays} - recorded
        since = {pk for pk, _ in self.table.get_many((f"SNAPSHOT#{one}", f"RECORD#{0:04d}") for one in suspects)}
        strays = tuple(one for one in asked.strays if f"SNAPSHOT#{one.snapshot_id}" not in since or one.snapshot_id in recorded)
        removal = replace(asked, snapshots=tuple(going), strays=strays, removed_at=from_micros(now))
        condemned = tuple(sorted({one.snapshot_id for one in strays} - recorded))
        return Plan(head.dataset, head.seq + 1, now, removal=removal, condemned=condemned), {}, earlier

    def _decide(self, head: Head, turn: Turn, plan: Plan, documents: dict[str, Document], earlier: dict[str, Marks]) -> Plan:
        """Make the decision if the head has not moved, and see it carried out.

        :raises Lost: it has
        """
        if plan.removal and plan.removal.empty:
            turn.give_back()
            return plan
        facts = {"seq": plan.seq}
        if plan.commit is not None:
            facts |= {"last_commit": plan.commit, "last_committed_at": plan.recorded_at}
        if plan.schema:
            facts["schema"] = plan.schema[0]
        entered = {key: one for key, one in documents.items() if one.changed}
        note_folders(self.table, [row for one in entered.values() for row in one.rows if "seq" not in row], self.noted)
        if not plan.away and self._at_once([head.moved_on(**facts), *turn.release()], plan, documents, earlier):
            return plan
        self._claim(entered)
        name = f"PLAN#{head.dataset}#{uuid.uuid4().hex}"
        self.table.put_many(plan_items(plan, name))
        tail = {"tail": name, "tail_commits": int(plan.commit is not None), "since": int(time.time())}
        write = head.moved_on(**facts, **tail)
        try:
            self.table.transact([write, *turn.release()])
        except Lost:
            self.heads.take_away(plan, name)
            raise
        self.heads.carry_out(head_from(write.item, head.dataset), plan)
        return plan

    def _at_once(
        self, decision: Sequence[Write], plan: Plan, documents: dict[str, Document], earlier: dict[str, Marks]
    ) -> bool:
        """Decide and carry out in one transaction; ``False`` when it does not fit into one."""
        if len(documents) + 4 * len(plan.snapshots) > self.most_writes:
            return False
        settled = [replace(one, rows=[dict(row) for row in one.rows]) for one in documents.values()]
        for one in settled:
            plan.settle(one)
        writes = [*decision, *as_writes(lasting(plan)), *flat(births(plan)), *flat(markings(plan, earlier))]
        writes += [write for one in settled for write in one.writes()]
        if len(writes) > self.most_writes or sum(weight(one.item) for one in writes) > MOST_BYTES:
            return False
        self.table.transact(writes)
        return True

    # --- what a decision is built on

    def _documents(self, head: Head, asked: Proposal) -> dict[str, Document]:
        """The ledger's documents of every object that is asked about; those of other datasets become this one's."""
        objects = [*asked.objects, *(one.object for one in asked.taken_up), *(one.object for one in asked.moved)]
        documents = load(self.table, [one.key for one in objects])
        wanted = {one.identity for one in objects}
        others = {
            row["dataset"]
            for one in documents.values()
            for row in one.rows
            if ledger_rules.identity(row) in wanted and row["dataset"] != head.dataset and row["published_in"] is None
        }
        for name in others:  # what another dataset has decided about them is to be seen, and is the last that it does
            self._adopt(head.dataset, self.heads.head(name), [one.key for one in objects], wanted)
        return load(self.table, [one.key for one in objects]) if others else documents

    def _adopt(self, dataset: str, other: Head, keys: Sequence[str], wanted: set[ledger_rules.Identity]) -> None:
        """Make object versions of one dataset, unpublished ones, those of another: one head decides about each."""

        def adopt(document: Document) -> None:
            for row in document.rows:
                theirs = row["dataset"] == other.dataset and row["published_in"] is None
                if theirs and ledger_rules.identity(row) in wanted:
                    note_folders(self.table, [{**row, "dataset": dataset}], self.noted)
                    row.update({"dataset": dataset, "seq": 0})

        change(self.table, keys, adopt)
        self.table.transact([other.moved_on()])

    def _refuse_condemned(self, snapshots: Sequence[Snapshot]) -> None:
        condemned = self.table.get_many(condemned_key(one.id) for one in snapshots)
        refuse_condemned([pk.removeprefix("SNAPSHOT#") for pk, _ in condemned])

    def _enter(self, documents: dict[str, Document], asked: Proposal, now: int) -> None:
        """Add versions that were never registered to their documents."""
        for one in {one.identity: one for one in asked.objects}.values():
            rows = documents[one.key].rows
            if not any(ledger_rules.identity(row) == one.identity for row in rows):
                rows.append({**ledger_rules.entered(asked.batch, one, now), "id": len(rows)})

    def _claim(self, entered: dict[str, Document]) -> None:
        """Write versions that were never registered, so that a plan finds them.

        :raises Lost: another dataset's writer was faster
        """
        rows = {key: [row for row in one.rows if "seq" not in row] for key, one in entered.items()}

        taken: dict[str, bool] = {}

        def claim(document: Document) -> None:
            own = {ledger_rules.identity(row): row for row in rows[document.key]}
            there = {ledger_rules.identity(row): row["dataset"] for row in document.rows}
            taken[document.key] = any(there.get(one, row["dataset"]) != row["dataset"] for one, row in own.items())
            document.rows += [row for one, row in own.items() if one not in there]

        change(self.table, entered, claim)
        if any(taken.values()):
            raise Lost

    def _live_in(self, dataset: str, partitions: set[dt.date]) -> list[Marks]:
        prefixes = [""] if len(partitions) > _FEW_PARTITIONS else [f"{one}#" for one in sorted(partitions)]
        read = in_threads(lambda prefix: list(self.table.query(f"LIVE#{dataset}", prefix=prefix)), prefixes)
        marks = (marks_from(item) for items in read for item in items)
        return [one for one in marks if one.partition in partitions]

    @staticmethod
    def _live_among(proposal: Proposal, earlier: dict[str, Marks]) -> dict[str, dt.date]:
        live = {name: one for name, one in earlier.items() if one.superseded_by is None}
        return _partitions(live[one] for one in proposal.supersedes if one in live)

    def _newest_schema(self, head: Head, proposal: Proposal) -> SchemaVersion | None:
        if proposal.schema is None or not head.schema:
            return None
        return schema_at(self.table, head.dataset, head.last_commit)


def _partitions(marks: Iterable[Marks]) -> dict[str, dt.date]:
    return {one.id: one.partition for one in marks}


def _settlements(found: Iterable[tuple[ObjectVersion, ledger_rules.Row]]) -> list[Settlement]:
    return [Settlement(*one.identity, values) for one, values in found]


def _out_of_reach(marks: Marks, asked: Removal, pinned: Iterable[int]) -> bool:
    """Whether no commit that has to stay readable shows the snapshot: none from that one on, and no pinned one."""
    gone = marks.superseded_by
    if marks.dataset != asked.dataset or marks.removed_at is not None or gone is None or gone > asked.reachable_from:
        return False
    return not any(marks.commit <= commit < gone for commit in pinned)
