"""People propose: other parameters, the same once more, what takes an effect back. Each has a card of its own."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.errors import BadParametersError, ConflictError
from actions.executor import ActionExecutor
from actions.lifecycle import PROPOSED, VALIDATED
from actions.models import ActionProposal, Verb
from actions.registry import ActionDefinition, ActionRegistry
from bot.doorkeeper import Doorkeeper
from bot.ids import Button, Modal
from bot.modals import Modals
from bot.parameter_entry import entered_parameters, field_errors
from bot.payloads import ProposalPress, ViewSubmission
from bot.views.answer_modal import answer_modal
from bot.views.blocks import View
from bot.views.edit_modal import edit_modal, retry_modal
from bot.views.notice import notice

Propose = Callable[[int, Mapping[str, Any]], Awaitable[ActionProposal]]


def register(
    app: AsyncApp, *, executor: ActionExecutor, doorkeeper: Doorkeeper, registry: ActionRegistry, modals: Modals
) -> None:
    """Attach the buttons, and the forms that they open. Closing a form proposes nothing."""

    @app.action(Button.EDIT.value)
    async def edit(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        proposal = (await doorkeeper.admit(Verb.EDIT, press.proposal_id, by=press.caller)).proposal
        modals.open_soon(press.trigger_id, edit_modal(proposal, _definition(registry, proposal)))
        await ack()

    @app.view(Modal.EDIT.value)
    async def edited(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ViewSubmission.parse(body)
        definition = _definition(registry, await doorkeeper.proposal(form.proposal_id))
        await ack(**await _answer(form, definition, partial(executor.edit_proposal, by=form.caller), "in the place of"))

    @app.action(Button.RETRY.value)
    async def retry(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        proposal = (await doorkeeper.admit(Verb.PROPOSE, press.proposal_id, by=press.caller)).proposal
        modals.open_soon(press.trigger_id, retry_modal(proposal, _definition(registry, proposal)))
        await ack()

    @app.view(Modal.RETRY.value)
    async def retried(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ViewSubmission.parse(body)
        definition = _definition(registry, await doorkeeper.proposal(form.proposal_id))

        def again(proposal_id: int, entered: Mapping[str, Any]) -> Awaitable[ActionProposal]:
            return executor.retry_proposal(proposal_id, by=form.caller, parameters=entered)

        await ack(**await _answer(form, definition, again, "to try again"))

    @app.action(Button.UNDO.value)
    async def undo(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        proposed = await executor.undo_proposal(press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, _proposed(proposed, "to take back", press.proposal_id))
        await ack()


async def _answer(form: ViewSubmission, definition: ActionDefinition[Any], propose: Propose, purpose: str) -> View:
    """Propose what was entered; return the acknowledgement: what is wrong with each field, or what was proposed."""
    try:
        proposed = await propose(form.proposal_id, entered_parameters(definition, form))
    except BadParametersError as error:
        return {"response_action": "errors", "errors": dict(field_errors(definition, error))}
    return {"response_action": "update", "view": _proposed(proposed, purpose, form.proposal_id)}


def _definition(registry: ActionRegistry, proposal: ActionProposal) -> ActionDefinition[Any]:
    definition = registry.find(proposal.action_name)
    if definition is None:
        raise ConflictError(
            f"Action {proposal.id} cannot be proposed anew: {proposal.action_name} is not configured any more. "
            "Nothing was changed."
        )
    return definition


def _proposed(proposal: ActionProposal, purpose: str, earlier: int) -> View:
    if proposal.status not in {PROPOSED, VALIDATED}:
        said = (
            f"Action {proposal.id} was proposed {purpose} action {earlier} before, and is {proposal.status.value}. "
            "Nothing was changed; its card says what became of it."
        )
        return answer_modal(notice(said), title="Proposed before")
    said = (
        f"Action {proposal.id} is proposed {purpose} action {earlier}. Its target is read now; then its card says "
        "what would happen, and who may approve it. Nothing has run."
    )
    return answer_modal(notice(said), title="Proposed")
