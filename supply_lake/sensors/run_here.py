"""One run in this process, on the persistent instance: as a run worker would do it, and as the UI shows it.

What belongs here: executing it quietly, and why it failed. What does not: what is run (``once``, ``by_hand``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from supply_lake.resources.workers import this_process

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_here(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    *,
    run_id: str,
    tags: Mapping[str, str],
    asset: dg.AssetKey | None = None,
    partition: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> list[str]:
    """Run the job to its end.

    :param asset: only this one of the job's assets
    :param config: of its steps
    :returns: a sentence for every step that failed
    """
    result = job.execute_in_process(
        instance=instance,
        run_id=run_id,
        asset_selection=[asset] if asset else None,
        partition_key=partition,
        tags={**tags, **this_process()},
        run_config={**_QUIET, **({"ops": dict(config)} if config else {})},
        raise_on_error=False,
    )
    return list(_troubles(result))


def _troubles(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_node_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data and data.user_failure_data.description
            error = data.error
            while error and error.cause:  # Dagster's own message says only that a step failed
                error = error.cause
            yield told or (error.message.strip() if error else "the run failed")
