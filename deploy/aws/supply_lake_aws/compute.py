"""The stack that works: network, Dagster's database, its tasks, services, and alarms over them.

What belongs here: putting these together. What does not: anything that holds data of the lake; this stack can go and
come again.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from supply_lake_aws.config import Config
from supply_lake_aws.database import Database
from supply_lake_aws.names import Names
from supply_lake_aws.network import Network
from supply_lake_aws.services import Services
from supply_lake_aws.tasks import Tasks
from supply_lake_aws.watch import Watch

_KEPT = {days: one for one, days in (
    (logs.RetentionDays.ONE_MONTH, 30),
    (logs.RetentionDays.THREE_MONTHS, 90),
    (logs.RetentionDays.SIX_MONTHS, 180),
    (logs.RetentionDays.ONE_YEAR, 365),
)}  # fmt: skip


class Compute(Stack):
    """Dagster on Fargate."""

    def __init__(self, scope: Construct, id: str, config: Config, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        names, kept = Names(config.name), retention(config.storage.logs_days)
        network = Network(self, "Network", names, config.compute, kept)
        database = Database(self, "Database", names, config.compute, network)
        tasks = Tasks(self, "Tasks", names, config, database=database, kept=kept)
        services = Services(self, "Services", names, network, tasks)
        Watch(self, "Watch", names, tasks=tasks, services=services, database=database)
        CfnOutput(self, "Cluster", value=services.cluster.cluster_name, description="cluster")
        CfnOutput(self, "Repository", value=config.compute.image, description="image")


def retention(days: int) -> logs.RetentionDays:
    """How long log groups keep lines: the days, rounded up to a month, a quarter, a half or a whole year."""
    return next((one for most, one in _KEPT.items() if days <= most), logs.RetentionDays.ONE_YEAR)
