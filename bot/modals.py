"""What Slack is asked to show beside an interaction, so that no click waits for the network."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_errors import NO_ANSWER, error_code
from bot.views.blocks import View
from bot.views.notice import notice

log = logging.getLogger(__name__)

TRIGGER_LIFETIME: Final = 3.0
"""Seconds a trigger_id can be used (docs.slack.dev, modals); nobody waits longer for an App Home either."""


class Modals:
    """Keeps the tasks that show views until they are done."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._showing: set[asyncio.Task[None]] = set()

    def open_soon(self, trigger_id: str, view: View) -> None:
        """Open *view* for whoever made the interaction of *trigger_id*."""
        self._start(self._client.views_open(trigger_id=trigger_id, view=view), "a modal could not be opened")

    def publish_soon(self, user_id: str, view: View) -> None:
        """Draw somebody's App Home."""
        self._start(self._client.views_publish(user_id=user_id, view=view), "an App Home could not be drawn")

    def whisper_soon(self, *, channel: str, user: str, text: str) -> None:
        """Tell one person something, without the outbox: for when the database cannot be written."""
        call = self._client.chat_postEphemeral(channel=channel, user=user, **notice(text).payload())
        self._start(call, "someone could not be told that nothing was recorded")

    async def drain(self) -> None:
        """Wait for what is being shown."""
        await asyncio.gather(*self._showing, return_exceptions=True)

    def _start(self, call: Awaitable[object], problem: str) -> None:
        task = asyncio.create_task(_show(call, problem))
        self._showing.add(task)
        task.add_done_callback(self._showing.discard)


async def _show(call: Awaitable[object], problem: str) -> None:
    try:
        async with asyncio.timeout(TRIGGER_LIFETIME):
            await call
    except SlackApiError as error:
        log.warning("%s: %s", problem, error_code(error))
    except NO_ANSWER as error:
        log.warning("%s: %s", problem, type(error).__name__)
    except Exception:  # boundary: nobody waits for it, so nobody else would hear of it
        log.exception("%s", problem)
