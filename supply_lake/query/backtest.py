"""One question, asked as of a series of times: a table of what would have been answered at each of them.

At each step SQL, or a Python function, sees the lake as it was at that time: rows, history, rejects and versions of later
commits are not there for it, so no answer knows its own future. Steps do not know each other, and may run in parallel.

What belongs here: the steps and the table of their results. What does not: what a reader bound to a time shows (``view``).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from supply_lake.errors import QueryError, SupplyLakeError, UsageError

if TYPE_CHECKING:
    from supply_lake.query.reader import Reader

AS_OF = "as_of"
_TIME = pa.timestamp("us", "UTC")
_STEP = re.compile(r"(\d+)\s*(min|h|d|w)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOST_STEPS = 100_000
Question = str | Callable[["Reader"], Any]


def run(
    at: Callable[[dt.datetime], Reader], question: Question, times: Sequence[dt.datetime], *, parallel: int = 1
) -> pa.Table:
    """Ask at every time, in order or several at once; rows come in the order of the times, which stand in ``as_of``.

    :param at: the reader bound to a time
    :param question: SQL, or a function of a reader that gives rows: an Arrow table, a data frame, dicts, one dict or one value
    :param parallel: steps at once
    :raises QueryError: a step fails; the message names its time
    """
    if not times:
        raise UsageError("a back-test needs at least one time")
    if parallel < 1:
        raise UsageError(f"parallel is {parallel}; give 1 or more")

    def step(time: dt.datetime) -> pa.Table:
        return _step(at, question, time)

    if parallel == 1:
        found = [step(time) for time in times]
    else:
        with ThreadPoolExecutor(min(parallel, len(times)), thread_name_prefix="backtest") as pool:
            found = list(pool.map(step, times))
    there = [one for one in found if one.num_columns > 1] or found[:1]
    try:
        return pa.concat_tables(there, promote_options="permissive")
    except pa.ArrowException as error:
        raise QueryError(f"the steps give columns that do not fit together: {' '.join(str(error).split())}") from error


def _step(at: Callable[[dt.datetime], Reader], question: Question, time: dt.datetime) -> pa.Table:
    try:
        reader = at(time)
        try:
            rows = reader.query(question) if isinstance(question, str) else _table(question(reader))
        finally:
            reader.close()
    except SupplyLakeError as error:
        raise type(error)(f"as of {time.isoformat()}: {error}") from error
    if AS_OF in rows.column_names:
        raise UsageError(f"the answer has a column {AS_OF} of its own; call it otherwise")
    return rows.add_column(0, pa.field(AS_OF, _TIME), pa.array([_utc(time)] * rows.num_rows, _TIME))


def _table(value: Any) -> pa.Table:
    """Whatever a function gives, as rows."""
    if value is None:
        return pa.table({})
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if hasattr(value, "__arrow_c_stream__"):  # Arrow, polars, pandas, DuckDB
        found = pa.table(value)
        return found.drop_columns([name for name in found.column_names if name.startswith("__index_level_")])
    rows = value if isinstance(value, (list, tuple)) else [value]
    return pa.Table.from_pylist([dict(one) if isinstance(one, Mapping) else {"result": one} for one in rows])


def steps(start: dt.datetime, end: dt.datetime, every: str) -> list[dt.datetime]:
    """The times from a start to an end, both included.

    :param every: such as ``1d``, ``6h``, ``30min`` or ``1w``
    :raises UsageError: it is no length of time, or there would be none or too many
    """
    found = _STEP.fullmatch(every.strip())
    if found is None or not int(found[1]):
        raise UsageError(f"{every!r} is no step; write 1d, 6h, 30min or 1w")
    times = list(_every(_utc(start), _utc(end), dt.timedelta(**{_UNITS[found[2]]: int(found[1])})))
    if not times:
        raise UsageError(f"{end.isoformat()} is before {start.isoformat()}")
    if len(times) > _MOST_STEPS:
        raise UsageError(f"that is more than {_MOST_STEPS:,} steps; take longer ones")
    return times


def _every(start: dt.datetime, end: dt.datetime, step: dt.timedelta) -> Iterator[dt.datetime]:
    for number in range(_MOST_STEPS + 1):
        if start + number * step > end:
            return
        yield start + number * step


def _utc(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
