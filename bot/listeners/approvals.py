"""The buttons of a card. The decision is committed before it is acknowledged; delivery redraws the card."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.executor import ActionExecutor
from bot.desk import Desk
from bot.ids import Button
from bot.modals import Modals
from bot.payloads import ButtonPress, DetailsPress
from bot.views.refusal_modal import refusal_modal


def register(app: AsyncApp, *, executor: ActionExecutor, desk: Desk, modals: Modals) -> None:
    """Attach the buttons."""

    @app.action(Button.APPROVE.value)
    async def approve(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        await executor.approve_proposal(press.proposal_id, by=press.caller, seen=press.seen)
        await ack()

    @app.action(Button.CANCEL.value)
    async def cancel(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ButtonPress.parse(body)
        await executor.cancel_proposal(press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, refusal_modal(press.proposal_id))
        await ack()

    @app.action(Button.DETAILS.value)
    async def details(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = DetailsPress.parse(body)
        modals.open_soon(press.trigger_id, await desk.details(press.proposal_id))
        await ack()
