"""What is approved runs soon and once, whatever else goes wrong, and stops in good order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from actions.dispatcher import Dispatcher
from actions.errors import StorageError, TargetUnavailableError
from actions.executor import ActionExecutor
from actions.models import ActionProposal, Actor, SafetyMode
from actions.ports import Standing, Store
from actions.registry import ActionRegistry
from tests.actions.machine import Machine, approved_rebuild
from tests.actions.parts import Faulty, executor_over, require_sound, status, stored
from tests.factories import FixedClock
from tests.rig import ANN, BO, Rig


@asynccontextmanager
async def dispatching(rig: Rig, executor: ActionExecutor | None = None) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(store=rig.store, executor=executor or rig.executor)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await dispatcher.stop(0.0)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110 - what is waited for happens in a store, which has no event
            await asyncio.sleep(0)


async def until_status(rig: Rig, proposal_id: int, *wanted: str) -> None:
    async def reached() -> bool:
        return await status(rig.store, proposal_id) in wanted

    await until(reached)


class Counting:
    """An executor that counts how often it is asked to run what it cannot run."""

    def __init__(self, executor: ActionExecutor) -> None:
        self._executor = executor
        self.asked = 0

    def may_begin(self, proposal: ActionProposal) -> bool:
        return self._executor.may_begin(proposal)

    async def execute_proposal(self, proposal_id: int) -> object:
        self.asked += 1
        return await self._executor.execute_proposal(proposal_id)


async def test_what_is_approved_runs(rig: Rig) -> None:
    ids = [await rig.approved(item) for item in "abc"]

    async with dispatching(rig):
        for proposal_id in ids:
            await until_status(rig, proposal_id, "completed(confirmed)")

    assert rig.target.ledger == {"a": 1, "b": 1, "c": 1}
    await require_sound(rig)


async def test_what_is_approved_while_it_waits_runs_when_it_is_called(rig: Rig) -> None:
    async with dispatching(rig) as dispatcher:
        await asyncio.sleep(0)
        proposal_id = await rig.approved("a")
        dispatcher.wake()

        await until_status(rig, proposal_id, "completed(confirmed)")


async def test_what_waits_for_its_target_does_not_keep_others_from_running(memory_rig: Rig) -> None:
    class Stuck:
        """Runs number 41 alone; the others stay approved."""

        may_begin = memory_rig.executor.may_begin

        async def execute_proposal(self, proposal_id: int) -> ActionProposal:
            if proposal_id <= 40:
                raise TargetUnavailableError("down")
            return await memory_rig.executor.execute_proposal(proposal_id)

    ids = [await memory_rig.approved(f"i{number}") for number in range(41)]

    async with dispatching(memory_rig, cast(ActionExecutor, Stuck())):
        await until_status(memory_rig, ids[-1], "completed(confirmed)")


async def test_what_another_process_approved_is_found_within_a_second_or_two(memory_rig: Rig) -> None:
    async with dispatching(memory_rig):
        await asyncio.sleep(0)
        proposal_id = await memory_rig.approved("a")

        await until_status(memory_rig, proposal_id, "completed(confirmed)")


async def test_a_database_that_cannot_be_read_for_a_moment_does_not_end_it(memory_rig: Rig) -> None:
    proposal_id = await memory_rig.approved("a")
    dark = Dark(memory_rig.store)
    dispatcher = Dispatcher(store=dark, executor=memory_rig.executor)  # type: ignore[arg-type]  # a store
    running = asyncio.create_task(dispatcher.run())
    await until(dark.was_asked)
    dark.dark = False
    dispatcher.wake()

    await until_status(memory_rig, proposal_id, "completed(confirmed)")

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Dark:
    """A store that cannot be read while it is dark."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.dark = True
        self.asked = False

    async def was_asked(self) -> bool:
        return self.asked

    async def read(self, query: Any) -> Any:
        self.asked = True
        if self.dark:
            raise StorageError("The database cannot be read.")
        return await self._store.read(query)


async def test_two_dispatchers_run_it_once(rig: Rig) -> None:
    ids = [await rig.approved(str(number)) for number in range(10)]

    async with dispatching(rig), dispatching(rig, executor_over(rig)):
        for proposal_id in ids:
            await until_status(rig, proposal_id, "completed(confirmed)")

    assert set(rig.target.ledger.values()) == {1}
    await require_sound(rig)


async def test_one_slow_action_does_not_hold_up_the_others(rig: Rig) -> None:
    slow, quick = await rig.approved("slow"), await rig.approved("quick")
    rig.target.hold["slow"] = asyncio.Event()

    async with dispatching(rig):
        await until_status(rig, quick, "completed(confirmed)")
        assert await status(rig.store, slow) == "executing"
        rig.target.hold["slow"].set()
        await until_status(rig, slow, "completed(confirmed)")


async def test_an_action_on_a_busy_target_waits_and_then_runs(memory_rig: Rig) -> None:
    rig = memory_rig
    first, second = await rig.approved("a"), await rig.propose("a", mark="m")
    rig.target.hold["a"] = asyncio.Event()
    began = rig.target.began.setdefault("a", asyncio.Event())

    async with dispatching(rig) as dispatcher:
        await began.wait()
        await rig.executor.approve_proposal(second, by=ANN)
        dispatcher.wake()
        await asyncio.sleep(0)
        assert await status(rig.store, second) == "approved"
        rig.target.hold["a"].set()

        await until_status(rig, second, "completed(confirmed)")

    assert await status(rig.store, first) == "completed(confirmed)"
    assert rig.target.ledger == {"a": 1, "m": 1}


async def hold_back(rig: Rig) -> ActionExecutor:
    rig.kill_files.drop()
    return rig.executor


async def forget_everybody(rig: Rig) -> ActionExecutor:
    return executor_over(rig, registry=rig.registry, directory=BrokenDirectory())


class BrokenDirectory:
    """A directory with a bug."""

    async def standing(self, actor: Actor) -> Standing:
        raise KeyError(f"a bug at {actor}")


async def no_preview(params: object) -> object:
    raise KeyError(f"a bug in the preview of {params}")


async def lose_the_database(rig: Rig) -> ActionExecutor:
    broken = Faulty(rig.store)
    broken.restart(all_of_them=True)
    return executor_over(rig, store=broken, registry=rig.registry)


@pytest.mark.parametrize("how", [hold_back, forget_everybody, lose_the_database])
async def test_what_stays_approved_is_not_tried_without_a_pause(
    memory_rig: Rig, how: Callable[[Rig], Awaitable[ActionExecutor]]
) -> None:
    rig = memory_rig
    rig.registry.register(Machine().definition())
    proposal_id = await approved_rebuild(rig)
    counting = Counting(await how(rig))

    async with dispatching(rig, counting) as dispatcher:  # type: ignore[arg-type]  # it dispatches, and that is all
        for _ in range(200):
            dispatcher.wake()
            await asyncio.sleep(0)

    assert await status(rig.store, proposal_id) == "approved"
    assert counting.asked == 1


async def test_a_fault_in_one_action_does_not_end_the_dispatch_of_the_others(memory_rig: Rig) -> None:
    rig = memory_rig
    machine = Machine()
    machine.preview = no_preview  # type: ignore[assignment, method-assign]  # a subject with a bug
    rig.registry.register(Machine().definition())
    broken = await approved_rebuild(rig)
    good = await rig.approved("a")
    registry = ActionRegistry([machine.definition(), rig.registry.get("rack.touch")])

    async with dispatching(rig, executor_over(rig, registry=registry)):
        await until_status(rig, good, "completed(confirmed)")

    assert await status(rig.store, broken) == "cancelled(stale)"


async def test_nothing_runs_once_killed(rig: Rig) -> None:
    ids = [await rig.approved(item) for item in "abc"]
    await rig.safety.kill_switch(by=BO, reason="stop")
    await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on")
    later = await rig.approved("d")

    async with dispatching(rig):
        await until_status(rig, later, "completed(confirmed)")

    assert {await status(rig.store, one) for one in ids} == {"cancelled(kill_switch)"}
    assert rig.target.ledger == {"d": 1}


async def test_it_lets_what_runs_end(rig: Rig) -> None:
    proposal_id = await rig.approved("a")
    rig.target.hold["a"] = asyncio.Event()
    began = rig.target.began.setdefault("a", asyncio.Event())
    async with dispatching(rig) as dispatcher:
        await began.wait()
        stopping = asyncio.create_task(dispatcher.stop(30.0))
        rig.target.hold["a"].set()

        await stopping

        assert await status(rig.store, proposal_id) == "completed(confirmed)"


async def test_it_interrupts_what_takes_longer_than_the_grace_and_records_it_as_unknown(rig: Rig) -> None:
    proposal_id = await rig.approved("a")
    rig.target.hold["a"] = asyncio.Event()
    began = rig.target.began.setdefault("a", asyncio.Event())
    async with dispatching(rig) as dispatcher:
        await began.wait()

        await dispatcher.stop(0.01)

        assert await status(rig.store, proposal_id) == "unknown"
        assert (await stored(rig.store, proposal_id)).detail == "Interrupted (CancelledError)"


async def test_there_is_nothing_to_stop_where_nothing_runs(memory_rig: Rig, clock: FixedClock) -> None:
    await Dispatcher(store=memory_rig.store, executor=memory_rig.executor).stop(30.0)

    assert clock.monotonic() == 0
