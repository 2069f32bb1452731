"""Yes to what a card shows. The decision is committed before it is acknowledged; delivery redraws the card."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.executor import ActionExecutor
from actions.models import Verb
from bot.doorkeeper import Doorkeeper
from bot.ids import Button, Field, Modal
from bot.modals import Modals
from bot.payloads import ButtonPress, ConfirmSubmission
from bot.presenter import CardPresenter
from bot.typed_target import require_target, require_target_if_risky
from bot.views.break_glass_modal import break_glass_modal
from bot.views.confirm_modal import confirm_modal


def register(
    app: AsyncApp, *, executor: ActionExecutor, doorkeeper: Doorkeeper, presenter: CardPresenter, modals: Modals
) -> None:
    """Attach the buttons, and the forms that they open. Closing a form approves nothing."""

    @app.action(Button.APPROVE.value)
    async def approve(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        require_target_if_risky(await doorkeeper.proposal(press.proposal_id), "")
        await executor.approve_proposal(press.proposal_id, by=press.caller, seen=press.seen)
        await ack()

    @app.action(Button.CONFIRM.value)
    async def confirm(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        dossier = await doorkeeper.admit(Verb.APPROVE, press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, confirm_modal(presenter.card_view(dossier), press.ref))
        await ack()

    @app.view(Modal.CONFIRM.value)
    async def confirmed(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ConfirmSubmission.parse(body)
        require_target(await doorkeeper.proposal(form.proposal_id), form.entered(Field.TARGET))
        await executor.approve_proposal(form.proposal_id, by=form.caller, seen=form.seen)
        await ack()

    @app.action(Button.BREAK_GLASS.value)
    async def break_glass(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        dossier = await doorkeeper.admit(Verb.BREAK_GLASS, press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, break_glass_modal(presenter.card_view(dossier), press.ref))
        await ack()

    @app.view(Modal.BREAK_GLASS.value)
    async def broken(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ConfirmSubmission.parse(body)
        require_target(await doorkeeper.proposal(form.proposal_id), form.entered(Field.TARGET))
        reason = form.entered(Field.REASON)
        await executor.break_glass(form.proposal_id, by=form.caller, reason=reason, seen=form.seen)
        await ack()
