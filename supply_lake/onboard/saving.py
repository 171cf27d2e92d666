"""The dataset file and its page into the datasets folder, so that the folder still loads.

What belongs here: writing two files. What does not: their text (``drafting``, ``page``).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supply_lake.datasets.registry import load_spec
from supply_lake.datasets.spec import NAME, DatasetSpec
from supply_lake.errors import SpecError, UsageError
from supply_lake.onboard.draft import Draft
from supply_lake.onboard.drafting import dataset_text
from supply_lake.onboard.page import page_text

_SCHEMA = "dataset.schema.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """The files that were written, and the declaration as it was read back."""

    file: Path
    page: Path
    spec: DatasetSpec


def may_save(name: str, folder: Path, *, force: bool) -> Path:
    """The file that the dataset will have.

    :raises UsageError: the name is none for a dataset, or there is such a file already
    """
    if not re.fullmatch(NAME, name) or len(name) > 63:
        raise UsageError(f"{name!r} is no name for a dataset; take small letters, digits and single underscores: sales_orders")
    file = folder / f"{name}.yaml"
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; --force writes it anew, and what was changed in it by hand is lost")
    return file


def save(draft: Draft, folder: Path, *, force: bool = False) -> Saved:
    """Write the file and the page. Nothing is written when the folder would not load with them.

    :raises UsageError: there is such a file already, or another dataset takes the same landing keys
    """
    file = may_save(draft.name, folder, force=force)
    page = page_of(file)
    _make(folder)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as aside:
        written = Path(aside) / file.name
        written.write_text(dataset_text(draft, page=page.name, schema=(folder / _SCHEMA).exists()), encoding="utf-8")
        spec = load_spec(written)
        _require_own_keys(spec, folder)
        page.write_text(page_text(draft), encoding="utf-8")
        written.replace(file)
    return Saved(file, page, spec)


def page_of(file: Path) -> Path:
    """The page beside the dataset's file; the registry reads no Markdown."""
    return file.with_name(f"{file.stem}.onboarding.md")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}); set SUPPLY_LAKE_DATASETS to a folder of yours") from None
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written to; set SUPPLY_LAKE_DATASETS to a folder of yours")


def _require_own_keys(spec: DatasetSpec, folder: Path) -> None:
    for other in _others(spec, folder):
        if other.key_pattern.overlaps(spec.key_pattern):
            raise UsageError(
                f"its landing keys {spec.key_pattern.pattern!r} could be those of {other.name}, {other.key_pattern.pattern!r}; "
                "give files of another folder or name, or take that dataset's pattern closer"
            )


def _others(spec: DatasetSpec, folder: Path) -> Iterator[DatasetSpec]:
    """The datasets beside it; a file that does not load is not this one's affair."""
    for path in sorted(folder.glob("*.yaml")):
        if path.stem != spec.name and not path.name.startswith("."):
            try:
                yield load_spec(path)
            except SpecError:
                continue
