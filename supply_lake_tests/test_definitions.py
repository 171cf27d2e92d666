"""The code location: everything that Dagster loads, over every shipped dataset."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from supply_lake.assets.naming import checks, lake_key, landing_key
from supply_lake.composition import build_definitions
from supply_lake.datasets.registry import load_registry
from supply_lake.errors import SpecError
from supply_lake.settings import Settings
from supply_lake_tests.sensors.made_up import ORDERS, write_specs

ROOT = Path(__file__).parents[1]
SETTINGS = Settings.from_env({})
SHIPPED = load_registry(SETTINGS.datasets)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(SETTINGS)


def test_the_location_is_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_dataset_is_an_asset_with_a_source_checks_and_partitions(definitions: dg.Definitions, name: str) -> None:
    spec, graph = SHIPPED[name], definitions.resolve_asset_graph()
    landing, lake = graph.get(landing_key(name)), graph.get(lake_key(name))
    assert lake.parent_keys == {landing.key}
    assert landing.is_external
    assert lake.partitions_def.get_first_partition_key() == spec.start_date.isoformat()
    assert lake.partitions_def.get_last_partition_key() == landing.partitions_def.get_last_partition_key()
    assert {check.name for check in lake.check_keys} == set(checks(spec))
    assert (lake.group_name, lake.owners) == (spec.group, [spec.owner])
    assert "parquet" in lake.kinds
    assert spec.format.type in landing.kinds
    assert lake.backfill_policy == dg.BackfillPolicy.single_run()
    assert lake.pools == {f"lake__{name}"}
    assert (lake.freshness_policy is not None) == (spec.freshness is not None)
    assert spec.columns[0].name in {column.name for column in lake.metadata["dagster/column_schema"].columns}


def test_sensors_are_on(definitions: dg.Definitions) -> None:
    sensors = {sensor.name: sensor for sensor in definitions.sensors or ()}
    assert set(sensors) == {"landing", "landing_relief", "alerts", "check_warnings", "lateness"}
    assert all(sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in sensors.values())


def test_a_schedule_is_made_where_one_is_declared(tmp_path: Path) -> None:
    folder = write_specs(tmp_path, {**ORDERS, "schedule": "15 6 * * *"}, {**ORDERS, "name": "stock"})
    made = build_definitions(Settings.from_env({"SUPPLY_LAKE_DATASETS": str(folder)}))
    (schedule,) = made.schedules or ()
    assert (schedule.name, schedule.cron_schedule) == ("orders_schedule", "15 6 * * *")


def test_a_fault_in_a_dataset_file_names_file_and_line(tmp_path: Path) -> None:
    folder = write_specs(tmp_path, ORDERS)
    (folder / "broken.yaml").write_text("name: broken\nowner: nobody\n")
    with pytest.raises(SpecError, match=r"broken\.yaml:2: "):
        build_definitions(Settings.from_env({"SUPPLY_LAKE_DATASETS": str(folder)}))


def test_loading_imports_nothing_that_only_curating_or_querying_needs() -> None:
    heavy = (
        "pandas",
        "pandera",
        "polars",
        "pyarrow",
        "duckdb",
        "sqlalchemy",
        "obstore",
        "boto3",
        "dagster_aws",
        "dagster_duckdb",
    )
    code = f"import sys, supply_lake.definitions; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_workspace_and_project_files_name_the_same_location() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (workspace,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    target = workspace["python_module"]
    assert target["module_name"] == project["dagster"]["module_name"]
    assert target["module_name"] == project["dg"]["project"]["code_location_target_module"]
    assert target["location_name"] == project["dagster"]["code_location_name"] == project["dg"]["project"]["code_location_name"]


def test_datasets_may_start_on_different_dates(tmp_path: Path) -> None:
    later = {**ORDERS, "name": "stock", "start_date": "2026-02-01"}
    folder = write_specs(tmp_path, {**ORDERS, "schedule": "@daily"}, {**later, "schedule": "15 6 * * *"})
    made = build_definitions(Settings.from_env({"SUPPLY_LAKE_DATASETS": str(folder)}))
    dg.Definitions.validate_loadable(made)
    assert made.resolve_asset_graph().get(lake_key("stock")).partitions_def.get_first_partition_key() == "2026-02-01"
