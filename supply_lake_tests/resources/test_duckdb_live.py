"""DuckDB in analysts' assets: what is published, as tables."""

from __future__ import annotations

import dagster as dg
from dagster_duckdb import DuckDBResource

from supply_lake.assets.naming import lake_key
from supply_lake_tests.sensors.lakes import GOOD, QUIET, TODAY, YESTERDAY, Lake


def materialize(lake: Lake, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """A run of analysts' assets in the lake's own code location."""
    location = dg.Definitions.merge(lake.definitions, dg.Definitions(assets=assets))
    return location.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=lake.instance, asset_selection=[one.key for one in assets], run_config=QUIET
    )


def test_an_asset_reads_every_dataset_by_its_name(orders: Lake) -> None:
    orders.land("a.csv", GOOD, YESTERDAY)
    orders.land("a.csv", "order_id,quantity\no3,40\n", TODAY)
    orders.discover()
    orders.run(YESTERDAY, TODAY)

    @dg.asset(deps=[lake_key("orders")])
    def ordered(duckdb: DuckDBResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with duckdb.get_connection() as connection:
            (total,) = connection.execute("select sum(quantity) from orders").fetchone() or (0,)
            lineage = connection.execute("select distinct _source from orders__rows order by 1").fetchall()
        return dg.MaterializeResult(metadata={"total": int(total), "files": len(lineage)})

    (event,) = materialize(orders, ordered).asset_materializations_for_node("ordered")
    assert (event.metadata["total"].value, event.metadata["files"].value) == (43, 2)


def test_a_connection_stays_at_the_commit_that_it_was_opened_at(orders: Lake) -> None:
    orders.land("a.csv", GOOD)
    orders.discover()
    orders.run()
    counted: list[int] = []

    @dg.asset(deps=[lake_key("orders")])
    def counts(duckdb: DuckDBResource) -> None:
        def count(connection: object) -> int:
            return connection.execute("select count(*) from orders").fetchone()[0]  # type: ignore[attr-defined, no-any-return]

        with duckdb.get_connection() as connection:
            counted.append(count(connection))
            orders.land("b.csv", "order_id,quantity\no3,3\n")
            orders.discover()
            orders.run()
            counted.append(count(connection))
        with duckdb.get_connection() as connection:
            counted.append(count(connection))

    assert materialize(orders, counts).success
    assert counted == [2, 2, 3]
