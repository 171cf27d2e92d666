"""A dataset as Glue's tables and partitions: pure functions from records to what the API takes.

=========================  ===========================================================================================
``<name>``                 the live set: a partition for each live snapshot, in the types that hold all of them
``<name>__files_<schema>``  every snapshot whose files are kept, a table for each schema of files. In one such table all
                           partitions have the table's own types, so nothing has to be coerced, whatever became of the contract
=========================  ===========================================================================================

What belongs here: names, columns, comments, parameters, descriptors. What does not: calling Glue (``glue_api``) and deciding
what is out of date (``glue``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supply_lake.catalog.glue_types import glue_type
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType, parse_type
from supply_lake.datasets.widening import holding
from supply_lake.snapshots.held import held
from supply_lake.snapshots.records import Snapshot
from supply_lake.storage.layout import snapshot_dir

PREFIX = "supply_lake."
CHOSEN = "__chosen_"
"""Stands in names of tables that are made for a query over very many snapshots."""
KEYS = ("year", "month", "day", "snapshot_id")
LONGEST_COMMENT, LONGEST_DESCRIPTION, LONGEST_PARAMETER = 255, 2_048, 51_200
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "Parameters": {}},
}
_LINEAGE = {
    "_source": "Landing key of the object that the row came from.",
    "_line": "Line or record number in that object.",
    "_snapshot_id": "Snapshot in which the row was first published.",
    "_deleted": "Whether the row says that its key is deleted.",
}
Kinds = Mapping[str, DataType]
Values = tuple[str, ...]
"""Values of a partition's keys."""


@dataclass(frozen=True, slots=True)
class Files:
    """Snapshots whose files have one schema: its fingerprint, and the types of its columns."""

    fingerprint: str
    kinds: Kinds
    snapshots: Sequence[Snapshot]


def files_table(dataset: str, fingerprint: str) -> str:
    """Name of the table of all files of one schema."""
    return f"{dataset}__files_{fingerprint}"


def partition_values(snapshot: Snapshot) -> Values:
    """What its partition is called."""
    date = snapshot.partition
    return (f"{date.year:04}", f"{date:%m}", f"{date:%d}", snapshot.id)


def partition(spec: DatasetSpec, root: str, snapshot: Snapshot, kinds: Kinds) -> dict[str, Any]:
    """The partition of a snapshot: where its files lie, and the columns that are in them.

    :param root: URL of the lake
    """
    told = {
        "commit": str(snapshot.commit),
        "schema_version": str(snapshot.schema_version),
        "schema": snapshot.schema_fingerprint,
        "rows": str(snapshot.rows_total),
        "bytes": str(snapshot.bytes),
    }
    return {
        "Values": list(partition_values(snapshot)),
        "StorageDescriptor": _descriptor(
            f"{root}/{snapshot_dir(spec.name, snapshot.partition, snapshot.id)}/", columns(spec, kinds)[0]
        ),
        "Parameters": {PREFIX + name: value for name, value in told.items()}
        | {"numRows": str(snapshot.rows_total), "totalSize": str(snapshot.bytes)},
    }


def live_table(spec: DatasetSpec, root: str, groups: Sequence[Files], told: Mapping[str, str]) -> dict[str, Any]:
    """The table of the live set.

    :param groups: the live snapshots, those of the newest schema first
    :param told: further parameters
    """
    return _table(spec, spec.name, root, together(groups), told)


def schema_table(spec: DatasetSpec, root: str, files: Files, *, projected: bool) -> dict[str, Any]:
    """The table of all files of one schema.

    :param projected: its partitions are told by their paths, and not registered
    """
    kinds = json.dumps({name: str(kind) for name, kind in files.kinds.items()}, ensure_ascii=False)
    told = {"schema": files.fingerprint} | ({"kinds": kinds} if len(kinds) <= LONGEST_PARAMETER else {})
    table = _table(spec, files_table(spec.name, files.fingerprint), root, files.kinds, told)
    if projected:
        keys = keys_of(files.kinds)
        template = "/".join(f"{folder}=${{{key}}}" for folder, key in zip(KEYS, keys, strict=True))
        table["Parameters"] |= {"projection.enabled": "true", **{f"projection.{key}.type": "injected" for key in keys}}
        table["Parameters"]["storage.location.template"] = f"{root}/dataset={spec.name}/{template}/"
    return table


def chosen_table(spec: DatasetSpec, root: str, files: Files) -> dict[str, Any]:
    """A table for these snapshots alone; the same ones always get the same name."""
    ids = " ".join(sorted(one.id for one in files.snapshots))
    digest = hashlib.sha256(f"{files.fingerprint} {ids}".encode()).hexdigest()[:16]
    return _table(spec, f"{spec.name}{CHOSEN}{digest}", root, files.kinds, {"schema": files.fingerprint})


def kinds_told(table: Mapping[str, Any]) -> dict[str, DataType] | None:
    """The types of a schema's files, as its table remembers them."""
    told = table.get("Parameters", {}).get(f"{PREFIX}kinds")
    return {name: parse_type(kind) for name, kind in json.loads(told).items()} if told else None


def together(groups: Sequence[Files]) -> dict[str, DataType]:
    """The columns of all groups, in the types that hold every value of all of them, as queries over the lake read them."""
    names: dict[str, str] = {}
    for group in groups:
        for name in group.kinds:
            names.setdefault(name.casefold(), name)
    return {name: _meeting(fold, groups) for fold, name in names.items()}


def _meeting(column: str, groups: Sequence[Files]) -> DataType:
    having = [
        held(kind, column, group.snapshots)
        for group in groups
        for name, kind in group.kinds.items()
        if name.casefold() == column
    ]
    return having[0].kind if len({str(one.kind) for one in having}) == 1 else holding(having)


def keys_of(kinds: Kinds) -> tuple[str, ...]:
    """What the keys of partitions are called beside these columns: a column ``day`` makes the key ``lake_day``."""
    taken = {name.lower() for name in kinds}
    return tuple(f"lake_{key}" if key in taken else key for key in KEYS)


def columns(spec: DatasetSpec, kinds: Kinds) -> tuple[list[dict[str, str]], list[str]]:
    """Columns as Glue takes them, with what the contract says of them; and those that Glue cannot say."""
    comments = {**_comments(spec), **_LINEAGE}
    found: dict[str, dict[str, str]] = {}
    missing: list[str] = []
    for name, kind in kinds.items():
        text = glue_type(kind)
        if text is None or name.lower() in found:
            missing.append(name)
            continue
        comment = comments.get(name, "")
        found[name.lower()] = {"Name": name.lower(), "Type": text} | ({"Comment": comment} if comment else {})
    return list(found.values()), missing


def contract_fingerprint(spec: DatasetSpec) -> str:
    """Digest of all that a dataset's file declares."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]


def _comments(spec: DatasetSpec) -> dict[str, str]:
    told = {}
    for one in spec.columns:
        unit = f" In {one.unit}." if one.unit else ""
        told[one.name] = f"{one.description}{unit}".strip()[:LONGEST_COMMENT]
    return told


def _table(spec: DatasetSpec, name: str, root: str, kinds: Kinds, told: Mapping[str, str]) -> dict[str, Any]:
    listed, missing = columns(spec, kinds)
    own = {
        "dataset": spec.name,
        "owner": spec.owner,
        "source_system": spec.source.system,
        "contract": contract_fingerprint(spec),
        **told,
        **({"left_out": ", ".join(missing)[:LONGEST_PARAMETER]} if missing else {}),
    }
    return {
        "Name": name,
        "Description": spec.description[:LONGEST_DESCRIPTION],
        "Owner": spec.owner,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **{PREFIX + key: text for key, text in own.items()}},
        "StorageDescriptor": _descriptor(f"{root}/dataset={spec.name}/", listed),
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys_of(kinds)],
    }


def _descriptor(location: str, listed: list[dict[str, str]]) -> dict[str, Any]:
    return {"Columns": listed, "Location": location, "Compressed": True, "StoredAsSubDirectories": False, **_PARQUET}
