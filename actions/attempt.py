"""The one attempt to run an approved proposal: claimed once, and written back only under its fence."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from actions.canonical import Json, canonical_json
from actions.decisions import still_missing
from actions.errors import (
    NotAuthorizedError,
    NotReadyError,
    OperatorError,
    TargetBusyError,
    UnknownProposalError,
)
from actions.lifecycle import (
    APPROVED,
    CLAIM,
    COMPLETE,
    EXECUTING,
    FAIL,
    FOUND_DONE,
    FOUND_UNDONE,
    LOSE_LEASE,
    LOSE_TRACK,
    TERMINAL,
    UNKNOWN,
    WITHDRAW,
    Transition,
)
from actions.limits import NO_LIMITS, Limits
from actions.models import (
    ActionProposal,
    ActionRecord,
    Actor,
    Approval,
    Caller,
    Fact,
    FailureOutcome,
    ReasonCode,
    Step,
    SuccessOutcome,
    Verb,
    Via,
)
from actions.ports import Decision, KillFiles, OutboxKind, Policy, Standing, Transaction
from actions.printable import printable
from actions.registry import ActionDefinition, ActionRegistry, Happened, P, Preview, Verdict
from actions.safety import lock, refuse_decided, require_live
from actions.schedule import Schedule
from actions.successors import Successors
from actions.transitions import note, transition

FRESH: Final = timedelta(seconds=2)
"""How old the readings may be on which a claim rests."""
MAX_DETAIL: Final = 1_000
RECONCILER: Final = Caller(actor=Actor.system("reconciler"), via=Via.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended, or that nobody knows."""

    row: Transition
    detail: str
    outcome: FailureOutcome | SuccessOutcome | None = None
    evidence: tuple[Fact, ...] = ()

    @classmethod
    def completed(cls, detail: str, outcome: SuccessOutcome, evidence: tuple[Fact, ...] = ()) -> "Ending":
        """The target said yes, or it was seen."""
        return cls(row=COMPLETE, detail=detail, outcome=outcome, evidence=evidence)

    @classmethod
    def failed(cls, detail: str, outcome: FailureOutcome, evidence: tuple[Fact, ...] = ()) -> "Ending":
        """It is known not to have happened, or only in part."""
        return cls(row=FAIL, detail=detail, outcome=outcome, evidence=evidence)

    @classmethod
    def unknown(cls, detail: str) -> "Ending":
        """It may have happened."""
        return cls(row=LOSE_TRACK, detail=detail)

    def printable(self) -> "Ending":
        """Return it in words that can be stored and shown, whatever the target said."""
        evidence = tuple(Fact(label=printable(fact.label), value=printable(fact.value)) for fact in self.evidence)
        return replace(self, detail=printable(self.detail, MAX_DETAIL), evidence=evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What was read before the claim: the target's state now, and the standing of everyone who approved."""

    preview: Preview
    read_at: datetime
    """When the target had answered."""
    standings: Mapping[str, Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to run a proposal, and the record of the attempt that it opens."""

    proposal: ActionProposal
    record: ActionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The rules under which an approved proposal is claimed and written back."""

    policy: Policy
    registry: ActionRegistry
    kill_files: KillFiles
    schedule: Schedule
    successors: Successors
    owner: str
    lease: timedelta
    limits: Limits = NO_LIMITS

    @property
    def caller(self) -> Caller:
        """Who the audit log says runs it."""
        return Caller(actor=Actor.system(f"executor@{self.owner}"), via=Via.SYSTEM)

    def claim(self, tx: Transaction, proposal_id: int, ready: Readiness, at: datetime) -> Claim | OperatorError:
        """Take the right to run it, once and for all processes. The row is durable before a byte is sent."""
        found = tx.proposal(proposal_id)
        if found is None:
            return UnknownProposalError(proposal_id)
        lock(tx, found.subject)
        proposal = tx.proposal(proposal_id) or found
        refusal = self._refusal(tx, proposal, ready, at)
        return refusal if refusal is not None else self._claimed(tx, proposal, at)

    def finish(self, tx: Transaction, claimed: ActionProposal, record: ActionRecord, end: Ending, at: datetime) -> bool:
        """Write the result back; False, and a `late_result` in the audit, if the attempt is not ours any more."""
        end = end.printable()
        current = tx.proposal(claimed.id)
        mine = current is not None and (current.status, current.fence, current.owner) == (
            EXECUTING,
            claimed.fence,
            claimed.owner,
        )
        if current is None or not mine:
            data: dict[str, Json] = {"fence": claimed.fence, "event": end.row.event, "detail": end.detail}
            note(tx, "late_result", by=self.caller, at=at, proposal_id=claimed.id, data=data)
            return False
        if end.row is not COMPLETE:
            lock(tx, current.subject)  # before the audit log, as everybody does: the breaker may stop the subject
        finished = replace(record, finished_at=at, result=end.detail, evidence=end.evidence)
        tx.save_record(finished)
        ended = self._ended(tx, current, finished, end, self.caller, at)
        if ended and end.row is not COMPLETE:
            self.limits.trip(tx, current, at)
        return ended

    def lose_lease(self, tx: Transaction, proposal_id: int, at: datetime, *, owner_is_dead: bool = False) -> bool:
        """Give up on an attempt whose owner is dead or silent; its late answer will be refused by the fence.

        An owner that is only silent may wake up in the middle of a call: `lease_until` is then when that call is over.
        """
        proposal = tx.proposal(proposal_id)
        if proposal is None or proposal.status is not EXECUTING:
            return False
        if not owner_is_dead and (proposal.lease_until is None or proposal.lease_until >= at):
            return False
        lock(tx, proposal.subject)
        detail = f"{proposal.owner} stopped while it ran; the effect may have happened"
        moved = transition(
            tx,
            LOSE_LEASE,
            proposal,
            by=RECONCILER,
            at=at,
            changes={
                "fence": proposal.fence + 1,
                "detail": detail,
                "lease_until": at if owner_is_dead else at + self._may_still_send(proposal),
            },
            data={"why": "lease", **_record_digest(tx, proposal)},
        )
        if moved is not None:
            self.limits.trip(tx, moved, at)
        return moved is not None

    def settle(self, tx: Transaction, seen: ActionProposal, verdict: Verdict, *, at: datetime) -> bool:
        """Settle an unknown outcome by what two equal observations showed; False if it changed meanwhile.

        What has not happened, or only in part, is not settled while a silent owner may still send the rest.
        """
        proposal = tx.proposal(seen.id)
        record = tx.record(seen.id)
        if proposal is None or record is None or proposal.status is not UNKNOWN or proposal.fence != seen.fence:
            return False
        if verdict.happened is not Happened.YES and proposal.lease_until is not None and at < proposal.lease_until:
            return False
        outcome = _outcome(verdict.happened, record)
        detail = f"Its outcome was unknown; looking twice showed that it {_IN_WORDS[outcome]}."
        end = Ending(
            row=FOUND_DONE if outcome is SuccessOutcome.CONFIRMED else FOUND_UNDONE,
            detail=detail,
            outcome=outcome,
            evidence=verdict.evidence,
        ).printable()
        settled = replace(record, finished_at=at, evidence=end.evidence, result=end.detail)
        tx.save_record(settled)
        return self._ended(tx, proposal, settled, end, RECONCILER, at)

    def _may_still_send(self, proposal: ActionProposal) -> timedelta:
        definition = self.registry.find(proposal.action_name)
        return timedelta(seconds=definition.timeout) if definition is not None else self.lease

    def _ended(
        self, tx: Transaction, proposal: ActionProposal, record: ActionRecord, end: Ending, by: Caller, at: datetime
    ) -> bool:
        moved = transition(
            tx,
            end.row,
            proposal,
            by=by,
            at=at,
            # Whoever writes this sends nothing more.
            changes={"outcome": end.outcome, "detail": end.detail, "lease_until": at},
            data={"outcome": end.outcome, "detail": end.detail, "record": record.row_digest()},
        )
        return moved is not None

    def _refusal(
        self, tx: Transaction, proposal: ActionProposal, ready: Readiness, at: datetime
    ) -> OperatorError | None:
        if proposal.status in TERMINAL:
            return refuse_decided(proposal)
        if proposal.status is not APPROVED or proposal.attempts:
            return NotReadyError(proposal.id, proposal.status, "run")
        return (
            require_live(tx, proposal, self.kill_files, now=at)
            or self._unready(tx, proposal, ready, at)
            or self._unchecked(tx, proposal, ready)
            or self._denied(tx, proposal, ready, at)
            or self.successors.stale(tx, proposal, ready.preview, self.caller, at)
            or _busy(tx, proposal)
        )

    def _unready(
        self, tx: Transaction, proposal: ActionProposal, ready: Readiness, at: datetime
    ) -> OperatorError | None:
        if at - ready.read_at > FRESH:
            return NotReadyError(proposal.id, proposal.status, "run on readings that are more than 2 s old")
        starts = proposal.not_before
        if starts is not None and at < starts:
            return NotReadyError(proposal.id, proposal.status, f"run before {starts:%Y-%m-%d %H:%M:%S} UTC")
        closed = self.schedule.closed(proposal, at)
        if closed is not None:
            return NotReadyError(proposal.id, proposal.status, f"run now: {closed}")
        limit = self.limits.refuse_run(tx, proposal, at)
        if limit is not None:
            return NotReadyError(proposal.id, proposal.status, f"run yet: {limit}")
        lacking = still_missing(tx, self.policy, proposal)
        if lacking:
            return NotReadyError(proposal.id, proposal.status, f"run: it still needs {lacking.in_words()}")
        return None

    def _unchecked(self, tx: Transaction, proposal: ActionProposal, ready: Readiness) -> OperatorError | None:
        for approval, verb in self._counted(tx, proposal):
            standing = ready.standings.get(approval.actor, UNHEARD_OF)
            problem = "" if standing.known else standing.problem
            if standing.known and self._decision(proposal, approval, verb, standing).unsure:
                problem = "nobody could say in which Slack user groups they are"
            if problem:
                return NotReadyError(
                    proposal.id, proposal.status, f"run before {approval.person} was checked again: {problem}"
                )
        return None

    def _denied(
        self, tx: Transaction, proposal: ActionProposal, ready: Readiness, at: datetime
    ) -> OperatorError | None:
        why = self._taken_back(tx, proposal, ready)
        if why is None:
            return None
        code = ReasonCode.DENIED_BY_POLICY
        transition(
            tx,
            WITHDRAW,
            proposal,
            by=self.caller,
            at=at,
            changes={"reason_code": code, "detail": why},
            data={"reason_code": code.value, "why": why},
        )
        return NotAuthorizedError(why)

    def _taken_back(self, tx: Transaction, proposal: ActionProposal, ready: Readiness) -> str | None:
        """Return why the approvals do not hold any more: somebody lost the right, or the group that was needed."""
        held: list[Approval] = []
        for approval, verb in self._counted(tx, proposal):
            standing = ready.standings.get(approval.actor, UNHEARD_OF)
            decision = self._decision(proposal, approval, verb, standing)
            if not decision.allowed:
                return f"{approval.person} may not approve it any more: {decision.reason}"
            still_in = approval.groups if standing.groups is None else decision.groups.intersection(approval.groups)
            held.append(replace(approval, groups=tuple(sorted(still_in))))
        lacking = still_missing(tx, self.policy, proposal, held)
        return f"who approved it has left a group that is needed: it lacks {lacking.in_words()}" if lacking else None

    def _decision(self, proposal: ActionProposal, approval: Approval, verb: Verb, standing: Standing) -> Decision:
        return self.policy.authorize(Actor.parse(approval.actor), verb, proposal, standing, via=approval.via)

    def _counted(self, tx: Transaction, proposal: ActionProposal) -> list[tuple[Approval, Verb]]:
        approvals = tx.approvals(proposal.id)
        review = tx.review(proposal.id) if proposal.break_glass else None
        answering = [one for one in approvals if review is not None and one.person == review.person]
        if review is None or not answering:
            return [(approval, Verb.APPROVE) for approval in approvals]
        # Whoever broke the glass answers for it alone, by the identity that did: another may have approved it before.
        by = Actor.parse(review.opened_by)
        return [(replace(one, actor=review.opened_by, via=Via(by.kind.value)), Verb.BREAK_GLASS) for one in answering]

    def _claimed(self, tx: Transaction, proposal: ActionProposal, at: datetime) -> Claim | OperatorError:
        fence = proposal.fence + 1
        claimed = transition(
            tx,
            CLAIM,
            proposal,
            by=self.caller,
            at=at,
            changes={
                "attempts": 1,
                "owner": self.owner,
                "fence": fence,
                "lease_until": at + self.lease,
                "detail": "",
            },
            data={"owner": self.owner, "fence": fence},
        )
        if claimed is None:
            return _busy(tx, proposal) or refuse_decided(tx.proposal(proposal.id) or proposal)
        record = ActionRecord(proposal_id=claimed.id, token=claimed.token, owner=self.owner, fence=fence, started_at=at)
        tx.save_record(record)
        return Claim(proposal=claimed, record=record)


UNHEARD_OF = Standing(active=False, full_member=False, problem="the approval came in just now", known=False)


def with_step(record: ActionRecord, step: Step) -> ActionRecord:
    """Return the record with one more step."""
    return replace(record, steps=(*record.steps, step))


def save_steps(tx: Transaction, record: ActionRecord) -> None:
    """Store the progress of a running attempt and have its card redrawn."""
    current = tx.proposal(record.proposal_id)
    if current is not None and current.status is EXECUTING and current.fence == record.fence:
        tx.save_record(record)
        tx.enqueue(OutboxKind.CARD, str(record.proposal_id), at=record.started_at)


def parameters_of(definition: ActionDefinition[P], proposal: ActionProposal) -> P:
    """Return the stored parameters as the action's model: what was approved, and nothing else, is what runs."""
    return definition.parameters.model_validate_json(canonical_json(proposal.parameters))


def _busy(tx: Transaction, proposal: ActionProposal) -> OperatorError | None:
    other = tx.in_flight_on(proposal.subject, proposal.target)
    if other is None or other.id == proposal.id:
        return None
    return TargetBusyError(proposal.id, proposal.target_key, other.id)


_IN_WORDS: Final[Mapping[FailureOutcome | SuccessOutcome, str]] = {
    SuccessOutcome.CONFIRMED: "happened",
    FailureOutcome.PARTIAL: "happened only in part",
    FailureOutcome.NO_EFFECT: "did not happen",
}


def _outcome(happened: Happened, record: ActionRecord) -> FailureOutcome | SuccessOutcome:
    if happened is Happened.YES:
        return SuccessOutcome.CONFIRMED
    some = happened is Happened.PARTLY or any(step.state == "done" for step in record.steps)
    return FailureOutcome.PARTIAL if some else FailureOutcome.NO_EFFECT


def _record_digest(tx: Transaction, proposal: ActionProposal) -> dict[str, str]:
    record = tx.record(proposal.id)
    return {"record": record.row_digest()} if record else {}
