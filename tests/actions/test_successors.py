"""One proposal in the place of another: renewed after drift, edited, superseded, tried again, taken back."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from actions.canonical import Json
from actions.errors import (
    AlreadyDecidedError,
    BadParametersError,
    BadRequestError,
    ConflictError,
    NotAuthorizedError,
    ObserveOnlyError,
    StaleError,
    TargetUnavailableError,
)
from actions.models import FailureOutcome, RefusalCode
from actions.ports import OutboxKind
from actions.watch import Watch
from tests.actions.parts import audit, card, delivered, events, outbox, redefine, require_sound, status, stored
from tests.factories import FixedClock
from tests.rig import AGENT, ANN, ANN_CLI, BO, CY, Rig, Target, Touch


async def drifted(rig: Rig) -> int:
    """Return a proposal whose target has moved since, which this process has seen."""
    proposal_id = await rig.propose("a")
    rig.target.pins["a"] = 2
    await rig.executor.preview_proposal(proposal_id)
    return proposal_id


class TestDriftBeforeTheClick:
    async def test_a_click_on_what_has_moved_makes_a_new_card_without_approvals(self, rig: Rig) -> None:
        proposal_id = await drifted(rig)

        with pytest.raises(StaleError, match=r"generation: 0 → 2\); nothing ran\. Action 2 is the same") as refused:
            await rig.executor.approve_proposal(proposal_id, by=ANN)
        await rig.sweeper.sweep()

        assert refused.value.successor == 2
        new = await stored(rig.store, 2)
        assert await status(rig.store, proposal_id) == "cancelled(stale)"
        assert (new.status.value, new.supersedes, new.pins) == ("validated", proposal_id, {"generation": 2})
        assert (new.parameters, new.proposed_by) == ({"item": "a", "mark": ""}, "agent:rules")
        assert await rig.store.read(lambda reader: reader.approvals(2)) == []
        assert rig.target.ledger == {}
        await require_sound(rig)

    async def test_an_earlier_approval_does_not_carry_over(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=ANN)
        rig.target.pins["a"] = 2
        await rig.executor.preview_proposal(proposal_id)

        with pytest.raises(StaleError):
            await rig.executor.approve_proposal(proposal_id, by=BO)
        await rig.sweeper.sweep()

        waiting = await rig.executor.approve_proposal(2, by=BO)
        assert waiting.status.value == "validated"
        assert [one.person for one in await rig.store.read(lambda reader: reader.approvals(2))] == ["bo"]

    async def test_the_new_card_has_a_secret_of_its_own(self, rig: Rig) -> None:
        proposal_id = await drifted(rig)
        with pytest.raises(StaleError):
            await rig.executor.approve_proposal(proposal_id, by=ANN)
        await rig.sweeper.sweep()
        old, new = await stored(rig.store, proposal_id), await stored(rig.store, 2)

        with pytest.raises(StaleError, match="the button does not belong"):
            await rig.executor.approve_proposal(2, by=ANN, seen=card(old))

        assert old.button_hash != new.button_hash
        assert await status(rig.store, 2) == "validated"

    async def test_a_reading_that_is_too_old_is_not_compared_with(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await drifted(rig)
        clock.advance(61)

        approved = await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert approved.status.value == "approved"

    async def test_what_must_not_be_done_now_is_refused_and_stays(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        may = rig.registry.get("rack.touch").preview
        redefine(rig, "rack.touch", preview=refusing)
        await rig.executor.preview_proposal(proposal_id)

        with pytest.raises(ConflictError, match="must not be done now: the rack would lose quorum"):
            await rig.executor.approve_proposal(proposal_id, by=ANN)
        assert await status(rig.store, proposal_id) == "validated"

        redefine(rig, "rack.touch", preview=may)
        await rig.executor.preview_proposal(proposal_id)
        assert (await rig.executor.approve_proposal(proposal_id, by=ANN)).status.value == "approved"


class TestDriftBeforeTheClaim:
    async def test_no_call_is_made_and_the_same_is_proposed_anew(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.target.pins["a"] = 2

        with pytest.raises(StaleError, match="generation: 0 → 2"):
            await rig.executor.execute_proposal(proposal_id)
        await rig.sweeper.sweep()

        assert rig.target.ledger == {}
        assert (await stored(rig.store, 2)).pins == {"generation": 2}
        assert await status(rig.store, 2) == "validated"
        await require_sound(rig)

    async def test_what_must_not_be_done_now_is_cancelled_and_not_proposed_anew(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        redefine(rig, "rack.touch", preview=refusing)

        with pytest.raises(StaleError, match="would lose quorum"):
            await rig.executor.execute_proposal(proposal_id)

        assert await rig.store.read(lambda reader: len(reader.proposals())) == 1


class TestTheWatch:
    async def test_it_reads_what_waits_and_redraws_a_card_whose_offer_changed(
        self, rig: Rig, clock: FixedClock
    ) -> None:
        proposal_id = await rig.propose("a")
        watch = Watch(store=rig.store, executor=rig.executor, clock=clock, publisher=rig.publisher)
        await delivered(rig)
        await watch.look()
        clock.advance(30)
        await watch.look()
        assert await outbox(rig, OutboxKind.CARD) == []

        rig.target.pins["a"] = 2
        clock.advance(30)
        await watch.look()

        (item,) = await outbox(rig, OutboxKind.CARD)
        reading = rig.executor.last_reading(proposal_id)
        assert item.ref == str(proposal_id)
        assert reading is not None
        assert reading.drift == "generation: 0 → 2"

    async def test_a_target_that_does_not_answer_changes_nothing(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.propose("a")
        redefine(rig, "rack.touch", preview=silent)
        clock.advance(61)

        await Watch(store=rig.store, executor=rig.executor, clock=clock, publisher=rig.publisher).look()

        assert rig.executor.last_reading(proposal_id) is None
        assert await status(rig.store, proposal_id) == "validated"


class TestEditing:
    async def test_the_edited_one_takes_the_place_and_its_editor_cannot_approve_it(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        edited = await rig.executor.edit_proposal(proposal_id, {"item": "b", "mark": ""}, by=ANN)
        await rig.sweeper.sweep()

        assert await status(rig.store, proposal_id) == "cancelled(superseded)"
        assert (edited.supersedes, edited.proposed_by, edited.target) == (proposal_id, "slack:T1/UANN", "b")
        for by in (ANN, ANN_CLI):
            with pytest.raises(NotAuthorizedError, match="You proposed this"):
                await rig.executor.approve_proposal(edited.id, by=by)
        assert (await rig.executor.approve_proposal(edited.id, by=BO)).status.value == "approved"
        await require_sound(rig)

    async def test_an_approval_of_the_old_parameters_is_worth_nothing_for_the_new(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=BO)

        edited = await rig.executor.edit_proposal(proposal_id, {"item": "b", "mark": ""}, by=ANN)

        assert await rig.store.read(lambda reader: reader.approvals(edited.id)) == []

    @pytest.mark.parametrize("parameters", [{"item": 1, "mark": ""}, {}, {"item": "b", "more": "x"}], ids=str)
    async def test_what_does_not_fit_changes_nothing(self, rig: Rig, parameters: Mapping[str, Json]) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(BadParametersError):
            await rig.executor.edit_proposal(proposal_id, parameters, by=ANN)

        assert await status(rig.store, proposal_id) == "validated"

    async def test_the_same_parameters_are_no_edit(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(BadRequestError, match="nothing was changed"):
            await rig.executor.edit_proposal(proposal_id, {"item": "a"}, by=ANN)

    async def test_who_comes_second_changes_nothing(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        first = await rig.executor.edit_proposal(proposal_id, {"item": "b"}, by=ANN)

        assert await rig.executor.edit_proposal(proposal_id, {"item": "b"}, by=ANN) == first
        with pytest.raises(AlreadyDecidedError):
            await rig.executor.edit_proposal(proposal_id, {"item": "c"}, by=BO)

        assert await rig.store.read(lambda reader: len(reader.proposals())) == 2

    async def test_a_stranger_cannot(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(NotAuthorizedError, match="You may not change the parameters"):
            await rig.executor.edit_proposal(proposal_id, {"item": "b"}, by=CY)

        assert "denied" in await events(rig.store, proposal_id)
        assert await status(rig.store, proposal_id) == "validated"

    async def test_nothing_is_edited_once_killed(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        await rig.safety.kill_switch(by=BO, reason="stop")

        with pytest.raises(AlreadyDecidedError):
            await rig.executor.edit_proposal(proposal_id, {"item": "b"}, by=ANN)

        assert await rig.store.read(lambda reader: len(reader.proposals())) == 1


class TestTheSameTarget:
    async def test_a_newer_proposal_takes_the_place_of_one_that_waits(self, rig: Rig) -> None:
        first = await rig.propose("a", mark="x")
        second = await rig.propose("a", mark="y")

        assert await status(rig.store, first) == "cancelled(superseded)"
        assert (await stored(rig.store, first)).detail == f"Action {second} took its place"
        assert (await stored(rig.store, second)).supersedes == first
        with pytest.raises(AlreadyDecidedError):
            await rig.executor.approve_proposal(first, by=ANN)
        await require_sound(rig)

    async def test_other_actions_and_other_targets_are_left_alone(self, rig: Rig) -> None:
        ids = [await rig.propose("a"), await rig.propose("b"), await rig.propose("a", action="crush")]

        assert [await status(rig.store, one) for one in ids] == ["validated"] * 3

    async def test_what_people_approved_is_not_taken_back_by_a_proposal(self, rig: Rig) -> None:
        approved = await rig.propose("a", mark="x")
        await rig.executor.approve_proposal(approved, by=ANN)

        await rig.propose("a", mark="y")

        assert await status(rig.store, approved) == "approved"

    async def test_what_is_renewed_takes_the_place_of_what_was_proposed_meanwhile(self, rig: Rig) -> None:
        approved = await rig.approved("a")
        meanwhile = await rig.propose("a", mark="second")
        rig.target.pins["a"] = 1

        with pytest.raises(StaleError) as refused:
            await rig.executor.execute_proposal(approved)

        renewed = refused.value.successor
        assert renewed == await rig.store.read(lambda reader: reader.replaced_by(approved))
        assert renewed is not None
        assert await status(rig.store, approved) == "cancelled(stale)"
        assert await status(rig.store, meanwhile) == "cancelled(superseded)"
        assert await status(rig.store, renewed) == "proposed"
        await require_sound(rig)


class TestTryingAgain:
    async def failed(self, rig: Rig) -> int:
        proposal_id = await rig.approved("a")
        rig.target.faults["a"] = "refuse"
        await rig.executor.execute_proposal(proposal_id)
        assert await status(rig.store, proposal_id) == "failed(no_effect)"
        del rig.target.faults["a"]
        return proposal_id

    async def test_the_card_of_what_failed_is_drawn_anew(self, rig: Rig) -> None:
        failed = await self.failed(rig)
        await delivered(rig)

        await rig.executor.retry_proposal(failed, by=ANN)

        assert [item.ref for item in await outbox(rig, OutboxKind.CARD)] == [str(failed)]

    async def test_it_is_a_new_proposal_with_an_approval_of_its_own(self, rig: Rig) -> None:
        failed = await self.failed(rig)

        again = await rig.executor.retry_proposal(failed, by=ANN)
        await rig.sweeper.sweep()

        assert (again.retry_of, again.proposed_by) == (failed, "agent:rules")
        assert await status(rig.store, again.id) == "validated"
        await rig.executor.approve_proposal(again.id, by=ANN)
        assert (await rig.executor.execute_proposal(again.id)).status.value == "completed"
        (born,) = [event for event in await audit(rig.store, again.id) if event.event == "proposed"]
        assert born.actor == "slack:T1/UANN"
        await require_sound(rig)

    async def test_with_other_parameters_it_is_the_idea_of_whoever_changed_them(self, rig: Rig) -> None:
        again = await rig.executor.retry_proposal(await self.failed(rig), by=ANN, parameters={"item": "b"})
        await rig.sweeper.sweep()

        with pytest.raises(NotAuthorizedError, match="You proposed this"):
            await rig.executor.approve_proposal(again.id, by=ANN)

    async def test_pressed_twice_it_is_tried_again_once(self, rig: Rig) -> None:
        failed = await self.failed(rig)
        first = await rig.executor.retry_proposal(failed, by=ANN)

        assert await rig.executor.retry_proposal(failed, by=BO) == first

    async def test_only_what_had_no_effect(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        with pytest.raises(ConflictError, match="only what failed without any effect"):
            await rig.executor.retry_proposal(proposal_id, by=ANN)

        rig.target.faults["a"] = "lost"
        await rig.executor.execute_proposal(proposal_id)
        with pytest.raises(ConflictError, match="is unknown"):
            await rig.executor.retry_proposal(proposal_id, by=ANN)

    async def test_a_stranger_cannot(self, rig: Rig) -> None:
        failed = await self.failed(rig)

        with pytest.raises(NotAuthorizedError):
            await rig.executor.retry_proposal(failed, by=CY)

        assert await rig.store.read(lambda reader: len(reader.proposals())) == 1

    async def test_not_while_the_mode_is_observe(self, rig: Rig) -> None:
        failed = await self.failed(rig)
        await rig.safety.kill_switch(by=ANN, reason="stop")

        with pytest.raises(ObserveOnlyError):
            await rig.executor.retry_proposal(failed, by=ANN)


class TestUndo:
    async def done(self, rig: Rig) -> int:
        redefine(rig, "rack.touch", undo=undo)
        proposal_id = await rig.approved("a")
        await rig.executor.execute_proposal(proposal_id)
        assert await status(rig.store, proposal_id) == "completed(confirmed)"
        return proposal_id

    async def test_it_is_computed_from_the_state_before_and_needs_an_approval(self, rig: Rig) -> None:
        done = await self.done(rig)

        undoing = await rig.executor.undo_proposal(done, by=ANN)
        await rig.sweeper.sweep()

        assert (undoing.undo_of, undoing.parameters) == (done, {"item": "a", "mark": "back to 0"})
        assert await status(rig.store, undoing.id) == "validated"
        await rig.executor.approve_proposal(undoing.id, by=ANN)
        assert (await rig.executor.execute_proposal(undoing.id)).status.value == "completed"
        await require_sound(rig)

    async def test_the_card_of_what_is_taken_back_is_drawn_anew(self, rig: Rig) -> None:
        done = await self.done(rig)
        await delivered(rig)

        await rig.executor.undo_proposal(done, by=ANN)

        assert [item.ref for item in await outbox(rig, OutboxKind.CARD)] == [str(done)]

    async def test_once_and_only_for_a_while(self, rig: Rig, clock: FixedClock) -> None:
        done = await self.done(rig)
        first = await rig.executor.undo_proposal(done, by=ANN)
        assert await rig.executor.undo_proposal(done, by=BO) == first

        clock.advance(timedelta(hours=1).total_seconds())
        with pytest.raises(ConflictError, match="could be undone until"):
            await rig.executor.undo_proposal(done, by=ANN)

    @pytest.mark.parametrize(("fault", "lost"), [("", True), ("lost", True), ("refuse", False)])
    async def test_not_once_something_else_was_done_there(
        self, rig: Rig, clock: FixedClock, fault: str, lost: bool
    ) -> None:
        done = await self.done(rig)
        clock.advance(1)
        await rig.executor.execute_proposal(await rig.approved("b"))
        rig.target.faults[Touch(item="a", mark="more").key] = fault
        later = await rig.propose("a", mark="more")
        await rig.executor.approve_proposal(later, by=ANN)
        await rig.executor.execute_proposal(later)

        if not lost:
            assert (await rig.executor.undo_proposal(done, by=ANN)).undo_of == done
            return
        with pytest.raises(ConflictError, match=f"any more: action {later} ran on the same target since"):
            await rig.executor.undo_proposal(done, by=ANN)

    async def test_what_takes_it_back_does_not_stand_in_its_own_way(self, rig: Rig, clock: FixedClock) -> None:
        done = await self.done(rig)
        clock.advance(1)
        undoing = await rig.executor.undo_proposal(done, by=ANN)
        await rig.sweeper.sweep()
        await rig.executor.approve_proposal(undoing.id, by=ANN)
        await rig.executor.execute_proposal(undoing.id)

        assert (await rig.executor.undo_proposal(done, by=ANN)).id == undoing.id

    async def test_a_stranger_is_told_that_first_and_it_is_written_down(self, rig: Rig) -> None:
        waiting = await rig.propose("a")

        for follow in (rig.executor.undo_proposal, rig.executor.retry_proposal):
            with pytest.raises(NotAuthorizedError):
                await follow(waiting, by=CY)

        assert (await events(rig.store, waiting))[-2:] == ["denied", "denied"]

    async def test_not_what_did_not_complete_and_not_what_has_no_way_back(self, rig: Rig) -> None:
        waiting = await rig.propose("a")
        with pytest.raises(ConflictError, match="cannot be undone"):
            await rig.executor.undo_proposal(waiting, by=ANN)

        await rig.executor.approve_proposal(waiting, by=ANN)
        await rig.executor.execute_proposal(waiting)
        with pytest.raises(ConflictError, match="cannot be undone"):
            await rig.executor.undo_proposal(waiting, by=ANN)

    async def test_a_stranger_cannot(self, rig: Rig) -> None:
        done = await self.done(rig)

        with pytest.raises(NotAuthorizedError):
            await rig.executor.undo_proposal(done, by=CY)


class TestReasons:
    async def test_a_reason_code_stands_in_the_audit_log(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", by=AGENT)
        await rig.executor.cancel_proposal(proposal_id, by=ANN)

        await rig.executor.explain_cancellation(proposal_id, by=ANN, reason="", code=RefusalCode.WRONG_CAUSE)

        (line,) = [event for event in await audit(rig.store, proposal_id) if event.event == "explained"]
        assert line.data == {"code": "wrong_cause", "reason": ""}

    async def test_what_was_looked_at_stands_beside_a_persons_word(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.target.faults["a"] = "lost"
        await rig.executor.execute_proposal(proposal_id)

        settled = await rig.executor.resolve_proposal(
            proposal_id, happened=False, by=ANN, reason="I looked", evidence="the ledger is empty"
        )

        (line,) = [event for event in await audit(rig.store, proposal_id) if event.event == "failed"]
        assert (line.data["evidence"], line.data["reason"]) == ("the ledger is empty", "I looked")
        assert settled.outcome is FailureOutcome.NO_EFFECT


async def refusing(params: Touch) -> object:
    seen = await Target().preview(params)
    return type(seen)(impact=seen.impact, pins=seen.pins, before=seen.before, refusal="the rack would lose quorum")


async def silent(_: Touch) -> object:
    raise TargetUnavailableError("rack does not answer")


def undo(params: Touch, before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    return "touch", {"item": params.item, "mark": f"back to {before['touched']}"}
