"""One person runs it now, past quorum and calendar, in front of everybody; a second one looks at it afterwards."""

from dataclasses import dataclass, replace
from typing import Final

from actions.admission import Ask, admitted, approval_of, told
from actions.canonical import Json
from actions.decisions import Outcome, displayed_otherwise
from actions.errors import ConflictError, NotAuthorizedError, NotReadyError, OperatorError
from actions.lifecycle import BREAK_GLASS, TERMINAL
from actions.models import ActionProposal, Review, Verb
from actions.ports import KillFiles, OutboxKind, Policy, Transaction
from actions.safety import refuse_decided, require_live
from actions.schedule import Schedule
from actions.successors import Successors
from actions.transitions import note, transition

NOT_ENDED: Final = "reviewed until it has ended"
"""What cannot be done with what was run by breaking the glass, and is not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """The rules of the way around the rules."""

    policy: Policy
    kill_files: KillFiles
    schedule: Schedule
    successors: Successors

    def run(self, tx: Transaction, proposal_id: int, ask: Ask, reason: str) -> Outcome:
        """Approve it alone, to run at once; tell the channel, and leave a review open."""
        proposal = admitted(tx, self.policy, Verb.BREAK_GLASS, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        return self._refusal(tx, proposal, ask) or self._approved(tx, proposal, ask, reason)

    def close(self, tx: Transaction, proposal_id: int, ask: Ask, comment: str) -> Review | OperatorError:
        """Close the review of what has ended; whoever broke the glass cannot."""
        proposal = admitted(tx, self.policy, Verb.REVIEW, proposal_id, ask)
        if isinstance(proposal, OperatorError):
            return proposal
        review = tx.review(proposal_id)
        refusal = self._not_closable(tx, proposal, review, ask)
        if review is None or refusal is not None:
            return refusal or ConflictError(f"Nobody broke the glass for action {proposal_id}; there is no review.")
        closed = replace(review, closed_at=ask.at, closed_by=str(ask.by.actor), comment=comment)
        tx.save_review(closed)
        data: dict[str, Json] = {"comment": comment, "review": closed.row_digest()}
        note(tx, "reviewed", by=ask.by, at=ask.at, proposal_id=proposal_id, data=data)
        tx.enqueue(OutboxKind.CARD, str(proposal_id), at=ask.at)
        return closed

    def _refusal(self, tx: Transaction, proposal: ActionProposal, ask: Ask) -> OperatorError | None:
        if proposal.status not in BREAK_GLASS.sources:
            return NotReadyError(proposal.id, proposal.status, "run by breaking the glass")
        if proposal.break_glass:
            return ConflictError(f"The glass is broken for action {proposal.id} already; it is about to run.")
        return (
            require_live(tx, proposal, self.kill_files, now=ask.at)
            or displayed_otherwise(tx, Verb.BREAK_GLASS, proposal, ask)
            or self.successors.not_offered(tx, proposal, ask.by, ask.at)
            or self.successors.moved(tx, proposal, ask.reading, ask.by, ask.at)
        )

    def _approved(self, tx: Transaction, proposal: ActionProposal, ask: Ask, reason: str) -> Outcome:
        decision = self.policy.authorize(ask.by.actor, Verb.BREAK_GLASS, proposal, ask.standing, via=ask.by.via)
        approval = approval_of(proposal, decision, ask)
        review = Review(
            proposal_id=proposal.id,
            opened_at=ask.at,
            opened_by=approval.actor,
            person=approval.person,
            reason=reason,
        )
        data: dict[str, Json] = {"break_glass": reason, "review": review.row_digest()}
        if tx.insert_approval(approval):
            data |= told(approval)
        changes = {**self.schedule.at_once(ask.at), "break_glass": reason, "detail": ""}
        moved = transition(tx, BREAK_GLASS, proposal, by=ask.by, at=ask.at, changes=changes, data=data)
        if moved is None:
            return refuse_decided(tx.proposal(proposal.id) or proposal)
        tx.save_review(review)
        tx.enqueue(OutboxKind.ANNOUNCEMENT, str(tx.audit_head(ask.at).seq), at=ask.at)
        return moved

    def _not_closable(
        self, tx: Transaction, proposal: ActionProposal, review: Review | None, ask: Ask
    ) -> OperatorError | None:
        if review is None:
            return None
        if review.closed_at is not None:
            by = self.policy.person(review.closed_by or "")
            return ConflictError(f"The review of action {proposal.id} was closed by {by}; nothing was changed.")
        if self.policy.person(str(ask.by.actor)) != review.person:
            ended = proposal.status in TERMINAL
            return None if ended else NotReadyError(proposal.id, proposal.status, NOT_ENDED)
        why = "You broke the glass yourself; someone else has to close this review."
        note(tx, "denied", by=ask.by, at=ask.at, proposal_id=proposal.id, data={"verb": "review", "why": why})
        return NotAuthorizedError(why)
