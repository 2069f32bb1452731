"""What became of the attempts whose outcome is unknown: found out by looking, never by trying again."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from actions.attempt import Attempts, parameters_of
from actions.errors import OperatorError
from actions.lifecycle import EXECUTING, UNKNOWN
from actions.models import ActionProposal
from actions.ports import Clock, Publisher, Store
from actions.registry import ActionDefinition, ActionRegistry, Happened, Verdict
from actions.together import together

log = logging.getLogger(__name__)

BATCH: Final = 100
LOOK_WITHIN: Final = 10.0
"""Seconds that one look at a target may take."""


class Reconciler:
    """Gives up on attempts without a living owner, and settles unknown outcomes by two equal observations."""

    def __init__(
        self, *, store: Store, attempts: Attempts, registry: ActionRegistry, clock: Clock, publisher: Publisher
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._registry = registry
        self._clock = clock
        self._publisher = publisher

    async def recover(self, is_dead: Callable[[str], bool]) -> int:
        """Mark as unknown what was running under owners that are known to be dead; return how many.

        Called once at start, so that nobody has to wait for the lease of a process that was killed.
        """
        running = await self._store.read(lambda reader: reader.proposals(statuses=[EXECUTING], limit=BATCH))
        dead = [proposal for proposal in running if proposal.owner is not None and is_dead(proposal.owner)]
        return await self._give_up(dead, owner_is_dead=True)

    async def reconcile(self) -> int:
        """Give up on attempts whose lease ran out, then look at everything unknown; return how many were settled."""
        now = self._clock.now()
        await self._give_up(await self._store.read(lambda reader: reader.leases_run_out(now, BATCH)))
        unknown = await self._store.read(lambda reader: reader.proposals(statuses=[UNKNOWN], limit=BATCH))
        return sum(await together(self._settle, unknown))

    async def _settle(self, proposal: ActionProposal) -> bool:
        try:
            return await self._look_twice(proposal)
        except (OperatorError, TimeoutError) as error:
            log.info("action %d is unknown and cannot be looked at yet: %s", proposal.id, error)
        except Exception:  # boundary: one row or reader that is broken must not keep the others from being settled
            log.exception("action %d cannot be looked at", proposal.id)
        return False

    async def _give_up(self, proposals: list[ActionProposal], *, owner_is_dead: bool = False) -> int:
        lost = 0
        for proposal in proposals:
            work = partial(
                self._attempts.lose_lease,
                proposal_id=proposal.id,
                at=self._clock.now(),
                owner_is_dead=owner_is_dead,
            )
            lost += await self._store.write(work)
        if lost:
            self._publisher.changed()
        return lost

    async def _look_twice(self, proposal: ActionProposal) -> bool:
        definition = self._registry.get(proposal.action_name)
        first = await _look(definition, proposal)
        if first.happened is Happened.CANNOT_TELL:
            return False
        await self._clock.sleep(definition.settle)
        second = await _look(definition, proposal)
        if second.happened is not first.happened:
            return False
        settled = await self._store.write(lambda tx: self._attempts.settle(tx, proposal, second, at=self._clock.now()))
        self._publisher.changed()
        return settled


async def _look(definition: ActionDefinition[Any], proposal: ActionProposal) -> Verdict:
    async with asyncio.timeout(LOOK_WITHIN):
        return await definition.verify(parameters_of(definition, proposal), proposal.before)
