"""What became of an attempt is found out by looking, never by trying again."""

import asyncio

import pytest

from actions.errors import TargetUnavailableError
from actions.registry import ActionRegistry, Happened, Verdict
from tests.actions.machine import STEPS, Machine, approved_rebuild
from tests.actions.parts import audit, executor_over, require_sound, status, stored
from tests.factories import FixedClock
from tests.rig import ANN, Rig

CALL = 30
"""Seconds that the rig's actions may take at most."""


async def lost(rig: Rig, item: str = "a", *, applied: bool) -> int:
    """An action whose answer was lost."""
    proposal_id = await rig.approved(item)
    rig.target.faults[item] = "apply-then-lost" if applied else "lost"
    assert (await rig.executor.execute_proposal(proposal_id)).status.value == "unknown"
    return proposal_id


async def abandoned(rig: Rig, item: str = "a", *, owner: str = "host/9/dead") -> int:
    """An action whose process went away right after the claim."""
    proposal_id = await rig.approved(item)
    await executor_over(rig, owner=owner)._claim(proposal_id)
    return proposal_id


def machine_in(rig: Rig, *verdicts: Happened | Exception) -> Machine:
    machine = Machine()
    machine.verdicts = list(verdicts)
    rig.registry.register(machine.definition())
    return machine


async def unknown_rebuild(rig: Rig, machine: Machine, *, at: str = "swap") -> int:
    async def cut() -> None:
        raise ConnectionError("reset")

    machine.during[at] = cut
    proposal_id = await approved_rebuild(rig)
    assert (await rig.executor.execute_proposal(proposal_id)).status.value == "unknown"
    return proposal_id


class TestLooking:
    @pytest.mark.parametrize(
        ("applied", "ends"), [(True, "completed(confirmed)"), (False, "failed(no_effect)")], ids=["applied", "lost"]
    )
    async def test_two_equal_looks_settle_it(self, rig: Rig, applied: bool, ends: str) -> None:
        proposal_id = await lost(rig, applied=applied)

        assert await rig.reconciler.reconcile() == 1

        assert await status(rig.store, proposal_id) == ends
        line = (await audit(rig.store, proposal_id))[-1]
        assert line.actor == "system:reconciler"
        assert (await stored(rig.store, proposal_id)).detail == line.data["detail"]
        assert rig.target.ledger["a"] == applied
        await require_sound(rig)

    @pytest.mark.parametrize(
        "verdicts",
        [
            [Happened.CANNOT_TELL],
            [Happened.YES, Happened.NO],
            [Happened.NO, Happened.YES],
            [Happened.NO, Happened.CANNOT_TELL],
            [TargetUnavailableError("down")],
            [Happened.YES, TargetUnavailableError("down")],
            [TimeoutError()],
            [KeyError("a bug in verify")],
        ],
        ids=str,
    )
    async def test_anything_less_leaves_it_unknown(self, memory_rig: Rig, verdicts: list[Happened | Exception]) -> None:
        machine = machine_in(memory_rig, *verdicts)
        proposal_id = await unknown_rebuild(memory_rig, machine)

        assert await memory_rig.reconciler.reconcile() == 0

        assert await status(memory_rig.store, proposal_id) == "unknown"

    async def test_between_the_two_looks_is_the_time_that_the_action_asks_for(
        self, memory_rig: Rig, clock: FixedClock
    ) -> None:
        machine = Machine()
        machine.verdicts = [Happened.YES]
        memory_rig.registry.register(machine.definition(settle=7.0))
        await unknown_rebuild(memory_rig, machine)
        before = clock.monotonic()

        await memory_rig.reconciler.reconcile()

        assert (machine.looks, clock.monotonic() - before) == (2, 7.0)

    async def test_what_happened_in_part_is_partial(self, memory_rig: Rig) -> None:
        machine = machine_in(memory_rig, Happened.NO)
        proposal_id = await unknown_rebuild(memory_rig, machine, at="refill")

        await memory_rig.reconciler.reconcile()

        assert await status(memory_rig.store, proposal_id) == "failed(partial)"
        assert "only in part" in (await stored(memory_rig.store, proposal_id)).detail

    async def test_what_is_seen_half_done_is_partial(self, memory_rig: Rig) -> None:
        machine = machine_in(memory_rig, Happened.PARTLY)
        proposal_id = await unknown_rebuild(memory_rig, machine, at="drain")

        await memory_rig.reconciler.reconcile()

        assert await status(memory_rig.store, proposal_id) == "failed(partial)"

    async def test_nothing_is_sent_again(self, memory_rig: Rig) -> None:
        machine = machine_in(memory_rig, Happened.NO)
        await unknown_rebuild(memory_rig, machine)

        for _ in range(3):
            await memory_rig.reconciler.reconcile()

        assert machine.calls == list(STEPS[:2])

    async def test_what_a_person_said_meanwhile_stands(self, rig: Rig) -> None:
        proposal_id = await lost(rig, applied=False)
        seen = await stored(rig.store, proposal_id)
        await rig.executor.resolve_proposal(proposal_id, happened=True, by=ANN, reason="seen on the rack")

        settled = await rig.store.write(
            lambda tx: rig.executor.attempts.settle(
                tx, seen, Verdict(happened=Happened.NO, evidence=()), at=rig.clock.now()
            )
        )

        assert not settled
        assert await status(rig.store, proposal_id) == "completed(confirmed)"

    async def test_two_reconcilers_at_once_settle_it_once(self, rig: Rig) -> None:
        proposal_id = await lost(rig, applied=True)

        settled = await asyncio.gather(rig.reconciler.reconcile(), rig.reconciler.reconcile())

        assert sum(settled) == 1
        assert [event.event for event in await audit(rig.store, proposal_id)].count("completed") == 1

    async def test_one_that_cannot_be_looked_at_does_not_keep_the_others(self, memory_rig: Rig) -> None:
        good = await lost(memory_rig, "a", applied=True)
        bad = await unknown_rebuild(memory_rig, machine_in(memory_rig, KeyError("a bug in verify")))
        also_good = await lost(memory_rig, "b", applied=False)

        assert await memory_rig.reconciler.reconcile() == 2

        statuses = [await status(memory_rig.store, one) for one in (good, bad, also_good)]
        assert statuses == ["completed(confirmed)", "unknown", "failed(no_effect)"]

    async def test_an_action_that_is_not_offered_any_more_stays_unknown(self, memory_rig: Rig) -> None:
        proposal_id = await lost(memory_rig, applied=True)
        memory_rig.reconciler._registry = ActionRegistry()

        assert await memory_rig.reconciler.reconcile() == 0

        assert await status(memory_rig.store, proposal_id) == "unknown"


class TestGivingUp:
    async def test_an_attempt_without_heartbeat_is_given_up_and_looked_at(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await abandoned(rig)
        clock.advance(31)
        await rig.reconciler.reconcile()
        clock.advance(CALL)

        assert await rig.reconciler.reconcile() == 1

        assert await status(rig.store, proposal_id) == "failed(no_effect)"
        lines = [(event.event, event.data.get("why")) for event in await audit(rig.store, proposal_id)][-2:]
        assert lines == [("unknown", "lease"), ("failed", None)]
        assert (await stored(rig.store, proposal_id)).fence == 2
        await require_sound(rig)

    async def test_while_a_silent_owner_may_still_send_nothing_is_found_undone(
        self, rig: Rig, clock: FixedClock
    ) -> None:
        proposal_id = await abandoned(rig)
        clock.advance(31)

        assert await rig.reconciler.reconcile() == 0
        assert await status(rig.store, proposal_id) == "unknown"

        rig.target.ledger["a"] += 1
        assert await rig.reconciler.reconcile() == 1, "that it happened can be said at any time"
        assert await status(rig.store, proposal_id) == "completed(confirmed)"

    async def test_nobody_waits_for_the_call_of_a_dead_owner(self, rig: Rig) -> None:
        proposal_id = await abandoned(rig)
        await rig.reconciler.recover(lambda _: True)

        assert await rig.reconciler.reconcile() == 1
        assert await status(rig.store, proposal_id) == "failed(no_effect)"

    async def test_an_attempt_with_a_lease_is_left_alone(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await abandoned(rig)
        clock.advance(30)

        assert await rig.reconciler.reconcile() == 0

        assert await status(rig.store, proposal_id) == "executing"

    async def test_what_the_dead_were_running_is_known_at_the_next_start(self, rig: Rig) -> None:
        dead, alive = await abandoned(rig, "a"), await abandoned(rig, "b", owner="host/8/alive")

        assert await rig.reconciler.recover(lambda owner: owner.endswith("dead")) == 1

        assert (await status(rig.store, dead), await status(rig.store, alive)) == ("unknown", "executing")
        assert "host/9/dead stopped while it ran" in (await stored(rig.store, dead)).detail

    async def test_recovered_by_two_at_once_it_is_recovered_once(self, rig: Rig) -> None:
        proposal_id = await abandoned(rig)

        recovered = await asyncio.gather(*(rig.reconciler.recover(lambda _: True) for _ in range(2)))

        assert sum(recovered) == 1
        assert (await stored(rig.store, proposal_id)).fence == 2

    async def test_whoever_comes_back_late_changes_nothing(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.approved("a")
        late = executor_over(rig, owner="host/9/late")
        claim = await late._claim(proposal_id)
        clock.advance(31)
        await rig.reconciler.reconcile()
        clock.advance(CALL)
        await rig.reconciler.reconcile()

        await late._run(claim)

        assert await status(rig.store, proposal_id) == "failed(no_effect)"
        assert rig.target.ledger.total() == 0
        assert [event.event for event in await audit(rig.store, proposal_id)][-1] == "late_result"
        await require_sound(rig)

    async def test_a_target_is_free_again_once_it_is_settled(self, rig: Rig, clock: FixedClock) -> None:
        await abandoned(rig)
        second = await rig.propose("a", mark="m")
        clock.advance(31)
        await rig.reconciler.reconcile()
        clock.advance(CALL)
        await rig.reconciler.reconcile()
        await rig.executor.approve_proposal(second, by=ANN)

        assert (await rig.executor.execute_proposal(second)).status.value == "completed"
