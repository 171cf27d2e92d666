"""What every part of a declaration has in common: frozen, nothing unknown, names in two forms.

What belongs here: the base class and field types that several parts share. What does not: any field.
"""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_PYTHON_NAME = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
_CRON = r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[\d*/,\-]+( +[\dA-Za-z*/,\-]+){4})$"


class Declared(BaseModel):
    """A part of a declaration."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _zone_exists(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {value!r}; `Europe/Paris` is an example") from None
    return value


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""One name, or several."""
PythonName = Annotated[str, Field(pattern=_PYTHON_NAME)]
"""``module:function``"""
Cron = Annotated[str, Field(pattern=_CRON)]
"""A cron line of five fields, or one of the ``@`` words."""
Zone = Annotated[str, AfterValidator(_zone_exists)]
"""A time zone by its name."""
