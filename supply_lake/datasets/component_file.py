"""A dataset that stands in a Dagster component's file, ``<name>/defs.yaml``: the same fields, under ``attributes``.

What belongs here: telling such files, and the declaration in them. What does not: Dagster, which has its own way of loading
them (``components``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supply_lake.datasets.declaration import Declaration, DeclarationError

FILE = "defs.yaml"
TYPE = "supply_lake.components.Dataset"
_ROOT = "attributes"


def files_in(folder: Path) -> Iterator[Path]:
    """The component files of datasets in the subfolders; those of other components are not ours."""
    for path in sorted(folder.glob(f"*/{FILE}")):
        if _is_ours(path):
            yield path


def _is_ours(path: Path) -> bool:
    try:
        return f"type: {TYPE}" in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def dataset_in(declared: Declaration) -> Declaration:
    """The declaration of the dataset, with the lines that it has in the file.

    :raises DeclarationError: the file has nothing under ``attributes``
    """
    values: Any = declared.values.get(_ROOT)
    if declared.values.get("type") != TYPE or not isinstance(values, dict):
        line = declared.line((_ROOT,))
        raise DeclarationError([(line, f"the component has no `{_ROOT}`; write the fields of the dataset below it")])
    lines = {path[1:]: line for path, line in declared.lines.items() if path[:1] == (_ROOT,)}
    return Declaration(values, lines)


def component_text(dataset: str) -> str:
    """The text of a dataset file as that of a component's file, comments included."""
    lines = [f"  {line}" if line else line for line in dataset.splitlines() if not line.startswith("# yaml-language-server")]
    return "\n".join([f"type: {TYPE}", f"{_ROOT}:", *lines, ""])
