"""What the template of the data plane says of each part."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supply_lake.settings import Settings
from supply_lake_tests.deploy.assembly import ACCOUNT, REGION, Template

PARTS = ("landing", "lake", "rejects", "results", "run-logs", "access-logs")


@pytest.mark.parametrize("part", PARTS)
def test_a_bucket_is_versioned_encrypted_closed_and_stays(part: str, data: Template) -> None:
    found = data.one("S3::Bucket", BucketName=f"test-lake-{part}-{ACCOUNT}-{REGION}")
    assert found["VersioningConfiguration"] == {"Status": "Enabled"}
    (encryption,) = found["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
    assert found["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = found["LifecycleConfiguration"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert ("LoggingConfiguration" in found) == (part != "access-logs")


def test_no_bucket_and_no_table_goes_with_the_stack(data: Template) -> None:
    for kind in ("S3::Bucket", "DynamoDB::Table", "Glue::Database"):
        assert {(one["DeletionPolicy"], one["UpdateReplacePolicy"]) for one in data.raw(kind)} == {("Retain", "Retain")}


def rules(part: str, data: Template) -> dict[str, Any]:
    bucket = data.one("S3::Bucket", BucketName=f"test-lake-{part}-{ACCOUNT}-{REGION}")
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    return rule


def test_what_landed_and_what_is_published_does_not_expire(data: Template) -> None:
    for part in ("landing", "lake", "rejects"):
        assert "ExpirationInDays" not in rules(part, data)
        assert rules(part, data)["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert rules("landing", data)["Transitions"] == [{"StorageClass": "STANDARD_IA", "TransitionInDays": 90}]
    assert rules("results", data)["ExpirationInDays"] == 7


def test_landing_tells_the_queue_once_the_queue_lets_it(data: Template) -> None:
    landing = data.one("S3::Bucket", BucketName=f"test-lake-landing-{ACCOUNT}-{REGION}")
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:test-lake-arrivals"
    assert landing["NotificationConfiguration"] == {"QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": arn}]}
    (raw,) = [one for one in data.raw("S3::Bucket") if "NotificationConfiguration" in one["Properties"]]
    (before,) = raw["DependsOn"]
    assert data.body["Resources"][before]["Type"] == "AWS::SQS::QueuePolicy"


def test_a_queue_keeps_messages_for_two_weeks_and_has_a_dead_letter_queue(data: Template) -> None:
    queue, dead = (data.one("SQS::Queue", QueueName=f"test-lake-{name}") for name in ("arrivals", "arrivals-dead"))
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:test-lake-arrivals-dead"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 20
    for one in (queue, dead):
        assert one["MessageRetentionPeriod"] == 14 * 86_400
        assert one["SqsManagedSseEnabled"] is True


def test_the_table_can_be_restored_and_is_not_deleted_by_mistake(data: Template) -> None:
    (table,) = data.resources("DynamoDB::Table")
    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    assert {one["AttributeType"] for one in table["AttributeDefinitions"]} == {"S"}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert (table["BillingMode"], table["DeletionProtectionEnabled"]) == ("PAY_PER_REQUEST", True)


@pytest.mark.parametrize(("name", "place"), [("test-lake", "lake/"), ("test-lake-bi", "consumers/bi/")])
def test_a_workgroup_has_a_limit_and_a_place_of_its_own(name: str, place: str, data: Template) -> None:
    group = data.one("Athena::WorkGroup", Name=name)["WorkGroupConfiguration"]
    assert group["BytesScannedCutoffPerQuery"] == 20 * 10**9
    assert group["EnforceWorkGroupConfiguration"] is True
    assert group["ResultConfiguration"]["OutputLocation"] == f"s3://test-lake-results-{ACCOUNT}-{REGION}/{place}"


def test_alarms_go_to_the_topic_and_the_topic_to_people(data: Template) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:test-lake-alerts"
    alarms = data.resources("CloudWatch::Alarm")
    assert len(alarms) == 3
    assert all(one["AlarmActions"] == [topic] for one in alarms)
    (subscription,) = data.resources("SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "someone@example.com")


def test_the_outputs_are_settings_of_a_lake(data: Template) -> None:
    settings = Settings.from_env(data.outputs)
    assert settings.landing == f"s3://test-lake-landing-{ACCOUNT}-{REGION}"
    assert settings.events == f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/test-lake-arrivals"
    assert settings.metadata == "dynamodb://test-lake-metadata"
    assert json.dumps(data.outputs).count("Fn::") == 0
