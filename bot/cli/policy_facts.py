"""What the policy is checked against: the actions that are offered, and what Slack says of people."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from actions.ports import Directory
from bot.identity import build_directory
from bot.policy_lint import Case, Rosters
from bot.settings import Settings
from bot.subjects import build_subjects
from bot.system import SystemClock
from bot.user_groups import UserGroups
from bot.workspace_identity import who_am_i

_PATIENCE: Final = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who people are, as far as it can be known from here."""

    directory: Directory | None = None
    """None: Slack cannot be asked, because SLACK_BOT_TOKEN is not set."""
    rosters: Rosters = field(default_factory=dict)


async def offered(settings: Settings) -> list[Case]:
    """Return every action of the configured subjects, without asking them. Raises `ConfigurationError`."""
    sections = {name: {"kind": section.kind, **section.options} for name, section in settings.subjects.items()}
    subjects = build_subjects(sections, clock=SystemClock(), environ=os.environ)
    try:
        return [
            Case(subject=action.subject, action_name=action.name, risk=action.risk)
            for subject in subjects.values()
            for action in subject.actions
        ]
    finally:
        for subject in subjects.values():
            await subject.close()


@asynccontextmanager
async def people(settings: Settings) -> AsyncIterator[People]:
    """Ask Slack as `operator run` does, if a token is set.

    Raises:
        ConfigurationError, UnavailableError: a token is set, and Slack does not accept it or cannot be reached.
    """
    if settings.slack_bot_token is None:
        yield People()
        return
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        client = AsyncWebClient(
            token=settings.slack_bot_token.get_secret_value(),
            base_url=settings.slack_api_url.rstrip("/") + "/",
            session=session,
            retry_handlers=[],
        )
        team_id = (await who_am_i(client)).team_id
        groups = UserGroups(client, settings.slack_groups, SystemClock())
        yield People(
            directory=build_directory(client, team_id, SystemClock(), group_ids=settings.slack_groups),
            rosters=await _rosters(groups, settings, team_id),
        )


async def _rosters(groups: UserGroups, settings: Settings, team_id: str) -> Mapping[str, frozenset[str]]:
    found = {group_id: await groups.members(group_id) for group_id in sorted(settings.slack_groups)}
    return {
        group_id: frozenset(f"{team_id}/{user}" for user in users)
        for group_id, users in found.items()
        if users is not None
    }
