"""What one rule said of a batch, with its figures: a frozen value and its JSON.

What belongs here: the noun that records, checks and reports share. What does not: coming to it (the neighbours).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from supply_lake.datasets.quality import Rule, Severity

Figure = int | float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's word on a batch, or on one partition of it.

    It passed when ``observed`` lies between ``at_least`` and ``at_most``, where ``None`` bounds nothing. ``observed`` is the
    share of rows that break the rule (``row``, ``unique``, ``references``) or repeat another date's (``unlike_previous``), the
    number of rows, or the value of the column; ``None`` when there was nothing to observe. Shares come with their two numbers,
    ``rows`` ``of``. ``severity`` is the rule's, but ``warn`` where the batch is not to blame: for what its rows show of the
    next date. ``commits`` names the commit of every other dataset that was looked at. ``told`` says it all in a sentence.
    """

    rule: str
    kind: str
    severity: Severity
    passed: bool
    told: str
    observed: Figure | None = None
    at_least: Figure | None = None
    at_most: Figure | None = None
    rows: int | None = None
    of: int | None = None
    partition: dt.date | None = None
    commits: tuple[tuple[str, int], ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether nothing of the batch may be published."""
        return not self.passed and self.severity is Severity.REJECT


def of_rows(
    rule: Rule, allowed: float, *, rows: int, of: int, first: str = "", commits: tuple[tuple[str, int], ...] = ()
) -> Verdict:
    """The verdict of a rule on rows, of which so many break it.

    :param allowed: the share that may
    :param first: where the first of them stands
    """
    share = rows / of if of else 0.0
    may = f"{allowed:.1%} may" if allowed else "none may"
    told = f"{rows:,} of {of:,} rows break it ({share:.1%}, where {may})" if rows else f"all {of:,} rows keep it"
    if rows and first:
        told += f"; the first is {first}"
    return Verdict(
        rule=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        passed=share <= allowed,
        told=told,
        observed=share,
        at_most=allowed,
        rows=rows,
        of=of,
        commits=commits,
    )


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as public JSON."""
    return {
        "rule": verdict.rule,
        "kind": verdict.kind,
        "severity": str(verdict.severity),
        "passed": verdict.passed,
        "told": verdict.told,
        "observed": verdict.observed,
        "at_least": verdict.at_least,
        "at_most": verdict.at_most,
        "rows": verdict.rows,
        "of": verdict.of,
        "partition": verdict.partition.isoformat() if verdict.partition else None,
        "commits": dict(verdict.commits),
    }


def verdict_from_json(data: dict[str, Any]) -> Verdict:
    """The inverse of ``verdict_json``."""
    date = data["partition"]
    return Verdict(
        **{
            **data,
            "severity": Severity(data["severity"]),
            "partition": dt.date.fromisoformat(date) if date else None,
            "commits": tuple(sorted(data["commits"].items())),
        }
    )
