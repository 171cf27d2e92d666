"""A source that is a folder of files elsewhere: behind HTTP, on an SFTP server, in another bucket.

What belongs here: the fields of `source.files`. What does not: fetching them (``extract.files``).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from supply_lake.datasets.model import Declared
from supply_lake.datasets.secret import REFERENCE, Secret, SourceUrl
from supply_lake.datasets.source_rest import Auth
from supply_lake.storage.layout import KeyPattern

_SCHEMES = ("https", "http", "sftp", "s3", "gs", "az", "file")


class FilesSource(Declared):
    """A folder of files. Each lands as it is, once for every version of it."""

    url: SourceUrl = Field(
        description="The folder: `https://host/exports`, `sftp://user@host/outbound`, `s3://bucket/prefix`, `gs://…`, `az://…` "
        "or `file:///path`."
    )
    pattern: str = Field(
        "{file}",
        description="Which files below it, as in `landing.pattern`. A date in the name is the landing date, else the date of "
        "the file's last change. Behind HTTP, a pattern without `*`, `{file}` and `{path}` is one file a day; others need a "
        "page that lists the folder.",
    )
    again_days: int = Field(7, ge=0, description="How many days before today a scheduled pull looks at again.")
    settle_seconds: float = Field(
        60, ge=0, description="SFTP and `file:`: how long a file must lie still before it is taken, for someone may be writing."
    )
    auth: Auth | None = Field(None, description="HTTP: how the server knows who asks.")
    password: Secret | None = Field(None, description="SFTP: the user's password.")
    private_key: Secret | None = Field(None, description="SFTP: the user's private key, in OpenSSH or PEM form.")
    host_key: str = Field(
        "",
        description="SFTP: the server's public key, as in known_hosts (`ssh-ed25519 AAAA…`); by default known_hosts is asked.",
    )
    requests_per_second: float | None = Field(None, gt=0, description="HTTP: most requests in a second.")
    timeout: float = Field(60, gt=0, description="Seconds to wait for the server before it counts as away.")
    tries: int = Field(8, ge=1, description="HTTP: how often a request is made in all.")

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, value: str) -> str:
        KeyPattern(value)
        return value

    @model_validator(mode="after")
    def _scheme_is_known(self) -> FilesSource:
        scheme = urlsplit(self.url).scheme
        if not REFERENCE.fullmatch(self.url) and scheme not in _SCHEMES:
            raise ValueError(f"{scheme}:// is no place for files; it takes {', '.join(f'{one}://' for one in _SCHEMES)}")
        if scheme != "sftp" and (self.password or self.private_key or self.host_key):
            raise ValueError("`password`, `private_key` and `host_key` are for sftp://")
        if self.auth and scheme not in ("http", "https"):
            raise ValueError("`auth` is for http:// and https://")
        return self
