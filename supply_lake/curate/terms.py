"""A contract as rows are read by it: what is declared, and what was published before.

Under ``evolve`` a published type never gets narrower: a column that once had to grow is read as wide as it is, and a contract
that now asks for less is read as it was. The other modes read what is declared and nothing else.

What belongs here: what is known before a batch is read. What does not: the batch (``evolve`` says what it publishes).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from supply_lake.curate.columns import fold
from supply_lake.curate.schema import Schema, SchemaColumn
from supply_lake.curate.widen import Need, needed
from supply_lake.datasets.column import Column
from supply_lake.datasets.spec import DatasetSpec, Evolution
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import contains, is_float, is_number, promoted


@dataclass(frozen=True, slots=True)
class Terms:
    """``spec`` is ``declared``, as wide as was published before; ``known`` are columns that files brought before.

    What the contract has taken in since is not among ``known``.
    """

    declared: DatasetSpec
    spec: DatasetSpec
    known: tuple[SchemaColumn, ...] = ()

    @staticmethod
    def of(declared: DatasetSpec, published: Schema | None) -> Terms:
        """The terms after this was published; ``None`` when nothing was."""
        if published is None or declared.evolution is not Evolution.EVOLVE:
            return Terms(declared, declared)
        before = published.by_name()
        columns = tuple(_as_wide(column, before.get(column.name)) for column in declared.columns)
        spec = declared if columns == declared.columns else declared.model_copy(update={"columns": columns})
        return Terms(declared, spec, _known(declared, published))

    @property
    def evolution(self) -> Evolution:
        """How files are met that differ."""
        return self.declared.evolution

    def needed(self, column: str, values: pl.Series) -> Need | None:
        """What a column has to grow to for values that it does not hold; ``None`` when it cannot."""
        return needed(values, self.spec.column(column).dtype, self.declared.column(column).dtype, self.spec.format)


def retyped(column: Column, kind: DataType) -> Column:
    """The column with another type."""
    return Column(**{**column.model_dump(), "type": str(kind)})


def _as_wide(column: Column, published: SchemaColumn | None) -> Column:
    """The column, as wide as it was published, unless the contract has come to say something else since."""
    if published is None or published.discovered:
        return column
    wide = published.kind
    if published.declared == column.type:
        grown = promoted(column.dtype, wide) == wide
    else:
        # A float that becomes a decimal is a change for the better, whatever the float could say.
        exact = not (is_float(wide) and column.dtype.name == "decimal")
        grown = exact and is_number(wide) and is_number(column.dtype) and contains(wide, column.dtype)
    return retyped(column, wide) if grown and wide != column.dtype else column


def _known(declared: DatasetSpec, published: Schema) -> tuple[SchemaColumn, ...]:
    names = {column.name.casefold() for column in declared.columns}
    files = {fold(name) for column in declared.columns for name in column.names_in_files}
    return tuple(
        one for one in published.discovered if one.name.casefold() not in names and not files & set(map(fold, one.sources))
    )
