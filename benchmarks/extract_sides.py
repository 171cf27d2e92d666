"""What ``extract.py`` compares, each run in a process of its own: ``python extract_sides.py SIDE URL FOLDER``.

Prints seconds of work (imports left out) and the greatest memory of the process. ``serve`` is the HTTP API that two sides ask.

What belongs here: one function per side. What does not: measuring several of them, and the data.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from process import peak

TABLE = "movements"
PAGE = 100
CHUNK = 100_000


def ours(url: str, folder: Path, **more: Any) -> Callable[[], int]:
    """Count, read in one snapshot, write zstd Parquet, land with its manifest."""
    landed = _puller(folder, {"sql": {"url": "${BENCH_URL}", "table": TABLE, **more}}, "parquet", url)
    return lambda: int(landed()[0].manifest.rows or 0)


def ours_split(url: str, folder: Path) -> Callable[[], int]:
    """The same by two readers."""
    return ours(url, folder, split={"by": "movement_id", "readers": 2})


def copy(url: str, folder: Path) -> Callable[[], int]:
    """The server writes the table into a text file, and nothing else."""
    import psycopg

    folder.chmod(0o777)

    def work() -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(f"COPY {TABLE} TO '{folder}/copied.txt'").rowcount  # type: ignore[call-overload]

    return work


def pandas(url: str, folder: Path) -> Callable[[], int]:
    """``read_sql`` in chunks, each written as Parquet."""
    import pandas as pd
    import sqlalchemy as sa

    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def work() -> int:
        rows = 0
        with engine.connect().execution_options(stream_results=True) as connection:
            for number, chunk in enumerate(pd.read_sql(f"SELECT * FROM {TABLE}", connection, chunksize=CHUNK)):
                chunk.to_parquet(folder / f"{number}.parquet", compression="zstd")
                rows += len(chunk)
        return rows

    return work


def dlt(url: str, folder: Path) -> Callable[[], int]:
    """``sql_database`` with its Arrow backend into a folder of Parquet."""
    import dlt as library
    from dlt.sources.sql_database import sql_table

    target = library.destinations.filesystem((folder / "out").as_uri())
    pipeline = library.pipeline("bench", destination=target, dataset_name="bench", pipelines_dir=str(folder / "work"))
    address = url.replace("postgresql://", "postgresql+psycopg://")
    table = sql_table(address, table=TABLE, backend="pyarrow", chunk_size=CHUNK, reflection_level="full")

    def work() -> int:
        pipeline.run(table, loader_file_format="parquet")
        return int(pipeline.last_trace.last_normalize_info.row_counts[TABLE])

    return work


def httpx(url: str, folder: Path) -> Callable[[], int]:
    """A bare client: ask, parse, ask for the next page; nothing is written."""
    del folder
    import httpx as library

    def work() -> int:
        requests, cursor = 0, "0"
        with library.Client() as client:
            while cursor is not None:
                cursor = client.get(url, params={"cursor": cursor}).json()["next"]
                requests += 1
        return requests

    return work


def ours_rest(url: str, folder: Path) -> Callable[[], int]:
    """Ask, cut into records, write zstd, land with its manifest."""
    paging = {"type": "cursor", "param": "cursor", "next": "next"}
    landed = _puller(folder, {"rest": {"url": url, "records": "items", "paging": paging}}, "jsonl", url)
    return lambda: int(landed()[0].manifest.rows or 0) // PAGE


def serve(pages: str) -> None:
    """An API of so many pages, made beforehand, until standard input ends. Prints its URL."""
    items = ", ".join(json.dumps({"id": n, "sku": f"sku-{n}", "quantity": n % 9, "price": n * 1.25}) for n in range(PAGE))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece; in two, it would wait for the acknowledgement of the first

        def do_GET(self) -> None:
            following = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0]) + 1
            told = json.dumps(str(following) if following < int(pages) else None)
            body = f'{{"items": [{items}], "next": {told}}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    sys.stdin.read()


def _puller(folder: Path, source: dict[str, Any], form: str, url: str) -> Callable[[], list[Any]]:
    from supply_lake.datasets.spec import DatasetSpec
    from supply_lake.extract import rest, sql, sql_postgres  # noqa: F401 - imports are not measured
    from supply_lake.landing.pull import Puller
    from supply_lake.storage.object_store import ObjectStore

    spec = DatasetSpec.model_validate(
        {
            "name": TABLE,
            "description": "Made-up movements.",
            "owner": "team:benchmarks",
            "source": {"system": "made-up", **source},
            "format": {"type": form},
            "columns": [{"name": "movement_id", "type": "int64"}],
            "mode": "replace",
        }
    )
    return Puller(ObjectStore.open(str(folder / "landing")), spec, folder / "scratch", env={"BENCH_URL": url}).pull


SIDES: dict[str, Callable[[str, Path], Callable[[], int]]] = {
    "ours": ours,
    "ours_split": ours_split,
    "copy": copy,
    "pandas": pandas,
    "dlt": dlt,
    "httpx": httpx,
    "ours_rest": ours_rest,
}


def main() -> None:
    """Command line."""
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
        return
    work = SIDES[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    start = time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": peak(), "rows": rows}))


if __name__ == "__main__":
    main()
