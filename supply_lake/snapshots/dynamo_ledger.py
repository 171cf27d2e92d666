"""The ledger of landed objects in DynamoDB: entering, finding, counting attempts.

An answer of many pages has each version as it stood when its page was read, which is never before the question was asked.

What belongs here: what ``MetadataStore`` asks of the ledger. What does not: its rules (``ledger_rules``), documents
(``dynamo_versions``) and what a batch means for it (``dynamo_plan``).
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice

from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots.dynamo_items import PRINTS, print_item, print_key, waiting_key
from supply_lake.snapshots.dynamo_table import Table, chunked, in_threads
from supply_lake.snapshots.dynamo_versions import WAITING, Document, change, documents, load, note_folders
from supply_lake.snapshots.ledger_rules import (
    Row,
    away,
    deliver,
    entry,
    failed,
    identity,
    pending_batch,
    published,
    retried,
    used_up,
    within,
)
from supply_lake.snapshots.store import PublishedContent
from supply_lake.storage.object_store import ObjectVersion

_KEYS_AT_ONCE = 2_000
_FEW_PREFIXES = 100
_CERTAIN_KEY = 200  # characters of a sort key that stand in it as they are, however long it is


# --- entering


def register(table: Table, entries: Iterable[LedgerEntry], listed: bool, now: int, noted: set[tuple[str, str]]) -> int:
    """Enter the versions; returns how many were new."""
    by_key = sorted(entries, key=lambda one: one.object.key)
    keyed = groupby(by_key, key=lambda one: one.object.key)
    return sum(_register(table, dict(chunk), listed, now, noted) for chunk in _listed(keyed))


def _listed(keyed: Iterable[tuple[str, Iterable[LedgerEntry]]]) -> Iterator[list[tuple[str, list[LedgerEntry]]]]:
    return chunked(((key, list(found)) for key, found in keyed), _KEYS_AT_ONCE)


def _register(table: Table, entries: dict[str, list[LedgerEntry]], listed: bool, now: int, noted: set[tuple[str, str]]) -> int:
    new: dict[str, int] = {}

    def enter(document: Document) -> None:
        owners = {row["id"]: row["dataset"] for row in document.rows}
        for one in entries[document.key]:
            deliver(document.rows, one, listed, now)
        for row in document.rows:
            if "was" in row and owners[row["was"]] != row["dataset"]:
                row["seq"] = 0  # the decisions of another dataset are counted anew
        new[document.key] = sum("id" not in row and "was" not in row for row in document.rows)

    rows = [
        {"key": key, "dataset": one.dataset, "landing_date": one.landing_date} for key, ones in entries.items() for one in ones
    ]
    note_folders(table, rows, noted)
    change(table, entries, enter)
    return sum(new.values())


def prefix_fingerprints(table: Table, prefixes: Sequence[str] = ("",)) -> dict[str, int]:
    """The fingerprints of folders that begin with one of these."""
    few = len(prefixes) <= _FEW_PREFIXES  # each is a query of its own then, and history costs nothing
    keys = [print_key(one)[1][:_CERTAIN_KEY] for one in prefixes] if few else ["="]
    read = in_threads(lambda begin: list(table.query(PRINTS, prefix=begin)), sorted(set(keys)))
    found = {item["prefix"]: int(item["fingerprint"]) for items in read for item in items}
    return {prefix: value for prefix, value in found.items() if prefix.startswith(tuple(prefixes))}


def set_prefix_fingerprints(table: Table, fingerprints: dict[str, int]) -> None:
    """Replace these folders' fingerprints."""
    table.put_many(print_item(prefix, value) for prefix, value in fingerprints.items())


def forget_folders(table: Table, keys: Sequence[str]) -> None:
    """Have the folders of these keys compared again by the next listing, whatever they look like."""
    if keys:
        from supply_lake.landing.discovery import stale  # brings Polars, which only this rare case needs

        set_prefix_fingerprints(table, stale(prefix_fingerprints(table), keys))


# --- finding


def known(table: Table, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
    """Versions of each key that need not be entered again."""
    found: dict[str, set[tuple[str, int]]] = {}
    for document in _documents(table, keys):
        for row in document.rows:
            if not away(row):
                found.setdefault(document.key, set()).add((row["etag"], row["size"]))
    return found


def versions(table: Table, keys: Sequence[str]) -> dict[str, list[LedgerEntry]]:
    """All versions of these keys, oldest first."""
    return {one.key: list(map(entry, one.rows)) for one in _documents(table, keys) if one.rows}


def _documents(table: Table, keys: Iterable[str]) -> Iterator[Document]:
    for chunk in chunked(dict.fromkeys(keys), 5 * _KEYS_AT_ONCE):
        yield from load(table, chunk).values()


def pending(table: Table, datasets: Sequence[str]) -> list[PendingBatch]:
    """What waits, by landing date then dataset."""
    found = [
        row for rows in in_threads(lambda name: list(_waiting(table, name, ObjectState.PENDING)), datasets) for row in rows
    ]
    found.sort(key=lambda row: (row["landing_date"], row["dataset"], row["modified"], row["key"]))
    grouped = groupby(found, key=lambda row: (row["landing_date"], row["dataset"]))
    return [pending_batch(*group, rows) for group, rows in grouped]


def pending_objects(table: Table, dataset: str, landing_date: dt.date, max_objects: int, max_bytes: int) -> list[LedgerEntry]:
    """The next pending versions in order of modification then key, within the caps; at least one if any is pending."""
    rows = _waiting(table, dataset, ObjectState.PENDING, landing_date, max(1, max_objects))
    return list(within(islice(rows, max(1, max_objects)), max_bytes))


def _waiting(
    table: Table, dataset: str, state: ObjectState, landing_date: dt.date | None = None, at_most: int | None = None
) -> Iterator[Row]:
    """Versions in one of the states that have pointers, in the order of landing date, modification, key."""
    prefix = f"{state}#" if landing_date is None else f"{state}#{landing_date}#"
    pointers = table.query(f"WAITING#{dataset}", prefix=prefix, at_most=at_most)
    for chunk in chunked(pointers, min(_KEYS_AT_ONCE, at_most or _KEYS_AT_ONCE)):
        pointed = {(item["pk"], item["sk"]) for item in chunk}
        found = (row for one in load(table, (item["key"] for item in chunk)).values() for row in one.rows)
        rows = [row for row in found if row["state"] == state and waiting_key(row) in pointed]
        yield from sorted(rows, key=lambda row: (str(row["landing_date"]), row["modified"], row["key"], row["id"]))


def entries(
    table: Table, datasets: Iterable[str], state: ObjectState | None, landing_date: dt.date | None
) -> Iterator[LedgerEntry]:
    """Ledger entries by dataset, key, and the order in which a key's versions came."""
    for dataset in sorted(datasets):
        if state in WAITING:
            rows: Iterable[Row] = sorted(_waiting(table, dataset, state, landing_date), key=lambda row: (row["key"], row["id"]))
        else:
            rows = _landed(table, dataset, landing_date)
        yield from (entry(row) for row in rows if state in (None, row["state"]))


def _landed(table: Table, dataset: str, landing_date: dt.date | None) -> Iterator[Row]:
    """Versions of a dataset by key: its folders are read in turn, and those inside of others between their keys."""
    prefix = "" if landing_date is None else f"{landing_date}#"
    folders = sorted({(item["folder"], item["objects"]) for item in table.query(f"FOLDERS#{dataset}", prefix=prefix)})
    open_: list[tuple[str, int, Document, Iterator[Document]]] = []
    for number, (folder, pk) in enumerate(folders):
        yield from _taken(open_, folder, dataset, landing_date)
        _push(open_, number, _of_folder(table, pk))
    yield from _taken(open_, None, dataset, landing_date)


def _taken(
    open_: list[tuple[str, int, Document, Iterator[Document]]], until: str | None, dataset: str, landing_date: dt.date | None
) -> Iterator[Row]:
    while open_ and (until is None or open_[0][0] < until):
        _, number, document, rest = heapq.heappop(open_)
        for row in document.rows:
            if row["dataset"] == dataset and landing_date in (None, row["landing_date"]):
                yield row
        _push(open_, number, rest)


def _push(open_: list[tuple[str, int, Document, Iterator[Document]]], number: int, rest: Iterator[Document]) -> None:
    document = next(rest, None)
    if document is not None:
        heapq.heappush(open_, (document.key, number, document, rest))


def _of_folder(table: Table, pk: str) -> Iterator[Document]:
    for chunk in chunked(table.query(pk), _KEYS_AT_ONCE):
        yield from documents(table, chunk).values()


def published_content(
    table: Table, dataset: str, landing_date: dt.date, live_batches: Collection[str]
) -> list[PublishedContent]:
    """What committed batches of one dataset and landing date read, in the order in which it was published."""
    rows = [row for row in _landed(table, dataset, landing_date) if row["published_in"] is not None]
    rows.sort(key=lambda row: row["published_in"])
    return published(rows, lambda row: row["batch_id"] in live_batches or row["standing_in"] in live_batches)


# --- attempts


def start_attempt(table: Table, wanted: Sequence[ObjectVersion], max_attempts: int) -> int | None:
    """Count an attempt at all of these, or set aside those that had all of theirs; see ``MetadataStore``."""
    identities = {one.identity for one in wanted}
    rows = [row for one in load(table, (one.key for one in wanted)).values() for row in one.rows if identity(row) in identities]
    waiting = [row for row in rows if row["state"] == ObjectState.PENDING]
    exhausted = {identity(row) for row in waiting if row["attempts"] >= max_attempts}
    if exhausted:
        _change(table, exhausted, lambda row: used_up(row) if row["attempts"] >= max_attempts else {})
        return None
    if not waiting or len(waiting) < len(identities):
        return None
    counted: dict[str, dict[tuple[str, str, int], int]] = {}

    def count(document: Document) -> None:
        pending_ = [row for row in document.rows if identity(row) in identities and row["state"] == ObjectState.PENDING]
        for row in pending_:
            row |= {"attempts": row["attempts"] + 1, "tries": row["tries"] + 1}
        counted[document.key] = {identity(row): row["attempts"] for row in pending_}

    change(table, {one.key for one in wanted}, count)
    attempts = {one: number for found in counted.values() for one, number in found.items()}
    if len(attempts) < len(identities):  # another batch dealt with some of them meanwhile
        forgive_attempt(table, [one for one in wanted if one.identity in attempts])
        return None
    return max(attempts.values())


def forgive_attempt(table: Table, wanted: Iterable[ObjectVersion]) -> None:
    """Take one counted attempt back."""
    _change(table, {one.identity for one in wanted}, lambda row: {"attempts": max(0, row["attempts"] - 1)})


def fail_attempt(table: Table, wanted: Iterable[ObjectVersion], reason: str, max_attempts: int) -> None:
    """Note the reason; set aside what has no attempt left."""
    _change(table, {one.identity for one in wanted}, lambda row: failed(row, reason, max_attempts))


def retry(table: Table, dataset: str, landing_date: dt.date | None) -> int:
    """Make pending again what was set aside, if it is its key's newest version."""
    aside = {row["key"] for row in _waiting(table, dataset, ObjectState.SET_ASIDE, landing_date)}
    taken: dict[str, int] = {}

    def take(document: Document) -> None:
        standing = [row for row in document.rows if row["state"] != ObjectState.REPLACED][-1:]
        chosen = [row for row in standing if row["state"] == ObjectState.SET_ASIDE and row["dataset"] == dataset]
        chosen = [row for row in chosen if landing_date in (None, row["landing_date"])]
        for row in chosen:
            row.update(retried(row))
        taken[document.key] = len(chosen)

    change(table, aside, take)
    return sum(taken.values())


def _change(table: Table, identities: Collection[tuple[str, str, int]], how: Callable[[Row], Row]) -> None:
    """Change these versions, those of them that are pending."""

    def change_rows(document: Document) -> None:
        for row in document.rows:
            if identity(row) in identities and row["state"] == ObjectState.PENDING:
                row.update(how(row))

    change(table, {key for key, _, _ in identities}, change_rows)
