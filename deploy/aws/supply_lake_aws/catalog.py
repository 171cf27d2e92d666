"""What SQL finds: the Glue database, and Athena's workgroups with their limits.

What belongs here: the database and workgroups. What does not: tables and partitions; the lake writes those at each commit.
"""

from __future__ import annotations

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from constructs import Construct

from supply_lake_aws.config import Athena, Consumer
from supply_lake_aws.names import Names

_GB = 10**9


class Catalog(Construct):
    """One database, a workgroup of the lake's own, and one for each consumer: each with a limit and a place of results."""

    def __init__(self, scope: Construct, id: str, names: Names, limits: Athena, consumers: tuple[Consumer, ...]) -> None:
        super().__init__(scope, id)
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=names.database, description=f"What {names.lake} publishes; written by it at each commit."
            ),
        )
        self.database.apply_removal_policy(RemovalPolicy.RETAIN)
        for user in ("", *(one.name for one in consumers)):
            self._workgroup(names, limits, user)

    def _workgroup(self, names: Names, limits: Athena, user: str) -> None:
        athena.CfnWorkGroup(
            self,
            f"WorkGroup{user.title().replace('-', '')}",
            name=names.workgroup(user),
            description=f"Queries of {user or 'the lake itself'}; each scans at most {limits.scan_limit_gb} GB.",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=limits.scan_limit_gb * _GB,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{names.bucket('results')}/{results_prefix(user)}",
                    expected_bucket_owner=Aws.ACCOUNT_ID,
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(encryption_option="SSE_S3"),
                ),
            ),
        )


def results_prefix(user: str = "") -> str:
    """Where in the bucket of results those of a consumer are, or those of the lake itself."""
    return f"consumers/{user}/" if user else "lake/"
