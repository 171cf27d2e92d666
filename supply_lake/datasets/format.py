"""How the files of a dataset are read: the dialect of CSV, where JSON keeps its records, how numbers are written.

What belongs here: the fields of `format`. What does not: reading (``curate.read_csv`` and its neighbours).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from supply_lake.datasets.model import Declared


class Format(Declared):
    """How to read the files. Compression is told by the bytes, never by the name."""

    type: Literal["csv", "json", "jsonl", "parquet"] = Field(
        description="`json` is one document (an array, or an object with `records_path`); `jsonl` is a record a line."
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="CSV: what stands between two values.")
    quote: str = Field('"', max_length=1, description="Empty for files that quote nothing.")
    encoding: str = Field("utf-8", description="Any codec that Python knows; a byte order mark is taken off.")
    header: bool = Field(True, description="False: the file has no header line and the columns are in declared order.")
    null_values: tuple[str, ...] = Field(
        ("",), description="Texts that mean null in every column but text columns with `nulls` of their own."
    )
    records_path: str = Field("", description="JSON: dotted path to the array of records, for example `data.items`.")
    trim: bool = Field(False, description="Strip white space around every value before it is cast.")
    decimal_mark: Literal[".", ","] = Field(".", description="What stands before the decimals of a number.")
    thousands_mark: Literal["", ",", ".", " ", "'"] = Field("", description="What may stand between groups of three digits.")

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"Python knows no encoding {value!r}; `utf-8`, `utf-16` and `latin-1` are examples") from None
        return value

    @model_validator(mode="after")
    def _marks_differ(self) -> Format:
        if self.thousands_mark == self.decimal_mark:
            raise ValueError("`decimal_mark` and `thousands_mark` are the same")
        return self
