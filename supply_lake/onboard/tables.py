"""A table of a database → a sample of its rows as Parquet, and the contract that the database has for it.

The URL is SQLAlchemy's, with the table behind ``#`` or as ``?table=``: ``postgresql://reader:…@erp/sales#public.orders``.
Types, keys, empty values and remarks come from the database's own catalog; nothing of them is guessed. The password is used
to connect, and stands nowhere afterwards.

What belongs here: asking a database about one table. What does not: pulling it again and again (``extract.sql``).
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from supply_lake.datasets.secret import SECRET_NAME
from supply_lake.errors import StoreUnavailable, UsageError
from supply_lake.onboard.known import Known
from supply_lake.onboard.sample import Sample, SampleFile

ROWS_AT_MOST = 200_000
_BATCH = 5_000
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


@dataclass(frozen=True, slots=True)
class TableSample:
    """The rows as a file, and what the database says of them. ``whole``: they are all that the table has."""

    sample: Sample
    known: Known
    whole: bool


def read_table(place: str, dataset: str, scratch: Path) -> TableSample:
    """Read the contract and the first rows of a table.

    :raises UsageError: the URL names no table, or there is none of the name
    :raises StoreUnavailable: the database does not answer, or refuses
    """
    url, name = split(place)
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, ImportError, sa.exc.NoSuchModuleError) as error:
        raise UsageError(
            f"{_shown(url)} cannot be used ({_harmless(error, url)}); it takes a driver that is installed"
        ) from None
    try:
        table = _reflected(engine, url, name)
        known = _known(table)
        path = scratch / f"{dataset}-sample.parquet"
        rows = _write(engine, table, known, path)
    except sa.exc.SQLAlchemyError as error:
        raise StoreUnavailable(
            f"{_shown(url)} does not answer ({_harmless(error, url)}); check host, user and rights"
        ) from None
    finally:
        engine.dispose()
    file = SampleFile(path.name, path.stat().st_size, dt.datetime.now(dt.UTC), lambda: path.open("rb"))
    source = {"system": url.get_backend_name(), "sql": {"url": _with_reference(url, dataset), "table": name}}
    known = replace(known, source=source, pulled=True)
    return TableSample(Sample(f"{_shown(url)}#{name}", (file,)), known, whole=rows < ROWS_AT_MOST)


def split(place: str) -> tuple[URL, str]:
    """The database's URL and the table's name.

    :raises UsageError: the place names no table, or is no URL
    """
    plain, _, fragment = place.partition("#")
    try:
        url = make_url(plain)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError(
            "this is no URL of a database; write it as dialect://user:password@host/database#schema.table"
        ) from None
    asked = url.query.get("table", "")
    name = fragment or (asked if isinstance(asked, str) else asked[0])
    if not name:
        raise UsageError("the URL of a database needs the table behind it: …/database#schema.table, or ?table=schema.table")
    url = url.difference_update_query(["table"])
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername)), name


def _shown(url: URL) -> str:
    """The URL for people: no password, and nothing of its query, where secrets may stand too."""
    return url.set(query={}).render_as_string(hide_password=True)


def _with_reference(url: URL, dataset: str) -> str:
    """The URL as a dataset file may have it: a reference to an environment variable where a secret stood."""
    kept = {name: value for name, value in url.query.items() if not SECRET_NAME.search(name)}
    driver = url.get_backend_name() if url.drivername in _DRIVERS.values() else url.drivername
    plain = url.set(drivername=driver, query=kept)
    if plain.password is None:
        return plain.render_as_string(hide_password=False)
    return plain.render_as_string(hide_password=True).replace(":***@", f":${{{dataset.upper()}_PASSWORD}}@", 1)


def _harmless(error: BaseException, url: URL) -> str:
    """The first line of an error, if no secret of the URL stands in it."""
    text = (str(getattr(error, "orig", None) or error).splitlines() or [""])[0][:200]
    secrets = [
        str(url.password or ""),
        *(value for one in url.query.values() for value in ([one] if isinstance(one, str) else one)),
    ]
    return type(error).__name__ if any(secret and secret in text for secret in secrets) else text


# --- the catalog


def _reflected(engine: sa.Engine, url: URL, name: str) -> sa.Table:
    schema, _, table = name.rpartition(".")
    inspector = sa.inspect(engine)
    known = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
    if table not in known:
        near = f"; it has {', '.join(sorted(known)[:8])}" if known else ""
        raise UsageError(f"{_shown(url)} has no table {name}{near}")
    return sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=engine, resolve_fks=False)


def _known(table: sa.Table) -> Known:
    return Known(
        types={column.name: type_of(column.type) for column in table.columns},
        key=tuple(column.name for column in table.primary_key.columns),
        required=tuple(column.name for column in table.columns if not column.nullable),
        remarks={column.name: column.comment for column in table.columns if column.comment},
        remark=table.comment or "",
    )


def type_of(kind: sa.types.TypeEngine[Any]) -> str:
    """The declared type that holds a column of the database; text where none does."""
    if isinstance(kind, sa.types.ARRAY):
        return f"list<{type_of(kind.item_type)}>"
    if isinstance(kind, sa.types.Numeric) and not isinstance(kind, sa.types.Float):
        return f"decimal({kind.precision},{kind.scale or 0})" if kind.precision and kind.precision <= 38 else "decimal(38,9)"
    return next((name for family, name in _TYPES if isinstance(kind, family)), "string")


_TYPES: Sequence[tuple[type[sa.types.TypeEngine[Any]], str]] = (
    (sa.types.SmallInteger, "int16"), (sa.types.BigInteger, "int64"), (sa.types.Integer, "int64"), (sa.types.Float, "float64"),
    (sa.types.Boolean, "boolean"), (sa.types.DateTime, "timestamp"), (sa.types.Date, "date"), (sa.types.Time, "time"),
    (sa.types.LargeBinary, "binary"), (sa.types.JSON, "json"),
)  # fmt: skip


# --- the rows


def _write(engine: sa.Engine, table: sa.Table, known: Known, path: Path) -> int:
    """The first rows into a Parquet file; returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = list(known.types.values())
    schema = pa.schema([(one.name, _arrow(kind, one.type)) for one, kind in zip(table.columns, kinds, strict=True)])
    rows = 0
    with engine.connect() as connection, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        order = [table.columns[name] for name in known.key]
        found = connection.execution_options(stream_results=True).execute(sa.select(table).order_by(*order).limit(ROWS_AT_MOST))
        for batch in _batches(found):
            columns = [[_plain(row[at], kind) for row in batch] for at, kind in enumerate(kinds)]
            writer.write_table(pa.table([_array(*one) for one in zip(columns, schema, strict=True)], schema))
            rows += len(batch)
    return rows


def _array(values: list[Any], field: pa.Field) -> pa.Array:
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowException, TypeError) as error:
        what = str(error).splitlines()[0][:120]
        raise UsageError(f"column {field.name!r} holds values that its type in the database does not ({what})") from None


def _batches(found: Any) -> Iterator[Sequence[Any]]:
    while batch := found.fetchmany(_BATCH):
        yield batch


def _arrow(kind: str, column: sa.types.TypeEngine[Any]) -> pa.DataType:
    if kind == "timestamp":  # without a zone it stays without one, so that `timezone` of the column can say which
        return pa.timestamp("us", "UTC" if getattr(column, "timezone", False) else None)
    if kind.startswith("decimal"):
        precision, scale = kind[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    if kind.startswith("list<"):
        return pa.list_(_arrow(kind[5:-1], column.item_type))  # type: ignore[attr-defined]
    return {
        "int16": pa.int16(), "int64": pa.int64(), "float64": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
        "time": pa.time64("us"), "binary": pa.binary(),
    }.get(kind, pa.string())  # fmt: skip


def _plain(value: Any, kind: str) -> Any:
    """A value of the driver as the file holds it."""
    if value is None:
        return None
    if kind.startswith("list<"):
        return [_plain(one, kind[5:-1]) for one in value]
    convert: Callable[[Any], Any] | None = _CONVERSIONS.get(kind.partition("(")[0])
    return value if convert is None else convert(value)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "string": str,
    "json": lambda value: value if isinstance(value, str) else json.dumps(value, default=str),
    "decimal": lambda value: decimal.Decimal(str(value)),
    "binary": bytes,
}
