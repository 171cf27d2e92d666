"""The datasets folder → every declared dataset, or one error that lists all that is wrong with it.

What belongs here: reading dataset files, turning each fault into ``file:line: what; remedy``, and the rules between
datasets (one file a dataset, no landing key that two of them take, references that lead somewhere). What does not: the fields
(``spec``), YAML as such (``declaration``) and the wording of faults (``faults``). Every Dagster run loads the registry, so this
costs no pandas, polars, pandera or pyarrow; it costs DuckDB only where a dataset has a condition on rows.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supply_lake.datasets import component_file, declaration
from supply_lake.datasets.declaration import Declaration, DeclarationError
from supply_lake.datasets.faults import sentences
from supply_lake.datasets.quality import References
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import SpecError, UnknownDataset

_SUFFIX = ".yaml"


class Registry(Mapping[str, DatasetSpec]):
    """Every dataset of one folder by name, in the order of their names. ``folder`` is where their files are."""

    def __init__(self, specs: Iterable[DatasetSpec] = (), folder: Path = Path()) -> None:
        self.folder = folder
        self._specs = {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.name)}

    def __getitem__(self, name: str) -> DatasetSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def get(self, name: str) -> DatasetSpec:  # type: ignore[override]  # a missing dataset is an error, never a None
        """The dataset of this name.

        :raises UnknownDataset: saying which names are near, and where a new one is declared
        """
        try:
            return self._specs[name]
        except KeyError:
            raise UnknownDataset(self._unknown(name)) from None

    def depth(self, name: str) -> int:
        """How many datasets, one referring to the next, have to be there before this one is complete; 0 without references."""
        return self._depth(name, frozenset())

    def _depth(self, name: str, on_the_way: frozenset[str]) -> int:
        others = (
            {rule.references.dataset for rule in self._specs[name].quality if rule.references} if name in self._specs else ()
        )
        further = [self._depth(other, on_the_way | {name}) for other in others if other not in on_the_way | {name}]
        return 1 + max(further) if further else 0

    def file(self, name: str) -> Path:
        """The file that declares the dataset."""
        return self.folder / f"{name}{_SUFFIX}"

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._specs, n=3, cutoff=0.5)
        known = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self._specs) or 'none'}."
        return f"no dataset is called {name!r}; {known} A new one is declared in {_shown(self.file(name))}"


def load_registry(folder: Path) -> Registry:
    """Load every ``<name>.yaml`` of the folder, and every ``<name>/defs.yaml`` that is a dataset as a Dagster component.

    Hidden files and what else is in subfolders are not looked at.

    :raises SpecError: with one line for every fault of every file
    """
    files = [*_files(folder), *component_file.files_in(folder)]
    found: list[tuple[DatasetSpec, Declaration]] = []
    faults: list[str] = []
    broken: set[str] = set()
    for path in files:
        if path.name.startswith(".") or path.suffix not in (_SUFFIX, ".yml"):
            continue
        try:
            found.append(_told(path))
        except SpecError as error:
            faults.append(str(error))
            broken.add(_called(path))
    specs = [spec for spec, _ in found]
    faults += [*_doubles(specs, folder), *_shared_keys(specs, folder)]
    faults += _lost_references(found, broken, folder)
    if faults:
        raise SpecError("\n".join(faults))
    return Registry(specs, folder)


def load_spec(path: Path) -> DatasetSpec:
    """Load one dataset file.

    :raises SpecError: ``file:line: what; remedy``, one line for every fault
    """
    return _told(path)[0]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a dataset file, for editors; ``dataset.schema.json`` is its shipped copy."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **DatasetSpec.model_json_schema()}


def json_schema_text() -> str:
    """The text of ``dataset.schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _told(path: Path) -> tuple[DatasetSpec, Declaration]:
    """The dataset and where its file says what; faults as a ``SpecError``."""
    try:
        return _load(path)
    except DeclarationError as error:
        shown = _shown(path)
        raise SpecError("\n".join(f"{shown}:{line}: {text}" for line, text in sorted(error.problems))) from None


def _load(path: Path) -> tuple[DatasetSpec, Declaration]:
    if path.suffix != _SUFFIX:
        raise DeclarationError([(1, f"dataset files end in {_SUFFIX}; rename it to {path.stem}{_SUFFIX}")])
    declared = declaration.parse(_text(path))
    if path.name == component_file.FILE:
        declared = component_file.dataset_in(declared)
    try:
        spec = DatasetSpec.model_validate(declared.values)
    except ValidationError as error:
        raise DeclarationError(sentences(error, declared)) from None
    if spec.name != _called(path):
        text = f"the dataset is called {spec.name!r} and its file {path.name}; rename the file to {spec.name}{_SUFFIX}"
        if path.name == component_file.FILE:
            text = f"the dataset is called {spec.name!r} and its folder {_called(path)}; rename the folder to {spec.name}"
        raise DeclarationError([(declared.line(("name",)), text)])
    return spec, declared


def _called(path: Path) -> str:
    """What the dataset of a file has to be called."""
    return path.parent.name if path.name == component_file.FILE else path.stem


def _file_of(spec: DatasetSpec, folder: Path) -> str:
    """The file of a dataset, for people."""
    component = folder / spec.name / component_file.FILE
    return _shown(component if component.exists() else folder / (spec.name + _SUFFIX))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise SpecError(
            f"{folder}: there is no such folder; set SUPPLY_LAKE_DATASETS to the folder with your dataset files"
        ) from None
    except OSError as error:
        raise SpecError(f"{folder}: the folder cannot be listed ({error.strerror}); give this user the permission") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DeclarationError([(1, "the file is not UTF-8; save it as UTF-8")]) from None
    except OSError as error:
        raise DeclarationError(
            [(1, f"the file cannot be read ({error.strerror}); see that it is there and may be read")]
        ) from None


def _doubles(specs: list[DatasetSpec], folder: Path) -> list[str]:
    """A fault for every dataset that has a file and a component."""
    names = Counter(spec.name for spec in specs)
    return [
        f"{_shown(folder / name / component_file.FILE)}:1: {name} is declared in {name}{_SUFFIX} too; take one of them away"
        for name, times in names.items()
        if times > 1
    ]


def _shared_keys(specs: list[DatasetSpec], folder: Path) -> list[str]:
    """A fault for every two datasets that could both take one landing key."""
    return [
        f"{_file_of(two, folder)}:1: the landing pattern {two.key_pattern.pattern!r} can take the same key as "
        f"{one.key_pattern.pattern!r} of {one.name}; give one of them another `landing.pattern`"
        for one, two in combinations(specs, 2)
        if one.name != two.name and one.key_pattern.overlaps(two.key_pattern)
    ]


def _lost_references(found: Sequence[tuple[DatasetSpec, Declaration]], broken: Set[str], folder: Path) -> list[str]:
    """A fault for every `references` rule that leads nowhere. Into a file that is broken itself none can be told."""
    specs = {spec.name: spec for spec, _ in found}
    faults = []
    for spec, declared in found:
        for index, rule in enumerate(spec.quality):
            if rule.references is None or rule.references.dataset in broken:
                continue
            text = _lost(spec, rule.references, specs)
            if text:
                line = declared.line(("quality", index, "references"))
                faults.append(f"{_file_of(spec, folder)}:{line}: {text}")
    return faults


def _lost(spec: DatasetSpec, rule: References, specs: Mapping[str, DatasetSpec]) -> str:
    """Why the reference leads nowhere; empty when it leads somewhere."""
    if rule.dataset == spec.name:
        return "a `references` rule looks into another dataset, not into its own; `row` and `unique` are for its own rows"
    other = specs.get(rule.dataset)
    if other is None:
        near = difflib.get_close_matches(rule.dataset, specs, n=1)
        remedy = f"did you mean {near[0]}?" if near else "declare it, or take the rule out"
        return f"no dataset is called {rule.dataset!r}; {remedy}"
    for our, their in rule.pairs:
        if their not in other.types:
            return f"dataset {other.name} has no column {their!r}; name its columns under `their`, in the order of `columns`"
        if not spec.types[our].compares_with(other.types[their]):
            return f"column {our!r} is {spec.types[our]} and {other.name}'s {their!r} is {other.types[their]}; they never match"
    return ""


def _shown(path: Path) -> str:
    """The path as a person standing in the working directory would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.stdout.write(json_schema_text())
