"""The image's definition, and Dagster's instance in it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from supply_lake_tests.deploy.assembly import BIN, ROOT, Template

DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
INSTANCE = ROOT / "deploy/dagster/aws/dagster.yaml"
LONGEST_OVERRIDES = 8_192
"""Characters that ECS takes of what a run's task does otherwise than its definition says."""


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([str(BIN / "hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_made_in_two_stages_of_what_the_lock_pins_and_runs_as_nobody_special() -> None:
    stages = [rest for name, rest in instructions() if name == "FROM"]
    assert [stage.rpartition(" ")[2] for stage in stages] == ["build", "run"]
    run = instructions()[[rest for _, rest in instructions()].index(stages[1]) :]
    assert [rest for name, rest in run if name == "USER"] == ["10001:10001"]
    assert run[-1][0] == "CMD"
    installs = [rest for name, rest in instructions() if "pip install" in rest]
    assert "--require-hashes --requirement requirements.lock" in installs[0]
    assert "--no-deps" in installs[1]
    assert not [rest for name, rest in run if "pip install" in rest]


def test_what_the_image_takes_is_there_and_the_rest_is_left_out() -> None:
    takes = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    sources = [one for line in takes for one in line if not one.startswith("--")]
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for source in sources:
        assert (ROOT / source).exists()
        assert any(Path(source).is_relative_to(one) for one in let_in)


def test_commands_of_tasks_are_those_of_what_is_installed(compute: Template) -> None:
    scripts = {"dagster", "dagster-daemon", "dagster-webserver", "python"}
    for one in compute.resources("ECS::TaskDefinition"):
        (container,) = one["ContainerDefinitions"]
        assert container["Command"][0] in scripts
        assert container.get("HealthCheck", {"Command": ["CMD", "dagster"]})["Command"][1] in scripts
    (command,) = [json.loads(rest) for name, rest in instructions() if name == "CMD"]
    code = compute.one("ECS::TaskDefinition", Family="test-lake-code")["ContainerDefinitions"][0]
    assert command == code["Command"]


def test_the_instance_on_ecs_is_the_one_for_production_with_another_launcher() -> None:
    on_ecs = yaml.safe_load(INSTANCE.read_text())
    elsewhere = yaml.safe_load((ROOT / "deploy/dagster/dagster.yaml").read_text())
    assert on_ecs.pop("run_launcher")["class"] == "EcsRunLauncher"
    assert on_ecs["storage"]["postgres"]["postgres_db"].pop("params") == {"sslmode": "require"}
    assert on_ecs == elsewhere
    # A run is not told its own definition. Dagster makes the launcher where it is used, and in a run only to see whether it resumes.
    assert "max_resume_run_attempts" not in on_ecs["run_monitoring"]


@pytest.fixture
def instance_ref(tmp_path: Path) -> Any:
    from dagster._core.instance.ref import InstanceRef

    (tmp_path / "dagster.yaml").write_bytes(INSTANCE.read_bytes())
    return InstanceRef.from_dir(str(tmp_path))


def test_the_launcher_takes_its_settings_and_asks_ecs_for_the_definition_alone(
    instance_ref: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster_aws.ecs import EcsRunLauncher

    asked: list[str] = []
    definition = {"taskDefinitionArn": "arn:of:it", "containerDefinitions": [{"name": "run"}]}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("SUPPLY_LAKE_RUN_TASK_DEFINITION", "arn:of:it")
    monkeypatch.setattr("dagster_aws.ecs.launcher.boto3", Stubbed(asked, definition))
    launcher = instance_ref.run_launcher_data.rehydrate()
    assert isinstance(launcher, EcsRunLauncher)
    assert (launcher.task_definition, launcher.secrets_tags) == ("arn:of:it", [])
    assert asked == ["describe_task_definition"]


class Stubbed:
    """boto3, of which ECS knows one definition."""

    def __init__(self, asked: list[str], definition: dict[str, Any]) -> None:
        self._asked, self._definition = asked, definition

    def client(self, name: str, **_: Any) -> Any:
        return self

    def resource(self, name: str, **_: Any) -> Any:
        return self

    def describe_task_definition(self, taskDefinition: str) -> dict[str, Any]:
        self._asked.append("describe_task_definition")
        assert taskDefinition == self._definition["taskDefinitionArn"]
        return {"taskDefinition": self._definition}


def test_what_a_run_is_told_fits_into_its_overrides(instance_ref: Any) -> None:
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
    from dagster._grpc.types import ExecuteRunArgs

    pointer = ModuleCodePointer("supply_lake.definitions", "defs", None)
    origin = JobPythonOrigin("__ASSET_JOB", RepositoryPythonOrigin("/opt/lake/venv/bin/python", pointer))
    args = ExecuteRunArgs(job_origin=origin, run_id="019f6d2e-5c1a-7000-8000-000000000000", instance_ref=instance_ref)
    overrides = {"containerOverrides": [{"name": "run", "command": args.get_command_args()}]}
    assert len(json.dumps(overrides)) < LONGEST_OVERRIDES
