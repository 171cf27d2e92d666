"""Where the Dagster instance lives, and what its two configurations say."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import dagster as dg
import pytest
import yaml

from supply_lake.errors import StoreUnavailable
from supply_lake.resources.instance import open_instance, prepare_home
from supply_lake.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Settings.from_env({"SUPPLY_LAKE_HOME": str(tmp_path / "home")})


def test_the_home_is_made_below_that_of_the_lake(settings: Settings) -> None:
    home = prepare_home(settings)
    assert home == settings.home / "dagster"
    assert (home / "dagster.yaml").read_bytes() == (ROOT / "supply_lake/resources/dagster.yaml").read_bytes()


def test_a_named_home_is_taken_and_its_configuration_stays(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "named"))
    home = prepare_home(settings)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert prepare_home(settings) == home == tmp_path / "named"
    assert "run_coordinator" not in (home / "dagster.yaml").read_text()


@pytest.mark.parametrize("variable", ["DAGSTER_HOME", "SUPPLY_LAKE_HOME"])
def test_a_home_that_cannot_be_made_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file" / "home"))
    settings = Settings.from_env({"SUPPLY_LAKE_HOME": str(tmp_path / "file" / "home")})
    with pytest.raises(StoreUnavailable, match=rf"{tmp_path}/file/home.*\(Not a directory\); set {variable} to a folder"):
        prepare_home(settings)


def test_the_instance_is_persistent_and_sends_no_telemetry(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert not instance.is_ephemeral
        assert instance.telemetry_enabled is False
        assert isinstance(instance, dg.DagsterInstance)


def test_m1_processes_that_make_the_instance_at_once_all_can_use_it(settings: Settings) -> None:
    code = (
        "import sys\nfrom supply_lake.resources.instance import open_instance\nfrom supply_lake.settings import Settings\n"
        f"settings = Settings.from_env({{'SUPPLY_LAKE_HOME': {str(settings.home)!r}}})\nprint(flush=True); sys.stdin.read()\n"
        "with open_instance(settings) as instance:\n    instance.get_runs_count()\n"
    )
    with ExitStack() as stack:
        command = [sys.executable, "-W", "ignore", "-c", code]
        opening = [stack.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)) for _ in range(3)]
        for process in opening:
            process.stdout.readline()  # type: ignore[union-attr]  # all are ready before the first begins
        for process in opening:
            process.stdin.close()  # type: ignore[union-attr]
        told = [(process.wait(), process.stderr.read()) for process in opening]  # type: ignore[union-attr]
    assert told == [(0, "")] * 3


@pytest.mark.parametrize("file", ["supply_lake/resources/dagster.yaml", "deploy/dagster/dagster.yaml"])
def test_both_configurations_give_waiting_sensors_threads_and_send_no_telemetry(file: str) -> None:
    declared = yaml.safe_load((ROOT / file).read_text())
    assert declared["sensors"]["use_threads"] is True
    assert declared["telemetry"]["enabled"] is False
    assert declared["run_monitoring"]["enabled"] is True
    assert declared["freshness"]["enabled"] is True


def test_production_runs_one_run_a_dataset_at_a_time_and_keeps_secrets_out_of_the_file() -> None:
    declared = yaml.safe_load((ROOT / "deploy/dagster/dagster.yaml").read_text())
    assert declared["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}
    database = declared["storage"]["postgres"]["postgres_db"]
    assert {name for name, value in database.items() if not isinstance(value, dict) or set(value) != {"env"}} == {"scheme"}


def test_production_configuration_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.instance.config import dagster_instance_config

    (tmp_path / "dagster.yaml").write_bytes((ROOT / "deploy/dagster/dagster.yaml").read_bytes())
    dagster_instance_config(str(tmp_path))
