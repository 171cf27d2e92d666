"""What the template of Dagster's stack says of each part."""

from __future__ import annotations

from typing import Any

import pytest

from supply_lake.settings import Settings
from supply_lake_tests.deploy.assembly import ACCOUNT, REGION, Template

SERVICES = ("code", "daemon", "web")
IMAGE = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/supply-lake:1"


def container(name: str, compute: Template) -> dict[str, Any]:
    (found,) = compute.one("ECS::TaskDefinition", Family=f"test-lake-{name}")["ContainerDefinitions"]
    return found


def environment(name: str, compute: Template) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in container(name, compute)["Environment"]}


@pytest.mark.parametrize("name", [*SERVICES, "run"])
def test_a_task_runs_the_image_as_nobody_special_and_takes_its_secret_from_the_vault(name: str, compute: Template) -> None:
    found = container(name, compute)
    assert (found["Image"], found["User"], found["Name"]) == (IMAGE, "10001", name)
    assert found["LogConfiguration"]["Options"]["awslogs-region"] == REGION
    assert {one["Name"] for one in found["Secrets"]} == {"SUPPLY_LAKE_DAGSTER_PG_USER", "SUPPLY_LAKE_DAGSTER_PG_PASSWORD"}
    assert "PASSWORD" not in str(found["Environment"])
    assert environment(name, compute)["SUPPLY_LAKE_LOGS_BUCKET"] == f"test-lake-run-logs-{ACCOUNT}-{REGION}"


@pytest.mark.parametrize("name", ["code", "run"])
def test_what_works_on_the_lake_knows_where_it_is(name: str, compute: Template, data: Template) -> None:
    told = environment(name, compute)
    assert data.outputs.items() <= told.items()
    settings = Settings.from_env(told)
    assert settings.events.endswith("/test-lake-arrivals")
    if name == "run":
        assert settings.memory_bytes == 4 * 1024**3  # half of the task's


def test_the_roles_that_do_not_work_on_the_lake_are_not_told_where_it_is(compute: Template) -> None:
    for name in ("daemon", "web"):
        assert not {"SUPPLY_LAKE_LAKE", "SUPPLY_LAKE_METADATA"} & environment(name, compute).keys()


def test_the_launcher_finds_the_definition_of_runs(compute: Template) -> None:
    run = next(id for id, one in compute.body["Resources"].items() if one["Properties"].get("Family") == "test-lake-run")
    assert environment("daemon", compute)["SUPPLY_LAKE_RUN_TASK_DEFINITION"] == run  # its Ref is its ARN
    assert compute.one("ECS::TaskDefinition", Family="test-lake-run")["EphemeralStorage"] == {"SizeInGiB": 50}
    assert environment("web", compute)["SUPPLY_LAKE_CODE_HOST"] == "code.test-lake.internal"
    (namespace,) = compute.resources("ServiceDiscovery::PrivateDnsNamespace")
    (service,) = compute.resources("ServiceDiscovery::Service")
    assert f"{service['Name']}.{namespace['Name']}" == "code.test-lake.internal"


def test_services_have_no_address_of_their_own_and_one_daemon_at_a_time(compute: Template) -> None:
    assert {one["ServiceName"] for one in compute.resources("ECS::Service")} == set(SERVICES)
    for one in compute.resources("ECS::Service"):
        network = one["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        daemon = one["ServiceName"] == "daemon"
        bounds = (one["DeploymentConfiguration"]["MinimumHealthyPercent"], one["DeploymentConfiguration"]["MaximumPercent"])
        assert bounds == ((0, 100) if daemon else (100, 200))
        assert one.get("EnableExecuteCommand", False) == (one["ServiceName"] == "web")


def test_nobody_reaches_a_task_from_outside(compute: Template) -> None:
    groups = [rule for one in compute.resources("EC2::SecurityGroup") for rule in one.get("SecurityGroupIngress", [])]
    rules = [*groups, *compute.resources("EC2::SecurityGroupIngress")]
    assert {(one["FromPort"], "SourceSecurityGroupId" in one, "CidrIp" in one) for one in rules} == {
        (4_000, True, False),
        (5_432, True, False),
    }
    assert compute.resources("ElasticLoadBalancingV2::LoadBalancer") == []


def test_the_database_is_encrypted_backed_up_and_kept(compute: Template) -> None:
    (database,) = compute.resources("RDS::DBInstance")
    assert database["StorageEncrypted"] is True
    assert database["DeletionProtection"] is True
    assert database["PubliclyAccessible"] is False
    assert database["BackupRetentionPeriod"] == 14
    assert "resolve:secretsmanager" in database["MasterUserPassword"]
    assert [one["DeletionPolicy"] for one in compute.raw("RDS::DBInstance")] == ["Snapshot"]


def test_what_the_lake_alerts_of_reaches_the_topic(compute: Template) -> None:
    from supply_lake.sensors.alerts import Alert

    assert {one["FilterPattern"] for one in compute.resources("Logs::MetricFilter")} == {'"supply_lake: "'}
    assert Alert("x", dataset="orders").text.startswith("supply_lake: ")
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:test-lake-alerts"
    assert {tuple(one["AlarmActions"]) for one in compute.resources("CloudWatch::Alarm")} == {(topic,)}
