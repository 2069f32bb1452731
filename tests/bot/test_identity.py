import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from actions.models import Actor, ActorKind
from bot.identity import KNOWN_FOR, LocalDirectory, SlackDirectory, build_directory
from tests.factories import FixedClock

ANN = Actor.slack("T1", "UANN")
MEMBER: dict[str, Any] = {
    "id": "UANN",
    "team_id": "T1",
    "deleted": False,
    "is_bot": False,
    "is_restricted": False,
    "is_ultra_restricted": False,
}
Answer = Callable[[], Awaitable[web.Response]]


class Workspace:
    """Slack's users.info alone, with what it is to answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.user: Mapping[str, Any] = MEMBER
        self.answer: Answer = self.normally
        self.groups: dict[str, list[str]] = {"S1": ["UANN"], "S2": ["UBO"]}
        self.group_answer: Callable[[str], Awaitable[web.Response]] = self.its_members
        self.release = asyncio.Event()

    async def normally(self) -> web.Response:
        return web.json_response({"ok": True, "user": self.user})

    async def slowly(self) -> web.Response:
        await self.release.wait()
        return await self.normally()

    async def group_users(self, request: web.Request) -> web.Response:
        sent = await request.post()
        group_id = str(sent.get("usergroup") or request.query.get("usergroup"))
        self.asked.append(group_id)
        return await self.group_answer(group_id)

    async def its_members(self, group_id: str) -> web.Response:
        return web.json_response({"ok": True, "users": self.groups[group_id]})

    async def users_info(self, request: web.Request) -> web.Response:
        sent = await request.post()
        self.asked.append(str(sent.get("user") or request.query.get("user")))
        return await self.answer()


def saying(document: object, *, status: int = 200) -> Answer:
    async def answer() -> web.Response:
        return web.json_response(document, status=status)

    return answer


@pytest.fixture
async def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def directory(workspace: Workspace, clock: FixedClock) -> AsyncIterator[SlackDirectory]:
    app = web.Application()
    app.router.add_route("*", "/api/users.info", workspace.users_info)
    app.router.add_route("*", "/api/usergroups.users.list", workspace.group_users)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(
            token="xoxb-1", base_url=f"http://{host}:{port}/api/", session=session, retry_handlers=[]
        )
        yield SlackDirectory(client, "T1", clock)
    workspace.release.set()
    await runner.cleanup()


async def test_a_full_member_may_act(directory: SlackDirectory) -> None:
    standing = await directory.standing(ANN)

    assert standing.active
    assert standing.full_member
    assert standing.problem == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"deleted": True}, "your Slack account is deactivated"),
        ({"is_stranger": True}, "you belong to another Slack workspace"),
        ({"team_id": "T2"}, "you belong to another Slack workspace"),
        ({"is_bot": True}, "a bot is no person"),
        ({"is_bot": None}, "a bot is no person"),
        ({"is_workflow_bot": True, "is_bot": True}, "a workflow is no person"),
        ({"is_restricted": True}, "you are a guest"),
        ({"is_restricted": None}, "you are a guest"),
        ({"is_restricted": True, "is_ultra_restricted": True}, "you are a single-channel guest"),
        ({"is_invited_user": True}, "your invitation"),
        ({"id": "UBO"}, "somebody else"),
        ({"deleted": "no"}, "could not be read"),
        ({"team_id": None}, "could not be read"),
    ],
)
async def test_everybody_else_is_refused_and_told_why(
    workspace: Workspace, directory: SlackDirectory, change: dict[str, Any], problem: str
) -> None:
    workspace.user = MEMBER | change

    standing = await directory.standing(ANN)

    assert not (standing.active and standing.full_member)
    assert problem in standing.problem


async def test_slackbot_is_no_person_although_slack_does_not_call_it_a_bot(
    workspace: Workspace, directory: SlackDirectory
) -> None:
    workspace.user = MEMBER | {"id": "USLACKBOT"}

    standing = await directory.standing(Actor.slack("T1", "USLACKBOT"))

    assert standing.problem == "a bot is no person"


async def test_somebody_of_another_workspace_is_refused_without_asking(
    workspace: Workspace, directory: SlackDirectory
) -> None:
    standing = await directory.standing(Actor.slack("T2", "UANN"))

    assert not standing.active
    assert workspace.asked == []


async def test_an_answer_counts_for_a_minute(
    workspace: Workspace, directory: SlackDirectory, clock: FixedClock
) -> None:
    await directory.standing(ANN)
    clock.advance(KNOWN_FOR)
    workspace.user = MEMBER | {"deleted": True}

    assert (await directory.standing(ANN)).active
    clock.advance(0.001)
    assert not (await directory.standing(ANN)).active
    assert workspace.asked == ["UANN", "UANN"]


async def test_many_clicks_of_one_person_are_one_question(workspace: Workspace, directory: SlackDirectory) -> None:
    standings = await asyncio.gather(*(directory.standing(ANN) for _ in range(50)))

    assert all(standing.active for standing in standings)
    assert workspace.asked == ["UANN"]


async def test_a_slow_answer_refuses_now_and_serves_the_next_click(
    workspace: Workspace, directory: SlackDirectory
) -> None:
    workspace.answer = workspace.slowly

    refused = await directory.standing(ANN)
    workspace.release.set()
    allowed = await directory.standing(ANN)

    assert "did not say in time" in refused.problem
    assert allowed.active
    assert workspace.asked == ["UANN"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (saying({"ok": False, "error": "ratelimited"}, status=429), "ratelimited"),
        (saying({"ok": False, "error": "invalid_auth"}), "invalid_auth"),
        (saying({"ok": False, "error": "internal_error"}, status=500), "internal_error"),
        (saying({"ok": True}), "could not be read"),
        (saying({"ok": True, "user": "ann"}), "could not be read"),
    ],
)
async def test_a_failure_refuses_and_is_not_remembered(
    workspace: Workspace, directory: SlackDirectory, answer: Answer, problem: str
) -> None:
    workspace.answer = answer
    refused = await directory.standing(ANN)
    workspace.answer = workspace.normally

    assert not refused.active
    assert problem in refused.problem
    assert (await directory.standing(ANN)).active


async def test_an_unknown_account_is_remembered_as_unknown(workspace: Workspace, directory: SlackDirectory) -> None:
    workspace.answer = saying({"ok": False, "error": "user_not_found"})

    first, second = await directory.standing(ANN), await directory.standing(ANN)

    assert first == second
    assert first.problem == "Slack does not know your account"
    assert workspace.asked == ["UANN"]


async def test_slack_out_of_reach_refuses(clock: FixedClock) -> None:
    client = AsyncWebClient(token="xoxb-1", base_url="http://127.0.0.1:9/api/", retry_handlers=[])

    standing = await SlackDirectory(client, "T1", clock).standing(ANN)

    assert not standing.active
    assert "could not be asked" in standing.problem


async def test_people_who_were_asked_about_ahead_need_not_wait(workspace: Workspace, directory: SlackDirectory) -> None:
    await directory.warm([ANN, Actor.cli("bo", "host")])
    workspace.answer = saying({"ok": False, "error": "internal_error"}, status=500)

    assert (await directory.standing(ANN)).active
    assert workspace.asked == ["UANN"]


async def test_this_machine_knows_its_own_users_and_nobody_else() -> None:
    local = LocalDirectory()

    assert (await local.standing(Actor.cli("ann", "host"))).full_member
    assert "SLACK_BOT_TOKEN" in (await local.standing(ANN)).problem
    assert not (await local.standing(Actor(ActorKind.AGENT, "rules"))).active


async def test_a_running_bot_knows_both(workspace: Workspace, directory: SlackDirectory, clock: FixedClock) -> None:
    both = build_directory(directory._client, "T1", clock)
    await both.warm([ANN])

    assert (await both.standing(ANN)).active
    assert (await both.standing(Actor.cli("ann", "host"))).active
    assert not (await both.standing(Actor.system("sweeper"))).active
    assert workspace.asked == ["UANN"]


@pytest.fixture
def grouped(directory: SlackDirectory, clock: FixedClock) -> SlackDirectory:
    """The same Slack, with two groups that the policy names."""
    return SlackDirectory(directory._client, "T1", clock, group_ids={"S1", "S2"})


async def test_the_groups_of_a_person_are_those_that_list_them(grouped: SlackDirectory) -> None:
    assert (await grouped.standing(ANN)).groups == frozenset({"S1"})


async def test_where_no_groups_are_named_none_are_asked_about(workspace: Workspace, directory: SlackDirectory) -> None:
    assert (await directory.standing(ANN)).groups == frozenset()
    assert workspace.asked == ["UANN"]


async def test_groups_are_asked_about_once_a_minute(
    workspace: Workspace, grouped: SlackDirectory, clock: FixedClock
) -> None:
    await grouped.standing(ANN)
    workspace.groups["S2"].append("UANN")
    clock.advance(KNOWN_FOR)
    assert (await grouped.standing(ANN)).groups == frozenset({"S1"})

    clock.advance(1)

    assert (await grouped.standing(ANN)).groups == frozenset({"S1", "S2"})
    assert sorted(workspace.asked) == ["S1", "S1", "S2", "S2", "UANN", "UANN"]


@pytest.mark.parametrize(
    "answer",
    [
        saying({"ok": False, "error": "no_such_subteam"}),
        saying({"ok": False, "error": "missing_scope"}),
        saying({"ok": True}),
        saying({"ok": True, "users": "UANN"}),
        saying({"ok": True, "users": [1]}),
        saying({}, status=500),
    ],
)
async def test_a_group_that_slack_does_not_tell_about_is_not_guessed_and_asked_about_again(
    workspace: Workspace, grouped: SlackDirectory, answer: Answer
) -> None:
    async def on_the_second(group_id: str) -> web.Response:
        return await (answer() if group_id == "S2" else workspace.its_members(group_id))

    workspace.group_answer = on_the_second
    standing = await grouped.standing(ANN)
    assert (standing.active, standing.groups) == (True, None)

    workspace.group_answer = workspace.its_members
    assert (await grouped.standing(ANN)).groups == frozenset({"S1"})


async def test_nobody_waits_more_than_a_second_for_a_group(workspace: Workspace, grouped: SlackDirectory) -> None:
    async def slowly(group_id: str) -> web.Response:
        await workspace.release.wait()
        return await workspace.its_members(group_id)

    workspace.group_answer = slowly
    standing = await grouped.standing(ANN)

    assert (standing.active, standing.known) == (False, False)
    assert "did not say in time" in standing.problem
    workspace.release.set()
    assert (await grouped.standing(ANN)).groups == frozenset({"S1"}), "the question went on, and was answered"
