"""`operator actions list` and `show`: reading alone."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import typer

from actions.errors import UnknownProposalError
from actions.lifecycle import PENDING, is_final
from actions.models import ActionProposal, ActionStatus
from actions.ports import Dossier, Reader, Store
from bot.action_json import action_json
from bot.cli.output import clean, literal, note, print_json, print_table, say, whole
from bot.reach import reading
from bot.settings import load
from bot.system import SystemClock
from bot.unattended import approval_by_rule, held_back, rule_of
from bot.views.headline import headline
from bot.views.parameters import spelled
from bot.views.times import duration, moment

_HEADINGS: Final = ("ID", "STATUS", "PROPOSED", "AGE", "RISK", "ACTION", "TARGET", "DETAIL")


async def list_actions(
    *, statuses: Sequence[str], subject: str | None, limit: int, before: int | None, as_json: bool
) -> int:
    """Print the newest actions."""
    wanted = [_status(word) for given in statuses for word in given.split(",")]

    def page(reader: Reader) -> list[ActionProposal]:
        return reader.proposals(statuses=wanted, subject=subject, before_id=before, limit=limit)

    def dossiers(reader: Reader) -> list[Dossier]:
        return [dossier for one in page(reader) if (dossier := reader.dossier(one.id)) is not None]

    async with reading(load()) as store:
        if as_json:
            print_json([action_json(dossier) for dossier in await store.read(dossiers)])
            return 0
        found = await store.read(page)
    _print_list(found, SystemClock().now(), limit)
    return 0


async def show(proposal_id: int, *, as_json: bool) -> int:
    """Print everything about one action."""
    async with reading(load()) as store:
        dossier = await dossier_of(store, proposal_id)
    if as_json:
        print_json(action_json(dossier))
    else:
        print_action(dossier, SystemClock().now())
    return 0


async def dossier_of(store: Store, proposal_id: int) -> Dossier:
    """Return everything about one action, or raise `UnknownProposalError`."""
    dossier = await store.read(lambda reader: reader.dossier(proposal_id))
    if dossier is None:
        raise UnknownProposalError(proposal_id)
    return dossier


def print_action(dossier: Dossier, now: datetime) -> None:
    """Print everything about one action, as text."""
    for row in (
        *_what(dossier, now),
        *_why(dossier.proposal),
        *_decisions(dossier, now),
        *_attempt(dossier),
        *_audit(dossier),
        *_next(dossier.proposal),
    ):
        say(row)


def print_plan(dossier: Dossier, now: datetime) -> None:
    """Print what would be done and why: what a decision needs."""
    for row in (*_what(dossier, now), *_why(dossier.proposal)):
        say(row)


def _status(word: str) -> ActionStatus:
    try:
        return ActionStatus(word.strip().lower())
    except ValueError:
        known = ", ".join(status.value for status in ActionStatus)
        raise typer.BadParameter(f"there is no status {word!r}; there are: {known}") from None


def _print_list(found: Sequence[ActionProposal], now: datetime, limit: int) -> None:
    if not found:
        note("nothing found")
        return
    print_table(_HEADINGS, [_row(proposal, now) for proposal in found])
    if len(found) == limit:
        note(f"older ones: operator actions list --before {found[-1].id}")


def _row(proposal: ActionProposal, now: datetime) -> tuple[str, ...]:
    return (
        str(proposal.id),
        _state(proposal),
        f"{proposal.proposed_at:%Y-%m-%d %H:%M:%S}Z",
        duration((now - proposal.proposed_at).total_seconds()),
        proposal.risk.value,
        literal(proposal.action_name),
        literal(proposal.target),
        clean(proposal.detail or proposal.reason),
    )


def _state(proposal: ActionProposal) -> str:
    extra = proposal.outcome or proposal.reason_code
    return f"{proposal.status.value} ({extra.value})" if extra else proposal.status.value


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


def _why(proposal: ActionProposal) -> Iterator[str]:
    yield f"Risk      {proposal.risk.value}"
    yield f"Urgency   {proposal.urgency.value.replace('_', ' ')}"
    yield f"Reason    {_indented(proposal.reason)}"
    yield f"Expected  {_indented(proposal.expected_outcome)}"
    yield from (f"Hazard    {clean(risk)}" for risk in proposal.risks)


def _decisions(dossier: Dossier, now: datetime) -> Iterator[str]:
    proposal = dossier.proposal
    yield f"Proposed  {moment(proposal.proposed_at)} by {literal(proposal.proposed_by)}"
    for approval in dossier.approvals:
        yield f"Approved  {moment(approval.at)} by {literal(approval.person)} ({literal(approval.actor)})"
    yield from _unattended(dossier)
    if proposal.status in PENDING:
        until = proposal.approval_expires_at or proposal.expires_at
        left = (until - now).total_seconds()
        yield f"Expires   {moment(until)} ({f'in {duration(left)}' if left > 0 else 'its time is over'})"


def _unattended(dossier: Dossier) -> Iterator[str]:
    approved, held = approval_by_rule(dossier), held_back(dossier)
    if approved is not None:
        yield f"Approved  {moment(approved.at)} by policy rule {literal(rule_of(approved))}; nobody was asked"
        return
    if held is not None:
        yield f"Left      to people by policy rule {literal(rule_of(held))}: {clean(str(held.data.get('why', '')))}"
    if not is_final(dossier.proposal.status):
        yield f"Needs     {max(1, dossier.proposal.required_approvals)} approval(s), {len(dossier.approvals)} given"


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


def _audit(dossier: Dossier) -> Iterator[str]:
    yield "Audit"
    for event in dossier.audit:
        who = f"{literal(event.actor)} via {event.via.value}"
        yield f"  {event.seq}  {moment(event.at)}  {literal(event.event)}  {who}"


def _next(proposal: ActionProposal) -> Iterator[str]:
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
            return


def _indented(text: str) -> str:
    return whole(text).replace("\n", "\n          ")
