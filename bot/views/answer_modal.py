"""An answer as a modal, for where no ephemeral message can be: the App Home."""

from bot.views import blocks
from bot.views.blocks import View
from bot.views.message import Message


def answer_modal(message: Message, *, title: str = "Operator") -> View:
    """Draw the modal; *title* has at most 24 characters."""
    return {
        "type": "modal",
        "title": blocks.plain(title),
        "close": blocks.plain("Close"),
        "blocks": list(message.blocks),
    }
