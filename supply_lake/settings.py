"""Environment → one frozen ``Settings``. The only place that reads ``SUPPLY_LAKE_*`` variables.

What belongs here: names, defaults and validation of settings. What does not: opening what they point at (``storage``,
``snapshots``, ``query`` do that) and AWS credentials (the standard AWS variables are read by the AWS libraries).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from supply_lake.errors import SettingsError

PREFIX = "SUPPLY_LAKE_"
_STORE_SCHEMES = ("s3", "gs", "az", "file")
_METADATA_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be configured from outside.

    ``landing``, ``lake`` and ``rejects`` are absolute local paths or object store URLs (``s3://bucket/prefix``).
    ``metadata`` is an SQLAlchemy URL. ``alert_url`` is a webhook that takes JSON, or empty. Sizes are bytes, times are seconds.
    """

    home: Path
    landing: str
    lake: str
    rejects: str
    metadata: str
    datasets: Path
    query: str = "duckdb"
    catalog: str = "none"
    max_objects_per_run: int = 2_000
    max_bytes_per_run: int = 16 * 1024**3
    max_runs_per_tick: int = 20
    max_attempts: int = 3
    settle_seconds: float = 5.0
    hot_days: int = 3
    memory_bytes: int = 1024**3
    threads: int = 0
    alert_url: str = ""

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        :param env: the environment; ``os.environ`` when left out
        :raises SettingsError: naming the variable, its value and what it takes
        """
        env = os.environ if env is None else env
        home = Path(_get(env, "HOME") or ".lake").expanduser().absolute()
        lake = _location(env, "LAKE", home / "lake")
        numbers = {
            field.name: _number(env, field.name.upper(), field.default)
            for field in fields(Settings)
            if isinstance(field.default, (int, float))
        }
        return Settings(
            home=home,
            landing=_location(env, "LANDING", home / "landing"),
            lake=lake,
            rejects=_location(env, "REJECTS", _sibling(lake, "rejects")),
            metadata=_metadata(env, home),
            datasets=Path(_get(env, "DATASETS") or _packaged_datasets()).expanduser().absolute(),
            query=_choice(env, "QUERY", ("duckdb",)),
            catalog=_choice(env, "CATALOG", ("none",)),
            alert_url=_get(env, "ALERT_URL"),
            **numbers,  # type: ignore[arg-type]
        )

    @property
    def scratch(self) -> Path:
        """Folder for files that a batch spills to disk; emptied by the batch that made them."""
        return self.home / "scratch"


def redacted(url: str) -> str:
    """The URL without the password that it may carry, for logs, records and messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.split(':')[0]}:***@{host}"))


def _get(env: Mapping[str, str], name: str) -> str:
    return env.get(PREFIX + name, "").strip()


def _packaged_datasets() -> Path:
    return Path(__file__).parent / "datasets"


def _location(env: Mapping[str, str], name: str, default: Path | str) -> str:
    value = _get(env, name) or str(default)
    if "://" not in value:
        return str(Path(value).expanduser().absolute())
    parts = urlsplit(value)
    if parts.scheme not in _STORE_SCHEMES:
        raise SettingsError(
            f"{PREFIX}{name}={redacted(value)} has the scheme {parts.scheme!r}; "
            f"give a folder or a URL that starts with one of {', '.join(s + '://' for s in _STORE_SCHEMES)}"
        )
    if parts.password or parts.username:
        raise SettingsError(f"{PREFIX}{name} carries credentials; give them by the cloud's own variables instead")
    return parts.path if parts.scheme == "file" else value.rstrip("/")


def _sibling(lake: str, name: str) -> str:
    """``…/lake`` → ``…/rejects``; a bucket without a prefix gets the name as a prefix."""
    if "://" not in lake:
        return str(Path(lake).parent / name)
    parts = urlsplit(lake)
    parent = parts.path.rstrip("/").rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{parent}/{name}"))


def _metadata(env: Mapping[str, str], home: Path) -> str:
    value = _get(env, "METADATA") or f"sqlite:///{home / 'metadata.sqlite'}"
    scheme = value.partition("://")[0]
    if scheme == "postgresql":
        return "postgresql+psycopg" + value[len(scheme) :]
    if scheme not in _METADATA_SCHEMES:
        raise SettingsError(
            f"{PREFIX}METADATA={redacted(value)} has the scheme {scheme!r}; "
            "give sqlite:///path or postgresql://user@host/database"
        )
    return value


def _choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = _get(env, name) or allowed[0]
    if value not in allowed:
        raise SettingsError(f"{PREFIX}{name}={value!r} is not known; it takes {' or '.join(allowed)}")
    return value


def _number(env: Mapping[str, str], name: str, default: int | float) -> int | float:
    value = _get(env, name)
    if not value:
        return default
    kind = type(default)
    try:
        number = kind(value)
    except ValueError:
        number = -1
    if number < 0:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{PREFIX}{name}={value!r} is not usable; it takes {wanted}, zero or more")
    return number
