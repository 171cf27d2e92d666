"""How the files of a dataset are read: the dialect of CSV, where JSON keeps its records, how numbers are written.

What belongs here: the fields of `format`, and which of them go together. What does not: reading (``curate.read_csv`` and its
neighbours).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator, model_validator

from supply_lake.datasets.model import Declared

_CSV_ONLY = (
    "delimiter", "record_end", "quote", "escape", "header", "skip_lines", "comment", "footer", "unquoted_newlines",
)  # fmt: skip
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_CSV_ONLY, ("csv",)),
    "encoding": ("csv", "json", "jsonl"),
    "records_path": ("json",),
    "flatten": ("json", "jsonl"),
}
_BREAKS = ("\n", "\r", "\0")


class Format(Declared):
    """How to read the files. Compression is told by the bytes, never by the name."""

    type: Literal["csv", "json", "jsonl", "parquet"] = Field(
        description="`json` is one document (an array, or an object with `records_path`); `jsonl` is a record a line."
    )
    delimiter: str = Field(
        ",", min_length=1, max_length=16, description="CSV: what stands between two values, one or more characters."
    )
    record_end: str = Field(
        "",
        max_length=16,
        description='CSV: what ends a record, for example `"&|\\n"`; other line breaks are text. Default: any line break.',
    )
    quote: str = Field('"', max_length=1, description="CSV: what stands around values; empty for files that quote nothing.")
    escape: str = Field(
        "",
        max_length=1,
        description="CSV: makes the character after it plain text, for example a backslash; doubled quotes are read anyway. "
        "`\\N` stays as it is, so that `null_values` can name it.",
    )
    encoding: str = Field("utf-8", description="Any codec that Python knows; a byte order mark is believed, and taken off.")
    header: bool = Field(True, description="False: the file has no header line and the columns are in declared order.")
    skip_lines: int = Field(0, ge=0, le=10_000, description="CSV: lines before the header, or before the first record.")
    comment: str = Field("", max_length=16, description="CSV: lines that begin so are passed over, where a record would begin.")
    footer: str = Field(
        "",
        description="CSV: a regular expression of Python; whole lines at the end of a file that match it are no records. Its "
        "named groups can be control totals (`expect_total`).",
    )
    unquoted_newlines: bool = Field(
        False,
        description="CSV: values hold line breaks without quotes; lines are joined until a record has all its fields.",
    )
    members: str = Field("*", min_length=1, description="Which members of a zip archive are data, as a glob over their paths.")
    null_values: tuple[str, ...] = Field(
        ("",), description="Texts that mean null in every column but text columns with `nulls` of their own."
    )
    records_path: str = Field("", description="JSON: dotted path to the array of records, for example `data.items`.")
    flatten: bool = Field(
        False,
        description="JSON: the fields of nested objects become columns, `a: {b: 1}` the column `a_b`, but for objects that are "
        "declared as a column; lists stay lists.",
    )
    trim: bool = Field(False, description="Strip white space around every value before it is cast.")
    decimal_mark: Literal[".", ","] = Field(".", description="What stands before the decimals of a number.")
    thousands_mark: Literal["", ",", ".", " ", "'"] = Field("", description="What may stand between groups of three digits.")
    accounting: bool = Field(False, description="Negative numbers may be written `(12.5)` and `12.5-`.")
    percent: bool = Field(False, description="`12.5%` is the number 0.125; numbers without the sign are read as they are.")
    currency: tuple[str, ...] = Field(
        (), description="Texts that may stand before or after a number, for example `$` or `EUR`; they are taken off."
    )

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            codecs.getincrementaldecoder(value)("replace").decode("a,b\n".encode(value), True)
        except (LookupError, UnicodeError):
            raise ValueError(f"Python knows no encoding {value!r}; `utf-8`, `utf-16` and `latin-1` are examples") from None
        return value

    @field_validator("footer")
    @classmethod
    def _footer_compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression ({error})") from None
        return value

    @field_validator("currency")
    @classmethod
    def _currency_is_no_number(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not text.strip() or re.search(r"[\d+%()-]", text):
                raise ValueError(f"{text!r} is no currency; `$` and `EUR` are examples")
        return value

    @model_validator(mode="after")
    def _fields_agree(self) -> Format:
        problem = next(self._problems(), None)
        if problem:
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        for field in sorted(self.model_fields_set):
            if self.type not in _ONLY_FOR.get(field, (self.type,)):
                yield f"`{field}` is for {' and '.join(_ONLY_FOR[field])} files, not for {self.type}; take it out"
        if self.thousands_mark == self.decimal_mark:
            yield "`decimal_mark` and `thousands_mark` are the same"
        for field in ("delimiter", "quote", "escape", "comment"):
            if any(one in getattr(self, field) for one in _BREAKS):
                yield f"`{field}` has a line break or a NUL; only `record_end` may have line breaks"
        if "\0" in self.record_end:
            yield "`record_end` has a NUL, which no text has"
        for field in ("delimiter", "record_end", "quote", "escape", "comment"):
            if self.type == "csv" and not _has(self.encoding, getattr(self, field)):
                yield f"`{field}` has a character that {self.encoding} does not have"
        yield from self._overlaps()

    def _overlaps(self) -> Iterator[str]:
        """Signs that could not be told from each other."""
        if self.record_end and self.record_end in self.delimiter:
            yield "`delimiter` holds `record_end`, so no value could end but the last"
        if self.record_end and self.unquoted_newlines:
            yield "with `record_end` line breaks are text anyway; take `unquoted_newlines` out"
        if self.escape and self.escape == self.quote:
            yield "`escape` is the quote; doubled quotes are read anyway, take `escape` out"
        for field in ("quote", "escape"):
            sign = getattr(self, field)
            for other in ("delimiter", "record_end"):
                if sign and sign in getattr(self, other):
                    yield f"`{field}` is part of `{other}`"

    @property
    def footer_groups(self) -> tuple[str, ...]:
        """Names of the groups of ``footer``."""
        return tuple(re.compile(self.footer).groupindex)


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True
