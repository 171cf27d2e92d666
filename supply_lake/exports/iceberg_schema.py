"""The schema of an Iceberg table over files that have no field ids: columns by name, in types that hold those of all files.

What belongs here: growing the schema with the files, and the figures that a file's footer tells. What does not: which files the
table has (``iceberg``).

Iceberg promotes int to long, float to double, and a decimal to one of more digits. A column whose files need anything else (the
lake reads whole numbers and text together as text, say) is left out of the table, once and for all, and the table's property
says so: a column that reads wrong would be worse than one that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata

PARTITION = "_partition_date"


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of one file, as far as Iceberg has their types; ``foreign`` are the others."""

    columns: tuple[pa.Field, ...]
    foreign: frozenset[str]

    @staticmethod
    def of(footer: pq.FileMetaData) -> Shape:
        """The columns of a file by its footer."""
        fields = list(footer.schema.to_arrow_schema())
        foreign = frozenset(field.name for field in fields if not _has_type(field))
        return Shape(tuple(field.remove_metadata() for field in fields if field.name not in foreign), foreign)


def new_schema() -> Schema:
    """The schema of a new table: the partition's date alone; files bring the others (``grow``)."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import DateType, NestedField

    return Schema(NestedField(1, PARTITION, DateType(), required=False, doc="Partition date, told by the path of the file."))


def partition_spec(schema: Schema) -> PartitionSpec:
    """Partitioned by date."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import IdentityTransform

    source = schema.find_field(PARTITION).field_id
    return PartitionSpec(PartitionField(source_id=source, field_id=1000, transform=IdentityTransform(), name=PARTITION))


def grow(change: Transaction, shapes: Iterable[Shape], left_out: set[str]) -> set[str]:
    """Give the table the columns and types of new files, within a transaction.

    :param left_out: columns that are left out already
    :returns: columns that are left out from now on
    """
    seen: set[str] = set()
    found: set[str] = set()
    for shape in shapes:
        found |= shape.foreign
        for field in shape.columns:
            if str(field) not in seen and field.name not in left_out | found:
                seen.add(str(field))
                if not _takes(change, field):
                    found.add(field.name)
    gone = [name for name in sorted(found - left_out) if name in change.table_metadata.schema().column_names]
    if gone:
        with change.update_schema(allow_incompatible_changes=True) as update:
            for name in gone:
                update.delete_column(name)
    return found


def _takes(change: Transaction, field: pa.Field) -> bool:
    """Make the table's column hold the file's; whether it can."""
    from pyiceberg.exceptions import ResolveError, ValidationError

    try:
        with change.update_schema() as update:
            update.union_by_name(pa.schema([field]))
    except (ResolveError, ValidationError, ValueError):
        return False
    return True


def _has_type(field: pa.Field) -> bool:
    """Whether Iceberg has a type for every value of the column; it knows no unsigned integers of 32 bits and more."""
    from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException, _pyarrow_to_schema_without_ids

    if any(pa.types.is_unsigned_integer(kind) and kind.bit_width >= 32 for kind in _kinds(field.type)):
        return False
    try:
        _pyarrow_to_schema_without_ids(pa.schema([field]))
    except (UnsupportedPyArrowTypeException, TypeError):
        return False
    return True


def _kinds(kind: pa.DataType) -> Iterator[pa.DataType]:
    yield kind
    for at in range(kind.num_fields):
        yield from _kinds(kind.field(at).type)


def statistics(footer: pq.FileMetaData, table: TableMetadata) -> dict[str, Any]:
    """What the footer tells of the columns, for engines that pass over files by it; nothing where types have grown since."""
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )

    schema = table.schema()
    try:
        found = data_file_statistics_from_parquet_metadata(
            footer, compute_statistics_plan(schema, table.properties), parquet_path_to_id_mapping(schema)
        )
    except (KeyError, ValueError):
        return {}
    return found.to_serialized_dict()
