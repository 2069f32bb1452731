"""What people decide about a proposal, as units of work: each is one transaction, and a refusal is a returned value."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from actions.admission import Ask, admitted, approval_of, told
from actions.canonical import Json
from actions.diagnosis.models import Refused
from actions.drafts import button_hash
from actions.errors import (
    AlreadyApprovedError,
    ConflictError,
    KeyReusedError,
    LimitError,
    NotReadyError,
    OperatorError,
    StaleError,
)
from actions.lifecycle import (
    APPROVE,
    ATTEST_DONE,
    ATTEST_UNDONE,
    CANCEL,
    COUNT_APPROVAL,
    PENDING,
    PROPOSED,
    UNKNOWN,
    VALIDATED,
)
from actions.limits import NO_LIMITS, Limits
from actions.models import (
    ActionProposal,
    Actor,
    ActorKind,
    Approval,
    Caller,
    FailureOutcome,
    ReasonCode,
    RefusalCode,
    Review,
    Seen,
    SuccessOutcome,
    Verb,
    Via,
)
from actions.policy import NOTHING_MISSING, Missing, missing
from actions.ports import KillFiles, MessageRef, OutboxKind, Policy, Quorum, Reader, Transaction
from actions.reminder_schedule import ReminderSchedule
from actions.safety import refuse_decided, require_live, said
from actions.schedule import Schedule
from actions.successors import Successors, replace_by
from actions.transitions import note, transition

Outcome = ActionProposal | OperatorError
"""The proposal as it is now, or why nothing came of it. Both are committed."""
TAKEN_BACK_FOR: Final = timedelta(days=1)
"""How long no rule does again in the place of people what a person took back."""
MOST_ATTEMPTS: Final = 1_000
"""How many attempts on a subject are looked through for that, the last first."""
_PEOPLE: Final = frozenset({ActorKind.SLACK, ActorKind.CLI})
MOST_REFUSED: Final = 5
"""How many refusals a ticket remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The rules under which people decide."""

    policy: Policy
    kill_files: KillFiles
    schedule: Schedule
    successors: Successors
    reminders: ReminderSchedule
    limits: Limits = NO_LIMITS

    def approve(self, tx: Transaction, proposal_id: int, ask: Ask) -> Outcome:
        """Count one person's yes; the last one needed approves."""
        proposal = admitted(tx, self.policy, Verb.APPROVE, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        repeated = _repeated(tx, Verb.APPROVE, proposal, ask)
        if repeated is not None:
            return repeated
        outcome = self._refusal(tx, proposal, ask) or self._count(tx, proposal, ask)
        _remember(tx, Verb.APPROVE, proposal, ask, outcome)
        return outcome

    def approve_by_rule(self, tx: Transaction, proposal: ActionProposal, at: datetime) -> ActionProposal:
        """Approve what was just validated if a rule of the policy does so in the place of people.

        What cannot run by the rule at this moment is left to people, and the audit log says why.
        """
        rule = self._quorum(proposal).rule
        if not rule or proposal.required_approvals:
            return proposal
        by = Caller(actor=Actor(ActorKind.POLICY, rule), via=Via.SYSTEM)
        why = self._left_to_people(tx, proposal, at)
        if why is not None:
            note(tx, "left_to_people", by=by, at=at, proposal_id=proposal.id, data={"rule": rule, "why": why})
            return tx.proposal(proposal.id) or proposal
        changes = self.schedule.approved(proposal, at)
        return transition(tx, APPROVE, proposal, by=by, at=at, changes=changes, data={"rule": rule}) or proposal

    def cancel(self, tx: Transaction, proposal_id: int, ask: Ask, reason: str) -> Outcome:
        """Withdraw what is pending. Needs no live mode: stopping is always possible."""
        proposal = admitted(tx, self.policy, Verb.CANCEL, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        repeated = _repeated(tx, Verb.CANCEL, proposal, ask)
        if repeated is not None:
            return repeated
        outcome = _cancelled(tx, proposal, ask, said(reason))
        if isinstance(outcome, ActionProposal) and outcome.detail:
            _tell_ticket(tx, outcome, self._refused(outcome, ask, outcome.detail, None))
        _remember(tx, Verb.CANCEL, proposal, ask, outcome)
        return outcome

    def abort(self, tx: Transaction, proposal_id: int, ask: Ask) -> Outcome:
        """Let anybody withdraw what is of high risk and about to begin."""
        proposal = admitted(tx, self.policy, Verb.ABORT, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        repeated = _repeated(tx, Verb.ABORT, proposal, ask)
        if repeated is not None:
            return repeated
        if proposal.status in PENDING and not self.schedule.is_abortable(proposal, ask.at):
            wanted = "aborted by everybody: that is for its last seconds. Who may cancel it still can"
            return NotReadyError(proposal_id, proposal.status, wanted)
        outcome = _cancelled(tx, proposal, ask, f"Aborted by {self.policy.person(str(ask.by.actor))}")
        _remember(tx, Verb.ABORT, proposal, ask, outcome)
        return outcome

    def edit(self, tx: Transaction, proposal_id: int, ask: Ask, draft: ActionProposal) -> Outcome:
        """Put *draft*, which has other parameters, in the place of what waits for a decision."""
        proposal = admitted(tx, self.policy, Verb.EDIT, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        earlier = tx.proposal_by_source(draft.source_key)
        if earlier is not None and earlier.params_hash == draft.params_hash:
            return earlier
        if proposal.status not in {PROPOSED, VALIDATED}:
            return refuse_decided(proposal, _decider(tx, proposal))
        return require_live(tx, proposal, self.kill_files, now=ask.at) or replace_by(
            tx, proposal, draft, by=ask.by, at=ask.at
        )

    def explain(
        self, tx: Transaction, proposal_id: int, ask: Ask, reason: str, code: RefusalCode | None = None
    ) -> OperatorError | None:
        """Add a reason to a person's cancellation: to the audit log, and to the ticket for whoever diagnoses next."""
        proposal = admitted(tx, self.policy, Verb.CANCEL, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        if proposal.reason_code is not ReasonCode.USER:
            return NotReadyError(proposal_id, proposal.status, "explained")
        data: dict[str, Json] = {"reason": said(reason)}
        if code is not None:
            data["code"] = code.value
        note(tx, "explained", by=ask.by, at=ask.at, proposal_id=proposal_id, data=data)
        _tell_ticket(tx, proposal, self._refused(proposal, ask, said(reason), code))
        tx.enqueue(OutboxKind.CARD, str(proposal_id), at=ask.at)
        return None

    def resolve(
        self, tx: Transaction, proposal_id: int, ask: Ask, *, happened: bool, reason: str, evidence: str
    ) -> Outcome:
        """Let a named person say what became of an attempt that could not be observed."""
        proposal = admitted(tx, self.policy, Verb.RESOLVE, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        if proposal.status is not UNKNOWN:
            return NotReadyError(proposal_id, proposal.status, "resolved")
        person, reason = self.policy.person(str(ask.by.actor)), said(reason)
        _end_record(tx, proposal, ask.at)
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
            data={"attested": True, "reason": reason, **_looked_at(evidence), **_record_digest(tx, proposal)},
        )
        return moved or _lost(tx, proposal)

    def _refused(self, proposal: ActionProposal, ask: Ask, reason: str, code: RefusalCode | None) -> Refused:
        return Refused(
            at=ask.at.isoformat(),
            by=self.policy.person(str(ask.by.actor)),
            action_name=proposal.action_name,
            code=code.value if code else "",
            reason=reason,
        )

    def _refusal(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
        if proposal.status is not VALIDATED:
            if proposal.status in PENDING and not tx.approvals(proposal.id):
                return NotReadyError(proposal.id, proposal.status, "approved")
            return refuse_decided(proposal, _decider(tx, proposal))
        return (
            require_live(tx, proposal, self.kill_files, now=ask.at)
            or displayed_otherwise(tx, Verb.APPROVE, proposal, ask)
            or self.successors.not_offered(tx, proposal, ask.by, ask.at)
            or self.successors.moved(tx, proposal, ask.reading, ask.by, ask.at)
            or self._never(proposal, ask)
            or self._limited(tx, proposal, ask)
        )

    def _never(self, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
        why = self.schedule.never(proposal, ask.at)
        return ConflictError(f"Action {proposal.id} cannot run: {why}. Nothing was changed.") if why else None

    def _limited(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> LimitError | None:
        refusal = self._too_much(tx, proposal, ask.at)
        if refusal is not None:
            data = {"verb": Verb.APPROVE.value, "why": str(refusal)}
            note(tx, "limited", by=ask.by, at=ask.at, proposal_id=proposal.id, data=data)
        return refusal

    def _too_much(self, reader: Reader, proposal: ActionProposal, at: datetime) -> LimitError | None:
        starts = self.schedule.approved(proposal, at).get("not_before")
        return self.limits.refuse_run(reader, proposal, starts if isinstance(starts, datetime) else at)

    def _left_to_people(self, tx: Transaction, proposal: ActionProposal, at: datetime) -> str | None:
        if proposal.retry_of is not None:
            return f"it was tried before as action {proposal.retry_of}, and nothing is run again on its own"
        if proposal.undo_of is not None:
            return f"it takes back action {proposal.undo_of}, and somebody has to decide about that"
        if Actor.parse(proposal.proposed_by).kind in _PEOPLE:
            return "a person proposed it, and somebody else has to decide about it"
        taken_back = _taken_back(tx, proposal, at)
        if taken_back is not None:
            return f"the same was taken back by a person, as action {taken_back}, less than a day ago"
        old = None if proposal.supersedes is None else tx.proposal(proposal.supersedes)
        if old is not None and old.reason_code is ReasonCode.STALE:
            # A target that goes on changing would otherwise be proposed and approved anew without an end.
            return "its target changed after it had been approved before"
        refusal = require_live(tx, proposal, self.kill_files, now=at)
        never = None if refusal is not None else self.schedule.never(proposal, at)
        if refusal is None and never is None:
            refusal = self._too_much(tx, proposal, at)
        return never if refusal is None else str(refusal)

    def _quorum(self, proposal: ActionProposal) -> Quorum:
        return self.policy.quorum(subject=proposal.subject, action_name=proposal.action_name, risk=proposal.risk)

    def _count(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> Outcome:
        decision = self.policy.authorize(ask.by.actor, Verb.APPROVE, proposal, ask.standing, via=ask.by.via)
        approval = approval_of(proposal, decision, ask)
        if not tx.insert_approval(approval):
            return AlreadyApprovedError(proposal.id, still_missing(tx, self.policy, proposal).in_words())
        enough = not still_missing(tx, self.policy, proposal)
        changes = self.schedule.approved(proposal, ask.at) if enough else {}
        moved = transition(
            tx,
            APPROVE if enough else COUNT_APPROVAL,
            proposal,
            by=ask.by,
            at=ask.at,
            changes=changes,
            data=told(approval),
        )
        if moved is None:
            return _lost(tx, proposal)
        if enough:
            self.reminders.begin(tx, moved, ask.at)
        return moved


def _taken_back(reader: Reader, proposal: ActionProposal, at: datetime) -> int | None:
    """Return what took the same action on the same target back within a day, if anything did."""
    records = reader.attempts(proposal.subject, since=at - TAKEN_BACK_FOR, limit=MOST_ATTEMPTS)
    for ran in filter(None, (reader.proposal(record.proposal_id) for record in records)):
        undone = None if ran.undo_of is None else reader.proposal(ran.undo_of)
        if undone is not None and (undone.action_name, undone.target) == (proposal.action_name, proposal.target):
            return ran.id
    return None


def _cancelled(tx: Transaction, proposal: ActionProposal, ask: Ask, reason: str) -> Outcome:
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


def _tell_ticket(tx: Transaction, proposal: ActionProposal, refused: Refused) -> None:
    diagnosis = tx.diagnosis(proposal.diagnosis_id) if proposal.diagnosis_id is not None else None
    ticket = tx.ticket(diagnosis.ticket_key) if diagnosis is not None and diagnosis.ticket_key else None
    if ticket is not None:
        tx.save_ticket(replace(ticket, refused=(*ticket.refused, refused)[-MOST_REFUSED:]))


def _looked_at(evidence: str) -> dict[str, Json]:
    return {"evidence": said(evidence)} if evidence.strip() else {}


def still_missing(
    reader: Reader, policy: Policy, proposal: ActionProposal, held: Sequence[Approval] | None = None
) -> Missing:
    """Return what *proposal* still needs of people before it may run, as the policy is now.

    *held* are the approvals as they count today, if that was looked up; else it is those that are stored.
    """
    approvals = reader.approvals(proposal.id) if held is None else held
    if proposal.break_glass and _is_answered_for(reader.review(proposal.id), approvals):
        return NOTHING_MISSING
    quorum = policy.quorum(subject=proposal.subject, action_name=proposal.action_name, risk=proposal.risk)
    return missing(proposal, quorum, approvals)


def _is_answered_for(review: Review | None, approvals: Iterable[Approval]) -> bool:
    return review is not None and any(approval.person == review.person for approval in approvals)


def displayed_otherwise(tx: Transaction, verb: Verb, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
    """Return None if what the person saw is this proposal on its one card; else the refusal, written down."""
    seen = ask.seen
    if seen is None:
        return None
    problem = _mismatch(tx, proposal, seen)
    if problem is None:
        return None
    note(tx, "denied", by=ask.by, at=ask.at, proposal_id=proposal.id, data={"verb": verb.value, "why": problem})
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
    decided = [event.actor for event in events if event.event in {"approved", "break_glass", "cancelled"}]
    return decided[-1] if decided else None


def _lost(tx: Transaction, proposal: ActionProposal) -> OperatorError:
    current = tx.proposal(proposal.id)
    return refuse_decided(current or proposal)


def _end_record(tx: Transaction, proposal: ActionProposal, at: datetime) -> None:
    record = tx.record(proposal.id)
    # Nobody wrote down when it ended: undo and the next diagnosis count from now.
    if record is not None and record.finished_at is None:
        tx.save_record(replace(record, finished_at=at))


def _record_digest(tx: Transaction, proposal: ActionProposal) -> dict[str, str]:
    record = tx.record(proposal.id)
    return {"record": record.row_digest()} if record else {}
