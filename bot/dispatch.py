"""Hands what Slack sent to Bolt, whichever way it came, and survives what Slack never sends.

Left to itself Bolt takes a command for nothing if the word `payload` occurs in it, and stumbles over malformed payloads
before any listener, or even its own error handler, has run.
"""

import json
import logging
from typing import Any, Final
from urllib.parse import parse_qsl

from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from actions.errors import BadRequestError
from bot.web_shell import SLACK_PATH

log = logging.getLogger(__name__)

_UNREADABLE: Final = 400


def read_body(raw: bytes, content_type: str) -> dict[str, Any]:
    """Return the payload of a request body: JSON, a form with JSON in `payload`, or a form.

    Raises:
        BadRequestError: it is none of these.
    """
    text = raw.decode(errors="replace")
    if content_type.split(";", maxsplit=1)[0].strip().lower() == "application/json":
        return _json(text)
    form = dict(parse_qsl(text, keep_blank_values=True))
    return _json(form["payload"]) if "payload" in form else dict(form)


async def dispatch(app: AsyncApp, payload: dict[str, Any]) -> BoltResponse:
    """Return the app's answer; 400 where Bolt itself fails. Never raises."""
    try:
        # This mode takes the payload as it is: verified and parsed.
        return await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=payload))
    except Exception:  # boundary: one payload must not end the connection for all others
        log.exception("a payload could not be handled")
        return BoltResponse(status=_UNREADABLE)


def http_endpoint(app: AsyncApp) -> ASGIApp:
    """Return what takes Slack's requests. They must have passed `bot.gate`."""

    async def take(request: Request) -> Response:
        try:
            payload = read_body(await request.body(), request.headers.get("content-type", ""))
        except BadRequestError as error:
            log.warning("a signed request could not be read: %s", error)
            return Response(status_code=_UNREADABLE)
        return to_starlette_response(await dispatch(app, payload))

    return Starlette(routes=[Route(SLACK_PATH, take, methods=["POST"])])


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError("Slack sent something that is not JSON.") from None
    if not isinstance(value, dict):
        raise BadRequestError("Slack sent JSON that is no object.")
    return value
