"""The modal in which the kill switch is thrown."""

from actions.models import EVERYTHING
from bot.ids import Field, Modal
from bot.payloads import ScopeRef
from bot.views.blocks import View
from bot.views.form import form, said, words
from bot.views.plain import exact


def stop_modal(scope: str) -> View:
    """Draw what is stopped, everything (`*`) or one subject, and ask why; closing it stops nothing."""
    what = "everything" if scope == EVERYTHING else f"everything on {exact(scope, 80)}, and nothing else"
    return form(
        Modal.STOP,
        ScopeRef(s=scope),
        lambda _: [
            said(
                f"This stops {what}: what is pending is cancelled, nothing new starts, and the mode becomes observe. "
                "What was already sent to a target may still take effect, and is listed."
            ),
            words(
                Field.REASON,
                "Why?",
                optional=True,
                hint="A few words are enough: everybody in the channel reads them. Without any it stops just the same.",
            ),
        ],
        title="Kill switch",
        submit="Stop it now",
    )
