"""An action as text, for a terminal: what a decision needs, and everything there is about it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from actions.lifecycle import PENDING, is_final
from actions.models import ActionProposal, ActionStatus, FailureOutcome, ReasonCode, Review
from actions.policy import Missing
from actions.ports import Dossier
from bot.changes import Aspect, Change, changes
from bot.cli.output import clean, literal, say, whole
from bot.unattended import approval_by_rule, held_back, rule_of
from bot.views.headline import headline
from bot.views.parameters import spelled
from bot.views.times import duration, moment

_CHANGED: Final = {Aspect.PARAMETER: "Changed", Aspect.PIN: "Now", Aspect.IMPACT: "Now"}


def print_action(dossier: Dossier, lacking: Missing, now: datetime) -> None:
    """Print everything about one action; *lacking* is what it still needs of people."""
    for row in (
        *_what(dossier, now),
        *_why(dossier),
        *_decisions(dossier, lacking, now),
        *_attempt(dossier),
        *_followed(dossier),
        *_audit(dossier),
        *_next(dossier),
    ):
        say(row)


def print_plan(dossier: Dossier, now: datetime) -> None:
    """Print what would be done and why: what a decision needs."""
    for row in (*_what(dossier, now), *_why(dossier)):
        say(row)


def _what(dossier: Dossier, now: datetime) -> Iterator[str]:
    proposal = dossier.proposal
    said = headline(dossier, now)
    yield f"Action {proposal.id}: {literal(proposal.action_name)} on {literal(proposal.target_key)}"
    yield f"{said.state}. {said.meaning}"
    if proposal.detail:
        yield clean(proposal.detail)
    yield ""
    yield "Parameters"
    yield from (f"  {literal(name)} = {spelled(value)}" for name, value in proposal.parameters.items())
    if not proposal.parameters:
        yield "  none"
    if proposal.impact:
        yield "Impact, as computed when it was checked"
        yield from (f"  {clean(fact.label)}: {clean(fact.value)}" for fact in proposal.impact)


def _why(dossier: Dossier) -> Iterator[str]:
    proposal = dossier.proposal
    yield from _origin(dossier)
    yield f"Risk      {proposal.risk.value}"
    yield f"Urgency   {proposal.urgency.value.replace('_', ' ')}"
    yield f"Reason    {_indented(proposal.reason)}"
    yield f"Expected  {_indented(proposal.expected_outcome)}"
    yield from (f"Hazard    {clean(risk)}" for risk in proposal.risks)


def _origin(dossier: Dossier) -> Iterator[str]:
    proposal = dossier.proposal
    if proposal.retry_of is not None:
        yield f"Repeats   action {proposal.retry_of}, which failed"
    if proposal.undo_of is not None:
        yield f"Undoes    action {proposal.undo_of}"
    if proposal.supersedes is not None:
        yield f"Replaces  action {proposal.supersedes}"
    yield from (f"{_CHANGED[change.aspect]:<10}{_change(change)}" for change in changes(dossier))


def _change(change: Change) -> str:
    if change.aspect is Aspect.IMPACT:
        return f"{clean(change.name)}: {_impact(change.old)} → {_impact(change.new)}"
    return f"{literal(change.name)}: {spelled(change.old)} → {spelled(change.new)}"


def _impact(value: object) -> str:
    return "none" if value is None else clean(str(value))


def _decisions(dossier: Dossier, lacking: Missing, now: datetime) -> Iterator[str]:
    proposal = dossier.proposal
    yield f"Proposed  {moment(proposal.proposed_at)} by {literal(proposal.proposed_by)}"
    for approval in dossier.approvals:
        yield f"Approved  {moment(approval.at)} by {literal(approval.person)} ({literal(approval.actor)})"
    yield from _unattended(dossier)
    yield from _glass(dossier.review)
    if proposal.status in PENDING:
        yield from _still_to_come(dossier, lacking, now)


def _unattended(dossier: Dossier) -> Iterator[str]:
    approved, held = approval_by_rule(dossier), held_back(dossier)
    if approved is not None:
        yield f"Approved  {moment(approved.at)} by policy rule {literal(rule_of(approved))}; nobody was asked"
    elif held is not None:
        yield f"Left      to people by policy rule {literal(rule_of(held))}: {clean(str(held.data.get('why', '')))}"


def _glass(review: Review | None) -> Iterator[str]:
    if review is None:
        return
    yield f"Glass     broken {moment(review.opened_at)} by {literal(review.person)} ({literal(review.opened_by)})"
    yield f"          {clean(review.reason)}"
    if review.closed_at is None:
        yield f"Review    open; somebody else than {literal(review.person)} has to close it"
    else:
        yield f"Review    closed {moment(review.closed_at)} by {literal(review.closed_by or '')}"
        yield f"          {clean(review.comment)}"


def _still_to_come(dossier: Dossier, lacking: Missing, now: datetime) -> Iterator[str]:
    proposal = dossier.proposal
    if lacking and proposal.status is not ActionStatus.APPROVED:
        yield f"Needs     {lacking.in_words()} ({len(dossier.approvals)} given)"
    if proposal.not_before is not None:
        yield f"Starts    not before {moment(proposal.not_before)}"
    until = proposal.approval_expires_at or proposal.expires_at
    left = (until - now).total_seconds()
    yield f"Expires   {moment(until)} ({f'in {duration(left)}' if left > 0 else 'its time is over'})"


def _attempt(dossier: Dossier) -> Iterator[str]:
    record = dossier.record
    if record is None:
        return
    ended = moment(record.finished_at) if record.finished_at else "not ended"
    yield f"Attempt   {moment(record.started_at)} to {ended}, by {literal(record.owner)}"
    for step in record.steps:
        detail = f": {clean(step.detail)}" if step.detail else ""
        yield f"  step {literal(step.name)} {step.state}{detail}"
    if record.result:
        yield f"Result    {clean(record.result)}"
    yield from (f"  seen: {clean(fact.label)} = {clean(fact.value)}" for fact in record.evidence)


def _followed(dossier: Dossier) -> Iterator[str]:
    for event in dossier.audit:
        if event.event == "explained":
            code, reason = str(event.data.get("code", "")), clean(str(event.data.get("reason", "")))
            said = ": ".join(part for part in (literal(code.replace("_", " ")), reason) if part)
            yield f"Because   {said} ({literal(event.actor)})"
    if dossier.replaced_by is not None:
        yield f"Replaced  by action {dossier.replaced_by}"


def _audit(dossier: Dossier) -> Iterator[str]:
    yield "Audit"
    for event in dossier.audit:
        who = f"{literal(event.actor)} via {event.via.value}"
        yield f"  {event.seq}  {moment(event.at)}  {literal(event.event)}  {who}"


def _next(dossier: Dossier) -> Iterator[str]:
    proposal, review = dossier.proposal, dossier.review
    match proposal.status:
        case ActionStatus.VALIDATED:
            yield f"Next      operator actions approve {proposal.id}   or   operator actions cancel {proposal.id}"
        case ActionStatus.PROPOSED | ActionStatus.APPROVED:
            yield f"Next      operator actions cancel {proposal.id}   if it should not run"
        case ActionStatus.UNKNOWN:
            yield (
                f"Next      look at the system; `operator run` looks too. If you know: operator actions resolve "
                f"{proposal.id} --happened (or --did-not-happen) --reason …"
            )
        case _:
            yield from _afterwards(proposal, dossier.replaced_by)
    if review is not None and review.closed_at is None and is_final(proposal.status):
        yield f"Next      operator reviews close {proposal.id} --comment …   by somebody else"


def _afterwards(proposal: ActionProposal, replaced_by: int | None) -> Iterator[str]:
    if replaced_by is not None and proposal.reason_code in {ReasonCode.STALE, ReasonCode.SUPERSEDED}:
        yield f"Next      operator actions show {replaced_by}"
    elif proposal.outcome is FailureOutcome.NO_EFFECT:
        yield f"Next      operator actions retry {proposal.id}   if it should be tried again"


def _indented(text: str) -> str:
    return whole(text).replace("\n", "\n          ")
