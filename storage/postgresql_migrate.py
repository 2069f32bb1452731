"""Bringing a PostgreSQL database to the schema that this version needs, or saying why it cannot be used."""

import logging
from typing import Final

from sqlalchemy import Connection, text

from actions.errors import ConfigurationError
from storage.migrate import OURS, Schema

MIGRATING: Final = 0x6F70_6572_6174_6F73
"""The number of the advisory lock that whoever migrates holds."""
_TABLES: Final = text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
_HAS_REVISION: Final = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION: Final = text("SELECT version_num FROM alembic_version")
_LOCK: Final = text(f"SELECT pg_advisory_lock({MIGRATING})")
_UNLOCK: Final = text(f"SELECT pg_advisory_unlock({MIGRATING})")

log = logging.getLogger(__name__)


def migrate(connection: Connection, name: str, *, schema: Schema = OURS) -> None:
    """Create the tables, or bring them to the newest schema, one process at a time; backups are the server's business.

    Raises:
        ConfigurationError: a newer version or another program made the tables; nothing was changed.
    """
    if _revision(connection, name, schema) == schema.newest:
        return
    connection.execute(text("SET lock_timeout = 0"))  # others may be migrating for as long as it takes
    connection.execute(_LOCK)
    try:
        _migrate_alone(connection, name, schema)
    finally:
        if not connection.closed and not connection.invalidated:
            connection.execute(_UNLOCK)


def _migrate_alone(connection: Connection, name: str, schema: Schema) -> None:
    revision = _revision(connection, name, schema)
    if revision == schema.newest:
        return
    if revision is not None:
        log.warning("migrating %s from schema %s without a backup: have one made by pg_dump", name, revision)
    # Alembic takes 0.4 s to load, and all starts but the first and those after an update need nothing of it.
    from storage.upgrade import upgrade  # noqa: PLC0415

    upgrade(connection, revision, schema.migrations, begin="BEGIN")


def _revision(connection: Connection, name: str, schema: Schema) -> str | None:
    if not connection.scalar(_HAS_REVISION):
        if connection.scalar(_TABLES):
            raise ConfigurationError(
                f"The database {name} belongs to some other program. Make one of operator's own (CREATE DATABASE) "
                "and set `database` to it."
            )
        return None
    found = connection.scalar(_REVISION)
    if found is None:
        return None
    if found not in schema.revisions:
        raise ConfigurationError(
            f"The database {name} has schema {found}; this version of operator knows those up to {schema.newest}. "
            "Start the newer version that wrote it. To go back instead, restore what pg_dump saved before the update."
        )
    return str(found)
