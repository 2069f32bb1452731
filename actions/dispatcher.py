"""Runs what is approved: soon, once, several at a time, and stops in good order."""

import asyncio
import logging
from functools import partial
from typing import Final

from actions.errors import NotReadyError, OperatorError, TargetBusyError, TargetUnavailableError, UnavailableError
from actions.executor import ActionExecutor
from actions.lifecycle import APPROVED
from actions.ports import Reader, Store

log = logging.getLogger(__name__)

AT_ONCE: Final = 32
PAGE: Final = AT_ONCE * 4
"""How many approved proposals are looked at, at a time."""
PAUSE: Final = 1.0
"""Seconds between two looks when nobody calls; approvals from other processes are found this late."""


class Dispatcher:
    """Executes approved proposals, whichever process they were approved in."""

    def __init__(self, *, store: Store, executor: ActionExecutor) -> None:
        self._store = store
        self._executor = executor
        self._news = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._tries: dict[int, int] = {}

    def wake(self) -> None:
        """Look for approved proposals now."""
        self._news.set()

    async def run(self) -> None:
        """Dispatch until cancelled. Running actions go on; `stop` ends them."""
        while True:
            self._news.clear()
            try:
                await self.dispatch()
            except UnavailableError as error:
                log.warning("approved actions wait: %s", error)
            try:
                async with asyncio.timeout(PAUSE):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def dispatch(self) -> None:
        """Start every approved proposal that is not being run by this process yet."""
        approved = await self._store.read(self._approved)
        self._tries = {proposal_id: tries for proposal_id, tries in self._tries.items() if proposal_id in approved}
        # What has to wait for its target takes turns with what has not been tried yet.
        for proposal_id in sorted(approved, key=lambda one: self._tries.get(one, 0)):
            if proposal_id not in self._running and len(self._running) < AT_ONCE:
                self._tries[proposal_id] = self._tries.get(proposal_id, 0) + 1
                task = asyncio.create_task(self._execute(proposal_id), name=f"action {proposal_id}")
                self._running[proposal_id] = task
                task.add_done_callback(partial(self._done, proposal_id))

    async def stop(self, grace: float) -> None:
        """Let running actions end for *grace* seconds, then interrupt them; what they did is recorded as unknown."""
        tasks = list(self._running.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _done(self, proposal_id: int, _: asyncio.Task[None]) -> None:
        self._running.pop(proposal_id, None)
        self.wake()

    def _approved(self, reader: Reader) -> list[int]:
        ready: list[int] = []
        page = reader.proposals(statuses=[APPROVED], limit=PAGE)
        while True:
            ready += [proposal.id for proposal in page if self._executor.may_begin(proposal)]
            if len(page) < PAGE or len(ready) >= PAGE:
                return sorted(ready)
            # What begins later must not hide what may begin now, however much of it there is.
            page = reader.proposals(statuses=[APPROVED], before_id=page[-1].id, limit=PAGE)

    async def _execute(self, proposal_id: int) -> None:
        try:
            ended = await self._executor.execute_proposal(proposal_id)
        except (TargetBusyError, TargetUnavailableError, NotReadyError) as error:
            log.info("action %d stays approved for now: %s", proposal_id, error)
        except OperatorError as error:
            log.warning("action %d was not run: %s", proposal_id, error)
        except Exception:  # boundary: a fault in one action must not end the dispatch of the others
            log.exception("action %d broke off", proposal_id)
        else:
            log.info("action %d ended as %s: %s", proposal_id, ended.status.value, ended.detail)
            return
        # Whatever is still approved (a kill file, a locked database) must not be tried again without a pause.
        await asyncio.sleep(PAUSE)
