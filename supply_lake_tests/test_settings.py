"""The environment as people write it: what is usable is taken, what is not is named with what would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from supply_lake.errors import SettingsError
from supply_lake.settings import Settings, redacted


def test_with_nothing_set_everything_lies_in_one_folder() -> None:
    settings = Settings.from_env({})
    home = Path.cwd() / ".lake"
    assert (settings.home, settings.landing, settings.lake) == (home, f"{home}/landing", f"{home}/lake")
    assert (settings.rejects, settings.metadata) == (f"{home}/rejects", f"sqlite:///{home}/metadata.sqlite")


def test_places_are_switched_one_by_one() -> None:
    settings = Settings.from_env(
        {
            "SUPPLY_LAKE_HOME": "~/lake",
            "SUPPLY_LAKE_LANDING": "file:///data/in",
            "SUPPLY_LAKE_LAKE": "s3://bucket/team/lake/",
            "SUPPLY_LAKE_METADATA": "postgresql://me@host/db",
        }
    )
    assert settings.home == Path.home() / "lake"
    assert (settings.landing, settings.lake, settings.rejects) == (
        "/data/in",
        "s3://bucket/team/lake",
        "s3://bucket/team/rejects",
    )
    assert settings.metadata == "postgresql+psycopg://me@host/db"
    assert Settings.from_env({"SUPPLY_LAKE_METADATA": "dynamodb://lake"}).metadata == "dynamodb://lake"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LANDING", "ftp://x", "has the scheme 'ftp'"),
        ("LANDING", "s3://", "names no bucket; write s3://bucket/prefix"),
        ("LANDING", "s3:///prefix", "names no bucket"),
        ("LANDING", "s3:bucket", "is neither a folder nor a URL; write s3://bucket/prefix"),
        ("LANDING", "file://host/x", "names a host; write file:///folder"),
        ("LAKE", "s3://user:secret@bucket", "carries credentials"),
        ("ENCRYPTION", "aes", "it takes sse-s3, sse-kms or sse-kms:<id"),
        ("ENCRYPTION", "sse-kms:", "it takes"),
        ("EVENTS", "sqs://queue", "needs landing in a bucket"),
        ("EVENTS", "queue", "is no queue; give sqs://name"),
        ("EVENTS", "sqs://a/b/c", "is no queue"),
        ("EVENTS", "https://host", "is no queue"),
        ("EVENTS", "https://me:secret@host/1/queue", "carries credentials"),
        ("RECONCILE_SECONDS", "0", "it takes a number from 10 to 604800"),
        ("METADATA", "mysql://me:secret@host/db", "has the scheme 'mysql'"),
        ("QUERY", "spark", "is not known; it takes duckdb"),
        ("MAX_RUNS_PER_TICK", "0", "it takes a whole number of at least 1"),
        ("MAX_ATTEMPTS", "-1", "it takes a whole number of at least 1"),
        ("MAX_OBJECTS_PER_RUN", "2.5", "it takes a whole number of at least 1"),
        ("MEMORY_BYTES", "1GB", "it takes a whole number of at least 67108864"),
        ("HOT_DAYS", "99999999", "it takes a whole number from 0 to 3660"),
        ("THREADS", "100000", "it takes a whole number from 0 to 1024"),
        ("SETTLE_SECONDS", "nan", "it takes a number from 0 to 86400"),
        ("SETTLE_SECONDS", "inf", "it takes a number from 0 to 86400"),
        ("RETENTION_DAYS", "-1", "it takes a number from 0 to 36500"),
        ("GC_SCHEDULE", "every night", "is no cron line; write five fields, such as '15 3 * * *', or '@daily'"),
        ("DATASET", "/x", "is no setting; did you mean SUPPLY_LAKE_DATASETS?"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_remedy(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({f"SUPPLY_LAKE_{name}": value})
    assert str(refused.value).startswith(f"SUPPLY_LAKE_{name}")
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_variables_of_others_are_none_of_ours() -> None:
    Settings.from_env({"SUPPLY_LAKE_IMAGE_TAG": "7", "SUPPLY_LAKE_DEBUG": "1", "DATASET": "x"})


def test_passwords_are_not_shown() -> None:
    assert redacted("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert redacted("postgresql://host/db?user=me&password=se%20cret&sslmode=require") == (
        "postgresql://host/db?user=me&password=***&sslmode=require"
    )
    assert redacted("sqlite:////x/y") == "sqlite:////x/y"
