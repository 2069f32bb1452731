"""The app's own tab: drawn when somebody opens it, with the kill switch for those who may."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.safety import SafetyController
from bot.desk import Desk
from bot.ids import Button, Event
from bot.modals import Modals
from bot.payloads import HomeOpened, HomePress
from bot.views.answer_modal import answer_modal
from bot.views.command_answers import kill_answer


def register(app: AsyncApp, *, desk: Desk, safety: SafetyController, modals: Modals) -> None:
    """Attach the tab."""

    @app.event(Event.HOME_OPENED.value)
    async def opened(ack: AsyncAck, body: dict[str, Any]) -> None:
        seen = HomeOpened.parse(body)
        if seen.tab == "home":
            modals.publish_soon(seen.user_id, await desk.home(seen.actor))
        await ack()

    @app.action(Button.KILL.value)
    async def kill(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = HomePress.parse(body)
        stopped = await safety.kill_switch(by=press.caller, reason="the button in App Home")
        modals.open_soon(press.trigger_id, answer_modal(kill_answer(stopped), title="Kill switch"))
        modals.publish_soon(press.user_id, await desk.home(press.actor))
        await ack()
