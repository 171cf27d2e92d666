"""What a process that is measured says of itself.

What belongs here: memory. What does not: starting processes, and time.
"""

from __future__ import annotations

import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak() -> int:
    """Greatest resident memory of this process so far, in bytes.

    ``ru_maxrss`` would not do: a child begins with the greatest memory of the process that started it.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
