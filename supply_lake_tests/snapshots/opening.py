"""Opening metadata stores as tests need them, and starting writers in processes of their own."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from supply_lake.snapshots.dynamo_connect import connect
from supply_lake.snapshots.dynamo_store import DynamoStore
from supply_lake.snapshots.dynamo_table import MOST_WRITES
from supply_lake.snapshots.open_store import open_store, utc_now
from supply_lake.snapshots.store import MetadataStore

ROOT = Path(__file__).parents[2]
PLANNED = "#planned"
"""End of a URL: no decision fits into one transaction, so each is planned, made and carried out."""


def open_now(url: str, clock: Callable[[], dt.datetime] = utc_now) -> MetadataStore:
    """Opened so that whatever is left by a process that died is finished at once."""
    if not url.startswith("dynamodb:"):
        return open_store(url, clock)
    most = 0 if url.endswith(PLANNED) else MOST_WRITES
    return DynamoStore(connect(url.removesuffix(PLANNED)), clock, patience=0.0, most_writes=most)


def run_writers(*arguments: object) -> list[str]:
    command = [sys.executable, "-m", "supply_lake_tests.snapshots.writers", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
