"""What pydantic found wrong with a declaration → (line, sentence with a remedy), for the person who wrote the file.

What belongs here: the wording. What does not: the rules themselves (``spec``), and reading files (``registry``).
"""

from __future__ import annotations

import difflib
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from supply_lake.datasets.declaration import Declaration, Path
from supply_lake.datasets.spec import DatasetSpec


def sentences(error: ValidationError, declared: Declaration) -> list[tuple[int, str]]:
    """One (line, sentence) for every fault; the branches of a union that failed together are one fault."""
    found: dict[tuple[Path, str], list[str]] = {}
    faults = error.errors(include_url=False)
    misspelt = {(*fault["loc"][:-1], _near_field(fault["loc"])) for fault in faults if fault["type"] == "extra_forbidden"}
    for fault in faults:
        listed = fault.get("ctx", {}).get("problems")
        if listed:
            found.update({(tuple(at), text): [] for at, text in listed})
        elif fault["type"] != "missing":
            at = declared.nearest(fault["loc"])
            found.setdefault((at, ""), []).append(_sentence(fault, at))
        elif fault["loc"] not in misspelt:
            found[(fault["loc"], _missing_field(fault["loc"]))] = []
    return [(declared.line(at), text or _joined(texts)) for (at, text), texts in found.items()]


def _joined(texts: list[str]) -> str:
    first, *rest = dict.fromkeys(texts)
    return first if not rest else f"{first}; or else: {'; '.join(rest)}"


def _sentence(fault: Any, at: Path) -> str:
    where, value = _dotted(at), fault["input"]
    told = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}{_described(at)}"
    text = f"`{where}` is {_short(value)}: {told}"
    kind = fault["type"]
    if _is_of_a_pull(at) and kind not in ("extra_forbidden", "value_error"):
        return f"`{where}`: {told}"
    match kind:
        case "extra_forbidden":
            text = _unknown_field(fault["loc"])
        case "string_type" if value is None:
            text = f"`{where}` has no value; give it one, or take the line out"
        case "string_type" if isinstance(value, (int, float)):
            text = f'`{where}` is text, and {value!r} is not; write it in quotes: "{value}"'
        case "enum" | "literal_error" if isinstance(value, str):
            text = f"`{where}` is {value!r}; it takes {fault['ctx']['expected']}"
        case "string_pattern_mismatch":
            text = f"`{where}` is {value!r}; it has to match {fault['ctx']['pattern']}{_described(at)}"
        case "value_error":
            text = f"`{where}`: {fault['ctx']['error']}"
    return text


def _is_of_a_pull(at: Path) -> bool:
    """Whether it says how a source is pulled, where a secret may stand by mistake: values from there are not repeated."""
    return at[:1] == ("source",) and at[1:2] in (("sql",), ("rest",), ("files",))


def _missing_field(loc: Path) -> str:
    inside = f" in `{_dotted(loc[:-1])}`" if loc[:-1] else ""
    return f"`{loc[-1]}` is missing{inside}; add `{loc[-1]}: …`{_described(loc)}"


def _unknown_field(loc: Path) -> str:
    model, near = _model_at(loc[:-1]), _near_field(loc)
    inside = f" of `{_dotted(loc[:-1])}`" if loc[:-1] else " of a dataset"
    remedy = f"did you mean `{near}`?" if near else f"it takes {', '.join(model.model_fields if model else ())}"
    return f"`{loc[-1]}` is no field{inside}; {remedy}"


def _near_field(loc: Path) -> str | None:
    """The field that the unknown one at this path is probably meant to be."""
    model = _model_at(loc[:-1])
    return next(iter(difflib.get_close_matches(str(loc[-1]), model.model_fields if model else (), n=1)), None)


def _described(loc: Path) -> str:
    model = _model_at(loc[:-1]) if loc else None
    field = model.model_fields.get(str(loc[-1])) if model else None
    return f" ({field.description.rstrip('.')})" if field is not None and field.description else ""


def _model_at(loc: Path) -> type[BaseModel] | None:
    """The model that the declaration's mapping at this path is read by."""
    model: type[BaseModel] | None = DatasetSpec
    for part in loc:
        if model is not None and isinstance(part, str):
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def _dotted(path: Path) -> str:
    """``("columns", 2, "type")`` → ``columns[2].type``"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
