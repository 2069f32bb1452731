"""Databases that are used again and again, emptied in between: making one takes longer than most examples do."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from storage.store import SqlStore
from storage.tables import PROPOSALS
from tests.factories import FixedClock
from tests.storage.servers import Server


class EmptiedSqlite:
    """One file, and one store over it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "operator.db"
        self._store = SqlStore.open(f"sqlite:///{self._path}", clock=FixedClock())
        self._fresh = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(self._path)) as file:
            file.backup(self._fresh)

    def fresh(self) -> SqlStore:
        """Return the store, as if it were new; nothing may be under way in it."""
        with closing(sqlite3.connect(self._path)) as file:
            self._fresh.backup(file)
        return self._store

    async def close(self) -> None:
        """Let go of it."""
        await self._store.close()
        self._fresh.close()


class Restored:
    """The tables of a PostgreSQL database, as they are now, to be had again at any time."""

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        self._connection = connection
        self._connection.execute("SET session_replication_role = replica")  # so that no trigger refuses
        self._tables = sorted(PROPOSALS.metadata.tables)
        self._connection.execute("CREATE SCHEMA kept")
        self._each("CREATE TABLE kept.{0} AS TABLE public.{0}")

    def restore(self) -> None:
        """Let the tables be as they were, but for their sequences."""
        with self._connection.transaction():
            self._each("DELETE FROM public.{0}; INSERT INTO public.{0} SELECT * FROM kept.{0}")

    def _each(self, said: LiteralString) -> None:
        for table in self._tables:
            self._connection.execute(sql.SQL(said).format(sql.Identifier(table)))


class EmptiedPostgresql:
    """One database of a server, which must be new, and one store over it."""

    def __init__(self, server: Server, name: str) -> None:
        self._store = SqlStore.open(server.url(name), clock=FixedClock())
        self._connection = server.connect(name)
        self._restored = Restored(self._connection)

    def fresh(self) -> SqlStore:
        """Return the store, as if it were new but for its sequences; nothing may be under way in it."""
        self._restored.restore()
        return self._store

    async def close(self) -> None:
        """Let go of it."""
        await self._store.close()
        self._connection.close()
