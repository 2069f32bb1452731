"""What must hold after every step, whatever happened: checked over a store and a ledger of effects."""

from collections import Counter
from itertools import pairwise

from actions.canonical import digest
from actions.lifecycle import IN_FLIGHT, PENDING, STATUS_EVENTS, replay
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionStatus,
    AuditEvent,
    FailureOutcome,
    SafetyMode,
    SuccessOutcome,
)
from actions.ports import Reader

NOTHING = (ActionStatus.CANCELLED, ActionStatus.EXPIRED, *PENDING)


def check(reader: Reader, effects: Counter[str], stored: dict[int, ActionProposal]) -> None:
    """Assert I1, I2, I4 to I7, I9 to I11, I13 and I14; *stored* remembers what was seen the last time."""
    proposals = everything(reader)
    audit = reader.audit(limit=1_000_000)
    _effects_match(proposals, effects)
    _audit_is_a_chain(audit)
    _audit_matches_state(reader, proposals, audit)
    _modes_hold(reader, proposals)
    for proposal in proposals:
        _attempt_is_rightful(reader, proposal)
        _only_what_may_change_did(proposal, stored.get(proposal.id))
        stored[proposal.id] = proposal
    assert len({p.target_key for p in proposals if p.status in IN_FLIGHT}) == sum(
        p.status in IN_FLIGHT for p in proposals
    ), "I9: two in flight on one target"


def everything(reader: Reader) -> list[ActionProposal]:
    """Return all proposals."""
    return reader.proposals(limit=1_000_000)


def _effects_match(proposals: list[ActionProposal], effects: Counter[str]) -> None:
    for proposal in proposals:
        happened = effects[str(proposal.parameters.get("mark") or proposal.parameters["item"])]
        assert happened <= 1, f"I1: {proposal.id} happened {happened} times"
        if proposal.status in NOTHING or proposal.outcome is FailureOutcome.NO_EFFECT:
            assert happened == 0, f"I2: {proposal.id} is {proposal.status} and happened"
        if proposal.status is ActionStatus.COMPLETED and proposal.outcome is SuccessOutcome.CONFIRMED:
            assert happened == 1, f"I2: {proposal.id} is completed and did not happen"


def _audit_is_a_chain(audit: list[AuditEvent]) -> None:
    assert [event.seq for event in audit] == list(range(1, len(audit) + 1)), "I5: not dense"
    for before, after in pairwise(audit):
        assert after.prev == before.hash, f"I5: {after.seq} does not follow {before.seq}"


def _audit_matches_state(reader: Reader, proposals: list[ActionProposal], audit: list[AuditEvent]) -> None:
    lines: dict[int, list[AuditEvent]] = {}
    for event in audit:
        assert event.actor, "I13: nobody did it"
        assert event.event != "illegal", f"an illegal step at {event.seq}"
        if event.proposal_id is not None and event.event in STATUS_EVENTS:
            lines.setdefault(event.proposal_id, []).append(event)
    for proposal in proposals:
        status: ActionStatus | None = None
        for event in lines[proposal.id]:
            status = replay(status, event.event)
        assert status is proposal.status, f"I4: the audit says {status}, the row {proposal.status}"
        assert len(lines[proposal.id]) == proposal.version, f"I13: {proposal.id} changed without a line"
        assert lines[proposal.id][-1].data["row"] == proposal.row_digest(), f"I4: row of {proposal.id} differs"
        # A rule of the policy that approves is no person.
        assert len(reader.approvals(proposal.id)) == sum("person" in event.data for event in lines[proposal.id])


def _modes_hold(reader: Reader, proposals: list[ActionProposal]) -> None:
    overall = reader.control(EVERYTHING)
    pending = [proposal for proposal in proposals if proposal.status in PENDING]
    if overall.mode is SafetyMode.OBSERVE:
        assert not pending, "I6: pending in observe mode"
    assert all(proposal.epoch == overall.epoch for proposal in pending), "I7: pending of an earlier epoch"


def _attempt_is_rightful(reader: Reader, proposal: ActionProposal) -> None:
    if proposal.status not in IN_FLIGHT:
        return
    assert (proposal.attempts, bool(proposal.owner), proposal.fence >= 1) == (1, True, True), "I9"
    people = {a.person for a in reader.approvals(proposal.id) if a.params_hash == proposal.params_hash}
    assert len(people) >= proposal.required_approvals, "I11: too few approvals"
    assert proposal.proposed_by not in {a.actor for a in reader.approvals(proposal.id)}, "I11: by the proposer"
    assert digest(proposal.parameters) == proposal.params_hash, "I11: other parameters"


def _only_what_may_change_did(now: ActionProposal, before: ActionProposal | None) -> None:
    if before is None:
        return
    assert now.version >= before.version, "I10"
    assert now.fence >= before.fence, "I10"
    for name in ("token", "action_name", "parameters", "params_hash", "subject", "target", "proposed_by"):
        assert getattr(now, name) == getattr(before, name), f"I14: {name} changed"
