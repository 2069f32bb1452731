"""Delivery over the local workspace, with a board of things to show and a clock that only tests move."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from actions.ports import MessageRef, OutboxItem, OutboxKind, Store
from bot.delivery import Delivery
from bot.shown import NotYetError, Shown
from bot.views.message import Message, metadata
from bot.views.notice import notice
from bot.workspace.records import Json
from bot.workspace.server import Workspace, running_workspace
from bot.workspace_identity import who_am_i
from tests.factories import FixedClock
from tests.memory_store import MemoryStore

CARD: Final = OutboxKind.CARD
RESULT: Final = OutboxKind.RESULT
CALLS: Final = {"chat.postMessage", "chat.update", "chat.postEphemeral"}


@dataclass
class Board:
    """A presenter of what stands on it: per card a text, with a version that grows."""

    store: Store
    texts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    fallback: str = "#ops"
    broken: set[str] = field(default_factory=set)
    drawn: list[str] = field(default_factory=list)

    async def present(self, item: OutboxItem) -> Shown | None:
        """See `bot.delivery.Presenter.present`."""
        self.drawn.append(item.ref)
        if item.ref in self.broken:
            raise LookupError("there is no such action any more")
        text = self.texts.get(item.ref)
        if text is None:
            return None
        thread = await self._thread(item) if item.kind is RESULT else None
        drawn = notice(f"{item.kind.value}: {text}" if thread else text)
        return Shown(
            message=Message(text=drawn.text, blocks=drawn.blocks, metadata=metadata(item.kind, item.ref)),
            channel=self.channels.get(item.ref, "#ops"),
            fallback=self.fallback,
            version=self.versions.get(item.ref, 0),
            thread=thread,
        )

    async def _thread(self, item: OutboxItem) -> MessageRef:
        card = await self.store.read(lambda reader: reader.message(CARD, item.ref))
        if card is None:
            raise NotYetError
        return card


class Mine:
    """It is always this process's turn, unless told otherwise."""

    def __init__(self) -> None:
        self.is_mine = True

    async def mine(self) -> bool:
        """See `bot.delivery.Turn.mine`."""
        return self.is_mine


@dataclass
class Post:
    """What a test of delivery acts on."""

    workspace: Workspace
    client: AsyncWebClient
    clock: FixedClock
    store: MemoryStore
    board: Board
    turn: Mine
    delivery: Delivery

    async def show(self, ref: str, text: str, *, kind: OutboxKind = CARD) -> None:
        """Change what is to be shown."""
        self.board.texts[ref] = text
        self.board.versions[ref] = self.board.versions.get(ref, 0) + 1
        await self.store.write(lambda tx: tx.enqueue(kind, ref, at=self.clock.now()))

    async def whisper(self, text: str, *, user: str = "U0ANN", channel: str = "C0OPS") -> None:
        """Have one person told something."""
        payload = {"channel": channel, "user": user, "text": text}
        ref = f"{text}:{user}"
        await self.store.write(lambda tx: tx.enqueue(OutboxKind.NOTICE, ref, at=self.clock.now(), payload=payload))

    async def deliver(self, *, seconds: float = 0.0) -> None:
        """Do rounds for this long, as fast as they would come."""
        until = self.clock.monotonic() + seconds
        while True:
            pause = await self.delivery.deliver_due()
            if self.clock.monotonic() + pause > until:
                return
            self.clock.advance(max(pause, 0.02))

    async def drain(self) -> None:
        """Do rounds until nothing is due any more."""
        for _ in range(10_000):
            if not await self.undelivered():
                return
            self.clock.advance(max(await self.delivery.deliver_due(), 0.02))
        raise AssertionError("it never ends")

    async def undelivered(self) -> Sequence[OutboxItem]:
        """Return what waits, now or later."""
        far = self.clock.now().replace(year=9_000)
        return await self.store.read(lambda reader: reader.outbox_due(far, 10_000))

    def texts(self, channel: str = "ops") -> list[str]:
        """Return what stands in a channel."""
        return [str(message["text"]) for message in self.workspace.messages(channel)]

    def calls(self, *methods: str) -> list[Json]:
        """Return the arguments of every call that writes a message, or of these methods."""
        return [given for name, given in list(self.workspace.calls) if name in (methods or CALLS)]

    def restarted(self) -> Delivery:
        """Return a delivery as it is after a restart of the process."""
        self.delivery = Delivery(
            client=self.client,
            who=self.delivery._who,
            store=self.store,
            presenter=self.board,
            clock=self.clock,
            turn=self.turn,
        )
        return self.delivery


@asynccontextmanager
async def posting(**over: Any) -> AsyncIterator[Post]:
    """Delivery that a test drives by hand."""
    clock, store, turn = FixedClock(), MemoryStore(), Mine()
    async with (
        running_workspace(clock=lambda: clock.now().timestamp(), **over) as workspace,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session,
    ):
        client = AsyncWebClient(
            token=workspace.bot_token, base_url=workspace.base_url, session=session, retry_handlers=[]
        )
        board = Board(store)
        delivery = Delivery(
            client=client, who=await who_am_i(client), store=store, presenter=board, clock=clock, turn=turn
        )
        yield Post(workspace, client, clock, store, board, turn, delivery)
