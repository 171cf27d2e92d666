"""One YAML file → one frozen ``Config``: every parameter of the infrastructure, with its limits.

What belongs here: names, defaults and validation. What does not: what is made of them (the constructs), and settings of the
lake itself (``supply_lake.settings``; ``environment`` turns these into those).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_NAME = r"^[a-z][a-z0-9-]*[a-z0-9]$"
_DATASET = r"^[a-z][a-z0-9_]*$"
Days = Annotated[int, Field(ge=1, le=3_650)]
ExternalId = Annotated[str, Field(min_length=6, max_length=1_224, pattern=r"^[\w+=,.@:/-]+$")]


class ConfigError(Exception):
    """The file of the infrastructure cannot be used; the message has a line for each fault."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Storage(_Part):
    """How long buckets keep what, in days."""

    overwritten_days: Days = Field(90, description="How long versions that were overwritten or deleted are kept.")
    landing_archive_days: Days = Field(90, description="After how long landed files move to Standard-IA; 30 at least.", ge=30)
    results_days: Days = Field(7, description="How long results of queries are kept.")
    logs_days: Days = Field(90, description="How long access logs, the output of runs and the log groups are kept.")


class Athena(_Part):
    """Limits of queries."""

    scan_limit_gb: int = Field(100, ge=1, le=100_000, description="Most gigabytes that one query may scan.")


class Alerts(_Part):
    """Who is told, and of what."""

    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = ()
    oldest_message_minutes: int = Field(15, ge=1, description="Age of the queue's oldest message that is told.")


class Compute(_Part):
    """Where Dagster runs. CPU is in units of which 1024 are one virtual processor; memory is in MiB, as Fargate takes them."""

    image: str = Field("", description="URI of the container image; without one there is no compute stack.")
    cidr: str = Field("10.42.0.0/16", description="Addresses of the network.")
    nat_gateways: int = Field(1, ge=1, le=3, description="Ways out; one for each zone survives the loss of a zone.")
    service_cpu: int = 512
    service_memory: int = 2_048
    run_cpu: int = 2_048
    run_memory: int = 8_192
    run_disk_gb: int = Field(50, ge=21, le=200, description="Disk of a run, for what a batch spills.")
    database_class: str = Field("t4g.micro", description="Instance class of the PostgreSQL of Dagster.")
    database_gb: int = Field(20, ge=20, le=65_536)
    database_multi_az: bool = Field(False, description="Whether a standby waits in another zone; it doubles the price.")
    backup_days: int = Field(14, ge=1, le=35)

    @property
    def repository(self) -> tuple[str, str, str] | None:
        """Account, region and name of the image's repository in ECR; ``None`` when it is elsewhere."""
        found = re.match(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.[a-z.]+/([^:@]+)", self.image)
        return (found[1], found[2], found[3]) if found else None

    @property
    def spill_bytes(self) -> int:
        """Memory that a batch plans with before it spills: half of what a run has; the rest is Python's and Arrow's."""
        return self.run_memory * 1024**2 // 2


class _Account(_Part):
    name: str = Field(pattern=_NAME, max_length=24, description="Ends the role's name.")
    account: str = Field(pattern=r"^\d{12}$", description="Account that may assume the role.")
    external_id: ExternalId = Field(description="What it has to tell when it does; agreed upon, and different for each.")


class Producer(_Account):
    """May put files into landing below its prefixes, and nothing else."""

    prefixes: tuple[Annotated[str, Field(pattern=r"^[^*?$]+/$")], ...] = Field(
        min_length=1, description="Folders of landing, as <dataset>/."
    )


class Consumer(_Account):
    """May read what is published of its datasets, and query it."""

    datasets: tuple[Annotated[str, Field(pattern=_DATASET)], ...] = Field(min_length=1)


class Operator(_Account):
    """May do what the command does: ingest, replay, revoke, verify, look into everything."""


class Config(_Part):
    """All parameters."""

    name: str = Field("supply-lake", pattern=_NAME, max_length=20)
    storage: Storage = Storage()
    athena: Athena = Athena()
    alerts: Alerts = Alerts()
    compute: Compute = Compute()
    producers: tuple[Producer, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    operators: tuple[Operator, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Config:
        for kind in (self.producers, self.consumers, self.operators):
            names = [one.name for one in kind]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{', '.join(twice)} stands twice among {type(kind[0]).__name__.lower()}s; name each once")
        return self


def load(path: Path) -> Config:
    """The parameters in the file.

    :raises ConfigError: with one line for each fault
    """
    try:
        told: Any = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        return Config.model_validate(told or {})
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
        raise ConfigError("\n".join(lines)) from error
