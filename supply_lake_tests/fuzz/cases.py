"""One case of the fuzz run from its seed: a contract, some files, and what has to hold of them whatever they are.

- nothing is raised;
- landed = published + rejected + deduplicated, for the batch and for every file, counted from the rows;
- a file that was not broken lands as many records as it was made of;
- every marker that a file still holds is published, set aside, or on a line that is noted as passed over; or its file is set
  aside whole with a reason;
- the size of the chunks and the choice of the parser change nothing;
- a sound neighbour is read as if it were alone.
"""

from __future__ import annotations

import codecs
import json
import re
from contextlib import suppress
from random import Random
from typing import Any

import polars as pl
from pydantic import ValidationError

from supply_lake_tests.curate.curation import Curated, all_of_it, curate, dataset, exactly
from supply_lake_tests.fuzz import files
from supply_lake_tests.fuzz.files import Made

MARKER = re.compile(r"mk\d{11}km")
TYPES = (
    "string", "int64", "int8", "uint64", "decimal(10,2)", "float64", "float32", "boolean", "date", "time", "timestamp", "json",
    "binary", "list<int64>", "list<string>", "struct<a:int64,b:string>", "struct<a:list<date>>",
)  # fmt: skip
_PASSED_OVER = re.compile(r"(blank|comment|preamble|footer|repeated header) lines? were passed over(?: \(([\d,]+) times\))?")


def contract(random: Random) -> Any:
    """Some dataset; its first column takes markers."""
    while True:
        with suppress(ValidationError):
            return _contract(random)


def _contract(random: Random) -> Any:
    kind = random.choice(("csv", "csv", "csv", "json", "jsonl", "parquet"))
    form: dict[str, Any] = {"type": kind}
    if kind == "csv":
        form |= random.choice(files.DIALECTS)
        form |= {"header": False} if random.random() < 0.15 else {}
    if kind != "parquet":
        form["encoding"] = random.choice(files.ENCODINGS)
    if kind == "json":
        form["records_path"] = random.choice(("", "", "r", "d.items"))
    if kind in ("json", "jsonl") and random.random() < 0.4:
        form["flatten"] = True
    for option in ("trim", "accounting", "percent"):
        form |= {option: True} if random.random() < 0.2 else {}
    form |= {"decimal_mark": ",", "thousands_mark": "."} if random.random() < 0.2 else {}
    form |= {"currency": ["$", "EUR"]} if random.random() < 0.2 else {}
    names = ["id", *random.sample(["n", "a", "x.y", "b", "s", "when"], random.randrange(1, 5))]
    columns = [{"name": "id", "type": "string"}, *(_column(random, name) for name in names[1:])]
    fields: dict[str, Any] = {"evolution": random.choice(("evolve", "evolve", "evolve", "rescue", "discard", "freeze"))}
    if random.random() < 0.3:
        fields |= {"primary_key": "id", "order_by": random.choice((None, names[1]))}
    elif random.random() < 0.2:
        fields["deduplicate"] = "row"
    if kind in ("csv", "json") and random.random() < 0.3:
        fields["expect_total"] = {"rows": "rows" if kind == "csv" else "n"}
    return dataset(*columns, format=form, error_threshold=1.0, **fields)


def _column(random: Random, name: str) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": random.choice(TYPES)}
    if column["type"] in ("date", "timestamp") and random.random() < 0.4:
        column["formats"] = random.sample(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%y"], random.randrange(1, 3))
    if column["type"] == "timestamp" and random.random() < 0.5:
        column["timezone"] = random.choice(("Europe/Paris", "America/New_York", "Asia/Tokyo"))
    if random.random() < 0.2:
        column["nullable"] = False
    if random.random() < 0.2:
        column["nulls"] = ["", "NULL"]
    return column


def made(random: Random, spec: Any, *, sound: bool) -> Made:
    """A file for the dataset, broken unless it is to be sound."""
    names = [column.name for column in spec.columns]
    random.shuffle(rest := names[1:])
    form = spec.format.model_dump(exclude_defaults=True)
    names = [names[0], *rest] if spec.format.header else names
    count = random.choice((0, 1, 3, 12, 40))
    if spec.format.type == "parquet":
        plain = files.parquet(random, names, count)
    else:
        plain, count = _text(random, spec, form, names, count)
    rows: int | None = count
    if not sound and random.random() < 0.08:
        plain, rows = random.randbytes(random.choice((1, 9, 400))), None
    elif not sound and random.random() < 0.75:
        plain, rows = files.broken(random, plain, plain), None
    data, whole = files.wrapped(random, plain) if not sound else (plain, True)
    return Made(data, plain if whole else b"", rows if whole else None)


def _text(random: Random, spec: Any, form: dict[str, Any], names: list[str], count: int) -> tuple[bytes, int]:
    kind = spec.format.type
    if kind == "csv":
        text, count = files.delimited(random, form, names, count)
    else:
        rows = files.records(random, names, count)
        text = files.as_lines(rows, random) if kind == "jsonl" else files.as_document(rows, random, spec.format.records_path)
    encoding = spec.format.encoding
    return text.encode(encoding, "ignore"), count


def run(seed: int) -> None:
    """Run the case of this seed.

    :raises AssertionError: something does not hold
    """
    random = Random(seed)
    spec = contract(random)
    one, neighbour = made(random, spec, sound=False), made(random, spec, sound=True)
    alone = curate(spec, one.data)
    _nothing_is_lost(spec, one, alone)
    if spec.format.type == "csv":
        _reading_changes_nothing(random, spec, one, alone)
    if random.random() < 0.4 and spec.dedupe_by == "none" and not alone.problem:
        _neighbours_are_left_alone(spec, one, neighbour)


def _nothing_is_lost(spec: Any, one: Made, done: Curated) -> None:
    outcome = done.outcomes[0]
    if outcome.outcome == "unreadable":
        assert outcome.reason
        assert (done.rows.landed, done.rows.rejected) == (1, 1)
    elif spec.evolution != "discard":  # which discards the markers, too, when their column is called otherwise
        lost = _markers(one.plain, spec) - _accounted(done)
        assert len(lost) <= _passed_over(spec, done), f"lost without a trace: {sorted(lost)[:5]}"
    if one.rows is not None and outcome.outcome != "unreadable":
        assert done.rows.landed == one.rows, f"{done.rows.landed} landed of {one.rows} ({outcome})"
    if spec.format.type == "json":
        _agrees_with_json(spec, one, done)


def _markers(plain: bytes, spec: Any) -> set[str]:
    """The markers that a file still holds, as far as its text can be told from outside."""
    if spec.format.type == "parquet":
        return set()
    head = plain[:4]
    marks = {
        codecs.BOM_UTF8: "utf-8-sig",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
        b"\0\0\xfe\xff": "utf-32",
    }
    marked = next((encoding for mark, encoding in marks.items() if head.startswith(mark)), spec.format.encoding)
    if marked in ("utf-16", "utf-32") or head.startswith(codecs.BOM_UTF32_LE):
        return set()  # what an odd byte does to the rest is for the reader to say
    return set(MARKER.findall(plain.decode(marked, "replace")))


def _accounted(done: Curated) -> set[str]:
    found: set[str] = set()
    for frame in (*done.published.values(), done.rejects):
        for column in frame.iter_columns():
            if column.dtype == pl.String or column.name == "_rescued":
                found.update(MARKER.findall("\n".join(str(value) for value in column.to_list() if value)))
    return found


def _passed_over(spec: Any, done: Curated) -> int:
    """Lines that may have held a marker and are no records, the header among them."""
    lines = 1 if spec.format.type == "csv" and spec.format.header else 0
    for note in done.notes:
        if match := _PASSED_OVER.match(note):
            lines += int((match[2] or "1").replace(",", ""))
    long = done.rejects.filter(pl.col("raw").str.len_chars() >= 10_000).height  # raw texts are cut off there
    return lines * 60 + long * 60


def _agrees_with_json(spec: Any, one: Made, done: Curated) -> None:
    """A document that the standard library reads lands as many records as it has, unless it is refused for good reason."""
    try:
        document = json.loads(one.plain.decode("utf-8"), parse_constant=_refuse, parse_float=str, parse_int=str)
        for step in filter(None, spec.format.records_path.split(".")):
            document = document[step]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return
    outcome = done.outcomes[0]
    if isinstance(document, list) and one.data == one.plain and outcome.outcome != "unreadable":
        assert done.rows.landed >= len(document), outcome


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _reading_changes_nothing(random: Random, spec: Any, one: Made, alone: Curated) -> None:
    chunk = random.choice((1, 2, 3, 7, 30, 200))
    assert _result(curate(spec, one.data, csv_chunk=chunk)) == _result(alone), f"chunks of {chunk} bytes differ"
    with exactly():
        assert _result(curate(spec, one.data)) == _result(alone), "the parsers differ"


def _result(done: Curated) -> Any:
    """All that came of it; of a file that breaks off, how far it was read before is a matter of the size of the chunks."""
    return "unreadable" if done.outcomes[0].outcome == "unreadable" else all_of_it(done)


def _neighbours_are_left_alone(spec: Any, one: Made, neighbour: Made) -> None:
    alone, both = curate(spec, neighbour.data), curate(spec, one.data, neighbour.data)
    if not both.problem:
        assert both.by_source["1.dat"] == alone.by_source["0.dat"]
