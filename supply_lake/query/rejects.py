"""Questions to what was set aside, as SQL over a dataset's view of rejects: row by row, by rule, by source object.

What belongs here: those queries. What does not: which rejects stand (``snapshots.standing``) and running queries (``engine``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supply_lake.query.relations import quoted

FIELDS = 'source, line, "column", "value", reason, raw, outcome, snapshot_id'
By = Literal["rule", "source"]
Outcome = Literal["rejected", "deduplicated", "all"]

_ROWS = """
    SELECT {fields} FROM (
        SELECT outcome, source, line, one."column" AS "column", one."value" AS "value", one.reason AS reason, raw,
               _snapshot_id AS snapshot_id, place
        FROM (
            SELECT *, unnest(stated) AS one, generate_subscripts(stated, 1) AS place
            FROM (SELECT *, CASE WHEN len(reasons) > 0 THEN reasons ELSE [NULL] END AS stated FROM {view})
        )
    )
    WHERE {where} ORDER BY snapshot_id, source, line NULLS FIRST, raw, place
"""
# Rows that broke one rule are told together, whatever line, file or number their reasons name.
_WITH_RULE = r"""
    SELECT *, CASE WHEN min(reason) OVER alike = max(reason) OVER alike THEN reason ELSE shape END AS rule
    FROM (
        SELECT *, regexp_replace(regexp_replace(reason, 'line [0-9]+ of .+, which', 'line … of …, which'), '[0-9]+', '…', 'g')
            AS shape
        FROM ({rows})
    )
    WINDOW alike AS (PARTITION BY outcome, "column", shape)
"""
_BY_RULE = """
    SELECT outcome, "column", rule, count(DISTINCT (snapshot_id, source, line)) AS rows, count(DISTINCT source) AS sources,
           arg_min("value", (source, line)) AS example, arg_min(source, (source, line)) AS source,
           arg_min(line, (source, line)) AS line
    FROM ({with_rule}) GROUP BY outcome, "column", rule ORDER BY rows DESC, outcome, "column", rule
"""
_BY_SOURCE = """
    SELECT outcome, source, count(DISTINCT (snapshot_id, line)) AS rows, count(DISTINCT ("column", rule)) AS rules,
           mode(concat_ws(': ', "column", rule)) AS most_often, max(snapshot_id) AS snapshot_id
    FROM ({with_rule}) GROUP BY outcome, source ORDER BY rows DESC, source, outcome
"""


@dataclass(frozen=True, slots=True)
class Which:
    """Which of them.

    :param rule: text that stands in the reason or its column, in any case; `…` stands for whatever is there
    :param source: an object's key, or the end of it from a `/` on; `*` stands for whatever is there
    """

    outcome: Outcome = "rejected"
    rule: str = ""
    source: str = ""

    @property
    def condition(self) -> str:
        """As SQL."""
        parts = [] if self.outcome == "all" else [f"outcome = {quoted(self.outcome)}"]
        if self.rule:
            text = "".join(f"\\{one}" if one in "%_\\" else one for one in self.rule).replace("…", "%")
            parts.append(f"""concat_ws(': ', "column", reason) ILIKE {quoted(f"%{text}%")} ESCAPE '\\'""")
        if self.source:
            ends = ("", "!/*")  # the member of an archive is named after it
            patterns = [start + self.source + end for start in ("", "*/") for end in ends]
            parts.append("(" + " OR ".join(f"source GLOB {quoted(one)}" for one in patterns) + ")")
        return " AND ".join(parts) or "true"


@dataclass(frozen=True, slots=True)
class RejectPlace:
    """Where a page of reasons ends: its last row, and how many reasons of that row were told. ``line`` is -1 for no line."""

    snapshot_id: str
    source: str
    line: int
    told: int


def reasons_sql(
    table: str, which: Which, *, limit: int | None = None, offset: int = 0, after: RejectPlace | None = None
) -> str:
    """One row per reason, by snapshot, source and line.

    :param table: of rejects, as SQL
    :param after: where the page before ended
    """
    where = which.condition
    if after is not None:
        place = f"({quoted(after.snapshot_id)}, {quoted(after.source)}, {after.line})"
        where += f" AND (snapshot_id, source, coalesce(line, -1)) >= {place}"
        offset += after.told
    sql = _ROWS.format(fields=FIELDS, view=table, where=where)
    return sql + (f" LIMIT {limit}" if limit is not None else "") + (f" OFFSET {offset}" if offset else "")


def summary_sql(table: str, which: Which, by: By) -> str:
    """One row per rule or per source object, the most rows first.

    :param table: of rejects, as SQL
    """
    with_rule = _WITH_RULE.format(rows=reasons_sql(table, which))
    return (_BY_RULE if by == "rule" else _BY_SOURCE).format(with_rule=with_rule)
