"""Webhooks: an address that is told of every commit of a dataset, in order; what it is told, and how that is signed.

What belongs here: the value, the message, the signature, which addresses are taken, and how long a failed one is left in
peace. What does not: keeping webhooks (``webhook_store``) and sending (``deliveries``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from supply_lake.errors import UsageError
from supply_lake.service.models import CommitEntry
from supply_lake.settings import PREFIX

SIGNATURE = "x-supply-lake-signature"
DELIVERY = "x-supply-lake-delivery"
MOST_ATTEMPTS = 20
_LONGEST = dt.timedelta(hours=1)
_LOCAL = ("localhost", "127.0.0.1", "::1")


class State(StrEnum):
    """Whether a webhook is told of commits."""

    ACTIVE = "active"
    STOPPED = "stopped"  # it failed too often


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address. ``told`` is the newest commit that it took; ``attempts`` counts failures since. Times are UTC."""

    id: str
    dataset: str
    url: str
    secret: str
    made_by: str
    made_at: dt.datetime
    told: int
    state: State = State.ACTIVE
    attempts: int = 0
    next_try_at: dt.datetime | None = None
    reason: str = ""


def checked_url(url: str, hosts: str) -> str:
    """The address, if it may be told.

    :param hosts: names that may be, separated by commas, ``*`` standing for anything
    :raises UsageError: it may not, or is none
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError("this is no URL; write https://host/path") from None
    if parts.username or parts.password:
        raise UsageError("the URL carries credentials; the receiver knows us by the signature")
    if (parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL)) or port == 0 or not host:
        raise UsageError("a webhook is an https:// URL")
    patterns = [one.strip().lower() for one in hosts.split(",") if one.strip()]
    if not any(fnmatchcase(host, one) for one in patterns):
        raise UsageError(
            f"{host} is none of the hosts that webhooks may go to; {PREFIX}WEBHOOK_HOSTS of the service names them"
        )
    return url


def message(entry: CommitEntry) -> bytes:
    """What a webhook is told of a commit."""
    return b'{"event":"commit","commit":' + entry.model_dump_json().encode() + b"}"


def signature(secret: str, body: bytes, at: dt.datetime) -> str:
    """``t=<seconds>,v1=<hex>``: the HMAC-SHA256 of ``<seconds>.<body>``, so that an old message cannot be sent again as new."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def pause(attempts: int) -> dt.timedelta:
    """How long to leave it in peace after so many failures."""
    return min(dt.timedelta(seconds=2**attempts), _LONGEST)
