"""The heads of datasets in DynamoDB: what a reader may see, and finishing what a killed writer decided.

What belongs here: reading heads, promises, and carrying out what a head names. What does not: making decisions
(``dynamo_commit``) and what follows from one (``dynamo_plan``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from supply_lake.errors import StoreUnavailable
from supply_lake.snapshots.dynamo_items import HEADS, Head, View, head_from, head_key
from supply_lake.snapshots.dynamo_ledger import forget_folders
from supply_lake.snapshots.dynamo_plan import Plan, carry_out, load_plan, plan_items
from supply_lake.snapshots.dynamo_table import Denied, Lost, Table
from supply_lake.snapshots.dynamo_turns import Turn


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of a table's datasets.

    :param patience: seconds that another writer is given to carry out what it has decided
    """

    table: Table
    patience: float

    def head(self, dataset: str) -> Head:
        """The head of a dataset of which everything is carried out.

        :raises Denied: something is not, and these credentials may not do it
        """
        while (head := head_from(self.table.get(head_key(dataset)), dataset)).tail:
            self.finish(head)
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

    def views(self) -> dict[str, View]:
        """What a reader may see of each dataset."""
        return {name: self.view(name) if head.tail else head.visible for name, head in self.peek().items()}

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

    def finish(self, head: Head) -> None:
        """Carry out what the head names, unless its own writer is still at it."""
        if self._young(head):
            time.sleep(random.random() * 0.1)
            return
        plan = load_plan(self.table, head.tail)
        if plan is not None:
            self.carry_out(head, plan)
        elif head_from(self.table.get(head.key), head.dataset).tail == head.tail:  # else it was carried out meanwhile
            raise StoreUnavailable(
                f"the metadata store {self.table.described} lacks {head.tail}, which a decision about dataset {head.dataset} "
                "stands in; restore the table to a moment before it was damaged"
            )

    def carry_out(self, head: Head, plan: Plan) -> None:
        """Carry out the plan that the head names, and have the head forget it."""
        carry_out(self.table, plan, lambda keys: forget_folders(self.table, keys))
        try:
            self.table.transact([head.moved_on(tail="", tail_commits=0)])
        except Lost:
            return  # someone else did it all, too
        self.take_away(plan, head.tail)

    def take_away(self, plan: Plan, name: str) -> None:
        """Delete the items of a plan that nothing needs any more."""
        self.table.delete_many([(item["pk"], item["sk"]) for item in plan_items(plan, name)])
