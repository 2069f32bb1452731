"""The replies in a card's thread that remind people of it, warn them before it expires, and say that it starts soon."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from actions.models import Actor
from actions.policy import Missing
from actions.ports import Dossier, OutboxKind
from actions.reminder_schedule import About, message_ref
from bot.ids import Button
from bot.payloads import ButtonValue, SnoozeValue
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.card import whole_in
from bot.views.card_buttons import details_button
from bot.views.headline import headline
from bot.views.message import Message
from bot.views.people import Audience, mentions, person
from bot.views.plain import line
from bot.views.room import Room, fitted
from bot.views.times import clock, left, moment

_SNOOZES: Final = {
    Button.SNOOZE: ("Snooze 15 min", timedelta(minutes=15)),
    Button.SNOOZE_LONGER: ("Snooze 1 hour", timedelta(hours=1)),
}
_OPEN: Final = "Open the card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """Somebody wanted silence."""

    actor: Actor
    until: datetime
    """When the next message comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderView:
    """All that one of these messages is drawn from."""

    dossier: Dossier
    number: int
    about: About | None
    """None once a newer one follows or nothing waits any more: then there is nothing to press."""
    audience: Audience
    lacking: Missing
    now: datetime
    card: str | None
    """The address of the card."""
    button_token: str
    unread: str = ""
    """Why the target could not be read before the start; empty if it was."""
    snooze: Snooze | None = None
    """Who has put off what would follow."""


def reminder(view: ReminderView) -> Message:
    """Draw what people are told; all of it is about one proposal, whose card decides."""
    proposal = view.dossier.proposal
    return fitted(
        lambda room: [blocks.rich_text(*_said(view, room)), *_buttons(view)],
        rest=whole_in(proposal),
        kind=OutboxKind.REMINDER,
        ref=message_ref(proposal.id, view.number),
    )


def _said(view: ReminderView, room: Room) -> list[Block]:
    match view.about:
        case None:
            # What the proposal became stands on its card: this message is not drawn again.
            return [_over(view)]
        case About.STARTING:
            return [*_starting(view, room), _to_the_card(view)]
        case About.UNDECIDED | About.EXPIRING:
            return [*_undecided(view, view.about), _to_the_card(view)]


def _over(view: ReminderView) -> Block:
    said = f"This reminder of action {view.dossier.proposal.id} is over: a newer one follows, or it waits no longer."
    return blocks.section(blocks.text(said), *([blocks.text(" "), blocks.link(view.card, _OPEN)] if view.card else []))


def _undecided(view: ReminderView, about: About) -> list[Block]:
    proposal = view.dossier.proposal
    expires = proposal.expires_at
    begins = f"Action {proposal.id} still waits"
    if about is About.EXPIRING:
        begins = f"Last reminder: action {proposal.id} expires at {clock(expires)}"
    needed = [sections.labelled("Still needed", blocks.text(view.lacking.in_words()))] if view.lacking.groups else []
    return [
        blocks.section(blocks.text(f"{begins}: {headline(view.dossier, view.now).state}.", bold=True)),
        _what(view),
        sections.labelled("Decide by", blocks.text(f"{clock(expires)} ({left(expires, view.now)}); then nothing runs")),
        *needed,
        sections.labelled(
            "Who can approve", *(mentions(view.audience) or [blocks.text("nobody else that is configured")])
        ),
        *_snoozed(view),
    ]


def _starting(view: ReminderView, room: Room) -> list[Block]:
    proposal = view.dossier.proposal
    starts = proposal.not_before or view.now
    return [
        blocks.section(
            blocks.text(f"Action {proposal.id} runs {_soon(starts - view.now)}, at {moment(starts)}.", bold=True),
            blocks.text(" Until it has begun, it can be cancelled."),
        ),
        _what(view),
        sections.labelled("Target", blocks.text(_looked_at(view, room))),
        sections.labelled("Approved by", *(mentions(view.audience) or [blocks.text("the policy")])),
    ]


def _soon(ahead: timedelta) -> str:
    minutes = ceil(ahead.total_seconds() / 60)
    if minutes <= 0:
        return "now"
    return "in 1 minute" if minutes == 1 else f"in {minutes} minutes"


def _looked_at(view: ReminderView, room: Room) -> str:
    if not view.unread:
        return "read again; what the approval rests on has not changed"
    why = line(view.unread, room.line, rest=room.rest)
    return f"could not be read now ({why}). It is read again at the start; if it has changed, nothing runs"


def _what(view: ReminderView) -> Block:
    (named,) = sections.named(view.dossier.proposal)
    found = view.dossier.diagnosis
    severity = f" · {found.output.severity.value}" if found else ""
    more = blocks.text(f"{severity} · risk: {view.dossier.proposal.risk.value}")
    return {**named, "elements": [*named["elements"], more]}


def _snoozed(view: ReminderView) -> list[Block]:
    if view.snooze is None:
        return []
    proposal = view.dossier.proposal
    until = view.snooze.until
    silence = f", no reminder before {clock(until)}" if until < proposal.expires_at else ", no further reminder"
    return [sections.labelled("Snoozed by", person(str(view.snooze.actor)), blocks.text(silence))]


def _to_the_card(view: ReminderView) -> Block:
    why = " for everything about it." if view.about is About.STARTING else " to decide."
    return blocks.section(blocks.link(view.card, _OPEN) if view.card else blocks.text(_OPEN), blocks.text(why))


def _buttons(view: ReminderView) -> list[Block]:
    proposal = view.dossier.proposal
    if view.about is None:
        return []
    return [blocks.actions(*_offered(view, view.about), details_button(proposal.id))]


def _offered(view: ReminderView, about: About) -> list[Block]:
    match about:
        case About.STARTING:
            return [_cancel(view)]
        case About.UNDECIDED if view.snooze is None:
            return [_snooze(view.dossier.proposal.id, button) for button in _SNOOZES]
        case _:
            return []


def _snooze(proposal_id: int, button: Button) -> Block:
    label, lasting = _SNOOZES[button]
    value = SnoozeValue(p=proposal_id, m=int(lasting.total_seconds() // 60)).compact()
    return blocks.button(
        button.value, label, says=f"{label}: no reminders of action {proposal_id} until then", value=value
    )


def _cancel(view: ReminderView) -> Block:
    proposal = view.dossier.proposal
    value = ButtonValue(p=proposal.id, t=view.button_token, h=proposal.params_hash).compact()
    return blocks.button(
        Button.CANCEL.value, "Cancel", says=f"Cancel action {proposal.id}; nothing will run", value=value
    )
