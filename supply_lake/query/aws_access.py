"""Clients of AWS for whoever asks a query: the lake's own, or those of a role, in another account too.

What belongs here: taking on a role, with an external id and session tags, and keeping it while it is good. What does not:
what is done with it (``athena``).
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supply_lake.errors import QueryError, UsageError
from supply_lake.storage.connections import aws_client

_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+")
_SPARE = dt.timedelta(minutes=5)
"""Credentials with less time left are fetched anew."""


@dataclass(frozen=True, slots=True)
class Access:
    """As whom a query is asked. Without a role: as the lake itself.

    :param external_id: what the role's trust policy asks for
    :param tags: session tags, by which policies of the other account can tell who asks; each stays set in further roles
    """

    role_arn: str = ""
    external_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.role_arn and not _ROLE.fullmatch(self.role_arn):
            raise UsageError(f"{self.role_arn!r} is no role; write arn:aws:iam::<account>:role/<name>")
        if (self.external_id or self.tags) and not self.role_arn:
            raise UsageError("an external id and session tags belong to a role; give role_arn too")


class Clients:
    """Makes clients, and keeps a role's credentials while they are good. Threads may share it."""

    def __init__(self, make: Callable[..., Any] = aws_client) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._held: dict[Access, tuple[dict[str, str], dt.datetime]] = {}
        self._clients: dict[tuple[Access, str], tuple[Any, dt.datetime]] = {}

    def client(self, service: str, access: Access) -> Any:
        """A client of a service.

        :raises QueryError: the role cannot be taken on
        """
        with self._lock:
            credentials, until = self._credentials(access)
            made, known = self._clients.get((access, service), (None, None))
            if made is None or known != until:
                made = self._make(service, credentials=credentials)
                self._clients[access, service] = made, until
            return made

    def _credentials(self, access: Access) -> tuple[dict[str, str], dt.datetime]:
        if not access.role_arn:
            return {}, dt.datetime.max.replace(tzinfo=dt.UTC)
        held = self._held.get(access)
        if held is None or held[1] - _SPARE < dt.datetime.now(dt.UTC):
            held = self._held[access] = self._take_on(access)
        return held

    def _take_on(self, access: Access) -> tuple[dict[str, str], dt.datetime]:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        tags = [{"Key": key, "Value": value} for key, value in access.tags]
        asked = {
            "RoleArn": access.role_arn,
            "RoleSessionName": "supply_lake",
            **({"ExternalId": access.external_id} if access.external_id else {}),
            **({"Tags": tags, "TransitiveTagKeys": [key for key, _ in access.tags]} if tags else {}),
        }
        try:
            told = self._make("sts").assume_role(**asked)["Credentials"]
        except (ClientError, BotoCoreError) as error:
            raise QueryError(f"the role {access.role_arn} cannot be taken on: {error}") from error
        credentials = {
            "aws_access_key_id": told["AccessKeyId"],
            "aws_secret_access_key": told["SecretAccessKey"],
            "aws_session_token": told["SessionToken"],
        }
        return credentials, told["Expiration"]
