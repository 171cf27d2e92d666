"""Opening a DynamoDB table as a metadata store: the URL, the client, and a table that is made on request.

What belongs here: connections and the table's own settings. What does not: items (``dynamo_items``).
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from supply_lake.errors import SettingsError
from supply_lake.snapshots.dynamo_items import DESIGN, LAKE
from supply_lake.snapshots.dynamo_table import Lost, Table, Write

_CONNECT_SECONDS, _READ_SECONDS, _CONNECTIONS = 5, 20, 16


def connect(url: str) -> Table:
    """The table that the URL names, made if it asks for that, and known to be of this design.

    :param url: ``dynamodb://TABLE``; with ``?create=true`` a table that is not there is made, paid by request.
        Region, endpoint and credentials are those of the standard AWS variables and files
    :raises SettingsError: the URL cannot be used, there is no such table, or its items are of another design
    :raises StoreUnavailable: DynamoDB does not answer
    """
    name, create = _parsed(url)
    table = Table(name, partial(_client, name))
    try:
        design = table.get(LAKE)
    except SettingsError:
        if not create:
            raise
        _create(table)
        design = None
    if design is None:
        design = _begun(table)
    if design["design"] != DESIGN:
        raise SettingsError(
            f"the metadata store {table.described} has key design {design['design']}, this supply_lake takes {DESIGN}; "
            "use the release that it was made with, or another table"
        )
    return table


def _parsed(url: str) -> tuple[str, bool]:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    create = options.pop("create", "false")
    if not parts.netloc or parts.path.strip("/") or "@" in parts.netloc or options or create not in ("true", "false"):
        raise SettingsError(
            f"the metadata store's URL {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} cannot be read; "
            "give dynamodb://TABLE or dynamodb://TABLE?create=true"
        )
    return parts.netloc, create == "true"


def _client(name: str) -> Any:
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard"},
        parameter_validation=False,
    )
    try:
        # boto3 reads AWS_DEFAULT_REGION; every other AWS library reads AWS_REGION too.
        return boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None).client("dynamodb", config=config)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"the metadata store dynamodb://{name} cannot be reached: {error}; set AWS_REGION") from error


def _create(table: Table) -> None:
    """Make the table, and wait until it can be used; another process may make it at the same time."""
    keys = (("pk", "HASH"), ("sk", "RANGE"))
    try:
        table.client.create_table(
            TableName=table.name,
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=True,
        )
    except table.client.exceptions.ResourceInUseException:
        pass
    except table.client.exceptions.ClientError as error:
        told = error.response["Error"]
        raise SettingsError(
            f"the DynamoDB table {table.name} cannot be made ({told.get('Code')}: {told.get('Message')}); have someone make it "
            "who may, with the keys pk and sk, both text"
        ) from error
    table.client.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig={"Delay": 2, "MaxAttempts": 60})


def _begun(table: Table) -> dict[str, Any]:
    """Write down the design of a table that has none yet."""
    with suppress(Lost):
        table.transact([Write(LAKE, {"pk": LAKE[0], "sk": LAKE[1], "design": DESIGN}, rev=0)])
    return table.get(LAKE) or {"design": DESIGN}
