"""The buckets: landing, lake, rejects, results of queries, output of runs, access logs.

What belongs here: buckets, what is kept in them for how long, and who may not. What does not: who may (``statements``), and who
is told of new objects (``arrivals``).
"""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from supply_lake_aws.acknowledged import acknowledge
from supply_lake_aws.config import Storage
from supply_lake_aws.names import Names

_UNFINISHED_DAYS = 7


class Buckets(Construct):
    """All buckets of one lake. None is deleted with the stack."""

    def __init__(self, scope: Construct, id: str, names: Names, storage: Storage) -> None:
        super().__init__(scope, id)
        self._names = names
        overwritten = Duration.days(storage.overwritten_days)
        self._access_logs = self._bucket("access-logs", expires=Duration.days(storage.logs_days), logged=False)
        self.landing = self._bucket(
            "landing",
            overwritten=overwritten,
            transitions=[
                s3.Transition(
                    storage_class=s3.StorageClass.INFREQUENT_ACCESS,
                    transition_after=Duration.days(storage.landing_archive_days),
                )
            ],
        )
        self.lake = self._bucket("lake", overwritten=overwritten)
        self.rejects = self._bucket("rejects", overwritten=overwritten)
        self.results = self._bucket("results", expires=Duration.days(storage.results_days), overwritten=Duration.days(1))
        self.run_logs = self._bucket("run-logs", expires=Duration.days(storage.logs_days), overwritten=Duration.days(1))

    def _bucket(
        self,
        part: str,
        *,
        expires: Duration | None = None,
        overwritten: Duration | None = None,
        transitions: list[s3.Transition] | None = None,
        logged: bool = True,
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            part.title().replace("-", ""),
            bucket_name=self._names.bucket(part),
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            removal_policy=RemovalPolicy.RETAIN,
            server_access_logs_bucket=self._access_logs if logged else None,
            server_access_logs_prefix=f"{part}/" if logged else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="keep",
                    abort_incomplete_multipart_upload_after=Duration.days(_UNFINISHED_DAYS),
                    expiration=expires,
                    noncurrent_version_expiration=overwritten or Duration.days(1),
                    transitions=transitions,
                )
            ],
        )
        if not logged:
            acknowledge(bucket, "AwsSolutions-S1", "It takes the access logs of the others; logging its own would never end.")
        return bucket
