"""The agent watches: one card for each broken thing, anew when it is worth it, withdrawn when it is not needed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actions.agent.tickets import MAX_DIAGNOSES
from actions.diagnosis.models import TicketStatus
from actions.errors import StorageError
from actions.limits import Limits
from actions.models import SafetyMode
from actions.ports import MessageRef, OutboxKind, Store
from actions.registry import Preview
from tests.actions.parts import Faulty, executor_over, outbox, redefine, require_sound, status
from tests.agent.rack import Rack, diagnoses, proposals, ticket
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, BO, MemoryKillFiles, Rig


async def statuses(rig: Rig) -> list[str]:
    return [await status(rig.store, one.id) for one in await proposals(rig)]


async def execute_again(rig: Rig) -> None:
    await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN, reason="a pause")
    await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")


async def run(rig: Rig, proposal_id: int, *, mends: bool, rack: Rack) -> None:
    await rig.executor.approve_proposal(proposal_id, by=ANN)
    assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"
    if mends:
        rack.broken.clear()


class TestOneCard:
    async def test_what_is_well_is_not_diagnosed(self, rig: Rig, rack: Rack) -> None:
        assert await rack.poll() is None
        assert await diagnoses(rig) == []

    async def test_what_is_broken_is_diagnosed_and_its_repair_proposed(self, rig: Rig, rack: Rack) -> None:
        receipt = await rack.wear_out()

        assert receipt.diagnosis.output.primary_diagnosis == "a is worn"
        assert (receipt.diagnosis.source, receipt.diagnosis.ticket_key) == ("rule:worn", "rack:worn:a")
        assert [(one.target, one.proposed_by) for one in receipt.proposals] == [("a", "agent:rules")]
        assert (await ticket(rig)).diagnosis_id == receipt.diagnosis.id

    async def test_it_is_one_card_over_many_polls(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        await rack.wear_out()
        for _ in range(20):
            clock.advance(15)
            assert await rack.poll() is None

        assert len(await diagnoses(rig)) == len(await proposals(rig)) == 1
        assert (await ticket(rig)).occurrences == 21

    async def test_it_is_one_card_over_many_agents(self, rig: Rig, rack: Rack) -> None:
        rack.broken["worn"] = "a"

        await asyncio.gather(*(rack.poll() for _ in range(5)))

        assert len(await diagnoses(rig)) == len(await proposals(rig)) == 1

    async def test_the_first_thing_that_is_wrong_speaks(self, rig: Rig, rack: Rack) -> None:
        rack.broken = {"worn": "a", "jammed": "b"}
        first = await rack.poll()
        assert first is not None
        assert first.diagnosis.source == "rule:jammed"
        await rack.poll()
        assert len(await diagnoses(rig)) == 1

        del rack.broken["jammed"]
        second = await rack.poll()

        assert second is not None
        assert second.diagnosis.source == "rule:worn"
        assert await statuses(rig) == ["cancelled(stale)", "validated"]

    async def test_what_passes_by_itself_is_not_reported(self, rig: Rig, clock: FixedClock) -> None:
        rack = Rack(rig, hold=30.0)
        rack.broken["worn"] = "a"
        assert await rack.poll() is None
        clock.advance(29)
        assert await rack.poll() is None
        clock.advance(1)

        assert await rack.poll() is not None

    async def test_what_went_away_and_came_back_is_held_anew(self, rig: Rig, clock: FixedClock) -> None:
        rack = Rack(rig, hold=30.0)
        rack.broken["worn"] = "a"
        await rack.poll()
        clock.advance(29)
        rack.broken.clear()
        await rack.poll()
        rack.broken["worn"] = "a"
        await rack.poll()
        clock.advance(29)

        assert await rack.poll() is None

    async def test_a_diagnosis_that_recommends_nothing_is_told_once(self, rig: Rig, rack: Rack) -> None:
        rack.recommend = False
        receipt = await rack.wear_out()

        assert receipt.proposals == ()
        assert await rack.poll() is None
        assert len(await outbox(rig, OutboxKind.DIAGNOSIS)) == 1


class TestModes:
    async def test_in_observe_mode_it_is_told_once_without_buttons(self, rig: Rig, rack: Rack) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)
        receipt = await rack.wear_out()

        assert receipt.diagnosis.observed_only
        assert await rack.poll() is None
        assert await proposals(rig) == []
        assert [item.ref for item in await outbox(rig, OutboxKind.DIAGNOSIS)] == [str(receipt.diagnosis.id)]

    async def test_when_execute_is_set_it_is_told_anew_with_buttons_and_the_old_message_points_to_it(
        self, rig: Rig, rack: Rack
    ) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)
        old = (await rack.wear_out()).diagnosis
        await posted(rig, old.id)
        await execute_again(rig)

        receipt = await rack.poll()

        assert receipt is not None
        assert [one.status.value for one in receipt.proposals] == ["validated"]
        assert (await ticket(rig)).diagnosis_id == receipt.diagnosis.id != old.id
        assert [item.ref for item in await outbox(rig, OutboxKind.DIAGNOSIS)] == [str(old.id)]
        assert await rack.poll() is None

    async def test_the_very_first_execute_brings_buttons_too(self, clock: FixedClock) -> None:
        rig = await Rig(MemoryStore(), MemoryKillFiles(), clock).start(execute=False)
        rack = Rack(rig)
        assert (await rack.wear_out()).proposals == ()
        await execute_again(rig)

        receipt = await rack.poll()

        assert receipt is not None
        assert len(receipt.proposals) == 1

    @pytest.mark.parametrize("scope", ["*", "rack"])
    async def test_after_a_kill_it_is_proposed_anew_once_execute_is_set(self, rig: Rig, rack: Rack, scope: str) -> None:
        await rack.wear_out()
        await rig.safety.kill_switch(by=BO, reason="stop", scope=scope)
        assert await rack.poll() is None
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on", scope=scope)

        receipt = await rack.poll()

        assert receipt is not None
        assert await statuses(rig) == ["cancelled(kill_switch)", "validated"]
        assert await rack.poll() is None
        await require_sound(rig)

    async def test_what_was_first_seen_during_a_stop_is_told_without_buttons_and_then_with_them(
        self, rig: Rig, rack: Rack
    ) -> None:
        await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")
        assert (await rack.wear_out()).proposals == ()
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on", scope="rack")

        receipt = await rack.poll()

        assert receipt is not None
        assert len(receipt.proposals) == 1

    async def test_while_a_kill_file_lies_there_it_is_told_without_buttons_and_then_with_them(
        self, rig: Rig, rack: Rack
    ) -> None:
        rig.kill_files.drop()
        assert (await rack.wear_out()).proposals == ()
        assert await rack.poll() is None
        await execute_again(rig)

        receipt = await rack.poll()

        assert receipt is not None
        assert len(receipt.proposals) == 1

    async def test_without_an_executor_it_only_observes(self, rig: Rig, rack: Rack) -> None:
        agent = rack.agent(acts=False)
        rack.broken["worn"] = "a"

        receipt = await agent.poll(rack)
        assert receipt is not None
        assert (receipt.diagnosis.observed_only, receipt.proposals) == (True, ())
        assert await agent.poll(rack) is None
        assert await proposals(rig) == []

    async def test_a_switch_to_execute_during_the_diagnosis_makes_one_card(self, rig: Rig, rack: Rack) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)
        rack.broken["worn"] = "a"
        agent = rack.agent(store=Between(rig, lambda: execute_again(rig)))

        await agent.poll(rack)
        await rack.poll()
        await rack.poll()

        assert [one for one in await statuses(rig) if one == "validated"] == ["validated"]


class Between:
    """A store behind whose first write somebody does something."""

    def __init__(self, rig: Rig, act: Callable[[], Awaitable[object]]) -> None:
        self._rig = rig
        self._act: Callable[[], Awaitable[object]] | None = act

    async def write(self, work: Any, *, urgent: bool = False) -> Any:
        value = await self._rig.store.write(work, urgent=urgent)
        act, self._act = self._act, None
        if act is not None:
            await act()
        return value

    async def read(self, query: Any) -> Any:
        return await self._rig.store.read(query)


async def posted(rig: Rig, diagnosis_id: int) -> None:
    message = MessageRef(
        kind=OutboxKind.DIAGNOSIS, ref=str(diagnosis_id), team_id="T1", channel_id="C1", ts=f"{diagnosis_id}.1"
    )

    def work(tx: Any) -> None:
        tx.record_message(message)
        for item in tx.outbox_due(rig.clock.now(), 100):
            tx.outbox_delivered(item)

    await rig.store.write(work)


class TestAgain:
    async def test_what_expired_is_proposed_anew(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        await rack.wear_out()
        clock.advance(3_600)
        await rig.sweeper.sweep()

        assert await rack.poll() is not None
        assert await statuses(rig) == ["expired", "validated"]

    async def test_what_a_limit_held_up_is_told_at_once_and_proposed_an_hour_later(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock, limits=Limits(open_cards=1)).start()
        waiting = await rig.propose("x")
        rack = Rack(rig)

        receipt = await rack.wear_out()

        assert (receipt.proposals, len(receipt.refused)) == ((), 1)
        assert [item.ref for item in await outbox(rig, OutboxKind.DIAGNOSIS)] == [str(receipt.diagnosis.id)]
        await rig.executor.cancel_proposal(waiting, by=ANN)
        clock.advance(3_599)
        assert await rack.poll() is None
        clock.advance(1)
        again = await rack.poll()
        assert again is not None
        assert [one.target for one in again.proposals] == ["a"]
        assert await rack.poll() is None

    async def test_what_can_never_be_proposed_is_told_once(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        del rig.registry._definitions["rack.touch"]
        receipt = await rack.wear_out()
        assert (receipt.proposals, len(receipt.refused)) == ((), 1)

        for _ in range(3):
            clock.advance(3_600)
            assert await rack.poll() is None

    async def test_what_somebody_cancelled_is_not_proposed_again(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await rig.executor.cancel_proposal(proposal.id, by=ANN, reason="we know")

        for _ in range(5):
            clock.advance(600)
            assert await rack.poll() is None

    async def test_what_was_cancelled_is_proposed_again_once_it_was_well_in_between(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await rig.executor.cancel_proposal(proposal.id, by=ANN)
        rack.broken.clear()
        await rack.poll()
        clock.advance(15)

        await rack.wear_out()

        assert await statuses(rig) == ["cancelled(user)", "validated"]

    async def test_what_ran_and_did_not_help_is_proposed_again_after_a_second_look(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await run(rig, proposal.id, mends=False, rack=rack)
        assert await rack.poll() is None
        clock.advance(4)
        assert await rack.poll() is None
        clock.advance(1)

        assert await rack.poll() is not None
        assert await statuses(rig) == ["completed(confirmed)", "validated"]

    async def test_what_ran_and_helped_is_not(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await run(rig, proposal.id, mends=True, rack=rack)
        clock.advance(60)

        assert await rack.poll() is None
        assert (await ticket(rig)).status is TicketStatus.RESOLVED

    async def test_what_never_helps_is_proposed_only_so_often(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        await rack.wear_out()
        for _ in range(3 * MAX_DIAGNOSES):
            clock.advance(3_600)
            await rig.sweeper.sweep()
            await rack.poll()

        assert len(await diagnoses(rig)) == len(await proposals(rig)) == MAX_DIAGNOSES

        await execute_again(rig)
        assert await rack.poll() is not None

    async def test_what_runs_or_is_unknown_is_waited_for(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        rig.target.faults["a"] = "lost"
        await rig.executor.approve_proposal(proposal.id, by=ANN)
        await rig.executor.execute_proposal(proposal.id)
        clock.advance(600)

        assert await rack.poll() is None
        assert await statuses(rig) == ["unknown"]

    async def test_what_no_longer_fitted_is_proposed_as_it_is_now(self, rig: Rig, rack: Rack) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await rig.executor.approve_proposal(proposal.id, by=ANN)
        rig.target.pins["a"] = 2
        await asyncio.gather(rig.executor.execute_proposal(proposal.id), return_exceptions=True)

        await rig.sweeper.sweep()

        assert await rack.poll() is None
        assert [one.pins for one in await proposals(rig)] == [{"generation": 0}, {"generation": 2}]
        assert await statuses(rig) == ["cancelled(stale)", "validated"]

    async def test_what_is_not_needed_any_more_is_withdrawn(self, rig: Rig, rack: Rack) -> None:
        (waiting,) = (await rack.wear_out()).proposals
        await rig.executor.approve_proposal(waiting.id, by=ANN)
        rack.broken.clear()

        await rack.poll()

        assert await statuses(rig) == ["cancelled(stale)"]
        assert (await proposals(rig))[0].detail.endswith("the fault is not there any more")
        await require_sound(rig)

    async def test_what_runs_is_not_withdrawn(self, rig: Rig, rack: Rack) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        rig.target.faults["a"] = "lost"
        await rig.executor.approve_proposal(proposal.id, by=ANN)
        await rig.executor.execute_proposal(proposal.id)
        rack.broken.clear()

        await rack.poll()

        assert await statuses(rig) == ["unknown"]

    async def test_what_keeps_coming_back_flaps(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        for _ in range(4):
            await rack.wear_out()
            rack.broken.clear()
            await rack.poll()
            clock.advance(60)
        await rack.wear_out()

        assert (await ticket(rig)).reopened == 4
        assert (await ticket(rig)).flapping


class TestInterruption:
    @pytest.mark.parametrize("write", range(1, 7))
    async def test_what_broke_off_is_taken_up_and_never_doubled(self, rig: Rig, rack: Rack, write: int) -> None:
        faulty = Faulty(rig.store)
        faulty.restart(write)
        broken = rack.agent(store=faulty, executor=executor_over(rig, store=faulty, registry=rig.registry))
        rack.broken["worn"] = "a"
        (first,) = await asyncio.gather(broken.poll(rack), return_exceptions=True)
        assert isinstance(first, StorageError) == (faulty.count >= write)

        for _ in range(3):
            await rack.poll()
            await rig.sweeper.sweep()

        assert len(await diagnoses(rig)) == 1
        assert await statuses(rig) == ["validated"]
        assert (await ticket(rig)).diagnosis_id == 1

    async def test_a_subject_that_does_not_answer_keeps_its_tickets(self, rig: Rig, rack: Rack) -> None:
        await rack.wear_out()
        rack.unreachable = True

        assert await rack.poll() is None
        assert (await ticket(rig)).status is TicketStatus.OPEN
        assert await statuses(rig) == ["validated"]

    async def test_a_subject_that_stays_silent_is_itself_a_finding_without_actions(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        rack.unreachable = True
        assert await rack.poll() is None, "a moment's silence is none"
        clock.advance(31)
        receipt = await rack.poll()

        assert receipt is not None
        assert "rack cannot be observed" in receipt.diagnosis.output.primary_diagnosis
        assert receipt.diagnosis.output.supporting_evidence == ("the rack does not answer",)
        assert receipt.proposals == ()
        assert (await ticket(rig, "unreachable", "rack")).status is TicketStatus.OPEN
        rack.unreachable = False
        assert await rack.poll() is None
        assert (await ticket(rig, "unreachable", "rack")).status is TicketStatus.RESOLVED

    async def test_a_part_that_does_not_answer_keeps_its_tickets(self, rig: Rig, rack: Rack) -> None:
        await rack.wear_out()
        rack.broken.clear()
        rack.silent.add("a")

        await rack.poll()
        assert (await ticket(rig)).status is TicketStatus.OPEN
        assert await statuses(rig) == ["validated"]

        rack.silent.clear()
        await rack.poll()
        assert (await ticket(rig)).status is TicketStatus.RESOLVED
        assert await statuses(rig) == ["cancelled(stale)"]

    async def test_a_rule_that_fails_silences_no_other_and_ends_nothing(self, rig: Rig, rack: Rack) -> None:
        await rack.wear_out()
        rack.broken = {"jammed": "b"}
        rack.failing.add("worn")

        receipt = await rack.poll()
        assert receipt is not None
        assert receipt.diagnosis.output.primary_diagnosis == "b is jammed"
        assert (await ticket(rig)).status is TicketStatus.OPEN

    async def test_a_fault_in_one_subject_does_not_end_the_watch_over_another(self, memory_rig: Rig) -> None:
        well, ill = Rack(memory_rig), Ill(memory_rig)

        watching = asyncio.create_task(well.agent(subjects=[well, ill]).run())
        async with asyncio.timeout(10):
            while min(well.observations, ill.observations) < 3:  # noqa: ASYNC110 - polling is what is tested
                await asyncio.sleep(0)
        assert not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def test_a_target_that_is_down_leaves_a_proposal_that_is_checked_later(self, rig: Rig, rack: Rack) -> None:
        looks = rig.registry.get("rack.touch").preview

        async def hang(params: Any) -> Preview:
            raise TimeoutError(params)

        redefine(rig, "rack.touch", preview=hang)
        receipt = await rack.wear_out()
        assert [one.status.value for one in receipt.proposals] == ["proposed"]
        assert await rack.poll() is None

        redefine(rig, "rack.touch", preview=looks)
        await rig.sweeper.sweep()

        assert await statuses(rig) == ["validated"]


class Ill(Rack):
    """A subject with a bug."""

    name = "shelf"

    async def observe(self) -> Any:
        self.observations += 1
        raise KeyError("a bug in observe")
