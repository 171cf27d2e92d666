"""Values → YAML text that reads back as the same values, and comments that cannot be anything else.

What belongs here: writing scalars, flow mappings and comments; texts come from files that nobody has looked at yet. What does
not: what is written (``drafting``).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ ./-][A-Za-z0-9_]+)*")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def flow(value: Any) -> str:
    """A value as YAML in one line: ``{name: sku, type: string}``"""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A plain value as YAML: in quotes, unless nothing could take it for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS and len(text) < WIDTH:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def comment(text: str, indent: int = 0) -> str:
    """A comment of as many lines as it takes."""
    lead = " " * indent + "# "
    shown = " ".join("".join(map(_shown, text)).split()) or "-"
    return "\n".join(textwrap.wrap(shown, WIDTH, initial_indent=lead, subsequent_indent=lead + "  ", break_on_hyphens=False))


def inert(lines: Iterable[str], indent: int = 0) -> str:
    """Lines of YAML, made comments that a person can bring to life."""
    return "\n".join(f"{' ' * indent}# {''.join(map(_shown, line))}" for line in lines)


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() and ord(char) < 0xFFFE:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shown(char: str) -> str:
    return char if char == " " or (char.isprintable() and ord(char) < 0xFFFE) else "·"
