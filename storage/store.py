"""The store: one writer, a few readers, one database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from actions.ports import Clock, Publisher, Reader, Transaction
from storage.database import Database
from storage.databases import database_at
from storage.news import News
from storage.readers import Readers
from storage.writer import Writer

T = TypeVar("T")


class SqlStore:
    """See `actions.ports.Store`. Made by `open`."""

    def __init__(self, database: Database, *, queue: int) -> None:
        self._database = database
        self._writer = Writer(database, limit=queue)
        self._readers = Readers(database)
        self._writer.start()
        self._readers.start()

    @classmethod
    def open(
        cls, url: str, *, clock: Clock, busy_timeout: float = 2.0, queue: int = 10_000, check: bool = False
    ) -> "SqlStore":
        """Open the database that *url* names, creating or migrating it first. Blocks: call it outside the event loop.

        Args:
            url: see `storage.databases.database_at`.
            clock: dates a backup.
            busy_timeout: seconds to wait for another process's transaction; a click must not wait longer.
            queue: how many units of work may wait, urgent ones and others counted apart.
            check: look for damage first, and refuse a database that has any.

        Raises:
            ConfigurationError: the database cannot be used safely, or a newer version wrote it.
            StorageError: it is damaged, locked, full, read-only or out of reach.
        """
        database = database_at(url, busy_timeout=busy_timeout)
        database.prepare(clock=clock, check=check)
        return cls(database, queue=queue)

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """See `actions.ports.Store.write`."""
        return await self._writer.write(work, urgent=urgent)

    async def read(self, query: Callable[[Reader], T]) -> T:
        """See `actions.ports.Store.read`."""
        return await self._readers.read(query)

    @asynccontextmanager
    async def telling(self, publisher: Publisher) -> AsyncIterator[None]:
        """Until the block ends, have *publisher* called within a second of every commit of another process."""
        news = News(self._database, publisher)
        news.start()
        try:
            yield
        finally:
            await asyncio.to_thread(news.close)

    async def close(self) -> None:
        """Write what waits, then let go of the database."""
        await self._writer.close()
        await asyncio.to_thread(self._readers.close)
