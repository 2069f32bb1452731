"""How much is too much: limits on proposing and running, and the breaker that stops a subject where actions fail."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.errors import LimitError
from actions.lifecycle import FAILED, PENDING, UNKNOWN
from actions.models import ActionProposal, Actor, Caller, Control, ReasonCode, SafetyMode, Via
from actions.ports import Reader, Transaction
from actions.safety import all_in_flight, announce, lock
from actions.successors import rivals_of

HOUR: Final = timedelta(hours=1)
BREAKER: Final = Caller(actor=Actor.system("breaker"), via=Via.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many there may be; 0 is no limit."""

    actions_per_hour: int = 0
    """Actions that begin on one subject within any hour."""
    proposals_per_hour: int = 0
    """Proposals that one source makes within any hour."""
    open_cards: int = 0
    """Proposals for one subject that wait for people or for their turn."""
    failures_in_a_row: int = 0
    """Actions on one subject, one after the other, that failed or are of unknown outcome, until it is stopped."""

    def refuse_proposal(self, reader: Reader, draft: ActionProposal, at: datetime) -> LimitError | None:
        """Return why *draft*, which bears the epochs of now, cannot be proposed yet; None if it can.

        What takes an effect back always can.
        """
        if draft.undo_of is not None:
            return None
        return self._too_many_proposals(reader, draft, at) or self._too_many_open(reader, draft)

    def refuse_run(self, reader: Reader, proposal: ActionProposal, at: datetime) -> LimitError | None:
        """Return why *proposal* cannot begin yet; None if it can, as it always can after break-glass."""
        most = self.actions_per_hour
        if not most or proposal.break_glass:
            return None
        began = reader.attempts(proposal.subject, since=_within_an_hour_of(at), limit=most)
        if len(began) < most:
            return None
        return LimitError(
            f"{_count(most, 'action')} on {proposal.subject} began within the last hour",
            f"actions_per_hour = {most}",
            f"The next one may begin at {_time(began[-1].started_at + HOUR)}.",
        )

    def trip(self, tx: Transaction, proposal: ActionProposal, at: datetime) -> Control | None:
        """Stop the subject of *proposal*, which ended just now, if it was one failure too many in a row.

        A row are those of one epoch, in the order in which they began; what still runs is not counted.
        """
        most = self.failures_in_a_row
        if not most:
            return None
        overall, own = lock(tx, proposal.subject)
        if not _is_of(proposal, overall, own):
            return None
        row = _failures(tx, proposal.subject, overall, own, most)
        return _stop(tx, own, row, at) if len(row) == most else None

    def _too_many_proposals(self, reader: Reader, draft: ActionProposal, at: datetime) -> LimitError | None:
        most = self.proposals_per_hour
        since = _within_an_hour_of(at)
        if not most or reader.proposed_since(draft.proposed_by, since) < most:
            return None
        wait = timedelta(
            seconds=bisect_left(
                range(int(HOUR.total_seconds())),
                True,
                key=lambda second: reader.proposed_since(draft.proposed_by, since + timedelta(seconds=second)) < most,
            )
        )
        return LimitError(
            f"{draft.proposed_by} made {_count(most, 'proposal')} within the last hour",
            f"proposals_per_hour = {most}",
            f"The next one is taken at {_time(at + wait)}.",
        )

    def _too_many_open(self, reader: Reader, draft: ActionProposal) -> LimitError | None:
        most = self.open_cards
        if not most:
            return None
        # Those of earlier epochs are older, and about to be cancelled.
        newest = reader.proposals(statuses=PENDING, subject=draft.subject, limit=most)
        waiting = [one for one in newest if (one.epoch, one.subject_epoch) == (draft.epoch, draft.subject_epoch)]
        if len(waiting) < most or _makes_room(reader, draft):
            return None
        return LimitError(
            f"{_count(most, 'action')} on {draft.subject} {'waits' if most == 1 else 'wait'} to be decided or to run",
            f"open_cards = {most}",
            f"Decide or cancel some of them; the next one expires at {_time(min(one.expires_at for one in waiting))}.",
        )


NO_LIMITS: Final = Limits()


def _makes_room(reader: Reader, draft: ActionProposal) -> bool:
    old = None if draft.supersedes is None else reader.proposal(draft.supersedes)
    return (old is not None and old.status in PENDING) or bool(rivals_of(reader, draft))


def _failures(tx: Transaction, subject: str, overall: Control, own: Control, most: int) -> list[ActionProposal]:
    changed = max(filter(None, (overall.changed_at, own.changed_at)), default=None)
    if changed is None:
        return []
    # Clocks of several hosts differ a little; what counts is the epoch.
    records = tx.attempts(subject, since=changed - HOUR, ended=True, limit=most)
    found = (tx.proposal(record.proposal_id) for record in records)
    return [one for one in found if one is not None and _is_of(one, overall, own) and one.status in {FAILED, UNKNOWN}]


def _is_of(proposal: ActionProposal, overall: Control, own: Control) -> bool:
    return (proposal.epoch, proposal.subject_epoch) == (overall.epoch, own.epoch)


def _stop(tx: Transaction, own: Control, row: list[ActionProposal], at: datetime) -> Control:
    numbers = ", ".join(str(one.id) for one in sorted(row, key=lambda one: one.id))
    how = "failed or are of unknown outcome" if any(one.status is UNKNOWN for one in row) else "failed"
    control = Control(
        scope=own.scope,
        mode=SafetyMode.OBSERVE,
        epoch=own.epoch + 1,
        changed_by=str(BREAKER.actor),
        changed_at=at,
        reason=f"{_count(len(row), 'action')} in a row {how}: {numbers}",
        stopped_as=ReasonCode.MODE_OBSERVE,
    )
    tx.set_control(control)
    in_flight = [one.id for one in all_in_flight(tx, own.scope)]
    announce(tx, "mode_change", control, BREAKER, in_flight=in_flight)
    return control


def _within_an_hour_of(at: datetime) -> datetime:
    return at - HOUR + timedelta.resolution


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
