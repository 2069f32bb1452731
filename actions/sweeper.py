"""Keeps time: what is overdue expires, what was stopped is cancelled, what could not be validated is tried again."""

import logging
from typing import Final

from actions.errors import NotReadyError, OperatorError
from actions.executor import ActionExecutor
from actions.lifecycle import EXPIRE, PENDING, PROPOSED
from actions.models import ActionProposal
from actions.ports import Clock, Publisher, Store, Transaction
from actions.safety import SWEEPER, SafetyController, is_overdue, lock
from actions.together import together
from actions.transitions import transition

log = logging.getLogger(__name__)

BATCH: Final = 500


class Sweeper:
    """Does what no request triggers. Every step is safe to repeat, in any process."""

    def __init__(
        self, *, store: Store, safety: SafetyController, executor: ActionExecutor, clock: Clock, publisher: Publisher
    ) -> None:
        self._store = store
        self._safety = safety
        self._executor = executor
        self._clock = clock
        self._publisher = publisher

    async def sweep(self) -> None:
        """Do one round."""
        await self._safety.sweep_stopped()
        await self._expire()
        await self._validate()

    async def _expire(self) -> None:
        while await self._store.write(self._expire_batch):
            self._publisher.changed()

    def _expire_batch(self, tx: Transaction) -> int:
        now = self._clock.now()
        overdue = tx.overdue(now, BATCH)
        for found in overdue:
            lock(tx, found.subject)
            proposal = tx.proposal(found.id)
            if proposal is not None and proposal.status in PENDING and is_overdue(proposal, now):
                transition(tx, EXPIRE, proposal, by=SWEEPER, at=now)
        return len(overdue)

    async def _validate(self) -> None:
        waiting = await self._store.read(lambda reader: reader.proposals(statuses=[PROPOSED], limit=BATCH))
        await together(self._validate_one, waiting)

    async def _validate_one(self, proposal: ActionProposal) -> None:
        try:
            await self._executor.validate_proposal(proposal.id)
        except NotReadyError:
            log.debug("proposal %d was validated or ended meanwhile", proposal.id)
        except OperatorError as error:
            log.info("proposal %d is still not validated: %s", proposal.id, error)
        except Exception:  # boundary: a fault in one subject must not keep the others from being validated
            log.exception("proposal %d cannot be validated", proposal.id)
