import asyncio

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.server import Workspace
from bot.workspace.socket_mode import MOST_SOCKETS

from .doubles import Json, bolt_app, buttons, connected


async def socket_url(workspace: Workspace) -> str:
    client = AsyncWebClient(base_url=workspace.base_url)
    return str((await client.apps_connections_open(app_token=workspace.app_token))["url"])


async def test_a_ticket_opens_one_socket(workspace: Workspace) -> None:
    url = await socket_url(workspace)
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(url)
        hello = await socket.receive_json()
        assert (hello["type"], hello["connection_info"]["app_id"]) == ("hello", "A0LOCAL")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url)
        assert refused.value.status == 403
        await socket.close()


async def test_the_eleventh_socket_is_too_many(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        sockets = [await session.ws_connect(await socket_url(workspace)) for _ in range(MOST_SOCKETS)]
        one_more = await session.ws_connect(await socket_url(workspace))
        frames = [await one_more.receive_json(), await one_more.receive_json()]
        assert [frame["type"] for frame in frames] == ["hello", "disconnect"]
        assert frames[1]["reason"] == "too_many_websockets"
        assert workspace.sockets.open_sockets == MOST_SOCKETS
        for socket in (*sockets, one_more):
            await socket.close()


async def test_envelopes_look_as_slack_sends_them(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(await socket_url(workspace))
        await socket.receive_json()
        command = asyncio.create_task(workspace.command(user="ann", channel="ops", command="/operator"))
        envelope = await socket.receive_json()
        assert envelope["type"] == "slash_commands"
        assert envelope["accepts_response_payload"] is True
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "hello"}})
        assert (await command).acked
        home = asyncio.create_task(workspace.open_home(user="ann"))
        event = await socket.receive_json()
        assert (event["type"], event["retry_attempt"], event["retry_reason"]) == ("events_api", 0, "")
        assert event["payload"]["event"]["type"] == "app_home_opened"
        await socket.send_json({"envelope_id": event["envelope_id"]})
        assert (await home).acked
        await socket.close()


async def test_an_event_without_an_ack_is_sent_again(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(await socket_url(workspace))
        await socket.receive_json()
        assert (await workspace.open_home(user="ann")).error == "operation_timeout"
        first, second = await socket.receive_json(), await socket.receive_json()
        assert (second["retry_attempt"], second["retry_reason"]) == (1, "http_timeout")
        assert second["payload"]["event_id"] == first["payload"]["event_id"]
        await socket.close()


async def test_nonsense_and_late_acks_do_no_harm(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(await socket_url(workspace))
        await socket.receive_json()
        for frame in ("not json", "[]", '{"envelope_id": "unknown"}', '{"envelope_id": 7, "payload": []}'):
            await socket.send_str(frame)
        command = asyncio.create_task(workspace.command(user="ann", channel="ops", command="/operator"))
        envelope = await socket.receive_json()
        for _ in range(2):
            await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await command).acked
        await socket.close()


async def test_two_connections_get_each_payload_once(workspace: Workspace, client: AsyncWebClient) -> None:
    app = bolt_app(workspace)
    values: list[str] = []

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        values.append(body["trigger_id"])
        await ack()

    posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=[buttons()])
    async with connected(workspace, app), connected(workspace, app):
        clicks = [workspace.click(user="ann", channel="ops", ts=posted["ts"], action_id="go") for _ in range(20)]
        outcomes = await asyncio.gather(*clicks)
    assert all(outcome.acked for outcome in outcomes)
    assert len(values) == len(set(values)) == 20
