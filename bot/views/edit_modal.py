"""The modals in which an action is proposed with other parameters, or once more."""

from typing import Any

from actions.errors import BadRequestError
from actions.models import ActionProposal
from actions.registry import ActionDefinition
from bot.ids import Modal
from bot.payloads import ProposalRef
from bot.views import sections
from bot.views.blocks import View
from bot.views.form import form, said
from bot.views.parameter_form import MOST_FIELDS, parameter_form


def edit_modal(proposal: ActionProposal, definition: ActionDefinition[Any]) -> View:
    """Draw the form for other parameters.

    Raises:
        BadRequestError: the action takes more parameters than a form holds.
    """
    return _modal(
        Modal.EDIT,
        proposal,
        definition,
        title=f"Change action {proposal.id}",
        meaning=f"Action {proposal.id} is replaced by a new proposal with what you enter here. Somebody else must "
        "approve that one: you cannot, because you propose it. Nothing runs before.",
        submit="Propose this",
    )


def retry_modal(proposal: ActionProposal, definition: ActionDefinition[Any]) -> View:
    """Draw the form for trying again. Raises as `edit_modal` does."""
    return _modal(
        Modal.RETRY,
        proposal,
        definition,
        title=f"Try action {proposal.id} again",
        meaning=f"A new proposal is made; action {proposal.id} stays as it ended. Nothing runs before the new one is "
        "approved. If you change the parameters here, it is yours, and somebody else must approve it.",
        submit="Propose again",
    )


def _modal(
    modal: Modal, proposal: ActionProposal, definition: ActionDefinition[Any], *, title: str, meaning: str, submit: str
) -> View:
    inputs = parameter_form(definition, proposal.parameters)
    if len(inputs) > MOST_FIELDS:
        raise BadRequestError(
            f"This action takes {len(inputs)} parameters, and a form in Slack holds {MOST_FIELDS}. "
            "Nothing was changed. Hand it in with `operator propose --file` instead."
        )
    return form(
        modal,
        ProposalRef(p=proposal.id),
        lambda _: [said(meaning), sections.action(proposal, definition.title), *inputs],
        title=title,
        submit=submit,
    )
