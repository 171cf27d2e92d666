"""One YAML text → plain values that remember on which line each of them stands.

What belongs here: reading YAML as strictly as a contract deserves. The scalars are those of YAML 1.2 (``NO``, ``12:30`` and
``2026-01-01`` stay text; only ``true`` and ``false`` are booleans), a repeated key is an error, and nothing but plain data
can be written. What does not: what the fields mean (``spec``), and files and folders (``registry``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")}


class DeclarationError(ValueError):
    """The text is no declaration. ``problems`` are pairs of line (from 1) and sentence."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = problems


@dataclass(slots=True)
class Declaration:
    """The values of a YAML text, and the line (from 1) of every node by its path of keys and indexes."""

    values: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of the node at the path, or of the nearest node around it that the text has."""
        return self.lines[self.nearest(path)]

    def nearest(self, path: Path) -> Path:
        """The longest beginning of the path that the text has."""
        while path not in self.lines:
            path = path[:-1]
        return path


def parse(text: str) -> Declaration:
    """Read the text.

    :raises DeclarationError: when it is not YAML, not one mapping, or says something twice
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise DeclarationError([_syntax_problem(error, text)]) from None
    except yaml.YAMLError as error:
        what = str(error).partition("\n")[0]
        raise DeclarationError([(1, f"the file is not readable as YAML ({what}); save it as plain UTF-8 text")]) from None
    if root is None:
        raise DeclarationError([(1, "the file is empty; start it with `name:`")])
    if not isinstance(root, yaml.MappingNode):
        raise DeclarationError([(root.start_mark.line + 1, "the file is no mapping; write it as `field: value` lines")])
    walk = _Walk()
    values = walk.value(root, (), root.start_mark.line + 1)
    if walk.problems:
        raise DeclarationError(walk.problems)
    return Declaration(values, walk.lines)


class _Walk:
    """One pass over the nodes; collects values, lines and problems."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[tuple[int, str]] = []
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: Path, line: int) -> Any:
        self.lines[path] = line
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        if any(node is outer for outer in self._open):
            self.problems.append((node.start_mark.line + 1, "an alias points at what it stands in; write the value out"))
            return None
        self._open.append(node)
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self._open.pop()
        return value

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        if node.tag not in _TAGS:
            self.problems.append((line, f"the tag {node.tag!r} is not used here; write a plain value"))
        if node.style:  # quoted or block text
            return node.value
        text = node.value
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                self.problems.append((line, "only plain names can be keys; write the fields out"))
            elif key.value in out:
                first = self.lines[(*path, key.value)]
                self.problems.append((line, f"`{key.value}` is given twice, here and on line {first}; take one out"))
            else:
                out[key.value] = self.value(value, (*path, key.value), line)
        return out

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        return [self.value(item, (*path, index), item.start_mark.line + 1) for index, item in enumerate(node.value)]


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    what = " ".join(part for part in (error.context, error.problem) if part)
    tab = [*text.splitlines(), ""][line - 1].lstrip(" ").startswith("\t")
    hint = "indent with spaces, not tabs" if tab else "put text with `: ` or ` #` in quotes, and check the indentation"
    return line, f"this is not YAML ({what}); {hint}"
