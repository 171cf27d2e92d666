"""A lake as Dagster components, for teams whose code location is a ``dg`` project. Optional: nothing else needs them.

``Dataset`` is one dataset, with the fields of a dataset file as its attributes; ``Lake`` is what the datasets of a project
have in common: the landing sensors, alerts, schedules and resources. Both are thin: the registry reads the same files, so that
the command, the sensors and Dagster agree on what is declared.

What belongs here: the two components, and what ``dg scaffold defs`` writes for them. What does not: any asset or sensor.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from supply_lake.composition import dataset_assets, lake_definitions
from supply_lake.datasets.component_file import FILE, component_text
from supply_lake.datasets.registry import load_registry, load_spec
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.settings import Settings

_TEMPLATE = """name: {name}
description: Say here what one row is, and where the data come from.
owner: team:unassigned
source: {{system: unknown}}
format: {{type: csv}}
columns:
  - {{name: id, type: string, description: What tells one record from another.}}
primary_key: id
mode: append
"""


class DatasetParams(BaseModel):
    """What ``dg scaffold defs supply_lake.components.Dataset NAME`` takes."""

    sample: str = Field("", description="A sample to draft the dataset from: whatever `supply-lake onboard --from` takes.")


class DatasetScaffolder(dg.Scaffolder[DatasetParams]):
    """Writes a dataset that loads: drafted from a sample if there is one, else one to fill in."""

    @classmethod
    def get_scaffold_params(cls) -> type[DatasetParams]:
        """The parameters."""
        return DatasetParams

    def scaffold(self, request: dg.ScaffoldRequest[DatasetParams]) -> None:
        """Write ``defs.yaml``, and beside it the page of what was seen."""
        folder, name = request.target_path, request.target_path.name
        text, page = _drafted(name, request.params.sample) if request.params.sample else (_TEMPLATE.format(name=name), "")
        (folder / FILE).write_text(component_text(text), encoding="utf-8")
        if page:
            (folder / f"{name}.onboarding.md").write_text(page, encoding="utf-8")
        load_spec(folder / FILE)


def _drafted(name: str, sample: str) -> tuple[str, str]:
    """The text of the dataset file, and the page."""
    from supply_lake.onboard.drafting import dataset_text
    from supply_lake.onboard.finding import find_sample
    from supply_lake.onboard.onboard import onboard
    from supply_lake.onboard.page import page_text
    from supply_lake.onboard.policy import Wishes
    from supply_lake.onboard.sniff import Hints

    settings = Settings.from_env()
    settings.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
        found = find_sample(sample, name, settings.landing, Path(scratch))
        draft = onboard(name, found.sample, Hints(), Wishes(), scratch=Path(scratch), known=found.known)
    return dataset_text(draft, page=f"{name}.onboarding.md", schema=False), page_text(draft)


@dg.scaffold_with(DatasetScaffolder)
class Dataset(dg.Component):
    """One dataset of the lake, with the fields of a dataset file: what lands of it, and what is published, with its checks."""

    def __init__(self, spec: DatasetSpec) -> None:
        self.spec = spec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The attributes are those of a dataset file."""
        return DatasetSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Dataset:
        """The component of a file, read again as strictly as every dataset file is.

        :raises SpecError: ``file:line: what; remedy``, one line for every fault
        """
        del attributes
        return cls(load_spec(context.path / FILE))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The dataset's assets."""
        del context
        return dg.Definitions(assets=dataset_assets(self.spec))


class Lake(dg.Component, dg.Model, dg.Resolvable):
    """What the datasets of a project have in common: landing sensors, alerts, schedules and resources."""

    datasets: str = Field("..", description="Folder with the datasets, relative to this file.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Sensors, schedules and resources of the lake that the environment names, with the datasets of this folder."""
        folder = (context.path / self.datasets).resolve()
        settings: Any = replace(Settings.from_env(), datasets=folder)
        return lake_definitions(settings, list(load_registry(folder).values()))
