"""What a rule of the policy approves in the place of people, and everything that stops it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from actions.calendar import Opening
from actions.errors import KilledError, LimitError, NotReadyError, ObserveOnlyError
from actions.limits import NO_LIMITS, Limits
from actions.models import SafetyMode, Via
from actions.policy import ConfiguredPolicy, QuorumClause, Scope, UnattendedRule
from actions.ports import Decidable, Store
from actions.registry import Preview
from tests.actions.parts import audit, events, executor_over, redefine, require_sound, status, stored
from tests.agent.rack import diagnosis, intake_over, recommended, submission
from tests.factories import START, FixedClock
from tests.rig import ANN, BO, GRANTS, POLICY, MemoryKillFiles, Rig, Touch

RULE = UnattendedRule(name="touch-it", subject="rack", action="rack.touch")
UNATTENDED = ConfiguredPolicy(replace(GRANTS, unattended=(RULE,)))


async def unattended(store: Store, clock: FixedClock, *, limits: Limits = NO_LIMITS) -> Rig:
    return await Rig(store, MemoryKillFiles(), clock, policy=UNATTENDED, limits=limits).start()


@dataclass(frozen=True)
class NotBefore:
    """A calendar that opens at one moment."""

    moment: datetime | None

    def opening(self, action: Decidable, at: datetime) -> Opening:  # noqa: ARG002 - the port's signature
        if self.moment is None:
            return Opening(starts=None, why="not within a year: freeze `stop` lasts longer")
        return Opening(starts=max(at, self.moment), why="freeze `night`" if at < self.moment else "")


class TestApproval:
    async def test_what_a_rule_fits_runs_with_nobody_asked_and_the_audit_names_both(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await unattended(store, clock)

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended("a"))))

        (proposal,) = receipt.proposals
        assert (proposal.status.value, proposal.required_approvals) == ("approved", 0)
        assert await store.read(lambda reader: reader.approvals(proposal.id)) == []
        await rig.executor.execute_proposal(proposal.id)
        assert await status(store, proposal.id) == "completed(confirmed)"
        proposed, validated, approved, *_ = await audit(store, proposal.id)
        assert (proposed.event, proposed.actor) == ("proposed", "agent:rules")
        assert (validated.event, validated.actor) == ("validated", "system:validator")
        assert (approved.event, approved.actor, approved.via) == ("approved", "policy:touch-it", Via.SYSTEM)
        assert approved.data["rule"] == "touch-it"
        await require_sound(rig)

    async def test_without_a_rule_nothing_is_approved_by_itself(self, store: Store, clock: FixedClock) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock).start()

        assert await status(store, await rig.propose("a")) == "validated"

    async def test_what_is_above_low_risk_waits_for_people(self, store: Store, clock: FixedClock) -> None:
        wide = UnattendedRule(name="all", subject="*", action="*")
        rig = await Rig(
            store, MemoryKillFiles(), clock, policy=ConfiguredPolicy(replace(GRANTS, unattended=(wide,)))
        ).start()

        proposal_id = await rig.propose("a", action="crush")

        assert await status(store, proposal_id) == "validated"
        assert (await stored(store, proposal_id)).required_approvals == 2

    async def test_where_a_quorum_asks_people_the_rule_says_nothing(self, store: Store, clock: FixedClock) -> None:
        quorums = (QuorumClause(people=1, scope=Scope(action="rack.touch")),)
        policy = ConfiguredPolicy(replace(GRANTS, unattended=(RULE,), quorums=quorums))
        rig = await Rig(store, MemoryKillFiles(), clock, policy=policy).start()

        assert await status(store, await rig.propose("a")) == "validated"

    async def test_what_was_proposed_before_there_was_a_rule_waits_for_people(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock).start()
        proposal_id = await rig.propose("a", validate=False)

        await executor_over(rig, policy=UNATTENDED).validate_proposal(proposal_id)

        assert await status(store, proposal_id) == "validated"

    async def test_what_does_not_pass_its_checks_is_not_approved(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)

        async def refuse(params: Touch) -> Preview:
            return Preview(impact=(), pins={}, refusal=f"{params.item} is locked")

        redefine(rig, "rack.touch", preview=refuse)

        assert await status(store, await rig.propose("a")) == "cancelled(invalid)"


class TestStops:
    async def test_a_kill_stops_what_a_rule_has_approved(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        proposal_id = await rig.propose("a")

        await rig.safety.kill_switch(by=ANN, reason="stop")

        assert await status(store, proposal_id) == "cancelled(kill_switch)"
        with pytest.raises(ObserveOnlyError):
            await rig.propose("b")
        assert rig.target.ledger == {}

    async def test_a_rule_that_is_gone_does_not_count_any_more(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        proposal_id = await rig.propose("a")

        with pytest.raises(NotReadyError, match="it still needs 1 more approval"):
            await executor_over(rig, policy=POLICY).execute_proposal(proposal_id)

        assert await status(store, proposal_id) == "approved"
        assert rig.target.ledger == {}

    async def test_it_waits_for_the_calendar_like_any_other(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        executor = executor_over(rig, policy=UNATTENDED, calendar=NotBefore(START + timedelta(hours=2)))
        proposal_id = await rig.propose("a", validate=False)

        await executor.validate_proposal(proposal_id)

        proposal = await stored(store, proposal_id)
        assert (proposal.status.value, proposal.not_before) == ("approved", START + timedelta(hours=2))
        with pytest.raises(NotReadyError):
            await executor.execute_proposal(proposal_id)
        clock.advance(7_200)
        assert (await executor.execute_proposal(proposal_id)).status.value == "completed"

    async def test_a_person_can_cancel_what_a_rule_has_approved(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        proposal_id = await rig.propose("a")

        await rig.executor.cancel_proposal(proposal_id, by=BO)

        assert await status(store, proposal_id) == "cancelled(user)"

    async def test_failures_in_a_row_end_it(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock, limits=Limits(failures_in_a_row=2))
        for item in "ab":
            rig.target.faults[item] = "refuse"
            await rig.executor.execute_proposal(await rig.propose(item))

        assert (await rig.safety.control("rack")).mode is SafetyMode.OBSERVE
        with pytest.raises(ObserveOnlyError):
            await rig.propose("c")


class TestLeftToPeople:
    async def why(self, store: Store, proposal_id: int) -> str:
        assert await status(store, proposal_id) == "validated"
        assert await events(store, proposal_id) == ["proposed", "validated", "left_to_people"]
        line = (await audit(store, proposal_id))[-1]
        assert (line.actor, line.data["rule"]) == ("policy:touch-it", "touch-it")
        return str(line.data["why"])

    async def test_what_a_limit_holds_up_waits_for_a_person_whom_the_limit_binds_too(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await unattended(store, clock, limits=Limits(actions_per_hour=1))
        await rig.executor.execute_proposal(await rig.propose("a"))
        clock.advance(1_800)

        second = await rig.propose("b")

        assert "1 action on rack began within the last hour" in await self.why(store, second)
        with pytest.raises(NotReadyError):
            await rig.executor.execute_proposal(second)
        with pytest.raises(LimitError):
            await rig.executor.approve_proposal(second, by=ANN)
        clock.advance(1_800)
        await rig.executor.approve_proposal(second, by=ANN)
        assert (await rig.executor.execute_proposal(second)).status.value == "completed"
        await require_sound(rig)

    async def test_a_host_that_is_held_back_approves_nothing(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        proposal_id = await rig.propose("a", validate=False)
        rig.kill_files.drop()

        await rig.executor.validate_proposal(proposal_id)

        assert "this host is held back by kill-" in await self.why(store, proposal_id)
        with pytest.raises(KilledError):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

    async def test_what_could_never_run_is_not_approved(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        proposal_id = await rig.propose("a", validate=False)

        await executor_over(rig, policy=UNATTENDED, calendar=NotBefore(None)).validate_proposal(proposal_id)

        assert await self.why(store, proposal_id) == "not within a year: freeze `stop` lasts longer"

    async def test_a_target_that_changed_after_the_approval_is_put_before_people(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await unattended(store, clock)
        first = await rig.propose("a")
        rig.target.pins["a"] = 1
        with pytest.raises(Exception, match="no longer fits"):
            await rig.executor.execute_proposal(first)

        await rig.sweeper.sweep()

        assert await status(store, first) == "cancelled(stale)"
        assert await self.why(store, first + 1) == "its target changed after it had been approved before"
        await rig.executor.approve_proposal(first + 1, by=ANN)
        await rig.executor.execute_proposal(first + 1)
        assert rig.target.ledger == {"a": 1}

    async def test_what_a_person_proposed_is_decided_by_somebody_else(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)

        proposal_id = await rig.propose("a", by=ANN)

        assert await status(store, proposal_id) == "validated"
        assert await self.why(store, proposal_id) == "a person proposed it, and somebody else has to decide about it"

    async def test_what_takes_something_back_is_decided_by_people(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        redefine(rig, "rack.touch", undo=lambda params, _: ("touch", {"item": params.item, "mark": "back"}))
        done = await rig.propose("a")
        await rig.executor.execute_proposal(done)

        undoing = await rig.executor.undo_proposal(done, by=ANN)
        await rig.executor.validate_proposal(undoing.id)

        assert await status(store, undoing.id) == "validated"
        assert (
            await self.why(store, undoing.id) == f"it takes back action {done}, and somebody has to decide about that"
        )

    async def test_what_a_person_changed_is_decided_by_somebody_else(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        left = await rig.propose("a", by=ANN)

        edited = await rig.executor.edit_proposal(left, {"item": "a", "mark": "other"}, by=BO)
        await rig.executor.validate_proposal(edited.id)

        assert await status(store, edited.id) == "validated"
        assert await self.why(store, edited.id) == "a person proposed it, and somebody else has to decide about it"

    async def test_what_failed_is_not_run_again_by_the_rule(self, store: Store, clock: FixedClock) -> None:
        rig = await unattended(store, clock)
        rig.target.faults["a"] = "refuse"
        failed = await rig.propose("a")
        await rig.executor.execute_proposal(failed)

        again = await rig.executor.retry_proposal(failed, by=ANN)
        await rig.executor.validate_proposal(again.id)

        said = await self.why(store, again.id)
        assert said == f"it was tried before as action {failed}, and nothing is run again on its own"
