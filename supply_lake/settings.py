"""Environment → one frozen ``Settings``. The only place that reads ``SUPPLY_LAKE_*`` variables.

What belongs here: names, defaults and validation of settings. What does not: opening what they point at (``storage``,
``snapshots``, ``query`` do that) and AWS credentials (the standard AWS variables are read by the AWS libraries).
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from supply_lake.errors import SettingsError

PREFIX = "SUPPLY_LAKE_"
_STORE_SCHEMES = ("s3", "gs", "az", "file")
_SQL_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")
_METADATA_SCHEMES = (*_SQL_SCHEMES, "dynamodb")
_SECRET_PARAMETER = re.compile(r"([?&][a-z]*password=)[^&#]*")
_CRON = re.compile(r"@(hourly|daily|weekly|monthly|yearly)|[\d*/,\-A-Za-z#?L]+( [\d*/,\-A-Za-z#?L]+){4}")
_READ_ELSEWHERE = {"DEBUG"}  # by the command, before it reads settings
_LIMITS = {
    "max_objects_per_run": (1, math.inf),
    "max_bytes_per_run": (1, math.inf),
    "max_runs_per_tick": (1, math.inf),
    "max_attempts": (1, math.inf),
    "settle_seconds": (0, 86_400),
    "retention_days": (0, 36_500),
    "gc_grace_hours": (1, 87_600),
    "hot_days": (0, 3_660),
    "reconcile_seconds": (10, 7 * 86_400),
    "memory_bytes": (64 * 1024**2, math.inf),
    "threads": (0, 1_024),
    "rate_per_second": (1, math.inf),
    "max_request_bytes": (1_024, math.inf),
    "request_seconds": (0.1, 86_400),
    "link_seconds": (1, 7 * 86_400),
    "athena_bytes": (0, math.inf),
    "athena_reuse_minutes": (0, 10_080),
    "query_seconds": (1, 31_536_000),
}
"""Least and greatest value of each number; below and above, nothing would ever be read, or nothing would work."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be configured from outside.

    ``landing``, ``lake`` and ``rejects`` are absolute local paths or object store URLs (``s3://bucket/prefix``).
    ``encryption`` is that with which S3 encrypts what the lake writes; when empty, the buckets' own.
    ``metadata`` is an SQLAlchemy URL, or ``dynamodb://TABLE``; ``iceberg`` an SQLAlchemy URL, or empty. ``events`` is the queue
    that tells of new objects in landing: ``sqs://name``, ``sqs://account/name`` or its URL; when empty, landing is listed.
    ``athena_output`` is where Athena writes when a query names no place, ``athena_bytes`` the most that one may read; 0 is no
    limit. ``catalog_superseded`` tells whether the catalog keeps what commits superseded, ``catalog_partitions`` how it knows
    of that. ``alert_url`` is a webhook that takes JSON, or empty. Sizes are bytes, times are seconds unless their name says
    otherwise. Schedules are cron lines in UTC, or empty: then nothing runs by itself. ``access`` (an SQLAlchemy URL), ``audit``
    and what follows ``rate_per_second`` up to ``webhook_hosts`` are the service's.
    """

    home: Path
    landing: str
    lake: str
    rejects: str
    metadata: str
    datasets: Path
    access: str
    audit: Path
    query: str = "duckdb"
    catalog: str = "none"
    athena_workgroup: str = "primary"
    athena_output: str = ""
    athena_bytes: int = 0
    athena_reuse_minutes: int = 0
    catalog_database: str = "supply_lake"
    catalog_superseded: str = "keep"
    catalog_partitions: str = "registered"
    max_objects_per_run: int = 2_000
    max_bytes_per_run: int = 16 * 1024**3
    max_runs_per_tick: int = 20
    max_attempts: int = 3
    settle_seconds: float = 5.0
    hot_days: int = 3
    memory_bytes: int = 1024**3
    threads: int = 0
    query_seconds: int = 3_600
    encryption: str = ""
    events: str = ""
    reconcile_seconds: float = 3_600.0
    alert_url: str = ""
    rate_per_second: int = 200
    max_request_bytes: int = 256 * 1024**2
    request_seconds: float = 30.0
    link_seconds: int = 900
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks: str = ""
    oidc_claim: str = "scope"
    webhook_hosts: str = ""
    iceberg: str = ""
    retention_days: float = 90.0
    gc_grace_hours: float = 48.0
    compact_schedule: str = ""
    gc_schedule: str = ""
    reconcile_schedule: str = ""
    verify_schedule: str = ""

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        :param env: the environment; ``os.environ`` when left out
        :raises SettingsError: naming the variable, its value and what it takes
        """
        env = os.environ if env is None else env
        _refuse_misspelt(env)
        home = Path(_get(env, "HOME") or ".lake").expanduser().absolute()
        landing = _location(env, "LANDING", home / "landing")
        lake = _location(env, "LAKE", home / "lake")
        metadata = _metadata(env, home)
        numbers = {
            field.name: _number(env, field.name, field.default)
            for field in fields(Settings)
            if isinstance(field.default, (int, float))
        }
        return Settings(
            home=home,
            landing=landing,
            lake=lake,
            rejects=_location(env, "REJECTS", _sibling(lake, "rejects")),
            metadata=metadata,
            datasets=Path(_get(env, "DATASETS") or _packaged_datasets()).expanduser().absolute(),
            access=_access(env, metadata, home),
            audit=Path(_get(env, "AUDIT") or home / "audit.jsonl").expanduser().absolute(),
            query=_engine(env),
            athena_workgroup=_get(env, "ATHENA_WORKGROUP") or "primary",
            athena_output=_athena_output(env),
            catalog=_catalog(env, lake),
            catalog_database=_catalog_database(env),
            catalog_superseded=_choice(env, "CATALOG_SUPERSEDED", ("keep", "remove")),
            catalog_partitions=_choice(env, "CATALOG_PARTITIONS", ("registered", "projected")),
            encryption=_encryption(env),
            events=_queue(env, landing),
            alert_url=_get(env, "ALERT_URL"),
            webhook_hosts=_get(env, "WEBHOOK_HOSTS"),
            **_provider(env),  # type: ignore[arg-type]
            iceberg=_iceberg(env, home),
            compact_schedule=_cron(env, "COMPACT_SCHEDULE"),
            gc_schedule=_cron(env, "GC_SCHEDULE"),
            reconcile_schedule=_cron(env, "RECONCILE_SCHEDULE"),
            verify_schedule=_cron(env, "VERIFY_SCHEDULE"),
            **numbers,  # type: ignore[arg-type]
        )

    @property
    def iceberg_warehouse(self) -> str:
        """Where Iceberg tables keep their own metadata: beside the lake."""
        return _sibling(self.lake, "iceberg")

    @property
    def scratch(self) -> Path:
        """Folder for files that a batch spills to disk; emptied by the batch that made them."""
        return self.home / "scratch"


def redacted(url: str) -> str:
    """The URL without the password that it may carry, for logs, records and messages."""
    url = _SECRET_PARAMETER.sub(r"\1***", url)
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
        if value.startswith(tuple(f"{scheme}:" for scheme in _STORE_SCHEMES)):
            raise SettingsError(f"{PREFIX}{name}={value} is neither a folder nor a URL; write s3://bucket/prefix")
        return str(Path(value).expanduser().absolute())
    parts = urlsplit(value)
    if parts.scheme not in _STORE_SCHEMES:
        raise SettingsError(
            f"{PREFIX}{name}={redacted(value)} has the scheme {parts.scheme!r}; "
            f"give a folder or a URL that starts with one of {', '.join(s + '://' for s in _STORE_SCHEMES)}"
        )
    if parts.password or parts.username:
        raise SettingsError(f"{PREFIX}{name} carries credentials; give them by the cloud's own variables instead")
    if bool(parts.netloc) == (parts.scheme == "file"):
        example = "file:///folder" if parts.scheme == "file" else f"{parts.scheme}://bucket/prefix"
        raise SettingsError(f"{PREFIX}{name}={value} names {'a host' if parts.netloc else 'no bucket'}; write {example}")
    return parts.path if parts.scheme == "file" else value.rstrip("/")


def _engine(env: Mapping[str, str]) -> str:
    value = _choice(env, "QUERY", ("duckdb", "athena"))
    if value == "athena" and (_get(env, "CATALOG") != "glue" or _get(env, "CATALOG_SUPERSEDED") == "remove"):
        raise SettingsError(
            f"{PREFIX}QUERY=athena reads what the catalog keeps; set {PREFIX}CATALOG=glue and {PREFIX}CATALOG_SUPERSEDED=keep"
        )
    return value


def _athena_output(env: Mapping[str, str]) -> str:
    value = _get(env, "ATHENA_OUTPUT")
    if value and not re.fullmatch(r"s3://[^/]+(/.*)?", value):
        raise SettingsError(f"{PREFIX}ATHENA_OUTPUT={redacted(value)} is no place in S3; write s3://bucket/prefix")
    return value.rstrip("/")


def _catalog(env: Mapping[str, str], lake: str) -> str:
    value = _choice(env, "CATALOG", ("none", "glue"))
    if value == "glue" and not lake.startswith("s3://"):
        raise SettingsError(f"{PREFIX}CATALOG=glue needs the lake in a bucket of S3; set {PREFIX}LAKE=s3://bucket/prefix")
    return value


def _catalog_database(env: Mapping[str, str]) -> str:
    value = _get(env, "CATALOG_DATABASE") or "supply_lake"
    if not re.fullmatch(r"[a-z0-9_]{1,255}", value):
        raise SettingsError(f"{PREFIX}CATALOG_DATABASE={value!r} is no database of Glue; use a to z, digits and `_`")
    return value


def _encryption(env: Mapping[str, str]) -> str:
    value = _get(env, "ENCRYPTION")
    if value in ("", "sse-s3", "sse-kms") or (value.startswith("sse-kms:") and value != "sse-kms:"):
        return value
    raise SettingsError(
        f"{PREFIX}ENCRYPTION={value!r} is not known; it takes sse-s3, sse-kms or sse-kms:<id or ARN of a KMS key>"
    )


def _queue(env: Mapping[str, str], landing: str) -> str:
    value = _get(env, "EVENTS")
    if not value:
        return ""
    name = f"{PREFIX}EVENTS={redacted(value)}"
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise SettingsError(f"{PREFIX}EVENTS carries credentials; give them by the cloud's own variables instead")
    told = parts.path.strip("/")
    fits = told.count("/") <= 0 if parts.scheme == "sqs" else bool(told) and parts.scheme in ("https", "http")
    if not (parts.netloc and fits):
        raise SettingsError(f"{name} is no queue; give sqs://name, sqs://account/name or the queue's URL")
    if not landing.startswith("s3://"):
        raise SettingsError(
            f"{name} needs landing in a bucket that tells the queue of new objects; set {PREFIX}LANDING=s3://bucket/prefix, "
            "or unset it"
        )
    return value


def _sibling(lake: str, name: str) -> str:
    """``…/lake`` → ``…/rejects``; a bucket without a prefix gets the name as a prefix."""
    if "://" not in lake:
        return str(Path(lake).parent / name)
    parts = urlsplit(lake)
    parent = parts.path.rstrip("/").rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{parent}/{name}"))


def _access(env: Mapping[str, str], metadata: str, home: Path) -> str:
    """The metadata store, where it is an SQL database."""
    if _get(env, "ACCESS"):
        return _database(env, "ACCESS", "", _SQL_SCHEMES)
    return metadata if metadata.partition("://")[0] in _SQL_SCHEMES else f"sqlite:///{home / 'access.sqlite'}"


def _provider(env: Mapping[str, str]) -> dict[str, str]:
    """The identity provider: all that is needed of it, or nothing."""
    given = {name: _get(env, name.upper()) for name in ("oidc_issuer", "oidc_audience", "oidc_jwks")}
    missing = [name for name, value in given.items() if not value]
    if missing and len(missing) < len(given):
        raise SettingsError(f"{PREFIX}{missing[0].upper()} is not set, and a JWT cannot be checked without it; set it too")
    if given["oidc_jwks"] and not given["oidc_jwks"].startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise SettingsError(
            f"{PREFIX}OIDC_JWKS={given['oidc_jwks']} is no https:// URL; keys that anyone may change prove nothing"
        )
    return {**given, "oidc_claim": _get(env, "OIDC_CLAIM") or "scope"}


def _metadata(env: Mapping[str, str], home: Path) -> str:
    return _database(env, "METADATA", f"sqlite:///{home / 'metadata.sqlite'}", _METADATA_SCHEMES)


def _database(env: Mapping[str, str], name: str, default: str, schemes: tuple[str, ...]) -> str:
    value = _get(env, name) or default
    scheme = value.partition("://")[0]
    if scheme == "postgresql":
        return "postgresql+psycopg" + value[len(scheme) :]
    if scheme not in schemes:
        besides = " or dynamodb://TABLE" if "dynamodb" in schemes else ""
        between = "," if besides else " or"
        raise SettingsError(
            f"{PREFIX}{name}={redacted(value)} has the scheme {scheme!r}; "
            f"give sqlite:///path{between} postgresql://user@host/database{besides}"
        )
    return value


def _iceberg(env: Mapping[str, str], home: Path) -> str:
    """SQLAlchemy URL of the catalog; empty when the lake publishes no tables."""
    value = _get(env, "ICEBERG")
    if value.lower() in ("", "off"):
        return ""
    if value.lower() == "on":
        return f"sqlite:///{home / 'iceberg.sqlite'}"
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _SQL_SCHEMES:
        raise SettingsError(
            f"{PREFIX}ICEBERG={redacted(value)} is neither on nor off, nor the URL of an SQL catalog; "
            "give on, sqlite:///path or postgresql://user@host/database"
        )
    return f"postgresql+psycopg://{rest}" if scheme == "postgresql" else value


def _choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = _get(env, name) or allowed[0]
    if value not in allowed:
        raise SettingsError(f"{PREFIX}{name}={value!r} is not known; it takes {' or '.join(allowed)}")
    return value


def _cron(env: Mapping[str, str], name: str) -> str:
    value = _get(env, name)
    if value and not _CRON.fullmatch(value):
        raise SettingsError(f"{PREFIX}{name}={value!r} is no cron line; write five fields, such as '15 3 * * *', or '@daily'")
    return value


def _number(env: Mapping[str, str], name: str, default: int | float) -> int | float:
    value = _get(env, name.upper())
    if not value:
        return default
    kind = type(default)
    least, most = _LIMITS.get(name, (0, math.inf))
    try:
        number = kind(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most or math.isinf(number):
        wanted = "a whole number" if kind is int else "a number"
        bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise SettingsError(f"{PREFIX}{name.upper()}={value!r} is not usable; it takes {wanted} {bounds}")
    return number


def _refuse_misspelt(env: Mapping[str, str]) -> None:
    """A name that is nearly a setting's would be passed over, and the default used in silence."""
    known = {field.name.upper() for field in fields(Settings)} | _READ_ELSEWHERE
    for name in sorted(env):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in known:
            continue
        if near := difflib.get_close_matches(rest, known, n=1, cutoff=0.8):
            raise SettingsError(f"{name} is no setting; did you mean {PREFIX}{near[0]}?")
