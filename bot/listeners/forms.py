"""Modals that were sent or closed."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.executor import ActionExecutor
from bot.ids import Field, Modal
from bot.payloads import ViewSubmission


def register(app: AsyncApp, *, executor: ActionExecutor) -> None:
    """Attach the modals. Closing one is no decision and changes nothing."""

    @app.view(Modal.CANCEL_REASON.value)
    async def cancel_reason(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ViewSubmission.parse(body)
        reason = form.entered(Field.REASON)
        if reason:
            await executor.explain_cancellation(form.proposal_id, by=form.caller, reason=reason)
        await ack()
