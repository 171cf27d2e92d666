"""The items of the DynamoDB metadata store, and their keys: one table, ``pk`` and ``sk``, no secondary index.

======================== ============================================ ======================================================
pk                       sk                                           what it is
======================== ============================================ ======================================================
``LAKE``                 ``DESIGN``                                   the number of this design
``HEADS``                ``=<dataset>``                               where a dataset's history ends; every decision moves it
``TURNS``                ``=<dataset>``                               which of its writers goes next, where several do
``PLAN#<dataset>#<token>`` ``<piece>``                                  a decision that did not fit into one transaction
``SNAPSHOT#<id>``        ``RECORD#<piece>``, ``MARKS``                its record, never changed; and what changes
``SNAPSHOT#<id>``        ``CONDEMNED``                                its files are given up, and it may never be recorded
``LIVE#<dataset>``       ``<partition>#<commit>#<id>``                the same marks while it is live
``PAST#<dataset>``       ``<superseded by>#<partition>#<commit>#<id>``  the same marks when it is not any more
``SNAPSHOTS#<dataset>``  ``<time>#<id>``                              every snapshot, by the time it was recorded
``BATCH#<id>``           ``RECORD#<piece>``                           its record
``BATCHES#<dataset>``    ``<time>#<id>``                              every batch, by the time it was recorded
``RUN#<run>``            ``<time>#<id>``                              the batches of a run
``COMMITS#<dataset>``    ``<time>``                                   every commit; times and numbers grow together
``SCHEMAS#<dataset>``    ``<commit>``                                 every schema version, by the commit that brought it
``SCHEMA#<dataset>#<n>`` ``RECORD#<piece>``                           its record
``REMOVAL#<id>``         ``RECORD#<piece>``                           which files were given up
``REMOVALS#<dataset>``   ``<time>#<id>``                              every removal, by its time
``PINS``                 ``<id>#<piece>``                             registered pins
``OBJECTS#<folder>``     ``<name>``                                   the versions of one landing key, oldest first
``OLDER#<folder>``       ``<name><page>``                             its oldest versions, where one item cannot hold all
``WAITING#<dataset>``    ``<state>#<date>#<modified>#<key>#<version>``  a version that is pending, set aside or refused
``FOLDERS#<dataset>``    ``<date>#<folder>``                          where objects of a dataset have landed
``PRINTS``               ``=<prefix>``                                the fingerprint of a landing folder
======================== ============================================ ======================================================

Numbers and times in keys have a fixed width, so that they sort. Records are compressed JSON in pieces well below the 400 KB of
an item. The live set at commit *n* is ``LIVE`` without what came after *n*, and those of ``PAST`` that were superseded after
*n*: a range of its keys, so reading a recent commit costs what has changed since. Every changeable item has a ``rev`` that
its writers compare.

What belongs here: keys, and values to items and back. What does not: any request (``dynamo_table``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from supply_lake.snapshots.dynamo_table import Item, Key, Table, Write
from supply_lake.snapshots.records import Snapshot

DESIGN = 1
LAKE: Key = ("LAKE", "DESIGN")
HEADS, PINS, PRINTS = "HEADS", "PINS", "PRINTS"
PIECE_BYTES = 300_000
_LONGEST_PK, _LONGEST_SK, _LONGEST_KEY_IN_SK = 1_900, 1_000, 850  # bytes; the service takes 2,048 and 1,024
_BEFORE_1970 = 10**17  # microseconds; the year 0001 is not before it


def number_key(number: int) -> str:
    """A commit number that sorts."""
    return f"{number:012d}"


def time_key(micros: int) -> str:
    """A time that sorts."""
    return f"{micros + _BEFORE_1970:018d}"


def fitting(text: str, longest: int) -> str:
    """The text, or where it is too long for a key its beginning and a digest of it all."""
    raw = text.encode()
    if len(raw) <= longest:
        return text
    return f"{raw[: longest - 70].decode(errors='ignore')}#{hashlib.sha256(raw).hexdigest()}"


# --- records in pieces


def record_items(pk: str, text: str, prefix: str = "RECORD#", **facts: Any) -> list[Item]:
    """A record as items; the first one says how many there are, and has the facts."""
    data = zlib.compress(text.encode(), 6)
    pieces = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    items: list[Item] = [{"pk": pk, "sk": f"{prefix}{number:04d}", "data": piece} for number, piece in enumerate(pieces)]
    items[0] |= {"pieces": len(items), **facts}
    return items


def record_text(items: Iterable[Item]) -> str:
    """The inverse of ``record_items``."""
    return zlib.decompress(b"".join(one["data"] for one in items)).decode()


def records(table: Table, pks: Sequence[str]) -> dict[str, tuple[Item, str]]:
    """Of each partition that has a record, its first item and the text."""
    first = table.get_many((pk, f"RECORD#{0:04d}") for pk in pks)
    rest = table.get_many(
        (pk, f"RECORD#{number:04d}") for (pk, _), item in first.items() for number in range(1, item["pieces"])
    )
    return {
        pk: (item, record_text([item, *(rest[pk, f"RECORD#{number:04d}"] for number in range(1, item["pieces"]))]))
        for (pk, _), item in first.items()
    }


# --- heads


@dataclass(frozen=True, slots=True)
class Head:
    """Where a dataset's history ends.

    ``seq`` counts decisions: commits, and batches that published nothing. ``tail`` names the plan of the newest one while it is
    not carried out wholly, ``tail_commits`` tells whether that is a commit, ``since`` when it was decided (seconds since 1970).
    """

    dataset: str
    rev: int = 0
    seq: int = 0
    last_commit: int = 0
    last_committed_at: int = 0
    answered_until: int = 0
    schema: int = 0
    tail: str = ""
    tail_commits: int = 0
    since: int = 0

    @property
    def key(self) -> Key:
        """Where it is."""
        return head_key(self.dataset)

    def moved_on(self, **changes: Any) -> Write:
        """The write that puts another in its place, unless someone else did."""
        head = replace(self, rev=self.rev + 1, **changes)
        fields = {name: getattr(head, name) for name in Head.__dataclass_fields__}
        return Write(self.key, {"pk": self.key[0], "sk": self.key[1], **fields}, self.rev)

    @property
    def visible(self) -> View:
        """What may be shown of the dataset."""
        hidden = 1 if self.tail else 0
        return View(self.last_commit - (self.tail_commits if hidden else 0), self.seq - hidden)


@dataclass(frozen=True, slots=True)
class View:
    """What a reader may see: commits up to a number, and decisions up to one. Whatever comes later is passed over."""

    number: int
    seq: int


def head_key(dataset: str) -> Key:
    """Where the head of a dataset is."""
    return (HEADS, f"={dataset}")


def batch_key(batch_id: str) -> Key:
    """Where the record of a batch begins, once everything that follows from it is there or about to be."""
    return (f"BATCH#{batch_id}", f"RECORD#{0:04d}")


def removal_key(removal_id: str) -> Key:
    """Where the record of a removal begins."""
    return (f"REMOVAL#{removal_id}", f"RECORD#{0:04d}")


def condemned_key(snapshot_id: str) -> Key:
    """Where it says that a snapshot may never be recorded."""
    return (f"SNAPSHOT#{snapshot_id}", "CONDEMNED")


def run_pk(run_id: str) -> str:
    """The partition of a run's batches."""
    return f"RUN#{fitting(run_id, _LONGEST_PK)}"


def head_from(item: Item | None, dataset: str) -> Head:
    """An item as a head; the beginning of history without one."""
    return (
        Head(dataset, **{name: item[name] for name in Head.__dataclass_fields__ if name != "dataset"})
        if item
        else Head(dataset)
    )


# --- what changes of a snapshot


@dataclass(frozen=True, slots=True)
class Marks:
    """What changes of a committed snapshot, and what it is found by.

    ``revocations`` has the commits that revoked it (true), and those that took it back (false), oldest first. ``removed_at`` is
    in microseconds. ``holds`` is 1 for what holds rows of others as they were; its record tells of which.
    """

    id: str
    dataset: str
    partition: dt.date
    landing_date: dt.date
    batch_id: str
    commit: int
    seq: int
    superseded_by: int | None = None
    revocations: tuple[tuple[int, bool], ...] = ()
    removed_at: int | None = None
    holds: int = 0
    rev: int = 0

    @property
    def key(self) -> Key:
        """Of the marks themselves."""
        return (f"SNAPSHOT#{self.id}", "MARKS")

    @property
    def place(self) -> Key:
        """Where the dataset's readers find them."""
        rest = f"{self.partition}#{number_key(self.commit)}#{self.id}"
        if self.superseded_by is None:
            return (f"LIVE#{self.dataset}", rest)
        return (f"PAST#{self.dataset}", f"{number_key(self.superseded_by)}#{rest}")

    def replaced_by(self, marks: Marks) -> list[Write]:
        """The writes, to be made together, that put others in their place; nothing when they are the same."""
        if marks == self and self.rev:
            return []
        marks = replace(marks, rev=self.rev + 1)
        writes = [Write(self.key, marks._item(self.key), self.rev), Write(marks.place, marks._item(marks.place))]
        return [*writes, Write(self.place, None)] if self.rev and self.place != marks.place else writes

    def _item(self, key: Key) -> Item:
        return {
            "pk": key[0],
            "sk": key[1],
            "id": self.id,
            "dataset": self.dataset,
            "partition": self.partition.isoformat(),
            "landing_date": self.landing_date.isoformat(),
            "batch": self.batch_id,
            "commit": self.commit,
            "seq": self.seq,
            "superseded_by": self.superseded_by,
            "revocations": json.dumps(self.revocations) if self.revocations else None,
            "removed_at": self.removed_at,
            "holds": self.holds,
            "rev": self.rev,
        }

    def superseded_in(self, view: View) -> int | None:
        """The commit that superseded it, as far as a reader may know."""
        return self.superseded_by if self.superseded_by is not None and self.superseded_by <= view.number else None

    def revoked_in(self, view: View) -> int | None:
        """The commit that revoked it, as far as a reader may know."""
        known = [(number, revoked) for number, revoked in self.revocations if number <= view.number]
        return known[-1][0] if known and known[-1][1] else None


def marks_of(snapshot: Snapshot, commit: int, seq: int) -> Marks:
    """Those of a snapshot that is about to be committed."""
    return Marks(
        id=snapshot.id,
        dataset=snapshot.dataset,
        partition=snapshot.partition,
        landing_date=snapshot.landing_date,
        batch_id=snapshot.batch_id,
        commit=commit,
        seq=seq,
        superseded_by=snapshot.superseded_by,
        holds=int(bool(snapshot.holds)),
    )


def marks_from(item: Item) -> Marks:
    """An item as marks."""
    return Marks(
        id=item["id"],
        dataset=item["dataset"],
        partition=dt.date.fromisoformat(item["partition"]),
        landing_date=dt.date.fromisoformat(item["landing_date"]),
        batch_id=item["batch"],
        commit=item["commit"],
        seq=item["seq"],
        superseded_by=item.get("superseded_by"),
        revocations=tuple((number, revoked) for number, revoked in json.loads(item.get("revocations", "[]"))),
        removed_at=item.get("removed_at"),
        holds=item["holds"],
        rev=item["rev"],
    )


# --- landing


def object_key(key: str) -> Key:
    """Where the versions of a landing key are."""
    slash = key.rfind("/") + 1
    return (f"OBJECTS#{fitting(key[:slash], _LONGEST_PK)}", f"={fitting(key[slash:], _LONGEST_SK)}")


def older_key(key: str, page: int) -> Key:
    """Where a page of its oldest versions is."""
    pk, sk = object_key(key)
    return (f"OLDER#{pk.removeprefix('OBJECTS#')}", f"{sk}{page:04d}")


def waiting_key(row: dict[str, Any]) -> Key:
    """Where a version that is not dealt with stands in the order in which it is taken."""
    version = hashlib.blake2b(f"{row['key']}\0{row['etag']}\0{row['size']}".encode(), digest_size=8).hexdigest()
    place = f"{time_key(row['modified'])}#{fitting(row['key'], _LONGEST_KEY_IN_SK)}#{version}"
    return (f"WAITING#{row['dataset']}", f"{row['state']}#{row['landing_date'] or '-'}#{place}")


def folder_items(rows: Iterable[dict[str, Any]]) -> Iterator[Item]:
    """Notes of where objects of a dataset have landed."""
    for row in rows:
        pk, folder = object_key(row["key"])[0], row["key"][: row["key"].rfind("/") + 1]
        sk = f"{row['landing_date'] or '-'}#{fitting(folder, _LONGEST_SK - 12)}"
        yield {"pk": f"FOLDERS#{row['dataset']}", "sk": sk, "objects": pk, "folder": folder}


def print_item(prefix: str, fingerprint: int) -> Item:
    """A landing folder's fingerprint, a whole number of any size."""
    pk, sk = print_key(prefix)
    return {"pk": pk, "sk": sk, "prefix": prefix, "fingerprint": str(fingerprint)}


def print_key(prefix: str) -> Key:
    """Where the fingerprint of a landing folder is."""
    return (PRINTS, f"={fitting(prefix, _LONGEST_SK)}")
