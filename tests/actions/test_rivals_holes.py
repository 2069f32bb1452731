"""Holes that systems of this kind have had, each closed by a test that names it.

A decision overturned by a later click:
    tests/actions/test_decisions.py::test_a_refusal_is_not_overturned_by_a_later_click
    tests/actions/test_decisions.py::test_what_runs_is_not_cancelled
    tests/actions/test_rivals_holes.py::test_what_was_refused_stays_refused_whatever_is_asked_for
    tests/actions/test_rivals_holes.py::test_what_was_aborted_stays_aborted_whatever_is_asked_for
One person counted twice, through two groups or two identities:
    tests/actions/test_rivals_holes.py::test_one_person_in_two_needed_groups_is_still_one_person
    tests/actions/test_decisions.py::test_one_person_with_two_identities_counts_once
    tests/actions/test_policy.py::test_one_person_in_two_groups_speaks_for_both_and_counts_once
    tests/actions/test_lifting.py::test_one_person_counts_once_whichever_way_they_ask
    tests/actions/test_break_glass.py::test_somebody_else_closes_the_review_with_a_comment
    tests/bot/test_rivals_holes.py::test_one_person_in_slack_and_on_the_command_line_is_one_person
Cancelling before anybody asks who cancels:
    tests/actions/test_decisions.py::test_a_stranger_changes_nothing_and_is_written_down
    tests/actions/test_rivals_holes.py::test_whoever_may_nothing_is_refused_before_anything_else_is_looked_at
    tests/bot/test_listeners.py::test_who_may_not_cancel_does_not
Approving what has expired but was not swept yet:
    tests/actions/test_decisions.py::test_what_expired_cannot_be_approved_even_before_it_is_swept
    tests/actions/test_decisions.py::test_what_expires_while_the_database_is_waited_for_cannot_be_approved
    tests/actions/test_rivals_holes.py::test_what_expired_unswept_is_not_revived_on_any_other_way
A modal that decides when it is closed:
    tests/bot/test_rivals_holes.py::test_closing_a_form_decides_nothing_and_sending_it_does
    tests/bot/test_listeners.py::test_closing_the_question_or_leaving_it_empty_decides_nothing
A link, a preview of it, or any GET, that decides:
    tests/bot/test_rivals_holes.py::test_no_address_decides_however_it_is_asked
    tests/bot/test_rivals_holes.py::test_no_button_of_a_card_is_a_link
    tests/bot/test_rivals_holes.py::test_a_link_that_slack_looks_at_decides_nothing
    tests/bot/test_authorization_matrix.py::test_over_http_a_token_opens_one_door_and_nothing_else_is_decided
An approval that is used again for a second call of the same kind:
    tests/actions/test_decisions.py::test_an_approval_is_not_reused_for_a_second_action_that_looks_the_same
    tests/actions/test_successors.py::test_it_is_a_new_proposal_with_an_approval_of_its_own
    tests/actions/test_run.py::test_many_executors_at_once_run_it_once
Somebody who takes an approver's name:
    tests/bot/test_rivals_holes.py::test_the_name_of_an_approver_gives_no_right
    tests/actions/test_policy.py::test_nobody_becomes_someone_else_by_a_similar_name
A deactivated person whose session is still open:
    tests/bot/test_rivals_holes.py::test_a_deactivated_person_with_an_open_card_is_refused_within_a_minute
    tests/bot/test_rivals_holes.py::test_a_form_that_was_open_when_its_person_was_deactivated_decides_nothing
    tests/bot/test_listeners.py::test_a_refused_reason_is_said_in_the_form_which_stays_open
    tests/bot/test_listeners.py::test_what_somebody_approved_who_was_deactivated_before_it_ran_does_not_run
    tests/actions/test_break_glass.py::test_who_lost_the_right_meanwhile_runs_nothing
What is denied on one way in and allowed on another:
    tests/actions/test_rivals_holes.py::test_whoever_is_denied_an_action_is_denied_it_on_every_way
    tests/actions/test_rivals_holes.py::test_whoever_is_denied_an_action_does_not_break_the_glass_for_it
    tests/actions/test_rivals_holes.py::test_whoever_is_denied_an_action_is_denied_its_edit_its_retry_and_its_undo
    tests/actions/test_decisions.py::test_high_risk_is_not_approved_from_the_command_line
    tests/bot/test_approvals.py::test_a_plain_approval_of_high_risk_is_refused_whoever_sends_it
    tests/bot/test_approvals.py::test_high_risk_is_approved_by_number_only_with_the_name_of_its_target
    tests/bot/test_authorization_matrix.py::test_from_slack_exactly_those_may_whom_the_table_names
    tests/bot/test_authorization_matrix.py::test_at_the_core_exactly_those_may_whom_the_table_names
A number of people that another way gets past:
    tests/actions/test_rivals_holes.py::test_an_edit_a_retry_and_an_undo_each_need_all_the_people_anew
    tests/actions/test_successors.py::test_an_earlier_approval_does_not_carry_over
    tests/actions/test_successors.py::test_an_approval_of_the_old_parameters_is_worth_nothing_for_the_new
    tests/actions/test_review_findings.py::test_without_its_review_it_needs_the_people_it_always_needed
A card whose place was taken:
    tests/actions/test_rivals_holes.py::test_a_card_whose_place_was_taken_decides_nothing
    tests/bot/test_rivals_holes.py::test_no_button_of_a_card_whose_place_was_taken_decides_anything
An approval from before a kill that is used after it:
    tests/actions/test_decisions.py::test_an_approval_from_before_a_kill_is_worth_nothing_after_it
    tests/actions/test_decisions.py::test_a_kill_that_had_no_time_to_cancel_still_stops
    tests/actions/test_scopes.py::test_what_was_approved_before_a_stop_stays_void_when_it_is_lifted
    tests/actions/test_break_glass.py::test_the_kill_switch_stands_above_it
    tests/actions/test_rivals_holes.py::test_half_the_people_from_before_a_stop_are_nobody_after_it
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from actions.canonical import Json
from actions.errors import (
    AlreadyApprovedError,
    AlreadyDecidedError,
    ExpiredError,
    NotAuthorizedError,
    NotReadyError,
    OperatorError,
)
from actions.executor import ActionExecutor
from actions.models import EVERYTHING, Actor, Caller, Risk, SafetyMode, Verb, Via
from actions.policy import Clause, ConfiguredPolicy, Grants, Group, Person, QuorumClause, Scope
from tests.actions.parts import audit, card, executor_over, redefine, require_sound, status, stored
from tests.factories import FixedClock
from tests.rig import ANN, ANN_CLI, BO, CY, Rig, Touch

ROOT = Path(__file__).parents[2]
GRANTS = Grants(
    people=(
        Person(name="ann", slack=frozenset({"T1/UANN"}), cli=frozenset({"ann"})),
        Person(name="bo", slack=frozenset({"T1/UBO"})),
    ),
    verbs=dict.fromkeys(Verb, frozenset({"ann", "bo"})),
    approvals=dict.fromkeys(Risk, 1),
)
CHANGER: Final = Caller(actor=Actor.slack("T1", "UDI"), via=Via.SLACK)
OTHER: Final = Caller(actor=Actor.slack("T1", "UED"), via=Via.SLACK)
FOUR: Final = replace(
    GRANTS,
    people=(
        *GRANTS.people,
        Person(name="di", slack=frozenset({"T1/UDI"})),
        Person(name="ed", slack=frozenset({"T1/UED"})),
    ),
    verbs=dict.fromkeys(Verb, frozenset({"ann", "bo", "di", "ed"})),
    approvals=dict.fromkeys(Risk, 2),
)
DENIAL: Final = Clause(
    name="[[denials]] 1",
    who=frozenset({"ann"}),
    verbs=frozenset({Verb.APPROVE}),
    scope=Scope(action="rack.touch"),
)
EVERYTHING_GRANTED: Final = Clause(name="[[grants]] 1", who=frozenset({"ann"}), verbs=frozenset(Verb))
DENIED: Final = ConfiguredPolicy(replace(GRANTS, granted=(EVERYTHING_GRANTED,), denied=(DENIAL,)))
DENIED_AMONG_FOUR: Final = ConfiguredPolicy(replace(FOUR, granted=(EVERYTHING_GRANTED,), denied=(DENIAL,)))
TWO_OF_FOUR: Final = ConfiguredPolicy(FOUR)


def back(params: Touch, _: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    return ("touch", {"item": params.item, "mark": "back"})


async def try_everything(executor: ActionExecutor, proposal_id: int, *, by: Caller) -> None:
    """Ask for everything that would have it run after all, or another in its place."""
    for ask in (
        executor.approve_proposal(proposal_id, by=by),
        executor.break_glass(proposal_id, by=by, reason="because"),
        executor.edit_proposal(proposal_id, {"item": "a", "mark": "other"}, by=by),
        executor.retry_proposal(proposal_id, by=by),
        executor.undo_proposal(proposal_id, by=by),
        executor.abort_proposal(proposal_id, by=by),
        executor.execute_proposal(proposal_id),
    ):
        with suppress(OperatorError):
            await ask


async def run(executor: ActionExecutor, proposal_id: int, *people: Caller) -> None:
    for by in people:
        await executor.approve_proposal(proposal_id, by=by)
    await executor.execute_proposal(proposal_id)


async def successors_of(rig: Rig, executor: ActionExecutor) -> list[int]:
    """An edit, a second try and an undo, each put up for decision."""
    redefine(rig, "rack.touch", undo=back)
    edited, failed, done = [await rig.propose(item) for item in ("a", "b", "c")]
    await executor.approve_proposal(edited, by=BO)
    rig.target.faults["b"] = "refuse"
    for proposal_id in (failed, done):
        await run(executor, proposal_id, BO, OTHER)
    made = [
        await executor.edit_proposal(edited, {"item": "a", "mark": "other"}, by=CHANGER),
        await executor.retry_proposal(failed, by=CHANGER),
        await executor.undo_proposal(done, by=CHANGER),
    ]
    for one in made:
        await executor.validate_proposal(one.id)
    return [one.id for one in made]


@pytest.mark.parametrize("name", re.findall(r"^ {4}(tests/\S+)$", __doc__ or "", re.MULTILINE))
def test_every_hole_is_closed_by_a_test_that_exists(name: str) -> None:
    path, _, test = name.partition("::")

    assert re.search(rf"^ *(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE)


async def test_one_person_in_two_needed_groups_is_still_one_person(rig: Rig) -> None:
    groups = tuple(Group(name=name, members=frozenset({"ann"})) for name in ("dba", "sre"))
    quorum = QuorumClause(people=2, needs=frozenset({"dba", "sre"}))
    policy = ConfiguredPolicy(replace(GRANTS, groups=groups, quorums=(quorum,)))
    executor = executor_over(rig, policy=policy)
    proposal_id = await rig.propose("a")

    await executor.approve_proposal(proposal_id, by=ANN)
    for by in (ANN, ANN_CLI):
        with pytest.raises(AlreadyApprovedError, match="more"):
            await executor.approve_proposal(proposal_id, by=by)
    with pytest.raises(NotReadyError):
        await executor.execute_proposal(proposal_id)
    assert await status(rig.store, proposal_id) == "validated"
    await executor.approve_proposal(proposal_id, by=BO)

    assert await status(rig.store, proposal_id) == "approved"


async def test_whoever_is_denied_an_action_is_denied_it_on_every_way(rig: Rig) -> None:
    executor = executor_over(rig, policy=DENIED)
    proposal_id = await rig.propose("a")
    shown = card(await stored(rig.store, proposal_id))
    another_host = Caller(actor=Actor.cli("ann", "another-host"), via=Via.CLI)

    with pytest.raises(NotAuthorizedError, match="denials"):
        await executor.approve_proposal(proposal_id, by=ANN, seen=shown)
    for by in (ANN, ANN_CLI, another_host, replace(ANN, via=Via.CLI), replace(ANN_CLI, via=Via.HTTP)):
        with pytest.raises(NotAuthorizedError, match="denials"):
            await executor.approve_proposal(proposal_id, by=by)

    assert await status(rig.store, proposal_id) == "validated"
    await executor.approve_proposal(await rig.propose("b", action="crush"), by=ANN)


async def test_whoever_is_denied_an_action_does_not_break_the_glass_for_it(rig: Rig) -> None:
    executor = executor_over(rig, policy=DENIED)
    proposal_id = await rig.propose("a")

    for by in (ANN, ANN_CLI):
        with pytest.raises(NotAuthorizedError, match="denials"):
            await executor.break_glass(proposal_id, by=by, reason="because")

    assert await status(rig.store, proposal_id) == "validated"
    await executor.break_glass(await rig.propose("b", action="crush"), by=ANN, reason="because")


async def test_whoever_is_denied_an_action_is_denied_its_edit_its_retry_and_its_undo(rig: Rig) -> None:
    executor = executor_over(rig, policy=DENIED_AMONG_FOUR)

    for proposal_id in await successors_of(rig, executor):
        with pytest.raises(NotAuthorizedError, match="denials"):
            await executor.approve_proposal(proposal_id, by=ANN)
        assert await status(rig.store, proposal_id) == "validated"


async def test_an_edit_a_retry_and_an_undo_each_need_all_the_people_anew(rig: Rig) -> None:
    executor = executor_over(rig, policy=TWO_OF_FOUR)

    for proposal_id in await successors_of(rig, executor):
        effects = rig.target.ledger.total()
        await executor.approve_proposal(proposal_id, by=ANN)
        assert await status(rig.store, proposal_id) == "validated"
        with pytest.raises(NotReadyError):
            await executor.execute_proposal(proposal_id)
        assert rig.target.ledger.total() == effects
        await executor.approve_proposal(proposal_id, by=BO)
        assert await status(rig.store, proposal_id) == "approved"
    await require_sound(rig)


async def test_what_was_refused_stays_refused_whatever_is_asked_for(rig: Rig) -> None:
    proposal_id = await rig.propose("a")
    await rig.executor.cancel_proposal(proposal_id, by=ANN)

    for by in (ANN, BO):
        await try_everything(rig.executor, proposal_id, by=by)

    assert await status(rig.store, proposal_id) == "cancelled(user)"
    assert await rig.store.read(lambda reader: len(reader.proposals())) == 1
    assert rig.target.ledger.total() == 0


async def test_what_was_aborted_stays_aborted_whatever_is_asked_for(rig: Rig, clock: FixedClock) -> None:
    proposal_id = await rig.propose("a", action="crush")
    for by in (ANN, BO):
        await rig.executor.approve_proposal(proposal_id, by=by)
    await rig.executor.abort_proposal(proposal_id, by=CY)

    clock.advance(11)
    for by in (ANN, BO):
        await try_everything(rig.executor, proposal_id, by=by)

    assert await status(rig.store, proposal_id) == "cancelled(user)"
    assert await rig.store.read(lambda reader: len(reader.proposals())) == 1
    assert rig.target.ledger.total() == 0


async def test_whoever_may_nothing_is_refused_before_anything_else_is_looked_at(rig: Rig) -> None:
    proposal_id = await rig.propose("a")
    await rig.executor.break_glass(proposal_id, by=ANN, reason="because")
    waiting = await rig.propose("b")

    for ask in (
        rig.executor.cancel_proposal(waiting, by=CY),
        rig.executor.edit_proposal(waiting, {"item": "c"}, by=CY),
        rig.executor.break_glass(waiting, by=CY, reason="because"),
        rig.executor.explain_cancellation(waiting, by=CY, reason="because"),
        rig.executor.resolve_proposal(waiting, happened=True, by=CY, reason="because"),
        rig.executor.close_review(proposal_id, by=CY, comment="because"),
    ):
        with pytest.raises(NotAuthorizedError):
            await ask

    denied = [event for event in await audit(rig.store) if event.event == "denied"]
    assert {event.actor for event in denied} == {str(CY.actor)}
    assert [event.data["verb"] for event in denied] == ["cancel", "edit", "break_glass", "cancel", "resolve", "review"]
    assert await status(rig.store, waiting) == "validated"


async def test_what_expired_unswept_is_not_revived_on_any_other_way(rig: Rig, clock: FixedClock) -> None:
    first, second = await rig.propose("a"), await rig.propose("b")
    clock.advance(timedelta(hours=1).total_seconds())

    with pytest.raises(ExpiredError):
        await rig.executor.break_glass(first, by=ANN, reason="because")
    with pytest.raises(ExpiredError):
        await rig.executor.edit_proposal(second, {"item": "b", "mark": "other"}, by=ANN)

    assert [await status(rig.store, one) for one in (first, second)] == ["expired", "expired"]
    assert await rig.store.read(lambda reader: len(reader.proposals())) == 2


async def test_a_card_whose_place_was_taken_decides_nothing(rig: Rig) -> None:
    old = await rig.propose("a")
    shown = card(await stored(rig.store, old))
    new = await rig.executor.edit_proposal(old, {"item": "a", "mark": "other"}, by=ANN)
    await rig.executor.validate_proposal(new.id)

    await try_everything(rig.executor, old, by=BO)
    for press in (
        rig.executor.approve_proposal(old, by=BO, seen=shown),
        rig.executor.approve_proposal(new.id, by=BO, seen=shown),
        rig.executor.break_glass(new.id, by=BO, reason="because", seen=shown),
    ):
        with pytest.raises(OperatorError):
            await press

    assert [await status(rig.store, one) for one in (old, new.id)] == ["cancelled(superseded)", "validated"]
    assert await rig.store.read(lambda reader: reader.approvals(new.id)) == []
    assert rig.target.ledger.total() == 0


@pytest.mark.parametrize("scope", [EVERYTHING, "rack"])
async def test_half_the_people_from_before_a_stop_are_nobody_after_it(rig: Rig, scope: str) -> None:
    proposal_id = await rig.propose("a", action="crush")
    await rig.executor.approve_proposal(proposal_id, by=ANN)
    assert len(await rig.store.read(lambda reader: reader.approvals(proposal_id))) == 1

    await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN, scope=scope)
    await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="again", scope=scope)
    with pytest.raises(AlreadyDecidedError):
        await rig.executor.approve_proposal(proposal_id, by=BO)
    again = await rig.propose("a", action="crush", mark="again")
    await rig.executor.approve_proposal(again, by=BO)

    assert await status(rig.store, proposal_id) == "cancelled(mode_observe)"
    assert await status(rig.store, again) == "validated"
    assert rig.target.ledger.total() == 0
