"""Which database an address names: the one place where they are told apart."""

from importlib.util import find_spec
from typing import Final

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from actions.errors import ConfigurationError
from storage.database import Database
from storage.database_file import DatabaseFile
from storage.sqlite import SqliteDatabase

_POSTGRESQL: Final = "postgresql+psycopg"


def database_at(url: str, *, busy_timeout: float = 2.0) -> Database:
    """Return the database that *url* names, without touching it.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql+psycopg://user@host/name`.
        busy_timeout: seconds to wait for another process's transaction; a click must not wait longer.

    Raises:
        ConfigurationError: it names none that can be used.
    """
    parsed = _parsed(url)
    if parsed is None or parsed.drivername != _POSTGRESQL:
        return SqliteDatabase(DatabaseFile.of(url), busy_timeout=busy_timeout)
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "`database` names PostgreSQL, whose driver is not installed. Run: pip install 'operator-bot[postgresql]'"
        )
    # The driver is an extra that only those need who use it, and takes 0.2 s to load.
    from storage.postgresql import PostgresqlDatabase  # noqa: PLC0415

    return PostgresqlDatabase(parsed, busy_timeout=busy_timeout)


def _parsed(url: str) -> URL | None:
    try:
        return make_url(url)
    except ArgumentError:
        return None  # the file's own sentence says what is expected
