"""The versions of a landing key in DynamoDB: one document per key, changed whole or not at all.

All versions of a key stand in one item, so that the rules over them need no transaction over many; versions that no longer fit
go to pages of their own, oldest first. Beside it, a pointer for every version that waits for something.

What belongs here: reading documents, and changing many of them against other writers. What does not: the rules
(``ledger_rules``), and what is asked of the ledger (``dynamo_ledger``).
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from supply_lake.errors import StoreUnavailable
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.dynamo_items import folder_items, object_key, older_key, waiting_key
from supply_lake.snapshots.dynamo_table import MOST_BYTES, MOST_WRITES, Item, Lost, Table, Write, in_threads, weight
from supply_lake.snapshots.ledger_rules import Row

PAGE_BYTES = 200_000
WAITING = (ObjectState.PENDING, ObjectState.SET_ASIDE, ObjectState.REFUSED)
"""States of which the versions are listed without their folders being read."""
_LONGEST_REASON = 2_000
_BUSY_SECONDS = 120.0


@dataclass(slots=True)
class Document:
    """The versions of one key, oldest first, and what it takes to write them back."""

    key: str
    rows: list[Row]
    rev: int
    before: tuple[str, ...]  # the texts of its pages as they were read
    waited: frozenset[tuple[str, str]]

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.rows) and _pages(self.rows) != self.before

    def writes(self) -> list[Write]:
        """What to write, all at once, for the rows to be what they are; nothing if they are what was read."""
        if not self.changed:
            return []
        *older, newest = pages = _pages(self.rows)
        pk, sk = object_key(self.key)
        item: Item = {"pk": pk, "sk": sk, "key": self.key, "rev": self.rev + 1, "older": len(older), "versions": newest}
        writes = [Write((pk, sk), item, self.rev)]
        for number, page in enumerate(older):
            if self.before[number : number + 1] != (page,) or number == len(self.before) - 1:
                place = older_key(self.key, number)
                writes.append(Write(place, {"pk": place[0], "sk": place[1], "versions": page}))
        waits = _waiting(self.rows)
        writes += [Write(one, {"pk": one[0], "sk": one[1], "key": self.key}) for one in sorted(waits - self.waited)]
        writes += [Write(one, None) for one in sorted(self.waited - waits)]
        assert len(pages) < MOST_WRITES, self.key
        return writes


def load(table: Table, keys: Iterable[str]) -> dict[str, Document]:
    """The documents of these keys; one that is not there has no rows."""
    wanted = dict.fromkeys(keys)
    items = table.get_many(map(object_key, wanted))
    found = documents(table, items.values())
    return {key: found.get(key) or Document(key, [], 0, (), frozenset()) for key in wanted}


def documents(table: Table, items: Iterable[Item]) -> dict[str, Document]:
    """Items of ``OBJECTS`` as documents, whole."""
    first = {item["key"]: item for item in items}
    older = table.get_many(older_key(key, n) for key, item in first.items() for n in range(item["older"]))
    found = {}
    for key, item in first.items():
        pages = (*(older[older_key(key, n)]["versions"] for n in range(item["older"])), item["versions"])
        placed = ((data, number) for number, page in enumerate(pages) for data in json.loads(page))
        rows = [_row(key, at, data, page if page < item["older"] else None) for at, (data, page) in enumerate(placed)]
        found[key] = Document(key, rows, item["rev"], pages, _waiting(rows))
    return found


def change(table: Table, keys: Iterable[str], how: Callable[[Document], None]) -> None:
    """Change the documents of these keys, each whole or not at all, however many others write them.

    :param how: changes the rows of a document; asked again, with other rows, when another writer was faster
    :raises StoreUnavailable: others were faster for minutes
    """
    left, most, end = set(keys), MOST_WRITES, time.monotonic() + _BUSY_SECONDS
    while left:
        found = load(table, sorted(left))
        for one in found.values():
            how(one)
        left = {key for key, one in found.items() if one.changed}
        atoms = [(key, found[key].writes()) for key in sorted(left)]
        done = in_threads(lambda pack: _try(table, pack), list(packed(atoms, most)))
        left -= {key for keys_ in done for key in keys_}
        if left:
            most = max(1, most // 4)
            _wait(end, table)


def note_folders(table: Table, rows: Iterable[Row], noted: set[tuple[str, str]]) -> None:
    """Write down where objects have landed, before they are entered; what this process has noted is not noted again."""
    items = {(one["pk"], one["sk"]): one for one in folder_items(rows)}
    new = [item for key, item in items.items() if key not in noted]
    table.put_many(new)
    noted.update((one["pk"], one["sk"]) for one in new)


def packed(atoms: Sequence[tuple[str, list[Write]]], most: int) -> Iterator[list[tuple[str, list[Write]]]]:
    """The atoms in lists that fit into one transaction of at most so many writes; one that is larger stands alone."""
    pack: list[tuple[str, list[Write]]] = []
    count = size = 0
    for atom in atoms:
        writes, weighs = len(atom[1]), sum(weight(one.item) for one in atom[1])
        if pack and (count + writes > most or size + weighs > MOST_BYTES):
            yield pack
            pack, count, size = [], 0, 0
        pack.append(atom)
        count, size = count + writes, size + weighs
    if pack:
        yield pack


def _try(table: Table, pack: Sequence[tuple[str, list[Write]]]) -> list[str]:
    """Names of the atoms that were written: all, or none."""
    try:
        table.transact([write for _, writes in pack for write in writes])
    except Lost:
        return []
    return [name for name, _ in pack]


def _wait(end: float, table: Table) -> None:
    if time.monotonic() > end:
        raise StoreUnavailable(f"the metadata store {table.described} is busy: others were faster for minutes; run it again")
    time.sleep(random.random() * 0.05)


def _waiting(rows: Iterable[Row]) -> frozenset[tuple[str, str]]:
    return frozenset(waiting_key(row) for row in rows if row["state"] in WAITING)


def _pages(rows: Sequence[Row]) -> tuple[str, ...]:
    """The rows as texts of bounded size: rows of an older page stay on it, the others fill new ones, the newest last."""
    settled = [row for row in rows if row.get("page") is not None and "was" not in row]
    pages: list[list[str]] = [[] for _ in range(1 + max((row["page"] for row in settled), default=-1))]
    for row in settled:
        pages[row["page"]].append(_text(row))
    pages.append([])
    size = 0
    for row in (row for row in rows if row.get("page") is None or "was" in row):
        text = _text(row)
        if pages[-1] and size + len(text) > PAGE_BYTES:
            pages.append([])
            size = 0
        pages[-1].append(text)
        size += len(text) + 1
    return tuple(f"[{','.join(page)}]" for page in pages)


def _text(row: Row) -> str:
    kept: dict[str, Any] = {name: value for name, value in row.items() if name not in ("id", "was", "key", "page")}
    if len(row["reason"]) > _LONGEST_REASON:  # the batch's record has it whole
        kept["reason"] = row["reason"][:_LONGEST_REASON] + "…"
    kept["landing_date"] = row["landing_date"].isoformat() if row["landing_date"] else None
    return json.dumps(kept, separators=(",", ":"))


def _row(key: str, number: int, data: dict[str, Any], page: int | None) -> Row:
    date = dt.date.fromisoformat(data["landing_date"]) if data["landing_date"] else None
    return {**data, "key": key, "id": number, "page": page, "landing_date": date}
