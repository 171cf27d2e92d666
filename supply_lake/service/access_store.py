"""Tokens in an SQL database: beside the metadata where that is one, else in a database of their own.

What belongs here: their table and the statements over it. What does not: what a token is (``tokens``). The table is
no part of the metadata schema and has no version with it: a lake without the service has none.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import sqlalchemy as sa

from supply_lake.errors import UnknownToken
from supply_lake.service.grants import Grant
from supply_lake.service.tokens import Token
from supply_lake.settings import Settings
from supply_lake.snapshots.micros import from_micros, to_micros
from supply_lake.snapshots.sql_database import Database

tables = sa.MetaData()
_tokens = sa.Table(
    "access_tokens",
    tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("grants", sa.Text, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
)
_BY_ID = sa.select(_tokens).where(_tokens.c.id == sa.bindparam("wanted"))


class AccessStore:
    """The tokens of one lake. Threads and processes may share it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @staticmethod
    def open(settings: Settings) -> AccessStore:
        """Open the database that the settings name; its table is made if it is not there.

        :raises StoreUnavailable: the database does not answer
        """
        database = Database.open(settings.access)
        from supply_lake.service import webhook_store  # noqa: F401 - its table is one of these

        try:
            database.write(tables.create_all)
        except BaseException:
            database.close()
            raise
        return AccessStore(database)

    def close(self) -> None:
        """Give up connections."""
        self.database.close()

    def add(self, token: Token) -> None:
        """Keep a new token."""
        self.database.write(lambda connection: connection.execute(sa.insert(_tokens).values(**_row(token))))

    def find(self, token_id: str) -> Token | None:
        """One token, whatever became of it."""
        with self.database.read() as connection:
            row = connection.execute(_BY_ID, {"wanted": token_id}).one_or_none()
        return None if row is None else _token(row)

    def all(self) -> list[Token]:
        """Every token, the oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(_tokens).order_by(_tokens.c.made_at, _tokens.c.id)).all()
        return [_token(row) for row in rows]

    def revoke(self, token_id: str, now: dt.datetime) -> Token:
        """End a token; one that was revoked before stays as it is.

        :raises UnknownToken: there is none of this id
        """
        update = sa.update(_tokens).where(_tokens.c.id == token_id, _tokens.c.revoked_at.is_(None))
        self.database.write(lambda connection: connection.execute(update.values(revoked_at=to_micros(now))))
        found = self.find(token_id)
        if found is None:
            raise UnknownToken(f"no token has the id {token_id!r}; see them with `supply-lake token list`")
        return found


def _row(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "digest": token.digest,
        "grants": json.dumps([str(grant) for grant in token.grants]),
        "made_at": to_micros(token.made_at),
        "expires_at": to_micros(token.expires_at) if token.expires_at else None,
        "revoked_at": to_micros(token.revoked_at) if token.revoked_at else None,
    }


def _token(row: sa.Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        digest=row.digest,
        grants=tuple(Grant.parse(text) for text in json.loads(row.grants)),
        made_at=from_micros(row.made_at),
        expires_at=None if row.expires_at is None else from_micros(row.expires_at),
        revoked_at=None if row.revoked_at is None else from_micros(row.revoked_at),
    )
