"""What the channel is told when the mode changes, the kill switch is thrown, or somebody wants a stop lifted."""

from dataclasses import dataclass
from typing import Final

from actions.lifting import LIFT_REQUESTED
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
_SEVERAL: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementView:
    """All that the announcement is drawn from."""

    event: AuditEvent
    """`kill_switch`, `mode_change` or `lift_requested`, with scope, mode and reason in its data."""
    explanation: AuditEvent | None = None
    """The line in which somebody gave the reason afterwards."""
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


def how_to_resume(scope: str) -> Block:
    """A paragraph on how to leave observe mode."""
    return blocks.section(
        blocks.text("To go on: "),
        execute_command(scope),
        blocks.text(". What is still wrong is then observed anew and proposed anew."),
    )


def execute_command(scope: str) -> Block:
    """What to type to switch back."""
    return blocks.text(f"/operator mode execute {_option(scope)}<reason>", code=True)


def nothing_new(scope: str) -> str:
    """Say what does not run any more, and what goes on."""
    if scope == EVERYTHING:
        return "Nothing new runs."
    return f"Nothing new runs on {exact(scope, 80)}; other subjects go on."


def people_missing(count: int) -> str:
    """Say how many more have to ask, and how soon."""
    return f"{count} more {'person has' if count == 1 else 'people have'} to ask for it within 10 minutes"


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
    return [
        blocks.header(_said(event)),
        blocks.rich_text(
            sections.labelled("By", person(event.actor), blocks.text(f" at {moment(event.at)}")),
            sections.labelled("Why", *_why(view, room)),
            *_what_follows(view, room),
        ),
    ]


def _why(view: AnnouncementView, room: Room) -> list[Block]:
    reason = str(view.event.data.get("reason") or "").strip()
    if reason:
        return [sections.prose(reason, room)]
    if view.explanation is None:
        return [blocks.text("no reason was given yet")]
    afterwards = str(view.explanation.data.get("reason") or "")
    return [sections.prose(afterwards, room), blocks.text(" (said afterwards by "), person(view.explanation.actor),
            blocks.text(")")]  # fmt: skip


def _what_follows(view: AnnouncementView, room: Room) -> list[Block]:
    event = view.event
    if event.event == LIFT_REQUESTED:
        return [_wanted(event)]
    if event.event == KILL or event.data.get("mode") != SafetyMode.EXECUTE.value:
        return _stopped(view, room)
    return [*_together(event), _started(_scope(event))]


def _said(event: AuditEvent) -> str:
    scope = where(_scope(event))
    if event.event == KILL:
        return f"Kill switch thrown {scope}"
    if event.event == LIFT_REQUESTED:
        return f"Wanted: mode execute {scope}"
    return f"Mode {exact(str(event.data.get('mode', SafetyMode.OBSERVE.value)), 20)} {scope}"


def _stopped(view: AnnouncementView, room: Room) -> list[Block]:
    scope = _scope(view.event)
    counted = "Everything that was pending is cancelled." if view.cancelled is None else cancelled_count(view.cancelled)
    return [
        blocks.section(blocks.text(f"{nothing_new(scope)} {counted}")),
        *under_way(view.in_flight, room),
        how_to_resume(scope),
    ]


def _started(scope: str) -> Block:
    return blocks.section(
        blocks.text("Actions can be proposed, approved and run again. What is still wrong is observed anew. To stop: "),
        blocks.text(f"/operator kill-switch {_option(scope)}".strip(), code=True),
    )


def _wanted(event: AuditEvent) -> Block:
    people, need = _people(event), event.data.get("need")
    missing = need - len(people) if isinstance(need, int) else 1
    return blocks.section(
        blocks.text("Nothing was switched yet. ", bold=True),
        blocks.text(f"{people_missing(missing)}: "),
        execute_command(_scope(event)),
    )


def _together(event: AuditEvent) -> list[Block]:
    people = _people(event)
    if len(people) < _SEVERAL:
        return []
    return [sections.labelled("Wanted by", blocks.text(", ".join(exact(name, 80) for name in people)))]


def _people(event: AuditEvent) -> list[str]:
    people = event.data.get("people")
    return [str(name) for name in people] if isinstance(people, list | tuple) else []


def _scope(event: AuditEvent) -> str:
    return str(event.data.get("scope", EVERYTHING))


def _option(scope: str) -> str:
    return "" if scope == EVERYTHING else f"--subject {exact(scope, 80)} "
