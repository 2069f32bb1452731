"""The parts of modals that people fill in."""

from collections.abc import Sequence
from typing import Final

from actions.models import ActionProposal
from bot.ids import Field, Modal
from bot.payloads import ConfirmRef, ProposalRef, ScopeRef, StopRef
from bot.views import blocks
from bot.views.blocks import Block, View
from bot.views.parameters import whole
from bot.views.plain import cut
from bot.views.room import VIEW_ROOMS, Render, fitted_blocks

MOST_WORDS: Final = 500
"""Characters of a reason or comment."""
MOST_TYPED: Final = 3_000
"""Characters that Slack takes in one input."""
VIEW_BYTES: Final = 180_000
"""Slack refuses views beyond 250,000 characters of JSON."""
MOST_PARAMETERS: Final = 60_000
"""Characters that the parameters of an action can take at most, written as they are stored: 16 KiB, spelled out."""
FEW: Final = 5
"""Options that are all shown at once; more are a menu."""


def form(
    modal: Modal,
    about: ProposalRef | ConfirmRef | ScopeRef | StopRef,
    render: Render,
    *,
    title: str,
    submit: str,
    close: str = "Back",
) -> View:
    """A modal to fill in, in the largest room that fits: *title* is cut to 24 characters, *submit* and *close* fit."""
    return {
        "type": "modal",
        "callback_id": modal.value,
        "private_metadata": about.compact(),
        "title": blocks.plain(cut(title, 24)),
        "submit": blocks.plain(submit),
        "close": blocks.plain(close),
        "blocks": fitted_blocks(render, VIEW_ROOMS, most=VIEW_BYTES),
    }


def question(block_id: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    """An input: label and hint have at most 2,000 characters."""
    made = {
        "type": "input",
        "block_id": block_id,
        "label": blocks.plain(label),
        "optional": optional,
        "element": element,
    }
    return made | ({"hint": blocks.plain(hint)} if hint else {})


def typed(
    action_id: str, *, most: int = MOST_TYPED, least: int = 0, multiline: bool = False, initial: str | None = None
) -> Block:
    """A field for text of at most 3,000 characters."""
    made = {
        "type": "plain_text_input",
        "action_id": action_id,
        "multiline": multiline,
        "min_length": least,
        "max_length": most,
    }
    return made | ({"initial_value": initial} if initial else {})


def words(field: Field, label: str, *, optional: bool = False, hint: str = "", multiline: bool = False) -> Block:
    """An input for a reason or a comment."""
    element = typed(field.value, most=MOST_WORDS, multiline=multiline)
    return question(field.value, label, element, optional=optional, hint=hint)


def option(label: str, value: str) -> Block:
    """One of several answers: the label has at most 75 characters, the value 150."""
    return {"text": blocks.plain(label), "value": value}


def one_of(action_id: str, options: Sequence[Block], *, initial: Block | None = None) -> Block:
    """A choice among 1 to 100 options."""
    made = {
        "type": "radio_buttons" if len(options) <= FEW else "static_select",
        "action_id": action_id,
        "options": list(options),
    }
    return made | ({"initial_option": initial} if initial else {})


def every_parameter(proposal: ActionProposal) -> Block:
    """All parameters, to be read."""
    return whole(proposal.parameters, most=MOST_PARAMETERS)


def said(value: str) -> Block:
    """A paragraph of our own words."""
    return blocks.rich_text(blocks.section(blocks.text(value)))
