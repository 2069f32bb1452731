"""The reviews that break-glass left open, each with the button with which a second person closes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actions.lifecycle import TERMINAL
from actions.models import ActionProposal, Review
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.card_buttons import review_button
from bot.views.form import said
from bot.views.message import Message
from bot.views.people import person
from bot.views.plain import line
from bot.views.room import fitted
from bot.views.rows import row
from bot.views.times import moment

NONE_OPEN: Final = "No review is open: nobody broke the glass, or somebody has looked at it since."
_WHY: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """An open review, and the address of the action's card if that was posted."""

    review: Review
    proposal: ActionProposal
    link: str | None
    closable: bool
    """Whether the reader may close it: not who broke the glass."""


def reviews_answer(items: Sequence[ReviewItem]) -> Message:
    """Draw the oldest open reviews, as many as fit."""
    return fitted(
        lambda room: (
            [block for item in items[: room.items] for block in review(item)] + _more(len(items) - room.items)
            or [said(NONE_OPEN)]
        )
    )


def review(item: ReviewItem) -> list[Block]:
    """Draw one, in at most two blocks."""
    broken, why_not = item.review, _why_not(item)
    about = blocks.rich_text(
        blocks.section(*row(item.proposal, None, item.link)),
        sections.labelled(
            "Run with break-glass by", person(broken.opened_by), blocks.text(f" at {moment(broken.opened_at)}")
        ),
        sections.labelled("Why", blocks.text(line(broken.reason, _WHY))),
        *([blocks.section(blocks.text(why_not))] if why_not else []),
    )
    return [about, *([] if why_not else [blocks.actions(review_button(broken.proposal_id))])]


def _why_not(item: ReviewItem) -> str:
    if not item.closable:
        return "Someone else has to close this review."
    return "" if item.proposal.status in TERMINAL else "It can be closed once the action has ended."


def _more(count: int) -> list[Block]:
    return [said(f"And {count} more, once these are closed.")] if count > 0 else []
