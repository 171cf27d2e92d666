"""What every part of a declaration has in common: frozen, nothing unknown, names in two forms.

What belongs here: the base class and field types that several parts share. What does not: any field.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_PYTHON_NAME = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
_CRON = r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[\d*/,\-]+( +[\dA-Za-z*/,\-]+){4})$"


class Declared(BaseModel):
    """A part of a declaration."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


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
