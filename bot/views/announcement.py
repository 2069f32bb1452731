"""What the channel is told when the mode changes or the kill switch is thrown."""

from dataclasses import dataclass
from typing import Final

from actions.models import EVERYTHING, ActionProposal, AuditEvent, SafetyMode
from actions.ports import OutboxKind
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.message import Message
from bot.views.people import person
from bot.views.plain import exact
from bot.views.room import Room, fitted
from bot.views.rows import rows
from bot.views.times import moment

KILL: Final = "kill_switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementView:
    """All that the announcement is drawn from."""

    event: AuditEvent
    """The line of the audit log, `kill_switch` or `mode_change`, with scope, mode and reason in its data."""
    in_flight: tuple[ActionProposal, ...] = ()
    """What was running or of unknown outcome when it happened."""
    cancelled: int | None = None
    """How many pending actions it cancelled; None while that is not counted yet."""


def announcement(view: AnnouncementView) -> Message:
    """Draw who changed what and why, what was cancelled, and what may still be under way."""
    return fitted(lambda room: _content(view, room), kind=OutboxKind.ANNOUNCEMENT, ref=str(view.event.seq))


def where(scope: str) -> str:
    """Return `for everything`, or for which subject."""
    return "for everything" if scope == EVERYTHING else f"for {exact(scope, 80)}"


def how_to_resume() -> Block:
    """A paragraph on how to leave observe mode."""
    return blocks.section(
        blocks.text("To go on: "),
        blocks.text("/operator mode execute <reason>", code=True),
        blocks.text(". What is still wrong is then observed anew and proposed anew."),
    )


def cancelled_count(count: int) -> str:
    """Return what became of what was pending."""
    return (
        "Nothing was pending." if count == 0 else f"{count} pending {'action' if count == 1 else 'actions'} cancelled."
    )


def under_way(in_flight: tuple[ActionProposal, ...], room: Room) -> list[Block]:
    """What had been sent before and may still take effect."""
    if not in_flight:
        return [blocks.section(blocks.text("Nothing was under way."))]
    return [
        sections.labelled("Sent before it, and may still take effect"),
        rows(in_flight, len(in_flight), most=2 * room.items),
    ]


def _content(view: AnnouncementView, room: Room) -> list[Block]:
    event = view.event
    stops = event.event == KILL or event.data.get("mode") != SafetyMode.EXECUTE.value
    reason = str(event.data.get("reason") or "").strip()
    why = sections.prose(reason, room) if reason else blocks.text("no reason was given")
    return [
        blocks.header(_said(event)),
        blocks.rich_text(
            sections.labelled("By", person(event.actor), blocks.text(f" at {moment(event.at)}")),
            sections.labelled("Why", why),
            *(_stopped(view, room) if stops else [_started()]),
        ),
    ]


def _said(event: AuditEvent) -> str:
    scope = where(str(event.data.get("scope", EVERYTHING)))
    if event.event == KILL:
        return f"Kill switch thrown {scope}"
    return f"Mode {exact(str(event.data.get('mode', SafetyMode.OBSERVE.value)), 20)} {scope}"


def _stopped(view: AnnouncementView, room: Room) -> list[Block]:
    counted = "Everything that was pending is cancelled." if view.cancelled is None else cancelled_count(view.cancelled)
    return [
        blocks.section(blocks.text(f"Nothing new runs. {counted}")),
        *under_way(view.in_flight, room),
        how_to_resume(),
    ]


def _started() -> Block:
    return blocks.section(
        blocks.text("Actions can be proposed, approved and run again. What is still wrong is observed anew. To stop: "),
        blocks.text("/operator kill-switch", code=True),
    )
