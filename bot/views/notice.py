"""One sentence for one person."""

from bot.views import blocks, sections
from bot.views.message import Message
from bot.views.room import fitted


def notice(text: str) -> Message:
    """Draw what happened, what it means and what to do, as the error or answer words it."""
    return fitted(lambda room: [blocks.rich_text(blocks.section(sections.prose(text, room)))])
