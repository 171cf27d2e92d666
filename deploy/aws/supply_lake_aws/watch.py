"""Alarms over Dagster's processes, and over what the lake itself alerts of, to the topic of the data plane.

What belongs here: metrics, thresholds, and where they are told. What does not: the topic (``alerts``).
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from supply_lake_aws.alerts import alarm
from supply_lake_aws.database import Database
from supply_lake_aws.names import Names, arn
from supply_lake_aws.services import Services
from supply_lake_aws.tasks import Tasks

ALERT = '"supply_lake: "'
"""How a line of the log begins to speak when ``supply_lake.sensors.alerts`` tells of something."""
_LITTLE_DISK = 2 * 1024**3


class Watch(Construct):
    """A service without a task, a database that fills up, and every alert of the lake."""

    def __init__(
        self, scope: Construct, id: str, names: Names, *, tasks: Tasks, services: Services, database: Database
    ) -> None:
        super().__init__(scope, id)
        topic = sns.Topic.from_topic_arn(self, "Topic", arn(Stack.of(self), "sns", names.topic))
        self._tell = actions.SnsAction(topic)
        for name, service in services.all.items():
            self._rests(names, name, service.metric_cpu_utilization(period=Duration.minutes(5), statistic="SampleCount"))
        self._fills_up(names, database)
        for name, group in tasks.log_groups.items():
            self._alerts(names, name, group)

    def _rests(self, names: Names, name: str, samples: cloudwatch.IMetric) -> None:
        """A service that has no task sends no samples."""
        cloudwatch.Alarm(
            self,
            f"{name.title()}Rests",
            alarm_description=f"{names.lake}: no task of the service {name} runs",
            metric=samples,
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=2,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        ).add_alarm_action(self._tell)

    def _fills_up(self, names: Names, database: Database) -> None:
        cloudwatch.Alarm(
            self,
            "DatabaseFillsUp",
            alarm_description=f"{names.lake}: the disk of Dagster's database is nearly full",
            metric=database.instance.metric_free_storage_space(period=Duration.minutes(5), statistic="Minimum"),
            threshold=_LITTLE_DISK,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=1,
        ).add_alarm_action(self._tell)

    def _alerts(self, names: Names, name: str, group: logs.LogGroup) -> None:
        counted = group.add_metric_filter(
            f"{name.title()}Alerts",
            filter_pattern=logs.FilterPattern.literal(ALERT),
            metric_namespace=names.lake,
            metric_name=f"alerts-{name}",
            metric_value="1",
        ).metric(period=Duration.minutes(5), statistic="Sum")
        description = f"{names.lake}: the lake alerts; what of, the log group {names.log_group(name)} says"
        alarm(self, f"{name.title()}Alerts", description, counted, above=0).add_alarm_action(self._tell)
