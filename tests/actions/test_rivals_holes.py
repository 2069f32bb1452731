"""Holes that systems of this kind have had, each closed by a test that names it.

A decision overturned by a later click:
    tests/actions/test_decisions.py::test_a_refusal_is_not_overturned_by_a_later_click
    tests/actions/test_decisions.py::test_what_runs_is_not_cancelled
One person counted twice, through two groups or two identities:
    tests/actions/test_rivals_holes.py::test_one_person_in_two_needed_groups_is_still_one_person
    tests/actions/test_decisions.py::test_one_person_with_two_identities_counts_once
    tests/actions/test_policy.py::test_one_person_in_two_groups_speaks_for_both_and_counts_once
Cancelling before anybody asks who cancels:
    tests/actions/test_decisions.py::test_a_stranger_changes_nothing_and_is_written_down
    tests/bot/test_listeners.py::test_who_may_not_cancel_does_not
Approving what has expired but was not swept yet:
    tests/actions/test_decisions.py::test_what_expired_cannot_be_approved_even_before_it_is_swept
    tests/actions/test_decisions.py::test_what_expires_while_the_database_is_waited_for_cannot_be_approved
A modal that decides when it is closed:
    tests/bot/test_listeners.py::test_closing_the_question_or_leaving_it_empty_decides_nothing
A link, or any GET, that decides:
    tests/bot/test_rivals_holes.py::test_no_address_decides_however_it_is_asked
    tests/bot/test_rivals_holes.py::test_no_button_of_a_card_is_a_link
    tests/bot/test_authorization_matrix.py::test_over_http_a_token_opens_one_door_and_nothing_else_is_decided
An approval that is used again for a second call of the same kind:
    tests/actions/test_decisions.py::test_an_approval_is_not_reused_for_a_second_action_that_looks_the_same
    tests/actions/test_run.py::test_many_executors_at_once_run_it_once
Somebody who takes an approver's name:
    tests/bot/test_rivals_holes.py::test_the_name_of_an_approver_gives_no_right
    tests/actions/test_policy.py::test_nobody_becomes_someone_else_by_a_similar_name
A deactivated person whose session is still open:
    tests/bot/test_rivals_holes.py::test_a_deactivated_person_with_an_open_card_is_refused_within_a_minute
    tests/bot/test_listeners.py::test_a_refused_reason_is_said_in_the_form_which_stays_open
    tests/bot/test_listeners.py::test_what_somebody_approved_who_was_deactivated_before_it_ran_does_not_run
What is denied on one way in and allowed on another:
    tests/actions/test_rivals_holes.py::test_whoever_is_denied_an_action_is_denied_it_on_every_way
    tests/bot/test_authorization_matrix.py::test_from_slack_exactly_those_may_whom_the_table_names
    tests/bot/test_authorization_matrix.py::test_at_the_core_exactly_those_may_whom_the_table_names
An approval from before a kill that is used after it:
    tests/actions/test_decisions.py::test_an_approval_from_before_a_kill_is_worth_nothing_after_it
    tests/actions/test_decisions.py::test_a_kill_that_had_no_time_to_cancel_still_stops
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from actions.errors import AlreadyApprovedError, NotAuthorizedError, NotReadyError
from actions.models import Actor, Caller, Risk, Verb, Via
from actions.policy import Clause, ConfiguredPolicy, Grants, Group, Person, QuorumClause, Scope
from tests.actions.parts import card, executor_over, status, stored
from tests.rig import ANN, ANN_CLI, BO, Rig

ROOT = Path(__file__).parents[2]
GRANTS = Grants(
    people=(
        Person(name="ann", slack=frozenset({"T1/UANN"}), cli=frozenset({"ann"})),
        Person(name="bo", slack=frozenset({"T1/UBO"})),
    ),
    verbs=dict.fromkeys(Verb, frozenset({"ann", "bo"})),
    approvals=dict.fromkeys(Risk, 1),
)


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
    denial = Clause(
        name="[[denials]] 1",
        who=frozenset({"ann"}),
        verbs=frozenset({Verb.APPROVE}),
        scope=Scope(action="rack.touch"),
    )
    everything = Clause(name="[[grants]] 1", who=frozenset({"ann"}), verbs=frozenset(Verb))
    executor = executor_over(rig, policy=ConfiguredPolicy(replace(GRANTS, granted=(everything,), denied=(denial,))))
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
