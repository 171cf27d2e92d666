"""The doctor over whole lakes: the embedded one, and one on S3 and SQS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supply_lake.cli.app import run
from supply_lake.doctor.examine import examine
from supply_lake.doctor.finding import Finding, State
from supply_lake.doctor.places import room
from supply_lake.ingest.discovery import tick
from supply_lake.ingest.stores import Stores
from supply_lake.settings import Settings
from supply_lake_tests.ingest.house import ORDERS
from supply_lake_tests.integration.queues import WAYS, Wiring
from supply_lake_tests.sensors.made_up import write_specs

Env = Callable[..., dict[str, str]]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    folder = write_specs(tmp_path, ORDERS)

    def make(**more: str) -> dict[str, str]:
        named = {"HOME": str(tmp_path / "lake-home"), "DATASETS": str(folder), **more}
        return {f"SUPPLY_LAKE_{name}": value for name, value in named.items()}

    return make


def examined(env: dict[str, str]) -> list[Finding]:
    return list(examine(Settings.from_env(env)))


def troubles(env: dict[str, str]) -> dict[tuple[str, str], Finding]:
    return {(one.part, one.check): one for one in examined(env) if one.state is not State.OK}


def test_an_embedded_lake_is_sound_and_stays_as_it_is(env: Env) -> None:
    found = examined(env())
    assert {one.state for one in found} == {State.OK}
    assert {one.part for one in found} == {"datasets", "metadata", "landing", "lake", "rejects", "home", "clock"}
    with Stores.open(Settings.from_env(env())) as stores:
        assert tick(stores, full=True).new == 0
        assert list(stores.metadata.objects()) == []


def test_what_is_broken_does_not_hide_the_rest(env: Env, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "datasets" / "wrong.yaml").write_text("name: wrong\n")
    found = troubles(
        env(LAKE=str(tmp_path / "file" / "lake"), REJECTS=str(tmp_path / "rejects"), METADATA="sqlite:////proc/none/x")
    )
    assert {part for part, _ in found} == {"datasets", "metadata", "lake"}
    assert all(one.state is State.BROKEN and one.remedy for one in found.values())
    assert "wrong.yaml" in found["datasets", "load"].seen


def test_a_disk_that_fills_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((10**12, State.OK), (10**9, State.WARNING), (10**8, State.BROKEN)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(10**13, 0, free))  # type: ignore[attr-defined]
        assert room("lake", tmp_path).state is state


def test_the_verb_ends_with_status_1_when_something_is_broken(
    env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in env().items():
        monkeypatch.setenv(name, value)
    assert run(["doctor"]) == 0
    assert "conditional write" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SUPPLY_LAKE_LANDING", str(tmp_path / "file" / "landing"))
    assert run(["doctor", "--json"]) == 1
    said = capsys.readouterr()
    (landing,) = [one for one in json.loads(said.out) if one["part"] == "landing"]
    assert landing["state"] == "broken"
    assert set(landing) == {"part", "check", "state", "seen", "remedy"}
    assert "landing is broken" in said.err


@pytest.fixture(params=WAYS)
def wired(
    request: pytest.FixtureRequest, s3_server: Any, monkeypatch: pytest.MonkeyPatch, env: Env
) -> tuple[Wiring, dict[str, str]]:
    """A lake on S3 that is told in one of the ways, and its environment."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    wiring = Wiring(s3_server, request.param)
    places = {name: f"s3://{wiring.bucket}/{name.lower()}" for name in ("LANDING", "LAKE", "REJECTS")}
    return wiring, env(**places, EVENTS=wiring.url)


@pytest.mark.integration
def test_a_lake_on_s3_and_sqs_is_sound(wired: tuple[Wiring, dict[str, str]]) -> None:
    found = examined(wired[1])
    assert [one for one in found if one.state is not State.OK] == []
    assert {one.part for one in found} >= {"credentials", "queue", "notifications"}


@pytest.mark.integration
def test_what_is_wrong_on_the_way_to_the_queue_is_found(wired: tuple[Wiring, dict[str, str]]) -> None:
    wiring, env = wired
    wiring.sqs.send_message(QueueUrl=wiring.dead_url, MessageBody="lost")
    wiring.set(Policy="")
    assert troubles(env).keys() == {("queue", "dead-letter queue"), ("notifications", "queue policy")}
    wiring.notify()
    assert troubles(env)["notifications", "route"].state is State.BROKEN
    wiring.sqs.delete_queue(QueueUrl=wiring.url)
    assert "is not there" in troubles(env)["queue", "reachable"].seen


@pytest.mark.integration
@pytest.mark.parametrize("wired", ["sqs"], indirect=True)
def test_a_bucket_that_is_missing_is_named(wired: tuple[Wiring, dict[str, str]]) -> None:
    found = troubles(wired[1] | {"SUPPLY_LAKE_LAKE": "s3://no-such-bucket/lake"})
    assert [(key, one.seen) for key, one in found.items()] == [
        (("lake", "reach"), "s3://no-such-bucket/lake: there is no such bucket")
    ]
