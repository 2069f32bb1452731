"""Socket Mode, the server's side: one-time tickets, hello, envelopes, acknowledgements, disconnects."""

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from bot.workspace.delivery import Acknowledgement, Kind
from bot.workspace.faults import Faults
from bot.workspace.ids import Ids
from bot.workspace.records import Json

log = logging.getLogger(__name__)

MOST_SOCKETS = 10
DISCONNECT_REASONS = frozenset({"warning", "refresh_requested", "link_disabled", "too_many_websockets"})


class SocketMode:
    """Up to ten open sockets; each payload goes to one of them in turn."""

    def __init__(
        self, *, app_id: str, ids: Ids, faults: Faults, ack_seconds: float, changed: Callable[[], None]
    ) -> None:
        self._app_id = app_id
        self._ids = ids
        self._faults = faults
        self._ack_seconds = ack_seconds
        self._changed = changed
        self._tickets: set[str] = set()
        self._sockets: list[web.WebSocketResponse] = []
        self._requests: dict[int, web.Request] = {}
        self._waiting: dict[str, asyncio.Future[Json | None]] = {}
        self._turns = itertools.count()

    @property
    def open_sockets(self) -> int:
        """How many sockets the app holds at this moment."""
        return len(self._sockets)

    def ticket(self) -> str:
        """Return the query string of a new one-time address."""
        ticket = self._ids.secret()
        self._tickets.add(ticket)
        return f"ticket={ticket}&app_id={self._app_id}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket for as long as it lives."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.json_response({"ok": False, "error": "link_expired"}, status=403)
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self._faults.refuses_socket() or len(self._sockets) >= MOST_SOCKETS:
            await self._hello(socket)
            await self._disconnect(socket, "too_many_websockets")
            await socket.close()
            return socket
        self._sockets.append(socket)
        self._requests[id(socket)] = request
        self._changed()
        try:
            await self._hello(socket)
            await self._receive(socket)
        finally:
            self._sockets.remove(socket)
            del self._requests[id(socket)]
            self._changed()
        return socket

    async def deliver(self, kind: Kind, payload: Json, *, retry: int = 0, retry_reason: str = "") -> Acknowledgement:
        """See `Delivery.deliver`."""
        began = time.perf_counter()
        if not self._sockets:
            return Acknowledgement(ms=0.0, error="dispatch_failed")
        envelope_id = self._ids.next("envelope-")
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": str(kind),
            "payload": payload,
            "accepts_response_payload": kind is Kind.COMMAND or payload.get("type") == "view_submission",
        }
        if kind is Kind.EVENT:
            envelope |= {"retry_attempt": retry, "retry_reason": retry_reason}
        answer: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = answer
        try:
            for _ in range(self._faults.deliveries()):
                await self._send(envelope)
            said = await asyncio.wait_for(answer, self._ack_seconds)
        except TimeoutError:
            return Acknowledgement(ms=_ms_since(began), error="operation_timeout")
        finally:
            del self._waiting[envelope_id]
        return Acknowledgement(ms=_ms_since(began), payload=said)

    async def disconnect_all(self, reason: str) -> int:
        """Tell every socket to reconnect and return how many were told; clients close first, as with Slack."""
        told = list(self._sockets)
        for socket in told:
            await self._disconnect(socket, reason)
        return len(told)

    def abort_all(self) -> int:
        """Cut every connection without a closing handshake and return how many there were."""
        cut = [self._requests[id(socket)].transport for socket in self._sockets]
        for transport in cut:
            if transport is not None:
                transport.abort()
        return len(cut)

    async def close(self) -> None:
        """Close every socket properly."""
        for socket in list(self._sockets):
            await socket.close()

    async def _hello(self, socket: web.WebSocketResponse) -> None:
        hello = {
            "type": "hello",
            "num_connections": max(1, len(self._sockets)),
            "connection_info": {"app_id": self._app_id},
            "debug_info": {"host": "local", "build_number": 1, "approximate_connection_time": 18060},
        }
        await socket.send_json(hello)

    async def _receive(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self._acknowledge(message.data)

    def _acknowledge(self, frame: str) -> None:
        try:
            said: Any = json.loads(frame)
        except ValueError:
            log.warning("the app sent a frame that is no JSON: %.100r", frame)
            return
        envelope_id = said.get("envelope_id") if isinstance(said, dict) else None
        answer = self._waiting.get(str(envelope_id))
        if answer is None or answer.done():
            log.info("an acknowledgement came late or twice: %s", envelope_id)
            return
        payload = said.get("payload")
        answer.set_result(payload if isinstance(payload, dict) and payload else None)

    async def _send(self, envelope: Json) -> None:
        """Send to the socket whose turn it is; one that is dying loses the envelope, as in a reconnect."""
        if not self._sockets:
            return
        socket = self._sockets[next(self._turns) % len(self._sockets)]
        try:
            await socket.send_json(envelope)
        except ConnectionError:
            log.info("a socket died with %s on its way", envelope["envelope_id"])

    async def _disconnect(self, socket: web.WebSocketResponse, reason: str) -> None:
        farewell = {"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}}
        try:
            await socket.send_json(farewell)
        except ConnectionError:
            log.info("a socket was gone before it was told to reconnect")


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
