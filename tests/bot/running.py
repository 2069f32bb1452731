"""A bot that runs over a local workspace, a real database and a target that keeps a ledger."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.errors import NotReadyError
from actions.models import ActionProposal, ActionStatus, Actor, AuditEvent, Caller, SafetyMode, Via
from actions.ports import Directory, Reader
from actions.registry import ActionDefinition
from actions.subject import Observation, Rule
from bot.identity import build_directory
from bot.ids import Button, Field
from bot.serve import Service, Up
from bot.settings import Settings
from bot.signals import Signals
from bot.system import SystemClock
from bot.wiring import Parts, assembled
from bot.workspace import payloads
from bot.workspace.people import Outcome
from bot.workspace.records import Json, User
from bot.workspace.server import Workspace, running_workspace
from bot.workspace_identity import who_am_i
from storage.store import SqlStore
from tests.rig import AGENT, ANN_CLI, MemoryKillFiles, Rig, Target

T = TypeVar("T")

TEAM: Final = "T0LOCAL"
ANN: Final = Caller(actor=Actor.slack(TEAM, "U0ANN"), via=Via.SLACK)
BO: Final = Caller(actor=Actor.slack(TEAM, "U0BO"), via=Via.SLACK)
CY: Final = User(id="U0CY", name="cy", real_name="Cy", team_id=TEAM)
"""A full member who stands on no list."""
PEOPLE: Final = {
    "ann": {"slack": [f"{TEAM}/U0ANN"], "cli": ["ann"]},
    "bo": {"slack": [f"{TEAM}/U0BO"]},
    "guest": {"slack": [f"{TEAM}/U0GUEST"]},
    "gone": {"slack": [f"{TEAM}/U0GONE"]},
    "stranger": {"slack": ["T0OTHER/U0STRANGER"]},
}


class ShiftedClock(SystemClock):
    """The machine's clock, put forward by a test; whoever sleeps on it sleeps for real."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead


class Rack:
    """The subject behind `tests.rig.Target`; nothing is ever wrong with it."""

    kind = "rack"
    rules: Sequence[Rule[Any]] = ()

    def __init__(self, actions: Sequence[ActionDefinition[Any]], clock: SystemClock, *, name: str = "rack") -> None:
        self.name = name
        self.actions = actions
        self._clock = clock

    async def observe(self) -> Observation:
        return Observation(subject=self.name, observed_at=self._clock.now())

    async def close(self) -> None:
        pass


@dataclass
class Bot:
    """What a test acts on."""

    workspace: Workspace
    settings: Settings
    parts: Parts
    service: Service
    client: AsyncWebClient
    target: Target
    clock: ShiftedClock
    signals: Signals
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""

    async def propose(
        self, item: str, *, action: str = "touch", mark: str = "", by: Caller = AGENT, subject: str = "rack"
    ) -> int:
        """Propose, and validate, an action on *item*; return the proposal's id."""
        recommendation = ActionRecommendation(
            action_name=f"{subject}.{action}",
            parameters={"item": item, "mark": mark},
            reason="because",
            expected_outcome="touched",
        )
        proposal = await self.parts.executor.propose_action(
            Proposition(recommendation=recommendation, source_key=f"{subject}:{action}:{item}:{mark}", by=by)
        )
        with suppress(NotReadyError):  # the sweeper of a running bot may be faster
            await self.parts.executor.validate_proposal(proposal.id)
        return proposal.id

    async def card_of(self, proposal_id: int, *, saying: str = "") -> Json:
        """Return the card once it is in Slack with the state that the database has, and says this."""
        await self.until(lambda: self._card(proposal_id, saying) is not None)
        card = self._card(proposal_id, saying)
        assert card is not None
        return card

    async def offered(self, item: str, *, action: str = "touch", subject: str = "rack") -> tuple[int, Json]:
        """Propose an action on *item*; return its id and its card, which can be pressed."""
        proposal_id = await self.propose(item, action=action, subject=subject)
        await self.until(lambda: bool(pressable(self._card(proposal_id, ""))))
        return proposal_id, await self.card_of(proposal_id)

    async def press(self, card: Json, button: Button, *, by: str, channel: str = "ops") -> Outcome:
        """Have somebody press a button of a card."""
        return await self.workspace.click(user=by, channel=channel, ts=card["ts"], action_id=button.value)

    async def approve(self, card: Json, *, by: str, typing: str | None = None) -> Outcome:
        """Have somebody approve what a card offers; where it asks for the target's name, they type it, or this."""
        if Button.APPROVE.value in buttons(card):
            return await self.press(card, Button.APPROVE, by=by)
        proposal = await self.proposal(int(card["metadata"]["event_payload"]["ref"]))
        await self.press(card, Button.CONFIRM, by=by)
        return await self.fill_in(await self.modal(by), by=by, target=typing or proposal.target)

    async def modal(self, user: str, *, saying: str = "") -> Json:
        """Return the modal that is open for *user*, once it says this."""
        await self.until(lambda: any(saying in str(one) for one in self.workspace.modals(user)))
        return next(one for one in self.workspace.modals(user) if saying in str(one))

    async def fill_in(self, modal: Json, *, by: str, **entered: object) -> Outcome:
        """Have somebody send a form, with what was entered into its fields by their names in `ids.Field`."""
        fields = {Field[name.upper()].value: value for name, value in entered.items()}
        values = {field: {field: value} for field, value in fields.items()}
        return await self.workspace.submit(user=by, view_id=modal["id"], values=values)

    async def type(self, text: str, *, by: str = "ann", channel: str = "ops") -> tuple[Outcome, str]:
        """Have somebody type `/operator …`; return what became of it and the answer that only they see."""
        before = len(self.workspace.ephemerals(channel, user=by))
        outcome = await self.workspace.command(user=by, channel=channel, command="/operator", text=text)
        said = self.workspace.ephemerals(channel, user=by)[before:]
        return outcome, said[-1]["text"] if said else ""

    async def told(self, user: str, *, channel: str = "ops", saying: str = "") -> str:
        """Return the newest sentence that only *user* sees, once it says this."""

        def said() -> list[str]:
            texts = [str(one["text"]) for one in self.workspace.ephemerals(channel, user=user)]
            return [text for text in texts if saying in text]

        await self.until(lambda: bool(said()))
        return said()[-1]

    async def read(self, query: Callable[[Reader], T]) -> T:
        """Ask the database."""
        return await self.parts.store.read(query)

    async def proposal(self, proposal_id: int) -> ActionProposal:
        """Return a proposal as it is stored."""
        found = await self.read(lambda reader: reader.proposal(proposal_id))
        assert found is not None
        return found

    async def becomes(self, proposal_id: int, status: ActionStatus) -> ActionProposal:
        """Return the proposal once it has that status."""
        changed = asyncio.Event()
        self.signals.attach(changed.set)
        async with asyncio.timeout(10):
            while (found := await self.proposal(proposal_id)).status is not status:
                changed.clear()
                if (await self.proposal(proposal_id)).status is not status:
                    await changed.wait()
        return found

    async def settled(self) -> None:
        """Wait until delivery has shown everything, and remembers that it has."""
        async with asyncio.timeout(10):
            while await self.read(lambda reader: reader.outbox_due(self.clock.now(), 1)):
                pass

    async def audit(self, *events: str) -> list[AuditEvent]:
        """Return the lines of the audit log that are one of these events."""
        lines = await self.read(lambda reader: reader.audit(limit=1_000_000))
        return [line for line in lines if line.event in events]

    async def until(self, predicate: Callable[[], bool], *, within: float = 10.0) -> None:
        """Wait until the workspace looks like that."""
        await self.workspace.until(predicate, within=within)

    def _card(self, proposal_id: int, saying: str) -> Json | None:
        for message in all_messages(self.workspace):
            metadata = message.get("metadata") or {}
            about = (metadata.get("event_type"), (metadata.get("event_payload") or {}).get("ref"))
            if about == ("operator_card", str(proposal_id)) and saying in message["text"]:
                return message
        return None


def all_messages(workspace: Workspace) -> Iterator[Json]:
    """Yield what stands in every channel."""
    for channel in list(workspace.state.channels):
        yield from workspace.messages(channel)


def buttons(message: Json | None) -> dict[str, Json]:
    """Return the buttons of a message by action_id."""
    rows = [block for block in (message or {}).get("blocks", []) if block["type"] == "actions"]
    return {element["action_id"]: element for row in rows for element in row["elements"]}


def pressable(message: Json | None) -> bool:
    """Return whether the card can be approved."""
    return not {Button.APPROVE.value, Button.CONFIRM.value}.isdisjoint(buttons(message))


def count(workspace: Workspace, method: str, **arguments: str) -> int:
    """Return how often a method of the Web API was called, with these arguments."""
    calls = list(workspace.calls)
    return sum(name == method and arguments.items() <= given.items() for name, given in calls)


def settings_for(workspace: Workspace, folder: Path, **over: Any) -> Settings:
    """Return settings for a bot of this workspace, in Socket Mode unless a signing secret is given."""
    given: dict[str, Any] = {
        "database": f"sqlite:///{folder}/operator.db",
        "state_dir": folder / "state",
        "channel": "#ops",
        "people": PEOPLE,
        "approvers": {"approve": list(PEOPLE)},
        "http": {"port": 0},
        "agent": {"enabled": False},
        "SLACK_BOT_TOKEN": workspace.bot_token,
        "SLACK_APP_TOKEN": workspace.app_token,
        "SLACK_API_URL": workspace.base_url,
    }
    return Settings(**{key: value for key, value in (given | over).items() if value is not None})


@asynccontextmanager
async def local_workspace(**over: Any) -> AsyncIterator[Workspace]:
    """A workspace in which Cy is too."""
    async with running_workspace(**over) as workspace:
        workspace.state.put_user(CY)
        for channel in list(workspace.state.channels.values()):
            workspace.state.join(channel, CY.id)
        yield workspace


@asynccontextmanager
async def built_bot(
    workspace: Workspace,
    settings: Settings,
    *,
    target: Target | None = None,
    clock: ShiftedClock | None = None,
    directory: Directory | None = None,
    busy_timeout: float = 2.0,
    owner: str | None = None,
    more: Callable[[Target], Sequence[ActionDefinition[Any]]] = lambda _: (),
    subjects: Sequence[str] = ("rack",),
) -> AsyncIterator[Bot]:
    """A bot, wired as `operator run` wires it, that does not run yet; its rack offers *more* actions if told so."""
    clock, target = clock or ShiftedClock(), target or Target()
    settings.state_dir.mkdir(mode=0o700, exist_ok=True)
    store = await asyncio.to_thread(SqlStore.open, settings.database, clock=clock, busy_timeout=busy_timeout)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
        client = AsyncWebClient(token=token, base_url=workspace.base_url, session=session, retry_handlers=[])
        who = await who_am_i(client)
        people = build_directory(client, who.team_id, clock)
        rigs = [Rig(store, MemoryKillFiles(), clock, target=target, subject=name) for name in subjects]
        signals = Signals()
        parts = await assembled(
            settings,
            store=store,
            subjects={rig.subject: Rack([*rig.registry, *more(target)], clock, name=rig.subject) for rig in rigs},
            clock=clock,
            publisher=signals,
            directory=directory or people,
        )
        parts = replace(parts, owner=owner or parts.owner)
        service = Service(
            parts, client=client, who=who, channel=settings.channel or "", signals=signals, warm=people.warm
        )
        try:
            yield Bot(
                workspace=workspace,
                settings=settings,
                parts=parts,
                service=service,
                client=client,
                target=target,
                clock=clock,
                signals=signals,
            )
        finally:
            await store.close()


@asynccontextmanager
async def running(bot: Bot, *, execute: bool = True) -> AsyncIterator[Bot]:
    """Run a bot for the length of the context, in execute mode unless told otherwise."""
    up: asyncio.Queue[Up | None] = asyncio.Queue()
    task = asyncio.create_task(bot.service.run(bot.stopping, host="127.0.0.1", port=0, on_up=up.put_nowait))
    task.add_done_callback(lambda _: up.put_nowait(None))
    try:
        if (is_up := await up.get()) is None:
            await task
            raise AssertionError("it ended by itself")
        bot.address = is_up.address
        if execute:
            await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
        yield bot
    finally:
        bot.stopping.set()
        await task


@asynccontextmanager
async def running_bot(
    workspace: Workspace, folder: Path, *, execute: bool = True, target: Target | None = None, **over: Any
) -> AsyncIterator[Bot]:
    """A bot in Socket Mode that runs."""
    settings = settings_for(workspace, folder, **over)
    async with built_bot(workspace, settings, target=target) as bot, running(bot, execute=execute):
        yield bot


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the database's one lock, as another process would."""
    lock = sqlite3.connect(folder / "operator.db", isolation_level=None)
    try:
        lock.execute("BEGIN IMMEDIATE")
        yield
    finally:
        lock.close()


def click_payload(workspace: Workspace, *, user: str, card: Json, button: Button, channel: str = "ops") -> Json:
    """Return what Slack would send for a press of a button, to be sent altered or more than once."""
    state = workspace.state
    place = state.channel(channel)
    shared = payloads.envelope_fields(team=state.team, app=state.app, user=state.user(user))
    trigger_id = state.triggers.issue(state.user(user).id)
    return payloads.message_click(
        shared | {"trigger_id": trigger_id, "response_url": f"{workspace.page_url}response/x"},
        channel=place,
        message=state.message(place.id, card["ts"], seen_by=state.user(user).id),
        action=payloads.action_of("row", buttons(card)[button.value], at=state.next_ts()),
        values={},
    )
