"""What each role may do and may not, by the policies of the templates: those of the role and those of the resource together."""

from __future__ import annotations

from typing import Any

import pytest

from supply_lake_tests.deploy.assembly import ACCOUNT, REGION, Assembly, Template
from supply_lake_tests.deploy.policies import Context, Statement, allowed

Call = tuple[str, str] | tuple[str, str, Context]
TLS: Context = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
LONGEST_INLINE_POLICIES = 10_240


def bucket(part: str, key: str = "") -> str:
    name = f"arn:aws:s3:::test-lake-{part}-{ACCOUNT}-{REGION}"
    return f"{name}/{key}" if key else name


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def keys(*leading: str) -> Context:
    return {"dynamodb:LeadingKeys": list(leading)}


TABLE = arn("dynamodb", "table/test-lake-metadata")
QUEUE, DEAD = arn("sqs", "test-lake-arrivals"), arn("sqs", "test-lake-arrivals-dead")
CLUSTER: Context = {"ecs:cluster": arn("ecs", "cluster/test-lake-dagster")}
OTHER_CLUSTER: Context = {"ecs:cluster": arn("ecs", "cluster/other")}
TASK = arn("ecs", "task/test-lake-dagster/1")
RUN, WEB = arn("ecs", "task-definition/test-lake-run:7"), arn("ecs", "task-definition/test-lake-web:7")
LAKE_ROLE, START_ROLE = (f"arn:aws:iam::{ACCOUNT}:role/test-lake-task-{name}" for name in ("lake", "start"))
TO_ECS: Context = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:test-lake/dagster-database-AbCdEf"

NOBODY: list[Call] = [
    ("s3:DeleteObjectVersion", bucket("landing", "orders/2026/11/01/a.csv")),
    ("s3:DeleteObjectVersion", bucket("lake", "dataset=orders/a.parquet")),
    ("s3:DeleteBucket", bucket("lake")),
    ("s3:PutBucketPolicy", bucket("lake")),
    ("s3:PutBucketVersioning", bucket("lake")),
    ("s3:PutLifecycleConfiguration", bucket("lake")),
    ("s3:GetObject", "arn:aws:s3:::another-bucket/a"),
    ("dynamodb:DeleteTable", TABLE),
    ("dynamodb:UpdateTable", TABLE),
    ("dynamodb:Scan", TABLE),
    ("sqs:PurgeQueue", QUEUE),
    ("sqs:SetQueueAttributes", QUEUE),
    ("athena:UpdateWorkGroup", arn("athena", "workgroup/test-lake-bi")),
    ("glue:DeleteDatabase", arn("glue", "database/test_lake")),
    ("iam:PutRolePolicy", LAKE_ROLE),
    ("sts:AssumeRole", LAKE_ROLE),
]
WORKING: list[Call] = [
    ("s3:ListBucket", bucket("landing")),
    ("s3:GetObject", bucket("landing", "orders/2026/11/01/a.csv")),
    ("s3:PutObject", bucket("landing", "orders/2026/11/01/a.csv")),
    ("s3:PutObject", bucket("lake", "dataset=orders/a.parquet")),
    ("s3:DeleteObject", bucket("lake", "dataset=orders/a.parquet")),
    ("s3:PutObject", bucket("rejects", "dataset=orders/a.parquet")),
    ("s3:AbortMultipartUpload", bucket("lake", "dataset=orders/a.parquet")),
    ("s3:GetBucketNotification", bucket("landing")),
    ("dynamodb:GetItem", TABLE, keys("LAKE")),
    ("dynamodb:PutItem", TABLE, keys("LIVE#orders")),
    ("dynamodb:DeleteItem", TABLE, keys("LIVE#orders")),
    ("dynamodb:BatchWriteItem", TABLE, keys("OBJECTS#orders/2026/11/01/")),
    ("dynamodb:Query", TABLE, keys("WAITING#orders")),
    ("sqs:ReceiveMessage", QUEUE),
    ("sqs:DeleteMessage", QUEUE),
    ("sqs:ChangeMessageVisibility", QUEUE),
    ("sqs:GetQueueAttributes", DEAD),
    ("glue:CreateTable", arn("glue", "table/test_lake/orders")),
    ("glue:BatchCreatePartition", arn("glue", "table/test_lake/orders")),
    ("glue:UpdateTable", arn("glue", "database/test_lake")),
    ("athena:StartQueryExecution", arn("athena", "workgroup/test-lake")),
    ("s3:PutObject", bucket("results", "lake/1.csv")),
    ("s3:GetObject", bucket("results", "lake/1.csv")),
    ("sns:Publish", arn("sns", "test-lake-alerts")),
]
NOT_WORKING: list[Call] = [
    ("s3:DeleteObject", bucket("landing", "orders/2026/11/01/a.csv")),
    ("sqs:SendMessage", DEAD),
    ("glue:CreateTable", arn("glue", "table/other/orders")),
    ("athena:StartQueryExecution", arn("athena", "workgroup/primary")),
    ("s3:GetObject", bucket("results", "consumers/bi/1.csv")),
    ("s3:GetObject", bucket("access-logs", "lake/1")),
    ("secretsmanager:GetSecretValue", SECRET),
    ("ecs:RunTask", RUN, CLUSTER),
]
MAY: dict[str, list[Call]] = {
    "producer-plant": [
        ("s3:PutObject", bucket("landing", "orders/2026/11/01/a.csv")),
        ("s3:PutObject", bucket("landing", "stock/2026/11/01/a.csv")),
        ("s3:AbortMultipartUpload", bucket("landing", "orders/2026/11/01/a.csv")),
    ],
    "consumer-bi": [
        ("s3:ListBucket", bucket("lake"), {"s3:prefix": "dataset=orders/year=2026/"}),
        ("s3:GetObject", bucket("lake", "dataset=orders/year=2026/part-0.parquet")),
        ("dynamodb:GetItem", TABLE, keys("LAKE")),
        ("dynamodb:Query", TABLE, keys("HEADS")),
        ("dynamodb:Query", TABLE, keys("LIVE#orders")),
        ("dynamodb:Query", TABLE, keys("PAST#orders")),
        ("dynamodb:BatchGetItem", TABLE, keys("SNAPSHOT#1", "SNAPSHOT#2")),
        ("dynamodb:Query", TABLE, keys("SCHEMA#orders#3")),
        ("glue:GetTable", arn("glue", "table/test_lake/orders")),
        ("glue:GetPartitions", arn("glue", "table/test_lake/orders__rows")),
        ("athena:StartQueryExecution", arn("athena", "workgroup/test-lake-bi")),
        ("athena:GetQueryResults", arn("athena", "workgroup/test-lake-bi")),
        ("s3:PutObject", bucket("results", "consumers/bi/1.csv")),
        ("s3:GetObject", bucket("results", "consumers/bi/1.csv")),
    ],
    "operator-platform": [
        *WORKING,
        ("sqs:ReceiveMessage", DEAD),
        ("sqs:StartMessageMoveTask", DEAD),
        ("sqs:SendMessage", QUEUE),
        ("s3:GetObject", bucket("run-logs", "supply-lake/1")),
        ("logs:FilterLogEvents", arn("logs", "log-group:/test-lake/code:*")),
        ("ecs:UpdateService", arn("ecs", "service/test-lake-dagster/code")),
        ("ecs:ListTasks", "*", CLUSTER),
        ("ecs:StopTask", TASK),
        ("ssm:StartSession", TASK),
        ("ssm:StartSession", f"arn:aws:ssm:{REGION}::document/AWS-StartPortForwardingSession"),
    ],
    "task-lake": [
        *WORKING,
        ("s3:PutObject", bucket("run-logs", "supply-lake/1")),
    ],
    "task-daemon": [
        ("ecs:RunTask", RUN, CLUSTER),
        ("ecs:TagResource", TASK, {"ecs:CreateAction": "RunTask"}),
        ("iam:PassRole", LAKE_ROLE, TO_ECS),
        ("iam:PassRole", START_ROLE, TO_ECS),
        ("ecs:DescribeTaskDefinition", "*"),
        ("ecs:DescribeTasks", TASK),
        ("ecs:StopTask", TASK),
        ("ec2:DescribeNetworkInterfaces", "*"),
        ("logs:GetLogEvents", arn("logs", "log-group:/test-lake/run:log-stream:run/run/1")),
        ("s3:GetObject", bucket("run-logs", "supply-lake/1")),
    ],
    "task-web": [
        ("ecs:DescribeTasks", TASK),
        ("ecs:StopTask", TASK),
        ("ecs:DescribeTaskDefinition", "*"),
        ("s3:GetObject", bucket("run-logs", "supply-lake/1")),
        ("ssmmessages:OpenDataChannel", "*"),
    ],
    "task-start": [
        ("ecr:GetAuthorizationToken", "*"),
        ("ecr:BatchGetImage", "arn:aws:ecr:eu-central-1:444455556666:repository/supply-lake"),
        ("secretsmanager:GetSecretValue", SECRET),
        ("logs:PutLogEvents", arn("logs", "log-group:/test-lake/run:log-stream:run/run/1")),
    ],
}
MAY_NOT: dict[str, list[Call]] = {
    "producer-plant": [
        ("s3:PutObject", bucket("landing", "suppliers/2026/11/01/a.csv")),
        ("s3:PutObject", bucket("landing", "ordersx/a.csv")),
        ("s3:PutObject", bucket("lake", "dataset=orders/a.parquet")),
        ("s3:GetObject", bucket("landing", "orders/2026/11/01/a.csv")),
        ("s3:DeleteObject", bucket("landing", "orders/2026/11/01/a.csv")),
        ("s3:ListBucket", bucket("landing"), {"s3:prefix": "orders/"}),
        ("s3:PutObjectAcl", bucket("landing", "orders/2026/11/01/a.csv")),
        ("dynamodb:GetItem", TABLE, keys("LAKE")),
        ("sqs:SendMessage", QUEUE),
    ],
    "consumer-bi": [
        ("s3:ListBucket", bucket("lake"), {"s3:prefix": "dataset=stock/"}),
        ("s3:ListBucket", bucket("lake")),
        ("s3:GetObject", bucket("lake", "dataset=orders_secret/part-0.parquet")),
        ("s3:PutObject", bucket("lake", "dataset=orders/part-0.parquet")),
        ("s3:DeleteObject", bucket("lake", "dataset=orders/part-0.parquet")),
        ("s3:GetObject", bucket("landing", "orders/2026/11/01/a.csv")),
        ("s3:GetObject", bucket("rejects", "dataset=orders/part-0.parquet")),
        ("dynamodb:Query", TABLE, keys("LIVE#stock")),
        ("dynamodb:Query", TABLE, keys("LIVE#orders_secret")),
        ("dynamodb:BatchGetItem", TABLE, keys("LIVE#orders", "LIVE#stock")),
        ("dynamodb:Query", TABLE, keys("OBJECTS#orders/2026/11/01/")),
        ("dynamodb:PutItem", TABLE, keys("LIVE#orders")),
        ("glue:GetTable", arn("glue", "table/test_lake/stock")),
        ("glue:GetTable", arn("glue", "table/test_lake/orders_secret")),
        ("glue:UpdateTable", arn("glue", "table/test_lake/orders")),
        ("athena:StartQueryExecution", arn("athena", "workgroup/test-lake")),
        ("athena:StartQueryExecution", arn("athena", "workgroup/primary")),
        ("s3:GetObject", bucket("results", "lake/1.csv")),
        ("s3:GetObject", bucket("results", "consumers/other/1.csv")),
        ("sqs:ReceiveMessage", QUEUE),
    ],
    "operator-platform": [
        *NOT_WORKING,
        ("ecs:ListTasks", "*", OTHER_CLUSTER),
        ("ecs:UpdateService", arn("ecs", "service/other/code")),
        ("ecs:DeleteService", arn("ecs", "service/test-lake-dagster/code")),
        ("ssm:StartSession", arn("ec2", "instance/i-1")),
        ("ssm:SendCommand", TASK),
    ],
    "task-lake": [*NOT_WORKING, ("iam:PassRole", LAKE_ROLE, TO_ECS), ("ssmmessages:OpenDataChannel", "*")],
    "task-daemon": [
        ("ecs:RunTask", RUN, OTHER_CLUSTER),
        ("ecs:RunTask", WEB, CLUSTER),
        ("ecs:RegisterTaskDefinition", "*"),
        ("ecs:TagResource", TASK),
        ("iam:PassRole", LAKE_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", TO_ECS),
        ("s3:GetObject", bucket("lake", "dataset=orders/part-0.parquet")),
        ("dynamodb:GetItem", TABLE, keys("LAKE")),
        ("secretsmanager:GetSecretValue", SECRET),
    ],
    "task-web": [
        ("ecs:RunTask", RUN, CLUSTER),
        ("iam:PassRole", LAKE_ROLE, TO_ECS),
        ("s3:GetObject", bucket("lake", "dataset=orders/part-0.parquet")),
        ("s3:GetObject", bucket("rejects", "dataset=orders/part-0.parquet")),
        ("dynamodb:GetItem", TABLE, keys("LAKE")),
    ],
    "task-start": [
        ("ecr:BatchGetImage", "arn:aws:ecr:eu-central-1:444455556666:repository/other"),
        ("ecr:PutImage", "arn:aws:ecr:eu-central-1:444455556666:repository/supply-lake"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf"),
        ("s3:GetObject", bucket("lake", "dataset=orders/part-0.parquet")),
    ],
}


@pytest.fixture(scope="module")
def policies(data: Template, compute: Template) -> dict[str, list[Statement]]:
    """Statements of each role; and under ``""`` those of buckets and queues, which every call meets."""
    found: dict[str, list[Statement]] = {"": []}
    for template in (data, compute):
        for one in template.resources("IAM::Policy"):
            for role in one["Roles"]:
                found.setdefault(role.removeprefix("test-lake-"), []).extend(one["PolicyDocument"]["Statement"])
    for kind in ("S3::BucketPolicy", "SQS::QueuePolicy", "SNS::TopicPolicy"):
        for one in data.resources(kind):
            found[""] += [each for each in one["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
    return found


def test_every_role_is_listed_here(policies: dict[str, Any], data: Template, compute: Template) -> None:
    roles = {
        one["RoleName"].removeprefix("test-lake-")
        for t in (data, compute)
        for one in t.resources("IAM::Role")
        if "RoleName" in one
    }
    assert roles == MAY.keys() == MAY_NOT.keys()
    assert roles <= policies.keys()


def judged(policies: dict[str, list[Statement]], role: str, call: Call) -> bool:
    action, resource, context = (*call, {})[:3]
    return allowed([*policies[role], *policies[""]], action, resource, {**TLS, **context})


@pytest.mark.parametrize("role", MAY)
def test_what_a_role_may(role: str, policies: dict[str, list[Statement]]) -> None:
    assert [call for call in MAY[role] if not judged(policies, role, call)] == []


@pytest.mark.parametrize("role", MAY_NOT)
def test_what_a_role_may_not(role: str, policies: dict[str, list[Statement]]) -> None:
    assert [call for call in [*MAY_NOT[role], *NOBODY] if judged(policies, role, call)] == []


@pytest.mark.parametrize("context", [{"aws:SecureTransport": "false"}, {"s3:TlsVersion": "1.1"}])
def test_nobody_reaches_data_without_tls_of_today(context: Context, policies: dict[str, list[Statement]]) -> None:
    for role, calls in MAY.items():
        s3 = [(call[0], call[1], {**dict((*call, {})[2]), **context}) for call in calls if call[0].startswith("s3:")]
        assert [call for call in s3 if judged(policies, role, call)] == []


@pytest.mark.parametrize(
    ("role", "account", "told", "expected"),
    [
        ("consumer-bi", "222233334444", {"sts:ExternalId": "bi-90c1"}, True),
        ("consumer-bi", "222233334444", {"sts:ExternalId": "guessed"}, False),
        ("consumer-bi", "222233334444", {}, False),
        ("consumer-bi", "999999999999", {"sts:ExternalId": "bi-90c1"}, False),
        ("producer-plant", "111122223333", {"sts:ExternalId": "plant-7f3a"}, True),
        ("producer-plant", "222233334444", {"sts:ExternalId": "bi-90c1"}, False),
        ("operator-platform", "333344445555", {"sts:ExternalId": "platform-b2d8"}, True),
    ],
)
def test_who_may_assume_a_role(role: str, account: str, told: Context, expected: bool, data: Template) -> None:
    trust = data.one("IAM::Role", RoleName=f"test-lake-{role}")["AssumeRolePolicyDocument"]["Statement"]
    from_there = [one for one in trust if one["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}]
    assert allowed(from_there, "sts:AssumeRole", "this role", told) is expected


def test_only_ecs_assumes_the_roles_of_tasks(compute: Template) -> None:
    for name in ("lake", "daemon", "web", "start"):
        (trust,) = compute.one("IAM::Role", RoleName=f"test-lake-task-{name}")["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_landing_alone_sends_to_the_queue(data: Template) -> None:
    statements = next(
        one["PolicyDocument"]["Statement"]
        for one in data.resources("SQS::QueuePolicy")
        if "arrivals" in one["Queues"][0] and "dead" not in one["Queues"][0]
    )
    by_s3 = {"aws:SourceAccount": ACCOUNT, "aws:SecureTransport": "true"}
    landing, other = {"aws:SourceArn": bucket("landing")}, {"aws:SourceArn": bucket("lake")}
    assert allowed(statements, "sqs:SendMessage", QUEUE, {**by_s3, **landing})
    assert not allowed(statements, "sqs:SendMessage", QUEUE, {**by_s3, **other})
    assert not allowed(statements, "sqs:SendMessage", QUEUE, {**by_s3, **landing, "aws:SourceAccount": "999999999999"})


def test_no_policy_names_wildcards_of_actions_or_is_longer_than_aws_takes(assembly: Assembly) -> None:
    for part in ("data", "compute"):
        for one in assembly.stack(part).resources("IAM::Policy"):
            text = str(one["PolicyDocument"])
            assert len(text.replace(" ", "")) < LONGEST_INLINE_POLICIES
            actions = [
                each
                for statement in one["PolicyDocument"]["Statement"]
                for each in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
            ]
            assert [each for each in actions if "*" in each] == []
