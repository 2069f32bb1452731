"""The modal in which a second person closes the review of a break-glass run."""

from actions.models import Review
from actions.ports import Dossier
from bot.ids import Field, Modal
from bot.payloads import ProposalRef
from bot.views import blocks, sections
from bot.views.blocks import Block, View
from bot.views.form import every_parameter, form, words
from bot.views.people import person
from bot.views.room import Room
from bot.views.times import moment


def review_modal(dossier: Dossier, review: Review) -> View:
    """Draw who ran what, when, why and how it ended, and ask for a comment; closing the modal leaves it open."""
    return form(
        Modal.REVIEW,
        ProposalRef(p=review.proposal_id),
        lambda room: [
            _broken(review, room),
            blocks.rich_text(*sections.named(dossier.proposal)),
            every_parameter(dossier.proposal),
            *_ended(dossier, room),
            words(
                Field.COMMENT,
                "What did you find?",
                hint="Was it right, and what should change? It stands in the audit log beside your name.",
                multiline=True,
            ),
        ],
        title=f"Review of action {review.proposal_id}",
        submit="Close the review",
    )


def _broken(review: Review, room: Room) -> Block:
    return blocks.rich_text(
        sections.labelled(
            "Run with break-glass by", person(review.opened_by), blocks.text(f" at {moment(review.opened_at)}")
        ),
        sections.labelled("Why", sections.prose(review.reason, room)),
    )


def _ended(dossier: Dossier, room: Room) -> list[Block]:
    outcome = sections.outcome(dossier, room)
    return [blocks.rich_text(*outcome)] if outcome else []
