"""What people say about what has run: what became of it, and whether breaking the glass was right."""

from functools import partial
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.errors import BadRequestError
from actions.executor import ActionExecutor
from actions.models import Verb
from actions.registry import Happened
from bot.desk import Desk
from bot.doorkeeper import Doorkeeper
from bot.ids import Button, Field, Modal
from bot.modals import Modals
from bot.payloads import ProposalPress, ViewSubmission
from bot.views.resolve_modal import resolve_modal
from bot.views.review_modal import review_modal


def register(app: AsyncApp, *, executor: ActionExecutor, doorkeeper: Doorkeeper, desk: Desk, modals: Modals) -> None:
    """Attach the buttons, and the forms that they open. Closing a form says nothing."""

    @app.action(Button.RESOLVE.value)
    async def resolve(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        dossier = await doorkeeper.admit(Verb.RESOLVE, press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, resolve_modal(dossier))
        await ack()

    @app.view(Modal.RESOLVE.value)
    async def resolved(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ViewSubmission.parse(body)
        await executor.resolve_proposal(
            form.proposal_id,
            happened=_happened(form.chosen(Field.HAPPENED)),
            by=form.caller,
            reason=form.entered(Field.REASON),
            evidence=form.entered(Field.EVIDENCE),
        )
        modals.redraw_soon(form.user_id, partial(desk.home, form.actor))
        await ack()

    @app.action(Button.REVIEW.value)
    async def review(ack: AsyncAck, body: dict[str, Any]) -> None:
        press = ProposalPress.parse(body)
        dossier, opened = await doorkeeper.admit_reviewer(press.proposal_id, by=press.caller)
        modals.open_soon(press.trigger_id, review_modal(dossier, opened))
        await ack()

    @app.view(Modal.REVIEW.value)
    async def reviewed(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = ViewSubmission.parse(body)
        await executor.close_review(form.proposal_id, by=form.caller, comment=form.entered(Field.COMMENT))
        modals.redraw_soon(form.user_id, partial(desk.home, form.actor))
        await ack()


def _happened(chosen: str | None) -> bool:
    if chosen not in {Happened.YES.value, Happened.NO.value}:
        raise BadRequestError("Choose whether it happened or not; nothing was written.")
    return chosen == Happened.YES.value
