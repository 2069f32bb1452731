"""Tickets: one per violated invariant, kept by what each observation shows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from actions.diagnosis.models import Diagnosis, Ticket, TicketStatus
from actions.lifecycle import PENDING, is_final
from actions.models import ActionProposal, ActionStatus, Caller, ReasonCode, SafetyMode
from actions.ports import OutboxKind, Transaction
from actions.subject import Finding
from actions.successors import withdraw_stale

FLAPPING_WINDOW: Final = timedelta(minutes=10)
MAX_DIAGNOSES: Final = 5
"""Diagnoses posted for one ticket in one epoch while no repair ends it; after that only the digest shows it."""
SECOND_LOOK: Final = timedelta(seconds=5)
"""How long after a completed action a violation must still be seen to count as not repaired."""
HELD_UP: Final = timedelta(hours=1)
"""How long after a diagnosis what a limit kept from being proposed is proposed anew."""

Found = Mapping[str, tuple[str, Finding]]
"""Ticket key to rule id and finding."""


def ticket_key(subject: str, rule: str, target: str) -> str:
    """Return the key under which a violation has its one ticket."""
    return f"{subject}:{rule}:{target}"


def update(
    tx: Transaction, subject: str, found: Found, *, is_gone: Callable[[Ticket], bool], by: Caller, at: datetime
) -> None:
    """Open, count, reopen and resolve the tickets of *subject* according to one observation.

    What was proposed for a violation that is gone, and is still pending, is withdrawn.
    """
    for key, (rule, finding) in found.items():
        tx.save_ticket(_seen(tx.ticket(key), key, subject, rule, finding.target, at))
    for ticket in tx.tickets(subject=subject):
        if ticket.key not in found and is_gone(ticket):
            tx.save_ticket(replace(ticket, status=TicketStatus.RESOLVED, resolved_at=at))
            _withdraw(tx, ticket, by, at)


def link(tx: Transaction, ticket: Ticket, diagnosis: Diagnosis, *, epoch: int, at: datetime) -> None:
    """Remember which diagnosis is shown for *ticket*; an earlier message of it is redrawn to point to the new one."""
    current = tx.ticket(ticket.key)
    if current is None or current.opened_at != ticket.opened_at:
        return
    tx.save_ticket(replace(current, diagnosis_id=diagnosis.id, epoch=epoch))
    earlier = current.diagnosis_id
    if earlier not in {None, diagnosis.id} and tx.message(OutboxKind.DIAGNOSIS, str(earlier)) is not None:
        tx.enqueue(OutboxKind.DIAGNOSIS, str(earlier), at=at)


def is_due(
    tx: Transaction,
    ticket: Ticket,
    mode: SafetyMode,
    epoch: int,
    at: datetime,
    *,
    can_propose: Callable[[Diagnosis], bool],
) -> bool:
    """Return whether this open ticket needs a (new) diagnosis shown: one broken thing is one card, not one per poll.

    What *can_propose* finds fit for a proposal, and a limit held up, is due again later.
    """
    if ticket.diagnosis_id is None:
        return True
    if mode is not SafetyMode.EXECUTE:
        return False
    if ticket.epoch != epoch:
        return True
    proposals = tx.proposals(diagnosis_id=ticket.diagnosis_id)
    if proposals:
        return all(_left_it_broken(proposal, tx, at) for proposal in _newest(tx, proposals))
    shown = tx.diagnosis(ticket.diagnosis_id)
    return shown is not None and at >= shown.made_at + HELD_UP and can_propose(shown)


def next_diagnosis(tx: Transaction, ticket: Ticket, epoch: int) -> tuple[str, Diagnosis | None] | None:
    """Return the next diagnosis's key, and the diagnosis if it was stored but never linked; None after the last."""
    for number in range(1, MAX_DIAGNOSES + 1):
        key = f"agent:{ticket.key}@{ticket.opened_at.isoformat()}/{epoch}#{number}"
        stored = tx.diagnosis_by_source(key)
        if stored is None or stored.id > (ticket.diagnosis_id or 0):
            return key, stored
    return None


def _withdraw(tx: Transaction, ticket: Ticket, by: Caller, at: datetime) -> None:
    if ticket.diagnosis_id is None:
        return
    for proposal in tx.proposals(diagnosis_id=ticket.diagnosis_id, statuses=PENDING):
        withdraw_stale(tx, proposal, "the fault is not there any more", by, at)


def _seen(known: Ticket | None, key: str, subject: str, rule: str, target: str, at: datetime) -> Ticket:
    if known is None:
        return Ticket(
            key=key, subject=subject, rule=rule, target=target, status=TicketStatus.OPEN, opened_at=at, last_seen_at=at
        )
    if known.status is TicketStatus.OPEN:
        return replace(known, last_seen_at=at, occurrences=known.occurrences + 1)
    back = known.resolved_at is not None and at - known.resolved_at <= FLAPPING_WINDOW
    return replace(
        known,
        status=TicketStatus.OPEN,
        opened_at=at,
        last_seen_at=at,
        resolved_at=None,
        occurrences=1,
        reopened=known.reopened + 1 if back else 0,
        diagnosis_id=None,
        epoch=None,
    )


def _newest(tx: Transaction, proposals: Iterable[ActionProposal]) -> list[ActionProposal]:
    """Return what counts today: what took the place of others, and the last try of what failed."""
    newest = [_in_its_place(tx, proposal) for proposal in proposals]
    tried_again = {one.retry_of for one in newest}
    return [one for one in newest if one.id not in tried_again]


def _in_its_place(tx: Transaction, proposal: ActionProposal) -> ActionProposal:
    while (number := tx.replaced_by(proposal.id)) is not None and (newer := tx.proposal(number)) is not None:
        proposal = newer
    return proposal


def _left_it_broken(proposal: ActionProposal, tx: Transaction, at: datetime) -> bool:
    if not is_final(proposal.status):
        return False
    if proposal.status is ActionStatus.COMPLETED:
        record = tx.record(proposal.id)
        return record is not None and record.finished_at is not None and at >= record.finished_at + SECOND_LOOK
    # What failed and then was left alone is left to people: a diagnosis anew would forget that it failed.
    over = proposal.status is ActionStatus.EXPIRED or proposal.reason_code is ReasonCode.STALE
    return over and proposal.retry_of is None
