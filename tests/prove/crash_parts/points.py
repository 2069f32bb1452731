"""The named points at which a process may be killed, without a word about them in what is killed."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Dialect

from tests.prove.crash_parts.journal import Journal

_A_MOMENT: Final = 0.002
"""Seconds that a process lives on before a commit, so that whoever does not wait for the commit can be seen."""
_DIALECTS: Final[dict[type[Dialect], Dialect]] = {}
"""The first of each kind in this process and those that it was forked from."""
_DROPPED: Final = "after kill file: drop"


class Points:
    """Counts the points that a process passes, *since* one of a name if given, and kills it at the one that is fatal.

    With another *end*, that is done there instead, and the process goes on.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        fatal: int | None = None,
        fatal_name: str | None = None,
        since: str | None = None,
        end: Callable[[], object] | None = None,
    ) -> None:
        self.passed = 0
        self._end = end or _end
        self._since = since
        self._journal = journal
        self._fatal = fatal
        self._fatal_name = fatal_name

    def reach(self, name: str) -> None:
        """Pass the point, or die there."""
        self._since = None if name == self._since else self._since
        self.passed += self._since is None
        if name == _DROPPED:
            self._journal.add(dropped=True)
        if self.passed == self._fatal or name == self._fatal_name:
            if name == "before COMMIT":
                time.sleep(_A_MOMENT)
            self._journal.add(died=name)
            self._end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """Stands before an object: a point before and after each of those *methods* that change something."""

    def __init__(self, watched: object, points: Points, kind: str, methods: Set[str]) -> None:
        self._watched = watched
        self._methods = methods
        self._points = points
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._watched, name)
        return self._between_points(name, found) if name in self._methods else found

    def _between_points(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._points.reach(f"before {self._kind}: {name}")
            answer = method(*args, **kwargs)
            self._points.reach(f"after {self._kind}: {name}")
            return answer

        return watched


class WatchedDatabase(Watched):
    """A database whose writer passes a point before and after all that its session does, and before each statement."""

    def __init__(self, database: object, points: Points) -> None:
        super().__init__(database, points, "database", frozenset())

    def write_session(self) -> Any:
        """See `storage.database.Database.write_session`."""
        return WatchedSession(self._watched.write_session(), self._points)  # type: ignore[attr-defined]

    def read_session(self) -> Any:
        """See `storage.database.Database.read_session`."""
        return WarmReadSession(self._watched.read_session())  # type: ignore[attr-defined]


class WarmReadSession:
    """A reader's session that finds the statements compiled that were compiled before the fork."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """See `storage.database.ReadSession.snapshot`."""
        with self._session.snapshot() as connection:
            connection.dialect = _first_dialect(connection)
            yield connection

    def close(self) -> None:
        """See `storage.database.ReadSession.close`."""
        self._session.close()


class WatchedSession(Watched):
    """A writer's session."""

    def __init__(self, session: object, points: Points) -> None:
        super().__init__(session, points, "session", {"settle", "commit", "roll_back"})
        self._seen: set[int] = set()

    def begin(self) -> Connection:
        """See `storage.database.WriteSession.begin`."""
        self._points.reach("before session: begin")
        connection: Connection = self._watched.begin()  # type: ignore[attr-defined]
        connection.dialect = _first_dialect(connection)
        self._watch_statements(connection.connection.driver_connection)
        self._points.reach("after session: begin")
        return connection

    def _watch_statements(self, driver: object) -> None:
        if id(driver) in self._seen:
            return
        self._seen.add(id(driver))
        match driver:
            case sqlite3.Connection():
                driver.set_trace_callback(self._before_statement)
            case psycopg.Connection():
                driver.cursor_factory = _cursor_of(self._before_statement)
            case _:
                raise TypeError(f"cannot watch the statements of {driver!r}")

    def _before_statement(self, sql: str) -> None:
        self._points.reach(f"before {_short(sql)}")


def _first_dialect(connection: Connection) -> Dialect:
    # Compiled statements are kept by dialect, and every engine makes one of its own.
    return _DIALECTS.setdefault(type(connection.dialect), connection.dialect)


def _cursor_of(before: Callable[[str], None]) -> type[psycopg.Cursor[Any]]:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            before(query if isinstance(query, str) else bytes(query).decode())
            return super().execute(query, *args, **kwargs)

    return Cursor


def _short(sql: str) -> str:
    words = sql.split(maxsplit=3)
    if words[0].upper() in {"SAVEPOINT", "RELEASE", "ROLLBACK", "UPDATE"}:
        return " ".join(words[:2])
    if words[0].upper() in {"INSERT", "DELETE"}:
        return " ".join(words[:3])
    return words[0]
