"""Which calls who may make: statements of policies, each a power that several roles share.

What belongs here: actions, resources and conditions. What does not: who gets which (``roles``, ``tasks``).

Nothing here grants a wildcard of actions, changes a bucket, a queue or a table itself, or deletes a version of an object for
good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam

from supply_lake_aws.catalog import results_prefix
from supply_lake_aws.names import Names, arn

_PUT = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_READ_TABLE = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:ConditionCheckItem")
_WRITE_TABLE = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
_OF_A_LAKE = ("LAKE", "HEADS", "SNAPSHOT#*")
_OF_A_DATASET = ("LIVE#{}", "PAST#{}", "SNAPSHOTS#{}", "COMMITS#{}", "SCHEMAS#{}", "SCHEMA#{}#*")
_READ_CATALOG = (
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:BatchGetPartition",
)
_WRITE_CATALOG = (
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:DeleteTable",
    "glue:CreatePartition",
    "glue:UpdatePartition",
    "glue:DeletePartition",
    "glue:BatchCreatePartition",
    "glue:BatchUpdatePartition",
    "glue:BatchDeletePartition",
)
_QUERY = (
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "athena:GetQueryExecution",
    "athena:BatchGetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:GetQueryRuntimeStatistics",
    "athena:ListQueryExecutions",
    "athena:GetWorkGroup",
)
_LISTEN = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueUrl",
    "sqs:GetQueueAttributes",
)


@dataclass(frozen=True)
class Statements:
    """The powers over one lake."""

    stack: Stack
    names: Names

    # --- objects

    def put(self, part: str, prefixes: Sequence[str] = ("",)) -> list[iam.PolicyStatement]:
        """Put objects below the prefixes of a bucket. What was there stays, as an older version."""
        return [_allow("Put", part, _PUT, [self.names.bucket_arn(part, f"{one}*") for one in prefixes])]

    def read(self, part: str, prefixes: Sequence[str] = ("",)) -> list[iam.PolicyStatement]:
        """List and read what is below the prefixes of a bucket, in any version."""
        bucket = self.names.bucket_arn(part)
        listing = None if tuple(prefixes) == ("",) else {"StringLike": {"s3:prefix": [f"{one}*" for one in prefixes]}}
        return [
            _allow("Locate", part, ["s3:GetBucketLocation"], [bucket]),
            _allow("List", part, ["s3:ListBucket"], [bucket], listing),
            _allow(
                "Read",
                part,
                ["s3:GetObject", "s3:GetObjectVersion"],
                [self.names.bucket_arn(part, f"{one}*") for one in prefixes],
            ),
        ]

    def delete(self, part: str) -> list[iam.PolicyStatement]:
        """Delete objects of a bucket; their versions stay."""
        return [_allow("Delete", part, ["s3:DeleteObject"], [self.names.bucket_arn(part, "*")])]

    # --- records

    def read_records(self, datasets: Sequence[str] = ()) -> list[iam.PolicyStatement]:
        """Read the metadata: all of it, or what readers of these datasets need. A snapshot's record is found by its id alone,
        and ids are learnt from the dataset's own items.
        """
        condition = None
        if datasets:
            keys = [*_OF_A_LAKE, *(form.format(one) for one in datasets for form in _OF_A_DATASET)]
            condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}
        return [_allow("Read", "Records", _READ_TABLE, [self._table], condition)]

    def write_records(self) -> list[iam.PolicyStatement]:
        """Write the metadata."""
        return [_allow("Write", "Records", _WRITE_TABLE, [self._table])]

    @property
    def _table(self) -> str:
        return arn(self.stack, "dynamodb", f"table/{self.names.table}")

    # --- arrivals

    def listen(self) -> list[iam.PolicyStatement]:
        """Take messages from the queue."""
        return [_allow("Listen", "Arrivals", _LISTEN, [arn(self.stack, "sqs", self.names.queue)])]

    def mend_arrivals(self) -> list[iam.PolicyStatement]:
        """Look at the dead letters, and send them back to their queue."""
        moves = ("sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask")
        back = [arn(self.stack, "sqs", self.names.queue)]
        return [
            _allow("Mend", "Arrivals", [*_LISTEN, *moves], [arn(self.stack, "sqs", self.names.dead_letters)]),
            _allow("SendBack", "Arrivals", ["sqs:SendMessage"], back),
        ]

    def examine(self) -> list[iam.PolicyStatement]:
        """What ``supply-lake doctor`` asks besides: how landing tells of new objects, and how many dead letters there are."""
        return [
            _allow("Examine", "Landing", ["s3:GetBucketNotification"], [self.names.bucket_arn("landing")]),
            _allow(
                "Examine",
                "DeadLetters",
                ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"],
                [arn(self.stack, "sqs", self.names.dead_letters)],
            ),
        ]

    # --- queries

    def read_catalog(self, datasets: Sequence[str] = ()) -> list[iam.PolicyStatement]:
        """Read the database, and its tables: all, or those of these datasets."""
        return [_allow("Read", "Catalog", _READ_CATALOG, self._catalog(datasets))]

    def write_catalog(self) -> list[iam.PolicyStatement]:
        """Write the tables and partitions of the database."""
        return [_allow("Write", "Catalog", _WRITE_CATALOG, self._catalog(()))]

    def query(self, user: str = "") -> list[iam.PolicyStatement]:
        """Run queries in the workgroup of a consumer, or of the lake, and write and read their results."""
        place = (results_prefix(user),)
        workgroup = arn(self.stack, "athena", f"workgroup/{self.names.workgroup(user)}")
        return [
            _allow("Query", "Workgroup", _QUERY, [workgroup]),
            *self.put("results", place),
            *self.read("results", place),
        ]

    def _catalog(self, datasets: Sequence[str]) -> list[str]:
        tables = [form for one in datasets for form in (one, f"{one}__*")] or ["*"]
        return [
            arn(self.stack, "glue", "catalog"),
            arn(self.stack, "glue", f"database/{self.names.database}"),
            *(arn(self.stack, "glue", f"table/{self.names.database}/{one}") for one in tables),
        ]

    # --- people

    def tell(self) -> list[iam.PolicyStatement]:
        """Send alerts."""
        return [_allow("Tell", "Alerts", ["sns:Publish"], [arn(self.stack, "sns", self.names.topic)])]

    def read_logs(self) -> list[iam.PolicyStatement]:
        """Read what the tasks of Dagster log."""
        groups = arn(self.stack, "logs", f"log-group:{self.names.log_group('*')}")
        reads = ("logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents", "logs:StartQuery")
        return [_allow("Read", "Logs", reads, [groups, f"{groups}:*"])]

    def run_services(self) -> list[iam.PolicyStatement]:
        """Look at the tasks of Dagster, restart its services, stop a task, and open a way into the webserver's."""
        cluster = self.names.cluster
        of_the_cluster = {"ArnEquals": {"ecs:cluster": arn(self.stack, "ecs", f"cluster/{cluster}")}}
        tasks = arn(self.stack, "ecs", f"task/{cluster}/*")
        services = arn(self.stack, "ecs", f"service/{cluster}/*")
        return [
            _allow("Describe", "Services", ["ecs:DescribeServices", "ecs:UpdateService"], [services]),
            _allow("List", "Tasks", ["ecs:ListTasks"], ["*"], of_the_cluster),
            _allow("Stop", "Tasks", ["ecs:DescribeTasks", "ecs:StopTask"], [tasks]),
            _allow(
                "Forward",
                "Webserver",
                ["ssm:StartSession"],
                [tasks, f"arn:{Aws.PARTITION}:ssm:{Aws.REGION}::document/AWS-StartPortForwardingSession"],
            ),
        ]


def _allow(
    verb: str, what: str, actions: Sequence[str], resources: Sequence[str], conditions: dict[str, object] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=f"{verb}{what.title().replace('-', '')}",
        actions=list(actions),
        resources=list(resources),
        conditions=conditions,
    )
