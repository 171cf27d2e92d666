"""The contract as a pandera schema, and what breaks it, row by row.

What belongs here: building the schema from the declaration, and reading pandera's report. What does not: casts (a value that
could not be cast has its reason already and is not reported twice).
"""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl

from supply_lake.curate.cast import polars_type
from supply_lake.datasets.column import Column
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import SpecError

REASONS = {"column": pl.String, "value": pl.String, "reason": pl.String}
FAILURES = {"row": pl.Int64, **REASONS}


def build_schema(spec: DatasetSpec) -> pa.DataFrameSchema:
    """The dataset's pandera schema: a column each with type, nullability and checks, and the row checks.

    :raises SpecError: a check names a function that is not there, or a bound that is not of the column's type
    """
    return pa.DataFrameSchema(
        {column.name: _column(spec, column) for column in spec.columns},
        checks=[_row_check(spec, name) for name in spec.row_checks],
        name=spec.name,
    )


def judging(spec: DatasetSpec) -> pa.DataFrameSchema:
    """The schema without the columns that no row can break once they are cast: nullable, and without a check.

    pandera spends a millisecond on every column of every frame, whether it has a rule or not.
    """
    whole = build_schema(spec)
    ruled = {name: column for name, column in whole.columns.items() if column.checks or not column.nullable}
    return pa.DataFrameSchema(ruled, checks=whole.checks, name=whole.name)


def broken(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> pl.DataFrame:
    """One row per broken rule: ``row`` (index into the frame), ``column``, ``value``, ``reason``."""
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        unplaced = cases.filter(pl.col("index").is_null())
        if unplaced.height:
            first = unplaced.row(0, named=True)
            raise SpecError(
                f"dataset {schema.name}: the check {first['check']!r} of {first['column']} cannot be applied "
                f"({first['failure_case']}); mend it in {schema.name}.yaml"
            ) from None
        return cases.select(
            pl.col("index").cast(pl.Int64).alias("row"),
            pl.when(pl.col("schema_context") == "Column").then(pl.col("column")).alias("column"),
            pl.col("failure_case").cast(pl.String).alias("value"),
            pl.col("check").replace("not_nullable", "is null, and the column takes no null").alias("reason"),
        )
    return pl.DataFrame(schema=FAILURES)


def key_problems(spec: DatasetSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows whose key is blank, or null in every part: they cannot be told from others. In the form of ``broken``."""
    if not spec.primary_key:
        return pl.DataFrame(schema=FAILURES)
    keys = list(spec.primary_key)
    blank = [pl.col(key).str.strip_chars() == "" for key in keys if frame.schema[key] == pl.String]
    problem = pl.all_horizontal([pl.col(key).is_null() for key in keys])
    if blank:
        problem = problem | pl.any_horizontal(blank).fill_null(False)
    rows = frame.select(problem.alias("p"))["p"].arg_true()
    label = ", ".join(keys)
    return pl.DataFrame(
        {"row": rows.cast(pl.Int64), "column": [label] * len(rows), "value": [""] * len(rows)}, schema_overrides=FAILURES
    ).with_columns(pl.lit("the primary key is null or blank").alias("reason"))


def _column(spec: DatasetSpec, column: Column) -> pa.Column:
    return pa.Column(polars_type(column.dtype), checks=_checks(spec, column), nullable=spec.is_nullable(column), required=True)


def _checks(spec: DatasetSpec, column: Column) -> list[pa.Check]:
    rules = column.checks
    checks: list[pa.Check] = []
    for name, words in (("gt", "not above"), ("ge", "below"), ("lt", "not below"), ("le", "above")):
        bound = getattr(rules, name)
        if bound is not None:
            typed = _literal(spec, column, bound)
            checks.append(getattr(pa.Check, name)(typed, error=f"is {words} {bound}"))
    if rules.isin is not None:
        allowed = [_literal(spec, column, value) for value in rules.isin]
        checks.append(pa.Check.isin(allowed, error=f"is not one of {_some(rules.isin)}"))
    if rules.notin is not None:
        banned = [_literal(spec, column, value) for value in rules.notin]
        checks.append(pa.Check.notin(banned, error=f"is one of {_some(rules.notin)}"))
    if rules.matches is not None:
        checks.append(pa.Check.str_matches(f"^(?:{rules.matches})$", error=f"does not match {rules.matches}"))
    if rules.min_length is not None or rules.max_length is not None:
        limits = f"{rules.min_length or 0} to {'any number of' if rules.max_length is None else rules.max_length}"
        checks.append(pa.Check.str_length(rules.min_length, rules.max_length, error=f"is not {limits} characters long"))
    return checks + [_python_check(spec, name) for name in rules.python]


def _literal(spec: DatasetSpec, column: Column, value: Any) -> Any:
    kind = column.dtype.name
    try:
        if kind == "decimal":
            return Decimal(str(value))
        if kind == "date":
            return dt.date.fromisoformat(str(value))
        if kind == "timestamp":
            moment = dt.datetime.fromisoformat(str(value))
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        if kind == "string":
            return str(value)
        if "int" in kind:
            return int(value)
        return float(value) if kind.startswith("float") else value
    except (ValueError, ArithmeticError):
        raise SpecError(
            f"dataset {spec.name}: {value!r} in the checks of column {column.name!r} is no {column.dtype}; "
            f"mend it in {spec.name}.yaml"
        ) from None


def _python_check(spec: DatasetSpec, name: str) -> pa.Check:
    function = _named(spec, name)

    def check(data: pa.PolarsData) -> pl.LazyFrame:
        return pl.LazyFrame({"ok": function(data.lazyframe.select(data.key).collect()[data.key])})

    return pa.Check(check, error=f"fails {name}")


def _row_check(spec: DatasetSpec, name: str) -> pa.Check:
    function = _named(spec, name)

    def check(data: pa.PolarsData) -> pl.LazyFrame:
        return pl.LazyFrame({"ok": function(data.lazyframe.collect())})

    return pa.Check(check, error=f"fails {name}")


def _named(spec: DatasetSpec, name: str) -> Callable[[Any], pl.Series]:
    module, _, function = name.partition(":")
    try:
        found: Callable[[Any], pl.Series] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise SpecError(
            f"dataset {spec.name}: there is no function {name!r}; write `module:function` of a module that Python can import"
        ) from None
    return found


def _some(values: tuple[Any, ...]) -> str:
    shown = ", ".join(str(value) for value in values[:6])
    return f"{shown}, … ({len(values)} values)" if len(values) > 6 else shown
