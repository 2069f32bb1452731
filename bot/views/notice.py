"""One sentence for one person."""

import re
from typing import Final

from bot.views import blocks
from bot.views.blocks import Block
from bot.views.message import Message
from bot.views.plain import passage
from bot.views.room import Room, fitted

APOLOGY: Final = (
    "Something went wrong inside operator-bot, and it was logged. `/operator status` shows where things stand."
)
"""For what nobody foresaw."""
_TYPED: Final = re.compile(r"`([^`\n]+)`")


def notice(text: str) -> Message:
    """Draw what happened, what it means and what to do, as the error or answer words it; `commands` stand out."""
    return fitted(lambda room: [blocks.rich_text(blocks.section(*_words(text, room)))])


def _words(text: str, room: Room) -> list[Block]:
    parts = _TYPED.split(passage(text, room.passage, rest=room.rest, lines=room.lines))
    return [blocks.text(part, code=bool(number % 2)) for number, part in enumerate(parts) if part]
