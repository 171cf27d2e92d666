"""How the lake hears of new objects: S3 tells a queue, and behind it stands a dead-letter queue.

What belongs here: both queues, who may send, and the notification. What does not: what the lake does with a message.
"""

from __future__ import annotations

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from supply_lake_aws.acknowledged import acknowledge
from supply_lake_aws.names import Names, arn

MOST_RECEIVES = 20
"""Above the ten after which the lake gives a message up, with its reasons: the queue is limited for what it never saw."""
_VISIBLE_AFTER = Duration.minutes(2)
_KEPT = Duration.days(14)


class Arrivals(Construct):
    """The queue of one landing bucket.

    The bucket tells the queue by a property of its own; the construct of the library would bring a Lambda with rights over
    every bucket. S3 tries the queue when the property is set, so the bucket waits for the queue's policy, and the policy names
    the bucket by its name.
    """

    def __init__(self, scope: Construct, id: str, names: Names, landing: s3.Bucket) -> None:
        super().__init__(scope, id)
        self.dead_letters = self._queue("DeadLetters", names.dead_letters, None)
        self.queue = self._queue(
            "Queue", names.queue, sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MOST_RECEIVES)
        )
        acknowledge(self.dead_letters, "AwsSolutions-SQS3", "It is the dead-letter queue.")
        self._let_landing_send(names)
        self._tell(landing)

    def _queue(self, id: str, name: str, behind: sqs.DeadLetterQueue | None) -> sqs.Queue:
        return sqs.Queue(
            self,
            id,
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=_KEPT,
            visibility_timeout=_VISIBLE_AFTER,
            dead_letter_queue=behind,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _let_landing_send(self, names: Names) -> None:
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LandingTells",
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[arn(Stack.of(self), "sqs", names.queue)],
                conditions={
                    "ArnEquals": {"aws:SourceArn": names.bucket_arn("landing")},
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                },
            )
        )

    def _tell(self, landing: s3.Bucket) -> None:
        bucket = landing.node.default_child
        assert isinstance(bucket, s3.CfnBucket)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(event="s3:ObjectCreated:*", queue=self.queue.queue_arn)
            ]
        )
        policy = self.queue.node.find_child("Policy")
        bucket.node.add_dependency(policy)
