"""Keeps true what waits on cards: targets are read again while people think, and seconds are counted down."""

import logging
from datetime import timedelta
from typing import Final

from actions.errors import OperatorError
from actions.executor import ActionExecutor
from actions.lifecycle import APPROVED, VALIDATED
from actions.models import ActionProposal
from actions.ports import Clock, OutboxKind, Publisher, Reader, Store, Transaction
from actions.together import together

log = logging.getLogger(__name__)

AT_MOST: Final = 50
"""How many waiting proposals are read again; older ones are read at the click's claim only."""
RENEWED_AFTER: Final = timedelta(seconds=25)
"""How old a reading may get; a click is compared with one of at most a minute."""


class Watch:
    """Does for waiting cards what nobody asks for. Every step is safe to repeat, in any process."""

    def __init__(self, *, store: Store, executor: ActionExecutor, clock: Clock, publisher: Publisher) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock
        self._publisher = publisher

    async def look(self) -> None:
        """Read the targets of what waits for a decision, where the last reading grows old."""
        waiting = await self._store.read(lambda reader: reader.proposals(statuses=[VALIDATED], limit=AT_MOST))
        await together(self._look, [one for one in waiting if self._is_old(one)])

    async def count_down(self) -> None:
        """Have the cards redrawn of what runs in a few seconds unless somebody aborts it."""
        soon = await self._store.read(self._about_to_begin)
        if soon:
            await self._store.write(lambda tx: self._redraw(tx, soon))
            self._publisher.changed()

    def _is_old(self, proposal: ActionProposal) -> bool:
        last = self._executor.last_reading(proposal.id)
        return last is None or self._clock.now() - last.read_at > RENEWED_AFTER

    async def _look(self, proposal: ActionProposal) -> None:
        try:
            await self._executor.preview_proposal(proposal.id)
        except OperatorError as error:
            log.info("action %d cannot be compared with its target now: %s", proposal.id, error)
        except Exception:  # boundary: a fault in one subject must not keep the others from being looked at
            log.exception("action %d cannot be looked at", proposal.id)

    def _about_to_begin(self, reader: Reader) -> list[ActionProposal]:
        now = self._clock.now()
        approved = reader.proposals(statuses=[APPROVED], limit=AT_MOST)
        return [one for one in approved if self._executor.schedule.is_abortable(one, now)]

    def _redraw(self, tx: Transaction, soon: list[ActionProposal]) -> None:
        for proposal in soon:
            tx.enqueue(OutboxKind.CARD, str(proposal.id), at=self._clock.now())
