"""The commit in DynamoDB: a decision is one conditional transaction on the dataset's head.

A commit that fits is one transaction of the head and of all that follows. One that does not is written as a plan first, under a
name of its own; then the head is made to name the plan, if it has not moved; then anybody carries the plan out; then the head
is made to forget it. Readers see the decision with that last write (``Head.visible``), or with the one transaction. A plan
that no head names is what a killed or slower writer left: nobody reads it, and it does no harm.

Every decision about a dataset moves its head, and is made against the head that it was built on. That is why numbers have no
gaps, times only grow, and no update is lost. No decision is made while the one before it is not carried out: whoever comes
next carries it out first.

What belongs here: heads, decisions and who finishes them. What does not: rules (``commit_rules``, ``ledger_rules``) and what
follows from a decision (``dynamo_plan``).
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from supply_lake.errors import StoreUnavailable
from supply_lake.snapshots import commit_rules, ledger_rules
from supply_lake.snapshots.commit_rules import committed, looked_at, new_schema, superseded, with_schema
from supply_lake.snapshots.dynamo_history import batch_by_id, schema_at
from supply_lake.snapshots.dynamo_items import HEADS, Head, Marks, View, batch_key, head_from, head_key, marks_from
from supply_lake.snapshots.dynamo_ledger import forget_folders
from supply_lake.snapshots.dynamo_plan import (
    Plan,
    Settlement,
    as_writes,
    births,
    carry_out,
    earlier_marks,
    flat,
    lasting,
    load_plan,
    markings,
    plan_items,
)
from supply_lake.snapshots.dynamo_table import MOST_BYTES, MOST_WRITES, Denied, Lost, Table, Write, in_threads, weight
from supply_lake.snapshots.dynamo_turns import Turn
from supply_lake.snapshots.dynamo_versions import Document, change, load, note_folders
from supply_lake.snapshots.records import Batch
from supply_lake.snapshots.schema_versions import SchemaVersion, version_text
from supply_lake.snapshots.store import Proposal, TakenUp
from supply_lake.storage.object_store import ObjectVersion

_FEW_PARTITIONS = 20  # more are looked up by reading the whole live set's marks

Built = tuple[Plan, dict[str, Document], dict[str, Marks]]
"""What was built on a head: the plan, the ledger's documents that it settles, the marks of earlier snapshots."""


@dataclass(slots=True)
class Decider:
    """Makes decisions about datasets, and finishes those of others.

    :param patience: seconds that another writer is given to finish its own decision
    :param most_writes: of one transaction; what does not fit is planned
    """

    table: Table
    clock: Callable[[], int]
    patience: float
    noted: set[tuple[str, str]]
    most_writes: int = MOST_WRITES

    # --- heads

    def head(self, dataset: str) -> Head:
        """The head of a dataset of which everything is carried out.

        :raises Denied: something is not, and these credentials may not do it
        """
        while (head := head_from(self.table.get(head_key(dataset)), dataset)).tail:
            self._finish(head)
        return head

    def view(self, dataset: str) -> View:
        """What a reader may see now: what is being carried out by someone else is not there yet."""
        head = head_from(self.table.get(head_key(dataset)), dataset)
        if not head.tail or self._young(head):
            return head.visible
        try:
            return self.head(dataset).visible
        except Denied:
            return head.visible

    def heads(self) -> dict[str, Head]:
        """Those of all datasets that the store knows, everything carried out."""
        return {name: self.head(name) if head.tail else head for name, head in self.peek().items()}

    def peek(self) -> dict[str, Head]:
        """Those of all datasets that the store knows, as they are."""
        return {item["dataset"]: head_from(item, item["dataset"]) for item in self.table.query(HEADS)}

    def begin(self, names: Iterable[str], known: Iterable[str]) -> None:
        """Give heads to datasets that have none."""
        for name in sorted(set(names) - set(known)):
            try:
                self.table.transact([Head(name).moved_on()])
            except Lost:
                continue

    def promise(self, dataset: str, until: int) -> None:
        """Have no commit dated up to a time any more."""
        turn = Turn(self.table, dataset)
        while until > max((head := self.head(dataset)).answered_until, head.last_committed_at):
            try:
                self.table.transact([head.moved_on(answered_until=until)])
            except Lost:
                turn.pause()

    def _young(self, head: Head) -> bool:
        return abs(time.time() - head.since) < self.patience

    def _finish(self, head: Head) -> None:
        """Carry out what the head names, unless its own writer is still at it."""
        if self._young(head):
            time.sleep(random.random() * 0.1)
            return
        plan = load_plan(self.table, head.tail)
        if plan is not None:
            self._carry_out(head, plan)
        elif head_from(self.table.get(head.key), head.dataset).tail == head.tail:  # else it was carried out meanwhile
            raise StoreUnavailable(
                f"the metadata store {self.table.described} lacks {head.tail}, which a decision about dataset {head.dataset} "
                "stands in; restore the table to a moment before it was damaged"
            )

    def _carry_out(self, head: Head, plan: Plan) -> None:
        carry_out(self.table, plan, lambda keys: forget_folders(self.table, keys))
        try:
            self.table.transact([head.moved_on(tail="", tail_commits=0)])
        except Lost:
            return  # someone else did it all, too
        self._take_away(plan, head.tail)

    def _take_away(self, plan: Plan, name: str) -> None:
        self.table.delete_many([(item["pk"], item["sk"]) for item in plan_items(plan, name)])

    # --- decisions

    def commit(self, proposal: Proposal) -> Batch:
        """See ``MetadataStore.commit``."""
        return self._decided(proposal.batch, lambda head: self._commitment(head, proposal))

    def record(self, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp]) -> Batch:
        """See ``MetadataStore.record``."""
        asked = Proposal(batch, tuple(objects), taken_up=tuple(taken_up))
        return self._decided(batch, lambda head: self._recording(head, asked))

    def _decided(self, batch: Batch, build: Callable[[Head], Built]) -> Batch:
        turn = Turn(self.table, batch.dataset)
        keys = (head_key(batch.dataset), turn.key, batch_key(batch.id))
        try:
            while True:
                found = self.table.get_many(keys)
                head = head_from(found.get(keys[0]), batch.dataset)
                if head.tail:
                    self._finish(head)
                elif keys[2] in found and (stored := batch_by_id(self.table, batch.id)):
                    return stored
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
            batch=stored,
            seq=head.seq + 1,
            recorded_at=at,
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
        self._enter(documents, asked, now)
        settlements = _settlements(ledger_rules.settlements(asked.batch, asked.objects, ledger, None))
        away = tuple(ledger_rules.was_away(asked.batch))
        return Plan(asked.batch, head.seq + 1, now, settlements=tuple(settlements), away=away), documents, {}

    def _decide(self, head: Head, turn: Turn, plan: Plan, documents: dict[str, Document], earlier: dict[str, Marks]) -> Batch:
        """Make the decision if the head has not moved, and see it carried out.

        :raises Lost: it has
        """
        batch, facts = plan.batch, {"seq": plan.seq}
        if batch.commit is not None:
            facts |= {"last_commit": batch.commit, "last_committed_at": plan.recorded_at}
        if plan.schema:
            facts["schema"] = plan.schema[0]
        entered = {key: one for key, one in documents.items() if one.changed}
        note_folders(self.table, [row for one in entered.values() for row in one.rows if "seq" not in row], self.noted)
        if not plan.away and self._at_once([head.moved_on(**facts), *turn.release()], plan, documents, earlier):
            return batch
        self._claim(entered)
        name = f"PLAN#{batch.id}#{uuid.uuid4().hex[:16]}"
        self.table.put_many(plan_items(plan, name))
        tail = {"tail": name, "tail_commits": int(batch.commit is not None), "since": int(time.time())}
        write = head.moved_on(**facts, **tail)
        try:
            self.table.transact([write, *turn.release()])
        except Lost:
            self._take_away(plan, name)
            raise
        self._carry_out(head_from(write.item, batch.dataset), plan)
        return batch

    def _at_once(
        self, decision: Sequence[Write], plan: Plan, documents: dict[str, Document], earlier: dict[str, Marks]
    ) -> bool:
        """Decide and carry out in one transaction; ``False`` when it does not fit into one."""
        if len(documents) + 4 * len(plan.batch.snapshots) > self.most_writes:
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
            self._adopt(head.dataset, self.head(name), [one.key for one in objects], wanted)
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
