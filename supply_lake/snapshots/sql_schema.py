"""The tables of the SQL metadata store, and how they come to be.

What belongs here: tables, indexes, the schema's version. What does not: statements over them (``sql_ledger``,
``sql_commit``, ``sql_history``, ``sql_versions``, ``sql_pins``) and connections (``sql_database``).

Times are those of ``micros``. What is asked for stands in columns; the rest of a record is its JSON, written once and never
changed. ``superseded_by``, ``revoked_by``, ``held_by`` and ``removed_at`` are the columns of a snapshot that change after its
commit.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from supply_lake.errors import SettingsError

SCHEMA_VERSION = 4
_INIT_LOCK = 0x5AFE_1A4E  # any number that nobody else in the database takes as an advisory lock

# Keys sort by their bytes in every database, whatever its locale.
Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows itself for INTEGER only

tables = sa.MetaData()

lake_schema = sa.Table("lake_schema", tables, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))

objects = sa.Table(
    "objects",
    tables,
    sa.Column("id", Counter, primary_key=True),  # versions of a key are numbered in the order in which they came to stand
    sa.Column("key", Text, nullable=False),
    sa.Column("etag", Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified", sa.BigInteger, nullable=False),
    sa.Column("dataset", Text, nullable=False),
    sa.Column("landing_date", sa.Date),
    sa.Column("state", Text, nullable=False),
    sa.Column("deliveries", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # begun since the last retry
    sa.Column("tries", sa.Integer, nullable=False, default=0),  # begun ever, and retries: never counts down
    sa.Column("batch_id", Text, nullable=False, default=""),
    sa.Column("standing_in", Text, nullable=False, default=""),  # the batch in whose rejects its rejected rows stand
    sa.Column("outcome", Text, nullable=False, default=""),
    sa.Column("reason", Text, nullable=False, default=""),
    sa.Column("sha256", Text, nullable=False, default=""),
    sa.Column("published_in", sa.BigInteger),  # number of the first commit that published it
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("key", "etag", "size", name="objects_identity"),
)
sa.Index("objects_by_state", *(objects.c[n] for n in ("state", "dataset", "landing_date", "modified", "key")))
sa.Index(
    "objects_published",
    objects.c.dataset,
    objects.c.landing_date,
    sqlite_where=objects.c.published_in.is_not(None),
    postgresql_where=objects.c.published_in.is_not(None),
)

prefixes = sa.Table(
    "prefixes",
    tables,
    sa.Column("prefix", Text, primary_key=True),
    sa.Column("fingerprint", Text, nullable=False),  # a whole number of any size
)

datasets = sa.Table(
    "datasets",
    tables,
    sa.Column("dataset", Text, primary_key=True),
    sa.Column("last_commit", sa.BigInteger, nullable=False, default=0),
    sa.Column("last_committed_at", sa.BigInteger, nullable=False, default=0),
    sa.Column("answered_until", sa.BigInteger, nullable=False, default=0),  # no commit may be dated up to here any more
)

batches = sa.Table(
    "batches",
    tables,
    sa.Column("id", Text, primary_key=True),
    sa.Column("dataset", Text, nullable=False),
    sa.Column("landing_date", sa.Date, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("commit_number", sa.BigInteger),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("recorded_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Index("batches_of_run", "run_id"),
    sa.Index("batches_newest", "recorded_at", "id"),
    sa.Index("batches_of_dataset", "dataset", "recorded_at", "id"),
)

commits = sa.Table(
    "commits",
    tables,
    sa.Column("dataset", Text, sa.ForeignKey("datasets.dataset"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("committed_at", sa.BigInteger, nullable=False),
    sa.Column("batch_id", Text, sa.ForeignKey("batches.id"), nullable=False, unique=True),
    sa.Column("reason", sa.Text, nullable=False, default=""),  # of a revocation
    sa.Column("made_by", sa.Text, nullable=False, default=""),
    sa.UniqueConstraint("dataset", "committed_at", name="commits_in_time"),
)

schema_versions = sa.Table(
    "schema_versions",
    tables,
    sa.Column("dataset", Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("commit_number", sa.BigInteger, nullable=False),  # the commit that brought it
    sa.Column("object", Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["dataset", "commit_number"], ["commits.dataset", "commits.number"]),
    sa.UniqueConstraint("dataset", "commit_number", name="schema_versions_by_commit"),
)

pins = sa.Table(
    "pins",
    tables,
    sa.Column("id", Text, primary_key=True),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

snapshots = sa.Table(
    "snapshots",
    tables,
    sa.Column("id", Text, primary_key=True),
    sa.Column("dataset", Text, nullable=False),
    sa.Column("partition_date", sa.Date, nullable=False),
    sa.Column("landing_date", sa.Date, nullable=False),
    sa.Column("batch_id", Text, sa.ForeignKey("batches.id"), nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("commit_number", sa.BigInteger),
    sa.Column("superseded_by", sa.BigInteger),
    sa.Column("revoked_by", sa.BigInteger),
    sa.Column("held_by", Text),  # the last snapshot into which a compaction, or what undid one, wrote all of its rows again
    sa.Column("removed_at", sa.BigInteger),  # its files were given up by then
    sa.Column("recorded_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["dataset", "commit_number"], ["commits.dataset", "commits.number"]),
    sa.ForeignKeyConstraint(["dataset", "superseded_by"], ["commits.dataset", "commits.number"]),
    sa.ForeignKeyConstraint(["dataset", "revoked_by"], ["commits.dataset", "commits.number"]),
    sa.Index("snapshots_newest", "dataset", "recorded_at", "id"),
    sa.Index("snapshots_by_commit", "dataset", "commit_number", "superseded_by"),
    sa.Index("snapshots_by_partition", "dataset", "partition_date", "commit_number", "superseded_by"),
    sa.Index("snapshots_live", "dataset", "superseded_by", "partition_date", "commit_number"),
    sa.Index("snapshots_of_batch", "batch_id"),
)

removals = sa.Table(
    "removals",
    tables,
    sa.Column("id", Text, primary_key=True),
    sa.Column("dataset", Text, nullable=False),
    sa.Column("removed_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Index("removals_of_dataset", "dataset", "removed_at", "id"),
)

condemned = sa.Table(  # ids of snapshots that were never recorded and whose files were removed: none may be recorded any more
    "condemned",
    tables,
    sa.Column("snapshot_id", Text, primary_key=True),
    sa.Column("removal_id", Text, sa.ForeignKey("removals.id"), nullable=False),
)
is_live = sa.and_(snapshots.c.commit_number.is_not(None), snapshots.c.superseded_by.is_(None))
_holders = snapshots.alias("holders")
is_held = sa.exists().where(_holders.c.id == snapshots.c.held_by, _holders.c.superseded_by.is_(None))
"""Whether all rows of a snapshot are live in one that a compaction wrote."""


def is_current(connection: sa.Connection, store: str) -> bool:
    """Whether the tables are there, in this version.

    :raises SettingsError: they are there in another version
    """
    if not sa.inspect(connection).has_table(lake_schema.name):
        return False
    version = connection.execute(sa.select(sa.func.max(lake_schema.c.version))).scalar()
    if version is not None and version != SCHEMA_VERSION:
        raise SettingsError(
            f"the metadata store {store} has schema version {version}, this supply_lake takes {SCHEMA_VERSION}; "
            "use the release that it was made with, or another store"
        )
    return version is not None


def create(connection: sa.Connection, store: str) -> None:
    """Make what is missing, inside the caller's write transaction; harmless when another process came first."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_INIT_LOCK)))
    if not is_current(connection, store):
        tables.create_all(connection)
        connection.execute(sa.insert(lake_schema).values(version=SCHEMA_VERSION))
