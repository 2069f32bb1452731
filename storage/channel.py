"""How statements reach the database inside a transaction."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection, Dialect

from actions.errors import StorageError
from storage.failures import NOTHING

Arguments: TypeAlias = Mapping[str, object]


class Channel(Protocol):
    """The way to one database, for one transaction after the other; used by one thread at a time."""

    @property
    def dialect(self) -> Dialect:
        """What its SQL is written in."""
        ...

    def ask(self, sql: str, arguments: Arguments) -> list[tuple[Any, ...]]:
        """Run a statement now, after all that was told before, and return its rows."""
        ...

    def tell(self, sql: str, arguments: Arguments, *, once: bool = False) -> None:
        """Run a statement whose answer nobody needs: now or later, but before anything that is asked later.

        If it fails, that may be raised by a later statement or by `WriteSession.settle`. With *once* it fails if it
        changes any other number of rows than one.
        """
        ...


class DirectChannel:
    """Runs every statement at once, on the driver's own cursor."""

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect
        self._cursor: Any = connection.connection.cursor()

    def ask(self, sql: str, arguments: Arguments) -> list[tuple[Any, ...]]:
        """See `Channel.ask`."""
        self._cursor.execute(sql, arguments)
        found: list[tuple[Any, ...]] = self._cursor.fetchall()
        return found

    def tell(self, sql: str, arguments: Arguments, *, once: bool = False) -> None:
        """See `Channel.tell`."""
        self._cursor.execute(sql, arguments)
        if once:
            require_one_row(self._cursor.rowcount)


def require_one_row(count: int) -> None:
    """Raise `StorageError` if a guarded change met another row than the one that was read under the same lock."""
    if count != 1:
        raise StorageError(
            f"Somebody else changed the database at the same moment, without its lock; {NOTHING}. Try again."
        )
