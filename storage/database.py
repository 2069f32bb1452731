"""What a store needs of a database: everything in which one differs from another, and nothing else."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection

from actions.ports import Clock
from storage.channel import Channel


class WriteSession(Protocol):
    """The one connection of the writer; used by one thread at a time."""

    def begin(self) -> Connection:
        """Begin a transaction in which no other process can write, and return its connection.

        Waits for the transactions of others as long as a click may wait. If it raises, nothing has begun.
        """
        ...

    def channel(self) -> Channel:
        """Return the way to the transaction that has begun."""
        ...

    def settle(self) -> None:
        """Return once every statement has succeeded; raise what a statement met that was only told."""
        ...

    def commit(self) -> None:
        """Return once everything since `begin` is durable; if it raises a `StorageError`, that says what is known.

        Call `settle` before.
        """
        ...

    def roll_back(self) -> None:
        """Give up what was begun, whatever state it is in. Never raises."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class ReadSession(Protocol):
    """A connection that can write nothing; used by one thread at a time."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees the database as it is now, and nothing of what happens meanwhile."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Watch(Protocol):
    """Notices commits; used by one thread at a time."""

    def heard(self, *, within: float) -> bool:
        """Return whether another process has committed something since the last call, waiting so many seconds at most.

        Commits of this process may count as well.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Evidence(Protocol):
    """The raw rows, for whoever trusts none of them."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Hold everything that is read to one moment."""
        ...

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Read without keeping it all in memory.

        Raises:
            UnreadableError: the database cannot give what is asked of it.
            UnicodeError: some text is none; see `tolerate_damaged_text`.
        """
        ...

    def tolerate_damaged_text(self) -> None:
        """From now on give text that cannot be decoded with marks in the places that are damaged."""
        ...

    def guards(self) -> Mapping[str, str]:
        """Return the name of each guard that this database must have, and what it is made of."""
        ...

    def guards_found(self) -> Mapping[str, str]:
        """Return the guards that it does have. Raises as `rows` does."""
        ...


class UnreadableError(Exception):
    """The database could not be read to the end; the text says why."""


class Database(Protocol):
    """One database at one address."""

    @property
    def name(self) -> str:
        """What messages call it: where it is, without a password."""
        ...

    def prepare(self, *, clock: Clock, check: bool) -> None:
        """Create or migrate the tables; with *check*, look for damage first where the database offers that.

        Raises:
            ConfigurationError: it cannot be used safely, or a newer version wrote it.
            StorageError: it is damaged, locked, full, read-only or out of reach.
        """
        ...

    def write_session(self) -> WriteSession:
        """Connect for writing."""
        ...

    def read_session(self) -> ReadSession:
        """Connect for reading."""
        ...

    def watch(self) -> Watch:
        """Connect for noticing commits."""
        ...

    def translated(self, error: BaseException) -> BaseException:
        """Return what the caller should see: a `StorageError` for the database's own errors, all others as they are."""
        ...

    def is_disk_error(self, error: BaseException) -> bool:
        """Return whether the disk itself failed, after which no later success of this process can be trusted."""
        ...

    def evidence(self) -> AbstractContextManager[Evidence]:
        """Open what is there for `audit verify`, which changes nothing. Raises as `prepare` does."""
        ...
