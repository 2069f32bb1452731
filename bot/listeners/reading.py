"""What only shows something: all about an action, its numbers as they are now, what a message is."""

from functools import partial
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.errors import NotReadyError
from actions.executor import ActionExecutor
from actions.lifecycle import APPROVED, VALIDATED
from actions.models import ActionProposal
from bot.desk import Desk
from bot.doorkeeper import Doorkeeper
from bot.ids import Button, Shortcut
from bot.modals import Modals
from bot.payloads import MessageShortcut, ProposalPress
from bot.views.blocks import View
from bot.views.preview_modal import preview_modal, reading_modal


def register(app: AsyncApp, *, executor: ActionExecutor, doorkeeper: Doorkeeper, desk: Desk, modals: Modals) -> None:
    """Attach what every full member may use."""

    @app.action(Button.DETAILS.value)
    async def details(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        modals.open_soon(press.trigger_id, await desk.details(press.actor, press.proposal_id))
        await ack()

    @app.action(Button.PREVIEW.value)
    async def preview(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        proposal = (await doorkeeper.show(press.proposal_id, to=press.actor)).proposal
        if proposal.status not in {VALIDATED, APPROVED}:
            raise NotReadyError(proposal.id, proposal.status, "previewed")
        modals.open_and_follow(press.trigger_id, reading_modal(proposal), partial(_read, executor, proposal))
        await ack()

    @app.message_shortcut(Shortcut.WHAT_IS_THIS.value)
    async def what_is_this(ack: AsyncAck, body: dict[str, Any]) -> None:
        asked = MessageShortcut.parse(body)
        view = await desk.explain(asked.actor, channel=asked.channel, ts=asked.message_ts, thread=asked.thread)
        modals.open_soon(asked.trigger_id, view)
        await ack()


async def _read(executor: ActionExecutor, proposal: ActionProposal) -> View:
    reading = await executor.preview_proposal(proposal.id)
    return preview_modal(proposal, reading)
