"""The HTTP side of `operator run`: uvicorn, started and stopped by us."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from actions.errors import ConfigurationError

log = logging.getLogger(__name__)


HEAD_SECONDS: Final = 10.0
"""How long a client may take to send the head of a request, once it has connected or begun, or the rest of one that was
refused."""


class _Punctual(H11Protocol):
    """Closes connections on which too little comes too slowly, of which there could be any number."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_owed():
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_owed() and self.conn.their_state is not h11.IDLE:
            self._wait()

    def _is_owed(self) -> bool:
        """Return whether the head of a request is, or the rest of a body that was answered without reading it."""
        if self.conn.their_state is h11.SEND_BODY:
            return self.cycle.response_complete
        return self.conn.their_state is h11.IDLE

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `bot.serve`, which stops everything in order."""
        yield


@asynccontextmanager
async def serving(app: Any, *, host: str, port: int, head_seconds: float = HEAD_SECONDS) -> AsyncIterator[str]:
    """Serve *app* while the context lasts; yield its address. Port 0 takes a free one.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=True,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=16_384,
        http=type("Punctual", (_Punctual,), {"head_seconds": head_seconds}),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Cannot listen on {host} port {port} ({error.strerror}). Choose another with --port, or [http] port."
        ) from error
    listener.listen(128)
    listener.setblocking(False)
    return listener
