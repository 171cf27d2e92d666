"""Does this machine's clock agree with that of landing?

Signatures are refused beyond 15 minutes, and landing dates of undated keys, settling files and lateness go by clocks.

What belongs here: the comparison. What does not: setting a clock.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from supply_lake.doctor.finding import Finding, broken, ok, warning
from supply_lake.storage.connections import aws_client
from supply_lake.storage.object_store import ObjectStore

PART = "clock"
_REFUSED, _NOTICED = dt.timedelta(minutes=15), dt.timedelta(seconds=30)
_REMEDY = "let this machine set its clock by the network (NTP)"


def clock(location: str, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)) -> Iterator[Finding]:
    """Compare with the server's answer, or with the time that the file system of a folder gives a new file."""
    if location.startswith("s3://"):
        yield compared(_told_by_server(urlsplit(location).netloc), now(), location)
    elif "://" not in location:
        yield compared(_told_by_folder(location), now(), location)


def compared(theirs: dt.datetime, ours: dt.datetime, whose: str) -> Finding:
    """What two clocks that were asked at the same moment say of each other."""
    apart = abs(theirs - ours)
    seen = f"{apart.total_seconds():.0f} s apart from the clock of {whose}"
    if apart >= _REFUSED:
        return broken(PART, "skew", seen, _REMEDY)
    return warning(PART, "skew", seen, _REMEDY) if apart >= _NOTICED else ok(PART, "skew", seen)


def _told_by_server(bucket: str) -> dt.datetime:
    """Every answer has a date, a refusal too."""
    from botocore.exceptions import ClientError  # type: ignore[import-untyped]

    answer: dict[str, Any]
    try:
        answer = aws_client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def _told_by_folder(location: str) -> dt.datetime:
    from supply_lake.doctor.places import PROBE

    store = ObjectStore.open(location)
    try:
        store.put(PROBE, str(time.time()).encode())
        path = store.local_path(PROBE)
        assert isinstance(path, Path)
        return dt.datetime.fromtimestamp(path.stat().st_ctime, dt.UTC)
    finally:
        store.delete([PROBE])
