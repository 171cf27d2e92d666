"""What a source says of its own records, so that it need not be guessed: a database of its table.

What belongs here: the value. What does not: asking for it (``tables``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """Types, remarks and emptiness by column, the key, a remark on the whole, and fields of ``source``; all may be nothing.

    ``pulled``: each delivery is read from the source anew, whatever its files are called.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    pulled: bool = False
