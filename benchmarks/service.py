"""The service: `latest`, `as-of` and the live set over HTTP among many snapshots, asked by eight clients at once.

What belongs here: its measurement, clients included; they share the machine with the two server processes. The baseline is
what the same processes answer without asking anything: ``/v1/health``. ``python benchmarks/service.py SNAPSHOTS``
asks among any number.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import metadata
import sqlalchemy as sa
import yaml
from run import Figure

from supply_lake.service.access_store import AccessStore
from supply_lake.service.grants import Grant
from supply_lake.service.tokens import make_token
from supply_lake.settings import Settings
from supply_lake.snapshots import sql_schema
from supply_lake.snapshots.micros import to_micros
from supply_lake.snapshots.record_text import batch_text, snapshot_text
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.sql_store import SqlStore

DATASETS = 200
CLIENTS = 8
WORKERS = 2
BAR_MS = 10.0
BAR_RATE = 1_000
SPEC: dict[str, Any] = {
    "description": "A made-up dataset.",
    "owner": "team:bench",
    "source": {"system": "bench"},
    "format": {"type": "csv"},
    "columns": [{"name": "column_0", "type": "string"}],
}


def run(quick: bool) -> list[Figure]:
    return measure(20_000 if quick else 1_000_000, 2_000 if quick else 20_000)


def measure(count: int, requests: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        token = prepare(Path(folder), count)
        with served(Path(folder)) as port:
            return list(_figures(port, token, count, requests))


def prepare(folder: Path, count: int) -> str:
    """A lake of many snapshots; the text of a token for it."""
    (folder / "datasets").mkdir()
    for number in range(DATASETS):
        name = f"d{number:03}"
        (folder / "datasets" / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **SPEC}))
    store = SqlStore.open(f"sqlite:///{folder}/home/metadata.sqlite")
    for number in range(DATASETS):
        _fill(store, f"d{number:03}", count // DATASETS)
    store.close()
    access = AccessStore.open(Settings.from_env(environment(folder)))
    made, text = make_token("bench", (Grant.parse("*:read"),), dt.datetime.now(dt.UTC))
    access.add(made)
    access.close()
    return text


def environment(folder: Path) -> dict[str, str]:
    return {
        "SUPPLY_LAKE_HOME": str(folder / "home"),
        "SUPPLY_LAKE_DATASETS": str(folder / "datasets"),
        "SUPPLY_LAKE_RATE_PER_SECOND": "1000000",
    }


def _fill(store: SqlStore, dataset: str, commits: int) -> None:
    """A history written straight into the tables: in every dataset each day is replaced once, five commits later."""
    batches, entries, snapshots = [], [], []
    for number in range(1, commits + 1):
        at = metadata.START + dt.timedelta(hours=number)
        made = metadata.batch(dataset, metadata.DAY + dt.timedelta(days=number // 10 * 5 + number % 5))
        one = _committed(made.snapshots[0], number, at)
        common = {"dataset": dataset, "landing_date": one.landing_date, "status": "committed", "commit_number": number}
        common["recorded_at"] = to_micros(at)
        batches.append({**common, "id": made.id, "run_id": "", "record": batch_text(replace(made, commit=number))})
        entries.append({"dataset": dataset, "number": number, "committed_at": common["recorded_at"], "batch_id": made.id})
        replaced = number + 5 if number % 10 < 5 and number + 5 <= commits else None
        facts = {"id": one.id, "batch_id": made.id, "partition_date": one.partition, "superseded_by": replaced}
        snapshots.append({**common, **facts, "record": snapshot_text(one)})
    last = {"last_commit": commits, "last_committed_at": entries[-1]["committed_at"]}

    def insert(connection: sa.Connection) -> None:
        connection.execute(sa.insert(sql_schema.datasets).values(dataset=dataset, **last))
        for table, rows in ((sql_schema.batches, batches), (sql_schema.commits, entries), (sql_schema.snapshots, snapshots)):
            connection.execute(sa.insert(table), rows)

    store._database.write(insert)


def _committed(snapshot: Snapshot, number: int, at: dt.datetime) -> Snapshot:
    folder = f"/lake/dataset={snapshot.dataset}/snapshot_id={snapshot.id}"
    return replace(snapshot, commit=number, committed_at=at, created_at=at, location=folder, rows_total=9, bytes=999)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """The port of a service over the lake."""
    command = [sys.executable, "-c", "from supply_lake.cli import main; main()", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--workers", str(WORKERS)], env={**os.environ, **environment(folder)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["url"]
        yield int(url.rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@dataclass(frozen=True, slots=True)
class Measured:
    """What clients saw: milliseconds of each request, sorted, and how long all of them took."""

    ms: list[float]
    seconds: float

    def percentile(self, share: float) -> float:
        return self.ms[min(len(self.ms) - 1, int(len(self.ms) * share))]

    @property
    def rate(self) -> float:
        return len(self.ms) / self.seconds


def _figures(port: int, token: str, count: int, requests: int) -> Iterator[Figure]:
    commits = count // DATASETS
    choose = random.Random(7)

    def dataset() -> str:
        return f"/v1/datasets/d{choose.randrange(DATASETS):03}"

    def time_of() -> str:
        return (metadata.START + dt.timedelta(hours=choose.randrange(1, commits + 1))).strftime("%Y-%m-%dT%H:%M:%SZ")

    asked: dict[str, Callable[[], str]] = {
        "latest": lambda: f"{dataset()}/latest",
        "the commit as of a time": lambda: f"{dataset()}/as-of?at={time_of()}",
        "live set now, first 100": lambda: f"{dataset()}/live",
        "live set as of a time, first 100": lambda: f"{dataset()}/live?as_of={time_of()}",
    }

    def mixed() -> str:
        return choose.choice(list(asked.values()))()

    for questions in (lambda: "/v1/health", *asked.values()):  # connections, caches of the database, imports
        asyncio.run(_ask(port, token, [questions() for _ in range(200)]))
    baseline = asyncio.run(_ask(port, token, ["/v1/health"] * requests))
    for what, question in {**asked, "all of these mixed": mixed}.items():
        found = asyncio.run(_ask(port, token, [question() for _ in range(requests)]))
        yield _figure(f"service: {what}, {count:,} snapshots", found, baseline)


def _figure(what: str, found: Measured, baseline: Measured) -> Figure:
    return Figure(
        what,
        f"{found.rate:,.0f}/s, p50 {found.percentile(0.5):.1f} ms, p99 {found.percentile(0.99):.1f} ms",
        f"/v1/health: {baseline.rate:,.0f}/s, p99 {baseline.percentile(0.99):.1f} ms",
        f"{found.percentile(0.5) / baseline.percentile(0.5):.1f}",
        f"p99 ≤ {BAR_MS:.0f} ms, ≥ {BAR_RATE:,}/s, {CLIENTS} clients",
        found.percentile(0.99) <= BAR_MS and found.rate >= BAR_RATE,
    )


async def _ask(port: int, token: str, paths: list[str]) -> Measured:
    """All paths, by eight clients that each ask the next one as soon as they were answered."""
    rest = iter(paths)
    start = time.perf_counter()
    shares = await asyncio.gather(*(_client(port, token, rest) for _ in range(CLIENTS)))
    return Measured(sorted(one for share in shares for one in share), time.perf_counter() - start)


async def _client(port: int, token: str, paths: Iterator[str]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    taken = []
    for path in paths:
        start = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nhost: lake\r\nauthorization: Bearer {token}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        taken.append((time.perf_counter() - start) * 1000)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {head.decode()}")
    writer.close()
    return taken


if __name__ == "__main__":
    for figure in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, 5_000):
        print(f"{figure.what:60} {figure.ours:45} {figure.baseline:36} {figure.ratio:>5}  {figure.bar} {figure.met}")
