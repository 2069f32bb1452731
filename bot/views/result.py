"""The reply in a card's thread that says what came of it."""

from datetime import datetime

from actions.ports import Dossier, OutboxKind
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.card import whole_in
from bot.views.headline import headline
from bot.views.message import Message
from bot.views.room import Room, fitted


def result(dossier: Dossier, now: datetime) -> Message:
    """Draw how the attempt ended, or that its outcome is unknown."""
    proposal = dossier.proposal
    return fitted(
        lambda room: _content(dossier, now, room),
        rest=whole_in(proposal),
        kind=OutboxKind.RESULT,
        ref=str(proposal.id),
    )


def _content(dossier: Dossier, now: datetime, room: Room) -> list[Block]:
    proposal = dossier.proposal
    stands = headline(dossier, now)
    return [
        blocks.rich_text(
            blocks.section(
                blocks.text(f"Action {proposal.id}: {stands.state}. ", bold=True), blocks.text(stands.meaning)
            ),
            *sections.named(proposal),
            *sections.outcome(dossier, room),
            *sections.glass(dossier, room),
            *sections.approvals(dossier, room),
        )
    ]
