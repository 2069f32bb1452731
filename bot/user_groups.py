"""Who is in which Slack user group: asked briefly and rarely, and never guessed."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.ports import Clock
from bot.slack_errors import error_code

KNOWN_FOR: Final = 60.0
"""Seconds for which an answer of Slack's counts, from when it was asked."""
_LONGEST: Final = 5.0
"""Seconds after which a look-up is given up."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Members:
    users: frozenset[str]
    asked_at: float


class UserGroups:
    """The members of the user groups that the policy names, by `usergroups.users.list`."""

    def __init__(self, client: AsyncWebClient, group_ids: Collection[str], clock: Clock) -> None:
        self._client = client
        self._group_ids = tuple(sorted(group_ids))
        self._clock = clock
        self._known: dict[str, _Members] = {}
        self._asking: dict[str, asyncio.Task[_Members | None]] = {}

    async def of(self, user_id: str) -> frozenset[str] | None:
        """Return the ids of the groups that the user is in; None if Slack did not say it of every group."""
        found = await asyncio.gather(*(self._members(group_id) for group_id in self._group_ids))
        if any(members is None for members in found):
            return None
        return frozenset(
            group_id
            for group_id, members in zip(self._group_ids, found, strict=True)
            if members is not None and user_id in members.users
        )

    async def members(self, group_id: str) -> frozenset[str] | None:
        """Return the ids of the users in a group; None if Slack did not say."""
        members = await self._members(group_id)
        return None if members is None else members.users

    async def _members(self, group_id: str) -> _Members | None:
        known = self._known.get(group_id)
        if known is not None and self._clock.monotonic() - known.asked_at <= KNOWN_FOR:
            return known
        # Shielded, so that one impatient person does not end the look-up for others, or for the next click.
        return await asyncio.shield(self._ask(group_id))

    def _ask(self, group_id: str) -> asyncio.Task[_Members | None]:
        task = self._asking.get(group_id)
        if task is None:
            task = asyncio.create_task(self._look_up(group_id), name=f"who is in {group_id}")
            self._asking[group_id] = task
            task.add_done_callback(lambda _: self._asking.pop(group_id, None))
        return task

    async def _look_up(self, group_id: str) -> _Members | None:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(_LONGEST):
                said = await self._client.usergroups_users_list(usergroup=group_id)
        except SlackApiError as error:
            log.warning("Slack does not say who is in the user group %s: %s", group_id, error_code(error))
            return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("Slack could not be asked who is in the user group %s: %s", group_id, type(error).__name__)
            return None
        users = said.get("users")
        if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
            log.warning("Slack's answer on the user group %s could not be read", group_id)
            return None
        self._known[group_id] = members = _Members(frozenset(users), asked_at)
        return members
