"""The bot as `operator run` wires it, over a store that can be put back to any status of a proposal and any mode."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from slack_bolt.async_app import AsyncApp
from starlette.types import ASGIApp

from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionRecord,
    ActionStatus,
    AuditEvent,
    FailureOutcome,
    ReasonCode,
    Review,
    SafetyMode,
    SuccessOutcome,
)
from actions.ports import Transaction
from actions.safety import SWEEPER
from actions.transitions import note
from bot.identity import build_directory
from bot.serve import Service
from bot.settings import Settings
from bot.signals import Signals
from bot.wiring import Parts, assembled
from bot.workspace_identity import WorkspaceIdentity
from tests.bot.authorization.kinds import ADMIN_TOKEN, INGEST_TOKEN, POLICY, SECOND, TEAM, Kind, StandInSlack, caller
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


@dataclass(frozen=True)
class State:
    """Where the one proposal stands, and the mode."""

    status: ActionStatus
    mode: Mode


STATES: Final = tuple(State(status, mode) for status in ActionStatus for mode in Mode)


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
        people = {
            "approval",
            "approved",
            "break_glass",
            "explained",
            "kill_switch",
            "mode_change",
            "reviewed",
            "snoozed",
        }
        return [one.event for one in self.events if one.event in people or one.data.get("reason_code") == "user"]


@dataclass(frozen=True)
class World:
    """What cases act on."""

    parts: Parts
    service: Service
    app: AsyncApp
    web: ASGIApp
    store: MemoryStore
    target: Target
    states: Mapping[State, Tables]

    def put(self, state: State) -> None:
        """Let things stand so."""
        self.store.tables = self.states[state]
        self.target.ledger.clear()
        files = self.parts.kill_files
        if state.mode is Mode.HELD and not files.present():
            files.drop()
        elif state.mode is not Mode.HELD:
            files.remove(files.present())

    @property
    def proposal(self) -> ActionProposal:
        """The one proposal."""
        return self.store.tables.proposals[1]

    def seen_since(self, before: Tables) -> Seen:
        """Return what was done since things stood like *before*."""
        after = self.store.tables
        return Seen(tuple(list(after.audit.values())[len(before.audit) :]), before, after)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Wire everything, and bring a proposal to every status under every mode."""
    settings = Settings(
        **POLICY,
        database=f"sqlite:///{folder}/unused.db",
        state_dir=folder,
        channel=CHANNEL,
        ingest_token=INGEST_TOKEN,
        admin_token=ADMIN_TOKEN,
        slack_signing_secret="a-signing-secret",
        limits={"diagnoses_per_minute": 100_000},
        digests=[{"name": "hourly", "cron": "* * * * *"}],
    )
    store, target, clock, signals = MemoryStore(), Target(), ShiftedClock(), Signals()
    who = WorkspaceIdentity(team_id=TEAM, bot_id="B0M8NUL1D", bot_user_id="U0M8NT9QF", url="https://x.slack.com/")
    client = StandInSlack(token="xoxb-1")
    people = build_directory(client, TEAM, clock, group_ids=settings.slack_groups)
    rig = Rig(store, MemoryKillFiles(), clock, target=target)
    parts = await assembled(
        settings,
        store=store,
        subjects={"rack": Rack([replace(one, undo=_another_touch) for one in rig.registry], clock)},
        clock=clock,
        publisher=signals,
        directory=people,
    )
    service = Service(parts, client=client, who=who, channel=CHANNEL, signals=signals, warm=people.warm)
    app = service._app()
    made = World(parts, service, app, service._web(app), store, target, await _every_state(parts, store))
    try:
        yield made
    finally:
        await service._modals.drain()


def _another_touch(params: Touch, _before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    return "touch", {"item": params.item, "mark": "undone"}


async def _every_state(parts: Parts, store: MemoryStore) -> dict[State, Tables]:
    await parts.safety.set_mode(SafetyMode.EXECUTE, by=SECOND, reason="test")
    empty, states = store.tables, {}
    for state in STATES:
        store.tables = empty
        await _bring_to(parts, state.status)
        await store.write(_MODES[state.mode])
        states[state] = store.tables
    return states


async def _bring_to(parts: Parts, status: ActionStatus) -> None:
    recommendation = ActionRecommendation(
        action_name="rack.touch", parameters={"item": "a"}, reason="because", expected_outcome="touched"
    )
    made = await parts.executor.propose_action(
        Proposition(recommendation=recommendation, source_key="matrix", by=caller(Kind.PROPOSER))
    )
    if status is ActionStatus.PROPOSED:
        return
    await parts.executor.validate_proposal(made.id)
    if status is ActionStatus.VALIDATED:
        return
    if status not in {ActionStatus.CANCELLED, ActionStatus.EXPIRED}:
        await parts.executor.approve_proposal(made.id, by=SECOND)
    if status is not ActionStatus.APPROVED:
        await parts.store.write(lambda tx: _move(tx, made.id, status, parts))
    if status is ActionStatus.COMPLETED:
        await parts.store.write(lambda tx: tx.save_review(_left_open(made.id, parts)))


def _left_open(proposal_id: int, parts: Parts) -> Review:
    broke = str(SECOND.actor)
    person = parts.policy.person(broke)
    return Review(
        proposal_id=proposal_id, opened_at=parts.clock.now(), opened_by=broke, person=person, reason="because"
    )


_ENDS: Final[Mapping[ActionStatus, tuple[ActionStatus, ...]]] = {
    ActionStatus.EXECUTING: (ActionStatus.EXECUTING,),
    ActionStatus.UNKNOWN: (ActionStatus.EXECUTING, ActionStatus.UNKNOWN),
    ActionStatus.COMPLETED: (ActionStatus.EXECUTING, ActionStatus.COMPLETED),
    ActionStatus.FAILED: (ActionStatus.EXECUTING, ActionStatus.FAILED),
    ActionStatus.CANCELLED: (ActionStatus.CANCELLED,),
    ActionStatus.EXPIRED: (ActionStatus.EXPIRED,),
}
_ALSO: Final[Mapping[ActionStatus, Mapping[str, object]]] = {
    ActionStatus.UNKNOWN: {},
    ActionStatus.COMPLETED: {"outcome": SuccessOutcome.CONFIRMED},
    ActionStatus.FAILED: {"outcome": FailureOutcome.NO_EFFECT},
    ActionStatus.CANCELLED: {"reason_code": ReasonCode.USER},
    ActionStatus.EXPIRED: {},
}


def _move(tx: Transaction, proposal_id: int, status: ActionStatus, parts: Parts) -> None:
    for step in _ENDS[status]:
        proposal = tx.proposal(proposal_id)
        assert proposal is not None
        now = parts.clock.now()
        if step is ActionStatus.EXECUTING:
            lease = now + timedelta(hours=1)
            changes: Mapping[str, object] = {"attempts": 1, "owner": parts.owner, "fence": 1, "lease_until": lease}
            tx.save_record(_attempt(proposal, parts))
        else:
            tx.save_record(replace(_attempt(proposal, parts), finished_at=now))
            changes = {**_ALSO[step], "lease_until": now}
        moved = tx.move(proposal, step, changes)
        assert moved is not None
        note(tx, step.value, by=SWEEPER, at=now, proposal_id=proposal_id, data={"row": moved.row_digest()})


def _attempt(proposal: ActionProposal, parts: Parts) -> ActionRecord:
    return ActionRecord(
        proposal_id=proposal.id, token=proposal.token, owner=parts.owner, fence=1, started_at=parts.clock.now()
    )


def _as_it_is(_: Transaction) -> None:
    pass


def _observe(tx: Transaction) -> None:
    tx.set_control(replace(tx.lock_control(EVERYTHING), mode=SafetyMode.OBSERVE))


def _later_epoch(tx: Transaction) -> None:
    control = tx.lock_control(EVERYTHING)
    tx.set_control(replace(control, epoch=control.epoch + 2, stopped_as=ReasonCode.KILL_SWITCH))


_MODES: Final[Mapping[Mode, Callable[[Transaction], None]]] = {
    Mode.EXECUTE: _as_it_is,
    Mode.OBSERVE: _observe,
    Mode.KILLED: _later_epoch,
    Mode.HELD: _as_it_is,
}
