"""DuckDB over the live set, for analysts' assets: ``dagster_duckdb``'s resource, with every dataset as a view.

What belongs here: the resource. What does not: the views (``query.tables``). Importing this module costs a second
(``dagster_duckdb``), so ``definitions`` imports it only where a run asks for the resource.

Each connection is a database of its own in memory: a DuckDB file locks out parallel runs. It is not the sandbox of
``supply-lake query``: code of an asset may do what it likes with its own connection, and cannot change the lake through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import PrivateAttr

from supply_lake.datasets.sql import identifier
from supply_lake.ingest.stores import Stores
from supply_lake.query.live_set import live_set
from supply_lake.query.relations import Relations
from supply_lake.query.tables import rows_views
from supply_lake.settings import Settings


class LiveDuckDB(DuckDBResource):
    """A ``DuckDBResource`` whose connections see every dataset, at its newest commit, as a view of its name.

    ``<name>__rows`` shows the rows with their lineage.
    """

    _settings: Settings = PrivateAttr()

    @staticmethod
    def over(settings: Settings) -> LiveDuckDB:
        """The resource over the lake that these settings name."""
        resource = LiveDuckDB(database=":memory:")
        resource._settings = settings
        return resource

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, for the length of a ``with`` block; one commit of each dataset, whatever is published meanwhile."""
        with Stores.open(self._settings) as stores, super().get_connection() as connection:
            relations = Relations(connection)
            for name, spec in stores.registry.items():
                plain, whole = rows_views(relations, stores.lake, spec, live_set(stores.metadata, name))
                connection.execute(f"CREATE VIEW {identifier(name)} AS {plain}")
                connection.execute(f"CREATE VIEW {identifier(f'{name}__rows')} AS {whole}")
            yield connection
