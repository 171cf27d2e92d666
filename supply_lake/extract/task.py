"""What a transport is given: one window of one dataset, and what it needs for it. Values, no clients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.extract.clock import Clock
from supply_lake.extract.manifest import Manifest
from supply_lake.extract.secrets import Secrets
from supply_lake.extract.window import Window


@dataclass(frozen=True, slots=True)
class Task:
    """``scratch`` is an empty folder of this pull's own. ``known`` gives the manifest of what landed under a name on a date,
    ``is_taken`` whether anything that lands under it would be taken up.
    """

    spec: DatasetSpec
    window: Window
    secrets: Secrets
    scratch: Path
    known: Callable[[str, dt.date], Manifest | None] = lambda *_: None
    is_taken: Callable[[str, dt.date], bool] = lambda *_: True
    clock: Clock = field(default_factory=Clock)
