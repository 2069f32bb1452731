"""Reading: a few threads, each with a connection of its own that can write nothing."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from actions.errors import StorageError
from actions.ports import Reader
from storage.channel import DirectChannel
from storage.database import Database, ReadSession
from storage.handover import Answer, Request, give
from storage.known import Known
from storage.unit_of_work import SqlReader

T = TypeVar("T")
_THREADS: Final = 4


class Readers:
    """Answers queries, each from one snapshot, without waiting for the writer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"storage-reader-{number}", daemon=True)
            for number in range(_THREADS)
        ]
        self._closed = False

    def start(self) -> None:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()

    async def read(self, query: Callable[[Reader], T]) -> T:
        """See `actions.ports.Store.read`."""
        if self._closed:
            raise StorageError(f"The database {self._database.name} was closed. Start operator again.")
        request = Request.here(query)
        self._queue.put(request)
        found: T = await request.future
        return found

    def close(self) -> None:
        """Answer what waits, then close the connections. Blocks."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        session: ReadSession | None = None
        try:
            while (request := self._queue.get()) is not None:
                try:
                    session = session or self._database.read_session()
                    answer = Answer(request=request, value=_snapshot(session, request.work))
                except BaseException as error:  # noqa: BLE001 - boundary: whatever a query raises belongs to its caller
                    answer = Answer(request=request, error=self._database.translated(error))
                give([answer])
        finally:
            if session is not None:
                session.close()


def _snapshot(session: ReadSession, query: Callable[[Reader], Any]) -> Any:
    with session.snapshot() as connection:
        return query(SqlReader(DirectChannel(connection), Known()))
