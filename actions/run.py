"""One claimed attempt while it runs: step by step, with a heartbeat, stoppable between steps, then looked at."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from actions.attempt import Claim, Ending, parameters_of, save_steps, with_step
from actions.errors import ActionFailedError, OperatorError, StorageError
from actions.lifecycle import EXECUTING
from actions.models import FailureOutcome, SafetyMode, Step, SuccessOutcome
from actions.ports import Clock, KillFiles, Publisher, Reader, Store
from actions.printable import printable
from actions.registry import ActionDefinition, Done, Happened, Verdict
from actions.safety import effective

log = logging.getLogger(__name__)

_NOTHING_SEEN = Verdict(happened=Happened.CANNOT_TELL, evidence=())


class Run:
    """Runs the action of a claimed proposal and says how it ended. One use."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        kill_files: KillFiles,
        publisher: Publisher,
        claim: Claim,
        definition: ActionDefinition[Any],
        lease: timedelta,
        verify_interval: float,
    ) -> None:
        self.claimed = claim.proposal
        self.record = claim.record
        self._store = store
        self._clock = clock
        self._kill_files = kill_files
        self._publisher = publisher
        self._definition = definition
        self._lease = lease
        self._verify_interval = verify_interval
        self._lease_lost = False

    async def to_the_end(self) -> Ending:
        """Send it and look whether it worked. Raises nothing but cancellation and its like."""
        heartbeat = asyncio.create_task(self._keep_lease(), name=f"lease of action {self.claimed.id}")
        try:
            sent = await self._send()
            return await self._confirm(sent) if isinstance(sent, Done) else sent
        finally:
            heartbeat.cancel()
            await asyncio.wait([heartbeat])  # a cancellation of our own, unlike the heartbeat's, goes on

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """See `actions.registry.Steps`."""
        stop = await self._why_stop()
        if stop is not None:
            self._note(Step(name=name, state="stopped", detail=stop))
            raise ActionFailedError(f"Stopped before {name}: {stop}")
        try:
            yield
        except ActionFailedError as error:
            self._note(Step(name=name, state="failed", detail=printable(error.detail, 500)))
            raise
        except BaseException as error:
            self._note(Step(name=name, state="unknown", detail=_told(error)))
            raise
        self._note(Step(name=name, state="done"))
        await self._store.write(lambda tx: save_steps(tx, self.record), urgent=True)
        self._publisher.changed()

    async def _send(self) -> Done | Ending:
        stop = await self._why_stop()
        if stop is not None:
            return Ending.failed(f"Stopped before anything was sent: {stop}", FailureOutcome.NO_EFFECT)
        parameters = parameters_of(self._definition, self.claimed)
        try:
            async with asyncio.timeout(self._definition.timeout):
                return await self._definition.execute(parameters, self.step)
        except ActionFailedError as error:
            return Ending.failed(error.detail, self._what_was_done(error.outcome))
        except TimeoutError:
            return Ending.unknown(f"No answer within {self._definition.timeout:g} s; it may have happened")
        except Exception as error:  # boundary: an action may fail in any way, and what was sent may have happened
            log.exception("action %d: the outcome is unknown", self.claimed.id)
            return Ending.unknown(_told(error))

    async def _confirm(self, done: Done) -> Ending:
        deadline = self._clock.monotonic() + self._definition.verify_within
        verdict = await self._look()
        while verdict.happened is not Happened.YES and self._clock.monotonic() < deadline:
            await self._clock.sleep(self._verify_interval)
            verdict = await self._look()
        match verdict.happened:
            case Happened.YES:
                return Ending.completed(done.detail, SuccessOutcome.CONFIRMED, verdict.evidence)
            case Happened.CANNOT_TELL:
                detail = f"{done.detail}. The target accepted it; whether it worked could not be seen"
                return Ending.completed(detail, SuccessOutcome.ACCEPTED, verdict.evidence)
            case Happened.NO | Happened.PARTLY:
                within = f"{self._definition.verify_within:g} s"
                detail = (
                    f"The target accepted it ({done.detail}), but the expected result was not there within {within}"
                )
                return Ending.failed(detail, FailureOutcome.PARTIAL, verdict.evidence)

    async def _look(self) -> Verdict:
        try:
            async with asyncio.timeout(self._definition.verify_within):
                return await self._definition.verify(parameters_of(self._definition, self.claimed), self.claimed.before)
        except (OperatorError, TimeoutError) as error:
            log.info("action %d: cannot look yet: %s", self.claimed.id, error)
        except Exception:  # boundary: a fault in looking must not hide that the target accepted it
            log.exception("action %d cannot be looked at", self.claimed.id)
        return _NOTHING_SEEN

    async def _why_stop(self) -> str | None:
        if self._lease_lost:
            return "this process lost its lease on the action"
        held = self._kill_files.present(self.claimed.subject)
        if held:
            return f"this host is held back by {held[0]}"
        try:
            return await self._store.read(self._what_changed)
        except StorageError as error:
            return f"the mode could not be read ({error})"

    def _what_changed(self, reader: Reader) -> str | None:
        current = reader.proposal(self.claimed.id)
        if current is None or (current.status, current.fence) != (EXECUTING, self.claimed.fence):
            return "another process has given it up for lost meanwhile"
        control = effective(reader, self.claimed.subject)
        if control.mode is not SafetyMode.EXECUTE:
            return f"{control.changed_by} switched to observe"
        epochs = (reader.control("*").epoch, reader.control(self.claimed.subject).epoch)
        return None if epochs == (self.claimed.epoch, self.claimed.subject_epoch) else "it was stopped meanwhile"

    async def _keep_lease(self) -> None:
        # Real time on purpose: the lease tells other processes that this one's event loop still turns.
        while not self._lease_lost:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                held = await self._store.write(
                    lambda tx: tx.renew_lease(
                        self.claimed.id, fence=self.claimed.fence, until=self._clock.now() + self._lease
                    ),
                    urgent=True,
                )
            except StorageError as error:
                log.warning("action %d: the lease could not be renewed: %s", self.claimed.id, error)
            else:
                self._lease_lost = not held

    def _note(self, step: Step) -> None:
        self.record = with_step(self.record, step)

    def _what_was_done(self, claimed: FailureOutcome) -> FailureOutcome:
        some = any(step.state == "done" for step in self.record.steps)
        return FailureOutcome.PARTIAL if some else claimed


def _told(error: BaseException) -> str:
    said = str(error) if isinstance(error, OperatorError) else f"{type(error).__name__}: {error}"
    return printable(said, 500)
