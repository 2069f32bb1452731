import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.panels import Panel, PanelButton
from bot.workspace.server import Workspace, running_workspace

from .doubles import Clock, Json, bolt_app, buttons, connected, modal


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def post(session: aiohttp.ClientSession, workspace: Workspace, name: str, body: Any) -> tuple[int, Json]:
    async with session.post(f"{workspace.page_url}control/{name}", json=body) as answer:
        return answer.status, await answer.json()


async def picture(session: aiohttp.ClientSession, workspace: Workspace, **query: str) -> Json:
    async with session.get(f"{workspace.page_url}control/state", params={"user": "ann"} | query) as answer:
        said: Json = await answer.json()
        return said


async def test_everything_a_person_does_can_be_done_over_http(
    workspace: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck) -> None:
        await ack()

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        await ack("hello")

    @app.view("why")
    async def why(ack: AsyncAck) -> None:
        await ack(response_action="errors", errors={"reason": "No."})

    @app.event("app_home_opened")
    async def home() -> None:
        pass

    posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=[buttons()])
    view = workspace.state.views.open("U0ANN", modal())
    bodies: list[tuple[str, Json]] = [
        ("click", {"user": "ann", "channel": "ops", "ts": posted["ts"], "block_id": "decide"}),
        ("command", {"user": "ann", "channel": "ops", "command": "/operator", "text": "status"}),
        ("view_submit", {"user": "ann", "view_id": view.id, "values": {"reason": {"text": "x"}}}),
        ("view_close", {"user": "ann", "view_id": view.id}),
        ("home", {"user": "ann"}),
    ]
    async with connected(workspace, app):
        for name, body in bodies:
            status, answer = await post(session, workspace, name, body)
            assert (status, answer["ok"], answer["acked"]) == (200, True, True), name
            assert answer["errors"] == ({"reason": "No."} if name == "view_submit" else {})
    status, answer = await post(session, workspace, "message", {"user": "bo", "channel": "ops", "text": "hi"})
    assert (status, workspace.messages("ops")[-1]["ts"]) == (200, answer["ts"])


@pytest.mark.parametrize(
    ("name", "body", "status", "error"),
    [
        ("click", {"user": "ann"}, 400, "invalid_arguments"),
        ("click", {"user": "ann", "channel": "ops", "ts": "1.0", "view_id": "V1"}, 400, "invalid_arguments"),
        ("click", {"user": "ann", "channel": "ops", "ts": "1.0"}, 409, "message_not_found"),
        ("click", [], 400, "invalid_arguments"),
        ("message", {"user": "ann", "channel": "ops", "text": "  "}, 409, "no_text"),
        ("shortcut", {"user": "ann", "callback_id": "x", "channel": "ops"}, 400, "invalid_arguments"),
        ("shortcut", {"user": "ann", "callback_id": "x", "ts": "1.0"}, 400, "invalid_arguments"),
        ("shortcut", {"user": "ann", "callback_id": "x"}, 409, "shortcut_not_found"),
        ("faults", {"kind": "earthquake"}, 400, "invalid_arguments"),
        ("faults", {"kind": "status", "status": 200}, 400, "invalid_arguments"),
        ("sockets", {"how": "politely"}, 400, "invalid_arguments"),
        ("panel", {"panel": "a", "button": "b"}, 409, "button_not_found"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_reason(
    workspace: Workspace, session: aiohttp.ClientSession, name: str, body: Any, status: int, error: str
) -> None:
    got, answer = await post(session, workspace, name, body)
    assert (got, answer["ok"], answer["error"]) == (status, False, error)


async def test_trouble_is_made_and_stopped_over_http(
    workspace: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    await post(session, workspace, "faults", {"method": "chat.postMessage", "kind": "reset", "applied": True})
    await client.chat_postMessage(channel="C0OPS", text="x")
    assert len(workspace.messages("ops")) == 2
    await post(session, workspace, "faults", {"kind": "error", "error": "fatal_error", "times": None})
    await post(session, workspace, "envelopes", {"swallow": 1, "duplicate": 1})
    await post(session, workspace, "sockets", {"how": "refuse"})
    await post(session, workspace, "faults/clear", {})
    await client.chat_postMessage(channel="C0OPS", text="y")
    assert workspace.faults.deliveries() == 1
    assert not workspace.faults.refuses_socket()


async def test_connections_are_disturbed_over_http(workspace: Workspace, session: aiohttp.ClientSession) -> None:
    async with connected(workspace, bolt_app(workspace)):
        for how in ("warning", "abort"):
            _, answer = await post(session, workspace, "sockets", {"how": how})
            assert answer["sockets"] == 1
            await workspace.until(lambda: workspace.sockets.open_sockets == 0)
            await workspace.until(lambda: workspace.sockets.open_sockets == 1)


async def test_a_picture_holds_what_one_person_sees(
    workspace: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    await client.chat_postMessage(channel="C0OPS", text="for all")
    await client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="for ann")
    workspace.state.views.open("U0ANN", modal())
    anns, bos = await picture(session, workspace), await picture(session, workspace, user="bo")
    assert [message["text"] for message in anns["messages"]] == ["for all", "for ann"]
    assert [message["text"] for message in bos["messages"]] == ["for all"]
    assert (len(anns["modals"]), len(bos["modals"])) == (1, 0)
    assert anns["channel"] == "C0OPS"
    assert (await picture(session, workspace, channel="incident-42"))["channel"] == "C0INCIDENT42"
    assert (await picture(session, workspace, channel="nowhere"))["channel"] == "C0OPS"
    assert (await picture(session, workspace, user="nobody"))["error"] == "user_not_found"


async def test_every_change_is_told_to_whoever_listens(
    workspace: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{workspace.page_url}control/events") as stream:
        first = await stream.content.readline()
        await stream.content.readline()
        await client.chat_postMessage(channel="C0OPS", text="x")
        second = await stream.content.readline()
    assert int(second.removeprefix(b"data: ")) > int(first.removeprefix(b"data: "))


async def test_a_panels_button_says_what_it_did_or_that_it_failed(clock: Clock, session: aiohttp.ClientSession) -> None:
    async def stop_a_member() -> str:
        return "Member 2 was stopped."

    async def fail() -> str:
        raise OSError("no such process")

    panel = Panel(
        id="break",
        title="Break something",
        buttons=(
            PanelButton(id="stop", label="Stop a member", press=stop_a_member),
            PanelButton(id="fail", label="Fail", press=fail),
        ),
    )
    async with running_workspace(clock=clock, extra_panels=[panel]) as workspace:
        _, stopped = await post(session, workspace, "panel", {"panel": "break", "button": "stop"})
        _, failed = await post(session, workspace, "panel", {"panel": "break", "button": "fail"})
        shown = (await picture(session, workspace))["panels"]
    assert (stopped["said"], stopped["failed"]) == ("Member 2 was stopped.", False)
    assert (failed["said"], failed["failed"]) == ("Fail failed. The log says why.", True)
    assert [button["label"] for button in shown[0]["buttons"]] == ["Stop a member", "Fail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Host": "evil.example"},
    ],
)
async def test_a_foreign_page_controls_nothing(
    workspace: Workspace, session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    body = json.dumps({"user": "ann", "channel": "ops", "text": "forged"})
    url = f"{workspace.page_url}control/message"
    async with session.post(url, data=body, headers={"Content-Type": "application/json"} | headers) as answer:
        assert answer.status == 403
    assert workspace.messages("ops") == []


async def test_the_own_page_under_either_name_may(workspace: Workspace, session: aiohttp.ClientSession) -> None:
    port = workspace.page_url.rstrip("/").rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        url = f"{workspace.page_url}control/message"
        async with session.post(url, json={"user": "ann", "channel": "ops", "text": "x"}, headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("", 200), ("archives/C0OPS/p1790000000000000", 200), ("control/state?user=ann", 403), ("api/api.test", 403)],
)
async def test_another_page_may_link_here_and_no_more(
    workspace: Workspace, session: aiohttp.ClientSession, path: str, status: int
) -> None:
    async with session.get(f"{workspace.page_url}{path}", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == status


@pytest.mark.parametrize("path", ["control/state?user=ann", "api/api.test", "", "static/workspace.js"])
async def test_under_a_foreign_name_nothing_is_served(
    workspace: Workspace, session: aiohttp.ClientSession, path: str
) -> None:
    async with session.get(f"{workspace.page_url}{path}", headers={"Host": "rebound.example"}) as answer:
        assert answer.status == 403


async def test_the_page_opens_no_address_but_its_own_and_cannot_be_framed(
    workspace: Workspace, session: aiohttp.ClientSession
) -> None:
    async with session.get(workspace.page_url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in await answer.text()
    async with session.get(f"{workspace.page_url}static/../server.py") as answer:
        assert answer.status == 404


async def test_what_is_not_there_is_not_found(workspace: Workspace, session: aiohttp.ClientSession) -> None:
    for path in ("static/nothing.js", "files/F1", "static/__init__.py"):
        async with session.get(f"{workspace.page_url}{path}") as answer:
            assert answer.status == 404
    async with session.post(f"{workspace.page_url}response/T/A/guessed", json={"text": "x"}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (404, "invalid_url")
    async with session.post(f"{workspace.page_url}upload/F1", data=b"x") as answer:
        assert answer.status == 404
