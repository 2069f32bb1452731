"""The message on which people decide, and which keeps what was decided and what came of it."""

from collections.abc import Sequence
from datetime import datetime

from actions.lifecycle import PENDING, is_final
from actions.models import ActionProposal, ActionStatus
from actions.ports import OutboxKind
from bot.views import blocks, sections, succession
from bot.views.blocks import Block
from bot.views.card_buttons import card_buttons
from bot.views.card_view import CardView, when, why_not_here
from bot.views.headline import Headline, headline, people_count
from bot.views.message import Message
from bot.views.parameters import render_parameters
from bot.views.people import people
from bot.views.plain import exact, line
from bot.views.room import Room, fitted
from bot.views.times import clock, left, moment


def card(view: CardView) -> Message:
    """Draw the proposal as it stands.

    Approve is offered only while it can be given and if the parameters on the card read back exactly as stored.
    """
    proposal, pressed = view.dossier.proposal, card_buttons(view)
    return fitted(
        lambda room: content(view, room) + pressed,
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
        *_first(view, room),
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


def _headline(view: CardView) -> Block:
    proposal, found = view.dossier.proposal, view.dossier.diagnosis
    said = f"Action {proposal.id}: {_stands(view).state}"
    open_now = proposal.status in PENDING
    return blocks.header(f"{found.output.severity.value} · {said}" if found and open_now else said)


def _first(view: CardView, room: Room) -> list[Block]:
    """What people have to know before everything else: where it stands, where it comes from, what speaks against it."""
    dossier = view.dossier
    parts = [
        *_warnings(view, room),
        *_standing(view, room),
        *sections.glass(dossier, room),
        *succession.outcome_of(view.follow_ups),
        *_what_now(view, room),
        *succession.origin(dossier, room),
    ]
    return [blocks.rich_text(*parts)] if parts else []


def _standing(view: CardView, room: Room) -> list[Block]:
    # While people decide, the header says it all, and what is wrong comes first.
    if view.dossier.proposal.status is ActionStatus.VALIDATED:
        return []
    said = _stands(view).meaning
    meaning = blocks.section(blocks.text(said, bold=view.dossier.proposal.status is ActionStatus.UNKNOWN))
    return [meaning, *sections.outcome(view.dossier, room)]


def _stands(view: CardView) -> Headline:
    return headline(view.dossier, view.now, abortable=view.abortable)


def _warnings(view: CardView, room: Room) -> list[Block]:
    told = []
    if view.refusal:
        told.append((f"It must not be done now: {_line(view.refusal, room)}.", "Preview looks again."))
    if view.drift:
        told.append((f"The target has changed since it was read: {_line(view.drift, room)}.", _after_drift(view)))
    if view.never:
        told.append((f"It cannot run: {_line(view.never, room)}.", "Approving it would change nothing."))
    return [blocks.section(blocks.text(f"{bold} ", bold=True), blocks.text(more)) for bold, more in told]


def _after_drift(view: CardView) -> str:
    if view.is_open and not view.refusal:
        return "Whoever presses Approve gets a new card with what is there now; nothing runs before that is approved."
    return "It is replaced by a new card before anything runs."


def _line(text: str, room: Room) -> str:
    return line(text.rstrip(". "), room.line, rest=room.rest)


def _what_now(view: CardView, room: Room) -> list[Block]:
    proposal = view.dossier.proposal
    if proposal.status is ActionStatus.UNKNOWN:
        settle = f"operator actions resolve {proposal.id}"
        return [
            blocks.section(
                blocks.text("If you know what happened: press Say what happened, or "), blocks.text(settle, code=True)
            )
        ]
    if view.may_be_undone and view.undo_hint and view.undoable_until:
        until = blocks.text(f" until {moment(view.undoable_until)}; somebody has to approve it")
        undo = blocks.text(line(view.undo_hint, room.line, rest=room.rest), code=True)
        return [sections.labelled("Undo would propose", undo, until)]
    return []


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
    return [*needed, *_later(view), sections.labelled("Decide by", until)]


def _later(view: CardView) -> list[Block]:
    closed = view.opening is not None and view.opening.starts is not None and view.opening.why
    return [sections.labelled("If approved now", blocks.text(f"it runs {when(view)}"))] if closed else []


def _who(names: Sequence[str]) -> list[Block]:
    return people(names) or [blocks.text("nobody may; no such approver is configured")]


def _elsewhere(view: CardView) -> list[Block]:
    why = why_not_here(view) if view.is_open else None
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
