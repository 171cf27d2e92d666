"""The OpenAPI document of the service: what FastAPI tells, with the failures as they really are.

What belongs here: that correction. What does not: routes, shapes and their descriptions, which stand where they are made.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from supply_lake.service.asking import OPEN
from supply_lake.service.problems import Problem

_TOKEN = {"type": "http", "scheme": "bearer", "description": "`sl_…`, or a JWT of the identity provider."}
_REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if not app.openapi_schema:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        made["components"]["securitySchemes"] = {"token": _TOKEN}
        schemas = made["components"]["schemas"]
        problem = TypeAdapter(Problem).json_schema(ref_template=_REF, mode="serialization")
        schemas.update({**problem.pop("$defs", {}), "Problem": problem})
        for name, path in made["paths"].items():
            for operation in path.values():
                if name not in OPEN:
                    operation["security"] = [{"token": []}]
                operation["responses"].pop("422", None)  # FastAPI's own shape of a failure, which none of ours has
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema
