"""`monotone`: from one partition date to the next a figure does not fall.

A batch answers for its own dates. Where its figure is greater than that of the next date, which held before, one of the two is
wrong, and which is not known: that is told as a warning, and refuses nothing.

What belongs here: the comparison of neighbours. What does not: where figures come from.
"""

from __future__ import annotations

import datetime as dt

from supply_lake.datasets.quality import Rule, Severity
from supply_lake.quality.measures import Measure, Value, exact, figure, shown
from supply_lake.quality.verdict import Verdict

Dated = tuple[dt.date, Value]


def not_falling(rule: Rule, date: dt.date, value: Value | None, before: Dated | None) -> Verdict:
    """The verdict on a date.

    :param value: its figure; ``None`` when there is none, which keeps the rule
    :param before: the nearest date before that has a figure
    """
    what = _what(rule)
    if value is None:
        told = f"{what} on {date} has no value"
    elif before is None:
        told = f"{what} on {date} is {shown(value)}; there is no date before it"
    else:
        told = f"{what} on {date} is {shown(value)}, where {before[0]} has {shown(before[1])}"
    return Verdict(
        rule=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        passed=value is None or before is None or exact(value) >= exact(before[1]),
        told=told,
        observed=figure(value),
        at_least=figure(before[1]) if before else None,
        partition=date,
    )


def falling_after(rule: Rule, date: dt.date, value: Value, after: Dated, earlier: Value | None) -> Verdict | None:
    """The warning that the next date falls behind this one, if it does, and did not before.

    :param earlier: the date's figure before this commit, if it had one
    """
    if exact(after[1]) >= exact(value) or (earlier is not None and exact(after[1]) < exact(earlier)):
        return None
    what = _what(rule)
    return Verdict(
        rule=rule.name,
        kind=rule.kind,
        severity=Severity.WARN,
        passed=False,
        told=f"{what} falls after {date}, from {shown(value)} to {shown(after[1])} on {after[0]}; one of the two is wrong",
        observed=figure(after[1]),
        at_least=figure(value),
        partition=date,
    )


def _what(rule: Rule) -> str:
    measure = Measure.of(rule)
    assert measure is not None
    return f"the {'sum' if measure.kind == 'sum' else 'greatest value'} of {measure.column}"
