"""Names under which columns are published that no contract names.

What belongs here: file name → a name that every engine takes without quoting. What does not: which columns are the same
(``columns``).
"""

from __future__ import annotations

import re
from collections.abc import Collection


def free_name(file: str, taken: Collection[str]) -> str:
    """A name for the column, such as no other has.

    :param file: the name that files use
    :param taken: names that are in use, case folded
    """
    base = re.sub(r"\W+", "_", file, flags=re.ASCII).strip("_").lower() or "column"
    base = f"c_{base}" if base[0].isdigit() else base
    name, again = base, 2
    while name.casefold() in taken:
        name, again = f"{base}_{again}", again + 1
    return name
