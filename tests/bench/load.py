"""Clicks as Slack sends them, over kept connections: one at a time, or many at once."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bot.views.card import card
from bot.workspace.delivery import Kind
from bot.workspace.http_mode import encode, signed_headers
from tests.bot.views.samples import a_card

_RECORDED: Final = Path(__file__).parents[1] / "data" / "slack" / "block_actions_approve.json"
_END_OF_HEAD: Final = b"\r\n\r\n"


class Clicks:
    """Signed clicks of Ann's on Approve, no two of them alike."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._count = 0
        self._payload: dict[str, Any] = json.loads(_RECORDED.read_text(encoding="utf-8"))
        self._payload["message"]["blocks"] = card(a_card()).payload()["blocks"]

    def signed(self, value: str, *, at: float) -> bytes:
        """Return the whole request for a press of the button with this *value*."""
        self._count += 1
        stamp = f"{int(at)}.{self._count:06}"
        (button,) = self._payload["actions"]
        payload = {
            **self._payload,
            "api_app_id": "A0LOCAL",
            "team": {"id": "T0LOCAL", "domain": "local"},
            "user": {"id": "U0ANN", "username": "ann", "name": "ann", "team_id": "T0LOCAL"},
            "channel": {"id": "C0OPS", "name": "ops"},
            "container": {"type": "message", "message_ts": stamp, "channel_id": "C0OPS", "is_ephemeral": False},
            "actions": [{**button, "value": value, "action_ts": stamp}],
        }
        body, content_type = encode(Kind.INTERACTIVE, payload)
        headers = {
            "Host": "127.0.0.1",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            **signed_headers(body, secret=self._secret, at=at),
        }
        head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        return f"POST /slack/events HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class Sent:
    """One click and when its answer had come, by the monotonic clock."""

    began: float
    answered: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.answered - self.began


def one_at_a_time(address: str, requests: Sequence[bytes]) -> Iterator[Sent]:
    """Send each request when the next one is asked for, over one connection."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname or "", place.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            began, received = time.monotonic(), b""
            connection.sendall(request)
            while not (whole := _whole(received)):
                received += _more(connection)
            answered = time.monotonic()
            _require_accepted(received[:whole])
            yield Sent(began, answered)


async def many_at_once(address: str, requests: Sequence[bytes], *, connections: int) -> list[Sent]:
    """Send all requests, each connection the next one as soon as it has its answer."""
    place, waiting = urlsplit(address), list(reversed(requests))
    loop, sent = asyncio.get_running_loop(), list[Sent]()
    lines = [_Line(waiting, sent, loop.create_future()) for _ in range(connections)]
    for line in lines:
        await loop.create_connection(partial(_itself, line), place.hostname or "", place.port or 80)
    for line in lines:
        line.begin()
    await asyncio.gather(*(line.done for line in lines))
    return sent


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, waiting: list[bytes], sent: list[Sent], done: "asyncio.Future[None]") -> None:
        self.done = done
        self._waiting = waiting
        self._sent = sent
        self._received = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def begin(self) -> None:
        """Send the next request, or be done."""
        if self._transport is None:
            raise ConnectionError("not connected")
        if not self._waiting:
            self.done.set_result(None)
            self._transport.close()
            return
        request = self._waiting.pop()
        self._began = time.monotonic()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        whole = _whole(self._received)
        if whole:
            answered = time.monotonic()
            _require_accepted(self._received)
            self._sent.append(Sent(self._began, answered))
            self._received = self._received[whole:]
            self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


def _itself(line: _Line) -> _Line:
    return line


def _whole(received: bytes) -> int:
    """Return the length of the answer that has come, 0 if it is not whole yet."""
    head, end, body = received.partition(_END_OF_HEAD)
    if not end:
        return 0
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    return len(head) + len(end) + length if len(body) >= length else 0


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def _require_accepted(answer: bytes) -> None:
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"not accepted: {answer[:200]!r}")
