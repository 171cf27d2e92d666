"""Where rows go, and in which format: a table for people, a file or a pipe for programs.

What belongs here: options and outputs that every verb with rows shares. What does not: where the rows come from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from supply_lake.cli.output import table

if TYPE_CHECKING:
    import pyarrow as pa

_FORMATS = ["table", "csv", "json", "parquet"]
_ROWS_AT_A_TERMINAL = 100
_CELL = 60


def with_format(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--format``, ``--json`` and ``--output`` of a verb."""
    for option in (
        click.option("--output", "-o", metavar="FILE|URL", help="Write there instead of to the terminal, whole or not at all."),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option("--format", "form", type=click.Choice(_FORMATS), help="Default: by the name of --output, else table."),
    ):
        verb = option(verb)
    return verb


def chosen(form: str | None, as_json: bool, output: str | None) -> str:
    """The format that these options mean.

    :raises click.UsageError: they contradict each other
    """
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


def put(schema: pa.Schema, batches: Iterator[pa.RecordBatch], form: str, output: str | None) -> None:
    """Print or write rows in a format that was ``chosen``."""
    from supply_lake.query.answer import write

    if form == "table":
        _show(schema, batches)
        return
    with target(output) as file:
        write(schema, batches, file, form)  # type: ignore[arg-type]


def _show(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """As a table: all rows into a pipe, the first ones at a terminal."""
    from supply_lake.query.formats import plain_text

    most = _ROWS_AT_A_TERMINAL if sys.stdout.isatty() else None
    rows: list[list[str | int | None]] = []
    more = False
    for batch in batches:
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if most is not None and len(rows) == most:
                more = True
                break
            rows.append([value if type(value) is int else _cell(plain_text(value), most) for value in values])
        if more:
            break
    table(schema.names, rows)
    if more:
        click.echo(f"… these are the first {most} rows; --format csv gives all, a LIMIT gives fewer.", err=True)


def _cell(text: str | None, most: int | None) -> str | None:
    return text if text is None or most is None or len(text) <= _CELL else text[: _CELL - 1] + "…"


def target(output: str | None) -> AbstractContextManager[BinaryIO]:
    """A file to write to: standard output without a name, else a file or an object, which is there whole or not at all."""
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
