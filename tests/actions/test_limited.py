"""What limits and the breaker do to proposals, approvals and runs, whichever process they happen in."""

import asyncio
from datetime import timedelta

import pytest

from actions.errors import ExpiredError, LimitError, NotReadyError, ObserveOnlyError
from actions.executor import Timing
from actions.limits import Limits
from actions.models import EVERYTHING, SafetyMode
from actions.ports import OutboxKind, Store
from storage.store import SqlStore
from tests.actions.parts import audit, events, outbox, require_sound, status, stored
from tests.agent.rack import diagnosis, intake_over, recommended, submission
from tests.factories import FixedClock
from tests.rig import ANN, BO, MemoryKillFiles, Rig, Target

LONG = Timing(
    lease=timedelta(seconds=30), proposal_lifetime=dict.fromkeys(Timing().proposal_lifetime, timedelta(hours=5))
)


async def limited(store: Store, clock: FixedClock, **numbers: int) -> Rig:
    return await Rig(store, MemoryKillFiles(), clock, limits=Limits(**numbers), timing=LONG).start()


async def ran(rig: Rig, item: str, fault: str = "") -> int:
    """Propose, approve and run an action that ends as *fault* says."""
    rig.target.faults[item] = fault
    proposal_id = await rig.approved(item)
    await rig.executor.execute_proposal(proposal_id)
    return proposal_id


class TestProposals:
    async def test_too_many_are_refused_and_written_down_until_there_is_room(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, proposals_per_hour=2)
        await rig.propose("a")
        await rig.propose("b")

        with pytest.raises(LimitError, match="agent:rules made 2 proposals within the last hour"):
            await rig.propose("c")
        with pytest.raises(LimitError):
            await rig.propose("c")

        [line] = [event for event in await audit(store) if event.event == "limited"]
        assert (line.actor, line.proposal_id) == ("agent:rules", None)
        assert (line.data["action"], line.data["target"]) == ("rack.touch", "rack:c")
        assert "proposals_per_hour = 2" in str(line.data["why"])
        await rig.propose("c", by=ANN)
        clock.advance(3_600)
        await rig.propose("c", mark="later")

    async def test_the_same_again_gets_the_first_answer_and_not_the_limit(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, proposals_per_hour=1)
        first = await rig.propose("a", validate=False)

        assert await rig.propose("a", validate=False) == first

    async def test_too_many_that_wait_are_refused_until_one_is_decided(self, store: Store, clock: FixedClock) -> None:
        rig = await limited(store, clock, open_cards=2)
        first, second = await rig.propose("a"), await rig.propose("b")

        with pytest.raises(LimitError, match=r"2 actions on rack wait to be decided or to run .* Decide or cancel"):
            await rig.propose("c")

        await rig.executor.cancel_proposal(first, by=ANN)
        await rig.propose("c")
        await rig.executor.approve_proposal(second, by=ANN)
        with pytest.raises(LimitError):
            await rig.propose("d")

    async def test_the_diagnosis_is_stored_and_shown_and_says_why_it_was_not_proposed(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, open_cards=1)
        await rig.propose("a")

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended("b"))))

        assert receipt.proposals == ()
        [refusal] = receipt.refused
        assert refusal.action_name == "rack.touch"
        assert "1 action on rack waits to be decided" in refusal.errors[0]
        [item] = await outbox(rig, OutboxKind.DIAGNOSIS)
        assert item.ref == str(receipt.diagnosis.id)
        assert item.payload == {"refused": [f"rack.touch: {refusal.errors[0]}"]}
        [line] = [event for event in await audit(store) if event.event == "limited"]
        assert line.data["diagnosis_id"] == receipt.diagnosis.id


class TestRuns:
    async def test_one_too_many_is_refused_at_the_click_and_can_be_approved_later(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, actions_per_hour=2)
        await ran(rig, "a")
        clock.advance(60)
        await ran(rig, "b")
        third = await rig.propose("c")

        with pytest.raises(LimitError, match=r"The next one may begin at 2026-03-01 13:00:00 UTC\."):
            await rig.executor.approve_proposal(third, by=ANN)

        assert await status(store, third) == "validated"
        assert await events(store, third) == ["proposed", "validated", "limited"]
        clock.advance(3_540)
        await rig.executor.approve_proposal(third, by=ANN)
        assert (await rig.executor.execute_proposal(third)).status.value == "completed"
        assert rig.target.ledger == {"a": 1, "b": 1, "c": 1}
        await require_sound(rig)

    async def test_what_was_approved_in_time_waits_for_its_turn_and_expires(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, actions_per_hour=2)
        numbers = [await rig.approved(item) for item in "abc"]
        for number in numbers[:2]:
            await rig.executor.execute_proposal(number)

        with pytest.raises(NotReadyError, match=r"cannot be run yet: .* 2 actions on rack began within the last hour"):
            await rig.executor.execute_proposal(numbers[2])

        assert await status(store, numbers[2]) == "approved"
        assert (await stored(store, numbers[2])).attempts == 0
        clock.advance(301)
        with pytest.raises(ExpiredError):
            await rig.executor.execute_proposal(numbers[2])
        assert rig.target.ledger == {"a": 1, "b": 1}

    async def test_processes_that_claim_at_once_stay_within_it_together(self, store: Store, clock: FixedClock) -> None:
        rig = await limited(store, clock, actions_per_hour=3)
        other = Rig(
            store, rig.kill_files, clock, owner="host/2/b", target=rig.target, limits=Limits(actions_per_hour=3)
        )
        numbers = [await rig.approved(item) for item in "abcdef"]

        claims = [process.executor.execute_proposal(number) for number in numbers for process in (rig, other)]
        await asyncio.gather(*claims, return_exceptions=True)

        assert rig.target.ledger.total() == 3
        await require_sound(rig)

    async def test_break_glass_runs_past_it(self, store: Store, clock: FixedClock) -> None:
        rig = await limited(store, clock, actions_per_hour=1)
        await ran(rig, "a")
        second = await rig.propose("b")

        await rig.executor.break_glass(second, by=BO, reason="the site is down")
        await rig.executor.execute_proposal(second)

        assert rig.target.ledger == {"a": 1, "b": 1}


class TestBreaker:
    async def test_failures_in_a_row_stop_the_subject_and_what_waits_there(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, failures_in_a_row=3)
        waiting = await rig.propose("w")
        approved = await rig.approved("v")
        numbers = [await ran(rig, "a", "refuse"), await ran(rig, "b", "lost"), await ran(rig, "c", "refuse")]

        control = await store.read(lambda reader: reader.control("rack"))
        assert (control.mode, control.changed_by) == (SafetyMode.OBSERVE, "system:breaker")
        listed = ", ".join(map(str, numbers))
        assert control.reason == f"3 actions in a row failed or are of unknown outcome: {listed}"
        assert (await rig.safety.control(EVERYTHING)).mode is SafetyMode.EXECUTE
        with pytest.raises(ObserveOnlyError, match="observe for rack"):
            await rig.propose("d")
        await rig.sweeper.sweep()
        for number in (waiting, approved):
            proposal = await stored(store, number)
            assert (await status(store, number), proposal.detail) == ("cancelled(mode_observe)", control.reason)
            last = (await audit(store, number))[-1]
            assert last.data["stopped_by"] == "system:breaker"
        line = next(event for event in await audit(store) if event.actor == "system:breaker")
        assert line.data["in_flight"] == [numbers[1]]
        assert str(line.seq) in [item.ref for item in await outbox(rig, OutboxKind.ANNOUNCEMENT)]
        assert "v" not in rig.target.ledger

    async def test_a_success_between_them_keeps_it_going(self, store: Store, clock: FixedClock) -> None:
        rig = await limited(store, clock, failures_in_a_row=3)
        for item, fault in zip("abcde", ["refuse", "refuse", "", "refuse", "refuse"], strict=True):
            clock.advance(1)
            await ran(rig, item, fault)

        assert (await rig.safety.control("rack")).mode is SafetyMode.EXECUTE

    async def test_an_unknown_outcome_that_turns_out_well_does_not_start_it_again(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await limited(store, clock, failures_in_a_row=2)
        lost = await ran(rig, "a", "apply-then-lost")
        await ran(rig, "b", "refuse")

        await rig.reconciler.reconcile()

        assert await status(store, lost) == "completed(confirmed)"
        assert (await rig.safety.control("rack")).mode is SafetyMode.OBSERVE
        await require_sound(rig)

    async def test_a_process_that_died_in_the_middle_counts(self, store: Store, clock: FixedClock) -> None:
        rig = await limited(store, clock, failures_in_a_row=2)
        await ran(rig, "a", "refuse")
        dying = await rig.approved("b")
        rig.target.hold["b"] = asyncio.Event()
        running = asyncio.create_task(rig.executor.execute_proposal(dying))
        await rig.target.began.setdefault("b", asyncio.Event()).wait()

        assert await rig.reconciler.recover(lambda owner: owner == "host/1/a") == 1

        assert await status(store, dying) == "unknown"
        assert (await rig.safety.control("rack")).mode is SafetyMode.OBSERVE
        rig.target.hold["b"].set()
        await running

    async def test_whoever_sets_execute_again_begins_a_new_count(self, store: Store, clock: FixedClock) -> None:
        rig = await limited(store, clock, failures_in_a_row=2)
        await ran(rig, "a", "refuse")
        await ran(rig, "b", "refuse")
        assert (await rig.safety.control("rack")).mode is SafetyMode.OBSERVE

        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="mended", scope="rack")

        await ran(rig, "c", "refuse")
        assert (await rig.safety.control("rack")).mode is SafetyMode.EXECUTE
        await ran(rig, "d", "refuse")
        assert (await rig.safety.control("rack")).mode is SafetyMode.OBSERVE

    @pytest.mark.parametrize("most", [1, 2])
    @pytest.mark.parametrize("address", ["url", "postgresql_url"])
    async def test_two_processes_that_end_at_once_stop_it_once(
        self, request: pytest.FixtureRequest, clock: FixedClock, address: str, most: int
    ) -> None:
        database: str = await asyncio.to_thread(request.getfixturevalue, address)
        target = Target(faults={"a": "refuse", "b": "refuse"}, hold={"a": asyncio.Event(), "b": asyncio.Event()})
        stores = [await asyncio.to_thread(SqlStore.open, database, clock=clock) for _ in "ab"]
        one, two = (
            Rig(
                store,
                MemoryKillFiles(),
                clock,
                owner=f"host/{number}/x",
                target=target,
                limits=Limits(failures_in_a_row=most),
            )
            for number, store in enumerate(stores, start=1)
        )
        await one.start()
        running = [
            asyncio.create_task(rig.executor.execute_proposal(await one.approved(item)))
            for rig, item in ((one, "a"), (two, "b"))
        ]
        for item in "ab":
            await target.began.setdefault(item, asyncio.Event()).wait()

        for held in target.hold.values():
            held.set()
        await asyncio.gather(*running)

        stops = [event for event in await audit(stores[0]) if event.actor == "system:breaker"]
        assert len(stops) == 1
        control = await stores[1].read(lambda reader: reader.control("rack"))
        assert (control.mode, control.epoch) == (SafetyMode.OBSERVE, 2)
        for store in stores:
            await store.close()
