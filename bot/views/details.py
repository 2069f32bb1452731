"""Everything about one proposal, in a modal: what a card has no room for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from actions.diagnosis.models import Alternative, DiagnosisOutput
from actions.models import ActionProposal, AuditEvent
from actions.ports import Dossier
from bot.ids import Modal
from bot.payloads import ProposalRef
from bot.views import blocks, sections, succession
from bot.views.audit_lines import audit_line
from bot.views.blocks import Block, View
from bot.views.card_view import FollowUps
from bot.views.headline import headline
from bot.views.parameters import whole
from bot.views.plain import cut, line
from bot.views.room import VIEW_ROOMS, Room, fitted_blocks

MOST_EVENTS: Final = 50
_VIEW_BYTES: Final = 180_000
"""Slack refuses views beyond 250,000 characters of JSON."""
_PART: Final = 2_800
_PARAMETERS: Final = 5
"""How many times the room of a passage the parameters get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsView:
    """All that the modal is drawn from."""

    dossier: Dossier
    title: str
    """What the action does, in the one line of its definition."""
    undo_hint: str | None
    now: datetime
    follow_ups: FollowUps = field(default_factory=FollowUps)


def details(view: DetailsView) -> View:
    """Draw the modal. It decides nothing, and neither does closing it."""
    proposal = view.dossier.proposal
    shown = fitted_blocks(
        lambda room: _content(view, room),
        VIEW_ROOMS,
        most=_VIEW_BYTES,
        rest=f"… (cut; operator actions show {proposal.id})",
    )
    return {
        "type": "modal",
        "callback_id": Modal.DETAILS.value,
        "private_metadata": ProposalRef(p=proposal.id).compact(),
        "title": blocks.plain(cut(f"Action {proposal.id}", 24)),
        "close": blocks.plain("Close"),
        "blocks": shown,
    }


def _content(view: DetailsView, room: Room) -> list[Block]:
    dossier = view.dossier
    proposal, found = dossier.proposal, dossier.diagnosis
    stands = headline(dossier, view.now)
    return [
        blocks.header(f"Action {proposal.id}: {stands.state}"),
        blocks.rich_text(
            blocks.section(blocks.text(stands.meaning)),
            *sections.outcome(dossier, room),
            *sections.glass(dossier, room),
            *succession.outcome_of(view.follow_ups),
            *succession.origin(dossier, room),
        ),
        blocks.rich_text(*_decided(dossier, room)),
        blocks.divider(),
        sections.action(proposal, view.title),
        whole(proposal.parameters, most=_PARAMETERS * room.passage),
        blocks.rich_text(*sections.impact(proposal, room), *sections.reasons(proposal, view.undo_hint, room)),
        *(
            [blocks.divider(), sections.diagnosis(found, room, view.now), *_diagnosis(found.output, room)]
            if found
            else []
        ),
        blocks.divider(),
        *_audit(dossier.audit, proposal, room),
    ]


def _decided(dossier: Dossier, room: Room) -> list[Block]:
    given = sections.approvals(dossier, room)
    return given or [blocks.section(blocks.text("Nobody has approved it."))]


def _diagnosis(output: DiagnosisOutput, room: Room) -> Iterator[Block]:
    yield _told("In full", output.primary_diagnosis, room)
    yield _told("Timeline", output.timeline, room)
    yield from _items("Affected", output.affected_components, room)
    readings = tuple(f"{name}: {value}" for name, value in output.metric_readings.items())
    yield from _items("Readings", readings, room)
    for number, one in enumerate(output.alternatives_considered[: room.items], start=1):
        yield _alternative(number, one, room)
    yield _told("Recommended by the diagnoser", output.recommended_action, room)
    yield from _items("Commands it suggests, which this bot never runs", output.action_commands, room)
    yield from _items("Risks it names", output.risks, room)


def _told(label: str, text: str, room: Room) -> Block:
    said = sections.prose(text, room)["text"]
    parts = [said[start : start + _PART] for start in range(0, len(said), _PART)]
    return blocks.rich_text(sections.labelled(label), *(blocks.section(blocks.text(part)) for part in parts))


def _items(label: str, items: tuple[str, ...], room: Room) -> list[Block]:
    return [blocks.rich_text(sections.labelled(label), sections.listed(items, room))] if items else []


def _alternative(number: int, one: Alternative, room: Room) -> Block:
    return blocks.rich_text(
        sections.labelled(f"Alternative {number}", blocks.text(line(one.hypothesis, room.line, rest=room.rest))),
        blocks.bullets(
            [
                [blocks.text("for it: "), blocks.text(line(one.supporting, room.line, rest=room.rest))],
                [blocks.text("against it: "), blocks.text(line(one.contradicting, room.line, rest=room.rest))],
                [blocks.text("conclusion: "), blocks.text(line(one.conclusion, room.line, rest=room.rest))],
            ]
        ),
    )


def _audit(events: tuple[AuditEvent, ...], proposal: ActionProposal, room: Room) -> list[Block]:
    last = events[-MOST_EVENTS:]
    earlier = len(events) - len(last)
    label = f"Audit trail, the last {len(last)} lines; {earlier} earlier" if earlier else "Audit trail"
    if not last:
        return [blocks.rich_text(sections.labelled(label, blocks.text(f"no line about action {proposal.id} was read")))]
    return [
        blocks.rich_text(
            sections.labelled(label),
            blocks.bullets([[blocks.text(audit_line(event, room))] for event in last]),
        )
    ]
