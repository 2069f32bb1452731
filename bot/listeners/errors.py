"""Refusals, acknowledged and said to the one person who asked."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slack_bolt.async_app import AsyncApp
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from actions.errors import OperatorError, StorageError
from actions.ports import Clock, OutboxKind, Publisher, Store
from bot.modals import Modals
from bot.views.answer_modal import answer_modal
from bot.views.notice import APOLOGY, notice

log = logging.getLogger(__name__)

UNKNOWN: Final = (
    "This version of operator-bot does not know what you pressed; nothing was changed. "
    "`/operator list` shows what there is."
)
_PRESSED: Final = frozenset({"block_actions", "view_submission"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """Who is to be told, and where they look at this moment."""

    user: str
    channel: str | None
    trigger_id: str | None


def register(app: AsyncApp, *, store: Store, modals: Modals, clock: Clock, publisher: Publisher) -> None:
    """Attach the error handler: every `OperatorError` becomes one sentence, everything else an apology and a log."""
    teller = _Teller(store=store, modals=modals, clock=clock, publisher=publisher)

    @app.error
    async def refused(error: Exception, body: dict[str, Any]) -> BoltResponse:
        if isinstance(error, BoltUnhandledRequestError):
            return await teller.answer(body, UNKNOWN) if body.get("type") in _PRESSED else BoltResponse(status=200)
        if isinstance(error, StorageError):
            return await teller.answer(body, str(error), recorded=False)
        if isinstance(error, OperatorError):
            return await teller.answer(body, str(error))
        log.error("an interaction failed", exc_info=error)
        return await teller.answer(body, APOLOGY)


class _Teller:
    def __init__(self, *, store: Store, modals: Modals, clock: Clock, publisher: Publisher) -> None:
        self._store = store
        self._modals = modals
        self._clock = clock
        self._publisher = publisher

    async def answer(self, body: Mapping[str, Any], sentence: str, *, recorded: bool = True) -> BoltResponse:
        """Say *sentence* where the person looks, and return the acknowledgement.

        What could not be recorded is not acknowledged, so that Slack shows its warning beside the button too.
        """
        if body.get("command"):
            return BoltResponse(status=200, body={"response_type": "ephemeral", **notice(sentence).payload()})
        field = _field(body)
        if field is not None:
            # The form stays open with what was typed.
            return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: sentence}})
        person = _person(body)
        if person is not None:
            await self._tell(person, sentence, recorded=recorded)
        return BoltResponse(status=200 if recorded else 503)

    async def _tell(self, person: _Person, sentence: str, *, recorded: bool) -> None:
        if person.channel is None:
            if person.trigger_id is not None:
                self._modals.open_soon(person.trigger_id, answer_modal(notice(sentence)))
            return
        payload = {"channel": person.channel, "user": person.user, "text": sentence}
        if not (recorded and await self._queued(payload)):
            self._modals.whisper_soon(**payload)

    async def _queued(self, payload: dict[str, str]) -> bool:
        at = self._clock.now()
        ref = f"{payload['channel']}:{payload['user']}:{at.timestamp()}"
        try:
            await self._store.write(lambda tx: tx.enqueue(OutboxKind.NOTICE, ref, at=at, payload=payload), urgent=True)
        except StorageError as error:
            log.warning("a refusal could not be queued, and is said at once: %s", error)
            return False
        self._publisher.changed()
        return True


def _field(body: Mapping[str, Any]) -> str | None:
    """Return the input of a submitted form under which a sentence can be shown."""
    if body.get("type") != "view_submission":
        return None
    blocks = _part(body, "view").get("blocks")
    inputs = [block for block in blocks if isinstance(block, Mapping)] if isinstance(blocks, list) else []
    return next(
        (str(block["block_id"]) for block in inputs if block.get("type") == "input" and "block_id" in block), None
    )


def _person(body: Mapping[str, Any]) -> _Person | None:
    user = _part(body, "user").get("id")
    channel = _part(body, "container").get("channel_id") or _part(body, "channel").get("id")
    trigger_id = body.get("trigger_id")
    if not isinstance(user, str) or not user:
        return None
    return _Person(
        user=user,
        channel=channel if isinstance(channel, str) and channel else None,
        trigger_id=trigger_id if isinstance(trigger_id, str) and trigger_id else None,
    )


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    return part if isinstance(part, Mapping) else {}
