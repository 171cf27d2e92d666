"""The metadata store: commits, entering objects, and questions about live sets among many snapshots (SQLite).

What belongs here: its measurement. The baseline of a write is the smallest durable transaction that the same database can do;
that of a question is one row by its primary key. ``python benchmarks/metadata.py SNAPSHOTS`` asks among any number.
"""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from run import Figure

from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.snapshots import sql_schema
from supply_lake.snapshots.micros import to_micros
from supply_lake.snapshots.record_text import batch_text, snapshot_text
from supply_lake.snapshots.records import Batch, ColumnStats, DataFile, Outcome, Rows, Snapshot, SourceRecord, Status
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.object_store import ObjectVersion

DAY = dt.date(2020, 1, 1)
START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DATASETS = 200
QUESTIONS = 500
BAR_MS = 10.0


def run(quick: bool) -> list[Figure]:
    return measure(20_000 if quick else 100_000)


def measure(count: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore.open(f"sqlite:///{folder}/metadata.sqlite")
        fill(store, count)
        figures = [*_questions(store, count), *_writes(store, Path(folder))]
        store.close()
        return figures


def snapshot(dataset: str, partition: dt.date, batch_id: str) -> Snapshot:
    """A record of ordinary size: twelve columns, one file, one source."""
    source = SourceRecord(f"/landing/{batch_id}", batch_id, "e", 1, Rows(9, 9), Outcome.READ, "", "5" * 64)
    return Snapshot(
        id=new_snapshot_id(),
        dataset=dataset,
        partition=partition,
        landing_date=partition,
        batch_id=batch_id,
        status=Status.COMMITTED,
        rows=Rows(9, 9),
        files=(DataFile(f"dataset={dataset}/part-00000.parquet", 9, 999, "5" * 64),),
        columns=tuple(ColumnStats(f"column_{n}", "string", 0, "a", "z") for n in range(12)),
        sources=(source,),
    )


def batch(dataset: str, partition: dt.date) -> Batch:
    batch_id = new_snapshot_id()
    return Batch(
        batch_id, dataset, partition, Status.COMMITTED, Rows(9, 9), snapshots=(snapshot(dataset, partition, batch_id),)
    )


def fill(store: SqlStore, count: int) -> None:
    """A history written straight into the tables: in every dataset each day is replaced once, five commits later."""
    for number in range(DATASETS):
        rows = list(_history(f"d{number:03}", count // DATASETS))
        store._database.write(lambda connection, rows=rows, number=number: _insert(connection, f"d{number:03}", rows))


def _history(dataset: str, commits: int) -> Iterator[tuple[Batch, dict[str, Any]]]:
    for number in range(1, commits + 1):
        made = batch(dataset, DAY + dt.timedelta(days=number // 10 * 5 + number % 5))
        replaced = number + 5 if number % 10 < 5 and number + 5 <= commits else None
        yield made, {"commit_number": number, "superseded_by": replaced}


def _insert(connection: sa.Connection, dataset: str, rows: list[tuple[Batch, dict[str, Any]]]) -> None:
    time_of = {id(one): to_micros(START + dt.timedelta(hours=columns["commit_number"])) for one, columns in rows}
    last = {"last_commit": len(rows), "last_committed_at": max(time_of.values())}
    connection.execute(sa.insert(sql_schema.datasets).values(dataset=dataset, **last))
    common = [
        {"dataset": dataset, "landing_date": one.landing_date, "status": one.status, "recorded_at": time_of[id(one)], **columns}
        for one, columns in rows
    ]
    batches = [
        {k: v for k, v in row.items() if k != "superseded_by"} | {"id": one.id, "run_id": "", "record": batch_text(one)}
        for (one, _), row in zip(rows, common, strict=True)
    ]
    commits = [
        {"dataset": dataset, "number": columns["commit_number"], "committed_at": time_of[id(one)], "batch_id": one.id}
        for one, columns in rows
    ]
    snapshots = [
        row
        | {
            "id": one.snapshots[0].id,
            "batch_id": one.id,
            "partition_date": one.snapshots[0].partition,
            "record": snapshot_text(one.snapshots[0]),
        }
        for (one, _), row in zip(rows, common, strict=True)
    ]
    for table, values in ((sql_schema.batches, batches), (sql_schema.commits, commits), (sql_schema.snapshots, snapshots)):
        connection.execute(sa.insert(table), values)


def _questions(store: SqlStore, count: int) -> list[Figure]:
    commits = count // DATASETS
    choose = random.Random(7)
    ids = [one.id for number in range(0, DATASETS, 10) for one in store.snapshots(f"d{number:03}", limit=20)]

    def dataset() -> str:
        return f"d{choose.randrange(DATASETS):03}"

    def commit() -> int:
        return choose.randrange(1, commits + 1)

    def partition() -> dt.date:
        return DAY + dt.timedelta(days=choose.randrange(1, commits // 2))

    asked: dict[str, Callable[[], object]] = {
        "newest live snapshot": lambda: store.latest(dataset()),
        "live set of one partition, now": lambda: store.live(dataset(), partition=partition()),
        "live set of one partition, at a commit": lambda: store.live(dataset(), commit(), partition()),
        "commit at a time": lambda: store.commit_at(dataset(), START + dt.timedelta(hours=commit())),
        "newest ten snapshots": lambda: store.snapshots(dataset(), limit=10),
    }
    baseline = _percentiles(lambda: store.snapshot(choose.choice(ids)))
    figures = [_question(f"{what}, {count:,} snapshots", _percentiles(ask), baseline) for what, ask in asked.items()]
    whole = _percentiles(lambda: store.live(dataset(), commit()), QUESTIONS // 10)
    size = len(store.live("d000"))
    figures.append(_question(f"whole live set at a commit ({size:,} in it now)", whole, baseline, bar=0.1 * size + BAR_MS))
    return figures


def _percentiles(ask: Callable[[], object], times: int = QUESTIONS) -> tuple[float, float]:
    """Median and 99th percentile, milliseconds."""
    taken = sorted(_milliseconds(ask) for _ in range(times))
    return taken[len(taken) // 2], taken[int(len(taken) * 0.99)]


def _milliseconds(ask: Callable[[], object]) -> float:
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) * 1000


def _question(what: str, ours: tuple[float, float], baseline: tuple[float, float], bar: float = BAR_MS) -> Figure:
    return Figure(
        f"metadata: {what}",
        f"p50 {ours[0]:.1f} ms, p99 {ours[1]:.1f} ms",
        f"one record by id: p50 {baseline[0]:.1f} ms, p99 {baseline[1]:.1f} ms",
        f"{ours[0] / baseline[0]:.1f}",
        f"p99 ≤ {bar:.0f} ms",
        ours[1] <= bar,
    )


def _writes(store: SqlStore, folder: Path) -> list[Figure]:
    number = 300
    day = DAY - dt.timedelta(days=1)
    versions = [ObjectVersion(f"d000/{n}.csv", "e", 1, START) for n in range(number)]
    proposals = [Proposal(batch("d000", day), (one,), supersede_live=(day,)) for one in versions]
    ours = _milliseconds(lambda: [store.commit(one) for one in proposals]) / number
    entries = [
        LedgerEntry(ObjectVersion(f"d001/{n}.csv", "e", 1, START), "d001", DAY, ObjectState.PENDING) for n in range(10_000)
    ]
    register = _milliseconds(lambda: store.register(entries)) / 1000
    smallest, bulk = _bare_sqlite(folder / "bare.sqlite", number)
    return [
        Figure(
            "metadata: one commit", f"{ours:.2f} ms ({1000 / ours:.0f}/s)", f"one durable insert: {smallest:.2f} ms",
            f"{ours / smallest:.1f}", "≤ 10 ms", ours <= BAR_MS,
        ),
        Figure(
            "metadata: 10,000 new objects entered", f"{register:.2f} s", f"bare executemany: {bulk:.2f} s",
            f"{register / bulk:.1f}", "≤ 1 s", register <= 1,
        ),
    ]  # fmt: skip


def _bare_sqlite(path: Path, number: int) -> tuple[float, float]:
    """Milliseconds of the smallest durable transaction; seconds of a plain bulk insert."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (key TEXT PRIMARY KEY, etag TEXT)"
    )
    single = _milliseconds(lambda: [connection.execute("INSERT INTO t VALUES (?, '')", (str(n),)) for n in range(number)])
    rows = [(f"d001/{n}.csv", "e") for n in range(10_000)]

    def insert_all() -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.execute("COMMIT")

    bulk = _milliseconds(insert_all) / 1000
    connection.close()
    return single / number, bulk


if __name__ == "__main__":
    for figure in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000):
        print(f"{figure.what:75} {figure.ours:32} {figure.baseline:48} {figure.ratio:>6}  {figure.bar} {figure.met}")
