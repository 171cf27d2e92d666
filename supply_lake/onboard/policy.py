"""Facts about files, keys and columns → mode, key scope, order, deduplication, and why.

What belongs here: the rules of thumb, each with the sentence that a reviewer reads. What does not: finding the facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supply_lake.onboard import names
from supply_lake.onboard.dating import Dating
from supply_lake.onboard.keys import Found, Key
from supply_lake.onboard.seen import Seen
from supply_lake.onboard.telling import count

_FEW_ROWS = 30


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person who asks for a draft has decided already; ``pulled``: the source is a table, read anew each time."""

    key: tuple[str, ...] = ()
    mode: str = ""
    order_by: str = ""
    owner: str = ""
    pulled: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Fields of the dataset with the reason of each, and what is in doubt. ``nullable`` are key columns that may be empty."""

    fields: Mapping[str, Any]
    why: Mapping[str, str]
    doubts: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()
    offers: tuple[tuple[Mapping[str, Any], str], ...] = field(default=())

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        key = self.fields.get("primary_key", ())
        return (key,) if isinstance(key, str) else tuple(key)


def decide(seen: Sequence[Seen], found: Found, dating: Dating, wishes: Wishes, rows: int) -> Policy:
    """Mode and key of the dataset."""
    key = found.key
    parts = [seen[at] for at in key.columns] if key else []
    order = wishes.order_by or _order(seen)
    mode, scope, why = _mode(key, dating, wishes)
    fields: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if key:
        fields["primary_key"] = [one.name for one in parts] if len(parts) > 1 else parts[0].name
        reasons["primary_key"] = _told(key, rows, dating)
    if scope == "dataset":
        fields["key_scope"] = "dataset"
    if order and key:
        fields["order_by"] = order
        reasons["order_by"] = "as asked for" if wishes.order_by else "by its name it tells when a row was last changed"
    fields["mode"] = mode
    reasons["mode"] = why
    nullable = tuple(one.name for one in parts if one.values.empty or one.guess.nulls)
    return Policy(fields, reasons, tuple(_doubts(key, found, seen, rows, nullable)), nullable, _offers(found, key))


def _mode(key: Key | None, dating: Dating, wishes: Wishes) -> tuple[str, str, str]:
    """Mode, key scope and the reason."""
    one_a_day = dating.dated and len(dating.days) == len(dating.dates)
    if wishes.mode:
        scope = "dataset" if wishes.mode == "upsert" and key and key.everywhere and not dating.dated else "partition"
        return wishes.mode, scope, "as asked for"
    if wishes.pulled and not key:
        return "replace", "partition", "each pull reads the whole table, which is the whole truth of its date"
    if one_a_day:
        return "replace", "partition", "each date has one file, which is taken for the whole truth of that date"
    if dating.dated:
        told = (
            "a date may have several files; rows of one key and date replace each other"
            if key
            else "a date may have several files"
        )
        return ("upsert" if key else "append"), "partition", told
    if key and key.everywhere:
        return "upsert", "dataset", "files without a date, taken for a table that is delivered again: one live row for each key"
    return "append", "partition", "rows have no key by which a later delivery could replace them"


def _order(seen: Sequence[Seen]) -> str:
    """The column that tells when a row was last changed."""
    for one in seen:
        timed = one.guess.type in ("timestamp", "date") and one.values.filled and not one.guess.nulls
        if timed and names.says_change(one.label):
            return one.name
    return ""


def _told(key: Key, rows: int, dating: Dating) -> str:
    if key.why:
        return key.why
    if key.shared:
        return f"as asked for; {key.shared:,} of {rows:,} rows share it with another, and only one of them stays"
    where = "" if key.everywhere else " of one file date" if dating.dated else ""
    return f"no two of {rows:,} rows{where} share it"


def _doubts(key: Key | None, found: Found, seen: Sequence[Seen], rows: int, nullable: Sequence[str]) -> list[str]:
    doubts = []
    if key is None:
        near = found.nearest
        told = ""
        if near is not None:
            together = " + ".join(seen[at].name for at in near.columns)
            told = f"; nearest comes {together}, where {count(near.shared, 'row')} share it with another"
        doubts.append(f"no primary key was found{told}; a file that is delivered again under another name is published again")
    elif rows < _FEW_ROWS and not key.why:
        doubts.append(f"the primary key is unique in {count(rows, 'row')}, which proves little")
    if found.repeated:
        doubts.append(f"{count(found.repeated, 'row')} repeat another one in every column, and are kept")
    if nullable:
        doubts.append(f"the key columns {', '.join(nullable)} may be empty, as they are in the sample")
    return doubts


def _offers(found: Found, key: Key | None) -> tuple[tuple[Mapping[str, Any], str], ...]:
    if found.repeated and key is None:
        return (({"deduplicate": "row"}, f"drops {count(found.repeated, 'row')} that repeat another one whole"),)
    return ()
