"""One proposal in one line, for lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from actions.models import ActionProposal
from bot.views import blocks
from bot.views.blocks import Block
from bot.views.headline import short
from bot.views.plain import exact
from bot.views.sections import place
from bot.views.times import age

_NAME: Final = 60


def row(proposal: ActionProposal, now: datetime | None = None, link: str | None = None) -> list[Block]:
    """Return number, state, action, place and age, and a link to the card where *link* is one of ours."""
    elements = [
        blocks.text(f"{proposal.id} {short(proposal)}", bold=True),
        blocks.text(" · "),
        blocks.text(exact(proposal.action_name, _NAME), code=True),
        blocks.text(f" on {place(proposal.subject, proposal.target, _NAME)}"),
    ]
    if now:
        elements.append(blocks.text(f" · {age(proposal.proposed_at, now)}"))
    return [*elements, blocks.text(" · "), blocks.link(link, "open the card")] if link else elements


def rows(proposals: Sequence[ActionProposal], total: int, *, most: int, now: datetime | None = None) -> Block:
    """Return bullets for at least one proposal, at most *most*, and how many of *total* are not shown."""
    shown = [row(proposal, now) for proposal in proposals[:most]]
    more = total - len(shown)
    return blocks.bullets([*shown, *([[blocks.text(f"and {more} more: /operator list")]] if more > 0 else [])])
