"""What Slack is asked to show beside an interaction, so that no click waits for the network."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.errors import OperatorError
from bot.slack_errors import NO_ANSWER, error_code
from bot.views.answer_modal import answer_modal
from bot.views.blocks import View
from bot.views.notice import APOLOGY, notice

T = TypeVar("T")
log = logging.getLogger(__name__)

TRIGGER_LIFETIME: Final = 3.0
"""Seconds a trigger_id can be used (docs.slack.dev, modals); nobody waits longer for an App Home either."""
_CLOSED: Final = "not_found"
"""What Slack says of a modal that the person has closed meanwhile."""


class Modals:
    """Keeps the tasks that show views until they are done."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._showing: set[asyncio.Task[None]] = set()

    def open_soon(self, trigger_id: str, view: View) -> None:
        """Open *view* for whoever made the interaction of *trigger_id*."""
        call = self._client.views_open(trigger_id=trigger_id, view=view)
        self._start(_in_time(call), "a modal could not be opened")

    def open_and_follow(self, trigger_id: str, view: View, follow: Callable[[], Awaitable[View]]) -> None:
        """Open *view*, and put what *follow* returns in its place, however long that takes.

        Why there is nothing to show is shown instead: a refusal in its own words, anything else as an apology.
        """
        self._start(self._opened_and_followed(trigger_id, view, follow), "a modal could not be brought up to date")

    def publish_soon(self, user_id: str, view: View) -> None:
        """Draw somebody's App Home."""
        call = self._client.views_publish(user_id=user_id, view=view)
        self._start(_in_time(call), "an App Home could not be drawn")

    def redraw_soon(self, user_id: str, draw: Callable[[], Awaitable[View]]) -> None:
        """Draw somebody's App Home as it has become; that it cannot be drawn is nobody's failure."""
        self._start(self._redrawn(user_id, draw), "an App Home could not be redrawn")

    def whisper_soon(self, *, channel: str, user: str, text: str) -> None:
        """Tell one person something, without the outbox: for when the database cannot be written."""
        call = self._client.chat_postEphemeral(channel=channel, user=user, **notice(text).payload())
        self._start(_in_time(call), "someone could not be told that nothing was recorded")

    async def drain(self) -> None:
        """Wait until everything is shown that can be."""
        await asyncio.gather(*self._showing, return_exceptions=True)

    async def _opened_and_followed(self, trigger_id: str, view: View, follow: Callable[[], Awaitable[View]]) -> None:
        opened = await _in_time(self._client.views_open(trigger_id=trigger_id, view=view))
        then = await _drawn(follow)
        try:
            await _in_time(self._client.views_update(view_id=opened["view"]["id"], view=then))
        except SlackApiError as error:
            if error_code(error) != _CLOSED:
                raise

    async def _redrawn(self, user_id: str, draw: Callable[[], Awaitable[View]]) -> None:
        view = await draw()
        await _in_time(self._client.views_publish(user_id=user_id, view=view))

    def _start(self, work: Awaitable[object], problem: str) -> None:
        task = asyncio.create_task(_show(work, problem))
        self._showing.add(task)
        task.add_done_callback(self._showing.discard)


async def _in_time(call: Awaitable[T]) -> T:
    async with asyncio.timeout(TRIGGER_LIFETIME):
        return await call


async def _drawn(follow: Callable[[], Awaitable[View]]) -> View:
    try:
        return await follow()
    except OperatorError as error:
        return answer_modal(notice(str(error)))
    except Exception:  # boundary: the modal that is open already must not wait for ever
        log.exception("what was asked for in a modal could not be found out")
        return answer_modal(notice(APOLOGY))


async def _show(work: Awaitable[object], problem: str) -> None:
    try:
        await work
    except SlackApiError as error:
        log.warning("%s: %s", problem, error_code(error))
    except NO_ANSWER as error:
        log.warning("%s: %s", problem, type(error).__name__)
    except OperatorError as error:
        log.warning("%s: %s", problem, error)
    except Exception:  # boundary: nobody waits for it, so nobody else would hear of it
        log.exception("%s", problem)
