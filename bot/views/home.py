"""The app's own tab: may anything be changed, what waits for this person, what runs, what ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from actions.models import EVERYTHING, ActionProposal, Control
from bot.ids import Button
from bot.payloads import ScopeRef
from bot.views import blocks
from bot.views.blocks import Block, View
from bot.views.card_buttons import details_button, resolve_button
from bot.views.command_answers import mode_lines
from bot.views.notice import notice
from bot.views.plain import exact
from bot.views.reviews import ReviewItem, review
from bot.views.rows import row
from bot.views.times import moment

MOST_BLOCKS: Final = 100
"""Slack refuses a view with more."""
_MOST: Final = 8
"""Items of a kind that are shown with buttons; two blocks each."""
_RECENT: Final = 10
_STOPPABLE: Final = 12
"""Buttons that stop, a block each."""
_LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeItem:
    """A proposal, and the address of its card if that was posted."""

    proposal: ActionProposal
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """All that one person's tab is drawn from."""

    controls: tuple[Control, ...]
    """The row for everything first, then one per subject."""
    waiting: tuple[HomeItem, ...]
    """What this person may decide."""
    running: tuple[HomeItem, ...]
    unknown: tuple[HomeItem, ...]
    may_settle: frozenset[int]
    """Of which of those this person may say what became."""
    reviews: tuple[ReviewItem, ...]
    recent: tuple[HomeItem, ...]
    stoppable: tuple[str, ...]
    """What this person may stop: `*` for everything first, then subjects."""
    now: datetime


def home(view: HomeView) -> View:
    """Draw the tab, in at most 100 blocks."""
    return _tab(
        [
            *_mode(view),
            *_section("Waiting for you", [_item(one, view.now) for one in view.waiting]),
            *_section("Of unknown outcome", [_unknown(one, view) for one in view.unknown]),
            *_section("Reviews that break-glass left open", [review(one) for one in view.reviews]),
            *_section("Running", [_item(one, view.now) for one in view.running]),
            *_ran(view),
            _said(f"As of {moment(view.now)}; open this tab again to renew it."),
        ]
    )


def closed_home(why: str) -> View:
    """Draw the tab of somebody who may not read it."""
    return _tab(list(notice(why).blocks))


def _tab(shown: list[Block]) -> View:
    return {"type": "home", "blocks": shown}


def _mode(view: HomeView) -> list[Block]:
    modes = mode_lines(view.controls, most=40)
    # One row each: within a row Slack wants every `action_id` once.
    kill = [blocks.actions(_kill_button(scope)) for scope in view.stoppable[:_STOPPABLE]]
    more = len(view.stoppable) - _STOPPABLE
    rest = [_said(f"And {more} more: /operator kill-switch --subject NAME")] if more > 0 else []
    return [blocks.header("Mode"), blocks.rich_text(blocks.bullets(modes)), *kill, *rest]


def _kill_button(scope: str) -> Block:
    what = "everything" if scope == EVERYTHING else exact(scope, _LONGEST_NAME)
    return blocks.button(
        Button.KILL.value,
        f"Stop {what} …",
        says=f"Kill switch: stop {what} at once",
        value=ScopeRef(s=scope).compact(),
        style="danger",
    )


def _section(title: str, items: Sequence[list[Block]]) -> list[Block]:
    if not items:
        return [blocks.header(title), _said("Nothing.")]
    more = len(items) - _MOST
    rest = [_said(f"And {more} more: /operator list")] if more > 0 else []
    return [blocks.header(title), *(block for item in items[:_MOST] for block in item), *rest]


def _item(item: HomeItem, now: datetime, *more: Block) -> list[Block]:
    return [
        blocks.rich_text(blocks.section(*row(item.proposal, now, item.link))),
        blocks.actions(*more, details_button(item.proposal.id)),
    ]


def _unknown(item: HomeItem, view: HomeView) -> list[Block]:
    number = item.proposal.id
    return _item(item, view.now, *([resolve_button(number)] if number in view.may_settle else []))


def _ran(view: HomeView) -> list[Block]:
    if not view.recent:
        return [blocks.header("Last results"), _said("Nothing ran yet.")]
    shown = [row(item.proposal, view.now, item.link) for item in view.recent[:_RECENT]]
    return [blocks.header("Last results"), blocks.rich_text(blocks.bullets(shown))]


def _said(value: str) -> Block:
    return blocks.rich_text(blocks.section(blocks.text(value)))
