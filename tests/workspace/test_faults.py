import asyncio

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.faults import Fault, FaultKind
from bot.workspace.server import Workspace

from .doubles import bolt_app, buttons, code, connected, web_client

RESET = Fault(kind=FaultKind.RESET)


async def post(client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel="C0OPS", text="x")


@pytest.mark.parametrize("retry_after", ["30", "0", "soon", None])
async def test_a_rate_limit_says_when_to_come_back_in_whatever_way(
    workspace: Workspace, client: AsyncWebClient, retry_after: str | None
) -> None:
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.RATE_LIMITED, retry_after=retry_after))
    with pytest.raises(SlackApiError) as refused:
        await post(client)
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers.get("Retry-After") == retry_after
    assert code(refused.value) == "ratelimited"
    await post(client)
    assert len(workspace.messages("ops")) == 1


async def test_the_clients_own_retry_after_a_rate_limit_gets_through(workspace: Workspace) -> None:
    client = web_client(workspace, retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)])
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.RATE_LIMITED, retry_after="0"))
    await post(client)
    assert len(workspace.messages("ops")) == 1


async def test_a_scripted_error_is_answered_as_often_as_asked(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.faults.script("*", Fault(kind=FaultKind.ERROR, error="token_revoked"), times=2)
    for _ in range(2):
        with pytest.raises(SlackApiError) as refused:
            await post(client)
        assert code(refused.value) == "token_revoked"
    await post(client)


async def test_a_server_error_has_its_status(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.STATUS, status=502))
    with pytest.raises(SlackApiError) as refused:
        await post(client)
    assert refused.value.response.status_code == 502


async def test_a_page_in_place_of_json_is_an_error_for_the_client(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.GARBAGE))
    with pytest.raises(SlackApiError):
        await post(client)
    assert workspace.messages("ops") == []


async def test_a_reset_may_lose_the_call_or_only_its_answer(workspace: Workspace) -> None:
    client = web_client(workspace, retry_handlers=[])
    workspace.faults.script("chat.postMessage", RESET)
    with pytest.raises(aiohttp.ClientError):
        await post(client)
    assert workspace.messages("ops") == []
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.RESET, applied=True))
    with pytest.raises(aiohttp.ClientError):
        await post(client)
    assert len(workspace.messages("ops")) == 1


async def test_the_default_client_doubles_a_message_whose_answer_was_lost(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.RESET, applied=True))
    await post(client)
    assert len(workspace.messages("ops")) == 2


async def test_a_call_hangs_until_the_faults_are_cleared(workspace: Workspace) -> None:
    client = web_client(workspace, retry_handlers=[])
    workspace.faults.script("chat.postMessage", Fault(kind=FaultKind.HANG))
    hanging = asyncio.create_task(post(client))
    finished, _ = await asyncio.wait({hanging}, timeout=0.2)
    assert not finished
    workspace.faults.clear()
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_a_lasting_fault_ends_with_its_block(workspace: Workspace, client: AsyncWebClient) -> None:
    with workspace.faults.lasting("chat.postMessage", Fault(kind=FaultKind.ERROR, error="fatal_error")):
        for _ in range(3):
            with pytest.raises(SlackApiError):
                await post(client)
    await post(client)


async def test_other_methods_go_on_while_one_is_faulty(workspace: Workspace, client: AsyncWebClient) -> None:
    workspace.faults.script("chat.update", Fault(kind=FaultKind.ERROR), times=None)
    await post(client)
    assert len(workspace.messages("ops")) == 1


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_the_client_reconnects_when_it_is_told_to(
    workspace: Workspace, client: AsyncWebClient, reason: str
) -> None:
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck) -> None:
        await ack()

    posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=[buttons()])
    async with connected(workspace, app):
        opened = len([method for method, _ in workspace.calls if method == "apps.connections.open"])
        assert await workspace.sockets.disconnect_all(reason) == 1
        await workspace.until(lambda: workspace.sockets.open_sockets == 0)
        await workspace.until(lambda: workspace.sockets.open_sockets == 1)
        reopened = len([method for method, _ in workspace.calls if method == "apps.connections.open"])
        assert reopened == opened + 1
        assert (await workspace.click(user="ann", channel="ops", ts=posted["ts"], action_id="go")).acked


async def test_the_client_comes_back_after_a_cut_connection(workspace: Workspace) -> None:
    async with connected(workspace, bolt_app(workspace)):
        assert workspace.sockets.abort_all() == 1
        await workspace.until(lambda: workspace.sockets.open_sockets == 0)
        await workspace.until(lambda: workspace.sockets.open_sockets == 1)


async def test_a_refused_socket_is_tried_again(workspace: Workspace) -> None:
    workspace.faults.refuse_sockets(2)
    async with connected(workspace, bolt_app(workspace)):
        await workspace.until(lambda: workspace.sockets.open_sockets == 1)
    assert [method for method, _ in workspace.calls].count("apps.connections.open") >= 3


async def test_a_swallowed_envelope_never_arrives_and_a_doubled_one_arrives_twice(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    app = bolt_app(workspace)
    runs = 0

    @app.action("go")
    async def go(ack: AsyncAck) -> None:
        nonlocal runs
        runs += 1
        await ack()

    posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=[buttons()])
    async with connected(workspace, app):
        workspace.faults.swallow_envelopes(1)
        lost = await workspace.click(user="ann", channel="ops", ts=posted["ts"], action_id="go")
        assert (lost.error, runs) == ("operation_timeout", 0)
        workspace.faults.duplicate_envelopes(1)
        assert (await workspace.click(user="ann", channel="ops", ts=posted["ts"], action_id="go")).acked
        assert (await workspace.click(user="ann", channel="ops", ts=posted["ts"], action_id="go")).acked
    assert runs == 3
