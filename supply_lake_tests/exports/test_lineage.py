"""OpenLineage events: none unless they are configured; then of every batch, what went in and what came out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supply_lake.exports.lineage import is_configured
from supply_lake.upkeep.compact import compact
from supply_lake_tests.ingest.house import House, csv

pytest.importorskip("openlineage.client")
Make = Callable[..., House]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Events go to a file, as the library's own variables say; gives them."""
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(path))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def test_no_event_is_made_unless_it_is_configured(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_house().stores.exports.each == ()
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:1")
    assert is_configured()
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    assert not is_configured()


def test_a_commit_tells_its_objects_and_its_version(make_house: Make, told: Callable[[], list[dict[str, Any]]]) -> None:
    house = make_house()
    key = house.land("a.csv", csv([("o1", 1, 1), ("o2", "x", 1)]))
    (batch,) = house.ingest()
    start, done = told()
    assert [start["eventType"], done["eventType"]] == ["START", "COMPLETE"]
    assert (done["run"]["runId"], done["job"]["name"]) == (batch.id, "orders.ingest")
    (source,) = done["inputs"]
    assert (source["namespace"], source["name"]) == ("file", house.stores.landing.uri(key))
    assert source["facets"]["version"]["datasetVersion"] == batch.sources[0].etag
    assert source["inputFacets"]["inputStatistics"]["rowCount"] == 2
    (out,) = done["outputs"]
    assert out["name"] == house.stores.lake.uri("dataset=orders")
    assert out["facets"]["version"]["datasetVersion"] == "1"
    assert [one["name"] for one in out["facets"]["schema"]["fields"]] == ["order_id", "quantity", "version"]
    assert out["outputFacets"]["outputStatistics"]["rowCount"] == 1


def test_a_refused_batch_and_a_compaction_are_told_as_what_they_are(
    make_house: Make, told: Callable[[], list[dict[str, Any]]]
) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", "x", 1)]))
    house.ingest()
    failed = told()[-1]
    assert (failed["eventType"], failed.get("outputs") or []) == ("FAIL", [])
    assert "break the contract" in failed["run"]["facets"]["errorMessage"]["message"]
    for at in range(2):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    compact(house.stores, "orders")
    done = told()[-1]
    assert (done["job"]["name"], done["inputs"], done["outputs"][0]["facets"]["version"]["datasetVersion"]) == (
        "orders.compact",
        [],
        "3",
    )
