"""Hands what Slack sent to Bolt, whichever way it came, and survives what Slack never sends.

Left to itself Bolt takes a command for nothing if the word `payload` occurs in it, and stumbles over malformed payloads
before any listener, or even its own error handler, has run.
"""

import json
import logging
from binascii import a2b_qp
from typing import Any, Final

from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from actions.errors import BadRequestError

log = logging.getLogger(__name__)

_UNREADABLE: Final = 400


def read_body(raw: bytes, content_type: str) -> dict[str, Any]:
    """Return the payload of a request body: JSON, a form with JSON in `payload`, or a form.

    Raises:
        BadRequestError: it is none of these.
    """
    if content_type.split(";", maxsplit=1)[0].strip().lower() == "application/json":
        return _json(raw.decode(errors="replace"))
    pairs = (pair.partition(b"=") for pair in raw.split(b"&") if pair)
    form = {_unquoted(name): _unquoted(value) for name, _, value in pairs}
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

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await take(Request(scope, receive))
        await answer(scope, receive, send)

    return endpoint


def _unquoted(raw: bytes) -> str:
    # As urllib.parse.unquote_plus does, whose loop over the thousands of escapes in the payload of a click takes longer
    # than all else before its transaction. Quoted-printable escapes alike, but for the sign, and is decoded in C.
    return a2b_qp(raw.replace(b"=", b"=3D").replace(b"+", b" ").replace(b"%", b"=")).decode(errors="replace")


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError("Slack sent something that is not JSON.") from None
    if not isinstance(value, dict):
        raise BadRequestError("Slack sent JSON that is no object.")
    return value
