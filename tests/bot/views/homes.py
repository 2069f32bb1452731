"""App Homes to draw."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from actions.models import ActionProposal, ActionStatus, Review
from bot.views.home import HomeView
from bot.views.reviews import ReviewItem
from tests.bot.views.samples import NOW, a_proposal

EMPTY: Final = HomeView(
    controls=(),
    waiting=(),
    running=(),
    unknown=(),
    may_settle=frozenset(),
    reviews=(),
    recent=(),
    stoppable=("*",),
    now=NOW,
)


def a_home(**changes: Any) -> HomeView:
    return replace(EMPTY, **changes)


def a_review(proposal: ActionProposal | None = None, *, closable: bool = True, **changes: Any) -> ReviewItem:
    proposal = proposal or a_proposal(status=ActionStatus.COMPLETED)
    review = Review(
        proposal_id=proposal.id,
        opened_at=NOW - timedelta(minutes=5),
        opened_by="slack:T1/UANN",
        person="ann",
        reason="Writes fail, and Bo sleeps.",
    )
    return ReviewItem(review=replace(review, **changes), proposal=proposal, link=None, closable=closable)
