"""Finds what an attempt to post, whose answer was lost, has left in Slack: Slack has no idempotency key."""

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.ports import MessageRef, Transaction
from bot.channels import Channels
from bot.shown import Shown
from bot.slack_errors import Meaning, error_code, meaning

log = logging.getLogger(__name__)

_PAGE: Final = 200
_PAGES: Final = 5
"""How far back it is looked: a thousand messages since the post became due."""
_SKEW: Final = timedelta(minutes=1)


def forget(tx: Transaction, ref: MessageRef | None) -> None:
    """Forget where something was shown, unless it is shown elsewhere by now."""
    if ref is not None and tx.message(ref.kind, ref.ref) == ref:
        tx.forget_message(ref.kind, ref.ref)


class OwnMessages:
    """Looks through channels and threads for messages of this bot."""

    def __init__(self, client: AsyncWebClient, *, bot_id: str, channels: Channels) -> None:
        self._client = client
        self._bot_id = bot_id
        self._channels = channels

    async def find(self, shown: Shown, since: datetime) -> tuple[str, str] | None:
        """Return channel and timestamp of our message about the same thing, where it was to go or was sent instead.

        None too where Slack does not let us look: posting twice is better than not at all.

        Raises:
            SlackApiError: Slack cannot answer now.
        """
        for channel in dict.fromkeys((shown.destination, shown.fallback)):
            try:
                found = await self._find_in(channel, shown, since)
            except SlackApiError as error:
                if meaning(error) is Meaning.WAIT:
                    raise
                log.warning("cannot look into %s for what was posted before: %s", channel, error_code(error))
            else:
                if found is not None:
                    return found
        return None

    async def _find_in(self, channel: str, shown: Shown, since: datetime) -> tuple[str, str] | None:
        channel_id = await self._channels.find(channel)
        if channel_id is None:
            return None
        thread_ts = shown.thread.ts if shown.thread and shown.thread.channel_id == channel_id else None
        async for message in self._messages(channel_id, thread_ts, since - _SKEW):
            # Any app can write our metadata into a message of its own.
            if message.get("bot_id") == self._bot_id and shown.is_shown_by(message):
                return channel_id, str(message["ts"])
        return None

    async def _messages(
        self, channel_id: str, thread_ts: str | None, since: datetime
    ) -> AsyncIterator[Mapping[str, Any]]:
        oldest = f"{since.timestamp():.6f}"
        cursor: str | None = None
        for _ in range(_PAGES):
            if thread_ts is None:
                answer = await self._client.conversations_history(
                    channel=channel_id, oldest=oldest, include_all_metadata=True, limit=_PAGE, cursor=cursor
                )
            else:
                answer = await self._client.conversations_replies(
                    channel=channel_id,
                    ts=thread_ts,
                    oldest=oldest,
                    include_all_metadata=True,
                    limit=_PAGE,
                    cursor=cursor,
                )
            for message in answer.get("messages") or []:
                yield message
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return
