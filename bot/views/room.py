"""How much room each kind of text gets, so that a message as a whole stays within Slack's limits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from actions.ports import OutboxKind
from bot.views import blocks
from bot.views.blocks import Block
from bot.views.message import MOST_TEXT, Message, metadata
from bot.views.plain import CUT, fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The most characters, lines and items that are shown before something is visibly cut."""

    line: int
    passage: int
    lines: int
    items: int
    rest: str = CUT
    """What stands where something was cut: it says where the whole is."""


MESSAGE_ROOMS: Final = (
    Room(line=300, passage=900, lines=8, items=6),
    Room(line=200, passage=450, lines=5, items=5),
    Room(line=120, passage=200, lines=3, items=3),
    Room(line=80, passage=100, lines=2, items=2),
    Room(line=60, passage=60, lines=1, items=1),
)
VIEW_ROOMS: Final = (
    Room(line=1_000, passage=8_000, lines=200, items=100),
    Room(line=500, passage=2_500, lines=60, items=40),
    Room(line=200, passage=1_000, lines=20, items=15),
    Room(line=120, passage=300, lines=6, items=6),
)
Render: TypeAlias = Callable[[Room], list[Block]]


def fitted(render: Render, *, rest: str = CUT, kind: OutboxKind | None = None, ref: str = "") -> Message:
    """Make a message in the largest room in which its blocks, and its text for screen readers, fit."""
    return Message(
        text=_text(render, rest),
        blocks=tuple(fitted_blocks(render, MESSAGE_ROOMS, most=blocks.MESSAGE_BYTES, rest=rest)),
        metadata=metadata(kind, ref) if kind else None,
    )


def fitted_blocks(render: Render, rooms: Sequence[Room], *, most: int, rest: str = CUT) -> list[Block]:
    """Return the blocks in the largest of *rooms* in which they take at most *most* bytes, else in the smallest."""
    shown: list[Block] = []
    for room in rooms:
        shown = render(replace(room, rest=rest))
        if blocks.size(shown) <= most:
            break
    return shown


def _text(render: Render, rest: str) -> str:
    said = ""
    for room in MESSAGE_ROOMS:
        said = fallback("\n".join(spoken(render(replace(room, rest=rest)))), 4 * MOST_TEXT)
        if len(said) <= MOST_TEXT:
            return said
    return fallback("\n".join(spoken(render(replace(MESSAGE_ROOMS[-1], rest=rest)))), MOST_TEXT)


def spoken(shown: list[Block]) -> Iterator[str]:
    """Yield what blocks say, line by line, for those who hear them."""
    for block in shown:
        if block["type"] == "header":
            yield block["text"]["text"]
        elif block["type"] == "rich_text":
            for part in block["elements"]:
                yield from _part(part)


def _part(part: Block) -> Iterator[str]:
    if part["type"] == "rich_text_list":
        yield from (f"- {_inline(item)}" for item in part["elements"])
    else:
        yield _inline(part)


def _inline(part: Block) -> str:
    return "".join(
        element.get("text") or element.get("user_id") or element.get("usergroup_id", "") for element in part["elements"]
    )
