"""Pass 1: every object of a batch, read once, sifted in parallel and kept for pass 2.

An object is read file by file: itself, or the members of an archive. Each is a part with a name and a number of its own, which
its rows carry; what comes of an object is told of the object whole.

What belongs here: streaming objects through readers and the sifter, and the outcome of every object. What does not: looking at
several rows at once (``settle``).
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path

import polars as pl

from supply_lake.curate import conditions, rejects, totals
from supply_lake.curate.archive import files_in
from supply_lake.curate.conditions import Broke
from supply_lake.curate.drift import Drift
from supply_lake.curate.raw import BadRecord, EmptyObject, RawChunk, Readable, Told
from supply_lake.curate.read_csv import CsvReader
from supply_lake.curate.read_json import read_document, read_lines
from supply_lake.curate.read_parquet import read_parquet
from supply_lake.curate.read_rejects import Kept, as_written, read_rejects
from supply_lake.curate.schema import Schema
from supply_lake.curate.sift import Sifted, Sifter
from supply_lake.curate.source import PlainBytes, Source
from supply_lake.curate.spool import Spool
from supply_lake.curate.terms import Terms
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import ObjectChanged, ObjectError, ObjectGone
from supply_lake.storage.layout import MEMBER, member_key

GROUP_BYTES = 24 * 1024 * 1024  # small objects are sifted together: validation has a fixed cost per call
GROUP_PIECES = 500
LEFT = "left"
"""Outcome of an object that is no part of the batch after all."""


@dataclass(frozen=True, slots=True)
class Options:
    """Limits of one curation: bytes of memory to aim at, and threads (0: one per core)."""

    memory_bytes: int = 1024**3
    threads: int = 0


@dataclass(slots=True)
class SourceOutcome:
    """What came of one object. ``outcome`` is read, empty, unreadable, gone, changed, or ``LEFT``."""

    key: str
    outcome: str = "read"
    reason: str = ""
    sha256: str = ""
    landed: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an object. ``owner`` is the place of its object's outcome.

    ``totals`` are its control totals; ``None`` when only its rejected rows are read.
    """

    owner: int
    totals: list[tuple[str, str]] | None


@dataclass(slots=True)
class Reading:
    """The result of pass 1. ``good`` and ``aside`` are spools of frames; the other fields count and tell.

    ``_src`` of the good rows counts ``parts``; ``names`` has what the rows of each say they come from. ``drift`` is what the
    files have that the contract does not, by part. ``broke`` counts rows by the condition that they break and their part,
    whether it rejects or warns.
    """

    good: Spool
    aside: Spool
    outcomes: list[SourceOutcome]
    parts: list[Part] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sums: dict[tuple[int, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    rules: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    drift: Drift = field(default_factory=Drift)
    broke: dict[tuple[str, int], Broke] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some records of one part, parsed or to be parsed by a worker."""

    part: int
    parse: Callable[[], RawChunk]
    bytes: int


def read_all(
    terms: Terms,
    sources: Sequence[Source],
    *,
    kept: Kept,
    landing_date: dt.date,
    scratch: Path,
    options: Options,
    published: Schema | None = None,
) -> Reading:
    """Read and sift every source, and after them what was kept of others.

    An object that breaks off midway contributes nothing but its reason.

    :param published: what was published last
    """
    budget = options.memory_bytes // 4
    names = [*(source.key for source in sources), *kept.keys]
    reading = Reading(
        good=Spool(scratch, "good", budget, by=("_src", "_date")),
        aside=Spool(scratch, "aside", budget // 4, by=("source",)),
        outcomes=[SourceOutcome(name) for name in names],
    )
    spec = terms.spec
    threads = options.threads or os.cpu_count() or 1
    work = [(Sifter(terms, landing_date), _pieces(spec, sources, reading, scratch))]
    for typed in (False, True) if kept.keys else ():
        written = Terms.of(as_written(terms.declared, published=typed), published)
        work.append((Sifter(written, landing_date), _kept_pieces(written, kept, reading, published=typed)))
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[list[Sifted]]] = deque()
        for sifter, pieces in work:
            for group in _groups(pieces):
                waiting.append(pool.submit(_sift_group, sifter, group, reading.names))
                if len(waiting) > threads:
                    _keep(reading, waiting.popleft().result())
        for future in waiting:
            _keep(reading, future.result())
    if spec.expect_total is not None:
        _reconcile(spec, reading)
    _drop_broken(reading)
    _refuse_unread_columns(reading)
    _count(reading)
    return reading


# --- reading


def _pieces(spec: DatasetSpec, sources: Sequence[Source], reading: Reading, scratch: Path) -> Iterator[_Piece]:
    for at, source in enumerate(sources):
        outcome = reading.outcomes[at]
        try:
            with PlainBytes(source) as stream:
                yield from _read_parts(spec, stream, at, reading, scratch)
                outcome.sha256 = stream.finish()
        except ObjectError as error:
            outcome.outcome = _OUTCOMES.get(type(error), "unreadable")
            outcome.reason = str(error)


_OUTCOMES: dict[type[ObjectError], str] = {ObjectGone: "gone", ObjectChanged: "changed"}


def _read_parts(spec: DatasetSpec, stream: PlainBytes, at: int, reading: Reading, scratch: Path) -> Iterator[_Piece]:
    empty, seen = "header only", False
    try:
        for member, file in files_in(stream, spec.format.members, scratch, reading.notes):
            told = Told()
            reading.parts.append(Part(at, told.totals))
            reading.names.append(member_key(stream.key, member))
            try:
                for piece in _read_one(spec, file, told, len(reading.parts) - 1, scratch):
                    seen = True
                    yield piece
            except EmptyObject as reason:
                empty = str(reason)
            reading.notes.update(told.notes)
    except EmptyObject as reason:
        empty = str(reason)
    if not seen:
        reading.outcomes[at].outcome, reading.outcomes[at].reason = "empty", empty


def _read_one(spec: DatasetSpec, file: Readable, told: Told, part: int, scratch: Path) -> Iterator[_Piece]:
    if spec.format.type == "csv":
        reader = CsvReader(file, spec.format, tuple(column.names_in_files[0] for column in spec.columns), told)
        for cut in reader.cuts():
            yield _Piece(part, partial(reader.parse, cut), len(cut.data))
        return
    if spec.format.type == "parquet":
        chunks = read_parquet(file, scratch)
    elif spec.format.type == "jsonl":
        chunks = read_lines(file, spec, told)
    else:
        chunks = read_document(file, spec, told)
    for chunk in chunks:
        yield _Piece(part, partial(_same, chunk), max(int(chunk.frame.estimated_size()), 1))


def _kept_pieces(written: Terms, kept: Kept, reading: Reading, *, published: bool) -> Iterator[_Piece]:
    owners = {one.key: at for at, one in enumerate(reading.outcomes)}
    parts = {name: at for at, name in enumerate(reading.names)}
    for name, key, chunk in read_rejects(kept, written, published=published):
        if name not in parts:
            parts[name] = len(reading.parts)
            reading.parts.append(Part(owners[key], None))
            reading.names.append(name)
        yield _Piece(parts[name], partial(_same, chunk), max(int(chunk.frame.estimated_size()), 1))


def _same(chunk: RawChunk) -> RawChunk:
    return chunk


def _groups(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    size = 0
    for piece in pieces:
        group.append(piece)
        size += piece.bytes
        if size >= GROUP_BYTES or len(group) >= GROUP_PIECES:
            yield group
            group, size = [], 0
    if group:
        yield group


# --- sifting


def _sift_group(sifter: Sifter, group: Sequence[_Piece], names: Sequence[str]) -> list[Sifted]:
    """Pieces that follow each other and have one header are sifted in one go."""
    parsed = [(piece.part, piece.parse()) for piece in group]
    by_header = groupby(parsed, key=lambda one: list(one[1].frame.schema.items()))
    return [sifter.sift(*_joined([*run]), names) for _, run in by_header]


def _joined(run: list[tuple[int, RawChunk]]) -> tuple[RawChunk, pl.Series]:
    notes: Counter[str] = Counter()
    for _, chunk in run:
        notes.update(chunk.notes)
    joined = RawChunk(
        frame=pl.concat([chunk.frame for _, chunk in run]),
        lines=pl.concat([chunk.lines for _, chunk in run]),
        bad=[replace(one, source=source) for source, chunk in run for one in chunk.bad],
        notes=notes,
    )
    src = pl.concat([pl.Series("_src", [source], pl.Int32).new_from_index(0, chunk.frame.height) for source, chunk in run])
    return joined, src


def _keep(reading: Reading, sifted: Sequence[Sifted]) -> None:
    for one in sifted:
        if one.good.height:
            reading.good.append(one.good)
        if one.aside.height:
            reading.aside.append(one.aside)
        reading.rules.update(one.rules)
        reading.notes.update(one.notes)
        reading.drift.update(one.drift)
        conditions.add(reading.broke, one.broke)
        for part, column, total in one.sums:
            reading.sums[part, column] += total


# --- the outcome of every object


def leave(reading: Reading, keys: Collection[str]) -> None:
    """Take these objects out as if they had not been given; they must have no good rows."""
    parts = [at for at, part in enumerate(reading.parts) if reading.outcomes[part.owner].key in keys]
    reading.drift.forget(parts)
    _forget_broken_conditions(reading, parts)
    _filter(reading.aside, ~pl.col("source").is_in([*keys, *(reading.names[at] for at in parts)]))
    for one in reading.outcomes:
        if one.key in keys:
            one.outcome, one.landed, one.rejected = LEFT, 0, 0


def _reconcile(spec: DatasetSpec, reading: Reading) -> None:
    """Hold every file to its control totals; an object that falls short of one is as good as cut off."""
    rows = Counter({name: held for (name,), held in reading.aside.shares().items()})
    for (part, _), held in reading.good.shares().items():
        rows[reading.names[part]] += held
    books = totals.Reconciliation(spec)
    for at, part in enumerate(reading.parts):
        outcome, name = reading.outcomes[part.owner], reading.names[at]
        if outcome.outcome in ("read", "empty") and part.totals is not None:
            problem = books.problem(part.totals, rows[name], {column: reading.sums[at, column] for column in books.columns})
            member = name.removeprefix(outcome.key).removeprefix(MEMBER)
            _fall_short(outcome, f"its member {member!r} {problem}" if member and problem else problem)
    owners = {part.owner for part in reading.parts}
    for at, outcome in enumerate(reading.outcomes):
        if outcome.outcome == "empty" and at not in owners:  # an archive without members
            _fall_short(outcome, books.problem((), 0, {}))
    reading.notes.update(books.notes)


def _fall_short(outcome: SourceOutcome, problem: str) -> None:
    if problem:
        outcome.outcome, outcome.reason = "unreadable", problem


def _drop_broken(reading: Reading) -> None:
    """Take out what was read of objects that broke off; an unreadable object is one rejected record instead."""
    broken = {at for at, one in enumerate(reading.outcomes) if one.outcome in ("unreadable", "gone", "changed")}
    if not broken:
        return
    parts = [at for at, part in enumerate(reading.parts) if part.owner in broken]
    reading.drift.forget(parts)
    _forget_broken_conditions(reading, parts)
    _filter(reading.good, ~pl.col("_src").is_in(parts))
    _filter(reading.aside, ~pl.col("source").is_in([reading.names[at] for at in parts]))
    keys = [one.key for one in reading.outcomes]
    unreadable = [
        BadRecord(None, "", reading.outcomes[at].reason, at)
        for at in sorted(broken)
        if reading.outcomes[at].outcome == "unreadable"
    ]
    if unreadable:
        reading.aside.append(rejects.from_bad_records(keys, unreadable))
        reading.rules.update(["the object cannot be read"] * len(unreadable))


def _forget_broken_conditions(reading: Reading, parts: Collection[int]) -> None:
    reading.broke = {(rule, at): one for (rule, at), one in reading.broke.items() if at not in parts}


def _refuse_unread_columns(reading: Reading) -> None:
    """In a frozen dataset, a column of an object in which no value at all could be read has another type."""
    for column, part in sorted(reading.drift.unread):
        frames = (reading.good.get(at, [column, "_src"]) for at in range(len(reading.good)) if _has(reading.good, at, part))
        if not any(frame.filter(pl.col("_src") == part)[column].count() for frame in frames):
            reason = f"no value of column {column!r} can be read as its declared type; `evolution: freeze` allows no change"
            reading.drift.refusals.setdefault(part, f"{reason}; declare the type that it has or mend the file")


def _has(spool: Spool, at: int, part: int) -> bool:
    return any(one == part for one, _ in spool.shares(at))


def _filter(spool: Spool, keep: pl.Expr) -> None:
    """Keep these rows only; every frame keeps its place."""
    for at in range(len(spool)):
        frame = spool.get(at)
        kept = frame.filter(keep)
        if kept.height < frame.height:
            spool.replace(at, kept)


def _count(reading: Reading) -> None:
    owners = {one.key: one for one in reading.outcomes}
    owners.update((name, reading.outcomes[part.owner]) for name, part in zip(reading.names, reading.parts, strict=True))
    for (name,), rows in reading.aside.shares().items():
        owners[name].rejected += rows
        owners[name].landed += rows
    for (part, _), rows in reading.good.shares().items():
        reading.outcomes[reading.parts[part].owner].landed += rows
    for one in reading.outcomes:
        if one.outcome == "read" and one.landed == 0:
            one.outcome, one.reason = "empty", "header only"
