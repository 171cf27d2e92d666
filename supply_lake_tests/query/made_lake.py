"""A lake whose files and records are written by hand, so that reading is tested without anything that writes."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch, ColumnStats, DataFile, Outcome, Rows, Snapshot, SourceRecord, Status
from supply_lake.snapshots.schema_versions import ProposedSchema
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id, part_path, snapshot_dir
from supply_lake.storage.object_store import ObjectStore

DAY = dt.date(2026, 11, 1)
ORDERS: dict[str, Any] = {
    "name": "orders",
    "description": "Orders of a made-up shop.",
    "owner": "team:planning",
    "source": {"system": "shop"},
    "format": {"type": "csv"},
    "start_date": "2026-01-01",
    "columns": [
        {"name": "order_id", "type": "string"},
        {"name": "quantity", "type": "int64"},
        {"name": "price", "type": "decimal(12,2)"},
    ],
}
SCHEMA = pa.schema([("order_id", pa.string()), ("quantity", pa.int64()), ("price", pa.decimal128(12, 2))])
REASON = pa.struct([("column", pa.string()), ("value", pa.string()), ("reason", pa.string())])
REJECTS = pa.schema(
    [
        ("outcome", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("reasons", pa.list_(REASON)),
        ("raw", pa.string()),
    ]
)


def named(name: str, **changes: Any) -> dict[str, Any]:
    """The orders declaration under another name."""
    return {**ORDERS, "name": name, **changes}


class MadeLake:
    """One lake in a temporary folder. ``commit`` publishes rows that never went through a batch."""

    def __init__(self, home: Path, *specs: Mapping[str, Any], env: Mapping[str, str] | None = None) -> None:
        folder = home / "datasets"
        folder.mkdir(parents=True)
        for spec in specs or (ORDERS,):
            (folder / f"{spec['name']}.yaml").write_text(yaml.safe_dump(dict(spec), sort_keys=False))
        self.env = {"SUPPLY_LAKE_HOME": str(home / "home"), "SUPPLY_LAKE_DATASETS": str(folder), **(env or {})}
        self.stores = Stores.open(Settings.from_env(self.env))

    def commit(
        self,
        rows: Sequence[tuple[Any, ...]],
        *,
        dataset: str = "orders",
        day: dt.date = DAY,
        schema: pa.Schema = SCHEMA,
        file: str = "a.csv",
        etag: str = "",
        rejected: Sequence[tuple[int, str, str, str]] = (),
        deduplicated: Sequence[int] = (),
        supersede: bool = False,
        deleted: Sequence[bool] = (),
        carried: Sequence[str | None] = (),
        publishes: ProposedSchema | None = None,
    ) -> Snapshot:
        """Publish rows as one snapshot.

        :param rejected: (line, column, value, reason) of each rejected row
        :param deduplicated: lines of deduplicated rows
        :param supersede: whether the snapshot takes the place of what is live on its date
        :param deleted: marks for the ``_deleted`` column; left out when empty
        :param publishes: the schema that the commit publishes; by default it says nothing of it
        :param carried: for each row the id of the snapshot it comes from, or ``None`` for the new one
        """
        snapshot_id, batch_id = new_snapshot_id(), new_snapshot_id()
        key = f"{dataset}/{day:%Y/%m/%d}/{file}"
        own = [one or snapshot_id for one in carried] or [snapshot_id] * len(rows)
        table = pa.table(
            [pa.array(column, field.type) for column, field in zip(_columns(rows, schema), schema, strict=True)], schema
        )
        for name, values in {
            "_source": pa.array([key] * len(rows), pa.string()),
            "_line": pa.array(range(2, len(rows) + 2), pa.int64()),
        }.items():
            table = table.append_column(name, values)
        table = table.append_column("_snapshot_id", pa.array(own, pa.string()))
        if deleted:
            table = table.append_column("_deleted", pa.array(deleted, pa.bool_()))
        data = write(self.stores.lake, part_path(dataset, day, snapshot_id, 0), table)
        rejects = self._rejects(dataset, day, snapshot_id, key, rejected, deduplicated)
        published = sum(one == snapshot_id for one in own)
        counts = Rows(published + len(rejected) + len(deduplicated), published, len(rejected), len(deduplicated))
        etag = etag or snapshot_id
        source = SourceRecord(self.stores.landing.uri(key), key, etag, 10, counts)
        snapshot = Snapshot(
            id=snapshot_id,
            dataset=dataset,
            partition=day,
            landing_date=day,
            batch_id=batch_id,
            status=Status.COMMITTED,
            rows=counts,
            rows_total=len(rows),
            bytes=data.bytes,
            location=self.stores.lake.uri(snapshot_dir(dataset, day, snapshot_id)),
            files=(data,),
            rejects=rejects,
            columns=tuple(
                _stats(field.name, table.column(field.name)) for field in schema if not pa.types.is_nested(field.type)
            ),
            schema_fingerprint=hashlib.sha256(str(table.schema).encode()).hexdigest()[:16],
            sources=(source,),
            created_at=dt.datetime.now(dt.UTC),
        )
        batch = Batch(batch_id, dataset, day, Status.COMMITTED, counts, (source,), (snapshot,), run_id="run-7")
        live = self.stores.metadata.live(dataset, partition=day) if supersede else []
        proposal = Proposal(batch, (), supersedes=tuple(one.id for one in live), schema=publishes)
        return self.stores.metadata.commit(proposal).snapshots[0]

    def refuse(
        self, reason: str, rejected: Sequence[tuple[int, str, str, str]], *, dataset: str = "orders", file: str = "bad.csv"
    ) -> Snapshot:
        """Record a batch that published nothing."""
        snapshot_id, batch_id = new_snapshot_id(), new_snapshot_id()
        key = f"{dataset}/{DAY:%Y/%m/%d}/{file}"
        counts = Rows(len(rejected), 0, len(rejected), 0)
        source = SourceRecord(self.stores.landing.uri(key), key, "bad", 10, counts, Outcome.READ)
        snapshot = Snapshot(
            id=snapshot_id,
            dataset=dataset,
            partition=DAY,
            landing_date=DAY,
            batch_id=batch_id,
            status=Status.REJECTED,
            rows=counts,
            rejects=self._rejects(dataset, DAY, snapshot_id, key, rejected, ()),
            sources=(source,),
            created_at=dt.datetime.now(dt.UTC),
            reason=reason,
        )
        batch = Batch(batch_id, dataset, DAY, Status.REJECTED, counts, (source,), (snapshot,), reason=reason)
        return self.stores.metadata.record(batch, ()).snapshots[0]

    def land(self, key: str, data: bytes, state: ObjectState = ObjectState.PENDING, reason: str = "") -> None:
        """Land an object and enter it in the ledger."""
        version = self.stores.landing.put(key, data)
        self.stores.metadata.register([LedgerEntry(version, key.split("/", maxsplit=1)[0], DAY, state, reason=reason)])

    def _rejects(
        self,
        dataset: str,
        day: dt.date,
        snapshot_id: str,
        key: str,
        rejected: Sequence[tuple[int, str, str, str]],
        deduplicated: Sequence[int],
    ) -> tuple[DataFile, ...]:
        rows = [
            {
                "outcome": "rejected",
                "source": key,
                "line": line,
                "reasons": [{"column": c, "value": v, "reason": r}],
                "raw": f'{{"{c}": "{v}"}}',
            }
            for line, c, v, r in rejected
        ] + [
            {
                "outcome": "deduplicated",
                "source": key,
                "line": line,
                "reasons": [{"column": None, "value": None, "reason": "same key as line 2"}],
                "raw": "{}",
            }
            for line in deduplicated
        ]
        if not rows:
            return ()
        return (write(self.stores.rejects, part_path(dataset, day, snapshot_id, 0), pa.Table.from_pylist(rows, REJECTS)),)


def write(store: ObjectStore, path: str, table: pa.Table) -> DataFile:
    """Write a Parquet file, whole, and describe it."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    data = buffer.getvalue()
    store.put(path, data)
    return DataFile(path, table.num_rows, len(data), hashlib.sha256(data).hexdigest())


def _stats(name: str, values: pa.ChunkedArray) -> ColumnStats:
    there = [one for one in values.to_pylist() if one is not None]
    low, high = (str(min(there)), str(max(there))) if there else (None, None)
    return ColumnStats(name, str(values.type), values.null_count, low, high)


def _columns(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(len(schema))]
