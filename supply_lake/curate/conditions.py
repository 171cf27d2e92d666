"""The conditions of a dataset, over chunks of typed rows: which rows break which.

What belongs here: evaluating conditions that ``datasets.condition`` let pass, in DuckDB, over the few columns that they name.
What does not: columns' own checks (``contract``) and rules that need more than the row (the room ``quality``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from supply_lake.curate.contract import FAILURES
from supply_lake.datasets import condition
from supply_lake.datasets.quality import Severity
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.sql import identifier
from supply_lake.errors import SpecError

if TYPE_CHECKING:
    import duckdb


@dataclass(slots=True)
class Broke:
    """How many rows of a source broke a rule, and the line of the first."""

    rows: int
    line: int | None


class Conditions:
    """The `row` rules of one dataset. Threads may share it; each gets an engine of its own."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._dataset = spec.name
        self._rules = {rule.name: rule for rule in spec.quality if rule.row is not None}
        types = condition.types_of(spec.types)
        self._named = {name: condition.named(rule.row or "", types) for name, rule in self._rules.items()}
        self._columns = [name for name in types if any(name in named for named in self._named.values())]
        asked = [f"{condition.breaks(rule.row or '')} AS {identifier(name)}" for name, rule in self._rules.items()]
        self._sql = f"SELECT {', '.join(asked)} FROM rows"
        self._engines = threading.local()

    def __bool__(self) -> bool:
        return bool(self._rules)

    def broken(self, typed: pl.DataFrame) -> pl.DataFrame:
        """A boolean column for every rule, true where the row breaks it.

        :param typed: the declared columns and ``_partition_date``
        :raises SpecError: a condition cannot be computed over these rows at all
        """
        if not self._rules or not typed.height:
            return pl.DataFrame(schema=dict.fromkeys(self._rules, pl.Boolean))
        import duckdb  # only datasets with conditions pay for it

        engine = self._engine()
        engine.register("rows", typed.select(self._columns).to_arrow())
        try:
            return pl.DataFrame(engine.execute(self._sql).to_arrow_table())
        except duckdb.Error as error:
            first = " ".join(str(error).split("\n\nLINE ")[0].split())
            raise SpecError(
                f"dataset {self._dataset}: its conditions on rows cannot be computed ({first}); mend `quality` in "
                f"{self._dataset}.yaml"
            ) from None
        finally:
            engine.unregister("rows")

    def failures(self, broken: pl.DataFrame, typed: pl.DataFrame) -> pl.DataFrame:
        """The rows that are rejected for it, in the form of ``contract.broken``."""
        found = [pl.DataFrame(schema=FAILURES)]
        for name, rule in self._rules.items():
            rows = (
                broken[name].arg_true()
                if rule.severity is Severity.REJECT and broken.height
                else pl.Series([], dtype=pl.UInt32)
            )
            if len(rows):
                values = typed[rows.to_list()].select(_shown(typed, self._named[name]).alias("value"))
                found.append(
                    values.select(
                        rows.cast(pl.Int64).alias("row"),
                        pl.lit(", ".join(self._named[name])).alias("column"),
                        pl.col("value"),
                        pl.lit(f"breaks {name}: {' '.join((rule.row or '').split())}").alias("reason"),
                    )
                )
        return pl.concat(found)

    def tally(self, broken: pl.DataFrame, lines: pl.Series, src: pl.Series) -> dict[tuple[str, int], Broke]:
        """How many rows broke each rule, by rule and source."""
        found: dict[tuple[str, int], Broke] = {}
        for name in broken.columns if broken.height else ():
            places = pl.DataFrame({"src": src, "line": lines}).filter(broken[name])
            for one, rows, line in places.group_by("src").agg(pl.len(), pl.col("line").min()).rows():
                found[name, one] = Broke(rows, line)
        return found

    def _engine(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._engines, "own"):
            self._engines.own = condition.engine()
        own: duckdb.DuckDBPyConnection = self._engines.own
        return own


def add(total: dict[tuple[str, int], Broke], more: dict[tuple[str, int], Broke]) -> None:
    """Count what another chunk, later in the order of delivery, brought."""
    for key, one in more.items():
        known = total.get(key)
        total[key] = Broke(known.rows + one.rows, known.line if known.line is not None else one.line) if known else one


def _shown(typed: pl.DataFrame, names: tuple[str, ...]) -> pl.Expr:
    """The values of these columns in a line; of nested and binary ones only that there are some."""
    plain = [
        pl.lit("…") if typed.schema[name].is_nested() or typed.schema[name] == pl.Binary else pl.col(name).cast(pl.String)
        for name in names
    ]
    return pl.concat_str([one.fill_null("null") for one in plain], separator=", ")
