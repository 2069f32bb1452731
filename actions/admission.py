"""Who asks for something, and whether they may: the first thing in every transaction in which people decide."""

from dataclasses import dataclass
from datetime import datetime

from actions.canonical import Json
from actions.errors import NotAuthorizedError, OperatorError, UnknownProposalError
from actions.models import ActionProposal, Approval, Caller, Seen, Verb
from actions.ports import Decision, Policy, Standing, Transaction
from actions.readings import Reading
from actions.safety import lock
from actions.transitions import note


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Someone wants something decided: who, what is known of them, when, and what they saw."""

    by: Caller
    standing: Standing
    at: datetime
    seen: Seen | None = None
    reading: Reading | None = None
    """What the target looked like last, if that was read in the last minute."""


def admitted(tx: Transaction, policy: Policy, verb: Verb, proposal_id: int, ask: Ask) -> ActionProposal | OperatorError:
    """Return the proposal, its control rows locked, or the refusal; what is denied stands in the audit log by then."""
    proposal = locked(tx, proposal_id)
    if proposal is None:
        return UnknownProposalError(proposal_id)
    decision = policy.authorize(ask.by.actor, verb, proposal, ask.standing, via=ask.by.via)
    if decision.allowed:
        return proposal
    data = {"verb": verb.value, "why": decision.reason}
    note(tx, "denied", by=ask.by, at=ask.at, proposal_id=proposal.id, data=data)
    return NotAuthorizedError(decision.reason)


def approval_of(proposal: ActionProposal, decision: Decision, ask: Ask) -> Approval:
    """Return the yes of whoever asks to exactly what is proposed."""
    return Approval(
        proposal_id=proposal.id,
        person=decision.person,
        actor=str(ask.by.actor),
        via=ask.by.via,
        params_hash=proposal.params_hash,
        at=ask.at,
        groups=tuple(sorted(decision.groups)),
    )


def told(approval: Approval) -> dict[str, Json]:
    """Return an approval as the audit log tells it."""
    return {"person": approval.person, "params_hash": approval.params_hash, "groups": list(approval.groups)}


def locked(tx: Transaction, proposal_id: int) -> ActionProposal | None:
    """Return the proposal with both of its control rows locked, or None."""
    found = tx.proposal(proposal_id)
    if found is None:
        return None
    lock(tx, found.subject)
    return tx.proposal(proposal_id)
