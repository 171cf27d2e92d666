"""A store's URL and the cloud's own variables → a client for it.

What belongs here: endpoints, regions, credentials, time limits. What does not: any request.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

# A sensor tick has to say within its minute that the store is away.
_RETRY: Any = {"max_retries": 4, "retry_timeout": dt.timedelta(seconds=20)}
_AWS: Any = {
    "connect_timeout": 5,
    "read_timeout": 25,  # a queue is listened to for up to 20
    "retries": {"mode": "standard", "total_max_attempts": 4},
}
_CLIENT: Any = {"connect_timeout": "5s", "timeout": "120s"}


def connect(scheme: str, bucket: str, prefix: str | None, encryption: str = "") -> Any:
    """An obstore client. Nothing is asked of the store yet.

    :param encryption: with which S3 encrypts what is written: ``sse-s3``, ``sse-kms`` or ``sse-kms:<key>``; when empty, as the
        bucket does
    :raises ValueError: there is no such kind of store, or its settings cannot be used
    """
    if scheme in ("s3", "gs", "az") and not bucket:
        raise ValueError("it names no bucket")
    if scheme == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        return S3Store(
            bucket,
            prefix=prefix,
            client_options=_CLIENT | {"allow_http": endpoint.startswith("http://")},
            retry_config=_RETRY,
            **_s3_options(endpoint),
            **_s3_encryption(encryption),
        )
    if scheme == "gs":
        return GCSStore(bucket, prefix=prefix, client_options=_CLIENT, retry_config=_RETRY)
    if scheme == "az":
        return AzureStore(bucket, prefix=prefix, client_options=_CLIENT, retry_config=_RETRY)
    if scheme == "memory":
        return MemoryStore()
    raise ValueError(f"{scheme}:// is no store; it takes s3://, gs:// or az://")


def _s3_options(endpoint: str) -> dict[str, Any]:
    """Endpoint, region and credentials as the AWS libraries find them. obstore itself reads no profiles."""
    options: dict[str, Any] = {"virtual_hosted_style_request": False}
    if endpoint:
        options["endpoint"] = endpoint
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options["region"] = region or "us-east-1"
    if _may_use_profiles():
        from obstore.auth.boto3 import Boto3CredentialProvider

        with suppress(ValueError):  # no profile has credentials: obstore looks in the other places
            provider = Boto3CredentialProvider()
            options["credential_provider"] = provider
            options["region"] = region or provider.config.get("region", options["region"])
    return options


def _s3_encryption(encryption: str) -> dict[str, Any]:
    kind, _, key = encryption.partition(":")
    if kind == "sse-s3":
        return {"server_side_encryption": "AES256"}
    if kind == "sse-kms":  # with a bucket key one request to KMS serves many objects
        return {"server_side_encryption": "aws:kms", "sse_bucket_key_enabled": True, **({"sse_kms_key_id": key} if key else {})}
    return {}


def _may_use_profiles() -> bool:
    """Whether credentials may come from a profile, as far as can be told without asking anyone."""
    if os.environ.get("AWS_PROFILE"):
        return True
    files = [
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
    ]
    return "AWS_ACCESS_KEY_ID" not in os.environ and any(Path(file).expanduser().exists() for file in files)


def aws_client(service: str, region: str = "") -> Any:
    """A client of an AWS service by the AWS library, which is slow to load. It gives up within a sensor's minute.

    :param region: by default the environment's or the profile's
    """
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import NoRegionError  # type: ignore[import-untyped]

    config = Config(s3={"addressing_style": "path"}, max_pool_connections=16, **_AWS)
    region = region or os.environ.get("AWS_REGION") or ""
    try:
        return boto3.client(service, config=config, region_name=region or None)
    except NoRegionError:
        return boto3.client(service, config=config, region_name="us-east-1")  # as obstore's clients have it


def listing_pages(bucket: str, prefix: str, after: str) -> Any:
    """Pages of keys of an S3 bucket, by the AWS library, which is slow to parse."""
    client = aws_client("s3")
    return client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after)
