from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.ids import Ids
from bot.workspace.server import Workspace, running_workspace

from .doubles import Clock, web_client


@pytest.fixture
def clock() -> Clock:
    return Clock(1_790_000_000.0)


@pytest.fixture
async def workspace(clock: Clock) -> AsyncIterator[Workspace]:
    async with running_workspace(clock=clock, ids=Ids(), ack_seconds=0.3, event_retry_seconds=(0.0,)) as running:
        yield running


@pytest.fixture
def client(workspace: Workspace) -> AsyncWebClient:
    return web_client(workspace)
