"""What people decide about a proposal, as units of work: each is one transaction, and a refusal is a returned value."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from actions.errors import (
    AlreadyApprovedError,
    ConflictError,
    KeyReusedError,
    NotAuthorizedError,
    NotReadyError,
    OperatorError,
    StaleError,
    UnknownProposalError,
)
from actions.lifecycle import (
    APPROVE,
    ATTEST_DONE,
    ATTEST_UNDONE,
    CANCEL,
    COUNT_APPROVAL,
    PENDING,
    UNKNOWN,
    VALIDATED,
    WITHDRAW,
)
from actions.models import (
    ActionProposal,
    Approval,
    Caller,
    FailureOutcome,
    ReasonCode,
    Seen,
    SuccessOutcome,
    Verb,
)
from actions.policy import Missing, missing
from actions.ports import KillFiles, MessageRef, OutboxKind, Policy, Reader, Standing, Transaction
from actions.registry import ActionRegistry
from actions.safety import lock, refuse_decided, require_live, said
from actions.transitions import note, transition

Outcome = ActionProposal | OperatorError
"""The proposal as it is now, or why nothing came of it. Both are committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Someone wants something decided: who, what is known of them, when, and what they saw."""

    by: Caller
    standing: Standing
    at: datetime
    seen: Seen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The rules under which people decide."""

    policy: Policy
    registry: ActionRegistry
    kill_files: KillFiles
    approval_lifetime: timedelta

    def approve(self, tx: Transaction, proposal_id: int, ask: Ask) -> Outcome:
        """Count one person's yes; the last one needed approves."""
        proposal = self._admitted(tx, Verb.APPROVE, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        repeated = _repeated(tx, Verb.APPROVE, proposal, ask)
        if repeated is not None:
            return repeated
        outcome = self._refusal(tx, proposal, ask) or self._count(tx, proposal, ask)
        _remember(tx, Verb.APPROVE, proposal, ask, outcome)
        return outcome

    def cancel(self, tx: Transaction, proposal_id: int, ask: Ask, reason: str) -> Outcome:
        """Withdraw what is pending. Needs no live mode: stopping is always possible."""
        proposal = self._admitted(tx, Verb.CANCEL, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        repeated = _repeated(tx, Verb.CANCEL, proposal, ask)
        if repeated is not None:
            return repeated
        outcome = self._cancelled(tx, proposal, ask, said(reason))
        _remember(tx, Verb.CANCEL, proposal, ask, outcome)
        return outcome

    def explain(self, tx: Transaction, proposal_id: int, ask: Ask, reason: str) -> OperatorError | None:
        """Add a reason to a person's cancellation, in the audit log."""
        proposal = self._admitted(tx, Verb.CANCEL, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        if proposal.reason_code is not ReasonCode.USER:
            return NotReadyError(proposal_id, proposal.status, "explained")
        note(tx, "explained", by=ask.by, at=ask.at, proposal_id=proposal_id, data={"reason": said(reason)})
        tx.enqueue(OutboxKind.CARD, str(proposal_id), at=ask.at)
        return None

    def resolve(self, tx: Transaction, proposal_id: int, ask: Ask, *, happened: bool, reason: str) -> Outcome:
        """Let a named person say what became of an attempt that could not be observed."""
        proposal = self._admitted(tx, Verb.RESOLVE, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        if proposal.status is not UNKNOWN:
            return NotReadyError(proposal_id, proposal.status, "resolved")
        person, reason = self.policy.person(str(ask.by.actor)), said(reason)
        moved = transition(
            tx,
            ATTEST_DONE if happened else ATTEST_UNDONE,
            proposal,
            by=ask.by,
            at=ask.at,
            changes={
                "outcome": SuccessOutcome.CONFIRMED if happened else FailureOutcome.NO_EFFECT,
                "detail": f"{person} says that it {'happened' if happened else 'did not happen'}: {reason}",
            },
            data={"attested": True, "reason": reason, **_record_digest(tx, proposal)},
        )
        return moved or _lost(tx, proposal)

    def _admitted(self, tx: Transaction, verb: Verb, proposal_id: int, ask: Ask) -> Outcome:
        proposal = _locked(tx, proposal_id)
        if proposal is None:
            return UnknownProposalError(proposal_id)
        decision = self.policy.authorize(ask.by.actor, verb, proposal, ask.standing, via=ask.by.via)
        if decision.allowed:
            return proposal
        data = {"verb": verb.value, "why": decision.reason}
        note(tx, "denied", by=ask.by, at=ask.at, proposal_id=proposal.id, data=data)
        return NotAuthorizedError(decision.reason)

    def _refusal(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
        if proposal.status is not VALIDATED:
            if proposal.status in PENDING and not tx.approvals(proposal.id):
                return NotReadyError(proposal.id, proposal.status, "approved")
            return refuse_decided(proposal, _decider(tx, proposal))
        return (
            require_live(tx, proposal, self.kill_files, now=ask.at)
            or _displayed_otherwise(tx, proposal, ask)
            or self._redefined(tx, proposal, ask)
        )

    def _redefined(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
        changed = why_not_offered(self.registry, proposal)
        return withdraw_stale(tx, proposal, changed, ask.by, ask.at) if changed else None

    def _count(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> Outcome:
        decision = self.policy.authorize(ask.by.actor, Verb.APPROVE, proposal, ask.standing, via=ask.by.via)
        approval = Approval(
            proposal_id=proposal.id,
            person=decision.person,
            actor=str(ask.by.actor),
            via=ask.by.via,
            params_hash=proposal.params_hash,
            at=ask.at,
            groups=tuple(sorted(decision.groups)),
        )
        if not tx.insert_approval(approval):
            return AlreadyApprovedError(proposal.id, still_missing(tx, self.policy, proposal).in_words())
        enough = not still_missing(tx, self.policy, proposal)
        changes: dict[str, object] = {}
        if enough:
            start = max(ask.at, proposal.not_before) if proposal.not_before else ask.at
            changes = {"approved_at": ask.at, "approval_expires_at": start + self.approval_lifetime}
        moved = transition(
            tx,
            APPROVE if enough else COUNT_APPROVAL,
            proposal,
            by=ask.by,
            at=ask.at,
            changes=changes,
            data={
                "person": approval.person,
                "params_hash": proposal.params_hash,
                "groups": list(approval.groups),
            },
        )
        return moved or _lost(tx, proposal)

    def _cancelled(self, tx: Transaction, proposal: ActionProposal, ask: Ask, reason: str) -> Outcome:
        if proposal.status not in PENDING:
            return refuse_decided(proposal, _decider(tx, proposal))
        moved = transition(
            tx,
            CANCEL,
            proposal,
            by=ask.by,
            at=ask.at,
            changes={"reason_code": ReasonCode.USER, "detail": reason},
            data={"reason_code": ReasonCode.USER.value, "reason": reason},
        )
        return moved or _lost(tx, proposal)


def still_missing(reader: Reader, policy: Policy, proposal: ActionProposal) -> Missing:
    """Return what *proposal* still needs of people before it may run, as the policy is now."""
    quorum = policy.quorum(subject=proposal.subject, action_name=proposal.action_name, risk=proposal.risk)
    return missing(proposal, quorum, reader.approvals(proposal.id))


def why_not_offered(registry: ActionRegistry, proposal: ActionProposal) -> str | None:
    """Return why the action is not there any more as it was when it was proposed; None if it is."""
    definition = registry.find(proposal.action_name)
    if definition is None:
        return "the action is not offered any more"
    return None if definition.definition_hash == proposal.definition_hash else "the action was redefined"


def withdraw_stale(tx: Transaction, proposal: ActionProposal, changed: str, by: Caller, at: datetime) -> StaleError:
    """Cancel a pending proposal whose ground has shifted, and return the refusal that says how."""
    transition(
        tx,
        WITHDRAW,
        proposal,
        by=by,
        at=at,
        changes={"reason_code": ReasonCode.STALE, "detail": f"What it rested on has changed: {changed}"},
        data={"reason_code": ReasonCode.STALE.value, "changed": changed},
    )
    return StaleError(proposal.id, changed)


def button_hash(button_token: str) -> str:
    """Return what is stored of a button token."""
    return hashlib.sha256(button_token.encode("utf-8", "surrogatepass")).hexdigest()


def _locked(tx: Transaction, proposal_id: int) -> ActionProposal | None:
    found = tx.proposal(proposal_id)
    if found is None:
        return None
    lock(tx, found.subject)
    return tx.proposal(proposal_id)


def _displayed_otherwise(tx: Transaction, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
    seen = ask.seen
    if seen is None:
        return None
    problem = _mismatch(tx, proposal, seen)
    if problem is None:
        return None
    note(tx, "denied", by=ask.by, at=ask.at, proposal_id=proposal.id, data={"verb": "approve", "why": problem})
    return StaleError(proposal.id, problem)


def _mismatch(tx: Transaction, proposal: ActionProposal, seen: Seen) -> str | None:
    if not hmac.compare_digest(button_hash(seen.button_token), proposal.button_hash):
        return "the button does not belong to this action"
    if seen.params_hash != proposal.params_hash:
        return "the card shows other parameters"
    pressed = MessageRef(
        kind=OutboxKind.CARD,
        ref=str(proposal.id),
        team_id=seen.team_id,
        channel_id=seen.channel_id,
        ts=seen.message_ts,
    )
    if tx.record_message(pressed) != pressed:
        return "the button was pressed on a copy of the card"
    return None


def _repeated(tx: Transaction, verb: Verb, proposal: ActionProposal, ask: Ask) -> Outcome | None:
    if ask.by.key is None:
        return None
    earlier = tx.inbox(ask.by.key)
    if earlier is None:
        return None
    note(tx, "duplicate", by=ask.by, at=ask.at, proposal_id=proposal.id)
    if earlier.body_hash != _body_hash(verb, proposal, ask):
        return KeyReusedError(ask.by.key)
    return ConflictError(earlier.reply) if earlier.reply else proposal


def _remember(tx: Transaction, verb: Verb, proposal: ActionProposal, ask: Ask, outcome: Outcome) -> None:
    if ask.by.key is not None:
        reply = str(outcome) if isinstance(outcome, OperatorError) else ""
        tx.take_inbox(ask.by.key, body_hash=_body_hash(verb, proposal, ask), reply=reply, at=ask.at)


def _body_hash(verb: Verb, proposal: ActionProposal, ask: Ask) -> str:
    shown = (ask.seen.button_token, ask.seen.params_hash) if ask.seen else ()
    parts = (verb.value, str(proposal.id), str(ask.by.actor), *shown)
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _decider(tx: Transaction, proposal: ActionProposal) -> str | None:
    events = tx.audit(proposal_id=proposal.id)
    decided = [event.actor for event in events if event.event in {"approved", "cancelled"}]
    return decided[-1] if decided else None


def _lost(tx: Transaction, proposal: ActionProposal) -> OperatorError:
    current = tx.proposal(proposal.id)
    return refuse_decided(current or proposal)


def _record_digest(tx: Transaction, proposal: ActionProposal) -> dict[str, str]:
    record = tx.record(proposal.id)
    return {"record": record.row_digest()} if record else {}
