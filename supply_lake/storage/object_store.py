"""One way to read and write objects, on a local folder, S3, Google Cloud Storage or Azure (obstore underneath)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """What was landed. ``key`` is relative to the store's root; ``etag`` changes whenever the bytes may have."""

    key: str
    etag: str
    size: int
    modified: dt.datetime

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes two deliveries the same object version."""
        return (self.key, self.etag, self.size)
