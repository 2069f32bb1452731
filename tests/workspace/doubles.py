"""What the workspace tests share: a clock that stands still, blocks to post, an app to connect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.server import Workspace

Json = dict[str, Any]


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def button(action_id: str = "go", **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain("Go"), "value": "42", **more}


def buttons(*elements: Json, block_id: str = "decide") -> Json:
    return {"type": "actions", "block_id": block_id, "elements": list(elements) or [button()]}


def text_input(block_id: str = "reason", action_id: str = "text", **more: Any) -> Json:
    element = {"type": "plain_text_input", "action_id": action_id}
    return {"type": "input", "block_id": block_id, "label": plain("Reason"), "element": element, **more}


def modal(*blocks: Json, **more: Any) -> Json:
    return {
        "type": "modal",
        "callback_id": "why",
        "title": plain("Why?"),
        "submit": plain("Save"),
        "blocks": list(blocks) or [text_input()],
        **more,
    }


def web_client(workspace: Workspace, **more: Any) -> AsyncWebClient:
    return AsyncWebClient(token=workspace.bot_token, base_url=workspace.base_url, **more)


def bolt_app(workspace: Workspace) -> AsyncApp:
    return AsyncApp(client=web_client(workspace), process_before_response=True)


@asynccontextmanager
async def connected(workspace: Workspace, app: AsyncApp) -> AsyncIterator[AsyncSocketModeHandler]:
    before = workspace.sockets.open_sockets
    handler = AsyncSocketModeHandler(app, workspace.app_token, ping_interval=0.2)
    await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt's own signature
    await workspace.until(lambda: workspace.sockets.open_sockets == before + 1)
    try:
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt's own signature


def code(refused: SlackApiError) -> str:
    return str(refused.response["error"])
