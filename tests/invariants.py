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
    ReasonCode,
    SafetyMode,
    SuccessOutcome,
)
from actions.ports import Reader

UNDECIDED = (ActionStatus.PROPOSED, ActionStatus.VALIDATED)
NOTHING = (ActionStatus.CANCELLED, ActionStatus.EXPIRED, *PENDING)


def check(reader: Reader, effects: Counter[str], stored: dict[int, ActionProposal]) -> None:
    """Assert I1, I2, I4 to I7, I9 to I11, I13 and I14, and what holds of successors and reviews.

    *stored* remembers what was seen the last time.
    """
    _effects_match(everything(reader), effects)
    check_records(reader, stored)


def check_records(reader: Reader, stored: dict[int, ActionProposal]) -> None:
    """Assert all of it that can be seen without knowing what happened to the targets."""
    proposals = everything(reader)
    audit = reader.audit(limit=1_000_000)
    _audit_is_a_chain(audit)
    _audit_matches_state(reader, proposals, audit)
    _modes_hold(reader, proposals)
    _followed_by_one(proposals, audit)
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
    # A proposal and those that follow on it share one effect, which only one of them may have had.
    chains: dict[str, list[ActionProposal]] = {}
    for proposal in proposals:
        chains.setdefault(str(proposal.parameters.get("mark") or proposal.parameters["item"]), []).append(proposal)
    for key, chain in chains.items():
        happened, ids = effects[key], ", ".join(f"{proposal.id} ({proposal.status})" for proposal in chain)
        possible = sum(not _had_no_effect(proposal) for proposal in chain)
        certain = sum(_was_seen(proposal) for proposal in chain)
        assert happened <= len(chain), f"I1: {ids} happened {happened} times"
        assert happened <= possible, f"I2: {ids} happened {happened} times, {possible} at most"
        assert happened >= certain, f"I2: {ids} happened {happened} times, {certain} at least"


def _had_no_effect(proposal: ActionProposal) -> bool:
    return proposal.status in NOTHING or proposal.outcome is FailureOutcome.NO_EFFECT


def _was_seen(proposal: ActionProposal) -> bool:
    return proposal.status is ActionStatus.COMPLETED and proposal.outcome is SuccessOutcome.CONFIRMED


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
        approved_by = [event.data["person"] for event in lines[proposal.id] if "person" in event.data]
        counted = [approval.person for approval in reader.approvals(proposal.id)]
        assert counted == approved_by, f"I11: {proposal.id} counts {counted}, its own lines say {approved_by}"


def _modes_hold(reader: Reader, proposals: list[ActionProposal]) -> None:
    overall = reader.control(EVERYTHING)
    pending = [proposal for proposal in proposals if proposal.status in PENDING]
    if overall.mode is SafetyMode.OBSERVE:
        assert not pending, "I6: pending in observe mode"
    assert all(proposal.epoch == overall.epoch for proposal in pending), "I7: pending of an earlier epoch"


def _followed_by_one(proposals: list[ActionProposal], audit: list[AuditEvent]) -> None:
    known = {proposal.id: proposal for proposal in proposals}
    waiting = Counter((p.action_name, p.target_key) for p in proposals if p.status in UNDECIDED)
    assert all(count == 1 for count in waiting.values()), f"two wait for the same: {waiting}"
    for proposal in proposals:
        older = known[proposal.supersedes] if proposal.supersedes is not None else None
        replaced = older is None or older.reason_code in {ReasonCode.SUPERSEDED, ReasonCode.STALE}
        assert replaced, f"{proposal.id} took the place of {proposal.supersedes}, which was not cancelled for it"
    followed = {
        line.proposal_id: known.get(int(str(line.data["superseded_by"])))
        for line in audit
        if "superseded_by" in line.data
    }
    for proposal in proposals:
        if proposal.reason_code is ReasonCode.SUPERSEDED:
            newer = followed.get(proposal.id)
            assert newer is not None, f"{proposal.id} is superseded by nothing"
            assert (newer.action_name, newer.id > proposal.id) == (proposal.action_name, True), proposal.id


def _attempt_is_rightful(reader: Reader, proposal: ActionProposal) -> None:
    review = reader.review(proposal.id)
    assert proposal.break_glass == (review.reason if review is not None else ""), f"no review of {proposal.id}"
    if proposal.status not in IN_FLIGHT:
        return
    assert (proposal.attempts, bool(proposal.owner), proposal.fence >= 1) == (1, True, True), "I9"
    approvals = reader.approvals(proposal.id)
    people = {a.person for a in approvals if a.params_hash == proposal.params_hash}
    if review is not None:
        assert review.person in people, "I11: whoever broke the glass did not approve it"
    else:
        assert len(people) >= proposal.required_approvals, "I11: too few approvals"
        assert proposal.proposed_by not in {a.actor for a in approvals}, "I11: by the proposer"
    assert digest(proposal.parameters) == proposal.params_hash, "I11: other parameters"


def _only_what_may_change_did(now: ActionProposal, before: ActionProposal | None) -> None:
    if before is None:
        return
    assert now.version >= before.version, "I10"
    assert now.fence >= before.fence, "I10"
    for name in ("token", "action_name", "parameters", "params_hash", "subject", "target", "proposed_by", "supersedes"):
        assert getattr(now, name) == getattr(before, name), f"I14: {name} changed"
