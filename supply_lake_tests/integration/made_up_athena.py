"""Athena's API, in this process: statements run on what the catalog says (``catalog_reader``), values come as Athena tells them.

No emulator knows UNLOAD, reads partitions by the catalog, or tells the scale of a decimal; this one does. What it can't show, that
requests are well formed and answered over HTTP, is shown with the emulator.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from supply_lake_tests.integration.catalog_reader import CatalogReader

_UNLOAD = re.compile(r"UNLOAD \((?P<sql>.*)\) TO '(?P<place>[^']*)' WITH \(.*\)", re.DOTALL)
_TYPES: list[tuple[Callable[[pa.DataType], bool], str]] = [
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "tinyint"),
    (pa.types.is_int16, "smallint"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_int64, "bigint"),
    (pa.types.is_float32, "float"),
    (pa.types.is_float64, "double"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_binary, "varbinary"),
    (pa.types.is_list, "array"),
    (pa.types.is_struct, "row"),
]


class MadeUpAthena:
    """A client. ``sent`` has the statements; with ``held``, queries stay at work until they are stopped."""

    def __init__(self, reader: CatalogReader, s3: Any) -> None:
        self.reader, self._s3 = reader, s3
        self.sent: list[dict[str, Any]] = []
        self.held = False
        self._found: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, str] = {}
        self._rows: dict[str, pa.Table] = {}

    def start_query_execution(self, **asked: Any) -> dict[str, Any]:
        token = asked.get("ClientRequestToken", f"none-{len(self.sent)}-{'x' * 30}")
        assert 32 <= len(token) <= 128
        assert len(asked["QueryString"].encode()) <= 262_144
        if token in self._tokens:
            return {"QueryExecutionId": self._tokens[token]}
        self.sent.append(asked)
        query_id = self._tokens[token] = f"execution-{len(self.sent)}"
        now = dt.datetime.now(dt.UTC)
        status: dict[str, Any] = {"State": "RUNNING", "SubmissionDateTime": now}
        told = {"Query": asked["QueryString"], "Status": status, "Statistics": {}, "WorkGroup": asked["WorkGroup"]}
        self._found[query_id] = {**told, "QueryExecutionContext": asked["QueryExecutionContext"]}
        if not self.held:
            self._run(query_id, asked["QueryString"], status)
        return {"QueryExecutionId": query_id}

    def _run(self, query_id: str, sql: str, status: dict[str, Any]) -> None:
        unload = _UNLOAD.fullmatch(sql)
        try:
            rows = self.reader.query(unload["sql"] if unload else sql)
        except Exception as error:
            status |= {"State": "FAILED", "StateChangeReason": str(error), "CompletionDateTime": dt.datetime.now(dt.UTC)}
            return
        self._found[query_id]["Statistics"] = {"DataScannedInBytes": self.reader.bytes}
        if unload and rows.num_rows:
            self._write(unload["place"], rows)
        self._rows[query_id] = rows
        status |= {"State": "SUCCEEDED", "CompletionDateTime": dt.datetime.now(dt.UTC)}

    def _write(self, place: str, rows: pa.Table) -> None:
        half = max(rows.num_rows // 2, 1)
        for number, start in enumerate(range(0, rows.num_rows, half)):
            buffer = io.BytesIO()
            pq.write_table(rows.slice(start, half), buffer, use_deprecated_int96_timestamps=True)
            key = f"{urlsplit(place).path.lstrip('/')}part-{number}"
            self._s3.put_object(Bucket=urlsplit(place).netloc, Key=key, Body=buffer.getvalue())

    def get_query_execution(self, *, QueryExecutionId: str) -> dict[str, Any]:
        return {"QueryExecution": self._found[QueryExecutionId]}

    def stop_query_execution(self, *, QueryExecutionId: str) -> dict[str, Any]:
        self._found[QueryExecutionId]["Status"] |= {"State": "CANCELLED", "CompletionDateTime": dt.datetime.now(dt.UTC)}
        return {}

    def get_query_results(self, *, QueryExecutionId: str, MaxResults: int, NextToken: str = "0") -> dict[str, Any]:
        if self._found[QueryExecutionId]["Status"]["State"] != "SUCCEEDED":
            raise ClientError({"Error": {"Code": "InvalidRequestException"}}, "GetQueryResults")
        rows, start = self._rows[QueryExecutionId], int(NextToken)
        names = [{"VarCharValue": name} for name in rows.column_names]
        header = [{"Data": names}] if start == 0 else []
        page = rows.slice(start, MaxResults - len(header))
        data = [{"Data": [_datum(one) for one in row.values()]} for row in page.to_pylist()]
        end = start + page.num_rows
        more = {"NextToken": str(end)} if end < rows.num_rows else {}
        columns = [_column(field) for field in rows.schema]
        return {"ResultSet": {"Rows": header + data, "ResultSetMetadata": {"ColumnInfo": columns}}, **more}


def _column(field: pa.Field) -> dict[str, Any]:
    kind = next((name for fits, name in _TYPES if fits(field.type)), "varchar")
    exact = (field.type.precision, field.type.scale) if kind == "decimal" else (0, 0)
    return {"Name": field.name, "Label": field.name, "Type": kind, "Precision": exact[0], "Scale": exact[1]}


def _datum(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"VarCharValue": str(value).lower()}
    if isinstance(value, bytes):
        return {"VarCharValue": value.hex(" ")}
    if isinstance(value, dt.datetime):
        return {"VarCharValue": value.replace(tzinfo=None).isoformat(" ", "milliseconds")}
    return {"VarCharValue": format(value, "f") if isinstance(value, Decimal) else str(value)}
