"""Which runs publish what is pending, and which curate again."""

from __future__ import annotations

import pytest
from dagster import DagsterRun
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from supply_lake.assets.naming import PENDING_TAG, publishes_pending


@pytest.mark.parametrize(
    ("tags", "parent", "expected"),
    [
        ({PENDING_TAG: "true"}, None, True),
        ({}, None, False),
        ({PENDING_TAG: "true"}, "r0", False),
        ({PENDING_TAG: "true", RETRY_NUMBER_TAG: "1"}, "r0", True),
    ],
    ids=["the sensor asked", "a person asked", "a person repeats the sensor's run", "Dagster repeats it"],
)
def test_who_asks_decides(tags: dict[str, str], parent: str | None, expected: bool) -> None:
    run = DagsterRun(job_name="j", run_id="r1", tags=tags, parent_run_id=parent, root_run_id=parent)
    assert publishes_pending(run) is expected
