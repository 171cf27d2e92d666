"""Who is told when something is wrong: a topic, and alarms over the queue and the table.

What belongs here: the topic and alarms of the data plane. What does not: alarms over Dagster's processes (``watch``).
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from supply_lake_aws import config
from supply_lake_aws.arrivals import Arrivals
from supply_lake_aws.names import Names

_PERIOD = Duration.minutes(5)


class Alerts(Construct):
    """The topic, its addresses, and the alarms of the data plane."""

    def __init__(
        self, scope: Construct, id: str, names: Names, told: config.Alerts, *, arrivals: Arrivals, table: dynamodb.Table
    ) -> None:
        super().__init__(scope, id)
        self.topic = sns.Topic(self, "Topic", topic_name=names.topic, enforce_ssl=True)
        for address in told.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
        self._alarm(
            "DeadLetters",
            f"{names.lake}: messages that the lake never came to see are in {names.dead_letters}",
            arrivals.dead_letters.metric_approximate_number_of_messages_visible(period=_PERIOD, statistic="Maximum"),
            above=0,
        )
        self._alarm(
            "OldMessages",
            f"{names.lake}: the oldest message of {names.queue} waits too long; the landing sensor rests, or fails",
            arrivals.queue.metric_approximate_age_of_oldest_message(period=_PERIOD, statistic="Maximum"),
            above=told.oldest_message_minutes * 60,
        )
        self._alarm(
            "Throttled",
            f"{names.lake}: DynamoDB throttles {names.table}",
            table.metric_throttled_requests_for_operation("TransactWriteItems", period=_PERIOD, statistic="Sum"),
            above=100,
        )

    def _alarm(self, id: str, description: str, metric: cloudwatch.IMetric, above: float) -> None:
        alarm(self, id, description, metric, above).add_alarm_action(actions.SnsAction(self.topic))


def alarm(scope: Construct, id: str, description: str, metric: cloudwatch.IMetric, above: float) -> cloudwatch.Alarm:
    """An alarm that goes off when the metric is above the threshold for one period; no data is no alarm."""
    return cloudwatch.Alarm(
        scope,
        id,
        alarm_description=description,
        metric=metric,
        threshold=above,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=1,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
