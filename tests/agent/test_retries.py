"""What failed without effect is proposed again by the agent: after a while, a few times, and never by itself run."""

from datetime import timedelta

import pytest

from actions.agent.retries import Retries
from actions.diagnosis.models import Ticket, TicketStatus
from actions.models import RefusalCode
from actions.ports import Reader
from tests.actions.parts import stored
from tests.agent.rack import Rack, proposals
from tests.agent.test_runner import statuses
from tests.factories import FixedClock
from tests.rig import AGENT, ANN, Rig


async def refused_by_target(rig: Rig, proposal_id: int) -> None:
    rig.target.faults["a"] = "refuse"
    await rig.executor.approve_proposal(proposal_id, by=ANN)
    await rig.executor.execute_proposal(proposal_id)


class TestTheAgent:
    async def test_it_proposes_again_after_a_pause_and_people_decide(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await refused_by_target(rig, proposal.id)

        await rack.poll()
        assert await statuses(rig) == ["failed(no_effect)"]
        clock.advance(91)
        await rack.poll()
        await rig.sweeper.sweep()

        assert await statuses(rig) == ["failed(no_effect)", "validated"]
        again = await stored(rig.store, 2)
        assert (again.retry_of, again.proposed_by, again.parameters) == (1, "agent:rules", proposal.parameters)

    async def test_twice_and_no_more(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        number = proposal.id
        for _ in range(5):
            if (await stored(rig.store, number)).status.value == "validated":
                await refused_by_target(rig, number)
            clock.advance(600)
            await rack.poll()
            await rig.sweeper.sweep()
            number = (await proposals(rig))[-1].id

        assert await statuses(rig) == ["failed(no_effect)"] * 3

    async def test_what_the_next_try_did_not_repair_is_diagnosed_anew(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await refused_by_target(rig, proposal.id)
        failed = await rig.executor.retry_proposal(proposal.id, by=ANN)
        await rig.sweeper.sweep()
        await refused_by_target(rig, failed.id)
        rig.target.faults.clear()
        again = await rig.executor.retry_proposal(failed.id, by=ANN)
        await rig.sweeper.sweep()
        await rig.executor.approve_proposal(again.id, by=ANN)
        await rig.executor.execute_proposal(again.id)
        assert await rack.poll() is None
        clock.advance(10)

        receipt = await rack.poll()

        assert receipt is not None
        assert [one.id for one in receipt.proposals] == [again.id + 1]

    async def test_what_failed_and_was_then_left_alone_is_not_diagnosed_as_if_it_never_had(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await refused_by_target(rig, proposal.id)
        await rig.executor.retry_proposal(proposal.id, by=ANN)
        clock.advance(timedelta(hours=2).total_seconds())
        await rig.sweeper.sweep()

        assert await rack.poll() is None

    @pytest.mark.parametrize("hours", [0, 2], ids=["waiting", "expired"])
    async def test_what_was_edited_is_waited_for_and_diagnosed_anew_when_it_has_expired(
        self, rig: Rig, rack: Rack, clock: FixedClock, hours: int
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await rig.executor.edit_proposal(proposal.id, {"item": "a", "mark": "gently"}, by=ANN)
        clock.advance(timedelta(hours=hours).total_seconds())
        await rig.sweeper.sweep()

        receipt = await rack.poll()

        assert (receipt is not None) == (hours > 0)

    async def test_not_in_observe_mode(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await refused_by_target(rig, proposal.id)
        await rig.safety.kill_switch(by=ANN, reason="stop")
        clock.advance(600)

        await rack.poll()

        assert await statuses(rig) == ["failed(no_effect)"]

    async def test_what_may_have_happened_is_not_tried_again(self, rig: Rig, rack: Rack, clock: FixedClock) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        rig.target.faults["a"] = "lost"
        await rig.executor.approve_proposal(proposal.id, by=ANN)
        await rig.executor.execute_proposal(proposal.id)
        clock.advance(600)

        await rack.poll()

        assert await statuses(rig) == ["unknown"]

    async def test_the_next_diagnosis_says_who_refused_the_last_and_why(
        self, rig: Rig, rack: Rack, clock: FixedClock
    ) -> None:
        (proposal,) = (await rack.wear_out()).proposals
        await rig.executor.cancel_proposal(proposal.id, by=ANN)
        await rig.executor.explain_cancellation(
            proposal.id, by=ANN, reason="the disk is at fault", code=RefusalCode.WRONG_CAUSE
        )
        rack.broken.clear()
        await rack.poll()
        clock.advance(3_600)

        receipt = await rack.wear_out()

        first = receipt.diagnosis.output.supporting_evidence[0]
        assert first == "ann refused rack.touch for this at 2026-03-01 12:00 UTC: wrong cause; the disk is at fault"


@pytest.mark.parametrize("tries", range(4))
async def test_the_pause_doubles_and_is_scattered(rig: Rig, tries: int) -> None:
    retries = Retries(at_most=10, after=timedelta(seconds=60))
    failed = await stored(rig.store, await rig.propose("a"))

    pause = retries._pause(failed, tries).total_seconds()

    assert 60 * 2**tries <= pause <= 90 * 2**tries
    assert retries._pause(failed, tries).total_seconds() == pause


async def test_a_ticket_without_a_diagnosis_has_nothing_to_try(rig: Rig, clock: FixedClock) -> None:
    ticket = Ticket(
        key="rack:r:a",
        subject="rack",
        rule="r",
        target="a",
        status=TicketStatus.OPEN,
        opened_at=clock.now(),
        last_seen_at=clock.now(),
    )

    def due(reader: Reader) -> int:
        return len(Retries().due(reader, ticket, by=AGENT, now=clock.now()))

    assert await rig.store.read(due) == 0
