"""What a message is, for whoever asks from its menu."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from actions.diagnosis.models import Diagnosis, Refused, Ticket, TicketStatus
from actions.models import RefusalCode
from actions.ports import OutboxKind
from bot.views import blocks, sections
from bot.views.answer_modal import answer_modal
from bot.views.blocks import Block, View
from bot.views.home import HomeItem
from bot.views.notice import notice
from bot.views.plain import cut, exact, line
from bot.views.refusal_modal import IN_WORDS
from bot.views.room import VIEW_ROOMS, Room, fitted_blocks
from bot.views.rows import row
from bot.views.times import moment

_TITLE: Final = "What is this?"
_VIEW_BYTES: Final = 180_000
_NOT_OURS: Final = (
    "Operator did not write this message, or does not know it any more; it decides nothing here.\n"
    "Operator's own messages are posted by its app: a card says `Action 12: …` and has the buttons with which it is "
    "decided; replies in the card's thread remind, and say what came of it.\n"
    "If a message looks like that and this is what you read about it, do not press anything in it, and tell whoever "
    "runs Operator. `/operator list` shows every real action."
)
_KINDS: Final[Mapping[OutboxKind, str]] = {
    OutboxKind.ANNOUNCEMENT: (
        "This announcement says what somebody changed for everybody: the mode, a stop, or an action that was run with "
        "break-glass. It stays as it was posted, and decides nothing.\n"
        "`/operator status` shows how things stand now, and `/operator reviews` what is still to be looked at."
    ),
    OutboxKind.DIGEST: (
        "This digest sums up what happened until it was posted: faults, actions, who decided, what is still open. It "
        "stays as it was posted, and decides nothing.\n"
        "`/operator digest` shows the same for the last 24 hours. Its checkpoint line is kept outside the database: "
        "`operator audit verify` finds with it whether the audit log was edited."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisStory:
    """All that the explanation of a diagnosis is drawn from."""

    diagnosis: Diagnosis
    ticket: Ticket | None
    """The violation that it was made for; None if it came from outside."""
    proposed: tuple[HomeItem, ...]
    """What was proposed for it, then or since, oldest first."""
    now: datetime


def not_ours() -> View:
    """Say what this app's messages look like."""
    return answer_modal(notice(_NOT_OURS), title=_TITLE)


def of_kind(kind: OutboxKind) -> View:
    """Say what an announcement or a digest is."""
    return answer_modal(notice(_KINDS.get(kind, _NOT_OURS)), title=_TITLE)


def of_diagnosis(story: DiagnosisStory) -> View:
    """Draw the diagnosis, whether the fault still holds, what was proposed and what became of it."""
    return {
        "type": "modal",
        "title": blocks.plain(cut(f"Diagnosis {story.diagnosis.id}", 24)),
        "close": blocks.plain("Close"),
        "blocks": fitted_blocks(lambda room: _story(story, room), VIEW_ROOMS, most=_VIEW_BYTES),
    }


def _story(story: DiagnosisStory, room: Room) -> list[Block]:
    advice = story.diagnosis.output.recommended_action
    return [
        sections.diagnosis(story.diagnosis, room, story.now),
        blocks.rich_text(sections.labelled("Recommended", sections.prose(advice, room))),
        blocks.divider(),
        blocks.rich_text(*_fault(story.ticket), *_proposed(story, room), *_refused(story.ticket, room)),
    ]


def _fault(ticket: Ticket | None) -> list[Block]:
    if ticket is None:
        said = "not known here: the diagnosis was handed in from outside"
    elif ticket.status is TicketStatus.OPEN:
        said = f"still there; last seen at {moment(ticket.last_seen_at)}"
    else:
        gone = moment(ticket.resolved_at) if ticket.resolved_at else "the last look"
        said = f"gone since {gone}"
    return [sections.labelled("The fault", blocks.text(said))]


def _proposed(story: DiagnosisStory, room: Room) -> list[Block]:
    if not story.proposed:
        why = "nothing; the message itself says why, and what to do"
        return [sections.labelled("Proposed for it", blocks.text(why))]
    shown = [row(item.proposal, None, item.link) for item in story.proposed[-room.items :]]
    return [sections.labelled("Proposed for it"), blocks.bullets(shown)]


def _refused(ticket: Ticket | None, room: Room) -> list[Block]:
    if ticket is None or not ticket.refused:
        return []
    return [sections.labelled("What people did not want"), sections.listed(ticket.refused, room, _refusal)]


def _refusal(one: Refused) -> str:
    words = {code.value: label for code, label in IN_WORDS.items() if code is not RefusalCode.OTHER}
    why = ". ".join(part for part in (words.get(one.code, ""), line(one.reason, 200) if one.reason else "") if part)
    return f"{exact(one.by, 50)}, {exact(one.action_name, 80)}: {why or 'no reason given'}"
