"""SQLite as a store's database: one file, one writer at a time by BEGIN IMMEDIATE."""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

from sqlalchemy import Connection

from actions.errors import ConfigurationError, StorageError
from actions.ports import Clock
from storage.channel import DirectChannel
from storage.database import UnreadableError
from storage.database_file import DatabaseFile
from storage.engine import build_engine, connect, driver_says, quick_check
from storage.failures import is_disk_error, storage_error, translated
from storage.guards import GUARDS
from storage.migrate import migrate

_TRIGGERS: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"

log = logging.getLogger(__name__)


class SqliteDatabase:
    """See `storage.database.Database`."""

    def __init__(self, file: DatabaseFile, *, busy_timeout: float) -> None:
        self._file = file
        self._busy_timeout = busy_timeout

    @property
    def name(self) -> str:
        """See `storage.database.Database.name`."""
        return str(self._file.path)

    def prepare(self, *, clock: Clock, check: bool) -> None:
        """See `storage.database.Database.prepare`; *check* reads the whole file, *clock* dates a backup."""
        migrate(self._file, clock=clock, busy_timeout=self._busy_timeout)
        if check:
            quick_check(self._file, busy_timeout=self._busy_timeout)
        self._file.pin()

    def write_session(self) -> "SqliteWriteSession":
        """See `storage.database.Database.write_session`."""
        session = SqliteWriteSession(build_engine(self._file, busy_timeout=self._busy_timeout).connect(), self._file)
        try:
            self._file.sync_names()  # SQLite does so too, but takes no notice if it fails
        except StorageError:
            session.close()
            raise
        return session

    def read_session(self) -> "SqliteReadSession":
        """See `storage.database.Database.read_session`."""
        engine = build_engine(self._file, busy_timeout=self._busy_timeout, read_only=True)
        self._file.require_pinned()
        return SqliteReadSession(engine.connect(), self._file)

    def watch(self) -> "SqliteWatch":
        """See `storage.database.Database.watch`."""
        return SqliteWatch(connect(self._file, busy_timeout=self._busy_timeout, read_only=True))

    def translated(self, error: BaseException) -> BaseException:
        """See `storage.database.Database.translated`."""
        return translated(error, self._file.path)

    def is_disk_error(self, error: BaseException) -> bool:
        """See `storage.database.Database.is_disk_error`."""
        return is_disk_error(error)

    @contextmanager
    def evidence(self) -> Iterator["SqliteEvidence"]:
        """See `storage.database.Database.evidence`; the file may be a read-only copy."""
        with closing(_open(self._file)) as connection:
            yield SqliteEvidence(connection)


class SqliteWriteSession:
    """See `storage.database.WriteSession`."""

    def __init__(self, connection: Connection, file: DatabaseFile) -> None:
        self._connection = connection
        self._file = file

    def begin(self) -> Connection:
        """See `storage.database.WriteSession.begin`."""
        driver_says(self._connection, "BEGIN IMMEDIATE")
        return self._connection

    def channel(self) -> DirectChannel:
        """See `storage.database.WriteSession.channel`."""
        return DirectChannel(self._connection)

    def settle(self) -> None:
        """See `storage.database.WriteSession.settle`; every statement ran when it was told."""

    def commit(self) -> None:
        """See `storage.database.WriteSession.commit`; nothing is committed to a file that was taken away."""
        self._file.require_pinned()
        driver_says(self._connection, "COMMIT")

    def roll_back(self) -> None:
        """See `storage.database.WriteSession.roll_back`."""
        try:
            if self._in_transaction():
                driver_says(self._connection, "ROLLBACK")
        except sqlite3.Error:
            log.exception("could not roll back")

    def close(self) -> None:
        """See `storage.database.WriteSession.close`."""
        self._connection.close()

    def _in_transaction(self) -> bool:
        driver = self._connection.connection.driver_connection
        return isinstance(driver, sqlite3.Connection) and driver.in_transaction


class SqliteReadSession:
    """See `storage.database.ReadSession`."""

    def __init__(self, connection: Connection, file: DatabaseFile) -> None:
        self._connection = connection
        self._file = file

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """See `storage.database.ReadSession.snapshot`."""
        self._file.require_pinned()
        driver_says(self._connection, "BEGIN")
        try:
            yield self._connection
        finally:
            driver_says(self._connection, "ROLLBACK")

    def close(self) -> None:
        """See `storage.database.ReadSession.close`."""
        self._connection.close()


class SqliteWatch:
    """See `storage.database.Watch`; looks at a number that every commit of another connection changes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pause = threading.Event()
        self._version = self._look()

    def heard(self, *, within: float) -> bool:
        """See `storage.database.Watch.heard`."""
        self._pause.wait(within)
        before, self._version = self._version, self._look()
        return self._version != before

    def close(self) -> None:
        """See `storage.database.Watch.close`."""
        self._connection.close()

    def _look(self) -> int:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)


class SqliteEvidence:
    """See `storage.database.Evidence`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `storage.database.Evidence.snapshot`."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """See `storage.database.Evidence.rows`."""
        try:
            yield from self._connection.execute(sql)
        except sqlite3.Error as error:
            if "decode" in str(error):
                raise UnicodeError from error
            raise UnreadableError(str(error)) from error

    def tolerate_damaged_text(self) -> None:
        """See `storage.database.Evidence.tolerate_damaged_text`; it is the slower way to read."""
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")

    def guards(self) -> Mapping[str, str]:
        """See `storage.database.Evidence.guards`."""
        return GUARDS

    def guards_found(self) -> Mapping[str, str]:
        """See `storage.database.Evidence.guards_found`."""
        return dict(self.rows(_TRIGGERS))


def _open(file: DatabaseFile) -> sqlite3.Connection:
    if not file.path.is_file():
        raise ConfigurationError(f"There is no database at {file.path}. Check `database` in the configuration.")
    try:
        return _connect(f"{file.path.as_uri()}?mode=ro")
    except sqlite3.Error as error:
        if _has_content(file):
            raise StorageError(
                f"The database {file.path} cannot be opened ({error}): its newest changes are in {file.path.name}-wal. "
                "Copy both files to a folder that you may write to, and verify them there."
            ) from error
    try:
        # Nobody writes to a copy in a folder that cannot be written to, so it may be read without locks.
        return _connect(f"{file.path.as_uri()}?mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise storage_error(error, file.path) from error


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _has_content(file: DatabaseFile) -> bool:
    journal = file.companion("-wal")
    return journal.is_file() and journal.stat().st_size > 0
