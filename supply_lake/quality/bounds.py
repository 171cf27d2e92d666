"""`row_count` and `sum`: a figure within bounds, fixed ones and those that follow recent history.

What belongs here: the comparison, and saying it. What does not: where figures come from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from statistics import median

from supply_lake.datasets.quality import History, Rule
from supply_lake.quality.measures import Value, exact, figure, shown
from supply_lake.quality.verdict import Verdict


def within(rule: Rule, observed: Value, before: Sequence[Value], partition: dt.date | None) -> Verdict:
    """Whether the figure is within the bounds of a ``row_count`` or ``sum`` rule.

    :param before: the figures before this one, most recent last
    :param partition: the date that the figure is of; ``None`` for one of the batch
    """
    bounds = rule.bounds
    assert bounds is not None
    lows = [] if bounds.at_least is None else [Decimal(str(bounds.at_least))]
    highs = [] if bounds.at_most is None else [Decimal(str(bounds.at_most))]
    usual, remark = _usual(bounds.history, before, "dates" if bounds.over == "partition" else "batches")
    if usual is not None and bounds.history is not None:
        shares = [share for share in (bounds.history.at_least, bounds.history.at_most) if share is not None]
        scaled = sorted(Decimal(str(share)) * usual for share in shares)
        # Of a negative sum twice as much is less.
        lows += scaled[:1] if bounds.history.at_least is not None or usual < 0 else []
        highs += scaled[-1:] if bounds.history.at_most is not None or usual < 0 else []
    low, high = max(lows, default=None), min(highs, default=None)
    value = exact(observed)
    passed = not value.is_nan() and (low is None or value >= low) and (high is None or value <= high)
    return Verdict(
        rule=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        passed=passed,
        told=f"{_what(rule)}{_where(partition)} is {shown(observed)}{_range(low, high)}{remark}",
        observed=None if value.is_nan() else figure(observed),
        at_least=figure(low),
        at_most=figure(high),
        partition=partition,
    )


def _usual(history: History | None, before: Sequence[Value], what: str) -> tuple[Decimal | None, str]:
    """The median of recent figures, if there are enough of them and it is a measure, and a remark on it."""
    if history is None:
        return None, ""
    recent = [exact(value) for value in before[-history.last :]]
    if len(recent) < history.needs:
        return None, f"; nothing is compared before there are {history.needs} {what}, and there are {len(recent)}"
    usual = Decimal(median(recent))
    if not usual.is_finite() or usual == 0:
        return None, f"; the median of {len(recent)} {what} before is {usual}, which is no measure"
    shares = [f"{share:.0%}" for share in (history.at_least, history.at_most) if share is not None]
    return usual, f" ({' to '.join(shares)} of {_plain(usual)}, the median of {len(recent)} {what} before)"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"


def _what(rule: Rule) -> str:
    return "the number of rows" if rule.sum is None else f"the sum of {rule.sum.column}"


def _where(partition: dt.date | None) -> str:
    return f" on {partition}" if partition else ""


def _range(low: Decimal | None, high: Decimal | None) -> str:
    if low is not None and high is not None:
        return f", where {_plain(low)} to {_plain(high)} is allowed"
    if low is not None:
        return f", where at least {_plain(low)} is allowed"
    return "" if high is None else f", where at most {_plain(high)} is allowed"
