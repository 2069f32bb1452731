"""The one writer: a thread that commits, in one transaction, whatever units of work are waiting."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from actions.errors import OverloadedError, StorageError
from actions.ports import Transaction
from storage.database import Database
from storage.engine import driver_says
from storage.failures import NOTHING
from storage.handover import Answer, Request, give
from storage.known import Known
from storage.lanes import Lanes
from storage.unit_of_work import SqlTransaction

T = TypeVar("T")

log = logging.getLogger(__name__)


class Writer:
    """Owns the one connection that writes, until `close`."""

    def __init__(self, database: Database, *, limit: int) -> None:
        self._database = database
        self._session = database.write_session()
        self._limit = limit
        self._lanes = Lanes(limit=limit)
        self._thread = threading.Thread(target=self._serve, name="storage-writer", daemon=True)
        self._closed = False
        self._disk_failed: StorageError | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """See `actions.ports.Store.write`. A caller that is cancelled may still have been served."""
        if self._closed:
            raise StorageError(f"The database {self._database.name} was closed; {NOTHING}. Start operator again.")
        request = Request.here(work, urgent=urgent)
        if not self._lanes.put(request):
            raise OverloadedError(
                f"{self._limit:,} changes already wait for the database {self._database.name}; {NOTHING}. "
                "Try again in a few seconds."
            )
        stored: T = await request.future
        return stored

    async def close(self) -> None:
        """Finish what waits, then close the connection. Nothing can be written afterwards."""
        if not self._closed:
            self._closed = True
            self._lanes.close()
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        try:
            while (first := self._lanes.take()) is not None:
                give(self._serve_batch(first))
        finally:
            self._session.close()

    def _serve_batch(self, first: Request) -> list[Answer]:
        try:
            connection = self._begin()
        except Exception as error:  # noqa: BLE001 - boundary: whoever waits must hear of it
            # Whoever queued up meanwhile has waited for the lock just as long.
            return self._refuse([first, *iter(self._lanes.take_waiting, None)], error)
        batch: list[Request] = []
        answers: list[Answer] = []
        known = Known()
        try:
            for request in self._lanes.batch(first):
                batch.append(request)
                answers.append(self._attempt(request, connection, known))
            self._session.commit()
        except Exception as error:  # noqa: BLE001 - boundary: whoever waits must hear of it
            self._roll_back(error)
            failed = [answer for answer in answers if answer.error is not None]
            done = {id(answer.request) for answer in failed}
            return failed + self._refuse([request for request in batch if id(request) not in done], error)
        return answers

    def _begin(self) -> Connection:
        if self._disk_failed is not None:
            raise self._disk_failed
        return self._session.begin()

    def _attempt(self, request: Request, connection: Connection, known: Known) -> Answer:
        driver_says(connection, "SAVEPOINT unit")
        try:
            value = request.work(SqlTransaction(connection, known))
        except BaseException as error:  # boundary: whatever a unit of work raises belongs to its caller
            if self._database.is_disk_error(error):
                raise
            # If the database gave up the whole transaction these fail too, and so does the batch.
            driver_says(connection, "ROLLBACK TO unit")
            driver_says(connection, "RELEASE unit")
            known.forget()
            return Answer(request=request, error=self._database.translated(error))
        driver_says(connection, "RELEASE unit")
        return Answer(request=request, value=value)

    def _roll_back(self, error: Exception) -> None:
        if self._database.is_disk_error(error):
            # After a failed write the disk may claim success for data it dropped; only a new start looks afresh.
            self._disk_failed = StorageError(str(self._database.translated(error)))
        self._session.roll_back()

    def _refuse(self, requests: list[Request], error: Exception) -> list[Answer]:
        translated = self._database.translated(error)
        if not isinstance(translated, StorageError):
            log.error("the writer met an error of its own", exc_info=error)
        return [Answer(request=request, error=StorageError(str(translated))) for request in requests]
