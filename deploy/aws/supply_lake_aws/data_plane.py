"""The stack that holds data: buckets, queue, table, catalog, alerts, and the roles of other accounts.

What belongs here: putting these together, and what to set so that a lake uses them. What does not: where Dagster runs
(``compute``); a lake on any machine with a role of this account can use this stack alone.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, CfnOutput, Stack
from constructs import Construct

from supply_lake_aws.alerts import Alerts
from supply_lake_aws.arrivals import Arrivals
from supply_lake_aws.buckets import Buckets
from supply_lake_aws.catalog import Catalog
from supply_lake_aws.config import Config
from supply_lake_aws.metadata import Metadata
from supply_lake_aws.names import Names
from supply_lake_aws.roles import Roles
from supply_lake_aws.statements import Statements


class DataPlane(Stack):
    """All that outlives the processes."""

    def __init__(self, scope: Construct, id: str, config: Config, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        names = Names(config.name)
        self.buckets = Buckets(self, "Buckets", names, config.storage)
        self.arrivals = Arrivals(self, "Arrivals", names, self.buckets.landing)
        self.metadata = Metadata(self, "Metadata", names)
        self.catalog = Catalog(self, "Catalog", names, config.athena, config.consumers)
        self.alerts = Alerts(self, "Alerts", names, config.alerts, arrivals=self.arrivals, table=self.metadata.table)
        self.roles = Roles(self, "Roles", names, config, Statements(self, names))
        for variable, value in environment(names).items():
            CfnOutput(self, variable.title().replace("_", ""), value=value, description=variable)


def environment(names: Names) -> dict[str, str]:
    """The settings of a lake that uses the data plane."""
    return {
        "SUPPLY_LAKE_LANDING": f"s3://{names.bucket('landing')}",
        "SUPPLY_LAKE_LAKE": f"s3://{names.bucket('lake')}",
        "SUPPLY_LAKE_REJECTS": f"s3://{names.bucket('rejects')}",
        "SUPPLY_LAKE_METADATA": f"dynamodb://{names.table}",
        "SUPPLY_LAKE_EVENTS": f"https://sqs.{Aws.REGION}.{Aws.URL_SUFFIX}/{Aws.ACCOUNT_ID}/{names.queue}",
        "SUPPLY_LAKE_CATALOG_DATABASE": names.database,
    }
