"""``supply-lake backtest``: one question as of a series of times.

What belongs here: the verb, and finding the function that it names. What does not: the steps (``query.backtest``).
"""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.rows import chosen, put, with_format
from supply_lake.cli.times import Time

if TYPE_CHECKING:
    from supply_lake.query.reader import Reader


@click.command(short_help="Ask one question as of many times.")
@click.argument("sql", required=False)
@click.option("--call", metavar="MODULE:FUNCTION", help="Instead of SQL a Python function; it is given a reader of the lake.")
@click.option("--at", "times", type=Time(), multiple=True, help="A time; may be given several times.")
@click.option("--from", "start", type=Time(), help="The first of a series of times.")
@click.option("--to", "end", type=Time(), help="The last one; now when left out.")
@click.option("--every", default="1d", show_default=True, help="Step of the series: 1w, 1d, 6h, 30min.")
@click.option("--pin", metavar="FILE|URL", help="See nothing later than this pin, so that the answer stays the same for ever.")
@click.option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True, help="Steps at once.")
@with_format
def backtest(
    sql: str | None,
    *,
    call: str | None,
    times: tuple[dt.datetime, ...],
    start: dt.datetime | None,
    end: dt.datetime | None,
    every: str,
    pin: str | None,
    parallel: int,
    form: str | None,
    as_json: bool,
    output: str | None,
) -> None:
    """Ask at each time what the lake would have answered then, and print all answers as one table with the column as_of.

    No step sees anything that was committed after its time.

    \b
    Example:
      supply-lake backtest "SELECT count(*) FROM shipments" --from 2026-11-01 --every 1d
      supply-lake backtest --call models.reorder:backtest --at 2026-11-01 --at 2026-11-08 -o runs.parquet
    """
    from supply_lake.lake import Lake
    from supply_lake.query.backtest import steps

    form = chosen(form, as_json, output)
    if (sql is None) == (call is None):
        raise click.UsageError("give SQL, or a function with --call")
    if bool(times) == (start is not None):
        raise click.UsageError("give times with --at, or a series with --from")
    series = list(times) if start is None else steps(start, end or dt.datetime.now(dt.UTC), every)
    with Lake.open(pin=pin) as lake:
        found = lake.backtest(_function(call) if call is not None else sql or "", series, parallel=parallel)
    put(found.schema, iter(found.to_batches()), form, output)


def _function(name: str) -> Callable[[Reader], Any]:
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise click.UsageError(f"--call {name}: {error}") from error
    if not callable(found):
        raise click.UsageError(f"--call {name} is no function")
    function_of_a_reader: Callable[[Reader], Any] = found
    return function_of_a_reader
