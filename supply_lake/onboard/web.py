"""An HTTP(S) URL → one sample file, fetched once.

What belongs here: one GET. What does not: APIs with pages and tokens, which are pulled by a declared source.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.error
import urllib.request
from base64 import b64encode
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from supply_lake.errors import StoreUnavailable, UsageError
from supply_lake.onboard.dating import by_names
from supply_lake.onboard.known import Known
from supply_lake.onboard.places import shown
from supply_lake.onboard.sample import SAMPLE_BYTES, Sample, SampleFile

_PATIENCE_SECONDS = 60
_ENDINGS = {
    "application/json": ".json",
    "text/csv": ".csv",
    "application/x-ndjson": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
}


def fetch(url: str, dataset: str, scratch: Path) -> tuple[Sample, Known]:
    """Fetch the URL into a file; the sample, and how the dataset can pull it again.

    :raises UsageError: the server refuses it, or it is larger than a sample may be
    :raises StoreUnavailable: the server does not answer
    """
    try:
        request = _request(url)
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as response:
            name = _name(response.headers, url, dataset)
            copy = scratch / f"fetched-{name}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            size = _copy(response, copy, url)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(
            f"{shown(url)} answers {error.code} ({error.reason}); check the URL and what it takes to read it"
        ) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        why = getattr(error, "reason", error)
        raise StoreUnavailable(f"{shown(url)} does not answer ({type(why).__name__}); check host and network") from None
    except ValueError:
        raise UsageError(f"{shown(url)} is no URL that can be fetched") from None
    file = SampleFile(name, size, dt.datetime.now(dt.UTC), lambda: copy.open("rb"))
    return Sample(shown(url), (file,)), Known(source=_source(url, dataset), pulled=True)


def _source(url: str, dataset: str) -> dict[str, Any]:
    """The field ``source``: the host, and the file to pull, unless its URL has a query, which may hold secrets."""
    parts = urlsplit(url)
    host, folder, name = parts.netloc.rpartition("@")[2], *parts.path.rpartition("/")[::2]
    if parts.query or not name:
        return {"system": host}
    dated = by_names("x", [name]).pattern.removeprefix("x/")
    files: dict[str, Any] = {
        "url": f"{parts.scheme}://{host}{folder}",
        "pattern": dated if dated and "*" not in dated else name,
    }
    if parts.username is not None:
        files["auth"] = {"type": "basic", "user": unquote(parts.username), "password": {"env": f"{dataset.upper()}_PASSWORD"}}
    return {"system": host, "files": files}


def _request(url: str) -> urllib.request.Request:
    """The request; user and password go where they belong, which is not the URL."""
    parts = urlsplit(url)
    headers = {"User-Agent": "supply-lake", "Accept": "*/*"}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {b64encode(login).decode()}"
    return urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl(), headers=headers)


def _copy(response: object, copy: Path, url: str) -> int:
    size = 0
    with copy.open("wb") as target:
        while block := response.read(1024 * 1024):  # type: ignore[attr-defined]
            size += len(block)
            if size > SAMPLE_BYTES:
                raise UsageError(f"{shown(url)} is larger than {SAMPLE_BYTES:,} bytes; give a smaller part of it as a file")
            target.write(block)
    return size


def _name(headers: Message, url: str, dataset: str) -> str:
    """The file's name: what the server calls it, else the last part of the path; with an ending that fits."""
    told = headers.get_filename() or unquote(urlsplit(url).path.rpartition("/")[2]) or dataset
    name = re.sub(r"[^\w.-]+", "_", told).strip("._") or dataset
    return name if "." in name else name + _ENDINGS.get(headers.get_content_type(), "")
