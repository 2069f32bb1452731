"""Failures known to have had no effect are proposed again, after a while and a few times; people decide each time."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.diagnosis.models import Ticket
from actions.drafts import Proposition, retried, retry_source
from actions.lifecycle import FAILED
from actions.models import ActionProposal, Caller, FailureOutcome
from actions.ports import Reader

_JITTER: Final = 0.5
"""By how much of itself a pause may be longer, so that what failed together is not tried again together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and after what time the agent proposes again what failed."""

    at_most: int = 2
    after: timedelta = timedelta(minutes=1)
    """The first pause; each further one is twice as long."""

    def due(self, reader: Reader, ticket: Ticket, *, by: Caller, now: datetime) -> list[Proposition]:
        """Return what of an open ticket's proposals is to be proposed again now."""
        if ticket.diagnosis_id is None:
            return []
        failed = reader.proposals(diagnosis_id=ticket.diagnosis_id, statuses=[FAILED])
        return [retried(one, by) for one in failed if self._is_due(reader, one, now)]

    def _is_due(self, reader: Reader, failed: ActionProposal, now: datetime) -> bool:
        tries = _tries_before(reader, failed)
        record = reader.record(failed.id)
        return (
            failed.outcome is FailureOutcome.NO_EFFECT
            and tries < self.at_most
            and record is not None
            and record.finished_at is not None
            and now >= record.finished_at + self._pause(failed, tries)
            and reader.proposal_by_source(retry_source(failed.id)) is None
        )

    def _pause(self, failed: ActionProposal, tries: int) -> timedelta:
        # Not random but scattered: every look at the same failure comes to the same moment.
        scatter = hashlib.sha256(failed.token.encode()).digest()[0] / 255
        return timedelta(seconds=self.after.total_seconds() * 2**tries * (1 + _JITTER * scatter))


def _tries_before(reader: Reader, proposal: ActionProposal) -> int:
    tries = 0
    while proposal.retry_of is not None:
        earlier = reader.proposal(proposal.retry_of)
        if earlier is None:
            break
        tries, proposal = tries + 1, earlier
    return tries
