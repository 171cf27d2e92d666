"""The templates, once for a test run."""

from __future__ import annotations

import os

import pytest

from supply_lake_tests.deploy.assembly import Assembly, Template, synthesize_once


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """What the synthesis of ``lake.yaml`` beside this file wrote; workers of one test run share it."""
    base = tmp_path_factory.getbasetemp()
    return synthesize_once((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "assembly")


@pytest.fixture(scope="session")
def data(assembly: Assembly) -> Template:
    """The template of the data plane."""
    return assembly.stack("data")


@pytest.fixture(scope="session")
def compute(assembly: Assembly) -> Template:
    """The template of where Dagster runs."""
    return assembly.stack("compute")
