"""Archives and compressed bytes for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pyarrow as pa


def zipped(members: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def zstd(data: bytes) -> bytes:
    """One zstd frame."""
    return pa.compress(data, codec="zstd", asbytes=True)
