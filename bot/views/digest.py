"""The message posted on schedule: what is open, what was done, and a witness for the audit log."""

from dataclasses import dataclass
from datetime import datetime

from actions.diagnosis.models import Ticket
from actions.models import ActionProposal, AuditEvent, Checkpoint
from actions.ports import OutboxKind
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.message import Message
from bot.views.plain import exact
from bot.views.room import Room, fitted
from bot.views.rows import rows
from bot.views.times import age, duration, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many there are, and the newest of them."""

    count: int = 0
    newest: tuple[ActionProposal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestData:
    """All that a digest is drawn from."""

    ref: str
    """The fire time, as the outbox names it."""
    since: datetime
    until: datetime
    checkpoint: Checkpoint
    """The audit log as it was read; the channel keeps this line as a witness."""
    open_tickets: tuple[Ticket, ...] = ()
    pending: Tally = Tally()
    unknown: Tally = Tally()
    done: Tally = Tally()
    failed: Tally = Tally()
    mode_changes: tuple[AuditEvent, ...] = ()
    """Lines `mode_change` and `kill_switch` of the audit log."""
    approvals: int = 0
    median_decision_seconds: float | None = None
    """From the card to the last approval; None if nothing was approved."""
    late: bool = False
    """It was due while no bot ran, and is posted now."""


def digest(data: DigestData) -> Message:
    """Draw the digest: first what needs somebody, then what was done."""
    return fitted(lambda room: _content(data, room), kind=OutboxKind.DIGEST, ref=data.ref)


def _content(data: DigestData, room: Room) -> list[Block]:
    return [
        blocks.header(f"Digest until {moment(data.until)}{', posted late' if data.late else ''}"),
        blocks.rich_text(
            blocks.section(blocks.text(f"Since {moment(data.since)}.")),
            *_tally("Outcome unknown, needs a look", data.unknown, room, data.until),
            *_tally("Waiting for a decision or to run", data.pending, room, data.until),
            *_tickets(data, room),
        ),
        blocks.rich_text(
            *_tally("Done", data.done, room),
            *_tally("Failed", data.failed, room),
            *_modes(data.mode_changes, room),
            sections.labelled("Approvals", blocks.text(_decisions(data))),
        ),
        blocks.rich_text(blocks.preformatted(data.checkpoint.line())),
    ]


def _tally(label: str, tally: Tally, room: Room, now: datetime | None = None) -> list[Block]:
    if not tally.newest:
        return [sections.labelled(label, blocks.text(str(tally.count) if tally.count else "none"))]
    return [
        sections.labelled(label, blocks.text(str(tally.count))),
        rows(tally.newest, tally.count, most=room.items, now=now),
    ]


def _tickets(data: DigestData, room: Room) -> list[Block]:
    if not data.open_tickets:
        return [sections.labelled("Faults that still hold", blocks.text("none"))]
    return [
        sections.labelled("Faults that still hold", blocks.text(str(len(data.open_tickets)))),
        sections.listed(data.open_tickets, room, lambda ticket: _ticket(ticket, data.until)),
    ]


def _ticket(ticket: Ticket, now: datetime) -> str:
    flapping = " · comes and goes" if ticket.flapping else ""
    where = sections.place(ticket.subject, ticket.target)
    return f"{where} · {exact(ticket.rule, 80)} · {age(ticket.opened_at, now)}{flapping}"


def _modes(changes: tuple[AuditEvent, ...], room: Room) -> list[Block]:
    if not changes:
        return [sections.labelled("Changes of mode", blocks.text("none"))]
    return [
        sections.labelled("Changes of mode", blocks.text(str(len(changes)))),
        sections.listed(changes, room, _mode),
    ]


def _mode(change: AuditEvent) -> str:
    kill = "kill switch, " if change.event == "kill_switch" else ""
    mode, scope = str(change.data.get("mode", "observe")), str(change.data.get("scope", "*"))
    why = str(change.data.get("reason") or "no reason given")
    return f"{moment(change.at)} · {kill}{exact(mode, 20)} · {exact(scope, 80)} · {exact(change.actor, 80)} · {why}"


def _decisions(data: DigestData) -> str:
    if data.median_decision_seconds is None:
        return str(data.approvals)
    return f"{data.approvals} · median time to decide: {duration(data.median_decision_seconds)}"
