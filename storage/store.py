"""The store: one writer, a few readers, one SQLite file."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine

from actions.ports import Clock, Reader, Transaction
from storage.database_file import DatabaseFile
from storage.engine import build_engine, quick_check
from storage.migrate import migrate
from storage.readers import Readers
from storage.writer import Writer

T = TypeVar("T")


class SqlStore:
    """See `actions.ports.Store`. Made by `open`."""

    def __init__(self, file: DatabaseFile, *, writers: Engine, readers: Engine, queue: int) -> None:
        self._writer = Writer(writers.connect(), file, limit=queue)
        self._readers = Readers(readers, file)
        self._writer.start()
        self._readers.start()

    @classmethod
    def open(
        cls, url: str, *, clock: Clock, busy_timeout: float = 2.0, queue: int = 10_000, check: bool = False
    ) -> "SqlStore":
        """Open the database that *url* names, creating or migrating it first. Blocks: call it outside the event loop.

        Args:
            url: `sqlite:///relative.db` or `sqlite:////absolute.db`.
            clock: dates a backup.
            busy_timeout: seconds to wait for another process's transaction; a click must not wait longer.
            queue: how many units of work may wait.
            check: read the whole file first, and refuse it if it is damaged.

        Raises:
            ConfigurationError: the file cannot be used safely, or a newer version wrote it.
            StorageError: it is damaged, locked, full or read-only.
        """
        file = DatabaseFile.of(url)
        migrate(file, clock=clock, busy_timeout=busy_timeout)
        if check:
            quick_check(file, busy_timeout=busy_timeout)
        file.pin()
        return cls(
            file,
            writers=build_engine(file, busy_timeout=busy_timeout),
            readers=build_engine(file, busy_timeout=busy_timeout, read_only=True),
            queue=queue,
        )

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See `actions.ports.Store.write`."""
        return await self._writer.write(work)

    async def read(self, query: Callable[[Reader], T]) -> T:
        """See `actions.ports.Store.read`."""
        return await self._readers.read(query)

    async def close(self) -> None:
        """Write what waits, then let go of the file."""
        await self._writer.close()
        await asyncio.to_thread(self._readers.close)
