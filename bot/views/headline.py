"""Where a proposal stands, in words of our own: one headline for every status, outcome and reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from actions.lifecycle import IN_FLIGHT
from actions.models import ActionProposal, ActionStatus, FailureOutcome, ReasonCode, SuccessOutcome
from actions.ports import Dossier
from actions.safety import is_overdue
from bot.views.times import clock, moment, seconds_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A few words after `Action 12`, and one or two sentences on what that means and what to do."""

    state: str
    meaning: str


_CANCELLED: Final[Mapping[ReasonCode | None, Headline]] = {
    ReasonCode.USER: Headline(state="cancelled", meaning="Nothing ran. A person cancelled it."),
    ReasonCode.KILL_SWITCH: Headline(
        state="stopped by the kill switch",
        meaning="Nothing ran. If the fault is still there, it is proposed anew once the mode is execute again.",
    ),
    ReasonCode.MODE_OBSERVE: Headline(
        state="cancelled, the mode is observe",
        meaning="Nothing ran. If the fault is still there, it is proposed anew once the mode is execute again.",
    ),
    ReasonCode.INVALID: Headline(
        state="refused, not valid", meaning="Nothing ran. The action or its parameters did not pass the checks."
    ),
    ReasonCode.STALE: Headline(
        state="cancelled, the target has changed",
        meaning="Nothing ran. What the decision rested on is different now; if still needed, it is proposed anew.",
    ),
    ReasonCode.SUPERSEDED: Headline(
        state="replaced by a newer proposal",
        meaning="Nothing ran. Decide on the newer card for the same action and target.",
    ),
    ReasonCode.DENIED_BY_POLICY: Headline(
        state="cancelled, denied by policy",
        meaning="Nothing ran. An approval does not count any more, or the policy does not allow it.",
    ),
    None: Headline(state="cancelled", meaning="Nothing ran."),
}
_FAILED: Final[Mapping[object, Headline]] = {
    FailureOutcome.NO_EFFECT: Headline(
        state="failed, nothing was changed",
        meaning="The target is as it was. Trying again is a new proposal with its own approval.",
    ),
    FailureOutcome.PARTIAL: Headline(
        state="failed part-way",
        meaning="Some of it was done and the rest was not: look at the steps before you do anything else.",
    ),
    None: Headline(state="failed", meaning="How much of it was done is not recorded: look at the target."),
}
_COMPLETED: Final[Mapping[object, Headline]] = {
    SuccessOutcome.CONFIRMED: Headline(state="done and confirmed", meaning="The effect was seen on the target."),
    SuccessOutcome.ACCEPTED: Headline(
        state="done, effect not seen yet",
        meaning="The target said yes, but the effect was not observed: look whether the fault is gone.",
    ),
    None: Headline(state="done", meaning="Whether the effect was seen is not recorded: look at the target."),
}
_PROPOSED: Final = Headline(
    state="being checked", meaning="Its parameters and its target are being checked; after that it can be approved."
)
_EXECUTING: Final = Headline(
    state="running",
    meaning="It was sent to the target and can no longer be cancelled. "
    "The kill switch stops it before its next step, if it has one.",
)
_UNKNOWN: Final = Headline(
    state="outcome unknown",
    meaning="It may or may not have happened. The bot is looking at the target until it is sure, and runs nothing else "
    "there meanwhile. Do not repeat it by hand.",
)
_GLASS_BROKEN: Final = Headline(
    state="the glass is broken, about to run",
    meaning="One person approved it past everybody else. It runs once, as soon as the target is free and only if "
    "nothing there has changed.",
)
_BEGUN: Final = IN_FLIGHT | {ActionStatus.COMPLETED, ActionStatus.FAILED}
_OVERDUE: Final = Headline(state="time is up", meaning="Nothing ran, and it can no longer be approved.")


def headline(dossier: Dossier, now: datetime, *, abortable: bool = False) -> Headline:
    """Return where the proposal stands at *now*; *abortable* is whether everybody may still stop what is approved."""
    proposal = dossier.proposal
    if abortable and proposal.status is ActionStatus.APPROVED and not is_overdue(proposal, now):
        return _about_to_run(proposal, now)
    if proposal.status is ActionStatus.CANCELLED and dossier.replaced_by is not None:
        return _replaced(proposal, dossier.replaced_by)
    found = _where_it_stands(dossier, now)
    past = proposal.break_glass and proposal.status in _BEGUN
    return replace(found, state=f"{found.state}, run by breaking the glass") if past else found


def _where_it_stands(dossier: Dossier, now: datetime) -> Headline:
    proposal = dossier.proposal
    match proposal.status:
        case ActionStatus.PROPOSED:
            return _PROPOSED
        case ActionStatus.VALIDATED:
            return _OVERDUE if is_overdue(proposal, now) else _waiting(len(dossier.approvals), proposal)
        case ActionStatus.APPROVED:
            return _OVERDUE if is_overdue(proposal, now) else _approved(proposal, now)
        case ActionStatus.EXECUTING:
            return _EXECUTING
        case ActionStatus.UNKNOWN:
            return _UNKNOWN
        case _:
            return _attested(proposal) if _is_attested(dossier) else _ended(proposal)


def _is_attested(dossier: Dossier) -> bool:
    return any(event.data.get("attested") is True for event in dossier.audit)


def _attested(proposal: ActionProposal) -> Headline:
    done = proposal.status is ActionStatus.COMPLETED
    return Headline(
        state="done, as a person says" if done else "not done, as a person says",
        meaning="Its outcome was unknown until a named person looked; the bot did not see it itself.",
    )


def _replaced(proposal: ActionProposal, by: int) -> Headline:
    stale = proposal.reason_code is ReasonCode.STALE
    return Headline(
        state=f"the target has changed, replaced by action {by}" if stale else f"replaced by action {by}",
        meaning=f"Nothing ran. Decide on the card of action {by}.",
    )


def _about_to_run(proposal: ActionProposal, now: datetime) -> Headline:
    ahead = seconds_until(proposal.not_before or now, now)
    soon = f"runs in {ahead} s" if ahead else "about to run"
    return Headline(
        state=f"approved, {soon} unless somebody presses Abort",
        meaning="Everybody here may press Abort until it has begun; then nothing runs.",
    )


def short(proposal: ActionProposal) -> str:
    """Return where it stands in a few words, for lists."""
    return _SHORT.get(proposal.status) or _ended(proposal).state


_SHORT: Final[Mapping[ActionStatus, str]] = {
    ActionStatus.PROPOSED: _PROPOSED.state,
    ActionStatus.VALIDATED: "waits for approval",
    ActionStatus.APPROVED: "approved",
    ActionStatus.EXECUTING: _EXECUTING.state,
    ActionStatus.UNKNOWN: _UNKNOWN.state,
}


def people_count(number: int, *, more: bool = False) -> str:
    """Return `one person`, `2 people`, `one more person` or `2 more people`."""
    further = " more" if more else ""
    return f"one{further} person" if number == 1 else f"{number}{further} people"


def _ended(proposal: ActionProposal) -> Headline:
    match proposal.status:
        case ActionStatus.COMPLETED:
            return _COMPLETED.get(proposal.outcome, _COMPLETED[None])
        case ActionStatus.FAILED:
            return _FAILED.get(proposal.outcome, _FAILED[None])
        case ActionStatus.CANCELLED:
            return _CANCELLED[proposal.reason_code]
        case _:
            return Headline(
                state="expired",
                meaning="Nothing ran: it was not approved, or could not start, in time. "
                "If the fault is still there, it is proposed anew.",
            )


def _waiting(given: int, proposal: ActionProposal) -> Headline:
    needed = max(1, proposal.required_approvals)
    if given >= needed:
        return Headline(
            state=f"{given} approvals, one more needed",
            meaning="Somebody of a group that was not heard yet must approve it too. Nothing has run.",
        )
    if given:
        more = people_count(needed - given, more=True).capitalize()
        return Headline(state=f"{given} of {needed} approvals", meaning=f"{more} must approve it. Nothing has run.")
    wanted = "approval" if needed == 1 else f"{needed} approvals"
    return Headline(state=f"needs {wanted}", meaning=f"Nothing runs until {people_count(needed)} approved it.")


def _approved(proposal: ActionProposal, now: datetime) -> Headline:
    if proposal.break_glass:
        return _GLASS_BROKEN
    if proposal.not_before and proposal.not_before > now:
        return Headline(
            state=f"approved, runs at {_at(proposal.not_before, now)}",
            meaning=f"It is checked again and runs once, at {moment(proposal.not_before)}; it can be cancelled before.",
        )
    return Headline(
        state="approved, about to run",
        meaning="It runs once, as soon as the target is free and only if nothing there has changed.",
    )


def _at(starts: datetime, now: datetime) -> str:
    return clock(starts) if starts.astimezone(UTC).date() == now.astimezone(UTC).date() else moment(starts)
