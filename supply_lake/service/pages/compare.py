"""Two versions of a dataset side by side, for a page: how many rows and columns only one has, and the first of these rows.

What belongs here: the SQL for that, over columns that both versions have. What does not: showing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from supply_lake.datasets.sql import identifier
from supply_lake.lake import Lake
from supply_lake.query.engine import Limits

SHOWN = 50
_LIMITS = Limits(seconds=20)


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs. Rows are those of ``columns``, which both versions have; a row that changed is one of each."""

    columns: list[str]
    columns_gone: list[str]
    columns_new: list[str]
    rows_before: int
    rows_after: int
    removed: int
    added: int
    removed_rows: list[list[Any]]
    added_rows: list[list[Any]]


def compare(lake: Lake, dataset: str, a: int, b: int) -> Compared:
    """Compare two commits.

    :raises UnknownCommit: the dataset has none of this number
    :raises QueryError: it takes too long
    """
    before, after = (f"{identifier(dataset)}@{commit}" for commit in (a, b))
    there, now = _columns(lake, before), _columns(lake, after)
    both = [name for name in now if name in there]
    listed = ", ".join(map(identifier, both)) or "1"
    gone = f"SELECT {listed} FROM {before} EXCEPT ALL SELECT {listed} FROM {after}"
    new = f"SELECT {listed} FROM {after} EXCEPT ALL SELECT {listed} FROM {before}"
    return Compared(
        columns=both,
        columns_gone=[name for name in there if name not in now],
        columns_new=[name for name in now if name not in there],
        rows_before=_count(lake, f"FROM {before}"),
        rows_after=_count(lake, f"FROM {after}"),
        removed=_count(lake, gone),
        added=_count(lake, new),
        removed_rows=rows(lake, f"{gone} ORDER BY ALL LIMIT {SHOWN}", SHOWN)[1],
        added_rows=rows(lake, f"{new} ORDER BY ALL LIMIT {SHOWN}", SHOWN)[1],
    )


def rows(lake: Lake, sql: str, most: int) -> tuple[list[str], list[list[Any]]]:
    """The columns of an answer, and its first rows.

    :raises QueryError: the SQL may not run, fails, or takes too long
    """
    with lake.answer(sql, limits=_LIMITS) as answer:
        found = (list(row.values()) for batch in answer.batches() for row in batch.to_pylist())
        return list(answer.schema.names), list(islice(found, most))


def _columns(lake: Lake, version: str) -> list[str]:
    return rows(lake, f"SELECT * FROM {version} LIMIT 0", 0)[0]


def _count(lake: Lake, sql: str) -> int:
    return int(rows(lake, f"SELECT count(*) FROM ({sql})", 1)[1][0][0])
