"""The modal in which an approval of high risk is confirmed."""

from bot.ids import Modal
from bot.payloads import ConfirmRef
from bot.views import blocks, sections
from bot.views.blocks import Block, View
from bot.views.card_view import CardView, effect
from bot.views.form import every_parameter, form
from bot.views.room import Room
from bot.views.target_input import target_input


def confirm_modal(view: CardView, ref: ConfirmRef) -> View:
    """Draw what would run and ask for the target's name; closing it approves nothing."""
    return form(
        Modal.CONFIRM,
        ref,
        lambda room: [_risk(view), *what_would_run(view, room), target_input(view.dossier.proposal.target)],
        title=f"Approve action {view.dossier.proposal.id}",
        submit="Approve",
    )


def what_would_run(view: CardView, room: Room) -> list[Block]:
    """The action, every parameter, and the computed impact."""
    proposal = view.dossier.proposal
    return [
        sections.action(proposal, view.title),
        every_parameter(proposal),
        blocks.rich_text(*sections.impact(proposal, room)),
    ]


def _risk(view: CardView) -> Block:
    risk = view.dossier.proposal.risk.value
    return blocks.rich_text(sections.labelled("Risk", blocks.text(f"{risk}. {effect(view)}")))
