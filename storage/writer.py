"""The one writer: a thread that commits, in one transaction, whatever units of work are waiting."""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from actions.errors import OverloadedError, StorageError
from actions.ports import Transaction
from storage.database_file import DatabaseFile
from storage.engine import driver_says
from storage.failures import NOTHING, is_disk_error, translated
from storage.unit_of_work import SqlTransaction

T = TypeVar("T")
BATCH: Final = 256
"""How many units of work share one commit at most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    work: Callable[[Transaction], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    request: _Request
    value: Any = None
    error: BaseException | None = None

    def give(self) -> None:
        if self.request.future.done():  # whoever asked was cancelled meanwhile
            return
        if self.error is None:
            self.request.future.set_result(self.value)
        else:
            self.request.future.set_exception(self.error)


class Writer:
    """Owns *connection* from `start` to `close`."""

    def __init__(self, connection: Connection, file: DatabaseFile, *, limit: int) -> None:
        self._connection = connection
        self._file = file
        self._limit = limit
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="storage-writer", daemon=True)
        self._closed = False
        self._disk_failed: StorageError | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See `actions.ports.Store.write`. A caller that is cancelled may still have been served."""
        if self._closed:
            raise StorageError(f"The database {self._file.path} was closed; {NOTHING}. Start operator again.")
        if self._queue.qsize() >= self._limit:
            raise OverloadedError(
                f"{self._limit:,} changes already wait for the database {self._file.path}; {NOTHING}. "
                "Try again in a few seconds."
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Request(work=work, loop=loop, future=future))
        return await future

    async def close(self) -> None:
        """Finish what waits, then close the connection. Nothing can be written afterwards."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        try:
            while (first := self._queue.get()) is not None:
                _give(self._serve_batch(first))
        finally:
            self._connection.close()

    def _serve_batch(self, first: _Request) -> list[_Answer]:
        batch = [first]
        answers: list[_Answer] = []
        try:
            self._begin()
            batch += self._waiting(BATCH - 1)
            answers += [self._attempt(request) for request in batch]
            self._commit()
        except (sqlite3.Error, SQLAlchemyError, StorageError) as error:
            self._roll_back(error)
            if not answers:
                # The lock was not to be had: whoever queued up meanwhile has waited for it just as long.
                batch += self._waiting(self._limit)
            return self._all_failed(batch, answers, error)
        return answers

    def _begin(self) -> None:
        if self._disk_failed is not None:
            raise self._disk_failed
        driver_says(self._connection, "BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._file.require_pinned()
        driver_says(self._connection, "COMMIT")

    def _attempt(self, request: _Request) -> _Answer:
        driver_says(self._connection, "SAVEPOINT unit")
        try:
            value = request.work(SqlTransaction(self._connection))
        except BaseException as error:  # noqa: BLE001 - boundary: whatever a unit of work raises belongs to its caller
            # If SQLite gave up the whole transaction these fail too, and so does the batch.
            driver_says(self._connection, "ROLLBACK TO unit")
            driver_says(self._connection, "RELEASE unit")
            return _Answer(request=request, error=self._for_caller(error))
        driver_says(self._connection, "RELEASE unit")
        return _Answer(request=request, value=value)

    def _roll_back(self, error: Exception) -> None:
        if is_disk_error(error):
            # After a failed write the disk may claim success for data it dropped; only a new start looks afresh.
            self._disk_failed = StorageError(str(self._for_caller(error)))
        try:
            if self._in_transaction():
                driver_says(self._connection, "ROLLBACK")
        except sqlite3.Error:
            log.exception("could not roll back")

    def _in_transaction(self) -> bool:
        driver = self._connection.connection.driver_connection
        return isinstance(driver, sqlite3.Connection) and driver.in_transaction

    def _all_failed(self, batch: list[_Request], answers: list[_Answer], error: Exception) -> list[_Answer]:
        own = {id(answer.request): answer for answer in answers if answer.error is not None}
        shared = self._for_caller(error)
        return [own.get(id(request), _Answer(request=request, error=shared)) for request in batch]

    def _for_caller(self, error: BaseException) -> BaseException:
        if isinstance(error, StopIteration):
            return RuntimeError("a unit of work raised StopIteration")  # which no future can carry
        return translated(error, self._file.path) if isinstance(error, Exception) else error

    def _waiting(self, limit: int) -> list[_Request]:
        found: list[_Request] = []
        while len(found) < limit:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._queue.put(None)  # closing comes after what waits
                break
            found.append(request)
        return found


def _give(answers: list[_Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = defaultdict(list)
    for answer in answers:
        by_loop[answer.request.loop].append(answer)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(partial(_give_here, mine))
        except RuntimeError:
            log.warning("%d answers had nobody left to hear them: their event loop was closed", len(mine))


def _give_here(answers: list[_Answer]) -> None:
    for answer in answers:
        answer.give()
