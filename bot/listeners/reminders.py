"""The buttons of a reminder. Cancel and Details are those of the card."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.reminders import Reminders
from bot.ids import Button
from bot.payloads import SnoozePress


def register(app: AsyncApp, *, reminders: Reminders) -> None:
    """Attach the buttons."""

    @app.action(Button.SNOOZE.value)
    @app.action(Button.SNOOZE_LONGER.value)
    async def snooze(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = SnoozePress.parse(body)
        await reminders.snooze(press.proposal_id, by=press.caller, lasting=press.lasting)
        await ack()
