"""A dataset that the catalog is behind on: a note in the lake's own bucket, beside the files, from the failure until it is
mended.

What belongs here: the note, its JSON, and where it lies. What does not: when it is written and taken away
(``exports.glue``). It is a note for people: what the catalog lacks is told by the commit that its table shows, whether
a note could be written or not.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import Any

from supply_lake.errors import ObjectGone
from supply_lake.storage.layout import catalog_lag_path
from supply_lake.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Lag:
    """``commit`` is the newest one that could not be shown; ``since`` is when the first could not."""

    dataset: str
    commit: int
    since: dt.datetime
    failed_at: dt.datetime
    failures: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As public JSON."""
        return {
            "dataset": self.dataset,
            "commit": self.commit,
            "since": self.since.isoformat(),
            "failed_at": self.failed_at.isoformat(),
            "failures": self.failures,
            "reason": self.reason,
        }


def note(lake: ObjectStore, dataset: str, commit: int, reason: str, now: dt.datetime | None = None) -> Lag:
    """Write down that it failed, or failed again."""
    now = now or dt.datetime.now(dt.UTC)
    before = noted(lake, dataset)
    lag = Lag(dataset, commit, now, now, 1, reason)
    if before is not None:
        lag = replace(lag, since=before.since, failures=before.failures + 1)
    lake.put(catalog_lag_path(dataset), json.dumps(lag.to_json(), ensure_ascii=False).encode())
    return lag


def noted(lake: ObjectStore, dataset: str) -> Lag | None:
    """The note of a dataset; ``None`` when there is none."""
    try:
        with lake.read(catalog_lag_path(dataset)) as file:
            told = json.load(file)
    except ObjectGone:
        return None
    times = {name: dt.datetime.fromisoformat(told[name]) for name in ("since", "failed_at")}
    return Lag(told["dataset"], told["commit"], failures=told["failures"], reason=told["reason"], **times)


def clear(lake: ObjectStore, dataset: str) -> None:
    """Take the note away."""
    lake.delete([catalog_lag_path(dataset)])
