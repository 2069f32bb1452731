"""Socket Mode as production needs it: Slack's own client, made patient, watchable, and tidy at the end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import SystemRandom
from typing import Any, Final

import aiohttp
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.dispatch import dispatch

log = logging.getLogger(__name__)

SOCKETS: Final = 2
"""Slack sends each payload to one of them; while one reconnects the other is there."""
PING_INTERVAL: Final = 5.0
CONNECTS_WITHIN: Final = 10.0
"""Seconds that the start waits for a connection; after that the bot works, and `/readyz` says what is missing."""
ENDS_WITHIN: Final = 2.0
"""Seconds that interactions under way get at the end, so that their acknowledgements still go out."""
STEADY: Final = 30.0
"""Seconds after which a connection counts as a good one."""
LONGEST_PAUSE: Final = 30.0


class Patience:
    """How long to wait before the next address is asked for: not at all at first, then ever longer."""

    def __init__(self, *, monotonic: Callable[[], float], jitter: Callable[[], float]) -> None:
        """Begin fresh.

        Args:
            monotonic: the time.
            jitter: a number from 0 to 1, so that many bots do not come back at the same moment.
        """
        self._monotonic = monotonic
        self._jitter = jitter
        self._asked_at: float | None = None
        self._in_a_row = 0

    def next_pause(self) -> float:
        """Return the seconds to wait; whoever asks again within half a minute waits longer than the last time."""
        now = self._monotonic()
        steady = self._asked_at is None or now - self._asked_at > STEADY + LONGEST_PAUSE
        self._asked_at = now
        self._in_a_row = 0 if steady else self._in_a_row + 1
        if self._in_a_row < 2:  # Slack has every connection renewed now and then
            return 0.0
        longest: float = min(LONGEST_PAUSE, 0.5 * 2 ** min(self._in_a_row - 2, 10))
        return longest * (0.5 + 0.5 * self._jitter())


class _Client(SocketModeClient):
    def __init__(self, web_client: AsyncWebClient, app_token: str, ping_interval: float, patience: Patience) -> None:
        super().__init__(app_token=app_token, web_client=web_client, ping_interval=ping_interval)
        self._patience = patience
        # An address is good once; the client would try it again for ever.
        tracing = aiohttp.TraceConfig()
        tracing.on_request_start.append(self._used)
        tracing.freeze()
        self.aiohttp_client_session.trace_configs.append(tracing)

    async def issue_new_wss_url(self) -> str:
        """Ask for an address, but not more often than Slack would like."""
        await asyncio.sleep(self._patience.next_pause())
        return await super().issue_new_wss_url()

    @property
    def is_open(self) -> bool:
        """Whether payloads can come in."""
        session = self.current_session
        return session is not None and not session.closed and not self.stale

    async def _used(self, *_: Any) -> None:
        self.wss_uri = None


class Sockets:
    """The connections through which Slack sends what people do."""

    def __init__(
        self, app: AsyncApp, web_client: AsyncWebClient, app_token: str, *, ping_interval: float = PING_INTERVAL
    ) -> None:
        """Connect *app*, which hears of everything.

        Args:
            app: what takes the payloads.
            web_client: asks for addresses.
            app_token: `xapp-…`.
            ping_interval: seconds after which a connection that died without a word is noticed.
        """
        self._app = app
        self._ping_interval = ping_interval
        self._web_client = web_client
        self._app_token = app_token
        self._clients: list[_Client] = []
        self._under_way: set[asyncio.Task[Any]] = set()

    def problems(self) -> list[str]:
        """Say what is wrong, for `/readyz`."""
        if any(client.is_open for client in self._clients):
            return []
        return ["There is no Socket Mode connection to Slack: clicks and commands do not arrive."]

    @asynccontextmanager
    async def open(self, stopping: asyncio.Event, *, within: float = CONNECTS_WITHIN) -> AsyncIterator["Sockets"]:
        """Hold the connections while the context lasts; after *within* seconds it begins without them."""
        self._clients = [self._client() for _ in range(SOCKETS)]
        connecting = [asyncio.create_task(_connect(client)) for client in self._clients]
        try:
            await self._first(connecting, stopping, within)
            yield self
        finally:
            for task in connecting:
                task.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)
            await self._close()

    def _client(self) -> _Client:
        patience = Patience(monotonic=time.monotonic, jitter=SystemRandom().random)
        client = _Client(self._web_client, self._app_token, self._ping_interval, patience)
        client.socket_mode_request_listeners.append(self._handle)
        return client

    async def _first(self, connecting: list[asyncio.Task[None]], stopping: asyncio.Event, within: float) -> None:
        stopped = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({*connecting, stopped}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if not done:
            log.warning("Slack's Socket Mode does not let us in yet; it is tried on")

    async def _handle(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        response = await dispatch(self._app, request.payload)
        await send_async_response(client, request, response, time.time())

    async def _close(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ENDS_WITHIN)
        for client in self._clients:
            await client.close()  # type: ignore[no-untyped-call]


async def _connect(client: _Client) -> None:
    await client.connect()  # type: ignore[no-untyped-call]
