"""`operator reviews list` and `close`: what breaking the glass leaves to be looked at."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from actions.canonical import Json
from actions.models import ActionProposal, Review
from actions.ports import Reader
from bot.action_json import review_json
from bot.cli.caller import caller
from bot.cli.output import clean, literal, note, print_json, print_table, say
from bot.reach import reading
from bot.settings import load
from bot.system import SystemClock
from bot.views.times import duration
from bot.wiring import opened

MOST: Final = 1_000
_HEADINGS: Final = ("ID", "OPENED", "AGE", "BY", "ACTION", "TARGET", "STATUS", "WHY")
_Found = Sequence[tuple[Review, ActionProposal]]


async def list_reviews(*, as_json: bool) -> int:
    """Print what is still to be looked at."""
    async with reading(load()) as store:
        found = await store.read(_open)
    if as_json:
        print_json([_json(review, proposal) for review, proposal in found])
    elif found:
        _print(found, SystemClock().now())
    else:
        note("no review is open")
    return 0


async def close(proposal_id: int, *, comment: str, as_json: bool) -> int:
    """Close one, with what was found."""
    async with opened(load()) as parts:
        review = await parts.executor.close_review(proposal_id, by=caller(os.environ), comment=comment)
    if as_json:
        print_json({"id": proposal_id, **review_json(review)})
    else:
        say(f"The review of action {proposal_id} is closed. Your comment stands in the audit log beside your name.")
    return 0


def _open(reader: Reader) -> _Found:
    reviews = reader.open_reviews(MOST)
    return [(one, proposal) for one in reviews if (proposal := reader.proposal(one.proposal_id)) is not None]


def _print(found: _Found, now: datetime) -> None:
    print_table(_HEADINGS, [_row(review, proposal, now) for review, proposal in found])
    note("look at one with operator actions show ID; somebody else than who broke the glass closes it")


def _row(review: Review, proposal: ActionProposal, now: datetime) -> tuple[str, ...]:
    return (
        str(proposal.id),
        f"{review.opened_at:%Y-%m-%d %H:%M:%S}Z",
        duration((now - review.opened_at).total_seconds()),
        literal(review.person),
        literal(proposal.action_name),
        literal(proposal.target),
        proposal.status.value,
        clean(review.reason),
    )


def _json(review: Review, proposal: ActionProposal) -> dict[str, Json]:
    return {
        "id": proposal.id,
        "action_name": proposal.action_name,
        "subject": proposal.subject,
        "target": proposal.target,
        "status": proposal.status.value,
        **review_json(review),
    }
