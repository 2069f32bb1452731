"""Tells people what waits for them and what starts soon. Every step is safe to repeat, in any process."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.admission import Ask, admitted, locked
from actions.canonical import Json, digest
from actions.errors import ConflictError, KeyReusedError, NotReadyError, OperatorError, TargetUnavailableError
from actions.lifecycle import APPROVED, VALIDATED
from actions.models import EVERYTHING, ActionProposal, Actor, Caller, Reminder, Verb, Via
from actions.ports import Clock, Directory, KillFiles, OutboxKind, Policy, Publisher, Reader, Store, Transaction
from actions.readings import Reading
from actions.registry import Preview
from actions.reminder_schedule import SNOOZED, About, ReminderSchedule, end, message_ref, retire
from actions.safety import require_live
from actions.successors import Successors
from actions.together import together
from actions.transitions import note

log = logging.getLogger(__name__)

REMINDER: Final = Caller(actor=Actor.system("reminder"), via=Via.SYSTEM)
BATCH: Final = 500
_FAR: Final = timedelta(days=1_000)
"""Further ahead nothing is planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of a target shortly before the start."""

    preview: Preview | None = None
    unread: str = ""
    """Why it could not be read."""


class Reminders:
    """Carries out what `ReminderSchedule` plans. The transaction decides: of two processes one sends."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Policy,
        directory: Directory,
        kill_files: KillFiles,
        clock: Clock,
        publisher: Publisher,
        schedule: ReminderSchedule,
        successors: Successors,
        read_again: Callable[[int], Awaitable[Reading]],
    ) -> None:
        self._store = store
        self._policy = policy
        self._directory = directory
        self._kill_files = kill_files
        self._clock = clock
        self._publisher = publisher
        self._schedule = schedule
        self._successors = successors
        self._read_again = read_again

    async def remind(self) -> None:
        """Send what is due, and take the buttons off what nobody is waited for any more. Raises `StorageError`."""
        if not self._kill_files.present(EVERYTHING):
            await together(self._take, await self._store.read(self._concerned))

    async def snooze(self, proposal_id: int, *, by: Caller, lasting: timedelta) -> Reminder:
        """Send no reminder for so long; the warning before it expires still comes. Returns when the next one does.

        Raises:
            NotAuthorizedError: who may not cancel it may not silence it either.
            UnknownProposalError, NotReadyError, ConflictError, KeyReusedError, StorageError
        """
        standing = await self._directory.standing(by.actor)

        def work(tx: Transaction) -> Reminder | OperatorError:
            return self._snooze(tx, proposal_id, Ask(by=by, standing=standing, at=self._clock.now()), lasting)

        outcome = await self._store.write(work, urgent=True)
        self._publisher.changed()
        if isinstance(outcome, OperatorError):
            raise outcome
        return outcome

    def _concerned(self, reader: Reader) -> list[Reminder]:
        now = self._clock.now()
        planned = reader.reminders_due(now + _FAR, BATCH)
        return [one for one in planned if one.due_at <= now or not _waits(reader.proposal(one.proposal_id))]

    async def _take(self, planned: Reminder) -> None:
        proposal = await self._store.read(lambda reader: reader.proposal(planned.proposal_id))
        look = Look()
        if proposal is not None and proposal.status is APPROVED and _waits(proposal):
            look = await self._look(proposal)
        if await self._store.write(lambda tx: self._tell(tx, planned.proposal_id, look)):
            self._publisher.changed()

    async def _look(self, proposal: ActionProposal) -> Look:
        try:
            return Look(preview=(await self._read_again(proposal.id)).preview)
        except TargetUnavailableError as error:
            log.warning("action %d starts soon, and its target cannot be read: %s", proposal.id, error)
            return Look(unread=str(error))
        except NotReadyError:
            return Look()  # it was decided meanwhile, as the transaction will find

    def _tell(self, tx: Transaction, proposal_id: int, look: Look) -> bool:
        now = self._clock.now()
        proposal = locked(tx, proposal_id)
        plan = tx.reminder(proposal_id)
        if proposal is None or plan is None or self._kill_files.present(proposal.subject):
            return False
        if not _waits(proposal) or require_live(tx, proposal, self._kill_files, now=now) is not None:
            return _ended(tx, plan, now)
        if plan.due_at > now:
            return False
        about = self._about(proposal, now)
        if about is None or self._is_stale(tx, proposal, look, now):
            return _ended(tx, plan, now)
        self._send(tx, plan, proposal, {"about": about.value, "unread": look.unread}, now)
        return True

    def _is_stale(self, tx: Transaction, proposal: ActionProposal, look: Look, now: datetime) -> bool:
        return (
            look.preview is not None and self._successors.stale(tx, proposal, look.preview, REMINDER, now) is not None
        )

    def _about(self, proposal: ActionProposal, now: datetime) -> About | None:
        if proposal.status is VALIDATED:
            return self._waiting(proposal, now)
        return About.STARTING if proposal.not_before is not None and now < proposal.not_before else None

    def _waiting(self, proposal: ActionProposal, now: datetime) -> About:
        return About.UNDECIDED if now < self._schedule.warning(proposal) else About.EXPIRING

    def _send(
        self, tx: Transaction, plan: Reminder, proposal: ActionProposal, payload: Mapping[str, Json], now: datetime
    ) -> None:
        following = self._schedule.after(plan, proposal, now)
        retire(tx, plan, now)
        tx.save_reminder(following)
        tx.enqueue(OutboxKind.REMINDER, message_ref(proposal.id, following.sent), at=now, payload=payload)

    def _snooze(self, tx: Transaction, proposal_id: int, ask: Ask, lasting: timedelta) -> Reminder | OperatorError:
        proposal = admitted(tx, self._policy, Verb.CANCEL, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        plan = tx.reminder(proposal_id)
        if proposal.status is not VALIDATED:
            return NotReadyError(proposal_id, proposal.status, "snoozed")
        if plan is None:
            return ConflictError(f"Nobody is reminded of action {proposal_id}; there is nothing to snooze.")
        repeated = _repeated(tx, proposal_id, ask, lasting)
        if repeated is not None:
            return plan if repeated else KeyReusedError(str(ask.by.key))
        return self._put_off(tx, plan, proposal, ask, lasting)

    def _put_off(
        self, tx: Transaction, plan: Reminder, proposal: ActionProposal, ask: Ask, lasting: timedelta
    ) -> Reminder:
        later = self._schedule.snoozed(plan, proposal, ask.at + lasting)
        tx.save_reminder(later)
        data: dict[str, Json] = {"after": plan.sent, "until": later.due_at.isoformat()}
        note(tx, SNOOZED, by=ask.by, at=ask.at, proposal_id=proposal.id, data=data)
        if plan.sent:
            payload = {"about": self._waiting(proposal, ask.at).value}
            tx.enqueue(OutboxKind.REMINDER, message_ref(proposal.id, plan.sent), at=ask.at, payload=payload)
        return later


def _waits(proposal: ActionProposal | None) -> bool:
    if proposal is None:
        return False
    return proposal.status is VALIDATED or (proposal.status is APPROVED and proposal.not_before is not None)


def _ended(tx: Transaction, plan: Reminder, now: datetime) -> bool:
    end(tx, plan, now)
    return plan.sent > 0


def _repeated(tx: Transaction, proposal_id: int, ask: Ask, lasting: timedelta) -> bool | None:
    """Return whether the same was asked before under the same key, or something else; None if nothing was."""
    if ask.by.key is None:
        return None
    body_hash = digest(["snooze", proposal_id, str(ask.by.actor), lasting.total_seconds()])
    earlier = tx.take_inbox(ask.by.key, body_hash=body_hash, reply="", at=ask.at)
    return None if earlier is None else earlier.body_hash == body_hash
