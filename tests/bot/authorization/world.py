"""The bot as `operator run` wires it, over a store that can be put back to where an action can stand in any mode."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from slack_bolt.async_app import AsyncApp
from starlette.types import ASGIApp

from actions.models import EVERYTHING, ActionProposal, AuditEvent, ReasonCode, Risk, SafetyMode
from actions.ports import Transaction
from actions.registry import ActionDefinition, Done, Steps, define
from bot.identity import build_directory
from bot.serve import Service
from bot.settings import Settings
from bot.signals import Signals
from bot.wiring import Parts, assembled
from bot.workspace_identity import WorkspaceIdentity
from tests.bot.authorization.kinds import ADMIN_TOKEN, INGEST_TOKEN, POLICY, SECOND, TEAM, StandInSlack
from tests.bot.authorization.stages import FOCUS, STEPS, Stage
from tests.bot.running import Rack, ShiftedClock
from tests.memory_store import MemoryStore, Tables
from tests.rig import MemoryKillFiles, Rig, Target, Touch

CHANNEL: Final = "C024BE91L"


IDLE: Final = frozenset({"denied", "duplicate", "diagnosed"})
"""Events that bring nothing about."""


class Mode(StrEnum):
    """What keeps things from running, or nothing."""

    EXECUTE = "execute"
    OBSERVE = "observe"
    KILLED = "execute again since a kill"
    HELD = "execute, with a kill file"
    SUBJECT = "execute, but for the one subject"


@dataclass(frozen=True)
class State:
    """Where the one action stands, and the mode."""

    stage: Stage
    mode: Mode

    def __str__(self) -> str:
        return f"{self.stage.value}; {self.mode.value}"


STATES: Final = tuple(State(stage, mode) for stage in Stage for mode in Mode)


class StillClock(ShiftedClock):
    """Time of day stands still, so that nothing grows old while thousands of cases are gone through."""

    def __init__(self) -> None:
        super().__init__()
        self._at = super().now()

    def now(self) -> datetime:
        return self._at


@dataclass(frozen=True)
class Seen:
    """What a case did."""

    events: tuple[AuditEvent, ...]
    before: Tables
    after: Tables

    def by(self, actor: str) -> tuple[str, ...]:
        """Return what this actor brought about; a refusal is nothing, and neither is a diagnosis."""
        return tuple(one.event for one in self.events if one.actor == actor and one.event not in IDLE)

    def by_user(self, user: str) -> tuple[str, ...]:
        """Return what this user of Slack brought about, whichever workspace the request names."""
        actors = {one.actor for one in self.events if one.actor.endswith(f"/{user}")}
        return tuple(event for actor in sorted(actors) for event in self.by(actor))

    @property
    def decided(self) -> list[str]:
        """Return everything that only a person may bring about, whoever did."""
        return [one.event for one in self.events if _is_of_people(one)]


_OF_PEOPLE: Final = frozenset(
    {"approval", "approved", "break_glass", "explained", "kill_switch", "mode_change", "reviewed", "snoozed"}
)


def _is_of_people(event: AuditEvent) -> bool:
    if event.event == "approved" and event.actor == "policy:nudge":
        return False  # the one decision that nobody takes, as the policy has it
    return event.event in _OF_PEOPLE or event.data.get("reason_code") == "user"


@dataclass
class World:
    """What cases act on."""

    parts: Parts
    service: Service
    slack: StandInSlack
    app: AsyncApp
    web: ASGIApp
    store: MemoryStore
    target: Target
    states: Mapping[State, Tables]
    stop: int
    """The line of the audit log that records a stop for which no reason was given."""
    number: int = 1
    """The action that people come about."""

    def put(self, state: State) -> None:
        """Let things stand so."""
        self.store.tables = self.states[state]
        self.number = FOCUS.get(state.stage, 1)
        self.target.ledger.clear()
        files = self.parts.kill_files
        if state.mode is Mode.HELD and not files.present():
            files.drop()
        elif state.mode is not Mode.HELD:
            files.remove(files.present())

    @property
    def proposal(self) -> ActionProposal:
        """What people come about, as it is now."""
        return self.store.tables.proposals[self.number]

    def seen_since(self, before: Tables) -> Seen:
        """Return what was done since things stood like *before*."""
        after = self.store.tables
        return Seen(tuple(list(after.audit.values())[len(before.audit) :]), before, after)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Wire everything, and bring an action to everywhere it can stand, in every mode."""
    settings = Settings(
        **POLICY,
        subjects={"rack": {"kind": "supervisor", "url": "http://127.0.0.1:1"}},
        database=f"sqlite:///{folder}/unused.db",
        state_dir=folder,
        channel=CHANNEL,
        ingest_token=INGEST_TOKEN,
        admin_token=ADMIN_TOKEN,
        slack_signing_secret="a-signing-secret",
        limits={"diagnoses_per_minute": 100_000},
        digests=[{"name": "hourly", "cron": "* * * * *"}],
    )
    store, target, clock, signals = MemoryStore(), Target(), StillClock(), Signals()
    who = WorkspaceIdentity(team_id=TEAM, bot_id="B0M8NUL1D", bot_user_id="U0M8NT9QF", url="https://x.slack.com/")
    client = StandInSlack(token="xoxb-1")
    people = build_directory(client, TEAM, clock, group_ids=settings.slack_groups)
    parts = await assembled(
        settings,
        store=store,
        subjects={"rack": Rack(_actions(target, store, clock), clock)},
        clock=clock,
        publisher=signals,
        directory=people,
    )
    service = Service(parts, client=client, who=who, channel=CHANNEL, signals=signals, warm=people.warm)
    app = service._app()
    stop = await parts.safety.kill_switch(by=SECOND)
    await parts.safety.set_mode(SafetyMode.EXECUTE, by=SECOND, reason="test")
    assert stop.seq is not None
    made = World(
        parts, service, client, app, service._web(app), store, target, await _every_state(parts, store), stop.seq
    )
    try:
        yield made
    finally:
        await service._modals.drain()


def _actions(target: Target, store: MemoryStore, clock: StillClock) -> Sequence[ActionDefinition[Any]]:
    async def nudge(params: Touch, steps: Steps) -> Done:
        """Touch an item, with nobody's approval."""
        return await target.touch(params, steps)

    offered = Rig(store, MemoryKillFiles(), clock, target=target).registry
    nudging = define(
        subject="rack",
        execute=nudge,
        preview=target.preview,
        verify=target.verify,
        target=lambda params: params.item,
        risk=Risk.LOW,
    )
    touching = replace(
        offered.get("rack.touch"), undo=lambda params, _: ("touch", {"item": params.item, "mark": "back"})
    )
    return [touching, offered.get("rack.crush"), nudging]


async def _every_state(parts: Parts, store: MemoryStore) -> dict[State, Tables]:
    empty, states = store.tables, {}
    for stage in Stage:
        store.tables = empty
        for step in STEPS[stage]:
            await step(parts)
        reached = store.tables
        for mode in Mode:
            store.tables = reached
            await store.write(_MODES[mode])
            states[State(stage, mode)] = store.tables
    return states


def _as_it_is(_: Transaction) -> None:
    pass


def _observe(tx: Transaction) -> None:
    tx.set_control(replace(tx.lock_control(EVERYTHING), mode=SafetyMode.OBSERVE))


def _observe_subject(tx: Transaction) -> None:
    tx.lock_control(EVERYTHING)
    tx.set_control(replace(tx.lock_control("rack"), mode=SafetyMode.OBSERVE))


def _later_epoch(tx: Transaction) -> None:
    control = tx.lock_control(EVERYTHING)
    tx.set_control(replace(control, epoch=control.epoch + 2, stopped_as=ReasonCode.KILL_SWITCH))


_MODES: Final[Mapping[Mode, Callable[[Transaction], None]]] = {
    Mode.EXECUTE: _as_it_is,
    Mode.OBSERVE: _observe,
    Mode.KILLED: _later_epoch,
    Mode.HELD: _as_it_is,
    Mode.SUBJECT: _observe_subject,
}
