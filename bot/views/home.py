"""The app's own tab: may anything be changed, what waits, what runs, what ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.models import EVERYTHING, ActionProposal, Control
from bot.ids import Button
from bot.payloads import ScopeRef
from bot.views import blocks
from bot.views.blocks import Block, View
from bot.views.card_buttons import details_button
from bot.views.command_answers import mode_lines
from bot.views.plain import exact
from bot.views.rows import row
from bot.views.times import moment

_WAITING = 15
_RECENT = 10
_STOPPABLE = 12
"""A tab has at most 100 blocks."""
_LONGEST_NAME = 40


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
    in_flight: tuple[HomeItem, ...]
    recent: tuple[HomeItem, ...]
    stoppable: tuple[str, ...]
    """What this person may stop: `*` for everything first, then subjects."""
    now: datetime


def home(view: HomeView) -> View:
    """Draw the tab."""
    return {
        "type": "home",
        "blocks": [
            *_mode(view),
            *_decidable("Waiting for you", view.waiting, view.now),
            *_decidable("Running or of unknown outcome", view.in_flight, view.now),
            *_ran(view),
            blocks.rich_text(
                blocks.section(blocks.text(f"As of {moment(view.now)}; open this tab again to renew it."))
            ),
        ],
    }


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


def _decidable(title: str, items: Sequence[HomeItem], now: datetime) -> list[Block]:
    if not items:
        return [blocks.header(title), _said("Nothing.")]
    shown = [block for item in items[:_WAITING] for block in _item(item, now)]
    more = len(items) - _WAITING
    return [blocks.header(title), *shown, *([_said(f"And {more} more: /operator list")] if more > 0 else [])]


def _item(item: HomeItem, now: datetime) -> list[Block]:
    return [
        blocks.rich_text(blocks.section(*row(item.proposal, now, item.link))),
        blocks.actions(details_button(item.proposal.id)),
    ]


def _ran(view: HomeView) -> list[Block]:
    if not view.recent:
        return [blocks.header("Last results"), _said("Nothing ran yet.")]
    shown = [row(item.proposal, view.now, item.link) for item in view.recent[:_RECENT]]
    return [blocks.header("Last results"), blocks.rich_text(blocks.bullets(shown))]


def _said(value: str) -> Block:
    return blocks.rich_text(blocks.section(blocks.text(value)))
