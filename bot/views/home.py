"""The app's own tab: may anything be changed, what waits, what runs, what ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.models import ActionProposal, Control
from bot.ids import Button
from bot.views import blocks
from bot.views.blocks import Block, View
from bot.views.card import details_button
from bot.views.command_answers import mode_lines
from bot.views.rows import row
from bot.views.times import moment

_WAITING = 20
_RECENT = 10


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
    may_kill: bool
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
    kill = [blocks.actions(_kill_button())] if view.may_kill else []
    return [blocks.header("Mode"), blocks.rich_text(blocks.bullets(modes)), *kill]


def _kill_button() -> Block:
    return blocks.button(
        Button.KILL.value,
        "Kill switch",
        says="Throw the kill switch: stop everything at once",
        value="*",
        style="danger",
        confirm=blocks.confirm(
            "Stop everything?",
            "Everything pending is cancelled, nothing new starts, and the mode becomes observe. "
            "What was already sent to a target may still take effect.",
            yes="Stop everything",
            no="Back",
            danger=True,
        ),
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
