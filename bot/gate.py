"""What a request from Slack must pass before Bolt sees it. Knows neither the payload nor what it asks for.

Bolt parses a body before it verifies the signature, logs unsigned bodies, answers 500 to malformed signatures, and lets
the same signed bytes through again. Here nothing is parsed, nothing of a body is logged, every refusal is a tiny answer
below 500 and at most one short line in the log, and a signature is good once.
"""

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actions.errors import ConfigurationError, StorageError
from actions.ports import Clock, Store
from bot.token_bucket import TokenBucket

log = logging.getLogger(__name__)

MOST_BYTES: Final = 256 * 1024
TOLERANCE: Final = 300
"""Seconds that a request's timestamp may be off, either way."""
REMEMBERED: Final = timedelta(seconds=2 * TOLERANCE)
"""How long a signature could be accepted again, were it not remembered."""
BODY_SECONDS: Final = 5.0
LINES_PER_MINUTE: Final = 600
"""Refusals that are logged one by one; of a flood the rest is only counted."""
_MOST_REMEMBERED: Final = 50_000
_TIMESTAMP: Final = re.compile(rb"[0-9]{10}")
_SIGNATURE: Final = re.compile(rb"v0=[0-9a-f]{64}")
_LENGTH: Final = re.compile(rb"[0-9]{1,12}")
_CONTENT_TYPES: Final = frozenset({b"application/json", b"application/x-www-form-urlencoded"})
_HANDED_ON: Final = frozenset(
    {
        b"content-type",
        b"user-agent",
        b"x-slack-request-timestamp",
        b"x-slack-retry-num",
        b"x-slack-retry-reason",
        b"x-slack-signature",
    }
)
"""Headers that Slack sends. All others are dropped: Bolt obeys some `x-slack-bolt-…`, which nobody has signed."""


class ReplayCache(Protocol):
    """Remembers signatures for as long as they could be used again."""

    async def seen_before(self, signature: str) -> bool:
        """Remember *signature* and return whether it was remembered already.

        Of simultaneous calls with the same signature one gets False. Never raises.
        """
        ...


class RecentSignatures:
    """`ReplayCache` of one process: the last ten minutes, at most 50,000 signatures."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, float] = {}

    async def seen_before(self, signature: str) -> bool:
        """See `ReplayCache.seen_before`."""
        now = self._clock.monotonic()
        self._forget(now)
        if signature in self._seen:
            return True
        self._seen[signature] = now
        return False

    def _forget(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            recent = now - self._seen[oldest] <= REMEMBERED.total_seconds()
            if recent and len(self._seen) < _MOST_REMEMBERED:
                return
            del self._seen[oldest]


class StoredReplayCache:
    """`ReplayCache` of all processes, which also survives restarts.

    While the database cannot be written, each process remembers by itself, so that the kill switch stays within reach;
    no decision can be repeated meanwhile, because decisions need the database too.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._recent = RecentSignatures(clock)

    async def seen_before(self, signature: str) -> bool:
        """See `ReplayCache.seen_before`."""
        if await self._recent.seen_before(signature):
            return True
        key, at = f"slack-signature:{signature}", self._clock.now()
        try:
            earlier = await self._store.write(lambda tx: tx.take_inbox(key, body_hash="", reply="", at=at), urgent=True)
        except StorageError:
            log.warning("a Slack signature could only be remembered by this process: the database cannot be written")
            return False
        return earlier is not None


class _RefusedError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class SlackGate:
    """ASGI middleware before Bolt: authentic, fresh, small, whole and new, or it goes no further."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        secrets: Sequence[str],
        clock: Clock,
        replays: ReplayCache,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """Guard *app*.

        Args:
            app: what requests are handed to.
            secrets: the signing secrets that are accepted; two while they are being changed.
            clock: the time that timestamps are held against.
            replays: what signatures are remembered in.
            body_seconds: how long a client may take to send its body.

        Raises:
            ConfigurationError: there is no secret, or an empty one.
        """
        if not secrets or not all(secrets):
            raise ConfigurationError(
                "SLACK_SIGNING_SECRET is empty: requests from Slack could not be told from others."
            )
        self._app = app
        self._secrets = [secret.encode() for secret in secrets]
        self._clock = clock
        self._replays = replays
        self._body_seconds = body_seconds
        self._lines = TokenBucket(per_minute=LINES_PER_MINUTE, clock=clock)
        self._unsaid = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = _kept(scope)
            body = await self._body(receive)
            await self._require_authentic(headers, body)
        except _RefusedError as refusal:
            self._note(refusal, scope)
            await _refuse(refusal, send)
            return
        if body is not None:
            await self._app(_handed_on(scope, headers, body), _replayed(body, receive), send)

    def _note(self, refusal: _RefusedError, scope: Scope) -> None:
        # A flood must neither fill the disk nor cost more than it takes to refuse it.
        if self._lines.take():
            self._unsaid += 1
            return
        client = ascii((scope.get("client") or ("unknown",))[0])[1:-1][:45]
        more = f"; {self._unsaid} more were refused without a word" if self._unsaid else ""
        log.warning("refused a request to Slack's address: %d, %s; from %s%s", refusal.status, refusal, client, more)
        self._unsaid = 0

    async def _body(self, receive: Receive) -> bytes | None:
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _read(receive)
        except TimeoutError:
            raise _RefusedError(408, "the body was too slow") from None

    async def _require_authentic(self, headers: Mapping[bytes, bytes], body: bytes | None) -> None:
        if body is None:
            return
        timestamp, signature = headers[b"x-slack-request-timestamp"], headers[b"x-slack-signature"]
        if abs(self._clock.now().timestamp() - int(timestamp)) > TOLERANCE:
            raise _RefusedError(401, "the timestamp is too far off")
        # Every secret is tried, so that the time taken does not tell which one is in use.
        matches = [hmac.compare_digest(_sign(secret, timestamp, body), signature) for secret in self._secrets]
        if not any(matches):
            raise _RefusedError(401, "the signature is wrong")
        if await self._replays.seen_before(signature.decode()):
            raise _RefusedError(409, "it was received before")


def _kept(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers that count, or raise `_RefusedError` for what can be told without the body."""
    if scope["method"] != "POST":
        raise _RefusedError(405, "not a POST")
    given: list[tuple[bytes, bytes]] = [(name.lower(), value.strip(b" \t")) for name, value in scope["headers"]]
    encoding = _values(given, b"content-encoding")
    if any(value.lower() != b"identity" for value in encoding):
        raise _RefusedError(415, "the body is encoded")
    _require_length(_values(given, b"content-length"))
    kept = {name: value for name, value in given if name in _HANDED_ON}
    if len(kept) != sum(name in _HANDED_ON for name, _ in given):
        raise _RefusedError(401, "a header came twice")
    _require_headers(kept)
    return kept


def _require_length(lengths: Sequence[bytes]) -> None:
    if any(not _LENGTH.fullmatch(length) for length in lengths) or len(set(lengths)) > 1:
        raise _RefusedError(400, "the length makes no sense")
    if lengths and int(lengths[0]) > MOST_BYTES:
        raise _RefusedError(413, "the body is too large")


def _require_headers(kept: Mapping[bytes, bytes]) -> None:
    if not all(value.isascii() for value in kept.values()):
        raise _RefusedError(401, "a header is not ASCII")
    if not _TIMESTAMP.fullmatch(kept.get(b"x-slack-request-timestamp", b"")):
        raise _RefusedError(401, "the timestamp is missing or malformed")
    if not _SIGNATURE.fullmatch(kept.get(b"x-slack-signature", b"")):
        raise _RefusedError(401, "the signature is missing or malformed")
    if kept.get(b"content-type", b"").split(b";")[0].strip().lower() not in _CONTENT_TYPES:
        raise _RefusedError(415, "the content type is none of Slack's")


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


async def _read(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise _RefusedError(413, "the body is too large")
        if not message.get("more_body", False):
            return bytes(body)


def _sign(secret: bytes, timestamp: bytes, body: bytes) -> bytes:
    return b"v0=" + hmac.new(secret, b"v0:" + timestamp + b":" + body, hashlib.sha256).hexdigest().encode()


def _handed_on(scope: Scope, headers: Mapping[bytes, bytes], body: bytes) -> Scope:
    """Return the scope with nothing in it that the signature does not vouch for, or that Bolt would obey."""
    length = (b"content-length", str(len(body)).encode())
    return {**scope, "headers": [*headers.items(), length], "query_string": b""}


def _replayed(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _refuse(refusal: _RefusedError, send: Send) -> None:
    answer = f"refused: {refusal}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
