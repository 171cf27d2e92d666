"""``supply-lake query``: SQL over the live set.

What belongs here: where an answer goes, and in which format. What does not: the query (``query.engine``).
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from supply_lake.cli.output import table
from supply_lake.cli.times import Time

if TYPE_CHECKING:
    from supply_lake.query.answer import Answer

_FORMATS = ["table", "csv", "json", "parquet"]
_ROWS_AT_A_TERMINAL = 100
_CELL = 60


@click.command(short_help="Ask in SQL; every dataset is a table.")
@click.argument("sql")
@click.option("--as-of", type=Time(), help="Read every dataset as it was at this time (UTC).")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Default: by the name of --output, else table.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", "-o", metavar="FILE|URL", help="Write there instead of to the terminal, whole or not at all.")
def query(sql: str, as_of: dt.datetime | None, form: str | None, as_json: bool, output: str | None) -> None:
    """Answer SQL over what is live. "-" reads the SQL from standard input.

    Every dataset is a table. NAME__rows shows its rows with their lineage, NAME__rejects what was set aside.

    \b
    Example:
      supply-lake query "SELECT carrier, sum(freight_usd) FROM shipments GROUP BY 1"
      supply-lake query "FROM inventory" --as-of 2026-11-01T12:00:00Z -o inventory.parquet
    """
    from supply_lake.lake import Lake

    form = _form(form, as_json, output)
    if sql == "-":
        sql = sys.stdin.read()
    with Lake.open() as lake, lake.answer(sql, as_of=as_of) as answer:
        if form == "table":
            _show(answer)
            return
        with _target(output) as target:
            _write(answer, form, target)


def _form(form: str | None, as_json: bool, output: str | None) -> str:
    if as_json:
        if form not in (None, "json"):
            raise click.UsageError(f"--json and --format {form} contradict each other")
        return "json"
    ending = Path(output or "").suffix.lstrip(".")
    if form is None:
        form = ending if ending in _FORMATS else "csv" if output else "table"
    if form == "table" and output is not None:
        raise click.UsageError("a table is for reading at once; write csv, json or parquet with --output")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text; name a file with --output")
    return form


def _show(answer: Answer) -> None:
    """As a table: all rows into a pipe, the first ones at a terminal."""
    from supply_lake.query.formats import plain_text

    most = _ROWS_AT_A_TERMINAL if sys.stdout.isatty() else None
    rows: list[list[str | int | None]] = []
    more = False
    for batch in answer.batches():
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if most is not None and len(rows) == most:
                more = True
                break
            rows.append([value if type(value) is int else _cell(plain_text(value), most) for value in values])
        if more:
            break
    table(answer.schema.names, rows)
    if more:
        click.echo(f"… these are the first {most} rows; --format csv gives all, a LIMIT gives fewer.", err=True)


def _cell(text: str | None, most: int | None) -> str | None:
    return text if text is None or most is None or len(text) <= _CELL else text[: _CELL - 1] + "…"


def _write(answer: Answer, form: str, target: BinaryIO) -> None:
    if form == "parquet":
        import pyarrow.parquet as pq

        with pq.ParquetWriter(target, answer.schema, compression="zstd") as writer:
            for batch in answer.batches():
                writer.write_batch(batch)
        return
    from supply_lake.query import formats

    text = formats.json_array if form == "json" else formats.csv_lines
    for piece in text(answer.schema, answer.batches()):
        target.write(piece.encode())


def _target(output: str | None) -> AbstractContextManager[BinaryIO]:
    if output is None:
        return _stdout()
    from supply_lake.settings import Settings
    from supply_lake.storage.object_store import ObjectStore

    if "://" not in output:
        output = str(Path(output).expanduser().absolute())
    folder, _, name = output.rpartition("/")
    return ObjectStore.open(folder or "/", Settings.from_env().encryption).writer(name)


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
