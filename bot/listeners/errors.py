"""Refusals, acknowledged and said to the one person who asked."""

import logging
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from actions.errors import OperatorError, StorageError
from actions.ports import Clock, OutboxKind, Publisher, Store
from bot.modals import Modals
from bot.views.notice import notice

log = logging.getLogger(__name__)

APOLOGY = "Something went wrong inside operator-bot, and it was logged. `/operator status` shows where things stand."


def register(app: AsyncApp, *, store: Store, modals: Modals, clock: Clock, publisher: Publisher) -> None:
    """Attach the error handler: every `OperatorError` becomes one sentence, everything else an apology and a log."""

    @app.error
    async def refused(error: Exception, body: dict[str, Any]) -> BoltResponse:
        if isinstance(error, BoltUnhandledRequestError):
            return BoltResponse(status=200)
        if not isinstance(error, OperatorError):
            log.error("an interaction failed", exc_info=error)
        sentence = str(error) if isinstance(error, OperatorError) else APOLOGY
        if body.get("command"):
            return BoltResponse(status=200, body={"response_type": "ephemeral", **notice(sentence).payload()})
        whom = _whom(body)
        if whom is None:
            return BoltResponse(status=200)
        payload = {**whom, "text": sentence}
        if isinstance(error, StorageError):
            # What could not be recorded is not acknowledged, so that Slack shows its warning beside the button too.
            modals.whisper_soon(**payload)
            return BoltResponse(status=503)
        ref = f"{whom['channel']}:{whom['user']}:{clock.now().timestamp()}"
        await store.write(lambda tx: tx.enqueue(OutboxKind.NOTICE, ref, at=clock.now(), payload=payload))
        publisher.changed()
        return BoltResponse(status=200)


def _whom(body: Mapping[str, Any]) -> dict[str, str] | None:
    user = (body.get("user") or {}).get("id")
    container = body.get("container") or {}
    channel = container.get("channel_id") or (body.get("channel") or {}).get("id") or user
    return {"channel": str(channel), "user": str(user)} if user and channel else None

