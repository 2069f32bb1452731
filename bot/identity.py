"""Who people in Slack are: asked briefly and rarely."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
from pydantic import BaseModel, ConfigDict, StrictBool, StrictStr, ValidationError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.models import Actor, ActorKind
from actions.ports import Clock, Standing
from bot.local_directory import MEMBER, LocalDirectory, refused, unknown
from bot.slack_errors import error_code
from bot.user_groups import UserGroups

__all__ = ["LocalDirectory", "PeopleDirectory", "SlackDirectory", "build_directory"]

KNOWN_FOR: Final = 60.0
"""Seconds for which an answer of Slack's counts, from when it was asked."""
PATIENCE: Final = 1.0
"""Seconds that a person who presses a button waits for an answer."""
_LONGEST: Final = 5.0
"""Seconds after which a look-up is given up for good."""
_SLACKBOT: Final = "USLACKBOT"
_DEFINITE: Final = frozenset({"user_not_found", "user_not_visible"})


class _User(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: StrictStr
    team_id: StrictStr
    deleted: StrictBool
    is_bot: StrictBool | None = None
    is_restricted: StrictBool | None = None
    is_ultra_restricted: StrictBool | None = None
    is_workflow_bot: StrictBool = False
    is_stranger: StrictBool = False
    is_invited_user: StrictBool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    standing: Standing
    asked_at: float
    counts: bool
    """False for failures, which are not remembered."""


class SlackDirectory:
    """`actions.ports.Directory` of one workspace. Doubt refuses: only Slack's own clear word lets anybody act."""

    def __init__(self, client: AsyncWebClient, team_id: str, clock: Clock, *, group_ids: Collection[str] = ()) -> None:
        self._client = client
        self._groups = UserGroups(client, group_ids, clock)
        self._team_id = team_id
        self._clock = clock
        self._known: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Task[_Answer]] = {}

    async def standing(self, actor: Actor) -> Standing:
        """See `Directory.standing`."""
        team_id, _, user_id = actor.name.partition("/")
        if team_id != self._team_id:
            return refused("you belong to another Slack workspace than the bot")
        try:
            async with asyncio.timeout(PATIENCE):
                standing, groups = await asyncio.gather(self._standing(user_id), self._groups.of(user_id))
        except TimeoutError:
            return unknown("Slack did not say in time who you are. Wait a few seconds and try again")
        return replace(standing, groups=groups)

    async def _standing(self, user_id: str) -> Standing:
        known = self._known.get(user_id)
        if known is not None and self._is_fresh(known):
            return known.standing
        # Shielded, so that one impatient person does not end the look-up for others, or for the next click.
        return (await asyncio.shield(self._ask(user_id))).standing

    async def warm(self, actors: Iterable[Actor]) -> None:
        """Ask about these people now, so that their clicks need not wait. Never fails."""
        await asyncio.gather(*(self.standing(actor) for actor in actors if actor.kind is ActorKind.SLACK))

    def _is_fresh(self, answer: _Answer) -> bool:
        return self._clock.monotonic() - answer.asked_at <= KNOWN_FOR

    def _ask(self, user_id: str) -> asyncio.Task[_Answer]:
        task = self._asking.get(user_id)
        if task is None:
            task = asyncio.create_task(self._look_up(user_id), name=f"who is {user_id}")
            self._asking[user_id] = task
            task.add_done_callback(lambda _: self._asking.pop(user_id, None))
        return task

    async def _look_up(self, user_id: str) -> _Answer:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(_LONGEST):
                said = await self._client.users_info(user=user_id)
            user = _User.model_validate(said["user"])
        except SlackApiError as error:
            code = error_code(error)
            if code not in _DEFINITE:
                return _Answer(
                    unknown(f"Slack could not say who you are ({code}). Try again in a minute"), asked_at, False
                )
            answer = _Answer(refused("Slack does not know your account"), asked_at, True)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = f"Slack could not be asked who you are ({type(error).__name__}). Try again in a minute"
            return _Answer(unknown(why), asked_at, False)
        except (ValidationError, KeyError, TypeError):
            return _Answer(unknown("Slack's answer about your account could not be read"), asked_at, False)
        else:
            answer = _Answer(self._judged(user_id, user), asked_at, True)
        self._remember(user_id, answer)
        return answer

    def _remember(self, user_id: str, answer: _Answer) -> None:
        self._known = {other: known for other, known in self._known.items() if self._is_fresh(known)}
        self._known[user_id] = answer

    def _judged(self, user_id: str, user: _User) -> Standing:
        problem = self._problem(user_id, user)
        return refused(problem) if problem else MEMBER

    def _problem(self, user_id: str, user: _User) -> str | None:
        checks = (
            (user.id != user_id, "Slack answered about somebody else"),
            (user.deleted, "your Slack account is deactivated"),
            (user.is_stranger or user.team_id != self._team_id, "you belong to another Slack workspace than the bot"),
            (user.is_workflow_bot, "a workflow is no person"),
            (user.is_bot is not False or user.id == _SLACKBOT, "a bot is no person"),
            (user.is_invited_user, "your invitation to this Slack workspace was not accepted yet"),
            (user.is_ultra_restricted is not False, "you are a single-channel guest in this Slack workspace"),
            (user.is_restricted is not False, "you are a guest in this Slack workspace"),
        )
        return next((sentence for applies, sentence in checks if applies), None)


class PeopleDirectory:
    """`actions.ports.Directory` of a process that can ask Slack."""

    def __init__(self, slack: SlackDirectory, local: LocalDirectory) -> None:
        self._slack = slack
        self._local = local

    async def standing(self, actor: Actor) -> Standing:
        """See `Directory.standing`."""
        return await (self._slack if actor.kind is ActorKind.SLACK else self._local).standing(actor)

    async def warm(self, actors: Iterable[Actor]) -> None:
        """See `SlackDirectory.warm`."""
        await self._slack.warm(actors)


def build_directory(
    client: AsyncWebClient, team_id: str, clock: Clock, *, group_ids: Collection[str] = ()
) -> PeopleDirectory:
    """Return the directory of a process that can ask Slack, also who is in these user groups."""
    return PeopleDirectory(SlackDirectory(client, team_id, clock, group_ids=group_ids), LocalDirectory())
