"""A small lake in a temporary folder, and the few verbs that tests of whole batches need."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from supply_lake.ingest import batches, discovery
from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import ObjectState
from supply_lake.query.verify import Report, verify
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch, Snapshot
from supply_lake.snapshots.standing import standing_rejects

DAY = dt.date(2026, 11, 1)
ORDERS: dict[str, Any] = {
    "name": "orders",
    "description": "Orders of a made-up shop.",
    "owner": "team:planning",
    "source": {"system": "shop"},
    "format": {"type": "csv"},
    "start_date": "2026-01-01",
    "error_threshold": 0.5,
    "columns": [
        {"name": "order_id", "type": "string", "nullable": False},
        {"name": "quantity", "type": "int64", "checks": {"ge": 0}},
        {"name": "version", "type": "int64"},
    ],
}
KEYED = {"primary_key": ["order_id"], "order_by": "version"}


class House:
    """One lake: land, ingest, look."""

    def __init__(self, home: Path, *specs: dict[str, Any], env: dict[str, str] | None = None) -> None:
        self.home = home
        folder = home / "datasets"
        folder.mkdir(parents=True, exist_ok=True)
        for spec in specs or (ORDERS,):
            (folder / f"{spec['name']}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        self.env = {
            "SUPPLY_LAKE_HOME": str(home / "lake-home"),
            "SUPPLY_LAKE_DATASETS": str(folder),
            **(env or {}),
        }
        self.stores = Stores.open(Settings.from_env(self.env))

    def mend(self, dataset: str = "orders", **changes: Any) -> None:
        """Change the dataset's declaration, and open the lake anew."""
        path = self.home / "datasets" / f"{dataset}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}, sort_keys=False))
        self.stores.close()
        self.stores = Stores.open(Settings.from_env(self.env))

    def land(self, file: str, data: bytes | str, dataset: str = "orders", day: dt.date = DAY) -> str:
        key = f"{dataset}/{day:%Y/%m/%d}/{file}"
        self.stores.landing.put(key, data.encode() if isinstance(data, str) else data)
        return key

    def discover(self) -> discovery.TickReport:
        """Look at landing as if a minute had passed: files that were just written lie still by then."""
        return discovery.tick(self.stores, full=True, clock=lambda: time.time() + 60)

    def ingest(self) -> list[Batch]:
        self.discover()
        done: list[Batch] = []
        while waiting := self.stores.metadata.pending():
            for one in waiting:
                done += batches.run_pending(self.stores, one.dataset, one.landing_date, run_id="test")
        return done

    def live(self, dataset: str = "orders", commit: int | None = None) -> list[Snapshot]:
        return self.stores.metadata.live(dataset, commit=commit)

    def frame(self, dataset: str = "orders", commit: int | None = None, *, lineage: bool = False) -> pl.DataFrame:
        """The live rows, read straight from the files."""
        root = Path(self.stores.lake.location)
        files = [root / file.path for snapshot in self.live(dataset, commit) for file in snapshot.files]
        spec = self.stores.registry.get(dataset)
        if not files:
            return pl.DataFrame(schema={column.name: pl.String for column in spec.columns})
        rows = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files], how="diagonal_relaxed")
        if "_deleted" in rows.columns:
            rows = rows.filter(~pl.col("_deleted"))
        return rows if lineage else rows.select([column for column in rows.columns if not column.startswith("_")])

    def rows(self, dataset: str = "orders", commit: int | None = None) -> list[tuple[Any, ...]]:
        return sorted(self.frame(dataset, commit).rows(), key=repr)

    def rejects(self, dataset: str = "orders") -> pl.DataFrame:
        root = Path(self.stores.rejects.location)
        files = [root / file.path for one in self.stores.metadata.snapshots(dataset) for file in one.rejects]
        return pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files]) if files else pl.DataFrame()

    def standing(self, dataset: str = "orders") -> list[tuple[str, int | None, str]]:
        """File, line and first reason of every rejected row that stands."""
        found = []
        for rejects in standing_rejects(self.stores.metadata.snapshots(dataset)):
            keys = [source.key for source in rejects.rejected]
            for file in rejects.snapshot.rejects:
                rows = pl.read_parquet(Path(self.stores.rejects.location) / file.path, hive_partitioning=False)
                rows = rows.filter(pl.col("outcome") == "rejected", pl.col("source").is_in(keys))
                found += [
                    (key.rpartition("/")[2], line, why[0]["reason"])
                    for key, line, why in rows.select("source", "line", "reasons").rows()
                ]
        return sorted(found, key=repr)

    def prove(self, dataset: str = "orders") -> Report:
        """The proof from the files, which has to hold."""
        report = verify(self.stores, self.stores.registry.get(dataset))
        assert report.problems == ()
        return report

    def states(self) -> dict[str, list[str]]:
        """Ledger states by key."""
        found: dict[str, list[str]] = {}
        for entry in self.stores.metadata.objects():
            found.setdefault(entry.object.key, []).append(str(entry.state))
        return found

    def pending(self) -> int:
        return sum(1 for _ in self.stores.metadata.objects(state=ObjectState.PENDING))

    def recount(self) -> None:
        """Every record of this lake adds up, in itself and against its files."""
        for batch in self.stores.metadata.batches():
            assert batch.rows.balanced, batch
            assert sum((one.rows for one in batch.sources), start=type(batch.rows)()) == batch.rows
            assert sum((one.rows for one in batch.snapshots), start=type(batch.rows)()) == batch.rows
        for name in self.stores.registry:
            self._recount_dataset(name)

    def _recount_dataset(self, name: str) -> None:
        lake, rejects = Path(self.stores.lake.location), Path(self.stores.rejects.location)
        for snapshot in self.stores.metadata.snapshots(name):
            frames = [pl.read_parquet(lake / file.path, hive_partitioning=False) for file in snapshot.files]
            assert sum(frame.height for frame in frames) == snapshot.rows_total
            own = sum(frame.filter(pl.col("_snapshot_id") == snapshot.id).height for frame in frames)
            assert own == snapshot.rows.published
            aside = [pl.read_parquet(rejects / file.path, hive_partitioning=False) for file in snapshot.rejects]
            outcomes = pl.concat(aside)["outcome"].value_counts().rows() if aside else []
            counted = dict(outcomes)
            assert counted.get("rejected", 0) == snapshot.rows.rejected
            assert counted.get("deduplicated", 0) == snapshot.rows.deduplicated
        numbers = [commit.number for commit in self.stores.metadata.commits(name)]
        assert numbers == list(range(1, len(numbers) + 1))

    def close(self) -> None:
        self.stores.close()


def csv(rows: Iterable[tuple[Any, ...]], header: str = "order_id,quantity,version") -> str:
    """Rows as CSV text with its header."""
    return "\n".join([header, *(",".join("" if v is None else str(v) for v in row) for row in rows)]) + "\n"


def dump_env(house: House) -> str:
    return json.dumps(house.env)
