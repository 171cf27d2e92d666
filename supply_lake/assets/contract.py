"""A dataset's declaration as Dagster shows it: description, columns, owner, kinds, tags, freshness.

What belongs here: words and metadata that are known before any data is. What does not: what a run found (``report``).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import dagster as dg

from supply_lake.assets.naming import LAYER_TAG
from supply_lake.datasets.column import Checks, Column
from supply_lake.datasets.quality import Rule, Severity, Unique
from supply_lake.datasets.spec import DatasetSpec

_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_EMAIL = re.compile(r"[A-Za-z0-9_.+%-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")


def description(spec: DatasetSpec) -> str:
    """What the dataset is, and how it is published. Its columns are Dagster's to show, by ``metadata``."""
    return "\n\n".join([spec.description, _rules(spec)])


def landing_description(spec: DatasetSpec) -> str:
    """What arrives for the dataset, and where."""
    told = f": {spec.source.description}" if spec.source.description else ""
    return (
        f"What arrives for {spec.name}, as it arrived.\n\n- from **{spec.source.system}**{told}\n"
        f"- lands as `{spec.key_pattern.pattern}` ({spec.format.type})\n- never changed here, and never deleted"
    )


def metadata(spec: DatasetSpec) -> dict[str, Any]:
    """Facts of the declaration and its columns, for the asset's page and for search."""
    return {"dagster/column_schema": column_schema(spec), "dagster/table_name": spec.name, **landing_metadata(spec)}


def landing_metadata(spec: DatasetSpec) -> dict[str, Any]:
    """Facts of the declaration."""
    known = {
        "source system": spec.source.system,
        "source contact": spec.source.contact,
        "owner": spec.owner,
        "primary key": ", ".join(spec.primary_key),
        "mode": str(spec.mode),
        "error threshold": f"{spec.error_threshold:.1%}",
        "landing keys": spec.key_pattern.pattern,
        "format": spec.format.type,
        "late after hours": spec.freshness.max_age_hours if spec.freshness else None,
        "refers to": ", ".join(sorted({rule.references.dataset for rule in spec.quality if rule.references})),
    }
    return {
        **{name: value for name, value in known.items() if value},
        **{f"source {name}": value for name, value in spec.source.metadata.items()},
        **{f"tag {name}": value for name, value in spec.tags.items() if not _is_tag(name, value)},
    }


def column_schema(spec: DatasetSpec) -> dg.TableSchema:
    """Dagster's own form of the declared columns."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=_described(column),
                constraints=dg.TableColumnConstraints(nullable=spec.is_nullable(column), other=rules(column.checks)),
                tags={"primary_key": ""} if column.name in spec.primary_key else {},
            )
            for column in spec.columns
        ],
        constraints=dg.TableConstraints(other=[_in_words(check) for check in spec.row_checks]),
    )


def owners(spec: DatasetSpec) -> list[str]:
    """The owner in the forms that Dagster takes: a plain address, or ``team:`` and a name without blanks.

    Other addresses stay in the metadata only.
    """
    if spec.owner.startswith("team:"):
        return ["team:" + _slug(spec.owner.removeprefix("team:"))]
    return [spec.owner] if _EMAIL.fullmatch(spec.owner) else []


def tags(spec: DatasetSpec, layer: str) -> dict[str, str]:
    """The layer, the source system and the declared tags; a tag that Dagster would refuse is in the metadata only.

    :param layer: what the asset is to the dataset, ``landing`` or ``lake``
    """
    own = {name: value for name, value in spec.tags.items() if _is_tag(name, value)}
    return {LAYER_TAG: layer, "supply_lake/source": _slug(spec.source.system), **own}


def freshness(spec: DatasetSpec) -> dg.FreshnessPolicy | None:
    """Late when nothing was published for ``max_age_hours``; a warning at half of that."""
    if spec.freshness is None:
        return None
    window = dt.timedelta(hours=spec.freshness.max_age_hours)
    return dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window / 2)


def rules(checks: Checks) -> list[str]:
    """Each rule of a column in a few words."""
    signs = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
    said = [f"{sign} {getattr(checks, name)}" for name, sign in signs if getattr(checks, name) is not None]
    if checks.isin is not None:
        said.append("one of " + ", ".join(map(str, checks.isin)))
    if checks.notin is not None:
        said.append("none of " + ", ".join(map(str, checks.notin)))
    if checks.matches is not None:
        said.append(f"matches {checks.matches}")
    if checks.min_length is not None:
        said.append(f"at least {checks.min_length} characters")
    if checks.max_length is not None:
        said.append(f"at most {checks.max_length} characters")
    return [*said, *map(_in_words, checks.python)]


def _in_words(check: str) -> str:
    """A check that is a Python function, by the words of its name."""
    return check.rpartition(":")[2].replace("_", " ").strip()


def rule(rule: Rule) -> str:
    """What a rule demands, and what comes of breaking it."""
    if rule.references is not None:
        ours, theirs = (", ".join(names) for names in zip(*rule.references.pairs, strict=True))
        demand = f"{ours} is {theirs} of a live row of {rule.references.dataset}"
    elif rule.unique is not None:
        demand = f"no two live rows{_within(rule.unique)} have the same {', '.join(rule.unique.columns)}"
    elif rule.monotone is not None:
        demand = f"the {rule.monotone.by} of {rule.monotone.column} does not fall from date to date"
    elif rule.unlike_previous is not None:
        demand = f"at most {rule.unlike_previous.max_share:.0%} of a date's rows are those of the date before"
    else:
        demand = rule.row or _bounds(rule)
    broken = "rows, or the batch, are rejected" if rule.severity is Severity.REJECT else "published, with a warning"
    return f"{demand} (else {broken})"


def _within(unique: Unique) -> str:
    return " of a date" if unique.within == "partition" else ""


def _bounds(rule: Rule) -> str:
    bounds = rule.bounds
    assert bounds is not None
    what = f"the sum of {rule.sum.column}" if rule.sum else "the number of rows"
    said = [f"at least {bounds.at_least:g}"] if bounds.at_least is not None else []
    said += [f"at most {bounds.at_most:g}"] if bounds.at_most is not None else []
    if (history := bounds.history) is not None:
        shares = " to ".join(f"{share:.0%}" for share in (history.at_least, history.at_most) if share is not None)
        said.append(f"{shares} of the median of the last {history.last}")
    return f"{what} of a {bounds.over} is {', '.join(said)}"


def _rules(spec: DatasetSpec) -> str:
    lines = [
        f"- from **{spec.source.system}**" + (f": {spec.source.description}" if spec.source.description else ""),
        f"- lands as `{spec.key_pattern.pattern}` ({spec.format.type}); a partition is a landing date",
        f"- mode **{spec.mode}**" + _identity(spec),
        f"- a batch is refused when more than {spec.error_threshold:.1%} of its rows break the contract",
    ]
    if spec.partition_date.column:
        lines.append(f"- its snapshots are filed under the dates in `{spec.partition_date.column}`")
    if spec.freshness:
        lines.append(f"- late when nothing was published for {spec.freshness.max_age_hours:g} hours")
    lines += [f"- rule **{one.name}** ({one.severity}): {rule(one)}" for one in spec.quality]
    return "\n".join(lines)


def _identity(spec: DatasetSpec) -> str:
    if spec.dedupe_by == "key":
        newest = f", the greatest `{spec.order_by}` stays" if spec.order_by else ""
        return f", one row per {', '.join(f'`{name}`' for name in spec.primary_key)} and {spec.key_scope}{newest}"
    return ", exact repeats are dropped" if spec.dedupe_by == "row" else ""


def _described(column: Column) -> str | None:
    unit = f"[{column.unit}]" if column.unit else ""
    return f"{column.description} {unit}".strip() or None


def _is_tag(name: str, value: str) -> bool:
    """Whether Dagster takes it as a tag."""
    return bool(_TAG_KEY.fullmatch(name) and _TAG_VALUE.fullmatch(value))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text.strip())[:63]
