"""No to what a card shows, and why. The decision is committed before it is acknowledged; delivery redraws the card."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.errors import BadRequestError
from actions.executor import ActionExecutor
from actions.models import RefusalCode
from bot.ids import Button, Field, Modal
from bot.modals import Modals
from bot.payloads import ButtonPress, ViewSubmission
from bot.views.refusal_modal import refusal_modal


def register(app: AsyncApp, *, executor: ActionExecutor, modals: Modals) -> None:
    """Attach the buttons, and the form that asks why afterwards. Closing it, or leaving it empty, writes nothing."""

    @app.action(Button.ABORT.value)
    async def abort(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        await executor.abort_proposal(press.proposal_id, by=press.caller)
        await ack()

    @app.action(Button.CANCEL.value)
    async def cancel(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        await executor.cancel_proposal(press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, refusal_modal(press.proposal_id))
        await ack()

    @app.view(Modal.CANCEL_REASON.value)
    async def explain(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ViewSubmission.parse(body)
        reason, code = form.entered(Field.REASON), _code(form.chosen(Field.REASON_CODE))
        if reason or code:
            await executor.explain_cancellation(form.proposal_id, by=form.caller, reason=reason, code=code)
        await ack()


def _code(chosen: str | None) -> RefusalCode | None:
    try:
        return RefusalCode(chosen) if chosen is not None else None
    except ValueError:
        raise BadRequestError("This form is of another version; nothing was written. Close it.") from None
