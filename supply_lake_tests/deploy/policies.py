"""Would AWS allow this call? Policies of the templates, evaluated.

An evaluator of our own, small and exact about what our policies use: Allow and Deny (a Deny wins, and what nothing allows is
denied), ``*`` and ``?`` in actions and resources, and the condition operators below. Whatever else it meets in a statement, it
refuses to judge.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]
Context = Mapping[str, str | Sequence[str]]
_KNOWN = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}


def allowed(statements: Iterable[Statement], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether the statements, of the role and of the resource together, allow the call.

    :param context: condition keys of the request; those left out are absent
    """
    effects = {one["Effect"] for one in statements if _applies(one, action, resource, context or {})}
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    if unknown := statement.keys() - _KNOWN:
        raise NotImplementedError(f"{', '.join(unknown)} in {statement}")
    return (
        any(_like(action.lower(), one.lower()) for one in _many(statement["Action"]))
        and any(_like(resource, one) for one in _many(statement.get("Resource", resource)))
        and all(
            _holds(operator, key.lower(), [str(one) for one in _many(wanted)], context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    """One condition: true when a value fits any of those wanted. A key that is absent fits nothing."""
    of_all, _, plain = operator.rpartition(":")
    if of_all not in ("", "ForAllValues") or plain not in _OPERATORS:
        raise NotImplementedError(f"the condition operator {operator}")
    told = {name.lower(): value for name, value in context.items()}
    found = _many(told.get(key, []))
    fits = [any(_OPERATORS[plain](value, one) for one in wanted) for value in found]
    return all(fits) if of_all else any(fits)  # ForAllValues holds where the key is absent, as AWS has it


def _like(value: str, pattern: str) -> bool:
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), value) is not None


def _arn_like(value: str, pattern: str) -> bool:
    """Each of the six parts of an ARN by itself: a wildcard ends at a colon."""
    parts, wanted = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(wanted) and all(map(_like, parts, wanted))


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "NumericLessThan": lambda value, wanted: float(value) < float(wanted),
}


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
