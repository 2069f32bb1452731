"""The one writer: a thread that commits, in one transaction, whatever units of work are waiting.

There are no savepoints: they cost as much as the work itself. A unit of work that fails before it changed anything is
answered, and the others go on. One that fails later spoils the transaction, which is given up, and then every unit
runs once more in a transaction of its own.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from actions.errors import OverloadedError, StorageError
from actions.ports import Transaction
from storage.database import Database
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
                give(self._transact(self._lanes.batch(first)))
        finally:
            self._session.close()

    def _transact(self, requests: Iterable[Request]) -> list[Answer]:
        """Serve them in one transaction; if one of them spoils it, each in a transaction of its own."""
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 - boundary: whoever waits must hear of it
            # Whoever queued up meanwhile has waited for the lock just as long.
            return self._refuse([*requests, *iter(self._lanes.take_waiting, None)], error)
        taken: list[Request] = []
        try:
            answers = self._attempt_all(requests, taken)
            self._session.settle()
        except BaseException as error:  # noqa: BLE001 - boundary: whatever a unit of work raises belongs to its caller
            self._roll_back(error)
            return self._answers_after(error, taken)
        return self._commit(answers)

    def _begin(self) -> None:
        if self._disk_failed is not None:
            raise self._disk_failed
        self._session.begin()

    def _attempt_all(self, requests: Iterable[Request], taken: list[Request]) -> list[Answer]:
        channel, known = self._session.channel(), Known()
        answers = []
        for request in requests:
            taken.append(request)
            answers.append(self._attempt(request, SqlTransaction(channel, known)))
        return answers

    def _attempt(self, request: Request, transaction: SqlTransaction) -> Answer:
        try:
            value = request.work(transaction)
        except BaseException as error:  # boundary: whatever a unit of work raises belongs to its caller
            if transaction.changed or transaction.failure is not None:
                raise
            return Answer(request=request, error=self._database.translated(error))
        if transaction.failure is not None:
            raise transaction.failure  # the unit went on as if nothing were the matter
        return Answer(request=request, value=value)

    def _answers_after(self, error: BaseException, taken: list[Request]) -> list[Answer]:
        if self._disk_failed is not None:
            return self._refuse(taken, self._disk_failed)
        if len(taken) == 1:
            return [Answer(request=taken[0], error=self._database.translated(error))]
        return [answer for request in taken for answer in self._transact([request])]

    def _commit(self, answers: list[Answer]) -> list[Answer]:
        try:
            self._session.commit()
        except Exception as error:  # noqa: BLE001 - boundary: whoever waits must hear of it
            self._roll_back(error)
            failed = [answer for answer in answers if answer.error is not None]
            return failed + self._refuse([answer.request for answer in answers if answer.error is None], error)
        return answers

    def _roll_back(self, error: BaseException) -> None:
        if self._database.is_disk_error(error):
            # After a failed write the disk may claim success for data it dropped; only a new start looks afresh.
            self._disk_failed = StorageError(str(self._database.translated(error)))
        self._session.roll_back()

    def _refuse(self, requests: list[Request], error: Exception) -> list[Answer]:
        translated = self._database.translated(error)
        if not isinstance(translated, StorageError):
            log.error("the writer met an error of its own", exc_info=error)
        return [Answer(request=request, error=StorageError(str(translated))) for request in requests]
