"""Draft datasets from files that are made up in memory, and curate them with what was drafted."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.onboard.draft import ColumnDraft, Draft
from supply_lake.onboard.known import Known
from supply_lake.onboard.onboard import onboard, spec_of
from supply_lake.onboard.policy import Wishes
from supply_lake.onboard.sample import Sample, SampleFile
from supply_lake.onboard.sniff import Hints
from supply_lake_tests.curate.curation import Curated, curate

MOMENT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def sample(files: Mapping[str, bytes | str], *, landed: bool = False) -> Sample:
    """A sample of files by their names; ``landed``: the names are their keys in landing."""
    return Sample("here", tuple(_file(name, data, landed) for name, data in files.items()))


def _file(name: str, data: bytes | str, landed: bool) -> SampleFile:
    raw = data.encode() if isinstance(data, str) else data
    return SampleFile(name, len(raw), MOMENT, lambda: io.BytesIO(raw), name if landed else "")


def draft(
    data: bytes | str | Mapping[str, bytes | str], *, known: Known | None = None, landed: bool = False, **wishes: Any
) -> Draft:
    """The draft of one file, or of several by their names.

    :param wishes: fields of ``Hints`` and ``Wishes``
    """
    files = data if isinstance(data, Mapping) else {"things.dat": data}
    hints = {
        name: wishes.pop(name) for name in ("delimiter", "encoding", "header", "records_path", "columns") if name in wishes
    }
    with tempfile.TemporaryDirectory() as folder:
        found = sample(files, landed=landed)
        return onboard("things", found, Hints(**hints), Wishes(**wishes), scratch=Path(folder) / "scratch", known=known)


def column(made: Draft, name: str) -> ColumnDraft:
    """A column by its published name."""
    return next(one for one in made.columns if one.name == name)


def types(made: Draft) -> dict[str, str]:
    """Published name → type."""
    return {one.name: one.guess.type for one in made.columns}


def one_column(values: list[str], name: str = "value", times: int = 1) -> ColumnDraft:
    """The draft of a column with these values, each so many times, beside a column that keeps the rows apart."""
    rows = [value for value in values for _ in range(times)]
    text = f"row_id,{name}\n" + "".join(f'r{at},"{value}"\n' for at, value in enumerate(rows))
    return draft(text).columns[1]


def spec(made: Draft) -> DatasetSpec:
    """The declaration that the draft is."""
    return spec_of(made)


def curated(made: Draft, *files: bytes) -> Curated:
    """The files, curated with the draft."""
    return curate(spec(made), *files)
