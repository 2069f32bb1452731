"""The whole workspace: composed, served on the loopback interface, and driven from Python by tests and the demo."""

import copy
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from bot.workspace.app import App
from bot.workspace.changes import Changes
from bot.workspace.control import Control
from bot.workspace.default_team import TEAM, populate
from bot.workspace.delivery import Acknowledgement, Delivery, Kind
from bot.workspace.faults import Faults
from bot.workspace.gate import own_page_only
from bot.workspace.http_mode import HttpMode
from bot.workspace.ids import Ids
from bot.workspace.method import TokenKind
from bot.workspace.methods.files import MOST_BYTES
from bot.workspace.panels import Panel
from bot.workspace.people import EVENT_RETRY_SECONDS, Outcome, People
from bot.workspace.records import Json, Message
from bot.workspace.site import Site
from bot.workspace.socket_mode import SocketMode
from bot.workspace.state import State
from bot.workspace.web_api import WebApi

LOOPBACK = "127.0.0.1"
ACK_SECONDS = 3.0


class Workspace:
    """A running workspace. Users and channels may be named by id or by name (``ann``, ``ops``)."""

    def __init__(
        self,
        *,
        app: App,
        clock: Callable[[], float],
        ids: Ids,
        ack_seconds: float,
        event_retry_seconds: tuple[float, ...],
        panels: Sequence[Panel],
        session: aiohttp.ClientSession,
    ) -> None:
        self.changes = Changes()
        self.faults = Faults()
        self.bot_token = f"xoxb-{ids.secret()}"
        self.app_token = f"xapp-{ids.secret()}"
        self.signing_secret = ids.secret()
        self.state = State(team=TEAM, app=app, clock=clock, ids=ids, changed=self.changes.changed)
        self.sockets = SocketMode(
            app_id=app.id, ids=ids, faults=self.faults, ack_seconds=ack_seconds, changed=self.changes.changed
        )
        self._clock = clock
        self._ack_seconds = ack_seconds
        self._session = session
        self._http: HttpMode | None = None
        self._address = ""
        self.people = People(
            state=self.state,
            delivery=lambda: self.delivery,
            site_url=lambda: self.page_url,
            retry_seconds=event_retry_seconds,
        )
        self.web_api = WebApi(
            state=self.state,
            faults=self.faults,
            tokens={self.bot_token: TokenKind.BOT, self.app_token: TokenKind.APP},
            site_url=lambda: self.page_url,
            socket_url=lambda: f"ws://{self._address}/link/?{self.sockets.ticket()}",
        )
        self._site = Site(self.state)
        self._control = Control(
            state=self.state,
            people=self.people,
            faults=self.faults,
            sockets=self.sockets,
            over_http=lambda: self._http is not None,
            changes=self.changes,
            panels=panels,
        )

    @property
    def page_url(self) -> str:
        """Where a browser finds the workspace; ends with a slash."""
        return f"http://{self._address}/"

    @property
    def base_url(self) -> str:
        """What a Slack client takes as its base URL; ends with ``/api/``."""
        return f"{self.page_url}api/"

    @property
    def delivery(self) -> Delivery:
        """How payloads reach the app at this moment: Socket Mode, unless `deliver_over_http` was called."""
        return self._http or self.sockets

    @property
    def calls(self) -> Sequence[tuple[str, Json]]:
        """Every Web API call so far, in order: its method and its arguments without the token."""
        return self.web_api.calls

    def deliver_over_http(self, request_url: str) -> None:
        """From now on post signed requests to *request_url* instead of using Socket Mode."""
        self._http = HttpMode(
            request_url=request_url,
            signing_secret=self.signing_secret,
            clock=self._clock,
            session=self._session,
            ack_seconds=self._ack_seconds,
        )

    async def deliver(self, kind: Kind, payload: Json) -> Acknowledgement:
        """Deliver a payload as it is, for instance a forged or repeated one."""
        return await self.delivery.deliver(kind, payload)

    async def click(self, *, user: str, channel: str, ts: str, **which: Any) -> Outcome:
        """See `People.click`."""
        return await self.people.click(user, channel, ts, **which)

    async def click_in_view(self, *, user: str, view_id: str, **which: Any) -> Outcome:
        """See `People.click_in_view`."""
        return await self.people.click_in_view(user, view_id, **which)

    async def command(self, *, user: str, channel: str, command: str, text: str = "") -> Outcome:
        """See `People.command`."""
        return await self.people.command(user, channel, command, text)

    async def submit(self, *, user: str, view_id: str, values: Mapping[str, Any] | None = None) -> Outcome:
        """See `People.submit`."""
        return await self.people.submit(user, view_id, dict(values) if values is not None else None)

    async def close_view(self, *, user: str, view_id: str, everything: bool = False) -> Outcome:
        """See `People.close`."""
        return await self.people.close(user, view_id, everything=everything)

    async def shortcut(self, *, user: str, callback_id: str, **message: str) -> Outcome:
        """See `People.shortcut`."""
        return await self.people.shortcut(user, callback_id, **message)

    async def open_home(self, *, user: str) -> Outcome:
        """See `People.open_home`."""
        return await self.people.open_home(user)

    def say(self, *, user: str, channel: str, text: str, thread_ts: str | None = None) -> Message:
        """See `People.say`."""
        return self.people.say(user, channel, text, thread_ts=thread_ts)

    def messages(self, channel: str, *, seen_by: str | None = None) -> list[Json]:
        """Return what stands in *channel*, oldest first, replies included; ephemeral messages only with *seen_by*."""
        viewer = self.state.user(seen_by).id if seen_by else ""
        seen = self.state.messages(self.state.channel(channel).id, seen_by=viewer)
        return [copy.deepcopy(message.to_json(with_metadata=True)) for message in seen]

    def ephemerals(self, channel: str, *, user: str) -> list[Json]:
        """Return what only *user* sees in *channel*."""
        return [message for message in self.messages(channel, seen_by=user) if message.get("is_ephemeral")]

    def modals(self, user: str) -> list[Json]:
        """Return the modals that *user* has open, the one in front last."""
        return [copy.deepcopy(view.to_json()) for view in self.state.views.stack(self.state.user(user).id)]

    def home(self, user: str) -> Json | None:
        """Return what *user* sees in the App Home."""
        view = self.state.views.home(self.state.user(user).id)
        return copy.deepcopy(view.to_json()) if view else None

    async def until(self, predicate: Callable[[], bool], *, within: float = 5.0) -> None:
        """Wait until *predicate* holds; it is asked again after every change, and `TimeoutError` ends it."""
        await self.changes.until(predicate, within=within)

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve on the loopback interface; port 0 takes a free one."""
        await self._site.load()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, port).start()
            self._address = f"{LOOPBACK}:{runner.addresses[0][1]}"
            yield
        finally:
            self.changes.close()
            self.faults.clear()
            await self.people.close_events()
            await self.sockets.close()
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[own_page_only(self._hosts)], client_max_size=MOST_BYTES + 1024 * 1024
        )
        application.add_routes(
            [
                web.post("/api/{method}", self.web_api.handle),
                web.get("/api/{method}", self.web_api.handle),
                web.get("/link/", self.sockets.handle),
                *self._control.routes(),
                *self._site.routes(),
            ]
        )
        return application

    def _hosts(self) -> frozenset[str]:
        port = self._address.rpartition(":")[2]
        return frozenset({self._address, f"localhost:{port}"})


@asynccontextmanager
async def running_workspace(
    *,
    port: int = 0,
    app: App | None = None,
    clock: Callable[[], float] = time.time,
    ids: Ids | None = None,
    ack_seconds: float = ACK_SECONDS,
    event_retry_seconds: tuple[float, ...] = EVENT_RETRY_SECONDS,
    extra_panels: Sequence[Panel] = (),
) -> AsyncIterator[Workspace]:
    """Run a workspace with the default team for the length of an ``async with`` block.

    Args:
        port: On which port of the loopback interface; 0 takes a free one.
        app: What is installed; by default an app that may do all that this workspace offers but ``chat:write.public``.
        clock: Seconds since the epoch.
        ids: Where ids and secrets come from.
        ack_seconds: How long a person waits for an acknowledgement; three seconds in Slack.
        event_retry_seconds: The pauses after which an event that was not acknowledged is sent again.
        extra_panels: Extra buttons for the page.
    """
    async with aiohttp.ClientSession() as session:
        workspace = Workspace(
            app=app or App(),
            clock=clock,
            ids=ids or Ids(),
            ack_seconds=ack_seconds,
            event_retry_seconds=event_retry_seconds,
            panels=extra_panels,
            session=session,
        )
        populate(workspace.state)
        async with workspace.serving(port):
            yield workspace
