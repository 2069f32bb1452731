"""The app's own tab: drawn when somebody opens it, with the kill switches for those who may throw them."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.safety import SafetyController
from bot.desk import Desk
from bot.ids import Button, Event, Field, Modal
from bot.modals import Modals
from bot.payloads import HomeOpened, HomePress, StopReasonSubmission, StopSubmission
from bot.views.answer_modal import answer_modal
from bot.views.command_answers import kill_answer
from bot.views.stop_modal import stop_modal


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
        modals.open_soon(press.trigger_id, stop_modal(press.scope))
        await ack()

    @app.view(Modal.STOP.value)
    async def stop(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = StopSubmission.parse(body)
        stopped = await safety.kill_switch(by=form.caller, reason=form.entered(Field.REASON), scope=form.scope)
        modals.publish_soon(form.user_id, await desk.home(form.actor))
        await ack(response_action="update", view=answer_modal(kill_answer(stopped), title="Kill switch"))

    @app.view(Modal.STOP_REASON.value)
    async def explain(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = StopReasonSubmission.parse(body)
        reason = form.entered(Field.REASON)
        if reason:
            await safety.explain_stop(form.seq, by=form.caller, reason=reason)
        await ack()
