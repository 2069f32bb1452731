"""Who is reminded of what, and when; over every store, in one process or several, with crashes in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from actions.calendar import Opening
from actions.errors import (
    ConflictError,
    KeyReusedError,
    NotAuthorizedError,
    NotReadyError,
    StorageError,
    UnknownProposalError,
)
from actions.executor import Timing
from actions.lifecycle import APPROVED, CANCELLED, EXPIRED, VALIDATED
from actions.models import Actor, Caller, ReasonCode, Reminder, SafetyMode, Via
from actions.ports import Decidable, OutboxItem, OutboxKind, Reader, Store, Transaction
from actions.reminder_schedule import ReminderSchedule
from actions.reminders import Reminders
from storage.store import SqlStore
from tests.factories import START, FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, ANN_CLI, BO, CY, POLICY, MemoryKillFiles, Rig

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
LATER = START + timedelta(hours=3)
SNOOZE = Caller(actor=ANN.actor, via=Via.SLACK, key="click")


class AtNight:
    """A calendar on which everything may run three hours after the tests begin."""

    def opening(self, action: Decidable, at: datetime) -> Opening:  # noqa: ARG002 - the port's signature
        return Opening(starts=max(LATER, at), why="outside the maintenance window `night`")


def reminders_of(rig: Rig, store: Store | None = None, schedule: ReminderSchedule | None = None) -> Reminders:
    return Reminders(
        store=store or rig.store,
        policy=POLICY,
        directory=rig.directory,
        kill_files=rig.kill_files,
        clock=rig.clock,
        publisher=rig.publisher,
        schedule=schedule or ReminderSchedule(),
        successors=rig.executor.attempts.successors,
        read_again=rig.executor.preview_proposal,
    )


class Stage:
    """A rig, and who reminds."""

    def __init__(self, rig: Rig, clock: FixedClock) -> None:
        self.rig = rig
        self.clock = clock
        self.reminders = reminders_of(rig)

    async def at(self, minutes: float) -> list[tuple[str, object]]:
        """Go on to that minute, and return what is sent then: the name of each message, and what it is about."""
        self.clock.advance((START + minutes * MINUTE - self.clock.now()).total_seconds())
        before = {(item.id, item.version) for item in await self.outbox()}
        await self.reminders.remind()
        return [
            (item.ref, item.payload.get("about"))
            for item in await self.outbox()
            if (item.id, item.version) not in before
        ]

    async def outbox(self) -> list[OutboxItem]:
        due = await self.rig.store.read(lambda reader: reader.outbox_due(START + timedelta(days=99), 10_000))
        return [item for item in due if item.kind is OutboxKind.REMINDER]

    async def delivered(self) -> None:
        """Have everything delivered."""
        done = await self.outbox()

        def work(tx: Transaction) -> None:
            for item in done:
                tx.outbox_delivered(item)

        await self.rig.store.write(work)

    async def plan(self, proposal_id: int) -> Reminder | None:
        return await self.rig.store.read(lambda reader: reader.reminder(proposal_id))


@pytest.fixture
async def stage(store: Store, clock: FixedClock) -> Stage:
    return Stage(await Rig(store, MemoryKillFiles(), clock).start(), clock)


@pytest.fixture
async def night(store: Store, clock: FixedClock) -> Stage:
    """Where nothing may run before three hours have passed."""
    return Stage(await Rig(store, MemoryKillFiles(), clock, calendar=AtNight()).start(), clock)


async def test_an_hour_without_a_decision_is_two_reminders_and_a_warning(stage: Stage) -> None:
    await stage.rig.propose("a")
    sent = {}
    for minute in range(60):
        sent[minute] = await stage.at(minute)
        await stage.delivered()

    assert {minute: told for minute, told in sent.items() if told} == {
        10: [("1/1", "undecided")],
        30: [("1/1", None), ("1/2", "undecided")],
        50: [("1/2", None), ("1/3", "expiring")],
    }
    assert await stage.at(61) == [("1/3", None)]
    assert await stage.plan(1) is None


@pytest.mark.parametrize("decide", ["approve", "cancel", "kill", "observe", "expire"])
async def test_a_decision_takes_the_buttons_off_and_ends_the_reminders(stage: Stage, decide: str) -> None:
    proposal_id = await stage.rig.propose("a")
    assert await stage.at(10) == [("1/1", "undecided")]
    await stage.delivered()
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "approve": lambda: stage.rig.executor.approve_proposal(proposal_id, by=ANN),
        "cancel": lambda: stage.rig.executor.cancel_proposal(proposal_id, by=ANN),
        "kill": lambda: stage.rig.safety.kill_switch(by=ANN, reason="test"),
        "observe": lambda: stage.rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN),
        "expire": lambda: stage.at(60),
    }
    await ways[decide]()

    if decide != "expire":
        assert await stage.at(11) == [("1/1", None)]
    await stage.delivered()
    for minute in (61, 90, 600):
        assert await stage.at(minute) == []
    assert await stage.plan(proposal_id) is None


async def test_one_of_two_approvals_changes_nothing_about_the_plan(stage: Stage) -> None:
    proposal_id = await stage.rig.propose("a", action="crush")
    await stage.at(10)
    before = await stage.plan(proposal_id)

    await stage.rig.executor.approve_proposal(proposal_id, by=ANN)

    assert await stage.plan(proposal_id) == before
    assert [ref for ref, _ in await stage.at(30)] == ["1/1", "1/2"]


async def test_nothing_is_sent_while_a_kill_file_lies_there_and_nothing_is_forgotten(stage: Stage) -> None:
    await stage.rig.propose("a")
    name = stage.rig.kill_files.drop()
    assert await stage.at(10) == []

    stage.rig.kill_files.remove([name])
    assert await stage.at(11) == [("1/1", "undecided")]


async def test_what_was_overdue_when_the_bot_came_back_is_not_reminded_of(stage: Stage) -> None:
    proposal_id = await stage.rig.propose("a")

    assert await stage.at(75) == []

    assert await stage.plan(proposal_id) is None
    found = await stage.rig.store.read(lambda reader: reader.proposal(proposal_id))
    assert found is not None
    assert found.status is EXPIRED


async def test_with_reminders_switched_off_nothing_is_planned(store: Store, clock: FixedClock) -> None:
    timing = Timing(reminders=ReminderSchedule(enabled=False))
    stage = Stage(await Rig(store, MemoryKillFiles(), clock, timing=timing).start(), clock)
    proposal_id = await stage.rig.propose("a")

    assert await stage.plan(proposal_id) is None
    with pytest.raises(ConflictError, match="Nobody is reminded of action 1"):
        await stage.reminders.snooze(proposal_id, by=ANN, lasting=15 * MINUTE)


async def test_what_was_approved_for_the_night_is_announced_five_minutes_before(night: Stage) -> None:
    proposal_id = await night.rig.approved("a")
    for minute in (10, 30, 60, 174):
        assert await night.at(minute) == []

    assert await night.at(175) == [("1/1", "starting")]
    await night.delivered()
    assert await night.at(176) == []
    night.clock.advance(240)
    await night.rig.executor.execute_proposal(proposal_id)
    assert await night.at(181) == [("1/1", None)]
    assert night.rig.target.ledger["a"] == 1


async def test_what_was_reminded_of_before_is_announced_under_the_next_number(night: Stage) -> None:
    proposal_id = await night.rig.propose("a")
    await night.at(10)
    await night.delivered()
    await night.rig.executor.approve_proposal(proposal_id, by=ANN)

    assert [item.ref for item in await night.outbox()] == ["1/1"], "it loses its buttons with the approval"
    await night.delivered()
    assert await night.at(175) == [("1/1", None), ("1/2", "starting")]


async def test_what_has_changed_meanwhile_is_cancelled_and_proposed_anew_instead_of_announced(night: Stage) -> None:
    proposal_id = await night.rig.approved("a")
    night.rig.target.pins["a"] = 7

    assert await night.at(175) == []

    old, new = await night.rig.store.read(lambda reader: (reader.proposal(proposal_id), reader.proposal(2)))
    assert old is not None
    assert (old.status, old.reason_code) == (CANCELLED, ReasonCode.STALE)
    assert "generation: 0 → 7" in old.detail
    assert new is not None
    assert (new.supersedes, new.action_name) == (proposal_id, old.action_name)
    assert await night.plan(proposal_id) is None


async def test_a_target_that_cannot_be_read_is_said_so_and_the_claim_decides(night: Stage) -> None:
    proposal_id = await night.rig.approved("a")
    night.rig.target.reachable = False

    assert await night.at(175) == [("1/1", "starting")]

    (item,) = await night.outbox()
    assert "cannot be reached" in str(item.payload["unread"])
    found = await night.rig.store.read(lambda reader: reader.proposal(proposal_id))
    assert found is not None
    assert found.status is APPROVED


async def test_what_was_cancelled_before_its_night_is_not_announced(night: Stage) -> None:
    proposal_id = await night.rig.approved("a")
    await night.rig.executor.cancel_proposal(proposal_id, by=BO)

    assert await night.at(175) == []
    assert await night.plan(proposal_id) is None


async def test_a_bot_that_was_down_when_it_should_have_announced_does_not_do_so_afterwards(night: Stage) -> None:
    await night.rig.approved("a")

    assert await night.at(181) == []


async def test_a_snooze_is_silence_until_then_and_the_warning_comes_all_the_same(stage: Stage) -> None:
    proposal_id = await stage.rig.propose("a")
    await stage.at(10)
    await stage.delivered()

    following = await stage.reminders.snooze(proposal_id, by=ANN, lasting=60 * MINUTE)

    assert following.due_at == START + 50 * MINUTE
    (redrawn,) = await stage.outbox()
    assert (redrawn.ref, redrawn.payload) == ("1/1", {"about": "undecided"})
    await stage.delivered()
    assert await stage.at(49) == []
    assert await stage.at(50) == [("1/1", None), ("1/2", "expiring")]
    (line,) = [one for one in await stage.rig.auditor.events(limit=100) if one.event == "snoozed"]
    assert (line.actor, line.proposal_id) == (str(ANN.actor), proposal_id)
    assert line.data == {"after": 1, "until": (START + 50 * MINUTE).isoformat()}


async def test_after_a_snooze_reminders_go_on_where_there_is_time(store: Store, clock: FixedClock) -> None:
    timing = Timing(proposal_lifetime=dict.fromkeys(Timing().proposal_lifetime, timedelta(hours=8)))
    stage = Stage(await Rig(store, MemoryKillFiles(), clock, timing=timing).start(), clock)
    proposal_id = await stage.rig.propose("a")
    await stage.at(10)
    await stage.reminders.snooze(proposal_id, by=ANN, lasting=60 * MINUTE)

    assert await stage.at(69) == []
    assert [ref for ref, _ in await stage.at(70)] == ["1/1", "1/2"]


async def test_who_may_not_cancel_may_not_snooze(stage: Stage) -> None:
    proposal_id = await stage.rig.propose("a")
    before = await stage.plan(proposal_id)

    for who in (CY, Caller(actor=Actor.system("sweeper"), via=Via.SYSTEM)):
        with pytest.raises(NotAuthorizedError):
            await stage.reminders.snooze(proposal_id, by=who, lasting=15 * MINUTE)

    assert await stage.plan(proposal_id) == before
    assert [one.event for one in await stage.rig.auditor.events(limit=100)].count("denied") == 2


async def test_a_snooze_that_is_delivered_twice_counts_once(stage: Stage) -> None:
    proposal_id = await stage.rig.propose("a")
    first = await stage.reminders.snooze(proposal_id, by=SNOOZE, lasting=15 * MINUTE)
    stage.clock.advance(30)

    assert await stage.reminders.snooze(proposal_id, by=SNOOZE, lasting=15 * MINUTE) == first
    with pytest.raises(KeyReusedError):
        await stage.reminders.snooze(proposal_id, by=SNOOZE, lasting=60 * MINUTE)
    assert [one.event for one in await stage.rig.auditor.events(limit=100)].count("snoozed") == 1


async def test_only_what_waits_for_people_can_be_snoozed(stage: Stage) -> None:
    approved, waiting = await stage.rig.approved("a"), await stage.rig.propose("b")
    cancelled = await stage.rig.propose("c")
    await stage.rig.executor.cancel_proposal(cancelled, by=ANN)

    for proposal_id in (approved, cancelled):
        with pytest.raises(NotReadyError):
            await stage.reminders.snooze(proposal_id, by=ANN, lasting=15 * MINUTE)
    with pytest.raises(UnknownProposalError):
        await stage.reminders.snooze(99, by=ANN, lasting=15 * MINUTE)
    assert (await stage.reminders.snooze(waiting, by=ANN_CLI, lasting=15 * MINUTE)).due_at == START + 15 * MINUTE


class Dying:
    """A store whose process dies around the write that is counted so: before its commit, or after."""

    def __init__(self, store: Store, *, at: int, committed: bool) -> None:
        self._store = store
        self._left = at
        self._committed = committed

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        self._left -= 1
        if self._left == 0:
            if self._committed:
                await self._store.write(work, urgent=urgent)
            raise StorageError("the process died")
        return await self._store.write(work, urgent=urgent)

    async def read(self, query: Callable[[Reader], T]) -> T:
        return await self._store.read(query)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_a_crash_neither_loses_nor_doubles_a_reminder(stage: Stage, dies_at: int, committed: bool) -> None:
    for item in ("a", "b", "c"):
        await stage.rig.propose(item)
    stage.clock.advance(600)
    dying = reminders_of(stage.rig, Dying(stage.rig.store, at=dies_at, committed=committed))
    with pytest.raises(StorageError):
        await dying.remind()

    await stage.reminders.remind()

    assert sorted((item.ref, item.version) for item in await stage.outbox()) == [("1/1", 1), ("2/1", 1), ("3/1", 1)]


@pytest.fixture(params=["memory", "sqlite"])
async def two(request: pytest.FixtureRequest, clock: FixedClock) -> AsyncIterator[tuple[Stage, Stage]]:
    """Two processes over one database: two writers, or two users of one memory."""
    if request.param == "memory":
        shared = MemoryStore()
        stores: list[Store] = [shared, shared]
        opened: list[SqlStore] = []
    else:
        path: Path = await asyncio.to_thread(request.getfixturevalue, "path")
        opened = [await asyncio.to_thread(SqlStore.open, f"sqlite:///{path}", clock=clock) for _ in range(2)]
        stores = [*opened]
    files = MemoryKillFiles()
    first = await Rig(stores[0], files, clock, owner="host/1/a").start()
    second = Rig(stores[1], files, clock, owner="host/2/b", target=first.target)
    yield Stage(first, clock), Stage(second, clock)
    for store in opened:
        await store.close()


async def test_of_two_processes_one_sends_each_reminder(two: tuple[Stage, Stage]) -> None:
    first, second = two
    for number in range(12):
        await first.rig.propose(f"item {number}")
    sent: list[tuple[str, int]] = []
    for minute in range(0, 70, 5):
        first.clock.advance((START + minute * MINUTE - first.clock.now()).total_seconds())
        await asyncio.gather(*(one.reminders.remind() for one in (first, second, first, second)))
        sent += [(item.ref, item.version) for item in await first.outbox() if "about" in item.payload]
        await first.delivered()

    assert sorted(sent) == sorted((f"{item}/{number}", 1) for item in range(1, 13) for number in (1, 2, 3))
    assert [await first.plan(number) for number in range(1, 13)] == [None] * 12


async def test_of_a_reminder_and_a_decision_at_once_the_decision_is_last(two: tuple[Stage, Stage]) -> None:
    first, second = two
    ids = [await first.rig.propose(f"item {number}") for number in range(20)]
    first.clock.advance(600)

    await asyncio.gather(
        first.reminders.remind(),
        *(second.rig.executor.cancel_proposal(number, by=ANN) for number in ids[::2]),
        second.reminders.remind(),
    )
    await first.delivered()
    await second.reminders.remind()

    stored = await first.rig.store.read(lambda reader: [reader.proposal(number) for number in ids])
    assert [one.status for one in stored if one] == [CANCELLED, VALIDATED] * 10
    assert [await first.plan(number) is None for number in ids] == [True, False] * 10
    assert [plan.sent for number in ids if (plan := await first.plan(number))] == [1] * 10
