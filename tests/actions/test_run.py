"""One attempt: what is sent, what is recorded of it, and what is known when it ends."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from actions.errors import (
    ActionFailedError,
    NotReadyError,
    OperatorError,
    StaleError,
    StorageError,
    TargetBusyError,
    TargetUnavailableError,
)
from actions.executor import Timing
from actions.models import ActionProposal, ActionRecord, ActionStatus, FailureOutcome, SafetyMode, Step
from actions.ports import Reader, Store, Transaction
from actions.registry import Happened, Preview
from storage.store import SqlStore
from tests.actions.machine import STEPS, Machine, approved_rebuild
from tests.actions.parts import Faulty, Slow, audit, events, executor_over, redefine, require_sound, status, stored
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, BO, MemoryKillFiles, Rig

T = TypeVar("T")


@pytest.fixture
def machine(rig: Rig) -> Machine:
    built = Machine()
    rig.registry.register(built.definition())
    return built


async def record(rig: Rig, proposal_id: int) -> ActionRecord:
    found = await rig.store.read(lambda reader: reader.record(proposal_id))
    assert found is not None
    return found


def states(attempt: ActionRecord) -> list[str]:
    return [f"{step.name} {step.state}" for step in attempt.steps]


async def stop_by(rig: Rig, how: str) -> None:
    match how:
        case "kill switch":
            await rig.safety.kill_switch(by=BO, reason="stop")
        case "mode observe":
            await rig.safety.set_mode(SafetyMode.OBSERVE, by=BO)
        case "kill file":
            rig.kill_files.drop()
        case "its subject":
            await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")
        case _:
            await rig.safety.kill_switch(by=BO, reason="stop")
            await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on")


def raising(error: BaseException) -> Callable[[], Awaitable[object]]:
    async def fail() -> None:
        raise error

    return fail


class TestSteps:
    async def test_every_call_is_recorded(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        assert machine.calls == []

        ended = await rig.executor.execute_proposal(proposal_id)

        attempt = await record(rig, proposal_id)
        assert attempt.steps == tuple(Step(name=name, state="done") for name in STEPS)
        assert (attempt.owner, attempt.fence, attempt.token) == ("host/1/a", 1, ended.token)
        assert (attempt.started_at, attempt.finished_at) == (rig.clock.now(), rig.clock.now())
        assert attempt.result == ended.detail == "u1 says that it is rebuilt"
        assert [fact.value for fact in attempt.evidence] == ["yes"]
        assert await events(rig.store, proposal_id) == ["proposed", "validated", "approved", "executing", "completed"]
        assert (await audit(rig.store, proposal_id))[-1].data["record"] == attempt.row_digest()

    async def test_progress_can_be_read_while_it_runs(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        so_far: list[list[str]] = []

        async def look() -> None:
            so_far.append(states(await record(rig, proposal_id)))

        machine.during = dict.fromkeys(STEPS, look)
        await rig.executor.execute_proposal(proposal_id)

        assert so_far == [[], ["drain done"], ["drain done", "swap done"]]

    async def test_it_is_on_record_before_the_first_call_is_made(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        seen: list[tuple[str, int]] = []

        async def look() -> None:
            now = await stored(rig.store, proposal_id)
            seen.append((now.status.value, now.attempts))

        machine.between["drain"] = look
        await rig.executor.execute_proposal(proposal_id)

        assert seen == [("executing", 1)]

    @pytest.mark.parametrize(
        ("stopped_before", "made", "ends"),
        [("drain", [], "failed(no_effect)"), ("swap", ["drain"], "failed(partial)")],
    )
    @pytest.mark.parametrize("how", ["kill switch", "mode observe", "kill file", "its subject", "a new epoch"])
    async def test_no_call_is_made_once_it_is_stopped(
        self, rig: Rig, machine: Machine, how: str, stopped_before: str, made: list[str], ends: str
    ) -> None:
        proposal_id = await approved_rebuild(rig)

        async def stop() -> None:
            await stop_by(rig, how)

        machine.between[stopped_before] = stop
        ended = await rig.executor.execute_proposal(proposal_id)

        assert machine.calls == made
        assert await status(rig.store, proposal_id) == ends
        assert ended.detail.startswith(f"Stopped before {stopped_before}: ")
        assert states(await record(rig, proposal_id))[-1] == f"{stopped_before} stopped"

    async def test_nothing_is_sent_if_it_is_stopped_right_after_the_claim(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        claim = await rig.executor._claim(proposal_id)
        stopped = await rig.safety.kill_switch(by=BO, reason="stop")

        await rig.executor._run(claim)

        assert [proposal.id for proposal in stopped.in_flight] == [proposal_id]
        assert machine.calls == []
        assert await status(rig.store, proposal_id) == "failed(no_effect)"

    async def test_no_call_is_made_while_the_mode_cannot_be_read(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        unreadable = Unreadable(rig.store)
        executor = executor_over(rig, store=unreadable)

        async def go_dark() -> None:
            unreadable.dark = True

        machine.between["swap"] = go_dark
        with pytest.raises(StorageError, match="cannot be read"):
            await executor.execute_proposal(proposal_id)

        assert machine.calls == ["drain"]
        assert await status(rig.store, proposal_id) == "failed(partial)"

    async def test_an_action_without_steps_is_one_call(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")

        await rig.executor.execute_proposal(proposal_id)

        assert states(await record(rig, proposal_id)) == ["touch done"]


class Unreadable:
    """A store whose reads fail while it is dark."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.dark = False

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        return await self._store.write(work, urgent=urgent)

    async def read(self, query: Callable[[Reader], T]) -> T:
        if self.dark:
            raise StorageError("The database cannot be read.")
        return await self._store.read(query)


class TestWhatIsKnown:
    async def test_a_refusal_before_anything_was_done_had_no_effect(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.during["drain"] = raising(ActionFailedError("the unit is locked"))

        ended = await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "failed(no_effect)"
        assert ended.detail == "the unit is locked"
        assert states(await record(rig, proposal_id)) == ["drain failed"]

    async def test_a_refusal_after_something_was_done_is_partial(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.during["refill"] = raising(ActionFailedError("no supply", FailureOutcome.NO_EFFECT))

        await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "failed(partial)"
        assert states(await record(rig, proposal_id)) == ["drain done", "swap done", "refill failed"]

    async def test_what_the_action_knows_to_be_partial_is_partial(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.during["drain"] = raising(ActionFailedError("half empty", FailureOutcome.PARTIAL))

        await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "failed(partial)"

    @pytest.mark.parametrize(
        "error",
        [ConnectionError("reset"), TimeoutError(), TargetUnavailableError("502"), KeyError("bug"), OSError(5, "EIO")],
        ids=repr,
    )
    async def test_any_other_error_leaves_it_unknown(self, rig: Rig, machine: Machine, error: Exception) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.during["swap"] = raising(error)

        ended = await rig.executor.execute_proposal(proposal_id)

        assert ended.status.value == "unknown"
        assert ended.outcome is None
        assert states(await record(rig, proposal_id)) == ["drain done", "swap unknown"]
        assert machine.looks == 0

    async def test_what_was_applied_and_then_lost_is_unknown_and_found_out_by_looking(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.target.faults["a"] = "apply-then-lost"

        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "unknown"
        assert await rig.reconciler.reconcile() == 1

        assert await status(rig.store, proposal_id) == "completed(confirmed)"
        assert rig.target.ledger == {"a": 1}
        await require_sound(rig)

    async def test_an_action_that_takes_too_long_is_unknown(self, rig: Rig) -> None:
        machine = Machine()
        rig.registry.register(machine.definition(timeout=0.5))
        proposal_id = await approved_rebuild(rig)
        machine.during["swap"] = asyncio.Event().wait

        ended = await rig.executor.execute_proposal(proposal_id)

        assert ended.status.value == "unknown"
        assert "No answer within 0.5 s" in ended.detail
        assert machine.calls == ["drain", "swap"]

    @pytest.mark.parametrize(
        ("verdicts", "ends", "looks"),
        [
            ([Happened.YES], "completed(confirmed)", 1),
            ([Happened.NO, Happened.CANNOT_TELL, Happened.YES], "completed(confirmed)", 3),
            ([TargetUnavailableError("busy"), Happened.YES], "completed(confirmed)", 2),
            ([TimeoutError(), Happened.YES], "completed(confirmed)", 2),
            ([Happened.NO], "failed(partial)", 5),
            ([Happened.CANNOT_TELL], "completed(accepted)", 5),
            ([TargetUnavailableError("down")], "completed(accepted)", 5),
            ([Happened.CANNOT_TELL, Happened.NO], "failed(partial)", 5),
        ],
        ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else str(value),
    )
    async def test_looking_decides_how_sure_we_are(
        self, rig: Rig, machine: Machine, verdicts: list[Happened | Exception], ends: str, looks: int
    ) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.verdicts = verdicts

        await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == ends
        assert machine.looks == looks

    async def test_a_fault_in_looking_does_not_hide_what_the_target_accepted(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.verdicts = [KeyError("a bug in verify")]

        ended = await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "completed(accepted)"
        assert "could not be seen" in ended.detail


HOSTILE = "half \ud800, nothing \0, red \x1b[31m, backwards \u202e, a line\nmore, and " + "long " * 1_000


class TestWhatTargetsSay:
    @pytest.mark.parametrize(
        ("error", "ends"),
        [
            (ConnectionError(HOSTILE), "unknown"),
            (TargetUnavailableError(HOSTILE), "unknown"),
            (ActionFailedError(HOSTILE), "failed(partial)"),
        ],
        ids=["lost", "down", "failed"],
    )
    async def test_an_error_in_any_words_is_recorded(
        self, rig: Rig, machine: Machine, error: Exception, ends: str
    ) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.during["swap"] = raising(error)

        ended = await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == ends
        assert ended.detail.isprintable()
        assert len(ended.detail) <= 1_000
        assert all(step.detail.isprintable() for step in (await record(rig, proposal_id)).steps)

    async def test_what_it_answers_and_shows_is_recorded_in_any_words(self, rig: Rig, machine: Machine) -> None:
        machine.said, machine.shown = HOSTILE, HOSTILE
        proposal_id = await approved_rebuild(rig)

        ended = await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "completed(confirmed)"
        attempt = await record(rig, proposal_id)
        assert ended.detail.isprintable()
        assert all(fact.label.isprintable() and fact.value.isprintable() for fact in attempt.evidence)

    async def test_what_is_found_out_later_is_recorded_in_any_words(self, rig: Rig, machine: Machine) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.during["refill"] = raising(ConnectionError(HOSTILE))
        await rig.executor.execute_proposal(proposal_id)
        machine.shown = HOSTILE

        assert await rig.reconciler.reconcile() == 1

        assert await status(rig.store, proposal_id) == "completed(confirmed)"


class TestAtMostOnce:
    async def test_many_executors_at_once_run_it_once(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        others = [executor_over(rig, owner=f"host/{number}/x") for number in range(8)]

        outcomes = await asyncio.gather(*(one.execute_proposal(proposal_id) for one in others), return_exceptions=True)

        assert rig.target.ledger == {"a": 1}
        assert sum(isinstance(one, ActionProposal) for one in outcomes) == 1
        assert all(isinstance(one, ActionProposal | OperatorError) for one in outcomes)
        assert (await events(rig.store, proposal_id)).count("executing") == 1

    async def test_one_target_carries_one_action_at_a_time(self, rig: Rig) -> None:
        first, second = await rig.approved("a"), await rig.propose("a", mark="m")
        await rig.executor.approve_proposal(second, by=ANN)
        rig.target.hold["a"] = asyncio.Event()
        began = rig.target.began.setdefault("a", asyncio.Event())
        running = asyncio.create_task(rig.executor.execute_proposal(first))
        await began.wait()

        with pytest.raises(TargetBusyError) as busy:
            await rig.executor.execute_proposal(second)

        assert busy.value.other_id == first
        assert await status(rig.store, second) == "approved"
        rig.target.hold["a"].set()
        await running
        assert (await rig.executor.execute_proposal(second)).status.value == "completed"
        assert rig.target.ledger == {"a": 1, "m": 1}

    async def test_what_too_few_people_approved_does_not_run_whatever_its_row_says(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=ANN)
        proposal = await stored(rig.store, proposal_id)
        await rig.store.write(lambda tx: tx.move(proposal, ActionStatus.APPROVED, {}))

        with pytest.raises(NotReadyError, match="it still needs 1 more approval"):
            await rig.executor.execute_proposal(proposal_id)

        assert rig.target.ledger.total() == 0

    async def test_what_is_not_due_yet_does_not_run(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.propose("a")
        proposal = await stored(rig.store, proposal_id)
        at = clock.now() + timedelta(minutes=20)
        await rig.store.write(lambda tx: tx.move(proposal, proposal.status, {"not_before": at}))
        approved = await rig.executor.approve_proposal(proposal_id, by=ANN)

        with pytest.raises(NotReadyError, match="run before 2026-03-01 12:20:00 UTC"):
            await rig.executor.execute_proposal(proposal_id)

        assert approved.approval_expires_at == at + timedelta(minutes=5)
        clock.advance(20 * 60)
        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"

    async def test_what_has_moved_since_the_decision_does_not_run(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.target.pins["a"] = 2

        with pytest.raises(StaleError, match="generation: 0 → 2"):
            await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(stale)"
        assert rig.target.ledger.total() == 0

    async def test_a_target_that_takes_its_time_to_answer_can_be_repaired_all_the_same(
        self, rig: Rig, clock: FixedClock
    ) -> None:
        proposal_id = await rig.approved("a")
        looks = rig.registry.get("rack.touch").preview

        async def slow(params: Any) -> Preview:
            clock.advance(4)
            return await looks(params)

        redefine(rig, "rack.touch", preview=slow)

        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"

    async def test_readings_that_are_two_seconds_old_do_not_count(self, store: Store, clock: FixedClock) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock).start()
        proposal_id = await rig.approved("a")
        slow = Slow(rig.store, clock, 2.5)

        with pytest.raises(OperatorError, match="more than 2 s old"):
            await executor_over(rig, store=slow).execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "approved"
        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"


class TestTheLease:
    async def test_it_is_renewed_while_the_action_runs(self, memory_rig: Rig, clock: FixedClock) -> None:
        rig, machine = memory_rig, Machine()
        rig.registry.register(machine.definition())
        proposal_id = await approved_rebuild(rig)
        executor = executor_over(rig, timing=Timing(lease=timedelta(milliseconds=15)))
        leases: list[object] = []

        async def wait_for_three() -> None:
            while len(leases) < 3:
                clock.advance(1)
                now = (await stored(rig.store, proposal_id)).lease_until
                if now not in leases:
                    leases.append(now)
                await asyncio.sleep(0)

        machine.during["swap"] = wait_for_three
        ended = await executor.execute_proposal(proposal_id)

        assert ended.status.value == "completed"
        assert leases == sorted(set(leases), key=str)

    async def test_a_heartbeat_that_the_database_misses_is_made_up_for(self, memory_rig: Rig) -> None:
        rig, machine, faulty = memory_rig, Machine(), Faulty(memory_rig.store)
        rig.registry.register(machine.definition())
        proposal_id = await approved_rebuild(rig)
        executor = executor_over(
            rig, store=faulty, registry=rig.registry, timing=Timing(lease=timedelta(milliseconds=15))
        )

        async def miss_two() -> None:
            faulty.restart(1, 2)
            while faulty.count < 4:  # noqa: ASYNC110 - a heartbeat has no event
                await asyncio.sleep(0)

        machine.during["swap"] = miss_two
        assert (await executor.execute_proposal(proposal_id)).status.value == "completed"

    async def test_whose_heartbeat_is_refused_makes_no_further_call(self, memory_rig: Rig, clock: FixedClock) -> None:
        rig, machine, faulty = memory_rig, Machine(), Faulty(memory_rig.store)
        rig.registry.register(machine.definition())
        proposal_id = await approved_rebuild(rig)
        lease = timedelta(milliseconds=15)
        executor = executor_over(rig, store=faulty, registry=rig.registry, timing=Timing(lease=lease))
        machine.verdicts = [Happened.CANNOT_TELL]

        async def lose_it() -> None:
            clock.advance(31)
            await rig.reconciler.reconcile()
            faulty.restart()
            while faulty.count < 1:  # noqa: ASYNC110 - a heartbeat has no event
                await asyncio.sleep(0)

        machine.during["drain"] = lose_it
        ended = await executor.execute_proposal(proposal_id)

        assert (ended.status.value, machine.calls) == ("unknown", ["drain"])

    async def test_a_renewed_lease_is_not_given_up(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.approved("a")
        claim = await rig.executor._claim(proposal_id)
        clock.advance(29)
        until = clock.now() + timedelta(seconds=30)
        assert await rig.store.write(lambda tx: tx.renew_lease(proposal_id, fence=1, until=until))
        clock.advance(29)

        await rig.reconciler.reconcile()

        assert await status(rig.store, proposal_id) == "executing"
        await rig.executor._run(claim)
        assert await status(rig.store, proposal_id) == "completed(confirmed)"

    async def test_who_lost_the_lease_makes_no_further_call(
        self, rig: Rig, machine: Machine, clock: FixedClock
    ) -> None:
        proposal_id = await approved_rebuild(rig)
        machine.verdicts = [Happened.CANNOT_TELL]

        async def freeze() -> None:
            clock.advance(31)
            await rig.reconciler.reconcile()
            assert await status(rig.store, proposal_id) == "unknown"

        machine.during["drain"] = freeze
        ended = await rig.executor.execute_proposal(proposal_id)

        assert machine.calls == ["drain"]
        assert ended.status.value == "unknown"

    async def test_a_late_result_is_refused_and_written_down(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.approved("a")
        rig.target.hold["a"] = asyncio.Event()
        rig.target.blind.add("a")
        began = rig.target.began.setdefault("a", asyncio.Event())
        running = asyncio.create_task(rig.executor.execute_proposal(proposal_id))
        await began.wait()
        clock.advance(31)
        await rig.reconciler.reconcile()
        rig.target.hold["a"].set()

        ended = await running

        assert ended.status.value == "unknown"
        assert ended.fence == 2
        (late,) = [event for event in await audit(rig.store, proposal_id) if event.event == "late_result"]
        assert (late.data["fence"], late.data["event"]) == (1, "completed")
        await require_sound(rig)


class TestWhenTheResultCannotBeWritten:
    async def test_it_is_written_as_soon_as_it_can_be(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        faulty = Faulty(rig.store)
        executor = executor_over(rig, store=faulty)
        claim = await executor._claim(proposal_id)
        faulty.restart(2, 3)

        await executor._run(claim)

        assert await status(rig.store, proposal_id) == "completed(confirmed)"
        assert rig.target.ledger == {"a": 1}

    async def test_it_is_found_out_later_if_it_never_can_be(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.approved("a")
        faulty = Faulty(rig.store)
        executor = executor_over(rig, store=faulty)
        claim = await executor._claim(proposal_id)
        faulty.restart(all_of_them=True)

        with pytest.raises(StorageError):
            await executor._run(claim)

        assert await status(rig.store, proposal_id) == "executing"
        clock.advance(31)
        await rig.reconciler.reconcile()
        assert await status(rig.store, proposal_id) == "completed(confirmed)"
        assert rig.target.ledger == {"a": 1}


async def prepared(store: Store, clock: FixedClock) -> tuple[Rig, Machine, int]:
    rig = await Rig(store, MemoryKillFiles(), clock).start()
    machine = Machine()
    rig.registry.register(machine.definition())
    machine.verdicts = [Happened.NO, Happened.YES]
    return rig, machine, await approved_rebuild(rig)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def after_an_interruption(made: int) -> set[str]:
    """What may stand there once an attempt was interrupted after so many calls."""
    if not made:
        return {"approved", "failed(no_effect)", "unknown"}
    return {"unknown"} if made < len(STEPS) else {"unknown", "completed(confirmed)"}


class TestCancellation:
    async def test_at_every_turn_of_the_loop_nothing_is_left_running(self) -> None:
        seen: dict[str, int] = {}
        for turn in itertools.count(1):
            rig, machine, proposal_id = await prepared(MemoryStore(), FixedClock())
            task = asyncio.create_task(rig.executor.execute_proposal(proposal_id))
            await turns(turn)
            finished = task.done()
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            now = await status(rig.store, proposal_id)

            assert now in after_an_interruption(len(machine.calls)), f"after {turn} turns"
            assert finished == isinstance(outcome, ActionProposal), f"after {turn} turns"
            assert isinstance(outcome, ActionProposal | asyncio.CancelledError)
            await turns(50)
            assert await status(rig.store, proposal_id) == now, f"changed after it was said to have ended: {turn}"
            seen[now] = seen.get(now, 0) + 1
            if finished:
                break

        assert set(seen) == {"approved", "failed(no_effect)", "unknown", "completed(confirmed)"}

    async def test_twice_at_every_turn_of_the_loop_nothing_is_left_running(self) -> None:
        for turn in itertools.count(1):
            rig, _, proposal_id = await prepared(MemoryStore(), FixedClock())
            task = asyncio.create_task(rig.executor.execute_proposal(proposal_id))
            await turns(turn)
            finished = task.done()
            task.cancel()
            await turns(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await turns(50)

            assert await status(rig.store, proposal_id) != "executing", f"after {turn} turns"
            if finished:
                break

    async def test_at_every_call_of_a_real_store_nothing_is_left_running(
        self, sql_store: SqlStore, clock: FixedClock
    ) -> None:
        rig = await Rig(sql_store, MemoryKillFiles(), clock).start()
        machine = Machine()
        rig.registry.register(machine.definition())
        for call in itertools.count(1):
            machine.calls.clear()
            proposal_id = await approved_rebuild(rig, unit=f"u{call}", source_key=f"k{call}")
            interrupting = Interrupting(sql_store, call)
            executor = executor_over(rig, store=interrupting, registry=rig.registry)

            interrupting.task = asyncio.create_task(executor.execute_proposal(proposal_id))
            await asyncio.gather(interrupting.task, return_exceptions=True)

            assert await status(rig.store, proposal_id) in after_an_interruption(len(machine.calls)), f"call {call}"
            if interrupting.calls < call:
                break


class Interrupting:
    """A store during whose n-th call the task that called it is cancelled; what it was asked to do is still done."""

    def __init__(self, store: Store, at: int) -> None:
        self._store = store
        self._at = at
        self.calls = 0
        self.task: asyncio.Task[Any] | None = None

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        self._count()
        return await self._store.write(work, urgent=urgent)

    async def read(self, query: Callable[[Reader], T]) -> T:
        self._count()
        return await self._store.read(query)

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._at and self.task is not None:
            asyncio.get_running_loop().call_soon(self.task.cancel)
