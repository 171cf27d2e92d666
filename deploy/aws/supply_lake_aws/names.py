"""What everything is called: the one place that forms names and ARNs from the lake's name.

What belongs here: names that more than one construct, role or setting needs. What does not: making any of it.

Names are fixed, not generated, so that policies name what they mean before it is made, stacks need no exports of one another,
and a person finds things. Buckets carry account and region, for their names are taken worldwide.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import ArnFormat, Aws, Stack


@dataclass(frozen=True)
class Names:
    """Names of one lake, and its ARNs in the account and region that a stack is deployed to."""

    lake: str

    def bucket(self, part: str) -> str:
        """Name of a bucket: ``landing``, ``lake``, ``rejects``, ``results``, ``run-logs`` or ``access-logs``."""
        return f"{self.lake}-{part}-{Aws.ACCOUNT_ID}-{Aws.REGION}"

    def bucket_arn(self, part: str, keys: str | None = None) -> str:
        """ARN of a bucket, or of the objects in it that fit."""
        arn = f"arn:{Aws.PARTITION}:s3:::{self.bucket(part)}"
        return arn if keys is None else f"{arn}/{keys}"

    @property
    def database(self) -> str:
        """The Glue database; Athena takes no hyphens there."""
        return self.lake.replace("-", "_")

    @property
    def table(self) -> str:
        """The DynamoDB table."""
        return f"{self.lake}-metadata"

    @property
    def queue(self) -> str:
        """The queue that tells of new objects."""
        return f"{self.lake}-arrivals"

    @property
    def dead_letters(self) -> str:
        """The queue behind it."""
        return f"{self.lake}-arrivals-dead"

    @property
    def topic(self) -> str:
        """The SNS topic of alerts."""
        return f"{self.lake}-alerts"

    @property
    def cluster(self) -> str:
        """The ECS cluster."""
        return f"{self.lake}-dagster"

    def role(self, kind: str, name: str) -> str:
        """Role of another account: kind ``producer``, ``consumer`` or ``operator``."""
        return f"{self.lake}-{kind}-{name}"

    def task_role(self, task: str) -> str:
        """Role of a task of ours."""
        return f"{self.lake}-task-{task}"

    def workgroup(self, user: str = "") -> str:
        """Athena's workgroup of the lake itself, or of a consumer."""
        return f"{self.lake}-{user}" if user else self.lake

    def log_group(self, task: str) -> str:
        """Log group of a task."""
        return f"/{self.lake}/{task}"


def arn(stack: Stack, service: str, resource: str) -> str:
    """ARN of something in the stack's own account and region.

    :param resource: as it stands after the last colon, for example ``table/orders``
    """
    return stack.format_arn(service=service, resource=resource, arn_format=ArnFormat.NO_RESOURCE_NAME)
