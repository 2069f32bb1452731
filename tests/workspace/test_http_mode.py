from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.app import App, Shortcut
from bot.workspace.delivery import Kind
from bot.workspace.http_mode import encode, signed_headers
from bot.workspace.server import Workspace, running_workspace

from .doubles import Json, buttons, modal, web_client


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """A workspace by the wall clock, against which Bolt checks how old a request is."""
    app = App(shortcuts=(Shortcut(name="Explain", callback_id="explain"),))
    async with running_workspace(app=app, ack_seconds=0.5, event_retry_seconds=(0.0,)) as running:
        yield running


@asynccontextmanager
async def served(workspace: Workspace, app: AsyncApp) -> AsyncIterator[None]:
    runner = web.AppRunner(app.web_app())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        workspace.deliver_over_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        yield
    finally:
        await runner.cleanup()


def http_app(workspace: Workspace) -> AsyncApp:
    return AsyncApp(client=web_client(workspace), signing_secret=workspace.signing_secret, process_before_response=True)


async def test_all_that_people_do_arrives_signed(workspace: Workspace, client: AsyncWebClient) -> None:
    app = http_app(workspace)
    arrived: list[str] = []

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        arrived.append(body["type"])
        await ack()

    @app.command("/operator")
    async def operator(ack: AsyncAck, body: Json) -> None:
        arrived.append(body["command"])
        await ack("hello")

    @app.view("why")
    async def why(ack: AsyncAck, body: Json) -> None:
        arrived.append(body["type"])
        await ack(response_action="errors", errors={"reason": "No."})

    @app.message_shortcut("explain")
    async def explain(ack: AsyncAck, body: Json) -> None:
        arrived.append(body["type"])
        await ack()

    @app.event("app_home_opened")
    async def home(event: Json) -> None:
        arrived.append(event["type"])

    posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=[buttons()])
    view = workspace.state.views.open("U0ANN", modal())
    async with served(workspace, app):
        assert (await workspace.click(user="ann", channel="ops", ts=posted["ts"], action_id="go")).acked
        assert (await workspace.command(user="ann", channel="ops", command="/operator")).acked
        assert (await workspace.shortcut(user="ann", callback_id="explain", channel="ops", ts=posted["ts"])).acked
        submitted = await workspace.submit(user="ann", view_id=view.id, values={"reason": {"text": "x"}})
        assert (await workspace.open_home(user="ann")).acked
    assert submitted.errors == {"reason": "No."}
    assert arrived == ["block_actions", "/operator", "message_action", "view_submission", "app_home_opened"]
    assert [message["text"] for message in workspace.ephemerals("ops", user="ann")] == ["hello"]


async def test_an_app_with_another_secret_accepts_nothing(workspace: Workspace, client: AsyncWebClient) -> None:
    app = AsyncApp(client=client, signing_secret="another", process_before_response=True)
    async with served(workspace, app):
        outcome = await workspace.command(user="ann", channel="ops", command="/operator")
    assert (outcome.acked, outcome.error) == (False, "dispatch_failed")


async def test_nobody_at_the_address_is_a_failed_dispatch(workspace: Workspace) -> None:
    workspace.deliver_over_http("http://127.0.0.1:9/slack/events")
    outcome = await workspace.command(user="ann", channel="ops", command="/operator")
    assert (outcome.acked, outcome.error) == (False, "dispatch_failed")


def test_the_signature_is_the_one_that_slack_computes() -> None:
    body, content_type = encode(Kind.INTERACTIVE, {"type": "block_actions", "text": "ä&"})
    headers = signed_headers(body, secret="s3cret", at=1_790_000_000.9)
    verifier = SignatureVerifier("s3cret")
    signature = verifier.generate_signature(timestamp=headers["X-Slack-Request-Timestamp"], body=body)
    assert headers["X-Slack-Signature"] == signature
    assert content_type == "application/x-www-form-urlencoded"


async def test_a_repeated_event_says_that_it_is_one(workspace: Workspace) -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append((request.headers.get("X-Slack-Retry-Num"), request.headers.get("X-Slack-Retry-Reason")))
        workspace.state.say(workspace.state.user("ann"), workspace.state.channel("ops"), "seen")
        return web.Response(status=500)

    application = web.Application()
    application.router.add_post("/slack/events", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        workspace.deliver_over_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        await workspace.open_home(user="ann")
        await workspace.until(lambda: len(workspace.messages("ops")) == 2)
    finally:
        await runner.cleanup()
    assert seen == [(None, None), ("1", "http_timeout")]


async def test_the_control_page_knows_that_http_delivers(workspace: Workspace) -> None:
    workspace.deliver_over_http("http://127.0.0.1:9/slack/events")
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{workspace.page_url}control/state", params={"user": "ann"})
        assert (await answer.json())["sockets"] is None
