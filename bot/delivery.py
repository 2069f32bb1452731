"""The outbox worker: makes Slack show what the database says, however often that takes, and never an older state."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.errors import UnavailableError
from actions.ports import Clock, MessageRef, OutboxItem, OutboxKind, Store
from bot.pacer import Pacer
from bot.slack_errors import Meaning, error_code, meaning, wait_asked
from bot.views.message import Message
from bot.views.notice import notice

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds between two looks at the outbox when nobody calls."""
BATCH: Final = 50
_LONGEST_BACKOFF: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an outbox item is to look like now, and where."""

    message: Message
    channel: str
    """An id, or a name with `#`."""
    fallback: str
    """Where it goes if the bot cannot write there."""
    version: int = 0
    """Grows with the state it shows; stands in the metadata, so that what Slack shows can be compared."""
    thread: MessageRef | None = None


class Presenter(Protocol):
    """Renders the newest state of what an item is about."""

    async def present(self, item: OutboxItem) -> Shown | None:
        """Return what to show, or None if there is nothing. Raises `NotYetError` if something must come first."""
        ...


class NotYetError(Exception):
    """A thread's reply is due before the message that it belongs to was posted."""


@dataclass(slots=True)
class Health:
    """What delivery says of itself to `/readyz`."""

    last_round: float = 0.0
    locked_out: str = ""
    given_up: int = field(default=0)


class Delivery:
    """Posts and updates. One runs at a time in a process; what two processes post twice is harmless and found again."""

    def __init__(
        self, *, client: AsyncWebClient, team_id: str, store: Store, presenter: Presenter, clock: Clock
    ) -> None:
        self._client = client
        self._team_id = team_id
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._pacer = Pacer(clock)
        self._news = asyncio.Event()
        self.health = Health(last_round=clock.monotonic())

    def wake(self) -> None:
        """Look at the outbox now."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._news.clear()
            try:
                pause = await self.deliver_due()
            except UnavailableError as error:
                log.warning("the outbox cannot be read: %s", error)
                pause = PAUSE
            self.health.last_round = self._clock.monotonic()
            try:
                async with asyncio.timeout(min(PAUSE, max(pause, 0.02))):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def deliver_due(self) -> float:
        """Deliver what is due as far as the pace allows; return the seconds until it is worth looking again."""
        pause = PAUSE
        for item in await self._store.read(lambda reader: reader.outbox_due(self._clock.now(), BATCH)):
            wait = await self._deliver(item)
            pause = min(pause, wait) if wait else pause
        return pause

    async def _deliver(self, item: OutboxItem) -> float:
        try:
            return await self._attempt(item)
        except NotYetError:
            await self._again(item, PAUSE, "waits for the message it belongs to")
        except SlackApiError as error:
            await self._refused(item, error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self._again(item, _backoff(item.attempts), f"{type(error).__name__}: {error}")
        except UnavailableError:
            raise
        except Exception as error:  # boundary: one thing that cannot be drawn must not keep all others from being shown
            log.exception("%s %s cannot be shown", item.kind.value, item.ref)
            await self._again(item, _LONGEST_BACKOFF, f"{type(error).__name__}: {error}")
        return 0.0

    async def _attempt(self, item: OutboxItem) -> float:
        if item.kind is OutboxKind.NOTICE:
            await self._whisper(item.payload)
        else:
            shown = await self._presenter.present(item)
            wait = await self._show(item, shown) if shown is not None else 0.0
            if wait:
                return wait
        await self._store.write(lambda tx: tx.outbox_delivered(item))
        self.health.locked_out = ""
        return 0.0

    async def _show(self, item: OutboxItem, shown: Shown) -> float:
        ref = await self._store.read(lambda reader: reader.message(item.kind, item.ref))
        if ref is None and item.attempts:
            ref = await self._find_own(item, shown)
        wait = self._pacer.take(ref.channel_id if ref else shown.channel)
        if wait:
            return wait
        if ref is not None:
            await self._client.chat_update(channel=ref.channel_id, ts=ref.ts, **_payload(shown))
        else:
            await self._post(item, shown)
        return 0.0

    async def _post(self, item: OutboxItem, shown: Shown) -> None:
        thread = shown.thread
        channel = thread.channel_id if thread else shown.channel
        try:
            answer = await self._client.chat_postMessage(
                channel=channel,
                thread_ts=thread.ts if thread else None,
                unfurl_links=False,
                unfurl_media=False,
                **_payload(shown),
            )
        except SlackApiError as error:
            if meaning(error) is not Meaning.ELSEWHERE or channel == shown.fallback:
                raise
            log.warning("%s refused (%s): using %s instead", channel, error_code(error), shown.fallback)
            answer = await self._client.chat_postMessage(
                channel=shown.fallback, unfurl_links=False, unfurl_media=False, **_redirected(shown, channel)
            )
        await self._remember(item, str(answer["channel"]), str(answer["ts"]))

    async def _find_own(self, item: OutboxItem, shown: Shown) -> MessageRef | None:
        """Look whether an earlier attempt, whose answer was lost, did post it; Slack has no idempotency key."""
        thread = shown.thread
        if thread is not None:
            answer = await self._client.conversations_replies(
                channel=thread.channel_id, ts=thread.ts, include_all_metadata=True, limit=200
            )
        elif shown.channel.startswith("#"):
            return None
        else:
            since = item.created_at - timedelta(minutes=1)
            answer = await self._client.conversations_history(
                channel=shown.channel, oldest=str(since.timestamp()), include_all_metadata=True, limit=200
            )
        wanted = dict(shown.message.metadata or {})
        for message in answer.get("messages") or []:
            if _same_thing(message.get("metadata") or {}, wanted):
                channel = thread.channel_id if thread else shown.channel
                return await self._remember(item, channel, str(message["ts"]))
        return None

    async def _remember(self, item: OutboxItem, channel_id: str, ts: str) -> MessageRef:
        ref = MessageRef(kind=item.kind, ref=item.ref, team_id=self._team_id, channel_id=channel_id, ts=ts)
        return await self._store.write(lambda tx: tx.record_message(ref))

    async def _whisper(self, payload: Mapping[str, Any]) -> None:
        await self._client.chat_postEphemeral(
            channel=str(payload["channel"]), user=str(payload["user"]), **notice(str(payload["text"])).payload()
        )

    async def _refused(self, item: OutboxItem, error: SlackApiError) -> None:
        code = error_code(error)
        match meaning(error):
            case Meaning.WAIT:
                await self._again(item, max(wait_asked(error), _backoff(item.attempts)), code)
            case Meaning.LOCKED_OUT:
                self.health.locked_out = code
                log.error(
                    "Slack does not accept the bot's token (%s); nothing can be posted. Run `operator doctor`.", code
                )
                await self._again(item, _LONGEST_BACKOFF, code)
            case Meaning.GONE:
                log.warning("the message of %s %s is gone; it is posted anew", item.kind.value, item.ref)
                await self._store.write(lambda tx: tx.forget_message(item.kind, item.ref))
                await self._again(item, 0.0, code)
            case Meaning.ELSEWHERE | Meaning.NEVER:
                self.health.given_up += 1
                log.error("Slack refuses %s %s for good: %s", item.kind.value, item.ref, _problem(error))
                await self._store.write(lambda tx: tx.outbox_give_up(item, error=code))

    async def _again(self, item: OutboxItem, seconds: float, why: str) -> None:
        due_at = self._clock.now() + timedelta(seconds=seconds)
        log.info("%s %s is tried again in %.0f s: %s", item.kind.value, item.ref, seconds, why)
        await self._store.write(lambda tx: tx.outbox_retry(item, due_at=due_at, error=why[:200]))


def _payload(shown: Shown) -> dict[str, Any]:
    payload = shown.message.payload()
    if "metadata" in payload:
        event = payload["metadata"]
        event_payload = {**event["event_payload"], "version": shown.version}
        payload["metadata"] = {"event_type": event["event_type"], "event_payload": event_payload}
    return payload


def _redirected(shown: Shown, channel: str) -> dict[str, Any]:
    payload = _payload(shown)
    why = f"Posted here because the bot cannot write to {channel}. Invite it there, or change the route."
    note = {"type": "context", "elements": [{"type": "plain_text", "text": why}]}
    return {**payload, "blocks": [*payload["blocks"], note]}


def _same_thing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return found.get("event_type") == wanted.get("event_type") and (found.get("event_payload") or {}).get("ref") == (
        wanted.get("event_payload") or {}
    ).get("ref")


def _problem(error: SlackApiError) -> str:
    body = error.response.data
    details = body.get("response_metadata") if isinstance(body, Mapping) else None
    return f"{error_code(error)} {details or ''}".strip()[:500]


def _backoff(attempts: int) -> float:
    return float(min(_LONGEST_BACKOFF, 2**attempts))
