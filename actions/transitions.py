"""The one way a proposal changes: guarded update, audit line and delivery, in one transaction."""

from collections.abc import Mapping
from datetime import datetime

from actions.canonical import Json
from actions.errors import IllegalTransitionError
from actions.lifecycle import CANCELLED, EXPIRED, IN_FLIGHT, PROPOSE, TERMINAL, UNKNOWN, Transition
from actions.models import ActionProposal, Caller
from actions.ports import AuditEntry, OutboxKind, Transaction
from actions.printable import printable


def bear(tx: Transaction, proposal: ActionProposal, *, by: Caller, at: datetime) -> ActionProposal | None:
    """Store a new proposal with its audit line; None if its source was proposed before."""
    born = tx.insert_proposal(proposal)
    if born is not None:
        _write_down(tx, PROPOSE.event, born, by, at, {"action": born.action_name, "target": born.target_key})
    return born


def transition(
    tx: Transaction,
    row: Transition,
    proposal: ActionProposal,
    *,
    by: Caller,
    at: datetime,
    changes: Mapping[str, object] | None = None,
    data: Mapping[str, Json] | None = None,
) -> ActionProposal | None:
    """Take one step of the lifecycle; None if someone else was first.

    Raises:
        IllegalTransitionError: the lifecycle has no such step.
    """
    if proposal.status not in row.sources:
        raise IllegalTransitionError(proposal.id, proposal.status, row.id)
    moved = tx.move(proposal, row.to, changes or {})
    if moved is None:
        return None
    _write_down(tx, row.event, moved, by, at, data or {})
    tx.enqueue(OutboxKind.CARD, str(moved.id), at=at)
    for earlier in {moved.undo_of, moved.retry_of} - {None} if row.to in {CANCELLED, EXPIRED} else ():
        tx.enqueue(OutboxKind.CARD, str(earlier), at=at)  # it may be asked for once more
    if proposal.status in IN_FLIGHT and (row.to in TERMINAL or row.to is UNKNOWN):
        tx.enqueue(OutboxKind.RESULT, str(moved.id), at=at)
    return moved


def note(
    tx: Transaction,
    event: str,
    *,
    by: Caller,
    at: datetime,
    proposal_id: int | None = None,
    data: Mapping[str, Json] | None = None,
) -> int:
    """Write down something that changes no status (`denied`, `duplicate`, `late_result` …); return its `seq`."""
    return tx.append_audit(
        AuditEntry(
            at=at, event=event, actor=str(by.actor), via=by.via, proposal_id=proposal_id, data=_claimed(by, data or {})
        )
    ).seq


def _write_down(
    tx: Transaction, event: str, proposal: ActionProposal, by: Caller, at: datetime, data: Mapping[str, Json]
) -> None:
    state: dict[str, Json] = {
        "status": proposal.status.value,
        "version": proposal.version,
        "row": proposal.row_digest(),
    }
    note(tx, event, by=by, at=at, proposal_id=proposal.id, data={**data, **state})


def _claimed(by: Caller, data: Mapping[str, Json]) -> Mapping[str, Json]:
    return {**data, "claimed": printable(by.claimed)} if by.claimed else data
