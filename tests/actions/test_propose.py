"""From a recommendation to something that people can decide about."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from actions.canonical import Json, digest
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.errors import (
    BadParametersError,
    KilledError,
    NotReadyError,
    ObserveOnlyError,
    TargetUnavailableError,
    UnknownActionError,
    UnknownProposalError,
)
from actions.executor import Timing
from actions.models import EVERYTHING, Actor, ActorKind, Caller, Fact, Risk, SafetyMode, Via
from actions.ports import MessageRef, OutboxKind, Store
from actions.registry import ActionRegistry, Done, Parameters, Preview, Steps, Verdict, define
from tests.actions.parts import audit, delivered, events, executor_over, outbox, status, stored
from tests.factories import FixedClock
from tests.rig import AGENT, ANN, MemoryKillFiles, Rig, Target, Tokens, Touch

HTTP = Caller(actor=Actor(ActorKind.HTTP, "grafana"), via=Via.HTTP)


def proposition(item: str = "a", *, source_key: str = "k", action: str = "rack.touch", **over: Json) -> Proposition:
    recommendation = ActionRecommendation(
        action_name=action,
        parameters={"item": item, **over},
        reason="it is worn",
        expected_outcome="it shines",
        risks=("dust",),
    )
    return Proposition(recommendation=recommendation, source_key=source_key, by=AGENT)


def previewing(rig: Rig, preview: "PreviewStub") -> ActionRegistry:
    definition = define(
        subject="rack",
        execute=Target.touch.__get__(rig.target),
        preview=preview.look,
        verify=rig.target.verify,
        target=lambda params: params.item,
        risk=Risk.LOW,
    )
    return ActionRegistry([definition])


class PreviewStub:
    """A target that is read as the test wants."""

    def __init__(self, answer: Preview | Exception | None) -> None:
        self.answer = answer
        self.reads = 0

    async def look(self, params: Touch) -> Preview:  # noqa: ARG002 - the signature of a preview
        self.reads += 1
        match self.answer:
            case None:
                await asyncio.Event().wait()
                raise AssertionError("woken by nobody")
            case Exception():
                raise self.answer
            case preview:
                return preview


REFUSING = Preview(impact=(Fact(label="members", value="1 of 3"),), pins={}, refusal="a majority would be lost")


class TestProposing:
    async def test_what_is_stored_is_what_was_recommended(self, rig: Rig) -> None:
        proposed = await rig.executor.propose_action(replace(proposition(), channel="C9"))

        assert await stored(rig.store, proposed.id) == proposed
        assert proposed.status.value == "proposed"
        assert (proposed.action_name, proposed.subject, proposed.target) == ("rack.touch", "rack", "a")
        assert proposed.parameters == {"item": "a", "mark": ""}
        assert proposed.params_hash == digest({"item": "a", "mark": ""})
        assert (proposed.reason, proposed.expected_outcome, proposed.risks) == ("it is worn", "it shines", ("dust",))
        assert (proposed.risk, proposed.required_approvals) == (Risk.LOW, 1)
        assert (proposed.proposed_by, proposed.channel) == ("agent:rules", "C9")
        assert proposed.expires_at - proposed.proposed_at == timedelta(hours=1)

    async def test_the_secret_of_the_button_is_not_stored(self, rig: Rig) -> None:
        proposed = await rig.executor.propose_action(proposition())
        button = Tokens().token_for(proposed.token)

        assert proposed.button_hash != button
        assert button not in repr(proposed)
        assert all(button not in repr(event) for event in await audit(rig.store))

    async def test_it_belongs_to_both_epochs_of_its_time(self, rig: Rig) -> None:
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="again", scope="rack")
        proposed = await rig.executor.propose_action(proposition())

        everywhere, here = await rig.store.read(lambda reader: (reader.control(EVERYTHING), reader.control("rack")))
        assert (proposed.epoch, proposed.subject_epoch) == (everywhere.epoch, here.epoch)

    async def test_the_same_source_again_is_the_same_proposal(self, rig: Rig) -> None:
        first = await rig.executor.propose_action(proposition())

        again = await rig.executor.propose_action(proposition())

        assert again == first
        assert await events(rig.store, first.id) == ["proposed"]

    async def test_the_same_source_ten_times_at_once_is_one_proposal(self, rig: Rig) -> None:
        proposals = await asyncio.gather(*(rig.executor.propose_action(proposition()) for _ in range(10)))

        assert len({proposal.id for proposal in proposals}) == 1
        assert len(await audit(rig.store, proposals[0].id)) == 1

    async def test_the_same_source_is_still_answered_once_everything_was_stopped(self, rig: Rig) -> None:
        first = await rig.executor.propose_action(proposition())
        await rig.safety.kill_switch(by=ANN, reason="stop")

        again = await rig.executor.propose_action(proposition())

        assert (again.id, again.status.value) == (first.id, "cancelled")

    async def test_a_retry_names_what_it_repeats_and_needs_its_own_approval(self, rig: Rig) -> None:
        first = await rig.approved("a")
        rig.target.faults["a"] = "refuse"
        await rig.executor.execute_proposal(first)

        again = await rig.executor.propose_action(replace(proposition(source_key="retry"), retry_of=first))

        assert (again.retry_of, again.status.value) == (first, "proposed")
        with pytest.raises(NotReadyError):
            await rig.executor.execute_proposal(again.id)

    async def test_an_unknown_action_is_refused_and_nothing_is_stored(self, memory_rig: Rig) -> None:
        with pytest.raises(UnknownActionError, match=r"Did you mean rack\.touch"):
            await memory_rig.executor.propose_action(proposition(action="rack.touchh"))

        assert await memory_rig.store.read(lambda reader: reader.proposals()) == []

    async def test_parameters_that_do_not_fit_are_refused_and_nothing_is_stored(self, memory_rig: Rig) -> None:
        with pytest.raises(BadParametersError, match="colour is unknown"):
            await memory_rig.executor.propose_action(proposition(colour="red"))

        assert await memory_rig.store.read(lambda reader: reader.proposals()) == []


class TestWhenNothingMayBeProposed:
    async def test_in_observe_mode(self, rig: Rig) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

        with pytest.raises(ObserveOnlyError, match="The mode is observe:"):
            await rig.executor.propose_action(proposition())

    async def test_where_its_subject_is_stopped(self, rig: Rig) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN, scope="rack")

        with pytest.raises(ObserveOnlyError, match="observe for rack"):
            await rig.executor.propose_action(proposition())

    async def test_where_its_subject_has_no_row(self, rig: Rig) -> None:
        elsewhere = define(
            subject="shelf",
            execute=Target.touch.__get__(rig.target),
            preview=rig.target.preview,
            verify=rig.target.verify,
            target=lambda params: params.item,
            risk=Risk.LOW,
        )
        rig.registry.register(elsewhere)

        with pytest.raises(ObserveOnlyError, match="observe for shelf"):
            await rig.executor.propose_action(proposition(action="shelf.touch"))

    async def test_while_a_kill_file_lies_on_this_host(self, rig: Rig) -> None:
        rig.kill_files.drop()

        with pytest.raises(ObserveOnlyError):
            await rig.executor.propose_action(proposition())

    async def test_before_anybody_said_execute(self, store: Store, clock: FixedClock) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock).start(execute=False)

        with pytest.raises(ObserveOnlyError, match="The mode is observe:"):
            await rig.executor.propose_action(proposition())


class TestValidating:
    async def test_what_the_decision_rests_on_is_stored(self, rig: Rig) -> None:
        rig.target.pins["a"] = 7
        proposal_id = await rig.propose("a")

        proposal = await stored(rig.store, proposal_id)
        assert proposal.status.value == "validated"
        assert proposal.pins == {"generation": 7}
        assert proposal.before == {"touched": 0}
        assert proposal.impact == (Fact(label="touched before", value="0"),)
        assert [item.ref for item in await outbox(rig, OutboxKind.CARD)] == [str(proposal_id)]

    async def test_what_the_target_rules_out_is_cancelled_with_the_reason(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", validate=False)

        await executor_over(rig, registry=previewing(rig, PreviewStub(REFUSING))).validate_proposal(proposal_id)

        proposal = await stored(rig.store, proposal_id)
        assert await status(rig.store, proposal_id) == "cancelled(invalid)"
        assert proposal.detail == "a majority would be lost"
        assert proposal.impact == REFUSING.impact
        assert (await audit(rig.store, proposal_id))[-1].data["why"] == "a majority would be lost"

    @pytest.mark.parametrize("answer", [TargetUnavailableError("etcd-3 does not answer."), None], ids=["down", "hangs"])
    async def test_a_target_that_cannot_be_read_leaves_it_to_be_tried_again(
        self, rig: Rig, answer: Exception | None
    ) -> None:
        proposal_id = await rig.propose("a", validate=False)
        stub = PreviewStub(answer)
        executor = executor_over(rig, registry=previewing(rig, stub), timing=Timing(preview_timeout=0.01))

        with pytest.raises(TargetUnavailableError, match="answer"):
            await executor.validate_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "proposed"
        assert [item.ref for item in await outbox(rig, OutboxKind.CARD)] == [str(proposal_id)]

    async def test_an_unreadable_target_does_not_redraw_the_card_again_and_again(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", validate=False)
        down = PreviewStub(TargetUnavailableError("etcd-3 does not answer."))
        executor = executor_over(rig, registry=previewing(rig, down))
        for _ in range(2):
            with pytest.raises(TargetUnavailableError):
                await executor.validate_proposal(proposal_id)
        await delivered(rig)
        shown = MessageRef(kind=OutboxKind.CARD, ref=str(proposal_id), team_id="T1", channel_id="C1", ts="1.1")
        await rig.store.write(lambda tx: tx.record_message(shown))

        with pytest.raises(TargetUnavailableError):
            await executor.validate_proposal(proposal_id)

        assert await outbox(rig, OutboxKind.CARD) == []

    @pytest.mark.parametrize(
        "answer",
        [
            KeyError("a bug"),
            Preview(impact=(), pins={"load": math.nan}),
            Preview(impact=(), pins={}, before={"size": 2**70}),
            Preview(impact=(Fact(label="name", value="\ud800"),), pins={}),
        ],
        ids=["bug", "pins", "before", "impact"],
    )
    async def test_a_fault_in_the_check_cancels_it_and_says_so(self, rig: Rig, answer: Preview | Exception) -> None:
        proposal_id = await rig.propose("a", validate=False)
        executor = executor_over(rig, registry=previewing(rig, PreviewStub(answer)))

        await executor.validate_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(invalid)"
        assert "a fault in this program keeps it from being checked" in (await stored(rig.store, proposal_id)).detail

    async def test_what_was_stopped_meanwhile_is_cancelled(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", validate=False)
        await rig.store.write(lambda tx: rig.safety._kill(tx, by=ANN, reason="stop", scope="*"))

        with pytest.raises(KilledError):
            await rig.executor.validate_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"

    async def test_it_is_done_once(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(NotReadyError, match="is validated, and cannot be validated"):
            await rig.executor.validate_proposal(proposal_id)

    async def test_done_twice_at_once_it_is_done_once(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", validate=False)

        outcomes = await asyncio.gather(
            *(rig.executor.validate_proposal(proposal_id) for _ in range(2)), return_exceptions=True
        )

        assert sorted(type(one).__name__ for one in outcomes) == ["ActionProposal", "NotReadyError"]
        assert await events(rig.store, proposal_id) == ["proposed", "validated"]

    async def test_what_does_not_exist_is_not_validated(self, memory_rig: Rig) -> None:
        with pytest.raises(UnknownProposalError):
            await memory_rig.executor.validate_proposal(404)

    async def test_an_action_that_takes_other_parameters_now_is_cancelled(self, rig: Rig) -> None:
        class Grip(Parameters):
            item: str
            hand: str

        async def touch(params: Grip, steps: Steps) -> Done:
            """Touch an item with a hand."""
            raise NotImplementedError

        async def preview(params: Grip) -> Preview:
            raise NotImplementedError

        async def verify(params: Grip, before: Mapping[str, Json]) -> Verdict:
            raise NotImplementedError

        proposal_id = await rig.propose("a", validate=False)
        changed = define(
            subject="rack",
            execute=touch,
            preview=preview,
            verify=verify,
            target=lambda params: params.item,
            risk=Risk.LOW,
        )

        await executor_over(rig, registry=ActionRegistry([changed])).validate_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(invalid)"
        assert (await stored(rig.store, proposal_id)).detail == "the action was redefined"

    async def test_an_action_that_is_gone_is_cancelled(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", validate=False)

        await executor_over(rig, registry=ActionRegistry()).validate_proposal(proposal_id)

        assert (await stored(rig.store, proposal_id)).detail == "the action is not offered any more"


async def test_lifetimes_follow_the_risk(memory_rig: Rig, clock: FixedClock) -> None:
    timing = Timing(proposal_lifetime={Risk.LOW: timedelta(minutes=1), Risk.HIGH: timedelta(hours=9)})
    executor = executor_over(memory_rig, timing=timing)

    low = await executor.propose_action(proposition())
    high = await executor.propose_action(proposition(action="rack.crush", source_key="h"))

    assert (low.expires_at - clock.now(), high.expires_at - clock.now()) == (
        timedelta(minutes=1),
        timedelta(hours=9),
    )
    assert (low.required_approvals, high.required_approvals) == (1, 2)
