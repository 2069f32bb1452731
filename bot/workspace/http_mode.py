"""Delivery over HTTP: signed requests to the app's request URL, as an app without Socket Mode gets them."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

import aiohttp

from bot.workspace.delivery import Acknowledgement, Kind
from bot.workspace.records import Json


class HttpMode:
    """Posts payloads to *request_url*, signed with *signing_secret* at the time that *clock* shows."""

    def __init__(
        self,
        *,
        request_url: str,
        signing_secret: str,
        clock: Callable[[], float],
        session: aiohttp.ClientSession,
        ack_seconds: float,
    ) -> None:
        self._request_url = request_url
        self._signing_secret = signing_secret
        self._clock = clock
        self._session = session
        self._ack_seconds = ack_seconds

    async def deliver(self, kind: Kind, payload: Json, *, retry: int = 0, retry_reason: str = "") -> Acknowledgement:
        """See `Delivery.deliver`."""
        began = time.perf_counter()
        body, content_type = encode(kind, payload)
        headers = signed_headers(body, secret=self._signing_secret, at=self._clock()) | {"Content-Type": content_type}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": retry_reason}
        said: Json | None = None
        error: str | None = None
        try:
            async with (
                asyncio.timeout(self._ack_seconds),
                self._session.post(self._request_url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                said = _said(await response.text(), response.content_type)
                error = None if response.ok else "dispatch_failed"
        except TimeoutError:
            error = "operation_timeout"
        except (aiohttp.ClientError, UnicodeDecodeError):
            error = "dispatch_failed"
        return Acknowledgement(ms=(time.perf_counter() - began) * 1000, payload=said, error=error)


def encode(kind: Kind, payload: Json) -> tuple[bytes, str]:
    """Return the request body that Slack sends for *payload*, and its content type."""
    match kind:
        case Kind.EVENT:
            return json.dumps(payload).encode(), "application/json"
        case Kind.INTERACTIVE:
            return urlencode({"payload": json.dumps(payload)}).encode(), "application/x-www-form-urlencoded"
        case Kind.COMMAND:
            return urlencode(payload).encode(), "application/x-www-form-urlencoded"


def signed_headers(body: bytes, *, secret: str, at: float) -> dict[str, str]:
    """Return the headers by which an app knows that *body* comes from Slack."""
    timestamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


def _said(text: str, content_type: str) -> Json | None:
    if not text.strip():
        return None
    if content_type != "application/json":
        return {"text": text}
    try:
        said = json.loads(text)
    except ValueError:
        return {"text": text}
    return said if isinstance(said, dict) and said else None
