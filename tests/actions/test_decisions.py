"""What people decide, and every way around it that was found in other programs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.errors import (
    AlreadyApprovedError,
    AlreadyDecidedError,
    BadRequestError,
    ConflictError,
    ExpiredError,
    IllegalTransitionError,
    KeyReusedError,
    KilledError,
    NotAuthorizedError,
    NotReadyError,
    OperatorError,
    StaleError,
    UnknownProposalError,
)
from actions.lifecycle import COMPLETE
from actions.models import Actor, ActorKind, Caller, ReasonCode, Risk, SafetyMode, Seen, Verb, Via
from actions.policy import DEFAULT_APPROVALS, ConfiguredPolicy, Grants, Person
from actions.ports import OutboxKind
from actions.registry import ActionDefinition, ActionRegistry, define
from actions.transitions import transition
from tests.actions.parts import (
    Slow,
    audit,
    card,
    delivered,
    events,
    executor_over,
    keyed,
    outbox,
    require_sound,
    status,
    stored,
)
from tests.factories import FixedClock
from tests.rig import AGENT, ANN, ANN_CLI, BO, CY, Rig, Target, Touch


def redefined(rig: Rig, *, risk: Risk = Risk.LOW, doc: str = "Touch an item.") -> ActionDefinition[Touch]:
    execute = Target.touch.__get__(rig.target)
    definition = define(
        subject="rack",
        execute=execute,
        preview=rig.target.preview,
        verify=rig.target.verify,
        target=lambda params: params.item,
        risk=risk,
        verify_within=1.0,
        settle=0.01,
    )
    return replace(definition, description=doc)


class TestOneDecision:
    async def test_an_approval_is_written_down_with_who_and_what(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        approved = await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert approved.status.value == "approved"
        assert approved.approved_at == rig.clock.now()
        assert approved.approval_expires_at is not None
        assert (approved.approval_expires_at - rig.clock.now()).total_seconds() == 300
        (line,) = [event for event in await audit(rig.store, proposal_id) if event.event == "approved"]
        assert (line.actor, line.via) == ("slack:T1/UANN", Via.SLACK)
        assert (line.data["person"], line.data["params_hash"]) == ("ann", approved.params_hash)
        (approval,) = await rig.store.read(lambda reader: reader.approvals(proposal_id))
        assert (approval.person, approval.actor, approval.params_hash) == ("ann", "slack:T1/UANN", approved.params_hash)

    async def test_a_refusal_is_not_overturned_by_a_later_click(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        await rig.executor.cancel_proposal(proposal_id, by=BO, reason="not now")

        with pytest.raises(AlreadyDecidedError, match="already cancelled by slack:T1/UBO"):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert await status(rig.store, proposal_id) == "cancelled(user)"

    async def test_who_comes_second_learns_who_was_first(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")

        with pytest.raises(AlreadyDecidedError, match="already approved by slack:T1/UANN"):
            await rig.executor.approve_proposal(proposal_id, by=BO)

        assert len(await rig.store.read(lambda reader: reader.approvals(proposal_id))) == 1

    async def test_what_runs_is_not_cancelled(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.target.hold["a"] = asyncio.Event()
        began = rig.target.began.setdefault("a", asyncio.Event())
        running = asyncio.create_task(rig.executor.execute_proposal(proposal_id))
        await began.wait()

        with pytest.raises(AlreadyDecidedError, match="already executing"):
            await rig.executor.cancel_proposal(proposal_id, by=ANN)

        rig.target.hold["a"].set()
        assert (await running).status.value == "completed"

    async def test_of_many_clicks_at_once_one_wins(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        clicks = [
            rig.executor.approve_proposal(proposal_id, by=ANN),
            rig.executor.cancel_proposal(proposal_id, by=BO),
            rig.executor.approve_proposal(proposal_id, by=BO),
            rig.executor.cancel_proposal(proposal_id, by=ANN),
            rig.executor.approve_proposal(proposal_id, by=ANN),
        ]

        outcomes = await asyncio.gather(*clicks, return_exceptions=True)

        # The first approves, the next cancels what is approved, and nothing moves it any more.
        assert [type(one).__name__ for one in outcomes] == ["ActionProposal"] * 2 + ["AlreadyDecidedError"] * 3
        assert await events(rig.store, proposal_id) == ["proposed", "validated", "approved", "cancelled"]
        await require_sound(rig)

    async def test_a_kill_among_the_clicks_ends_it(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        clicks = [
            rig.executor.approve_proposal(proposal_id, by=ANN),
            rig.safety.kill_switch(by=BO, reason="stop"),
            rig.executor.approve_proposal(proposal_id, by=BO),
        ]

        await asyncio.gather(*clicks, return_exceptions=True)

        assert (await status(rig.store, proposal_id)).startswith("cancelled")
        assert rig.target.ledger.total() == 0
        await require_sound(rig)

    async def test_what_does_not_exist_cannot_be_decided(self, rig: Rig) -> None:
        with pytest.raises(UnknownProposalError, match="There is no action 404"):
            await rig.executor.approve_proposal(404, by=ANN)
        with pytest.raises(UnknownProposalError):
            await rig.executor.cancel_proposal(404, by=ANN)
        with pytest.raises(UnknownProposalError):
            await rig.executor.explain_cancellation(404, by=ANN, reason="why")
        with pytest.raises(UnknownProposalError):
            await rig.executor.resolve_proposal(404, happened=True, by=ANN, reason="seen")

    async def test_what_was_not_checked_yet_cannot_be_approved(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", validate=False)

        with pytest.raises(NotReadyError, match="is proposed, and cannot be approved"):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert await status(rig.store, proposal_id) == "proposed"


class TestTimeAndEpochs:
    async def test_what_expired_cannot_be_approved_even_before_it_is_swept(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.propose("a")
        clock.advance(3_600)

        with pytest.raises(ExpiredError):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert await status(rig.store, proposal_id) == "expired"
        assert await rig.store.read(lambda reader: reader.approvals(proposal_id)) == []

    async def test_one_second_before_it_expires_it_can(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.propose("a")
        clock.advance(3_599)

        assert (await rig.executor.approve_proposal(proposal_id, by=ANN)).status.value == "approved"

    async def test_what_expires_while_the_database_is_waited_for_cannot_be_approved(
        self, rig: Rig, clock: FixedClock
    ) -> None:
        proposal_id = await rig.propose("a")
        clock.advance(3_599)

        with pytest.raises(ExpiredError):
            await executor_over(rig, store=Slow(rig.store, clock, 2)).approve_proposal(proposal_id, by=ANN)

        assert await status(rig.store, proposal_id) == "expired"

    async def test_an_old_approval_does_not_run(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await rig.approved("a")
        clock.advance(300)

        with pytest.raises(ExpiredError):
            await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "expired"
        assert rig.target.ledger.total() == 0

    async def test_an_approval_from_before_a_kill_is_worth_nothing_after_it(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        await rig.safety.kill_switch(by=BO, reason="stop")
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on")

        with pytest.raises(AlreadyDecidedError, match="already cancelled"):
            await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"
        assert rig.target.ledger.total() == 0

    @pytest.mark.parametrize("again", [False, True], ids=["while stopped", "once execute is set again"])
    async def test_a_kill_that_had_no_time_to_cancel_still_stops(self, rig: Rig, again: bool) -> None:
        waiting, approved = await rig.propose("a"), await rig.approved("b")
        await rig.store.write(lambda tx: rig.safety._kill(tx, by=BO, reason="stop", scope="*"))
        if again:
            await rig.store.write(
                lambda tx: rig.safety._turn(
                    tx,
                    SafetyMode.EXECUTE,
                    by=BO,
                    reason="go on",
                    scope="*",
                    stopped_as=ReasonCode.MODE_OBSERVE,
                )
            )

        with pytest.raises(KilledError):
            await rig.executor.approve_proposal(waiting, by=ANN)
        with pytest.raises(KilledError):
            await rig.executor.execute_proposal(approved)

        assert await status(rig.store, waiting) == "cancelled(kill_switch)"
        assert await status(rig.store, approved) == "cancelled(kill_switch)"
        assert rig.target.ledger.total() == 0

    async def test_a_kill_file_holds_decisions_back_and_lets_people_cancel(self, rig: Rig) -> None:
        waiting, other = await rig.propose("a"), await rig.propose("b")
        rig.kill_files.drop()

        with pytest.raises(KilledError, match="held back by kill-1"):
            await rig.executor.approve_proposal(waiting, by=ANN)

        assert await status(rig.store, waiting) == "validated"
        await rig.executor.cancel_proposal(other, by=ANN)
        assert await status(rig.store, other) == "cancelled(user)"


class TestWhoDecides:
    @pytest.mark.parametrize("act", ["approve", "cancel", "explain", "resolve"])
    async def test_a_stranger_changes_nothing_and_is_written_down(self, rig: Rig, act: str) -> None:
        proposal_id = await rig.propose("a")
        before = await stored(rig.store, proposal_id)
        executor = rig.executor
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "approve": lambda: executor.approve_proposal(proposal_id, by=CY, seen=card(before)),
            "cancel": lambda: executor.cancel_proposal(proposal_id, by=CY, reason="no"),
            "explain": lambda: executor.explain_cancellation(proposal_id, by=CY, reason="no"),
            "resolve": lambda: executor.resolve_proposal(proposal_id, happened=True, by=CY, reason="no"),
        }

        with pytest.raises(NotAuthorizedError, match="Those who may: ann, bo"):
            await asked[act]()

        assert await stored(rig.store, proposal_id) == before
        assert await rig.store.read(lambda reader: reader.message(OutboxKind.CARD, str(proposal_id))) is None
        last = (await audit(rig.store, proposal_id))[-1]
        assert (last.event, last.actor) == ("denied", "slack:T1/UCY")

    @pytest.mark.parametrize("kind", [ActorKind.AGENT, ActorKind.HTTP, ActorKind.POLICY, ActorKind.SYSTEM])
    async def test_no_machine_approves(self, rig: Rig, kind: ActorKind) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(NotAuthorizedError, match="Only a person"):
            await rig.executor.approve_proposal(proposal_id, by=Caller(actor=Actor(kind, "ann"), via=Via.HTTP))

    async def test_one_person_counts_once(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=ANN)

        with pytest.raises(AlreadyApprovedError, match="needs 1 more approval"):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert await events(rig.store, proposal_id) == ["proposed", "validated", "approval"]
        assert (await rig.executor.approve_proposal(proposal_id, by=BO)).status.value == "approved"

    async def test_one_person_with_two_identities_counts_once(self, rig: Rig) -> None:
        people = (
            Person(name="ann", slack=frozenset({"T1/UANN", "T2/WANN"}), cli=frozenset({"ann"})),
            Person(name="bo", slack=frozenset({"T1/UBO"})),
        )
        policy = ConfiguredPolicy(
            Grants(
                people=people,
                verbs=dict.fromkeys(Verb, frozenset({"ann", "bo"})),
                approvals=DEFAULT_APPROVALS,
                high_risk_from_cli=True,
            )
        )
        executor = executor_over(rig, policy=policy)
        proposal_id = await rig.propose("a", action="crush")
        await executor.approve_proposal(proposal_id, by=ANN)

        for again in (ANN_CLI, Caller(actor=Actor.slack("T2", "WANN"), via=Via.SLACK)):
            with pytest.raises(AlreadyApprovedError):
                await executor.approve_proposal(proposal_id, by=again)

        assert await status(rig.store, proposal_id) == "validated"

    async def test_two_people_at_the_same_moment_are_two(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")

        await asyncio.gather(*(rig.executor.approve_proposal(proposal_id, by=by) for by in (ANN, BO)))

        assert await status(rig.store, proposal_id) == "approved"
        assert await events(rig.store, proposal_id) == ["proposed", "validated", "approval", "approved"]

    async def test_nobody_approves_what_they_proposed(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", by=ANN_CLI)

        for own in (ANN, ANN_CLI):
            with pytest.raises(NotAuthorizedError, match="You proposed this"):
                await rig.executor.approve_proposal(proposal_id, by=own)

        assert (await rig.executor.approve_proposal(proposal_id, by=BO)).status.value == "approved"

    async def test_high_risk_is_not_approved_from_the_command_line(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")

        with pytest.raises(NotAuthorizedError, match="not from the command line"):
            await rig.executor.approve_proposal(proposal_id, by=ANN_CLI)

    async def test_whoever_left_since_cannot_have_approved(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.directory.gone.add(str(ANN.actor))

        with pytest.raises(NotAuthorizedError, match="ann may not approve it any more"):
            await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(denied_by_policy)"
        assert rig.target.ledger.total() == 0

    async def test_a_directory_that_does_not_answer_takes_back_no_approval(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        rig.directory.unreachable = True
        with pytest.raises(NotReadyError, match="before ann was checked again: Slack did not answer"):
            await rig.executor.execute_proposal(proposal_id)
        assert await status(rig.store, proposal_id) == "approved"

        rig.directory.unreachable = False
        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"

    async def test_a_directory_that_does_not_answer_lets_nobody_approve(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        rig.directory.unreachable = True

        with pytest.raises(NotAuthorizedError, match="Slack did not answer"):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

    async def test_whoever_was_taken_off_the_list_since_cannot_have_approved(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        stricter = ConfiguredPolicy(Grants(verbs={}, approvals=DEFAULT_APPROVALS))

        with pytest.raises(NotAuthorizedError):
            await executor_over(rig, policy=stricter).execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(denied_by_policy)"

    async def test_what_the_environment_says_of_a_caller_is_recorded_not_trusted(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(NotAuthorizedError):
            await rig.executor.approve_proposal(proposal_id, by=replace(CY, claimed="ann"))

        assert (await audit(rig.store, proposal_id))[-1].data["claimed"] == "ann"


class TestRepetition:
    async def test_the_same_click_twice_is_one_transition_and_one_answer(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        seen = card(await stored(rig.store, proposal_id))
        by = keyed(ANN, "T1:C1:1.1:approve:1")

        first = await rig.executor.approve_proposal(proposal_id, by=by, seen=seen)
        again = await rig.executor.approve_proposal(proposal_id, by=by, seen=seen)

        assert again == first
        assert await events(rig.store, proposal_id) == ["proposed", "validated", "approval", "duplicate"]

    async def test_a_click_delivered_ten_times_at_once_counts_once(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        seen = card(await stored(rig.store, proposal_id))
        by = keyed(ANN, "T1:C1:1.1:approve:1")

        answers = await asyncio.gather(
            *(rig.executor.approve_proposal(proposal_id, by=by, seen=seen) for _ in range(10))
        )

        assert {answer.version for answer in answers} == {3}
        assert (await events(rig.store, proposal_id)).count("approval") == 1
        assert (await events(rig.store, proposal_id)).count("duplicate") == 9

    async def test_a_refused_click_gets_the_same_refusal_again(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        wrong = card(await stored(rig.store, proposal_id), button_token="forged")
        by = keyed(ANN, "T1:C1:1.1:approve:1")

        with pytest.raises(StaleError) as first:
            await rig.executor.approve_proposal(proposal_id, by=by, seen=wrong)
        with pytest.raises(ConflictError) as again:
            await rig.executor.approve_proposal(proposal_id, by=by, seen=wrong)

        assert str(again.value) == str(first.value)
        assert await status(rig.store, proposal_id) == "validated"

    @pytest.mark.parametrize(
        "other",
        [
            lambda seen: replace(seen, button_token="forged"),
            lambda seen: replace(seen, params_hash="f" * 64),
        ],
        ids=["token", "parameters"],
    )
    async def test_the_same_key_with_another_body_is_refused(self, rig: Rig, other: Callable[[Seen], Seen]) -> None:
        proposal_id = await rig.propose("a", action="crush")
        seen = card(await stored(rig.store, proposal_id))
        await rig.executor.approve_proposal(proposal_id, by=keyed(ANN, "k"), seen=seen)

        with pytest.raises(KeyReusedError):
            await rig.executor.approve_proposal(proposal_id, by=keyed(ANN, "k"), seen=other(seen))

        assert await status(rig.store, proposal_id) == "validated"

    async def test_the_same_key_for_another_person_or_action_is_refused(self, rig: Rig) -> None:
        one, other = await rig.propose("a", action="crush"), await rig.propose("b", action="crush")
        await rig.executor.approve_proposal(one, by=keyed(ANN, "k"))

        with pytest.raises(KeyReusedError):
            await rig.executor.approve_proposal(one, by=keyed(BO, "k"))
        with pytest.raises(KeyReusedError):
            await rig.executor.approve_proposal(other, by=keyed(ANN, "k"))

        assert (await status(rig.store, one), await status(rig.store, other)) == ("validated", "validated")

    async def test_the_key_of_an_approval_does_not_pass_for_a_cancellation(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=keyed(ANN, "k"))

        with pytest.raises(KeyReusedError):
            await rig.executor.cancel_proposal(proposal_id, by=keyed(ANN, "k"))

    async def test_an_approval_is_not_reused_for_a_second_action_that_looks_the_same(self, rig: Rig) -> None:
        first = await rig.approved("a")
        await rig.executor.execute_proposal(first)
        recommendation = ActionRecommendation(
            action_name="rack.touch",
            parameters={"item": "a", "mark": ""},
            reason="because",
            expected_outcome="touched",
        )
        second = await rig.executor.propose_action(
            Proposition(recommendation=recommendation, source_key="another", by=AGENT)
        )
        await rig.executor.validate_proposal(second.id)

        with pytest.raises(NotReadyError, match="cannot be run"):
            await rig.executor.execute_proposal(second.id)
        with pytest.raises(AlreadyDecidedError):
            await rig.executor.execute_proposal(first)

        assert second.id != first
        assert rig.target.ledger == {"a": 1}


class TestWhatWasDisplayed:
    async def test_the_first_press_binds_the_card(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        seen = card(await stored(rig.store, proposal_id))

        await rig.executor.approve_proposal(proposal_id, by=ANN, seen=seen)

        message = await rig.store.read(lambda reader: reader.message(OutboxKind.CARD, str(proposal_id)))
        assert message is not None
        assert (message.team_id, message.channel_id, message.ts) == ("T1", "C1", "1700000000.000100")

    @pytest.mark.parametrize(
        ("name", "value", "why"),
        [
            ("button_token", "forged", "the button does not belong to this action"),
            ("button_token", "", "the button does not belong to this action"),
            ("button_token", "\ud800", "the button does not belong to this action"),
            ("params_hash", "f" * 64, "the card shows other parameters"),
            ("team_id", "T2", "a copy of the card"),
            ("channel_id", "C2", "a copy of the card"),
            ("message_ts", "1700000000.000200", "a copy of the card"),
        ],
    )
    async def test_what_differs_from_the_one_card_is_refused_and_written_down(
        self, rig: Rig, name: str, value: str, why: str
    ) -> None:
        proposal_id = await rig.propose("a", action="crush")
        seen = card(await stored(rig.store, proposal_id))
        await rig.executor.approve_proposal(proposal_id, by=ANN, seen=seen)

        with pytest.raises(StaleError, match=why):
            await rig.executor.approve_proposal(proposal_id, by=BO, seen=replace(seen, **{name: value}))

        assert await status(rig.store, proposal_id) == "validated"
        last = (await audit(rig.store, proposal_id))[-1]
        assert (last.event, last.actor) == ("denied", "slack:T1/UBO")

    async def test_the_button_of_another_action_is_refused(self, rig: Rig) -> None:
        one, other = await rig.propose("a"), await rig.propose("b")

        with pytest.raises(StaleError, match="does not belong to this action"):
            await rig.executor.approve_proposal(one, by=ANN, seen=card(await stored(rig.store, other)))

        assert (await status(rig.store, one), await status(rig.store, other)) == ("validated", "validated")

    async def test_an_action_redefined_since_is_withdrawn(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        executor = executor_over(rig, registry=ActionRegistry([redefined(rig, doc="Crush an item.")]))

        with pytest.raises(StaleError, match="redefined"):
            await executor.approve_proposal(proposal_id, by=ANN)

        assert await status(rig.store, proposal_id) == "cancelled(stale)"

    async def test_an_action_redefined_after_the_approval_does_not_run(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        executor = executor_over(rig, registry=ActionRegistry([redefined(rig, risk=Risk.HIGH)]))

        with pytest.raises(StaleError, match="redefined"):
            await executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(stale)"
        assert rig.target.ledger.total() == 0

    async def test_an_action_that_is_not_offered_any_more_is_withdrawn(self, rig: Rig) -> None:
        waiting, approved = await rig.propose("a"), await rig.approved("b")
        executor = executor_over(rig, registry=ActionRegistry())

        with pytest.raises(StaleError, match="not offered any more"):
            await executor.approve_proposal(waiting, by=ANN)
        with pytest.raises(StaleError, match="not offered any more"):
            await executor.execute_proposal(approved)

        assert await status(rig.store, waiting) == "cancelled(stale)"
        assert await status(rig.store, approved) == "cancelled(stale)"

    async def test_an_action_that_is_not_offered_any_more_can_still_be_cancelled(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        await executor_over(rig, registry=ActionRegistry()).cancel_proposal(proposal_id, by=ANN)

        assert await status(rig.store, proposal_id) == "cancelled(user)"


class TestBugs:
    async def test_a_step_that_the_lifecycle_does_not_have_is_refused_and_written_down(self, rig: Rig) -> None:
        proposal = await stored(rig.store, await rig.propose("a"))

        with pytest.raises(IllegalTransitionError, match="T12 cannot start from validated"):
            await rig.executor._write(lambda tx: transition(tx, COMPLETE, proposal, by=ANN, at=rig.clock.now()))

        assert await stored(rig.store, proposal.id) == proposal
        last = (await audit(rig.store, proposal.id))[-1]
        assert (last.event, last.data) == ("illegal", {"transition": "T12"})


class TestReasons:
    async def test_a_cancellation_is_explained_afterwards(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        await rig.executor.cancel_proposal(proposal_id, by=ANN)

        await rig.executor.explain_cancellation(proposal_id, by=ANN, reason="  wrong member ")

        last = (await audit(rig.store, proposal_id))[-1]
        assert (last.event, last.data["reason"]) == ("explained", "wrong member")

    async def test_only_a_persons_cancellation_is_explained(self, rig: Rig) -> None:
        waiting, killed = await rig.propose("a"), await rig.propose("b")
        with pytest.raises(NotReadyError):
            await rig.executor.explain_cancellation(waiting, by=ANN, reason="why")
        await rig.safety.kill_switch(by=ANN, reason="stop")

        with pytest.raises(NotReadyError):
            await rig.executor.explain_cancellation(killed, by=ANN, reason="why")

    async def test_a_reason_is_stored_whatever_it_is_made_of(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        reason = " half \ud800,\n\n\0 and \x1b[31m "

        cancelled = await rig.executor.cancel_proposal(proposal_id, by=ANN, reason=reason)
        await rig.executor.explain_cancellation(proposal_id, by=ANN, reason=reason)

        assert cancelled.detail == r"half \ud800, \x00 and \x1b[31m"
        assert (await audit(rig.store, proposal_id))[-1].data["reason"] == cancelled.detail

    async def test_a_long_reason_is_cut_before_it_is_stored(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        cancelled = await rig.executor.cancel_proposal(proposal_id, by=ANN, reason="x" * 100_000)

        assert cancelled.detail == "x" * 499 + "…"
        assert (await audit(rig.store, proposal_id))[-1].data["reason"] == cancelled.detail

    async def test_a_cancelled_card_and_only_it_is_redrawn(self, rig: Rig) -> None:
        one, other = await rig.propose("a"), await rig.propose("b")
        await delivered(rig)

        await rig.executor.cancel_proposal(one, by=ANN)

        assert [item.ref for item in await outbox(rig, OutboxKind.CARD)] == [str(one)]
        assert await status(rig.store, other) == "validated"


class TestResolving:
    async def unknown(self, rig: Rig) -> int:
        proposal_id = await rig.approved("a")
        rig.target.faults["a"] = "apply-then-lost"
        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "unknown"
        return proposal_id

    @pytest.mark.parametrize(
        ("happened", "ends"), [(True, "completed(confirmed)"), (False, "failed(no_effect)")], ids=["did", "did not"]
    )
    async def test_a_named_person_says_what_became_of_it(self, rig: Rig, happened: bool, ends: str) -> None:
        proposal_id = await self.unknown(rig)

        resolved = await rig.executor.resolve_proposal(
            proposal_id, happened=happened, by=BO, reason="looked at the rack"
        )

        assert await status(rig.store, proposal_id) == ends
        assert "bo says that it" in resolved.detail
        last = (await audit(rig.store, proposal_id))[-1]
        assert (last.actor, last.data["attested"], last.data["reason"]) == ("slack:T1/UBO", True, "looked at the rack")

    async def test_whoever_says_so_says_how_they_know(self, rig: Rig) -> None:
        proposal_id = await self.unknown(rig)

        with pytest.raises(BadRequestError, match="Say how you know"):
            await rig.executor.resolve_proposal(proposal_id, happened=True, by=ANN, reason="  ")

        assert await status(rig.store, proposal_id) == "unknown"

    async def test_only_what_is_unknown_is_resolved(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")

        with pytest.raises(NotReadyError, match="cannot be resolved"):
            await rig.executor.resolve_proposal(proposal_id, happened=True, by=ANN, reason="seen")

    async def test_nothing_else_runs_on_the_target_until_it_is_resolved(self, rig: Rig) -> None:
        await self.unknown(rig)
        second = await rig.propose("a", mark="m")
        await rig.executor.approve_proposal(second, by=ANN)

        with pytest.raises(OperatorError, match="is running or its outcome is unknown"):
            await rig.executor.execute_proposal(second)

        assert await status(rig.store, second) == "approved"
