"""What nobody asks for is done all the same: expiry, the rest of a kill, another look at what could not be read."""

import asyncio

import pytest

from actions.errors import StorageError, TargetUnavailableError
from actions.models import SafetyMode
from actions.registry import Preview
from actions.safety import BATCH
from actions.sweeper import Sweeper
from tests.actions.machine import Machine, proposed_rebuild
from tests.actions.parts import Faulty, audit, events, executor_over, redefine, require_sound, status
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, BO, MemoryKillFiles, Rig


async def test_what_is_overdue_expires(rig: Rig, clock: FixedClock) -> None:
    proposed, validated = await rig.propose("a", validate=False), await rig.propose("b")
    clock.advance(3_000)
    approved, fresh = await rig.approved("c"), await rig.propose("d")
    clock.advance(600)

    await rig.sweeper.sweep()

    assert [await status(rig.store, one) for one in (proposed, validated, approved, fresh)] == [
        "expired",
        "expired",
        "expired",
        "validated",
    ]
    line = (await audit(rig.store, validated))[-1]
    assert (line.event, line.actor) == ("expired", "system:sweeper")
    await require_sound(rig)


async def test_what_runs_or_ended_does_not_expire(rig: Rig, clock: FixedClock) -> None:
    done, unknown = await rig.approved("a"), await rig.approved("b")
    rig.target.faults["b"] = "lost"
    await rig.executor.execute_proposal(done)
    await rig.executor.execute_proposal(unknown)
    clock.advance(10_000)

    await rig.sweeper.sweep()

    assert await status(rig.store, done) == "completed(confirmed)"
    assert await status(rig.store, unknown) == "unknown"


async def test_swept_twice_it_expires_once(rig: Rig, clock: FixedClock) -> None:
    proposal_id = await rig.propose("a")
    clock.advance(3_600)

    await asyncio.gather(rig.sweeper.sweep(), rig.sweeper.sweep())

    assert (await events(rig.store, proposal_id)).count("expired") == 1


async def test_more_than_one_batch_is_swept(clock: FixedClock) -> None:
    rig = await Rig(MemoryStore(), MemoryKillFiles(), clock).start()
    for number in range(BATCH + 3):
        await rig.propose(str(number), validate=False)

    switched = await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

    assert switched.cancelled == BATCH + 3
    await require_sound(rig)


async def test_a_kill_that_was_interrupted_between_two_batches_is_finished(clock: FixedClock) -> None:
    store = MemoryStore()
    faulty = Faulty(store)
    rig = await Rig(faulty, MemoryKillFiles(), clock).start()
    ids = [await rig.propose(str(number), validate=False) for number in range(BATCH + 3)]
    faulty.restart(3)

    stopped = await rig.safety.kill_switch(by=BO, reason="stop")
    left = [one for one in ids if await status(store, one) == "proposed"]

    assert (stopped.recorded, len(left)) == (True, 3)
    await rig.sweeper.sweep()
    assert {await status(store, one) for one in ids} == {"cancelled(kill_switch)"}
    await require_sound(rig)


async def test_what_could_not_be_read_is_tried_again(rig: Rig) -> None:
    target = Unsteady()
    proposal_id = await rig.propose("a", validate=False)
    redefine(rig, "rack.touch", preview=target.preview)

    await rig.sweeper.sweep()
    assert await status(rig.store, proposal_id) == "proposed"

    target.problem = None
    await rig.sweeper.sweep()
    assert await status(rig.store, proposal_id) == "validated"


class Unsteady:
    """A target that cannot be read, for whatever reason, until there is none any more."""

    def __init__(self) -> None:
        self.problem: Exception | None = TargetUnavailableError("does not answer")

    async def preview(self, params: object) -> Preview:
        assert params is not None
        if self.problem is not None:
            raise self.problem
        return Preview(impact=(), pins={})


@pytest.mark.parametrize(
    ("problem", "ends"),
    [
        (TargetUnavailableError("does not answer"), "proposed"),
        (KeyError("a bug in the preview"), "cancelled(invalid)"),
    ],
    ids=["down", "bug"],
)
async def test_one_that_cannot_be_validated_does_not_keep_the_others(rig: Rig, problem: Exception, ends: str) -> None:
    machine, target = Machine(), Unsteady()
    target.problem = problem
    machine.preview = target.preview  # type: ignore[method-assign]  # a subject in trouble
    rig.registry.register(machine.definition())
    before = await rig.propose("a", validate=False)
    bad = await proposed_rebuild(rig)
    after = await rig.propose("b", validate=False)

    await rig.sweeper.sweep()

    assert [await status(rig.store, one) for one in (before, bad, after)] == ["validated", ends, "validated"]


async def test_a_database_that_fails_ends_the_round_and_not_the_sweeper(clock: FixedClock) -> None:
    faulty = Faulty(MemoryStore())
    rig = await Rig(faulty, MemoryKillFiles(), clock).start()
    proposal_id = await rig.propose("a")
    clock.advance(3_600)
    faulty.restart(1)

    with pytest.raises(StorageError):
        await rig.sweeper.sweep()
    await rig.sweeper.sweep()

    assert await status(rig.store, proposal_id) == "expired"


async def test_another_process_may_sweep(rig: Rig, clock: FixedClock) -> None:
    proposal_id = await rig.propose("a")
    clock.advance(3_600)
    other = Sweeper(
        store=rig.store, safety=rig.safety, executor=executor_over(rig), clock=clock, publisher=rig.publisher
    )

    await other.sweep()

    assert await status(rig.store, proposal_id) == "expired"
