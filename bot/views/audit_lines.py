"""One line of the audit log, as people read it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from actions.canonical import Json
from actions.models import AuditEvent
from actions.reminder_schedule import SNOOZED
from bot.views import sections
from bot.views.parameters import spelled
from bot.views.plain import cut, exact, line
from bot.views.room import Room
from bot.views.times import moment

_BOOKKEEPING: Final = frozenset({"status", "version", "row", "record", "review"})
"""What the log keeps for its own verification."""


def audit_line(event: AuditEvent, room: Room) -> str:
    """Return when, what, who by which way, where in the log, and what else was written down."""
    more = _more(event, room)
    by = f"{exact(event.actor, 80)} ({event.via.value})"
    said = f"{moment(event.at)} · {exact(event.event, 40)} · {by} · line {event.seq}"
    return f"{said} · {more}" if more else said


def _more(event: AuditEvent, room: Room) -> str:
    in_words = _IN_WORDS.get(event.event)
    if in_words is not None:
        return line(in_words(event), room.line, rest=room.rest)
    if "superseded_by" in event.data:
        return f"action {exact(str(event.data['superseded_by']), 20)} took its place"
    said = {name: value for name, value in event.data.items() if name not in _BOOKKEEPING}
    return cut(spelled(said), room.line, rest=room.rest) if said else ""


def _text(data: Mapping[str, Json], name: str) -> str:
    return str(data.get(name, "")).strip()


def _broken(event: AuditEvent) -> str:
    return f"run past everybody else, because: {_text(event.data, 'break_glass')}"


def _reviewed(event: AuditEvent) -> str:
    return f"the review is closed: {_text(event.data, 'comment')}"


def _explained(event: AuditEvent) -> str:
    return sections.explained(event) or "without a reason"


def _snoozed(event: AuditEvent) -> str:
    return f"no reminder before {moment(datetime.fromisoformat(_text(event.data, 'until')))}"


def _limited(event: AuditEvent) -> str:
    return f"held back: {_text(event.data, 'why')}"


def _lift_requested(event: AuditEvent) -> str:
    people = event.data.get("people", ())
    given = len(people) if isinstance(people, list | tuple) else 0
    why = _text(event.data, "reason") or "no reason was given"
    return f"wants the stop of {_text(event.data, 'scope')} lifted, {given} of {_text(event.data, 'need')}: {why}"


_IN_WORDS: Final[Mapping[str, Callable[[AuditEvent], str]]] = {
    "break_glass": _broken,
    "reviewed": _reviewed,
    "explained": _explained,
    SNOOZED: _snoozed,
    "limited": _limited,
    "lift_requested": _lift_requested,
}
"""Events whose data reads better as a sentence; of all others it is shown as it is."""
