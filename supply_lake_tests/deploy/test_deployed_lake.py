"""The data plane's template, deployed by CloudFormation into the emulator, and a lake on what its outputs name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from supply_lake import Lake
from supply_lake.doctor.examine import examine
from supply_lake.doctor.finding import State
from supply_lake.ingest.events import take
from supply_lake.landing.queue import Queue
from supply_lake.settings import Settings
from supply_lake_tests.deploy.assembly import Assembly
from supply_lake_tests.ingest.house import DAY, ORDERS, House, csv
from supply_lake_tests.integration.s3 import S3

pytestmark = pytest.mark.integration
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, assembly: Assembly) -> Iterator[dict[str, str]]:
    """The stack's outputs by their variables, and the AWS variables, on a server of its own: its names are fixed."""
    server = S3(tmp_path_factory.mktemp("deployed"))
    try:
        yield {**deployed(client("cloudformation", server.environ), assembly), **server.environ}
    finally:
        server.stop()


def client(service: str, environ: dict[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def deployed(cloudformation: Any, assembly: Assembly) -> dict[str, str]:
    body = (assembly.folder / "test-lake-data.template.json").read_text()
    cloudformation.create_stack(StackName="test-lake-data", TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
    end = time.monotonic() + PATIENCE_SECONDS
    while (stack := cloudformation.describe_stacks(StackName="test-lake-data")["Stacks"][0])["StackStatus"].endswith(
        "PROGRESS"
    ):
        assert time.monotonic() < end, "the stack is not there yet"
        time.sleep(0.05)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    return {one["Description"]: one["OutputValue"] for one in stack["Outputs"]}


@pytest.fixture
def house(outputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A lake of the outputs."""
    for name, value in outputs.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    env = {name: value for name, value in outputs.items() if name.startswith("SUPPLY_LAKE_")}
    # The output is AWS's own address of the queue; the emulator listens elsewhere.
    env["SUPPLY_LAKE_EVENTS"] = f"{outputs['AWS_ENDPOINT_URL']}/{env['SUPPLY_LAKE_EVENTS'].split('/', 3)[3]}"
    house = House(tmp_path, ORDERS, env=env)
    yield house
    house.close()


def test_a_lake_on_the_deployed_data_plane_hears_ingests_answers_and_is_proven(house: House) -> None:
    lake, stores = Lake(house.stores), house.stores
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "many", 1)]))
    queue = Queue.open(house.env["SUPPLY_LAKE_EVENTS"])
    assert heard(stores, queue) == 1  # the bucket told its queue, by the template's notification
    house.ingest()
    assert lake.query("SELECT order_id FROM orders").to_pylist() == [{"order_id": "o1"}]
    assert lake.rejects("orders").column("value").to_pylist() == ["many"]
    house.land("b.csv", csv([("o3", 3, 1)]))
    house.ingest()
    assert lake.read("orders", commit=1).num_rows == 1
    (report,) = lake.verify(landing=True)
    assert report.problems == ()
    assert {one.partition for one in lake.live("orders")} == {DAY}


def heard(stores: Any, queue: Queue) -> int:
    """New object versions that the queue told of; the test event of S3 may be among the messages."""
    end, new = time.monotonic() + PATIENCE_SECONDS, 0
    while not new:
        assert time.monotonic() < end, "no message came"
        new += take(stores, queue, wait=1).new
    return new


def test_the_doctor_finds_the_deployed_wiring_right(house: House) -> None:
    troubles = [one for one in examine(Settings.from_env(house.env)) if one.state is not State.OK and one.part != "credentials"]
    assert troubles == []
