"""The PostgreSQL of Dagster: its runs, ticks and events. The lake's own records are not in it.

What belongs here: the instance and its secret. What does not: who uses it (``tasks``).
"""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from supply_lake_aws.acknowledged import acknowledge
from supply_lake_aws.config import Compute
from supply_lake_aws.names import Names
from supply_lake_aws.network import NO_WAY_OUT, Network

_USER, _DATABASE, PORT = "dagster", "dagster", 5_432


class Database(Construct):
    """One encrypted instance that only Dagster's tasks reach. It is kept, as a snapshot, when the stack goes."""

    name = _DATABASE

    def __init__(self, scope: Construct, id: str, names: Names, compute: Compute, network: Network) -> None:
        super().__init__(scope, id)
        self.instance = rds.DatabaseInstance(
            self,
            "Postgres",
            engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.of("18.6", "18")),
            instance_type=ec2.InstanceType(compute.database_class),
            credentials=rds.Credentials.from_generated_secret(_USER, secret_name=f"{names.lake}/dagster-database"),
            database_name=_DATABASE,
            port=PORT,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=NO_WAY_OUT),
            allocated_storage=compute.database_gb,
            max_allocated_storage=compute.database_gb * 5,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            multi_az=compute.database_multi_az,
            backup_retention=Duration.days(compute.backup_days),
            deletion_protection=True,
            delete_automated_backups=False,
            auto_minor_version_upgrade=True,
            copy_tags_to_snapshot=True,
            cloudwatch_logs_exports=["postgresql"],
            removal_policy=RemovalPolicy.SNAPSHOT,
        )
        self.instance.connections.allow_from(network.tasks, ec2.Port.tcp(PORT), "Dagster's tasks")
        self.secret = self.instance.secret
        self._acknowledge(compute)

    def _acknowledge(self, compute: Compute) -> None:
        acknowledge(
            self,
            "AwsSolutions-SMG4",
            "Tasks read the secret when they start, so rotating it by a clock would cut off those that run; docs/deploy-aws.md "
            "tells how to rotate it with a restart.",
        )
        acknowledge(
            self, "AwsSolutions-RDS11", "Only the tasks' group reaches it; another port would hide it from nobody else."
        )
        if not compute.database_multi_az:
            acknowledge(
                self,
                "AwsSolutions-RDS3",
                "It holds Dagster's history, not the lake's: without it runs wait, nothing is lost. Set `database_multi_az`.",
            )
