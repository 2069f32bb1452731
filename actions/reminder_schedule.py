"""When people are reminded of what waits for them, warned before it expires, and told before it starts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from actions.lifecycle import APPROVED, VALIDATED
from actions.models import ActionProposal, Reminder
from actions.ports import OutboxKind, Transaction

ANNOUNCED_BEFORE: Final = timedelta(minutes=5)
"""How long before an approved action starts it is announced."""
SNOOZED: Final = "snoozed"
"""The audit event of a snooze: `after` which message, and `until` when."""
_NO_NEWS: Final = timedelta(minutes=1)
"""What starts within this of its approval is known to those who look on."""
_EARLY: Final = 0.8
"""The part of a short life after which the warning comes."""
_MOST_DOUBLINGS: Final = 16


class About(StrEnum):
    """What people are told; `about` in the payload of an outbox item."""

    UNDECIDED = "undecided"
    EXPIRING = "expiring"
    """The last word before it expires undecided."""
    STARTING = "starting"
    """What was approved for later begins soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderSchedule:
    """Back-off while nobody decides, then one warning, then silence; all that is kept is the stored `Reminder`."""

    enabled: bool = True
    """False: nobody is reminded or warned. What starts later is announced all the same."""
    first: timedelta = timedelta(minutes=10)
    at_most_every: timedelta = timedelta(minutes=30)
    warn_before: timedelta = timedelta(minutes=10)
    """How long before it expires the warning comes, where its life is at least twice as long."""

    def begin(self, tx: Transaction, proposal: ActionProposal, at: datetime) -> None:
        """Plan for what has just been put up for decision, or been approved for later; nothing to do for the rest."""
        starts = self._announcement(proposal, at)
        if starts is not None:
            earlier = tx.reminder(proposal.id) or Reminder(proposal_id=proposal.id, due_at=starts)
            retire(tx, earlier, at)
            tx.save_reminder(Reminder(proposal_id=proposal.id, due_at=starts, sent=earlier.sent))
        elif proposal.status is VALIDATED and self.enabled:
            tx.save_reminder(Reminder(proposal_id=proposal.id, due_at=self._next(proposal, at, self.first)))
        elif proposal.not_before is not None:
            end(tx, tx.reminder(proposal.id), at)

    def warning(self, proposal: ActionProposal) -> datetime:
        """Return when people are warned that it expires."""
        life = proposal.expires_at - proposal.proposed_at
        return (
            proposal.proposed_at + life * _EARLY
            if life < 2 * self.warn_before
            else proposal.expires_at - self.warn_before
        )

    def after(self, reminder: Reminder, proposal: ActionProposal, at: datetime) -> Reminder:
        """Return the plan once one more message was sent at *at*; after the last it is due when all is over."""
        sent = reminder.sent + 1
        if proposal.status is VALIDATED and at < self.warning(proposal):
            pause = min(self.first * 2 ** min(sent, _MOST_DOUBLINGS), self.at_most_every)
            due_at = self._next(proposal, at, pause)
        else:
            due_at = proposal.approval_expires_at or proposal.expires_at
        return Reminder(proposal_id=proposal.id, due_at=due_at, sent=sent)

    def snoozed(self, reminder: Reminder, proposal: ActionProposal, until: datetime) -> Reminder:
        """Return the plan with silence *until* then. The warning still comes, and nothing comes sooner than planned."""
        due_at = max(reminder.due_at, min(until, self.warning(proposal)))
        return Reminder(proposal_id=proposal.id, due_at=due_at, sent=reminder.sent)

    def _next(self, proposal: ActionProposal, at: datetime, pause: timedelta) -> datetime:
        warning = self.warning(proposal)
        due_at = at + pause
        # So soon before the warning a reminder would be one message too many.
        return due_at if due_at + min(self.first, self.warn_before) <= warning else max(at, warning)

    def _announcement(self, proposal: ActionProposal, at: datetime) -> datetime | None:
        starts = proposal.not_before
        if proposal.status is not APPROVED or starts is None or starts - at <= _NO_NEWS:
            return None
        return max(at, starts - ANNOUNCED_BEFORE)


def end(tx: Transaction, reminder: Reminder | None, at: datetime) -> None:
    """Forget the plan, if there is one, and have the buttons taken off its last message."""
    if reminder is not None:
        tx.drop_reminder(reminder.proposal_id)
        retire(tx, reminder, at)


def retire(tx: Transaction, reminder: Reminder, at: datetime) -> None:
    """Have the last message that was sent redrawn, without its buttons."""
    if reminder.sent:
        tx.enqueue(OutboxKind.REMINDER, message_ref(reminder.proposal_id, reminder.sent), at=at)


def message_ref(proposal_id: int, number: int) -> str:
    """Return the name under which a message is delivered, once: the first about a proposal has the number 1."""
    return f"{proposal_id}/{number}"


def number_of(ref: str) -> tuple[int, int]:
    """Return the proposal and the number of the message that `message_ref` names so."""
    proposal_id, _, number = ref.partition("/")
    return int(proposal_id), int(number)
