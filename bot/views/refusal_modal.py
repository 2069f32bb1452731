"""The modal that asks, after a cancellation, for its reason."""

from collections.abc import Mapping
from typing import Final

from actions.models import RefusalCode
from bot.ids import Field, Modal
from bot.payloads import ProposalRef
from bot.views.blocks import View
from bot.views.form import form, one_of, option, question, said, words

IN_WORDS: Final[Mapping[RefusalCode, str]] = {
    RefusalCode.WRONG_TARGET: "Wrong target",
    RefusalCode.WRONG_CAUSE: "Wrong cause: the diagnosis does not hold",
    RefusalCode.TOO_RISKY: "Too risky now",
    RefusalCode.ALREADY_DONE: "Already done, or no longer needed",
    RefusalCode.OTHER: "Something else",
}


def refusal_modal(proposal_id: int) -> View:
    """Draw the modal. The action is cancelled already; closing the modal changes nothing."""
    options = [option(label, code.value) for code, label in IN_WORDS.items()]
    return form(
        Modal.CANCEL_REASON,
        ProposalRef(p=proposal_id),
        lambda _: [
            said(
                "It is cancelled. Why? The next diagnosis of this fault says so, and whoever looks later is grateful."
            ),
            question(
                Field.REASON_CODE.value,
                "What was wrong with it?",
                one_of(Field.REASON_CODE.value, options),
                optional=True,
            ),
            words(Field.REASON, "Anything to add?", optional=True),
        ],
        title=f"Action {proposal_id}",
        submit="Save the reason",
        close="No reason",
    )
