"""Alerts: a run that failed is told to the log and, where ``SUPPLY_LAKE_ALERT_URL`` is set, to a webhook.

What belongs here: the message and its one way out. What does not: deciding what is a failure; a rejected batch, a batch whose
attempts are used up and a check that failed each fail their run, so all of them arrive here.
"""

import json
import logging
import re
import urllib.request
from collections.abc import Mapping

import dagster as dg

from supply_lake.assets.naming import DATASET_TAG, PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from supply_lake.settings import Settings

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 5
LONGEST = 2_000
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


def message(context: dg.RunFailureSensorContext) -> dict[str, str]:
    """The alert's facts, without secrets."""
    run = context.dagster_run
    told = [
        event.step_failure_data.user_failure_data.description or ""
        for event in context.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    ]
    partition = run.tags.get(PARTITION_TAG) or "/".join(
        run.tags[tag] for tag in (RANGE_START_TAG, RANGE_END_TAG) if tag in run.tags
    )
    return {
        "dataset": run.tags.get(DATASET_TAG, ""),
        "partition": partition,
        "run_id": run.run_id,
        "reason": redact("\n".join(filter(None, told)) or context.failure_event.message or "the run failed")[:LONGEST],
    }


def send(facts: Mapping[str, str], url: str) -> None:
    """Log the alert, and post it as JSON when there is a webhook. A webhook that fails is logged, never raised."""
    text = f"supply_lake: {facts['dataset'] or 'a run'} {facts['partition']} failed: {facts['reason']}"
    logger.error("%s (run %s)", text, facts["run_id"])
    if not url:
        return
    body = json.dumps({"text": text, **facts}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        logger.error("the alert webhook did not take the alert of run %s: %s", facts["run_id"], redact(str(error)))


def redact(text: str) -> str:
    """The text without passwords, tokens and keys that errors of libraries may carry."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
