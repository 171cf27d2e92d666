"""One case of the fuzz run on a whole lake: files land, batches run, and every record is proven from the files."""

from __future__ import annotations

import datetime as dt
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from supply_lake.errors import SpecError
from supply_lake.ingest.recurate import recurate
from supply_lake.landing.ledger import ObjectState
from supply_lake.query.verify import verify
from supply_lake_tests.fuzz import cases
from supply_lake_tests.ingest.house import House


def run(seed: int) -> None:
    """Run the case of this seed.

    :raises AssertionError: something does not hold
    """
    random = Random(seed)
    with tempfile.TemporaryDirectory() as home:
        house, spec = _opened(random, Path(home))
        try:
            for _ in range(random.randrange(1, 3)):
                _deliver(random, house, spec)
                assert house.ingest()
            _is_proven(house, spec.name)
            for day in (1, 2) if random.random() < 0.3 else ():
                recurate(house.stores, spec.name, dt.date(2026, 11, day), run_id="again")
                _is_proven(house, spec.name)
        finally:
            house.close()


def _opened(random: Random, home: Path) -> tuple[House, Any]:
    """A lake of one dataset that can be declared."""
    while True:
        spec = cases.contract(random)
        declared = {**spec.model_dump(mode="json", exclude_defaults=True), **_how_it_is_kept(random, spec)}
        with suppress(SpecError):
            house = House(home, declared)
            if random.random() < 0.5:  # nothing fits into memory
                house.stores = replace(house.stores, settings=replace(house.stores.settings, memory_bytes=1))
            return house, spec


def _how_it_is_kept(random: Random, spec: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"error_threshold": random.choice((0.0, 0.5, 1.0)), "start_date": "2026-01-01"}
    fields["mode"] = random.choice(("append", "replace", "upsert") if spec.primary_key else ("append", "replace"))
    dates = [column.name for column in spec.columns if column.type in ("date", "timestamp")]
    if dates and random.random() < 0.5:
        fields["partition_date"] = {"column": dates[0]}
    if spec.primary_key and random.random() < 0.3:
        fields["tombstone"] = {"column": spec.columns[1].name, "values": ["true", "7", "x"]}
    return fields


def _deliver(random: Random, house: House, spec: Any) -> None:
    for at in range(random.randrange(1, 5)):
        data = cases.made(random, spec, sound=random.random() < 0.3).data
        house.land(f"{at}.dat", data, spec.name, dt.date(2026, 11, random.choice((1, 1, 2))))


def _is_proven(house: House, name: str) -> None:
    assert house.pending() == 0
    left = [entry for entry in house.stores.metadata.objects() if entry.state not in (ObjectState.DONE, ObjectState.REPLACED)]
    assert all(entry.reason for entry in left), left
    house.recount()
    report = verify(house.stores, house.stores.registry.get(name), landing=True)
    assert report.problems == (), report.problems
