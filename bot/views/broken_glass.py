"""What the channel is told when one person runs something past quorum and freeze."""

from dataclasses import dataclass

from actions.models import ActionProposal, AuditEvent
from actions.ports import OutboxKind
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.message import Message
from bot.views.parameters import render_parameters
from bot.views.people import person
from bot.views.room import Room, fitted
from bot.views.times import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenGlassView:
    """All that the message is drawn from."""

    event: AuditEvent
    """The line `break_glass` of the audit log."""
    proposal: ActionProposal
    link: str | None = None
    """The address of its card."""


def broken_glass(view: BrokenGlassView) -> Message:
    """Draw who ran what and why, and that a second person has to look at it."""
    return fitted(
        lambda room: _content(view, room),
        kind=OutboxKind.ANNOUNCEMENT,
        ref=str(view.event.seq),
        rest=f"… (cut; /operator show {view.proposal.id})",
    )


def _content(view: BrokenGlassView, room: Room) -> list[Block]:
    event, proposal = view.event, view.proposal
    reason = str(event.data.get("break_glass") or "")
    card = [blocks.text(". "), blocks.link(view.link, "Its card")] if view.link else []
    return [
        blocks.header(f"The glass was broken for action {proposal.id}"),
        blocks.rich_text(
            sections.labelled("By", person(event.actor), blocks.text(f" at {moment(event.at)}")),
            sections.labelled("Why", sections.prose(reason, room)),
            *sections.named(proposal),
        ),
        *render_parameters(proposal.parameters),
        blocks.rich_text(
            blocks.section(
                blocks.text(
                    "It runs at once, with the word of one person: other approvals, windows and freezes do not hold it "
                    f"back. Risk: {proposal.risk.value}."
                )
            ),
            blocks.section(blocks.text("To stop: "), blocks.text("/operator kill-switch", code=True)),
            blocks.section(
                blocks.text("Somebody else has to look at it and close the review: App Home, or "),
                blocks.text(f"operator reviews close {proposal.id} --comment …", code=True),
                *card,
            ),
        ),
    ]
