"""PostgreSQL as a store's database: one writer at a time by an advisory lock; a commit in doubt is looked up.

The lock comes first and is held to the end of the transaction, because units of work of one batch touch rows in any
order: with locks on rows alone, two processes' batches would wait for each other. It is a statement of its own, so
that whatever is read afterwards (READ COMMITTED) is what the last holder committed.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from actions.errors import ConfigurationError, StorageError
from actions.ports import Clock
from storage.channel import Arguments, require_one_row
from storage.database import UnreadableError
from storage.engine import driver_says
from storage.failures import NOTHING
from storage.guards import POSTGRESQL_GUARDS
from storage.postgresql_failures import translated
from storage.postgresql_migrate import migrate

OLDEST: Final = 130_000
"""PostgreSQL 13."""
WRITING: Final = 0x6F70_6572_6174_6F72
"""The number of the advisory lock that whoever writes holds."""
_CONNECT_SECONDS: Final = 3
_ABANDONED_SECONDS: Final = 10
"""A transaction whose process says nothing for so long is given up by the server, and its lock with it."""
_BETWEEN_LOOKS: Final = 0.25
_LOCK: Final = f"SELECT pg_advisory_xact_lock({WRITING})"
_BEGIN: Final = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_LOCK}; "  # noqa: S608 - our own digits
    "INSERT INTO commits (writer, batch, at) VALUES ('{writer}', {batch}, now()) "
    "ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, at = excluded.at; "
    "NOTIFY operator_commits, '{writer}'"
)
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_HOLDER: Final = (
    "SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "  # noqa: S608 - our own digits
    "WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE "
    f"datname = current_database()) AND l.classid = {WRITING >> 32} AND l.objid = {WRITING & 0xFFFF_FFFF}"
)
_SETTINGS: Final = (
    "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), "
    "current_setting('fsync'), current_setting('synchronous_commit')"
)
_TRIGGERS: Final = (
    "SELECT tgname, CASE tgenabled WHEN 'D' THEN 'disabled ' ELSE '' END || pg_get_triggerdef(pg_trigger.oid, true) "
    "FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace "
    "UNION ALL SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
)
_ROWS_AT_ONCE: Final = 2_000

log = logging.getLogger(__name__)


class PostgresqlDatabase:
    """See `storage.database.Database`; *patience* is how many seconds to go on asking about a commit in doubt."""

    def __init__(self, url: URL, *, busy_timeout: float, patience: float = 10.0) -> None:
        self.patience = patience
        self._name = f"{url.database} at {url.host or url.query.get('host') or 'this host'}"
        self._lock_timeout = round(busy_timeout * 1_000)
        self._engine = _engine(url)
        self.writer = secrets.token_hex(16)
        """Under which name this process's commits stand in the database."""

    @property
    def name(self) -> str:
        """See `storage.database.Database.name`."""
        return self._name

    def prepare(self, *, clock: Clock, check: bool) -> None:  # noqa: ARG002 - nothing is backed up; the server checks
        """See `storage.database.Database.prepare`; no backup is made, and the server checks its own pages."""
        try:
            connection = self.connect()
            try:
                migrate(connection, self._name)
                driver_says(connection, "DELETE FROM commits WHERE at < now() - interval '7 days'")
            finally:
                connection.close()
        except (psycopg.Error, SQLAlchemyError) as error:
            raise self.translated(error) from error

    def connect(self) -> Connection:
        """Connect with every setting that durability and safety rest on made or checked.

        Raises:
            ConfigurationError: the server is too old, or keeps text or commits in a way that is not safe.
            sqlalchemy.exc.SQLAlchemyError, psycopg.Error
        """
        connection = self._engine.connect()
        try:
            self._settle(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def write_session(self) -> "PostgresqlWriteSession":
        """See `storage.database.Database.write_session`."""
        return PostgresqlWriteSession(self)

    def read_session(self) -> "PostgresqlReadSession":
        """See `storage.database.Database.read_session`."""
        return PostgresqlReadSession(self)

    def watch(self) -> "PostgresqlWatch":
        """See `storage.database.Database.watch`."""
        return PostgresqlWatch(self.connect(), ignoring=self.writer)

    def translated(self, error: BaseException) -> BaseException:
        """See `storage.database.Database.translated`."""
        return translated(error, self._name)

    def is_disk_error(self, error: BaseException) -> bool:  # noqa: ARG002 - the port's signature
        """Return False: after a failed write the server itself starts afresh."""
        return False

    @contextmanager
    def evidence(self) -> Iterator["PostgresqlEvidence"]:
        """See `storage.database.Database.evidence`."""
        try:
            connection = self.connect()
        except (psycopg.Error, SQLAlchemyError) as error:
            raise self.translated(error) from error
        try:
            yield PostgresqlEvidence(connection)
        finally:
            connection.close()

    def _settle(self, connection: Connection) -> None:
        version, encoding, fsync, synchronous = _row(connection, _SETTINGS)
        require_usable(self._name, version=version, encoding=encoding, fsync=fsync)
        if synchronous == "off":
            driver_says(connection, "SET synchronous_commit = on")
        driver_says(
            connection,
            f"SET lock_timeout = {self._lock_timeout}; "
            f"SET idle_in_transaction_session_timeout = '{_ABANDONED_SECONDS}s'",
        )


class PostgresqlWriteSession:
    """See `storage.database.WriteSession`; a connection that was lost is replaced by the next `begin`."""

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database
        self._connection = database.connect()
        self._writer = database.writer
        self._batch = 0
        self._pause = threading.Event()
        self._channel = PipelinedChannel(self._connection)

    def begin(self) -> Connection:
        """See `storage.database.WriteSession.begin`."""
        self._batch += 1
        begin = _BEGIN.format(writer=self._writer, batch=self._batch)
        try:
            if not _is_lost(self._connection):
                driver_says(self._connection, begin)
                return self._connection
        except psycopg.Error as error:
            if not _is_lost(self._connection):
                self.roll_back()
                raise self._with_holder(error) from error
        # It was lost before anything of this transaction was done.
        self._reconnect()
        driver_says(self._connection, begin)
        return self._connection

    def channel(self) -> "PipelinedChannel":
        """See `storage.database.WriteSession.channel`."""
        self._channel = PipelinedChannel(self._connection)
        return self._channel

    def settle(self) -> None:
        """See `storage.database.WriteSession.settle`."""
        self._channel.settle()

    def commit(self) -> None:
        """See `storage.database.WriteSession.commit`; a connection lost meanwhile is looked up with another one."""
        try:
            said = _status(self._connection, "COMMIT")
        except psycopg.Error:
            if _is_lost(self._connection) and self._was_committed():
                log.warning("the connection to %s was lost during a commit that did succeed", self._database.name)
                return
            raise
        if said != "COMMIT":
            raise StorageError(f"The database {self._database.name} gave the changes up; {NOTHING}. Try again.")

    def roll_back(self) -> None:
        """See `storage.database.WriteSession.roll_back`."""
        if _is_lost(self._connection):
            return  # the server rolls back by itself
        try:
            driver_says(self._connection, "ROLLBACK")
        except psycopg.Error:
            log.exception("could not roll back")

    def close(self) -> None:
        """See `storage.database.WriteSession.close`."""
        _close(self._connection)

    def _reconnect(self) -> None:
        _close(self._connection)
        self._connection = self._database.connect()

    def _was_committed(self) -> bool:
        deadline = time.monotonic() + self._database.patience
        while time.monotonic() < deadline:
            try:
                self._reconnect()
                return self._find_batch()
            except (psycopg.Error, SQLAlchemyError) as error:
                log.warning("cannot see yet what became of a commit: %s", self._database.translated(error))
                self._pause.wait(_BETWEEN_LOOKS)
        raise StorageError(
            f"The connection to the database {self._database.name} was lost during a commit, and the server cannot be "
            "asked what became of it: it may or may not have been recorded. Look at it again when the server answers."
        )

    def _find_batch(self) -> bool:
        # Whoever gets the lock knows that the lost transaction has ended, one way or the other.
        driver_says(self._connection, f"BEGIN; {_LOCK}")
        found = _row(self._connection, f"SELECT max(batch) FROM commits WHERE writer = '{self._writer}'")  # noqa: S608 - our own digits
        driver_says(self._connection, "ROLLBACK")
        return bool(found[0] == self._batch)

    def _with_holder(self, error: psycopg.Error) -> Exception:
        if not isinstance(error, psycopg.errors.LockNotAvailable):
            return error
        try:
            holder = _row(self._connection, _HOLDER)
        except psycopg.Error:
            return error
        who = "another connection" if holder is None else f"{holder[1] or 'a connection'} (server process {holder[0]})"
        return StorageError(
            f"The database {self._database.name} is locked by {who}; {NOTHING}. Try again; if it stays locked, "
            "end that process."
        )


class PipelinedChannel:
    """See `storage.channel.Channel`; what it is told goes to the server with what is asked next, in one round trip.

    In between nothing is under way, so that the server notices a process that falls silent.
    """

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect
        self._driver = _driver(connection)
        self._asking: Any = self._driver.cursor()
        self._telling: Any = self._driver.cursor()
        self._told: list[tuple[str, Arguments, bool]] = []

    def ask(self, sql: str, arguments: Arguments) -> list[tuple[Any, ...]]:
        """See `storage.channel.Channel.ask`."""
        if self._told:
            with self._pipeline():
                self._asking.execute(sql, arguments)
        else:
            self._asking.execute(sql, arguments)
        found: list[tuple[Any, ...]] = self._asking.fetchall()
        return found

    def tell(self, sql: str, arguments: Arguments, *, once: bool = False) -> None:
        """See `storage.channel.Channel.tell`."""
        self._told.append((sql, arguments, once))

    def settle(self) -> None:
        """Send what is left, and raise what any of it met."""
        if self._told:
            with self._pipeline():
                pass

    @contextmanager
    def _pipeline(self) -> Iterator[None]:
        told, self._told = self._told, []
        checked = []
        with self._driver.pipeline():
            for sql, arguments, once in told:
                cursor: Any = self._driver.cursor() if once else self._telling
                cursor.execute(sql, arguments)
                if once:
                    checked.append(cursor)
            yield
        for cursor in checked:
            require_one_row(cursor.rowcount)


class PostgresqlReadSession:
    """See `storage.database.ReadSession`; a connection that was lost is replaced by the next `snapshot`."""

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database
        self._connection = database.connect()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """See `storage.database.ReadSession.snapshot`."""
        self._begin()
        try:
            yield self._connection
        finally:
            if not _is_lost(self._connection):
                driver_says(self._connection, "ROLLBACK")

    def close(self) -> None:
        """See `storage.database.ReadSession.close`."""
        _close(self._connection)

    def _begin(self) -> None:
        try:
            if not _is_lost(self._connection):
                driver_says(self._connection, _SNAPSHOT)
                return
        except psycopg.Error:
            if not _is_lost(self._connection):
                raise
        _close(self._connection)
        self._connection = self._database.connect()
        driver_says(self._connection, _SNAPSHOT)


class PostgresqlWatch:
    """See `storage.database.Watch`; the server tells of every commit, and of this process's own nothing is said."""

    def __init__(self, connection: Connection, *, ignoring: str) -> None:
        self._connection = connection
        self._ignoring = ignoring
        driver_says(connection, "LISTEN operator_commits")

    def heard(self, *, within: float) -> bool:
        """See `storage.database.Watch.heard`."""
        told = list(_driver(self._connection).notifies(timeout=within, stop_after=1))
        return any(one.payload != self._ignoring for one in told)

    def close(self) -> None:
        """See `storage.database.Watch.close`."""
        _close(self._connection)


class PostgresqlEvidence:
    """See `storage.database.Evidence`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursors = count(1)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `storage.database.Evidence.snapshot`; whoever verifies may take longer than a writer between words."""
        driver_says(self._connection, f"{_SNAPSHOT}; SET LOCAL idle_in_transaction_session_timeout = 0")
        try:
            yield
        finally:
            if not _is_lost(self._connection):
                driver_says(self._connection, "ROLLBACK")

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """See `storage.database.Evidence.rows`."""
        try:
            with _driver(self._connection).cursor(name=f"evidence_{next(self._cursors)}") as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                cursor.execute(sql.encode())
                yield from cursor
        except psycopg.Error as error:
            raise UnreadableError(str(error).partition("\n")[0]) from error

    def tolerate_damaged_text(self) -> None:
        """See `storage.database.Evidence.tolerate_damaged_text`; the server lets no such text in."""

    def guards(self) -> Mapping[str, str]:
        """See `storage.database.Evidence.guards`."""
        return POSTGRESQL_GUARDS

    def guards_found(self) -> Mapping[str, str]:
        """See `storage.database.Evidence.guards_found`."""
        return dict(self.rows(_TRIGGERS))


def require_usable(name: str, *, version: int, encoding: str, fsync: str) -> None:
    """Raise `ConfigurationError` for a server that nothing can be entrusted to."""
    if version < OLDEST:
        raise ConfigurationError(
            f"The server of {name} is PostgreSQL {version // 10_000}, which is too old; operator needs 13 or newer. "
            "Set `database` to a newer one."
        )
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The database {name} keeps text as {encoding}. Make one with: CREATE DATABASE … ENCODING 'UTF8'"
        )
    if fsync != "on":
        raise ConfigurationError(
            f"The server of {name} runs with fsync = {fsync}, so that a power cut loses what was "
            "acknowledged. Set fsync = on in its configuration."
        )


def _engine(url: URL) -> Engine:
    return create_engine(
        url,
        poolclass=NullPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        use_native_hstore=False,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": f"operator {socket.gethostname()}/{os.getpid()}",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        },
    )


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"not a connection of psycopg: {driver!r}")
    return driver


def _is_lost(connection: Connection) -> bool:
    return connection.closed or connection.invalidated or _driver(connection).closed


def _close(connection: Connection) -> None:
    if not connection.closed and _is_lost(connection):
        connection.invalidate()  # else closing it would speak to the server
    connection.close()


def _row(connection: Connection, sql: str) -> Any:
    with _driver(connection).cursor() as cursor:
        return cursor.execute(sql.encode()).fetchone()


def _status(connection: Connection, sql: str) -> str | None:
    with _driver(connection).cursor() as cursor:
        return cursor.execute(sql.encode()).statusmessage
