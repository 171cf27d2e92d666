"""Answers as text: nothing is lost on the way."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.errors import QueryError
from supply_lake.query.formats import csv_lines, json_array, json_value, plain_text

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | TEXT,
            "money": st.none() | st.decimals(-(10**9), 10**9, places=4, allow_nan=False),
            "count": st.none() | st.integers(-(2**63), 2**63 - 1),
            "ratio": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "day": st.none() | st.dates(),
            "at": st.none() | st.datetimes(timezones=st.just(dt.UTC)),
            "parts": st.none() | st.lists(TEXT | st.none(), max_size=3),
        }
    ),
    max_size=5,
)
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("money", pa.decimal128(20, 4)),
        ("count", pa.int64()),
        ("ratio", pa.float64()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("parts", pa.list_(pa.string())),
    ]
)


@given(ROWS, st.integers(1, 3))
def test_json_gives_back_every_value_whatever_the_batches(rows: list[dict[str, Any]], size: int) -> None:
    batches = pa.Table.from_pylist(rows, SCHEMA).to_batches(size)
    found = json.loads("".join(json_array(SCHEMA, iter(batches))), parse_float=Decimal)
    assert [{**row, "ratio": None if row["ratio"] is None else float(row["ratio"])} for row in found] == [
        {
            **row,
            "day": row["day"] and row["day"].isoformat(),
            "at": row["at"] and row["at"].isoformat(),
        }
        for row in rows
    ]


@given(st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT), max_size=5))
def test_csv_gives_back_every_text(rows: list[tuple[str | None, str | None]]) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    table = pa.table([[row[0] for row in rows], [row[1] for row in rows]], schema=schema)
    text = "".join(csv_lines(schema, iter(table.to_batches())))
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [["a", "b"], *([a or "", b or ""] for a, b in rows)]
    assert text.count('""') >= sum(value == "" for row in rows for value in row)


@pytest.mark.parametrize(
    ("sql", "json_text", "csv_text"),
    [
        ("1.50::DECIMAL(5,2)", "1.50", "1.50"),
        ("0.0000000001::DECIMAL(20,10)", "0.0000000001", "0.0000000001"),
        ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727", None),
        ("1e300", "1e+300", "1e+300"),
        ("'NaN'::DOUBLE", "null", "nan"),
        ("'-Infinity'::DOUBLE", "null", "-inf"),
        ("true", "true", "true"),
        ("NULL", "null", ""),
        ("TIMESTAMPTZ '2026-11-01 12:00:00+02'", '"2026-11-01T10:00:00+00:00"', "2026-11-01T10:00:00+00:00"),
        ("TIMESTAMP '2026-11-01 12:00:00.5'", '"2026-11-01T12:00:00.500000"', "2026-11-01T12:00:00.500000"),
        ("DATE '0001-01-01'", '"0001-01-01"', "0001-01-01"),
        ("TIME '01:02:03'", '"01:02:03"', "01:02:03"),
        ("'\\xFF'::BLOB", '"/w=="', "/w=="),
        ("{'a': 1, 'b': [1.5::DECIMAL(3,1), NULL]}", '{"a": 1, "b": [1.5, null]}', '"{""a"": 1, ""b"": [1.5, null]}"'),
        ("map {'k': 1}", '{"k": 1}', '"{""k"": 1}"'),
        ("'x'::ENUM ('x', 'y')", '"x"', "x"),
        ("'00000000-0000-0000-0000-000000000001'::UUID", '"00000000-0000-0000-0000-000000000001"', None),
        ("E'line\\nend \"q\" \\x01 é'", '"line\\nend \\"q\\" \\u0001 é"', '"line\nend ""q"" \x01 é"'),
    ],
)
def test_how_each_type_is_written(sql: str, json_text: str, csv_text: str | None) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    table = connection.execute(f"SELECT {sql} AS v").to_arrow_table()
    connection.close()
    written = "".join(json_array(table.schema, iter(table.to_batches())))
    assert written == f'[\n{{"v": {json_text}}}\n]\n'
    expected = csv_text if csv_text is not None else json_text.strip('"')
    assert "".join(csv_lines(table.schema, iter(table.to_batches()))) == f"v\n{expected}\n"


def test_columns_of_one_name_are_all_there() -> None:
    schema = pa.schema([("a", pa.int64()), ("a", pa.int64()), ("100%", pa.int64())])
    batch = pa.record_batch([pa.array([1]), pa.array([2]), pa.array([3])], schema=schema)
    assert json.loads("".join(json_array(schema, iter([batch])))) == [{"a": 1, "a_1": 2, "100%": 3}]


def test_times_that_no_calendar_of_ours_has_are_refused_in_words() -> None:
    table = pa.table({"at": pa.array([2**62], pa.timestamp("us"))})
    with pytest.raises(QueryError, match="cast it to VARCHAR"):
        list(json_array(table.schema, iter(table.to_batches())))


def test_values_of_other_types_are_text() -> None:
    assert json_value(object).startswith('"<class')
    assert plain_text(dt.timedelta(1)) == "1 day, 0:00:00"
