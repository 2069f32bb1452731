"""The modal in which one person runs an action past everybody else."""

from typing import Final

from bot.ids import Field, Modal
from bot.payloads import ConfirmRef
from bot.views import blocks
from bot.views.blocks import Block, View
from bot.views.card_view import CardView
from bot.views.confirm_modal import what_would_run
from bot.views.form import form, words
from bot.views.target_input import target_input

_MEANING: Final = (
    "It runs now, on your word alone: nobody else has to approve it.",
    "It runs through a freeze and outside a maintenance window.",
    "Everybody in the channel is told that it was you, and why.",
    "A review stays open until a second person closes it.",
    "It does not pass the kill switch, and not observe mode.",
)


def break_glass_modal(view: CardView, ref: ConfirmRef) -> View:
    """Draw what it means and what would run, and ask for the target's name and the reason; closing it runs nothing."""
    proposal = view.dossier.proposal
    return form(
        Modal.BREAK_GLASS,
        ref,
        lambda room: [
            _meaning(),
            *what_would_run(view, room),
            target_input(proposal.target),
            words(Field.REASON, "Why can it not wait for a second person?", hint="Everybody in the channel reads it."),
        ],
        title=f"Break glass: action {proposal.id}",
        submit="Run it now",
    )


def _meaning() -> Block:
    return blocks.rich_text(
        blocks.section(blocks.text("Break-glass is for when waiting does more harm than deciding alone.", bold=True)),
        blocks.bullets([blocks.text(line)] for line in _MEANING),
    )
