"""Which columns, of which types, are in a Parquet file of the lake: its footer says it, and nothing else of it is read.

What belongs here: reading a footer. What does not: what becomes of it (``glue_tables``). Records don't tell the types of nested
columns, and those of a schema version are what was declared, which files hold wider where live rows were.
"""

from __future__ import annotations

from supply_lake.datasets.types import DataType
from supply_lake.errors import CatalogError, ObjectGone
from supply_lake.snapshots.records import DataFile
from supply_lake.storage.object_store import ObjectStore
from supply_lake.storage.ranges import Ranges


def kinds_of(lake: ObjectStore, file: DataFile) -> dict[str, DataType]:
    """The columns of a file and their types, in order.

    :raises CatalogError: the file is gone
    """
    import polars as pl
    import pyarrow.parquet as pq

    from supply_lake.curate.kinds import data_type

    try:
        schema = pq.ParquetFile(Ranges(lake, file.path, file.bytes)).schema_arrow
    except ObjectGone as error:
        raise CatalogError(f"{lake.uri(file.path)} is gone, so the catalog cannot say what is in it; run verify") from error
    frame = pl.DataFrame(schema.empty_table())
    return {name: data_type(kind) for name, kind in frame.schema.items()}
