"""The modal that asks, after a cancellation, for its reason."""

from bot.ids import Field, Modal
from bot.payloads import ProposalRef
from bot.views import blocks
from bot.views.blocks import View
from bot.views.plain import cut

MOST_REASON = 500


def cancel_reason(proposal_id: int) -> View:
    """Draw the modal. The action is cancelled already; closing the modal changes nothing."""
    return {
        "type": "modal",
        "callback_id": Modal.CANCEL_REASON.value,
        "private_metadata": ProposalRef(p=proposal_id).compact(),
        "title": blocks.plain(cut(f"Action {proposal_id}", 24)),
        "submit": blocks.plain("Save the reason"),
        "close": blocks.plain("No reason"),
        "blocks": [
            blocks.rich_text(
                blocks.section(blocks.text("It is cancelled. Why? Whoever looks later will be grateful."))
            ),
            {
                "type": "input",
                "block_id": Field.REASON.value,
                "label": blocks.plain("Reason"),
                "optional": True,
                "element": {
                    "type": "plain_text_input",
                    "action_id": Field.REASON.value,
                    "multiline": False,
                    "max_length": MOST_REASON,
                },
            },
        ],
    }
