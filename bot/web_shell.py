"""Around every request: Slack's own path straight to its handler, and our headers on every other answer."""

import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

SLACK_PATH: Final = "/slack/events"
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Shell:
    """Stands between the server and the application; on its way to Slack's handler a press passes nothing else."""

    def __init__(self, app: ASGIApp, slack_handler: ASGIApp | None) -> None:
        self._app = app
        self._slack_handler = slack_handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == SLACK_PATH and self._slack_handler is not None and scope["method"] == "POST":
            await self._slack_handler(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception:  # boundary: the application has answered and logged it, and raises it again for the server
            log.debug("a request failed", exc_info=True)
