"""Alerts: what failed is told to the log and, where ``SUPPLY_LAKE_ALERT_URL`` is set, to a webhook.

What belongs here: the message, its one way out, and how often the same is told. What does not: deciding what is a failure.
A rejected batch, a batch whose attempts are used up and a check that failed each fail their run, so all of them arrive here.
Ticks that raise arrive by ``TickAlarm``.
"""

import json
import logging
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import dagster as dg

from supply_lake.assets.naming import DATASET_TAG, PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from supply_lake.errors import SupplyLakeError
from supply_lake.settings import Settings

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


def alert_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that sends an alert for every failed run of this code location."""

    @dg.run_failure_sensor(
        name="alerts",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs: rejected batches, batches whose attempts are used up, stores that are away.",
    )
    def alert(context: dg.RunFailureSensorContext) -> None:
        send(message(context), settings.alert_url)

    return alert


@dataclass(frozen=True, slots=True)
class Alert:
    """What failed, and why: a run of a ``dataset`` and ``partition``, or a ``tick`` of the sensor or schedule that it names."""

    reason: str
    dataset: str = ""
    partition: str = ""
    run_id: str = ""
    tick: str = ""

    @property
    def text(self) -> str:
        """All of it in one line for a person."""
        what = self.tick or " ".join(filter(None, (self.dataset or "a run", self.partition)))
        return f"supply_lake: {what} failed: {self.reason}"


def message(context: dg.RunFailureSensorContext) -> Alert:
    """The alert for a run that failed, without secrets."""
    run = context.dagster_run
    told = [
        event.step_failure_data.user_failure_data.description or ""
        for event in context.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    ]
    partition = run.tags.get(PARTITION_TAG) or "/".join(
        run.tags[tag] for tag in (RANGE_START_TAG, RANGE_END_TAG) if tag in run.tags
    )
    return Alert(
        reason=redact("\n".join(filter(None, told)) or context.failure_event.message or "the run failed")[:LONGEST],
        dataset=run.tags.get(DATASET_TAG, ""),
        partition=partition,
        run_id=run.run_id,
    )


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
            send(Alert(redact(reason)[:LONGEST], tick=tick), self._url)


def send(alert: Alert, url: str) -> None:
    """Log the alert, and post it as JSON when there is a webhook. A webhook that fails is logged, never raised."""
    logger.error("%s%s", alert.text, f" (run {alert.run_id})" if alert.run_id else "")
    if not url:
        return
    body = json.dumps({"text": alert.text, **asdict(alert)}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        logger.error("the alert webhook did not take an alert of %s: %s", alert.run_id or alert.tick, redact(str(error)))


def redact(text: str) -> str:
    """The text without passwords, tokens and keys that errors of libraries may carry."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
