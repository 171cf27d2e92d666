"""A draft → JSON for programs: what was drafted, what came of trying it, and what is in doubt.

What belongs here: one plain dict. What does not: printing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from supply_lake.onboard.draft import ColumnDraft, Draft
from supply_lake.onboard.values import Counted


def draft_json(draft: Draft) -> dict[str, Any]:
    """The draft in plain values; the same sample gives the same."""
    return {
        "dataset": draft.name,
        "from": draft.sample.origin,
        "files": [
            {"name": one.name, "records": one.records, "bad_records": one.bad, "columns": len(one.header), "reason": one.reason}
            for one in draft.gathered.files
        ],
        "left_out": [{"name": name, "reason": reason} for name, reason in draft.sample.left_out],
        "rows": draft.gathered.rows,
        "format": dict(draft.format),
        "landing": draft.dating.pattern or None,
        "primary_key": list(draft.policy.key),
        "mode": draft.policy.fields["mode"],
        "key_scope": draft.policy.fields.get("key_scope", "partition"),
        "order_by": draft.policy.fields.get("order_by"),
        "error_threshold": draft.error_threshold,
        "columns": [_column(one) for one in draft.columns],
        "quality": [{**rule.fields, "why": rule.why} for rule in draft.quality],
        "trial": _trial(draft),
        "doubts": draft.all_doubts,
    }


def _column(column: ColumnDraft) -> dict[str, Any]:
    guess, values = column.guess, column.values
    return {
        **column.declared(),
        "names_in_files": list(column.field.names),
        "why": guess.why,
        "filled": values.filled,
        "empty": values.empty,
        "distinct": values.distinct,
        "min": guess.low or None,
        "max": guess.high or None,
        "most_frequent": _counted(values.most()),
        "read_as_null": _counted(guess.nulls),
        "may_mean_null": _counted(guess.sentinels),
        "rejected": guess.stray_rows,
        "doubts": list(column.doubts),
        "or": [{**offer.fields, "why": offer.why} for offer in guess.offers],
    }


def _trial(draft: Draft) -> dict[str, Any] | None:
    proof = draft.proof
    if proof is None:
        return None
    rows = proof.rows
    return {
        "landed": rows.landed,
        "published": rows.published,
        "rejected": rows.rejected,
        "deduplicated": rows.deduplicated,
        "rules": dict(proof.rules.most_common()),
        "notes": dict(sorted(proof.notes.items())),
    }


def _counted(found: Iterable[Counted]) -> list[dict[str, Any]]:
    return [{"value": one.text, "rows": one.rows} for one in found]
