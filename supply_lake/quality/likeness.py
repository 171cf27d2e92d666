"""`unlike_previous`: how many of a batch's rows of a date stand under the date before, or after, too.

What belongs here: counting them, by a hash of the compared columns (a share needs no more), and saying it. What does not: where
rows come from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import numpy as np
import polars as pl

from supply_lake.datasets.quality import Rule, Severity
from supply_lake.quality.live_rows import hashes
from supply_lake.quality.verdict import Verdict


def repeated(rows: np.ndarray, others: Iterable[pl.DataFrame]) -> int:
    """How many of the rows, given by their hashes, are among the others."""
    distinct, times = np.unique(rows, return_counts=True)
    seen = np.zeros(len(distinct), bool)
    for frame in others if len(distinct) else ():
        there = np.sort(hashes(frame)) if frame.height else np.empty(0, np.uint64)  # in order, they are found much faster
        at = np.minimum(np.searchsorted(distinct, there), len(distinct) - 1)
        seen[at[distinct[at] == there]] = True
    return int(times[seen].sum())


def hashed(frames: Iterable[pl.DataFrame]) -> np.ndarray:
    """The hashes of all rows."""
    parts = [hashes(frame) for frame in frames if frame.height]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def unlike(rule: Rule, date: dt.date, neighbour: dt.date | None, *, rows: int, of: int) -> Verdict:
    """The verdict on a date's new rows, so many of which the neighbouring date has too.

    A batch is not refused for being like the date after it: either that one came under the wrong date, or this one did.

    :param neighbour: ``None`` when the date has none
    """
    assert rule.unlike_previous is not None
    share, allowed = rows / of if of else 0.0, rule.unlike_previous.max_share
    told = f"{rows:,} of {of:,} new rows of {date} are rows of {neighbour} too ({share:.1%}, where {allowed:.1%} may)"
    return Verdict(
        rule=rule.name,
        kind=rule.kind,
        severity=rule.severity if neighbour is None or neighbour < date else Severity.WARN,
        passed=share <= allowed,
        told=told if neighbour else f"there is no date before {date}",
        observed=share if neighbour else None,
        at_most=allowed,
        rows=rows if neighbour else None,
        of=of if neighbour else None,
        partition=date,
    )
