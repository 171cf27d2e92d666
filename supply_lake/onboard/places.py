"""What a person gives as the source of a sample → the sample: a file, a folder, a glob, keys in landing, a bucket, a URL.

What is told of a place carries no secret: URLs lose their passwords and their queries.

What belongs here: finding files. What does not: tables (``tables``), and what is in the files.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from supply_lake.errors import ObjectGone, UsageError
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.onboard.sample import Sample, SampleFile
from supply_lake.storage.object_store import ObjectStore, ObjectVersion

STORES = ("s3", "gs", "az", "memory")
WEB = ("http", "https")
_MAGIC = re.compile(r"[*?\[]")


def scheme_of(place: str) -> str:
    """The scheme of a URL in lower case; empty for a path or a key."""
    return place.partition("://")[0].lower() if "://" in place else ""


def shown(url: str) -> str:
    """A URL for people: without user, password, query and fragment, any of which may be a secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def find(place: str, open_landing: Callable[[], ObjectStore], scratch: Path) -> Sample:
    """The files of a place: on this machine if they are there, else in landing; or in a bucket.

    :param open_landing: opens the landing store, which is looked at only when nothing is here
    :param scratch: folder for copies of what lies elsewhere
    :raises UsageError: there is nothing
    :raises StoreUnavailable: a store does not answer
    """
    scheme = scheme_of(place)
    if scheme in STORES:
        return _in_bucket(place, scratch)
    if scheme == "file":
        place = urlsplit(place).path
    elif scheme:
        raise UsageError(f"{shown(place)} is no place for files; give a path, a key in landing, s3://, gs:// or az://")
    local = _here(Path(place).expanduser())
    if local is not None:
        return local
    landing = open_landing()
    keys = [version for version in _listed(landing, place) if _fits(place, version.key)]
    if keys:
        return _sample(place, keys, landing, scratch, landed=True)
    raise UsageError(f"{place} is no file or folder here, and no key in landing ({landing.location}); check the path")


# --- here


def _here(place: Path) -> Sample | None:
    """Files of this machine; ``None`` when there is nothing of the name."""
    if place.is_file():
        return Sample(str(place), (_local(place, place.name),))
    if place.is_dir():
        found = sorted(one for one in place.rglob("*") if one.is_file())
        return _judged(str(place), [_local(one, one.relative_to(place).as_posix()) for one in found])
    if not _MAGIC.search(str(place)):
        return None
    root = Path(_root(str(place)) or ".")
    found = sorted(one for one in root.glob(str(place)[len(_root(str(place))) :]) if one.is_file())
    return _judged(str(place), [_local(one, one.relative_to(root).as_posix()) for one in found]) if found else None


def _local(path: Path, name: str) -> SampleFile:
    facts = path.stat()
    return SampleFile(name, facts.st_size, dt.datetime.fromtimestamp(facts.st_mtime, dt.UTC), lambda: path.open("rb"))


def _judged(origin: str, files: Iterable[SampleFile]) -> Sample:
    """The files that are data by their names; markers, hidden and temporary files are left out, as discovery does."""
    rules, now = Rules([]), dt.datetime.now(dt.UTC)
    kept, out = [], []
    for one in files:
        entry = rules.place(ObjectVersion(one.name, "", one.size, one.modified), now)
        if entry.state is ObjectState.IGNORED:
            out.append((one.name, entry.reason))
        else:
            kept.append(one)
    return Sample(origin, tuple(kept), tuple(out))


# --- in stores


def _in_bucket(place: str, scratch: Path) -> Sample:
    parts = urlsplit(place)
    if parts.username or parts.password:
        raise UsageError(f"{shown(place)} carries credentials; give them by the cloud's own variables instead")
    store = ObjectStore.open(f"{parts.scheme}://{parts.netloc}")
    key = place.partition("://")[2].partition("/")[2]
    found = [version for version in _listed(store, key) if _fits(key, version.key)]
    if not found:
        raise UsageError(f"there is no object under {place}; check bucket and key")
    return _sample(place, found, store, scratch, landed=False)


def _listed(store: ObjectStore, key: str) -> Iterator[ObjectVersion]:
    """The object of this key, or what lies in the folder that a key or glob names."""
    if key and not _MAGIC.search(key) and not key.endswith("/"):
        try:
            yield store.head(key)
            return
        except (ObjectGone, UsageError):
            pass
    folder = key if key.endswith("/") or not key else _root(key) if _MAGIC.search(key) else key + "/"
    try:
        for batch in store.list(folder):
            yield from (ObjectVersion(**row) for row in batch.to_pylist())
    except UsageError:
        return


def _fits(place: str, key: str) -> bool:
    if _MAGIC.search(place):
        return re.fullmatch(_regex(place), key) is not None
    return key == place or key.startswith(place.rstrip("/") + "/" if place else "")


def _regex(pattern: str) -> str:
    """A glob as a regular expression: ``*`` stays in its folder, ``**/`` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(part) or (part if part[:1] == "[" and part[-1:] == "]" else re.escape(part)) for part in parts)


def _root(pattern: str) -> str:
    """The folder that all paths of a glob share, with its slash; empty for none."""
    plain = _MAGIC.split(pattern)[0]
    return plain[: plain.rfind("/") + 1]


def _sample(place: str, found: Iterable[ObjectVersion], store: ObjectStore, scratch: Path, *, landed: bool) -> Sample:
    versions = sorted(found, key=lambda one: one.key)
    files = [
        SampleFile(
            one.key, one.size, one.modified, _copied(store, one, scratch / f"object-{at:06d}"), one.key if landed else ""
        )
        for at, one in enumerate(versions)
    ]
    return _judged(place, files)


def _copied(store: ObjectStore, version: ObjectVersion, copy: Path) -> Callable[[], BinaryIO]:
    """Opens the object; one that lies elsewhere is fetched once, however often it is looked at."""

    def opened() -> BinaryIO:
        if store.is_local:
            return store.read(version)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_suffix(".part")
            with store.read(version) as source, part.open("wb") as target:
                while block := source.read(4 * 1024 * 1024):
                    target.write(block)
            part.rename(copy)
        return copy.open("rb")

    return opened
