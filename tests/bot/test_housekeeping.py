import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

import aiohttp
import pytest

from actions.errors import StorageError
from actions.models import Actor, Verb
from actions.policy import Clause, Grants, Group, Person
from actions.ports import OutboxKind
from bot.acquaintance import Acquaintance
from bot.housekeeping import KEPT_FOR, PRUNE_BATCH, RUN_LEASE, RUN_LEASE_FOR, TURN_FOR, RunLease, Turn, every, prune
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, POLICY, MemoryKillFiles, Rig


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def turn(store: MemoryStore, clock: FixedClock) -> Callable[..., Turn]:
    def build(owner: str, *, dead: str = "") -> Turn:
        return Turn("delivery", store=store, owner=owner, clock=clock, is_dead=lambda holder: holder == dead)

    return build


async def test_one_process_at_a_time_has_the_turn(turn: Callable[..., Turn]) -> None:
    first, second = turn("a"), turn("b")

    assert [await first.mine(), await second.mine(), await first.mine()] == [True, False, True]


async def test_whoever_keeps_asking_keeps_it_and_writes_little(
    turn: Callable[..., Turn], clock: FixedClock, store: MemoryStore
) -> None:
    first, second = turn("a"), turn("b")
    await first.mine()
    before = store.writes
    for _ in range(600):
        clock.advance(0.1)
        assert await first.mine()
    assert store.writes - before <= 60 / (TURN_FOR.total_seconds() / 2)
    assert not await second.mine()


async def test_what_has_stopped_loses_it_after_ten_seconds(turn: Callable[..., Turn], clock: FixedClock) -> None:
    first, second = turn("a"), turn("b")
    await first.mine()

    clock.advance(TURN_FOR.total_seconds() - 0.1)
    assert not await second.mine()
    clock.advance(0.2)
    assert await second.mine()
    assert not await first.mine()


async def test_nobody_is_sure_of_it_for_longer_than_the_lease_lasts(
    turn: Callable[..., Turn], clock: FixedClock
) -> None:
    first, second = turn("a"), turn("b")
    await first.mine()
    clock.advance(TURN_FOR.total_seconds() + 1)
    assert await second.mine()

    assert not await first.mine()


async def test_it_is_handed_over_at_once_at_the_end(turn: Callable[..., Turn]) -> None:
    first, second = turn("a"), turn("b")
    await first.mine()

    await first.drop()

    assert await second.mine()
    assert not await first.mine()


async def test_at_the_start_it_is_taken_from_a_process_that_died(turn: Callable[..., Turn]) -> None:
    await turn("died").mine()

    assert await turn("b", dead="died").mine()


async def test_later_on_nobody_is_taken_for_dead(turn: Callable[..., Turn], clock: FixedClock) -> None:
    late = turn("b", dead="a")
    await turn("other").mine()
    assert not await late.mine()
    clock.advance(TURN_FOR.total_seconds() + 1)
    await turn("a").mine()

    assert not await late.mine()


async def test_a_turn_that_cannot_be_stored_is_nobodys(turn: Callable[..., Turn], store: MemoryStore) -> None:
    store.failure = StorageError("locked")

    with pytest.raises(StorageError):
        await turn("a").mine()


async def test_that_somebody_runs_is_seen_for_ten_seconds_after_the_last_sign(
    store: MemoryStore, clock: FixedClock
) -> None:
    lease = RunLease(store=store, owner="a", clock=clock)
    await lease.hold()
    assert await store.read(lambda reader: reader.lease_holder(RUN_LEASE, clock.now())) == "a"

    clock.advance(RUN_LEASE_FOR.total_seconds() + 1)
    assert await store.read(lambda reader: reader.lease_holder(RUN_LEASE, clock.now())) is None

    await lease.hold()
    await lease.drop()
    assert await store.read(lambda reader: reader.lease_holder(RUN_LEASE, clock.now())) is None


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (StorageError("locked"), logging.WARNING),
        (aiohttp.ClientConnectionError("gone"), logging.WARNING),
        (TimeoutError(), logging.WARNING),
        (LookupError("a bug"), logging.ERROR),
    ],
)
async def test_a_failure_is_logged_and_does_not_end_the_upkeep(
    clock: FixedClock, caplog: pytest.LogCaptureFixture, error: Exception, level: int
) -> None:
    done = asyncio.Event()
    times = 0

    async def work() -> None:
        nonlocal times
        times += 1
        if times < 3:
            raise error
        done.set()

    task = asyncio.create_task(every(60, work, clock=clock, what="sweeping"))
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert clock.monotonic() >= 120
    assert [record.levelno for record in caplog.records] == [level, level]
    assert all("sweeping failed and is tried again" in message for message in caplog.messages)


async def test_what_was_delivered_long_ago_is_deleted_and_what_waits_is_not(
    store: MemoryStore, clock: FixedClock
) -> None:
    many = PRUNE_BATCH + 50
    for number in range(many):
        await store.write(lambda tx, ref=str(number): tx.enqueue(OutboxKind.CARD, ref, at=clock.now()))  # type: ignore[misc]
    for item in await store.read(lambda reader: reader.outbox_due(clock.now(), many)):
        if item.ref != "0":
            await store.write(lambda tx, item=item: tx.outbox_delivered(item))  # type: ignore[misc]
    assert await prune(store, clock) == 0

    clock.advance((KEPT_FOR + timedelta(seconds=1)).total_seconds())

    assert await prune(store, clock) == many - 1
    assert [item.ref for item in await store.read(lambda r: r.outbox_due(clock.now(), 10))] == ["0"]


async def test_approvers_are_asked_about_while_something_waits_for_them(store: MemoryStore, clock: FixedClock) -> None:
    asked: list[str] = []

    async def warm(actors: object) -> None:
        assert isinstance(actors, list)
        asked.extend(str(actor) for actor in actors)

    rig = await Rig(store, MemoryKillFiles(), clock).start()
    acquaintance = Acquaintance(store=store, grants=POLICY._grants, warm=warm)
    await acquaintance.renew()
    assert asked == []

    proposal_id = await rig.propose("a")
    await acquaintance.renew()
    assert asked == ["slack:T1/UANN", "slack:T1/UBO"]

    await rig.executor.cancel_proposal(proposal_id, by=ANN)
    await acquaintance.renew()
    assert len(asked) == 2


async def test_those_who_decide_by_a_grant_or_in_a_group_are_asked_about_too(
    store: MemoryStore, clock: FixedClock
) -> None:
    asked: list[str] = []

    async def warm(actors: Sequence[Actor]) -> None:
        asked.extend(actor.name for actor in actors)

    rig = await Rig(store, MemoryKillFiles(), clock).start()
    await rig.propose("a")
    grants = Grants(
        people=tuple(Person(name=name, slack=frozenset({f"T1/U{name.upper()}"})) for name in ("ann", "bo", "cy", "di")),
        verbs={Verb.APPROVE: frozenset({"ann"})},
        approvals={},
        groups=(Group(name="dba", members=frozenset({"cy"})),),
        granted=(
            Clause(name="[[grants]] 1", who=frozenset({"bo", "group:dba"}), verbs=frozenset({Verb.APPROVE})),
            Clause(name="[[grants]] 2", who=frozenset({"di"}), verbs=frozenset({Verb.CANCEL})),
        ),
    )
    await Acquaintance(store=store, grants=grants, warm=warm).renew()

    assert asked == ["T1/UANN", "T1/UBO", "T1/UCY"]
