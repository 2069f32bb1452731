from collections.abc import AsyncIterator

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.channels import Channels
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.records import Channel
from bot.workspace.server import Workspace
from tests.bot.running import count, local_workspace


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with local_workspace() as workspace:
        yield workspace


@pytest.fixture
def channels(workspace: Workspace) -> Channels:
    return Channels(AsyncWebClient(token=workspace.bot_token, base_url=workspace.base_url, retry_handlers=[]))


async def test_an_id_is_an_id_and_asks_nobody(workspace: Workspace, channels: Channels) -> None:
    assert await channels.find("C0OPS") == "C0OPS"
    assert channels.known("C0OPS") == "C0OPS"
    assert count(workspace, "conversations.list") == 0


async def test_a_name_is_looked_up_once(workspace: Workspace, channels: Channels) -> None:
    assert channels.known("#ops") == "#ops"
    assert [await channels.find("#ops") for _ in range(3)] == ["C0OPS"] * 3
    assert channels.known("#ops") == "C0OPS"
    assert count(workspace, "conversations.list") == 1


async def test_what_slack_answered_to_a_post_is_not_asked_again(workspace: Workspace, channels: Channels) -> None:
    channels.learn("#ops", "C0OPS")
    channels.learn("C0INCIDENT42", "C0INCIDENT42")

    assert await channels.find("#ops") == "C0OPS"
    assert count(workspace, "conversations.list") == 0


async def test_a_channel_beyond_the_first_thousand_is_found_and_one_that_is_not_there_is_not(
    workspace: Workspace, channels: Channels
) -> None:
    for number in range(1_200):
        workspace.state.put_channel(Channel(id=f"C1{number:04d}", name=f"room-{number}", members=frozenset()))

    assert await channels.find("#room-1199") == "C11199"
    assert await channels.find("#nowhere") is None
    assert count(workspace, "conversations.list") == 4


async def test_a_slack_that_cannot_answer_is_not_a_channel_that_is_not_there(
    workspace: Workspace, channels: Channels
) -> None:
    workspace.faults.script("conversations.list", Fault(kind=FaultKind.RATE_LIMITED))

    with pytest.raises(SlackApiError):
        await channels.find("#ops")

    assert await channels.find("#ops") == "C0OPS"
