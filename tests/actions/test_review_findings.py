"""Ways around people, and ways to get stuck, that a reader of the core found."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from actions.attempt import Claim, Readiness
from actions.calendar import Opening
from actions.canonical import Json
from actions.dispatcher import PAGE, Dispatcher
from actions.errors import ConflictError, LimitError, NotAuthorizedError, NotReadyError
from actions.limits import Limits
from actions.models import Actor, Review, SafetyMode, Verb
from actions.policy import ConfiguredPolicy, Group, QuorumClause, UnattendedRule
from actions.ports import Decidable, OutboxKind, Standing, Store, Transaction
from actions.registry import Preview
from tests.actions.parts import audit, delivered, executor_over, outbox, redefine, require_sound, status
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, BO, CY, GRANTS, KnownPeople, MemoryKillFiles, Rig, Touch


class TestBreakGlass:
    async def test_without_its_review_it_needs_the_people_it_always_needed(self, memory_rig: Rig) -> None:
        rig = memory_rig
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")
        assert isinstance(rig.store, MemoryStore)
        del rig.store.tables.reviews[proposal_id]

        with pytest.raises(NotReadyError, match="it still needs 1 more approval"):
            await rig.executor.execute_proposal(proposal_id)

        assert rig.target.ledger == {}

    async def test_an_open_review_of_somebody_who_never_approved_it_is_worth_nothing(self, memory_rig: Rig) -> None:
        rig = memory_rig
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")
        review = await rig.store.read(lambda reader: reader.review(proposal_id))
        assert isinstance(review, Review)
        await rig.store.write(lambda tx: tx.save_review(replace(review, person="bo", opened_by=str(BO.actor))))

        with pytest.raises(NotReadyError, match="it still needs 1 more approval"):
            await rig.executor.execute_proposal(proposal_id)

    async def test_it_does_not_go_past_what_must_not_be_done_now(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        redefine(rig, "rack.touch", preview=refusing)
        await rig.executor.preview_proposal(proposal_id)

        with pytest.raises(ConflictError, match="must not be done now: the rack would lose quorum"):
            await rig.executor.break_glass(proposal_id, by=ANN, reason="down")

        assert await status(rig.store, proposal_id) == "validated"
        assert await rig.store.read(lambda reader: reader.review(proposal_id)) is None
        await require_sound(rig)


DBA = Group(name="dba", slack="S1DBA")
NEEDS_DBA = ConfiguredPolicy(replace(GRANTS, groups=(DBA,), quorums=(QuorumClause(needs=frozenset({"dba"})),)))
BY_DBA = ConfiguredPolicy(replace(GRANTS, groups=(DBA,), verbs=dict.fromkeys(Verb, frozenset({"group:dba"}))))


class Members(KnownPeople):
    """A directory that knows who is in Slack's user groups, unless `groups` is None."""

    groups: frozenset[str] | None = frozenset({"S1DBA"})

    async def standing(self, actor: Actor) -> Standing:
        return replace(await super().standing(actor), groups=self.groups)


class TestGroups:
    async def approved(self, store: Store, clock: FixedClock, policy: ConfiguredPolicy) -> tuple[Rig, Members]:
        rig, members = Rig(store, MemoryKillFiles(), clock, policy=policy), Members()
        await rig.start(execute=False)
        rig.executor = executor_over(rig, policy=policy, directory=members)
        open_to = Rig(store, rig.kill_files, clock)
        await open_to.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="test")
        await rig.approved("a")
        return rig, members

    async def test_who_has_left_the_group_that_was_needed_does_not_stand_for_it_any_more(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig, members = await self.approved(store, clock, NEEDS_DBA)
        members.groups = frozenset()

        with pytest.raises(NotAuthorizedError, match="it lacks an approval by somebody in dba"):
            await rig.executor.execute_proposal(1)

        assert await status(store, 1) == "cancelled(denied_by_policy)"
        assert rig.target.ledger == {}
        await require_sound(rig)

    @pytest.mark.parametrize("policy", [NEEDS_DBA, BY_DBA], ids=["needed", "allowed"])
    async def test_who_is_still_in_it_does(self, store: Store, clock: FixedClock, policy: ConfiguredPolicy) -> None:
        rig, _ = await self.approved(store, clock, policy)

        assert (await rig.executor.execute_proposal(1)).status.value == "completed"

    async def test_an_approval_is_not_taken_back_because_slack_does_not_say_who_is_in_a_group(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig, members = await self.approved(store, clock, BY_DBA)
        members.groups = None

        with pytest.raises(NotReadyError, match="before ann was checked again: nobody could say in which Slack user"):
            await rig.executor.execute_proposal(1)
        assert await status(store, 1) == "approved"

        members.groups = frozenset({"S1DBA"})
        assert (await rig.executor.execute_proposal(1)).status.value == "completed"

    async def test_but_it_is_where_slack_says_that_they_have_left(self, store: Store, clock: FixedClock) -> None:
        rig, members = await self.approved(store, clock, BY_DBA)
        members.groups = frozenset()

        with pytest.raises(NotAuthorizedError, match="ann may not approve it any more"):
            await rig.executor.execute_proposal(1)


class TestLimits:
    async def test_what_was_approved_makes_no_room_for_another_card(self, store: Store, clock: FixedClock) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock, limits=Limits(open_cards=1)).start()
        await rig.approved("a")

        with pytest.raises(LimitError, match="1 action on rack waits"):
            await rig.propose("a", mark="more")

    async def test_what_runs_on_monday_does_not_hide_what_may_run_now(self, clock: FixedClock) -> None:
        night = Night(until=clock.now())
        rig = await Rig(MemoryStore(), MemoryKillFiles(), clock, calendar=night).start()
        ready = await rig.approved("now")
        night.until = clock.now() + timedelta(hours=9)
        for number in range(PAGE + 1):
            await rig.approved(f"later-{number}")
        night.until = clock.now()
        dispatcher = Dispatcher(store=rig.store, executor=rig.executor)

        await dispatcher.dispatch()
        await dispatcher.stop(10.0)

        assert rig.target.ledger == {"now": 1}
        assert await status(rig.store, ready) == "completed(confirmed)"


@dataclass
class Night:
    """A calendar that opens at one time for everything."""

    until: datetime

    def opening(self, action: Decidable, at: datetime) -> Opening:  # noqa: ARG002 - the port's signature
        return Opening(starts=max(at, self.until), why="freeze `night`" if at < self.until else "")


class TestWhatFollows:
    async def undoable(self, rig: Rig) -> int:
        redefine(rig, "rack.touch", undo=undo)
        proposal_id = await rig.approved("a")
        await rig.executor.execute_proposal(proposal_id)
        return proposal_id

    async def test_what_a_person_says_happened_can_be_undone_from_then_on(self, rig: Rig, clock: FixedClock) -> None:
        redefine(rig, "rack.touch", undo=undo)
        proposal_id = await rig.approved("a")
        await rig.store.write(lambda tx: claim(rig, tx, proposal_id))
        await rig.store.write(
            lambda tx: rig.executor.attempts.lose_lease(tx, proposal_id, clock.now(), owner_is_dead=True)
        )
        clock.advance(7_200)

        await rig.executor.resolve_proposal(proposal_id, by=ANN, happened=True, reason="seen")

        assert (await rig.executor.undo_proposal(proposal_id, by=ANN)).undo_of == proposal_id

    async def test_an_undo_with_other_parameters_takes_nothing_back(self, rig: Rig) -> None:
        done = await self.undoable(rig)
        undoing = await rig.executor.undo_proposal(done, by=ANN)

        edited = await rig.executor.edit_proposal(undoing.id, {"item": "a", "mark": "whatever"}, by=ANN)

        assert edited.undo_of is None

    @pytest.mark.parametrize("how", ["cancelled", "killed", "expired"])
    async def test_what_ended_before_it_began_can_be_asked_for_once_more(
        self, rig: Rig, clock: FixedClock, how: str
    ) -> None:
        done = await self.undoable(rig)
        first = await rig.executor.undo_proposal(done, by=ANN)
        if how == "cancelled":
            await rig.executor.cancel_proposal(first.id, by=BO)
        elif how == "killed":
            await rig.safety.kill_switch(by=BO, reason="stop")
            await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on")
        else:
            rig.executor.undo_window = timedelta(hours=9)
            clock.advance(3_600)
            await rig.sweeper.sweep()

        second = await rig.executor.undo_proposal(done, by=ANN)

        assert (second.status.value, second.undo_of, second.parameters) == ("proposed", done, first.parameters)
        assert await rig.executor.undo_proposal(done, by=BO) == second
        await require_sound(rig)

    async def test_who_tries_again_otherwise_is_told_that_it_was_done_with_other_parameters(self, rig: Rig) -> None:
        failed = await self.failed(rig)
        first = await rig.executor.retry_proposal(failed, by=ANN)

        with pytest.raises(ConflictError, match=f"Action {first.id} follows on action {failed} already, with other"):
            await rig.executor.retry_proposal(failed, by=BO, parameters={"item": "b"})

    async def test_what_was_edited_follows_in_the_place_of_what_it_replaced(self, rig: Rig) -> None:
        failed = await self.failed(rig)
        first = await rig.executor.retry_proposal(failed, by=ANN)
        edited = await rig.executor.edit_proposal(first.id, {"item": "b"}, by=BO)

        with pytest.raises(ConflictError, match=f"Action {edited.id} follows"):
            await rig.executor.retry_proposal(failed, by=ANN)

    async def test_the_card_of_what_failed_is_drawn_anew_when_its_next_try_ends_before_it_began(self, rig: Rig) -> None:
        failed = await self.failed(rig)
        again = await rig.executor.retry_proposal(failed, by=ANN)
        await delivered(rig)

        await rig.executor.cancel_proposal(again.id, by=BO)

        assert {item.ref for item in await outbox(rig, OutboxKind.CARD)} == {str(failed), str(again.id)}

    async def failed(self, rig: Rig) -> int:
        proposal_id = await rig.approved("a")
        rig.target.faults["a"] = "refuse"
        await rig.executor.execute_proposal(proposal_id)
        return proposal_id


TOUCH_IT = UnattendedRule(name="touch-it", subject="rack", action="rack.touch")


class TestRules:
    async def test_no_rule_does_again_what_a_person_took_back(self, store: Store, clock: FixedClock) -> None:
        policy = ConfiguredPolicy(replace(GRANTS, unattended=(TOUCH_IT,)))
        rig = await Rig(store, MemoryKillFiles(), clock, policy=policy).start()
        redefine(rig, "rack.touch", undo=undo)
        first = await rig.propose("a")
        await rig.executor.execute_proposal(first)
        undoing = await rig.executor.undo_proposal(first, by=ANN)
        await rig.sweeper.sweep()
        await rig.executor.approve_proposal(undoing.id, by=ANN)
        await rig.executor.execute_proposal(undoing.id)

        again, other = await rig.propose("a", mark="again"), await rig.propose("b")

        assert await status(store, other) == "approved"
        assert await status(store, again) == "validated"
        (line,) = [one for one in await audit(store, again) if one.event == "left_to_people"]
        assert line.data["why"] == f"the same was taken back by a person, as action {undoing.id}, less than a day ago"
        clock.advance(timedelta(days=1, seconds=1).total_seconds())
        assert await status(store, await rig.propose("a", mark="tomorrow")) == "approved"


class TestSentences:
    async def test_what_waits_for_its_time_says_until_when_and_no_more(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.propose("a", action="crush")
        for by in (ANN, BO):
            await rig.executor.approve_proposal(proposal_id, by=by)
        starts = clock.now() + timedelta(seconds=10)

        with pytest.raises(NotReadyError) as refused:
            await rig.executor.execute_proposal(proposal_id)

        assert str(refused.value) == f"Action 1 is approved, and cannot be run before {starts:%Y-%m-%d %H:%M:%S} UTC."

    async def test_who_aborts_too_early_is_told_what_is_possible(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")

        with pytest.raises(NotReadyError, match=r"that is for its last seconds\. Who may cancel it still can\.$"):
            await rig.executor.abort_proposal(proposal_id, by=CY)


async def refusing(params: Touch) -> Preview:  # noqa: ARG001 - the registry's signature
    return Preview(impact=(), pins={"generation": 0}, refusal="the rack would lose quorum")


def undo(params: Touch, before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    return "touch", {"item": params.item, "mark": f"back to {before['touched']}"}


def claim(rig: Rig, tx: Transaction, proposal_id: int) -> None:
    """Let a process claim it that dies before it sends anything."""
    ready = Readiness(
        preview=Preview(impact=(), pins={"generation": 0}),
        read_at=rig.clock.now(),
        standings={str(ANN.actor): Standing(active=True, full_member=True)},
    )
    assert isinstance(rig.executor.attempts.claim(tx, proposal_id, ready, rig.clock.now()), Claim)
