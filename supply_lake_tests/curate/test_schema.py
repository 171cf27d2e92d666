"""The difference of two published schemas, in words that a person can act on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from supply_lake.curate.schema import Change, ChangeKind, Schema, SchemaColumn, difference

ID = SchemaColumn("id", "string", "string", nullable=False)
COUNT = SchemaColumn("count", "int32", "int32")
NOTE = SchemaColumn("note", "string", sources=("Note",))


def schema(*columns: SchemaColumn, **fields: Any) -> Schema:
    return Schema(columns, **{"evolution": "evolve", **fields})


def told(before: Schema | None, after: Schema, **brought: str) -> list[str]:
    return [str(change) for change in difference(before, after, brought)]


def test_the_first_schema_adds_every_column() -> None:
    assert told(None, schema(ID, NOTE), note="a.csv") == [
        "column 'id' was added as string",
        "column 'note' was added as string, brought by a.csv",
    ]


def test_equal_schemas_differ_in_nothing() -> None:
    assert difference(schema(ID, COUNT), schema(ID, COUNT), {}) == ()
    assert difference(schema(NOTE), schema(replace(NOTE, sources=("NOTE",))), {}) == ()


def test_a_column_that_grew_under_the_same_declaration_was_widened() -> None:
    wide = replace(COUNT, type="int64")
    assert difference(schema(ID, COUNT), schema(ID, wide), {"count": "b.csv"}) == (
        Change(ChangeKind.WIDENED, "count", "int32", "int64", "b.csv"),
    )
    assert told(schema(NOTE), schema(replace(NOTE, type="int64"))) != []
    text = replace(NOTE, type="int64")
    assert told(schema(text), schema(NOTE), note="c.parquet") == [
        "column 'note' was widened from int64 to string, brought by c.parquet"
    ]


def test_what_the_declaration_changed_is_a_change_of_the_contract_whatever_files_bring() -> None:
    floats = replace(COUNT, type="float64", declared="float64")
    assert told(schema(COUNT), schema(floats), count="b.csv") == [
        "the contract of column 'count' changed from int32 to float64"
    ]
    assert told(schema(COUNT), schema(replace(COUNT, nullable=False))) == [
        "the contract of column 'count' changed from int32 to int32 not null"
    ]
    assert told(schema(ID), schema(ID, primary_key=("id",))) == [
        "the contract of the dataset changed from primary_key none to primary_key id"
    ]


def test_columns_that_are_gone_come_last() -> None:
    assert told(schema(NOTE, ID), schema(ID, COUNT)) == [
        "column 'count' was added as int32",
        "column 'note' (string) was removed",
    ]
