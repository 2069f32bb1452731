"""Socket Mode against everything that its connections go through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from actions.models import ActionStatus
from bot.ids import Button
from bot.sockets import LONGEST_PAUSE, STEADY, Patience, Sockets
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.server import Workspace
from tests.bot.running import Bot, count, local_workspace, running_bot
from tests.factories import FixedClock


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    approval = {"low": {"required": 2}}
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, approval=approval) as running:
        await workspace.until(lambda: workspace.sockets.open_sockets == 2)
        yield running


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with local_workspace() as workspace:
        yield workspace


def pauses(clock: FixedClock, *, apart: float, times: int, jitter: float = 1.0) -> list[float]:
    patience = Patience(monotonic=clock.monotonic, jitter=lambda: jitter)
    found = []
    for _ in range(times):
        pause = patience.next_pause()
        found.append(pause)
        clock.advance(apart + pause)
    return found


def test_the_first_address_and_its_renewal_are_asked_for_at_once_and_the_rest_with_growing_patience() -> None:
    assert pauses(FixedClock(), apart=0, times=12) == [0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_many_bots_do_not_come_back_at_the_same_moment() -> None:
    assert pauses(FixedClock(), apart=0, times=5, jitter=0.0) == [0, 0, 0.25, 0.5, 1]


def test_connections_that_last_are_renewed_without_a_pause() -> None:
    assert pauses(FixedClock(), apart=STEADY + LONGEST_PAUSE + 1, times=20) == [0] * 20


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_a_disconnect_loses_no_click_that_was_recorded_and_the_next_ones_arrive(bot: Bot, reason: str) -> None:
    proposal_id, card = await bot.offered("a")
    assert (await bot.press(card, Button.APPROVE, by="ann")).acked

    assert await bot.workspace.sockets.disconnect_all(reason) == 2
    await bot.until(lambda: count(bot.workspace, "apps.connections.open") == 4)
    await bot.until(lambda: bot.workspace.sockets.open_sockets == 2)

    assert (await bot.press(card, Button.APPROVE, by="bo")).acked
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)


async def test_while_one_socket_is_renewed_the_other_takes_the_clicks(bot: Bot) -> None:
    _, card = await bot.offered("a")
    sockets = bot.service._problems
    client = next(iter(bot.workspace.sockets._sockets))
    await client.close()
    await bot.until(lambda: bot.workspace.sockets.open_sockets >= 1)

    assert (await bot.press(card, Button.APPROVE, by="ann")).acked
    assert [problem for say in sockets for problem in say()] == []


async def test_too_many_websockets_is_met_with_patience(workspace: Workspace) -> None:
    workspace.faults.refuse_sockets(1_000_000)
    began = asyncio.get_running_loop().time()
    async with connected(workspace) as sockets:
        # Each of two asks twice at once, and then waits a quarter of a second at least.
        while count(workspace, "apps.connections.open") < 5:  # noqa: ASYNC110 - a refused socket sets no event
            await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() - began >= 0.25
        workspace.faults.clear()
        await workspace.until(lambda: workspace.sockets.open_sockets == 2)
    assert sockets.problems() != []


async def test_connections_that_were_cut_are_noticed_and_made_anew(workspace: Workspace) -> None:
    app = an_app()

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        await ack("here")

    async with connected(workspace, app=app, ping_interval=0.1) as sockets:
        await workspace.until(lambda: workspace.sockets.open_sockets == 2)
        assert workspace.sockets.abort_all() == 2
        await workspace.until(lambda: workspace.sockets.open_sockets == 0)

        await workspace.until(lambda: workspace.sockets.open_sockets == 2)
        assert (await workspace.command(user="ann", channel="ops", command="/operator")).acked
        assert sockets.problems() == []


async def test_an_address_that_was_used_is_not_tried_again(workspace: Workspace) -> None:
    async with connected(workspace) as sockets:
        await workspace.until(lambda: workspace.sockets.open_sockets == 2)
        assert {client.wss_uri for client in sockets._clients} == {None}


async def test_a_slack_that_lets_nobody_in_delays_neither_the_start_nor_the_end(workspace: Workspace) -> None:
    stopping = asyncio.Event()
    stopping.set()
    with workspace.faults.lasting("apps.connections.open", Fault(kind=FaultKind.STATUS, status=503)):
        async with asyncio.timeout(2), connected(workspace, stopping) as sockets:
            assert sockets.problems() == [
                "There is no Socket Mode connection to Slack: clicks and commands do not arrive."
            ]


async def test_a_start_does_not_wait_for_ever_for_slack_and_goes_on_trying(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.faults.script("apps.connections.open", Fault(kind=FaultKind.HANG), times=None)
    async with connected(workspace, within=0.05, ping_interval=0.05):
        assert "Slack's Socket Mode does not let us in yet; it is tried on" in caplog.messages
        workspace.faults.clear()
        await workspace.until(lambda: workspace.sockets.open_sockets == 2)


async def test_what_is_under_way_at_the_end_is_acknowledged(workspace: Workspace) -> None:
    release, began = asyncio.Event(), asyncio.Event()
    app = an_app()

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        began.set()
        await release.wait()
        await ack("done")

    async with connected(workspace, app=app):
        await workspace.until(lambda: workspace.sockets.open_sockets == 2)
        typed = asyncio.create_task(workspace.command(user="ann", channel="ops", command="/operator"))
        await began.wait()
        asyncio.get_running_loop().call_later(0.1, release.set)

    assert (await typed).acked


async def test_an_interaction_that_never_ends_does_not_keep_the_bot_from_ending() -> None:
    began = asyncio.Event()
    app = an_app()

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        began.set()
        await asyncio.Event().wait()
        await ack()

    async with asyncio.timeout(5), local_workspace(ack_seconds=0.5) as workspace:
        async with connected(workspace, app=app):
            await workspace.until(lambda: workspace.sockets.open_sockets == 2)
            typed = asyncio.create_task(workspace.command(user="ann", channel="ops", command="/operator"))
            await began.wait()
        assert not (await typed).acked


def an_app() -> AsyncApp:
    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T0LOCAL", bot_token="xoxb-1")

    return AsyncApp(
        authorize=authorize, client=AsyncWebClient(), process_before_response=True, request_verification_enabled=False
    )


@asynccontextmanager
async def connected(
    workspace: Workspace,
    stopping: asyncio.Event | None = None,
    *,
    app: AsyncApp | None = None,
    ping_interval: float = 5.0,
    within: float = 5.0,
) -> AsyncIterator[Sockets]:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(
            token=workspace.bot_token, base_url=workspace.base_url, session=session, retry_handlers=[]
        )
        sockets = Sockets(app or an_app(), client, workspace.app_token, ping_interval=ping_interval)
        async with sockets.open(stopping or asyncio.Event(), within=within):
            yield sockets
