"""Running statements, and telling a damaged row from a caller's mistake."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import Executable

from actions.errors import StorageError

T = TypeVar("T")
Parameters = Mapping[str, object]


def upsert(table: Table) -> postgresql.Insert:
    """Return an INSERT that knows ON CONFLICT; PostgreSQL's own, which SQLAlchemy compiles for SQLite as well."""
    return postgresql.insert(table)


class Statements:
    """One connection, and the few ways in which the tables' classes use it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[Row[Any]]:
        result = self._connection.execute(statement, parameters)
        try:
            return result.all()
        except (ValueError, TypeError, KeyError) as error:
            raise damaged(error) from error

    def _first(self, statement: Executable, parameters: Parameters | None = None) -> Row[Any] | None:
        rows = self._rows(statement, parameters)
        return rows[0] if rows else None

    def _count(self, statement: Executable, parameters: Parameters) -> int:
        return self._connection.execute(statement, parameters).rowcount


def build(record: Callable[..., T], row: Row[Any]) -> T:
    """Return the record whose fields are the row's columns; `StorageError` if they do not fit."""
    try:
        return record(**row._mapping)  # noqa: SLF001 - the documented way to a row's names
    except (ValueError, TypeError) as error:
        raise damaged(error) from error


def damaged(error: Exception) -> StorageError:
    """Return the sentence for a row that cannot be read."""
    return StorageError(
        f"A row in the database is damaged ({error}). Nothing was changed. "
        "`operator audit verify` says which; restore a backup if it was not you."
    )
