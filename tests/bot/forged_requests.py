"""Requests as Slack would never send them, and the entrance that they are sent to; the same seed forges the same."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from bot.gate import MOST_BYTES, SlackGate, StoredReplayCache
from tests.factories import FixedClock
from tests.memory_store import MemoryStore

SECRET: Final = "8f742231b10e8888abcd99yyyzzz85a5"
BODY: Final = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as the server hands it over."""

    headers: Headers
    body: bytes = BODY
    method: str = "POST"
    parts: int = 1


@dataclass
class Behind:
    """The application behind the gate: remembers what reached it."""

    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.scopes.append(scope)
        self.bodies.append(message["body"])
        assert message["more_body"] is False
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Entrance:
    """A gate, what is behind it, and what it answered."""

    def __init__(self, *, secrets: Iterable[str] = (SECRET,)) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore()
        self.behind = Behind()
        self._secrets = list(secrets)
        self.gate = self.another_gate()

    def another_gate(self) -> SlackGate:
        """Return the gate of another process, or of this one after a restart."""
        replays = StoredReplayCache(self.store, self.clock)
        return SlackGate(self.behind, secrets=self._secrets, clock=self.clock, replays=replays, body_seconds=0.05)

    @property
    def timestamp(self) -> int:
        return int(self.clock.now().timestamp())

    async def answer(self, sent: Sent) -> int:
        status, body = await self.answer_in_full(sent)
        assert len(body) <= 100
        return status

    async def answer_in_full(self, sent: Sent) -> tuple[int, bytes]:
        return await ask(self.gate, sent, chunks(sent))


async def ask(gate: SlackGate, sent: Sent, messages: list[Message], *, client: str = "127.0.0.1") -> tuple[int, bytes]:
    answered: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else await asyncio.Event().wait()  # type: ignore[return-value] # never ends

    async def send(message: Message) -> None:
        answered.append(dict(message))

    scope = {"type": "http", "method": sent.method, "path": "/slack/events", "headers": sent.headers}
    await gate({**scope, "query_string": b"x-slack-bolt=1", "client": (client, 50_000)}, receive, send)
    start, end = answered
    return start["status"], end["body"]


def chunks(sent: Sent) -> list[Message]:
    size = -(-len(sent.body) // sent.parts) or 1
    pieces = [sent.body[at : at + size] for at in range(0, len(sent.body), size)] or [b""]
    return [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]


def signed(timestamp: int, body: bytes = BODY, *, secret: str = SECRET, stamp: bytes | None = None) -> Sent:
    at = stamp if stamp is not None else str(timestamp).encode()
    signature = hmac.new(secret.encode(), b"v0:" + at + b":" + body, hashlib.sha256).hexdigest()
    return Sent(
        headers=[
            (b"host", b"bot.example"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
            (b"x-slack-request-timestamp", at),
            (b"x-slack-signature", f"v0={signature}".encode()),
        ],
        body=body,
    )


def with_header(sent: Sent, name: bytes, value: bytes) -> Sent:
    return replace(sent, headers=[*((key, old) for key, old in sent.headers if key != name), (name, value)])


def added(sent: Sent, name: bytes, value: bytes) -> Sent:
    return replace(sent, headers=[*sent.headers, (name, value)])


def header(sent: Sent, name: bytes) -> bytes:
    return dict(sent.headers)[name]


Mangling = Callable[[Entrance, Random], Sent]


def _flip(value: bytes, random: Random) -> bytes:
    at, bit = random.randrange(len(value)), 1 << random.randrange(8)
    return value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :]


def _fresh(slack: Entrance, random: Random) -> Sent:
    return signed(slack.timestamp + random.randrange(-300, 301), b"payload=" + random.randbytes(random.randrange(200)))


def _unsigned(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    dropped = random.choice([b"x-slack-signature", b"x-slack-request-timestamp"])
    return replace(sent, headers=[one for one in sent.headers if one[0] != dropped])


def _by_another(slack: Entrance, random: Random) -> Sent:
    return signed(slack.timestamp, random.randbytes(50), secret=random.randbytes(16).hex())


def _flipped(name: bytes) -> Mangling:
    def flip(slack: Entrance, random: Random) -> Sent:
        sent = _fresh(slack, random)
        return with_header(sent, name, _flip(header(sent, name), random))

    return flip


def _flipped_body(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    return replace(sent, body=_flip(sent.body, random))


def _cut_body(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    return replace(sent, body=random.choice([sent.body[:-1], sent.body + b"\n", b""]))


def _shouted(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    mangled = header(sent, b"x-slack-signature").replace(b"v0", b"V0")
    return with_header(sent, random.choice([b"x-slack-signature", b"X-Slack-Signature"]).lower(), mangled)


def _doubled(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    name = random.choice([b"x-slack-signature", b"x-slack-request-timestamp"])
    return added(sent, random.choice([name, name.upper()]), random.choice([header(sent, name), b"x"]))


def _late(slack: Entrance, random: Random) -> Sent:
    return signed(slack.timestamp + random.choice([-1, 1]) * random.randrange(301, 10**8), random.randbytes(20))


def _odd_time(slack: Entrance, random: Random) -> Sent:
    return signed(0, stamp=random.choice([random.randbytes(10), str(slack.timestamp).encode() + b"\r\n", b"9" * 30]))


def _encoded(slack: Entrance, random: Random) -> Sent:
    return added(
        _fresh(slack, random), b"Content-Encoding", random.choice([b"gzip", b"br", b"\xff", b"identity, gzip"])
    )


def _injecting(slack: Entrance, random: Random) -> Sent:
    return with_header(
        _fresh(slack, random), b"x-slack-signature", b"v0=\r\n2026 INFO forged \x1b[31m" + random.randbytes(900)
    )


def _huge(slack: Entrance, random: Random) -> Sent:
    return with_header(_fresh(slack, random), b"content-length", str(random.randrange(MOST_BYTES + 1, 10**11)).encode())


MANGLINGS: Final[Mapping[str, Mangling]] = {
    "unsigned": _unsigned,
    "signed by another": _by_another,
    "of a flipped signature": _flipped(b"x-slack-signature"),
    "of a flipped time": _flipped(b"x-slack-request-timestamp"),
    "of a flipped body": _flipped_body,
    "of a cut body": _cut_body,
    "of another version": _shouted,
    "signed twice": _doubled,
    "late": _late,
    "of an odd time": _odd_time,
    "encoded": _encoded,
    "injecting": _injecting,
    "huge": _huge,
}
"""By what a request is that was made so."""
