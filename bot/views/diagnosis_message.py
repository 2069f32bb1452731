"""What is wrong, without buttons: nothing may be proposed now, or there is nothing to propose."""

from dataclasses import dataclass
from datetime import datetime

from actions.diagnosis.models import ActionRecommendation, Diagnosis
from actions.models import ActionProposal
from actions.ports import OutboxKind
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.message import Message
from bot.views.parameters import spelled
from bot.views.plain import cut, exact
from bot.views.room import Room, fitted
from bot.views.rows import row


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterProposal:
    """What was proposed for the same fault since, and the address of its card if that was posted."""

    proposal: ActionProposal
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisView:
    """All that the message is drawn from."""

    diagnosis: Diagnosis
    now: datetime
    since: tuple[LaterProposal, ...] = ()
    refused: tuple[str, ...] = ()
    """Why recommendations were not proposed, one sentence each."""


def diagnosis_message(view: DiagnosisView) -> Message:
    """Draw the diagnosis, what it recommends, and how to get buttons, or where they are by now."""
    return fitted(lambda room: _content(view, room), kind=OutboxKind.DIAGNOSIS, ref=str(view.diagnosis.id))


def _content(view: DiagnosisView, room: Room) -> list[Block]:
    severity = view.diagnosis.output.severity.value
    return [
        blocks.header(f"{severity} · {_state(view)}"),
        sections.diagnosis(view.diagnosis, room, view.now),
        *_recommended(view, room),
        blocks.rich_text(*_next(view, room)),
    ]


def _state(view: DiagnosisView) -> str:
    if view.since:
        return "proposed since"
    if not view.diagnosis.output.recommended_actions:
        return "nothing to approve"
    return "observing only, nothing to approve" if view.diagnosis.observed_only else "not proposed"


def _recommended(view: DiagnosisView, room: Room) -> list[Block]:
    output = view.diagnosis.output
    advice = sections.labelled("Recommended", sections.prose(output.recommended_action, room))
    if not output.recommended_actions:
        return [blocks.rich_text(advice)]
    shown = [_recommendation(one, room) for one in output.recommended_actions[: room.items]]
    more = len(output.recommended_actions) - len(shown)
    rest = [[blocks.text(f"and {more} more")]] if more > 0 else []
    label = "Would have proposed" if view.diagnosis.observed_only else "Would propose"
    return [blocks.rich_text(advice, sections.labelled(label), blocks.bullets([*shown, *rest]))]


def _recommendation(one: ActionRecommendation, room: Room) -> list[Block]:
    # What is shown here cannot be approved, so a cut is harmless; a card shows every parameter or has no Approve.
    return [
        blocks.text(exact(one.action_name, 80), code=True),
        blocks.text(" with "),
        blocks.text(cut(spelled(one.parameters), room.line, rest=room.rest), code=True),
    ]


def _next(view: DiagnosisView, room: Room) -> list[Block]:
    if view.since:
        shown = [row(later.proposal, None, later.link) for later in view.since[: room.items]]
        numbers = ", ".join(str(later.proposal.id) for later in view.since[: room.items])
        return [sections.labelled(f"Proposed since as action {numbers}"), blocks.bullets(shown)]
    if view.refused:
        return [sections.labelled("Not proposed, because"), sections.listed(view.refused, room)]
    if view.diagnosis.observed_only and view.diagnosis.output.recommended_actions:
        return [
            blocks.section(
                blocks.text("The mode is observe, so nothing can be approved or run. To get buttons: "),
                blocks.text("/operator mode execute <reason>", code=True),
                blocks.text(". Then it is observed anew, and proposed if the fault is still there."),
            )
        ]
    if view.diagnosis.output.recommended_actions:
        return [blocks.section(blocks.text("Nothing could be proposed at that time; the audit log says why."))]
    return [blocks.section(blocks.text("There is nothing to approve here; a person has to look."))]
