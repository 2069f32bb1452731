"""`operator run`: everything that lives while the bot is up, started in order and stopped in order."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.types import ASGIApp

from actions.agent.retries import Retries
from actions.agent.runner import AgentRunner
from actions.dispatcher import Dispatcher
from actions.errors import ConfigurationError, UnavailableError
from actions.watch import Watch
from bot.acquaintance import Acquaintance, Warm
from bot.app import build_app
from bot.delivery import Delivery
from bot.desk import Desk
from bot.digest import DigestScheduler
from bot.dispatch import http_endpoint
from bot.doorkeeper import Doorkeeper
from bot.gate import SlackGate, StoredReplayCache
from bot.housekeeping import RunLease, Turn, every, prune
from bot.http_server import serving
from bot.identity import build_directory
from bot.links import Links
from bot.listeners.commands import Commands
from bot.message_check import MessageCheck
from bot.modals import Modals
from bot.presenter import CardPresenter
from bot.settings import Settings
from bot.signals import Signals
from bot.sockets import Sockets
from bot.system import SystemClock, is_dead, keep_what_is_loaded
from bot.web import build_web
from bot.wiring import Parts, opened
from bot.workspace_identity import WorkspaceIdentity, require_socket_mode, who_am_i

log = logging.getLogger(__name__)

SLACK_TIMEOUT: Final = aiohttp.ClientTimeout(total=10, connect=5)
SWEEP: Final = 1.0
REMIND: Final = 1.0
RECONCILE: Final = 2.0
WATCH: Final = 10.0
COUNT: Final = 2.0
LEASE: Final = 3.0
COMPARE: Final = 60.0
MEET: Final = 5.0
PRUNE: Final = 3_600.0
FLUSH: Final = 3.0
"""Seconds that delivery gets at shutdown to show what has just ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """What is known once the bot is up."""

    address: str
    who: WorkspaceIdentity


async def serve(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    stop: asyncio.Event | None = None,
    on_up: Callable[[Up], None] | None = None,
) -> None:
    """Run the bot until SIGINT or SIGTERM, or until *stop* is set.

    Raises:
        ConfigurationError, UnavailableError, StorageError: it could not start; the text says why and what to do.
    """
    channel, bot_token = require_slack(settings)
    stopping = stop or asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.enter_context(_stopped_by_signals(stopping))
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=SLACK_TIMEOUT))
        # No retry handlers: posting twice because an answer was lost is what the outbox is there to avoid.
        client = AsyncWebClient(
            token=bot_token, base_url=_with_slash(settings.slack_api_url), session=session, retry_handlers=[]
        )
        who = await who_am_i(client)
        if settings.slack_app_token is not None:
            await require_socket_mode(client, settings.slack_app_token.get_secret_value())
        signals = Signals()
        directory = build_directory(client, who.team_id, SystemClock(), group_ids=settings.slack_groups)
        parts = await stack.enter_async_context(opened(settings, publisher=signals, directory=directory))
        service = Service(parts, client=client, who=who, channel=channel, signals=signals, warm=directory.warm)
        keep_what_is_loaded()
        await service.run(
            stopping,
            host=host or settings.http.host,
            port=settings.http.port if port is None else port,
            on_up=on_up,
        )


def require_slack(settings: Settings) -> tuple[str, str]:
    """Return the channel and the bot token, or say everything that is missing at once. Raises `ConfigurationError`."""
    missing = []
    if settings.channel is None:
        missing.append('channel = "#…" in operator.toml: where cards are posted')
    if settings.slack_bot_token is None:
        missing.append("SLACK_BOT_TOKEN (xoxb-…): api.slack.com/apps, your app, OAuth & Permissions, Install")
    if settings.slack_app_token is None and not settings.signing_secrets:
        missing.append(
            "SLACK_APP_TOKEN (xapp-…) for Socket Mode: Basic Information, App-Level Tokens, scope connections:write; "
            "or SLACK_SIGNING_SECRET for HTTP"
        )
    if missing or settings.channel is None or settings.slack_bot_token is None:
        raise ConfigurationError("The bot cannot start. Missing: " + "; ".join(missing) + ".")
    return settings.channel, settings.slack_bot_token.get_secret_value()


class Service:
    """The workers over the parts."""

    def __init__(
        self,
        parts: Parts,
        *,
        client: AsyncWebClient,
        who: WorkspaceIdentity,
        channel: str,
        signals: Signals,
        warm: Warm,
    ) -> None:
        self._parts = parts
        self._client = client
        self._who = who
        links = Links(who.url)
        self._presenter = CardPresenter(
            store=parts.store,
            registry=parts.registry,
            policy=parts.policy,
            tokens=parts.buttons,
            clock=parts.clock,
            links=links,
            last_reading=parts.executor.last_reading,
            schedule=parts.executor.schedule,
            undo_window=parts.executor.undo_window,
            channel=channel,
            channel_for=parts.settings.channel_for,
            allowed_channels=parts.settings.allowed_channels,
        )
        dead = partial(is_dead, me=parts.owner)
        self._turn = Turn("delivery", store=parts.store, owner=parts.owner, clock=parts.clock, is_dead=dead)
        self._delivery = Delivery(
            client=client,
            who=who,
            store=parts.store,
            presenter=self._presenter,
            clock=parts.clock,
            turn=self._turn,
        )
        self._dispatcher = Dispatcher(store=parts.store, executor=parts.executor)
        self._watch = Watch(store=parts.store, executor=parts.executor, clock=parts.clock, publisher=parts.publisher)
        self._modals = Modals(client)
        self._doorkeeper = Doorkeeper(
            store=parts.store, policy=parts.policy, directory=parts.directory, clock=parts.clock
        )
        self._desk = Desk(
            store=parts.store,
            presenter=self._presenter,
            policy=parts.policy,
            doorkeeper=self._doorkeeper,
            kill_files=parts.kill_files,
            clock=parts.clock,
            links=links,
            subjects=sorted(parts.subjects),
        )
        self._lease = RunLease(store=parts.store, owner=parts.owner, clock=parts.clock)
        self._digests = DigestScheduler(parts)
        self._acquaintance = Acquaintance(store=parts.store, grants=parts.settings.allowed(), warm=warm)
        self._workers: list[asyncio.Task[None]] = []
        self._problems: list[Callable[[], list[str]]] = [self._delivery.problems, self._idle]
        signals.attach(self._delivery.wake)
        signals.attach(self._dispatcher.wake)

    async def run(
        self, stopping: asyncio.Event, *, host: str, port: int, on_up: Callable[[Up], None] | None = None
    ) -> None:
        """Live until *stopping* is set; then end in an order that loses nothing."""
        app = self._app()
        async with serving(self._web(app), host=host, port=port) as address:
            await self._begin()
            async with self._listening(app, stopping), self._working(), self._timetable():
                if not stopping.is_set():
                    log.info("operator-bot is up in %s; HTTP on %s", self._who.url, address)
                    if on_up is not None:
                        on_up(Up(address=address, who=self._who))
                await stopping.wait()
                log.info("stopping: nothing new begins, what runs may end")
            await self._modals.drain()
            await self._parts.auditor.stopped("run")
            await self._have_it_witnessed()

    async def _begin(self) -> None:
        parts = self._parts
        recovered = await parts.reconciler.recover(partial(is_dead, me=parts.owner))
        if recovered:
            log.warning("%d actions were running when the bot last stopped; looking what became of them", recovered)
        await parts.auditor.started("run")
        await self._have_it_witnessed()

    async def _have_it_witnessed(self) -> None:
        try:
            await self._parts.auditor.checkpoint()
        except OSError:
            log.exception("the witness file could not be written; the audit log is not covered until it can be")

    def _app(self) -> AsyncApp:
        parts = self._parts
        slash = Commands(
            executor=parts.executor,
            safety=parts.safety,
            doorkeeper=self._doorkeeper,
            desk=self._desk,
            modals=self._modals,
            digest=self._digests.preview,
            store=parts.store,
            clock=parts.clock,
        )
        return build_app(
            self._client,
            who=self._who,
            executor=parts.executor,
            safety=parts.safety,
            reminding=parts.reminders,
            registry=parts.registry,
            doorkeeper=self._doorkeeper,
            presenter=self._presenter,
            desk=self._desk,
            modals=self._modals,
            slash=slash,
            store=parts.store,
            clock=parts.clock,
            publisher=parts.publisher,
        )

    def _web(self, app: AsyncApp) -> ASGIApp:
        parts = self._parts
        secrets = parts.settings.signing_secrets
        slack: ASGIApp | None = None
        if secrets:
            replays = StoredReplayCache(parts.store, parts.clock)
            slack = SlackGate(http_endpoint(app), secrets=secrets, clock=parts.clock, replays=replays)
        return build_web(parts, slack, ready=self._not_ready)

    def _not_ready(self) -> list[str]:
        return [problem for say in self._problems for problem in say()]

    def _idle(self) -> list[str]:
        return [f"The worker `{task.get_name()}` has ended; restart the bot." for task in self._workers if task.done()]

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        parts = self._parts
        looking = [self._start("dispatcher", self._dispatcher.run())]
        if parts.settings.agent.enabled:
            looking.append(self._start("agent", self._agent().run()))
        showing = [self._start("delivery", self._delivery.run()), *self._upkeep()]
        self._workers = [*looking, *showing]
        try:
            yield
        finally:
            self._workers = []
            await _end(*looking)
            await self._dispatcher.stop(parts.settings.limits.shutdown_grace.total_seconds())
            await _end(*showing)
            await self._flush()
            await _if_possible(self._turn.drop)
            await _if_possible(self._lease.drop)

    def _agent(self) -> AgentRunner:
        parts = self._parts
        return AgentRunner(
            subjects=list(parts.subjects.values()),
            store=parts.store,
            registry=parts.registry,
            kill_files=parts.kill_files,
            clock=parts.clock,
            publisher=parts.publisher,
            interval=parts.settings.agent.interval.total_seconds(),
            executor=parts.executor,
            retries=Retries(at_most=parts.settings.agent.retries, after=parts.settings.agent.retry_after),
        )

    def _upkeep(self) -> list[asyncio.Task[None]]:
        parts = self._parts
        check = MessageCheck(client=self._client, store=parts.store, clock=parts.clock, publisher=parts.publisher)
        jobs: list[tuple[float, Callable[[], Awaitable[object]], str]] = [
            (LEASE, self._lease.hold, "holding the lease"),
            (SWEEP, parts.sweeper.sweep, "sweeping"),
            (WATCH, self._watch.look, "looking at targets"),
            (COUNT, self._watch.count_down, "counting down"),
            (REMIND, parts.reminders.remind, "reminding"),
            (RECONCILE, parts.reconciler.reconcile, "reconciling"),
            (COMPARE, check.compare, "comparing cards"),
            (MEET, self._acquaintance.renew, "asking who the approvers are"),
            (PRUNE, partial(prune, parts.store, parts.clock), "pruning"),
        ]
        return [self._start(what, every(pause, work, clock=parts.clock, what=what)) for pause, work, what in jobs]

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH):
                await self._delivery.deliver_due()
        except TimeoutError:
            log.info("Slack took too long; what it does not show yet is shown at the next start")
        except UnavailableError as error:
            log.info("what Slack does not show yet is shown at the next start: %s", error)

    @asynccontextmanager
    async def _listening(self, app: AsyncApp, stopping: asyncio.Event) -> AsyncIterator[None]:
        token = self._parts.settings.slack_app_token
        if token is None:
            yield
            return
        sockets = Sockets(app, self._client, token.get_secret_value())
        self._problems.append(sockets.problems)
        async with sockets.open(stopping):
            yield

    @asynccontextmanager
    async def _timetable(self) -> AsyncIterator[None]:
        self._digests.start()
        try:
            yield
        finally:
            await self._digests.stop()


async def _if_possible(work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except UnavailableError as error:
        log.warning("the end is not quite in order: %s", error)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("a worker had failed", exc_info=result)


@contextmanager
def _stopped_by_signals(stopping: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _with_slash(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"
