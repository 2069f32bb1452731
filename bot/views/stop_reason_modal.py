"""The modal that asks, after a stop for which no reason was given, for that reason."""

from bot.ids import Field, Modal
from bot.payloads import StopRef
from bot.views.blocks import View
from bot.views.form import form, said, words


def stop_reason_modal(seq: int) -> View:
    """Draw the modal; *seq* is the line of the audit log that records the stop. Closing it changes nothing."""
    return form(
        Modal.STOP_REASON,
        StopRef(e=seq),
        lambda _: [
            said("It is stopped. Why? Everybody in the channel asks that now."),
            words(Field.REASON, "Reason", optional=True, hint="A few words are enough; they are shown in the channel."),
        ],
        title="Stopped",
        submit="Save the reason",
        close="No reason",
    )
