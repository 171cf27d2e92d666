"""Names for the columns of files that have none: given one by one, or in a file that lists them.

What belongs here: reading names. What does not: whether they fit the files (``sniff``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from supply_lake.errors import UsageError

_COLUMN = ("column", "column_name", "name", "field")
_TABLE = ("table", "table_name", "file", "dataset")
_ORDER = ("ordinal", "ordinal_position", "position")


def read_names(given: str, tables: Sequence[str]) -> tuple[str, ...]:
    """The names: ``a,b,c``, or the path of a file.

    The file has one name a line, or one line of names, or is a CSV list of the columns of many tables, with a header such as
    ``table,ordinal,column``, as databases print it.

    :param tables: what the table may be called in such a list, in any case
    :raises UsageError: the file has no such names
    """
    path = Path(given).expanduser()
    if not path.is_file():
        return tuple(name.strip() for name in given.split(","))
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} cannot be read as text; give a file with the names of the columns") from None
    lines = text.splitlines()
    header = [cell.strip().lower() for cell in next(csv.reader(lines[:1]), [])]
    if len(header) > 1 and len(lines) > 1 and _one_of(_COLUMN, header):
        return _listed(list(csv.DictReader(lines, fieldnames=header))[1:], header, path, tables)
    names = re.split(r"[\r\n]+", text) if len(lines) > 1 else re.split(r"[,;\t|]", text)
    return tuple(name.strip() for name in names if name.strip())


def _listed(rows: list[dict[str, str]], header: Sequence[str], path: Path, tables: Sequence[str]) -> tuple[str, ...]:
    column, table, order = _one_of(_COLUMN, header), _one_of(_TABLE, header), _one_of(_ORDER, header)
    if table:
        wanted = {_fold(one) for one in tables}
        rows = [row for row in rows if _fold(row[table]) in wanted]
        if not rows:
            raise UsageError(f"{path} lists no columns of {' or '.join(tables)}; give names as a,b,c")
    if order and all(row[order].isdigit() for row in rows):
        rows = sorted(rows, key=lambda row: int(row[order]))
    return tuple(row[column].strip() for row in rows)


def _one_of(names: Sequence[str], header: Sequence[str]) -> str:
    return next((name for name in names if name in header), "")


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
