"""Connections to SQLite: every setting that durability and safety rest on is made and checked each time."""

import sqlite3
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, create_engine

from actions.errors import ConfigurationError
from storage.database_file import DatabaseFile
from storage.failures import storage_error

OLDEST_SQLITE: Final = (3, 35)
"""The first with RETURNING."""
_FULL: Final = 2
_IN_MEMORY: Final = 2
_READERS_KIB: Final = 2_048
_WRITERS_KIB: Final = 16_384
"""Enough for the pages that a batch of changes touches, so that none is written before its commit."""


def connect(file: DatabaseFile, *, busy_timeout: float, read_only: bool = False) -> sqlite3.Connection:
    """Open the file, which must exist, in autocommit mode: whoever uses the connection says BEGIN.

    Args:
        file: what to open.
        busy_timeout: seconds to wait for a lock.
        read_only: refuse every write on this connection.

    Raises:
        ConfigurationError: SQLite is too old, or does not take a setting.
        StorageError: it cannot be opened.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigurationError(
            f"SQLite {sqlite3.sqlite_version} is too old; operator needs {'.'.join(map(str, OLDEST_SQLITE))} or newer."
        )
    try:
        connection = sqlite3.connect(
            f"{file.path.as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
    except sqlite3.Error as error:
        raise storage_error(error, file.path) from error
    try:
        _settle(connection, busy_timeout, read_only=read_only)
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(error, file.path) from error
    except ConfigurationError:
        connection.close()
        raise
    return connection


def build_engine(file: DatabaseFile, *, busy_timeout: float, read_only: bool = False) -> Engine:
    """Return an engine whose connections come from `connect`; it keeps none open for later."""
    return create_engine(
        "sqlite://",
        creator=lambda: connect(file, busy_timeout=busy_timeout, read_only=read_only),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        paramstyle="named",
    )


def driver_says(connection: Connection, sql: str) -> None:
    """Run BEGIN, COMMIT and their like on the driver's own cursor, at a fifth of the price."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def quick_check(file: DatabaseFile, *, busy_timeout: float) -> None:
    """Read the whole file and raise `StorageError` if it is damaged; about a second for each gigabyte."""
    connection = connect(file, busy_timeout=busy_timeout, read_only=True)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise storage_error(error, file.path) from error
    finally:
        connection.close()
    if found != "ok":
        raise storage_error(_malformed(found), file.path)


def _settle(connection: sqlite3.Connection, busy_timeout: float, *, read_only: bool) -> None:
    milliseconds = round(busy_timeout * 1_000)
    wanted: dict[str, int | str] = {
        "busy_timeout": milliseconds,
        "journal_mode": "wal",
        "synchronous": _FULL,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "temp_store": _IN_MEMORY,  # what savepoints keep to roll back; on disk it costs as much as the work itself
        "cache_size": -(_READERS_KIB if read_only else _WRITERS_KIB),
        "query_only": int(read_only),
    }
    for name, value in wanted.items():
        connection.execute(f"PRAGMA {name} = {value}")
        (answer,) = connection.execute(f"PRAGMA {name}").fetchone()
        if answer != value:
            raise ConfigurationError(
                f"SQLite does not take the setting {name} = {value} (it answers {answer}), without which nothing "
                "here is durable. Is the database on a local disk?"
            )


def _malformed(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
