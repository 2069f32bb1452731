"""The message on which people decide, and which keeps what was decided and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from actions.lifecycle import PENDING, is_final
from actions.models import ActionProposal, ActionStatus, Risk
from actions.policy import Missing
from actions.ports import Dossier, OutboxKind
from actions.safety import is_overdue
from bot.ids import Button
from bot.payloads import ButtonValue, ProposalRef
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.headline import headline, people_count
from bot.views.message import Message
from bot.views.parameters import render_parameters, shows, spelled
from bot.views.people import people
from bot.views.plain import cut, exact, fits
from bot.views.room import Room, fitted
from bot.views.times import clock, left, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """All that a card is drawn from."""

    dossier: Dossier
    title: str
    """What the action does, in the one line of its definition."""
    button_token: str | None
    """The secret of this card's buttons; without it nothing can be decided here."""
    approvers: tuple[str, ...]
    """Who may approve: names from the configuration, `slack:T…/U…` or Slack user ids. Users are mentioned."""
    now: datetime
    undo_hint: str | None
    """How it could be taken back; None if it could not."""
    lacking: Missing
    """What it still needs of people, as the policy is now."""


def card(view: CardView) -> Message:
    """Draw the proposal as it stands.

    Approve is offered only while it can be given and if the parameters on the card read back exactly as stored.
    """
    proposal = view.dossier.proposal
    return fitted(
        lambda room: content(view, room) + _buttons(view),
        rest=whole_in(proposal),
        kind=OutboxKind.CARD,
        ref=str(proposal.id),
    )


def content(view: CardView, room: Room) -> list[Block]:
    """The card without its buttons."""
    dossier = view.dossier
    proposal, diagnosis = dossier.proposal, dossier.diagnosis
    return [
        _headline(view),
        *_standing(view, room),
        # How old it is counts while people decide; afterwards it would only grow.
        sections.diagnosis(diagnosis, room, _deciding(view)) if diagnosis else _undiagnosed(proposal),
        sections.action(proposal, view.title),
        *render_parameters(proposal.parameters),
        blocks.rich_text(*sections.impact(proposal, room)),
        blocks.rich_text(*sections.reasons(proposal, view.undo_hint, room)),
        blocks.rich_text(*_decision(view, room)),
    ]


def _deciding(view: CardView) -> datetime | None:
    return view.now if view.dossier.proposal.status in PENDING else None


def whole_in(proposal: ActionProposal) -> str:
    """Return what stands where something was cut: where the whole is."""
    return f"… (cut; /operator show {proposal.id})" if is_final(proposal.status) else "… (cut; whole in Details)"


def details_button(proposal_id: int) -> Block:
    """The button that shows everything."""
    value = ProposalRef(p=proposal_id).compact()
    return blocks.button(Button.DETAILS.value, "Details", says=f"Details of action {proposal_id}", value=value)


def _headline(view: CardView) -> Block:
    proposal, found = view.dossier.proposal, view.dossier.diagnosis
    said = f"Action {proposal.id}: {headline(view.dossier, view.now).state}"
    open_now = proposal.status in PENDING
    return blocks.header(f"{found.output.severity.value} · {said}" if found and open_now else said)


def _standing(view: CardView, room: Room) -> list[Block]:
    # While people decide, the header says it all, and what is wrong comes first.
    if view.dossier.proposal.status is ActionStatus.VALIDATED:
        return []
    said = headline(view.dossier, view.now).meaning
    meaning = blocks.section(blocks.text(said, bold=view.dossier.proposal.status is ActionStatus.UNKNOWN))
    return [blocks.rich_text(meaning, *_outcome(view, room))]


def _outcome(view: CardView, room: Room) -> list[Block]:
    proposal = view.dossier.proposal
    if proposal.status is not ActionStatus.UNKNOWN:
        return sections.outcome(view.dossier, room)
    settle = f"operator actions resolve {proposal.id}"
    return [
        *sections.outcome(view.dossier, room),
        blocks.section(blocks.text("If you know what happened: "), blocks.text(settle, code=True)),
    ]


def _undiagnosed(proposal: ActionProposal) -> Block:
    by = exact(proposal.proposed_by, 80)
    return blocks.rich_text(
        blocks.section(blocks.text(f"Proposed by {by} at {moment(proposal.proposed_at)}, without a diagnosis."))
    )


def _decision(view: CardView, room: Room) -> list[Block]:
    proposal = view.dossier.proposal
    given = sections.approvals(view.dossier, room)
    if proposal.status not in PENDING:
        return given or [blocks.section(blocks.text("Nobody approved it."))]
    return [*given, *_still_to_come(view), *_elsewhere(view)]


def _still_to_come(view: CardView) -> list[Block]:
    proposal = view.dossier.proposal
    limit = min(filter(None, (proposal.expires_at, proposal.approval_expires_at)))
    until = blocks.text(f"{clock(limit)} ({left(limit, view.now)})")
    if proposal.status is ActionStatus.APPROVED:
        return [sections.labelled("Starts before", until)]
    approved = {approval.person for approval in view.dossier.approvals}
    others = [name for name in view.approvers if name not in approved]
    if view.lacking.groups:
        # Not everybody who may approve can give what is missing.
        needed = [
            sections.labelled("Still needed", blocks.text(view.lacking.in_words())),
            sections.labelled("Who may approve", *_who(others)),
        ]
    else:
        count = people_count(view.lacking.people, more=bool(approved)).capitalize()
        needed = [sections.labelled(f"{count} must approve", *_who(others))]
    return [*needed, sections.labelled("Decide by", until)]


def _who(names: Sequence[str]) -> list[Block]:
    return people(names) or [blocks.text("nobody may; no such approver is configured")]


def _elsewhere(view: CardView) -> list[Block]:
    why = _not_here(view)
    if not why:
        return []
    number = view.dossier.proposal.id
    return [
        blocks.section(
            blocks.text(f"It cannot be approved here: {why}. ", bold=True),
            blocks.text("Look at it with "),
            blocks.text(f"operator actions show {number}", code=True),
            blocks.text(" and approve it with "),
            blocks.text(f"operator actions approve {number}", code=True),
        )
    ]


def _not_here(view: CardView) -> str | None:
    """Return why a proposal that waits for approval cannot get it on this card."""
    proposal = view.dossier.proposal
    if proposal.status is not ActionStatus.VALIDATED or is_overdue(proposal, view.now):
        return None
    if not shows(render_parameters(proposal.parameters), proposal.parameters):
        return "the parameters do not fit on this card exactly as they are"
    if not all(fits(name, sections.NAME) for name in (proposal.action_name, proposal.subject, proposal.target)):
        return "the names of the action and its target do not fit on this card"
    return None if view.button_token else "its buttons are missing"


def _buttons(view: CardView) -> list[Block]:
    proposal = view.dossier.proposal
    if is_final(proposal.status):
        return []
    details = details_button(proposal.id)
    if proposal.status not in PENDING or not view.button_token:
        return [blocks.actions(details)]
    value = ButtonValue(p=proposal.id, t=view.button_token, h=proposal.params_hash).compact()
    cancel = blocks.button(
        Button.CANCEL.value, "Cancel", says=f"Cancel action {proposal.id}; nothing will run", value=value
    )
    open_here = proposal.status is ActionStatus.VALIDATED and not is_overdue(proposal, view.now) and not _not_here(view)
    return [blocks.actions(*([_approve(view, value)] if open_here else []), cancel, details)]


def _approve(view: CardView, value: str) -> Block:
    proposal = view.dossier.proposal
    return blocks.button(
        Button.APPROVE.value,
        "Approve",
        says=cut(f"Approve action {proposal.id}: {exact(proposal.action_name, 60)}", 75),
        value=value,
        style="primary",
        confirm=None if proposal.risk is Risk.LOW else _question(view),
    )


_MOST_QUESTION: Final = 300


def _question(view: CardView) -> Block:
    proposal = view.dossier.proposal
    parameters = spelled(proposal.parameters) if proposal.parameters else "no parameters"
    place = sections.place(proposal.subject, proposal.target)
    return blocks.confirm(
        cut(f"Approve {exact(proposal.action_name, 80)}?", 100),
        cut(f"Risk: {proposal.risk.value}. {effect(view)} On {place}, with {parameters}", _MOST_QUESTION),
        yes="Approve",
        no="Back",
        danger=proposal.risk is Risk.HIGH,
    )


def effect(view: CardView) -> str:
    """Return when it would run if the reader approved it now."""
    if view.lacking.groups:
        return f"It still needs {view.lacking.in_words()}; it runs at once if yours is the last."
    further = view.lacking.people - 1
    not_before = view.dossier.proposal.not_before
    if further > 0:
        return f"It runs once {people_count(further, more=True)} approved it."
    if not_before and not_before > view.now:
        return f"It runs once, at {moment(not_before)}."
    return "It runs at once, and once only."
