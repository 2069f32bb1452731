"""Bolt alone, for comparison: `python -m tests.bench.bolt tuned|stock SECRET`. It acknowledges every click.

Served by uvicorn with the settings of `operator run`, behind Bolt's own adapter and its own verification. *tuned* runs
listeners before it answers (`process_before_response`); *stock* is as Bolt comes, and looks every 10 ms whether a
listener has acknowledged. Prints its address; ends when its standard input does.
"""

import asyncio
import json
import logging
import sys

from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.http_server import serving
from bot.ids import Button


def build(secret: str, *, tuned: bool) -> Starlette:
    """Return an app that does nothing but acknowledge."""
    app = AsyncApp(
        name="bolt",
        logger=logging.getLogger("slack_bolt"),
        signing_secret=secret,
        authorize=_authorize,
        process_before_response=tuned,
    )

    @app.action(Button.APPROVE.value)
    async def approve(ack: AsyncAck) -> None:
        await ack()

    handler = AsyncSlackRequestHandler(app)

    async def take(request: Request) -> Response:
        return await handler.handle(request)

    return Starlette(routes=[Route("/slack/events", take, methods=["POST"])])


async def _authorize() -> AuthorizeResult:
    return AuthorizeResult(
        enterprise_id=None, team_id="T0LOCAL", bot_id="B0LOCAL", bot_user_id="U0BOT", bot_token="xoxb-local"
    )


async def serve(secret: str, *, tuned: bool) -> None:
    """Serve until standard input ends."""
    async with serving(build(secret, tuned=tuned), host="127.0.0.1", port=0) as address:
        print(json.dumps(address), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2], tuned=sys.argv[1] == "tuned"))
