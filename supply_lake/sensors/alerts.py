"""Alerts: what a person should know is told to the log and, where ``SUPPLY_LAKE_ALERT_URL`` is set, to a webhook.

What belongs here: the message, its one way out, and ticks that raise with how often the same of them is told. What does not:
finding out what happened to runs, checks and datasets (``alarms``).
"""

import json
import logging
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from supply_lake.errors import SupplyLakeError

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 5
LONGEST = 2_000
AGAIN_SECONDS = 3_600.0
"""How often a failure that goes on is told."""
_SECRET_NAMES = "password|passwd|secret|token|api[_-]?key|access[_-]?key|signature"
_SECRETS = (
    (re.compile(r"(\w[\w+.-]*://)[^/\s@]+@"), r"\1***@"),
    (re.compile(rf"(?i)\b([\w-]*(?:{_SECRET_NAMES})[\w-]*\s*[=:]\s*)[^\s,;&]+"), r"\1***"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "***"),
)


class Kind(StrEnum):
    """What happened."""

    FAILURE = "failure"
    """A run or a tick failed; what it was to do is not done."""
    WARNING = "warning"
    """A check did not pass, and what it checked is published."""
    LATENESS = "lateness"
    """Nothing was published for longer than the dataset's ``freshness`` allows."""


_VERBS = {Kind.FAILURE: "failed", Kind.WARNING: "warns", Kind.LATENESS: "is late"}


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened, and why: to a ``dataset`` and ``partition``, or in a ``tick`` of the sensor or schedule that it names."""

    reason: str
    kind: Kind = Kind.FAILURE
    dataset: str = ""
    partition: str = ""
    run_id: str = ""
    tick: str = ""

    @property
    def text(self) -> str:
        """All of it in one line for a person."""
        what = self.tick or " ".join(filter(None, (self.dataset or "a run", self.partition)))
        return f"supply_lake: {what} {_VERBS[self.kind]}: {self.reason}"


class TickAlarm:
    """Tells of ticks that raise: at once, and again every hour for as long as it goes on.

    :param url: the webhook, if any
    :param clock: seconds, only going forward
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._told: dict[tuple[str, type[Exception]], float] = {}

    @contextmanager
    def over(self, tick: str) -> Iterator[None]:
        """Watch over the body of a tick. What it raises is told and raised again, so that Dagster shows a failed tick.

        :param tick: of which sensor or schedule
        """
        try:
            yield
        except Exception as error:
            self._tell(tick, error)
            raise

    def _tell(self, tick: str, error: Exception) -> None:
        key, now = (tick, type(error)), self._clock()
        if now - self._told.get(key, float("-inf")) >= AGAIN_SECONDS:
            self._told[key] = now
            reason = str(error) if isinstance(error, SupplyLakeError) else f"{type(error).__name__}: {error}"
            send(Alert(reason, tick=tick), self._url)


def send(alert: Alert, url: str) -> None:
    """Log the alert, and post it as JSON when there is a webhook; secrets are taken out.

    A webhook that fails is logged, never raised.
    """
    alert = replace(alert, reason=redact(alert.reason)[:LONGEST])
    level = logging.ERROR if alert.kind is Kind.FAILURE else logging.WARNING
    logger.log(level, "%s%s", alert.text, f" (run {alert.run_id})" if alert.run_id else "")
    if not url:
        return
    body = json.dumps({"text": alert.text, **asdict(alert)}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        logger.error("the alert webhook did not take the alert above: %s", redact(str(error)))


def redact(text: str) -> str:
    """The text without passwords, tokens and keys that errors of libraries may carry."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
